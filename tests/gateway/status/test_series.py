"""The last minute: what is in it, what is not any more, and how right a quantile is."""

from __future__ import annotations

import random

import pytest

from meshkit.gateway.status.series import SLOTS, WIDTH, WINDOW, Series, Sum


def total(series: Series, now: float, since: float = 0.0) -> Sum:
    found = Sum(now, since)
    found.add(series)
    return found


@pytest.mark.parametrize(
    ("told", "now", "calls"),
    [
        ([], 0.0, 0),
        ([0.0], 0.0, 1),
        ([1000.0, 1001.0, 1002.9, 1003.0], 1003.0, 4),
        ([1000.0], 1056.9, 1),  # the slot from 999 to 1002 is the first of twenty until 1059
        ([1000.0], 1059.0, 0),
        ([1000.0, 1030.0, 1058.0], 1070.0, 2),
        ([1000.0, 5000.0], 5001.0, 1),
        ([1003.0, 1000.0], 1003.0, 2),  # one thread was late
        ([2000.0, 1000.0], 2000.0, 2),  # very late: it counts as of now
    ],
)
def test_what_is_in_the_last_minute(told: list[float], now: float, calls: int) -> None:
    series = Series()
    for at in told:
        series.add(at, 0.001)
    assert total(series, now).calls == calls


def test_it_is_as_a_list_of_instants_would_have_it() -> None:
    draw = random.Random(5)
    series, instants, now = Series(), [], 500.0
    for _ in range(2000):
        now += draw.expovariate(5.0)
        series.add(now, None, errors=1)
        instants.append(now)
        oldest = (int(now / WIDTH) - SLOTS + 1) * WIDTH
        if draw.random() < 0.05:
            found = total(series, now)
            assert found.calls == found.errors == sum(at >= oldest for at in instants)
            assert sum(found.history[0]) == sum(found.history[1]) == found.calls


def test_rates_are_by_the_time_that_was_counted() -> None:
    series = Series()
    for k in range(100):
        series.add(1000.0 + k / 10, 0.001)
    assert total(series, 1010.0, since=1000.0).shown()["rate"] == pytest.approx(10.0)
    assert total(series, 1010.0, since=1009.5).span == 1.0
    assert total(series, 1010.0, since=0.0).span == pytest.approx(WINDOW - WIDTH + 1010.0 % WIDTH)


def test_quantiles_are_within_five_per_cent() -> None:
    draw = random.Random(3)
    series = Series()
    values = sorted(draw.lognormvariate(-5.0, 1.0) for _ in range(5000))
    for value in values:
        series.add(100.0 + draw.random() * 30, value)
    found = total(series, 130.0)
    for share in (0.5, 0.9, 0.99):
        assert found.quantile(share) == pytest.approx(values[int(share * (len(values) - 1))], rel=0.06)


@pytest.mark.parametrize(("value", "shown"), [(0.0, 0.001), (1e-9, 0.001), (1e9, 86_400_000.0)])
def test_values_beyond_all_buckets(value: float, shown: float) -> None:
    series = Series()
    series.add(1.0, value)
    assert total(series, 1.0).shown()["p50"] == shown


def test_sums_may_be_joined() -> None:
    one, other = Series(), Series()
    one.add(10.0, 0.01, errors=1)
    other.add(10.0, 0.03, rejected=1, retries=2)
    both = total(one, 10.0)
    both.join(total(other, 10.0))
    assert (both.calls, both.errors, both.rejected, both.retries) == (2, 1, 1, 2)
    assert both.history[0][-1] == both.history[1][-1] == 2
    assert sum(both.counts.values()) == 2


def test_what_is_silent_for_a_minute_is() -> None:
    series = Series()
    series.add(1000.0, None)
    assert not series.silent(1058.0)
    assert series.silent(1060.0)
