"""How are latencies distributed? Counts in logarithmic buckets: of late (`Sketch`), or of all there ever were
(`Histogram`).

A value counts in the bucket ``(low, high]``, and ``high / low`` is at most ``gamma = (1 + e) / (1 - e)``: taken for
``2 * low * high / (low + high)``, any quantile is right within a share ``e`` of itself (Masson, Rim, Lee, "DDSketch",
VLDB 2019). Values below a microsecond or above a day count as those. There are 680 buckets for
an ``e`` of 0.02, whatever is measured.

DDSketch finds the bucket by a logarithm, which puts no edge on a round number. Here the edges are written out, and
found by bisection, in the same time: 1, 2, 2.5, 3, 4, 5, 6, 7, 7.5, 8 and 9 times each power of ten, and between two of
those as many more as ``e`` asks for. So how many values are at most 0.005, 0.25 or 7.5 is known exactly, and a value
that is one of these is within it: what the buckets of a metric (``le``) have to say. For a bound that is no edge, the
values of the one bucket it falls into count as above it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate, pairwise
from math import ceil, inf, log
from operator import add

__all__ = ["LEAST", "MOST", "Histogram", "Sketch", "edges"]

LEAST, MOST = 1e-6, 86_400.0
ROUND = ("1", "2", "2.5", "3", "4", "5", "6", "7", "7.5", "8", "9")


@cache
def edges(error: float) -> tuple[float, ...]:
    """The upper ends of the buckets, from `LEAST` to `MOST`, for quantiles within that share of themselves."""
    widest = log((1 + error) / (1 - error))
    exact = sorted(float(f"{digits}e{power}") for power in range(-6, 5) for digits in ROUND)
    exact = [*(edge for edge in exact if edge < MOST), MOST]
    found = exact[:1]
    for low, high in pairwise(exact):
        steps = ceil(log(high / low) / widest)
        found += (low * (high / low) ** (step / steps) for step in range(1, steps))
        found.append(high)
    return tuple(found)


def quantile(ends: Sequence[float], counts: Iterable[int], total: int, share: float) -> float | None:
    """The value below which that share of those counted lies; ``None`` where there is none."""
    if not total:
        return None
    left = share * (total - 1)
    for bucket, count in enumerate(counts):
        left -= count
        if left < 0:
            if bucket == 0:
                return ends[0]
            if bucket == len(ends):
                return ends[-1]
            low, high = ends[bucket - 1], ends[bucket]
            return 2 * low * high / (low + high)
    raise AssertionError  # the buckets hold as many as were counted


class Sketch:
    """Quantiles of the values of the last one to two ``window`` seconds, each within ``error`` of itself.

    What is older than two windows is forgotten: the present half is kept for one window and read together with the one
    before it.
    """

    __slots__ = ("_before", "_count", "_counts", "_ends", "_turns_at", "_window")

    def __init__(self, window: float = 30.0, error: float = 0.02) -> None:
        self._ends = edges(error)
        self._counts = [0] * (len(self._ends) + 1)
        self._before = [0] * len(self._counts)
        self._count = [0, 0]
        """How many values are in the present half, and in the one before."""
        self._window = window
        self._turns_at = -inf

    def add(self, value: float, now: float) -> None:
        if now >= self._turns_at:
            self._turn(now)
        self._counts[bisect_left(self._ends, value)] += 1
        self._count[0] += 1

    def count(self) -> int:
        """How many values are remembered."""
        return sum(self._count)

    def quantile(self, share: float) -> float | None:
        """The value below which that share of the values lies; ``None`` where there is none. Changes nothing."""
        return quantile(self._ends, map(add, self._counts, self._before), self.count(), share)

    def _turn(self, now: float) -> None:
        stale = now >= self._turns_at + self._window
        self._before = [0] * len(self._counts) if stale else self._counts
        self._counts = [0] * len(self._counts)
        self._count = [0, 0 if stale else self._count[0]]
        self._turns_at = now + self._window


class Histogram:
    """All values there ever were: how many in each bucket, and their ``sum``. Nothing is forgotten, so two readings may
    be subtracted, and those of several may be added.
    """

    __slots__ = ("_ends", "counts", "sum")

    def __init__(self, error: float = 0.05) -> None:
        self._ends = edges(error)
        self.counts = [0] * (len(self._ends) + 1)
        """One for each of `edges`, and one for what is above the last."""
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self._ends, value)] += 1
        self.sum += value

    def count(self) -> int:
        return sum(self.counts)

    def below(self, bounds: Sequence[float]) -> list[int]:
        """How many values are at most each of ``bounds``, and at last how many there are: exact where the bound is a
        round number (see above), else less by those in the bucket around it.
        """
        totals = [*accumulate(self.counts)]
        ends = self._ends
        return [*(totals[at - 1] if (at := bisect_right(ends, bound)) else 0 for bound in bounds), totals[-1]]

    def quantile(self, share: float) -> float | None:
        """As `Sketch.quantile`, of all values."""
        return quantile(self._ends, self.counts, self.count(), share)
