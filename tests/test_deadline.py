"""The deadline that travels: which one counts, where it goes, when nothing is started, and who has spent it."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import threading
import weakref

import anyio
import anyio.to_thread
import pytest

from meshkit import (
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    DeadlineExceeded,
    Fallback,
    Hedge,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    RejectedCall,
    Retry,
    Timeout,
    TooLate,
)
from meshkit.deadline import CURRENT, MOST, Spent, detached, ledger, opened, remaining
from meshkit.testing import ManualClock, run, virtual_clock

from .scripted import Gate, Sees, fails, pipeline, retry, told_to

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
pause = anyio.sleep


@pytest.fixture(autouse=True)
def _nothing_is_left():
    yield
    assert CURRENT.get() is None


def by(clock, *policies):
    return Pipeline(*policies, clock=clock)


def left():
    """What a call here has, to be called through a pipeline."""
    return remaining()


async def left_async():
    return remaining()


# Which one counts.


def test_outside_there_is_none():
    assert remaining() is None
    assert ledger() == ()
    assert pipeline().call(left) is None


@pytest.mark.parametrize(
    ("outer", "inner", "seen"), [(2.0, 5.0, 2.0), (5.0, 2.0, 2.0), (3.0, 3.0, 3.0), (None, 2.0, 2.0)]
)
async def test_the_smaller_wins(outer, inner, seen):
    clock = ManualClock(100.0)
    policies = [] if outer is None else [Timeout(outer)]
    within = by(clock, Timeout(inner))

    async def calls():
        return await within.call(left_async)

    assert by(clock, *policies).call(lambda: within.call(left)) == seen
    assert await by(clock, *policies).call(calls) == seen


def test_what_was_spent_is_gone():
    clock = ManualClock()

    def spends():
        clock.advance(1.5)
        return by(clock, Timeout(9.0)).call(left)

    assert by(clock, Timeout(2.0)).call(spends) == 0.5


def test_clocks_that_differ():
    """What is passed on is the time that remains: instants of two clocks have nothing to do with each other."""
    one, other = ManualClock(1e6), ManualClock(-50.0)
    deadlines = []
    sees = Sees(lambda call, now: deadlines.append(call.deadline))
    inner = by(other, sees, Timeout(60.0))

    def spends():
        one.advance(3.0)
        return inner.call(left)

    assert by(one, Timeout(10.0)).call(spends) == 7.0
    assert deadlines == [-43.0]
    with opened(10.0, clock=one):
        assert by(other, Timeout(60.0)).call(left) == 10.0
        assert by(other, Timeout(6.0)).call(left) == 6.0


def test_a_call_without_a_timeout_of_its_own_inherits():
    seen = []
    with opened(4.0, clock=(clock := ManualClock())):
        by(clock, Sees(lambda call, now: seen.append(call.deadline))).call(left)
    assert seen == [4.0]


def test_policies_obey_it_as_their_own():
    """A limit refuses what it could let go only after it, a retry makes no attempt that it leaves no time for."""
    clock = ManualClock()
    limit, again = by(clock, RateLimit("1/s", burst=1, wait=9.0)), by(clock, retry(3, backoff=2.0))
    with opened(0.5, clock=clock):
        limit.call(int)
        with pytest.raises(RateLimited):
            limit.call(int)
        with pytest.raises(ConnectionError) as caught:
            again.call(fails(ConnectionError()))
        assert caught.value.__notes__ == ["1 attempt in 0 s, stopped: deadline"]


@BACKENDS
def test_on_a_loop_it_strikes(backend):
    async def main():
        began = virtual_clock()
        with opened(2.0, clock=virtual_clock), pytest.raises(DeadlineExceeded, match="within 2 s"):
            await Pipeline(ConcurrencyLimit(1), clock=virtual_clock).call(pause, 9.0)
        return virtual_clock() - began

    assert run(main, backend=backend) == 2.0


@BACKENDS
def test_a_queue_ends_with_it(backend):
    async def main():
        stack = Pipeline(ConcurrencyLimit(1, queue=1), clock=virtual_clock)
        async with anyio.create_task_group() as group:
            group.start_soon(stack.call, pause, 9.0)
            await pause(1.0)
            with opened(2.0, clock=virtual_clock), pytest.raises(Overloaded):
                await stack.call(pause, 1.0)
            assert virtual_clock() - began == pytest.approx(3.0)
        assert stack.idle()

    began = 0.0
    run(main, backend=backend)


# Nothing is started that cannot finish.


async def test_when_it_has_passed_nothing_is_started():
    clock = ManualClock()
    gate, sent = Gate(), []
    stack = by(clock, gate)
    with opened(1.0, clock=clock):
        clock.advance(1.0)
        with pytest.raises(TooLate, match=r"the deadline it came with has passed$"):
            stack.call(sent.append, 1)
        clock.advance(0.0009)
        with pytest.raises(TooLate, match=r"the deadline it came with has passed$"):
            stack.call(sent.append, 1)
        clock.advance(0.4991)
        with pytest.raises(TooLate, match=r"passed 0.5 s ago"):
            await by(clock, gate)(left_async)()
        assert remaining() == 0.0
        with detached():
            stack.call(sent.append, 2)
    assert sent == [2]
    assert gate.log == ["gate enter", "gate exit success"]
    assert stack.idle()


@pytest.mark.parametrize("seconds", [0.0, -1.0, -1e9])
def test_one_that_has_passed_when_it_is_opened(seconds):
    with opened(seconds), pytest.raises(TooLate):
        pipeline().call(int)


def test_it_is_neither_repeated_nor_stood_in_for():
    with opened(0.0), pytest.raises(TooLate):
        pipeline(Fallback(value=1), Retry(on=lambda failure: True)).call(int)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 10**400])
def test_what_cannot_be_opened(seconds):
    with pytest.raises(ConfigError, match="opened: seconds="), opened(seconds):
        raise AssertionError


# Where it goes.


@BACKENDS
def test_into_tasks_and_their_tasks(backend):
    async def main():
        stack = Pipeline(clock=virtual_clock)
        seen = []

        async def child(depth):
            seen.append(await stack.call(left_async))
            if depth:
                async with anyio.create_task_group() as group:
                    group.start_soon(child, depth - 1)

        with opened(4.0, clock=virtual_clock):
            async with anyio.create_task_group() as group:
                group.start_soon(child, 2)
                group.start_soon(child, 0)
        return seen

    assert run(main, backend=backend) == [4.0] * 4


async def test_into_threads_with_a_copied_context_and_into_no_other():
    clock = ManualClock()
    stack = by(clock)
    seen = []
    with opened(4.0, clock=clock):
        assert await anyio.to_thread.run_sync(stack.call, left) == 4.0
        thread = threading.Thread(target=lambda: seen.append((remaining(), stack.call(left))))
        thread.start()
        thread.join()
    assert seen == [(None, None)]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_into_asyncios_threads(anyio_backend):
    clock = ManualClock()
    with opened(4.0, clock=clock):
        assert await asyncio.to_thread(by(clock, Timeout(9.0)).call, left) == 4.0


async def test_through_middlewares_and_hedges_and_to_what_stands_instead():
    clock = ManualClock()

    async def through(call, call_next):
        assert remaining() == 4.0
        return await call_next()

    stack = by(clock, Timeout(4.0), Hedge(9.0), through, Fallback(left_async), Hedge(9.0))

    async def broken():
        assert remaining() == 4.0
        raise ConnectionError

    assert await stack.call(left_async) == 4.0
    assert await stack.call(broken) == 4.0


def test_inside_a_retry_each_attempt_leaves_its_own():
    clock = ManualClock()
    seen = []

    async def main():
        async def work():
            seen.append(remaining())
            raise ConnectionError

        with pytest.raises(ConnectionError):
            await by(clock, Timeout(9.0), retry(3, backoff=2.0), Timeout(3.0)).call(work)

    run(main)
    assert seen == [3.0, 3.0, 3.0]


def test_when_the_call_is_over_it_is_over():
    stack = pipeline(Timeout(4.0))
    stack.call(left)
    assert remaining() is None
    with pytest.raises(ConnectionError):
        stack.call(fails(ConnectionError()))
    assert remaining() is None


def test_what_stands_within_each_other():
    clock = ManualClock()
    with opened(9.0, clock=clock):
        with opened(4.0, clock=clock):
            assert remaining() == 4.0
            with opened(6.0, clock=clock):
                assert remaining() == 4.0
            with opened(None, clock=clock):
                assert remaining() == 4.0
            with detached():
                assert remaining() is None
                with opened(20.0, clock=clock):
                    assert remaining() == 20.0
        assert remaining() == 9.0


def test_after_an_error_within_it_is_closed():
    with pytest.raises(ZeroDivisionError), opened(1.0):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), detached():
        raise ZeroDivisionError
    assert remaining() is None


# Who has spent it.


def test_the_ledger():
    clock = ManualClock(50.0)

    def database():
        clock.advance(0.5)
        return fails()()

    def service():
        clock.advance(0.25)
        by(clock)(database)()
        return "done"

    again = by(clock, retry(2, backoff=1.0))
    with opened(9.0, clock=clock):
        clock.advance(1.0)
        by(clock)(service)()
        with pytest.raises(ConnectionError):
            again(fails(ConnectionError(), ConnectionError()))()
        with pytest.raises(RateLimited):
            by(clock, Gate(does=[RateLimited("no")]))(database)()
        lines = ledger()
    assert [
        (line.who.rpartition(".")[2], line.at, line.seconds, line.attempts, line.verdict, line.depth) for line in lines
    ] == [
        ("database", 1.25, 0.5, 1, "success", 1),
        ("service", 1.0, 0.75, 1, "success", 0),
        ("fn", 1.75, 1.0, 2, "failure", 0),
        ("database", 2.75, 0.0, 1, "ignored", 0),
    ]
    assert isinstance(lines[0], Spent)
    assert ledger() == ()


def test_what_came_too_late_stands_in_it():
    with opened(0.0):
        with pytest.raises(TooLate):
            pipeline()(left)()
        assert [(line.who, line.verdict) for line in ledger()] == [("left", "ignored")]


async def test_it_is_one_for_all_that_runs_within():
    clock = ManualClock()
    stack = by(clock)
    with opened(9.0, clock=clock):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(stack(left_async))
        await anyio.to_thread.run_sync(stack(left))
        with opened(2.0, clock=clock):
            await stack(left_async)()
        with detached():
            await stack(left_async)()
        lines = ledger()
    assert len(lines) == 5
    assert [line.depth for line in lines] == [0, 0, 0, 0, 1]


def test_a_call_with_a_timeout_opens_one_of_its_own():
    clock = ManualClock()
    seen = []

    def outer():
        by(clock)(left)()
        seen.extend(ledger())

    by(clock, Timeout(5.0)).call(outer)
    assert [(line.who, line.depth) for line in seen] == [("left", 0)]


def test_it_is_bounded():
    stack = pipeline()
    with opened(9.0, clock=stack.clock):
        for _ in range(MOST + 50):
            stack(left)()
            stack.clock.advance(0.001)
        lines = ledger()
    assert len(lines) == MOST == 100
    assert (lines[-1].who, lines[-1].attempts) == ("others", 51)
    assert {line.who for line in lines[:-1]} == {"left"}


def test_clocks_may_differ_in_it():
    one, other = ManualClock(5.0), ManualClock(1e6)

    def work():
        one.advance(0.5)
        other.advance(0.5)

    with opened(9.0, clock=one):
        one.advance(1.0)
        other.advance(1.0)
        by(other)(work)()
        (line,) = ledger()
    assert (line.at, line.seconds) == (1.0, 0.5)


@BACKENDS
def test_a_cancelled_call_stands_in_it(backend):
    async def main():
        stack = Pipeline(clock=virtual_clock)
        with opened(9.0, clock=virtual_clock):
            with anyio.move_on_after(1.0):
                await stack(pause)(5.0)
            return [(line.seconds, line.verdict) for line in ledger()]

    assert run(main, backend=backend) == [(pytest.approx(1.0), "ignored")]


# Told.


def test_a_call_that_came_too_late_is_told_of():
    stack = pipeline()
    events = []
    stack.listen(told_to(events), direct=True)
    with opened(0.0, clock=stack.clock), pytest.raises(TooLate) as caught:
        stack.call(int)
    assert events == [RejectedCall(0.0, "deadline", None, caught.value)]


def test_a_retry_within_a_retry_is_warned_of_once(caplog):
    clock = ManualClock()
    inner = by(clock, retry(2))

    def calls():
        inner.call(fails(ConnectionError()))
        raise ConnectionError

    outer = by(clock, Timeout(9.0), retry(2))
    with caplog.at_level(logging.WARNING, "meshkit"):
        for _ in range(3):
            with pytest.raises(ConnectionError):
                outer.call(calls)
    assert [record.name for record in caplog.records] == ["meshkit"]
    assert "a retry within a retry" in caplog.text
    assert "fn is repeated" in caplog.text


@pytest.mark.parametrize("outer", [[Timeout(9.0)], [Timeout(9.0), Cluster("c", ["a:1"])]], ids=["timeout", "cluster"])
def test_a_retry_within_a_call_that_is_not_repeated_is_fine(outer, caplog):
    clock = ManualClock()
    inner = by(clock, retry(2))
    with caplog.at_level(logging.WARNING, "meshkit"):
        by(clock, *outer).call(lambda: inner.call(fails(ConnectionError())))
    assert caplog.records == []


def test_a_retry_that_repeats_nothing_is_fine(caplog):
    clock = ManualClock()
    inner = by(clock, retry(2))
    with caplog.at_level(logging.WARNING, "meshkit"):
        by(clock, Timeout(9.0), retry(2)).call(lambda: inner.call(fails()))
    assert caplog.records == []


@pytest.mark.parametrize("between", [False, True], ids=["alone", "in a middleware"])
def test_a_job_that_begins_the_next_one_keeps_none_of_those_before_it(between):
    """What it leaves to the next one's context is itself, and not its whole line of ancestors."""
    seen = weakref.WeakSet()

    class Follower:
        detailed = False
        sending = answered = answering = left = None

        def __call__(self, event):
            pass

    class Follow:
        def follow(self, pipeline, call):
            seen.add(follower := Follower())
            return follower

    async def main():
        loop, done, kept = asyncio.get_running_loop(), asyncio.Event(), []

        async def middleware(call, call_next):
            return await call_next()

        jobs = Pipeline(Timeout(60.0), *([middleware] if between else []))
        jobs.listen(Follow())

        @jobs
        async def poll(left):
            if left:
                loop.call_soon(lambda: loop.create_task(poll(left - 1)))
                return
            for _ in range(3):
                await asyncio.sleep(0)
            gc.collect()
            kept.append(len(seen))
            done.set()

        loop.call_soon(lambda: loop.create_task(poll(50)))
        await done.wait()
        return kept[0]

    assert asyncio.run(main()) < 5
