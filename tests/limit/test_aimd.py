"""AIMD: a step up, a share down, and never beyond its bounds."""

from random import Random

import pytest

from meshkit.errors import ConfigError
from meshkit.limit.aimd import AIMD

TABLE = [
    # limit, latency, in flight, dropped -> limit. The first three are AIMDLimitTest of Netflix/concurrency-limits.
    (10, 0.001, 10, False, 11),
    (10, None, 1, True, 9),
    (10, 0.001, 4, False, 10),
    (10, 0.001, 5, False, 11),  # half of it in use
    (9, 0.001, 4, False, 9),
    (10, 5.0, 10, False, 11),
    (10, 5.1, 10, False, 9),  # slower than the timeout: dropped, whatever the verdicts
    (10, 5.1, 1, False, 9),
    (19, 0.001, 19, True, 17),  # rounded down
    (3, 0.001, 3, True, 3),  # the floor
    (200, 0.001, 200, False, 200),  # the ceiling
]


@pytest.mark.parametrize(("limit", "rtt", "in_flight", "dropped", "expected"), TABLE)
def test_table(limit, rtt, in_flight, dropped, expected):
    state = AIMD(initial=limit).start(Random(0))
    assert state.sample(rtt, in_flight, dropped, 0.0) == state.limit == expected


def test_without_a_timeout_latency_counts_for_nothing():
    assert AIMD(timeout=None).start(Random(0)).sample(3600.0, 20, False, 0.0) == 21


def test_every_window_dropped_ends_at_the_floor_and_one_good_one_leaves_it():
    state = AIMD(initial=200).start(Random(0))
    limits = [state.sample(None, 200, True, float(n)) for n in range(50)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == 3
    assert state.sample(0.1, 3, False, 50.0) == 4


NAN = float("nan")


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        *(("initial", value, "give a whole number from 1 to") for value in (0, -1, 1.5, NAN, True, None)),
        *(("floor", value, "give a whole number from 1 to") for value in (0, -1, 1.5, NAN, True, None)),
        ("floor", 21, "the limit begins at 20: give a floor up to that"),
        *(("ceiling", value, "give a whole number from 1 to") for value in (0, -1, 1.5, NAN, True, None)),
        ("ceiling", 19, "the limit begins at 20: give a ceiling from there on"),
        *(("backoff", value, "give a number from 0.5 to 0.99") for value in (0.4, 1.0, NAN, "x", True, None)),
        *(("timeout", value, "give a duration in seconds, above 0") for value in (0, -1, NAN, float("inf"), True)),
    ],
)
def test_not_an_option(option, value, fix):
    with pytest.raises(ConfigError) as caught:
        AIMD(**{option: value})
    for part in (f"AIMD: {option}=", repr(value), fix):
        assert part in str(caught.value)
