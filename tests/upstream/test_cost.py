"""What does an idle connection cost those who do not use it? Nothing: not one call of a function.

Counted are the calls of one exchange, from the request to the end of the answer, Python's own and those of C; of the
loop itself too. The server is in another thread, so that what it does is not counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from meshkit.upstream import Limits, Origin, Pool
from meshkit.upstream.connection import Connection

from .calls import HEADERS
from .rogue import OK

MANY = 1000


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """A server that answers each request of one connection, and holds the others."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        wire, _ = listener.accept()
        with wire:
            while data := wire.recv(65536):
                wire.sendall(OK * data.count(b"\r\n\r\n"))

    thread = threading.Thread(target=serve)
    thread.start()
    yield int(listener.getsockname()[1])
    thread.join(10.0)
    listener.close()


class Other(asyncio.Transport):
    """What an idle connection to elsewhere stands on."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


class Counted:
    """The calls in a loop that runs one coroutine."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frame: Any, event: str, arg: Any) -> None:
        self.calls += event in {"call", "c_call"}


async def exchange(pool: Pool, origin: Origin, times: dict[str, float | None]) -> None:
    answer = await pool.send(origin, b"GET", b"/", HEADERS, times=times)
    assert b"".join([chunk async for chunk in answer]) == b"ok"


def calls(idle: int, busy: int, times: dict[str, float | None]) -> int:
    """Of one exchange on a connection that is kept, among so many others."""

    async def run() -> int:
        pool = Pool(Limits(connections=None, idle=None, idle_for=600.0))
        origin = Origin("127.0.0.1", port)
        await exchange(pool, origin, times)
        places: Any = pool._places
        for number in range(idle + busy):
            connection = Connection(places, Origin("other", number), pool._parser)
            connection.connection_made(Other())
            places.opened += 1
            if number < idle:
                places.freed(connection)
            else:
                places.joined(connection)
                connection.begin(b"GET", None, None)
        counted = []
        for _ in range(7):
            await asyncio.sleep(0)
            count = Counted()
            gc.disable()  # it has callbacks
            sys.setprofile(count)
            try:
                await exchange(pool, origin, times)
            finally:
                sys.setprofile(None)
                gc.enable()
            counted.append(count.calls)
        assert len(places.idle) == idle + 1
        places.busy.clear()
        for connection in [*places.idle]:
            if connection.origin.host == "other":
                places.gone(connection)
        await pool.aclose()
        return min(counted)  # one that the kernel kept waiting takes more turns of the loop

    with serving() as port:
        return asyncio.run(run())


@pytest.mark.parametrize("times", [{}, {"read": 60.0}, {"total": 60.0, "connect": 5.0}], ids=["none", "read", "total"])
def test_idle_connections_cost_nothing(times: dict[str, float | None]) -> None:
    assert calls(0, 0, times) == calls(MANY, 0, times)


def test_nor_do_busy_ones() -> None:
    assert calls(0, 0, {}) == calls(0, MANY, {})


def test_a_deadline_costs_a_few_calls() -> None:
    """No timer is armed: those who wait write a number down."""
    assert calls(0, 0, {"read": 60.0}) - calls(0, 0, {}) <= 6
