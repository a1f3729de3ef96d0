"""How are real servers started and stopped? Each as a process of its own, with its files in a folder of its own.

A server is up when it lets itself be connected to. Which programs there are is asked first: a test that needs another
one says so.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .spoken import LARGE
from .ways import AUTHORITY

__all__ = ["SERVERS", "Server", "free_port", "needed", "running"]

HERE = Path(__file__).parent
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
SECONDS = 30.0
"""For a server to come up or to go down; they take one, on a busy machine."""
TAKES = 0.02
"""Seconds between two looks at a server that comes up."""


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many, no two of them the same: all are open at once."""
    with contextlib.ExitStack() as open_:
        probes = [open_.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]


class Server:
    """A process that listens on a port of loopback, and perhaps on a second one with TLS and on a Unix socket."""

    def __init__(self, name: str, folder: Path, command: list[str], **more: Any) -> None:
        self.name = name
        self.folder = folder
        self.command = command
        self.port: int = more.get("port", 0)
        self.tls_port: int = more.get("tls_port", 0)
        self.uds: str | None = more.get("uds")
        self.url = f"http://127.0.0.1:{self.port}" if self.port else "http://localhost"
        self.tls_url = f"https://127.0.0.1:{self.tls_port}"
        self.behind: Server | None = more.get("behind")
        """The server it passes requests on to."""

    def start(self) -> None:
        if self.uds is not None:
            Path(self.uds).unlink(missing_ok=True)  # of one that was killed
        env = {**os.environ, "PATH": PATH, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command, env=env, cwd=HERE, stdout=output, stderr=output, start_new_session=True
            )
        last = time.monotonic() + SECONDS
        while not self.listens():
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self.process.wait(TAKES)
                raise AssertionError(f"{self.name} ended with status {status}: {self.output()}")
            assert time.monotonic() < last, f"{self.name} does not come up: {self.output()}"

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX if self.uds and not self.port else socket.AF_INET) as probe:
            try:
                probe.connect(("127.0.0.1", self.port) if self.port else self.uds)
            except (ConnectionError, FileNotFoundError):
                return False
            return True

    def output(self) -> str:
        return (self.folder / "output").read_text("utf-8", "replace")

    def stop(self) -> None:
        """Ask it to end."""
        self.process.terminate()
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} does not go down: {self.output()}") from None

    def end(self) -> None:
        """Whether it runs or not."""
        if self.process.poll() is None:
            self.stop()

    def kill(self) -> None:
        """It, and the workers that it has."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        last = time.monotonic() + SECONDS
        while self.listens():  # a worker is not waited for
            assert time.monotonic() < last
            os.sched_yield()


def uvicorn(folder: Path, *more: str) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "spoken:app", "--port", str(port), "--log-level", "warning"]
    return Server("uvicorn", folder, [*command, "--timeout-graceful-shutdown", "1", *more], port=port)


def uvicorn_on_unix(folder: Path) -> Server:
    uds = str(folder / "uvicorn.sock")
    command = [sys.executable, "-m", "uvicorn", "spoken:app", "--uds", uds, "--log-level", "warning"]
    return Server("uvicorn on a Unix socket", folder, command, uds=uds)


def granian(folder: Path) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port), "--no-access-log"]
    return Server("granian", folder, [*command, "spoken:app"], port=port)


NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ text/plain txt; application/octet-stream bin; }}
    ssl_protocols TLSv1.2 TLSv1.3;
    gzip on;
    gzip_min_length 1;
    gzip_types text/plain;
    keepalive_requests 100;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        listen unix:{uds};
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/certificate.pem;
        root {folder}/files;
        location / {{ try_files $uri $uri.txt $uri.bin =404; }}
        location /status/204 {{ return 204; }}
        location /status/404 {{ return 404; }}
        location /status/304 {{ return 304; }}
        location /once {{ keepalive_timeout 0; try_files /small.bin =404; }}
        location /refuses {{ client_max_body_size 1k; proxy_pass http://127.0.0.1:1; }}
    }}
}}
"""


def nginx(folder: Path) -> Server:
    port, tls_port = free_ports(2)
    uds = str(folder / "nginx.sock")
    files = folder / "files"
    files.mkdir()
    (files / "small.bin").write_bytes(b"ok")
    (files / "large.bin").write_bytes(LARGE)
    (files / "chunked.txt").write_bytes(LARGE)
    AUTHORITY.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "certificate.pem")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # a worker of another user could not read the folder
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(user=user, folder=folder, port=port, tls_port=tls_port, uds=uds), "utf-8")
    command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    return Server("nginx", folder, command, port=port, tls_port=tls_port, uds=uds)


HAPROXY = """
global
    maxconn 512
defaults
    mode http
    option abortonclose
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout http-keep-alive 30s
    timeout tunnel 30s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server one 127.0.0.1:{behind}
"""


def haproxy(folder: Path, behind: Server) -> Server:
    port = free_port()
    configuration = folder / "haproxy.cfg"
    configuration.write_text(HAPROXY.format(port=port, behind=behind.port), "utf-8")
    command = ["haproxy", "-db", "-f", str(configuration)]
    return Server(f"haproxy before {behind.name}", folder, command, port=port, behind=behind)


SERVERS = ["uvicorn", "granian", "nginx", "haproxy-nginx", "haproxy-uvicorn"]
PROGRAMS = {"nginx": ["nginx"], "haproxy-nginx": ["haproxy", "nginx"], "haproxy-uvicorn": ["haproxy"]}


def needed(name: str) -> None:
    """Skip the test if what it needs is not installed."""
    for program in PROGRAMS.get(name, ()):
        if shutil.which(program, path=PATH) is None:
            pytest.skip(f"no {program} installed")


@contextlib.contextmanager
def running(name: str) -> Iterator[Server]:
    """A server of this name, for as long as it is needed."""
    needed(name)
    with contextlib.ExitStack() as stack:
        # Not pytest's: the path of a Unix socket is short.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meshkit-")))
        match name.split("-", 1):
            case ["haproxy", behind]:
                server = haproxy(folder, stack.enter_context(running(behind)))
            case ["uvicorn_on_unix"]:
                server = uvicorn_on_unix(folder)
            case [one]:
                server = {"uvicorn": uvicorn, "granian": granian, "nginx": nginx}[one](folder)
        server.start()
        try:
            yield server
        finally:
            server.end()
