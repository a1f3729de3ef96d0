"""How is each client asked? As its own page tells one to, behind the same five words. Answers are read to their end."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterable, AsyncIterator
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import urlsplit

import attrs

__all__ = ["PIECE", "Client", "PlainSockets", "Servers", "ThroughAiohttp", "ThroughHttpx", "ThroughPool"]

PIECE = b"x" * 65_536
TIMES = {"connect": 30.0, "read": 30.0, "write": 30.0, "pool": 30.0}
"""The four timeouts that httpx sets, too: they cost something."""


@attrs.frozen
class Servers:
    """Where they are: the three endpoints and the many origins of one nginx, and the sink."""

    endpoints: list[str]
    origins: list[str]
    sink: str


class Client(Protocol):
    """Each word is one exchange; it returns how many bytes came, or went."""

    async def get(self, url: str) -> int: ...
    async def streamed_down(self, url: str) -> int: ...
    async def whole_down(self, url: str) -> int: ...
    async def whole_up(self, url: str, body: bytes) -> int: ...
    async def streamed_up(self, url: str, pieces: int) -> int: ...
    async def aclose(self) -> None: ...


async def pieces_of(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield PIECE


def right(status: int) -> None:
    if status != 200:
        raise RuntimeError(f"answered {status}")


class ThroughHttpx:
    """httpx or httpx2 over some transport; nothing is asked of the environment, where a proxy might be named."""

    def __init__(self, library: ModuleType, transport: Any) -> None:
        self.client = library.AsyncClient(transport=transport, trust_env=False, timeout=library.Timeout(30.0))
        self.aclose = self.client.aclose

    async def get(self, url: str) -> int:
        response = await self.client.get(url)
        right(response.status_code)
        return len(response.content)

    whole_down = get

    async def streamed_down(self, url: str) -> int:
        count = 0
        async with self.client.stream("GET", url) as response:
            right(response.status_code)
            async for chunk in response.aiter_raw():
                count += len(chunk)
        return count

    async def whole_up(self, url: str, body: bytes) -> int:
        right((await self.client.post(url, content=body)).status_code)
        return len(body)

    async def streamed_up(self, url: str, pieces: int) -> int:
        right((await self.client.post(url, content=pieces_of(pieces))).status_code)
        return pieces * len(PIECE)


class ThroughAiohttp:
    def __init__(self, connector: Any) -> None:
        import aiohttp

        self.session = aiohttp.ClientSession(connector=connector)
        self.aclose = self.session.close

    async def get(self, url: str) -> int:
        async with self.session.get(url) as response:
            right(response.status)
            return len(await response.read())

    whole_down = get

    async def streamed_down(self, url: str) -> int:
        count = 0
        async with self.session.get(url) as response:
            right(response.status)
            async for chunk in response.content.iter_any():
                count += len(chunk)
        return count

    async def whole_up(self, url: str, body: bytes) -> int:
        async with self.session.post(url, data=body) as response:
            right(response.status)
            await response.read()
        return len(body)

    async def streamed_up(self, url: str, pieces: int) -> int:
        async with self.session.post(url, data=pieces_of(pieces)) as response:
            right(response.status)
            await response.read()
        return pieces * len(PIECE)


class ThroughPool:
    """The pool itself, as a gateway would use it: no client, no URL, no models of requests and answers."""

    def __init__(self, pool: Any) -> None:
        from meshkit.upstream import Origin

        self.pool = pool
        self.aclose = pool.aclose
        self.origin = Origin
        self.known: dict[str, tuple[Any, ...]] = {}

    def asked(self, url: str) -> tuple[Any, ...]:
        """Whom, for what, with which fields: a gateway has these from the request that came in."""
        known = self.known.get(url)
        if known is None:
            parts = urlsplit(url)
            fields = [
                (b"Host", parts.netloc.encode()),
                (b"Accept", b"*/*"),
                (b"Accept-Encoding", b"gzip, deflate"),
                (b"User-Agent", b"meshkit"),
            ]
            known = self.known[url] = (self.origin(parts.hostname, parts.port), parts.path.encode(), fields)
        return known

    async def get(self, url: str) -> int:
        origin, target, fields = self.asked(url)
        answer = await self.pool.send(origin, b"GET", target, fields, times=TIMES)
        right(answer.status)
        body = answer.whole
        if body is None:
            body = b"".join([chunk async for chunk in answer])
        return len(body)

    whole_down = get

    async def streamed_down(self, url: str) -> int:
        origin, target, fields = self.asked(url)
        answer = await self.pool.send(origin, b"GET", target, fields, times=TIMES)
        right(answer.status)
        count = 0
        async for chunk in answer:
            count += len(chunk)
        return count

    async def _up(self, url: str, body: bytes | AsyncIterable[bytes], framing: tuple[bytes, bytes]) -> None:
        origin, target, fields = self.asked(url)
        answer = await self.pool.send(origin, b"POST", target, [*fields, framing], body, times=TIMES)
        right(answer.status)
        async for _ in answer:
            pass

    async def whole_up(self, url: str, body: bytes) -> int:
        await self._up(url, body, (b"Content-Length", b"%d" % len(body)))
        return len(body)

    async def streamed_up(self, url: str, pieces: int) -> int:
        await self._up(url, pieces_of(pieces), (b"Transfer-Encoding", b"chunked"))
        return pieces * len(PIECE)


class PlainSockets:
    """No client at all: what the system takes for the same bytes. It waits in the system: one exchange at a time."""

    def __init__(self) -> None:
        self.connections: dict[str, socket.socket] = {}
        self.buffer = memoryview(bytearray(262_144))

    def asked(self, url: str, head: bytes) -> socket.socket:
        parts = urlsplit(url)
        connection = self.connections.get(parts.netloc)
        if connection is None:
            connection = socket.create_connection((parts.hostname or "", parts.port or 80))
            self.connections[parts.netloc] = connection
        connection.sendall(head % (parts.path.encode(), parts.netloc.encode()))
        return connection

    def answer(self, connection: socket.socket, kept: list[bytes] | None = None) -> int:
        """Read one; returns the length of its body."""
        read = b""
        while b"\r\n\r\n" not in read:
            read += connection.recv(65_536)
        head, _, body = read.partition(b"\r\n\r\n")
        right(int(head[9:12]))
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        count = len(body)
        while count < length:
            came = connection.recv_into(self.buffer)
            count += came
            if kept is not None:
                kept.append(bytes(self.buffer[:came]))
        return count

    async def get(self, url: str) -> int:
        return self.answer(self.asked(url, b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n"))

    streamed_down = get

    async def whole_down(self, url: str) -> int:
        kept: list[bytes] = []
        count = self.answer(self.asked(url, b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n"), kept)
        b"".join(kept)
        return count

    async def whole_up(self, url: str, body: bytes) -> int:
        head = b"POST %%b HTTP/1.1\r\nHost: %%b\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection = self.asked(url, head)
        connection.sendall(body)
        self.answer(connection)
        return len(body)

    async def streamed_up(self, url: str, pieces: int) -> int:
        head = b"POST %b HTTP/1.1\r\nHost: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection = self.asked(url, head)
        async for piece in pieces_of(pieces):
            connection.sendmsg((b"%x\r\n" % len(piece), piece, b"\r\n"))
        connection.sendall(b"0\r\n\r\n")
        self.answer(connection)
        return pieces * len(PIECE)

    async def aclose(self) -> None:
        for connection in self.connections.values():
            connection.close()
