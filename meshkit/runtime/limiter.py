"""How does code without a pipeline obey a rate limit? It asks; in three ways, of one decision (`Cells.take`).

``allow`` answers at once; ``acquire`` and ``acquire_sync`` wait for their turn, up to the limit's ``wait``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any

from ..errors import ConfigError
from ..fact import whole_cost
from ..limit.rate import RateLimit
from .lock import LOCK

__all__ = ["Limiter"]

acquire, unlock = LOCK.acquire, LOCK.release


class Limiter:
    """A `RateLimit` by itself, for any number of threads and event loops at once.

    ``key`` is any hashable value, each with its own limit; ``cost`` is by default the limit's. ``clock`` answers
    seconds and never steps back. A limit that would ask a call for its key or cost is a `ConfigError`: there is none.
    """

    __slots__ = ("_clock", "_cost", "_take", "_wait", "cells", "spec")

    def __init__(self, spec: RateLimit, *, clock: Callable[[], float] = time.monotonic) -> None:
        if not isinstance(spec, RateLimit):
            raise ConfigError.of("Limiter", "spec", spec, 'give a RateLimit, such as RateLimit("100/s")')
        if spec.key is not None:
            raise ConfigError.of(
                "Limiter", "key", spec.key, "there is no call to ask: leave it out, and write allow(key)"
            )
        if not isinstance(spec.cost, int | float):
            fix = "there is no call to ask: leave it out, and write allow(key, cost)"
            raise ConfigError.of("Limiter", "cost", spec.cost, fix)
        self.spec = spec
        self.cells = spec.cells()
        self._clock = clock
        self._cost = spec.cost
        self._take = self.cells.take
        self._wait = float(spec.wait)

    def allow(self, key: Hashable = None, cost: float | None = None) -> bool:
        """Take a turn now, or answer false. Never waits."""
        cost = self._cost if cost is None else whole_cost(self.spec.name, cost)
        now = self._clock()
        with LOCK:
            return self._take(key, cost, now) >= 0.0

    async def acquire(self, key: Hashable = None, cost: float | None = None) -> None:
        """Wait for a turn, on asyncio or trio; `RateLimited` at once if it would come later than the limit's ``wait``.

        Cancelled before its turn, it gives the turn back.
        """
        cost = self._cost if cost is None else whole_cost(self.spec.name, cost)
        now = self._clock()
        acquire()  # as in `tasks`: `with LOCK` costs twice as much
        try:
            answer = self._take(key, cost, now, self._wait)
        finally:
            unlock()
        if answer:
            if answer < 0.0:
                raise self.spec.refusal(answer)
            try:
                from .waiting import nap  # asyncio is loaded by those who wait

                await nap(max(0.0, now + answer - self._clock()), self._clock)
            except BaseException:
                self._give_back(key, cost, now + answer)
                raise

    def acquire_sync(self, key: Hashable = None, cost: float | None = None) -> None:
        """The same for threads: it blocks the one that calls."""
        cost = self._cost if cost is None else whole_cost(self.spec.name, cost)
        now = self._clock()
        with LOCK:
            answer = self._take(key, cost, now, self._wait)
        if answer:
            if answer < 0.0:
                raise self.spec.refusal(answer)
            try:
                from .blocking import nap

                nap(max(0.0, now + answer - self._clock()), self._clock)
            except BaseException:
                self._give_back(key, cost, now + answer)
                raise

    def _give_back(self, key: Hashable, cost: float, began: float) -> None:
        if self._clock() < began:
            with LOCK:
                self.cells.give_back(key, cost, began)

    def settle(self, key: Hashable, charged: float, spent: float) -> None:
        """Put what a turn turned out to cost in the place of what was charged for it.

        More may exceed the burst: a debt, which later turns wait off. Less is given back, as far as the key still owes
        it: soon after the turn, please, since what was long paid off cannot be told from what others owe.
        """
        charged, spent = whole_cost(self.spec.name, charged), whole_cost(self.spec.name, spent)
        now = self._clock()
        with LOCK:
            self.cells.settle(key, charged, spent, now)

    def remaining(self, key: Hashable = None) -> float:
        """The largest cost that would be allowed now. Changes nothing."""
        now = self._clock()
        with LOCK:
            return self.cells.remaining(key, now)

    def snapshot(self) -> dict[str, Any]:
        """Tokens per second, the burst, and how many keys are remembered."""
        cells = self.cells
        with LOCK:
            return {"rate": cells.rate, "burst": cells.burst, "keys": len(cells.ring), "overflowed": cells.overflowed}
