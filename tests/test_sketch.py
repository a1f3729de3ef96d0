"""The sketch against a sorted list: every quantile within its error, of the last one to two windows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.sketch import LEAST, MOST, Sketch

ERROR = 0.02
values = st.floats(1e-5, 1e4)
shares = st.one_of(st.just(0.0), st.just(1.0), st.floats(0.0, 1.0))


def exact(numbers, share):
    return sorted(numbers)[math.floor(share * (len(numbers) - 1))]


@given(st.lists(values, min_size=1, max_size=200), shares)
def test_each_quantile_is_right_within_the_error(numbers, share):
    sketch = Sketch(error=ERROR)
    for number in numbers:
        sketch.add(number, 0.0)
    assert sketch.count() == len(numbers)
    assert sketch.quantile(share) == pytest.approx(exact(numbers, share), rel=ERROR * 1.0001)


@given(st.lists(st.tuples(values, st.floats(0.0, 20.0)), min_size=1, max_size=60), shares)
def test_as_time_goes_on(steps, share):
    """The model keeps every value, and the instants at which a half ends."""
    sketch, window = Sketch(window=10.0, error=ERROR), 10.0
    now, ends, present, before = 0.0, -math.inf, [], []
    for value, gap in steps:
        now += gap
        if now >= ends:
            before = [] if now >= ends + window else present
            present, ends = [], now + window
        present.append(value)
        sketch.add(value, now)
        assert sketch.count() == len(present) + len(before)
        assert sketch.quantile(share) == pytest.approx(exact(present + before, share), rel=ERROR * 1.0001)


def test_nothing_is_known_at_first():
    assert Sketch().quantile(0.5) is None
    assert Sketch().count() == 0


def test_reading_changes_nothing():
    sketch = Sketch()
    for number in (1.0, 2.0, 3.0):
        sketch.add(number, 0.0)
    assert [sketch.quantile(0.5) for _ in range(3)] == [sketch.quantile(0.5)] * 3


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-300, LEAST])
def test_what_is_very_short_counts_as_a_microsecond(value):
    sketch = Sketch()
    sketch.add(value, 0.0)
    assert sketch.quantile(1.0) == pytest.approx(LEAST, rel=ERROR * 1.0001)


@pytest.mark.parametrize("value", [MOST, 1e9, math.inf])
def test_what_is_very_long_counts_as_a_day(value):
    sketch = Sketch()
    sketch.add(value, 0.0)
    assert sketch.quantile(0.0) == pytest.approx(MOST, rel=ERROR * 1.0001)


def test_it_does_not_grow():
    sketch = Sketch()
    size = len(sketch._counts)
    for k in range(2000):
        sketch.add(1e-7 * 1.02**k, k / 10)
    assert len(sketch._counts) == len(sketch._before) == size <= 25 / (2 * ERROR) + 10


def test_after_two_windows_all_is_forgotten():
    sketch = Sketch(window=30.0)
    sketch.add(1.0, 0.0)
    sketch.add(2.0, 29.9)
    assert sketch.count() == 2
    sketch.add(3.0, 30.0)
    assert sketch.count() == 3
    sketch.add(4.0, 60.0)
    assert sketch.count() == 2
    sketch.add(5.0, 1000.0)
    assert sketch.count() == 1
