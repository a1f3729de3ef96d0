"""Hedge: cancellation, context, exceptions, and that nobody is left behind. In virtual time."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import math
from contextlib import suppress

import anyio
import pytest

from meshkit import (
    Call,
    ConcurrencyLimit,
    Hedge,
    Pipeline,
    Verdict,
)
from meshkit.testing import run, virtual_clock

from .hedged import Upstream, hedged

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
pause = anyio.sleep
NAN, INF = math.nan, math.inf


# Cancellation, context, exceptions.


@BACKENDS
@pytest.mark.parametrize("at", [0.5, 1.0, 1.5, 2.5])
def test_the_caller_goes_away(at, backend):
    async def main():
        upstream = Upstream((9.0, "a"), (9.0, "b"), swallows=0.5)
        stack = hedged(Hedge(1.0, attempts=3), ConcurrencyLimit(9))
        began = virtual_clock()
        with anyio.move_on_after(at) as scope:
            await stack.call(upstream)
        assert scope.cancelled_caught
        assert upstream.under_way == 0
        assert stack.idle()
        # On asyncio the first attempt runs in the caller's own task, and the others are given up after it.
        one_by_one = 0.5 if backend == "asyncio" and at > 1 else 0.0
        assert virtual_clock() - began == pytest.approx(at + 0.5 + one_by_one)
        await pause(9.0)
        assert len(upstream.began_at) <= 3
        if backend == "asyncio":
            task = asyncio.current_task()
            assert task.cancelling() == 0

    run(main, backend=backend)


def test_nobody_complains_about_exceptions_that_were_not_looked_at():
    complaints = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: complaints.append(context))
        stack = hedged(Hedge(1.0, attempts=3))
        with suppress(KeyError):
            await stack.call(Upstream((3.0, KeyError()), (0.5, OSError()), (0.1, ValueError())))
        assert await stack.call(Upstream((3.0, "a"), (0.5, OSError()))) == "a"
        assert await stack.call(Upstream((3.0, "a"), (0.1, OSError()), (0.5, "b"))) == "b"
        with anyio.move_on_after(1.6):
            await stack.call(Upstream((3.0, "a"), (0.5, OSError())))
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        assert tasks == set()

    run(main)
    gc.collect()
    assert complaints == []


@BACKENDS
@pytest.mark.parametrize("slow", [0.5, 3.0])
def test_the_context_is_the_callers_own_for_the_first_attempt_and_a_copy_for_the_others(backend, slow):
    variable = contextvars.ContextVar("variable", default="unset")

    async def main():
        async def fn():
            number = len(seen)
            seen.append(variable.get())
            await pause(slow if number == 0 else 0.5)
            variable.set(f"by attempt {number}")

        seen = []
        variable.set("by the caller")
        await hedged(Hedge(1.0)).call(fn)
        return seen, variable.get()

    expected = (["by the caller"], "by attempt 0") if slow < 1 else (["by the caller"] * 2, "by the caller")
    assert run(main, backend=backend) == expected


@BACKENDS
def test_a_further_attempt_has_the_context_of_its_own_caller(backend):
    """One timer serves all calls of a loop, and was set by somebody else."""
    variable = contextvars.ContextVar("variable", default="unset")

    async def main():
        async def fn():
            seen.append(variable.get())
            await pause(1.5 if len(seen) < 3 else 0.1)

        async def caller(name):
            variable.set(name)
            await stack.call(fn)

        seen = []
        stack = hedged(Hedge(1.0, budget=None))
        async with anyio.create_task_group() as group:
            group.start_soon(caller, "ann")
            group.start_soon(caller, "bob")
        return sorted(seen)

    assert run(main, backend=backend) == ["ann", "ann", "bob", "bob"]


@BACKENDS
def test_an_exception_is_the_same_object_with_its_traceback(backend):
    error = KeyError("mine")

    async def main():
        async def raises():
            raise error

        with pytest.raises(KeyError) as caught:
            await hedged(Hedge(1.0)).call(raises)
        return caught

    caught = run(main, backend=backend)
    assert caught.value is error
    assert caught.traceback[-1].name == "raises"
    assert error.__context__ is None
    assert error.__cause__ is None


def test_an_attempt_that_cancels_itself_is_the_calls_end_if_it_is_the_first():
    async def main():
        async def cancels_itself():
            raise asyncio.CancelledError("mine")

        stack = hedged(Hedge(1.0), ConcurrencyLimit(9))
        with pytest.raises(asyncio.CancelledError, match="mine"):
            await stack.call(cancels_itself)
        assert stack.idle()
        return asyncio.current_task().cancelling()

    assert run(main) == 0


@BACKENDS
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_in_an_attempt(kind, backend):
    """It ends the race and is raised where the caller waits; the other attempt is given up."""

    async def main():
        upstream = Upstream((9.0, "a"), (0.5, kind()))
        stack = hedged(Hedge(1.0), ConcurrencyLimit(9))
        with pytest.raises(kind):
            await stack.call(upstream)
        assert upstream.under_way == 0
        assert stack.idle()

    run(main, backend=backend)


LEAVE = {
    "quick": ((0.1, "a"),),
    "hedged": ((9.0, "a"), (0.1, "b")),
    "failed": ((0.1, OSError), (0.1, OSError)),
    "both failed": ((2.0, OSError), (0.1, KeyError)),
}


@pytest.mark.parametrize("how", LEAVE)
def test_no_cycle_is_left(how):
    stack = hedged(Hedge(1.0, budget=None), ConcurrencyLimit(9))

    async def main():
        for _ in range(10):
            attempts = iter(LEAVE[how])

            async def work(attempts=attempts):
                seconds, outcome = next(attempts)
                await pause(seconds)
                if isinstance(outcome, type):
                    raise outcome
                return outcome

            with suppress(Exception):
                await stack.call(work)

    run(main)
    gc.collect()
    gc.disable()
    try:
        run(main)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [each for each in gc.garbage if isinstance(each, Call) or type(each) in (OSError, KeyError)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


def test_on_uvloop():
    uvloop = pytest.importorskip("uvloop")

    async def main():
        stack = Pipeline(Hedge(0.002, attempts=3, budget=None), ConcurrencyLimit(9))
        loop = asyncio.get_running_loop()
        never = loop.create_future()
        sent = []

        async def fn():
            sent.append(1)
            if len(sent) < 3:
                await never
            return len(sent)

        assert await stack.call(fn) == 3
        assert stack.idle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="no CPython 3.12")
def test_tasks_that_begin_at_once():
    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        stack = hedged(Hedge(1.0), ConcurrencyLimit(9))

        async def at_once():
            return "a"

        assert await stack.call(at_once) == "a"
        assert await stack.call(Upstream((9.0, "a"), (0.5, "b"))) == "b"
        assert stack.idle()

    run(main)
