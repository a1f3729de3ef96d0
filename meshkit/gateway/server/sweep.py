"""Who has kept this server waiting for too long? Asked of all connections now and then, not by a timer for each.

==============================================  =====================  ===================================
a connection that                               for longer than        is
==============================================  =====================  ===================================
has sent nothing yet                            ``head``               closed
has sent a part of a head                       ``head``               answered 408, closed
sends no byte of a body that is waited for      ``body``               answered 408, or broken off
is idle between two requests                    ``idle``               closed
has been answered for good, and sends on        ``linger``             broken off
is closed, and does not take the last bytes     ``stall``              broken off; so is a WebSocket
==============================================  =====================  ===================================

A request then costs no timer at all: a connection notes when something began, by a clock that is read once a tick. It
may wait a tick longer than it says, which is a second, or a quarter of the shortest of these.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import attrs

from ...options import seconds

__all__ = ["Limits", "Sweep", "Swept", "sweep_of"]


@attrs.frozen(kw_only=True)
class Limits:
    """Seconds that a client may take, see the table. Raises `ConfigError`."""

    head: float = attrs.field(default=10.0, validator=seconds())
    body: float = attrs.field(default=60.0, validator=seconds())
    idle: float = attrs.field(default=75.0, validator=seconds())
    linger: float = attrs.field(default=2.0, validator=seconds())
    stall: float = attrs.field(default=60.0, validator=seconds())

    @property
    def tick(self) -> float:
        """Seconds between two looks."""
        return min(1.0, self.head / 4, self.body / 4, self.idle / 4, self.linger / 4, self.stall / 4)


class Swept(Protocol):
    """A connection."""

    def look(self, now: float, limits: Limits) -> None:
        """See whether it is time to end."""


class Sweep:
    """The connections of one server, in one event loop."""

    __slots__ = ("_loop", "_timer", "limits", "now", "those")

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.limits = limits
        self.now = loop.time()
        """When the last tick was."""
        self.those: set[Swept] = set()

    def add(self, connection: Swept) -> None:
        """While there is one there are ticks."""
        self.those.add(connection)
        if self._timer is None:
            self.now = self._loop.time()
            self._timer = self._loop.call_later(self.limits.tick, self._tick)

    def discard(self, connection: Swept) -> None:
        self.those.discard(connection)
        if not self.those and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self.limits.tick, self._tick)
        self.now = now = self._loop.time()
        for connection in [*self.those]:
            connection.look(now, self.limits)


_sweeps: WeakKeyDictionary[Any, Sweep] = WeakKeyDictionary()


def sweep_of(server_state: Any, loop: asyncio.AbstractEventLoop, limits: Limits) -> Sweep:
    """That of all connections which share the state of a server of uvicorn."""
    found = _sweeps.get(server_state)
    if found is None:
        found = _sweeps[server_state] = Sweep(loop, limits)
    return found
