"""How many connections are there, and who waits for one?

Behaviours of ``max_connections`` on httpx's page on resource limits, and of httpcore's published tests of its pool.
Counted at the server.
"""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from .gate import Gate
from .sides import Side
from .stand_ins import OK, Halted, Origin, always

CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


async def test_a_connection_is_used_again(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for _ in range(10):
            assert (await client.get(origin.url)).content == b"ok"
        assert origin.open == 1
    assert origin.connections == 1


@pytest.mark.parametrize("status", [b"201 Created", b"404 Not Found", b"500 Oh", b"503 Busy"])
async def test_whatever_the_answer_says(side: Side, status: bytes) -> None:
    async with Origin(always(b"HTTP/1.1 " + status + OK[15:])) as origin, side.client() as client:
        for _ in range(3):
            await client.get(origin.url)
    assert origin.connections == 1


@pytest.mark.parametrize(
    "answer", [CLOSING, CLOSING.replace(b": close", b": Close"), CLOSING.replace(b": close", b": x, close")]
)
async def test_not_if_the_server_says_close(side: Side, answer: bytes) -> None:
    async with Origin(always(answer)) as origin, side.client() as client:
        for _ in range(3):
            assert (await client.get(origin.url)).content == b"ok"
        await origin.quiet()
    assert origin.connections == 3


@pytest.mark.parametrize("value", ["close", "Close", "x, close"])
async def test_not_if_the_caller_says_close(side: Side, value: str) -> None:
    async with Origin() as origin, side.client() as client:
        for _ in range(3):
            assert (await client.get(origin.url, headers={"Connection": value})).content == b"ok"
        await origin.quiet()
    assert origin.connections == 3
    assert origin.asked[0].values(b"connection") == [value.encode()]


async def test_origins_share_nothing(side: Side) -> None:
    async with Origin() as one, Origin() as other, side.client() as client:
        for _ in range(3):
            await client.get(one.url)
            await client.get(other.url)
    assert (one.connections, other.connections) == (1, 1)


async def test_connections_that_are_free_are_used_before_new_ones_are_made(side: Side) -> None:
    gate = Gate()
    async with Origin(gate) as origin, side.client() as client:
        for _ in range(3):
            gate.open = anyio.Event()
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(client.get, origin.url)
                await origin.until(lambda: gate.inside == 4)
                gate.open.set()
    assert origin.connections == 4


# max_connections.


@pytest.mark.parametrize("most", [1, 3])
async def test_no_more_connections_than_allowed(side: Side, most: int) -> None:
    limits = side.lib.Limits(max_connections=most)
    gate = Gate()
    done = 0
    async with Origin(gate) as origin, side.client(side.transport(limits=limits)) as client:

        async def one(number: int) -> None:
            nonlocal done
            response = await client.get(f"{origin.url}/{number}")
            assert response.content == b"ok"
            done += 1

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(one, number)
            await origin.until(lambda: gate.inside == most)
            gate.open.set()
    assert done == 20
    assert gate.most == most
    assert origin.connections == most
    assert sorted(int(asked.target[1:]) for asked in origin.asked) == list(range(20))


async def test_without_a_limit_all_go_at_once(side: Side) -> None:
    gate = Gate()
    limits = side.lib.Limits()
    async with (
        Origin(gate) as origin,
        side.client(side.transport(limits=limits)) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(40):
            tasks.start_soon(client.get, origin.url)
        await origin.until(lambda: gate.inside == 40)
        gate.open.set()
    assert origin.connections == 40


async def test_hundred_is_the_default(side: Side) -> None:
    gate = Gate()
    async with Origin(gate) as origin, side.client() as client, anyio.create_task_group() as tasks:
        for _ in range(130):
            tasks.start_soon(client.get, origin.url)
        await origin.until(lambda: gate.inside == 100)
        gate.open.set()
    assert gate.most == 100
    assert len(origin.asked) == 130


async def test_no_connections_at_all(side: Side) -> None:
    limits = side.lib.Limits(max_connections=0)
    async with Origin() as origin, side.client(side.transport(limits=limits)) as client:
        with pytest.raises(side.lib.PoolTimeout):
            await client.get(origin.url, timeout=side.lib.Timeout(None, pool=0.01))
    assert origin.connections == 0


async def test_those_who_wait_are_served_in_turn(side: Side) -> None:
    limits = side.lib.Limits(max_connections=1)
    halted = Halted()
    async with (
        Origin(halted) as origin,
        side.client(side.transport(limits=limits)) as client,
        anyio.create_task_group() as tasks,
    ):
        for number in range(6):
            tasks.start_soon(client.get, f"{origin.url}/{number}")
            await anyio.wait_all_tasks_blocked()
        halted.on.set()
    assert [asked.target for asked in origin.asked] == [b"/0", b"/1", b"/2", b"/3", b"/4", b"/5"]


async def test_an_idle_connection_makes_room_for_another_origin(side: Side) -> None:
    limits = side.lib.Limits(max_connections=1)
    async with Origin() as one, Origin() as other, side.client(side.transport(limits=limits), timeout=5) as client:
        await client.get(one.url)
        await client.get(other.url)
        await one.quiet()
        await client.get(one.url)
        await other.quiet()
    assert (one.connections, other.connections) == (2, 1)


async def test_many_origins_over_one_place(side: Side) -> None:
    limits = side.lib.Limits(max_connections=1)
    async with (
        Origin() as one,
        Origin() as other,
        side.client(side.transport(limits=limits), timeout=5) as client,
        anyio.create_task_group() as tasks,
    ):
        for number in range(10):
            tasks.start_soon(client.get, f"{(one if number % 2 else other).url}/{number}")
    assert len(one.asked) == len(other.asked) == 5
