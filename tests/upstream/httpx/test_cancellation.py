"""Who is cancelled at any step of a request, what does he leave behind? Nothing: no place taken, no connection open.

httpcore's issue #830 and httpx's #1171 and #1461: after cancellations the pool counted connections that nobody had,
until every further request ended in a `PoolTimeout`. After each of these the pool serves as many at once as before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

import anyio
import anyio.lowlevel
import pytest

from .sides import Side, named
from .stand_ins import OK, Halted, Origin, Peer

MOST = 2


async def silent(origin: Origin, peer: Peer) -> None:
    origin.asked.append(await peer.head())
    origin.changed()
    await peer.gone()


async def deaf(origin: Origin, peer: Peer) -> None:
    origin.asked.append(await peer.head())
    origin.changed()
    await origin.until(lambda: False)


async def half(origin: Origin, peer: Peer) -> None:
    origin.asked.append(await peer.request())
    await peer.send(OK[:-1])
    origin.changed()
    await peer.gone()


async def cancelled(call: Callable[[], Awaitable[Any]], when: Callable[[], Awaitable[Any]]) -> None:
    """Begin it, wait until it is as far, cancel it, and wait until it has ended."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await when()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


class Full:
    """A client with few places, first a server of one kind, then one that serves as many as there are places."""

    def __init__(self, side: Side, play: Any, **options: Any) -> None:
        self.side = side
        self.gate = Halted()
        self.bad = Origin(play)
        self.good = Origin(self.gate)
        limits = side.lib.Limits(max_connections=MOST)
        self.client = side.client(side.transport(limits=limits, **options), timeout=side.lib.Timeout(None, pool=5))

    async def __aenter__(self) -> Self:
        await self.good.__aenter__()
        await self.bad.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        try:
            if raised[0] is None:
                await self.serves()
        finally:
            await self.client.aclose()
            await self.bad.__aexit__(*raised)
            await self.good.__aexit__(*raised)

    async def serves(self) -> None:
        """As many at once as allowed, and no more."""
        async with anyio.create_task_group() as tasks:
            for _ in range(MOST + 1):
                tasks.start_soon(self.client.get, self.good.url)
            await self.good.until(lambda: self.good.connections == MOST)
            await anyio.wait_all_tasks_blocked()
            assert len(self.good.asked) == MOST
            self.gate.on.set()
        assert self.good.connections == MOST


ROUNDS = MOST * 2
"""More than there are places: one that is lost each time would be missed."""


async def test_while_waiting_for_a_place(side: Side) -> None:
    async with Full(side, half) as full:
        held = []
        for _ in range(MOST):
            request = full.client.build_request("GET", full.bad.url)
            held.append(await full.client.send(request, stream=True))
        for _ in range(ROUNDS):
            await cancelled(lambda: full.client.get(full.bad.url), anyio.lowlevel.checkpoint)
        assert len(full.bad.asked) == MOST
        for response in held:
            await response.aclose()


async def test_one_of_several_that_wait_for_a_place(side: Side) -> None:
    """Whom the place would have been given to is gone: it goes to the next."""
    limits = side.lib.Limits(max_connections=1)
    halted = Halted()
    async with (
        Origin(halted) as origin,
        side.client(side.transport(limits=limits)) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.get, origin.url + "/first")
        await anyio.wait_all_tasks_blocked()

        async def gives_up(scope: anyio.CancelScope) -> None:
            with scope:
                await client.get(origin.url + "/never")

        scope = anyio.CancelScope()
        tasks.start_soon(gives_up, scope)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(client.get, origin.url + "/second")
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        halted.on.set()
    assert [asked.target for asked in origin.asked] == [b"/first", b"/second"]
    assert origin.connections == 1


async def test_in_the_moment_in_which_the_place_is_given(side: Side) -> None:
    """Cancelled by whoever gives it: the one who waited is told of both in the same turn of the loop."""
    limits = side.lib.Limits(max_connections=1)
    halted = Halted()
    async with Origin(halted) as origin, side.client(side.transport(limits=limits)) as client:
        request = client.build_request("GET", origin.url)
        for _ in range(3):
            halted.on = anyio.Event()
            held = await client.send(request, stream=True)
            waiting = asyncio.ensure_future(client.get(origin.url))
            await anyio.wait_all_tasks_blocked()
            halted.on.set()
            await held.aread()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert (await client.get(origin.url, timeout=5)).content == b"ok"


async def test_while_a_name_is_looked_up(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Full(side, silent) as full:
        asked = []

        async def unanswered(name: str, port: int) -> list[str]:
            asked.append(name)
            await anyio.Event().wait()
            return []

        with monkeypatch.context() as patch:
            named(unanswered, patch)
            for _ in range(ROUNDS):
                await cancelled(lambda: full.client.get("http://a.test/"), anyio.lowlevel.checkpoint)
        assert len(asked) == ROUNDS


async def test_while_sending(side: Side) -> None:
    async with Full(side, deaf) as full:
        for number in range(ROUNDS):
            await cancelled(
                lambda: full.client.post(full.bad.url, content=bytes(20_000_000)),
                lambda number=number: full.bad.until(lambda: len(full.bad.asked) > number),
            )


async def test_while_the_generator_thinks(side: Side) -> None:
    ended = []

    async def thinks() -> AsyncIterator[bytes]:
        yield b"a"
        try:
            await anyio.Event().wait()
        finally:
            ended.append(True)

    async with Full(side, silent) as full:
        for number in range(ROUNDS):
            await cancelled(
                lambda: full.client.post(full.bad.url, content=thinks()),
                lambda number=number: full.bad.until(lambda: len(full.bad.asked) > number),
            )
        await full.bad.quiet()
    assert len(ended) == ROUNDS


async def test_while_waiting_for_the_head(side: Side) -> None:
    async with Full(side, silent) as full:
        for number in range(ROUNDS):
            await cancelled(
                lambda: full.client.get(full.bad.url),
                lambda number=number: full.bad.until(lambda: len(full.bad.asked) > number),
            )
        await full.bad.quiet()


async def test_in_the_body(side: Side) -> None:
    async with Full(side, half) as full:
        for number in range(ROUNDS):
            await cancelled(
                lambda: full.client.get(full.bad.url),
                lambda number=number: full.bad.until(lambda: len(full.bad.asked) > number),
            )
        await full.bad.quiet()


async def test_in_the_body_of_a_stream(side: Side) -> None:
    async def streams(full: Full) -> None:
        async with full.client.stream("GET", full.bad.url) as response:
            async for _ in response.aiter_raw():
                pass

    async with Full(side, half) as full:
        for number in range(ROUNDS):
            await cancelled(
                lambda: streams(full), lambda number=number: full.bad.until(lambda: len(full.bad.asked) > number)
            )
        await full.bad.quiet()


async def test_between_two_reads_of_a_stream(side: Side) -> None:
    async def streams(full: Full) -> None:
        async with full.client.stream("GET", full.bad.url) as response:
            async for _ in response.aiter_raw():
                await anyio.Event().wait()

    async with Full(side, half) as full:
        for number in range(ROUNDS):
            await cancelled(
                lambda: streams(full), lambda number=number: full.bad.until(lambda: len(full.bad.asked) > number)
            )
        await full.bad.quiet()


# After each step of the loop.


@pytest.mark.parametrize("streamed", [False, True])
async def test_after_each_step(side: Side, streamed: bool) -> None:
    """A request against a server that answers, cancelled after one turn of the loop, after two, and so on.

    httpx loses its only place at one of them, and no further request gets through; httpx2 has mended that.
    """
    limits = side.lib.Limits(max_connections=1)
    patient = side.lib.Timeout(None, pool=side.of(side.by(0.1, 5), 5))
    completed = lost = False
    async with Origin() as origin, side.client(side.transport(limits=limits)) as client:

        async def call() -> None:
            if streamed:
                async with client.stream("POST", origin.url, content=b"body") as response:
                    async for _ in response.aiter_raw():
                        await anyio.lowlevel.checkpoint()
            else:
                await client.post(origin.url, content=b"body")

        for turns in range(200):
            task = asyncio.ensure_future(call())
            for _ in range(turns):
                await asyncio.sleep(0)
            completed = task.done()
            task.cancel()
            await asyncio.wait([task])
            try:
                assert (await client.get(origin.url, timeout=patient)).content == b"ok"
            except side.lib.PoolTimeout:
                lost = True
            if completed or lost:
                break
    assert (completed, lost) == side.of(side.by((False, True), (True, False)), (True, False))


async def test_a_timeout_of_asyncio_around_a_request(side: Side) -> None:
    async with Full(side, silent) as full:

        async def ends(deadline: asyncio.Timeout, number: int) -> None:
            await full.bad.until(lambda: len(full.bad.asked) > number)
            deadline.reschedule(asyncio.get_running_loop().time())

        async def call(tasks: Any, number: int) -> None:
            async with asyncio.timeout(None) as deadline:
                tasks.start_soon(ends, deadline, number)
                await full.client.get(full.bad.url)

        for number in range(ROUNDS):
            async with anyio.create_task_group() as tasks:
                with pytest.raises(TimeoutError):
                    await call(tasks, number)
        await full.bad.quiet()
