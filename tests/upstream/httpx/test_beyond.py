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
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any, Self

import anyio
import pytest

from meshkit.httpx import PoolTransport

from .sides import NAMES, Side
from .stand_ins import OK, Halted, Origin, Peer, always, says


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


async def test_a_refusal_ends_an_upload(side: Side) -> None:
    """RFC 9112, 9.3: who sees an error while he sends may stop. httpx sends on, as long as anybody takes it."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 16)

    async def refuses(origin: Origin, peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
        await peer.gone()

    async with Origin(refuses, always()) as origin, side.client() as client:
        response = await client.post(origin.url, content=endless())
        assert (response.status_code, response.content) == (413, b"big")
        await origin.quiet()
        assert (await client.get(origin.url)).content == b"ok"


async def test_a_body_that_is_not_wanted_is_not_sent(side: Side) -> None:
    """RFC 9110, 10.1.1. httpx sends it behind ``Expect: 100-continue`` without waiting for a word."""
    rest = []

    async def refuses(origin: Origin, peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 417 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        rest.append(await peer.gone())

    async with Origin(refuses) as origin, side.client() as client:
        response = await client.post(origin.url, content=b"body", headers={"Expect": "100-continue"})
        assert response.status_code == 417
        await origin.quiet()
    assert rest == [b""]


async def test_a_server_that_says_nothing_to_an_expectation(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshkit.upstream.upload.PATIENCE", 0.01)
    async with Origin() as origin, side.client() as client:
        response = await client.post(origin.url, content=b"body", headers={"Expect": "100-continue"})
    assert response.content == b"ok"
    assert origin.asked[0].body == b"body"


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
