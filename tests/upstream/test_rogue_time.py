"""Which of httpx's four timeouts tells of a server that does nothing, and what has been sent by then?

Timeouts are short, and nothing is right or wrong by their length: the servers here do nothing for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from .peer import Peer
from .rogue import Rogue, Script, until
from .ways import EACH_WAY, Way, nothing_left, serving, talking

SHORT = 0.05
LONG = 10.0
HEAD = b"HTTP/1.1 200 OK\r\n"


def saying(*parts: bytes) -> Script:
    """These, and nothing more."""

    async def play(peer: Peer) -> None:
        await peer.request()
        for part in parts:
            await peer.send(part)

    return play


@EACH_WAY
@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 20",
        HEAD + b"Content-Length: 2\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        HEAD + b"Content-Length: 2\r\n\r\n",
        HEAD + b"Content-Length: 2\r\n\r\no",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        HEAD + b"\r\nok",
    ],
    ids=["nothing", "half a status line", "half a head", "100", "a head", "half a body", "chunks", "an open body"],
)
async def test_a_server_that_stops(way: Way, said: bytes) -> None:
    async with talking(way, saying(said), timeout=way.lib.Timeout(LONG, read=SHORT)) as (server, client):
        with pytest.raises(way.lib.ReadTimeout):
            await client.get(server.url)
        await server.quiet(0)
        assert (await client.get(server.url)).content == b"ok"


@EACH_WAY
async def test_nobody_takes_part_in_the_handshake(way: Way) -> None:
    """A server that accepts, and says nothing where TLS was to begin."""

    async def silent(peer: Peer) -> None:
        await peer.gone()

    async with talking(way, silent, timeout=way.lib.Timeout(LONG, connect=SHORT)) as (server, client):
        with pytest.raises(way.lib.ConnectTimeout):
            await client.get(server.url.replace("http:", "https:"))
        await server.quiet(0)


@EACH_WAY
async def test_nobody_accepts(way: Way) -> None:
    """A socket that listens, with a queue that is full: connecting takes as long as one waits."""
    async with nothing_left():
        with contextlib.ExitStack() as opened:
            listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            port = listener.getsockname()[1]
            for _ in range(3):
                before = opened.enter_context(socket.socket())
                before.setblocking(False)
                before.connect_ex(("127.0.0.1", port))
            timeout = way.lib.Timeout(LONG, connect=SHORT)
            async with way.lib.AsyncClient(transport=way.open(), timeout=timeout) as client, asyncio.timeout(LONG):
                with pytest.raises(way.lib.ConnectTimeout):
                    await client.get(f"http://127.0.0.1:{port}")


@EACH_WAY
async def test_nobody_listens(way: Way) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with nothing_left(), way.lib.AsyncClient(transport=way.open()) as client, asyncio.timeout(LONG):
        with pytest.raises(way.lib.ConnectError):
            await client.get(f"http://127.0.0.1:{port}")


@EACH_WAY
async def test_no_place_becomes_free(way: Way) -> None:
    """The first answer never comes, and there is one connection; when it is given up, the next is served."""
    limits = way.lib.Limits(max_connections=1)
    timeout = way.lib.Timeout(LONG, pool=SHORT)
    async with talking(way, saying(), timeout=timeout, limits=limits) as (server, client):
        first = asyncio.create_task(client.get(server.url))
        await until(lambda: server.peers)
        with pytest.raises(way.lib.PoolTimeout):
            await client.get(server.url)
        third = asyncio.create_task(client.get(server.url, timeout=LONG))
        await asyncio.sleep(0)
        first.cancel()
        assert (await third).content == b"ok"
        with pytest.raises(asyncio.CancelledError):
            await first
        assert len(server.peers) == 2


@EACH_WAY
async def test_closed_while_waited_for(way: Way) -> None:
    """The client is closed under a call: an error, not a wait without end."""
    async with nothing_left(), Rogue(saying()) as server:
        client: Any = way.lib.AsyncClient(transport=way.open(), timeout=LONG)
        async with asyncio.timeout(LONG):
            call = asyncio.create_task(client.get(server.url))
            await until(lambda: server.peers and server.peers[0].requests)
            await client.aclose()
            with pytest.raises((way.lib.TransportError, RuntimeError)):
                await call
            await server.quiet(0)


@EACH_WAY
@pytest.mark.parametrize("secure", [False, True])
async def test_cancelled_at_each_turn(way: Way, secure: bool) -> None:
    """Wherever it is cancelled, nothing is left, and the next call is served."""
    tls = serving() if secure else None
    async with talking(way, tls=tls, limits=way.lib.Limits(max_connections=2)) as (server, client):
        for turns in range(200):
            call = asyncio.create_task(client.get(server.url))
            for _ in range(turns):
                await asyncio.sleep(0)
            if call.done():
                break
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
            assert (await client.get(server.url)).content == b"ok"
        assert call.done()
        assert not call.cancelled()
        assert call.result().content == b"ok"
