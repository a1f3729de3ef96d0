"""Does a streamed answer hold its permits until its body ends, however it ends?"""

from __future__ import annotations

import gc
from types import ModuleType
from typing import Any

import pytest

from meshkit import (
    AttemptEnded,
    ConcurrencyLimit,
    Constant,
    Overloaded,
    Pipeline,
    Timeout,
)
from meshkit import Retry as Again
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.runtime.lock import LOCK
from meshkit.runtime.settle import LEFT

from ..scripted import told_to
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
    pipeline.listen(told_to(told), direct=True)
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
    assert len(told) == 1  # the collector calls no listener: that, too, is left to who comes next
    assert pipeline.idle()
    assert len(told) == 2


async def test_events_come_when_the_body_ends(lib: ModuleType) -> None:
    clock = Clock()
    pipeline = Pipeline(Timeout(60.0), clock=clock)
    told: list[Any] = []
    pipeline.listen(told_to(told), direct=True)
    transport = AsyncMeshTransport(pipeline, answering(lib, streaming(lib, [b"a"])))
    async with lib.AsyncClient(transport=transport) as client, client.stream("GET", URL) as response:
        clock.now += 3
        assert told == []
        await response.aread()
        assert [(event.verdict.value, event.latency, event.duration) for event in told] == [("success", 0.0, 3.0)]


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
