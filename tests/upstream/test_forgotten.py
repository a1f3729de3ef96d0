"""Who forgets an answer instead of closing it, what does he leave behind? Nothing, once it has been collected."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from meshkit.upstream import Limits, Pool
from meshkit.upstream.errors import Malformed

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


async def test_forgotten_as_it_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector may come at any time: here, while an error is made of the end."""

    class Cut:
        def eof(self) -> None:
            kept.clear()
            raise Malformed("cut")

    async with pooled(half) as (server, pool):
        answer, connection = await begun(pool, server)
        connection.served = 1
        kept = [answer]
        del answer
        connection.parser = Cut()
        connection.lost(None)
        await turns()
        assert pool.idle()


async def test_forgotten_as_its_loop_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another thread, between a look at the loop and a word to it."""

    class Ended:
        def is_closed(self) -> bool:
            return False

        def call_soon_threadsafe(self, *_: Any) -> None:
            raise RuntimeError("Event loop is closed")

    async with pooled(half) as (server, pool):
        answer, connection = await begun(pool, server)
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(connection.places, "loop", Ended())
            del answer  # an error here would be one that nobody can catch
        connection.drop()
