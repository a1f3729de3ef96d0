"""How is a gateway served for a test? As its users do it: ``meshkit serve`` in a process of its own, on free ports.

What it says is read line by line, so that a test waits for a line, a socket or the end of the process, and for no time
to pass. Behind it stands a server in the test's own process, which answers when the test lets it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["Behind", "Client", "Served", "behind", "children", "client", "mesh_of", "served"]

SECONDS = 30.0
"""For anything at all; it takes a fraction of one, on a machine that has nothing else to do."""

MESH = """
mesh: shop
clusters:
  up: {{endpoints: ["127.0.0.1:{port}"]}}
routes:
- name: all
  match: {{prefix: /}}
  policies: [timeout: 60s]
  to: up
listeners:
  public: {{port: 0}}
"""


class Behind(ThreadingHTTPServer):
    """An upstream. ``/slow`` is answered when ``go`` is set, and ``/endless`` never comes to an end."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.go = threading.Event()
        self.asked: queue.Queue[str] = queue.Queue()
        """The paths of requests, as they come."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who has left is no news."""


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Behind

    def do_GET(self) -> None:
        self.server.asked.put(self.path)
        if self.path == "/endless":
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(b"1\r\nx\r\n")
                self.connection.recv(1)
            self.close_connection = True
            return
        if self.path == "/slow":
            assert self.server.go.wait(SECONDS)
        body = f"{os.getpid()} {self.path}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # it is called so there
        """Silently."""


@contextlib.contextmanager
def behind() -> Iterator[Behind]:
    with Behind() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.go.set()
            server.shutdown()
            thread.join(SECONDS)


def mesh_of(folder: Path, port: int, listeners: str = "") -> Path:
    """A mesh file in front of an upstream."""
    file = folder / "mesh.yaml"
    text = MESH.format(port=port)
    file.write_text(text.replace("  public: {port: 0}\n", listeners) if listeners else text, "utf-8")
    return file


class Served:
    """A process, and what it says. ``without``: modules that are not installed there."""

    def __init__(self, *arguments: object, without: tuple[str, ...] = ()) -> None:
        program = f"import sys; sys.modules |= dict.fromkeys({without!r}); from meshkit.__main__ import main; main()"
        command = [sys.executable, "-W", "error", "-c", program, "serve", *map(str, arguments)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.decode("utf-8", "replace").rstrip("\n"))
        self._lines.put(None)

    def line(self, pattern: str) -> re.Match[str]:
        """The next line that has this in it."""
        while True:
            line = self._lines.get(timeout=SECONDS)
            assert line is not None, f"it has ended: {self.said}"
            self.said.append(line)
            found = re.search(pattern, line)
            if found is not None:
                return found

    def url(self, listener: str = "public") -> str:
        """Where a listener listens, once it does."""
        return self.line(rf"serving {listener} on (\S+) ")[1]

    def end(self, *signals: int) -> int:
        """Its status, after these signals, or by itself."""
        for each in signals:
            self.process.send_signal(each)
        status = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        with contextlib.suppress(queue.Empty):
            while (line := self._lines.get_nowait()) is not None:
                self.said.append(line)
        return status

    @property
    def output(self) -> str:
        return "\n".join(self.said)

    def close(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()


def children(pid: int) -> list[int]:
    """The processes that a process has begun."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def served(*arguments: object, **more: Any) -> Iterator[Served]:
    server = Served(*arguments, **more)
    try:
        yield server
    finally:
        server.close()


class Client(http.client.HTTPConnection):
    """To a URL of the test's own, over TCP or a Unix socket, with TLS or without."""

    def __init__(self, url: str, tls: Any = None) -> None:
        found = re.fullmatch(r"https?://(?:\[(.+)\]|([^:]+)):(\d+)", url)
        self._path = None if found else url
        host, port = ("localhost", 80) if found is None else (found[1] or found[2], int(found[3]))
        super().__init__(host, port, timeout=SECONDS)
        self._tls = tls

    def connect(self) -> None:
        if self._path is not None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(SECONDS)
            self.sock.connect(self._path)
        else:
            super().connect()
            if self._tls is not None:
                self.sock = self._tls.wrap_socket(self.sock, server_hostname="localhost")

    def get(self, path: str) -> tuple[int, bytes]:
        self.request("GET", path)
        answer = self.getresponse()
        return answer.status, answer.read()


@contextlib.contextmanager
def client(url: str, tls: Any = None) -> Iterator[Client]:
    made = Client(url, tls)
    try:
        yield made
    finally:
        made.close()
