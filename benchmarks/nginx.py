"""Who answers? A static nginx with one worker, started for a run and stopped after it; nothing of it is left behind.

Its files, its log and its process number are in a temporary folder. Connections stay open for as many requests as come
(``keepalive_requests``) and for an hour. It listens at three ports of 127.0.0.1, as three endpoints do, and at the
first of them on up to a thousand other addresses of the loopback network (RFC 1122, 3.2.1.3), for a pool to have many
origins to keep connections to.
"""

from __future__ import annotations

import grp
import os
import pwd
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["LARGE", "ORIGINS", "SMALL", "Nginx", "NoServer", "room_for_connections"]

SMALL, LARGE, ORIGINS = 200, 10_000_000, 1000
"""Bytes of the two files; addresses besides 127.0.0.1."""
NONE: dict[str, int] = {}

CONFIGURATION = """\
daemon off;
user {user} {group};
worker_processes 1;
{affinity}
worker_rlimit_nofile {files};
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=100;
    open_file_cache_valid 1h;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    default_type application/octet-stream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        root {folder}/www;
{listens}
    }}
}}
"""


class NoServer(Exception):
    """There is no nginx here, or it did not start: says why."""


def room_for_connections() -> int:
    """Let this process, and those it starts, have as many files open as it may; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return hard


def free_ports(count: int) -> list[int]:
    """Ports nobody listens at now; all held at once, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


class Nginx:
    """``with Nginx(core) as nginx``: ``nginx.endpoints`` are three URLs of it, ``nginx.origins`` as many as were asked.

    The worker runs on ``core``, if one is given; ``files`` are further ones, and how long they are. Raises `NoServer`.
    """

    def __init__(self, core: int | None = None, origins: int = 0, files: Mapping[str, int] = NONE) -> None:
        path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin"  # not on everybody's PATH in Debian
        self.program = shutil.which("nginx", path=path)
        if self.program is None:
            raise NoServer("nginx is not installed")
        self.core = core
        self.files = {"small": SMALL, "large": LARGE, **files}
        ports = free_ports(3)
        self.endpoints = [f"http://127.0.0.1:{port}" for port in ports]
        self.addresses = [f"127.0.{1 + n // 250}.{1 + n % 250}" for n in range(origins)]
        self.origins = [f"http://{address}:{ports[0]}" for address in self.addresses]
        self.ports = ports

    def configuration(self, folder: Path) -> str:
        listens = [f"127.0.0.1:{port}" for port in self.ports]
        listens += [f"{address}:{self.ports[0]}" for address in self.addresses]
        connections = 1024 + 3 * len(self.addresses)  # those it listens with count, and so do other people's
        return CONFIGURATION.format(
            user=pwd.getpwuid(os.geteuid()).pw_name,
            group=grp.getgrgid(os.getegid()).gr_name,
            affinity="" if self.core is None else f"worker_cpu_affinity {1 << self.core:b};",
            files=connections + 64,
            folder=folder,
            connections=connections,
            listens="\n".join(f"        listen {each};" for each in listens),
        )

    def __enter__(self) -> Self:
        files = room_for_connections()
        if files < 3 * len(self.addresses):
            raise NoServer(f"{files} files may be open at once (ulimit -n): too few for {len(self.addresses)} origins")
        self._folder = tempfile.TemporaryDirectory(prefix="nginx-")
        folder = Path(self._folder.name)
        for path, length in self.files.items():
            file = folder / "www" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x" * length)
        (folder / "nginx.conf").write_text(self.configuration(folder), "utf-8")
        self.process = subprocess.Popen(
            [self.program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._await_start(folder / "error.log")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _await_start(self, log: Path) -> None:
        """Until it takes connections, or has ended."""
        give_up = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < give_up:
            try:
                socket.create_connection(("127.0.0.1", self.ports[0]), timeout=1).close()
                return
            except OSError:
                time.sleep(0.005)
        said = log.read_text("utf-8").strip().splitlines() if log.exists() else []
        raise NoServer(f"nginx did not start: {said[-1] if said else 'it said nothing'}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait()
        self._folder.cleanup()
