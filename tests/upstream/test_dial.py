"""Is a connection made to whom, from where and as it was asked for?"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from meshkit.upstream import Origin
from meshkit.upstream import dial as room
from meshkit.upstream.errors import ConnectFailed

from .calls import accepted, ask, closed_port, get, here, pooled
from .rogue import OK
from .stepping import LOOPS

pytestmark = LOOPS


async def test_an_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(*_: Any, **__: Any) -> Any:
        raise AssertionError

    for address in ("127.0.0.1", "::1"):
        [(_, kind, _, _, where)] = await room.resolved(address, 80)
        assert (kind, where) == (socket.SOCK_STREAM, (address, 80))


@pytest.mark.parametrize("family", [socket.AF_INET6, socket.AF_UNIX])
async def test_elsewhere(family: socket.AddressFamily, tmp_path: Path) -> None:
    path = None if family == socket.AF_INET6 else str(tmp_path / "socket")
    async with pooled(path=path) as (_, pool):
        with socket.socket(family) as listener:
            origin = Origin("::1", 80)
            if path is None:
                listener.bind(("::1", 0))
                origin = Origin("::1", listener.getsockname()[1])
            with pytest.raises(ConnectFailed):
                await get(pool, origin)
            if path is not None:
                listener.bind(path)
            listener.listen()
            asking = asyncio.create_task(get(pool, origin))
            peer = await accepted(listener)
            await peer.request()
            await peer.send(OK)
            assert await asking == b"ok"
            await pool.aclose()
            await peer.gone()
            peer.close()


async def test_the_second_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first refuses there is no head start to wait for."""
    monkeypatch.setattr(room, "HEAD_START", 1000.0)
    async with pooled() as (server, pool):

        async def resolved(host: str, port: int) -> list[Any]:
            stream = socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
            return [
                (socket.AF_INET6, *stream, ("::1", closed_port(), 0, 0)),
                (socket.AF_INET, *stream, ("127.0.0.1", server.port)),
            ]

        monkeypatch.setattr(room, "resolved", resolved)
        assert await get(pool, Origin("example", 80)) == b"ok"


async def test_a_name() -> None:
    async with pooled() as (server, pool):
        assert await get(pool, Origin("localhost", server.port)) == b"ok"


async def test_refused() -> None:
    async with pooled() as (_, pool):
        with pytest.raises(ConnectFailed) as caught:
            await get(pool, Origin("127.0.0.1", closed_port()))
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value.__cause__, OSError)
    assert not caught.value.sent


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("localhost\0.example", 80),
        ("a" * 300, 80),
        ("a..b", 80),
        ("\udc80", 80),
        ("127.0.0.1", 70_000),
        ("127.0.0.1", -1),
        ("127.0.0.1", 0),
        ("256.256.256.256", 80),
    ],
)
async def test_nowhere(host: str, port: int) -> None:
    """It is the one error, whatever is wrong; and of a name with a zero byte the first part is not looked up."""
    async with pooled() as (_, pool):
        with pytest.raises(ConnectFailed):
            await get(pool, Origin(host, port))


@pytest.mark.parametrize("path", ["", "a\0b", "a" * 300])
async def test_no_such_path(path: str) -> None:
    async with pooled(path=path) as (server, pool):
        with pytest.raises(ConnectFailed):
            await get(pool, here(server))


async def test_from_where() -> None:
    async with pooled(local="127.0.0.2") as (server, pool):
        assert await get(pool, here(server)) == b"ok"
        assert server.peers[0].wire.getpeername()[0] == "127.0.0.2"
    async with pooled(local="192.0.2.1") as (server, pool):
        with pytest.raises(ConnectFailed):
            await get(pool, here(server))


@pytest.mark.parametrize("delay", [0, 1])
async def test_options(delay: int) -> None:
    """They win over what the loop thinks of them."""
    options = ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, delay))
    async with pooled(options=options) as (server, pool):
        answer = await ask(pool, here(server))
        sock = answer.stream.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is bool(delay)
    async with pooled(options=((socket.SOL_SOCKET, 9999, 1),)) as (server, pool):
        with pytest.raises(ConnectFailed):
            await get(pool, here(server))
