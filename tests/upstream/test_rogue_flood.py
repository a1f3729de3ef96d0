"""What may a server send without end, and how much of it is taken? A bounded number of bytes, then an error.

The server pushes for as long as the kernel takes it, and counts.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from meshkit import DeadlineExceeded, Pipeline, Timeout
from meshkit.httpx import AsyncMeshTransport

from .peer import Peer
from .rogue import Rogue, until
from .ways import EACH_WAY, OUR_WAYS, Way, nothing_left, talking

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MOST = 64 * 1024 * 1024
"""Bytes that a server pushes before it gives up: then nobody held it back."""
KERNEL = 65536
"""Bytes of each buffer of a socket. The kernel takes twice as much, for its own books."""
NARROW = [(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL), (socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL)]
BOUND = 2 * 1024 * 1024
"""Bytes that may be under way: both kernel buffers, and what the client keeps of an answer."""


def endless(begin: bytes, again: bytes) -> Any:
    async def play(peer: Peer) -> None:
        await peer.request()
        for option in NARROW:
            peer.wire.setsockopt(*option)
        again_and_again = again * (KERNEL // len(again))
        await peer.send(begin)
        while peer.pushed < MOST:
            await peer.send(again_and_again)

    return play


async def stuck(peer: Peer) -> None:
    """Wait until the client takes no more."""
    turns, pushed = 0, 0
    while turns < 100 and peer.pushed < MOST:
        assert not peer.left
        turns = turns + 1 if peer.stuck and peer.pushed == pushed else 0
        pushed = peer.pushed
        await asyncio.sleep(0)


HEADS = {
    "a status line": (b"HTTP/1.1 200 ", b"a"),
    "a name": (HEAD, b"x"),
    "a value": (HEAD + b"X: ", b"a"),
    "fields": (HEAD, b"X: a\r\n"),
    "a chunk size": (CHUNKED, b"0"),
    "a chunk extension": (CHUNKED + b"2;", b"x"),
    "trailers": (CHUNKED + b"0\r\n", b"X: a\r\n"),
}
ONLY_OURS = {
    "empty lines": (b"", b"\r\n"),
    "1xx": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "1xx with fields": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
}
"""The library's own transport waits for the end of these."""


async def refuse(way: Way, begin: bytes, again: bytes) -> None:
    async with talking(way, endless(begin, again), socket_options=NARROW) as (server, client):
        with pytest.raises(way.lib.RemoteProtocolError):
            await client.get(server.url)
        await server.quiet(0)
        assert server.peers[0].pushed < BOUND
        assert (await client.get(server.url)).content == b"ok"


@EACH_WAY
@pytest.mark.parametrize(("begin", "again"), HEADS.values(), ids=HEADS)
async def test_without_end(way: Way, begin: bytes, again: bytes) -> None:
    await refuse(way, begin, again)


@OUR_WAYS
@pytest.mark.parametrize(("begin", "again"), ONLY_OURS.values(), ids=ONLY_OURS)
async def test_small_things_without_end(way: Way, begin: bytes, again: bytes) -> None:
    await refuse(way, begin, again)


@EACH_WAY
@pytest.mark.parametrize("begin", [HEAD + b"\r\n", HEAD + b"Content-Length: 9999999999\r\n\r\n"], ids=["open", "long"])
async def test_an_endless_body_waits_for_its_reader(way: Way, begin: bytes) -> None:
    """Who reads one chunk and stops has taken little; who goes on gets it all; who leaves ends the connection."""
    async with talking(way, endless(begin, b"a"), socket_options=NARROW) as (server, client):
        async with client.stream("GET", server.url) as response:
            body = response.aiter_raw()
            await anext(body)
            [peer] = server.peers
            await stuck(peer)
            pushed = peer.pushed
            assert pushed < BOUND
            taken = 0
            while taken < 4 * BOUND:
                taken += len(await anext(body))
            assert peer.pushed > pushed
            await stuck(peer)
            assert peer.pushed - taken < BOUND + len(begin)
        await server.quiet(0)
        assert (await client.get(server.url)).content == b"ok"


@EACH_WAY
async def test_endless_chunks_wait_for_their_reader(way: Way) -> None:
    """Of one byte each: what is kept of them is no more than they are worth."""
    async with talking(way, endless(CHUNKED, b"1\r\na\r\n"), socket_options=NARROW) as (server, client):
        async with client.stream("GET", server.url) as response:
            body = response.aiter_raw()
            await anext(body)
            await stuck(server.peers[0])
            assert server.peers[0].pushed < BOUND
        await server.quiet(0)


@EACH_WAY
async def test_a_body_that_nobody_reads(way: Way) -> None:
    """Closed before a byte of it was taken."""
    async with talking(way, endless(HEAD + b"\r\n", b"a"), socket_options=NARROW) as (server, client):
        async with client.stream("GET", server.url):
            await stuck(server.peers[0])
            assert server.peers[0].pushed < BOUND
        await server.quiet(0)


@EACH_WAY
@pytest.mark.parametrize(
    ("begin", "again"),
    [(HEAD + b"\r\n", b"a"), (CHUNKED, b"1\r\na\r\n"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (HEAD, b"")],
    ids=["body", "chunks", "1xx", "nothing"],
)
async def test_a_deadline_ends_what_has_no_end(way: Way, begin: bytes, again: bytes) -> None:
    """No read takes long, and yet the whole is over in time."""

    async def drip(peer: Peer) -> None:
        await peer.request()
        await peer.send(begin)
        while again:
            await peer.send(again)
            await asyncio.sleep(0)
        await peer.gone()

    async with nothing_left(), Rogue(drip) as server:
        pipeline = Pipeline(Timeout(0.05))
        transport = AsyncMeshTransport(pipeline, way.open())
        async with way.lib.AsyncClient(transport=transport, timeout=10) as client, asyncio.timeout(20):
            endless_1xx = way.ours and b"100" in again
            expected = way.lib.RemoteProtocolError if endless_1xx else DeadlineExceeded
            with pytest.raises((expected, DeadlineExceeded)) as caught:
                await client.get(server.url)
            assert isinstance(caught.value, way.lib.TransportError)
            del caught
            await server.quiet(0)
        assert pipeline.idle()
        await until(pipeline.idle)
