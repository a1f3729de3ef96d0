"""Does a client keep its ways with such a transport? Redirects, authentication, cookies, hooks, streams, mounts."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import httpx
import pytest

from meshkit import Cluster, ConcurrencyLimit, ConfigError, Constant, Pipeline, RateLimit, Retry, Shadow, Timeout
from meshkit.httpx import AsyncMeshTransport, MeshTransport, PoolTransport

from .stand_ins import Clock, Inner, Probe, Server, async_wire, wire


def site(lib: ModuleType) -> Inner:
    """A small site in memory."""

    def answer(request: Any) -> Any:
        path = request.url.path
        if path == "/old":
            return lib.Response(302, headers={"Location": "/new", "Set-Cookie": "seen=1"})
        if path == "/private" and "authorization" not in request.headers:
            challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
            return lib.Response(401, headers={"WWW-Authenticate": challenge})
        return lib.Response(200, json={"path": path, "cookie": request.headers.get("cookie")})

    return Inner(answer)


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_the_ways_of_a_client(lib: ModuleType, asynchronous: bool) -> None:
    pipeline = Pipeline(Timeout(60.0), Retry("5xx"), ConcurrencyLimit(1), probe := Probe())
    inner = site(lib)
    hooked: list[str] = []

    if asynchronous:

        async def asee(thing: Any) -> None:
            hooked.append(type(thing).__name__)

        async with lib.AsyncClient(
            transport=AsyncMeshTransport(pipeline, inner),
            event_hooks={"request": [asee], "response": [asee]},
            follow_redirects=True,
        ) as client:
            redirected = await client.get("http://a/old")
            digested = await client.get("http://a/private", auth=lib.DigestAuth("u", "p"))
    else:

        def see(thing: Any) -> None:
            hooked.append(type(thing).__name__)

        with lib.Client(
            transport=MeshTransport(pipeline, inner),
            event_hooks={"request": [see], "response": [see]},
            follow_redirects=True,
        ) as client:
            redirected = client.get("http://a/old")
            digested = client.get("http://a/private", auth=lib.DigestAuth("u", "p"))
    assert redirected.json() == {"path": "/new", "cookie": "seen=1"}
    assert [response.status_code for response in redirected.history] == [302]
    assert str(redirected.url) == "http://a/new"
    assert digested.status_code == 200
    assert inner.requests[-1].headers["authorization"].startswith("Digest ")
    assert probe.verdicts == ["success"] * 4  # each step is a call
    assert hooked == ["Request", "Response"] * 4
    assert inner.closed == 1


async def test_mounted(lib: ModuleType) -> None:
    pipeline = Pipeline(probe := Probe())
    mounts = {"all://a.example": AsyncMeshTransport(pipeline, site(lib))}
    async with lib.AsyncClient(transport=lib.MockTransport(lambda request: lib.Response(204)), mounts=mounts) as client:
        assert (await client.get("http://a.example")).status_code == 200
        assert (await client.get("http://b.example")).status_code == 204
    sync_mounts = {"all://a.example": MeshTransport(pipeline, site(lib))}
    with lib.Client(transport=lib.MockTransport(lambda request: lib.Response(204)), mounts=sync_mounts) as client:
        assert client.get("http://a.example").status_code == 200
        assert client.get("http://b.example").status_code == 204
    assert probe.verdicts == ["success", "success"]


async def test_over_a_real_connection(lib: ModuleType) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    pipeline = Pipeline(Timeout(60.0), Retry("5xx", backoff=Constant(0.001)), ConcurrencyLimit(1), probe := Probe())
    with Server([busy], [chunked, chunked]) as server:
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, async_wire(lib))) as client:
            async with client.stream("GET", server.url) as response:
                assert not pipeline.idle()
                assert [chunk async for chunk in response.aiter_raw()] == [b"ab", b"c"]
            response = await client.get(server.url)
            assert response.text == "abc"
            assert response.elapsed.total_seconds() > 0
        assert server.connections == 2
    with Server([busy], [chunked, chunked]) as server:
        with lib.Client(transport=MeshTransport(pipeline, wire(lib))) as sync_client:
            with sync_client.stream("GET", server.url) as response:
                assert not pipeline.idle()
                assert list(response.iter_raw()) == [b"ab", b"c"]
            assert sync_client.get(server.url).text == "abc"
        assert server.connections == 2
    assert probe.verdicts == ["overloaded", "success", "success"] * 2
    assert pipeline.idle()


def test_what_remains_of_the_deadline_is_passed_on(lib: ModuleType) -> None:
    clock = Clock()
    pipeline = Pipeline(Timeout(4.0), Retry(503, backoff=Constant(1.0, jitter=0.0)), Timeout(2.5), clock=clock)
    inner = Inner(lambda request: lib.Response(503))
    with lib.Client(transport=MeshTransport(pipeline, inner), timeout=lib.Timeout(None, write=2.0)) as client:
        assert client.get("http://a").status_code == 503
    timeouts = [request.extensions["timeout"] for request in inner.requests]
    assert [each["read"] for each in timeouts] == [2.5, 2.5, 2.0]
    assert [each["write"] for each in timeouts] == [2.0, 2.0, 2.0]


async def test_closing_and_showing(lib: ModuleType) -> None:
    inner = Inner(lambda request: lib.Response(200))
    transport = AsyncMeshTransport(Pipeline(Timeout(2.0)), inner)
    async with transport as entered:
        assert entered is transport
    assert inner.closed == 1
    await transport.aclose()
    assert inner.closed == 2
    assert repr(transport) == f"AsyncMeshTransport({transport.pipeline!r}, {inner!r})"
    sync_transport = MeshTransport(Pipeline(), inner)
    with sync_transport as sync_entered:
        assert sync_entered is sync_transport
    sync_transport.close()
    assert inner.closed == 4
    assert repr(sync_transport) == f"MeshTransport(Pipeline(), {inner!r})"


def test_the_default_inner_is_the_librarys_own() -> None:
    with MeshTransport(Pipeline()) as transport:
        assert type(transport.inner).__name__ == "HTTPTransport"


async def test_the_default_async_inner_is_the_pool() -> None:
    async with AsyncMeshTransport(Pipeline()) as transport:
        assert isinstance(transport.inner, PoolTransport)


async def test_a_middleware_may_answer_instead(lib: ModuleType) -> None:
    """A fallback: the failed answer is learnt from, the caller gets another one."""

    async def fallback(call: Any, call_next: Any) -> Any:
        response = await call_next()
        if response.status_code != 503:
            return response
        await response.aclose()
        return lib.Response(200, text=call.request.url.path)

    pipeline = Pipeline(Timeout(60.0), fallback, probe := Probe())
    async with lib.AsyncClient(
        transport=AsyncMeshTransport(pipeline, Inner(lambda request: lib.Response(503)))
    ) as client:
        assert (await client.get("http://a/x")).text == "/x"
    assert probe.verdicts == ["failure"]
    assert pipeline.idle()


def test_threads_share_one_transport(lib: ModuleType) -> None:
    pipeline = Pipeline(Timeout(60.0), ConcurrencyLimit(2, queue=100), probe := Probe())
    inside = most = 0
    lock = threading.Lock()

    def answer(request: Any) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        with lock:
            inside -= 1
        return lib.Response(200, content=b"x")

    with lib.Client(transport=MeshTransport(pipeline, Inner(answer))) as client:
        threads = [
            threading.Thread(target=lambda: [client.get("http://a") for _ in range(20)], daemon=True) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert most <= 2
    assert probe.verdicts == ["success"] * 160
    assert pipeline.idle()


async def test_the_transport_of_the_other_colour(lib: ModuleType) -> None:
    for_threads, for_tasks = MeshTransport(Pipeline(), site(lib)), AsyncMeshTransport(Pipeline(), site(lib))
    wrong = lib.Client(transport=for_tasks)
    for use in (lambda: wrong.get("http://a/"), wrong.close, lib.Client(transport=for_tasks).__enter__):
        with pytest.raises(TypeError, match=r"^AsyncMeshTransport is for AsyncClient: give a Client a MeshTransport$"):
            use()
    wrong = lib.AsyncClient(transport=for_threads)
    for use in (lambda: wrong.get("http://a/"), wrong.aclose, lib.AsyncClient(transport=for_threads).__aenter__):
        with pytest.raises(
            TypeError, match=r"^MeshTransport is for Client: give an AsyncClient an AsyncMeshTransport$"
        ):
            await use()
    with pytest.raises(ConfigError, match="MeshTransport: inner="):
        MeshTransport(Pipeline(), for_tasks)
    with pytest.raises(ConfigError, match="AsyncMeshTransport: inner="):
        AsyncMeshTransport(Pipeline(), for_threads)
    both = site(lib)  # has either method, and serves either
    assert MeshTransport(Pipeline(), MeshTransport(Pipeline(), both)).inner.inner is both


@pytest.mark.parametrize("transport", [MeshTransport, AsyncMeshTransport])
def test_a_name_that_no_request_has_is_an_error_before_any_request(lib: ModuleType, transport: Any) -> None:
    for name in ("user", "header:", "headers:x", "url.host"):
        said = f"RateLimit: cost={name!r}: name one of scheme, host, origin, method, path, uri, header:<name>,"
        with pytest.raises(ConfigError, match=said):
            transport(Pipeline(Shadow(RateLimit("1/s", cost=name))), site(lib))
    for name in ("scheme", "host", "origin", "method", "path", "header:x-user", "extension:user"):
        transport(Pipeline(RateLimit("1/s", key=name)), site(lib))


async def test_a_subclass_of_the_pool_is_asked_as_any_transport() -> None:
    """Its method takes a request and nothing more."""
    asked: list[Any] = []

    class Counted(PoolTransport):
        async def handle_async_request(self, request: Any) -> Any:  # type: ignore[override]
            asked.append(str(request.url))
            return httpx.Response(204)

    pipeline = Pipeline(Timeout(60.0), Cluster("shop", ["http://10.0.0.7:8080"]))
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, Counted())) as client:
        assert (await client.get("http://shop/a")).status_code == 204
    assert asked == ["http://10.0.0.7:8080/a"]


async def test_secrets_of_a_url_are_in_no_message(lib: ModuleType) -> None:
    async with lib.AsyncClient(transport=PoolTransport()) as client:
        with pytest.raises(lib.UnsupportedProtocol) as raised:
            await client.get("ftp://user:hunter2@host/?token=abc")
    assert "hunter2" not in str(raised.value)
    assert "abc" not in str(raised.value)
