"""The upstream of the gateway's soak: it writes down each request that it sees, and answers what the path asks for.

``/kind/number/size``. The answer's body is made of the number (`body_of`), or says what was received (`said_of`), so
that another request's is seen. Whatever is written down outlives a kill: it is with the system when ``write`` returns.

    python soaked.py HOST PORT NAME LOG       websockets on the port after it
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import sys
from typing import Any

__all__ = ["body_of", "event_of", "said_of"]

EACH = 0.03
"""Seconds from one event to the next."""
PART = 16_384


def body_of(number: int, size: int) -> bytes:
    part = b"%d;" % number
    return (part * (size // len(part) + 1))[:size]


def event_of(number: int, turn: int) -> bytes:
    return b"id: %d\ndata: %d of %d\n\n" % (turn, turn, number)


def said_of(number: int, digest: Any, size: int) -> bytes:
    return b"%d %d %s" % (number, size, digest.hexdigest().encode())


class Upstream:
    def __init__(self, name: str, log: str) -> None:
        self.name = name.encode()
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def saw(self, number: int) -> None:
        os.write(self.log, b"%d %s\n" % (number, self.name))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self.answer(reader, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):  # the gateway is gone, or has done with it
            pass
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        _, kind, name, length = target.split(b"/")
        number, size = int(name), int(length)
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        start = b"HTTP/1.1 200 OK\r\nX-Server: %s\r\n" % self.name
        if kind == b"check":
            writer.write(start + b"Content-Length: 0\r\n\r\n")
            return
        self.saw(number)
        if method in (b"PUT", b"POST"):
            whole = await received(reader, fields, number)
        elif kind == b"events":
            writer.write(start + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for turn in range(size):
                await asyncio.sleep(EACH)
                await chunk(writer, event_of(number, turn))
            await chunk(writer, b"")
            return
        elif kind == b"download" and number % 2:
            writer.write(start + b"Transfer-Encoding: chunked\r\n\r\n")
            whole = body_of(number, size)
            for at in range(0, size, PART):
                await chunk(writer, whole[at : at + PART])
            await chunk(writer, b"")
            return
        else:
            whole = body_of(number, size)
        writer.write(start + b"Content-Length: %d\r\n\r\n" % len(whole) + whole)

    async def chat(self, socket: Any) -> None:
        """Says each message back."""
        from websockets.exceptions import ConnectionClosed

        _, _, name, _ = socket.request.path.split("/")
        self.saw(int(name))
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                await socket.send(message)


async def chunk(writer: asyncio.StreamWriter, part: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(part), part))
    await writer.drain()


async def received(reader: asyncio.StreamReader, fields: dict[bytes, bytes], number: int) -> bytes:
    digest, size = hashlib.sha256(), 0
    if fields.get(b"transfer-encoding") == b"chunked":
        while length := int(await reader.readuntil(b"\r\n"), 16):
            part = (await reader.readexactly(length + 2))[:-2]
            digest.update(part)
            size += length
        await reader.readexactly(2)
        return said_of(number, digest, size)
    left = int(fields.get(b"content-length", b"0"))
    while left:
        part = await reader.read(min(left, 65_536))
        if not part:
            raise asyncio.IncompleteReadError(b"", left)
        digest.update(part)
        size += len(part)
        left -= len(part)
    return said_of(number, digest, size)


async def main(host: str, port: int, name: str, log: str) -> None:
    from websockets.asyncio.server import serve

    upstream = Upstream(name, log)
    server = await asyncio.start_server(upstream.serve, host, port, backlog=1024)
    async with serve(upstream.chat, host, port + 1, ping_interval=None), server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
