"""Do the windows count what a list of all outcomes would?"""

from __future__ import annotations

import sys
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.breaker.windows import BUCKETS, CountWindow, TimeWindow

FLAGS = st.tuples(st.booleans(), st.booleans())
STEPS = st.one_of(st.just(0.0), st.floats(0, 3), st.sampled_from([0.1, 0.3, 1.0, 1e6, 1e12]))


def totals(outcomes: list[tuple[bool, bool]]) -> tuple[int, int, int]:
    return len(outcomes), sum(failed for failed, _ in outcomes), sum(slow for _, slow in outcomes)


@given(size=st.integers(1, 12), outcomes=st.lists(FLAGS, max_size=60))
def test_the_count_window_holds_the_last_calls(size: int, outcomes: list[tuple[bool, bool]]) -> None:
    window = CountWindow(size)
    assert window.totals(0.0) == (0, 0, 0)
    for k, (failed, slow) in enumerate(outcomes, start=1):
        window.add(0.0, failed, slow)
        assert window.totals(1e9) == totals(outcomes[:k][-size:])
    window.clear()
    assert window.totals(0.0) == (0, 0, 0)


@given(
    start=st.sampled_from([-7.5, 0.0, 0.1, 1e6 + 0.7]),
    seconds=st.one_of(st.sampled_from([1.0, 0.3, 10.0, 7.0]), st.floats(0.01, 100)),
    steps=st.lists(st.tuples(STEPS, FLAGS), max_size=60),
    later=STEPS,
)
def test_the_time_window_holds_the_last_buckets(
    start: float, seconds: float, steps: list[tuple[float, tuple[bool, bool]]], later: float
) -> None:
    window = TimeWindow(seconds)
    assert window.totals(start) == (0, 0, 0)
    width = Fraction(seconds / BUCKETS)
    now, seen = start, []
    for step, flags in [*steps, (later, None)]:
        now += step
        if flags is not None:
            window.add(now, *flags)
            seen.append((now, flags))
        # Whole numbers of buckets in exact arithmetic; the window itself divides floats.
        present = Fraction(now) // width
        expected = totals([flags for then, flags in seen if Fraction(then) // width > present - BUCKETS])
        assert window.totals(now) == expected
        # And without buckets: all of the last nine tenths, nothing that is older than the whole.
        slack = seconds * 1e-9 + now * 1e-15
        least = totals([flags for then, flags in seen if now - then <= seconds * 0.9 - slack])
        most = totals([flags for then, flags in seen if now - then <= seconds + slack])
        assert all(a <= b <= c for a, b, c in zip(least, window.totals(now), most, strict=True))
    window.clear()
    assert window.totals(now) == (0, 0, 0)


@pytest.mark.parametrize(
    ("now", "seen"),
    [
        (1.5, (2, 1, 0)),
        (9.0, (2, 1, 0)),
        (9.999, (2, 1, 0)),
        (10.0, (1, 1, 0)),  # the bucket from 0 to 1 has left
        (10.999, (1, 1, 0)),
        (11.0, (0, 0, 0)),
        (1e15, (0, 0, 0)),
    ],
)
def test_buckets_leave_one_by_one(now: float, seen: tuple[int, int, int]) -> None:
    window = TimeWindow(10.0)
    window.add(0.5, False, False)
    window.add(1.5, True, False)
    before = repr(window.buckets)
    assert window.totals(now) == seen
    assert repr(window.buckets) == before


def test_an_instant_that_comes_late_counts_in_the_present_bucket() -> None:
    """Two threads may read the clock in one order and come to the lock in the other."""
    window = TimeWindow(10.0)
    window.add(5.001, True, False)
    window.add(4.999, True, True)
    assert window.totals(5.001) == (2, 2, 1)
    assert [list(bucket)[1:] for bucket in window.buckets if bucket[1]] == [[2, 2, 1]]


@pytest.mark.parametrize("window", [CountWindow(1000), TimeWindow(30.0)], ids=["calls", "seconds"])
def test_memory_is_bounded(window: Any) -> None:
    rng = Random(7)
    now = 0.0
    for _ in range(100_000):
        now += rng.choice((0.0, 0.001, 0.1, 5.0, 1e5))
        window.add(now, rng.random() < 0.5, rng.random() < 0.5)
        assert held(window) < 4096


def held(window: Any) -> int:
    size = 0
    for name in window.__slots__:
        value = getattr(window, name)
        size += sys.getsizeof(value)
        if not isinstance(value, int | float | bytearray):
            size += sum(sys.getsizeof(part) for part in value)
    return size
