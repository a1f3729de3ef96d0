"""How is it called? As one would write it without a library, or through a pipeline.

Each way is a function that makes one call. All of them give an attempt `ATTEMPT` seconds, and make up to `ATTEMPTS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from meshkit import CircuitBreaker, Constant, Exponential, Pipeline, Retry, RetryBudget, Throttle, Timeout
from meshkit.httpx import AsyncMeshTransport

from ..demo.load import Send

__all__ = ["AS_NAIVE", "ATTEMPT", "ATTEMPTS", "BREAKER", "BUDGETED", "PATIENCE", "THROTTLE", "Clock", "behind", "naive"]

ATTEMPT = 0.5
"""Seconds."""
ATTEMPTS = 4
PAUSE = 0.05
PATIENCE = ATTEMPTS * (ATTEMPT + PAUSE)

Clock = Callable[[], float]


def naive(client: httpx.AsyncClient) -> Send:
    """A timeout, and three retries after a short pause. It looks careful."""

    async def send() -> httpx.Response:
        for left in reversed(range(ATTEMPTS)):
            try:
                response = await client.get("/", timeout=ATTEMPT)
            except httpx.TransportError:
                if not left:
                    raise
            else:
                if response.status_code < 500 or not left:
                    return response
            await asyncio.sleep(PAUSE)
        raise AssertionError("the last attempt returns or raises")

    return send


FAILED = ("5xx", TimeoutError, ConnectionError)
AS_NAIVE = Retry(FAILED, attempts=ATTEMPTS, backoff=Constant(PAUSE), budget=None)
BUDGETED = Retry(
    FAILED, attempts=ATTEMPTS, backoff=Exponential(base=2 * PAUSE), budget=RetryBudget(ratio=0.1, floor=1.0)
)
"""Retries for a tenth of the calls, and one a second besides."""
BREAKER = CircuitBreaker(failure_rate=0.8, window_seconds=3.0, minimum=30, cooldown=1.0, overloaded="ignored")
"""Leaves the server alone for a second, when four attempts in five have come to nothing."""
THROTTLE = Throttle(window=5.0)
"""Keeps back what the server would refuse, once it refuses more than half."""


def behind(policies: tuple[Any, ...], wire: Any, url: str, clock: Clock) -> tuple[httpx.AsyncClient, Send]:
    """A client whose calls go through these policies, in the times of the naive way."""
    pipeline = Pipeline(Timeout(PATIENCE), *policies, Timeout(ATTEMPT), seed=1, clock=clock)
    client = httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, wire), base_url=url, timeout=None)
    return client, lambda: client.get("/")
