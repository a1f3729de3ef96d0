"""Cancelled anywhere, is everything given back? Requests with all that waits, cancelled after each of their steps."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from meshkit import CircuitBreaker, ConcurrencyLimit, Pipeline, RateLimit, Timeout
from meshkit.asgi import MeshMiddleware
from meshkit.deadline import CURRENT

from .stand_ins import LAST, MORE, START, Client, Clock, Probe, http, websocket

MOST = 200
"""Steps: more than the scenario has."""


class Waiting(Clock):
    """A clock that sleeping moves."""

    async def asleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.now += seconds


async def middleware(call: Any, call_next: Any) -> Any:
    await anyio.lowlevel.checkpoint()
    return await call_next()


class Scenario:
    """Two clients after one permit, a stream and a websocket, with work left to do after either's end."""

    def __init__(self) -> None:
        self.probe = Probe()
        self.pipeline = Pipeline(
            Timeout(60.0),
            RateLimit("2/s", burst=1, wait=10.0),
            ConcurrencyLimit(1, queue=10),
            middleware,
            CircuitBreaker(failures=5),
            self.probe,
            clock=Waiting(),
        )
        self.app = MeshMiddleware(self.serve, self.pipeline)
        self.finished = 0

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
        else:
            await send(START)
            await send(MORE)
            await send(LAST)
        await anyio.lowlevel.checkpoint()
        self.finished += 1

    async def one(self, scope: dict[str, Any]) -> None:
        client = Client()
        await self.app(scope, client.receive, client.send)

    async def run(self) -> None:
        fields = [("x-request-deadline-ms", "30000")]
        async with anyio.create_task_group() as group:
            group.start_soon(self.one, http(headers=fields))
            group.start_soon(self.one, websocket())


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


async def test_cancelled_after_each_step() -> None:
    verdicts: set[str] = set()
    for steps in range(MOST):
        scenario = Scenario()
        with anyio.fail_after(20):
            finished = await stepwise(scenario, steps)
        assert scenario.pipeline.idle(), scenario.pipeline.snapshot()
        assert scenario.probe.inside == 0
        assert CURRENT.get() is None
        verdicts.update(scenario.probe.verdicts)
        if finished:
            break
    else:
        pytest.fail("the scenario takes more steps than that")
    assert scenario.finished == 2
    assert scenario.probe.verdicts == ["success"] * 2
    assert verdicts == {"success", "ignored"}
    assert steps > 8  # it has more places than that, one behind the other, to be cancelled in


async def test_a_task_that_is_cancelled_after_its_answer_stays_cancelled() -> None:
    """The server shuts down while a background task runs: no deadline has anything to say any more."""
    pipeline = Pipeline(Timeout(60.0), probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(LAST)
        cancelling.cancel()
        await anyio.sleep_forever()

    client = Client()
    with anyio.CancelScope() as cancelling:
        await MeshMiddleware(app, pipeline)(http(), client.receive, client.send)
    assert cancelling.cancelled_caught
    assert probe.verdicts == ["success"]
    assert pipeline.idle()
