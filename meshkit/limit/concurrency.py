"""May this call go now, by the number of calls in flight? A bulkhead with a bounded queue.

====================  ====================  ==========================================
event                 when                  then
====================  ====================  ==========================================
enter                 in flight < limit     in flight + 1: go
enter                 queued < queue        queued + 1: a `Waiter`
enter                 otherwise             `Overloaded`, nothing changed
exit                  somebody is queued    queued - 1, the permit moves: ``grant()``
exit                  nobody is             in flight - 1
leave                 always                queued - 1
====================  ====================  ==========================================

So somebody is queued only while every permit is taken, and exactly one is woken for each permit. Every row is O(1).
The bulkhead is Nygard's ("Release It!"); serving the newest first under overload is from "Fail at Scale" (B. Maurer,
ACM Queue 2015).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from random import Random
from typing import Any

import attrs

from .. import options
from ..call import Call, Verdict
from ..errors import ConfigError, Overloaded
from ..policy import Waiter
from . import fact

__all__ = ["ConcurrencyLimit", "ConcurrencyLimitState", "KeyedConcurrencyLimitState"]


def _wait(spec: Any, attribute: Any, value: Any) -> None:
    options.optional(options.seconds())(spec, attribute, value)
    if value is not None and spec.queue == 0:
        fix = "there is no queue to wait in: give queue=10, say, or leave wait out"
        raise ConfigError.of("ConcurrencyLimit", attribute.name, value, fix)


@attrs.frozen
class ConcurrencyLimit:
    """No more than ``limit`` calls in flight; up to ``queue`` more wait for a permit; others are `Overloaded`.

    ``order``: ``"fifo"`` serves the longest waiting first; ``"lifo"`` the newest, which under lasting overload keeps
    the latency of those served low. ``wait``: the longest time in seconds in the queue; ``None``: until the call's
    deadline. ``key``: a limit and a queue for each value of it: the name of an attribute of the request, or a function
    of the call (a key without a hash raises `TypeError`). What belongs to a key is forgotten when its last call ends.
    """

    limit: int = attrs.field(validator=options.count())
    queue: int = attrs.field(default=0, validator=options.count(0), kw_only=True)
    order: str = attrs.field(default="fifo", validator=options.among("fifo", "lifo"), kw_only=True)
    wait: float | None = attrs.field(default=None, validator=_wait, kw_only=True)
    key: fact.Key = attrs.field(default=None, validator=fact.key, kw_only=True)
    name: str = attrs.field(default="ConcurrencyLimit", validator=fact.text, kw_only=True)

    def start(self, rng: Random, /) -> ConcurrencyLimitState | KeyedConcurrencyLimitState:
        return ConcurrencyLimitState(self) if self.key is None else KeyedConcurrencyLimitState(self)


class ConcurrencyLimitState:
    """A `Queue`: the permits in flight and the places in line."""

    __slots__ = ("_newest", "_queue", "_wait", "in_flight", "limit", "name", "places")

    def __init__(self, spec: ConcurrencyLimit) -> None:
        self.name = spec.name
        self.limit = spec.limit
        self.in_flight = 0
        self.places: OrderedDict[Waiter, None] = OrderedDict()
        """Those waiting, oldest first. Ordered by links, so that either end and the middle can go in O(1)."""
        self._queue = spec.queue
        self._wait = spec.wait
        self._newest = spec.order == "lifo"

    def enter(self, call: Call, now: float, /) -> Waiter | None:
        if self.in_flight < self.limit:
            self.in_flight += 1
            return None
        if len(self.places) >= self._queue:
            raise Overloaded("%d in flight, %d queued", self.in_flight, len(self.places), policy=self.name)
        waiter = Waiter(call, until=None if self._wait is None else now + self._wait)
        self.places[waiter] = None
        return waiter

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        while self.places:
            waiter, _ = self.places.popitem(last=self._newest)
            if waiter.grant():
                return
        self.in_flight -= 1

    def leave(self, waiter: Waiter, /) -> None:
        self.places.pop(waiter, None)  # gone already, if nobody could be woken there

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {"limit": self.limit, "in_flight": self.in_flight, "queue": self._queue, "queued": len(self.places)}

    def idle(self) -> bool:
        return not self.in_flight and not self.places


class KeyedConcurrencyLimitState:
    """The same for each key, for as long as a call with that key is in flight."""

    __slots__ = ("_key", "_spec", "cells", "name")

    def __init__(self, spec: ConcurrencyLimit) -> None:
        self.name = spec.name
        self.cells: dict[Hashable, ConcurrencyLimitState] = {}
        self._spec = spec
        self._key: Callable[[Call], Any] = fact.asking(spec.key)

    def facts(self, call: Call, /) -> Hashable:
        return fact.hashable(self.name, self._key(call))

    def enter(self, call: Call, now: float, /) -> Waiter | None:
        key = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = ConcurrencyLimitState(self._spec)
        return cell.enter(call, now)

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        key = call.facts[self]  # type: ignore[index]
        cell = self.cells[key]
        cell.exit(call, began, now, verdict)
        if not cell.in_flight:
            del self.cells[key]

    def leave(self, waiter: Waiter, /) -> None:
        self.cells[waiter.call.facts[self]].leave(waiter)  # type: ignore[index]

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """Summed over the keys in use; ``limit`` and ``queue`` are those of one key."""
        in_flight = sum(cell.in_flight for cell in self.cells.values())
        queued = sum(len(cell.places) for cell in self.cells.values())
        spec = self._spec
        return {
            "limit": spec.limit,
            "keys": len(self.cells),
            "in_flight": in_flight,
            "queue": spec.queue,
            "queued": queued,
        }

    def idle(self) -> bool:
        return not self.cells
