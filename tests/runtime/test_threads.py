"""The shell for threads, and shells of different colours on one state: who waits is woken by whoever gives back."""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.to_thread
import pytest

from meshkit import ConcurrencyLimit, Overloaded, Pipeline, RateLimit, Shared, Timeout
from meshkit.testing import ManualClock

from ..scripted import Gate, retry


def started(fn):
    thread = threading.Thread(target=fn, daemon=True)
    thread.start()
    return thread


def queued(stack, count=1):
    """Waits until so many stand in the queue: a matter of microseconds, bounded all the same."""
    for _ in range(100_000):
        if stack.snapshot()["ConcurrencyLimit"]["queued"] == count:
            return
        threading.Event().wait(0.0001)
    raise AssertionError(stack.snapshot())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, ValueError])
def test_whatever_ends_the_function_gives_everything_back(error):
    gate = Gate()
    stack = Pipeline(ConcurrencyLimit(1), gate, Timeout(5.0), retry(on=ConnectionError), ConcurrencyLimit(1))

    def fn():
        raise error

    with pytest.raises(error):
        stack.call(fn)
    assert stack.idle()
    assert gate.log == ["gate enter", "gate exit failure" if error is ValueError else "gate exit ignored"]


def test_a_thread_waits_for_its_turn():
    stack = Pipeline(ConcurrencyLimit(1, queue=1))
    leave, order = threading.Event(), []

    def holder():
        order.append("holder")
        assert leave.wait(10)

    def waiter():
        order.append("waiter")

    holding = started(lambda: stack.call(holder))
    while not order:
        threading.Event().wait(0.0001)
    waiting = started(lambda: stack.call(waiter))
    queued(stack)
    with pytest.raises(Overloaded, match="1 in flight, 1 queued"):
        stack.call(waiter)
    leave.set()
    for thread in (holding, waiting):
        thread.join(10)
    assert order == ["holder", "waiter"]
    assert stack.idle()


def test_a_thread_gives_its_place_up_at_the_deadline():
    stack = Pipeline(Timeout(0.01), ConcurrencyLimit(1, queue=1))
    leave, holds = threading.Event(), threading.Event()

    def holder():
        holds.set()
        assert leave.wait(10)

    holding = started(lambda: stack.call(holder))
    assert holds.wait(10)
    with pytest.raises(Overloaded, match="no permit within"):
        stack.call(lambda: None)
    assert stack.snapshot()["ConcurrencyLimit"]["queued"] == 0
    leave.set()
    holding.join(10)
    assert stack.idle()


def test_a_timeout_does_not_interrupt_a_function_and_bounds_what_follows():
    """It bounds waits and further attempts only, and a late success is a success."""
    stack = Pipeline(Timeout(0.001))

    def late():
        threading.Event().wait(0.002)
        return "late"

    assert stack.call(late) == "late"


async def test_a_task_is_woken_by_a_thread():
    shared = Shared(ConcurrencyLimit(1, queue=5))
    stack, other = Pipeline(shared), Pipeline(shared)
    holds, leave = threading.Event(), threading.Event()

    def holder():
        holds.set()
        assert leave.wait(10)
        return "thread"

    async def waiter():
        return "task"

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, lambda: other.call(holder))
        await anyio.to_thread.run_sync(holds.wait)
        timer = started(lambda: (queued(stack), leave.set()))
        with anyio.fail_after(10):
            assert await stack.call(waiter) == "task"
        timer.join(10)
    assert stack.idle()


async def test_a_thread_is_woken_by_a_task():
    stack = Pipeline(ConcurrencyLimit(1, queue=5))
    woken = []

    async def holder():
        thread = started(lambda: woken.append(stack.call(lambda: "thread")))
        await anyio.to_thread.run_sync(queued, stack)
        return thread

    thread = await stack.call(holder)
    await anyio.to_thread.run_sync(thread.join, 10)
    assert woken == ["thread"]
    assert stack.idle()


def test_two_loops_in_two_threads_share_a_limit():
    shared = Shared(ConcurrencyLimit(1, queue=50))
    inside, most, done = [], [], []

    def loop():
        stack = Pipeline(shared)

        async def work():
            inside.append(1)
            most.append(len(inside))
            await asyncio.sleep(0)
            inside.pop()

        async def main():
            await asyncio.gather(*(stack.call(work) for _ in range(20)))
            done.append(stack.idle)

        asyncio.run(main())

    for thread in [started(loop), started(loop)]:
        thread.join(20)
        assert not thread.is_alive()
    assert max(most) == 1
    assert [idle() for idle in done] == [True, True]


class InterruptedClock(ManualClock):
    def sleep(self, seconds):
        self.advance(seconds / 2)
        raise KeyboardInterrupt


def test_a_turn_whose_wait_was_interrupted_is_given_back():
    clock = InterruptedClock()
    stack = Pipeline(RateLimit("1/s", wait=1.0), clock=clock)
    stack.call(lambda: None)
    with pytest.raises(KeyboardInterrupt):
        stack.call(lambda: None)
    clock.now = 1.0
    assert stack.call(lambda: "the turn that was given back") == "the turn that was given back"
    assert clock() == 1.0
