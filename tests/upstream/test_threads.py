"""One pool in several threads, each with a loop of its own, and on both sides of a fork?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshkit.upstream import Limits, Pool
from meshkit.upstream.errors import WireError
from meshkit.upstream.places import Places

from .threaded import RUNS, SOON, Run, some, threaded

ROOT = Path(__file__).parents[2]


@RUNS
def test_in_two_threads(run: Run) -> None:
    """Neither gets what is the other's."""
    with threaded() as server:
        pool = Pool(Limits(connections=3))
        seen: dict[str, set[int]] = {}
        failed: list[BaseException] = []
        together = threading.Barrier(2)

        async def work(name: str) -> None:
            await asyncio.to_thread(together.wait, SOON)
            for _ in range(20):
                await some(pool, server.origin, 5)
                places = pool._homes[asyncio.get_running_loop()]
                seen.setdefault(name, set()).update(map(id, places.idle))
            await asyncio.to_thread(together.wait, SOON)

        def thread(name: str) -> None:
            try:
                run(work(name))
            except BaseException as error:
                failed.append(error)
                together.abort()

        threads = [threading.Thread(target=thread, args=(name,)) for name in ("one", "two")]
        for each in threads:
            each.start()
        for each in threads:
            each.join(SOON)
        assert failed == []
        assert seen["one"].isdisjoint(seen["two"])
        assert max(map(len, seen.values())) <= 3
        server.quiet()
        assert pool.idle()


def test_many_loops_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """While others look at the pool."""
    interval = sys.getswitchinterval()
    failed: list[BaseException] = []
    over = threading.Event()

    def guarded(work: Callable[[], Any]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def come_and_go() -> None:
        for _ in range(15):
            asyncio.run(some(pool, server.origin, 1))

    def look() -> None:
        while not over.is_set():
            pool.idle()
            repr(pool)

    def close() -> None:
        with contextlib.suppress(WireError):
            asyncio.run(pool.aclose())

    with threaded() as server:
        pool = Pool()
        sys.setswitchinterval(1e-6)
        try:
            looking = guarded(look)
            threads = [guarded(come_and_go) for _ in range(4)]
            for each in threads:
                each.join(3 * SOON)
        finally:
            over.set()
            looking.join(SOON)
            sys.setswitchinterval(interval)
        close()
    assert failed == []
    assert pool.idle()


@RUNS
def test_closed_from_another_thread(run: Run) -> None:
    """Its connections are closed as soon as it turns, and it may go on."""
    with threaded() as server:
        pool = Pool()

        async def work() -> None:
            await some(pool, server.origin, 3)
            await asyncio.to_thread(run, pool.aclose())
            await asyncio.to_thread(server.quiet)
            assert pool.idle()
            await some(pool, server.origin, 1)

        run(work())
        assert server.opened == 4


class Ending:
    """A loop of another thread, which has ended by the time one does what one has looked at it for."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        pool._homes[self] = Places(self, pool.limits)  # type: ignore[arg-type, index]

    def is_closed(self) -> bool:
        """Forgotten meanwhile by a third."""
        return self.pool._homes.pop(self, None) is not None  # type: ignore[call-overload, no-any-return]

    def call_soon_threadsafe(self, *_: Any) -> None:
        raise RuntimeError("Event loop is closed")


def test_a_loop_that_two_forget_at_once() -> None:
    pool = Pool()
    Ending(pool)
    with threaded() as server:
        asyncio.run(some(pool, server.origin, 1))


def test_closed_while_another_loop_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool()
    Ending(pool)
    monkeypatch.setattr(Ending, "is_closed", lambda loop: False)
    asyncio.run(pool.aclose())


# After a fork.

FORKED = """
import asyncio, os, sys
from meshkit.upstream import Origin, Pool

pool = Pool()
origin = Origin("127.0.0.1", int(sys.argv[1]))

async def get():
    answer = await pool.send(origin, b"GET", b"/", [(b"Host", b"x")])
    assert b"".join([chunk async for chunk in answer]) == b"ok"

async def child():
    await get()
    await get()
    await pool.aclose()

async def parent():
    await get()
    number = os.fork()
    if not number:
        try:
            asyncio.run(child())
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    assert os.waitpid(number, 0)[1] == 0
    await get()  # on its own connection, of which the child has not said a word
    await pool.aclose()

asyncio.run(parent())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked() -> None:
    with threaded() as server:
        child = subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "-c", FORKED, str(server.origin.port)],
            cwd=ROOT,
            capture_output=True,
            timeout=SOON,
            check=False,
        )
        assert (child.returncode, child.stderr) == (0, b"")
        server.quiet()
        assert server.opened == 2
