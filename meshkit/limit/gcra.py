"""When does the next token come? The generic cell rate algorithm over a bounded table of keys.

One float per key, the theoretical arrival time (TAT) of ITU-T I.371 and ATM Forum TM 4.0. It is counted in tokens, like
``paid = now * rate``, the tokens paid in since the clock's zero, so that whole costs add up exactly::

    tat' = max(tat, paid) + cost
    go      if tat' - paid <= burst                     tat = tat'
    wait    (tat' - paid - burst) / rate seconds        tat = tat', a reservation, if that is within the patience
    refuse  with the same number as retry-after         tat unchanged

In any window of ``t`` seconds no more than ``burst + rate * t`` is let go, per key, reservations counted when they go.
The decision is that of redis-cell and of Go's throttled; reserving and giving back are those of golang.org/x/time/rate.

`settle` puts what a call turned out to cost in the place of what it was charged::

    more    tat + (spent - charged)                     may exceed the burst: a debt that later calls wait off
    less    tat - min(charged - spent, mark - paid)     mark: the TAT that the charge led to; nothing once that is paid

Both are no lower than if the call had been charged right at once: until ``mark`` is paid the cell was never at rest, so
all that was taken since stands on top of it; what is paid by then would have been paid as well. So the bound holds for
what was spent, where no call cost more than its estimate, and else is exceeded by no more than the differences.

Keys are forgotten only when they owe nothing (``tat <= paid``), so forgetting never refills a limit, and only once the
table is full: then a hand goes round it, a few steps for each newcomer. Where it finds none to forget, the newcomer
shares one overflow cell with its like. A key that gets its own cell takes over what the overflow cell owes, since part
of that may be its own; so what a newcomer is told does not depend on the room, and who is refused leaves no trace.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable

from .table import OVERFLOW, sweep

__all__ = ["NEVER", "Cells"]

NEVER = float("-inf")
"""The answer to a cost above the burst: it can never fit. Also the TAT of a cell that was never used."""

SLACK = 1e-15
"""Four roundings of a double: a call that comes back exactly when it was told to is not refused for the last bit."""


class Cells:
    """The TAT of each key. ``take`` is the one decision; the lock, the clock and the waiting are the caller's.

    Instants are seconds, ``rate`` tokens per second. Should the clock step back, the cells are stricter, never laxer.
    """

    __slots__ = ("burst", "max_keys", "overflowed", "rate", "ring", "tats")

    def __init__(self, rate: float, burst: float, max_keys: int = 1) -> None:
        self.rate = rate
        self.burst = burst
        self.max_keys = max_keys
        self.tats: dict[Hashable, float] = {OVERFLOW: NEVER}
        self.ring: deque[Hashable] = deque()
        """The keys in the order the hand visits them."""
        self.overflowed = 0
        """How many were let go at the expense of the overflow cell."""

    def take(self, key: Hashable, cost: float, now: float, patience: float = 0.0) -> float:
        """0: go. Above 0: taken, go after so many seconds. Below 0: refused for so many seconds; `NEVER`: for good.

        ``cost`` is finite and not negative; 0 is free. No reservation is made for later than ``patience`` seconds.
        """
        try:
            tat = self.tats[key]
        except KeyError:
            return self._newcomer(key, cost, now, patience)
        paid = now * self.rate
        if tat < paid:
            tat = paid
        tat += cost
        if tat - paid <= self.burst:
            self.tats[key] = tat
            return 0.0
        excess = tat - paid - self.burst
        wait = excess / self.rate
        if cost > self.burst:
            return NEVER
        if wait > patience and excess > abs(tat) * SLACK:
            return -wait
        self.tats[key] = tat
        return wait if excess > abs(tat) * SLACK else 0.0

    def _newcomer(self, key: Hashable, cost: float, now: float, patience: float) -> float:
        """Decided in the overflow cell; room for a cell of its own is looked for only once it was let in."""
        tats = self.tats
        shared = tats[OVERFLOW]
        answer = self.take(OVERFLOW, cost, now, patience)
        if answer >= 0.0:
            if len(self.ring) < self.max_keys or self._sweep(now * self.rate):
                tats[key] = tats[OVERFLOW]
                tats[OVERFLOW] = shared
                self.ring.append(key)
            else:
                self.overflowed += 1
        return answer

    def _sweep(self, paid: float) -> int:
        return sweep(self.ring, self.tats, lambda tat: tat > paid)

    def give_back(self, key: Hashable, cost: float, began: float) -> None:
        """Undo a reservation that never began, less what was taken after it.

        Those behind keep their instants, so what they took cannot be used a second time (as ``CancelAt`` in
        golang.org/x/time/rate). A reservation made in the overflow cell is not given back: it is nobody's by name.
        """
        tat = self.tats.get(key)
        if tat is not None:
            later = max(0.0, tat - (began * self.rate + self.burst))
            if later < cost:
                self.tats[key] = tat - (cost - later)

    def mark(self, key: Hashable) -> float:
        """The TAT that the last charge of this key led to, for `settle`."""
        tats = self.tats
        return tats.get(key, tats[OVERFLOW])

    def settle(self, key: Hashable, charged: float, spent: float, now: float, mark: float = math.inf) -> None:
        """Replace what was charged by what was spent.

        Without a ``mark`` it is not known when that was: more counts from now on, less is given back as far as anything
        is owed at all.
        """
        more, paid = spent - charged, now * self.rate
        tats = self.tats
        mine = key if key in tats else OVERFLOW
        tat = tats[mine]
        if more <= 0.0:
            unpaid = min(mark, tat) - paid
            if unpaid > 0.0:
                tats[mine] = tat - min(-more, unpaid)
            return
        if mark == math.inf:
            tat = max(tat, paid)
        elif mine is OVERFLOW:  # its own cell was forgotten, as it owed nothing any more
            tat = max(tat, mark)
        tat += more
        if tat > paid:
            if mine is OVERFLOW and (len(self.ring) < self.max_keys or self._sweep(paid)):
                mine = key
                self.ring.append(key)
            tats[mine] = tat

    def remaining(self, key: Hashable, now: float) -> float:
        """The largest cost that would go now. Changes nothing."""
        tat = self.tats.get(key, self.tats[OVERFLOW])
        return max(0.0, self.burst - max(0.0, tat - now * self.rate))

    def quota(self, key: Hashable, now: float) -> tuple[float, float]:
        """What remains, and the seconds until it is a whole token more (from below nothing: until there is one)."""
        tat = self.tats.get(key, self.tats[OVERFLOW])
        owed = tat - now * self.rate
        left = self.burst - owed if owed > 0.0 else self.burst
        if left < 1.0:
            return max(0.0, left), (1.0 - left) / self.rate
        return left, (1.0 - left % 1.0) / self.rate
