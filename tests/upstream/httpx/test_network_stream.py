"""What does a response tell of its connection?

Behaviours of ``network_stream`` and its ``get_extra_info`` on httpx's page on extensions.
"""

from __future__ import annotations

import socket

import anyio

from .authority import Authority
from .sides import Side
from .stand_ins import OK, Origin, Peer


async def test_addresses(side: Side) -> None:
    async with Origin() as origin, side.client() as client, client.stream("GET", origin.url) as response:
        stream = response.extensions["network_stream"]
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", origin.port)
        host, port = stream.get_extra_info("client_addr")
        assert host == "127.0.0.1"
        assert port > 0
        assert stream.get_extra_info("ssl_object") is None
        assert stream.get_extra_info("unheard-of") is None
        raw = stream.get_extra_info("socket")
        assert (raw.family, raw.type) == (socket.AF_INET, socket.SOCK_STREAM)
        assert raw.getsockname() == (host, port)
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_addresses_after_the_body(side: Side) -> None:
    """As the page shows it: asked of a response that has been read, its connection idle in the pool."""
    async with Origin() as origin, side.client() as client:
        response = await client.get(origin.url)
        stream = response.extensions["network_stream"]
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", origin.port)
        assert stream.get_extra_info("client_addr")[0] == "127.0.0.1"


async def test_is_readable(side: Side) -> None:
    """What says that a connection is to be used no more."""
    leave = anyio.Event()

    async def play(origin: Origin, peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await leave.wait()

    async with Origin(play) as origin, side.client() as client:
        response = await client.get(origin.url)
        stream = response.extensions["network_stream"]
        assert not stream.get_extra_info("is_readable")
        leave.set()
        await origin.quiet()
        assert stream.get_extra_info("is_readable")


async def test_the_object_of_tls(side: Side, authority: Authority) -> None:
    server = authority.serving("127.0.0.1")
    trusting = authority.trusting()
    async with (
        Origin(tls=server) as origin,
        side.client(side.transport(verify=trusting)) as client,
        client.stream("GET", origin.url) as response,
    ):
        stream = response.extensions["network_stream"]
        tls = stream.get_extra_info("ssl_object")
        assert tls.version() == "TLSv1.3"
        assert ("IP Address", "127.0.0.1") in tls.getpeercert()["subjectAltName"]
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", origin.port)
