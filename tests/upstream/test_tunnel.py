"""After 101: do bytes go both ways, as they are, as long as both sides want?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshkit.upstream import Pool
from meshkit.upstream.errors import ConnectFailed, Malformed, ReadFailed, ReadTimedOut, WriteFailed, WriteTimedOut
from meshkit.upstream.tunnel import Tunnel

from .calls import HEADERS, get, here, pooled
from .peer import Peer
from .rogue import Rogue, until
from .stepping import LOOPS, turns
from .ways import serving, trusting

pytestmark = LOOPS
UPGRADE = [*HEADERS, (b"Connection", b"upgrade"), (b"Upgrade", b"echo")]
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
SIZE = 4_000_000


async def tunnelled(pool: Pool, server: Rogue, method: bytes = b"GET", target: bytes = b"/") -> tuple[Any, Tunnel]:
    answer = await pool.send(here(server), method, target, UPGRADE if method == b"GET" else HEADERS)
    tunnel = answer.stream.tunnel
    assert tunnel is not None
    return answer, tunnel


async def echoes(peer: Peer) -> None:
    await peer.request()
    await peer.send(SWITCH)
    while True:
        await peer.send(await peer.receive() or b"")
        if peer.left:
            return


async def switches(peer: Peer) -> None:
    """And says nothing more until the test says so."""
    await peer.request()
    await peer.send(SWITCH)
    await peer.over.wait()


async def exactly(tunnel: Tunnel, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await tunnel.read(65536, 10.0)
        assert more
        data += more
    return data


async def test_there_and_back() -> None:
    async with pooled(echoes) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        assert answer.status == 101
        assert [chunk async for chunk in answer] == []
        assert not pool.idle()
        for word in (b"a", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\0" * 1000):
            await tunnel.write(word)
            assert await exactly(tunnel, len(word)) == word
        answer.close()
        assert pool.idle()
        assert await get(pool, here(server)) == b"ok"
        assert len(server.peers) == 2


async def test_both_ways_at_once() -> None:
    """More than fits on the way, in two tasks."""
    async with pooled(echoes) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        data = bytes(range(256)) * (SIZE // 256)
        writing = asyncio.create_task(tunnel.write(data, 10.0))
        assert await exactly(tunnel, len(data)) == data
        await writing
        answer.close()


async def test_over_tls() -> None:
    """Whoever writes waits for the peer, and not for ever."""
    async with pooled(echoes, tls=serving()) as (server, pool):
        answer = await pool.send(here(server, tls=True), b"GET", b"/", UPGRADE)
        tunnel = answer.stream.tunnel
        assert tunnel is not None
        for size in (1, 1, 200_000, 1):
            writing = asyncio.create_task(tunnel.write(b"a" * size, 10.0))
            assert await exactly(tunnel, size) == b"a" * size
            await writing
        answer.close()


async def test_what_came_with_the_head() -> None:
    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCH + b"first" + b"a" * 200_000)
        await peer.send(b"last")
        await peer.finish()

    async with pooled(play) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        assert await tunnel.read(5) == b"first"
        assert await exactly(tunnel, 200_004) == b"a" * 200_000 + b"last"
        assert await tunnel.read(100) == b""
        assert await tunnel.read(100) == b""
        answer.close()


async def test_one_side_has_ended() -> None:
    """The other may go on."""
    heard = []

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCH + b"bye")
        peer.truncate()
        await peer.more()
        heard.append(peer.rest)

    async with pooled(play) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        assert await exactly(tunnel, 3) == b"bye"
        assert await tunnel.read(100) == b""
        await tunnel.write(b"not yet")
        await until(lambda: heard == [b"not yet"])
        answer.close()


async def test_reset() -> None:
    async with pooled(switches) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        reading = asyncio.create_task(tunnel.read(100))
        await turns()
        server.peers[0].reset()
        with pytest.raises(ReadFailed):
            await reading
        for _ in range(3):
            with pytest.raises(WriteFailed):
                await tunnel.write(b"a")
        answer.close()


async def test_late() -> None:
    """And nothing is lost by it."""
    async with pooled(switches) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        for seconds in (0.0, 0.01):
            with pytest.raises(ReadTimedOut):
                await tunnel.read(100, seconds)
        with pytest.raises(WriteTimedOut):
            await tunnel.write(b"a" * 16 * SIZE, 0.01)
        server.peers[0].wire.send(b"still here")
        assert await tunnel.read(5, 10.0) == b"still"
        assert await tunnel.read(100, 10.0) == b" here"
        answer.close()


@pytest.mark.parametrize("by", ["tunnel", "answer", "pool"])
async def test_closed(by: str) -> None:
    async with pooled(switches) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        if by == "tunnel":
            await tunnel.aclose()
            await tunnel.aclose()
            answer.close()
        elif by == "answer":
            answer.close()
        else:
            await pool.aclose()
        await turns()
        assert pool.idle()
        with pytest.raises(WriteFailed):
            await tunnel.write(b"a")
        if by == "tunnel":
            with pytest.raises(ReadFailed):
                await tunnel.read(1)
        answer.close()


async def test_closed_while_somebody_reads() -> None:
    """That is no end of what the peer says."""
    async with pooled(switches) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        reading = asyncio.create_task(tunnel.read(100))
        await turns()
        await tunnel.aclose()
        with pytest.raises(ReadFailed):
            await reading
        answer.close()


async def test_cancelled_while_it_reads() -> None:
    async with pooled(switches) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        reading = asyncio.create_task(tunnel.read(100))
        await turns()
        reading.cancel()
        await asyncio.wait([reading])
        server.peers[0].wire.send(b"a")
        assert await tunnel.read(100, 10.0) == b"a"
        answer.close()


async def test_what_is_known_of_it() -> None:
    async with pooled(switches) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        assert tunnel.get_extra_info("server_addr") == ("127.0.0.1", server.port)
        assert tunnel.get_extra_info("client_addr")[0] == "127.0.0.1"
        assert tunnel.get_extra_info("ssl_object") is None
        assert tunnel.get_extra_info("something") is None
        answer.close()


async def test_forgotten() -> None:
    async with pooled(switches) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        del answer, tunnel
        await turns()
        assert pool.idle()


# Handed over.


class Hears(asyncio.Protocol):
    """A protocol that takes a tunnel over."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = self.lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> None:
        self.ended = True

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True


async def test_given_away() -> None:
    """What has come before is told, what comes later heard, and nothing else is of use."""

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCH + b"first")
        await peer.more()
        await peer.send(b"second" + peer.rest)
        await peer.finish()

    async with pooled(play) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        hears = Hears()
        transport, data, ended = await tunnel.give(hears)
        assert (data, ended) == (b"first", False)
        for use in (tunnel.read(1), tunnel.give(hears)):
            with pytest.raises(ReadFailed):
                await use
        with pytest.raises(WriteFailed):
            await tunnel.write(b"a")
        del tunnel
        transport.write(b"third")
        await until(lambda: hears.ended)
        assert hears.data == b"secondthird"
        answer.close()
        await until(lambda: hears.lost)


async def test_given_away_with_all_that_came() -> None:
    """More than is read ahead."""
    async with pooled(echoes) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        tunnel._transport.write(b"a" * SIZE)
        await until(lambda: len(tunnel._reader._buffer) > 100_000)  # type: ignore[attr-defined]
        hears = Hears()
        _, data, ended = await tunnel.give(hears)
        assert not ended
        await until(lambda: len(data) + len(hears.data) == SIZE)
        answer.close()


async def test_given_away_at_its_end() -> None:
    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCH + b"bye")
        await peer.finish()

    async with pooled(play) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        await until(lambda: tunnel._arriving.ended)
        assert (await tunnel.give(Hears()))[1:] == (b"bye", True)
        answer.close()


async def test_given_away_when_it_is_broken() -> None:
    async with pooled(switches) as (server, pool):
        answer, tunnel = await tunnelled(pool, server)
        server.peers[0].reset()
        await until(lambda: tunnel._arriving.ended)
        with pytest.raises(ReadFailed):
            await tunnel.give(Hears())
        answer.close()


async def test_nobody_asked_for_it() -> None:
    async with pooled(switches) as (server, pool):
        with pytest.raises(Malformed):
            await pool.send(here(server), b"GET", b"/", HEADERS)
        assert pool.idle()


# CONNECT.


async def grants(peer: Peer) -> None:
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while data := await peer.receive():
        await peer.send(data)


async def test_connect() -> None:
    async with pooled(grants) as (server, pool):
        answer, tunnel = await tunnelled(pool, server, b"CONNECT", b"example:443")
        assert answer.status == 200
        await tunnel.write(b"ping")
        assert await tunnel.read(100, 10.0) == b"ping"
        answer.close()


async def test_tls_inside() -> None:
    """Spoken with whoever is behind the proxy."""

    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        inner = Peer(peer.wire, 0, serving("behind.example"))
        await inner.handshake()
        while data := await inner.receive():
            await inner.send(data)
        peer.left = True

    async with pooled(play) as (server, pool):
        answer, tunnel = await tunnelled(pool, server, b"CONNECT", b"behind.example:443")
        await tunnel.start_tls(trusting(), "behind.example", 10.0)
        assert tunnel.get_extra_info("ssl_object") is not None
        await tunnel.write(b"ping")
        assert await tunnel.read(100, 10.0) == b"ping"
        answer.close()


async def test_tls_inside_that_fails() -> None:
    async with pooled(grants) as (server, pool):
        answer, tunnel = await tunnelled(pool, server, b"CONNECT", b"behind.example:443")
        with pytest.raises(ConnectFailed):
            await tunnel.start_tls(trusting(), "behind.example", 10.0)  # it hears itself
        answer.close()
        assert pool.idle()
