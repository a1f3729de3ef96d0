"""What stands around a transport in these tests: a gate that writes down, a clock, streams, a server of raw bytes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType, TracebackType
from typing import Any, Self

import anyio.lowlevel

from meshkit import Call, Verdict


class Probe:
    """A gate, its own spec, that lets all pass and remembers the verdicts. It may need facts of the request."""

    name = "probe"

    def __init__(self, ask: Callable[[Call], Any] | None = None) -> None:
        self.verdicts: list[str] = []
        self.inside = 0
        self.told: list[Any] = []
        if ask is not None:
            self.facts = ask

    def start(self, rng: Any) -> Self:
        return self

    def enter(self, call: Call, now: float) -> None:
        self.inside += 1
        if call.facts is not None:
            self.told.append(call.facts[self])

    def exit(self, call: Call, began: float, now: float, verdict: Verdict) -> None:
        self.inside -= 1
        self.verdicts.append(verdict.value)

    def idle(self) -> bool:
        return self.inside == 0


class Clock:
    """Time passes when a test says so, or when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.now += seconds


def streaming(lib: ModuleType, chunks: list[bytes | BaseException], *, closing: BaseException | None = None) -> Any:
    """A stream of both colours that yields, and raises where an exception stands. ``closed`` counts."""

    class Stream(lib.AsyncByteStream, lib.SyncByteStream):  # type: ignore[name-defined, misc]
        closed = 0
        iterating = 0

        def __iter__(self) -> Iterator[bytes]:
            for chunk in chunks:
                if isinstance(chunk, BaseException):
                    raise chunk
                yield chunk

        async def __aiter__(self) -> AsyncIterator[bytes]:
            self.iterating += 1
            try:
                for chunk in chunks:
                    await anyio.lowlevel.checkpoint()
                    if isinstance(chunk, BaseException):
                        raise chunk
                    yield chunk
                await anyio.lowlevel.checkpoint()
            finally:
                self.iterating -= 1

        def close(self) -> None:
            self.closed += 1
            if closing is not None:
                raise closing

        async def aclose(self) -> None:
            await anyio.lowlevel.checkpoint()
            self.close()

    return Stream()


class Inner:
    """A transport of both colours around a function of the request; it remembers what it was asked."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self.answer = answer
        self.requests: list[Any] = []
        self.closed = 0

    def handle_request(self, request: Any) -> Any:
        self.requests.append(request)
        return self.answer(request)

    async def handle_async_request(self, request: Any) -> Any:
        self.requests.append(request)
        await anyio.lowlevel.checkpoint()
        return self.answer(request)

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


CONTEXT = ssl.create_default_context()


def wire(lib: ModuleType, **options: Any) -> Any:
    """The library's own transport, without a TLS context made anew each time."""
    return lib.HTTPTransport(verify=CONTEXT, **options)


def async_wire(lib: ModuleType, **options: Any) -> Any:
    return lib.AsyncHTTPTransport(verify=CONTEXT, **options)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSE = "close"
RESET = "reset"


class Server:
    """A loopback server that plays one script for each connection: answers in turn, each after one whole request.

    An answer is bytes, `CLOSE` (end of file), `RESET`, an event to wait for, or a tuple of these. After its script a
    connection is closed. The last script serves all further connections. ``connections`` and ``requests`` count.
    """

    def __init__(self, *scripts: list[Any]) -> None:
        self.scripts = list(scripts)
        self.connections = 0
        self.requests: list[bytes] = []
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _spawn(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            self._open.append(connection)
            self._spawn(self._play, connection, script)

    def _play(self, connection: socket.socket, script: list[Any]) -> None:
        with connection, contextlib.suppress(OSError):
            for answer in script:
                head = b""
                while b"\r\n\r\n" not in head:
                    data = connection.recv(65536)
                    if not data:
                        return
                    head += data
                self.requests.append(head)
                for part in answer if isinstance(answer, tuple) else (answer,):
                    if isinstance(part, bytes):
                        connection.sendall(part)
                    elif part == RESET:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    elif part == CLOSE:
                        return
                    else:
                        part.wait(5)  # a threading.Event: as long as the test wants


def refused() -> str:
    """A URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"
