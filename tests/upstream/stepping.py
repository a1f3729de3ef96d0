"""What if something happens at exactly the third place where a coroutine waits? And what is left of it?

`Stepped` counts how often what it awaits suspends, and strikes at one of them: at once, or when what is waited for has
come and the task does not know yet (the tick in which a grant may be lost).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any

import pytest

from .ways import nothing_left

__all__ = ["LOOPS", "Stepped", "calm", "cancel", "turns"]

LOOPS = pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"]
)


class Stepped:
    """Awaits ``work``, and calls ``strike`` at its suspension number ``at``, from 1."""

    def __init__(
        self, work: Coroutine[Any, Any, Any], at: int, strike: Callable[[asyncio.Task[Any]], object], late: bool = False
    ) -> None:
        self.work = work
        self.at = at
        self.strike = strike
        self.late = late
        """Not before it has come what is waited for."""
        self.count = 0

    @property
    def struck(self) -> bool:
        return self.count >= self.at

    def __await__(self) -> Generator[Any, Any, Any]:
        going: Generator[Any, Any, Any] = self.work.__await__()
        error: BaseException | None = None
        while True:
            try:
                waited = going.send(None) if error is None else going.throw(error)
            except StopIteration as end:
                return end.value
            self.count += 1
            if self.count == self.at:
                self._arm(waited)
            error = None
            try:
                yield waited
            except BaseException as thrown:
                error = thrown

    def _arm(self, waited: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.late and waited is not None:
            # Before the task's own callback, which is added when it has been told what it waits for.
            waited.add_done_callback(lambda _: self.strike(task))
        else:
            self.strike(task)


def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


async def turns(number: int = 3) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def calm() -> AsyncIterator[None]:
    """Nothing is left within, and the loop has nothing to complain of: no error that nobody has seen."""
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
    try:
        async with nothing_left():
            yield
        gc.collect()
        await turns()
        assert complaints == []
    finally:
        loop.set_exception_handler(before)
