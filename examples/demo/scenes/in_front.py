"""What does a gateway do for callers that know nothing of it?"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from meshkit.httpx import PoolTransport

from ..gateway import Gateway, gateway
from ..load import Side, Wire, arrivals, offer, told
from ..plot import Figure, Series, lines, numbers, stack
from ..server import BURST, PERIOD
from ..upstreams import HOST, Upstream, upstreams

SECONDS = 6.0
PATIENCE = 2.0
"""Seconds after which a caller gives up, on either side."""
KINDS = ("healthy", "failing", "canary", "broken")
BEFORE, AFTER = 10, 50
"""Percent for the new version."""
BIN = 0.5
"""Seconds of a point in the figures."""

MESH = """\
mesh: demo
clusters:
  orders:
    endpoints: [{healthy}, {failing}]
    pipeline: [circuit_breaker: {{failures: 5, cooldown: 1s}}]
  orders-v2: {{endpoints: [{canary}]}}
  shadow: {{endpoints: [{broken}]}}
routes:
- name: orders
  policies:
  - timeout: 2s
  - retry: {{on: "5xx, connect-failure"}}
  actions:
  - mirror: {{to: shadow}}
  to: {{canary: {{main: orders, canary: orders-v2, header: x-canary, weight: {weight}}}}}
listeners:
  public: {{port: {port}}}
"""


class InFront:
    title = "A gateway in front of them"

    def __init__(self, seconds: float, rate: float) -> None:
        self.seconds, self.rate = min(SECONDS, seconds), 2 * rate
        self.story = (
            f"{self.rate:g} GET requests a second for {self.seconds:g} s, each sent at the same instant through both "
            "sides, by plain httpx on either: one asks the servers of version 1 in turn, the other a gateway, "
            "`meshkit serve mesh.yaml`, which is a process of its own. One of these servers is healthy, the other "
            f"answers 503 for {BURST:g} s of every {PERIOD:g} s. Of what comes to the gateway, {BEFORE}% go to version "
            f"2, from half time on {AFTER}%, since the file then says so, and it is read again; and of each request a "
            "copy is sent to a server that answers nothing but 503. Every error counts. The gateway's status page "
            "is there until the demo ends: look at it in a browser."
        )
        self.began = 0.0
        self.upstreams: list[Upstream] = []
        self.sides: tuple[Side, ...] = ()
        self.served: list[tuple[float, str]] = []
        """``(instant, kind)`` of what has answered the gateway's callers."""
        self.weight = BEFORE
        self.weighed_at = math.inf
        self.gateway: Gateway | None = None
        self.lasting = AsyncExitStack()
        """The upstreams and the gateway, which are not ended with the scene."""
        self.stack = ""

    def clock(self) -> float:
        return time.monotonic() - self.began

    async def play(self) -> None:
        async with AsyncExitStack() as stack:
            self.upstreams = await self.lasting.enter_async_context(upstreams(KINDS))
            front = await self.lasting.enter_async_context(gateway())
            path = Path(self.lasting.enter_context(TemporaryDirectory())) / "mesh.yaml"
            self._write(path, front.port)
            await front.start(path)
            self.gateway = front
            self.sides = await self._sides(stack, front.url)
            self.began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._weighed(path, front))
                tasks.create_task(offer(arrivals(self.rate, self.seconds), self.sides, self.clock))

    async def aclose(self) -> None:
        """End what has stayed."""
        await self.lasting.aclose()

    def _write(self, path: Path, port: int) -> None:
        where = {each.kind: f"{HOST}:{each.port}" for each in self.upstreams}
        self.stack = MESH.format(**where, port=port, weight=self.weight).rstrip()
        path.write_text(self.stack, "utf-8")

    async def _sides(self, stack: AsyncExitStack, url: str) -> tuple[Side, Side]:
        wires = Wire(self.clock, PoolTransport), Wire(self.clock, PoolTransport)
        fronted, plain = (httpx.AsyncClient(transport=wire, timeout=PATIENCE) for wire in wires)
        turns = itertools.cycle([each.url for each in self.upstreams[:2]])
        await stack.enter_async_context(fronted)
        await stack.enter_async_context(plain)

        async def ask() -> httpx.Response:
            response = await fronted.get(url)
            self.served.append((self.clock(), response.headers.get("x-kind", "nobody")))
            return response

        return (
            Side("meshkit serve", self.clock, ask, wires[0]),
            Side("no gateway", self.clock, lambda: plain.get(next(turns)), wires[1]),
        )

    async def _weighed(self, path: Path, front: Gateway) -> None:
        await asyncio.sleep(self.seconds / 2)
        self.weight = AFTER
        self._write(path, front.port)
        front.reload()
        self.weighed_at = self.clock()

    @property
    def page(self) -> str:
        """Where the status page is."""
        return self.gateway.page if self.gateway else ""

    @property
    def progress(self) -> float:
        under_way = self.sides and all(side.calls for side in self.sides)
        return min(1.0, self.clock() / self.seconds) if under_way else 0.0

    def rows(self) -> list[tuple[str, ...]]:
        halves = [Counter(kind for at, kind in self.served if (at > self.weighed_at) is late) for late in (False, True)]
        shares = [half["canary"] / half.total() if half else math.nan for half in halves]
        return [
            ("", *(side.name for side in self.sides)),
            ("status page", self.page, "-"),
            ("calls", *(str(side.calls) for side in self.sides)),
            ("succeeded", *(told(side.success, ".2%") for side in self.sides)),
            ("errors", *(side.told_errors() for side in self.sides)),
            ("latency, median", *(told(side.latency(0.5) * 1000, ".1f", " ms") for side in self.sides)),
            ("latency, p99", *(told(side.latency(0.99) * 1000, ".1f", " ms") for side in self.sides)),
            (f"by version 2, of {BEFORE}%", told(shares[0], ".1%"), "-"),
            (f"by version 2, of {AFTER}%", told(shares[1], ".1%"), "-"),
        ]

    def status(self) -> list[tuple[str, ...]]:
        return [("the status page", "the canary's weight"), (self.page, f"{self.weight}%")]

    def pulse(self) -> str:
        sides = [f"{side.name} {told(side.success, '.1%')}" for side in self.sides]
        return "; ".join([*sides, f"status page: {self.page}"]) if sides else "starting"

    def figures(self) -> list[Figure]:
        return [self._failures(), self._served()]

    def _failures(self) -> Figure:
        series = []
        for side, style in zip(self.sides, ("mesh", "plain"), strict=True):
            failed = Counter(math.floor(each.at / BIN) for each in side.outcomes if each.error)
            points = [((k + 0.5) * BIN, float(failed[k])) for k in range(math.floor(self.seconds / BIN))]
            series.append(Series(side.name, style, points))
        axis = numbers(value for each in series for _, value in each.points)
        return lines("Calls that failed, per half second", series, self.seconds, axis)

    def _served(self) -> Figure:
        served: dict[int, Counter[str]] = {}
        for at, kind in self.served:
            served.setdefault(math.floor(at / BIN), Counter())[kind] += 1
        bins = [(k * BIN, seen) for k, seen in sorted(served.items()) if k * BIN < self.seconds]
        series = [
            Series(name, style, [(at, seen[kind] / seen.total()) for at, seen in bins])
            for kind, name, style in (
                ("healthy", "version 1, healthy", "healthy"),
                ("failing", "version 1, failing", "failing"),
                ("canary", "version 2", "slow"),
            )
        ]
        return stack("Who has answered the gateway's callers, per half second", series, self.seconds, BIN)
