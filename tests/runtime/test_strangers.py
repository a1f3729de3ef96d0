"""A deadline that a stranger has set ends a call and teaches nobody anything; one from a trusted peer does."""

from __future__ import annotations

import anyio
import httpx
import pytest

from meshkit import AdaptiveConcurrency, CircuitBreaker, DeadlineExceeded, Pipeline, Timeout
from meshkit.asgi import MeshMiddleware
from meshkit.deadline import CURRENT, Scope
from meshkit.httpx import AsyncMeshTransport
from meshkit.limit import AIMD
from meshkit.testing import run, virtual_clock

pause = anyio.sleep


def fn_of(stack):
    async def slow():
        await pause(1.0)

    return lambda: stack.call(slow)


def http_of(stack):
    async def handle(request):
        await pause(1.0)
        return httpx.Response(200)

    client = httpx.AsyncClient(transport=AsyncMeshTransport(stack, httpx.MockTransport(handle)), timeout=None)
    return lambda: client.get("http://stock/")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("door", [fn_of, http_of])
@pytest.mark.parametrize(("stranger", "state"), [(True, "closed"), (False, "open")])
def test_the_calls_below(backend, door, stranger, state):
    async def main():
        stack = Pipeline(Timeout(2.0), CircuitBreaker(failures=3), clock=virtual_clock)
        call = door(stack)
        for _ in range(3):
            token = CURRENT.set(Scope(virtual_clock() + 0.1, virtual_clock, stranger=stranger))
            with pytest.raises(DeadlineExceeded):
                await call()
            CURRENT.reset(token)
        assert stack.snapshot()["CircuitBreaker"]["state"] == state
        assert stack.idle()

    run(main, backend=backend)


@pytest.mark.parametrize(("trusted", "state"), [([], "closed"), (["127.0.0.0/8"], "open")])
def test_through_two_doors(trusted, state):
    """As the field comes in, at the outer door, at an inner one, and at a client behind both."""

    async def main():
        behind = Pipeline(Timeout(2.0), CircuitBreaker(failures=3), clock=virtual_clock)
        inner = Pipeline(Timeout(2.0), CircuitBreaker(failures=3), clock=virtual_clock)
        outer = Pipeline(Timeout(2.0), CircuitBreaker(failures=3), clock=virtual_clock)

        async def slow():
            await pause(1.0)

        async def app(scope, receive, send):
            await behind.call(slow)

        guarded = MeshMiddleware(MeshMiddleware(app, inner), outer, trusted=trusted)
        transport = httpx.ASGITransport(guarded, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            for _ in range(3):
                answer = await client.get("/", headers={"x-request-deadline-ms": "100"})
                assert answer.status_code == 504
        return [stack.snapshot()["CircuitBreaker"]["state"] for stack in (outer, behind)]

    states = run(main)
    assert set(states) == {state} or states == [state, state]


def test_an_adaptive_limit_further_in():
    async def main():
        stack = Pipeline(Timeout(2.0), AdaptiveConcurrency(AIMD(initial=20)), clock=virtual_clock)

        async def work(seconds):
            await pause(seconds)

        for _ in range(100):
            token = CURRENT.set(Scope(virtual_clock() + 0.01, virtual_clock, stranger=True))
            with pytest.raises(DeadlineExceeded):
                await stack.call(work, 1.0)
            CURRENT.reset(token)
            await stack.call(work, 0.05)
        assert stack.snapshot()["AdaptiveConcurrency"]["limit"] >= 20

    run(main)
