"""One pool, and one loop after the other?

Each has connections of its own, which are closed when it ends. A socket that was left open would warn, and every
warning fails the test.
"""

from __future__ import annotations

import asyncio
import gc

import pytest
import uvloop

from meshkit.upstream import Answer, Limits, Pool
from meshkit.upstream.errors import ReadFailed

from .calls import HALF, ask, get, read
from .threaded import RUNS, Run, descriptors, some, threaded


@RUNS
def test_a_loop_that_ends_takes_its_connections_with_it(run: Run) -> None:
    """`aclose` is good style, and nothing breaks without it."""
    with threaded() as server:
        pool = Pool()
        before = 0
        for number in range(3):
            run(some(pool, server.origin, 3))
            server.quiet()
            assert server.opened == 3 * (number + 1)
            gc.collect()
            assert descriptors() == (before or descriptors())  # libuv keeps some of its own
            before = descriptors()
            assert pool.idle()
            assert len(pool._homes) == 1


def test_of_both_kinds_in_turns() -> None:
    with threaded() as server:
        pool = Pool()
        for run in (asyncio.run, uvloop.run, asyncio.run, uvloop.run):
            run(some(pool, server.origin, 2))
        assert server.opened == 8


@RUNS
def test_with_answers_under_way(run: Run) -> None:
    """They fail, whoever reads them later, and hold nothing."""
    with threaded(HALF) as server:
        pool = Pool(Limits(connections=2))
        kept: list[Answer] = []

        async def begin() -> None:
            kept.extend([await ask(pool, server.origin) for _ in range(2)])
            waiting = asyncio.create_task(get(pool, server.origin))
            await asyncio.sleep(0)
            assert not waiting.done()

        run(begin())
        server.quiet()
        assert pool.idle()

        async def finish() -> None:
            with pytest.raises(ReadFailed):
                await read(kept[0])

        run(finish())
        kept.clear()
        gc.collect()
        assert pool.idle()


@RUNS
def test_closed_in_a_later_loop(run: Run) -> None:
    with threaded() as server:
        pool = Pool()
        run(some(pool, server.origin, 2))
        run(pool.aclose())
        run(some(pool, server.origin, 2))


@RUNS
def test_a_pool_that_is_forgotten(run: Run) -> None:
    """While its loop goes on."""

    async def forget() -> None:
        pool = Pool(Limits(idle_for=0.05))
        await some(pool, server.origin, 3)
        del pool
        gc.collect()
        await asyncio.to_thread(server.quiet)

    with threaded() as server:
        run(forget())


def test_a_loop_that_ends_badly() -> None:
    """Closed, and its generators not asked to end: the next one works."""
    with threaded() as server:
        pool = Pool()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(some(pool, server.origin, 2))
        [places] = pool._homes.values()
        connections = [*places.idle]
        loop.close()
        asyncio.run(some(pool, server.origin, 2))
        assert [*pool._homes] != [loop]
        for connection in connections:  # nobody else can
            connection.transport.get_extra_info("socket")._sock.close()
            connection.transport._sock = None
        places.guard = None
