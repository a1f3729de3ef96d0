"""Is a kept-alive connection that the server has closed told from other broken ones?"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from meshkit import Constant, Failure, Pipeline, Retry
from meshkit.httpx import AsyncMeshTransport, MeshTransport

from .stand_ins import CLOSE, OK, RESET, Server, async_wire, refused, wire

NOTHING = Constant(0.001)


def never(failure: Failure) -> bool:
    return False


async def two_requests(
    lib: ModuleType, server: Server, retry: Retry, method: str, asynchronous: bool, **more: Any
) -> Any:
    """The answer to the second one, which uses the connection of the first."""
    pipeline = Pipeline(retry)
    if asynchronous:
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, async_wire(lib))) as client:
            await client.get(server.url)
            return await client.request(method, server.url, **more)
    with lib.Client(transport=MeshTransport(pipeline, wire(lib))) as client:
        client.get(server.url)
        return client.request(method, server.url, **more)


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize("end", [CLOSE, RESET])
async def test_a_stale_connection_is_asked_again_at_once(lib: ModuleType, end: str, asynchronous: bool) -> None:
    with Server([OK, end], [OK]) as server:
        response = await two_requests(lib, server, Retry(never, backoff=Constant(3600.0)), "GET", asynchronous)
        assert (response.status_code, response.content) == (200, b"ok")
        assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize("end", [CLOSE, RESET])
async def test_not_what_is_not_idempotent(lib: ModuleType, end: str, asynchronous: bool) -> None:
    broken = lib.RemoteProtocolError if end == CLOSE else lib.ReadError
    with Server([OK, end], [OK]) as server:
        with pytest.raises(broken):
            await two_requests(lib, server, Retry("reset", backoff=NOTHING), "POST", asynchronous)
        assert len(server.requests) == 2


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_unless_declared_safe(lib: ModuleType, asynchronous: bool) -> None:
    with Server([OK, CLOSE], [OK]) as server:
        retry = Retry(never, stale_non_idempotent=True, backoff=NOTHING)
        response = await two_requests(lib, server, retry, "POST", asynchronous, content=b"x")
        assert response.status_code == 200
        assert server.requests[-1].startswith(b"POST")
    with Server([OK, CLOSE], [OK]) as server:
        response = await two_requests(
            lib, server, Retry(never, backoff=NOTHING), "POST", asynchronous, headers={"Idempotency-Key": "1"}
        )
        assert response.status_code == 200


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize(
    "answer",
    [
        (b"HTTP/1.1 2", CLOSE),  # half a status line
        (b"HTTP/1.1 200 OK\r\nContent-", CLOSE),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", CLOSE),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", RESET),
        (b"nonsense\r\n\r\n", CLOSE),
    ],
    ids=["status", "head", "early", "early-reset", "nonsense"],
)
async def test_a_connection_that_has_answered_is_not_stale(lib: ModuleType, answer: Any, asynchronous: bool) -> None:
    with Server([OK, answer], [OK]) as server:
        with pytest.raises((lib.RemoteProtocolError, lib.ReadError)):
            await two_requests(lib, server, Retry(never, backoff=NOTHING), "GET", asynchronous)
        assert len(server.requests) == 2


@pytest.mark.parametrize("end", [CLOSE, RESET])
async def test_a_new_connection_is_not_stale(lib: ModuleType, end: str) -> None:
    with Server([end], [OK]) as server:
        async with lib.AsyncClient(
            transport=AsyncMeshTransport(Pipeline(Retry(never, backoff=NOTHING)), async_wire(lib))
        ) as client:
            with pytest.raises((lib.RemoteProtocolError, lib.ReadError)):
                await client.get(server.url)
        assert server.connections == 1


async def test_nothing_was_sent_where_nobody_listens(lib: ModuleType) -> None:
    """So that even a POST is asked again."""
    seen: list[Failure] = []

    def look(failure: Failure) -> bool:
        seen.append(failure)
        return False

    url = refused()
    pipeline = Pipeline(Retry([look, "connect-failure"], attempts=2, backoff=NOTHING))
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, async_wire(lib))) as client:
        with pytest.raises(lib.ConnectError) as caught:
            await client.post(url, content=b"x")
    assert caught.value.__notes__[0].startswith("2 attempts in ")
    with lib.Client(transport=MeshTransport(pipeline, wire(lib))) as client, pytest.raises(lib.ConnectError):
        client.post(url, content=b"x")
    assert seen == []


async def test_retries_keep_the_connection_pool_sound(lib: ModuleType) -> None:
    """What a retry leaves behind is closed: one connection would not be enough otherwise."""
    refusal = b"HTTP/1.1 503 Later\r\nContent-Length: 2\r\n\r\nno"
    with Server([refusal], [refusal], [OK]) as server:
        inner = async_wire(lib, limits=lib.Limits(max_connections=1))
        async with lib.AsyncClient(
            transport=AsyncMeshTransport(Pipeline(Retry(503, backoff=NOTHING)), inner), timeout=5
        ) as client:
            assert (await client.get(server.url)).status_code == 200
    with (
        Server([refusal], [refusal], [OK]) as server,
        lib.Client(
            transport=MeshTransport(
                Pipeline(Retry(503, backoff=NOTHING)), wire(lib, limits=lib.Limits(max_connections=1))
            ),
            timeout=5,
        ) as client,
    ):
        assert client.get(server.url).status_code == 200
