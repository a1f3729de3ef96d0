"""What if a call is cancelled, late, cut off or shut down at its first wait, at its second, at its third ...?

Every kind of exchange, struck at each place where it waits, in each way. Whatever comes of it comes soon; afterwards no
call is under way, the pool serves as many as it may at once, and when it is closed nothing is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import pytest

from meshkit.upstream import Limits, Origin, Pool
from meshkit.upstream import upload as room
from meshkit.upstream.errors import ReadFailed, WireError
from meshkit.upstream.trace import Trace

from .calls import HEADERS, get, here, read
from .peer import Peer
from .rogue import OK, Rogue, Script, sane
from .stepping import LOOPS, Stepped, calm, turns
from .ways import serving, trusting

MOST = 2
SOON = 10.0
LATE = 1000.0
"""Seconds of a call's deadline, which nothing waits for."""
TIMES: dict[str, float | None] = {"total": LATE}
CHUNKED = [*HEADERS, (b"Transfer-Encoding", b"chunked")]
SIZE = 3_000_000
"""Bytes of a body that does not fit on the way."""


@attrs.frozen
class Scene:
    """What is asked, and how the server plays."""

    asks: Callable[[Pool, Origin], Awaitable[Any]]
    plays: Script = sane
    tls: bool = False
    held: int = 0
    """Connections that others hold, until the call waits."""


async def plain(pool: Pool, origin: Origin) -> None:
    assert await get(pool, origin, times=TIMES) == b"ok"


async def small(pool: Pool, origin: Origin) -> int:
    answer = await pool.send(origin, b"GET", b"/small", HEADERS, times={"pool": SOON})
    return len(await read(answer))


async def twice(pool: Pool, origin: Origin) -> None:
    await plain(pool, origin)
    await plain(pool, origin)


async def sends_bytes(pool: Pool, origin: Origin) -> None:
    headers = [*HEADERS, (b"Content-Length", b"%d" % SIZE)]
    answer = await pool.send(origin, b"POST", b"/", headers, b"a" * SIZE, times=TIMES)
    assert await read(answer) == b"ok"


async def source() -> AsyncIterator[bytes]:
    yield b"a"
    await asyncio.sleep(0)
    yield b"a" * SIZE
    try:
        await turns(2)
    finally:
        await asyncio.sleep(0)


async def sends_source(pool: Pool, origin: Origin) -> None:
    answer = await pool.send(origin, b"POST", b"/", CHUNKED, source(), times=TIMES)
    assert await read(answer) == b"ok"


async def expects(pool: Pool, origin: Origin) -> None:
    headers = [*CHUNKED, (b"Expect", b"100-continue")]
    answer = await pool.send(origin, b"POST", b"/", headers, source(), times=TIMES)
    assert await read(answer) == b"ok"


async def continues(peer: Peer) -> None:
    while True:
        if b"Expect" in await peer.head():
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            while not peer.rest.endswith(b"0\r\n\r\n"):
                await peer.more()
            peer.rest = b""
        await peer.send(OK)


DRIPS = b"HTTP/1.1 200 OK\r\nTransfer-", b"Encoding: chunked\r\n\r\n", b"1\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n"


DRIPS = b"HTTP/1.1 200 OK\r\nTransfer-", b"Encoding: chunked\r\n\r\n", b"1\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n"


async def drips(peer: Peer) -> None:
    while True:
        await peer.request()
        for part in DRIPS:
            if peer.left:
                return
            await peer.send(part)
            await turns(5)


async def floods(peer: Peer) -> None:
    while True:
        head = await peer.request()
        size = 2 if b"GET /small" in head else SIZE
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"o" * size)


async def streams(pool: Pool, origin: Origin) -> None:
    answer = await pool.send(origin, b"GET", b"/", HEADERS, times=TIMES)
    count = 0
    try:
        async for chunk in answer:
            count += len(chunk)
            await asyncio.sleep(0)
    finally:
        answer.close()
    assert count == SIZE


async def told(name: str, info: dict[str, Any]) -> None:
    await asyncio.sleep(0)


async def traced(pool: Pool, origin: Origin) -> None:
    answer = await pool.send(origin, b"POST", b"/", CHUNKED, source(), times=TIMES, trace=Trace(told, None))
    assert await read(answer) == b"ok"


async def upgrades(pool: Pool, origin: Origin) -> None:
    headers = [*HEADERS, (b"Connection", b"upgrade"), (b"Upgrade", b"echo")]
    answer = await pool.send(origin, b"GET", b"/", headers, times=TIMES)
    try:
        tunnel: Any = answer.stream.tunnel
        await tunnel.write(b"ping", 5.0)
        if await tunnel.read(100, 5.0) != b"ping":
            raise ReadFailed("the end")
    finally:
        answer.close()


async def switches(peer: Peer) -> None:
    while True:
        head = await peer.head()
        if b"Upgrade" not in head:
            await peer.send(OK)
            continue
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        while True:
            await peer.more()
            await peer.send(peer.rest)
            peer.rest = b""


SCENES = {
    "plain": Scene(plain),
    "twice": Scene(twice),
    "bytes": Scene(sends_bytes),
    "source": Scene(sends_source),
    "expects": Scene(expects, continues),
    "drips": Scene(plain, drips),
    "streams": Scene(streams, floods),
    "traced": Scene(traced),
    "upgrades": Scene(upgrades, switches),
    "tls": Scene(sends_source, tls=True),
    "in the queue": Scene(plain, held=MOST),
    "in the queue with a body": Scene(sends_source, held=MOST),
}


# What strikes.

Strike = Callable[[Pool, Rogue, asyncio.Task[Any]], object]


def cancels(pool: Pool, server: Rogue, task: asyncio.Task[Any]) -> None:
    task.cancel()


def is_late(pool: Pool, server: Rogue, task: asyncio.Task[Any]) -> None:
    """Its deadline has come."""
    [places] = pool._homes.values()
    places.struck(asyncio.get_running_loop().time() + 10 * LATE)


def closes(pool: Pool, server: Rogue, task: asyncio.Task[Any]) -> None:
    [places] = pool._homes.values()
    places.close(ReadFailed("the pool was closed"))


def resets(pool: Pool, server: Rogue, task: asyncio.Task[Any]) -> None:
    for peer in server.open:
        peer.reset()


def ends(pool: Pool, server: Rogue, task: asyncio.Task[Any]) -> None:
    for peer in server.open:
        peer.truncate()


STRIKES: dict[str, tuple[Strike, bool]] = {
    "cancelled": (cancels, False),
    "cancelled too late": (cancels, True),
    "late": (is_late, False),
    "late too late": (is_late, True),
    "closed": (closes, False),
    "closed too late": (closes, True),
    "reset": (resets, False),
    "ended": (ends, True),
}


class Held:
    """Others, who hold their connections until it is enough."""

    def __init__(self, pool: Pool, origin: Origin, count: int) -> None:
        self.pool, self.origin, self.count = pool, origin, count
        self.answers: list[Any] = []

    async def begin(self) -> None:
        asked = (self.pool.send(self.origin, b"GET", b"/held", HEADERS) for _ in range(self.count))
        self.answers = await asyncio.gather(*asked)
        for answer in self.answers:  # as if its body were still on its way
            places = self.pool._places
            assert places is not None
            connection = places.take(self.origin)
            assert connection is not None
            answer.connection = connection

    def end(self) -> None:
        """The first connection is of no use any more, the second is."""
        for number, answer in enumerate(self.answers):
            connection, answer.connection = answer.connection, None
            connection.places.gone(connection) if number % 2 == 0 else connection.places.freed(connection)


async def step(scene: Scene, strike: Strike, late: bool, at: int, server: Rogue) -> bool:
    """Strike at one of its steps. Whether it has as many."""
    pool = Pool(Limits(connections=MOST), tls=trusting)
    origin = here(server, tls=scene.tls)
    held = Held(pool, origin, scene.held)
    await held.begin()
    work: Any = scene.asks(pool, origin)
    stepped = Stepped(work, at, lambda task: strike(pool, server, task), late)

    async def asked() -> None:
        await stepped

    asking = asyncio.create_task(asked())
    await asyncio.sleep(0)
    held.end()
    await asyncio.wait([asking])
    error = None if asking.cancelled() else asking.exception()
    assert asking.cancelled() <= (strike is cancels)
    assert error is None or (isinstance(error, WireError) and stepped.struck), error
    assert pool.idle()
    assert await asyncio.gather(*(small(pool, origin) for _ in range(MOST))) == [2] * MOST
    assert pool.idle()
    await pool.aclose()
    assert pool.idle()
    await server.quiet()
    return stepped.struck


@LOOPS
@pytest.mark.parametrize(("strike", "late"), STRIKES.values(), ids=STRIKES)
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
async def test_struck_at_each_step(scene: Scene, strike: Strike, late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.0 if strike in {is_late, closes} else 1.0)
    tls = serving() if scene.tls else None
    async with calm(), asyncio.timeout(SOON), Rogue(*[scene.plays] * 500, tls=tls) as server:
        at = 1
        while await step(scene, strike, late, at, server):
            at += 1
    assert at > 2
