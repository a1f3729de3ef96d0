"""Scenarios for cancellation: calls that wait for each thing a call can wait for, and their neighbours."""

from __future__ import annotations

from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConcurrentBudget,
    Constant,
    Failure,
    Fallback,
    Hedge,
    LeastRequest,
    Overloaded,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    RetryBudget,
    TimedOut,
    Timeout,
    Verdict,
)
from meshkit.runtime.tasks import bind
from meshkit.testing import virtual_clock

pause = anyio.sleep


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

    answers_early = enforces_deadline = opens = takes_request = False
    reserve = 0.0
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


def hedge():
    """The first attempt hangs, the second waits in line, the third answers; all of them hold a permit."""
    limits = ConcurrencyLimit(9), Hedge(0.25, attempts=3, budget=RetryBudget()), ConcurrencyLimit(2, queue=2)
    scenario = Scenario(*limits, may=[Overloaded])
    tries = []

    async def uneven():
        tries.append(1)
        await pause(5.0 if len(tries) == 1 else 0.3)
        return "answer"

    scenario.victim = lambda: scenario.stack.call(uneven)
    return scenario.at(0.1, "neighbour", 0.3).at(0.6, "behind", 0.1)


def hedge_within_a_deadline():
    limits = Timeout(1.0), Hedge(0.25), Retry(on=TimedOut, backoff=Constant(0.1), budget=None), Timeout(0.5)
    return Scenario(*limits, ConcurrencyLimit(3), may=[TimedOut]).at(2.0, "later", 0.2)


def hedges_that_fail():
    scenario = Scenario(Hedge(0.25, attempts=3), ConcurrencyLimit(3), CircuitBreaker(failures=99))

    async def fails():
        await pause(0.4)
        raise ConnectionError

    async def victim():
        with pytest.raises(ConnectionError):
            await scenario.stack.call(fails)

    scenario.victim = victim
    return scenario


class Answers(Discards):
    """Each answer is open until it is closed, by the caller or, where nobody takes it, by the shell."""

    def twice(self, call):
        return True, True

    def judge(self, call, result, error):
        return Verdict.IGNORED if error is not None else Verdict.SUCCESS

    async def discard(self, result):
        self.open -= 1
        await pause(0.2)


class Answering(Scenario):
    """The attempts answer in one instant; whatever happens, no answer is left open."""

    def __init__(self, *policies):
        super().__init__(*policies)
        self.door = Answers()

    async def fetch(self):
        await pause(max(0.0, 1.0 - virtual_clock() % 1.0))
        self.door.open += 1
        return object()

    async def victim(self):
        await bind(self.stack, self.door, self.fetch)()
        self.door.open -= 1

    async def after(self):
        assert self.door.open == 0
        await super().after()


def answers_in_one_instant():
    return Answering(ConcurrencyLimit(1), Hedge(0.25, attempts=3), ConcurrencyLimit(3))


def fallback():
    scenario = Scenario(Fallback([ConcurrencyLimit(1, queue=1), Timeout(5.0), other]), ConcurrencyLimit(1, queue=2))

    async def fails():
        await pause(0.3)
        raise ConnectionError

    scenario.victim = lambda: scenario.stack.call(fails)
    return scenario.at(0.0, "holder", 0.4).at(0.1, "behind", 0.4)


async def other_middleware(call, call_next):
    try:
        return await call_next()
    finally:
        await anyio.lowlevel.checkpoint()


class Other:
    """An async function for the end of a list of policies: there an ``async def`` would be a middleware."""

    def __call__(self, *args):
        return pause(0.3)


other = Other()


def fallback_of_a_refusal():
    limits = ConcurrencyLimit(9), Fallback([ConcurrencyLimit(1, queue=3), other]), other_middleware, ConcurrencyLimit(1)
    return Scenario(*limits).at(0.0, "holder", 0.4).at(0.0, "other", 0.4)


SCENARIOS = [
    *(queue, queue_newest_first, queue_with_patience, queue_until_the_deadline, queue_by_key, two_queues, rate_limit),
    *(leaf_with_deadline, half_open_probe, backoff, attempts_that_time_out, cluster, middleware, discard),
    *(hedge, hedge_within_a_deadline, hedges_that_fail, answers_in_one_instant, fallback, fallback_of_a_refusal),
]
