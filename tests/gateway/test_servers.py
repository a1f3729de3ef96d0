"""Served for real, on loopback: uvicorn (httptools, h11), hypercorn, granian. The client is a bare socket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..upstream.servers import free_port

HERE = Path(__file__).parent
SECONDS = 30.0
"""For a server to come up, or something to be seen; they take one, on a busy machine."""
PIECE = bytes(65_536)
MANY = 1600
"""Pieces of 100 MB."""
MOST = 24_000_000
"""Bytes that may be on their way in all buffers together, those of four sockets included."""

COMMANDS = {
    "uvicorn": ["uvicorn", "--http=httptools", "served:app", "--host=127.0.0.1", "--port={port}"],
    "uvicorn h11": ["uvicorn", "--http=h11", "served:app", "--host=127.0.0.1", "--port={port}"],
    "hypercorn": ["hypercorn", "--bind=127.0.0.1:{port}", "served:app"],
    "granian": ["granian", "--interface=asgi", "--host=127.0.0.1", "--port={port}", "served:app"],
}
CUT = {
    "/cut/length": (b"Content-Length: 99999", b"ab", False),
    "/cut/length/reset": (b"Content-Length: 99999", b"ab", True),
    "/cut/chunked": (b"Transfer-Encoding: chunked", b"2\r\nab\r\n", False),
    "/cut/chunked/reset": (b"Transfer-Encoding: chunked", b"2\r\nab\r\n", True),
    "/cut/chunk": (b"Transfer-Encoding: chunked", b"9\r\nab", False),
    "/cut/end": (b"Transfer-Encoding: chunked", b"2\r\nab\r\n0\r\n", False),
}
"""What breaks off, by path: how it is framed, what comes of it, and whether it is reset."""


class Upstream:
    """In a thread of its own; what it answers is said by the path."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.pushed = 0
        self.released = asyncio.Event()
        self.loop = asyncio.new_event_loop()
        self.port = free_port()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._up.wait(SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self._up.set()
        self.loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def release(self) -> None:
        self.loop.call_soon_threadsafe(self.released.set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split()[1]
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
                self.seen.append(path)
                await self._answer(path, fields, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.seen.append(f"{path} gone" if self.seen else "gone")
        finally:
            writer.close()

    async def _answer(self, path: str, fields: dict[str, str], reader: Any, writer: Any) -> None:
        if path in CUT:
            framing, data, reset = CUT[path]
            writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + data)
            await writer.drain()
            if reset:
                await self.released.wait()  # the client has what came
                self.released.clear()
                writer.transport.abort()
            raise ConnectionError
        if path == "/cut/short":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
            raise ConnectionError
        if path.endswith("/hangs"):
            await reader.readexactly(1)
        if path == "/begins":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
            await reader.readexactly(1)
        if path == "/large":
            self.pushed = 0
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MANY * len(PIECE)))
            for _ in range(MANY):
                writer.write(PIECE)
                await writer.drain()
                self.pushed += len(PIECE)
            return
        if path == "/slow":
            self.seen.append("asked")
            await self.released.wait()
            self.released.clear()
        if path == "/queue/first":
            await self.released.wait()
            self.released.clear()
        if fields.get("expect") == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if path == "/status/204":
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            return
        if path == "/status/304":
            writer.write(b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 9\r\n\r\n")
            return
        digest, size = hashlib.sha256(), 0
        if "chunked" in fields.get("transfer-encoding", ""):
            while length := int(await reader.readuntil(b"\r\n"), 16):
                digest.update(await reader.readexactly(length))
                size += length
                await reader.readexactly(2)
            await reader.readexactly(2)
        left = int(fields.get("content-length", 0))
        while left:
            data = await reader.read(min(left, 1 << 20))
            if not data:
                raise ConnectionError
            digest.update(data)
            size += len(data)
            left -= len(data)
        if path.startswith("/again") and self.seen.count(path) == 1:
            writer.transport.abort()
            raise ConnectionError
        body = json.dumps({"size": size, "sha256": digest.hexdigest(), "fields": fields}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        head_only = path == "/head"
        writer.write(b"" if head_only else body)


class Server:
    """A server in a process of its own."""

    def __init__(self, name: str, upstream: Upstream) -> None:
        self.name = name
        self.upstream = upstream
        self._start()

    def _start(self) -> None:
        name, upstream = self.name, self.upstream
        self.port = free_port()
        command = [sys.executable, "-m", *(part.format(port=self.port) for part in COMMANDS[name])]
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
            "UPSTREAM": str(upstream.port),
        }
        self.process = subprocess.Popen(command, env=env, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def wait(self) -> None:
        last = time.monotonic() + SECONDS
        while True:
            if self.process.poll() is not None:
                _, said = self.process.communicate()
                assert b"in use" in said, said  # somebody else was quicker to take the port
                self._start()
            assert time.monotonic() < last, "it does not come up"
            with contextlib.suppress(OSError):
                assert self.seen()
                return
            os.sched_yield()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError("it does not go down") from None

    @contextlib.contextmanager
    def wire(self) -> Iterator[Wire]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            yield Wire(connection)

    def seen(self) -> Any:
        with self.wire() as wire:
            wire.ask("GET", "/seen")
            return json.loads(wire.answer()[2])

    def until(self, true: Callable[[], object]) -> None:
        last = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < last, (self.upstream.seen, self.seen())
            os.sched_yield()

    def until_idle(self) -> None:
        self.until(lambda: self.seen()["idle"])


class Wire:
    """A client that sees each byte."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.rest = b""

    def ask(self, method: str, path: str, *fields: str, body: bytes = b"") -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: shop", *fields, "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + body)

    def more(self) -> bytes:
        try:
            return self.socket.recv(65_536)
        except ConnectionResetError:
            return b""

    def head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self.rest:
            data = self.more()
            assert data, self.rest
            self.rest += data
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:])

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One whose length is declared."""
        status, fields = self.head()
        length = int(fields["content-length"])
        while len(self.rest) < length:
            data = self.more()
            assert data
            self.rest += data
        body, self.rest = self.rest[:length], self.rest[length:]
        return status, fields, body

    def to_the_end(self) -> bytes:
        while data := self.more():
            self.rest += data
        return self.rest


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def servers(upstream: Upstream) -> Iterator[dict[str, Server]]:
    """All of them, which come up beside each other."""
    servers = {name: Server(name, upstream) for name in COMMANDS}
    try:
        for server in servers.values():
            server.wait()
        yield servers
    finally:
        for server in servers.values():
            server.stop()


@pytest.fixture(params=list(COMMANDS))
def server(request: pytest.FixtureRequest, servers: dict[str, Server], upstream: Upstream) -> Server:
    upstream.seen.clear()
    return servers[request.param]


@pytest.mark.parametrize("path", list(CUT))
def test_what_breaks_off_is_never_taken_for_complete(server: Server, path: str) -> None:
    framing, _, reset = CUT[path]
    with server.wire() as wire:
        wire.ask("GET", path)
        status, fields = wire.head()
        assert status == 200
        if reset:
            server.upstream.release()
        body = wire.to_the_end()  # the server has closed the connection, or reset it
        if b"Length" in framing:
            assert fields["content-length"] == "99999"
            assert body in (b"", b"ab")
        else:
            assert fields["transfer-encoding"] == "chunked"
            assert not body.endswith(b"0\r\n\r\n")
            assert "content-length" not in fields
    server.until_idle()


def test_a_short_one_that_breaks_off_is_an_error(server: Server) -> None:
    with server.wire() as wire:
        wire.ask("GET", "/cut/short")
        status, fields, _ = wire.answer()
        assert (status, fields["proxy-status"]) == (502, "meshkit; error=http_protocol_error")
        wire.ask("GET", "/ok")  # on the same connection
        assert wire.answer()[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload(server: Server, chunked: bool) -> None:
    data = bytes(range(256)) * 4096
    with server.wire() as wire:
        if chunked:
            parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in (data[:7], data[7:])]
            wire.ask("PUT", "/ok", "Transfer-Encoding: chunked", body=b"".join(parts) + b"0\r\n\r\n")
        else:
            wire.ask("PUT", "/ok", f"Content-Length: {len(data)}", body=data)
        status, _, body = wire.answer()
        assert status == 200
        told = json.loads(body)
        assert (told["size"], told["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert ("transfer-encoding" in told["fields"]) == chunked
    server.until_idle()


@pytest.mark.parametrize("size", [1000, 50_000])
def test_an_upload_that_is_sent_again(server: Server, size: int) -> None:
    """The upstream has reset its connection when all of it had come."""
    data = os.urandom(size)
    with server.wire() as wire:
        parts = b"".join(b"%x\r\n%b\r\n" % (len(data[k : k + 999]), data[k : k + 999]) for k in range(0, size, 999))
        wire.ask("PUT", f"/again/{size}", "Transfer-Encoding: chunked", body=parts + b"0\r\n\r\n")
        status, _, body = wire.answer()
        assert status == 200
        assert json.loads(body)["sha256"] == hashlib.sha256(data).hexdigest()
    assert server.upstream.seen.count(f"/again/{size}") == 2


def test_a_client_that_waits_to_be_asked(server: Server) -> None:
    with server.wire() as wire:
        wire.ask("PUT", "/slow", "Content-Length: 3", "Expect: 100-continue")
        server.until(lambda: "asked" in server.upstream.seen)
        if server.name != "hypercorn":  # it asks by itself
            wire.socket.setblocking(False)
            with pytest.raises(BlockingIOError):  # nobody has asked yet
                wire.socket.recv(1)
            wire.socket.settimeout(SECONDS)
        server.upstream.release()
        assert wire.head()[0] == 100
        wire.socket.sendall(b"abc")
        status, _, body = wire.answer()
        assert (status, json.loads(body)["size"]) == (200, 3)


def test_a_request_in_a_queue_keeps_its_body(server: Server) -> None:
    with server.wire() as first, server.wire() as second, server.wire() as third, server.wire() as fourth:
        first.ask("GET", "/queue/first")
        server.until(lambda: "/queue/first" in server.upstream.seen)
        second.ask("POST", "/queue/second", "Content-Length: 3", body=b"abc")
        third.ask("GET", "/queue/third")
        fourth.ask("POST", "/queue/app", "Content-Length: 3", body=b"abc")
        assert fourth.answer()[2] == b"abc"
        server.until(lambda: server.seen()["under_way"] == 3)
        began = time.monotonic()
        while time.monotonic() < began + 0.25:  # longer than the gateway waits before it asks for the client
            server.seen()
        server.upstream.release()
        assert [wire.answer()[0] for wire in (first, second, third)] == [200, 200, 200]
    server.until_idle()


@pytest.mark.parametrize("path", ["/hangs", "/begins"])
def test_a_client_that_goes_away(server: Server, path: str) -> None:
    with server.wire() as wire:
        wire.ask("GET", path)
        server.until(lambda: path in server.upstream.seen)
        if path == "/begins":
            assert wire.head()[0] == 200
    server.until(lambda: f"{path} gone" in server.upstream.seen)
    server.until_idle()


def test_a_client_that_goes_away_while_it_sends(server: Server) -> None:
    with server.wire() as wire:
        wire.ask("PUT", "/ok", "Content-Length: 99999", body=bytes(50_000))
        server.until(lambda: "/ok" in server.upstream.seen)
    server.until(lambda: "/ok gone" in server.upstream.seen)
    server.until_idle()


@pytest.mark.parametrize(("method", "path"), [("GET", "/status/204"), ("GET", "/status/304"), ("HEAD", "/head")])
def test_what_has_no_body_leaves_the_connection_as_it_was(server: Server, method: str, path: str) -> None:
    with server.wire() as wire:
        for _ in range(2):
            wire.ask(method, path)
            status, _ = wire.head()
            assert status == (200 if method == "HEAD" else int(path[-3:]))
        wire.ask("GET", "/ok")
        assert wire.answer()[0] == 200


def test_who_the_client_is(server: Server) -> None:
    with server.wire() as wire:
        wire.ask("GET", "/ok", "X-Forwarded-For: 203.0.113.9", "Connection: x-mine", "X-Mine: 1")
        fields = json.loads(wire.answer()[2])["fields"]
    # uvicorn trusts a proxy on loopback by itself, unless it is told not to.
    assert fields["x-forwarded-for"] == ("203.0.113.9" if "uvicorn" in server.name else "203.0.113.9, 127.0.0.1")
    assert "x-mine" not in fields
    assert fields["via"] == "1.1 meshkit"
    assert fields["host"] == "shop"


def test_a_client_that_does_not_read_stops_the_upstream(server: Server) -> None:
    before = server.seen()["peak"]
    with server.wire() as wire:
        wire.ask("GET", "/large")
        assert wire.head()[0] == 200
        still(lambda: server.upstream.pushed)
        assert server.upstream.pushed < MOST
        size = len(wire.rest)
        while size < MANY * len(PIECE):
            size += len(wire.more())
        assert size == MANY * len(PIECE)
    assert server.seen()["peak"] - before < MOST
    server.until_idle()


def test_an_upstream_that_does_not_read_stops_the_client(server: Server) -> None:
    before = server.seen()["peak"]
    with server.wire() as wire:
        wire.ask("PUT", "/slow", f"Content-Length: {MANY * len(PIECE)}")
        server.until(lambda: "asked" in server.upstream.seen)
        sent = 0

        def push() -> int:
            nonlocal sent
            with contextlib.suppress(BlockingIOError):
                while sent < MANY * len(PIECE):
                    sent += wire.socket.send(PIECE[: MANY * len(PIECE) - sent])
            return sent

        wire.socket.setblocking(False)
        still(push)
        assert sent < MOST
        wire.socket.settimeout(SECONDS)
        server.upstream.release()
        while sent < MANY * len(PIECE):
            sent += wire.socket.send(PIECE[: MANY * len(PIECE) - sent])
        assert json.loads(wire.answer()[2])["size"] == MANY * len(PIECE)
    assert server.seen()["peak"] - before < MOST
    server.until_idle()


def still(number: Callable[[], int]) -> None:
    """Until a number does not change any more."""
    before, since = number(), time.monotonic()
    while time.monotonic() < since + 0.3:
        os.sched_yield()
        if number() != before:
            before, since = number(), time.monotonic()


def test_draining(servers: dict[str, Server]) -> None:
    for server in servers.values():
        with server.wire() as wire:
            wire.ask("GET", "/readyz")
            assert wire.answer()[0] == 200
            wire.ask("GET", "/drain")
            assert wire.answer()[0] == 200
            wire.ask("GET", "/readyz")
            assert wire.answer()[0] == 503
            wire.ask("GET", "/healthz")
            assert wire.answer()[0] == 200
            wire.ask("GET", "/ok")
            status, fields, _ = wire.answer()
            assert (status, fields["connection"]) == (200, "close")
            assert wire.to_the_end() == b""
