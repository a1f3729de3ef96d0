"""What does a rate limit cost that lets the call go? By itself, with one key and with many, and around a function."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from .floors import work
from .rows import AWAITS, CALLS, Row, Subject

__all__ = ["ROWS", "aiolimiter", "meshkit", "token_bucket"]

PLENTY = 10**9
"""Calls per second, and at once: nobody ever has to wait."""

KEYS = [f"user-{n}" for n in range(10_000)]
random.Random(1).shuffle(KEYS)  # memory is not walked in the order it was laid out


@Subject.of("meshkit")
def meshkit() -> Callable[..., Any]:
    from meshkit import Limiter, RateLimit

    return Limiter(RateLimit(f"{PLENTY}/s")).allow


@Subject.of("token-bucket")
def token_bucket() -> Callable[..., Any]:
    from token_bucket import Limiter, MemoryStorage

    return Limiter(PLENTY, PLENTY, MemoryStorage()).consume


@Subject.of("limits")
def limits() -> Callable[..., Any]:
    from limits import RateLimitItemPerSecond
    from limits.storage import MemoryStorage
    from limits.strategies import FixedWindowRateLimiter

    return partial(FixedWindowRateLimiter(MemoryStorage()).hit, RateLimitItemPerSecond(PLENTY))


@Subject.of("pyrate-limiter")
def pyrate_limiter() -> Callable[..., Any]:
    from pyrate_limiter import Duration, Limiter, Rate

    return partial(Limiter(Rate(PLENTY, Duration.SECOND)).try_acquire, blocking=False)


@Subject.of("meshkit")
def meshkit_acquire() -> Callable[..., Any]:
    from meshkit import Limiter, RateLimit

    return Limiter(RateLimit(f"{PLENTY}/s")).acquire


@Subject.of("asynciolimiter")
def asynciolimiter() -> Callable[..., Any]:
    from asynciolimiter import LeakyBucketLimiter

    return LeakyBucketLimiter(PLENTY, capacity=PLENTY).wait


@Subject.of("aiolimiter")
def aiolimiter() -> Callable[..., Any]:
    from aiolimiter import AsyncLimiter

    return AsyncLimiter(PLENTY, 1).acquire


@Subject.of("hyx")
def hyx() -> Callable[..., Any]:
    from hyx.ratelimit.managers import TokenBucketLimiter

    return TokenBucketLimiter(PLENTY, 1).acquire


@Subject.of("limits")
def limits_aio() -> Callable[..., Any]:
    from limits import RateLimitItemPerSecond
    from limits.aio.storage import MemoryStorage
    from limits.aio.strategies import FixedWindowRateLimiter

    return partial(FixedWindowRateLimiter(MemoryStorage()).hit, RateLimitItemPerSecond(PLENTY), "alice")


@Subject.of("meshkit")
def meshkit_pipeline() -> Callable[..., Any]:
    from meshkit import Pipeline, RateLimit

    return Pipeline(RateLimit(f"{PLENTY}/s"))(work)


@Subject.of("hyx")
def hyx_around() -> Callable[..., Any]:
    from hyx.ratelimit import tokenbucket

    return tokenbucket(PLENTY, 1)(work)


@Subject.of("aiolimiter")
def aiolimiter_around() -> Callable[..., Any]:
    from aiolimiter import AsyncLimiter

    limiter = AsyncLimiter(PLENTY, 1)

    async def limited() -> None:
        async with limiter:
            await work()

    return limited


ROWS = (
    Row(
        group="limit",
        path="rate limit by itself, one key",
        unit=CALLS,
        target=16,
        ours=meshkit,
        peers=(token_bucket, limits, pyrate_limiter),
        usual="limits",
        arguments=("alice",),
        notes=("token-bucket takes no lock.",),
    ),
    Row(
        group="limit",
        path="rate limit by itself, 10 000 keys",
        unit=CALLS,
        target=20,
        ours=meshkit,
        peers=(token_bucket, limits),
        usual="limits",
        arguments=KEYS,
        least=2 * len(KEYS),
        notes=("pyrate-limiter keeps one bucket for all keys unless given a factory for more: left out.",),
    ),
    Row(
        group="limit",
        path="await limit.acquire()",
        unit=AWAITS,
        target=4,
        ours=meshkit_acquire,
        peers=(asynciolimiter, hyx, aiolimiter, limits_aio),
        usual="aiolimiter",
        notes=(
            "asynciolimiter counts in whole ticks of a timer and reads no clock; hyx reads none while tokens last.",
        ),
    ),
    Row(
        group="limit",
        path="rate limit around an async function",
        unit=AWAITS,
        target=11,
        ours=meshkit_pipeline,
        peers=(hyx_around, aiolimiter_around),
        usual="aiolimiter",
    ),
)
