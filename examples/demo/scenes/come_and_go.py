"""What does a cluster do about servers that come and go?"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from meshkit import Cluster, Pipeline, Retry, Timeout
from meshkit.cluster import OutlierDetection
from meshkit.discover import File
from meshkit.httpx import AsyncMeshTransport, PoolTransport

from ..load import Side, Wire, arrivals, offer, told
from ..plot import Band, Figure, Series, lines, numbers, stack
from ..upstreams import Upstream, upstreams

SECONDS = 5.0
PATIENCE = 2.0
"""Seconds after which a caller gives up, on either side."""
LOOKS = 0.1
"""Seconds between two looks into the file."""
KINDS = ("one", "two", "three")
STYLES = {"one": "dying", "two": "healthy", "three": "slow", "four": "failing"}
BIN = 0.5
"""Seconds of a point in the figures."""


def pipeline_over(path: Path) -> Pipeline:
    return Pipeline(
        Timeout(PATIENCE),
        Retry("connect-failure, reset"),
        Cluster("orders", File(path, interval=LOOKS), outliers=OutlierDetection()),
    )


class ComeAndGo:
    title = "Servers that come and go"

    def __init__(self, seconds: float, rate: float) -> None:
        self.seconds, self.rate = min(SECONDS, seconds), 2 * rate
        self.story = (
            f"{self.rate:g} GET requests a second for {self.seconds:g} s, each sent at the same instant through both "
            "sides, to three like servers that are listed in a file. One is killed, whatever it is doing. Later a "
            "fourth is started, and the file is replaced by one that lists it, and the dead one no more. Plain httpx "
            "rotates over those that were listed at the start. The pipeline balances by latency and load, asks "
            "somebody else where an attempt has failed, leaves out whoever fails again and again, and follows the file."
        )
        self.began = 0.0
        self.upstreams: list[Upstream] = []
        self.sides: tuple[Side, ...] = ()
        self.killed_at: float | None = None
        self.listed_at: float | None = None
        self.stack = ""
        self.states: Callable[[], dict[str, Any]] = dict
        """What the cluster says of its endpoints, by name."""

    def clock(self) -> float:
        return time.monotonic() - self.began

    async def play(self) -> None:
        async with AsyncExitStack() as stack:
            path = Path(stack.enter_context(TemporaryDirectory())) / "orders.json"
            there = await stack.enter_async_context(upstreams(KINDS))
            names(path, there)
            self.sides = await self._sides(stack, path, there)
            self.upstreams = list(there)
            self.began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._changes(stack, path))
                tasks.create_task(offer(arrivals(self.rate, self.seconds), self.sides, self.clock))

    async def _sides(self, stack: AsyncExitStack, path: Path, there: list[Upstream]) -> tuple[Side, Side]:
        wires = Wire(self.clock, PoolTransport), Wire(self.clock)
        pipeline = pipeline_over(path)
        self.stack = pipeline.explain()
        self.states = lambda: pipeline.snapshot()["orders"]
        meshed = httpx.AsyncClient(
            transport=AsyncMeshTransport(pipeline, wires[0]), base_url="http://orders", timeout=PATIENCE
        )
        plain = httpx.AsyncClient(transport=wires[1], timeout=PATIENCE)
        turns = itertools.cycle([upstream.url for upstream in there])
        await stack.enter_async_context(meshed)
        await stack.enter_async_context(plain)
        return (
            Side("meshkit", self.clock, lambda: meshed.get("/"), wires[0]),
            Side("plain httpx", self.clock, lambda: plain.get(next(turns)), wires[1]),
        )

    async def _changes(self, stack: AsyncExitStack, path: Path) -> None:
        one = self.upstreams[0]
        await asyncio.sleep(self.seconds / 4)
        await one.kill()
        self.killed_at = self.clock()
        await asyncio.sleep(self.seconds / 2 - self.clock())
        self.upstreams += await stack.enter_async_context(upstreams(["four"]))
        names(path, self.upstreams[1:])
        self.listed_at = self.clock()

    @property
    def progress(self) -> float:
        under_way = self.sides and all(side.calls for side in self.sides)
        return min(1.0, self.clock() / self.seconds) if under_way else 0.0

    def rows(self) -> list[tuple[str, ...]]:
        sent = [Counter(attempt.port for attempt in side.wire.attempts) for side in self.sides]
        return [
            ("", *(side.name for side in self.sides)),
            ("calls", *(str(side.calls) for side in self.sides)),
            ("succeeded", *(told(side.success, ".2%") for side in self.sides)),
            ("errors", *(side.told_errors() for side in self.sides)),
            ("latency, median", *(told(side.latency(0.5) * 1000, ".1f", " ms") for side in self.sides)),
            ("latency, p99", *(told(side.latency(0.99) * 1000, ".1f", " ms") for side in self.sides)),
            *(
                (f"requests to {upstream.kind}{self._fate(upstream)}", *(str(each[upstream.port]) for each in sent))
                for upstream in self.upstreams
            ),
        ]

    def _fate(self, upstream: Upstream) -> str:
        if upstream.kind == "one" and self.killed_at is not None:
            return f", killed after {self.killed_at:.1f} s"
        return f", listed after {self.listed_at:.1f} s" if upstream.kind == "four" and self.listed_at else ""

    def status(self) -> list[tuple[str, ...]]:
        listed = self.upstreams[1:] if self.listed_at else self.upstreams[: len(KINDS)]
        seen = {name: said(state) for name, state in self.states().items()}
        return [
            ("server", "is", "listed", "meshkit's cluster has it for"),
            *(
                (each.kind, each.mood, "yes" if each in listed else "no", seen.get(each.kind, "gone"))
                for each in self.upstreams
            ),
        ]

    def pulse(self) -> str:
        return "; ".join(
            [
                *(f"{side.name} {told(side.success, '.1%')}" for side in self.sides),
                *(f"{upstream.kind} down" for upstream in self.upstreams if upstream.mood == "down"),
            ]
        )

    def figures(self) -> list[Figure]:
        return [self._failures(), *(self._sent(side) for side in self.sides)]

    def _failures(self) -> Figure:
        dead = Band(self.killed_at or self.seconds, self.seconds, "offered", "one is dead")
        series = []
        for side, style in zip(self.sides, ("mesh", "plain"), strict=True):
            failed = Counter(int(each.at / BIN) for each in side.outcomes if each.error)
            points = [((k + 0.5) * BIN, float(failed[k])) for k in range(int(self.seconds / BIN))]
            series.append(Series(side.name, style, points))
        axis = numbers(value for each in series for _, value in each.points)
        return lines("Calls that failed, per half second", series, self.seconds, axis, [dead])

    def _sent(self, side: Side) -> Figure:
        sent: dict[int, Counter[int | None]] = defaultdict(Counter)
        for at, port in side.wire.attempts:
            sent[int(at)][port] += 1
        series = [
            Series(
                each.kind,
                STYLES[each.kind],
                [(float(k), ports[each.port] / ports.total()) for k, ports in sorted(sent.items()) if k < self.seconds],
            )
            for each in self.upstreams
        ]
        return stack(f"Where requests went, per second: {side.name}", series, self.seconds, 1.0)


def said(state: dict[str, Any]) -> str:
    """Of one endpoint, as the cluster sees it."""
    ejected = state["OutlierDetection"]["state"] == "ejected"
    return "ejected" if ejected else told(state["latency"] or math.nan, ".3f", " s a call")


def names(path: Path, there: list[Upstream]) -> None:
    """The file, in one step: nobody ever reads half of it."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps([{"address": each.url, "name": each.kind} for each in there]), "utf-8")
    new.replace(path)
