"""What does a mesh file do about a new version that breaks?"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from meshkit import StateChanged
from meshkit.config import Mesh
from meshkit.httpx import PoolTransport

from ..load import Side, Wire, arrivals, offer, told
from ..plot import Band, Figure, Series, lines, numbers, stack
from ..server import LEAK
from ..upstreams import Upstream, upstreams

SECONDS = 5.0
PATIENCE = 2.0
"""Seconds after which a caller gives up, on either side."""
NAMES = ("version 1", "version 2", "version 2")
"""Of the upstreams. Each side has a version 2 of its own: it breaks by what is asked of it."""
BIN = 0.5
"""Seconds of a point in the figures."""

CLUSTERS = """\
clusters:
  orders: {{endpoints: ["{}"]}}
  orders-v2: {{endpoints: ["{}"]}}
"""
ROUTE = """\
routes:
- name: orders
  match: {{host: orders}}
  policies:
  - timeout: 2s
  - retry: {{on: 5xx}}
  to: {}
"""
BEFORE = ROUTE.format("orders")
AFTER = ROUTE.format("{rollout: {main: orders, canary: orders-v2, steps: [10%, 50%, 100%], every: 500ms, calls: 10}}")


class TakenBack:
    title = "A new version that breaks"

    def __init__(self, seconds: float, rate: float) -> None:
        self.seconds, self.rate = min(SECONDS, seconds), 2 * rate
        self.release = self.seconds / 5
        self.story = (
            f"{self.rate:g} GET requests a second for {self.seconds:g} s, each sent at the same instant through both "
            f"sides, to version 1 of a service. After {self.release:g} s version 2 is released, which answers 503 from "
            f"its {LEAK + 1}st request on. Plain httpx has a base_url, which is now another one. The other client goes "
            "by a mesh file, which now has a rollout: 10%, 50%, 100% of the calls, each for 0.5 s at least, and none "
            "once it is certain that more than one in a hundred of them fail. A retry stands in front of it. Nobody "
            "watches, nobody does anything else, and every error counts."
        )
        self.began = 0.0
        self.upstreams: list[Upstream] = []
        self.sides: tuple[Side, ...] = ()
        self.released_at: float | None = None
        self.steps: list[tuple[float, str]] = []
        """``(instant, new state)`` of the rollout."""
        self.base = ""
        """Where plain httpx sends its calls."""
        self.stack = ""

    def clock(self) -> float:
        return time.monotonic() - self.began

    async def play(self) -> None:
        async with AsyncExitStack() as stack:
            path = Path(stack.enter_context(TemporaryDirectory())) / "mesh.yaml"
            self.upstreams = await stack.enter_async_context(upstreams(["healthy", "leaking", "leaking"]))
            clusters = CLUSTERS.format(*(each.url for each in self.upstreams[:2]))
            path.write_text(clusters + BEFORE, "utf-8")
            mesh = Mesh.from_file(path)
            self.stack = AFTER.rstrip()
            stack.callback(mesh.pipeline.listen(self._note, direct=True))
            self.sides = await self._sides(stack, mesh)
            self.began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._released(mesh, path, clusters))
                tasks.create_task(offer(arrivals(self.rate, self.seconds), self.sides, self.clock))

    async def _sides(self, stack: AsyncExitStack, mesh: Mesh) -> tuple[Side, Side]:
        wires = Wire(self.clock, PoolTransport), Wire(self.clock)
        meshed = httpx.AsyncClient(transport=mesh.transport(wires[0]), timeout=PATIENCE)
        plain = httpx.AsyncClient(transport=wires[1], timeout=PATIENCE)
        self.base = self.upstreams[0].url
        await stack.enter_async_context(meshed)
        await stack.enter_async_context(plain)
        return (
            Side("meshkit", self.clock, lambda: meshed.get("http://orders/"), wires[0]),
            Side("plain httpx", self.clock, lambda: plain.get(self.base), wires[1]),
        )

    async def _released(self, mesh: Mesh, path: Path, clusters: str) -> None:
        await asyncio.sleep(self.release)
        released(mesh, path, clusters)
        self.base = self.upstreams[2].url
        self.released_at = self.clock()

    def _note(self, event: object) -> None:
        if isinstance(event, StateChanged) and event.policy == "Rollout":
            self.steps.append((event.at - self.began, event.after))

    @property
    def progress(self) -> float:
        under_way = self.sides and all(side.calls for side in self.sides)
        return min(1.0, self.clock() / self.seconds) if under_way else 0.0

    def rows(self) -> list[tuple[str, ...]]:
        sent = [self._to_version_2(side) for side in self.sides]
        return [
            ("", *(side.name for side in self.sides)),
            ("calls", *(str(side.calls) for side in self.sides)),
            ("succeeded", *(told(side.success, ".2%") for side in self.sides)),
            ("errors", *(side.told_errors() for side in self.sides)),
            ("latency, median", *(told(side.latency(0.5) * 1000, ".1f", " ms") for side in self.sides)),
            ("latency, p99", *(told(side.latency(0.99) * 1000, ".1f", " ms") for side in self.sides)),
            ("requests to version 2", *map(str, sent)),
            ("of which it failed", *(str(max(0, number - LEAK)) for number in sent)),
            *((f"rollout: {state}", told(at, ".2f", " s"), "-") for at, state in self.steps),
        ]

    def _to_version_2(self, side: Side) -> int:
        ports = {each.port for each in self.upstreams[1:]}
        return sum(attempt.port in ports for attempt in side.wire.attempts)

    def status(self) -> list[tuple[str, ...]]:
        return [("the new version", "is"), ("", "released" if self.released_at else "to come")]

    def pulse(self) -> str:
        state = self.steps[-1][1] if self.steps else "released" if self.released_at else "before the release"
        return "; ".join([*(f"{side.name} {told(side.success, '.1%')}" for side in self.sides), state])

    def figures(self) -> list[Figure]:
        return [self._failures(), *(self._sent(side) for side in self.sides)]

    def _failures(self) -> Figure:
        began = self.released_at or self.seconds
        back = next((at for at, state in self.steps if state == "rolled-back"), self.seconds)
        rollout = Band(began, back, "offered", "the rollout")
        series = []
        for side, style in zip(self.sides, ("mesh", "plain"), strict=True):
            failed = Counter(math.floor(each.at / BIN) for each in side.outcomes if each.error)
            points = [((k + 0.5) * BIN, float(failed[k])) for k in range(math.floor(self.seconds / BIN))]
            series.append(Series(side.name, style, points))
        axis = numbers(value for each in series for _, value in each.points)
        return lines("Calls that failed, per half second", series, self.seconds, axis, [rollout])

    def _sent(self, side: Side) -> Figure:
        sent: dict[int, Counter[Any]] = defaultdict(Counter)
        names = {each.port: name for each, name in zip(self.upstreams, NAMES, strict=True)}
        for at, port in side.wire.attempts:
            sent[math.floor(at / BIN)][names.get(port)] += 1
        bins = [(k, seen) for k, seen in sorted(sent.items()) if k * BIN < self.seconds]
        series = [
            Series(name, style, [(k * BIN, seen[name] / seen.total()) for k, seen in bins])
            for name, style in (("version 1", "healthy"), ("version 2", "failing"))
        ]
        return stack(f"Where requests went, per half second: {side.name}", series, self.seconds, BIN)


def released(mesh: Mesh, path: Path, clusters: str) -> None:
    """The file says so from now on, and the mesh reads it again."""
    path.write_text(clusters + AFTER, "utf-8")
    mesh.reload()
