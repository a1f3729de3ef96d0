"""Faults that libraries of this field have had, each a test: at the level of a pipeline, as a caller would meet it.

Async ones run on asyncio and on trio, in virtual time.
"""

from __future__ import annotations

import gc
import sys
import threading

import anyio
import anyio.lowlevel
import pytest

from meshkit import (
    CircuitBreaker,
    CircuitOpen,
    ConcurrencyLimit,
    Limiter,
    Pipeline,
    RateLimit,
    RateLimited,
    Rejected,
)
from meshkit.testing import ManualClock, run, virtual_clock

pause = anyio.sleep
ON_BOTH = pytest.mark.parametrize("backend", ["asyncio", "trio"])


async def crowd(*functions):
    """All at once; answers what each returned or raised."""
    ended = [None] * len(functions)

    async def one(k, fn):
        try:
            ended[k] = await fn()
        except Exception as error:
            ended[k] = error

    async with anyio.create_task_group() as group:
        for k, fn in enumerate(functions):
            group.start_soon(one, k, fn)
    return ended


@ON_BOTH
@pytest.mark.parametrize("probes", [1, 3])
def test_half_open_stampede(backend, probes):
    """When the cooldown is over and fifty callers stand there, no more than the probes are let through."""

    async def main():
        stack = Pipeline(
            CircuitBreaker(failures=1, cooldown=10.0, probes=probes, successes=probes), clock=virtual_clock
        )
        sent = []

        async def fails():
            raise ConnectionError

        async def slowly():
            sent.append(1)
            await pause(1.0)

        with pytest.raises(ConnectionError):
            await stack.call(fails)
        await pause(10.0)
        ended = await crowd(*[lambda: stack.call(slowly)] * 50)
        assert len(sent) == probes
        assert sum(isinstance(each, CircuitOpen) for each in ended) == 50 - probes
        await crowd(*[lambda: stack.call(slowly)] * 50)  # recovered: all go
        assert len(sent) == probes + 50

    run(main, backend=backend)


def test_half_open_stampede_of_threads():
    clock = ManualClock()
    stack = Pipeline(CircuitBreaker(failures=1, cooldown=10.0), clock=clock)

    def fails():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        stack.call(fails)
    clock.advance(10.0)
    sent, refused = [], []
    ready, leave = threading.Barrier(20), threading.Event()

    def probe():
        sent.append(1)
        assert leave.wait(10)

    def caller():
        ready.wait(10)
        try:
            stack.call(probe)
        except CircuitOpen:
            refused.append(1)
            if len(refused) == 19:
                leave.set()

    threads = [threading.Thread(target=caller) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(sent), len(refused)) == (1, 19)


def test_lock_held_during_the_call():
    """Two calls through one breaker overlap: the first waits for the second one to have been inside."""
    stack = Pipeline(CircuitBreaker(), ConcurrencyLimit(2), RateLimit("100/s"))
    inside = threading.Barrier(2)
    threads = [threading.Thread(target=stack.call, args=(inside.wait, 5)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not inside.broken


@ON_BOTH
def test_a_cancellation_is_no_failure(backend):
    """Fifty callers that lose patience say nothing about the upstream; nor does one that is cancelled as a probe."""

    async def main():
        breaker = CircuitBreaker(failures=1, cooldown=10.0)
        stack = Pipeline(breaker, clock=virtual_clock)

        async def hang():
            await pause(1e6)

        async def impatient():
            with anyio.move_on_after(1.0):
                await stack.call(hang)

        async def fails():
            raise ConnectionError

        await crowd(*[impatient] * 50)
        assert stack.snapshot()["CircuitBreaker"]["state"] == "closed"
        with pytest.raises(ConnectionError):
            await stack.call(fails)
        await pause(10.0)
        await impatient()
        assert stack.snapshot()["CircuitBreaker"] == {"state": "half-open", "streak": 0, "probing": 0, "refused": 0}

        async def works():
            return "recovered"

        assert await stack.call(works) == "recovered"

    run(main, backend=backend)


@ON_BOTH
@pytest.mark.parametrize("wait", [0.0, 100.0])
def test_over_admission(backend, wait):
    """Ten a second with a burst of ten: no more than forty in any three seconds, however the callers come."""

    async def main():
        stack = Pipeline(RateLimit("10/s", wait=wait), clock=virtual_clock)
        gone, began = [], virtual_clock()

        async def send():
            gone.append(virtual_clock())

        async def caller(k):
            while virtual_clock() < began + 8.0:
                try:
                    await stack.call(send)
                except RateLimited:
                    await pause(0.0503 + k / 1000)

        await crowd(*(lambda k=k: caller(k) for k in range(8)))
        assert len(gone) > 80
        for k, first in enumerate(gone):
            for seconds in (0.1, 1.0, 3.0):
                within = sum(at < first + seconds - 1e-6 for at in gone[k:])
                assert within <= 10 + 10 * seconds
        return len(gone)

    run(main, backend=backend)


@ON_BOTH
def test_a_permit_is_not_lost_when_a_waiter_is_cancelled(backend):
    async def main():
        stack = Pipeline(ConcurrencyLimit(2, queue=100), clock=virtual_clock)

        async def work():
            await pause(1.0)
            return "done"

        async def impatient(seconds):
            with anyio.move_on_after(seconds):
                await stack.call(work)

        holders = [lambda: stack.call(work)] * 2
        # Given up before, in the very instant of, and after the permits pass on.
        waiters = [lambda seconds=seconds: impatient(seconds) for seconds in (0.5, 1.0, 1.0, 1.5, 2.0, 2.5) * 5]
        await crowd(*holders, *waiters)
        assert stack.idle()
        assert await crowd(*holders) == ["done", "done"]

    run(main, backend=backend)


@ON_BOTH
def test_large_requests_do_not_starve(backend):
    """A large one that waits has its turn, whatever small ones come after it."""

    async def main():
        async def send(size):
            gone.append((size, virtual_clock() - began))

        gone, began = [], virtual_clock()
        stack = Pipeline(
            RateLimit("10/s", burst=10, cost=lambda call: call.request[0][0], wait=60.0), clock=virtual_clock
        )
        await stack.call(send, 10)

        async def small():
            await pause(0.05)
            for _ in range(20):
                await stack.call(send, 1)

        await crowd(lambda: stack.call(send, 10), *[small] * 3)
        assert [size for size, _ in gone[:2]] == [10, 10]
        assert gone[1][1] == pytest.approx(1.0)

    run(main, backend=backend)


def test_cycling_through_keys_does_not_refill_a_limit():
    """Whoever has used up their limit has used it up, also after a flood of other keys."""
    clock = ManualClock()
    limiter = Limiter(RateLimit("1/h", burst=5, max_keys=100), clock=clock)
    assert [limiter.allow("mallory") for _ in range(6)] == [True] * 5 + [False]
    gone = 0
    for k in range(3000):
        clock.advance(0.01)
        limiter.allow(f"other {k}")
        gone += limiter.allow("mallory")
    assert gone == 0


def test_a_limit_holds_between_threads():
    """Without a lock two threads read the same token. Here each switch of threads is asked for as often as it goes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    gone = []
    limiter = Limiter(RateLimit("1/d", burst=500))

    def caller():
        gone.extend(k for k in range(200) if limiter.allow())

    threads = [threading.Thread(target=caller) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    finally:
        sys.setswitchinterval(before)
    assert len(gone) == 500


@ON_BOTH
def test_nothing_is_left_over_of_rejected_calls(backend):
    """No task, no timer, no reference to the request."""

    class Request:
        pass

    async def main():
        stack = Pipeline(ConcurrencyLimit(1), RateLimit("1/h"), clock=virtual_clock)

        async def send(request):
            return None

        await stack.call(send, Request())
        for _ in range(50):
            with pytest.raises(Rejected):
                await stack.call(send, Request())
        assert stack.idle()

    run(main, backend=backend)
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Request)]
