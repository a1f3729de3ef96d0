"""Deadlines on a loop: whose they are, one timer for many, clocks that differ, scopes around. In virtual time."""

from __future__ import annotations

import asyncio
import random
import time

import anyio
import pytest

from meshkit import (
    AttemptTimedOut,
    CircuitBreaker,
    ConcurrencyLimit,
    Constant,
    DeadlineExceeded,
    Pipeline,
    RateLimit,
    Retry,
    Timeout,
)
from meshkit.runtime import alarm
from meshkit.testing import ManualClock, run, virtual_clock

pause = anyio.sleep
SECOND = 1.0


def timed(seconds, *more):
    return Pipeline(Timeout(seconds), *more, clock=virtual_clock)


async def hang(seconds=1e6):
    await pause(seconds)
    return "done"


async def ends_at_once():
    return "done"


def cancelling():
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


def test_the_error_and_the_instant():
    async def main():
        with pytest.raises(DeadlineExceeded, match=r"no answer within 2.5 s"):
            await timed(2.5).call(hang)
        return virtual_clock(), cancelling()

    assert run(main) == (2.5, 0)


def test_attempts_end_by_their_own_timeout_and_are_repeated():
    async def main():
        sent = []

        async def work():
            sent.append(virtual_clock())
            await hang()

        stack = timed(10.0, Retry(on=AttemptTimedOut, attempts=5, backoff=Constant(1.0), budget=None), Timeout(2.0))
        with pytest.raises(DeadlineExceeded):
            await stack.call(work)
        return sent, virtual_clock(), cancelling()

    assert run(main) == ([0.0, 3.0, 6.0, 9.0], 10.0, 0)


def test_the_last_attempt_times_out_as_an_attempt():
    async def main():
        stack = timed(10.0, Retry(on=AttemptTimedOut, attempts=2, backoff=Constant(1.0), budget=None), Timeout(2.0))
        with pytest.raises(AttemptTimedOut, match="attempt 2: no answer within 2 s"):
            await stack.call(hang)
        return virtual_clock()

    assert run(main) == 5.0


@pytest.mark.parametrize(
    ("outer", "inner", "said"), [(1.0, 2.0, "within 1 s"), (2.0, 1.0, "within 1 s"), (1.0, 1.0, "within 1 s")]
)
def test_pipelines_within_pipelines(outer, inner, said):
    async def main():
        breaker = CircuitBreaker(failures=1)
        within = timed(inner, breaker)
        around = timed(outer, breaker)
        with pytest.raises(DeadlineExceeded, match=said):
            await around(within(hang))()
        assert around.idle()
        assert within.idle()
        return virtual_clock(), cancelling(), around.snapshot()["CircuitBreaker"]["state"]

    assert run(main) == (1.0, 0, "open")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("middlewares", [0, 1, 2])
def test_what_stands_behind_a_middleware_learns_of_the_timeout_too(middlewares, backend):
    class Through:
        async def __call__(self, call, call_next):
            return await call_next()

    async def main():
        stack = timed(1.0, *(Through() for _ in range(middlewares)), CircuitBreaker(failures=1))
        with pytest.raises(DeadlineExceeded):
            await stack.call(hang)
        assert stack.idle()
        return stack.snapshot()["CircuitBreaker"]["state"]

    assert run(main, backend=backend) == "open"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancellation_before_the_deadline_teaches_nothing(backend):
    async def main():
        stack = timed(1.0, CircuitBreaker(failures=1))
        with anyio.move_on_after(0.5) as scope:
            await stack.call(hang)
        assert scope.cancelled_caught
        return stack.snapshot()["CircuitBreaker"]["state"], stack.idle()

    assert run(main, backend=backend) == ("closed", True)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("outside", [0.5, 1.0, 1.5])
def test_a_scope_around_it(outside, backend):
    """The earlier one wins; in the same tick either may, and nothing is left behind."""

    async def main():
        stack = timed(1.0, ConcurrencyLimit(1))
        error = None
        with anyio.move_on_after(outside) as scope:
            try:
                await stack.call(hang)
            except DeadlineExceeded as raised:
                error = raised
        assert stack.idle()
        if backend == "asyncio":
            assert cancelling() == 0
        await pause(SECOND)  # and nobody is cancelled later
        return scope.cancelled_caught, error is not None

    caught, timed_out = run(main, backend=backend)
    if outside != 1.0:
        assert (caught, timed_out) == (outside < 1.0, outside > 1.0)
    assert caught or timed_out


def test_a_thousand_deadlines_on_one_timer():
    """Each strikes at its instant; and no more timers are set than deadlines that came to be the earliest."""

    async def main():
        loop = asyncio.get_running_loop()
        timers = []
        call_later = loop.call_later
        loop.call_later = lambda delay, fn, *args, **more: timers.append(fn) or call_later(delay, fn, *args, **more)
        struck = {}

        async def one(seconds):
            try:
                await timed(seconds).call(hang)
            except DeadlineExceeded:
                struck[seconds] = virtual_clock()

        deadlines = [(k + 1) / 8 for k in range(1000)]
        random.Random(7).shuffle(deadlines)
        async with asyncio.TaskGroup() as group:
            for seconds in deadlines:
                group.create_task(one(seconds))
        rings = sum(getattr(fn, "__name__", "") == "ring" for fn in timers)
        return struck, rings, len(alarm._loops[loop]), len(alarm._loops[loop].rang)

    struck, rings, left, rang = run(main)
    assert struck == {seconds: seconds for seconds in struck}
    assert len(struck) == 1000
    assert rings <= 1000 + 20
    assert left == rang == 0


def test_a_call_that_ends_in_time_leaves_no_alarm():
    async def main():
        stack = timed(5.0)
        for _ in range(3):
            await stack.call(hang, 1.0)
        alarms = alarm._loops[asyncio.get_running_loop()]
        return len(alarms), len(alarms.rang)

    assert run(main) == (0, 0)


def test_loops_that_come_and_go_are_forgotten():
    for _ in range(20):
        run(lambda: timed(5.0).call(hang, 0.1))
    assert sum(loop.is_closed() for loop in alarm._loops) <= 1


def test_clocks_on_one_loop_do_not_mix():
    """Instants of two clocks cannot be compared: neither rings for the other, nor keeps it from ringing."""

    async def main():
        manual = ManualClock(1e9)
        by_hand = Pipeline(Timeout(1e9), clock=manual)
        early = Pipeline(Timeout(7.0), clock=ManualClock(-1e9))
        async with asyncio.TaskGroup() as group:
            first = group.create_task(by_hand.call(hang, 5.0))
            second = group.create_task(early.call(hang, 5.0))
            await asyncio.sleep(0)
            with pytest.raises(DeadlineExceeded):
                await timed(2.0).call(hang)
            assert virtual_clock() == 2.0
        return first.result(), second.result()

    assert run(main) == ("done", "done")


def test_equal_clocks_share_a_timer():
    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(5):
            await Pipeline(Timeout(1.0), clock=loop.time).call(hang, 0.1)  # a new bound method each time
        return len(alarm._loops[loop].others)

    assert run(main) == 0


def test_a_deadline_that_has_passed_already_strikes_at_the_first_await():
    async def main():
        async def work():
            sent.append(virtual_clock())
            await hang()

        async def late(call, call_next):
            await pause(3.0)
            return await call_next()

        sent = []
        stack = Pipeline(late, Timeout(1.0), clock=virtual_clock)
        with pytest.raises(DeadlineExceeded):
            await stack.call(work)
        return sent, virtual_clock()

    assert run(main) == ([3.0], 4.0)


# A loop whose timers count whole milliseconds.


def test_on_uvloop_a_deadline_strikes():
    uvloop = pytest.importorskip("uvloop")

    async def main():
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await Pipeline(Timeout(0.0104)).call(hang)
        assert time.monotonic() - began >= 0.0104
        return cancelling()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == 0


def test_on_uvloop_a_call_is_not_let_go_early():
    """Its timers ring up to half a millisecond early: a call that ends at once would seem never to have begun."""
    uvloop = pytest.importorskip("uvloop")

    async def main():
        stack = Pipeline(RateLimit("700/s", burst=1, wait=10.0))
        began = time.monotonic()
        for _ in range(11):
            await stack.call(ends_at_once)
        return time.monotonic() - began

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) >= 10 / 700
