"""May this call go now, by the number of calls in flight? A bulkhead with a bounded queue.

One limit for all, or one for each key: `permits` says who goes, who waits, and whose turn is next. The bulkhead is
Nygard's ("Release It!").
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from typing import Any

import attrs

from .. import fact, options
from ..call import Call, Verdict
from ..policy import Waiter
from .permits import ORDERS, Permits, patience

__all__ = ["ConcurrencyLimit", "KeyedConcurrencyLimitState"]


@attrs.frozen
class ConcurrencyLimit:
    """No more than ``limit`` calls in flight; up to ``queue`` more wait for a permit; others are `Overloaded`.

    ``order``: ``"fifo"`` serves the longest waiting first; ``"lifo"`` the newest, which under lasting overload keeps
    the latency of those served low; ``"adaptive"`` the first while the queue drains, and the second, with a twentieth
    of the wait, once it has not been empty for that long. ``wait``: the longest time in seconds in the queue; ``None``:
    until the call's deadline, or 0.1 with ``"adaptive"``. ``key``: a limit and a queue for each value of it: the name
    of an attribute of the request, or a function of the call (a key without a hash raises `TypeError`). What belongs to
    a key is forgotten when its last call ends.
    """

    limit: int = attrs.field(validator=options.count())
    queue: int = attrs.field(default=0, validator=options.count(0), kw_only=True)
    order: str = attrs.field(default="fifo", validator=options.among(*ORDERS), kw_only=True)
    wait: float | None = attrs.field(default=None, validator=patience, kw_only=True)
    key: fact.Key = attrs.field(default=None, validator=fact.key, kw_only=True)
    name: str = attrs.field(default="ConcurrencyLimit", validator=fact.text, kw_only=True)

    asks = ("key",)
    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> Permits | KeyedConcurrencyLimitState:
        return self.permits() if self.key is None else KeyedConcurrencyLimitState(self)

    def permits(self) -> Permits:
        """An independent set of permits, with a line for them."""
        return Permits(self.name, self.limit, self.queue, self.order, self.wait)


class KeyedConcurrencyLimitState:
    """The same for each key, for as long as a call with that key is in flight."""

    __slots__ = ("_key", "_refused", "_spec", "cells", "name")

    def __init__(self, spec: ConcurrencyLimit) -> None:
        self.name = spec.name
        self.cells: dict[Hashable, Permits] = {}
        self._refused = 0
        """By cells that were forgotten."""
        self._spec = spec
        self._key: Callable[[Call], Any] = fact.asking(spec.key)

    def facts(self, call: Call, /) -> Hashable:
        return fact.hashable(self.name, self._key(call))

    def enter(self, call: Call, now: float, /) -> Waiter | None:
        key = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = self._spec.permits()
        return cell.enter(call, now)

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        key = call.facts[self]  # type: ignore[index]
        cell = self.cells[key]
        cell.exit(call, began, now, verdict)
        if not cell.in_flight:
            self._refused += cell.refused
            del self.cells[key]

    def leave(self, waiter: Waiter, /) -> None:
        cell = self.cells.get(waiter.call.facts[self])  # type: ignore[index]
        if cell is not None:  # forgotten already, if the place's time was over when its turn came
            cell.leave(waiter)

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """As those of `Permits`, for this call's key."""
        cell = self.cells.get(call.facts[self])  # type: ignore[index]
        return {"limit": self._spec.limit, "in_flight": 0, "queued": 0} if cell is None else cell.numbers(call, now)

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """Summed over the keys, in flight and queued over those in use; ``limit`` and ``queue`` are those of one."""
        in_flight = sum(cell.in_flight for cell in self.cells.values())
        queued = sum(len(cell.places) for cell in self.cells.values())
        spec = self._spec
        return {
            "limit": spec.limit,
            "keys": len(self.cells),
            "in_flight": in_flight,
            "queue": spec.queue,
            "queued": queued,
            "refused": self._refused + sum(cell.refused for cell in self.cells.values()),
        }

    def idle(self) -> bool:
        return not self.cells
