"""The sketch against a sorted list: every quantile within its error, of the last one to two windows. The histogram
against the same list: every count below a round number to the letter.
"""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.sketch import LEAST, MOST, Histogram, Sketch, edges

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
    assert len(sketch._counts) == len(sketch._before) == size <= 15 / ERROR


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


BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Of the HTTP semantic conventions."""
near = st.sampled_from(BOUNDS).flatmap(
    lambda bound: st.sampled_from([math.nextafter(bound, 0.0), bound, math.nextafter(bound, math.inf)])
)


@given(st.lists(st.one_of(values, near), max_size=200))
def test_a_histogram_counts_what_is_at_most_a_bound(numbers):
    histogram = Histogram()
    for number in numbers:
        histogram.add(number)
    naive = [sum(number <= bound for number in numbers) for bound in BOUNDS]
    found = histogram.below(BOUNDS)
    assert found == [*naive, len(numbers)]
    assert found == sorted(found)
    assert histogram.count() == len(numbers)
    assert histogram.sum == pytest.approx(sum(numbers))


@given(st.lists(values, min_size=1, max_size=100), st.floats(1e-5, 1e4))
def test_of_any_other_bound_a_histogram_is_off_by_one_bucket_at_most(numbers, bound):
    histogram = Histogram(error=ERROR)
    for number in numbers:
        histogram.add(number)
    found, count = histogram.below([bound])
    gamma = (1 + ERROR) / (1 - ERROR)
    assert sum(number <= bound / gamma for number in numbers) <= found <= sum(number <= bound for number in numbers)
    assert count == len(numbers)


@given(st.lists(values, min_size=1, max_size=100), shares)
def test_a_histogram_knows_its_quantiles(numbers, share):
    histogram = Histogram(error=ERROR)
    for number in numbers:
        histogram.add(number)
    assert histogram.quantile(share) == pytest.approx(exact(numbers, share), rel=ERROR * 1.0001)


def test_an_empty_histogram():
    histogram = Histogram()
    assert histogram.below(BOUNDS) == [0] * 15
    assert histogram.quantile(0.5) is None
    assert (histogram.count(), histogram.sum) == (0, 0.0)


@pytest.mark.parametrize(
    ("value", "below"),
    [(0.0, [1, 1, 1]), (1e-9, [1, 1, 1]), (MOST, [0, 0, 1]), (1e9, [0, 0, 1]), (math.inf, [0, 0, 1])],
)
def test_a_histogram_takes_what_is_very_short_and_very_long(value, below):
    histogram = Histogram()
    histogram.add(value)
    assert histogram.below([LEAST, 10.0]) == below


@pytest.mark.parametrize("error", [0.01, 0.02, 0.05, 0.2])
def test_the_edges(error):
    found = edges(error)
    assert found[0] == LEAST
    assert found[-1] == MOST
    assert all(low < high <= low * (1 + error) / (1 - error) * 1.000001 for low, high in pairwise(found))
    for power in range(-6, 4):
        for digits in (1, 2, 2.5, 3, 4, 5, 6, 7, 7.5, 8, 9):
            assert float(f"{digits}e{power}") in found
