"""What do six policies in one cost? A deadline, a retry with a budget, rate, concurrency, a breaker, a choice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from .breaker import sync_work
from .floors import work
from .limit import PLENTY
from .rows import AWAITS, CALLS, Row, Subject

__all__ = ["ROWS", "six_policies"]

ENDPOINTS = ("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3")


def six_policies(*, timeout: bool = True) -> Any:
    """The pipeline of these rows; without the timeout they are five."""
    from meshkit import CircuitBreaker, Cluster, ConcurrencyLimit, Pipeline, RateLimit, Retry, Timeout

    policies = (
        Timeout(2.0),
        Retry(on=ConnectionError),
        RateLimit(f"{PLENTY}/s"),
        ConcurrencyLimit(100),
        CircuitBreaker(),
        Cluster("work", ENDPOINTS),
    )
    return Pipeline(*(policies if timeout else policies[1:]), seed=1)


@Subject.of("meshkit")
def with_timer() -> Callable[[], Any]:
    return six_policies()(work)


@Subject.of("meshkit")
def enforced() -> Callable[[], Any]:
    from meshkit.function import FunctionDoor
    from meshkit.runtime.tasks import bind

    class Transport(FunctionDoor):
        """A door whose transport would obey the deadline: the shell arms nothing."""

        enforces_deadline = True

    return bind(six_policies(), Transport(work), work)


@Subject.of("meshkit")
def around_function() -> Callable[[], Any]:
    return six_policies(timeout=False)(sync_work)


def pyresilience_around(fn: Callable[[], Any], *, timeout: bool) -> Callable[[], Any]:
    from pyresilience import (
        BulkheadConfig,
        CircuitBreakerConfig,
        RateLimiterConfig,
        RetryBudgetConfig,
        RetryConfig,
        TimeoutConfig,
        resilient,
    )

    return resilient(
        timeout=TimeoutConfig(seconds=2.0) if timeout else None,
        retry=RetryConfig(retry_on=(ConnectionError,)),
        retry_budget=RetryBudgetConfig(),
        rate_limiter=RateLimiterConfig(max_calls=PLENTY),
        bulkhead=BulkheadConfig(max_concurrent=100),
        circuit_breaker=CircuitBreakerConfig(),
    )(fn)


@Subject.of("pyresilience")
def pyresilience_with_timer() -> Callable[[], Any]:
    return pyresilience_around(work, timeout=True)


@Subject.of("pyresilience")
def pyresilience() -> Callable[[], Any]:
    return pyresilience_around(work, timeout=False)


@Subject.of("pyresilience")
def pyresilience_around_function() -> Callable[[], Any]:
    return pyresilience_around(sync_work, timeout=False)


def by_hand(*, timeout: bool) -> Callable[[], Any]:
    from aiolimiter import AsyncLimiter
    from pybreaker import CircuitBreaker
    from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    limiter, breaker, permits = AsyncLimiter(PLENTY, 1), CircuitBreaker(), asyncio.Semaphore(100)

    @retry(
        retry=retry_if_exception_type(ConnectionError),
        stop=stop_after_attempt(3),
        wait=wait_random_exponential(0.05, 2),
        reraise=True,
    )
    async def attempt() -> None:
        async with limiter, permits:
            with breaker.calling():
                await work()

    async def bounded() -> None:
        async with asyncio.timeout(2.0):
            await attempt()

    return bounded if timeout else attempt


BY_HAND = "tenacity + aiolimiter + pybreaker"


@Subject.of(BY_HAND)
def by_hand_with_timer() -> Callable[[], Any]:
    return by_hand(timeout=True)


@Subject.of(BY_HAND)
def by_hand_without() -> Callable[[], Any]:
    return by_hand(timeout=False)


@Subject.of("tenacity + limits + pybreaker")
def by_hand_around_function() -> Callable[[], Any]:
    from limits import RateLimitItemPerSecond
    from limits.storage import MemoryStorage
    from limits.strategies import FixedWindowRateLimiter
    from pybreaker import CircuitBreaker
    from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    limiter, rate = FixedWindowRateLimiter(MemoryStorage()), RateLimitItemPerSecond(PLENTY)
    breaker, permits = CircuitBreaker(), threading.BoundedSemaphore(100)

    @retry(
        retry=retry_if_exception_type(ConnectionError),
        stop=stop_after_attempt(3),
        wait=wait_random_exponential(0.05, 2),
        reraise=True,
    )
    def attempt() -> None:
        if not limiter.hit(rate):
            raise RuntimeError("more than anybody sends")
        with permits:
            breaker.call(sync_work)

    return attempt


NO_CHOICE = "No peer picks an endpoint: theirs is one policy less."

ROWS = (
    Row(
        group="stack",
        path="six policies around an async function, a timeout that cancels",
        unit=AWAITS,
        target=40,
        ours=with_timer,
        peers=(pyresilience_with_timer, by_hand_with_timer),
        usual=BY_HAND,
        notes=(NO_CHOICE, "By hand: with asyncio.timeout and asyncio.Semaphore, and no retry budget."),
    ),
    Row(
        group="stack",
        path="the same where the transport keeps the deadline",
        unit=AWAITS,
        target=33,
        ours=enforced,
        peers=(pyresilience, by_hand_without),
        usual=BY_HAND,
        notes=(NO_CHOICE, "The peers: without a timeout. The next target is 25."),
    ),
    Row(
        group="stack",
        path="the same around a function, no timeout",
        unit=CALLS,
        target=125,
        ours=around_function,
        peers=(pyresilience_around_function, by_hand_around_function),
        usual="tenacity + limits + pybreaker",
        notes=(NO_CHOICE,),
    ),
)
