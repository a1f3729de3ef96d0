"""Cancelled anywhere, is everything given back? A scenario with all that waits, cancelled after each of its steps.

Law 5: when every call has ended ``idle()`` is true; cancelling at any await point keeps that true.
"""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from meshkit import CircuitBreaker, Cluster, ConcurrencyLimit, Constant, Pipeline, RateLimit, Retry, Timeout
from meshkit.httpx import AsyncMeshTransport
from meshkit.runtime import alarm

from .stand_ins import Clock, Inner, Probe, streaming

URL = "http://a"
MOST = 400
"""Steps: more than the scenario has."""


class Scenario:
    """Two clients after one permit; the first answers fail, one with a body that is thrown away, the next streams."""

    def __init__(self, lib: ModuleType) -> None:
        self.lib = lib
        self.probe = Probe()
        self.pipeline = Pipeline(
            Timeout(60.0),
            Retry("5xx", backoff=Constant(0.5), budget=None),
            Timeout(30.0),
            RateLimit("2/s", burst=1, wait=10.0),
            ConcurrencyLimit(1, queue=10),
            CircuitBreaker(failures=5),
            self.probe,
            Cluster("c", ["10.0.0.1:80", "10.0.0.2:80"]),
            seed=1,
            clock=Clock(),
        )
        self.streams: list[Any] = []
        self.inner = Inner(self.answer)
        self.finished = 0

    def answer(self, request: Any) -> Any:
        if len(self.inner.requests) == 1:
            raise self.lib.ReadError("gone")
        self.streams.append(streaming(self.lib, [b"a", b"b"]))
        return self.lib.Response(503 if len(self.inner.requests) == 2 else 200, stream=self.streams[-1])

    async def get(self, client: Any) -> None:
        response = await client.get(URL)
        assert (response.status_code, response.content) == (200, b"ab")
        self.finished += 1

    async def run(self) -> None:
        client = self.lib.AsyncClient(transport=AsyncMeshTransport(self.pipeline, self.inner))
        async with client, anyio.create_task_group() as group:
            group.start_soon(self.get, client)
            group.start_soon(self.get, client)

    def check(self) -> None:
        assert self.pipeline.idle(), self.pipeline.snapshot()
        assert self.probe.inside == 0
        assert all(not alarms for alarms in alarm._loops.values())
        assert [stream.iterating for stream in self.streams] == [0] * len(self.streams)


async def stepwise(scenario: Scenario, steps: int) -> bool:
    """Run it, cancelled after so many turns of the loop. Whether it had finished by then."""
    done = False

    async def run() -> None:
        nonlocal done
        await scenario.run()
        done = True

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    return done


async def test_cancelled_after_each_step(lib: ModuleType) -> None:
    for steps in range(MOST):
        scenario = Scenario(lib)
        with anyio.fail_after(20):
            finished = await stepwise(scenario, steps)
        scenario.check()
        if finished:
            break
    else:
        pytest.fail("the scenario takes more steps than that")
    assert scenario.finished == 2
    assert len(scenario.inner.requests) == 4
    assert steps > 8  # it has more places than that, one behind the other, to be cancelled in


async def test_the_rest_of_a_body_is_cancelled_as_ignored(lib: ModuleType) -> None:
    pipeline = Pipeline(Timeout(60.0), probe := Probe())

    class Stuck(lib.AsyncByteStream):  # type: ignore[name-defined, misc]
        async def __aiter__(self) -> Any:
            yield b"a"
            await anyio.sleep_forever()

    transport = AsyncMeshTransport(pipeline, Inner(lambda request: lib.Response(200, stream=Stuck())))
    async with lib.AsyncClient(transport=transport) as client:
        with anyio.CancelScope() as scope:
            async with client.stream("GET", URL) as response:
                async for _ in response.stream:
                    scope.cancel()
    assert scope.cancelled_caught
    assert probe.verdicts == ["ignored"]
    assert pipeline.idle()


async def test_a_cancelled_attempt_teaches_nothing(lib: ModuleType) -> None:
    pipeline = Pipeline(Retry("5xx"), CircuitBreaker(failures=1), probe := Probe())

    class Stuck:
        async def handle_async_request(self, request: Any) -> Any:
            scope.cancel()
            await anyio.sleep_forever()

        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *_: object) -> None: ...

    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, Stuck())) as client:
        for _ in range(3):
            with anyio.CancelScope() as scope:
                await client.get(URL)
            assert scope.cancelled_caught
    assert probe.verdicts == ["ignored"] * 3
    assert pipeline.idle()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_somebody_elses_cancellation_is_not_taken_for_ours(lib: ModuleType, anyio_backend: str) -> None:
    """The deadline and a cancellation in one tick: the task was asked by another, and stays cancelled."""
    pipeline = Pipeline(Timeout(0.001), probe := Probe(), clock=(clock := Clock()))

    class Stuck(lib.AsyncByteStream):  # type: ignore[name-defined, misc]
        async def __aiter__(self) -> Any:
            yield b"a"
            clock.now += 1  # seen by the alarm when it next looks
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                task.cancel()

    async def read() -> None:
        transport = AsyncMeshTransport(pipeline, Inner(lambda request: lib.Response(200, stream=Stuck())))
        async with lib.AsyncClient(transport=transport) as client:
            await client.get(URL)

    task = asyncio.ensure_future(read())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(task), 5)
    assert task.cancelled()
    assert probe.verdicts == ["ignored"]
    assert pipeline.idle()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_deadline_leaves_the_task_uncancelled(lib: ModuleType, anyio_backend: str) -> None:
    """Also where the stream makes another error of the cancellation."""
    pipeline = Pipeline(Timeout(0.001), clock=(clock := Clock()))

    class Stuck(lib.AsyncByteStream):  # type: ignore[name-defined, misc]
        async def __aiter__(self) -> Any:
            yield b"a"
            clock.now += 1  # seen by the alarm when it next looks
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                raise lib.ReadError("cancelled") from None

    transport = AsyncMeshTransport(pipeline, Inner(lambda request: lib.Response(200, stream=Stuck())))
    async with lib.AsyncClient(transport=transport) as client:
        with pytest.raises(lib.ReadError):
            await client.get(URL)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)
    assert pipeline.idle()
