"""How much, how well and how quickly, just now? Counts and latencies of the last minute, in slots of a few seconds.

::

    slot     | 3 s | 3 s | ... | 3 s |     twenty of them: what comes in a slot takes the place of what was there a
             └───────── 60 s ────────┘     minute ago, so nothing has to be forgotten in its time

Whoever counts pays for one slot and one bucket; what is wanted of a minute (rates, shares, quantiles) is added up when
somebody asks. Latencies are kept in the logarithmic buckets of `meshkit.sketch`, and only in those that have any: a
quantile is within 5 % of itself, and a row that is asked all the time takes some 10 KB.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import add
from typing import Any

from ...sketch import edges

__all__ = ["SLOTS", "WIDTH", "WINDOW", "Series", "Sum"]

WIDTH = 3.0
"""Seconds of a slot."""
SLOTS = 20
WINDOW = WIDTH * SLOTS
ENDS = edges(0.05)
QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))


class Cell:
    """What came in one slot."""

    __slots__ = ("calls", "counts", "errors", "rejected", "retries", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.calls = self.errors = self.rejected = self.retries = 0
        self.counts: dict[int, int] = {}
        """How many there were in each bucket of latencies that has any."""


class Series:
    """The last ``slots`` slots of something, each ``width`` seconds. To be called by one thread at a time."""

    __slots__ = ("cells", "last", "width")

    def __init__(self, width: float = WIDTH, slots: int = SLOTS) -> None:
        self.width = width
        self.cells = [Cell(-slots)] * slots
        self.last = self.cells[0]

    def at(self, slot: int) -> Cell:
        """The cell to count in, where `last` is not that of this slot. What is too late for all of them counts as of
        the last one.
        """
        if slot <= self.last.slot - len(self.cells):
            return self.last
        place = slot % len(self.cells)
        cell = self.cells[place]
        if cell.slot < slot:
            cell = self.cells[place] = Cell(slot)
        if slot > self.last.slot:
            self.last = cell
        return cell

    def add(self, now: float, seconds: float | None, errors: int = 0, rejected: int = 0, retries: int = 0) -> None:
        """One of it. Without ``seconds`` it does not count how long it took."""
        slot = int(now / self.width)
        cell = self.last
        if cell.slot != slot:
            cell = self.at(slot)
        cell.calls += 1
        if errors or rejected or retries:
            cell.errors += errors
            cell.rejected += rejected
            cell.retries += retries
        if seconds is not None:
            bucket = bisect_left(ENDS, seconds)
            counts = cell.counts
            counts[bucket] = counts[bucket] + 1 if bucket in counts else 1

    def silent(self, now: float) -> bool:
        """Whether nothing came in all its slots."""
        return self.last.slot <= int(now / self.width) - len(self.cells)


class Sum:
    """Several series of one form added up, as of ``now``; they have been counted in since ``since``."""

    __slots__ = ("_now", "_since", "_slots", "_width", "calls", "counts", "errors", "history", "rejected", "retries")

    def __init__(self, now: float, since: float, width: float = WIDTH, slots: int = SLOTS) -> None:
        self._now, self._since = now, since
        self._width, self._slots = width, slots
        self.calls = self.errors = self.rejected = self.retries = 0
        self.counts: dict[int, int] = {}
        self.history = [[0] * slots, [0] * slots]
        """Of each slot, the oldest first: calls; and those that failed or were rejected."""

    def add(self, series: Series) -> None:
        newest = int(self._now / self._width)
        oldest = newest - self._slots + 1
        calls, bad = self.history
        counts = self.counts
        for cell in series.cells:
            place = cell.slot - oldest
            if not 0 <= place < self._slots:
                continue
            self.calls += cell.calls
            self.errors += cell.errors
            self.rejected += cell.rejected
            self.retries += cell.retries
            calls[place] += cell.calls
            bad[place] += cell.errors + cell.rejected
            for bucket, count in cell.counts.copy().items():
                counts[bucket] = counts.get(bucket, 0) + count

    def none(self) -> Sum:
        """One of the same instant, with nothing in it."""
        return Sum(self._now, self._since, self._width, self._slots)

    def join(self, other: Sum) -> None:
        """Add another one of the same instant and form."""
        self.calls += other.calls
        self.errors += other.errors
        self.rejected += other.rejected
        self.retries += other.retries
        for own, more in zip(self.history, other.history, strict=True):
            own[:] = map(add, own, more)
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    @property
    def span(self) -> float:
        """Seconds that the slots reach back, or since when anything was counted; a second at least."""
        whole = (self._slots - 1) * self._width + self._now % self._width
        return max(1.0, min(whole, self._now - self._since))

    def quantile(self, share: float) -> float | None:
        """Seconds; ``None``: of none is known how long it took."""
        left = share * (sum(self.counts.values()) - 1)
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left < 0:
                if not 0 < bucket < len(ENDS):
                    return ENDS[min(bucket, len(ENDS) - 1)]
                low, high = ENDS[bucket - 1], ENDS[bucket]
                return 2 * low * high / (low + high)
        return None

    def shown(self) -> dict[str, Any]:
        """As plain data: per second, shares of all, milliseconds."""
        calls = self.calls
        shown: dict[str, Any] = {
            "calls": calls,
            "rate": round(calls / self.span, 3),
            "error_share": round(self.errors / calls, 4) if calls else 0.0,
            "rejected_share": round(self.rejected / calls, 4) if calls else 0.0,
            "retries": self.retries,
        }
        for name, share in QUANTILES:
            seconds = self.quantile(share)
            shown[name] = None if seconds is None else milliseconds(seconds)
        return shown


def milliseconds(seconds: float) -> float:
    """To three digits: more are not known."""
    return float(f"{1000 * seconds:.3g}")
