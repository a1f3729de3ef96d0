"""What does a connection answer to these bytes? Without a socket: the bytes go in, and what is written comes out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.server import ServerState

from meshkit.gateway.server import HttpConnection, Limits
from meshkit.gateway.server.parser import QUICK
from meshkit.gateway.server.plain import PlainParser

__all__ = ["PARSERS", "Config", "Wire", "connected", "echo", "spoken", "status_of", "undated"]

DATE = re.compile(rb"date: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT\r\n")
PARSERS = {"llhttp": QUICK, "plain": PlainParser}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Tells what it was asked."""
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    said = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} {body.decode()}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


class Config:
    """As much of uvicorn's as a connection asks for."""

    ws_protocol_class: Any = None

    def __init__(self, app: Any) -> None:
        self.loaded_app = app


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.closed = self.aborted = self.ended = self.paused = False
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        assert not self.aborted
        self.written += data

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("192.0.2.7", 4711), "sockname": ("192.0.2.1", 80)}.get(name)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


def connected(app: Any = echo, parse: Any = QUICK, **more: Any) -> tuple[HttpConnection, Wire]:
    """In a running loop."""
    wire = Wire()
    config = more.pop("config", None) or Config(app)
    connection = HttpConnection(config, ServerState(), {}, asyncio.get_running_loop(), parse=parse, **more)
    connection.connection_made(wire)
    return connection, wire


def spoken(
    *parts: bytes, app: Any = echo, parse: Any = QUICK, then: Callable[[Any, Wire], None] | None = None, **more: Any
) -> Wire:
    """What is written after all of it has come and been answered."""

    async def run() -> Wire:
        connection, wire = connected(app, parse, limits=Limits(), **more)
        for part in parts:
            if wire.closed or wire.paused:
                break
            connection.data_received(part)
            await settled(connection)
        if then is not None:
            then(connection, wire)
            await settled(connection)
        connection.connection_lost(None)
        await settled(connection)
        assert not connection.tasks
        return wire

    return asyncio.run(run())


async def settled(connection: Any) -> None:
    """All tasks have gone as far as they go."""
    for _ in range(300):
        await asyncio.sleep(0)
        if not connection.tasks:
            break


def undated(written: bytes) -> bytes:
    """Without the dates of answers, of which each has one."""
    return DATE.sub(b"", written)


def status_of(written: bytes) -> int:
    return int(written[9:12])
