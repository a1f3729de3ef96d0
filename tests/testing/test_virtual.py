"""Virtual time: what waits long ends at the right instant, in no time."""

from __future__ import annotations

import asyncio
import math
import sys
import time

import anyio
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meshkit import (
    AttemptTimedOut,
    ConcurrencyLimit,
    ConfigError,
    DeadlineExceeded,
    Pipeline,
    RateLimit,
    Retry,
    Timeout,
)
from meshkit.testing import VirtualLoop, run, virtual, virtual_clock

SECOND = 1.0
"""Virtual: it passes in no time."""
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@BACKENDS
def test_a_day_passes_in_no_time(backend):
    async def main(days):
        began = virtual_clock()
        await anyio.sleep(days * 86400.0)
        return virtual_clock() - began

    began = time.monotonic()
    assert run(main, 3, backend=backend) == pytest.approx(3 * 86400.0)
    assert time.monotonic() - began < 60


@BACKENDS
def test_sleepers_wake_in_the_order_of_their_instants(backend):
    async def main():
        woken = []

        async def sleeper(seconds):
            await anyio.sleep(seconds)
            woken.append((seconds, virtual_clock() - began))

        began = virtual_clock()
        async with anyio.create_task_group() as group:
            for seconds in (5.0, 0.25, 3600.0, 1.0):
                group.start_soon(sleeper, seconds)
        return woken

    woken = run(main, backend=backend)
    assert [seconds for seconds, _ in woken] == [0.25, 1.0, 5.0, 3600.0]
    assert all(at == pytest.approx(seconds) for seconds, at in woken)


@BACKENDS
def test_timeouts_waits_and_queues_run_in_virtual_time(backend):
    async def main():
        log = []
        pipeline = Pipeline(
            Timeout(60.0),
            RateLimit("1/10s", wait=30.0),
            ConcurrencyLimit(1, queue=5),
            Retry(on=AttemptTimedOut, budget=None, attempts=2),
            Timeout(7.0),
            clock=virtual_clock,
        )

        @pipeline
        async def work(name, seconds):
            log.append((name, round(virtual_clock() - began, 3)))
            await anyio.sleep(seconds)

        began = virtual_clock()
        async with anyio.create_task_group() as group:
            group.start_soon(work, "first", 6.0)
            await anyio.sleep(SECOND)
            group.start_soon(work, "second", 5.0)  # waits for its turn
        with pytest.raises(AttemptTimedOut):
            await work("third", math.inf)
        assert pipeline.idle()
        return log

    log = run(main, backend=backend)
    assert log[:3] == [("first", 0.0), ("second", 10.0), ("third", 20.0)]
    assert log[3][0] == "third"
    assert 27.0 <= log[3][1] <= 27.06


def test_a_sleep_on_the_virtual_loop_never_ends_early():
    """Not by the last bit: ``now + delay`` is reached, whatever the floats."""

    async def main():
        early = []
        for k in range(1, 2000):
            until = virtual_clock() + k * 0.1 / 3
            await asyncio.sleep(k * 0.1 / 3)
            if virtual_clock() < until:
                early.append(k)
        return early

    assert run(main) == []


@BACKENDS
@pytest.mark.parametrize("days", [90, 100, 36_500, 1_000_000])
def test_timers_ring_however_late_it_is(backend, days):
    """A tick of asyncio's is smaller than the last bit of such an instant."""

    async def main():
        await anyio.sleep(days * 86400.0)
        rang = []
        for seconds in (0.0, 1e-12, 1e-9, 0.001, 7.0):
            until = virtual_clock() + seconds
            await anyio.sleep(seconds)
            rang.append(until <= virtual_clock() <= until + 1e-4)
        with anyio.move_on_after(3.0):
            await anyio.sleep(5 * SECOND)
        return rang

    assert all(run(main, backend=backend))


def test_timers_that_are_cancelled_are_forgotten():
    """A call under a timeout of an hour sets a timer and drops it, and an hour of virtual time may never pass."""

    async def main():
        loop = asyncio.get_running_loop()
        kept = [loop.call_later(SECOND, int) for _ in range(10)]
        most = 0
        for _ in range(20_000):
            loop.call_later(3600.0, int).cancel()
            most = max(most, len(loop._jumping._timers))
        await asyncio.sleep(2 * SECOND)
        return most, virtual_clock(), len(kept)

    most, now, _ = run(main)
    assert most <= virtual.SWEEP + 1
    assert now == 2.0


@BACKENDS
@given(plans=st.lists(st.tuples(st.floats(0, 1e6), st.none() | st.floats(0, 1e6)), max_size=30))
def test_each_sleeper_wakes_or_is_given_up_at_its_own_instant(backend, plans):
    """The oracle is a sorted list: of each sleep and its limit, the smaller."""

    async def main():
        ended = []

        async def sleeper(seconds, limit):
            with anyio.move_on_after(math.inf if limit is None else limit) as scope:
                await anyio.sleep(seconds)
            ended.append((virtual_clock() - began, scope.cancelled_caught))

        began = virtual_clock()
        async with anyio.create_task_group() as group:
            for plan in plans:
                group.start_soon(sleeper, *plan)
        return ended

    assume(all(limit is None or abs(seconds - limit) > 1e-6 for seconds, limit in plans))
    limits = [(seconds, math.inf if limit is None else limit) for seconds, limit in plans]
    expected = sorted((min(plan), plan[1] < plan[0]) for plan in limits)
    seen = run(main, backend=backend)
    assert [at for at, _ in seen] == sorted(at for at, _ in seen)
    assert [at for at, _ in sorted(seen)] == pytest.approx([at for at, _ in expected], abs=1e-6)
    assert sum(given_up for _, given_up in seen) == sum(given_up for _, given_up in expected)


def test_a_sweep_loses_no_timer():
    async def main():
        loop = asyncio.get_running_loop()
        rang = []
        for number in range(3 * virtual.SWEEP):
            timer = loop.call_later(number % 7, lambda number=number: rang.append((virtual_clock(), number % 7)))
            if number % 3 == 0:
                timer.cancel()
        await asyncio.sleep(10 * SECOND)
        return rang

    rang = run(main)
    assert len(rang) == 2 * virtual.SWEEP
    assert all(at == due for at, due in rang)


def test_a_deadlock_is_said_and_not_waited_for(monkeypatch):
    monkeypatch.setattr(virtual, "PATIENCE", 0.0)

    async def main():
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="everybody would wait for ever"):
        run(main)


def test_another_thread_may_still_answer_where_no_timer_is_set():
    async def main():
        return await asyncio.to_thread(lambda: 42)

    assert run(main) == 42


def test_the_loop_for_runners_of_ones_own():
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.sleep(1e3 * SECOND))
        assert runner.get_loop().time() == 1000.0


def test_results_and_errors_come_out():
    async def fails():
        pipeline = Pipeline(Timeout(3.0), clock=virtual_clock)
        await pipeline.call(asyncio.sleep, 5.0)

    with pytest.raises(DeadlineExceeded, match=r"no answer within 3 s"):
        run(fails)


def test_an_unknown_backend():
    with pytest.raises(ConfigError, match="write 'asyncio' or 'trio'"):
        run(asyncio.sleep, 0, backend="twisted")


def test_without_trio_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "trio", None)
    with pytest.raises(ConfigError, match=r"run: backend='trio': trio is not installed: .* extra \[trio\]"):
        run(asyncio.sleep, 0, backend="trio")


def test_the_clock_needs_a_loop():
    with pytest.raises(RuntimeError):
        virtual_clock()
