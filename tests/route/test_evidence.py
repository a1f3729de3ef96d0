"""Is a share of failures above its limit for certain? Against exact arithmetic, and by how often it is wrong.

Each statistic states its false-alarm rate: how often correct code would fail it with a fresh seed.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb, inf
from random import Random
from statistics import NormalDist

import pytest

from meshkit.route.evidence import Counts, above, ceiling, left


def exact(calls, failed, share):
    return (calls + 1) * comb(calls, failed) * share**failed * (1 - share) ** (calls - failed)


@pytest.mark.parametrize(("calls", "failed"), [(0, 0), (1, 0), (1, 1), (10, 3), (100, 0), (100, 2), (2000, 40)])
def test_what_is_left_of_a_share(calls, failed):
    for share in (Fraction(1, 1000), Fraction(1, 100), Fraction(1, 2), Fraction(99, 100)):
        assert left(calls, failed, float(share)) == pytest.approx(float(exact(calls, failed, share)), rel=1e-9)


@pytest.mark.parametrize(
    ("calls", "failed", "limit", "risk", "certain"),
    [
        (1, 1, 0.01, 0.01, False),  # (1 + 1) * 0.01
        (2, 2, 0.01, 0.01, True),  # (2 + 1) * 0.0001
        (10, 0, 0.5, 0.05, False),  # below the limit, however certain
        (200, 2, 0.01, 0.5, False),  # just at the limit
        (10, 10, 1.0, 0.5, False),  # nothing is above all
        (1_000_000, 11_000, 0.01, 0.001, True),
        (1_000_000, 10_100, 0.01, 0.001, False),
    ],
)
def test_when_it_is_certain(calls, failed, limit, risk, certain):
    assert above(calls, failed, limit, risk) is certain


def test_the_largest_share_that_it_may_be():
    assert ceiling(0, 0, 0.01) == 1.0
    assert ceiling(5, 5, 0.01) == 1.0
    for calls, failed in ((10, 0), (100, 3), (10_000, 100)):
        most = ceiling(calls, failed, 0.01)
        assert left(calls, failed, most * (1 - 1e-9)) > 0.01 >= left(calls, failed, most * (1 + 1e-9))
        assert most > failed / calls


def test_counts():
    counts = Counts()
    assert counts.rate == 0.0
    counts.add(True, False)
    counts.add(False, True)
    assert (counts.calls, counts.failed, counts.slow, counts.rate) == (2, 1, 1, 0.5)


def ever(rng, share, calls, certain):
    """After how many calls that fail with that probability it was first certain; infinite: never."""
    failed = 0
    for n in range(1, calls + 1):
        if rng.random() < share:
            failed += 1
            if certain(n, failed):
                return n
    return inf


def wilson(n, failed, limit, risk):
    """Whether the lower end of Wilson's one-sided interval (1927) is above the limit."""
    z, p = NormalDist().inv_cdf(1 - risk), failed / n
    return (p + z * z / (2 * n) - z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5) / (1 + z * z / n) > limit


def test_it_is_hardly_ever_wrong_however_often_it_is_asked():
    """At the very limit, where wrong is likeliest. Wilson's interval at the same risk, asked after each call from the
    tenth on, is wrong much more often than it says.
    """
    runs, risk, limit = 400, 0.05, 0.05
    wrong = sum(ever(Random(k), limit, 1000, lambda n, k: above(n, k, limit, risk)) < inf for k in range(runs))
    assert wrong <= runs * risk  # false alarm 3e-6: the true rate is 0.016
    naive = sum(
        ever(Random(k), limit, 1000, lambda n, k: n >= 10 and wilson(n, k, limit, risk)) < inf for k in range(runs)
    )
    assert naive > 3 * runs * risk  # false alarm below 1e-6: its true rate is 0.37


@pytest.mark.parametrize(("share", "within"), [(0.3, 30), (0.1, 250), (0.05, 700)])
def test_what_is_worse_is_found(share, within):
    """For a limit of 0.01, with a risk of 0.01: the median of 51 runs. False alarm below 1e-6."""
    found = sorted(ever(Random(k), share, 5000, lambda n, k: above(n, k, 0.01, 0.01)) for k in range(51))
    assert found[25] <= within
