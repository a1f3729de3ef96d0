"""The baseline: when it is measured anew, and what a probe does to the limit."""

from random import Random

import pytest

from meshkit.limit.baseline import Baseline


class Latest(Random):
    """Luck that always chooses the end."""

    def uniform(self, a, b):
        return b


def known(floor=3.0, limit=100.0):
    baseline = Baseline(60.0, floor, Latest())
    assert baseline.probe(0.01, limit, 100, 0.0) is None
    assert baseline.rtt == 0.01
    return baseline


def play(baseline, steps):
    """``(instant, latency, limit, in flight)`` each."""
    return [baseline.probe(rtt, limit, in_flight, now) for now, rtt, limit, in_flight in steps]


def test_a_probe_halves_drains_measures_and_comes_back():
    baseline = known()
    before = [(59.9, 0.02, 100, 100)]
    probe = [(60.0, 0.02, 100, 100), (60.1, 0.02, 50, 100), (60.2, 0.011, 50, 50)]
    after = [(60.3, 0.02, 100, 100), (120.1, 0.02, 100, 100)]
    assert play(baseline, before) == [None]
    assert play(baseline, probe) == [50, 50, 100]
    assert baseline.rtt == 0.011
    assert play(baseline, after) == [None, None]
    assert play(baseline, [(120.2, 0.02, 100, 100)]) == [50]


def test_where_half_of_the_limit_is_free_nothing_needs_to_be_taken():
    baseline = known()
    assert play(baseline, [(60.0, 0.02, 100, 50)]) == [None]
    assert baseline.rtt == 0.02


def test_a_limit_that_fell_to_half_asks_whether_that_helped():
    baseline = known()
    steps = [(1.0, 0.1, 120, 120), (2.0, 0.1, 61, 61), (3.0, 0.1, 60, 60), (4.0, 0.1, 30, 60), (5.0, 0.1, 30, 30)]
    assert play(baseline, steps) == [None, None, 30, 30, 60]
    assert baseline.rtt == 0.1
    assert play(baseline, [(6.0, 0.1, 60, 60)]) == [None]  # from here on half is 30


def test_never_below_the_floor():
    assert play(known(floor=70.0), [(60.0, 0.02, 100, 100)]) == [70]


@pytest.mark.parametrize("drained", [False, True])
def test_a_drop_ends_a_probe_and_nothing_is_learned(drained):
    baseline = known()
    play(baseline, [(60.0, 0.02, 100, 100), (60.1, 0.02, 50, 100)][: 1 + drained])
    baseline.drop(50, 60.2)
    assert baseline.rtt == 0.01
    assert play(baseline, [(60.3, 0.02, 45, 45), (120.1, 0.02, 45, 45)]) == [None, None]
    assert play(baseline, [(120.2, 0.02, 44, 44)]) == [22]


def test_a_drop_without_a_probe_changes_nothing():
    baseline = known()
    baseline.drop(100, 59.0)
    assert play(baseline, [(60.0, 0.02, 100, 100)]) == [50]


def test_a_fleet_does_not_probe_as_one():
    """Instants are drawn from half of the interval to all of it: the least of 100 within 3 s of 30 s, the most within
    3 s of 60 s, but for one in 10**4 (0.9 ** 100, twice).
    """
    seen = []
    for seed in range(100):
        baseline = Baseline(60.0, 3.0, Random(seed))
        baseline.probe(0.01, 100, 100, 0.0)
        seen.append(next(n for n in range(601) if baseline.probe(0.01, 100, 100, n / 10) is not None) / 10)
    assert 30 <= min(seen) <= 33.1
    assert 57 <= max(seen) <= 60
