"""What may be done with an answer, and in which order? Read it or close it: what it holds is given back once."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import pytest

from meshkit.upstream.answer import HIGH
from meshkit.upstream.errors import Malformed, ReadFailed, ReadTimedOut

from .calls import HALF, ask, begun, get, half, here, pooled, read
from .peer import Peer
from .rogue import OK, until
from .stepping import LOOPS, turns
from .ways import serving

pytestmark = LOOPS
TRAILERS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nETag: x\r\n\r\n"


async def test_what_it_says() -> None:
    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.0 404 Not Here\r\nx-Y:  z \r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nok")
        await peer.finish()

    async with pooled(play) as (server, pool):
        answer = await ask(pool, here(server))
        assert (answer.status, answer.reason, answer.version) == (404, b"Not Here", b"HTTP/1.0")
        assert answer.headers == [(b"x-Y", b"z"), (b"Set-Cookie", b"a"), (b"set-cookie", b"b")]
        assert await read(answer) == b"ok"


async def test_trailers() -> None:
    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(TRAILERS)

    async with pooled(play) as (server, pool):
        answer = await ask(pool, here(server))
        assert await read(answer) == b"ok"
        assert answer.trailers == [(b"ETag", b"x")]


async def test_one_that_came_whole_holds_nothing() -> None:
    async with pooled() as (server, pool):
        answer = await ask(pool, here(server))
        assert answer.connection is None
        assert answer.whole == b"ok"
        assert pool.idle()
        assert await read(answer) == b"ok"
        assert answer.whole == b""
        assert await read(answer) == b""


async def test_read_to_its_end_it_gives_its_connection_back() -> None:
    async with pooled(half) as (server, pool):
        answer, _ = await begun(pool, server)
        assert answer.whole is None
        assert not pool.idle()
        server.peers[0].over.set()
        assert await read(answer) == b"!!"
        assert pool.idle()
        answer.close()
        second, _ = await begun(pool, server)
        second.close()
        assert len(server.peers) == 1


async def test_closed_early_it_takes_its_connection_with_it() -> None:
    async with pooled(half) as (server, pool):
        answer, _ = await begun(pool, server)
        answer.close()
        answer.close()
        assert pool.idle()


async def test_closed_when_all_has_come_it_leaves_its_connection() -> None:
    async with pooled(half) as (server, pool):
        answer, connection = await begun(pool, server)
        server.peers[0].over.set()
        await until(lambda: answer.complete)
        answer.close()
        assert pool.idle()
        assert not connection.spoiled


async def test_who_reads_on_after_it_was_closed_is_told() -> None:
    """A body that was cut off is not taken for a short one; one that was read to its end is good."""
    async with pooled(half) as (server, pool):
        answer, _ = await begun(pool, server)
        answer.close()
        for _ in range(2):
            with pytest.raises(ReadFailed, match="closed"):
                await anext(answer)
        whole = await ask(pool, here(server))
        whole.close()
        with pytest.raises(ReadFailed, match="closed"):
            await anext(whole)
        good = await ask(pool, here(server))
        assert await read(good) == b"ok"
        good.close()
        assert await read(good) == b""


async def test_closed_while_somebody_waits_for_more() -> None:
    async with pooled(half) as (server, pool):
        answer, _ = await begun(pool, server)
        reading = asyncio.create_task(read(answer))
        await turns()
        answer.close()
        with pytest.raises(ReadFailed, match="closed"):
            await reading
        assert pool.idle()


async def test_closed_as_the_rest_comes() -> None:
    """Whoever waits for it has not been told yet: the connection is not given to another under his feet."""
    async with pooled(half) as (server, pool):
        answer, connection = await begun(pool, server)
        reading = asyncio.create_task(read(answer))
        await turns()
        connection.data_received(b"!!")
        answer.close()
        assert await get(pool, here(server)) == b"ok"
        with pytest.raises(ReadFailed):
            await reading
        assert pool.idle()


async def test_one_reader() -> None:
    """The second is told, and the first not disturbed."""
    async with pooled(half) as (server, pool):
        answer, _ = await begun(pool, server)
        reading = asyncio.create_task(read(answer))
        await turns()
        with pytest.raises(RuntimeError, match="one reader"):
            await anext(answer)
        server.peers[0].over.set()
        assert await reading == b"!!"
        assert pool.idle()


async def test_cancelled_while_it_is_read() -> None:
    async with pooled(half) as (server, pool):
        answer, _ = await begun(pool, server)
        reading = asyncio.create_task(read(answer))
        await turns()
        reading.cancel()
        await asyncio.wait([reading])
        assert pool.idle()


@pytest.mark.parametrize("of", ["this part", "all"])
async def test_late(of: str) -> None:
    """Each part has its own time; all of them together have theirs."""
    async with pooled(half) as (server, pool):
        answer, _ = await begun(pool, server)
        if of == "all":
            answer.until = monotonic() + 0.02
        answer.read = 5.0 if of == "all" else 0.02
        with pytest.raises(ReadTimedOut):
            await anext(answer)
        assert pool.idle()


async def test_broken_off() -> None:
    """What came before is given first, and the error as often as it is asked for."""

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(HALF)
        await peer.finish()

    async with pooled(play) as (server, pool):
        answer = await ask(pool, here(server))
        await server.quiet()
        assert await anext(answer) == b"ok"
        for _ in range(2):
            with pytest.raises(Malformed):
                await anext(answer)
        assert pool.idle()


async def test_not_much_more_is_taken_than_is_read() -> None:
    """And nothing of it is lost, nor is its connection."""
    size = 64 * HIGH

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(64):
            await peer.send(b"a" * HIGH)
        await peer.request()
        await peer.send(OK)

    async with pooled(play) as (server, pool):
        answer = await ask(pool, here(server))
        await until(lambda: server.peers[0].stuck)
        assert answer.size <= 3 * HIGH
        got = 0
        async for chunk in answer:
            got += len(chunk)
            assert answer.size <= 3 * HIGH
            await asyncio.sleep(0)
        assert got == size
        assert await get(pool, here(server), times={"read": 10.0}) == b"ok"
        assert len(server.peers) == 1


async def test_what_comes_in_the_very_turn_of_the_deadline_has_come() -> None:
    """And the deadline is not forgotten by that."""
    async with pooled(half) as (server, pool):
        answer = await ask(pool, here(server), times={"read": 100.0})
        assert await anext(answer) == b"ok"
        reading = asyncio.create_task(read(answer))
        await turns()
        places: Any = pool._places
        connection: Any = answer.connection
        due = connection.due
        connection.data_received(b"!")
        places.struck(due)
        await turns()
        connection.data_received(b"!")
        places.struck(due)
        assert await reading == b"!!"
        asking = asyncio.create_task(get(pool, here(server), times={"total": 100.0}))
        await turns()
        due = connection.due
        connection.data_received(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        assert places.struck(due) <= due
        await turns()
        places.struck(due)
        with pytest.raises(ReadTimedOut):
            await asking


@pytest.mark.parametrize("how", ["pool", "reset", "end"])
async def test_all_of_it_has_come_and_the_connection_is_gone(how: str) -> None:
    """More than is kept at a time, so that the connection was told to wait."""
    size = 2 * HIGH

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        await peer.over.wait()

    async with pooled(play) as (server, pool):
        answer = await ask(pool, here(server))
        connection: Any = answer.connection
        connection.data_received(b"a" * size)
        assert answer.complete
        assert not connection.paused  # what comes now is nobody's, and noticed
        if how == "pool":
            await pool.aclose()
        else:
            server.peers[0].reset() if how == "reset" else server.peers[0].truncate()
            await turns(5)
        assert len(await read(answer)) == size
        assert pool.idle()
        await get(pool, here(server))


@pytest.mark.parametrize("secure", [False, True])
async def test_what_comes_behind_a_flood_is_nobodys(secure: bool) -> None:
    """Over TLS it would lie where no socket shows it, and be taken for the answer to the next request."""
    flood = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * HIGH))
        await flood.wait()
        await peer.send(OK.replace(b"ok", b"no"))
        await peer.over.wait()

    async def honest(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.over.wait()

    async with pooled(play, honest, tls=serving("127.0.0.1") if secure else None) as (server, pool):
        answer = await ask(pool, here(server, tls=secure))
        connection: Any = answer.connection
        connection.data_received(b"a" * 2 * HIGH)
        flood.set()
        await until(lambda: connection.spoiled)
        assert len(await read(answer)) == 2 * HIGH
        assert await get(pool, here(server, tls=secure)) == b"ok"
        assert len(server.peers) == 2
