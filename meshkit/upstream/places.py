"""Who may have a connection now, who stands in the queue for one, and which idle one is used first?

Idle connections are used last in, first out: the rest grow old together and are closed. A call that finds neither an
idle connection nor a place for a new one stands in a queue, first come, first served, whatever its origin; an idle
connection to another origin makes room for it. The ceilings are Envoy's (``max_connections`` and
``max_pending_requests`` of a cluster's thresholds), and are those of one loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from math import inf
from time import monotonic
from typing import Any

import attrs

from ..errors import Overloaded
from ..options import count, optional, seconds
from .connection import Connection
from .errors import ConnectFailed, PoolTimedOut, WireError
from .origin import Origin
from .sweep import Sweep

__all__ = ["Limits", "Places"]


@attrs.frozen
class Limits:
    """``connections`` in all, ``each`` to one origin, ``pending`` calls in the queue, ``idle`` connections kept, each
    ``idle_for`` seconds. ``None``: no ceiling. Raises `ConfigError`.
    """

    connections: int | None = attrs.field(default=100, validator=optional(count(0)))
    each: int | None = attrs.field(default=None, validator=optional(count(1)))
    pending: int | None = attrs.field(default=None, validator=optional(count(0)))
    idle: int | None = attrs.field(default=None, validator=optional(count(0)))
    idle_for: float | None = attrs.field(default=5.0, validator=optional(seconds(zero=True)))


CLOSED = "the pool was closed"


class Waiter:
    """A call in the queue: its future becomes a connection, or ``None``, a place for a new one."""

    __slots__ = ("due", "future", "origin")

    def __init__(self, origin: Origin, future: asyncio.Future[Connection | None], due: float) -> None:
        self.origin = origin
        self.future = future
        self.due = due


class Places:
    """One loop's connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self.loop = loop
        self.limits = limits
        self.most = inf if limits.connections is None else limits.connections
        self.most_idle = inf if limits.idle is None else limits.idle
        self.longest_idle = inf if limits.idle_for is None else limits.idle_for
        self.opened = 0
        """Connections, and places for those being made."""
        self.each: dict[Origin, int] = {}
        """The same by origin, where there is a ceiling for each."""
        self.busy: set[Connection] = set()
        self.idle: dict[Connection, None] = {}
        """Longest idle first."""
        self.stacks: dict[Origin, list[Connection]] = {}
        self.queue: deque[Waiter] = deque()
        self.dials: set[asyncio.Timeout] = set()
        """Of the connections being made: how to break them off."""
        self.closings = 0
        """How often all were closed: what was granted before is of no use after."""
        self.sweep = Sweep(loop, self.struck)
        self.guard: Any = None
        """What closes them when the loop ends."""

    def take(self, origin: Origin) -> Connection | None:
        """An idle connection, if there is one."""
        stack = self.stacks.get(origin)
        while stack:
            connection = stack.pop()
            del self.idle[connection]
            if connection.fresh():
                self.busy.add(connection)
                return connection
            self._close(connection)
        return None

    async def place(self, origin: Origin, seconds: float | None, until: float | None) -> Connection | None:
        """A connection, or ``None``: then a new one may be made. Raises `PoolTimedOut` and `Overloaded`."""
        if self._room(origin):  # whoever is in the queue waits for another origin's
            self._occupy(origin)
            return None
        if self.limits.pending is not None and len(self.queue) >= self.limits.pending:
            raise Overloaded("%s calls wait for a connection already", len(self.queue), policy=str(origin))
        closings = self.closings
        due = min(inf if seconds is None else monotonic() + seconds, inf if until is None else until)
        waiter = Waiter(origin, self.loop.create_future(), due)
        self.queue.append(waiter)
        while True:
            if due < inf:
                self.sweep.by(due)
            try:
                given = await waiter.future
            except BaseException:
                if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                    self._return(origin, waiter.future.result())
                elif waiter in self.queue:
                    self.queue.remove(waiter)
                raise
            if closings != self.closings:
                self._return(origin, given)
                raise ConnectFailed(CLOSED)
            if given is None or given.fresh():
                return given
            self.gone(given)
            # The peer has closed it in the turn in which it was granted: first in the queue, once more.
            waiter = Waiter(origin, self.loop.create_future(), due)
            self.queue.appendleft(waiter)
            self._serve()

    def _room(self, origin: Origin) -> bool:
        """Whether one more connection may be made; an idle one elsewhere makes room."""
        if self.limits.each is not None and self.each.get(origin, 0) >= self.limits.each:
            return False
        if self.opened >= self.most:
            if not self.idle:
                return False
            self._retire(next(iter(self.idle)))
        return True

    def _occupy(self, origin: Origin) -> None:
        self.opened += 1
        if self.limits.each is not None:
            self.each[origin] = self.each.get(origin, 0) + 1

    def _vacate(self, origin: Origin) -> None:
        self.opened -= 1
        if self.limits.each is not None:
            self.each[origin] -= 1
            if not self.each[origin]:
                del self.each[origin]

    def _return(self, origin: Origin, given: Connection | None) -> None:
        """What was granted to a call that has been cancelled meanwhile."""
        if given is None:
            self.vacated(origin)
        else:
            self.freed(given)

    async def make(self, connection: Connection, dialing: Awaitable[None]) -> None:
        """Make a connection in the place that was given; none was made where this raises."""
        closings = self.closings
        scope = asyncio.timeout(None)
        self.dials.add(scope)
        try:
            async with scope:
                await dialing
            if closings != self.closings:
                raise ConnectFailed(CLOSED)
            if connection.spoiled:
                raise ConnectFailed("the peer closed the connection before anything was asked")
        except BaseException as error:
            connection.close()
            self.vacated(connection.origin)
            if scope.expired() and isinstance(error, TimeoutError):
                raise ConnectFailed(CLOSED) from error
            raise
        finally:
            self.dials.discard(scope)
        self.joined(connection)

    def joined(self, connection: Connection) -> None:
        """A connection was made in the place that was given."""
        self.busy.add(connection)

    def vacated(self, origin: Origin) -> None:
        """A connection was not made after all."""
        self._vacate(origin)
        self._serve()

    def freed(self, connection: Connection) -> None:
        """A connection has ended its exchange, and can serve another."""
        if connection.spoiled:
            self.gone(connection)
            return
        self.busy.discard(connection)
        now = connection.idle_at = monotonic()
        origin = connection.origin
        stack = self.stacks.get(origin)
        if stack is None:
            self.stacks[origin] = [connection]
        else:
            stack.append(connection)
        self.idle[connection] = None
        if self.queue:
            self._serve()
        if len(self.idle) > self.most_idle:
            self._retire(next(iter(self.idle)))
        due = now + self.longest_idle
        if due < self.sweep.at:
            self.sweep.by(due)

    def gone(self, connection: Connection) -> None:
        """A connection that can serve nobody any more."""
        if connection in self.busy:
            self.busy.discard(connection)
            self._close(connection)
            self._serve()
        elif connection in self.idle:
            self._retire(connection)
            self._serve()

    def _retire(self, connection: Connection) -> None:
        del self.idle[connection]
        self.stacks[connection.origin].remove(connection)
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        connection.close()
        origin = connection.origin
        self._vacate(origin)
        if self.stacks.get(origin) == []:
            del self.stacks[origin]

    def _serve(self) -> None:
        """Give what is free to those who wait, in their order."""
        queue = self.queue
        passed: list[Waiter] = []
        while queue:
            waiter = queue.popleft()
            if waiter.future.done():
                continue
            connection = self.take(waiter.origin)
            if connection is not None:
                waiter.future.set_result(connection)
            elif self._room(waiter.origin):
                self._occupy(waiter.origin)
                waiter.future.set_result(None)
            else:
                passed.append(waiter)
                if self.opened >= self.most and not self.idle:
                    break
        queue.extendleft(reversed(passed))

    def struck(self, now: float) -> float:
        """Strike what is late, close what has been idle too long; when is the next?"""
        due = inf
        for connection in [*self.busy]:
            if connection.due <= now:
                connection.strike()
            if connection.due < due:  # also where something came in this very turn, and the wait may go on
                due = connection.due
        for waiter in [*self.queue]:
            if waiter.due <= now:
                self.queue.remove(waiter)
                if not waiter.future.done():
                    waiter.future.set_exception(PoolTimedOut("no connection became free in time"))
            elif waiter.due < due:
                due = waiter.due
        while self.idle:
            oldest = next(iter(self.idle))
            expires = oldest.idle_at + self.longest_idle
            if expires > now:
                return min(due, expires)
            self._retire(oldest)
        return due

    def close(self, error: WireError) -> list[Connection]:
        """Close every connection. Those under way fail with ``error``; those who wait or dial, and have sent nothing,
        with `ConnectFailed`. Answers of which connections the loop is still to let go.
        """
        self.closings += 1
        self.sweep.stop()
        closing = [*self.busy, *self.idle]
        for scope in self.dials:
            scope.reschedule(self.loop.time())
        self.dials.clear()
        for waiter in self.queue:
            if not waiter.future.done():
                waiter.future.set_exception(ConnectFailed(CLOSED))
        self.queue.clear()
        for connection in closing:
            connection.fail(error)
            self.gone(connection)
        return [connection for connection in closing if connection.tunnel is None]

    def idle_now(self) -> bool:
        return not self.busy and not self.queue and self.opened == len(self.idle)
