"""Does a streamed answer hold its permits until its body ends, however it ends?"""

from __future__ import annotations

import gc
import threading
from types import ModuleType
from typing import Any

import anyio
import pytest

from meshkit import (
    AttemptEnded,
    AttemptTimedOut,
    ConcurrencyLimit,
    Constant,
    DeadlineExceeded,
    Overloaded,
    Pipeline,
    Timeout,
)
from meshkit import Retry as Again
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.httpx.library import library_of
from meshkit.runtime.lock import LOCK
from meshkit.runtime.settle import LEFT, collect

from .stand_ins import Clock, Inner, Probe, Server, async_wire, streaming, wire

URL = "http://a"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


def answering(lib: ModuleType, stream: Any, status: int = 200) -> Inner:
    return Inner(lambda request: lib.Response(status, stream=stream))


async def test_held_until_read(lib: ModuleType) -> None:
    pipeline = Pipeline(ConcurrencyLimit(1), probe := Probe())
    transport = AsyncMeshTransport(pipeline, answering(lib, stream := streaming(lib, [b"a", b"b"])))
    async with lib.AsyncClient(transport=transport) as client:
        async with client.stream("GET", URL) as response:
            assert not pipeline.idle()
            assert probe.verdicts == []
            assert await response.aread() == b"ab"
            assert pipeline.idle()
        assert (await client.get(URL)).content == b"ab"
    assert probe.verdicts == ["success", "success"]
    assert stream.closed == 2
    assert pipeline.idle()


def test_held_until_read_sync(lib: ModuleType) -> None:
    pipeline = Pipeline(ConcurrencyLimit(1), probe := Probe())
    transport = MeshTransport(pipeline, answering(lib, stream := streaming(lib, [b"a", b"b"])))
    with lib.Client(transport=transport) as client:
        with client.stream("GET", URL) as response:
            assert not pipeline.idle()
            with pytest.raises(Overloaded):
                client.get(URL)
            assert response.read() == b"ab"
            assert pipeline.idle()
        assert client.get(URL).content == b"ab"
    assert probe.verdicts == ["success", "success"]
    assert stream.closed == 2


async def test_an_answer_already_read_holds_nothing(lib: ModuleType) -> None:
    pipeline = Pipeline(Timeout(60.0), ConcurrencyLimit(1), probe := Probe())
    inner = Inner(lambda request: lib.Response(200, content=b"ab"))
    response = await AsyncMeshTransport(pipeline, inner).handle_async_request(lib.Request("GET", URL))
    assert pipeline.idle()
    response = MeshTransport(pipeline, inner).handle_request(lib.Request("GET", URL))
    assert pipeline.idle()
    assert response.read() == b"ab"
    assert probe.verdicts == ["success", "success"]


async def test_closed_early(lib: ModuleType) -> None:
    pipeline = Pipeline(probe := Probe())
    transport = AsyncMeshTransport(pipeline, answering(lib, stream := streaming(lib, [b"a", b"b", b"c"])))
    async with lib.AsyncClient(transport=transport) as client:
        async with client.stream("GET", URL) as response:
            assert probe.inside == 1
        assert probe.inside == 0
        await response.aclose()
    assert probe.verdicts == ["success"]
    assert stream.closed == 1


async def test_closed_in_the_midst(lib: ModuleType) -> None:
    pipeline = Pipeline(Timeout(60.0), probe := Probe())
    transport = AsyncMeshTransport(pipeline, answering(lib, stream := streaming(lib, [b"a", b"b", b"c"])))
    response = await transport.handle_async_request(lib.Request("GET", URL))
    chunks = response.stream.__aiter__()
    assert await anext(chunks) == b"a"
    await chunks.aclose()  # as a reader that goes away does; on trio a generator left open would be a warning
    assert stream.iterating == 0
    assert probe.verdicts == []
    await response.aclose()
    assert probe.verdicts == ["success"]


def test_closed_early_sync(lib: ModuleType) -> None:
    pipeline = Pipeline(probe := Probe())
    transport = MeshTransport(pipeline, answering(lib, streaming(lib, [b"a", b"b"]), status=503))
    with lib.Client(transport=transport) as client, client.stream("GET", URL) as response:
        for chunk in response.iter_raw():
            assert chunk == b"a"
            break
    response.close()
    assert probe.verdicts == ["failure"]


async def test_breaks_off(lib: ModuleType) -> None:
    pipeline = Pipeline(probe := Probe())
    broken = lib.ReadError("gone")
    transport = AsyncMeshTransport(pipeline, answering(lib, stream := streaming(lib, [b"a", broken])))
    async with lib.AsyncClient(transport=transport) as client:
        with pytest.raises(lib.ReadError) as caught:
            await client.get(URL)
        assert caught.value is broken
    assert probe.verdicts == ["failure"]
    assert stream.closed == 1


def test_breaks_off_sync(lib: ModuleType) -> None:
    pipeline = Pipeline(Timeout(60.0), probe := Probe())
    broken = lib.ReadError("gone")
    transport = MeshTransport(pipeline, answering(lib, stream := streaming(lib, [b"a", broken])))
    with lib.Client(transport=transport) as client:
        with pytest.raises(lib.ReadError) as caught:
            client.get(URL)
        assert caught.value is broken
    assert probe.verdicts == ["failure"]
    assert stream.closed == 1


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


def test_interrupted(lib: ModuleType) -> None:
    pipeline = Pipeline(probe := Probe())
    transport = MeshTransport(pipeline, answering(lib, streaming(lib, [b"a", KeyboardInterrupt()])))
    with lib.Client(transport=transport) as client, pytest.raises(KeyboardInterrupt):
        client.get(URL)
    assert probe.verdicts == ["ignored"]


async def test_a_close_that_fails_gives_back_as_well(lib: ModuleType) -> None:
    pipeline = Pipeline(probe := Probe())
    failing = lib.CloseError("no")
    transport = AsyncMeshTransport(pipeline, answering(lib, streaming(lib, [b"a"], closing=failing)))
    async with lib.AsyncClient(transport=transport) as client:
        with pytest.raises(lib.CloseError):
            await client.get(URL)
    with (
        lib.Client(
            transport=MeshTransport(pipeline, answering(lib, streaming(lib, [b"a"], closing=failing)))
        ) as client,
        pytest.raises(lib.CloseError),
    ):
        client.get(URL)
    assert probe.verdicts == ["success", "success"]


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_what_a_retry_throws_away_is_closed_and_cannot_fail(lib: ModuleType, asynchronous: bool) -> None:
    thrown = streaming(lib, [b"no"], closing=lib.CloseError("no"))
    answers = [lib.Response(503, stream=thrown), lib.Response(200)]
    pipeline = Pipeline(Again("5xx", backoff=Constant(0.001)), probe := Probe())
    inner = Inner(lambda request: answers.pop(0))
    if asynchronous:
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, inner)) as client:
            assert (await client.get(URL)).status_code == 200
    else:
        with lib.Client(transport=MeshTransport(pipeline, inner)) as sync_client:
            assert sync_client.get(URL).status_code == 200
    assert thrown.closed == 1
    assert probe.verdicts == ["failure", "success"]


async def test_cut_off_by_the_upstream(lib: ModuleType) -> None:
    """Less than ``Content-Length`` is an error, never a short answer."""
    pipeline = Pipeline(Timeout(60.0), probe := Probe())
    with Server([HEAD + b"ab"]) as server:
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, async_wire(lib))) as client:
            with pytest.raises(lib.RemoteProtocolError):
                await client.get(server.url)
        client = lib.Client(transport=MeshTransport(pipeline, wire(lib)))
        with client, pytest.raises(lib.RemoteProtocolError):
            client.get(server.url)
    assert probe.verdicts == ["failure", "failure"]


async def test_forgotten(lib: ModuleType) -> None:
    pipeline = Pipeline(ConcurrencyLimit(1), probe := Probe())
    transport = AsyncMeshTransport(pipeline, answering(lib, streaming(lib, [b"a"])))
    response = await transport.handle_async_request(lib.Request("GET", URL))
    response.stream.cycle = response
    assert not pipeline.idle()
    del response
    gc.collect()
    assert pipeline.idle()
    assert probe.verdicts == ["success"]


@pytest.mark.parametrize("transport", [MeshTransport, AsyncMeshTransport])
async def test_forgotten_while_somebody_holds_the_lock(lib: ModuleType, transport: Any) -> None:
    """The collector may strike in the midst of a walk: it must not wait for the lock this very thread holds."""
    pipeline = Pipeline(ConcurrencyLimit(2), probe := Probe())
    told: list[Any] = []
    pipeline.listen(told.append)
    mesh = transport(pipeline, answering(lib, streaming(lib, [b"a"])))

    async def send() -> Any:
        request = lib.Request("GET", URL)
        return mesh.handle_request(request) if transport is MeshTransport else await mesh.handle_async_request(request)

    response = await send()
    with LOCK:
        del response
    assert len(LEFT) == 1
    assert probe.verdicts == []
    response = await send()  # the next call does what was left
    assert probe.verdicts == ["success"]
    assert [type(event) for event in told] == [AttemptEnded]
    del response
    assert probe.verdicts == ["success", "success"]
    assert pipeline.idle()
    assert len(told) == 1  # the collector calls no listener: that, too, is left to the next call
    collect()
    assert len(told) == 2


async def test_events_come_when_the_body_ends(lib: ModuleType) -> None:
    clock = Clock()
    pipeline = Pipeline(Timeout(60.0), clock=clock)
    told: list[Any] = []
    pipeline.listen(told.append)
    transport = AsyncMeshTransport(pipeline, answering(lib, streaming(lib, [b"a"])))
    async with lib.AsyncClient(transport=transport) as client, client.stream("GET", URL) as response:
        clock.now += 3
        assert told == []
        await response.aread()
        assert [(event.verdict.value, event.latency, event.duration) for event in told] == [("success", 0.0, 3.0)]


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


async def test_once_only(lib: ModuleType) -> None:
    pipeline = Pipeline(probe := Probe())
    transport = AsyncMeshTransport(pipeline, answering(lib, streaming(lib, [b"a"])))
    response = await transport.handle_async_request(lib.Request("GET", URL))
    stream = response.stream
    assert [chunk async for chunk in stream] == [b"a"]
    assert probe.verdicts == []
    await stream.aclose()
    await stream.aclose()
    assert [chunk async for chunk in stream] == [b"a"]
    del response, stream
    gc.collect()
    assert probe.verdicts == ["success"]


async def test_nothing_held_nothing_wrapped(lib: ModuleType) -> None:
    stream = streaming(lib, [b"a"])
    response = await AsyncMeshTransport(Pipeline(), answering(lib, stream)).handle_async_request(
        lib.Request("GET", URL)
    )
    assert response.stream is stream
