"""How many floors does a call cost? Laps of a tight loop, taken in turns, each round's best set against the floor's.

::

    lap     n calls in a loop, about 2 ms of processor time
    round   5 times in turn the floor, ours, each peer, each after as many turns of an empty loop
    cost    the best of the round's laps less the best of its empty loops, per call
    ratio   the subject's cost over the floor's, in one round
    figure  the median of the rounds' ratios; spread: half the way from the first to the ninth decile, over the median

The clock is the processor time of this process, all its threads: what other processes take of the machine is not
counted. What they do to its caches is, and only ever makes a lap longer: the best of a few is the least disturbed one.
What changes the machine for longer than a round (its frequency) changes subject and floor alike: their ratio stays.

The cost of the loop is taken off both, so that a figure is about calls alone. The collector rests during laps and runs
between rounds: nobody pays for another's garbage, and all are flattered alike.

A subject that is meant to raise does so with an exception made for each call, which the loop catches; that counts as
its cost. The floor under it is still the call that returns.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import process_time
from types import FunctionType
from typing import Any

import attrs

__all__ = ["FULL", "QUICK", "Effort", "Figure", "Trial", "race", "spread"]


@attrs.frozen
class Effort:
    """How long to look: seconds a lap, laps of each subject a round, rounds."""

    lap: float
    laps: int
    rounds: int


FULL = Effort(0.002, 5, 15)
QUICK = Effort(0.001, 3, 5)


@attrs.frozen
class Trial:
    """What is called again and again; ``raises``: what each call is meant to end with."""

    call: Callable[..., Any]
    raises: type[BaseException] | tuple[type[BaseException], ...] = ()


@attrs.frozen
class Figure:
    """One subject's cost: in floors, with the spread as a share of it, and in nanoseconds."""

    ratio: float
    spread: float
    nanoseconds: float


# The loops: one for each way to call, and one for none. Every subject gets a copy of its own (see `_own`).
# ruff: noqa: SIM105  # what `contextlib.suppress` costs would be part of every figure


def _calls(fn: Any, arguments: Iterable[Any], raises: Any) -> float:
    began = process_time()
    for _ in arguments:
        try:
            fn()
        except raises:
            pass
    return process_time() - began


def _calls_with(fn: Any, arguments: Iterable[Any], raises: Any) -> float:
    began = process_time()
    for argument in arguments:
        try:
            fn(argument)
        except raises:
            pass
    return process_time() - began


async def _awaits(fn: Any, arguments: Iterable[Any], raises: Any) -> float:
    began = process_time()
    for _ in arguments:
        try:
            await fn()
        except raises:
            pass
    return process_time() - began


def _nothing(fn: Any, arguments: Iterable[Any], raises: Any) -> float:
    began = process_time()
    for _ in arguments:
        try:
            pass
        except raises:
            pass
    return process_time() - began


def _own(loop: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a loop.

    CPython 3.11 and later specialize a call site for the function it has met: a loop shared by all subjects would be
    specialized for none of them.
    """
    return FunctionType(loop.__code__.replace(), loop.__globals__)  # type: ignore[attr-defined]


class _Subject:
    """One contestant: its loop, its arguments, and how many calls make a lap."""

    def __init__(self, loop: Callable[..., Any], trial: Trial, arguments: Sequence[Any], least: int = 1) -> None:
        self.loop = _own(loop)
        self.trial = trial
        self.arguments: Iterator[Any] = itertools.cycle(arguments)
        self.same: Iterator[Any] = itertools.cycle(arguments)  # for the empty loop
        self.least = self.calls = least
        self.laps: list[tuple[float, float]] = []
        """Of this round: seconds per turn of the empty loop, and of the loop with the call in it."""
        self.costs: list[float] = []
        """Seconds per call, of each round."""

    async def lap(self) -> float:
        empty = _nothing(None, itertools.islice(self.same, self.calls), self.trial.raises)
        timed = self.loop(self.trial.call, itertools.islice(self.arguments, self.calls), self.trial.raises)
        took: float = await timed if inspect.isawaitable(timed) else timed
        self.laps.append((empty / self.calls, took / self.calls))
        return took

    async def settle(self, lap: float) -> None:
        """Find how many calls make a lap; warms up on the way."""
        while (took := min([await self.lap() for _ in range(3)])) < lap / 2:
            self.calls *= 2
        self.calls = max(self.least, round(self.calls * lap / took))
        self.laps.clear()

    def end_round(self) -> None:
        empties, loops = zip(*self.laps, strict=True)
        self.costs.append(min(loops) - min(empties))
        self.laps.clear()

    def figure(self, floor: _Subject) -> Figure:
        ratios = [cost / under for cost, under in zip(self.costs, floor.costs, strict=True)]
        return Figure(statistics.median(ratios), spread(ratios), statistics.median(self.costs) * 1e9)


def spread(values: Sequence[float]) -> float:
    """Half the way from the first to the ninth decile, as a share of the median."""
    deciles = statistics.quantiles(values, n=10, method="inclusive")
    return (deciles[-1] - deciles[0]) / 2 / statistics.median(values)


def _empty() -> None:
    pass


async def _bare() -> None:
    pass


async def race(
    trials: dict[str, Trial], *, awaited: bool, effort: Effort, arguments: Sequence[Any] = (), least: int = 1
) -> dict[str, Figure]:
    """Measure subjects against the floor and each other.

    With ``arguments`` each call is given the next of them, over and over; the empty call is still one without.
    ``least`` calls are in each lap: where there is much to walk through, and it is to be met warm.
    """
    loop = _awaits if awaited else _calls_with if arguments else _calls
    floor = _Subject(_awaits, Trial(_bare), (None,)) if awaited else _Subject(_calls, Trial(_empty), (None,))
    subjects = {name: _Subject(loop, trial, arguments or (None,), least) for name, trial in trials.items()}
    everybody = [floor, *subjects.values()]
    for subject in everybody:
        await subject.settle(effort.lap)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for _ in range(effort.rounds):
            for _ in range(effort.laps):
                for subject in everybody:
                    await subject.lap()
                    await asyncio.sleep(0)  # the event loop sees to its timers on nobody's time
            for subject in everybody:
                subject.end_round()
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    return {"floor": floor.figure(floor), **{name: subject.figure(floor) for name, subject in subjects.items()}}
