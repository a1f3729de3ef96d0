"""Which wait is ended by which timeout, and with which exception?

Behaviours of httpx's page on timeouts: connect, read, write and pool, each with a type of its own, ``None`` for no
limit, and an override for each request. The library's own are `TimeoutException` and know their request.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from .sides import Side, named
from .stand_ins import OK, Halted, Origin, Peer, always

SOON = 0.03
"""Seconds. Nothing waits for it but the timeout under test."""
LATER = 0.2
"""The same where something must have been done before, on a machine that others use too."""


async def silent(origin: Origin, peer: Peer) -> None:
    origin.asked.append(await peer.head())
    await peer.gone()


async def deaf(origin: Origin, peer: Peer) -> None:
    """Reads nothing at all."""
    await origin.until(lambda: False)


def begun(*parts: bytes) -> Any:
    """Sends this much of an answer, then nothing."""

    async def play(origin: Origin, peer: Peer) -> None:
        await peer.request()
        for part in parts:
            await peer.send(part)
        await peer.gone()

    return play


async def test_read_timeout_before_the_head(side: Side) -> None:
    async with Origin(silent, always()) as origin, side.client(timeout=side.lib.Timeout(None, read=SOON)) as client:
        with pytest.raises(side.lib.ReadTimeout) as raised:
            await client.get(origin.url)
        assert str(raised.value.request.url) == origin.url
        await origin.quiet()
        assert (await client.get(origin.url, timeout=5)).content == b"ok"


@pytest.mark.parametrize(
    "parts",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le",),
        (OK[:-1],),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHe",),
    ],
)
async def test_read_timeout_in_the_middle(side: Side, parts: tuple[bytes, ...]) -> None:
    async with (
        Origin(begun(*parts), always()) as origin,
        side.client(timeout=side.lib.Timeout(None, read=SOON)) as client,
    ):
        with pytest.raises(side.lib.ReadTimeout) as raised:
            await client.get(origin.url)
        assert raised.value.request.method == "GET"
        await origin.quiet()
        assert (await client.get(origin.url, timeout=5)).content == b"ok"


async def test_read_timeout_in_a_streamed_body(side: Side) -> None:
    play = begun(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"some")
    async with Origin(play) as origin, side.client(timeout=side.lib.Timeout(None, read=LATER)) as client:
        async with client.stream("GET", origin.url) as response:
            chunks = response.aiter_raw()
            assert await anext(chunks) == b"some"
            with pytest.raises(side.lib.ReadTimeout) as raised:
                await anext(chunks)
            assert raised.value.request is response.request
        assert response.is_closed
        await origin.quiet()


async def test_an_interim_answer_is_progress(side: Side) -> None:
    """But no answer: what follows it is waited for again."""
    play = begun(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    async with Origin(play) as origin, side.client(timeout=side.lib.Timeout(None, read=SOON)) as client:
        with pytest.raises(side.lib.ReadTimeout):
            await client.get(origin.url)


async def test_read_timeout_counts_each_read_and_not_their_sum(side: Side) -> None:
    """Each piece comes after a tenth of what is allowed, by a timer; all of them take longer than that."""
    pace = LATER / 10

    async def slowly(origin: Origin, peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n")
        for _ in range(15):
            await anyio.sleep(pace)
            await peer.send(b"x")

    async with Origin(slowly) as origin, side.client(timeout=side.lib.Timeout(None, read=LATER)) as client:
        assert (await client.get(origin.url)).content == b"x" * 15


async def test_no_read_timeout_while_nobody_reads(side: Side) -> None:
    """It is the reader who waits: a body left alone for longer than the timeout is still good."""
    async with (
        Origin() as origin,
        side.client(timeout=side.lib.Timeout(None, read=LATER)) as client,
        client.stream("GET", origin.url) as response,
    ):
        await anyio.sleep(LATER * 1.2)
        assert await response.aread() == b"ok"


async def test_write_timeout(side: Side) -> None:
    async with Origin(deaf) as origin, side.client(timeout=side.lib.Timeout(None, write=SOON)) as client:
        with pytest.raises(side.lib.WriteTimeout) as raised:
            await client.post(origin.url, content=bytes(50_000_000))
        assert raised.value.request.method == "POST"


async def test_write_timeout_of_a_generator(side: Side) -> None:
    async def endless() -> Any:
        while True:
            yield bytes(1 << 18)

    async with Origin(deaf) as origin, side.client(timeout=side.lib.Timeout(None, write=SOON)) as client:
        with pytest.raises(side.lib.WriteTimeout):
            await client.post(origin.url, content=endless())


async def test_the_generators_own_time_is_not_counted(side: Side) -> None:
    async def thoughtful() -> Any:
        yield b"a"
        await anyio.sleep(LATER * 1.2)
        yield b"b"

    async with Origin() as origin, side.client(timeout=side.lib.Timeout(5, write=LATER)) as client:
        assert (await client.post(origin.url, content=thoughtful())).content == b"ok"
    assert origin.asked[0].body == b"ab"


async def test_connect_timeout_while_a_name_is_looked_up(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unanswered(name: str, port: int) -> list[str]:
        await anyio.Event().wait()
        return []

    named(unanswered, monkeypatch)
    async with side.client(timeout=side.lib.Timeout(None, connect=SOON)) as client:
        with pytest.raises(side.lib.ConnectTimeout) as raised:
            await client.get("http://a.test/")
    assert str(raised.value.request.url) == "http://a.test/"


async def test_connect_timeout_of_a_full_backlog(side: Side) -> None:
    """A listener that accepts nobody, with its queue full, lets further clients wait."""
    import socket

    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        async with side.client(timeout=side.lib.Timeout(None, connect=SOON)) as client:
            with pytest.raises(side.lib.ConnectTimeout):
                await client.get(f"http://127.0.0.1:{listener.getsockname()[1]}")


async def test_connect_timeout_in_a_handshake(side: Side) -> None:
    async with Origin(deaf) as origin, side.client(timeout=side.lib.Timeout(None, connect=SOON)) as client:
        with pytest.raises(side.lib.ConnectTimeout):
            await client.get(origin.url.replace("http:", "https:"))


async def test_pool_timeout(side: Side) -> None:
    limits = side.lib.Limits(max_connections=1)
    halted = Halted()
    async with Origin(halted) as origin, side.client(side.transport(limits=limits)) as client:
        async with client.stream("GET", origin.url) as response:
            with pytest.raises(side.lib.PoolTimeout) as raised:
                await client.get(origin.url + "/late", timeout=side.lib.Timeout(None, pool=SOON))
            assert raised.value.request.url.path == "/late"
            halted.on.set()
            assert await response.aread() == b"ok"
        assert (await client.get(origin.url, timeout=side.lib.Timeout(None, pool=SOON))).content == b"ok"
    assert (len(origin.asked), origin.connections) == (2, 1)


async def test_a_pool_timeout_of_nothing_is_for_those_who_must_wait(side: Side) -> None:
    limits = side.lib.Limits(max_connections=1)
    timeout = side.lib.Timeout(None, pool=0)
    halted = Halted()
    async with Origin(halted) as origin, side.client(side.transport(limits=limits), timeout=timeout) as client:
        async with client.stream("GET", origin.url) as response:
            with pytest.raises(side.lib.PoolTimeout):
                await client.get(origin.url)
            halted.on.set()
            assert await response.aread() == b"ok"
        await client.get(origin.url)
        await client.get(origin.url)
    assert origin.connections == 1


async def test_each_call_has_its_own(side: Side) -> None:
    async with Origin(silent) as origin, side.client(timeout=side.lib.Timeout(None, read=SOON)) as client:
        with pytest.raises(side.lib.ReadTimeout):
            await client.get(origin.url)
        with anyio.move_on_after(SOON * 3) as scope:
            await client.get(origin.url, timeout=None)
        assert scope.cancelled_caught
        with anyio.move_on_after(SOON * 3) as scope:
            await client.get(origin.url, timeout=side.lib.Timeout(5, read=None))
        assert scope.cancelled_caught
        with pytest.raises(side.lib.ReadTimeout):
            await client.get(origin.url)


async def test_the_extension_timeout(side: Side) -> None:
    async with Origin(silent) as origin, side.client() as client:
        with pytest.raises(side.lib.ReadTimeout):
            await client.get(origin.url, extensions={"timeout": {"read": SOON}})
        request = side.lib.Request("GET", origin.url, extensions={"timeout": {"read": SOON, "connect": None}})
        with pytest.raises(side.lib.ReadTimeout):
            await client._transport.handle_async_request(request)


async def test_a_request_without_the_extension_has_no_timeout(side: Side) -> None:
    async with Origin() as origin, side.transport() as transport:
        response = await transport.handle_async_request(side.lib.Request("GET", origin.url))
        assert await response.aread() == b"ok"


@pytest.mark.parametrize("tiny", [1e-6, 1e-9])
async def test_timeouts_too_small_for_anything(side: Side, tiny: float) -> None:
    async with Origin(silent, always()) as origin, side.client() as client:
        with pytest.raises(side.lib.TimeoutException):
            await client.get(origin.url, timeout=tiny)
        with pytest.raises(side.lib.ReadTimeout):
            await client.get(origin.url, timeout=side.lib.Timeout(None, read=tiny))


async def test_every_timeout_is_a_timeout(side: Side) -> None:
    for name in ["ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout"]:
        assert issubclass(getattr(side.lib, name), side.lib.TimeoutException)


async def test_after_many_timeouts_there_are_places_again(side: Side) -> None:
    limits = side.lib.Limits(max_connections=2)

    async def twice_silent(origin: Origin, peer: Peer) -> None:
        await (silent if peer.number < 6 else always(OK))(origin, peer)

    async with Origin(twice_silent) as origin, side.client(side.transport(limits=limits)) as client:
        for _ in range(6):
            with pytest.raises(side.lib.ReadTimeout):
                await client.get(origin.url, timeout=side.lib.Timeout(5, read=0.005))
        for _ in range(2):
            assert (await client.get(origin.url, timeout=5)).content == b"ok"
