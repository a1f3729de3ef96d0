"""What becomes of a connection after 101, or a CONNECT that was granted? Bytes both ways, for whoever speaks on them.

Its methods are those of httpcore's network streams, which is what users of httpx find in a response's extensions. Who
speaks a protocol of his own on it takes it over: then nothing of this is left but the transport.
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

    __slots__ = ("_arriving", "_closed", "_made", "_reader", "_transport")

    def __init__(self, transport: Any, rest: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._reader = asyncio.StreamReader(HIGH, loop)
        self._arriving = Arriving(self._reader, loop=loop)
        if transport.get_extra_info("sslcontext") is None:  # over TLS an empty buffer would count as full
            transport.set_write_buffer_limits(0)  # what is kept here is lost when the connection is aborted
        transport.set_protocol(self._arriving)
        self._arriving.connection_made(transport)
        self._transport = transport
        self._made: asyncio.StreamWriter | None = None
        self._closed = False
        if rest:
            self._reader.feed_data(rest)

    @property
    def _writer(self) -> asyncio.StreamWriter:
        """One that is made for whoever writes: it would close the transport when it is forgotten."""
        if self._made is None:
            loop = asyncio.get_running_loop()
            self._made = asyncio.StreamWriter(self._transport, self._arriving, self._reader, loop)
        return self._made

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
        self._transport = self._writer.transport

    async def give(self, protocol: asyncio.Protocol) -> tuple[Any, bytes, bool]:
        """Hand the connection over to another protocol, which is told of all that comes from now on. Answers the
        transport, what came and nobody has read, and whether that was all. To be asked before anything is written.
        Raises `ReadFailed`.
        """
        if self._closed:
            raise ReadFailed("the connection was closed")
        self._closed = True
        transport = self._transport
        transport.set_protocol(protocol)
        if not transport.is_closing():  # uvloop minds
            transport.set_write_buffer_limits()
        reader, ended = self._reader, self._arriving.ended
        reader.feed_eof()  # so that nothing is waited for
        try:
            return transport, await reader.read(), ended
        except OSError as error:
            raise ReadFailed(str(error)) from error

    async def aclose(self) -> None:
        self._closed = True
        self._transport.close()

    def get_extra_info(self, info: str) -> Any:
        return self._transport.get_extra_info(INFO.get(info, info))


class Arriving(asyncio.StreamReaderProtocol):
    """What feeds the reader, and knows whether there will be more."""

    ended = False

    def eof_received(self) -> bool | None:
        self.ended = True
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        super().connection_lost(exc)
