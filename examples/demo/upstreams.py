"""Who is called? Upstream processes on loopback: started, killed, started again, and all of them ended at the end."""

from __future__ import annotations

import asyncio
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from .server import bursting

__all__ = ["Upstream", "upstreams"]

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
READY_WITHIN = 20.0


class Upstream:
    """One process and its place. ``changes`` are ``(instant, up)`` on the clock of `time.time`.

    ``module`` is run in it, and given the kind, the port and the epoch.
    """

    def __init__(self, kind: str, epoch: float, module: str = "examples.demo.server") -> None:
        self.kind = kind
        self.module = module
        self.port = free_port()
        self.epoch = epoch
        self.changes: list[tuple[float, bool]] = []
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def mood(self) -> str:
        if self.process is None or not (self.changes and self.changes[-1][1]):
            return "down"
        return "503" if self.kind == "failing" and bursting(time.time() - self.epoch) else "up"

    async def start(self) -> None:
        """Returns when it accepts connections. Raises `RuntimeError` if it ends before that, or takes too long."""
        command = [sys.executable, "-m", self.module, self.kind, str(self.port), str(self.epoch)]
        # A session of its own: Ctrl-C in the terminal reaches this program only, which then ends its upstreams.
        self.process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        async with asyncio.timeout(READY_WITHIN):
            while not await accepts(self.port):
                if self.process.returncode is not None:
                    raise RuntimeError(f"the {self.kind} upstream did not start on port {self.port}")
                await asyncio.sleep(0.02)
        self.changes.append((time.time(), True))

    async def kill(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        self.changes.append((time.time(), False))
        if process.returncode is None:
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    async def die_and_return(self, start: float, every: float, down: float, until: float) -> None:
        """Killed ``every`` so many seconds after ``start``, started again ``down`` seconds later, up to ``until``."""
        death = start + every
        while death + down < until:
            await asyncio.sleep(max(0.0, death - time.time()))
            await self.kill()
            await asyncio.sleep(down)
            await self.start()
            death += every


@asynccontextmanager
async def upstreams(kinds: Iterable[str], module: str = "examples.demo.server") -> AsyncIterator[list[Upstream]]:
    """All of them accept connections inside, and none is left behind, whatever happens."""
    epoch = time.time()
    started = [Upstream(kind, epoch, module) for kind in kinds]
    try:
        async with asyncio.TaskGroup() as starts:
            for upstream in started:
                starts.create_task(upstream.start())
        yield started
    finally:
        for upstream in started:
            await asyncio.shield(upstream.kill())


def free_port() -> int:
    """A port that nobody has, below those that systems give to outgoing connections.

    While an upstream is dead, none of the many clients here must be given its port.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


async def accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True
