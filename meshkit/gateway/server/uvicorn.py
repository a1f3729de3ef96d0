"""How does uvicorn serve an app on several addresses, and end when it should?

Of uvicorn it is what an app meets: its `Config`, and its WebSockets. It opens the sockets that it is given, each with
TLS or without, and has HTTP/1.1 spoken by `HttpConnection`. Its own `Server` ends WebSockets at once and waits for
everything else without a bound, unless it is given one, and then cancels what is left in the same breath.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import uvicorn
from uvicorn.server import ServerState

from .addresses import Bound
from .connection import FRESH, Connection
from .http1 import HttpConnection
from .options import Serve
from .socket import Socket

__all__ = ["UvicornService"]

LOOK: Final = 0.02
"""Seconds between two looks at what is under way, when there is to be no more."""
FIRST: Final = 1.0
"""Seconds in which a connection that was just made has to begin with its request, when there are to be no more."""
AFTER: Final = 1.0
"""Seconds that those have who were cut off, to notice."""


class UvicornService:
    """One app, on some addresses, in the running event loop."""

    def __init__(
        self, app: Any, bound: Sequence[Bound], options: Serve, tls: ssl.SSLContext | None, state: dict[str, Any]
    ) -> None:
        self._bound = bound
        self._options = options
        self._tls = tls
        self._app_state = state
        self._config = uvicorn.Config(
            app,
            http=HttpConnection,
            ws=Socket,
            ws_max_size=options.ws_max_size,
            ws_ping_interval=options.ws_ping or None,
            ws_ping_timeout=options.ws_ping or None,
            ws_per_message_deflate=False,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        self._state: Any = ServerState()
        self._servers: list[asyncio.Server] = []
        self._ways: list[tuple[Bound, Callable[[], HttpConnection], dict[str, Any]]] = []
        """Addresses, and what is made of their connections."""
        self._late: set[asyncio.Task[Any]] = set()
        """Connections that were taken at the end, and are not made yet."""

    async def start(self) -> None:
        """Take connections. Raises `OSError`."""
        self._config.load()
        loop = asyncio.get_running_loop()
        for each in self._bound:
            make = partial(
                HttpConnection,
                self._config,
                self._state,
                self._app_state,
                loop,
                limits=self._options.limits,
                server=each.server,
            )
            more: dict[str, Any] = {"ssl": self._tls, "ssl_handshake_timeout": self._options.limits.head}
            if not each.tls:
                more.clear()
            self._ways.append((each, make, more))
            self._servers.append(
                await loop.create_server(make, sock=each.socket, backlog=self._options.backlog, **more)
            )

    async def over(self) -> None:
        """Wait until it ends by itself, which it does not."""
        await asyncio.Event().wait()

    async def stop(self) -> int:
        """Take no more connections, and close those on which nothing is under way. Answers what that has cut off.

        Those that wait in the system's queue are taken yet: their clients may have sent a request, and would find the
        connection reset.
        """
        ways = [(each.socket.dup(), make, more) for each, make, more in self._ways]
        for server in self._servers:
            server.close()
        self._shut()
        await asyncio.sleep(LOOK)  # from now on the loop does not take any, but they still may come
        for sock, make, more in ways:
            with sock, suppress(OSError):
                while True:
                    self._take(sock.accept()[0], make, more)
        self._shut()
        asyncio.get_running_loop().call_later(FIRST, self._enough)
        return 0

    def _shut(self) -> None:
        for connection in [*self._state.connections]:
            if isinstance(connection, Connection):
                connection.shutdown()

    def _take(self, sock: socket.socket, make: Callable[[], HttpConnection], more: dict[str, Any]) -> None:
        def last() -> HttpConnection:
            made = make()
            made.ending = True
            return made

        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(last, sock, **more))
        self._late.add(task)
        task.add_done_callback(self._taken)

    def _taken(self, task: asyncio.Task[Any]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # its client has gone, or speaks no TLS

    def _enough(self) -> None:
        for connection in [*self._state.connections]:
            if isinstance(connection, Connection) and connection.phase == FRESH:
                connection.transport.close()

    async def finished(self) -> None:
        """Wait until all is said and done."""
        while self._late or self._state.connections or self._state.tasks:  # noqa: ASYNC110  # they are uvicorn's own sets
            await asyncio.sleep(LOOK)

    async def cut(self) -> int:
        """Break off what is left, WebSockets with a goodbye. Answers how much that was."""
        for late in [*self._late]:
            late.cancel()
        left = [*self._state.connections]
        for connection in left:
            if isinstance(connection, Connection):
                connection.transport.abort()
            else:
                connection.shutdown()
        number = max(len(left), len(self._state.tasks))
        tasks = [*self._state.tasks]
        if tasks:
            _, slow = await asyncio.wait(tasks, timeout=AFTER)
            for task in slow:
                task.cancel()
            if slow:
                await asyncio.wait(slow, timeout=AFTER)
        for connection in [*self._state.connections]:
            connection.transport.abort()
        await asyncio.sleep(0)  # for connection_lost
        return number
