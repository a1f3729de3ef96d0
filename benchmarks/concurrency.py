"""What does a concurrency limit cost while there are permits, and what when each call waits for another's?

Beside it: the semaphore of asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from .floors import work
from .rows import AWAITS, CALLS, Row, Subject

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


def hand_over(waiters: int) -> Callable[[], Any]:
    """A call ends, its permit goes to the next in line, and another comes to stand behind: nothing is ever free."""
    from meshkit import ConcurrencyLimit
    from meshkit.call import Call, Verdict

    success = Verdict.SUCCESS
    gate = ConcurrencyLimit(1, queue=waiters).start(Random(1))
    call = Call(None, None, 0.0)
    for _ in range(1 + waiters):
        gate.enter(call, 0.0)

    def one() -> None:
        gate.exit(call, 0.0, 0.0, success)
        gate.enter(call, 0.0)

    return one


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
    Row(
        group="concurrency",
        path="a permit handed over in a line of 10 000",
        unit=CALLS,
        ours=Subject("meshkit", lambda: hand_over(10_000)),
        peers=(Subject("in a line of 10", lambda: hand_over(10)),),
        least=20_000,
        notes=("One call ends and another queues; within 1.3 of the line of 10 is the aim.",),
    ),
)
