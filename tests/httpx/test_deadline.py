"""Does a deadline bound an answer to its last byte, async and sync?"""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import anyio
import pytest

from meshkit import (
    AttemptTimedOut,
    DeadlineExceeded,
    Pipeline,
    Timeout,
)
from meshkit import Retry as Again
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.httpx.library import library_of

from .stand_ins import Clock, Inner, Probe, Server, async_wire, streaming, wire

URL = "http://a"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


def answering(lib: ModuleType, stream: Any, status: int = 200) -> Inner:
    return Inner(lambda request: lib.Response(status, stream=stream))


def test_a_read_that_ran_out_of_what_was_left(lib: ModuleType) -> None:
    clock = Clock()
    slow = lib.ReadTimeout("slow")

    class Slow(lib.SyncByteStream):  # type: ignore[name-defined, misc]
        def __iter__(self) -> Any:
            yield b"a"
            clock.now += 2
            raise slow

    pipeline = Pipeline(Timeout(2.0), probe := Probe(), clock=clock)
    client = lib.Client(transport=MeshTransport(pipeline, answering(lib, Slow())))
    with client, pytest.raises(DeadlineExceeded) as caught:
        client.get(URL)
    assert caught.value.__cause__ is slow
    assert probe.verdicts == ["failure"]


async def test_a_deadline_between_chunks(lib: ModuleType) -> None:
    clock = Clock()
    pipeline = Pipeline(Timeout(2.0), probe := Probe(), clock=clock)
    transport = AsyncMeshTransport(pipeline, answering(lib, stream := streaming(lib, [b"a", b"b"])))

    async def read(response: Any) -> None:
        async for chunk in response.aiter_raw():
            assert chunk == b"a"
            clock.now += 2

    async with lib.AsyncClient(transport=transport) as client, client.stream("GET", URL) as response:
        with pytest.raises(DeadlineExceeded, match="not complete 2 s after") as caught:
            await read(response)
    assert isinstance(caught.value, lib.TimeoutException)
    assert str(caught.value.request.url) == URL  # type: ignore[attr-defined]
    assert probe.verdicts == ["failure"]
    assert stream.closed == 1


def test_a_deadline_between_chunks_sync(lib: ModuleType) -> None:
    clock = Clock()
    pipeline = Pipeline(Again("5xx"), Timeout(2.0), probe := Probe(), clock=clock)
    transport = MeshTransport(pipeline, answering(lib, stream := streaming(lib, [b"a", b"b"])))

    def read() -> None:
        with lib.Client(transport=transport) as client, client.stream("GET", URL) as response:
            for chunk in response.iter_raw():
                assert chunk == b"a"
                clock.now += 2

    with pytest.raises(AttemptTimedOut, match="not complete 2 s after") as caught:
        read()
    assert isinstance(caught.value, lib.TimeoutException)
    assert probe.verdicts == ["failure"]
    assert stream.closed == 1


async def test_a_deadline_within_a_chunk(lib: ModuleType) -> None:
    """The upstream begins its answer, then stalls."""
    pipeline = Pipeline(Timeout(0.02), probe := Probe())
    over = threading.Event()
    with Server([(HEAD + b"ab", over)]) as server:
        transport = AsyncMeshTransport(pipeline, async_wire(lib))
        async with lib.AsyncClient(transport=transport, timeout=None) as client:
            with anyio.fail_after(5), pytest.raises(DeadlineExceeded) as caught:
                await client.get(server.url)
        assert isinstance(caught.value, lib.TimeoutException)
        over.set()
    assert probe.verdicts == ["failure"]


def test_a_deadline_within_a_chunk_sync(lib: ModuleType) -> None:
    pipeline = Pipeline(Timeout(0.02), probe := Probe())
    over = threading.Event()
    with Server([(HEAD + b"ab", over)]) as server:
        client = lib.Client(transport=MeshTransport(pipeline, wire(lib)), timeout=None)
        with client, pytest.raises(DeadlineExceeded) as caught:
            client.get(server.url)
        assert isinstance(caught.value, lib.TimeoutException)
        over.set()
    assert probe.verdicts == ["failure"]


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_running_out_of_time_further_in_is_told_as_it_was(lib: ModuleType, asynchronous: bool) -> None:
    clock = Clock()
    request = lib.Request("GET", URL)
    inside = library_of(request).adopt(AttemptTimedOut("inside"), request)
    pipeline = Pipeline(Timeout(2.0), clock=clock)
    inner = answering(lib, streaming(lib, [b"a", inside]))
    if asynchronous:
        response = await AsyncMeshTransport(pipeline, inner).handle_async_request(request)
        with pytest.raises(AttemptTimedOut) as caught:
            await response.aread()
        await response.aclose()
    else:
        response = MeshTransport(pipeline, inner).handle_request(request)
        with pytest.raises(AttemptTimedOut) as caught:
            response.read()
    assert caught.value is inside


def test_a_deadline_has_one_error(lib: ModuleType) -> None:
    clock = Clock()
    pipeline = Pipeline(Timeout(2.0), clock=clock)
    response = MeshTransport(pipeline, answering(lib, streaming(lib, [b"a", b"b"]))).handle_request(
        lib.Request("GET", URL)
    )
    clock.now += 2
    with pytest.raises(DeadlineExceeded) as caught:
        response.read()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_the_clients_own_shorter_timeout_is_its_own(lib: ModuleType) -> None:
    pipeline = Pipeline(Timeout(60.0), probe := Probe())
    over = threading.Event()
    with Server([(HEAD + b"ab", over)], [over]) as server:
        with lib.Client(transport=MeshTransport(pipeline, wire(lib)), timeout=lib.Timeout(None, read=0.02)) as client:
            for _ in range(2):  # in the body, and before the head
                with pytest.raises(lib.ReadTimeout):
                    client.get(server.url)
        async with lib.AsyncClient(
            transport=AsyncMeshTransport(pipeline, async_wire(lib)), timeout=lib.Timeout(None, read=0.02)
        ) as client:
            with pytest.raises(lib.ReadTimeout):
                await client.get(server.url)
        over.set()
    assert probe.verdicts == ["failure"] * 3


async def test_no_deadline_before_the_head(lib: ModuleType) -> None:
    pipeline = Pipeline(Timeout(0.02), probe := Probe())
    over = threading.Event()
    with Server([over]) as server:
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, async_wire(lib))) as client:
            with anyio.fail_after(5), pytest.raises(DeadlineExceeded) as caught:
                await client.get(server.url)
        assert isinstance(caught.value, lib.TimeoutException)
        client = lib.Client(transport=MeshTransport(pipeline, wire(lib)))
        with client, pytest.raises(DeadlineExceeded) as caught:
            client.get(server.url)
        assert isinstance(caught.value, lib.TimeoutException)
        over.set()
    assert probe.verdicts == ["failure", "failure"]
