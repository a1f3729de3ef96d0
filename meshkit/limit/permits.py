"""Who may go, who waits, and whose turn is next? The permits of a limit, and the places in line for them.

====================  =========================  ==========================================================
event                 when                       then
====================  =========================  ==========================================================
enter                 in flight < limit          in flight + 1: go
enter                 queued < queue             queued + 1: a `Waiter`
enter                 otherwise                  `Overloaded`, nothing changed
exit                  always                     in flight - 1, then hand over
resize                always                     limit = the new one, then hand over
hand over             while in flight < limit,   queued - 1; in flight + 1 and ``grant()``, unless its time is
                      and somebody is queued     over or nobody can be woken there
leave                 always                     queued - 1
====================  =========================  ==========================================================

So somebody is queued only while every permit is taken, and exactly one is woken for each permit. A limit that shrinks
takes no permit back: the next ones are not handed on. One that grows by three grants three places. Every row is O(1),
the last but one for each place it takes out of the line.

Whose turn: ``"fifo"``, the longest waiting; ``"lifo"``, the newest; ``"adaptive"``, by whether the line has been empty
within the last ``wait`` seconds (0.1 unless given):

==========  ==============  =========================
line        next            may wait for
==========  ==============  =========================
drains      longest         ``wait``
does not    newest          ``wait`` / 20
==========  ==============  =========================

That is the adaptive LIFO with controlled delay of "Fail at Scale" (B. Maurer, ACM Queue 2015): 100 ms and 5 ms, which
are CoDel's (RFC 8289). Nothing here rings when a place's time is over: its instant stands in ``Waiter.until``.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .. import options
from ..call import Call, Verdict
from ..errors import ConfigError, Overloaded
from ..policy import Waiter

__all__ = ["ORDERS", "Permits", "patience"]

ORDERS = ("fifo", "lifo", "adaptive")
INTERVAL = 0.1
"""Seconds: a line that has not been empty for so long does not drain."""
TARGET = 0.05
"""The share of the interval that a place may wait in a line that does not drain."""


@options.of_kind(options.Kind("seconds", zero=False))
def patience(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a ``wait``, which needs a ``queue``."""
    options.optional(options.seconds())(spec, attribute, value)
    if value is not None and spec.queue == 0:
        fix = "there is no queue to wait in: give queue=10, say, or leave wait out"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)


class Permits:
    """A `Queue`: the permits in flight and the places in line."""

    __slots__ = ("_adaptive", "_newest", "_queue", "_since", "_wait", "in_flight", "limit", "name", "places", "refused")

    def __init__(self, name: str, limit: int, queue: int, order: str, wait: float | None) -> None:
        self.name = name
        self.limit = limit
        self.in_flight = 0
        self.refused = 0
        """For want of a permit and of a place in line; who has stood in it for too long is not counted."""
        self.places: OrderedDict[Waiter, None] = OrderedDict()
        """Those waiting, oldest first. Ordered by links, so that either end and the middle can go in O(1)."""
        self._queue = queue
        self._newest = order == "lifo"
        self._adaptive = order == "adaptive"
        self._wait = INTERVAL if self._adaptive and wait is None else wait
        self._since = 0.0
        """When the line was empty last, while somebody stands in it."""

    def enter(self, call: Call, now: float, /) -> Waiter | None:
        if self.in_flight < self.limit:
            self.in_flight += 1
            return None
        places = self.places
        if len(places) >= self._queue:
            self.refused += 1
            raise Overloaded("%d in flight, %d queued", self.in_flight, len(places), policy=self.name)
        patience = self._wait
        if not places:
            self._since = now
        elif self.pressed(now):
            patience *= TARGET  # type: ignore[operator]  # there is one: the order is adaptive
        waiter = Waiter(call, until=None if patience is None else now + patience)
        places[waiter] = None
        return waiter

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.in_flight -= 1
        if self.places:
            self.hand_over(now)

    def leave(self, waiter: Waiter, /) -> None:
        self.places.pop(waiter, None)  # gone already, if its time was over when its turn came

    def resize(self, limit: int, now: float) -> None:
        self.limit = limit
        if self.places:
            self.hand_over(now)

    def hand_over(self, now: float) -> None:
        places = self.places
        newest = self._newest or self.pressed(now)
        while places and self.in_flight < self.limit:
            waiter, _ = places.popitem(last=newest)
            until, deadline = waiter.until, waiter.call.deadline
            if (until is None or now < until) and (deadline is None or now < deadline) and waiter.grant():
                self.in_flight += 1

    def pressed(self, now: float) -> bool:
        """Whether the order is adaptive and the line does not drain."""
        return self._adaptive and now - self._since > self._wait  # type: ignore[operator]  # as above

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """The limit, those in flight, this call among them if it goes, and those queued; of a call that has just come
        to wait its ``place`` in line: 1 is the next.
        """
        places = self.places
        shown: dict[str, float] = {"limit": self.limit, "in_flight": self.in_flight, "queued": len(places)}
        if places and next(reversed(places)).call is call:
            shown["place"] = 1 if self._newest or self.pressed(now) else len(places)
        return shown

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {
            "limit": self.limit,
            "in_flight": self.in_flight,
            "queue": self._queue,
            "queued": len(self.places),
            "refused": self.refused,
        }

    def idle(self) -> bool:
        return not self.in_flight and not self.places
