"""What is asked, and what came of it?

Open-loop traffic: every call begins at its instant of one schedule, on every side, however slow the answers to earlier
calls are. Latency counts from the scheduled instant, so a late start is not hidden.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

import httpx

__all__ = ["Attempt", "Outcome", "Send", "Side", "Wire", "arrivals", "offer", "quantile", "told"]


Send = Callable[[], Awaitable[httpx.Response]]
"""Makes one call."""


class Outcome(NamedTuple):
    """Of one call, as the caller saw it.

    ``at`` is its scheduled instant, in seconds of the scene; ``error`` the status or the name of the exception, or
    empty for a success.
    """

    at: float
    latency: float
    error: str


class Attempt(NamedTuple):
    """One request on the wire."""

    at: float
    port: int | None


class Wire(httpx.AsyncBaseTransport):
    """Notes every request that really goes out, and has a transport send it. Each side has its own, set alike.

    ``transport`` makes what is underneath: httpx's own, or one that takes the same arguments.
    ``connections``: at most so many, httpx's own number; ``None``: as many as it takes.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        transport: Callable[..., Any] = httpx.AsyncHTTPTransport,
        *,
        connections: int | None = 100,
    ) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=20)
        # There is no TLS here, and reading the certificates takes a while.
        self.inner = transport(verify=False, limits=limits)
        self.clock = clock
        self.attempts: list[Attempt] = []
        self.open = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.attempts.append(Attempt(self.clock(), request.url.port))
        self.open += 1
        try:
            response: httpx.Response = await self.inner.handle_async_request(request)
            return response
        finally:
            self.open -= 1

    async def aclose(self) -> None:
        await self.inner.aclose()


class Side:
    """One way of making the same calls: ``send`` makes one."""

    def __init__(self, name: str, clock: Callable[[], float], send: Send, wire: Any) -> None:
        self.name = name
        self.clock = clock
        self.send = send
        self.wire = wire
        self.outcomes: list[Outcome] = []
        self.open = 0

    async def call(self, at: float) -> None:
        self.open += 1
        try:
            response = await self.send()
            error = "" if response.is_success else str(response.status_code)
        except Exception as raised:
            error = type(raised).__name__
        self.open -= 1
        self.outcomes.append(Outcome(at, self.clock() - at, error))

    @property
    def calls(self) -> int:
        return len(self.outcomes)

    @property
    def errors(self) -> Counter[str]:
        return Counter(outcome.error for outcome in self.outcomes if outcome.error)

    def told_errors(self) -> str:
        """``"12 x 503, 3 x ConnectError"``"""
        each = [f"{number} x {error}" for error, number in self.errors.most_common()]
        return ", ".join(each) or ("none" if self.calls else "-")

    @property
    def success(self) -> float:
        return 1 - self.errors.total() / self.calls if self.calls else math.nan

    @property
    def attempts_per_call(self) -> float:
        begun = self.calls + self.open
        return len(self.wire.attempts) / begun if begun else math.nan

    def latency(self, q: float) -> float:
        """Of all calls, failed ones too: they also kept somebody waiting."""
        return quantile((outcome.latency for outcome in self.outcomes), q)

    def shares(self) -> dict[int | None, float]:
        sent = Counter(attempt.port for attempt in self.wire.attempts)
        return {port: number / sent.total() for port, number in sent.items()}


def quantile(values: Iterable[float], q: float) -> float:
    """By nearest rank; NaN of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else math.nan


def told(value: float, form: str, unit: str = "") -> str:
    """A dash where there is nothing to tell yet."""
    return "-" if math.isnan(value) else f"{value:{form}}{unit}"


def arrivals(rate: float, seconds: float, seed: int = 1) -> list[float]:
    """A Poisson process: the instants at which independent users would call."""
    dice = random.Random(seed)
    instants: list[float] = []
    at = dice.expovariate(rate)
    while at < seconds:
        instants.append(at)
        at += dice.expovariate(rate)
    return instants


async def offer(schedule: Sequence[float], sides: Sequence[Side], clock: Callable[[], float]) -> None:
    """Make every call on every side at its instant, the sides going first by turns. Returns when all have ended."""
    async with asyncio.TaskGroup() as calls:
        for k, at in enumerate(schedule):
            ahead = at - clock()
            if ahead > 0:
                await asyncio.sleep(ahead)
            for side in sides if k % 2 else reversed(sides):
                calls.create_task(side.call(at))
