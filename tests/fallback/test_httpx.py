"""Fallback behind the doors for httpx."""

from __future__ import annotations

import importlib

import anyio
import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    Fallback,
    Pipeline,
    RateLimit,
    Timeout,
)
from meshkit.httpx import AsyncMeshTransport, MeshTransport

from ..httpx.stand_ins import Inner, Probe, streaming

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
pause = anyio.sleep
ONCE = RateLimit("1/s", burst=1)


@pytest.fixture(params=["httpx", "httpx2"])
def lib(request):
    return importlib.import_module(request.param)


# Through the doors for httpx.

URL = "http://a/path"


async def test_the_answer_before_is_closed_before_the_next_is_asked_for(lib):
    stream = streaming(lib, [b"broken"])
    inside, outside = Probe(), Probe()

    async def instead(request):
        assert stream.closed == 1
        assert inside.verdicts == ["failure"]
        return lib.Response(200, text="stale", request=request)

    pipe = Pipeline(outside, Fallback(instead), inside)
    transport = AsyncMeshTransport(pipe, Inner(lambda request: lib.Response(500, stream=stream)))
    async with lib.AsyncClient(transport=transport) as client:
        response = await client.get(URL)
    assert (response.status_code, response.text) == (200, "stale")
    assert outside.verdicts == ["success"]
    assert pipe.idle()


def test_the_same_for_threads(lib):
    stream = streaming(lib, [b"broken"])
    pipe = Pipeline(Fallback(lambda request: lib.Response(200, text=f"{request.url} {stream.closed}")), Timeout(9.0))
    transport = MeshTransport(pipe, Inner(lambda request: lib.Response(500, stream=stream)))
    with lib.Client(transport=transport) as client:
        assert client.get(URL).text == f"{URL} 1"


def test_a_function_is_given_the_request_as_the_caller_wrote_it(lib):
    seen = []

    def instead(request):
        seen.append(str(request.url))
        return lib.Response(200, text="stale")

    for pipe in (Pipeline(Fallback(instead), Cluster("c", ["10.0.0.1:80"])),):
        with lib.Client(transport=MeshTransport(pipe, Inner(lambda request: lib.Response(500)))) as client:
            assert client.get(URL).text == "stale"
    assert seen == [URL]


@pytest.mark.parametrize(("status", "on", "answer"), [(503, "5xx", 200), (404, "5xx", 404), (500, 503, 500)])
def test_statuses(lib, status, on, answer):
    pipe = Pipeline(Fallback(lambda request: lib.Response(200), on=on))
    with lib.Client(transport=MeshTransport(pipe, Inner(lambda request: lib.Response(status)))) as client:
        assert client.get(URL).status_code == answer


async def test_another_cluster_is_asked_with_the_same_request(lib):
    def answer(request):
        if request.url.host == "10.0.0.1":
            raise lib.ConnectError("nobody there")
        return lib.Response(200, text=f"{request.url} {request.headers['host']}")

    pipe = Pipeline(Fallback(Cluster("b", ["10.0.0.2:80"])), Cluster("a", ["10.0.0.1:80"]))
    transport = AsyncMeshTransport(pipe, inner := Inner(answer))
    async with lib.AsyncClient(transport=transport) as client:
        assert (await client.get(URL)).text == "http://10.0.0.2/path a"
    with lib.Client(transport=MeshTransport(pipe, inner)) as client:
        assert client.get(URL).text == "http://10.0.0.2/path a"
    assert [request.url.host for request in inner.requests] == ["10.0.0.1", "10.0.0.2"] * 2


async def test_a_refusal_is_stood_in_for_and_none_is_sent(lib):
    pipe = Pipeline(Fallback(lambda request: lib.Response(200, text="stale")), CircuitBreaker(name="b"))
    pipe.control("b").isolate()
    async with lib.AsyncClient(
        transport=AsyncMeshTransport(pipe, inner := Inner(lambda r: lib.Response(200)))
    ) as client:
        assert (await client.get(URL)).text == "stale"
    assert inner.requests == []
