"""Is everything given back if a call is cancelled at any point whatever? Each scenario is run once for each of them.

On asyncio a point is a turn of the event loop, and the cancellation comes before or after all else that happens in
that turn: so also in the very tick in which a permit is granted, a timer rings or an answer comes. On trio it is a step
of any task. All in virtual time.
"""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random

import anyio
import pytest
import trio
import trio.testing

from meshkit import Cluster, ConcurrencyLimit, Pipeline, RoundRobin, Verdict
from meshkit.testing import VirtualLoop, virtual_clock

from .scenarios import SCENARIOS, Scenario

pause = anyio.sleep
MOST = 400
"""Turns, or steps, that no scenario needs."""


class Turns(VirtualLoop):
    """Counts its turns, and does something in the one that is asked for."""

    turns = 0
    ask = None

    def __init__(self):
        super().__init__()
        select = self._jumping.select

        def counted(timeout=None):
            self.turns += 1
            if self.ask is not None and self.turns == self.ask[0]:
                self.ask[1]()
                timeout = 0
            return select(timeout)

        self._jumping.select = counted


async def cancelled_on_asyncio(scenario, turn, last):
    """True while there is such a turn before the victim is done."""
    loop = asyncio.get_running_loop()
    others = [asyncio.create_task(neighbour()) for neighbour in scenario.neighbours]
    task = asyncio.create_task(scenario.victim())
    reached = []

    def cancel():
        reached.append(not task.done())
        if last:
            loop.call_soon(task.cancel)
        else:
            task.cancel()

    loop.ask = (loop.turns + turn, cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        assert task.exception() is None
    await asyncio.gather(*others)
    loop.ask = None
    await scenario.after()
    return bool(reached) and reached[0]


@pytest.mark.parametrize("last", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_on_asyncio(scenario, last):
    for turn in range(1, MOST):
        with asyncio.Runner(loop_factory=Turns) as runner:
            if not runner.run(cancelled_on_asyncio(scenario(), turn, last)):
                break
    assert 3 < turn < MOST - 1


class Steps(trio.abc.Instrument):
    def __init__(self, ask, scope):
        self.steps, self.ask, self.scope = 0, ask, scope

    def before_task_step(self, task):
        self.steps += 1
        if self.steps == self.ask:
            self.scope.cancel()


async def cancelled_on_trio(scenario, step):
    scope = trio.CancelScope()
    steps = Steps(step, scope)

    async def victim():
        with scope:
            await scenario.victim()
        trio.lowlevel.remove_instrument(steps)

    trio.lowlevel.add_instrument(steps)
    async with trio.open_nursery() as nursery:
        for neighbour in scenario.neighbours:
            nursery.start_soon(neighbour)
        nursery.start_soon(victim)
    await scenario.after()
    return steps.steps >= step


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_on_trio(scenario, monkeypatch):
    for step in range(1, MOST):
        monkeypatch.setattr(trio._core._run, "_r", Random(1))  # trio shuffles: the same way for each step
        clock = trio.testing.MockClock(autojump_threshold=0)
        if not trio.run(partial(cancelled_on_trio, scenario(), step), clock=clock):
            break
    assert 3 < step < MOST - 1


class Forgetful:
    """A limit that keeps the permits of cancelled calls."""

    def __init__(self):
        self.taken = 0

    def start(self, rng):
        return self

    def enter(self, call, now):
        self.taken += 1

    def exit(self, call, began, now, verdict):
        self.taken -= verdict is not Verdict.IGNORED

    def snapshot(self, now):
        return {"taken": self.taken}

    def idle(self):
        return not self.taken


def test_a_leak_is_seen(monkeypatch):
    with pytest.raises(AssertionError, match="'taken': 1"):
        test_on_asyncio(lambda: Scenario(Forgetful()), False)
    with pytest.raises(AssertionError, match="'taken': 1"):
        test_on_trio(lambda: Scenario(Forgetful()), monkeypatch)


def test_a_loop_that_is_closed_takes_its_waiters_along():
    """`asyncio.run` cancels what is left over: nothing stays behind in a pipeline that outlives the loop."""
    stack = Pipeline(ConcurrencyLimit(1, queue=5), Cluster("c", ["a:1"], balancer=RoundRobin()), clock=virtual_clock)

    async def main():
        tasks = [asyncio.create_task(stack.call(pause, 9.0)) for _ in range(3)]
        await asyncio.sleep(0)
        return tasks

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        tasks = runner.run(main())
    assert all(task.cancelled() for task in tasks)
    assert stack.idle()
