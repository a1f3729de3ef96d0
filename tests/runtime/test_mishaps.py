"""What user code does wrong, and what is forgotten: answers are closed, permits come back, no cycles are left."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress

import httpx
import pytest

from meshkit import (
    ConcurrencyLimit,
    ConcurrentBudget,
    Constant,
    Hedge,
    Pipeline,
    RateLimit,
    Retry,
    SingleFlight,
    StaleIfError,
    Timeout,
)
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.runtime.flight import LED


class Stream(httpx.AsyncByteStream, httpx.SyncByteStream):
    def __init__(self, log):
        self.log = log
        log.append("open")

    def __iter__(self):
        yield b"x"

    async def __aiter__(self):
        yield b"x"

    def close(self):
        self.log.remove("open")

    async def aclose(self):
        self.log.remove("open")


class Answers(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """Fails so often, then answers with a stream."""

    def __init__(self, failures=0, status=200):
        self.failures = failures
        self.status = status
        self.log = []

    def handle_request(self, request):
        if self.failures:
            self.failures -= 1
            raise httpx.ConnectError("reset")
        return httpx.Response(self.status, stream=Stream(self.log))

    async def handle_async_request(self, request):
        return self.handle_request(request)


def broken(response, error):
    raise ZeroDivisionError


def wrong(response, error):
    return True


@pytest.mark.parametrize(("judge", "error"), [(broken, ZeroDivisionError), (wrong, TypeError)])
async def test_an_answer_whose_judge_raises_is_closed(judge, error):
    answers = Answers()
    pipeline = Pipeline(ConcurrencyLimit(1), Retry("5xx"))
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, answers, judge=judge)) as client:
        for _ in range(3):
            with pytest.raises(error):
                await client.get("http://shop/")
    assert answers.log == []
    with httpx.Client(transport=MeshTransport(pipeline, answers, judge=judge)) as client, pytest.raises(error):
        client.get("http://shop/")
    assert answers.log == []
    assert pipeline.idle()


class Backs:
    """A backoff that answers or raises what it was told."""

    def __init__(self, answer):
        self.answer = answer

    def delay(self, attempt, previous, rng):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [KeyError("mine"), float("nan"), float("inf"), -1.0, "soon"], ids=repr)
def test_a_backoff_that_makes_no_sense_stops_the_retry_and_hides_no_failure(answer):
    calls = []

    def fn():
        calls.append(1)
        raise ConnectionError("theirs")

    with pytest.raises(ConnectionError, match="theirs"):
        Pipeline(Retry(ConnectionError, backoff=Backs(answer))).call(fn)
    assert len(calls) == 1


async def passes(call, call_next):
    return await call_next()


def retrying(**options):
    return Retry(ConnectionError, backoff=Constant(0.0), **options)


@pytest.mark.parametrize("listening", [False, True])
@pytest.mark.parametrize(
    "policies",
    [
        (retrying(), RateLimit("100/s", settle=True)),
        (retrying(budget=ConcurrentBudget()),),
        (RateLimit("100/s", settle=True), passes, retrying()),
        (RateLimit("100/s", settle=True), Hedge(1.0), retrying()),
    ],
    ids=range(4),
)
def test_a_forgotten_answer_gives_its_permit_back(policies, listening):
    async def main():
        pipeline = Pipeline(ConcurrencyLimit(1), *policies)
        if listening:
            pipeline.listen(lambda event: None, direct=True)
        client = httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, Answers(failures=1)))
        response = await client.send(client.build_request("GET", "http://shop/"), stream=True)
        assert not pipeline.idle()
        del response
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0)
        assert pipeline.idle()
        await client.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    "policies",
    [(passes, retrying()), (StaleIfError(9.0), retrying()), (SingleFlight(), retrying()), (Hedge(1.0), retrying())],
    ids=["middleware", "stale", "flight", "hedge"],
)
def test_a_failing_call_leaves_no_cycle(policies):
    class Theirs(ConnectionError):
        pass

    alive = []

    async def fails():
        error = Theirs()
        alive.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    async def main():
        call = Pipeline(Timeout(5.0), *policies)(fails)
        for _ in range(5):
            with suppress(Theirs):
                await call()

    gc.disable()
    try:
        asyncio.run(main())
        assert len(alive) >= 5
        assert [ref for ref in alive if ref() is not None] == []
    finally:
        gc.enable()


def test_a_flight_that_starts_the_next_remembers_only_what_is_under_way():
    async def main():
        ticks, lengths = 0, []
        done = asyncio.Event()

        @Pipeline(SingleFlight())
        async def tick():
            nonlocal ticks
            ticks += 1
            lengths.append(len(LED.get()))
            if ticks < 50:
                asyncio.get_running_loop().call_soon(lambda: running.append(asyncio.ensure_future(tick())))
            else:
                done.set()

        running = [asyncio.ensure_future(tick())]
        await done.wait()
        await asyncio.gather(*running)
        return max(lengths)

    assert asyncio.run(main()) <= 2
