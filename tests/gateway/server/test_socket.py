"""What becomes of a WebSocket whose client takes nothing, or asks for too much? Without a socket, as in `spoken`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from websockets.frames import Frame, Opcode

from meshkit.gateway.server import Limits, Socket
from meshkit.gateway.server.socket import PINGS

from .spoken import Wire, connected

HANDSHAKE = (
    b"GET %b HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def ping(payload: bytes) -> bytes:
    return Frame(Opcode.PING, payload).serialize(mask=True)


def pong(payload: bytes) -> bytes:
    return Frame(Opcode.PONG, payload).serialize(mask=False)


def spoken(do: Callable[[Socket, Wire], None], target: bytes = b"/chat?a=b") -> tuple[Any, Wire]:
    """The scope that the app has seen, and what was written after it had let the client in."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async def run() -> Wire:
        config = uvicorn.Config(app, ws=Socket, lifespan="off", log_config=None)
        config.load()
        connection, wire = connected(config=config)
        connection.data_received(HANDSHAKE % target)
        while b"\r\n\r\n" not in wire.written:  # noqa: ASYNC110  # nobody else is told
            await asyncio.sleep(0)
        assert wire.written.startswith(b"HTTP/1.1 101 ")
        wire.written.clear()
        socket = wire.protocol
        assert socket in socket._sweep.those
        do(socket, wire)
        socket.connection_lost(None)
        while socket.tasks:  # noqa: ASYNC110  # they are uvicorn's own set
            await asyncio.sleep(0)
        assert not socket._sweep.those
        return wire

    wire = asyncio.run(run())
    return seen[0], wire


def test_the_target_may_be_an_absolute_one() -> None:
    for target in (b"/chat?a=b", b"http://a.example/chat?a=b"):
        scope, _ = spoken(lambda socket, wire: None, target)
        assert (scope["path"], scope["query_string"]) == ("/chat", b"a=b")


def test_who_does_not_take_the_last_bytes_is_broken_off() -> None:
    def do(socket: Socket, wire: Wire) -> None:
        limits = Limits(stall=2.0)
        socket.look(100.0, limits)
        wire.close()
        for now, gone in ((200.0, False), (202.0, False), (202.5, True)):
            socket.look(now, limits)
            assert wire.aborted is gone

    spoken(do)


def test_of_pings_that_cannot_be_answered_the_last_one_is() -> None:
    def do(socket: Socket, wire: Wire) -> None:
        socket.data_received(ping(b"1"))
        socket.pause_writing()
        for payload in (b"2", b"3"):
            socket.data_received(ping(payload))
        assert wire.written == pong(b"1")
        socket.resume_writing()
        socket.pause_writing()
        socket.resume_writing()

    assert spoken(do)[1].written == pong(b"1") + pong(b"3")


def test_there_may_be_too_many_of_them() -> None:
    def do(socket: Socket, wire: Wire) -> None:
        for _ in range(2):
            socket.data_received(ping(b"?") * PINGS)
        assert not wire.closed
        wire.written.clear()
        socket.data_received(ping(b"!") * (PINGS + 10))
        assert wire.closed

    wire = spoken(do)[1]
    assert wire.written.endswith(pong(b"!") + Frame(Opcode.CLOSE, b"\x03\xf0too many pings").serialize(mask=False))
