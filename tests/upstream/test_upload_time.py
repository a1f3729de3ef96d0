"""How long may a body take, and how long is a ``100 Continue`` waited for?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshkit.upstream import upload as room
from meshkit.upstream.errors import ReadFailed, ReadTimedOut, WireError, WriteTimedOut

from .calls import get, here, pooled, read
from .peer import Peer
from .rogue import OK, until
from .sources import CONTINUE, EXPECTS, REFUSED, Source, forever, heads, post, warm
from .stepping import LOOPS, turns

pytestmark = LOOPS


@pytest.mark.parametrize("then", [forever, turns])
async def test_the_deadline_comes_while_the_source_is_silent(then: Any) -> None:
    """The call is late, and not cancelled."""
    source = Source(b"a", *[then] * 1_000_000)
    async with pooled(warm) as (server, pool):
        await get(pool, here(server))
        async with asyncio.timeout(10.0):
            with pytest.raises(WriteTimedOut):
                await post(pool, here(server), source, times={"total": 0.05})
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert source.closed
        assert pool.idle()


async def test_the_deadline_comes_while_the_source_talks_on() -> None:
    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        while True:
            await peer.more()
            peer.rest = b""

    source = Source(*[b"a" * 1000, turns] * 1_000_000)
    async with pooled(play) as (server, pool):
        await get(pool, here(server))
        with pytest.raises(WriteTimedOut):
            await post(pool, here(server), source, times={"total": 0.05})
        assert source.closed


async def test_a_silent_source_is_not_the_peers_fault() -> None:
    """Write and read times are for the peer; how long the caller takes is the caller's own."""
    pause = 0.05
    source = Source(b"a", lambda: asyncio.sleep(pause), b"b")
    async with pooled() as (server, pool):
        answer = await post(pool, here(server), source, times={"write": pause / 5, "read": 5.0})
        assert await read(answer) == b"ok"


async def test_cancelled_from_outside_while_the_source_is_silent() -> None:
    source = Source(b"a", forever)
    async with pooled(heads) as (server, pool):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await post(pool, here(server), source)
        assert source.closed
        assert pool.idle()


# 100-continue.


async def test_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 100.0)
    source = Source(b"a")

    async def play(peer: Peer) -> None:
        await peer.head()
        await turns(10)
        assert (source.given, peer.rest) == (0, b"")
        await peer.send(CONTINUE)
        while not peer.rest.endswith(b"0\r\n\r\n"):
            await peer.more()
        await peer.send(OK)

    async with pooled(play) as (server, pool):
        answer = await post(pool, here(server), source, EXPECTS, times={"total": 10.0})
        assert await read(answer) == b"ok"
        assert len(pool._places.idle) == 1  # type: ignore[union-attr]


async def test_it_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.01)
    async with pooled() as (server, pool):
        answer = await post(pool, here(server), Source(b"a"), EXPECTS, times={"total": 10.0})
        assert await read(answer) == b"ok"
        assert await get(pool, here(server)) == b"ok"
        assert len(server.peers) == 1


@pytest.mark.parametrize("answer", [REFUSED, OK])
async def test_a_final_answer_instead(answer: bytes) -> None:
    """The body is not sent, and the connection, on which it is still owed, not used again."""
    source = Source(b"a")

    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)

    async with pooled(play) as (server, pool):
        await read(await post(pool, here(server), source, EXPECTS))
        assert source.given == 0
        assert await get(pool, here(server)) == b"ok"
        assert len(server.peers) == 2


async def test_the_deadline_is_nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 100.0)
    async with pooled(warm) as (server, pool):
        await get(pool, here(server))
        with pytest.raises(ReadTimedOut):
            await post(pool, here(server), Source(b"a"), EXPECTS, times={"total": 0.05})
        assert pool.idle()


async def test_gone_instead() -> None:
    async def play(peer: Peer) -> None:
        await peer.head()
        peer.reset()

    async with pooled(play) as (server, pool):
        with pytest.raises(WireError) as caught:
            await post(pool, here(server), Source(b"a"), EXPECTS)
        assert not isinstance(caught.value, ReadTimedOut)
        assert pool.idle()


async def test_it_comes_in_the_very_turn_in_which_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 100.0)

    async def play(peer: Peer) -> None:
        await peer.head()
        while not peer.rest.endswith(b"0\r\n\r\n"):
            await peer.more()
        await peer.send(OK)

    async with pooled(play) as (server, pool):
        posting = asyncio.create_task(post(pool, here(server), Source(b"a"), EXPECTS))
        await until(lambda: server.peers and server.peers[0].requests)
        await turns()
        places: Any = pool._places
        [connection] = places.busy
        connection.data_received(CONTINUE)
        places.struck(connection.due)
        answer = await posting
        assert await read(answer) == b"ok"
        assert not isinstance(answer.error, ReadFailed | ReadTimedOut)
