"""Gradient2: gives way where latency is above the usual, and is not talked into an overload."""

from random import Random

import pytest

from meshkit.errors import ConfigError
from meshkit.limit.gradient import Gradient2


def start(limit=100, rtt=0.010, **options):
    """With a baseline of 10 ms known."""
    state = Gradient2(initial=limit, **options).start(Random(0))
    state.sample(rtt, 1, False, 0.0)
    assert state.limit == limit
    return state


TABLE = [
    # limit, latency, in flight, dropped -> limit, with a baseline of 10 ms and a tolerance of 1.5
    (100, 0.010, 100, False, 100.8),  # + 4 * 0.2
    (100, 0.015, 100, False, 100.8),  # just tolerated
    (100, 0.020, 100, False, 95.0),  # gradient 0.75: a quarter off, a fifth of that
    (100, 0.030, 100, False, 90.0),  # gradient 0.5
    (100, 3600.0, 100, False, 90.0),  # and no less
    (100, 0.010, 49, False, 100.0),  # not in use
    (100, 0.010, 50, False, 100.8),
    (100, None, 1, True, 90.0),  # dropped
    (100, 0.010, 100, True, 90.0),
    (3, None, 3, True, 3.0),  # the floor
    (200, 0.010, 200, False, 200.0),  # the ceiling
    (100, 0.0, 100, False, 100.8),
]


@pytest.mark.parametrize(("limit", "rtt", "in_flight", "dropped", "expected"), TABLE)
def test_table(limit, rtt, in_flight, dropped, expected):
    state = start(limit)
    assert state.sample(rtt, in_flight, dropped, 1.0) == state.limit == pytest.approx(expected)


BASELINES = [
    # latency, in flight, dropped -> baseline in ms, from 10 ms, over 3 windows: half of the way
    (0.008, 100, False, 9.0),
    (0.020, 40, False, 15.0),  # less than half in use: that is how long it takes
    (0.020, 100, False, 10.0),  # in use: it may be a queue
    (0.020, 40, True, 10.0),  # a drop is no latency
    (0.004, 100, False, 7.0),
    (0.001, 100, False, 5.5 * 0.95),  # more than twice the latency: a twentieth on top
]


@pytest.mark.parametrize(("rtt", "in_flight", "dropped", "expected"), BASELINES)
def test_what_the_baseline_learns_from(rtt, in_flight, dropped, expected):
    state = start(windows=3)
    state.sample(rtt, in_flight, dropped, 1.0)
    assert state.snapshot()["baseline"] * 1000 == pytest.approx(expected)


def test_under_a_mild_overload_it_does_not_creep_up():
    """Netflix/concurrency-limits, pull request #134: the queue granted outweighs a gradient a little below 1, and the
    baseline gives way. The latency of an upstream for 8 at once, over hours: 1.5 times the usual is at 12.
    """
    state = start(10, rtt=0.016)
    limits = [state.sample(0.016 * max(1, state.limit / 8), int(state.limit), False, n / 10) for n in range(100_000)]
    assert max(limits) <= 12.8


def test_a_steady_timeout_is_no_steady_state():
    """Netflix/concurrency-limits, issue #137: every call times out after the same time."""
    state = Gradient2(initial=20).start(Random(0))
    for n in range(1000):
        state.sample(None if n % 2 else 5.0, int(state.limit), True, n * 0.1)
    assert state.limit == 3


def test_at_an_upstream_that_became_slower_for_good_it_comes_back():
    state = start(100)
    limits = [state.sample(0.1, int(state.limit), False, 1.0 + n / 10) for n in range(200)]
    assert min(limits) < 50
    assert limits[-1] > limits[20]
    assert state.snapshot()["baseline"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("initial", 0), ("floor", 21), ("ceiling", 19), ("probe", 0), ("tolerance", 0.9), ("tolerance", None)],
        *[("queue", 0), ("queue", 1.5), ("smoothing", 0), ("smoothing", 1.1), ("windows", 0)],
    ],
)
def test_not_an_option(option, value):
    with pytest.raises(ConfigError, match=f"Gradient2: {option}={value!r}: "):
        Gradient2(**{option: value})
