"""How are latencies distributed, lately? A histogram with logarithmic buckets, in two halves that take turns.

A value v counts in bucket ``ceil(log(v) / log(gamma))`` with ``gamma = (1 + e) / (1 - e)``: any quantile is then right
within a share ``e`` of itself (Masson, Rim, Lee, "DDSketch", VLDB 2019). Values below a microsecond or above a day
count as those. So there are at most 25 / (2 e) buckets, whatever is measured.

What is older than two windows is forgotten: the present half is kept for one window and read together with the one
before it, so a quantile is of the last one to two windows.
"""

from __future__ import annotations

from math import ceil, inf, log

__all__ = ["Sketch"]

LEAST, MOST = 1e-6, 86_400.0


class Sketch:
    """Quantiles of the values of the last one to two ``window`` seconds, each within ``error`` of itself."""

    __slots__ = ("_before", "_count", "_counts", "_factor", "_gamma", "_offset", "_turns_at", "_window")

    def __init__(self, window: float = 30.0, error: float = 0.02) -> None:
        self._gamma = (1 + error) / (1 - error)
        self._factor = 1 / log(self._gamma)
        self._offset = ceil(log(LEAST) * self._factor)
        self._counts = [0] * (ceil(log(MOST) * self._factor) - self._offset + 1)
        self._before = [0] * len(self._counts)
        self._count = [0, 0]
        """How many values are in the present half, and in the one before."""
        self._window = window
        self._turns_at = -inf

    def add(self, value: float, now: float) -> None:
        if now >= self._turns_at:
            self._turn(now)
        clamped = LEAST if value < LEAST else MOST if value > MOST else value
        self._counts[ceil(log(clamped) * self._factor) - self._offset] += 1
        self._count[0] += 1

    def count(self) -> int:
        """How many values are remembered."""
        return sum(self._count)

    def quantile(self, share: float) -> float | None:
        """The value below which that share of the values lies; ``None`` where there is none. Changes nothing."""
        total = self.count()
        if not total:
            return None
        left = share * (total - 1)
        for bucket, (present, before) in enumerate(zip(self._counts, self._before, strict=True)):
            left -= present + before
            if left < 0:
                return 2 * self._gamma ** (bucket + self._offset) / (self._gamma + 1)
        raise AssertionError  # the buckets hold as many as were counted

    def _turn(self, now: float) -> None:
        stale = now >= self._turns_at + self._window
        self._before = [0] * len(self._counts) if stale else self._counts
        self._counts = [0] * len(self._counts)
        self._count = [0, 0 if stale else self._count[0]]
        self._turns_at = now + self._window
