"""How does a body leave, and what if it should not, or cannot, or nobody knows when it will?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from meshkit.upstream import Limits
from meshkit.upstream import upload as room
from meshkit.upstream.errors import Misused, WireError

from .calls import HEADERS, get, here, pooled, read
from .peer import Peer
from .rogue import OK, until
from .sources import REFUSED, Source, first_part, forever, heads, post, sized
from .stepping import LOOPS, turns

pytestmark = LOOPS


def replies(data: bytes) -> Any:
    async def play(peer: Peer) -> None:
        await first_part(peer)
        await peer.send(data)

    return play


# What is on the wire.


@pytest.mark.parametrize("part", [b"a", b"ab" * 40_000, b"a" * room.PART, b"ab" * room.PART])
async def test_all_of_it_arrives(part: bytes) -> None:
    bodies = []

    async def play(peer: Peer) -> None:
        while True:
            await peer.request()
            bodies.append(peer.body)
            await peer.send(OK)

    async with pooled(play) as (server, pool):
        origin = here(server)
        assert await read(await post(pool, origin, part, sized(len(part)))) == b"ok"
        assert await read(await post(pool, origin, Source(part, b"", b"c"), sized(len(part) + 1))) == b"ok"
        assert await read(await post(pool, origin, Source(b"", part, b"", b"c", b""))) == b"ok"
        assert await read(await post(pool, origin, part)) == b"ok"
        assert await read(await post(pool, origin, b"")) == b"ok"
        assert await read(await post(pool, origin, Source())) == b"ok"
        assert len(server.peers) == 1
    whole, counted, parted, chunked, *empty = bodies
    assert (whole, counted) == (part, part + b"c")
    assert unchunked(parted) == part + b"c"
    assert unchunked(chunked) == part
    assert empty == [b"0\r\n\r\n"] * 2


def unchunked(body: bytes) -> bytes:
    """In pieces of a bounded size."""
    found = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        assert length <= room.PART
        found, ended, body = found + body[:length], body[length : length + 2], body[length + 2 :]
        assert ended == b"\r\n"
        if length == 0:
            assert body == b""
            return found


@pytest.mark.parametrize(
    ("body", "size", "sent"),
    [
        (b"abc", 2, False),
        (b"abc", 4, False),
        (b"abc", 0, False),
        (b"", 1, False),
        (Source(b"abc"), 4, True),
        (Source(), 1, True),
        (Source(b"ab", b"c"), 2, True),
        (Source(b"abc", forever), 2, True),
    ],
)
async def test_of_another_length_than_declared(body: Any, size: int, sent: bool) -> None:
    """Nothing that could be taken for the whole is sent, and the connection is not used again."""
    async with pooled(heads) as (server, pool):
        with pytest.raises(Misused, match="declared Content-Length") as caught:
            await post(pool, here(server), body, sized(size))
        assert caught.value.sent is sent
        assert pool.idle()
        assert not isinstance(body, Source) or body.closed
        assert len(server.peers) == sent


@pytest.mark.parametrize("headers", [HEADERS, sized(0)], ids=["undeclared", "declared empty"])
async def test_a_body_that_was_not_declared(headers: Any) -> None:
    """Is not passed over in silence."""
    async with pooled(heads) as (server, pool):
        for body in (b"abc", Source(b"abc")):
            with pytest.raises(Misused):
                await post(pool, here(server), body, headers, times={"read": 0.5})
        assert pool.idle()


@pytest.mark.parametrize("number", range(4))
async def test_a_source_that_fails(number: int) -> None:
    """Its error is the caller's own; what was sent is not taken for all of it."""
    parts: list[Any] = [b"a", b"b", b"c"]
    parts.insert(number, ZeroDivisionError("mine"))
    source = Source(*parts)
    async with pooled(heads, limits=Limits(connections=1)) as (server, pool):
        with pytest.raises(ZeroDivisionError, match="mine"):
            await post(pool, here(server), source)
        assert (source.given, source.closed) == (number, True)
        assert await get(pool, here(server), times={"pool": 5.0}) == b"ok"
        server.peers[0].over.set()
        await until(lambda: server.peers[0].left)
        assert b"0\r\n\r\n" not in server.peers[0].rest


class Bare:
    """An iterator that cannot be closed."""

    def __init__(self) -> None:
        self.left = [b"b", b"a"]

    def __aiter__(self) -> Bare:
        return self

    async def __anext__(self) -> bytes:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


async def test_a_bare_iterator() -> None:
    async with pooled() as (server, pool):
        assert await read(await post(pool, here(server), Bare(), sized(2))) == b"ok"
        assert server.peers[0].body == b"ab"


# What comes meanwhile.


@pytest.mark.parametrize("then", [forever, turns])
async def test_refused_while_the_source_is_silent(then: Any) -> None:
    """The answer comes at once: the source is interrupted, and nobody else sees that."""
    source = Source(b"a", *[then] * 1000)
    async with pooled(replies(REFUSED)) as (server, pool):
        async with asyncio.timeout(10.0):
            answer = await post(pool, here(server), source)
        assert (answer.status, await read(answer)) == (413, b"no")
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert source.closed
        assert source.interrupted
        assert pool.idle()
        assert await get(pool, here(server)) == b"ok"
        assert len(server.peers) == 2


async def test_refused_and_the_source_does_not_care() -> None:
    """It ends as if it had not been interrupted; no more of it is sent."""

    async def stubborn() -> AsyncIterator[bytes]:
        yield b"a"
        try:
            await forever()
        except asyncio.CancelledError:
            yield b"b" * 100

    async with pooled(replies(REFUSED)) as (server, pool):
        answer = await post(pool, here(server), stubborn())
        assert answer.status == 413
        await read(answer)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await until(lambda: server.peers[0].left)
    assert b"b" not in server.peers[0].rest


async def test_refused_and_the_source_fails_of_it() -> None:
    async def fails() -> AsyncIterator[bytes]:
        yield b"a"
        try:
            await forever()
        finally:
            raise ZeroDivisionError

    async with pooled(replies(REFUSED)) as (server, pool):
        with pytest.raises(ZeroDivisionError):
            await post(pool, here(server), fails())
        assert pool.idle()


async def test_refused_and_cancelled_at_once() -> None:
    """To be cancelled is the stronger."""
    async with pooled(heads) as (server, pool):
        posting = asyncio.create_task(post(pool, here(server), Source(b"a", forever)))
        await until(lambda: server.peers and server.peers[0].requests)
        await turns()
        [connection] = pool._places.busy  # type: ignore[union-attr]
        connection.data_received(REFUSED)
        posting.cancel()
        await asyncio.wait([posting])
        assert posting.cancelled()
        assert pool.idle()


async def test_answered_well_before_it_is_over() -> None:
    """All of it is sent."""
    gate = asyncio.Event()
    done = []

    async def play(peer: Peer) -> None:
        await first_part(peer)
        await peer.send(OK)
        await turns(5)
        gate.set()
        while b"0\r\n\r\n" not in peer.rest:
            await peer.more()
        body, end, peer.rest = peer.rest.partition(b"0\r\n\r\n")
        done.append(body + end)
        await peer.request()
        await peer.send(OK)

    async with pooled(play) as (server, pool):
        answer = await post(pool, here(server), Source(b"a", gate.wait, b"b"))
        assert (answer.status, await read(answer)) == (200, b"ok")
        assert await get(pool, here(server)) == b"ok"
        assert done == [b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"]
        assert len(server.peers) == 1


@pytest.mark.parametrize("how", ["ends", "resets"])
@pytest.mark.parametrize("then", [forever, turns])
async def test_gone_while_the_source_is_silent(how: str, then: Any) -> None:
    async def play(peer: Peer) -> None:
        await first_part(peer)
        peer.reset() if how == "resets" else await peer.finish()

    source = Source(b"a", *[then] * 1000, b"b")
    async with pooled(play) as (server, pool):
        with pytest.raises(WireError) as caught:
            await post(pool, here(server), source)
        assert caught.value.sent
        assert not caught.value.stale
        assert source.closed
        assert pool.idle()


async def test_refused_while_the_socket_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the next part is not asked for: it may be long in coming."""
    monkeypatch.setattr(room, "PART", 1 << 30)
    source = Source(bytes(1 << 26), forever)
    async with pooled(replies(REFUSED)) as (server, pool):
        answer = await post(pool, here(server), source)
        assert (answer.status, await read(answer)) == (413, b"no")
        assert (source.given, source.interrupted, source.closed) == (1, False, True)


@pytest.mark.parametrize("part", [3, [97, 98], "text"])
async def test_what_is_no_bytes_is_not_sent(part: Any) -> None:
    """Least of all as so many zeros, which is what `bytes` makes of a number."""

    async def parts() -> AsyncIterator[Any]:
        yield part

    async with pooled(heads) as (server, pool):
        with pytest.raises(TypeError):
            await post(pool, here(server), parts())
        assert pool.idle()


async def test_buffers_are_sent_as_they_were() -> None:
    """Whatever their items are, and although they are filled anew meanwhile."""
    buffer = bytearray(b"ab")

    async def parts() -> AsyncIterator[Any]:
        for filled in (b"ab", b"cd"):
            buffer[:] = filled
            yield buffer
        yield memoryview(b"efgh").cast("H")

    bodies = []

    async def play(peer: Peer) -> None:
        await peer.request()
        bodies.append(peer.body)
        await peer.send(OK)

    async with pooled(play) as (server, pool):
        assert await read(await post(pool, here(server), parts())) == b"ok"
    assert unchunked(bodies[0]) == b"abcdefgh"
