"""What libraries of this field have been seen to spend: on windows, on keys, on waiting. Counted, not timed."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading

import anyio
import pytest
import trio

from meshkit import CircuitBreaker, ConcurrencyLimit, Limiter, Pipeline, RateLimit
from meshkit.testing import ManualClock, VirtualLoop, run, virtual_clock

pause = anyio.sleep


async def together(fn, count):
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(fn)


def steps(fn):
    """How many functions it calls, of C or of Python; the least of three times, as others may have something to do."""
    return min(counted(fn) for _ in range(3))


def counted(fn):
    count = 0

    def profile(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()
    sys.setprofile(profile)
    try:
        fn()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.parametrize("before", [10, 5000])
@pytest.mark.parametrize(
    "spec",
    [
        RateLimit("1000/s", burst=10_000),
        RateLimit("1000/s", key=lambda call: call.request[0][0]),
        CircuitBreaker(failure_rate=0.9, window_seconds=30.0, minimum=10_000),
        CircuitBreaker(failure_rate=0.9, window_calls=5000),
    ],
    ids=["rate", "rate by key", "window of seconds", "window of calls"],
)
def test_windows_cost_the_same_however_much_they_hold(spec, before):
    clock = ManualClock()
    stack = Pipeline(spec, clock=clock)
    fn = stack(lambda user: None)
    few = steps(lambda: fn(-1))
    for k in range(before):
        clock.advance(0.001)
        fn(k)
    assert abs(steps(lambda: fn(0)) - few) <= 6


def test_a_hundred_thousand_keys_need_no_thread():
    """And those that owe nothing are forgotten by the way."""
    before = threading.enumerate()
    clock = ManualClock()
    limiter = Limiter(RateLimit("10/s", max_keys=1000), clock=clock)
    for k in range(100_000):
        clock.now = k / 100
        limiter.allow(k)
    assert threading.enumerate() == before
    assert limiter.snapshot()["keys"] <= 1000


def test_waiters_do_not_poll_on_asyncio():
    """A queue may wait for an hour, and the event loop turns no more often than if it waited for a second."""

    def turns(seconds):
        class Counting(VirtualLoop):
            count = 0

            def __init__(self):
                super().__init__()
                select = self._jumping.select

                def counted(timeout=None):
                    self.count += 1
                    return select(timeout)

                self._jumping.select = counted

        async def main():
            stack = Pipeline(
                ConcurrencyLimit(1, queue=99), RateLimit("1/min", burst=100, wait=9.0), clock=virtual_clock
            )
            await together(lambda: stack.call(pause, seconds), 5)
            return asyncio.get_running_loop().count

        with asyncio.Runner(loop_factory=Counting) as runner:
            return runner.run(main())

    assert turns(3600.0) == turns(1.0) < 60


def test_waiters_do_not_poll_on_trio():
    def woken(seconds):
        class Counting(trio.abc.Instrument):
            count = 0

            def task_scheduled(self, task):
                self.count += 1

        async def main():
            counting = Counting()
            trio.lowlevel.add_instrument(counting)
            stack = Pipeline(ConcurrencyLimit(1, queue=99), clock=virtual_clock)
            await together(lambda: stack.call(pause, seconds), 5)
            return counting.count

        return run(main, backend="trio")

    assert abs(woken(3600.0) - woken(1.0)) <= 5
    assert woken(1.0) < 60
