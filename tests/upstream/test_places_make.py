"""A place is given: what becomes of it, whatever becomes of the dial?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from meshkit.upstream.errors import ConnectFailed, ReadFailed
from meshkit.upstream.origin import Origin

from .naive import Desk, Fake, clockwork

A = Origin("a", 80)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with clockwork() as loop:
        yield Desk(loop)


def test_what_a_dial_makes(desk: Desk) -> None:
    places = desk.open(connections=1)
    connection: Any = Fake(A)

    async def dial() -> None:
        pass

    async def make() -> None:
        await places.place(A, None, None)
        await places.make(connection, dial())

    making = desk.loop.create_task(make())
    desk.loop.turn()
    assert making.done()
    assert [*places.busy] == [connection]


@pytest.mark.parametrize("how", ["fails", "is cancelled", "is closed", "was closed by the peer"])
def test_a_dial_that_makes_nothing(desk: Desk, how: str) -> None:
    """Its place goes to the next."""
    places = desk.open(connections=1)
    connection: Any = Fake(A)
    dialling = desk.loop.create_future()

    async def make() -> None:
        await places.place(A, None, None)
        await places.make(connection, dialling)

    making = desk.loop.create_task(make())
    desk.loop.turn()
    waiting = desk.ask(A)
    if how == "fails":
        dialling.set_exception(ConnectFailed("refused"))
    elif how == "is cancelled":
        making.cancel()
    elif how == "is closed":
        desk.loop.call_soon(places.close, ReadFailed("the pool was closed"))
        desk.loop.turn()
        desk.loop.call_soon(places.close, ReadFailed("the pool was closed"))
    else:
        connection.spoiled = True
        dialling.set_result(None)
    desk.loop.turn()
    desk.loop.turn()
    desk.loop.turn()
    assert making.cancelled() if how == "is cancelled" else isinstance(making.exception(), ConnectFailed)
    assert connection.spoiled
    assert waiting.done()
    assert (waiting.exception() is None) is (how != "is closed")
    assert places.opened == (how != "is closed")
    assert places.dials == set()


def test_closed_and_cancelled_at_once(desk: Desk) -> None:
    """To be cancelled is no failure of a dial."""
    places = desk.open()

    async def make() -> None:
        await places.place(A, None, None)
        await places.make(Fake(A), asyncio.get_running_loop().create_future())

    making = desk.loop.create_task(make())
    desk.loop.turn()
    desk.loop.call_soon(places.close, ReadFailed("the pool was closed"))
    desk.loop.call_soon(making.cancel)
    for _ in range(3):
        desk.loop.turn()
    assert making.cancelled()
    assert places.opened == 0
