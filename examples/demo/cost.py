"""What does a request cost the program that sends it? The processor time of its process, which nobody else's work uses.

Programs that are compared take turns in short rounds, so that whatever else a machine does meets them all alike.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

__all__ = ["Ask", "Program", "Round", "in_turns", "played"]

Ask = Callable[[], Awaitable[Any]]
"""Makes one request, and raises unless it succeeds."""


class Round(NamedTuple):
    """``at``: when it began, in seconds of the scene."""

    at: float
    requests: int
    seconds: float
    cpu: float


class Program:
    """One of those that are compared. Its figures are those of all rounds together, NaN before the first."""

    def __init__(self, name: str, style: str, ask: Ask) -> None:
        self.name = name
        self.style = style
        self.ask = ask
        self.rounds: list[Round] = []

    @property
    def requests(self) -> int:
        return sum(each.requests for each in self.rounds)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / sum(each.seconds for each in self.rounds) if self.rounds else math.nan

    @property
    def cost(self) -> float:
        """Seconds of the processor for a request."""
        return sum(each.cpu for each in self.rounds) / self.requests if self.rounds else math.nan

    @property
    def busy(self) -> float:
        """Of one processor."""
        return self.rate * self.cost


async def played(ask: Ask, width: int, seconds: float, clock: Callable[[], float]) -> Round:
    """Ask with ``width`` requests in flight for so long; what is in flight then is waited for, and counts."""
    requests = 0
    began, cpu = clock(), time.process_time()
    until = began + seconds

    async def worker() -> None:
        nonlocal requests
        while True:
            await ask()
            requests += 1
            if clock() >= until:
                return

    async with asyncio.TaskGroup() as workers:
        for _ in range(width):
            workers.create_task(worker())
    return Round(began, requests, clock() - began, time.process_time() - cpu)


async def in_turns(programs: list[Program], turns: int, width: int, seconds: float, clock: Callable[[], float]) -> None:
    """Each has ``turns`` rounds, and each goes first as often as the others, as far as that goes.

    Before that one request of each worker is not counted: it opens a connection.
    """
    for program in programs:
        await played(program.ask, width, 0.0, clock)
    for k in range(turns):
        first = k % len(programs)
        for program in programs[first:] + programs[:first]:
            program.rounds.append(await played(program.ask, width, seconds, clock))
