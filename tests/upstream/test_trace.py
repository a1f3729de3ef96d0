"""Is a trace told of each step, in its order, and once? And what if it fails?"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from meshkit.upstream import Origin, Pool
from meshkit.upstream.errors import ConnectFailed, WireError
from meshkit.upstream.trace import Step, Trace

from .calls import accepted, ask, closed_port, here, pooled, read
from .peer import Peer
from .rogue import OK, Rogue, until
from .sources import CHUNKED, Source, forever, heads, post
from .stepping import LOOPS, Stepped, cancel, turns
from .ways import serving

pytestmark = LOOPS

EXCHANGE = ["http11.send_request_headers", "http11.send_request_body", "http11.receive_response_headers"]


def whole(*steps: str) -> list[str]:
    return [f"{step}.{what}" for step in steps for what in ("started", "complete")]


class Told:
    def __init__(self, fails_at: str = "") -> None:
        self.names: list[str] = []
        self.infos: dict[str, dict[str, Any]] = {}
        self.fails_at = fails_at

    async def __call__(self, name: str, info: dict[str, Any]) -> None:
        self.names.append(name)
        self.infos[name] = info
        await asyncio.sleep(0)
        if name == self.fails_at:
            raise ZeroDivisionError(name)


async def traced(pool: Pool, origin: Origin, told: Told, **more: Any) -> bytes:
    return await read(await ask(pool, origin, trace=Trace(told, "the request"), **more))


async def test_of_a_new_connection_and_of_one_that_is_kept() -> None:
    async with pooled() as (server, pool):
        told = Told()
        assert await traced(pool, here(server), told, times={"connect": 5.0}) == b"ok"
        assert told.names == whole("connection.connect_tcp", *EXCHANGE)
        assert told.infos["connection.connect_tcp.started"] == {
            "host": "127.0.0.1",
            "port": server.port,
            "local_address": None,
            "timeout": pytest.approx(5.0),
            "socket_options": None,
        }
        assert told.infos["http11.send_request_headers.started"] == {"request": "the request"}
        version, status, reason, headers = told.infos["http11.receive_response_headers.complete"]["return_value"]
        assert (version, status, reason) == (b"HTTP/1.1", 200, b"OK")
        assert headers == [(b"Content-Length", b"2")]
        again = Told()
        assert await traced(pool, here(server), again) == b"ok"
        assert again.names == whole(*EXCHANGE)


async def test_of_tls() -> None:
    async with pooled(tls=serving()) as (server, pool):
        told = Told()
        assert await traced(pool, here(server, tls=True), told) == b"ok"
        assert told.names == whole("connection.connect_tcp", "connection.start_tls", *EXCHANGE)
        info = told.infos["connection.start_tls.started"]
        assert (info["server_hostname"], info["timeout"]) == ("127.0.0.1", None)
        stream = told.infos["connection.connect_tcp.complete"]["return_value"]
        assert stream.get_extra_info("server_addr") is None or stream.get_extra_info("server_addr")[1] == server.port


async def test_of_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with pooled(path=path) as (_, pool):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            told = Told()
            asking = asyncio.create_task(traced(pool, Origin("example", 80), told))
            peer = await accepted(listener)
            await peer.request()
            await peer.send(OK)
            assert await asking == b"ok"
            assert told.names == whole("connection.connect_unix_socket", *EXCHANGE)
            assert told.infos["connection.connect_unix_socket.started"]["path"] == path
            await pool.aclose()
            await peer.gone()
            peer.close()


async def test_of_a_body() -> None:
    async with pooled() as (server, pool):
        told = Told()
        answer = await post(pool, here(server), Source(b"a", b"b"), trace=Trace(told, None))
        assert await read(answer) == b"ok"
        assert told.names[2:] == whole(*EXCHANGE)


async def test_of_what_fails() -> None:
    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.finish()

    async with pooled(play) as (server, pool):
        told = Told()
        with pytest.raises(ConnectFailed):
            await traced(pool, Origin("127.0.0.1", closed_port()), told)
        assert told.names == ["connection.connect_tcp.started", "connection.connect_tcp.failed"]
        assert isinstance(told.infos["connection.connect_tcp.failed"]["exception"], ConnectFailed)
        told = Told()
        with pytest.raises(WireError):
            await traced(pool, here(server), told)
        last = ["http11.receive_response_headers.started", "http11.receive_response_headers.failed"]
        assert told.names[6:] == [*last, *whole("http11.response_closed")]


async def test_of_one_that_is_cancelled() -> None:
    async with pooled(heads) as (server, pool):
        told = Told()
        posting = asyncio.create_task(post(pool, here(server), Source(b"a", forever), trace=Trace(told, None)))
        await until(lambda: "http11.send_request_body.started" in told.names)
        await until(lambda: server.peers[0].requests)
        await turns(10)
        posting.cancel()
        await asyncio.wait([posting])
        assert posting.cancelled()
        assert told.names[4:] == [
            "http11.send_request_body.started",
            "http11.send_request_body.failed",
            *whole("http11.response_closed"),
        ]
        failed = told.infos["http11.send_request_body.failed"]["exception"]
        assert isinstance(failed, asyncio.CancelledError)


STEPS = [
    "connection.connect_tcp.started",
    "connection.connect_tcp.complete",
    *(f"{step}.{what}" for step in EXCHANGE for what in ("started", "complete")),
]


@pytest.mark.parametrize("at", STEPS)
async def test_that_fails(at: str) -> None:
    """Its error is the caller's; the connection is not used again, and no place is lost."""
    async with pooled() as (server, pool):
        for _ in range(3):
            with pytest.raises(ZeroDivisionError, match=at):
                await traced(pool, here(server), Told(at))
            assert pool.idle()
        assert pool.snapshot()["idle"] == 0
        await server.quiet()


async def test_that_is_no_async_function() -> None:
    told: list[str] = []

    def plain(name: str, info: dict[str, Any]) -> Any:
        told.append(name)

    async with pooled() as (server, pool):
        with pytest.raises(TypeError, match="async"):
            await ask(pool, here(server), trace=Trace(plain, None))
        assert len(told) == 1
        assert pool.idle()


async def test_that_is_slow_while_the_peer_is_not() -> None:
    """What comes meanwhile is not lost: the answer, or that there will be none."""

    async def slow(name: str, info: dict[str, Any]) -> None:
        if name == "http11.send_request_headers.complete":
            await until(lambda: server.peers[0].requests)
            await until(lambda: server.peers[0].pushed or server.peers[0].left)

    async with pooled() as (server, pool):
        assert await read(await ask(pool, here(server), trace=Trace(slow, None))) == b"ok"


@pytest.mark.parametrize("how", ["ends", "resets"])
async def test_that_is_slow_while_the_peer_leaves(how: str) -> None:
    async def waits(peer: Peer) -> None:
        await peer.over.wait()

    async def slow(name: str, info: dict[str, Any]) -> None:
        if name == "http11.send_request_headers.started":
            peer = server.peers[0]
            peer.reset() if how == "resets" else peer.truncate()
            [connection] = pool._places.busy  # type: ignore[union-attr]
            await until(lambda: connection.closed)

    async with pooled(waits) as (server, pool):
        with pytest.raises(WireError):
            await ask(pool, here(server), trace=Trace(slow, None))
        assert pool.idle()


async def test_cancelled_at_each_step() -> None:
    async with pooled() as (server, pool):
        at = 1
        while True:
            told = Told()
            stepped = Stepped(post_traced(pool, server, told), at, cancel)

            async def asked(stepped: Stepped = stepped) -> None:
                await stepped

            asking = asyncio.create_task(asked())
            await asyncio.wait([asking])
            assert pool.idle()
            if not stepped.struck:
                break
            assert asking.cancelled()
            at += 1
        assert at > len(STEPS)
        assert told.names == whole("connection.connect_tcp", *EXCHANGE)


async def post_traced(pool: Pool, server: Rogue, told: Told) -> None:
    answer = await pool.send(here(server), b"POST", b"/", CHUNKED, Source(b"a"), trace=Trace(told, None))
    assert await read(answer) == b"ok"


async def test_a_step_without_a_trace_does_nothing() -> None:
    async with Step(None, "x") as step:
        step.value = 1
    with pytest.raises(ZeroDivisionError):
        async with Step.of(None, "x"):
            raise ZeroDivisionError
