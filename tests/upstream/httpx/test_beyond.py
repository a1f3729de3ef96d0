"""What does the pool do that the library's own transport does not?

Each of these is a promise of the pool alone; on the other side nothing is asserted, or what is known to go wrong.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import pickle
import socket
import threading
from types import ModuleType
from typing import Any, Self

import anyio
import pytest

from .sides import NAMES, PoolTransport, Side
from .stand_ins import OK, Halted, Origin, Peer, says


@pytest.fixture(params=NAMES[1:])
def side_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_an_answer_that_has_come_whole_holds_no_place(side: Side) -> None:
    """In httpx it does, until somebody reads: a response that is only looked at would keep others waiting."""
    limits = side.lib.Limits(max_connections=1)
    timeout = side.lib.Timeout(None, pool=5)
    async with (
        Origin() as origin,
        side.client(side.transport(limits=limits), timeout=timeout) as client,
        client.stream("GET", origin.url) as one,
        client.stream("GET", origin.url) as other,
    ):
        assert (await client.get(origin.url)).content == b"ok"
        assert await other.aread() == await one.aread() == b"ok"
    assert origin.connections == 1


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_one_transport_in_one_loop_after_another(name: str) -> None:
    """With httpx the second `asyncio.run` ends in ``RuntimeError: Event loop is closed``."""
    lib = importlib.import_module(name)
    client = Side("pool", lib).client()

    async def call() -> bytes:
        async with Origin() as origin:
            content: bytes = (await client.get(origin.url)).content
            assert (await client.get(origin.url)).content == content
            assert origin.connections == 1
            return content

    assert asyncio.run(call()) == b"ok"
    assert asyncio.run(call()) == b"ok"
    asyncio.run(client.aclose())
    gc.collect()


def test_one_transport_in_two_loops_at_once() -> None:
    lib = importlib.import_module("httpx")
    transport = Side("pool", lib).transport()
    both = threading.Barrier(2)
    got: list[bytes] = []

    async def call() -> None:
        async with Origin() as origin, lib.AsyncClient(transport=Open(transport)) as client:
            got.extend([(await client.get(origin.url)).content for _ in range(20)])
            both.wait(5)
            assert origin.connections == 1
        both.wait(5)
        await transport.aclose()

    threads = [threading.Thread(target=asyncio.run, args=(call(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert got == [b"ok"] * 40


class Open:
    """A transport that a client does not close."""

    def __init__(self, transport: Any) -> None:
        self.handle_async_request = transport.handle_async_request

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def aclose(self) -> None:
        pass


async def test_one_transport_under_both_libraries() -> None:
    transport = PoolTransport()
    async with Origin() as origin:
        for name in ["httpx", "httpx2"]:
            lib = importlib.import_module(name)
            async with lib.AsyncClient(transport=Open(transport)) as client:
                response = await client.get(origin.url)
                assert type(response) is lib.Response
                assert response.content == b"ok"
                with pytest.raises(lib.LocalProtocolError):
                    await client.get(origin.url, headers={"X": "a\nb"})
        await transport.aclose()
        await origin.quiet()
    assert origin.connections == 1


async def test_cancelled_in_a_handshake(side: Side) -> None:
    """Under httpx the socket stays open, until a garbage collector comes by."""
    greeted = 0

    async def says_nothing(origin: Origin, peer: Peer) -> None:
        nonlocal greeted
        await peer.more()
        greeted += 1
        origin.changed()
        await peer.gone()

    limits = side.lib.Limits(max_connections=1)
    async with (
        Origin(says_nothing) as origin,
        Origin() as good,
        side.client(side.transport(limits=limits), timeout=side.lib.Timeout(None, pool=5)) as client,
    ):
        for number in range(3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.get, origin.url.replace("http:", "https:"))
                await origin.until(lambda number=number: greeted > number)
                tasks.cancel_scope.cancel()
            await origin.quiet()
        assert (await client.get(good.url)).content == b"ok"


async def test_a_socket_option_that_there_is_not(side: Side) -> None:
    """Refused as by httpx, which leaves the socket open until a garbage collector comes by."""
    options = [(socket.SOL_SOCKET, -1, 1)]
    async with Origin() as origin, side.client(side.transport(socket_options=options)) as client:
        with pytest.raises(side.lib.ConnectError):
            await client.get(origin.url)
        await origin.quiet()


async def test_responses_can_be_pickled(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        again = pickle.loads(pickle.dumps(await client.get(origin.url)))
    assert (again.status_code, again.content) == (200, b"ok")


async def test_a_response_that_was_forgotten_gives_its_place_back(side: Side) -> None:
    """With httpx a response that nobody closed keeps its connection for good."""
    limits = side.lib.Limits(max_connections=1)
    timeout = side.lib.Timeout(None, pool=5)
    async with (
        Origin(Halted(), says(OK)) as origin,
        side.client(side.transport(limits=limits), timeout=timeout) as client,
    ):
        response = await client.send(client.build_request("GET", origin.url), stream=True)
        assert response.status_code == 200
        del response
        gc.collect()
        assert (await client.get(origin.url)).content == b"ok"


async def test_no_task_and_no_timer_is_left(side: Side) -> None:
    async with Origin() as origin:
        await anyio.wait_all_tasks_blocked()
        before = asyncio.all_tasks()
        async with side.client() as client:
            for _ in range(5):
                await client.get(origin.url, timeout=60)
        await origin.quiet()
        await anyio.wait_all_tasks_blocked()
        assert asyncio.all_tasks() == before


def test_it_says_what_it_is() -> None:
    assert repr(PoolTransport()).startswith("PoolTransport(")


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_it_is_no_transport_for_a_plain_client(name: str) -> None:
    lib: ModuleType = importlib.import_module(name)
    with pytest.raises(TypeError, match="AsyncClient"):
        lib.Client(transport=PoolTransport()).get("http://127.0.0.1/")
