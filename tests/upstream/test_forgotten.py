"""Who forgets an answer instead of closing it, what does he leave behind? Nothing, once it has been collected."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

from meshkit.upstream import Limits, Pool

from .calls import ask, begun, get, half, here, pooled
from .rogue import Rogue, until
from .stepping import LOOPS, turns

pytestmark = LOOPS


async def test_forgotten() -> None:
    async with pooled(half, limits=Limits(connections=1)) as (server, pool):
        answer, _ = await begun(pool, server)
        gone = weakref.ref(answer)
        del answer
        assert gone() is None
        await turns()
        assert pool.idle()
        assert await get(pool, here(server), times={"pool": 5.0}) == b"ok"


async def test_forgotten_as_more_comes() -> None:
    async with pooled(half) as (server, pool):
        answer, connection = await begun(pool, server)
        del answer
        connection.data_received(b"!!")  # before the turn in which it is let go
        connection.eof_received()
        await turns()
        assert pool.idle()


async def test_forgotten_in_a_circle() -> None:
    async with pooled(half) as (server, pool):
        answer, _ = await begun(pool, server)
        circle: list[Any] = [answer]
        circle.append(circle)
        del answer, circle
        gc.collect()
        await turns()
        assert pool.idle()


async def test_forgotten_in_another_thread() -> None:
    async with pooled(half) as (server, pool):
        kept = [(await begun(pool, server))[0]]
        thread = threading.Thread(target=kept.clear)
        thread.start()
        await until(pool.idle)
        thread.join()


async def test_forgotten_by_those_who_wait_for_another() -> None:
    """In the queue stands one who gets its place."""
    async with pooled(half, half, limits=Limits(connections=1)) as (server, pool):
        answer, _ = await begun(pool, server)
        waiting = asyncio.create_task(ask(pool, here(server), times={"pool": 5.0}))
        await turns()
        del answer
        (await waiting).close()


async def test_given_up_by_the_task_that_asked() -> None:
    """Its error keeps the frames alive, and with them the answer: it is closed all the same when that is dropped."""

    async def ask_and_fail(pool: Pool, server: Rogue) -> None:
        answer, _ = await begun(pool, server)
        raise ZeroDivisionError(answer.status)

    async with pooled(half) as (server, pool):
        failing = asyncio.create_task(ask_and_fail(pool, server))
        await asyncio.wait([failing])
        assert isinstance(failing.exception(), ZeroDivisionError)
        assert not pool.idle()
        del failing
        gc.collect()
        await turns()
        assert pool.idle()
