"""How does one go on with a connection that has become something else: after an upgrade, or in a tunnel?

Behaviours of the extension ``network_stream`` on httpx's page on extensions: ``read``, ``write``, ``aclose`` and
``start_tls``; httpx2's WebSockets stand on them.
"""

from __future__ import annotations

import importlib
from typing import Any

import anyio
import pytest
from anyio.streams.tls import TLSStream

from .authority import Authority
from .sides import Side
from .stand_ins import OK, Origin, Peer, always

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
UPGRADE = {"Connection": "upgrade", "Upgrade": "echo"}


def switching(*more: bytes) -> Any:
    """Switches to a protocol that echoes, and sends ``more`` with the head."""

    async def play(origin: Origin, peer: Peer) -> None:
        origin.asked.append(await peer.request())
        await peer.send(SWITCHED + b"".join(more))
        while True:
            if not peer.buffer:
                await peer.more()
            data, peer.buffer = peer.buffer, b""
            await peer.send(data)

    return play


def name(side: Side, kind: str) -> tuple[type[Exception], ...]:
    """What httpcore calls so is what the library's stream raises; the pool's may raise what httpx calls so."""
    httpcore = importlib.import_module(side.by("httpcore", "httpcore2"))
    return getattr(httpcore, kind), *([getattr(side.lib, kind)] if side.ours else [])


async def test_an_upgrade(side: Side) -> None:
    async with Origin(switching()) as origin, side.client() as client:
        async with client.stream("GET", origin.url, headers=UPGRADE) as response:
            assert response.status_code == 101
            assert response.headers["upgrade"] == "echo"
            stream = response.extensions["network_stream"]
            await stream.write(b"first")
            assert await stream.read(max_bytes=1024) == b"first"
            await stream.write(b"")
            await stream.write(b"second")
            assert await stream.read(1024) == b"second"
            assert stream.get_extra_info("server_addr") == ("127.0.0.1", origin.port)
            assert stream.get_extra_info("unheard-of") is None
            await stream.aclose()
        await origin.quiet()


async def test_leaving_the_block_closes_the_connection(side: Side) -> None:
    async with Origin(switching(), always()) as origin, side.client() as client:
        async with client.stream("GET", origin.url, headers=UPGRADE):
            assert origin.open == 1
        await origin.quiet()
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 2


async def test_what_came_with_the_head_is_read_first(side: Side) -> None:
    async with (
        Origin(switching(b"foo", b"bar")) as origin,
        side.client() as client,
        client.stream("GET", origin.url, headers=UPGRADE) as response,
    ):
        stream = response.extensions["network_stream"]
        assert await stream.read(max_bytes=3) == b"foo"
        assert await stream.read(max_bytes=2) == b"ba"
        assert await stream.read(max_bytes=100) == b"r"
        await stream.write(b"baz")
        assert await stream.read(max_bytes=3) == b"baz"


async def test_reads_give_what_is_there_and_no_more_than_asked_for(side: Side) -> None:
    async with (
        Origin(switching()) as origin,
        side.client() as client,
        client.stream("GET", origin.url, headers=UPGRADE) as response,
    ):
        stream = response.extensions["network_stream"]
        await stream.write(b"0123456789")
        got = b""
        while len(got) < 10:
            piece = await stream.read(max_bytes=4)
            assert 0 < len(piece) <= 4
            got += piece
        assert got == b"0123456789"


async def test_much_in_both_directions(side: Side) -> None:
    body = bytes(range(256)) * 4096
    async with (
        Origin(switching()) as origin,
        side.client() as client,
        client.stream("GET", origin.url, headers=UPGRADE) as response,
    ):
        stream = response.extensions["network_stream"]
        got = bytearray()

        async def read() -> None:
            while len(got) < len(body):
                got.extend(await stream.read(65536))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            for at in range(0, len(body), 100_000):
                await stream.write(body[at : at + 100_000])
        assert got == body


async def test_the_end_is_read_as_nothing(side: Side) -> None:
    async def leaves(origin: Origin, peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCHED + b"bye")

    async with (
        Origin(leaves) as origin,
        side.client() as client,
        client.stream("GET", origin.url, headers=UPGRADE) as response,
    ):
        stream = response.extensions["network_stream"]
        assert await stream.read(1024) == b"bye"
        assert await stream.read(1024) == b""
        assert await stream.read(1024) == b""


async def test_a_read_that_takes_too_long(side: Side) -> None:
    async with (
        Origin(switching()) as origin,
        side.client() as client,
        client.stream("GET", origin.url, headers=UPGRADE) as response,
    ):
        stream = response.extensions["network_stream"]
        with pytest.raises(name(side, "ReadTimeout")):
            await stream.read(1024, timeout=0.01)
        await stream.write(b"still there", timeout=5)
        assert await stream.read(1024, timeout=5) == b"still there"


async def test_a_write_that_takes_too_long(side: Side) -> None:
    async def deaf(origin: Origin, peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCHED)
        await origin.until(lambda: False)

    async with (
        Origin(deaf) as origin,
        side.client() as client,
        client.stream("GET", origin.url, headers=UPGRADE) as response,
    ):
        stream = response.extensions["network_stream"]
        with pytest.raises(name(side, "WriteTimeout")):
            await stream.write(bytes(50_000_000), timeout=0.02)


async def test_a_reset_is_an_error(side: Side) -> None:
    async def resets(origin: Origin, peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCHED)
        await peer.exactly(1)
        await peer.reset()

    async with (
        Origin(resets) as origin,
        side.client() as client,
        client.stream("GET", origin.url, headers=UPGRADE) as response,
    ):
        stream = response.extensions["network_stream"]
        await stream.write(b"x")
        with pytest.raises(name(side, "ReadError")):
            await stream.read(1024)


async def test_after_closing_there_is_nothing_to_write_to(side: Side) -> None:
    async with (
        Origin(switching()) as origin,
        side.client() as client,
        client.stream("GET", origin.url, headers=UPGRADE) as response,
    ):
        stream = response.extensions["network_stream"]
        await stream.aclose()
        await stream.aclose()
        with pytest.raises(name(side, "WriteError")):
            await stream.write(b"x")
        with pytest.raises(name(side, "ReadError")):
            await stream.read(1)


async def test_an_upgrade_that_the_server_declines(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for _ in range(2):
            response = await client.get(origin.url, headers=UPGRADE)
            assert (response.status_code, response.content) == (200, b"ok")
    assert origin.connections in {1, 2}


async def test_an_upgrade_that_nobody_asked_for(side: Side) -> None:
    async with Origin(switching()) as origin, side.client() as client:
        with pytest.raises(side.lib.RemoteProtocolError):
            await client.get(origin.url)
        await origin.quiet()


async def test_an_upgrade_holds_its_place(side: Side) -> None:
    limits = side.lib.Limits(max_connections=1)
    async with Origin(switching(), always()) as origin, side.client(side.transport(limits=limits)) as client:
        async with client.stream("GET", origin.url, headers=UPGRADE):
            with pytest.raises(side.lib.PoolTimeout):
                await client.get(origin.url, timeout=side.lib.Timeout(None, pool=0.01))
        assert (await client.get(origin.url, timeout=5)).content == b"ok"


async def test_connect_makes_a_tunnel(side: Side, authority: Authority) -> None:
    """As the page does it by hand: CONNECT, then TLS over what the proxy opened."""
    server = authority.serving("a.example")
    trusting = authority.trusting()

    async def proxy(origin: Origin, peer: Peer) -> None:
        origin.asked.append(await peer.head())
        await peer.send(b"HTTP/1.1 200 Established\r\n\r\n")
        peer.stream = await TLSStream.wrap(peer.stream, server_side=True, ssl_context=server, standard_compatible=False)
        origin.asked.append(await peer.request())
        await peer.send(OK)

    async with Origin(proxy) as origin, side.client() as client:
        extensions = {"target": b"a.example:443"}
        async with client.stream("CONNECT", origin.url, extensions=extensions) as response:
            assert response.status_code == 200
            stream = response.extensions["network_stream"]
            stream = await stream.start_tls(trusting, server_hostname="a.example", timeout=5)
            assert stream.get_extra_info("ssl_object").version() == "TLSv1.3"
            await stream.write(b"GET /inside HTTP/1.1\r\nHost: a.example\r\n\r\n")
            assert await stream.read(1024) == OK
            await stream.aclose()
    assert [asked.target for asked in origin.asked] == [b"a.example:443", b"/inside"]


async def test_connect_that_is_refused(side: Side) -> None:
    async with Origin(always(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")) as origin, side.client() as client:
        response = await client.request("CONNECT", origin.url, extensions={"target": b"a.example:443"})
    assert (response.status_code, response.content) == (403, b"no")
