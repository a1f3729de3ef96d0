"""What does a hedge cost that does not fire? Its attempt runs in a task of its own: beside it, what one task costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .floors import work
from .rows import AWAITS, Row, Subject

__all__ = ["ROWS"]


@Subject.of("meshkit")
def fixed() -> Callable[[], Any]:
    from meshkit import Hedge, Pipeline

    return Pipeline(Hedge(5.0))(work)


@Subject.of("meshkit")
def percentile() -> Callable[[], Any]:
    from meshkit import Hedge, Pipeline

    # The budget and `after` keep it from firing on a busy machine, where a call now and then is slower than most.
    return Pipeline(Hedge(5.0, percentile=0.9999))(work)


@Subject.of("a task, created and awaited")
def task() -> Callable[[], Any]:
    loop = asyncio.get_running_loop()

    async def through_a_task() -> None:
        await loop.create_task(work())

    return through_a_task


@Subject.of("a task with a timer")
def task_and_timer() -> Callable[[], Any]:
    loop = asyncio.get_running_loop()

    async def through_a_task() -> None:
        timer = loop.call_later(5.0, id)
        try:
            await loop.create_task(work())
        finally:
            timer.cancel()

    return through_a_task


NOTE = "The target is 30 bare awaits beyond what a task costs: read the difference of the two."

ROWS = (
    Row(
        group="hedge",
        path="hedge around an async function, after a fixed delay that does not pass",
        unit=AWAITS,
        ours=fixed,
        peers=(task, task_and_timer),
        usual="a task, created and awaited",
        notes=(NOTE,),
    ),
    Row(
        group="hedge",
        path="hedge around an async function, after a percentile that is learnt",
        unit=AWAITS,
        ours=percentile,
        peers=(task, task_and_timer),
        usual="a task, created and awaited",
        notes=("Answers beyond that percentile are hedged: one in ten thousand.",),
    ),
)
