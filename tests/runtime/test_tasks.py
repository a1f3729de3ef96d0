"""The shell for asyncio and trio: what it waits for, how long, and what it says when it waited in vain."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from meshkit import (
    Cluster,
    ConcurrencyLimit,
    Constant,
    DeadlineExceeded,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    RoundRobin,
    Timeout,
)
from meshkit.testing import run, virtual_clock

from ..scripted import Branches, Gate, fails_async

pause = anyio.sleep
ON_BOTH = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def virtual(*policies):
    return Pipeline(*policies, clock=virtual_clock)


class Watch:
    """Seconds since it was made, to a microsecond: a trio clock does not begin at 0."""

    def __init__(self):
        self.began = virtual_clock()

    def __call__(self):
        return round(virtual_clock() - self.began, 6)


@ON_BOTH
def test_a_queue_that_outlives_the_deadline_is_overload_and_not_a_timeout(backend):
    """Nothing was sent: the caller may safely try elsewhere."""

    async def main():
        watch, stack = Watch(), virtual(Timeout(2.0), ConcurrencyLimit(1, queue=1))
        stack.states[1].in_flight = 1  # a permit that is never given back
        with pytest.raises(Overloaded, match="no permit within 2 s") as caught:
            await stack.call(pause, 0.0)
        assert caught.value.policy == "ConcurrencyLimit"
        assert not stack.states[1].places
        return watch()

    assert run(main, backend=backend) == 2.0


@ON_BOTH
def test_places_are_served_in_the_order_of_arrival(backend):
    async def main():
        served, stack = [], virtual(ConcurrencyLimit(1, queue=9))

        async def work(k):
            served.append(k)
            await pause(1.0 * bool(k))

        async with anyio.create_task_group() as group:
            for k in range(5):
                group.start_soon(stack.call, work, k)
                await pause(0.01)
        return served

    assert run(main, backend=backend) == [0, 1, 2, 3, 4]


@ON_BOTH
def test_a_place_waits_for_as_long_as_it_may_and_others_go_on(backend):
    async def main():
        watch, stack = Watch(), virtual(ConcurrencyLimit(1, queue=9, wait=1.0))
        ended = {}

        async def one(name, after):
            await pause(after)
            try:
                await stack.call(pause, 2.5)
            except Overloaded:
                ended[name] = ("refused", watch())
            else:
                ended[name] = ("served", watch())

        async with anyio.create_task_group() as group:
            group.start_soon(one, "first", 0.0)
            group.start_soon(one, "too early", 0.5)
            group.start_soon(one, "in time", 2.0)
        return ended

    assert run(main, backend=backend) == {
        "first": ("served", 2.5),
        "too early": ("refused", 1.5),
        "in time": ("served", 5.0),
    }


@ON_BOTH
def test_from_a_queue_in_vain_the_call_goes_to_another_branch(backend):
    async def main():
        limit = ConcurrencyLimit(1, queue=1, wait=1.0).start(None)
        limit.in_flight = 1
        gate = Gate("beside")
        watch, stack = Watch(), virtual(Branches(a=[gate, limit], b=[]))

        async def fn(endpoint):
            return endpoint, watch()

        assert await stack.call(fn) == ("b", 1.0)
        assert gate.log == ["beside enter", "beside exit ignored"]
        assert not limit.places

    run(main, backend=backend)


@ON_BOTH
def test_a_rate_limit_spaces_calls_out(backend):
    async def main():
        watch, gone = Watch(), []
        stack = virtual(RateLimit("2/s", burst=1, wait=1.6))

        async def send():
            gone.append(watch())

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(stack.call, send)
            await anyio.lowlevel.checkpoint()
            await pause(0.01)
            with pytest.raises(RateLimited) as caught:
                await stack.call(send)
            assert caught.value.retry_after == pytest.approx(1.99)
        return gone

    assert run(main, backend=backend) == pytest.approx([0.0, 0.5, 1.0, 1.5])


@ON_BOTH
def test_a_delay_that_would_cross_the_deadline_is_refused_at_once(backend):
    async def main():
        watch, stack = Watch(), virtual(Timeout(2.0), RateLimit("1/10s", wait=60.0))
        await stack.call(fails_async())
        with pytest.raises(RateLimited):
            await stack.call(fails_async())
        return watch()

    assert run(main, backend=backend) == 0.0


@ON_BOTH
def test_backoff_is_slept_and_counts_against_the_deadline(backend):
    async def main():
        watch, tries = Watch(), []
        stack = virtual(Timeout(5.0), Retry(on=ConnectionError, attempts=9, backoff=Constant(2.0), budget=None))

        async def fn():
            tries.append(watch())
            raise ConnectionError

        with pytest.raises(ConnectionError) as caught:
            await stack.call(fn)
        assert caught.value.__notes__ == ["3 attempts in 4 s, stopped: deadline"]
        return tries, watch()

    assert run(main, backend=backend) == ([0.0, 2.0, 4.0], 4.0)


@ON_BOTH
def test_what_is_out_when_the_deadline_comes_may_have_been_executed(backend):
    async def main():
        watch, stack = Watch(), virtual(Timeout(2.0), Cluster("c", ["a:1"], balancer=RoundRobin()))
        with pytest.raises(DeadlineExceeded) as caught:
            await stack.call(pause, 5.0)
        assert str(caught.value.endpoint) == "a:1"
        return watch()

    assert run(main, backend=backend) == 2.0


@ON_BOTH
def test_many_at_once_never_exceed_a_limit(backend):
    async def main():
        stack = virtual(ConcurrencyLimit(3, queue=100))
        inside, most = [], []

        async def work(seconds):
            inside.append(1)
            most.append(len(inside))
            await pause(seconds)
            inside.pop()

        async with anyio.create_task_group() as group:
            for k in range(60):
                group.start_soon(stack.call, work, (k * 7 % 5) / 10)
        assert stack.idle()
        return max(most)

    assert run(main, backend=backend) == 3


async def test_on_a_real_loop_as_well():
    """Everything once in real time, in milliseconds."""
    stack = Pipeline(
        Timeout(5.0),
        ConcurrencyLimit(1, queue=5),
        RateLimit("500/s", burst=1, wait=1.0),
        Retry(on=ConnectionError, backoff=Constant(0.001)),
    )
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(stack.call, fails_async(ConnectionError()))
    assert stack.idle()
