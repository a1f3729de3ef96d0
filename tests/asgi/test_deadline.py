"""The deadline that comes with a request: read, obeyed, handed on less a reserve, and over with the answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from meshkit import CircuitBreaker, Constant, DeadlineExceeded, Pipeline, Retry, Timeout
from meshkit.asgi import MeshMiddleware
from meshkit.deadline import CURRENT, ledger, opened, remaining
from meshkit.errors import TooLate
from meshkit.httpx import AsyncMeshTransport
from meshkit.testing import run, virtual_clock

from .stand_ins import LAST, START, Clock, Probe, answering, ask, http

AWHILE = 0.1
"""Seconds of virtual time, after which an instant is no round number."""


class Seen:
    """An app that notes what remains of the deadline."""

    def __init__(self) -> None:
        self.remaining: list[float | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.remaining.append(remaining())
        await answering()(scope, receive, send)


async def seen(fields: list[tuple[str, str]], *policies: Any, **options: Any) -> float | None:
    app = Seen()
    client = await ask(MeshMiddleware(app, Pipeline(*policies, clock=Clock()), **options), http(headers=fields))
    assert client.status == 200
    return app.remaining[0]


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ([], None),
        ([("grpc-timeout", "800m")], 0.8),
        ([("x-envoy-expected-rq-timeout-ms", "800")], 0.8),
        ([("x-request-deadline-ms", "800")], 0.8),
        ([("grpc-timeout", "2S"), ("x-request-deadline-ms", "800")], 0.8),  # the smallest
        ([("x-request-deadline-ms", "800"), ("grpc-timeout", "2S")], 0.8),
        ([("grpc-timeout", "2S"), ("grpc-timeout", "1S")], 1.0),
        ([("grpc-timeout", "soon")], None),
        ([("grpc-timeout", "soon"), ("x-request-deadline-ms", "800")], 0.8),
        ([("x-request-deadline-ms", "-5")], None),
        ([("x-request-deadline-ms", "")], None),
        ([("grpc-timeout", "99999999H")], 3600.0),  # no more is believed
        ([("x-request-deadline-ms", "9" * 40)], 3600.0),
        ([("x-request-deadline-ms", "9" * 5000)], None),
    ],
)
async def test_what_a_field_says(fields: list[tuple[str, str]], left: float | None) -> None:
    assert await seen(fields) == (left if left is None else pytest.approx(left))


async def test_the_smaller_wins_and_options() -> None:
    field = [("x-request-deadline-ms", "800")]
    assert await seen(field, Timeout(0.5)) == pytest.approx(0.5)
    assert await seen(field, Timeout(2.0)) == pytest.approx(0.8)
    assert await seen([], Timeout(2.0)) == pytest.approx(2.0)
    assert await seen(field, reserve=0.1) == pytest.approx(0.7)
    assert await seen([], Timeout(2.0), reserve=0.1) == pytest.approx(1.9)
    assert await seen(field, reserve=5.0) == 0.0
    assert await seen(field, most=0.25) == pytest.approx(0.25)
    assert await seen(field, deadline=()) is None
    assert await seen([("X-Budget", "300"), *field], deadline=["X-Budget"]) is None  # ASGI's names are lower case
    assert await seen([("x-budget", "300"), *field], deadline=["X-Budget"]) == pytest.approx(0.3)


@pytest.mark.parametrize("field", [("grpc-timeout", "0S"), ("x-request-deadline-ms", "0")])
async def test_no_time_at_all_is_a_504_and_nothing_is_started(field: tuple[str, str]) -> None:
    app = Seen()
    pipeline = Pipeline(probe := Probe(), clock=Clock())
    client = await ask(MeshMiddleware(app, pipeline), http(headers=[field]))
    assert client.status == 504
    assert client.headers["proxy-status"] == "meshkit; error=http_response_timeout"
    assert app.remaining == []
    assert probe.verdicts == []


async def test_the_clients_impatience_opens_no_breaker() -> None:
    """What the service itself allows was not used up: that is no failure of the app."""
    pipeline = Pipeline(Timeout(60.0), CircuitBreaker(failures=1), probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await anyio.sleep_forever()
        await answering()(scope, receive, send)

    guarded = MeshMiddleware(app, pipeline)
    for _ in range(3):
        client = await ask(guarded, http("/slow", headers=[("x-request-deadline-ms", "50")]))
        assert client.status == 504
    assert (await ask(guarded)).status == 200
    assert probe.verdicts == ["ignored"] * 3 + ["success"]
    assert pipeline.idle()


@pytest.mark.parametrize("raises", [True, False])
async def test_nor_does_what_the_apps_own_calls_make_of_it(raises: bool) -> None:
    """They end by the same deadline, less the reserve, and the app fails for it: sooner than its own alarm rings."""
    pipeline = Pipeline(Timeout(60.0), probe := Probe(), clock=(clock := Clock()))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.now += float(scope["path"][1:])
        if raises:
            raise DeadlineExceeded("no answer of another service")
        await answering(500)(scope, receive, send)

    guarded = MeshMiddleware(app, pipeline, reserve=0.1)
    for path in ("/0.75", "/0.65"):
        with suppress(DeadlineExceeded):
            await ask(guarded, http(path, headers=[("x-request-deadline-ms", "800")]))
    assert probe.verdicts == ["ignored", "failure"]


@pytest.mark.parametrize(
    ("own", "fields", "options", "told"),
    [
        (60.0, [("x-request-deadline-ms", "800")], {}, "false"),  # the client's own
        (60.0, [("x-request-deadline-ms", "0")], {}, "false"),  # not even begun
        (0.5, [("x-request-deadline-ms", "800")], {}, None),  # the service's: the next may be quicker
        (0.5, [], {}, None),
        (60.0, [("x-request-deadline-ms", "800")], {"most": 0.5}, None),  # the client would wait for longer
        (0.7, [("x-request-deadline-ms", "800")], {"reserve": 0.1}, "false"),  # what is left is the reserve
    ],
)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whom_it_is_no_use_to_ask_again(backend: str, own: float, fields: Any, options: Any, told: str | None) -> None:
    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep_forever()

    async def main() -> Any:
        app = MeshMiddleware(hangs, Pipeline(Timeout(own), clock=virtual_clock), **options)
        await anyio.sleep(AWHILE)
        return await ask(app, http(headers=fields))

    client = run(main, backend=backend)
    assert client.status == 504
    assert client.headers.get("x-should-retry") == told


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (0.8, 1),  # the caller has 0.1 s left, in which nothing can be done
        (None, 3),  # it gave no deadline: another attempt is given all the time there is
    ],
)
def test_what_cannot_succeed_is_not_repeated(backend: str, given: float | None, asked: int) -> None:
    """From end to end: a caller that repeats, a service that keeps a reserve, and a database that is slow."""
    started: list[float] = []
    probe = Probe()

    async def main() -> int:
        database = Pipeline(Timeout(60.0), clock=virtual_clock)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            started.append(virtual_clock())
            await database.call(anyio.sleep, 3600)

        guarded = Pipeline(Timeout(2.0), probe, clock=virtual_clock)
        service = MeshMiddleware(app, guarded, reserve=0.1, translate=True)
        policies = [*([] if given is None else [Timeout(given)]), Retry("5xx", backoff=Constant(0.01))]
        pipeline = Pipeline(*policies, clock=virtual_clock)
        transport = AsyncMeshTransport(pipeline, httpx.ASGITransport(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            answer = await client.get("/")
        assert guarded.idle()
        return answer.status_code

    assert run(main, backend=backend) == 504
    assert len(started) == asked
    assert probe.verdicts == (["ignored"] if given else ["failure"] * 3)


async def test_a_call_below_takes_the_rest_of_it() -> None:
    below = Pipeline(clock=(clock := Clock()))
    pipeline = Pipeline(Timeout(60.0), clock=clock)
    left: list[Any] = []

    @below
    async def call() -> None:
        left.append(remaining())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.now += 0.3
        await call()
        left.extend(line.who for line in ledger())
        clock.now += 0.6
        with pytest.raises(TooLate):
            await call()
        await answering()(scope, receive, send)

    await ask(MeshMiddleware(app, pipeline), http(headers=[("x-request-deadline-ms", "800")]))
    [rest, who] = left
    assert rest == pytest.approx(0.5)
    assert who.endswith("call")


async def test_it_reaches_threads_and_tasks() -> None:
    left: list[float | None] = []

    def sync() -> None:
        left.append(remaining())

    async def task() -> None:
        left.append(remaining())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.to_thread.run_sync(sync)
        async with anyio.create_task_group() as group:
            group.start_soon(task)
        await answering()(scope, receive, send)

    pipeline = Pipeline(clock=Clock())
    await ask(MeshMiddleware(app, pipeline), http(headers=[("x-request-deadline-ms", "800")]))
    assert left == [pytest.approx(0.8)] * 2


async def test_what_runs_after_the_answer_has_no_deadline() -> None:
    below = Pipeline(Timeout(60.0), clock=(clock := Clock()))
    pipeline = Pipeline(Timeout(1.0), clock=clock)
    left: list[float | None] = []

    @below
    async def call() -> str:
        return "done"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        left.append(remaining())
        await send(LAST)
        left.append(remaining())
        clock.now += 10.0
        assert await call() == "done"

    await ask(MeshMiddleware(app, pipeline), http(headers=[("x-request-deadline-ms", "800")]))
    assert left == [pytest.approx(0.8), None]


async def test_an_app_within_an_app() -> None:
    """The smaller deadline wins, whichever is outside; afterwards all is as it was."""
    clock = Clock()
    app = Seen()
    inner = MeshMiddleware(app, Pipeline(Timeout(0.5), clock=clock))
    for outer in (2.0, 0.25):
        await ask(MeshMiddleware(inner, Pipeline(Timeout(outer), clock=clock)))
    field = [("x-request-deadline-ms", "100")]
    with opened(0.05, clock):
        await ask(inner, http(headers=field))
        assert remaining() == pytest.approx(0.05)
    assert app.remaining == [pytest.approx(left) for left in (0.5, 0.25, 0.05)]
    assert CURRENT.get() is None


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_ended_answer_bounds_no_other_request(anyio_backend: str) -> None:
    """One that is over while another is still bounded: deadlines are lifted one by one."""
    pipeline = Pipeline(Timeout(0.02))
    over = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/hangs":
            await asyncio.Event().wait()
        await answering()(scope, receive, send)
        await over.wait()

    guarded = MeshMiddleware(app, pipeline)
    first = asyncio.ensure_future(ask(guarded, http("/first")))
    hangs = await ask(guarded, http("/hangs"))
    assert hangs.status == 504
    assert not first.done()
    over.set()
    assert (await first).status == 200
