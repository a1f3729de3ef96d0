"""What does a client's request cost? The measured process: a client, a loop, a core, told what to do line by line.

    python -m benchmarks.wire_child SUBJECT LOOP CORE SERVERS

It reads orders (JSON, see `Order`) from its standard input, carries each out and prints what came of it. Between two
orders it does nothing at all.

Workers share the requests evenly, each sending its next when it has read the answer to its last. Before those that
count come some that open the connections and warm the code, and some that tell how many make up the time asked for.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs

from .nginx import LARGE, SMALL, room_for_connections
from .wire_subjects import SUBJECTS
from .wire_through import PIECE, Client, Servers

__all__ = ["JOBS", "Order", "Took", "carried_out"]

PATIENCE = 120
"""Seconds after which an order has failed, whatever holds it up."""

BODY = b"x" * LARGE
PIECES = LARGE // len(PIECE)


@attrs.frozen
class Order:
    """``workers`` do ``job`` for about ``seconds``, or each once if these are 0.

    With ``idle`` further connections, which stay for later orders.
    """

    job: str
    workers: int
    seconds: float
    idle: int | None = None


@attrs.frozen
class Took:
    """How many exchanges, in how many seconds, and of the processor; bytes an idle connection keeps in memory."""

    count: int
    wall: float
    cpu: float
    kept: float = 0.0


def _get(client: Client, servers: Servers) -> tuple[Callable[[], Awaitable[int]], int]:
    # With policies any of the three may be asked, whoever is named.
    return (lambda: client.get(servers.endpoints[0] + "/small")), SMALL


JOBS: dict[str, Callable[[Client, Servers], tuple[Callable[[], Awaitable[int]], int]]] = {
    "get": _get,
    "streamed down": lambda client, at: ((lambda: client.streamed_down(at.endpoints[0] + "/large")), LARGE),
    "whole down": lambda client, at: ((lambda: client.whole_down(at.endpoints[0] + "/large")), LARGE),
    "whole up": lambda client, at: ((lambda: client.whole_up(at.sink, BODY)), LARGE),
    "streamed up": lambda client, at: ((lambda: client.streamed_up(at.sink, PIECES)), PIECES * len(PIECE)),
}
"""What an exchange is, and how many bytes it moves."""


async def batch(exchange: Callable[[], Awaitable[int]], expected: int, workers: int, each: int) -> Took:
    async def worker() -> None:
        for _ in range(each):
            if await exchange() != expected:
                raise RuntimeError(f"an exchange did not move {expected} bytes")

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(workers)))
    return Took(workers * each, time.perf_counter() - wall, time.process_time() - cpu)


def memory() -> int:
    """Of this process, resident (proc(5), statm): what C code takes is in it."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def opened(client: Client, origins: list[str]) -> float:
    """Leave one connection to each origin idle; returns the bytes that each takes."""
    await client.get(origins[0] + "/small")
    gc.collect()
    before, left = memory(), iter(origins[1:])

    async def worker() -> None:
        for origin in left:
            await client.get(origin + "/small")

    await asyncio.gather(*(worker() for _ in range(5)))
    gc.collect()
    return (memory() - before) / (len(origins) - 1)


async def carried_out(order: Order, client: Client, servers: Servers) -> Took:
    exchange, expected = JOBS[order.job](client, servers)
    await batch(exchange, expected, order.workers, 1)
    if not order.seconds:
        return await batch(exchange, expected, order.workers, 1)
    least = 2 if order.workers > 1 else 4
    trial = await batch(exchange, expected, order.workers, least)
    each = round(order.seconds / trial.wall * least)
    gc.collect()
    return await batch(exchange, expected, order.workers, max(least, each))


class Measured:
    """One subject: with a new client for each order, but where connections are to stay."""

    def __init__(self, subject: str, servers: Servers) -> None:
        self.make = SUBJECTS[subject]
        self.servers = servers
        self.lasting: Client | None = None
        self.kept = 0.0

    async def obey(self, order: Order) -> Took:
        async with asyncio.timeout(PATIENCE):
            if order.idle is None:
                client = self.make(self.servers, False)
                try:
                    return await carried_out(order, client, self.servers)
                finally:
                    await client.aclose()
            if self.lasting is None:
                self.lasting = self.make(self.servers, True)
                if order.idle:
                    self.kept = await opened(self.lasting, self.servers.origins[: order.idle])
            return attrs.evolve(await carried_out(order, self.lasting, self.servers), kept=self.kept)

    async def aclose(self) -> None:
        if self.lasting is not None:
            await self.lasting.aclose()


def loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if loop == "asyncio":
        return asyncio.new_event_loop
    from uvloop import new_event_loop

    return new_event_loop


def main(subject: str, loop: str, core: str, servers: str) -> None:
    if core:
        os.sched_setaffinity(0, {int(core)})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever gives the orders is told, and ends this
    room_for_connections()
    measured = Measured(subject, Servers(**json.loads(servers)))
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        for line in sys.stdin:
            signal.alarm(PATIENCE + 10)  # ends a process whose loop is held up
            said: dict[str, Any]
            try:
                said = attrs.asdict(runner.run(measured.obey(Order(**json.loads(line)))))
            except ImportError as error:
                said = {"failed": f"cannot be imported ({error})"}
            except Exception as error:
                said = {"failed": f"does not run ({type(error).__name__}: {error})"}
            signal.alarm(0)
            print(json.dumps(said), flush=True)
        runner.run(measured.aclose())


if __name__ == "__main__":
    main(*sys.argv[1:])
