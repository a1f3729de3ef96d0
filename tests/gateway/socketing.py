"""What stands around a WebSocket in these tests? Upstreams of a library, and a gateway under uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn
from websockets.asyncio.server import ServerConnection, serve

from meshkit import Cluster, Mesh
from meshkit.gateway import Gateway
from meshkit.route import Match, Route

from ..upstream.rogue import until

__all__ = ["echo", "gateway", "serving", "upstream"]


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@contextlib.asynccontextmanager
async def upstream(say: Callable[[ServerConnection], Awaitable[None]] = echo, **more: Any) -> AsyncIterator[int]:
    """A server of the library, on its port. It asks for no sign of life, so that nothing comes but what a test says."""
    options = {"ping_interval": None, "compression": None, "close_timeout": 1.0, "max_size": None, **more}
    async with serve(say, "127.0.0.1", 0, **options) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def gateway(*ports: int, actions: Any = (), policies: Any = (), **more: Any) -> AsyncIterator[tuple[Any, str]]:
    """One that leads to these ports, and its address. When it is closed nothing is left of any call."""
    chat = Cluster("chat", [f"127.0.0.1:{port}" for port in ports])
    mesh = Mesh(clusters=[chat], routes=[Route(Match(), chat, actions=actions, policies=policies)])
    async with serving(Gateway(mesh, **more)) as found:
        yield found


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[tuple[Any, str]]:
    """An app under uvicorn, in this loop."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, ws_per_message_deflate=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0)
    try:
        yield app, f"ws://127.0.0.1:{listener.getsockname()[1]}"
        await until(lambda: app.under_way == 0)
        await until(app.idle)
    finally:
        server.should_exit = True
        await task
