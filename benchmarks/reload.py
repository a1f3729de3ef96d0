"""How long does a mesh of 10,000 routes take to be read, and to be reloaded with one change? And does the loop stop?

The file is YAML in lines, 2 MB of it: hosts, prefixes, a timeout, a rewriting, a header field, fifty clusters. Reading
it includes the check of all there is. A reload runs in a thread, as `Mesh.follow` does it, while a task on the loop
asks to be woken every millisecond: how much later than that it is, is the lag. How late it is while a thread does
nothing but count stands beside it: CPython lets a thread go on for 5 ms, and the rest is the machine's own doing.
"""

from __future__ import annotations

import asyncio
import gc
import math
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs

from .measure import Effort, Figure, spread
from .rows import Line

__all__ = ["ROWS", "Reload", "text"]

ROUTES = 10_000
CLUSTERS = 50
TICK = 0.001
LOADS, RELOADS = 3, 10


def text(routes: int, changed: int | None = None) -> str:
    """A mesh file; the timeout of the route ``changed`` is another one."""
    lines = ["mesh: shop", "clusters:"]
    lines += [
        f"  cluster-{number}: {{endpoints: [10.0.{number}.1:8080, 10.0.{number}.2:8080]}}"
        for number in range(min(routes, CLUSTERS))
    ]
    lines.append("routes:")
    for number in range(routes):
        lines += [
            f"  - name: route-{number}",
            "    match:",
            f"      host: service-{number // 10}.example",
            f"      prefix: /v{number % 10}",
            "    policies:",
            f"      - timeout: {'3s' if number == changed else '2s'}",
            "    actions:",
            "      - rewrite: {prefix: /}",
            "      - request_headers: {set: {x-env: canary}}",
            f"    to: cluster-{number % CLUSTERS}",
        ]
    return "\n".join(lines) + "\n"


async def lags(meanwhile: Callable[[], Awaitable[Any]]) -> list[float]:
    """Milliseconds by which a task that wants to run every `TICK` is late."""
    found: list[float] = []
    over = False
    loop = asyncio.get_running_loop()

    async def ticking() -> None:
        while not over:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            found.append(1e3 * (loop.time() - due))

    task = asyncio.create_task(ticking())
    await asyncio.sleep(TICK)
    await meanwhile()
    over = True
    await task
    return found


@attrs.frozen(kw_only=True)
class Reload:
    """A file of so many routes."""

    routes: int = ROUTES

    group = "reload"

    async def measure(self, effort: Effort) -> list[Line]:
        from meshkit.config import Mesh

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mesh.yaml"
            path.write_text(text(self.routes))
            loads, builds = [], []
            for _ in range(LOADS):
                gc.collect()
                began = perf_counter()
                mesh = Mesh.from_file(path)
                loads.append(perf_counter() - began)
                transport = mesh.transport()
                builds.append(perf_counter() - began)
            gc.collect()
            took: list[float] = []
            late: list[float] = []

            def reload() -> None:
                began = perf_counter()
                mesh.reload()
                took.append(perf_counter() - began)

            for number in range(RELOADS):
                path.write_text(text(self.routes, number * self.routes // RELOADS))
                late += await lags(lambda: asyncio.to_thread(reload))
            busy = await lags(lambda: asyncio.to_thread(count, sum(took)))
            assert mesh.version == RELOADS + 1, "a reload was not taken over"
            assert transport.pipeline is mesh.pipeline
        beside = f"while a thread only counts, for as long, the longest is {max(busy):.1f} ms"
        of = f"{self.routes:,} routes"
        return [
            self._line(f"a file of {of}: read and checked", "s", 5, loads),
            self._line(f"a file of {of}: read, checked, and its pipeline made", "s", 5, builds),
            self._line(f"one of {of} changed: reloaded", "s", 1, took),
            self._line(f"one of {of} changed: the longest lag of the loop meanwhile", "ms", 20, [max(late)], beside),
            self._line(f"one of {of} changed: 99.9 % of the lags meanwhile", "ms", 20, [most(late, 0.999)]),
        ]

    def _line(self, path: str, unit: str, target: float, values: list[float], *notes: str) -> Line:
        figure = Figure(statistics.median(values), spread(values) if len(values) > 1 else 0.0, 0.0)
        return Line(self.group, path, unit, target, "meshkit", None, {"meshkit": figure}, {}, notes)


def count(seconds: float) -> None:
    """Keep a thread busy."""
    until = perf_counter() + seconds
    while perf_counter() < until:
        for _ in range(1000):
            pass


def most(values: list[float], share: float) -> float:
    """The one that so many are at most."""
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


ROWS = (Reload(),)
