"""Inheriting at the shells: each colour, each door, what a call below sees of the one around it, and when it ends."""

from __future__ import annotations

import asyncio
import gc
import importlib

import anyio
import pytest

from meshkit import Constant, DeadlineExceeded, Hedge, Pipeline, Retry, Timeout
from meshkit.deadline import CURRENT, detached, opened, remaining
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.testing import ManualClock, run, virtual_clock

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
URL = "http://a/"
pause = anyio.sleep


@pytest.fixture(params=["httpx", "httpx2"])
def lib(request):
    return importlib.import_module(request.param)


@pytest.fixture(autouse=True)
def _nothing_is_left():
    yield
    assert CURRENT.get() is None


class Sees:
    exit = None

    def __init__(self):
        self.deadlines = []

    def start(self, rng):
        return self

    def enter(self, call, now):
        self.deadlines.append(None if call.deadline is None else call.deadline - now)


async def test_every_kind_of_call_inherits(lib):
    clock, sees = ManualClock(7.0), Sees()
    stack = Pipeline(sees, clock=clock)
    ok = lib.MockTransport(lambda request: lib.Response(200))

    async def fn():
        return None

    with opened(4.0, clock=clock):
        stack.call(int)
        await stack.call(fn)
        with lib.Client(transport=MeshTransport(stack, ok)) as client:
            client.get(URL)
        async with lib.AsyncClient(transport=AsyncMeshTransport(stack, ok)) as client:
            await client.get(URL)
    assert sees.deadlines == [4.0] * 4


@BACKENDS
def test_from_a_function_through_a_client_to_the_wire(lib, backend):
    async def main():
        async def slow(request):
            await pause(9.0)

        transport = AsyncMeshTransport(Pipeline(Timeout(60.0), clock=virtual_clock), lib.MockTransport(slow))

        async def handle():
            async with lib.AsyncClient(transport=transport, timeout=None) as client:
                await client.get(URL)

        began = virtual_clock()
        with pytest.raises(DeadlineExceeded):
            await Pipeline(Timeout(2.0), clock=virtual_clock).call(handle)
        return virtual_clock() - began

    assert run(main, backend=backend) == 2.0


def test_a_threads_client_is_told_what_is_left(lib):
    clock, seen = ManualClock(), []

    def answer(request):
        seen.append(request.extensions["timeout"]["read"])
        return lib.Response(200)

    with lib.Client(transport=MeshTransport(Pipeline(clock=clock), lib.MockTransport(answer)), timeout=30.0) as client:
        with opened(1.5, clock=clock):
            client.get(URL)
        client.get(URL)
    assert seen == [1.5, 30.0]


@BACKENDS
def test_work_that_is_left_behind(backend):
    """It keeps the deadline it began with, unless it was detached: nobody waits for it any more."""

    async def main():
        ends = {}

        async def work(name):
            try:
                await Pipeline(clock=virtual_clock).call(pause, 5.0)
                ends[name] = virtual_clock()
            except DeadlineExceeded:
                ends[name] = f"over at {virtual_clock():g}"

        async def handle():
            group.start_soon(work, "attached")
            with detached():
                group.start_soon(work, "detached")

        async with anyio.create_task_group() as group:
            await Pipeline(Timeout(2.0), clock=virtual_clock).call(handle)
        return ends

    # A task group starts its tasks in the context of who starts them.
    assert run(main, backend=backend) == {"attached": "over at 2", "detached": 5.0}


@BACKENDS
def test_the_attempts_of_a_hedge_and_of_a_retry_leave_their_own_deadlines(backend):
    async def main():
        seen = []

        async def work():
            seen.append(round(remaining(), 6))
            await pause(9.0)

        again = Retry(on=TimeoutError, attempts=2, backoff=Constant(0.0), budget=None)
        with pytest.raises(DeadlineExceeded):
            await Pipeline(Timeout(5.0), Hedge(1.0), again, Timeout(3.0), clock=virtual_clock).call(work)
        return seen

    assert run(main, backend=backend) == [3.0, 3.0, 2.0, 1.0]


def test_a_call_that_the_collector_ends_leaves_nothing_behind():
    async def main():
        stack = Pipeline(Timeout(5.0))

        async def lost():
            await asyncio.get_running_loop().create_future()

        stuck = stack.call(lost)
        stuck.send(None)
        context = CURRENT.get()
        del stuck
        gc.collect()
        return context

    asyncio.run(main())


async def test_an_error_closes_it():
    async def broken():
        raise KeyError

    with pytest.raises(KeyError):
        await Pipeline(Timeout(5.0)).call(broken)
    assert CURRENT.get() is None
