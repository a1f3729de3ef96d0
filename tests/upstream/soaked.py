"""The server of the soak: it names the request in what it answers, and misbehaves as the path asks it to.

``/kind/number/size``. An answer says the number in its head, and its body is made of it (`body_of`), so that one given
to another request is seen. ``/open/0/0`` tells how many connections are open besides the one that asks.

    python soaked.py PORT
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
import zlib

__all__ = ["body_of"]

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
connections: set[asyncio.StreamWriter] = set()


def body_of(number: int, size: int) -> bytes:
    part = b"%d;" % number
    return (part * (size // len(part) + 1))[:size]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connections.add(writer)
    try:
        while await answer(reader, writer):
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):  # the client is gone
        pass
    finally:
        connections.discard(writer)
        writer.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request. Whether another may follow."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.split(b" ", 2)
    _, kind, name, length = target.split(b"/")
    number, size = int(name), int(length)
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    if kind == b"early":  # refused before it is read
        writer.write(
            b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nX-Number: %d\r\nContent-Length: 0\r\n\r\n" % number
        )
        writer.write_eof()
        while await reader.read(65536):
            pass
        return False
    if fields.get(b"expect") == b"100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    told = await body(reader, fields)
    if kind == b"open":
        told = b"%d" % (len(connections) - 1)
    whole = told if kind in (b"open", b"echo") else body_of(number, size)
    start = b"HTTP/1.1 200 OK\r\nX-Number: %d\r\n" % number
    long = b"Content-Length: %d\r\n\r\n" % len(whole)
    middle = size // 2
    match kind:
        case b"busy":
            writer.write(b"HTTP/1.1 503 Later\r\nX-Number: %d\r\n%s" % (number, long) + whole)
        case b"chunked":
            writer.write(start + b"Transfer-Encoding: chunked\r\n\r\n")
            for at in range(0, size, 10_000):
                part = whole[at : at + 10_000]
                writer.write(b"%x\r\n%s\r\n" % (len(part), part))
                await writer.drain()
            writer.write(b"0\r\nX-Sum: 1\r\n\r\n")
        case b"informed":
            writer.write(EARLY)
            await asyncio.sleep(0)
            writer.write(EARLY + start + long + whole)
        case b"dribbled":
            for at in range(len(start)):
                writer.write(start[at : at + 1])
                await asyncio.sleep(0)
            writer.write(long + whole)
        case b"farewell":
            writer.write(start + b"Connection: close\r\n" + long + whole)
            return False
        case b"silent":
            writer.write(start + long + whole)
            return False
        case b"unsized":
            writer.write(start + b"\r\n" + whole)
            return False
        case b"extra":  # and an answer that nobody asked for
            writer.write(start + long + whole + start + long + whole)
        case b"gone":
            return False
        case b"half":
            writer.write(start + long + whole[:middle])
            return False
        case b"reset":
            reset(writer)
            return False
        case b"cut":
            writer.write(start + long + whole[:middle])
            await writer.drain()
            reset(writer)
            return False
        case b"stall" | b"stuck":
            writer.write(start[:9] if kind == b"stall" else start + long + whole[:middle])
            while await reader.read(65536):
                pass
            return False
        case _:
            writer.write(start + long + (b"" if method == b"HEAD" else whole))
    return True


async def body(reader: asyncio.StreamReader, fields: dict[bytes, bytes]) -> bytes:
    """The checksum of the request's body, and its length."""
    if fields.get(b"transfer-encoding") == b"chunked":
        total, length = 0, 0
        while size := int(await reader.readuntil(b"\r\n"), 16):
            part = (await reader.readexactly(size + 2))[:-2]
            total, length = zlib.crc32(part, total), length + size
        await reader.readexactly(2)
        return b"%d %d" % (total, length)
    whole = await reader.readexactly(int(fields.get(b"content-length", b"0")))
    return b"%d %d" % (zlib.crc32(whole), len(whole))


def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1])))
