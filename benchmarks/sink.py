"""Who takes what is uploaded? A process that reads a request's body to its end, and only then says "200".

    python -m benchmarks.sink [CORE]

It prints its port, and ends with its standard input. nginx would not do: what it answers without a file behind it, it
answers before the body is there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

__all__ = ["Sink"]

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
LAST_CHUNK = b"\r\n0\r\n\r\n"
"""Nothing but the end of a chunked body may hold these bytes: those who upload send only the letter x."""


class Sink(asyncio.BufferedProtocol):
    """One connection. What comes is neither kept nor looked at, but for the head and a chunked body's last bytes."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(1 << 20))
        self.head: bytes | None = b""
        """What has come of it; ``None`` once it is whole."""
        self.left: int | None = None
        """Bytes of the body that are still to come; ``None`` while it is chunked."""
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self.buffer[:nbytes]
        if self.head is not None:
            self.head += bytes(data)
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            data = memoryview(self.head[end + 4 :])
            fields = dict(line.lower().split(b": ", 1) for line in self.head[:end].split(b"\r\n")[1:])
            self.left = None if b"transfer-encoding" in fields else int(fields.get(b"content-length", b"0"))
            self.tail = b"\r\n"  # before the first chunk, as before each other
            self.head = None
        if self.left is None:
            self.tail = (self.tail + bytes(data[-len(LAST_CHUNK) :]))[-len(LAST_CHUNK) :]
            done = self.tail == LAST_CHUNK
        else:
            self.left -= len(data)
            done = self.left <= 0
        if done:
            self.head = b""
            self.transport.write(ANSWER)  # type: ignore[attr-defined]


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it is told, and ends it
    if any(sys.argv[1:]):
        os.sched_setaffinity(0, {int(sys.argv[1])})
    asyncio.run(serve())
