"""Until when may an await take? Deadlines on asyncio and trio.

On asyncio the calls under way stand in one dict per loop with one timer at the earliest deadline; a call that ends in time
costs an entry made and an entry dropped, no timer of its own. An alarm that goes off cancels the task and does the
bookkeeping of ``asyncio.timeout`` (CPython's Lib/asyncio/timeouts.py): the cancellation becomes a `TimedOut` only if nobody
else asked to cancel the task meanwhile. On trio it is one ``CancelScope``.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..call import Call
from ..engine import expired

__all__ = ["Alarm", "TrioAlarm", "within"]

current_task = asyncio.current_task
get_running_loop = asyncio.get_running_loop


class Deadlines:
    """The alarms of one event loop, and the one timer that serves them all."""

    __slots__ = ("alarms", "loop", "next_at", "timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.alarms: dict[Alarm, None] = {}
        self.next_at = math.inf
        self.timer: asyncio.TimerHandle | None = None

    def wind(self, at: float, now: float, clock: Callable[[], float]) -> None:
        """Have the timer go off at an instant earlier than it stands."""
        if self.timer is not None:
            self.timer.cancel()
        self.next_at = at
        self.timer = self.loop.call_later(max(0.0, at - now), self.ring, clock)

    def ring(self, clock: Callable[[], float]) -> None:
        """Cancel what is due, wind for the earliest of the rest."""
        self.timer = None
        self.next_at = earliest = math.inf
        now = clock()
        for alarm in list(self.alarms):
            if alarm.at <= now:
                del self.alarms[alarm]
                alarm.rung = True
                alarm.task.cancel()
            elif alarm.at < earliest:
                earliest = alarm.at
        if earliest < math.inf:
            # A timer may be early by the resolution of its loop's clock: never wind for less than that.
            self.wind(max(earliest, now + 0.0005), now, clock)


_loops: dict[asyncio.AbstractEventLoop, Deadlines] = {}


def _deadlines(loop: asyncio.AbstractEventLoop) -> Deadlines:
    for other in [other for other in list(_loops) if other.is_closed()]:
        _loops.pop(other, None)
    return _loops.setdefault(loop, Deadlines(loop))


class Alarm:
    """One call's deadline on asyncio, as a context manager around what must end by then."""

    __slots__ = ("at", "began", "call", "cancelling", "clock", "deadlines", "rung", "task")

    def __init__(self, call: Call, now: float, clock: Callable[[], float], loop: asyncio.AbstractEventLoop) -> None:
        self.call = call
        self.began = now
        self.at: float = call.deadline  # type: ignore[assignment]  # asked for only where there is one
        self.clock = clock
        self.deadlines = _loops.get(loop) or _deadlines(loop)
        task = current_task(loop)
        if task is None:
            raise RuntimeError("a timeout needs a task to cancel: await the call from within one")
        self.task = task

    def __enter__(self) -> None:
        self.rung = False
        self.cancelling = self.task.cancelling()
        deadlines = self.deadlines
        deadlines.alarms[self] = None
        if self.at < deadlines.next_at:
            deadlines.wind(self.at, self.began, self.clock)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.rung:
            del self.deadlines.alarms[self]
            return
        if self.task.uncancel() <= self.cancelling and kind is asyncio.CancelledError:
            raise expired(self.call, self.began, self.clock()) from error


class TrioAlarm:
    """The same on trio."""

    __slots__ = ("began", "call", "clock", "scope")

    def __init__(self, call: Call, now: float, clock: Callable[[], float]) -> None:
        import trio

        self.call = call
        self.began = now
        self.clock = clock
        self.scope = trio.CancelScope(deadline=trio.current_time() + (call.deadline or now) - now)

    def __enter__(self) -> None:
        self.scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        caught = self.scope.__exit__(kind, error, trace)
        if self.scope.cancelled_caught:
            raise expired(self.call, self.began, self.clock())
        return bool(caught)


def within(call: Call, now: float, clock: Callable[[], float]) -> Any:
    """The alarm for ``call.deadline``, by the running event loop."""
    try:
        loop = get_running_loop()
    except RuntimeError:
        return TrioAlarm(call, now, clock)
    return Alarm(call, now, clock, loop)
