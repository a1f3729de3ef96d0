"""What does a rate limit in the client do about a quota in the upstream?"""

from __future__ import annotations

import math
import time
from contextlib import AsyncExitStack

import httpx

import meshkit
from meshkit import Cluster, Pipeline, RateLimit, RejectedCall
from meshkit.httpx import AsyncMeshTransport, PoolTransport
from meshkit.observe import Journal, Recorder

from ..load import Side, Wire, offer, told
from ..plot import Figure, Series, lines, numbers
from ..server import QUOTA, QUOTA_BURST
from ..upstreams import upstreams

CALLS, BURST, WAIT = 300, 10, 2.0
STEP = 0.05


class RateLimited:
    title = "A burst against a quota"

    def __init__(self, seconds: float, rate: float) -> None:
        self.story = (
            f"{CALLS} calls at one instant, to an upstream that allows {QUOTA:g} a second ({QUOTA_BURST:g} at once) "
            f"and answers 429 to the rest. Plain httpx sends them all. The pipeline has RateLimit('{QUOTA:g}/s', "
            f"burst={BURST}, wait={WAIT:g}): a call waits up to {WAIT:g} s for its turn; one that would wait longer is "
            "refused at once, and never sent, which counts as an error too. The sides go one after the other, each to "
            "an upstream of its own: plain httpx on its own connections, the pipeline on those of meshkit's pool, 100 "
            "at most on either side."
        )
        self.began = 0.0
        self.sides: tuple[Side, ...] = ()
        self.limited = 0
        self.stack = ""

    def clock(self) -> float:
        return time.monotonic() - self.began

    async def play(self) -> None:
        async with AsyncExitStack() as stack:
            first, second = await stack.enter_async_context(upstreams(["quota", "quota"]))
            wires = Wire(self.clock, PoolTransport), Wire(self.clock)
            limit = RateLimit(f"{QUOTA:g}/s", burst=BURST, wait=WAIT)
            pipeline = Pipeline(limit, Cluster("quota", [first.url]), name="quota")
            self.stack = pipeline.explain()
            stack.callback(pipeline.listen(self._note, direct=True))
            stack.callback(pipeline.listen(Recorder(to=Journal().write)))
            # No timeouts: on both sides calls stand in line for 100 connections as long as that takes.
            meshed = httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, wires[0]), timeout=None)
            plain = httpx.AsyncClient(transport=wires[1], timeout=None)
            await stack.enter_async_context(meshed)
            await stack.enter_async_context(plain)
            self.sides = (
                Side("meshkit", self.clock, lambda: meshed.get("http://quota/"), wires[0]),
                Side("plain httpx", self.clock, lambda: plain.get(second.url), wires[1]),
            )
            for side in self.sides:
                self.began = time.monotonic()
                await offer([0.0] * CALLS, [side], self.clock)

    def _note(self, event: object) -> None:
        if isinstance(event, RejectedCall) and isinstance(event.reason, meshkit.RateLimited):
            self.limited += 1

    @property
    def progress(self) -> float:
        return sum(side.calls for side in self.sides) / CALLS / 2

    def rows(self) -> list[tuple[str, ...]]:
        longest = [max((attempt.at for attempt in side.wire.attempts), default=math.nan) for side in self.sides]
        return [
            ("", *(side.name for side in self.sides)),
            ("calls", *(str(side.calls) for side in self.sides)),
            ("succeeded", *(told(side.success, ".2%") for side in self.sides)),
            ("errors", *(side.told_errors() for side in self.sides)),
            ("latency, median", *(told(side.latency(0.5) * 1000, ".1f", " ms") for side in self.sides)),
            ("latency, p99", *(told(side.latency(0.99) * 1000, ".1f", " ms") for side in self.sides)),
            ("requests sent", *(str(len(side.wire.attempts)) for side in self.sides)),
            ("the last one sent after", *(told(at, ".2f", " s") for at in longest)),
            ("requests limited, never sent", str(self.limited), "-"),
        ]

    def status(self) -> list[tuple[str, ...]]:
        if not self.sides:
            return []
        waiting = [side.open - side.wire.open for side in self.sides]
        return [("waiting for their turn", *(side.name for side in self.sides)), ("calls", *map(str, waiting))]

    def pulse(self) -> str:
        return "; ".join(f"{side.name} {side.calls} of {CALLS} ended" for side in self.sides)

    def figures(self) -> list[Figure]:
        return [
            self._over_time("Calls that had succeeded", [_good(side) for side in self.sides]),
            self._over_time("Requests sent", [[attempt.at for attempt in side.wire.attempts] for side in self.sides]),
        ]

    def _over_time(self, title: str, instants: list[list[float]]) -> Figure:
        """How many there had been, by then."""
        seconds = max([1.0, *(at for each in instants for at in each)]) + STEP
        grid = [k * STEP for k in range(int(seconds / STEP) + 1)]
        series = [
            Series(side.name, style, [(t, float(sum(at <= t for at in each))) for t in grid])
            for side, style, each in zip(self.sides, ("mesh", "plain"), instants, strict=True)
        ]
        return lines(title, series, seconds, numbers(len(each) for each in instants))


def _good(side: Side) -> list[float]:
    return [outcome.at + outcome.latency for outcome in side.outcomes if not outcome.error]
