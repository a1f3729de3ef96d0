"""Identical calls at the same time share one, on asyncio and trio, in virtual time."""

from __future__ import annotations

import asyncio
import gc
import threading
import traceback
import weakref
from contextlib import suppress
from functools import partial

import anyio
import pytest

from meshkit import (
    CircuitBreaker,
    CircuitOpen,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    DeadlineExceeded,
    Overloaded,
    Pipeline,
    Retry,
    Shared,
    Timeout,
)
from meshkit.runtime.flight import LED
from meshkit.share import SingleFlight
from meshkit.testing import run

from ..scripted import Gate
from .naming import shown
from .wires import Work, at, pause, stack

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def kinds(ends):
    return [(when, type(end) if isinstance(end, Exception) else end) for when, end in ends]


@BACKENDS
def test_those_who_come_while_it_is_under_way_share_it(backend):
    async def main():
        work, shared = Work(), stack(SingleFlight())
        get = shared(work)
        ends = await at(*[(after, partial(get, 1)) for after in (0.0, 0.5, 0.9, 1.5)])
        assert ends == [(1.0, "done 1"), (1.0, "done 1"), (1.0, "done 1"), (2.5, "done 2")]
        assert len(work.began) == 2
        assert shared.snapshot() == {"SingleFlight": {"under_way": 0, "waiting": 0, "shared": 2}}
        assert shared.idle()

    run(main, backend=backend)


@BACKENDS
def test_what_it_shows_while_somebody_waits(backend):
    async def main():
        shared = stack(SingleFlight(name="prices"))
        get = shared(Work())

        async def look():
            return shared.snapshot()["prices"], shared.idle()

        *_, (_, seen) = await at((0.0, get), (0.1, get), (0.2, get), (0.5, look))
        assert seen == ({"under_way": 1, "waiting": 2, "shared": 0}, False)

    run(main, backend=backend)


@BACKENDS
def test_the_object_is_the_same_for_all(backend):
    async def main():
        answer = object()
        get = stack(SingleFlight())(Work(answer))
        ends = await at((0.0, get), (0.5, get))
        assert [end is answer for _, end in ends] == [True, True]

    run(main, backend=backend)


@BACKENDS
def test_a_failure_is_everybodys_and_each_has_its_own(backend):
    async def main():
        get = stack(SingleFlight())(Work(ConnectionError("reset")))
        (_, first), (_, second), (_, third) = await at((0.0, get), (0.5, get), (0.5, get))
        assert [str(error) for error in (first, second, third)] == ["reset"] * 3
        assert len({first, second, third}) == 3
        second.add_note("mine")
        assert not hasattr(third, "__notes__")
        where = [traceback.extract_tb(error.__traceback__)[-1] for error in (first, second, third)]
        assert len({(frame.filename, frame.lineno) for frame in where}) == 1, "they say where it happened"

    run(main, backend=backend)


@BACKENDS
def test_a_failure_leaves_no_cycles(backend):
    class Broken(Exception):
        pass

    async def breaks():
        await pause(1.0)
        raise Broken

    async def main():
        get = stack(SingleFlight())(breaks)
        refs = []

        async def one():
            try:
                await get()
            except Broken as error:
                refs.append(weakref.ref(error))

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(one)
        return refs

    gc.collect()
    gc.disable()
    try:
        refs = run(main, backend=backend)
        assert [ref() for ref in refs] == [None] * 3
    finally:
        gc.enable()


@BACKENDS
def test_a_refusal_further_in_is_everybodys(backend):
    async def main():
        refused = Gate(does=[1.0, CircuitOpen()])
        get = stack(SingleFlight(), Gate(does=[1.0, 1.0]), refused)(Work(seconds=0.0))
        ends = await at((0.0, get), (0.5, get))
        assert kinds(ends) == [(2.0, "done 1")] * 2
        ends = await at((0.0, get), (0.5, get))
        assert kinds(ends) == [(1.0, CircuitOpen)] * 2

    run(main, backend=backend)


@BACKENDS
def test_followers_are_neither_attempts_nor_load_further_in(backend):
    async def main():
        inner, outer = Gate("inner"), Gate("outer")
        work = Work(ConnectionError(), ConnectionError())
        retry = Retry(on=ConnectionError, backoff=Constant(0.5), budget=None)
        shared = stack(outer, SingleFlight(), retry, ConcurrencyLimit(1), inner)
        get = shared(work)
        ends = await at(*[(after, get) for after in (0.0, 0.5, 1.2, 2.0)])
        assert ends == [(4.0, "done 3")] * 4
        assert inner.log.count("inner enter") == 3
        assert outer.log == ["outer enter"] * 4 + ["outer exit success"] * 4
        assert shared.idle()

    run(main, backend=backend)


# When the leader goes away.


@BACKENDS
def test_when_the_leader_is_cancelled_the_next_one_asks(backend):
    async def main():
        work, shared = Work(), stack(SingleFlight())
        get = shared(work)

        async def leader():
            with anyio.move_on_after(0.6):
                await get()

        ends = await at((0.0, leader), (0.1, get), (0.2, get))
        assert ends == [(0.6, None), (1.6, "done 2"), (1.6, "done 2")]
        assert work.began == [0.0, 0.6]
        assert shared.idle()

    run(main, backend=backend)


@BACKENDS
def test_when_the_leader_is_cancelled_and_nobody_waits_it_is_over(backend):
    async def main():
        shared = stack(SingleFlight())
        with anyio.move_on_after(0.5):
            await shared.call(pause, 9.0)
        assert shared.idle()

    run(main, backend=backend)


@BACKENDS
def test_a_leader_that_runs_out_of_its_own_time_fails_alone(backend):
    """Each has a second. The first one's answer would take three; by the second one's turn to ask it takes 0.3 s."""

    async def main():
        work, shared = Work(seconds=3.0), stack(Timeout(1.0), SingleFlight())
        get = shared(work)

        async def quicker():
            work.seconds = 0.3

        ends = await at((0.0, get), (0.4, get), (0.9, quicker), (0.95, get))
        assert kinds(ends) == [(1.0, DeadlineExceeded), (1.3, "done 2"), (0.9, None), (1.3, "done 2")]
        assert work.began == [0.0, 1.0]
        assert shared.idle()

    run(main, backend=backend)


@BACKENDS
def test_a_follower_that_runs_out_of_its_own_time_fails_alone(backend):
    async def main():
        work = Work(seconds=2.0)
        same = Shared(SingleFlight(key=lambda call: "all"))
        patient, hasty = stack(same)(work), stack(Timeout(1.0), same)(work)
        ends = await at((0.0, patient), (0.5, hasty), (0.6, patient))
        assert kinds(ends) == [(2.0, "done 1"), (1.5, DeadlineExceeded), (2.0, "done 1")]
        assert str(ends[1][1]) == "no answer within 1 s"

    run(main, backend=backend)


@BACKENDS
def test_a_queue_that_outlives_the_leaders_time_is_its_own_failure(backend):
    async def main():
        work, permits = Work(), Shared(ConcurrencyLimit(1, queue=5))
        same = Shared(SingleFlight(key=lambda call: "all"))
        holder = stack(permits)(partial(pause, 2.0))
        patient, hasty = stack(same, permits)(work), stack(Timeout(1.0), same, permits)(work)
        ends = await at((0.0, holder), (0.1, hasty), (0.2, patient))
        assert [when for when, _ in ends] == pytest.approx([2.0, 1.1, 3.0])
        assert isinstance(ends[1][1], Overloaded | DeadlineExceeded)
        assert ends[2][1] == "done 1"

    run(main, backend=backend)


@BACKENDS
def test_an_error_made_of_the_leaders_own_time_is_its_own_failure(backend):
    async def main():
        tries = []

        async def work():
            tries.append(1)
            try:
                await pause(9.0 if len(tries) == 1 else 0.5)
            except anyio.get_cancelled_exc_class():
                raise ConnectionError("gave up") from None
            return "done"

        shared = stack(Timeout(1.0), SingleFlight())
        ends = await at((0.0, shared(work)), (0.9, shared(work)))
        assert kinds(ends) == [(1.0, ConnectionError), (1.5, "done")]
        assert shared.idle()

    run(main, backend=backend)


@BACKENDS
def test_a_timeout_further_in_is_everybodys(backend):
    async def main():
        work = Work(seconds=5.0)
        get = stack(Timeout(9.0), SingleFlight(), Timeout(1.0))(work)
        ends = await at((0.0, get), (0.5, get))
        assert kinds(ends) == [(1.0, DeadlineExceeded)] * 2
        assert len(work.began) == 1

    run(main, backend=backend)


def test_a_leader_that_is_forgotten_hands_over():
    """Its coroutine is closed and never runs again, as the garbage collector does it."""

    async def main():
        shared = stack(SingleFlight())
        get = shared(Work())
        leader = get()
        leader.send(None)
        follower = asyncio.ensure_future(get())
        await asyncio.sleep(0)
        leader.close()
        assert await follower == "done 2"
        assert shared.idle()

    run(main)


def test_a_loop_that_ends_takes_its_flights_along():
    shared = stack(SingleFlight())

    async def main():
        tasks = [asyncio.create_task(shared.call(pause, 9.0)) for _ in range(3)]
        await asyncio.sleep(0)
        return tasks

    assert all(task.cancelled() for task in run(main))
    assert shared.idle()


def test_each_loop_has_flights_of_its_own():
    """One leads in a loop of another thread, and waits there for this one's answer to be there first."""
    shared = Pipeline(SingleFlight())
    asked = []
    both = threading.Barrier(2, timeout=5)

    @shared
    async def get(key):
        asked.append(threading.get_ident())
        both.wait()  # no loop goes on before the other one asks as well
        return key

    threads = [threading.Thread(target=asyncio.run, args=(get("key"),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(set(asked)) == 2
    assert shared.idle()


# Itself, its context, its options.


@BACKENDS
def test_a_call_within_its_own_does_not_wait_for_itself(backend):
    async def main():
        depth = []

        @shared
        async def get(key):
            depth.append(key)
            if len(depth) < 3:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(get, key)
            return len(depth)

        with anyio.fail_after(5.0):
            assert await get("key") == 3

    shared = stack(SingleFlight())
    run(main, backend=backend)
    assert shared.idle()


@BACKENDS
@pytest.mark.parametrize("end", ["done", ConnectionError("reset"), None], ids=shown)
def test_a_call_leaves_its_callers_context_as_it_was(backend, end):
    async def main():
        get = stack(SingleFlight())(Work(end))
        with anyio.move_on_after(0.5 if end is None else 9.0), suppress(ConnectionError):
            await get()
        assert LED.get() == ()

    run(main, backend=backend)


def test_beside_a_breaker_a_shared_failure_counts_once_inside_and_for_each_outside():
    async def main():
        for policies, opened in (
            ([SingleFlight(), CircuitBreaker(failures=3)], False),
            ([CircuitBreaker(failures=3), SingleFlight()], True),
        ):
            shared = stack(*policies)
            get = shared(Work(ConnectionError("reset")))
            await at(*[(0.0, get)] * 4)
            assert (shared.snapshot()["CircuitBreaker"]["state"] == "open") is opened

    run(main)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": 3}, "SingleFlight: key=3: give the name"),
        ({"key": " "}, "SingleFlight: key=' '"),
        ({"max_keys": 0}, "SingleFlight: max_keys=0"),
        ({"max_bytes": -1}, "SingleFlight: max_bytes=-1"),
        ({"max_bytes": 1.5}, "SingleFlight: max_bytes=1.5"),
        ({"name": ""}, "SingleFlight: name=''"),
    ],
    ids=shown,
)
def test_options(options, said):
    with pytest.raises(ConfigError) as caught:
        SingleFlight(**options)
    assert said in str(caught.value)


def test_no_exception_is_left_unseen():
    """A follower that was cancelled when its flight failed, and a leader whose followers are all gone."""
    seen = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context))
        shared = stack(SingleFlight())
        get = shared(Work(ConnectionError("reset")))
        leader = asyncio.create_task(get())
        followers = [asyncio.create_task(get()) for _ in range(3)]
        await pause(0.999_999)
        followers[0].cancel()
        for task in (leader, *followers):
            with suppress(ConnectionError, asyncio.CancelledError):
                await task
        assert shared.idle()
        del leader, followers, task
        gc.collect()

    run(main)
    assert seen == []
