"""What may go wrong while a request is on its way? The peer does not read, answers too early, or says no.

What must never happen: that the rest of a body which was given up is taken for the next request, that a body which
broke off looks complete, or that the client waits for somebody who has answered already (RFC 9112, 9.3 and 9.5).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from .peer import Gone, Peer
from .rogue import sane, until
from .ways import EACH_WAY, OUR_WAYS, Way, get, talking

PART = b"a" * 65536
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
CLOSING = TOO_LARGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
SOON = 5.0
"""Seconds for what comes at once."""


class Source:
    """A body that is asked for part by part."""

    def __init__(self, *parts: bytes, again: bytes = b"", then: Any = None) -> None:
        self.parts = parts
        self.again = again
        self.then = then
        self.given = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for part in self.parts:
                self.given += len(part)
                yield part
            while self.again:
                self.given += len(self.again)
                yield self.again
            if isinstance(self.then, asyncio.Event):
                await self.then.wait()
            elif self.then is not None:
                raise self.then
        finally:
            self.closed = True


async def never_reads(peer: Peer) -> None:
    await peer.over.wait()


@EACH_WAY
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_peer_that_never_reads(way: Way, streamed: bool) -> None:
    """A write timeout, and no more of the body taken than fits on the way."""
    source = Source(again=PART)
    content = source if streamed else PART * 1024
    async with talking(way, never_reads, timeout=way.lib.Timeout(SOON, write=0.05)) as (server, client):
        with pytest.raises(way.lib.WriteTimeout):
            await client.post(server.url, content=content)
        assert source.given <= 32 * 1024 * 1024
        await get(client, server.url)
        assert len(server.peers) == 2


@OUR_WAYS
async def test_what_is_taken_of_a_body_is_bounded(way: Way) -> None:
    """Kernel buffers of their least size, and those of the transport."""

    async def narrow(peer: Peer) -> None:
        await peer.head()
        await peer.over.wait()

    options = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)]
    source = Source(again=PART)
    timeout = way.lib.Timeout(SOON, write=0.05)
    async with talking(way, narrow, receive_buffer=65536, timeout=timeout, socket_options=options) as (server, client):
        with pytest.raises(way.lib.WriteTimeout):
            await client.post(server.url, content=source)
        assert source.given < 2 * 1024 * 1024


@EACH_WAY
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_peer_that_resets_meanwhile(way: Way, method: str) -> None:
    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.receive()
        peer.reset()

    async with talking(way, play) as (server, client):
        with pytest.raises((way.lib.WriteError, way.lib.ReadError)):
            await client.request(method, server.url, content=Source(PART * 200))
        await get(client, server.url)
        assert len(server.peers) == 2


@EACH_WAY
async def test_nothing_is_written_to_a_connection_that_is_gone(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    """Asyncio complains of who does: the loop tells of the end only after a turn."""
    go = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield b"a"
        await go.wait()
        for _ in range(50):
            yield b"a" * 100

    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.gone()

    async with talking(way, play) as (server, client):
        call = asyncio.create_task(client.post(server.url, content=source()))
        await until(lambda: server.peers and server.peers[0].pulled > 100)
        server.peers[0].reset()
        go.set()
        with pytest.raises((way.lib.WriteError, way.lib.ReadError)):
            await call
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@OUR_WAYS
@pytest.mark.parametrize("then", ["waits", "endless"])
@pytest.mark.parametrize("answer", [TOO_LARGE, CLOSING], ids=["kept", "closing"])
async def test_refused_before_it_was_sent(way: Way, answer: bytes, then: str) -> None:
    """The answer is given at once; the rest of the body is not, and nobody can take it for a request."""
    seen = []

    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)
        with contextlib.suppress(Gone):
            while True:
                await peer.more()
        seen.append(peer.rest)

    source = Source(PART, again=PART) if then == "endless" else Source(PART, then=asyncio.Event())
    async with talking(way, play) as (server, client):
        response = await client.post(server.url, content=source)
        assert (response.status_code, response.content) == (413, b"no")
        await until(lambda: source.closed)
        await get(client, server.url)
        assert len(server.peers) == 2
        await server.quiet(1)
    [rest] = seen
    assert b"HTTP/1.1" not in rest
    assert not rest.endswith(b"0\r\n\r\n")


@EACH_WAY
async def test_refused_and_read_to_its_end(way: Way) -> None:
    """A body that has an end: the answer is the same, whether the client goes on or stops."""

    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(TOO_LARGE)
        while not peer.rest.endswith(b"0\r\n\r\n"):
            await peer.more()
        peer.rest = b""
        await sane(peer)

    async with talking(way, play) as (server, client):
        response = await client.post(server.url, content=Source(*[PART] * 20))
        assert (response.status_code, response.content) == (413, b"no")
        await get(client, server.url)
        await server.quiet(1)


@EACH_WAY
async def test_refused_by_one_that_is_gone(way: Way) -> None:
    """An answer, and a reset because of what was not read: the answer, or an error of the wire, and soon."""

    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(CLOSING)
        peer.close()

    async with talking(way, play) as (server, client):
        with contextlib.suppress(way.lib.WriteError, way.lib.ReadError):
            response = await client.post(server.url, content=Source(*[PART] * 200))
            assert (response.status_code, response.content) == (413, b"no")
        await get(client, server.url)
        assert len(server.peers) == 2
        await server.quiet(1)


@EACH_WAY
async def test_an_answer_that_begins_before_the_request_has_ended(way: Way) -> None:
    """That is allowed, and no reason to stop: here the answer counts what came."""

    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not peer.rest.endswith(b"0\r\n\r\n"):
            await peer.more()
        count = b"%d" % peer.rest.count(b"a")
        await peer.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(count), count))
        peer.rest = b""
        await sane(peer)

    async with talking(way, play) as (server, client):
        response = await client.post(server.url, content=Source(*[PART] * 20))
        assert response.content == b"%d" % (20 * len(PART))
        await get(client, server.url)
        assert len(server.peers) == 1


@EACH_WAY
@pytest.mark.parametrize("length", [None, "1000000"])
async def test_a_body_that_breaks_off(way: Way, length: str | None) -> None:
    """The caller's own error comes out of the call, and the server does not see an end where there was none."""
    seen = []

    async def play(peer: Peer) -> None:
        await peer.head()
        with contextlib.suppress(Gone):
            while True:
                await peer.more()
        seen.append(peer.rest)

    source = Source(b"abc", then=LookupError("mine"))
    headers = {} if length is None else {"content-length": length}
    async with talking(way, play) as (server, client):
        with pytest.raises(LookupError, match="mine"):
            await client.post(server.url, content=source, headers=headers)
        await server.quiet(0)
        await get(client, server.url)
    assert seen == [b"3\r\nabc\r\n" if length is None else b"abc"]


@EACH_WAY
async def test_a_cancelled_upload(way: Way) -> None:
    seen = []

    async def play(peer: Peer) -> None:
        await peer.head()
        with contextlib.suppress(Gone):
            while True:
                await peer.more()
        seen.append(peer.rest)

    source = Source(b"abc", then=asyncio.Event())
    async with talking(way, play) as (server, client):
        task = asyncio.create_task(client.post(server.url, content=source))
        await until(lambda: server.peers and server.peers[0].rest)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.quiet(0)
        await until(lambda: source.closed)
        await get(client, server.url)
    assert seen == [b"3\r\nabc\r\n"]
