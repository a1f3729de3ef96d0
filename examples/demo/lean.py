"""Who answers faster than anybody can ask? A process that says the same to every request, and looks at none of them.

It ends when its standard input does, as all upstreams here. What sends a body would be answered twice: nobody does.
"""

from __future__ import annotations

import asyncio
import sys

__all__ = ["Lean"]

END = b"\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nserver: lean\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n"


class Lean(asyncio.Protocol):
    """One connection, kept until the client closes it."""

    def __init__(self) -> None:
        self.rest = b""
        """Of what came, that which may be the beginning of a head's end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, last = (self.rest + data).split(END)
        self.rest = last[1 - len(END) :]
        self.transport.write(ANSWER * len(heads))  # type: ignore[attr-defined]


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Lean, "127.0.0.1", port)
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[2])))
