"""How long does an answer take when requests come as they come? So many a second, whether the last are answered or not.

    python -m benchmarks.gateway_paced PORT RATE SECONDS HOST/PATH ...

wrk asks again when it was answered: one that is slow is asked less. Here requests come at random (a Poisson process,
the same for all who are measured), and time is counted from when each was due: who was held up by those before it
pays for that, too. One thread, blocking only in select(2), whose timeout is in microseconds.
"""

from __future__ import annotations

import gc
import json
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from random import Random

from .gateway_child import ROOT, Child, on_core
from .gateway_wrk import Turn
from .nginx import SMALL, NoServer

__all__ = ["paced", "paced_turn"]

CONNECTIONS = 32
MOST = 500
"""Connections: more are opened when all are busy."""
SETTLING = 0.3
"""Seconds at the beginning that do not count: connections are made."""
SEED = 1


def paced_turn(child: Child, rate: float, seconds: float, asked: Sequence[tuple[str, str]], core: int | None) -> Turn:
    """Raises `NoServer`."""
    arguments = [str(child.port), str(rate), str(seconds), *(host + path for host, path in asked)]
    before = child.cpu()
    with on_core(core):
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.gateway_paced", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode:
        raise NoServer((run.stderr.strip().splitlines() or ["it said nothing"])[-1])
    return Turn(cpu=child.cpu() - before, **json.loads(run.stdout))


class Line:
    """A connection, and the request that is under way on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fileno = self.socket.fileno
        self.came = b""
        self.due = 0.0

    def ask(self, request: bytes, due: float) -> None:
        self.came = b""
        self.due = due
        self.socket.sendall(request)

    def answered(self) -> bool:
        """Takes what has come: is that all?"""
        data = self.socket.recv(65_536)
        self.came += data
        head = self.came.find(b"\r\n\r\n")
        if not data or (head >= 0 and self.came[9:12] != b"200"):
            raise ConnectionError(f"answered with {self.came[:60]!r}")
        return head >= 0 and len(self.came) - head - 4 >= SMALL


def paced(port: int, rate: float, seconds: float, asked: Sequence[str]) -> list[float]:
    """Seconds that each answer took."""
    requests = []
    for each in asked:
        host, _, path = each.partition("/")
        requests.append(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode())
    lines = [Line(port) for _ in range(CONNECTIONS)]
    try:
        return answered(lines, port, requests, rate, seconds)
    finally:
        for each in lines:
            each.socket.close()


def answered(lines: list[Line], port: int, requests: list[bytes], rate: float, seconds: float) -> list[float]:
    """The same, on these connections and others that are added to them."""
    free = [*lines]
    busy: set[Line] = set()
    late: deque[float] = deque()
    took: list[float] = []
    random = Random(SEED)
    began = time.perf_counter()
    due = began
    end = began + SETTLING + seconds
    count = 0
    while due < end or busy or late:
        now = time.perf_counter()
        while due <= now and due < end:
            late.append(due)
            due += random.expovariate(rate)
        while late and (free or len(busy) < MOST):
            if not free:
                free.append(Line(port))
                lines += free
            line = free.pop()
            line.ask(requests[count % len(requests)], late.popleft())
            busy.add(line)
            count += 1
        wait = max(0.0, due - time.perf_counter()) if due < end else 5.0
        ready, _, _ = select.select(busy, (), (), wait)
        for line in ready:
            if line.answered():
                now = time.perf_counter()
                if line.due > began + SETTLING:
                    took.append(now - line.due)
                busy.remove(line)
                free.append(line)
        if not ready and due >= end:
            raise TimeoutError(f"{len(busy)} were not answered")
    return took


def main(port: str, rate: str, seconds: str, *asked: str) -> None:
    gc.disable()
    took = sorted(paced(int(port), float(rate), float(seconds), asked))
    said = {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}
    print(json.dumps({"count": len(took), "wall": float(seconds), **said}))


if __name__ == "__main__":
    main(*sys.argv[1:])
