"""After very many requests, with everything going wrong that can: is anything left, and was any answer another's?

    python -m tests.upstream.soak --requests 200000 --seconds 600

Two servers (`soaked`), each killed and started again now and then; clients that are cancelled, lose patience, or leave
in the middle of an answer; bodies up and down, in one piece and in many (`errand`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import logging
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx

from meshkit import Cluster, ConcurrencyLimit, Constant, DeadlineExceeded, Pipeline, Retry, Timeout
from meshkit.httpx import AsyncMeshTransport
from meshkit.upstream.connection import Connection

from .errand import HASTY, KINDS, PATIENT, Errand, Wrong
from .rogue import until
from .servers import Server, free_port
from .ways import POOL, Way, left_since, now_open

__all__ = ["GROWTH", "Report", "soak"]

HERE = Path(__file__).parent
WORKERS = 64
CONNECTIONS = 40
"""Fewer than the workers, so that there is a queue for them."""
PERMITS = 56
SERVED = 2000
"""Requests from one restart of a server to the next."""
EARLY = 0.2
"""The part of all requests after which memory is looked at: by then it has what it needs."""
GROWTH = 8_000_000
"""Bytes that the process may be larger at the end of a long run. The least that is kept of a call, an answer without a
body, has some 500: a tenth of the last 160,000 requests would have to leave theirs behind.
"""
PAUSE = 0.02
"""Seconds between two looks at how far the others are."""


@attrs.define
class Report:
    way: Way
    outcomes: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    wrong: list[str] = attrs.field(factory=list)
    """What must not be."""
    requests: int = 0
    restarts: int = 0
    seconds: float = 0.0
    early: int = 0
    late: int = 0
    """Bytes of memory."""

    def __str__(self) -> str:
        names = [name for name, _ in Counter(outcome for _, outcome in self.outcomes.elements()).most_common()]
        width = max(map(len, names), default=0) + 2
        lines = [
            f"{self.way}: {self.requests:,} requests in {self.seconds:.1f} s, {self.restarts} restarts",
            f"memory: {self.early / 1e6:.1f} MB after {EARLY:.0%}, {self.late / 1e6:.1f} MB at the end",
            " " * width + "".join(f"{kind:>9}" for kind in KINDS),
        ]
        for name in names:
            counts = [self.outcomes[kind, name] for kind in KINDS]
            lines.append(f"{name:<{width}}" + "".join(f"{count:>9,}" if count else f"{'.':>9}" for count in counts))
        lines += [f"WRONG: {each}" for each in self.wrong[:20]] or ["nothing is left, and no answer was another's"]
        return "\n".join(lines)


class Soak:
    """One run."""

    def __init__(self, way: Way, requests: int, seconds: float, seed: int) -> None:
        self.way = way
        self.numbers = iter(range(1, requests + 1))
        self.requests = requests
        self.began = time.monotonic()
        self.most = seconds
        self.seed = seed
        self.over = False
        self.report = Report(way)

    async def worker(self, patient: Any, hasty: Any) -> None:
        report = self.report
        for number in self.numbers:
            passed = time.monotonic() - self.began
            if passed > self.most:
                return
            if not report.early and (report.requests > self.requests * EARLY or passed > self.most * EARLY):
                report.early = memory()
            errand = Errand(number, self.seed)
            report.outcomes[errand.kind, await self.outcome(errand, patient, hasty)] += 1
            report.requests += 1

    async def outcome(self, errand: Errand, patient: Any, hasty: Any) -> str:
        try:
            return await errand.run(patient, hasty)
        except Wrong as error:
            return self.wrong(errand, f"{error}")
        except self.way.lib.TransportError as error:
            if isinstance(error, DeadlineExceeded) and not errand.hasty:
                return self.wrong(errand, f"not answered in {PATIENT} s")
            return type(error).__name__
        except Exception as error:  # whatever else comes is a finding
            where = "".join(traceback.format_tb(error.__traceback__)[-3:])
            return self.wrong(errand, f"{error!r}\n{where}")

    def wrong(self, errand: Errand, what: str) -> str:
        self.report.wrong.append(f"{errand.kind}/{errand.number}: {what}")
        return "wrong"

    async def restarting(self, servers: list[Server]) -> None:
        """Now one server, now the other; asked to end, or killed."""
        for turn in itertools.count():
            due = turn * SERVED + SERVED // 2
            while self.report.requests < due:
                if self.over:
                    return
                await asyncio.sleep(PAUSE)
            server = servers[turn % 2]
            await asyncio.to_thread(server.kill if turn % 4 < 2 else server.stop)
            await asyncio.to_thread(server.start)
            self.report.restarts += 1

    async def run(self, servers: list[Server]) -> None:
        logged: Counter[str] = Counter()
        with listening(logged):
            await self.measured(servers)
        self.report.wrong += [f"logged {count} times: {what}" for what, count in logged.items()]

    async def measured(self, servers: list[Server]) -> None:
        report = self.report
        await asyncio.to_thread(int)  # the thread that restarts servers is there from the beginning
        tasks, descriptors, before = asyncio.all_tasks(), now_open(), remembered()
        await self.ask(servers)
        await self.holds("no task or descriptor is left", lambda: not left_since(tasks, descriptors))
        report.wrong += [f"left: {each}" for each in left_since(tasks, descriptors)]
        report.late = memory()
        for server in servers:
            await self.holds("no connection is open at a server", lambda server=server: open_at(server) == 0)
        if remembered() > before:
            report.wrong.append(f"{remembered() - before} connections are still remembered")

    async def ask(self, servers: list[Server]) -> None:
        """All of it, through two clients with a pipeline each, over one pool."""
        lib = self.way.lib
        pipelines = [
            Pipeline(
                Timeout(seconds),
                Retry(["5xx", "connect-failure"], attempts=3, backoff=Constant(0.001), budget=None),
                ConcurrencyLimit(PERMITS, queue=WORKERS),
                Cluster("soak", [f"127.0.0.1:{server.port}" for server in servers]),
                seed=self.seed,
            )
            for seconds in (PATIENT, HASTY)
        ]
        limits = lib.Limits(max_connections=CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=0.5)
        inner = self.way.open(limits=limits)
        clients = [
            lib.AsyncClient(transport=AsyncMeshTransport(pipeline, inner), timeout=PATIENT) for pipeline in pipelines
        ]
        async with clients[0], clients[1]:
            restarts = asyncio.create_task(self.restarting(servers))
            self.began = time.monotonic()
            await asyncio.gather(*(self.worker(*clients) for _ in range(WORKERS)))
            self.report.seconds = time.monotonic() - self.began
            self.over = True
            await restarts
            gc.collect()  # answers that were forgotten
            for pipeline in pipelines:
                await self.holds("pipeline.idle()", pipeline.idle)
            await self.holds("the pool is idle", inner.pool.idle)

    async def holds(self, what: str, true: Callable[[], object]) -> None:
        try:
            await until(true, 10.0)
        except AssertionError:
            self.report.wrong.append(f"not so: {what}")


@contextlib.contextmanager
def listening(logged: Counter[str]) -> Iterator[None]:
    """What a loop complains of: exceptions that nobody saw, writing to a socket that is gone."""
    ear = logging.Handler(logging.WARNING)
    ear.emit = lambda record: logged.update([record.getMessage()])  # type: ignore[method-assign]
    logger = logging.getLogger("asyncio")
    logger.addHandler(ear)
    try:
        yield
    finally:
        logger.removeHandler(ear)


def memory() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


def remembered() -> int:
    """Connections that somebody still holds."""
    gc.collect()
    return sum(isinstance(each, Connection) for each in gc.get_objects())


def open_at(server: Server) -> int:
    """How many connections the server has, but for the one that asks."""
    return int(httpx.get(f"{server.url}/open/0/0").text)


@contextlib.contextmanager
def two_servers() -> Iterator[list[Server]]:
    with tempfile.TemporaryDirectory(prefix="meshkit-") as folder, contextlib.ExitStack() as stack:
        servers = []
        for number in range(2):
            port = free_port()
            command = [sys.executable, str(HERE / "soaked.py"), str(port)]
            server = Server(f"soaked {number}", Path(folder), command, port=port)
            server.start()
            stack.callback(server.end)
            servers.append(server)
        yield servers


async def soak(way: Way, requests: int, seconds: float, seed: int) -> Report:
    """Run it, on the loop of that way."""
    run = Soak(way, requests, seconds, seed)
    with two_servers() as servers:
        await run.run(servers)
    return run.report


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--requests", type=int, default=200_000)
    options.add_argument("--seconds", type=float, default=600.0, help="no request begins after so many")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--way", choices=list(map(str, POOL)), default=str(POOL[2]))
    given = options.parse_args()
    [way] = [each for each in POOL if str(each) == given.way]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C does: the servers are stopped on the way out
    report = way.run(soak(way, given.requests, given.seconds, given.seed))
    grown = report.late - report.early
    if grown > GROWTH:
        report.wrong.append(f"memory grew by {grown / 1e6:.1f} MB")
    print(report)  # noqa: T201
    sys.exit(bool(report.wrong))


if __name__ == "__main__":
    main()
