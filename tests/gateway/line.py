"""How does the soak ask over HTTP/1.1? On a plain connection, which it can leave at any byte.

Nothing is asked twice behind its back, and nothing is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

__all__ = ["Broken", "Line"]

PART = 65_536


class Broken(Exception):
    """The connection ended before the answer did."""


class Line:
    """A connection to the gateway, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self.kept = True
        """Whether another request may follow."""
        self.status = 0
        self.fields: dict[str, str] = {}
        self._method = ""

    @classmethod
    async def open(cls, host: str, port: int) -> Line:
        return cls(*await asyncio.open_connection(host, port), f"{host}:{port}")

    def begin(self, method: str, target: str, *fields: str) -> None:
        self.status, self.fields, self._method = 0, {}, method
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}", *fields, "", ""]
        self._writer.write("\r\n".join(lines).encode("ascii"))

    async def send(self, parts: Iterable[bytes], *, chunked: bool) -> None:
        """A body, unless the answer is here before the end of it."""
        for part in parts:
            self._writer.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            with suppress(ConnectionError):  # there may be an answer all the same
                await self._writer.drain()
        if chunked:
            self._writer.write(b"0\r\n\r\n")

    async def head(self) -> int:
        """The status, once it has come. Raises `Broken`."""
        head = await self._until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ", 2)[1])
        self.fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        if self.fields.get("connection", "").lower() == "close":
            self.kept = False
        return self.status

    async def body(self) -> AsyncIterator[bytes]:
        """Its parts, as they come. Raises `Broken`."""
        if self.fields.get("transfer-encoding") == "chunked":
            while size := int(await self._until(b"\r\n"), 16):
                yield (await self._exactly(size + 2))[:-2]
            await self._exactly(2)
            return
        left = int(self.fields["content-length"])
        while left:
            part = await self._some(min(left, PART))
            left -= len(part)
            yield part

    async def whole(self) -> bytes:
        return b"".join([part async for part in self.body()])

    def leave(self) -> None:
        """At once, whatever is under way: what was not read is answered with a reset."""
        self.kept = False
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    # Reading.

    async def _until(self, end: bytes) -> bytes:
        try:
            return await self._reader.readuntil(end)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise self._broken(error) from error

    async def _exactly(self, size: int) -> bytes:
        try:
            return await self._reader.readexactly(size)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise self._broken(error) from error

    async def _some(self, size: int) -> bytes:
        try:
            part = await self._reader.read(size)
        except ConnectionError as error:
            raise self._broken(error) from error
        if not part:
            raise self._broken("the end")
        return part

    def _broken(self, why: object) -> Broken:
        self.kept = False
        return Broken(f"{'in the answer' if self.status else 'before an answer'}: {why!r}")
