"""Races: answers with a body, tasks that are cancelled from elsewhere, what those around a race get to see."""

from __future__ import annotations

import asyncio
import importlib

import anyio
import anyio.lowlevel
import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    Hedge,
    Pipeline,
    RateLimit,
    RoundRobin,
    Timeout,
)
from meshkit.httpx import AsyncMeshTransport
from meshkit.runtime.race import one_of
from meshkit.testing import run, virtual_clock

from ..httpx.stand_ins import Inner, Probe, streaming

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
URL = "http://a/"
pause = anyio.sleep


@pytest.fixture(params=["httpx", "httpx2"])
def lib(request):
    return importlib.import_module(request.param)


class Slow(Inner):
    """Answers in the order of its plan: after so many seconds a response, or an error. Counts what is under way."""

    def __init__(self, *plan):
        super().__init__(None)
        self.plan = plan
        self.under_way = 0

    async def handle_async_request(self, request):
        seconds, answer = self.plan[len(self.requests)]
        self.requests.append(request)
        self.under_way += 1
        try:
            await pause(seconds)
        finally:
            self.under_way -= 1
        if isinstance(answer, BaseException):
            raise answer
        return answer


def client_of(lib, inner, *policies):
    pipe = Pipeline(*policies, clock=virtual_clock, seed=1)
    return pipe, lib.AsyncClient(transport=AsyncMeshTransport(pipe, inner), timeout=None)


@BACKENDS
def test_the_winners_body_is_held_until_it_is_closed(lib, backend):
    async def main():
        streams = [streaming(lib, [b"a"]), streaming(lib, [b"b", b"b"])]
        inner = Slow(
            *((seconds, lib.Response(200, stream=each)) for seconds, each in zip((9, 1), streams, strict=True))
        )
        inside, outside = Probe(), Probe()
        pipe, client = client_of(lib, inner, outside, ConcurrencyLimit(5), Hedge(1.0), inside, ConcurrencyLimit(2))
        async with client, client.stream("GET", URL) as response:
            assert virtual_clock() - began == pytest.approx(2.0)
            assert inner.under_way == 0
            assert (inside.verdicts, outside.verdicts) == (["ignored"], [])
            assert [shown["in_flight"] for shown in in_flight(pipe)] == [1, 1]
            assert await response.aread() == b"bb"
        assert (inside.verdicts, outside.verdicts) == (["ignored", "success"], ["success"])
        assert [stream.closed for stream in streams] == [0, 1]
        assert pipe.idle()

    began = 0.0
    run(main, backend=backend)


def in_flight(pipe):
    return [shown for shown in pipe.snapshot().values() if "in_flight" in shown]


@BACKENDS
def test_answers_in_one_instant_and_one_of_them_is_closed(lib, backend):
    async def main():
        streams = [streaming(lib, [b"a"]) for _ in range(3)]
        inner = Slow(*((3.0 - k, lib.Response(200, stream=each)) for k, each in enumerate(streams)))
        inside = Probe()
        pipe, client = client_of(lib, inner, Hedge(1.0, attempts=3), inside, ConcurrencyLimit(3))
        async with client, client.stream("GET", URL) as response:
            answered = len(inside.verdicts)
            assert answered == 2  # each of the losers is settled, whether it had answered or was given up
            await response.aread()
        closed = [stream.closed for stream in streams]
        assert closed.count(1) == inside.verdicts.count("success")
        assert pipe.idle()

    run(main, backend=backend)


@BACKENDS
def test_a_failing_answer_is_closed_when_a_good_one_comes(lib, backend):
    async def main():
        bad, good = streaming(lib, [b"bad"]), streaming(lib, [b"good"])
        inner = Slow((1.5, lib.Response(503, stream=bad)), (1.0, lib.Response(200, stream=good)))
        pipe, client = client_of(lib, inner, Hedge(1.0), CircuitBreaker(), inside := Probe())
        async with client:
            response = await client.get(URL)
        assert (response.status_code, response.content) == (200, b"good")
        assert (bad.closed, good.closed) == (1, 1)
        assert sorted(inside.verdicts) == ["failure", "success"]
        assert pipe.idle()

    run(main, backend=backend)


@BACKENDS
def test_both_answers_fail_and_the_first_is_the_answer(lib, backend):
    async def main():
        first, second = streaming(lib, [b"first"]), streaming(lib, [b"second"])
        inner = Slow((2.5, lib.Response(503, stream=first)), (1.0, lib.Response(500, stream=second)))
        pipe, client = client_of(lib, inner, outside := Probe(), Hedge(1.0), ConcurrencyLimit(2))
        async with client:
            response = await client.get(URL)
        assert (response.status_code, response.content) == (503, b"first")
        assert (first.closed, second.closed) == (1, 1)
        assert outside.verdicts == ["failure"]
        assert pipe.idle()

    run(main, backend=backend)


@BACKENDS
def test_an_error_and_a_failing_answer(lib, backend):
    """The first attempt's: here an error, and the response of the other is closed."""

    async def main():
        second = streaming(lib, [b"second"])
        inner = Slow((2.5, lib.ReadError("gone")), (1.0, lib.Response(500, stream=second)))
        pipe, client = client_of(lib, inner, Hedge(1.0), ConcurrencyLimit(2))
        async with client:
            with pytest.raises(lib.ReadError, match="gone"):
                await client.get(URL)
        assert second.closed == 1
        assert pipe.idle()

    run(main, backend=backend)


@BACKENDS
def test_the_deadline_passes_while_the_winners_body_is_read(lib, backend):
    class Stuck(lib.AsyncByteStream):
        async def __aiter__(self):
            yield b"a"
            await anyio.sleep_forever()

    async def main():
        inner = Slow((9, None), (1, lib.Response(200, stream=Stuck())))
        pipe, client = client_of(lib, inner, Timeout(5.0), Hedge(1.0), inside := Probe())
        async with client:
            with pytest.raises(lib.TimeoutException):
                await client.get(URL)
        assert virtual_clock() == pytest.approx(5.0)
        assert sorted(inside.verdicts) == ["failure", "ignored"]
        assert pipe.idle()

    run(main, backend=backend)


@BACKENDS
@pytest.mark.parametrize(
    ("method", "headers", "sent"), [("GET", {}, 2), ("POST", {}, 1), ("POST", {"idempotency-key": "1"}, 2)]
)
def test_only_what_may_be_sent_twice(lib, method, headers, sent, backend):
    async def main():
        inner = Slow((9.0, lib.Response(200, text="first")), (1.0, lib.Response(200, text="second")))
        pipe, client = client_of(lib, inner, Hedge(1.0), ConcurrencyLimit(2))
        async with client:
            response = await client.request(method, URL, headers=headers)
        assert len(inner.requests) == sent
        assert response.text == ("second" if sent == 2 else "first")
        assert pipe.idle()

    run(main, backend=backend)


@BACKENDS
def test_a_body_that_cannot_be_sent_again_is_not_hedged(lib, backend):
    async def main():
        async def chunks():
            yield b"a"

        class Reads(Slow):
            async def handle_async_request(self, request):
                async for _ in request.stream:
                    pass
                return await super().handle_async_request(request)

        inner = Reads((9.0, lib.Response(200, text="first")), (1.0, lib.Response(200, text="second")))
        _, client = client_of(lib, inner, Hedge(1.0, non_idempotent=True))
        async with client:
            response = await client.put(URL, content=chunks())
        return len(inner.requests), response.text

    sent, text = run(main, backend=backend)
    assert (sent, text) in ((1, "first"), (2, "second"))


@BACKENDS
def test_the_further_attempt_goes_to_another_endpoint_and_says_so(lib, backend):
    async def main():
        inner = Slow((9.0, None), (1.0, lib.Response(200)))
        cluster = Cluster("c", ["10.0.0.1:80", "10.0.0.2:80"], balancer=RoundRobin(), pipeline=[RateLimit("1/s")])
        pipe, client = client_of(lib, inner, Timeout(9.0), Hedge(1.0), cluster)
        async with client:
            await client.get(URL)
        assert {request.url.host for request in inner.requests} == {"10.0.0.1", "10.0.0.2"}
        left = [int(request.headers["x-request-deadline-ms"]) for request in inner.requests]
        assert left[0] - left[1] == pytest.approx(1000, abs=1)
        assert pipe.idle()

    run(main, backend=backend)


# Cancelled from elsewhere.


def test_a_task_that_is_cancelled_twice_while_it_waits_for_the_losers():
    """The first attempt is the task's own, and is cancelled twice as any await is; the other one is not left behind."""

    async def main():
        ended = []

        async def stubborn():
            try:
                await pause(9.0)
            finally:
                await pause(2.0)
                ended.append(virtual_clock())

        stack = Pipeline(Hedge(1.0), ConcurrencyLimit(2), clock=virtual_clock)
        task = asyncio.ensure_future(stack.call(stubborn))
        await pause(1.5)
        task.cancel()
        await pause(0.5)
        task.cancel("again")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [4.0]
        assert stack.idle()

    run(main)


def test_within_a_scope_of_anyios_the_loop_is_left_in_peace_while_the_losers_end():
    """Such a scope cancels again in each turn of the loop, for as long as anything within it waits unshielded."""

    async def main():
        async def stubborn():
            try:
                await pause(9.0)
            finally:
                await pause(2.0)

        stack = Pipeline(Hedge(1.0), clock=virtual_clock)
        loop = asyncio.get_running_loop()
        turns = 0

        def count():
            nonlocal turns
            turns += 1
            if turns < 1000:
                loop.call_later(0.01, count)

        with anyio.move_on_after(1.5) as scope:
            loop.call_later(1.6, count)
            await stack.call(stubborn)
        assert scope.cancelled_caught
        assert virtual_clock() == 3.5
        return turns

    assert run(main) >= 180


def test_what_stands_around_sees_one_cancellation_on_trio():
    """Not a group of them: a nursery bundles those of all its tasks."""
    trio = pytest.importorskip("trio")
    seen = []

    async def sees(call, call_next):
        try:
            return await call_next()
        except BaseException as error:
            seen.append(type(error))
            raise

    async def main():
        stack = Pipeline(sees, Hedge(1.0), clock=virtual_clock)
        with trio.move_on_after(1.5) as scope:
            await stack.call(pause, 9.0)
        return scope.cancelled_caught

    assert run(main, backend="trio")
    assert seen == [trio.Cancelled]


def test_ctrl_c_among_cancellations_is_what_counts():
    class Cancelled(BaseException):
        pass

    struck = KeyboardInterrupt()
    inner = BaseExceptionGroup("inner", [Cancelled(), struck])
    assert one_of(BaseExceptionGroup("outer", [Cancelled(), inner]), Cancelled) is struck
    only = Cancelled()
    assert one_of(BaseExceptionGroup("outer", [BaseExceptionGroup("inner", [only])]), Cancelled) is only
