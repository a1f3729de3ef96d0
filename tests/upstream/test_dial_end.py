"""What is left of a dial that was given up, at any step? And how long may it take?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshkit.upstream import Limits, Origin, Pool
from meshkit.upstream import dial as room
from meshkit.upstream.errors import ConnectFailed, ConnectTimedOut, ReadFailed, WriteFailed
from meshkit.upstream.trace import Trace

from .calls import get, here, pooled
from .peer import Peer
from .rogue import Rogue
from .stepping import LOOPS, Stepped, calm, cancel
from .ways import serving, trusting

pytestmark = LOOPS


async def quiet(peer: Peer) -> None:
    await peer.gone()


@pytest.mark.parametrize("late", [False, True], ids=["at once", "too late"])
@pytest.mark.parametrize("way", ["address", "name", "names", "tls", "unspoken"])
async def test_cancelled_at_each_step(monkeypatch: pytest.MonkeyPatch, way: str, late: bool) -> None:
    """`unspoken`: the peer never says a word of its handshake."""
    tls = way in {"tls", "unspoken"}
    scripts = [quiet] * 20 if way == "unspoken" else []
    async with calm(), Rogue(*scripts, tls=serving() if way == "tls" else None) as server:
        if way == "names":

            async def resolved(host: str, port: int) -> list[Any]:
                [one] = await socket_of("127.0.0.1", port)
                return [one, one, one]

            socket_of = room.resolved
            monkeypatch.setattr(room, "resolved", resolved)
            monkeypatch.setattr(room, "HEAD_START", 0.0)
        pool = Pool(Limits(connections=1), tls=trusting)
        origin = Origin("localhost" if way in {"name", "tls"} else "127.0.0.1", server.port, tls)
        for at in range(1, 20):
            stepped = Stepped(
                get(pool, origin, times={"connect": 0.2 if way == "unspoken" else 20.0}), at, cancel, late
            )

            async def asked(stepped: Stepped = stepped) -> Any:
                return await stepped

            asking = asyncio.create_task(asked())
            await asyncio.wait([asking])
            if not stepped.struck:
                break
            assert asking.cancelled()
            assert pool.idle()
            await server.quiet()
        assert 2 < at < 19
        assert (asking.exception() is None) is (way != "unspoken")
        await pool.aclose()


class Told:
    """A trace that fails at a step."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.names: list[str] = []

    async def __call__(self, name: str, info: dict[str, Any]) -> None:
        self.names.append(name)
        if name == self.at:
            raise ZeroDivisionError


@pytest.mark.parametrize(
    "step", ["connect_tcp.started", "connect_tcp.complete", "start_tls.started", "start_tls.complete"]
)
async def test_a_trace_that_fails(step: str) -> None:
    async with pooled(tls=serving()) as (server, pool):
        told = Told(f"connection.{step}")
        with pytest.raises(ZeroDivisionError):
            await get(pool, here(server, tls=True), trace=Trace(told, None))
        assert pool.idle()
        assert told.names[-1] == f"connection.{step.rpartition('.')[0]}.failed" or told.names[-1] == told.at


async def test_a_peer_that_is_gone_at_once() -> None:
    """What a trace is told of it asks the socket when it is asked."""

    class Asks(Told):
        async def __call__(self, name: str, info: dict[str, Any]) -> None:
            await super().__call__(name, info)
            if name == "connection.connect_tcp.complete":
                server.peers[0].reset() if server.peers else await reset()
                stream = info["return_value"]
                assert stream.get_extra_info("server_addr") is None
                assert stream.get_extra_info("client_addr")
                assert stream.get_extra_info("something") is None
                assert stream.get_extra_info("socket").fileno() > 0

    async def reset() -> None:
        while not server.peers:  # noqa: ASYNC110
            await asyncio.sleep(0)
        server.peers[0].reset()

    async with pooled() as (server, pool):
        with pytest.raises((ConnectFailed, ReadFailed, WriteFailed)):
            await get(pool, here(server), trace=Trace(Asks(""), None))
        assert await get(pool, here(server)) == b"ok"


# Until when.


async def test_the_time_is_for_the_name_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(host: str, port: int) -> list[Any]:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(room, "resolved", resolved)
    async with pooled() as (_, pool):
        for times in ({"connect": 0.01}, {"total": 0.01}, {"connect": 0.0}):
            with pytest.raises(ConnectTimedOut, match="http://example:80 in time"):
                await get(pool, Origin("example", 80), times=times)


async def test_and_for_the_handshake() -> None:
    async with pooled(quiet, quiet) as (server, pool):
        for times in ({"connect": 0.05}, {"total": 0.05}):
            with pytest.raises(ConnectTimedOut):
                await get(pool, here(server, tls=True), times=times)
        await server.quiet()
