"""When does the next deadline of a pool fall due? One timer a loop, whatever the number of connections.

Waiting for a deadline costs a comparison. Nothing is armed or taken away per call: the timer stands at the earliest
deadline it has been told of, and most of those who told it are gone when it rings. Then the pool is swept: what is due
is struck, and the timer set to the earliest of those that remain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic

__all__ = ["EARLY", "Sweep"]

EARLY = 0.0005
"""Seconds by which a timer may ring too early: a loop may count in whole milliseconds (uvloop does)."""


class Sweep:
    """``struck(now)`` strikes what is due at ``now``, and answers when the next is."""

    __slots__ = ("_loop", "_struck", "_timer", "at")

    def __init__(self, loop: asyncio.AbstractEventLoop, struck: Callable[[float], float]) -> None:
        self._loop = loop
        self._struck = struck
        self._timer: asyncio.TimerHandle | None = None
        self.at = inf
        """When the timer rings."""

    def by(self, due: float) -> None:
        """Sweep no later than ``due``. Those who call often compare with `at` first."""
        if due < self.at:
            if self._timer is not None:
                self._timer.cancel()
            self.at = due
            self._timer = self._loop.call_later(due - monotonic(), self._ring)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.at = inf

    def _ring(self) -> None:
        self._timer, self.at = None, inf
        due = self._struck(monotonic() + EARLY)
        if due < inf:
            self.by(due)
