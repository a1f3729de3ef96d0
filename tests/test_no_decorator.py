"""What does somebody read who takes a policy for a decorator?"""

from __future__ import annotations

import attrs
import pytest

import meshkit
from meshkit import (
    AdaptiveConcurrency,
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Fallback,
    FaultInjection,
    FixedWindow,
    Hedge,
    LoadShed,
    Pace,
    Pipeline,
    RateLimit,
    Retry,
    Route,
    Router,
    Shadow,
    Shared,
    SingleFlight,
    SlidingWindow,
    StaleIfError,
    Throttle,
    Timeout,
)
from meshkit.options import is_function

SPECS = [
    AdaptiveConcurrency(),
    CircuitBreaker(),
    Cluster("c", ["a:1"]),
    ConcurrencyLimit(1),
    Fallback(value=None),
    FaultInjection(expires=1.0, delay=1.0),
    FixedWindow("1/s"),
    Hedge(1.0),
    LoadShed(1),
    Pace(),
    RateLimit("1/s"),
    Retry(OSError),
    Router([Route()]),
    Shadow(RateLimit("1/s")),
    Shared(RateLimit("1/s")),
    SingleFlight(),
    SlidingWindow("1/s"),
    StaleIfError(1.0),
    Throttle(),
    Timeout(1.0),
]


def fetch():
    """To be decorated."""


def test_these_are_all():
    """Every public class that is started with a generator."""
    public = [getattr(meshkit, name) for name in meshkit.__all__]
    specs = {each for each in public if isinstance(each, type) and hasattr(each, "start") and each not in HELD}
    assert specs == {type(spec) for spec in SPECS}


HELD = {getattr(meshkit, name) for name in meshkit.__all__ if name.endswith("Budget")} | {
    getattr(meshkit, name)
    for name in ("AIMD", "Gradient2", "LeastRequest", "OutlierDetection", "PeakEwma", "RoundRobin", "Vegas")
}
"""What stands in a policy, and is none."""


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)
def test_a_policy_is_no_decorator(spec):
    name = type(spec).__name__
    with pytest.raises(ConfigError) as caught:
        spec(fetch)
    assert str(caught.value) == (f"{name} is a policy, no decorator: put it into a pipeline, @Pipeline({name}(...))")
    with pytest.raises(ConfigError, match="no decorator"):
        spec(1, by_name=2)
    Pipeline(spec)  # and in there it is right


@pytest.mark.parametrize(
    "place",
    [
        Retry,
        lambda policy: Fallback(value=None, on=policy),
        lambda policy: RateLimit("1/s", key=policy),
        lambda policy: RateLimit("1/s", cost=policy),
        lambda policy: LoadShed(1, priority=policy),
        lambda policy: LoadShed(signal=policy),
        lambda policy: AdaptiveConcurrency(signal=policy),
        lambda policy: FaultInjection(expires=1.0, abort=policy),
        lambda policy: Pipeline(clock=policy),
        lambda policy: Pipeline()(judge=policy),
        Pipeline(),
        lambda policy: Pipeline().listen(policy),
    ],
    ids=[
        *("retry", "fallback", "key", "cost", "priority", "shed"),
        *("adaptive", "abort", "clock", "judge", "guarded", "listener"),
    ],
)
def test_where_a_function_is_wanted_a_policy_is_none(place):
    with pytest.raises(ConfigError, match="give "):
        place(Timeout(1.0))


def test_what_is_a_function():
    assert [is_function(each) for each in (fetch, len, dict, Pipeline(), attrs.evolve)] == [True] * 5
    assert [is_function(each) for each in (Timeout(1.0), Shared(Timeout(1.0)), None, "len")] == [False] * 4
