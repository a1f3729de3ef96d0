"""What does a concurrency limit cost while there are permits? Beside it: the semaphore of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .floors import work
from .rows import AWAITS, Row, Subject

__all__ = ["ROWS"]


@Subject.of("meshkit")
def meshkit() -> Callable[[], Any]:
    from meshkit import ConcurrencyLimit, Pipeline

    return Pipeline(ConcurrencyLimit(100))(work)


@Subject.of("hyx")
def hyx() -> Callable[[], Any]:
    from hyx.bulkhead import bulkhead

    return bulkhead(max_concurrency=100, max_capacity=100)(work)


@Subject.of("aioresilience")
def aioresilience() -> Callable[[], Any]:
    from aioresilience import Bulkhead, BulkheadConfig
    from aioresilience.bulkhead import with_bulkhead

    return with_bulkhead(Bulkhead(config=BulkheadConfig(max_concurrent=100)))(work)


@Subject.of("asyncio.Semaphore")
def semaphore() -> Callable[[], Any]:
    permits = asyncio.Semaphore(100)

    async def limited() -> None:
        async with permits:
            await work()

    return limited


ROWS = (
    Row(
        group="concurrency",
        path="concurrency limit around an async function",
        unit=AWAITS,
        ours=meshkit,
        peers=(hyx, aioresilience, semaphore),
        usual="asyncio.Semaphore",
        notes=("asyncio.Semaphore knows one event loop, no deadline and no limit to its queue.",),
    ),
)
