"""Is it the library's own transport on trio? The pool is for asyncio, and says so only to those who look."""

from __future__ import annotations

import pytest

from .sides import Side
from .stand_ins import CLOSE, Origin, always, refused, says


@pytest.fixture
def anyio_backend() -> str:
    return "trio"


async def test_calls_come_through(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for _ in range(3):
            response = await client.post(origin.url, content=b"body")
            assert (response.status_code, response.content, response.http_version) == (200, b"ok", "HTTP/1.1")
        async with client.stream("GET", origin.url) as response:
            assert [chunk async for chunk in response.aiter_raw()] == [b"ok"]
    assert origin.connections == 1
    assert [asked.body for asked in origin.asked] == [b"body"] * 3 + [b""]


async def test_exceptions_are_the_librarys(side: Side) -> None:
    async with Origin(says(CLOSE), always()) as origin, side.client() as client:
        with pytest.raises(side.lib.RemoteProtocolError) as raised:
            await client.get(origin.url)
        assert str(raised.value.request.url) == origin.url
        with pytest.raises(side.lib.ConnectError):
            await client.get(refused())


async def test_timeouts_and_limits(side: Side) -> None:
    limits = side.lib.Limits(max_connections=1)
    async with Origin() as origin, side.client(side.transport(limits=limits)) as client:
        async with client.stream("GET", origin.url):
            with pytest.raises(side.lib.PoolTimeout):
                await client.get(origin.url, timeout=side.lib.Timeout(None, pool=0.01))
        assert (await client.get(origin.url)).content == b"ok"


async def test_extensions(side: Side) -> None:
    told = []

    async def trace(name: str, info: dict[str, object]) -> None:
        told.append(name)

    async with Origin() as origin, side.client() as client:
        response = await client.get(origin.url, extensions={"trace": trace, "target": b"/other"})
        assert response.extensions["reason_phrase"] == b"OK"
    assert origin.asked[0].target == b"/other"
    assert told[0] == "connection.connect_tcp.started"


async def test_a_transport_closes_its_connections(side: Side) -> None:
    async with Origin() as origin:
        async with side.transport() as transport:
            response = await transport.handle_async_request(side.lib.Request("GET", origin.url))
            await response.aread()
            assert origin.open == 1
        await origin.quiet()
