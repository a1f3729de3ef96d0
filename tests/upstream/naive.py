"""Who gets which connection? `Places` once more, as plainly as it can be said: lists, looked through from the start.

And what the two are driven with: connections that are none, and a loop whose turns and time the test holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any
from unittest import mock

import attrs

from meshkit.upstream import places as room
from meshkit.upstream import sweep
from meshkit.upstream.origin import Origin
from meshkit.upstream.places import Limits, Places
from meshkit.upstream.sweep import EARLY

__all__ = ["Caller", "Clockwork", "Desk", "Fake", "Naive", "clockwork"]


class Fake:
    """A connection without a socket."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.due = inf
        self.idle_at = 0.0
        self.spoiled = False
        self.stale = False
        """The peer has closed it, and the loop has not said so."""
        self.struck = False
        self.tunnel: Any = None
        self.errors: list[Exception] = []

    def fresh(self) -> bool:
        return not self.spoiled and not self.stale

    def strike(self) -> None:
        self.due = inf
        self.struck = True

    def fail(self, error: Exception) -> None:
        self.spoiled = True
        self.errors.append(error)

    def close(self) -> None:
        self.spoiled = True


class Clockwork(asyncio.SelectorEventLoop):
    """Turns once when it is told to; its timers are read off a clock that is set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.timers: list[tuple[float, asyncio.TimerHandle]] = []
        self.troubles: list[dict[str, Any]] = []
        """What a callback has raised, and errors that nobody saw."""

    def monotonic(self) -> float:
        return self.now

    def turn(self) -> None:
        self.call_soon(self.stop)
        self.run_forever()

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        handle = asyncio.TimerHandle(self.now + delay, callback, args, self, context)
        self.timers.append((self.now + delay, handle))
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.troubles.append(context)

    def armed(self) -> list[float]:
        """When the timers ring that have not been taken back."""
        self.timers = [(when, handle) for when, handle in self.timers if not handle.cancelled()]
        return sorted(when for when, _ in self.timers)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is none of the loop's own."""

    def wait(self, seconds: float, rung: Callable[[], None], early: float = 0.0) -> None:
        """Let so much time pass; ``rung`` is told of each timer that has rung, by ``early`` too soon."""
        end = self.now + seconds
        rings = 0
        while (armed := self.armed()) and armed[0] <= end:
            rings += 1
            assert rings < 1000, "it rings over and over"
            self.now = max(self.now, armed[0] - early)
            [due] = [each for each in self.timers if each[0] == armed[0]]
            self.timers.remove(due)
            due[1]._run()
            rung()
        self.now = end


@contextmanager
def clockwork() -> Iterator[Clockwork]:
    loop = Clockwork()
    with mock.patch.object(room, "monotonic", loop.monotonic), mock.patch.object(sweep, "monotonic", loop.monotonic):
        yield loop
    loop.close()
    assert loop.troubles == []


class Desk:
    """Places, and a loop that turns when it is told to."""

    def __init__(self, loop: Clockwork) -> None:
        self.loop = loop

    def open(self, **limits: Any) -> Any:
        self.places: Any = Places(self.loop, Limits(**limits))
        return self.places

    def ask(self, origin: Origin, seconds: float | None = None, until: float | None = None) -> Any:
        asking = self.loop.create_task(self.places.place(origin, seconds, until))
        self.loop.turn()
        return asking

    def made(self, origin: Origin) -> Any:
        """A connection that is in use."""
        assert self.ask(origin).result() is None
        connection: Any = Fake(origin)
        self.places.joined(connection)
        return connection

    def kept(self, origin: Origin) -> Any:
        """One that is idle."""
        connection = self.made(origin)
        self.places.freed(connection)
        return connection


@attrs.define(eq=False)
class Caller:
    """A call that has asked for a place."""

    origin: Origin
    due: float
    task: Any = None
    state: str = "queued"
    """Then ``granted``, for a turn, and ``ended``."""
    given: Any = None
    cancelled: bool = False
    closings: int = 0


class Naive:
    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self.limits = limits
        self.now = now
        self.places: list[Origin] = []
        """One for each connection, and each that is being made."""
        self.idle: list[Any] = []
        """Longest idle first."""
        self.queue: list[Caller] = []
        self.ready: list[Caller] = []
        """Those who will hear something in the next turn."""
        self.making: list[Origin] = []
        self.busy: list[Any] = []
        self.closings = 0

    def close(self, connection: Any) -> None:
        self.places.remove(connection.origin)

    def take(self, origin: Origin) -> Any:
        for connection in reversed([each for each in self.idle if each.origin == origin]):
            self.idle.remove(connection)
            if not connection.stale:
                return connection
            self.close(connection)
        return None

    def room(self, origin: Origin) -> bool:
        if self.limits.each is not None and self.places.count(origin) >= self.limits.each:
            return False
        if self.limits.connections is not None and len(self.places) >= self.limits.connections:
            if not self.idle:
                return False
            self.close(self.idle.pop(0))
        return True

    def serve(self) -> None:
        for caller in [*self.queue]:
            if caller.cancelled:
                continue
            connection = self.take(caller.origin)
            if connection is None:
                if not self.room(caller.origin):
                    continue
                self.places.append(caller.origin)
            self.queue.remove(caller)
            caller.state, caller.given = "granted", connection
            self.ready.append(caller)

    def place(self, caller: Caller) -> str:
        """What a call is told that found nothing idle."""
        if self.room(caller.origin):
            self.places.append(caller.origin)
            self.making.append(caller.origin)
            return "place"
        if self.limits.pending is not None and len(self.queue) >= self.limits.pending:
            return "overloaded"
        self.queue.append(caller)
        return "queued"

    def freed(self, connection: Any) -> None:
        self.idle.append(connection)
        self.serve()
        if self.limits.idle is not None and len(self.idle) > self.limits.idle:
            self.close(self.idle.pop(0))

    def gone(self, connection: Any) -> None:
        if connection in self.idle:
            self.idle.remove(connection)
        self.close(connection)
        self.serve()

    def cancel(self, caller: Caller) -> None:
        caller.cancelled = True
        if caller.state == "queued":
            self.ready.append(caller)

    def turn(self) -> None:
        """Whoever has heard something does what is to be done."""
        ready, self.ready = self.ready, []
        for caller in ready:
            given = caller.given
            if caller.state == "granted" and (caller.cancelled or caller.closings != self.closings):
                caller.state = "ended"
                if given is None:
                    self.places.remove(caller.origin)
                    self.serve()
                elif not given.spoiled:
                    self.freed(given)
            elif caller.state == "granted" and given is not None and given.spoiled:
                caller.state, caller.given = "queued", None
                self.queue.insert(0, caller)
                self.serve()
                if caller.state == "granted":  # at once, without another turn
                    self.ready.remove(caller)
                    self.told(caller)
            elif caller.state == "granted":
                self.told(caller)
            else:
                caller.state = "ended"
                if caller in self.queue:
                    self.queue.remove(caller)

    def told(self, caller: Caller) -> None:
        caller.state = "ended"
        if caller.given is None:
            self.making.append(caller.origin)
        else:
            self.busy.append(caller.given)

    def strike(self) -> None:
        """What is due by now."""
        now = self.now() + EARLY
        for caller in [*self.queue]:
            if caller.due <= now:
                self.queue.remove(caller)
                if not caller.cancelled:
                    self.ready.append(caller)
        for connection in [*self.idle]:
            if self.limits.idle_for is not None and connection.idle_at + self.limits.idle_for <= now:
                self.idle.remove(connection)
                self.close(connection)

    def shut(self) -> None:
        self.closings += 1
        for connection in [*self.busy, *self.idle, *(c.given for c in self.ready if c.state == "granted" and c.given)]:
            if not connection.spoiled:  # died in the turn of its grant
                self.close(connection)
        self.busy, self.idle = [], []
        self.ready += [caller for caller in self.queue if not caller.cancelled]
        self.queue = []
