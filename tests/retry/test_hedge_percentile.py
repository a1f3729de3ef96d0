"""Hedge: how long it waits, and how much load it may add. In virtual time."""

from __future__ import annotations

import math
import random
from random import Random

import anyio
import pytest

from meshkit import (
    ConcurrentBudget,
    Hedge,
    RetryBudget,
    Verdict,
)
from meshkit.retry.hedge import ENOUGH
from meshkit.testing import run, virtual_clock

from .hedged import Upstream, hedged

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
pause = anyio.sleep
NAN, INF = math.nan, math.inf


# The budget.


@BACKENDS
def test_without_budget_the_attempt_under_way_goes_on(backend):
    async def main():
        stack = hedged(Hedge(1.0, budget=RetryBudget(ratio=0.0, floor=0.1, ttl=10.0)))
        first, second = Upstream((9.0, "a"), (0.1, "b")), Upstream((2.0, "a"), (0.1, "b"))
        assert await stack.call(first) == "b"
        assert await stack.call(second) == "a"
        assert len(second.began_at) == 1
        return stack.snapshot()["Hedge"]

    shown = run(main, backend=backend)
    assert (shown["hedged"], shown["balance"]) == (1, 0)


def test_a_budget_of_what_is_under_way_comes_back():
    async def main():
        stack = hedged(Hedge(1.0, budget=ConcurrentBudget(ratio=0.0, floor=1)))
        for _ in range(3):
            assert await stack.call(Upstream((9.0, "a"), (0.1, "b"))) == "b"
        assert stack.idle()
        return stack.snapshot()["Hedge"]["hedged"]

    assert run(main) == 3


def test_the_budget_bounds_the_extra_load():
    """Where every call is slow: at most 10 % of the calls of a window and one per second more, whatever the luck."""

    async def main():
        rng = random.Random(5)
        stack = hedged(Hedge(0.05))
        sent = []

        async def slow():
            sent.append(virtual_clock())
            await pause(rng.uniform(0.06, 0.2))

        async with anyio.create_task_group() as group:
            for _ in range(2000):
                group.start_soon(stack.call, slow)
                await pause(0.02)
        assert stack.idle()
        return sent, virtual_clock()

    sent, seconds = run(main)
    extra = len(sent) - 2000
    windows = math.ceil(seconds / 9.0)  # a window is between 9 and 10 seconds
    assert 0.9 * 200 <= extra <= 0.1 * 2000 + 10 * windows


# The percentile.


def test_a_percentile_of_nothing_hedges_nothing():
    state = Hedge(percentile=0.9).start(Random(0))
    assert state.delay is None
    for k in range(ENOUGH - 1):
        state.learn(0.1, float(k), SUCCESS)
        assert state.delay is None
    state.learn(0.1, 19.0, SUCCESS)
    assert state.delay == pytest.approx(0.1, rel=0.021)


def test_until_enough_is_known_after_counts():
    state = Hedge(5.0, percentile=0.9).start(Random(0))
    for _ in range(ENOUGH - 1):
        state.learn(0.1, 0.0, SUCCESS)
        assert state.delay == 5.0
    state.learn(0.1, 0.0, SUCCESS)
    assert state.delay == pytest.approx(0.1, rel=0.021)


def test_what_is_old_is_forgotten():
    state = Hedge(5.0, percentile=0.9).start(Random(0))
    for _ in range(32):
        state.learn(0.1, 0.0, SUCCESS)
    for _ in range(16):
        state.learn(0.2, 100.0, SUCCESS)
    assert state.delay == 5.0  # sixteen are not enough
    for _ in range(16):
        state.learn(0.2, 101.0, SUCCESS)
    assert state.delay == pytest.approx(0.2, rel=0.021)


@pytest.mark.parametrize("verdict", [FAILURE, Verdict.OVERLOADED])
def test_failures_are_no_latencies(verdict):
    state = Hedge(percentile=0.5).start(Random(0))
    for _ in range(100):
        state.learn(9.0, 0.0, verdict)
    assert state.delay is None
    for _ in range(ENOUGH):
        state.learn(0.1, 0.0, SUCCESS)
    assert state.delay == pytest.approx(0.1, rel=0.021)


def test_one_that_was_given_up_counts_as_long_as_it_was_out():
    """Or the percentile would follow its own hedges down: slow ones never get to tell how slow they are."""
    state = Hedge(percentile=0.5).start(Random(0))
    for _ in range(32):
        state.learn(1.0, 0.0, SUCCESS)
    for _ in range(64):
        state.learn(1.5, 0.0, IGNORED)  # given up after as much as that
    assert state.delay == pytest.approx(1.5, rel=0.021)


def test_one_that_was_given_up_early_tells_nothing():
    state = Hedge(percentile=0.5).start(Random(0))
    for _ in range(32):
        state.learn(1.0, 0.0, SUCCESS)
    for _ in range(64):
        state.learn(0.5, 0.0, IGNORED)  # its caller went away, say
    assert state.delay == pytest.approx(1.0, rel=0.021)


def test_the_share_of_hedged_calls_is_what_the_percentile_leaves():
    """Latencies of an exponential distribution: one call in ten is slower than the 90th percentile.

    2000 calls, of which the first 20 teach: the number hedged is binomial with p = 0.1 but for the estimate's own error
    (5 % of the quantile moves p by 1 %). Within 0.1 +- 0.03: seeded, and for another seed an alarm in 1e5.
    """

    async def main():
        rng = random.Random(11)
        stack = hedged(Hedge(percentile=0.9, budget=None))

        async def work():
            await pause(rng.expovariate(10.0))

        for _ in range(2000):
            await stack.call(work)
        return stack.snapshot()["Hedge"]

    shown = run(main)
    assert 0.07 <= shown["hedged"] / 2000 <= 0.13
    assert shown["delay"] == pytest.approx(math.log(10) / 10, rel=0.15)
    assert 0 < shown["won"] < shown["hedged"]


def test_the_tail_is_cut():
    """One call in twenty takes 1 s instead of 10 ms: hedged at the 90th percentile, hardly any call does."""

    async def main(*policies):
        rng = random.Random(3)
        stack = hedged(*policies)
        took = []

        async def work():
            await pause(1.0 if rng.random() < 0.05 else 0.01)

        for _ in range(1000):
            began = virtual_clock()
            await stack.call(work)
            took.append(virtual_clock() - began)
        return sorted(took)[990]

    assert run(main) == pytest.approx(1.0)
    assert run(main, Hedge(percentile=0.9, budget=None)) < 0.05
