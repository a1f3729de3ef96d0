"""What becomes of a connection after 101, or a CONNECT that was granted? Bytes both ways, for whoever speaks on them.

Its methods are those of httpcore's network streams, which is what users of httpx find in a response's extensions.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from .errors import ConnectFailed, ConnectTimedOut, ReadFailed, ReadTimedOut, WriteFailed, WriteTimedOut

__all__ = ["INFO", "Tunnel"]

HIGH = 65_536

INFO = {"client_addr": "sockname", "server_addr": "peername", "socket": "socket", "ssl_object": "ssl_object"}
"""httpcore's words for what a transport can tell, and asyncio's."""


class Tunnel:
    """One reader and one writer at a time; ``timeout`` in seconds, ``None`` for as long as it takes."""

    __slots__ = ("_closed", "_reader", "_writer")

    def __init__(self, transport: Any, rest: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._reader = asyncio.StreamReader(HIGH, loop)
        protocol = asyncio.StreamReaderProtocol(self._reader, loop=loop)
        transport.set_write_buffer_limits(0)  # what is kept here is lost when the connection is aborted
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self._writer = asyncio.StreamWriter(transport, protocol, self._reader, loop)
        self._closed = False
        if rest:
            self._reader.feed_data(rest)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What there is, at most ``max_bytes``; ``b""`` when the peer has ended. `ReadTimedOut`, `ReadFailed`."""
        if self._closed:
            raise ReadFailed("the connection was closed")
        try:
            async with asyncio.timeout(timeout):
                data = await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise ReadTimedOut("timed out") from error
        except OSError as error:
            raise ReadFailed(str(error)) from error
        if not data and max_bytes and self._closed:
            raise ReadFailed("the connection was closed")  # meanwhile, and not by the peer
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it. Raises `WriteTimedOut`, `WriteFailed`."""
        if self._closed or self._writer.is_closing():  # to one that is closed, uvloop does not write
            raise WriteFailed("the connection was closed")
        try:
            self._writer.write(buffer)
            async with asyncio.timeout(timeout):
                await self._writer.drain()
        except TimeoutError as error:
            raise WriteTimedOut("timed out") from error
        except OSError as error:
            raise WriteFailed(str(error)) from error

    async def start_tls(self, context: ssl.SSLContext, name: str | None, timeout: float | None = None) -> None:
        """Speak TLS from now on. Raises `ConnectTimedOut`, `ConnectFailed`."""
        try:
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(context, server_hostname=name)
        except TimeoutError as error:
            raise ConnectTimedOut("timed out") from error
        except OSError as error:
            raise ConnectFailed(str(error)) from error

    async def aclose(self) -> None:
        self._closed = True
        self._writer.close()

    def get_extra_info(self, info: str) -> Any:
        return self._writer.get_extra_info(INFO.get(info, info))
