"""What does a hedge cost that does not fire? Beside it, what one task costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .floors import work
from .rows import AWAITS, OnTop, Row, Subject

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


TASK = "a task, created and awaited"


def on_top(path: str, ours: Subject) -> OnTop:
    row = Row(group="hedge", path=path, unit=AWAITS, ours=ours, peers=(task, task_and_timer), usual=TASK)
    notes = ("Less a task, which a hedge may take; it does not, while nothing is hedged.",)
    return OnTop(row=row, below=TASK, word="beyond a task", target=30, notes=notes)


ROWS = (
    on_top("hedge around an async function, after a fixed delay that does not pass", fixed),
    on_top("hedge around an async function, after a percentile that is learnt", percentile),
)
