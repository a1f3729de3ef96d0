"""Is everything given back, and is nobody left waiting, if a call of a flight is cancelled at any point whatever?

By the same means as for all other waits: once for each turn of asyncio's loop, before and after all else in it, and
once for each step of trio.
"""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random

import anyio
import httpx
import pytest
import trio
import trio.testing

from meshkit import ConcurrencyLimit, Constant, Retry, TimedOut, Timeout
from meshkit.httpx import AsyncMeshTransport
from meshkit.share import SingleFlight, StaleIfError

from ..runtime.scenarios import Scenario
from ..runtime.test_cancellation import MOST, Turns, cancelled_on_asyncio, cancelled_on_trio

pause = anyio.sleep


def all_alike():
    return SingleFlight(key=lambda call: "all")


def leads():
    return Scenario(all_alike(), ConcurrencyLimit(1)).at(0.2, "second").at(0.3, "third")


def follows():
    return Scenario(all_alike(), ConcurrencyLimit(1)).at(0.0, "first").at(0.3, "third")


def fails_for_all():
    scenario = Scenario(all_alike(), ConcurrencyLimit(1), may=[ConnectionError])

    async def broken(name, seconds):
        await pause(seconds)
        if name != "next":
            raise ConnectionError(name)
        return name

    scenario.work = broken
    return scenario.at(0.0, "first").at(0.3, "third")


def runs_out_of_time():
    scenario = Scenario(Timeout(1.0), all_alike(), ConcurrencyLimit(1), may=[TimedOut])
    return scenario.at(0.0, "first", 9.0).at(0.5, "third").at(0.6, "fourth")


def with_retries_on_both_sides():
    retries = [Retry(on=TimedOut, attempts=2, backoff=Constant(0.1), budget=None) for _ in range(2)]
    stack = (retries[0], all_alike(), ConcurrencyLimit(1), retries[1], Timeout(0.4), ConcurrencyLimit(1))
    return Scenario(*stack, may=[TimedOut]).at(0.0, "first").at(0.3, "third", 0.2)


class Wire:
    """A transport whose answers come in chunks, and are all to be closed."""

    def __init__(self):
        self.open = set()

    async def handle_async_request(self, request):
        await pause(0.3)
        wire = self

        class Body(httpx.AsyncByteStream):
            async def __aiter__(self):
                for chunk in (b"o", b"k"):
                    await pause(0.2)
                    yield chunk

            async def aclose(self):
                wire.open.discard(self)
                await anyio.lowlevel.checkpoint()

        body = Body()
        self.open.add(body)
        return httpx.Response(200, stream=body)


def over_http(*policies):
    """Each call reads its answer."""
    scenario = Scenario(*policies)
    wire = Wire()
    client = httpx.AsyncClient(transport=AsyncMeshTransport(scenario.stack, wire))

    async def get():
        return (await client.get("http://a.example/")).text

    async def after():
        assert scenario.stack.idle(), scenario.stack.snapshot()
        assert not wire.open
        await pause(100.0)
        assert await get() == "ok"
        assert scenario.stack.idle()
        assert not wire.open

    async def victim():
        await pause(0.1)
        await get()

    async def neighbour(seconds):
        await pause(seconds)
        assert await get() == "ok"

    scenario.after, scenario.victim = after, victim
    scenario.neighbours = [partial(neighbour, seconds) for seconds in (0.0, 0.2, 0.65)]
    return scenario


def leads_over_http():
    scenario = over_http(SingleFlight(), ConcurrencyLimit(9))
    del scenario.neighbours[0]
    return scenario


def follows_over_http():
    return over_http(SingleFlight(), ConcurrencyLimit(9))


def too_long_over_http():
    return over_http(SingleFlight(max_bytes=1), ConcurrencyLimit(9))


def kept_over_http():
    return over_http(StaleIfError(60.0), SingleFlight(), ConcurrencyLimit(9))


SCENARIOS = [
    *(leads, follows, fails_for_all, runs_out_of_time, with_retries_on_both_sides, leads_over_http, follows_over_http),
    *(too_long_over_http, kept_over_http),
]


@pytest.mark.parametrize("last", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_on_asyncio(scenario, last):
    for turn in range(1, MOST):
        with asyncio.Runner(loop_factory=Turns) as runner:
            if not runner.run(cancelled_on_asyncio(scenario(), turn, last)):
                break
    assert 3 < turn < MOST - 1


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_on_trio(scenario, monkeypatch):
    for step in range(1, MOST):
        monkeypatch.setattr(trio._core._run, "_r", Random(1))  # trio shuffles: the same way for each step
        clock = trio.testing.MockClock(autojump_threshold=0)
        if not trio.run(partial(cancelled_on_trio, scenario(), step), clock=clock):
            break
    assert 3 < step < MOST - 1
