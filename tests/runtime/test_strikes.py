"""What strikes between any two instructions: the garbage collector, signals, a fork; and loops that are gone."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import os
import signal
import subprocess
import sys
import threading

import pytest

from meshkit import (
    Call,
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    Constant,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    Timeout,
)
from meshkit.runtime.lock import LOCK, owned
from meshkit.runtime.settle import LEFT
from meshkit.testing import run


def test_a_call_that_the_collector_closes_within_the_lock_waits_for_nobody():
    """It is left, and given back by whoever comes next."""
    stack = Pipeline(ConcurrencyLimit(1))

    async def main():
        stuck = stack.call(lost)
        stuck.send(None)
        with LOCK:
            stuck.close()  # as the collector does, in the middle of some walk
            assert len(LEFT) == 1
        assert stack.idle()

    async def lost():
        await asyncio.get_running_loop().create_future()

    asyncio.run(main())
    assert not LEFT


def test_another_call_gives_back_what_was_left():
    stack = Pipeline(ConcurrencyLimit(1, queue=1))

    async def main():
        stuck = stack.call(lost)
        stuck.send(None)
        waiting = asyncio.ensure_future(stack.call(quick))
        await asyncio.sleep(0)
        with LOCK:
            stuck.close()
        assert await Pipeline().call(quick) == 7  # of another pipeline
        assert await waiting == 7

    async def lost():
        await asyncio.get_running_loop().create_future()

    async def quick():
        return 7

    asyncio.run(main())
    assert stack.idle()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no setitimer on this system")
def test_a_signal_handler_may_come_through_a_pipeline():
    stack = Pipeline(ConcurrencyLimit(10), CircuitBreaker())
    f = stack(ends)
    seen = []

    def handler(*_):
        seen.append(stack.snapshot())
        f()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while len(seen) < 50:
            f()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert stack.idle()


def ends() -> None:
    return None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_after_a_fork_the_childs_lock_is_free_and_no_change_is_half_done():
    code = """
import os, threading
from meshkit import Pipeline, ConcurrencyLimit
from meshkit.runtime.lock import LOCK
held, change = threading.Event(), []
def hold():
    with LOCK:
        change.append("begun")
        held.set()
        threading.Event().wait(0.1)
        change.append("done")
threading.Thread(target=hold, daemon=True).start()
held.wait(20)
pid = os.fork()
Pipeline(ConcurrencyLimit(1)).call(int)
if pid == 0:
    os._exit(7 if change == ["begun", "done"] else 1)
_, status = os.waitpid(pid, 0)
raise SystemExit(os.waitstatus_to_exitcode(status) != 7)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_place_whose_loop_is_gone_goes_to_the_next():
    stack = Pipeline(ConcurrencyLimit(1, queue=5))
    gone = asyncio.new_event_loop()

    async def holds(free):
        await free.wait()

    async def queue_up():
        task = asyncio.ensure_future(stack.call(quick))
        await asyncio.sleep(0)
        return task

    async def quick():
        return 7

    async def main():
        free = asyncio.Event()
        holding = asyncio.ensure_future(stack.call(holds, free))
        await asyncio.sleep(0)
        kept = []
        thread = threading.Thread(target=lambda: kept.append(gone.run_until_complete(queue_up())))
        thread.start()
        thread.join()
        gone.close()
        behind = asyncio.ensure_future(stack.call(quick))
        await asyncio.sleep(0)
        free.set()
        await holding
        assert await behind == 7
        return kept[0]

    task = asyncio.run(main())
    assert stack.idle()
    task._log_destroy_pending = False  # it is never finished, which is the point
    assert stack.snapshot()["ConcurrencyLimit"]["in_flight"] == 0


def test_call_next_may_run_twice_at_once():
    """Each is a walk of its own, and counts as one."""
    together = []

    async def both(call, call_next):
        return [await each for each in [asyncio.ensure_future(call_next()) for _ in range(3)]]

    async def work():
        together.append(stack.snapshot()["ConcurrencyLimit"]["in_flight"])
        await asyncio.sleep(0)
        return len(together)

    async def main():
        assert await stack.call(work) == [2, 2, 3]
        assert stack.idle()

    stack = Pipeline(both, ConcurrencyLimit(2, queue=1))
    asyncio.run(main())
    assert together == [1, 2, 1]


def test_call_next_left_under_way_is_an_error_and_gives_back():
    left = []

    async def forgets(call, call_next):
        left.append((asyncio.ensure_future(call_next()), call_next))
        await asyncio.sleep(0)

    async def main():
        with pytest.raises(RuntimeError, match="was under way"):
            await stack.call(asyncio.sleep, 0, "done")
        task, call_next = left[0]
        assert await task == "done"
        with pytest.raises(RuntimeError, match="too late"):
            await call_next()
        assert stack.idle()

    stack = Pipeline(ConcurrencyLimit(9), forgets, ConcurrencyLimit(9))
    asyncio.run(main())


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


def test_an_exception_that_takes_no_note_passes_all_the_same():
    def fails():
        raise Frozen(5)

    with pytest.raises(Frozen):
        Pipeline(Retry(Frozen, backoff=Constant(0.0))).call(fails)


def test_one_exception_raised_again_and_again_does_not_fill_with_notes():
    error = ConnectionError()

    def fails():
        raise error

    stack = Pipeline(Retry(ConnectionError, backoff=Constant(0.0), budget=None))
    for _ in range(100):
        with pytest.raises(ConnectionError):
            stack.call(fails)
    assert len(error.__notes__) < 10


async def _coroutine():
    raise AssertionError("never awaited")


@pytest.mark.parametrize("fn", [lambda *_: _coroutine(), type("C", (), {"__call__": lambda self: _coroutine()})()])
def test_a_sync_function_that_hands_on_a_coroutine_is_refused(fn):
    with pytest.raises(TypeError, match="returned an awaitable, which nothing guards"):
        Pipeline(Retry(ConnectionError))(fn)()


def _async_leaks(stack, fn):
    async def main():
        for _ in range(20):
            with contextlib.suppress(Exception):
                await stack.call(fn)

    run(main)


def _refused(stack):
    for _ in range(20):
        with pytest.raises((Overloaded, RateLimited)):
            stack.call(ends)


async def _fails():
    raise ConnectionError


async def _through(call, call_next):
    return await call_next()


@pytest.mark.parametrize(
    "leave",
    [
        lambda: _refused(_taken()),
        lambda: _async_leaks(Pipeline(_through, CircuitBreaker(failures=10**6)), _fails),
        lambda: _async_leaks(Pipeline(Retry(ConnectionError, backoff=Constant(0.0))), _fails),
        lambda: _async_leaks(Pipeline(Timeout(1.0), Cluster("c", ["a:1", "b:1"])), _fails),
    ],
    ids=["refused", "middleware", "retry", "cluster"],
)
def test_a_failing_call_leaves_no_cycle(leave):
    leave()
    gc.collect()
    gc.disable()
    try:
        leave()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [each for each in gc.garbage if isinstance(each, BaseException | Call)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


def _taken() -> Pipeline:
    stack = Pipeline(RateLimit(1e-9, burst=1))
    stack.call(ends)
    return stack


def test_nobody_holds_the_lock_afterwards():
    assert not owned()
