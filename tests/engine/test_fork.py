"""Forks: walks of one call beside each other. Who holds what, what is adopted, what is given back, and when."""

from __future__ import annotations

import asyncio
import importlib

import anyio
import anyio.lowlevel
import pytest

from meshkit import Cluster, ConcurrencyLimit, Overloaded, Pipeline, RateLimit, Verdict
from meshkit.call import Call
from meshkit.engine import adopt, fork, learn, release
from meshkit.httpx import AsyncMeshTransport
from meshkit.testing import run, virtual_clock

from ..httpx.stand_ins import Inner, Probe, streaming
from ..scripted import Gate, fails_async, pipeline

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
URL = "http://a/"
pause = anyio.sleep


@pytest.fixture(params=["httpx", "httpx2"])
def lib(request):
    return importlib.import_module(request.param)


def holding(log, name):
    def exit(call, began, now, verdict):
        log.append((name, began, now, verdict, call.spent))

    return exit


def test_a_fork_begins_with_what_the_call_holds_and_gives_back_only_its_own():
    log = []
    call = Call(None, "request", 1.0)
    call.held = (None, (holding(log, "call's"),), 1.0)
    base = call.held
    twins = [fork(call) for _ in range(2)]
    for k, twin in enumerate(twins):
        assert (twin.request, twin.began_at, twin.origin) == ("request", 1.0, call)
        twin.held = (twin.held, (holding(log, f"fork {k}'s"),), 2.0)
    release(twins[0], base, 3.0, Verdict.IGNORED)
    assert log == [("fork 0's", 2.0, 3.0, Verdict.IGNORED, None)]
    adopt(call, base, twins[1], 3.0)
    call.spent = 7
    release(call, None, 5.0, Verdict.SUCCESS)
    assert log[1:] == [("fork 1's", 2.0, 5.0, Verdict.SUCCESS, 7), ("call's", 1.0, 5.0, Verdict.SUCCESS, 7)]
    release(call, None, 6.0, Verdict.SUCCESS)
    assert len(log) == 3


def test_a_fork_that_holds_nothing_adds_nothing():
    call = Call(None, "request", 1.0)
    adopt(call, call.held, fork(call), 2.0)
    assert call.held is None


def test_what_a_fork_has_found_out_is_known_to_the_call():
    call = Call(None, "request", 1.0)
    twin = fork(call)
    twin.attempt, twin.endpoint, twin.answered_at = 3, "b", 2.0
    twin.avoid, twin.spent, twin.quota = ("a",), 5.0, (1.0, 2.0)
    learn(call, twin)
    assert (call.attempt, call.endpoint, call.answered_at) == (3, "b", 2.0)
    assert (call.avoid, call.spent, call.quota) == (("a",), 5.0, (1.0, 2.0))


def test_a_fork_does_not_know_what_its_call_would_come_to():
    """A refusal within it is its own."""
    call = Call(None, "request", 1.0)
    call.failed = object()
    assert fork(call).failed is None


# Middleware that calls on several times at once.


def first_of(number, closing=True):
    """Sends a request so many times at once and answers the first good response; closes the others."""

    async def middleware(call, call_next):
        answers = []
        done = anyio.Event()

        async def one():
            answers.append(await call_next())
            done.set()

        async with anyio.create_task_group() as group:
            for _ in range(number):
                group.start_soon(one)
        for answer in answers[1:]:
            if closing:
                await answer.aclose()
        return answers[0]

    return middleware


@BACKENDS
def test_the_walk_whose_answer_is_returned_is_adopted(lib, backend):
    """Its permit is held until the body is closed; those of the others are given back at once."""

    async def main():
        streams = []

        def answer(request):
            streams.append(streaming(lib, [b"a"]))
            return lib.Response(200, stream=streams[-1])

        inside, limit = Probe(), ConcurrencyLimit(3)
        pipe = Pipeline(first_of(3), inside, limit, clock=virtual_clock)
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipe, Inner(answer))) as client:
            async with client.stream("GET", URL) as response:
                assert inside.verdicts == ["success", "success"]
                assert pipe.snapshot()["ConcurrencyLimit"]["in_flight"] == 1
                await response.aread()
            assert inside.verdicts == ["success"] * 3
        assert [stream.closed for stream in streams] == [1, 1, 1]
        assert pipe.idle()

    run(main, backend=backend)


async def test_without_an_answer_of_theirs_the_last_that_succeeded_is_adopted():
    async def of_its_own(call, call_next):
        await call_next()
        await call_next()
        return "its own"

    log = []
    stack = pipeline(of_its_own, Gate("g", log))
    assert await stack.call(fails_async()) == "its own"
    assert log == ["g enter", "g exit success", "g enter", "g exit success"]
    assert stack.idle()


@BACKENDS
def test_each_walk_has_its_own_endpoint_and_its_own_refusal(backend):
    async def main():
        seen = []

        async def both(call, call_next):
            async def one():
                try:
                    seen.append(await call_next())
                except Overloaded:
                    seen.append("refused")

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(one)
            return seen

        async def fn(endpoint):
            await pause(1.0)
            return str(endpoint)

        cluster = Cluster("c", ["a:1", "b:1"], pipeline=[ConcurrencyLimit(1)])
        stack = Pipeline(both, cluster, clock=virtual_clock, seed=1)
        await stack.call(fn)
        assert sorted(seen) == ["a:1", "b:1", "refused"]
        assert stack.idle()

    run(main, backend=backend)


def test_one_is_cancelled_and_the_others_are_not():
    async def main():
        async def impatient(call, call_next):
            first = asyncio.ensure_future(call_next())
            await pause(0.5)
            second = asyncio.ensure_future(call_next())
            await pause(0.5)
            first.cancel()
            return await second

        gate = Gate("g")
        stack = Pipeline(impatient, gate, ConcurrencyLimit(2), clock=virtual_clock)
        await stack.call(pause, 2.0)
        assert gate.log == ["g enter", "g enter", "g exit ignored", "g exit success"]
        assert stack.idle()

    run(main)


async def test_facts_that_are_known_are_not_asked_again():
    asked = []

    def key(call):
        asked.append(1)
        return "all"

    async def twice(call, call_next):
        await call_next()
        return await call_next()

    limit = RateLimit("9/s", key=key)
    stack = pipeline(limit, twice, RateLimit("9/s", key=key))
    await stack.call(fails_async())
    assert len(asked) == 2  # once for each limit, however often the second is walked through
