"""What stands at the other end of a transport in these tests: a server in the same loop that does as it is told.

It is written on anyio, so that it plays on asyncio, on uvloop and on trio. A play is an async function of one
connection; nothing in it waits for time to pass, only for bytes, for the end of a connection or for an event of the
test. What a client asked is kept as the bytes that came.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSStream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSE = "close"
RESET = "reset"
PATIENCE = 15.0
"""Seconds after which a test that hangs fails. Nothing waits as long unless something is wrong."""

Fields = list[tuple[bytes, bytes]]


class Gone(Exception):
    """The client has closed its end."""


class Asked(NamedTuple):
    """One request, as it came."""

    line: bytes
    fields: Fields
    body: bytes
    raw: bytes
    """Head and body, the bytes of the wire."""

    @property
    def method(self) -> bytes:
        return self.line.split(b" ")[0]

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name.lower()]


class Peer:
    """The server's end of one connection."""

    def __init__(self, stream: ByteStream, number: int) -> None:
        self.stream = stream
        self.number = number
        self.buffer = b""

    @property
    def socket(self) -> Any:
        return self.stream.extra(SocketAttribute.raw_socket)

    async def more(self) -> None:
        try:
            self.buffer += await self.stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError):
            raise Gone from None

    async def until(self, mark: bytes) -> bytes:
        """What comes up to and with the mark."""
        while mark not in self.buffer:
            await self.more()
        found, _, self.buffer = self.buffer.partition(mark)
        return found + mark

    async def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            await self.more()
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    async def head(self) -> Asked:
        """The next request without its body."""
        raw = await self.until(b"\r\n\r\n")
        line, *rest = raw[:-4].split(b"\r\n")
        fields = [(name, value.strip(b" \t")) for name, _, value in (each.partition(b":") for each in rest)]
        return Asked(line, fields, b"", raw)

    async def request(self) -> Asked:
        """The next request, whole."""
        asked = await self.head()
        raw = body = b""
        if asked.values(b"transfer-encoding") == [b"chunked"]:
            while True:
                size = await self.until(b"\r\n")
                chunk = await self.exactly(int(size, 16) + 2)
                raw, body = raw + size + chunk, body + chunk[:-2]
                if chunk == b"\r\n":
                    break
        else:
            for length in asked.values(b"content-length"):
                raw = body = await self.exactly(int(length))
        return Asked(asked.line, asked.fields, body, asked.raw + raw)

    async def send(self, data: bytes) -> None:
        try:
            await self.stream.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError):
            raise Gone from None

    async def gone(self) -> bytes:
        """Until the client closes; what it still sent."""
        with contextlib.suppress(Gone):
            while True:
                await self.more()
        return self.buffer

    async def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.close()

    async def close(self) -> None:
        await self.stream.aclose()

    async def answer(self, parts: Any) -> None:
        """Bytes, `CLOSE`, `RESET`, an event to wait for, or a tuple of these."""
        for part in parts if isinstance(parts, tuple) else (parts,):
            if isinstance(part, bytes):
                await self.send(part)
            elif part == CLOSE:
                await self.close()
            elif part == RESET:
                await self.reset()
            else:
                await part.wait()


Play = Callable[["Origin", Peer], Awaitable[None]]


def says(*answers: Any) -> Play:
    """After each whole request the next of these, then the end of the connection."""

    async def play(origin: Origin, peer: Peer) -> None:
        for answer in answers:
            origin.asked.append(await peer.request())
            await peer.answer(answer)

    return play


def always(answer: Any = OK) -> Play:
    """The same after every request; to HEAD only the head of it."""

    async def play(origin: Origin, peer: Peer) -> None:
        while True:
            origin.asked.append(asked := await peer.request())
            head = asked.method == b"HEAD"
            await peer.answer(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head else answer)

    return play


def answered(status: bytes, *fields: bytes, body: bytes = b"") -> bytes:
    """An answer with its length."""
    head = b"".join(field + b"\r\n" for field in fields)
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, head, len(body), body)


def site(pages: dict[bytes, Any]) -> Play:
    """Answers by path, `OK` to all others; a function is asked with the request."""

    async def play(origin: Origin, peer: Peer) -> None:
        while True:
            origin.asked.append(asked := await peer.request())
            page = pages.get(asked.target.partition(b"?")[0], OK)
            await peer.send(page(asked) if callable(page) else page)

    return play


class Halted:
    """A play that stops in the middle of the body of its answers, until the test lets it go on."""

    def __init__(self) -> None:
        self.on = anyio.Event()

    async def __call__(self, origin: Origin, peer: Peer) -> None:
        while True:
            origin.asked.append(await peer.request())
            await peer.send(OK[:-1])
            await self.on.wait()
            await peer.send(OK[-1:])


class Origin:
    """A server on the loopback that plays for each connection the next of its plays, and the last for all further."""

    def __init__(
        self, *plays: Play, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", path: Path | None = None
    ) -> None:
        self.plays = plays or (always(),)
        self.tls = tls
        self.host = host
        self.path = path
        self.asked: list[Asked] = []
        self.connections = 0
        """How many there were."""
        self.open = 0
        """How many the client has not closed yet."""
        self.names: list[str | None] = []
        """For which host each TLS client asked."""
        self._changed = anyio.Event()
        self._hangs = False

    async def __aenter__(self) -> Self:
        if self.path is not None:
            self._listener: Any = await anyio.create_unix_listener(self.path)
        else:
            self._listener = await anyio.create_tcp_listener(local_host=self.host)
            self.port = self._listener.extra(SocketAttribute.local_port)
            shown = f"[{self.host}]" if ":" in self.host else self.host
            self.netloc = f"{shown}:{self.port}"
            self.url = f"{'http' if self.tls is None else 'https'}://{self.netloc}"
        if self.tls is not None:
            self.tls.sni_callback = lambda _object, name, _context: self.names.append(name)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._listener.serve, self._serve)
        self._tasks.start_soon(self._watch)
        return self

    async def _watch(self) -> None:
        await anyio.sleep(PATIENCE)
        self._hangs = True
        raise AssertionError(f"a test hangs: {self.connections} connections, {self.open} open, asked {self.asked}")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks.cancel_scope.cancel()
        ours = (kind, error, trace) if self._hangs else (None, None, None)
        try:
            await self._tasks.__aexit__(*ours)
        finally:
            with anyio.CancelScope(shield=True):
                await self._listener.aclose()

    async def _serve(self, stream: ByteStream) -> None:
        number, self.connections = self.connections, self.connections + 1
        self.open += 1
        self.changed()
        peer = Peer(stream, number)
        if hasattr(stream, "_transport"):  # on asyncio, where anyio leaves two things to chance
            stream._transport.pause_reading()  # nothing is read before the first `receive`
            stream._transport.set_write_buffer_limits(0)  # what was sent has left: `close` throws the rest away
        try:
            if self.tls is not None:
                peer.stream = await TLSStream.wrap(
                    stream, server_side=True, ssl_context=self.tls, standard_compatible=False
                )
            await self.plays[min(number, len(self.plays) - 1)](self, peer)
        except (Gone, anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError):
            pass
        finally:
            with anyio.CancelScope(shield=True), contextlib.suppress(Exception):
                await peer.close()
                await stream.aclose()
            self.open -= 1
            self.changed()

    def changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until it holds; looked at whenever a connection comes or ends."""
        with anyio.fail_after(PATIENCE):
            while not condition():
                await self._changed.wait()

    async def quiet(self) -> None:
        """Until no connection is left."""
        await self.until(lambda: self.open == 0)


def refused() -> str:
    """A URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"
