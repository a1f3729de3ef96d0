"""Which connections are kept for later, for how long, and what if the server has closed one meanwhile?

Behaviours of ``max_keepalive_connections`` and ``keepalive_expiry`` on httpx's page on resource limits, and of
httpcore's published tests of its pool. Counted at the server.
"""

from __future__ import annotations

import anyio
import pytest

from .gate import Gate
from .sides import Side
from .stand_ins import CLOSE, OK, Origin, Peer, always, says


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


async def test_an_idle_connection_on_which_the_server_speaks(side: Side) -> None:
    """Many say farewell with a 408: it answers nothing, and the next request goes elsewhere."""
    leave, left = anyio.Event(), anyio.Event()

    async def play(origin: Origin, peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await leave.wait()
        await peer.send(b"HTTP/1.1 408 Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        left.set()
        await peer.gone()

    async with Origin(play, always()) as origin, side.client() as client:
        assert (await client.get(origin.url)).content == b"ok"
        leave.set()
        await left.wait()
        assert (await client.get(origin.url)).status_code == 200
    assert origin.connections == 2


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
