"""Until when may an await take? Deadlines on asyncio and trio.

On asyncio the calls under way stand in one dict per loop, with one timer at the earliest deadline: a call that ends in
time costs an entry made and an entry dropped, no timer and no scope of its own. An alarm that rings cancels the task
and does the bookkeeping of ``asyncio.timeout`` (CPython's Lib/asyncio/timeouts.py): the cancellation becomes a
`TimedOut` only if nobody else asked to cancel the task meanwhile. On trio it is one ``CancelScope`` around the call.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable
from typing import Any

from ..call import Call
from ..engine import expired

__all__ = ["Alarms", "Cancelled", "arm", "lift", "remind"]

Cancelled = asyncio.CancelledError
current_task: Any = asyncio.current_task
if sys.version_info < (3, 12):  # written in Python there, around a lookup in this dict
    current_task = asyncio.tasks._current_tasks.get  # type: ignore[attr-defined]
get_running_loop = asyncio.get_running_loop


class Alarms(dict[Any, tuple[float, asyncio.Task[Any] | None, int, Call]]):
    """The alarms of one event loop by one clock, and the one timer that serves them all.

    Maps what is under way to its deadline, its task, the number of cancellations asked of that task before, and its
    call: one whose deadline was lifted meanwhile is let be.
    Instants of another clock cannot be compared with these: ``others`` are the same loop's alarms by those.
    """

    __slots__ = ("clock", "loop", "others", "rang", "ring_at", "timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self.loop = loop
        self.clock = clock
        self.others: list[Alarms] = []
        self.rang: dict[Any, tuple[asyncio.Task[Any], int]] = {}
        self.ring_at = math.inf
        self.timer: asyncio.TimerHandle | None = None

    def wind(self, at: float, now: float) -> None:
        """Have the timer ring at an instant earlier than it stands."""
        if self.timer is not None:
            self.timer.cancel()
        self.ring_at = at
        self.timer = self.loop.call_later(max(0.0, at - now), self.ring)

    def ring(self) -> None:
        """Cancel what is due, wind for the earliest of the rest."""
        self.timer = None
        self.ring_at = earliest = math.inf
        now = self.clock()
        for key, (at, task, before, call) in list(self.items()):
            if at <= now:
                if call.deadline == math.inf:
                    self[key] = (math.inf, task, before, call)
                    continue
                del self[key]
                if task is None:
                    key.due()
                    continue
                self.rang[key] = (task, before)
                task.cancel()
            elif at < earliest:
                earliest = at
        if earliest < self.ring_at:
            # A timer may be early by the resolution of its loop's clock: wind for no less than that.
            self.wind(max(earliest, now + 0.0005), now)

    def drop(self, key: Any) -> None:
        """Forget an alarm, rung or not: whatever ended the call, it leaves the task as it found it."""
        if self.pop(key, None) is None and key in self.rang:
            self.expired(key)

    def expired(self, key: Any) -> bool:
        """Drop an alarm. True if it rang and the cancellation is its doing alone: then it was taken back."""
        if self.pop(key, None) is not None:
            return False
        task, before = self.rang.pop(key)
        return task.uncancel() <= before


_loops: dict[asyncio.AbstractEventLoop, Alarms] = {}


def arm(
    key: Any, call: Call, send: Callable[..., Any], now: float, clock: Callable[[], float]
) -> tuple[Callable[..., Any], Alarms | None]:
    """Set the alarm for ``call.deadline``. Answers what to send instead (on trio: the same within a scope), and where
    the alarm must be dropped again.
    """
    try:
        loop = get_running_loop()
    except RuntimeError:
        return _scoped(call, send, now, clock), None
    alarms = _loops.get(loop)
    if alarms is None or alarms.clock is not clock:
        alarms = _by(loop, clock)
    at: Any = call.deadline
    if at <= now:
        return _late(call, clock), None
    task: Any = current_task(loop)
    alarms[key] = (at, task, task.cancelling(), call)
    if at < alarms.ring_at:
        alarms.wind(at, now)
    return send, alarms


def remind(key: Any, call: Call, delay: float, loop: Any, clock: Callable[[], float]) -> Alarms:
    """Have ``key.due()`` called after so many seconds, by the same timer, in no caller's context. Until then ``key``
    may be dropped from what is answered.
    """
    now = clock()
    at = now + delay
    alarms = _loops.get(loop)
    if alarms is None or alarms.clock is not clock:
        alarms = _by(loop, clock)
    alarms[key] = (at, None, 0, call)
    if at < alarms.ring_at:
        alarms.wind(at, now)
    return alarms


def lift(call: Call) -> None:
    """Let what is under way on behalf of a call go on as long as it likes: its answer is complete."""
    call.deadline = math.inf
    for scope in getattr(call, "bounds", ()):
        scope.deadline = math.inf


def _late(call: Call, clock: Callable[[], float]) -> Callable[..., Any]:
    """What is sent once the time is over: nothing."""

    async def late(*args: Any, **kwargs: Any) -> Any:
        raise expired(call, call.began_at, clock())

    return late


def _by(loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> Alarms:
    first = _loops.get(loop)
    if first is None:
        for other in list(_loops):
            if other.is_closed():
                _loops.pop(other, None)
        return _loops.setdefault(loop, Alarms(loop, clock))
    for alarms in (first, *first.others):
        if alarms.clock == clock:
            return alarms
    first.others.append(Alarms(loop, clock))
    return first.others[-1]


def _scoped(call: Call, send: Callable[..., Any], now: float, clock: Callable[[], float]) -> Callable[..., Any]:
    import trio

    if (call.deadline or now) <= now:
        return _late(call, clock)

    async def scoped(*args: Any, **kwargs: Any) -> Any:
        with trio.CancelScope(deadline=trio.current_time() + (call.deadline or now) - now) as scope:
            outer = getattr(call, "bounds", ())
            call.bounds = (*outer, scope)
            try:
                return await send(*args, **kwargs)
            finally:
                call.bounds = outer
        raise expired(call, now, max(clock(), call.deadline or now))  # its clock may be a bit of a float early

    return scoped
