"""How does granian serve an app on addresses that were opened before, and end when it should?

Each address has an embedded server of granian's in this event loop. Its own idea of workers, signals and lifespan is
not used. Heads, framing and timeouts of HTTP are hyper's; docs/howto/serve.md has what that refuses and what not.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

from .addresses import Bound
from .heads import SIZE
from .options import Serve

__all__ = ["GranianService"]

GOING_AWAY: Final = 1001
WATCHER: Final = "future_watcher"
"""What the task of a request is called."""
CONNECTIONS: Final = 2**20
"""That are served at once: without it 128, and the next one waits until one of those is closed, however idle it is."""
AFTER: Final = 1.0
"""Seconds that those have who were cut off, to notice."""


class Embedded(Server):
    """granian's, on a socket that is open already."""

    def __init__(self, bound: Bound, backlog: int, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._shd: Any
        self._bound = bound
        self._backlog = backlog

    def close(self) -> None:
        """Take no more connections."""
        self._bound.close()
        self.signal_handler_interrupt()  # type: ignore[no-untyped-call]  # as all of it

    def _init_shared_socket(self) -> None:
        unix = self._bound.socket.family == getattr(socket, "AF_UNIX", None)
        holder: Any = SocketHolder  # it closes what it holds
        self._shd = holder(os.dup(self._bound.socket.fileno()), unix, self._backlog)


class GranianService:
    """One app, on some addresses, in the running event loop."""

    def __init__(self, app: Any, bound: Sequence[Bound], options: Serve, tls: Any, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._options = options
        self._sockets: dict[asyncio.Task[Any], Any] = {}
        """WebSockets, and how to say something to their clients."""
        self._servers = [self._embedded(each) for each in bound]
        self._running: list[asyncio.Task[None]] = []

    def _embedded(self, bound: Bound) -> Embedded:
        options = self._options
        tls: dict[str, Any] = {}
        if bound.tls and options.certfile is not None:
            tls["ssl_cert"] = Path(options.certfile)
            tls["ssl_key"] = Path(options.keyfile or options.certfile)
            tls["ssl_key_password"] = options.keyfile_password
            tls["ssl_protocol_min"] = SSLProtocols.tls12
        limits = options.limits
        return Embedded(
            bound,
            options.backlog,
            self._called(bound.server),
            interface=Interfaces.ASGINL,
            backpressure=CONNECTIONS,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=int(limits.head * 1000), max_buffer_size=SIZE),
            log_enabled=False,
            **tls,
        )

    def _called(self, server: tuple[str, int | None]) -> Any:
        """The app, told the same things as by the other server."""
        app, state = self._app, self._state

        def called(scope: Any, receive: Any, send: Any) -> Any:
            scope["server"] = server
            scope["state"] = state.copy()
            if scope["type"] == "websocket":
                return self._socket(scope, receive, send)
            return app(scope, receive, send)

        return called

    async def _socket(self, scope: Any, receive: Any, send: Any) -> None:
        task: Any = asyncio.current_task()
        self._sockets[task] = send
        try:
            await self._app(scope, receive, send)
        finally:
            self._sockets.pop(task, None)

    async def start(self) -> None:
        """Take connections."""
        self._running = [asyncio.create_task(server.serve()) for server in self._servers]
        await asyncio.sleep(0)
        for _ in range(3):  # a task each that starts another
            await asyncio.sleep(0)

    async def over(self) -> None:
        """Wait until it ends by itself."""
        await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def stop(self) -> int:
        """Take no more connections, and close those on which nothing is under way. From then on granian says nothing
        to WebSockets either, so they are told before. Answers how many those were.
        """
        sockets = [*self._sockets]
        for send in [*self._sockets.values()]:
            with suppress(Exception):
                await send({"type": "websocket.close", "code": GOING_AWAY})
        if sockets:
            await asyncio.wait(sockets, timeout=AFTER)
        for server in self._servers:
            server.close()
        return len(sockets)

    async def finished(self) -> None:
        """Wait until all is said and done."""
        await asyncio.wait(self._running)

    async def cut(self) -> int:
        """Break off what is left. Answers how much that was."""
        left = [task for task in asyncio.all_tasks() if WATCHER in getattr(task.get_coro(), "__qualname__", "")]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=AFTER)
        await asyncio.wait(self._running, timeout=AFTER)
        return len(left)
