"""What do the other arguments of the transport do? Unix sockets, local addresses, options of sockets, retries.

Behaviours of httpx's page on transports (``uds``, ``local_address``, ``retries``) and of httpcore's published tests.
"""

from __future__ import annotations

import socket
from pathlib import Path

import anyio
import pytest
from anyio.streams.tls import TLSStream

from .authority import Authority
from .sides import Side, named
from .stand_ins import CLOSE, Origin, Peer, always, says

# Unix sockets.


async def test_over_a_unix_socket(side: Side, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with Origin(path=path) as origin:
        async with side.client(side.transport(uds=str(path))) as client:
            for _ in range(2):
                response = await client.get("http://docker/info")
                assert (response.status_code, response.content) == (200, b"ok")
        await origin.quiet()
    assert origin.asked[0].values(b"host") == [b"docker"]
    assert origin.connections == 1


async def test_a_unix_socket_serves_any_host(side: Side, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with Origin(path=path) as origin:
        async with side.client(side.transport(uds=str(path))) as client:
            await client.get("http://one/")
            await client.get("http://other:81/")
        await origin.quiet()
    assert [asked.values(b"host")[0] for asked in origin.asked] == [b"one", b"other:81"]


async def test_a_unix_socket_that_is_not_there(side: Side, tmp_path: Path) -> None:
    async with side.client(side.transport(uds=str(tmp_path / "nothing"))) as client:
        with pytest.raises(side.lib.TransportError) as raised:
            await client.get("http://a/")
    assert type(raised.value) is side.lib.ConnectError
    assert str(raised.value.request.url) == "http://a/"


async def test_tls_over_a_unix_socket(side: Side, authority: Authority, tmp_path: Path) -> None:
    server = authority.serving("docker")
    trusting = authority.trusting()
    path = tmp_path / "socket"
    async with Origin(path=path, tls=server) as origin:
        async with side.client(side.transport(uds=str(path), verify=trusting)) as client:
            assert (await client.get("https://docker/")).content == b"ok"
        await origin.quiet()
    assert origin.names == ["docker"]


# Where from, and how.


async def test_local_address(side: Side) -> None:
    async with (
        Origin() as origin,
        side.client(side.transport(local_address="127.0.0.2")) as client,
        client.stream("GET", origin.url) as response,
    ):
        assert response.extensions["network_stream"].get_extra_info("client_addr")[0] == "127.0.0.2"


async def test_any_local_address(side: Side) -> None:
    async with Origin() as origin, side.client(side.transport(local_address="0.0.0.0")) as client:
        assert (await client.get(origin.url)).content == b"ok"


async def test_a_local_address_of_somebody_else(side: Side) -> None:
    async with Origin() as origin, side.client(side.transport(local_address="192.0.2.1")) as client:
        with pytest.raises(side.lib.ConnectError):
            await client.get(origin.url)


async def test_socket_options(side: Side) -> None:
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)]
    async with (
        Origin() as origin,
        side.client(side.transport(socket_options=options)) as client,
        client.stream("GET", origin.url) as response,
    ):
        raw = response.extensions["network_stream"].get_extra_info("socket")
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0


async def test_socket_options_of_a_unix_socket(side: Side, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    async with Origin(path=path) as origin:
        async with side.client(side.transport(uds=str(path), socket_options=options)) as client:
            assert (await client.get("http://a/")).content == b"ok"
        await origin.quiet()


# Retries: of connecting, and of nothing else.


def failing(times: int, monkeypatch: pytest.MonkeyPatch, *, silent: int = 0) -> list[str]:
    """Names lead so many times to no address at all, then to one where nobody listens, then to the server's."""
    asked: list[str] = []

    async def lookup(name: str, port: int) -> list[str]:
        asked.append(name)
        if len(asked) <= silent:
            await anyio.Event().wait()
        return ["127.0.0.3" if len(asked) <= silent + times else "127.0.0.1"]

    named(lookup, monkeypatch)
    return asked


async def test_a_failed_connect_is_tried_again(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first retry follows at once; only later ones wait."""
    async with Origin() as origin, side.client(side.transport(retries=1)) as client:
        asked = failing(1, monkeypatch)
        assert (await client.get(f"http://flaky.test:{origin.port}/")).content == b"ok"
    assert len(asked) == 2


async def test_no_more_often_than_said(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Origin() as origin, side.client(side.transport(retries=1)) as client:
        asked = failing(2, monkeypatch)
        with pytest.raises(side.lib.ConnectError):
            await client.get(f"http://flaky.test:{origin.port}/")
    assert len(asked) == 2


async def test_not_at_all_unless_said(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Origin() as origin, side.client() as client:
        asked = failing(1, monkeypatch)
        with pytest.raises(side.lib.ConnectError):
            await client.get(f"http://flaky.test:{origin.port}/")
    assert len(asked) == 1


async def test_a_connect_that_took_too_long_is_tried_again(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Origin() as origin, side.client(side.transport(retries=1)) as client:
        asked = failing(0, monkeypatch, silent=1)
        timeout = side.lib.Timeout(None, connect=0.15)
        assert (await client.get(f"http://flaky.test:{origin.port}/", timeout=timeout)).content == b"ok"
    assert len(asked) == 2


async def test_a_handshake_that_failed_is_tried_again(side: Side, authority: Authority) -> None:
    async def serves(origin: Origin, peer: Peer) -> None:
        if peer.number == 0:
            await peer.more()
            return
        peer.stream = await TLSStream.wrap(peer.stream, server_side=True, ssl_context=tls, standard_compatible=False)
        await always()(origin, peer)

    tls = authority.serving("127.0.0.1")
    transport = side.transport(retries=1, verify=authority.trusting())
    async with Origin(serves) as origin, side.client(transport) as client:
        assert (await client.get(origin.url.replace("http:", "https:"))).content == b"ok"
    assert origin.connections == 2


async def test_an_answer_that_fails_is_not_asked_for_again(side: Side) -> None:
    async with Origin(says(CLOSE), always()) as origin, side.client(side.transport(retries=3)) as client:
        with pytest.raises(side.lib.RemoteProtocolError):
            await client.get(origin.url)
    assert (origin.connections, len(origin.asked)) == (1, 1)
