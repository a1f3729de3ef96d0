"""When is a response read, when is it closed, and what does closing early cost?

Behaviours of httpx's page on async support (streaming responses, ``send(..., stream=True)``) and of its published
tests: ``ResponseNotRead``, ``StreamConsumed``, ``StreamClosed``, ``elapsed`` only once closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import anyio
import pytest

from .sides import Side
from .stand_ins import OK, Origin, Peer, says

LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + bytes(4_000_000)


async def endless(origin: Origin, peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await peer.send(b"400\r\n" + bytes(1024) + b"\r\n")


async def test_a_plain_call_returns_a_closed_response(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        response = await client.get(origin.url)
        assert response.is_closed
        assert response.is_stream_consumed
        assert isinstance(response.elapsed, timedelta)
        assert response.elapsed > timedelta(0)


async def test_a_streamed_response_is_open_until_the_block_ends(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        async with client.stream("GET", origin.url) as response:
            assert not response.is_closed
            assert not response.is_stream_consumed
            with pytest.raises(RuntimeError):
                response.elapsed  # noqa: B018
            with pytest.raises(side.lib.ResponseNotRead):
                response.content  # noqa: B018
        assert response.is_closed
        assert response.elapsed > timedelta(0)
        with pytest.raises(side.lib.ResponseNotRead):
            response.text  # noqa: B018
        with pytest.raises(side.lib.StreamClosed):
            await response.aread()


async def test_aread_in_the_block(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        async with client.stream("GET", origin.url) as response:
            assert await response.aread() == b"ok"
            assert response.is_closed
            assert await response.aread() == b"ok"
        assert response.content == b"ok"


async def test_a_stream_can_be_read_once(side: Side) -> None:
    async with Origin() as origin, side.client() as client, client.stream("GET", origin.url) as response:
        assert [chunk async for chunk in response.aiter_bytes()] == [b"ok"]
        assert response.is_stream_consumed
        with pytest.raises(side.lib.StreamConsumed):
            await response.aread()
        with pytest.raises(side.lib.StreamConsumed):
            [chunk async for chunk in response.aiter_raw()]


async def test_sent_by_hand_and_closed_by_hand(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        response = await client.send(client.build_request("GET", origin.url), stream=True)
        assert not response.is_closed
        assert await response.aread() == b"ok"
        await response.aclose()
        await response.aclose()
        assert response.is_closed
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 1


async def test_reading_to_the_end_closes(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        response = await client.send(client.build_request("GET", origin.url), stream=True)
        assert [chunk async for chunk in response.aiter_raw()] == [b"ok"]
        assert response.is_closed
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 1


async def test_what_the_generator_of_a_request_echoes(side: Side) -> None:
    """What goes up may depend on nothing that comes down: a body is sent before the answer is read."""

    async def body() -> AsyncIterator[bytes]:
        for number in range(50):
            yield b"%d," % number

    async def echoes(origin: Origin, peer: Peer) -> None:
        asked = await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(asked.body) + asked.body)

    async with Origin(echoes) as origin, side.client() as client:
        response = await client.post(origin.url, content=body())
    assert response.content == b"".join(b"%d," % number for number in range(50))


# Closed early: the connection is not used again, and the server sees it go.


@pytest.mark.parametrize("read", [0, 1, 3])
async def test_closed_early(side: Side, read: int) -> None:
    async with Origin(endless, says(OK)) as origin, side.client() as client:
        async with client.stream("GET", origin.url) as response:
            chunks = response.aiter_raw()
            for _ in range(read):
                assert await anext(chunks)
            await chunks.aclose()
        assert response.is_closed
        await origin.quiet()
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 2


async def test_left_by_an_exception(side: Side) -> None:
    async with Origin(endless, says(OK)) as origin, side.client() as client:

        async def leaves() -> None:
            async with client.stream("GET", origin.url) as response:
                async for _ in response.aiter_bytes():
                    raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await leaves()
        await origin.quiet()
        assert (await client.get(origin.url)).content == b"ok"


async def test_a_response_that_is_never_read_does_not_fill_memory(side: Side) -> None:
    """Whoever does not read holds the server up, by the windows of TCP and a buffer that is bounded."""
    sent = 0

    async def pours(origin: Origin, peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
            sent += 1

    async def answers(origin: Origin, peer: Peer) -> None:
        for _ in range(50):
            await peer.request()
            await peer.send(OK)

    async with Origin(pours, answers) as origin, side.client() as client:
        async with client.stream("GET", origin.url):
            for _ in range(50):
                await client.get(origin.url)
            assert sent < 32
        await origin.until(lambda: origin.open == 1)


@pytest.mark.parametrize("size", [200_000, 300_000, 600_000, 3_000_000])
async def test_a_body_left_lying_and_read_later(side: Side, size: int) -> None:
    """Whatever held the server up meanwhile is over with the answer: the next one comes as any other."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
    async with Origin(says(answer, OK)) as origin, side.client(timeout=side.lib.Timeout(None, read=2)) as client:
        async with client.stream("GET", origin.url) as response:
            await anyio.wait_all_tasks_blocked()
            assert len(await response.aread()) == size
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 1


async def test_an_unread_large_body_is_not_read_on_closing(side: Side) -> None:
    async with Origin(says(LARGE), says(OK)) as origin, side.client() as client:
        async with client.stream("GET", origin.url) as response:
            assert response.headers["content-length"] == "4000000"
        await origin.quiet()
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 2


async def test_an_unread_body_that_is_there_already(side: Side) -> None:
    """The library closes the connection of whatever was not read; who knows that the end has come may keep it."""
    async with Origin() as origin, side.client() as client:
        for _ in range(3):
            async with client.stream("GET", origin.url) as response:
                assert response.status_code == 200
    assert origin.connections in side.of({3}, {1, 3})


async def test_an_empty_body_needs_no_reading(side: Side) -> None:
    async with Origin(says(*[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"] * 3)) as origin, side.client() as client:
        for _ in range(3):
            async with client.stream("GET", origin.url):
                pass
    assert origin.connections in side.of({3}, {1, 3})


async def test_a_client_closed_under_an_open_response(side: Side) -> None:
    async with Origin(endless) as origin:
        client = side.client()
        response = await client.send(client.build_request("GET", origin.url), stream=True)
        chunks = response.aiter_raw()
        assert await anext(chunks)
        await client.aclose()
        with pytest.raises(side.lib.ReadError):
            [chunk async for chunk in chunks]
        await response.aclose()
        await origin.quiet()


async def test_the_transport_itself_gives_an_open_response(side: Side) -> None:
    async with Origin() as origin, side.transport() as transport:
        response: Any = await transport.handle_async_request(side.lib.Request("GET", origin.url))
        assert type(response) is side.lib.Response
        assert isinstance(response.stream, side.lib.AsyncByteStream)
        assert not response.is_closed
        assert await response.aread() == b"ok"
