"""Is everything given back if a call is cancelled at any point whatever? Each scenario is run once for each of them.

On asyncio a point is a turn of the event loop, and the cancellation comes before or after all else that happens in
that turn: so also in the very tick in which a permit is granted, a timer rings or an answer comes. On trio it is a step
of any task. All in virtual time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from random import Random

import anyio
import anyio.lowlevel
import pytest
import trio
import trio.testing

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConcurrentBudget,
    Constant,
    Failure,
    LeastRequest,
    Overloaded,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    RoundRobin,
    TimedOut,
    Timeout,
    Verdict,
)
from meshkit.runtime.tasks import bind
from meshkit.testing import VirtualLoop, virtual_clock

pause = anyio.sleep
MOST = 400
"""Turns, or steps, that no scenario needs."""


class Scenario:
    """A victim to be cancelled, neighbours that must not suffer, and a pipeline that must be idle when all is over."""

    def __init__(self, *policies, may=()):
        self.stack = Pipeline(*policies, clock=virtual_clock, seed=1)
        self.neighbours = []
        self.may = may
        """What a call may as well end with, by the scenario itself."""

    def at(self, seconds, name, work=1.0):
        """A neighbour that calls after so many seconds."""

        async def neighbour():
            await pause(seconds)
            with suppress(*self.may):
                await self.stack.call(self.work, name, work)

        self.neighbours.append(neighbour)
        return self

    async def work(self, name, seconds):
        await pause(seconds)
        return name

    async def victim(self):
        await pause(0.1)  # those who come at 0 are there before
        with suppress(*self.may):
            await self.stack.call(self.work, "victim", 1.0)

    async def after(self):
        """Once all is over: the next one is served as if nothing had happened."""
        assert self.stack.idle(), self.stack.snapshot()
        await pause(100.0)
        assert await self.stack.call(self.work, "next", 0.2) == "next"
        assert self.stack.idle()


def queue():
    return Scenario(ConcurrencyLimit(1, queue=5)).at(0.0, "holder").at(0.5, "behind").at(0.5, "behind that")


def queue_newest_first():
    return Scenario(ConcurrencyLimit(1, queue=5, order="lifo")).at(0.0, "holder").at(0.5, "other")


def queue_with_patience():
    return Scenario(ConcurrencyLimit(1, queue=5, wait=0.5), may=[Overloaded]).at(0.0, "holder", 0.5).at(5.0, "later")


def queue_until_the_deadline():
    limits = Timeout(1.5), ConcurrencyLimit(1, queue=5)
    return Scenario(*limits, may=[Overloaded, TimedOut]).at(0.0, "holder", 1.4).at(5.0, "later")


def queue_by_key():
    return Scenario(ConcurrencyLimit(1, queue=5, key=lambda call: "all")).at(0.0, "holder").at(0.5, "behind")


def two_queues():
    return Scenario(ConcurrencyLimit(2, queue=5), ConcurrencyLimit(1, queue=5)).at(0.0, "one").at(0.0, "two")


def rate_limit():
    return (
        Scenario(ConcurrencyLimit(3), RateLimit("1/s", wait=5.0), ConcurrencyLimit(3)).at(0.0, "first").at(0.2, "third")
    )


def leaf_with_deadline():
    return Scenario(Timeout(1.0), ConcurrencyLimit(1), CircuitBreaker(failures=9), may=[TimedOut]).at(5.0, "later", 0.5)


def half_open_probe():
    scenario = Scenario(Retry(on=Overloaded), CircuitBreaker(failures=1, cooldown=0.5), ConcurrencyLimit(1))

    async def victim():
        with pytest.raises(ConnectionError):
            await scenario.stack.call(fails)
        await pause(0.5)
        await scenario.stack.call(scenario.work, "probe", 1.0)

    async def fails():
        raise ConnectionError

    scenario.victim = victim
    return scenario


def backoff():
    retry = Retry(on=ConnectionError, attempts=3, backoff=Constant(0.5), budget=ConcurrentBudget())
    scenario = Scenario(ConcurrencyLimit(1, queue=1), retry, ConcurrencyLimit(1)).at(0.2, "behind")
    tries = []

    async def flaky():
        tries.append(1)
        await pause(0.1)
        if len(tries) < 3:
            raise ConnectionError

    scenario.victim = lambda: scenario.stack.call(flaky)
    return scenario


def attempts_that_time_out():
    retry = Retry(on=TimedOut, attempts=3, backoff=Constant(0.5), budget=None)
    scenario = Scenario(Timeout(3.0), ConcurrencyLimit(1, queue=1), retry, Timeout(0.4), ConcurrencyLimit(1))

    async def victim():
        with pytest.raises(TimedOut):
            await scenario.stack.call(pause, 9.0)

    scenario.victim = victim
    return scenario.at(4.0, "later", 0.2)


def cluster():
    limits = [ConcurrencyLimit(1, queue=1, wait=0.3), RateLimit("2/s", wait=0.5)]
    servers = Cluster("c", ["a:1", "b:1"], balancer=LeastRequest(), pipeline=limits)
    return Scenario(ConcurrencyLimit(9), servers, may=[Rejected]).at(0.0, "one", 0.9).at(0.0, "two", 0.9)


def middleware():
    async def slowly(call, call_next):
        await pause(0.25)
        try:
            return await call_next()
        finally:
            await anyio.lowlevel.checkpoint()

    async def twice(call, call_next):
        await call_next()
        await pause(0.25)
        return await call_next()

    limits = [ConcurrencyLimit(1, queue=2) for _ in range(4)]
    retry = Retry(on=TimedOut, backoff=Constant(0.1), budget=None)
    stack = (limits[0], slowly, limits[1], retry, twice, limits[2], Timeout(5.0), limits[3])
    return Scenario(*stack).at(0.1, "neighbour", 0.3)


class Discards:
    """A door whose results are failures until the third, and closed by an await."""

    enforces_deadline = takes_request = False
    judges_results = True
    address = hold = None

    def __init__(self):
        self.open = 0

    async def discard(self, result):
        await pause(0.2)
        self.open -= 1

    def judge(self, call, result, error):
        if error is not None:
            return Verdict.IGNORED
        return Verdict.SUCCESS if call.attempt == 3 else Verdict.FAILURE

    def failure(self, call, result, error):
        return Failure(status=503)


def discard():
    retry = Retry(on=503, attempts=3, backoff=Constant(0.1), budget=ConcurrentBudget())
    scenario = Scenario(ConcurrencyLimit(1, queue=1), retry, ConcurrencyLimit(1, queue=1)).at(0.1, "behind")

    async def fetch():
        await pause(0.1)
        return "response"

    scenario.victim = bind(scenario.stack, Discards(), fetch)
    return scenario


SCENARIOS = [
    *(queue, queue_newest_first, queue_with_patience, queue_until_the_deadline, queue_by_key, two_queues, rate_limit),
    *(leaf_with_deadline, half_open_probe, backoff, attempts_that_time_out, cluster, middleware, discard),
]


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
