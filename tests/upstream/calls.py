"""What does a test ask of a pool? Mostly the same: a server that plays its scripts, and one request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

from meshkit.upstream import Answer, Dial, Limits, Origin, Pool

from .peer import Peer
from .rogue import Rogue
from .stepping import calm
from .ways import trusting

__all__ = ["HALF", "HEADERS", "accepted", "ask", "begun", "closed_port", "get", "half", "here", "pooled", "read"]

SOON = 30.0
"""Seconds for a whole test."""
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok"
HEADERS = [(b"Host", b"example")]


def here(server: Rogue, **more: Any) -> Origin:
    return Origin("127.0.0.1", server.port, **more)


async def ask(pool: Pool, origin: Origin, **more: Any) -> Answer:
    return await pool.send(origin, b"GET", b"/", HEADERS, **more)


async def read(answer: Answer) -> bytes:
    return b"".join([chunk async for chunk in answer])


async def get(pool: Pool, origin: Origin, **more: Any) -> bytes:
    return await read(await ask(pool, origin, **more))


@contextlib.asynccontextmanager
async def pooled(
    *scripts: Any, tls: ssl.SSLContext | None = None, limits: Limits | None = None, **dial: Any
) -> AsyncIterator[tuple[Rogue, Pool]]:
    """When it is closed, no call is under way, no connection open, and nothing left."""
    async with calm(), asyncio.timeout(SOON), Rogue(*scripts, tls=tls) as server:
        pool = Pool(limits, tls=trusting, dial=Dial(**dial))
        yield server, pool
        await pool.aclose()
        assert pool.idle()
        for peer in server.peers:
            peer.over.set()
        await server.quiet()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return int(gone.getsockname()[1])


async def accepted(listener: socket.socket) -> Peer:
    """Who comes to one that listens somewhere else than on 127.0.0.1."""
    listener.setblocking(False)
    wire, _ = await asyncio.get_running_loop().sock_accept(listener)
    wire.setblocking(False)
    return Peer(wire, 0)


async def half(peer: Peer) -> None:
    """Each answer's second half when the test says so, or never."""
    while True:
        await peer.request()
        await peer.send(HALF)
        await peer.over.wait()
        peer.over.clear()
        await peer.send(b"!!")


async def begun(pool: Pool, server: Rogue) -> tuple[Answer, Any]:
    """An answer of which half has come, and its connection."""
    answer = await ask(pool, here(server))
    assert await anext(answer) == b"ok"
    return answer, answer.connection
