"""What does a WebSocket weigh that says nothing? 5,000 of them, through the gateway and to a server that echoes.

The server's own share is taken off: the same echo app under the same uvicorn, asked without a gateway. Each has been
opened and has told one word and got it back, so that all it needs is there; then it is idle. Bytes are resident memory,
what there is with 5,000 less what there was with 100, by their number.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import attrs

from .gateway import BESIDE, FILES, Started, unserved
from .gateway_child import ROOT, Child, on_core
from .gateway_plan import CHAT_HOST, Plan
from .gateway_subjects import ECHO, ENVOY, NGINX, OURS, running
from .measure import Effort, Figure
from .nginx import Nginx, NoServer, room_for_connections
from .rows import Line
from .wire_turns import cores

__all__ = ["ROWS"]

IDLE, FIRST = 5000, 100
AT_ONCE = 50
MOST = 20.0
"""KiB beyond the server's own."""
PATIENCE = 60.0
SETTLING = 0.5
"""Seconds in which a subject comes to rest."""
GREETING = (
    f"GET /chat HTTP/1.1\r\nHost: {CHAT_HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
).encode("ascii")
WORD = b"\x81\x82\x00\x00\x00\x00hi"
"""A text of two letters, masked with zeros (RFC 6455, 5.2); the echo of it comes without a mask."""
ECHOED = b"\x81\x02hi"


def opened(port: int, count: int) -> list[socket.socket]:
    """So many more WebSockets, each of which has been answered. Raises `NoServer`."""
    done: list[socket.socket] = []
    under_way: dict[int, tuple[socket.socket, bytearray]] = {}
    poll = select.epoll()
    give_up = time.monotonic() + PATIENCE
    left = count
    while left or under_way:
        while left and len(under_way) < AT_ONCE:
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            connection.sendall(GREETING)
            under_way[connection.fileno()] = connection, bytearray()
            poll.register(connection, select.EPOLLIN)
            left -= 1
        if time.monotonic() > give_up:
            raise NoServer(f"{len(done)} of {count} WebSockets were opened in {PATIENCE:.0f} s")
        for file, _ in poll.poll(1.0):
            connection, came = under_way[file]
            data = connection.recv(4096)
            came += data
            if not data or not came.startswith(b"HTTP/1.1 101"[: len(came)]):
                raise NoServer(f"a WebSocket was answered with {bytes(came[:40])!r}")
            if came.endswith(b"\r\n\r\n"):
                connection.sendall(WORD)
            elif came.endswith(ECHOED):
                poll.unregister(connection)
                del under_way[file]
                done.append(connection)
    return done


def main(port: str) -> None:
    """Opens as many more as each line of the standard input says, and answers when they are open."""
    room_for_connections()
    held: list[socket.socket] = []
    for line in sys.stdin:
        try:
            held += opened(int(port), int(line))
            print("{}", flush=True)
        except (NoServer, OSError) as error:
            print(json.dumps({"failed": f"{type(error).__name__}: {error}"}), flush=True)


@contextlib.contextmanager
def client(child: Child, core: int | None) -> Iterator[Callable[[int], None]]:
    command = [sys.executable, "-m", "benchmarks.gateway_sockets", str(child.port)]
    pipe = subprocess.PIPE
    with on_core(core):
        process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)

    def more(count: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        print(count, file=process.stdin, flush=True)
        said = json.loads(process.stdout.readline() or '{"failed": "its process ended"}')
        if "failed" in said:
            raise NoServer(said["failed"])

    with process:
        try:
            yield more
        finally:
            process.terminate()


def weighed(child: Child, core: int | None) -> float:
    """KiB for each. Raises `NoServer`."""
    with client(child, core) as more:
        more(FIRST)
        time.sleep(SETTLING)
        before = child.memory()
        more(IDLE - FIRST)
        time.sleep(SETTLING)
        return (child.memory() - before) / 1024 / (IDLE - FIRST)


@attrs.frozen
class Sockets:
    group = "gateway"

    async def measure(self, effort: Effort) -> list[Line]:
        return self.measured(effort)

    def measured(self, effort: Effort) -> list[Line]:
        path = f"{IDLE:,} idle WebSockets"
        files = room_for_connections()
        if files < 2 * IDLE + 200:
            return [unserved(path, NoServer(f"{files} files may be open at once (ulimit -n): too few"))]
        theirs, ours = cores()
        try:
            with contextlib.ExitStack() as stack:
                nginx = stack.enter_context(Nginx(theirs, files=FILES))
                endpoints = [url.removeprefix("http://") for url in nginx.endpoints]
                echo = stack.enter_context(running(ECHO, Plan(endpoints), theirs))
                plan = Plan(endpoints, chat=f"127.0.0.1:{echo.port}")
                kib: dict[str, float] = {}
                missing: dict[str, str] = {}
                for name in (ECHO, OURS, ENVOY, NGINX):
                    with Started.of([(name, name, plan)], ours) as taking:
                        missing |= taking.missing
                        for child in taking.children:
                            try:
                                kib[name] = weighed(child, theirs)
                            except NoServer as why:
                                missing[name] = str(why)
                return summary(path, kib, missing)
        except NoServer as why:
            return [unserved(path, why)]


def summary(path: str, kib: dict[str, float], missing: dict[str, str]) -> list[Line]:
    all_of_it = {name: Figure(each, 0.0, 0.0) for name, each in kib.items()}
    beside = (*BESIDE, ECHO)
    lines = [Line("gateway", f"{path}, each", "KiB", None, OURS, None, all_of_it, missing, beside=beside, full=True)]
    beyond = {}
    if OURS in kib and ECHO in kib:
        beyond[OURS] = Figure(kib[OURS] - kib[ECHO], 0.0, 0.0)
    lines.append(Line("gateway", f"{path}, each, beyond uvicorn's own", "KiB", MOST, OURS, None, beyond, {}))
    return lines


ROWS = (Sockets(),)

if __name__ == "__main__":
    main(*sys.argv[1:])
