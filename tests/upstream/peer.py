"""What can a server do to one connection? Anything: it holds the bare socket, in the test's own loop.

Nothing is left to asyncio's transports: it is known how many bytes the kernel took, a connection ends by FIN or by RST
(`SO_LINGER` of 0), and TLS is broken off without `close_notify` (RFC 8446, 6.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from typing import Any

__all__ = ["Gone", "Peer"]


class Gone(Exception):
    """The client has closed the connection, so that the script is over."""


class Peer:
    """One connection, as the server sees it."""

    def __init__(self, wire: socket.socket, number: int, tls: ssl.SSLContext | None = None) -> None:
        self.wire = wire
        self.number = number
        """From 0, in the order of their coming."""
        self.pushed = 0
        """Bytes that the kernel took."""
        self.pulled = 0
        """Bytes that came."""
        self.body = b""
        """Of the request last read."""
        self.rest = b""
        """Read, and not asked for yet."""
        self.stuck = False
        """Whether the kernel takes no more: the client does not read."""
        self.over = asyncio.Event()
        """The test has closed its client."""
        self.requests = 0
        self.left = False
        """Whether the client has closed its side, or reset the connection."""
        self._loop = asyncio.get_running_loop()
        self._readers: list[asyncio.Future[None]] = []
        self._writers: list[asyncio.Future[None]] = []
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None if tls is None else tls.wrap_bio(self._in, self._out, server_side=True)

    # What comes.

    async def receive(self, most: int = 65536) -> bytes:
        """Some bytes; none when the client has closed."""
        if self._tls is None:
            return await self._pull(most)
        while True:
            try:
                return self._tls.read(most)
            except ssl.SSLWantReadError:
                data = await self._pull(65536)
                if not data:
                    return b""
                self._in.write(data)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                await self._pull_all()
                return b""

    async def more(self) -> None:
        """Read on, or raise `Gone`."""
        data = await self.receive()
        if not data:
            raise Gone
        self.rest += data

    async def head(self) -> bytes:
        """The next request up to its empty line."""
        while b"\r\n\r\n" not in self.rest:
            await self.more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        self.requests += 1
        return head + b"\r\n\r\n"

    async def request(self) -> bytes:
        """The same, with its body in ``body``."""
        head = await self.head()
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        if fields.get(b"transfer-encoding") == b"chunked":
            while not self.rest.endswith(b"0\r\n\r\n"):
                await self.more()
            self.body, self.rest = self.rest, b""
        else:
            length = int(fields.get(b"content-length", b"0"))
            while len(self.rest) < length:
                await self.more()
            self.body, self.rest = self.rest[:length], self.rest[length:]
        return head

    async def gone(self) -> None:
        """Read whatever comes until the client closes."""
        while await self.receive():
            pass

    # What goes.

    async def send(self, data: bytes) -> None:
        if self._tls is None:
            await self.push(data)
        else:
            self._tls.write(data)
            await self.push(self._out.read())

    async def push(self, data: bytes) -> None:
        """Bytes as they are, below TLS."""
        view = memoryview(data)
        try:
            while view:
                try:
                    sent = self.wire.send(view)
                except BlockingIOError:
                    self.stuck = True
                    await self._ready(self._loop.add_writer, self._loop.remove_writer, self._writers)
                    if self.left:
                        raise Gone from None
                    self.stuck = False
                else:
                    self.pushed += sent
                    view = view[sent:]
        except ConnectionError:
            self.left = True
            raise Gone from None

    async def handshake(self) -> None:
        if self._tls is None:
            return
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.push(self._out.read())
                data = await self._pull(65536)
                if not data:
                    raise Gone from None
                self._in.write(data)
            except ssl.SSLError:  # the client refused the certificate, or speaks something else
                await self.push(self._out.read())
                self.truncate()
                raise Gone from None
            else:
                await self.push(self._out.read())
                return

    # How it ends.

    async def finish(self) -> None:
        """End of file: after the `close_notify` that TLS asks for."""
        if self._tls is not None:
            with contextlib.suppress(ssl.SSLError):  # it wants to wait for the other's
                self._tls.unwrap()
            await self.push(self._out.read())
        self.truncate()

    def truncate(self) -> None:
        """The end of file of TCP alone."""
        with contextlib.suppress(OSError):
            self.wire.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Both sides. What was not read makes a reset of it."""
        if self.wire.fileno() >= 0:
            self._wake(self._loop.remove_reader, self._readers)
            self._wake(self._loop.remove_writer, self._writers)
            self.wire.close()
        self.left = True

    # The socket.

    async def _pull(self, most: int) -> bytes:
        while not self.left:
            try:
                data = self.wire.recv(most)
            except BlockingIOError:
                await self._ready(self._loop.add_reader, self._loop.remove_reader, self._readers)
                continue
            except ConnectionError:
                data = b""
            self.left = not data
            self.pulled += len(data)
            return data
        return b""

    async def _pull_all(self) -> None:
        while await self._pull(65536):
            pass

    async def _ready(self, add: Any, remove: Any, waiting: list[asyncio.Future[None]]) -> None:
        """A script may be told that its socket was closed under it: nobody else must then be listening."""
        ready = self._loop.create_future()
        waiting.append(ready)
        add(self.wire, self._wake, remove, waiting)
        try:
            await ready
        finally:
            if waiting:
                self._wake(remove, waiting)

    def _wake(self, remove: Any, waiting: list[asyncio.Future[None]]) -> None:
        if waiting:
            remove(self.wire)
            ready = waiting.pop()
            if not ready.done():
                ready.set_result(None)
