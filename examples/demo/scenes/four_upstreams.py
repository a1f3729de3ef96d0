"""What does a pipeline do about upstreams that are slow, that fail, that die?"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import AsyncExitStack

import httpx

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    Endpoint,
    PeakEwma,
    Pipeline,
    RateLimit,
    RateLimited,
    RejectedCall,
    Retry,
    StateChanged,
    Timeout,
)
from meshkit.httpx import AsyncMeshTransport, PoolTransport

from ..load import Side, Wire, arrivals, offer, told
from ..plot import Figure
from ..server import BURST, PERIOD
from ..upstreams import Upstream, upstreams
from . import four_figures

KINDS = ("healthy", "slow", "failing", "dying")
PATIENCE = 2.0
"""Seconds after which a caller gives up, on either side."""
ATTEMPT = 0.5
"""Seconds after which the pipeline tries elsewhere."""


def pipeline_over(there: list[Upstream]) -> Pipeline:
    return Pipeline(
        Timeout(PATIENCE),
        Retry(on=("5xx", "connect-failure", TimeoutError, httpx.TransportError)),
        RateLimit("500/s", burst=100, wait=0.5),
        ConcurrencyLimit(200, queue=200),
        Timeout(ATTEMPT),
        Cluster(
            "orders",
            [Endpoint(upstream.url, name=upstream.kind) for upstream in there],
            # Of so few, three are compared instead of two.
            balancer=PeakEwma(choices=3),
            pipeline=[CircuitBreaker(failures=5, cooldown=1.0)],
        ),
    )


class FourUpstreams:
    title = "Four upstreams, one pipeline"

    def __init__(self, seconds: float, rate: float) -> None:
        self.seconds, self.rate = seconds, rate
        self.story = (
            f"The same GET requests, {rate:g} a second for {seconds:g} s, each sent at the same instant through both "
            "sides, whether or not earlier ones have been answered. Upstreams: healthy, about 5 ms; slow, 80 ms and a "
            f"tail; failing, 503 for {BURST:g} s of every {PERIOD:g} s; dying, killed and started again. Plain httpx "
            f"rotates over the four, on httpx's own connections; the pipeline is on those of meshkit's pool, as many "
            f"at most. Both give up after {PATIENCE:g} s. The pipeline adds a cluster with a balancer, a breaker for "
            f"each endpoint, retries, and {ATTEMPT:g} s for an attempt. Every error counts."
        )
        self.began = self.began_wall = 0.0
        self.upstreams: list[Upstream] = []
        self.sides: tuple[Side, ...] = ()
        self.breakers: list[tuple[float, str, str]] = []
        """``(instant, endpoint, new state)``"""
        self.limited = 0
        self.stack = ""

    def clock(self) -> float:
        return time.monotonic() - self.began

    async def play(self) -> None:
        async with AsyncExitStack() as stack:
            self.upstreams = await stack.enter_async_context(upstreams(KINDS))
            self.sides = await self._sides(stack)
            self.began, self.began_wall = time.monotonic(), time.time()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._dying())
                tasks.create_task(offer(arrivals(self.rate, self.seconds), self.sides, self.clock))

    async def _sides(self, stack: AsyncExitStack) -> tuple[Side, Side]:
        wires = Wire(self.clock, PoolTransport), Wire(self.clock)
        pipeline = pipeline_over(self.upstreams)
        self.stack = pipeline.explain()
        stack.callback(pipeline.listen(self._note, direct=True))
        meshed = httpx.AsyncClient(
            transport=AsyncMeshTransport(pipeline, wires[0]), base_url="http://orders", timeout=PATIENCE
        )
        plain = httpx.AsyncClient(transport=wires[1], timeout=PATIENCE)
        turns = itertools.cycle([upstream.url for upstream in self.upstreams])
        await stack.enter_async_context(meshed)
        await stack.enter_async_context(plain)
        return (
            Side("meshkit", self.clock, lambda: meshed.get("/"), wires[0]),
            Side("plain httpx", self.clock, lambda: plain.get(next(turns)), wires[1]),
        )

    async def _dying(self) -> None:
        dying = self.upstreams[KINDS.index("dying")]
        every = self.seconds / 4
        await dying.die_and_return(
            self.began_wall, every, down=min(1.5, every / 3), until=self.began_wall + self.seconds
        )

    def _note(self, event: object) -> None:
        if isinstance(event, StateChanged):
            self.breakers.append((event.at - self.began, str(event.endpoint), event.after))
        elif isinstance(event, RejectedCall) and isinstance(event.reason, RateLimited):
            self.limited += 1

    @property
    def progress(self) -> float:
        under_way = self.sides and all(side.calls for side in self.sides)
        return min(1.0, self.clock() / self.seconds) if under_way else 0.0

    def rows(self) -> list[tuple[str, ...]]:
        shares = [side.shares() for side in self.sides]
        return [
            ("", *(side.name for side in self.sides)),
            ("calls", *(str(side.calls) for side in self.sides)),
            ("succeeded", *(told(side.success, ".2%") for side in self.sides)),
            ("errors", *(side.told_errors() for side in self.sides)),
            ("latency, median", *(told(side.latency(0.5) * 1000, ".1f", " ms") for side in self.sides)),
            ("latency, p90", *(told(side.latency(0.9) * 1000, ".1f", " ms") for side in self.sides)),
            ("latency, p99", *(told(side.latency(0.99) * 1000, ".1f", " ms") for side in self.sides)),
            ("attempts per call", *(told(side.attempts_per_call, ".3f") for side in self.sides)),
            *(
                (f"share of {upstream.kind}", *(f"{share.get(upstream.port, 0):.1%}" for share in shares))
                for upstream in self.upstreams
            ),
            ("breaker changes", str(len(self.breakers)), "-"),
            ("requests limited", str(self.limited), "-"),
        ]

    def status(self) -> list[tuple[str, ...]]:
        states = {endpoint: state for _, endpoint, state in self.breakers}
        return [
            ("upstream", "is", "breaker"),
            *((upstream.kind, upstream.mood, states.get(upstream.kind, "closed")) for upstream in self.upstreams),
        ]

    def pulse(self) -> str:
        sides = [
            f"{side.name} {told(side.success, '.1%')}, p99 {told(side.latency(0.99) * 1000, '.0f', ' ms')}"
            for side in self.sides
        ]
        moods = [f"{upstream.kind} {upstream.mood}" for upstream in self.upstreams if upstream.mood != "up"]
        return "; ".join([*sides, *moods])

    def figures(self) -> list[Figure]:
        return four_figures.figures(self)
