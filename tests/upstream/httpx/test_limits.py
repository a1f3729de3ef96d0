"""How many connections are there, which are used again, and which are not?

Behaviours of httpx's page on resource limits (``max_connections``, ``max_keepalive_connections``,
``keepalive_expiry``) and of httpcore's published tests of its pool. Counted at the server.
"""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from .sides import Side
from .stand_ins import CLOSE, OK, Halted, Origin, Peer, always, says

CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


class Gate:
    """A play that answers when the test says so, and counts who is waiting at once."""

    def __init__(self) -> None:
        self.open = anyio.Event()
        self.most = self.inside = 0

    async def __call__(self, origin: Origin, peer: Peer) -> None:
        while True:
            origin.asked.append(await peer.request())
            self.inside += 1
            self.most = max(self.most, self.inside)
            origin.changed()
            await self.open.wait()
            await anyio.lowlevel.checkpoint()
            self.inside -= 1
            await peer.send(OK)


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


# max_keepalive_connections and keepalive_expiry.


@pytest.mark.parametrize("kept", [0, -1])
async def test_none_kept(side: Side, kept: int) -> None:
    limits = side.lib.Limits(max_keepalive_connections=kept)
    async with Origin() as origin, side.client(side.transport(limits=limits)) as client:
        for _ in range(3):
            await client.get(origin.url)
            await origin.quiet()
    assert origin.connections == 3


async def test_so_many_kept_and_no_more(side: Side) -> None:
    limits = side.lib.Limits(max_keepalive_connections=2)
    gate = Gate()
    async with Origin(gate) as origin, side.client(side.transport(limits=limits)) as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(client.get, origin.url)
            await origin.until(lambda: gate.inside == 5)
            gate.open.set()
        await origin.until(lambda: origin.open == 2)
        await client.get(origin.url)
    assert origin.connections == 5


@pytest.mark.parametrize("expiry", [0, 0.0, 1e-9])
async def test_connections_expire(side: Side, expiry: float) -> None:
    limits = side.lib.Limits(keepalive_expiry=expiry)
    async with Origin() as origin, side.client(side.transport(limits=limits)) as client:
        for _ in range(3):
            await client.get(origin.url)
    assert origin.connections == 3


async def test_connections_expire_after_a_while(side: Side) -> None:
    limits = side.lib.Limits(keepalive_expiry=0.02)
    async with Origin() as origin, side.client(side.transport(limits=limits)) as client:
        await client.get(origin.url)
        await anyio.sleep(limits.keepalive_expiry * 2)
        await client.get(origin.url)
    assert origin.connections == 2


async def test_connections_that_do_not_expire(side: Side) -> None:
    limits = side.lib.Limits(keepalive_expiry=None)
    async with Origin() as origin, side.client(side.transport(limits=limits)) as client:
        for _ in range(3):
            await client.get(origin.url)
    assert origin.connections == 1


# What the server has closed meanwhile.


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_idle_connection_that_the_server_closed_is_replaced(side: Side, method: str) -> None:
    async with Origin(says((OK, CLOSE))) as origin, side.client() as client:
        for number in range(5):
            assert (await client.request(method, origin.url)).content == b"ok"
            await origin.until(lambda number=number: origin.open == 0 and origin.connections == number + 1)
    assert origin.connections == 5


async def test_all_of_many_idle_connections_closed_by_the_server(side: Side) -> None:
    gate = Gate()
    leave = anyio.Event()

    async def play(origin: Origin, peer: Peer) -> None:
        if peer.number >= 5:
            await always()(origin, peer)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gate, origin, peer)
            await leave.wait()
            tasks.cancel_scope.cancel()

    async with Origin(play) as origin, side.client() as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(client.get, origin.url)
            await origin.until(lambda: gate.inside == 5)
            gate.open.set()
        leave.set()
        await origin.quiet()
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 6


async def test_bytes_that_nobody_asked_for_spoil_a_connection(side: Side) -> None:
    """What comes after an answer cannot belong to the next: the connection is not used again."""
    async with Origin(says(OK + b"HTTP/1.1 200 OK\r\n"), always()) as origin, side.client() as client:
        try:
            assert (await client.get(origin.url)).content == b"ok"
        except side.lib.RemoteProtocolError:
            pytest.fail("the first answer is good")
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 2
