"""Who must prove what, and what is left of a handshake that failed? No socket."""

from __future__ import annotations

import gc
import os
import socket
import ssl
from typing import Any

import pytest

from meshkit.upstream import Limits, Origin, Pool
from meshkit.upstream.errors import ConnectFailed
from meshkit.upstream.trace import Trace

from .calls import get, here, pooled
from .peer import Peer
from .rogue import Rogue, until
from .stepping import LOOPS, calm, turns
from .ways import serving

pytestmark = LOOPS


async def test_tls() -> None:
    async with pooled(tls=serving("localhost", "127.0.0.1")) as (server, pool):
        assert await get(pool, here(server, tls=True)) == b"ok"
        assert await get(pool, here(server, tls=True, name="localhost.")) == b"ok"
        assert await get(pool, Origin("localhost", server.port, tls=True)) == b"ok"
        assert len(server.peers) == 3  # who proved another name is another


async def test_the_name_is_what_is_proved_and_the_host_is_where_it_is() -> None:
    seen: list[str | None] = []
    tls = serving("orders.example")
    tls.sni_callback = lambda wire, name, context: seen.append(name)
    async with pooled(tls=tls) as (server, pool):
        assert await get(pool, here(server, tls=True, name="orders.example")) == b"ok"
        with pytest.raises(ConnectFailed, match="certificate"):
            await get(pool, here(server, tls=True))
        with pytest.raises(ConnectFailed, match="certificate"):
            await get(pool, here(server, tls=True, name="invoices.example"))
    assert seen == ["orders.example", None, "invoices.example"]


async def test_a_stranger() -> None:
    """A certificate that nobody vouches for: the socket is closed."""
    async with calm(), Rogue(tls=serving()) as server:
        pool = Pool()
        with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await get(pool, here(server, tls=True))
        assert pool.idle()
        await server.quiet()


@pytest.mark.parametrize("how", ["closes", "resets", "talks"])
async def test_a_handshake_that_fails(how: str) -> None:
    async def play(peer: Peer) -> None:
        await peer.more()
        if how == "talks":
            await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.reset() if how == "resets" else peer.truncate()

    async with pooled(play) as (server, pool):
        with pytest.raises(ConnectFailed):
            await get(pool, here(server, tls=True))
        assert pool.idle()


async def test_a_context_that_cannot_be_made() -> None:
    """Costs no place."""

    def fails() -> ssl.SSLContext:
        raise FileNotFoundError("no such certificate")

    async with calm(), Rogue() as server:
        pool = Pool(Limits(connections=1), tls=fails)
        for _ in range(3):
            with pytest.raises(FileNotFoundError):
                await get(pool, here(server, tls=True), times={"pool": 1.0})
        assert pool.idle()
        assert await get(pool, here(server), times={"pool": 1.0}) == b"ok"
        await pool.aclose()


async def test_reset_before_the_first_word() -> None:
    """The descriptor that was the connection's is somebody else's now: it is not closed once more."""

    async def told(name: str, info: dict[str, Any]) -> None:
        if name == "connection.connect_tcp.complete":
            await until(lambda: server.peers)
            server.peers[0].reset()

    async with pooled() as (server, pool):
        with pytest.raises(ConnectFailed):
            await get(pool, here(server, tls=True), trace=Trace(told, None))
        others = [socket.socket() for _ in range(10)]
        gc.collect()
        await turns(5)
        for other in others:
            os.fstat(other.fileno())
            other.close()
