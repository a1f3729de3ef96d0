"""How much was used in this window, and in the one before? Counts by key, in windows that stand one behind the other.

Window number ``i`` is ``[i * period, (i + 1) * period)`` on the shell's clock, the same for every key: two counts and a
number are all a key needs. With ``before`` and ``count`` of the two last windows, and ``passed`` the share of this one
that has gone by::

    fixed      used = count
    sliding    used = before * (1 - passed) + count           the window before is taken to have been used evenly
    go         if used + cost <= limit                        count + cost
    refuse     until the instant at which that would hold     nothing changes

When a window ends, ``before`` becomes its count and ``count`` 0. Only settling can bring a count above the limit: then
``before`` becomes the limit, and what is above it is the next window's first, so that no debt is forgotten.

In any time of ``t`` seconds goes at most, for each key::

    fixed      limit * (1 + ceil(t / period))                 twice the limit within one period
    sliding    limit * (1 + t / period)                       the bound of a token bucket of that size

The sliding one: let ``e`` be the share passed when the last of them goes, so ``count <= limit - before * (1 - e)``.
With at most ``before`` of the window before it, that makes ``limit + before * e``, and ``e`` is at most ``t / period``.
The estimate from two counters is Cloudflare's ("How we built rate limiting capable of scaling to millions of domains",
2017).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable

from .gcra import NEVER
from .table import OVERFLOW, sweep

__all__ = ["Turns"]

SLACK = 1e-15
"""As in `gcra`: a call that comes back exactly when it was told to is not refused for the last bit."""

Cell = tuple[float, float, float]
"""The number of a window, the count of the one before it, its own count."""


class Turns:
    """The counts of each key. ``take`` is the one decision; the lock and the clock are the caller's.

    A key is forgotten only when neither of its counts says anything any more; see `table`. Should the clock step back,
    the counts stay those of the later window: stricter, never laxer.
    """

    __slots__ = ("cells", "limit", "max_keys", "overflowed", "period", "ring", "slides")

    def __init__(self, limit: float, period: float, max_keys: int = 1, *, slides: bool) -> None:
        self.limit = limit
        self.period = period
        self.max_keys = max_keys
        self.slides = slides
        self.cells: dict[Hashable, Cell] = {OVERFLOW: (NEVER, 0.0, 0.0)}
        self.ring: deque[Hashable] = deque()
        self.overflowed = 0
        """How many were let go at the expense of the overflow cell."""

    def number(self, now: float) -> float:
        """Of the window that ``now`` is in."""
        turns = now / self.period
        return (turns + abs(turns) * SLACK) // 1.0

    def take(self, key: Hashable, cost: float, now: float) -> float:
        """0: go. Below 0: refused for so many seconds; `NEVER`: for good. ``cost`` is finite and not negative."""
        cells = self.cells
        try:
            number, before, count = cells[key]
        except KeyError:
            return self._newcomer(key, cost, now)
        turns = now / self.period
        this = (turns + abs(turns) * SLACK) // 1.0
        if this > number:
            before, count = self._turned(this - number, count)
            number = this
        used, room = count, self.limit
        if before and self.slides:
            used += before * min(1.0, max(0.0, number + 1.0 - turns))
            room += (before * abs(turns) + room) * SLACK
        if used + cost > room:
            if cost > self.limit:
                return NEVER
            wait = self._until(number, before, count, cost) - now
            if now + wait > now:
                return -wait
        cells[key] = (number, before, count + cost)
        return 0.0

    def _turned(self, windows: float, count: float) -> tuple[float, float]:
        """The two counts so many windows later."""
        if windows == 1.0 and count <= self.limit:
            return count, 0.0
        left = max(0.0, count - (windows - 1.0) * self.limit)
        return min(left, self.limit), max(0.0, left - self.limit)

    def _until(self, number: float, before: float, count: float, cost: float) -> float:
        """The instant from which ``cost`` fits, if nobody else comes."""
        limit = self.limit
        if count + cost > limit:  # not in this window
            windows = max(1.0, math.ceil((count + cost) / limit) - 1.0)
            before, count = self._turned(windows, count)
            number += windows
            if count + cost > limit:  # a quotient that was rounded down
                before, count = self._turned(1.0, count)
                number += 1.0
        passed = 0.0
        if self.slides and before > 0.0:
            passed = min(1.0, max(0.0, 1.0 - (limit - count - cost) / before))
        return (number + passed) * self.period

    def _newcomer(self, key: Hashable, cost: float, now: float) -> float:
        """Decided in the overflow cell; room for a cell of its own is looked for only once it was let in."""
        cells = self.cells
        shared = cells[OVERFLOW]
        answer = self.take(OVERFLOW, cost, now)
        if answer >= 0.0:
            if self._room(now):
                cells[key] = cells[OVERFLOW]
                cells[OVERFLOW] = shared
                self.ring.append(key)
            else:
                self.overflowed += 1
        return answer

    def _room(self, now: float) -> bool:
        if len(self.ring) < self.max_keys:
            return True
        this = self.number(now)
        return sweep(self.ring, self.cells, lambda cell: any(self._at(this, cell)[1:])) > 0

    def _at(self, this: float, cell: Cell) -> Cell:
        """A cell as it stands in the window of that number, or in its own, if that is later."""
        number, before, count = cell
        if this > number:
            before, count = self._turned(this - number, count)
            number = this
        return number, before if self.slides else 0.0, count

    def settle(self, key: Hashable, charged: float, spent: float, began: float, now: float) -> None:
        """Replace what was charged at ``began`` by what was spent.

        What is over counts from now on; what is left over is given back to the window it was charged in, if that still
        counts for anything.
        """
        more = spent - charged
        mine = key if key in self.cells else OVERFLOW
        number, before, count = self._at(self.number(now), self.cells[mine])
        if more > 0.0:
            count += more
            if mine is OVERFLOW and self._room(now):
                mine = key
                self.ring.append(key)
        else:
            back = number - self.number(began)
            if back == 0.0:
                count = max(0.0, count + more)
            elif back == 1.0:
                before = max(0.0, before + more)
        self.cells[mine] = (number, before, count)

    def quota(self, key: Hashable, now: float) -> tuple[float, float]:
        """The largest cost that would go now, and the seconds within which no whole one more can, if that is used at
        once. Changes nothing.
        """
        number, before, count = self._at(self.number(now), self.cells.get(key, self.cells[OVERFLOW]))
        left = self.limit - count
        if before:
            left -= before * min(1.0, max(0.0, number + 1.0 - now / self.period))
        left = max(0.0, left)
        until = self._until(number, before, count + math.floor(left), min(1.0, self.limit))
        return left, max(0.0, until - now)
