"""What happens next, and when? Events by their instants; time jumps from one to the next.

Those of one instant happen in the order in which they were set. It is the clock of the pipelines that are simulated on
it: ``Pipeline(..., clock=timeline)``.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Any

__all__ = ["Timeline"]


class Timeline:
    """Virtual time, in seconds from 0."""

    __slots__ = ("_count", "_events", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[Any], object], Any]] = []
        self._count = 0

    def __call__(self) -> float:
        return self.now

    def at(self, instant: float, act: Callable[[Any], object], what: Any = None) -> None:
        """Have ``act(what)`` called at an instant; one that has passed counts as now."""
        self._count += 1
        heappush(self._events, (instant if instant > self.now else self.now, self._count, act, what))

    def after(self, seconds: float, act: Callable[[Any], object], what: Any = None) -> None:
        """Have ``act(what)`` called after so many seconds."""
        self._count += 1
        heappush(self._events, (self.now + seconds, self._count, act, what))

    def run(self, until: float = inf) -> None:
        """Let happen what is set up to an instant, and what follows from it; then it is that instant."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, act, what = heappop(events)
            act(what)
        if self.now < until < inf:
            self.now = until

    def __repr__(self) -> str:
        return f"Timeline({self.now:g} s, {len(self._events)} events to come)"
