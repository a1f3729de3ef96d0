"""Which circuit breakers can be written, which cannot, and what is said of those?"""

from __future__ import annotations

import math
from random import Random
from typing import Any

import attrs
import pytest

from meshkit.breaker import CircuitBreaker
from meshkit.errors import ConfigError

SECONDS = "give a duration in seconds, above 0, such as 2.5"
RATIO = "give a ratio above 0 and up to 1, such as 0.5"
COUNT = "give a whole number from 1 to 2147483648"
RATED = "only rates have a window: add failure_rate or slow_rate, or leave this out"


@pytest.mark.parametrize("option", ["failures", "minimum", "probes", "successes"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, math.nan, math.inf, "ten", 2**31 + 1])
def test_a_count_is_a_whole_number(option: str, value: Any) -> None:
    rate = {"failure_rate": 0.5} if option == "minimum" else {}
    assert refusal(**rate, **{option: value}) == f"CircuitBreaker: {option}={value!r}: {COUNT}"


@pytest.mark.parametrize("option", ["probes", "successes", "cooldown", "name", "overloaded"])
def test_what_has_no_off_cannot_be_none(option: str) -> None:
    assert refusal(**{option: None}).startswith(f"CircuitBreaker: {option}=None: ")


@pytest.mark.parametrize("option", ["cooldown", "max_cooldown", "window_seconds", "slow_after"])
@pytest.mark.parametrize("value", [0, 0.0, -1.0, True, math.nan, math.inf, "ten"])
def test_a_duration_is_a_number_above_zero(option: str, value: Any) -> None:
    assert (
        refusal(slow_rate=0.5, **{"slow_after": 1.0, option: value}) == f"CircuitBreaker: {option}={value!r}: {SECONDS}"
    )


@pytest.mark.parametrize("option", ["failure_rate", "slow_rate"])
@pytest.mark.parametrize("value", [0, -0.5, 1.01, 50, True, math.nan, math.inf, "ten"])
def test_a_rate_is_a_share_of_one(option: str, value: Any) -> None:
    assert refusal(**{option: value}) == f"CircuitBreaker: {option}={value!r}: {RATIO}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"failures": None}, "failures=None: nothing could open the circuit: give failures, failure_rate or slow_rate"),
        ({"window_calls": 10}, f"window_calls=10: {RATED}"),
        ({"window_seconds": 10.0}, f"window_seconds=10.0: {RATED}"),
        ({"minimum": 10}, f"minimum=10: {RATED}"),
        ({"window_calls": 0, "failure_rate": 0.5}, "window_calls=0: give a whole number from 1 to 100000"),
        ({"window_calls": 100_001, "failure_rate": 0.5}, "window_calls=100001: give a whole number from 1 to 100000"),
        ({"window_calls": "ten", "failure_rate": 0.5}, "window_calls='ten': give a whole number from 1 to 100000"),
        ({"slow_rate": 0.5}, "slow_rate=0.5: say what is slow: add slow_after=2.0 (seconds)"),
        ({"slow_after": 2.0}, "slow_after=2.0: say how many slow calls are too many: add slow_rate=0.5"),
        (
            {"failure_rate": 0.5, "window_calls": 10, "window_seconds": 10.0},
            "window_seconds=10.0: a window is counted in calls or in seconds: drop this or window_calls",
        ),
        (
            {"failure_rate": 0.5, "window_calls": 10, "minimum": 11},
            "minimum=11: the window never holds so many calls: give at most 10",
        ),
        (
            {"cooldown": 10.0, "max_cooldown": 5.0},
            "max_cooldown=5.0: less than cooldown=10.0: give as much or more, or leave it out",
        ),
        (
            {"probes": 3, "successes": 2},
            "probes=3: more than successes=2 asks for: give no more probes than successes",
        ),
        ({"overloaded": "success"}, "overloaded='success': write one of 'failure', 'ignored'"),
        ({"name": ""}, "name='': give a name, such as 'payments'"),
        ({"name": 7}, "name=7: give a name, such as 'payments'"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], said: str) -> None:
    assert refusal(**options) == f"CircuitBreaker: {said}"


def refusal(**options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        CircuitBreaker(**options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "failures", "window_calls", "window_seconds", "minimum"),
    [
        ({}, 5, None, None, None),
        ({"failures": 3}, 3, None, None, None),
        ({"failure_rate": 0.5}, None, None, 30.0, 20),
        ({"failure_rate": 0.5, "failures": 9}, 9, None, 30.0, 20),
        ({"failure_rate": 0.5, "window_calls": 100}, None, 100, None, 20),
        ({"failure_rate": 0.5, "window_calls": 7}, None, 7, None, 7),
        ({"failure_rate": 0.5, "window_seconds": 5, "minimum": 3}, None, None, 5, 3),
        ({"slow_rate": 0.5, "slow_after": 1.0}, 5, None, 30.0, 20),
        ({"slow_rate": 0.5, "slow_after": 1.0, "failures": None}, None, None, 30.0, 20),
    ],
)
def test_defaults_follow_from_what_is_given(
    options: dict[str, Any],
    failures: int | None,
    window_calls: int | None,
    window_seconds: float | None,
    minimum: int | None,
) -> None:
    spec = CircuitBreaker(**options)
    assert (spec.failures, spec.window_calls, spec.window_seconds, spec.minimum) == (
        failures, window_calls, window_seconds, minimum,
    )  # fmt: skip


def test_as_many_successes_as_probes() -> None:
    assert CircuitBreaker().successes == 1
    assert CircuitBreaker(probes=4).successes == 4
    assert CircuitBreaker(probes=2, successes=6).successes == 6


def test_a_spec_is_a_value_and_each_start_a_state_of_its_own() -> None:
    spec = CircuitBreaker(failure_rate=0.5)
    assert spec == CircuitBreaker(failure_rate=0.5, failures=None, window_seconds=30.0, minimum=20)
    assert hash(spec) == hash(CircuitBreaker(failure_rate=0.5))
    assert attrs.evolve(spec, cooldown=1.0) != spec
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        spec.cooldown = 1.0  # type: ignore[misc]
    one, other = spec.start(Random(1)), spec.start(Random(1))
    one.isolate(0.0)
    assert (one.state, other.state) == ("isolated", "closed")
