"""Spans beside those of OpenTelemetry's own instrumentations: none is there twice, and none is missing."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import anyio
import fastapi
import httpx
import pytest
from fastapi.telemetry import get_telemetry_data
from opentelemetry import context, propagate, trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.utils import suppress_http_instrumentation
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware

from meshkit import (
    CircuitBreaker,
    CircuitOpen,
    Cluster,
    Constant,
    Fallback,
    FaultInjection,
    Hedge,
    Pipeline,
    RateLimit,
    Retry,
    RoundRobin,
    Shadow,
    Timeout,
)
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.observe.trace.tracing import Tracing
from meshkit.testing import Upstream, after, answer, run, stream, virtual_clock

URL = "http://shop.test/orders/17?token=hunter2"
CLIENT, SERVER, INTERNAL = SpanKind.CLIENT, SpanKind.SERVER, SpanKind.INTERNAL
OURS, THEIRS = "meshkit", "opentelemetry.instrumentation"


class Begun(SpanProcessor):
    """Counts the spans that begin."""

    def __init__(self):
        self.count = 0

    def on_start(self, span, parent_context=None):
        self.count += 1


class Traces:
    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(begun := Begun())
        self.begun = begun
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.pipelines = []

    def pipeline(self, *policies, **options):
        stack = Pipeline(*policies, **options)
        stack.listen(Tracing(tracer_provider=self.provider))
        self.pipelines.append(stack)
        return stack

    def spans(self, *kinds):
        ended = [span for span in self.exporter.get_finished_spans() if span.kind in (kinds or (CLIENT, SERVER))]
        return sorted(ended, key=lambda span: span.start_time)

    def whose(self, *kinds):
        """Of each span, in the order in which they began, whose it is."""
        names = [span.instrumentation_scope.name for span in self.spans(*kinds)]
        return [THEIRS if name.startswith(THEIRS) else name for name in names]


@pytest.fixture
def traces():
    yield (made := Traces())
    assert [stack.failed_listeners for stack in made.pipelines] == [0] * len(made.pipelines)
    made.provider.shutdown()


@pytest.fixture
def upstream():
    return Upstream(503, 200)


@pytest.fixture
def sent_by_httpx(traces, upstream, monkeypatch):
    """The transports of httpx itself send to the upstream, and are instrumented."""
    scripted = upstream.transport()

    async def handle_async_request(self, request):
        return await scripted.handle_async_request(request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async_request)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda self, request: scripted.handle_request(request))
    HTTPXClientInstrumentor().instrument(tracer_provider=traces.provider)
    yield
    HTTPXClientInstrumentor().uninstrument()


@pytest.fixture
def instrumented(traces):
    """Instruments one client."""
    clients = []

    def instrument(client):
        HTTPXClientInstrumentor.instrument_client(client, tracer_provider=traces.provider)
        clients.append(client)
        return client

    yield instrument
    for client in clients:
        HTTPXClientInstrumentor.uninstrument_client(client)


def repeating(traces, *policies, **options):
    return traces.pipeline(Retry(on=503, attempts=3, backoff=Constant(0.0)), *policies, **options)


def parents(upstream):
    """Of each request that came, the span that sent it, by its own word."""
    return [attempt.request.headers["traceparent"][36:52] for attempt in upstream.attempts]


def named(spans):
    return [f"{span.context.span_id:016x}" for span in spans]


# Beneath: the transports of httpx, and aiohttp.


async def test_the_instrumentation_beneath_makes_no_second_span(traces, upstream, sent_by_httpx):
    async with httpx.AsyncClient() as plain:
        await plain.get(URL)
    assert traces.whose() == [THEIRS]  # it is active
    traces.exporter.clear()
    stack = repeating(traces)
    async with httpx.AsyncClient(transport=AsyncMeshTransport(stack, httpx.AsyncHTTPTransport())) as client:
        upstream.play(503, 200)
        await client.get(URL)
    assert traces.whose() == [OURS, OURS]
    assert parents(upstream)[1:] == named(traces.spans())
    async with httpx.AsyncClient() as plain:
        await plain.get(URL)
    assert traces.whose() == [OURS, OURS, THEIRS]  # and goes on where we are not


def test_nor_beneath_a_client_that_does_not_wait(traces, upstream, sent_by_httpx):
    with httpx.Client(transport=MeshTransport(repeating(traces), httpx.HTTPTransport())) as client:
        client.get(URL)
    with httpx.Client() as plain:
        plain.get(URL)
    assert traces.whose() == [OURS, OURS, THEIRS]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_nor_beneath_attempts_that_run_at_once(traces, upstream, sent_by_httpx, backend):
    upstream.play(after(9.0, 200), after(9.0, 200), after(0.5, 200))
    stack = traces.pipeline(Hedge(1.0, attempts=3, budget=None), clock=virtual_clock)

    async def scenario():
        async with httpx.AsyncClient(transport=AsyncMeshTransport(stack, httpx.AsyncHTTPTransport())) as client:
            await client.get(URL)

    run(scenario, backend=backend)
    assert traces.whose() == [OURS] * len(upstream.attempts) == [OURS] * 3
    assert parents(upstream) == named(traces.spans())


async def ask_plainly(url="http://auth.test/"):
    async with httpx.AsyncClient() as plain:
        return await plain.get(url)


async def asks_before(call, call_next):
    await ask_plainly()
    return await call_next()


async def asks_between(call, call_next):
    response = await call_next()
    if response.status_code != 401:
        return response
    await ask_plainly()
    return await call_next()


async def asks_afterwards(call, call_next):
    response = await call_next()
    await ask_plainly()
    return response


def broken(error):
    async def breaks(call, call_next):
        try:
            return await call_next()
        except error:
            return await ask_plainly()

    return breaks


async def instead(*_):
    return await ask_plainly("http://backup.test/")


BY_HTTPX = {THEIRS: "opentelemetry.instrumentation.httpx"}
BY_WHOM_BETWEEN = {
    "before": ((asks_before,), (200, 200), [THEIRS, OURS]),
    "between": ((asks_between,), (401, 200, 200), [OURS, THEIRS, OURS]),
    "afterwards": ((asks_afterwards,), (200, 200), [OURS, THEIRS]),
    "after an error": ((broken(httpx.ConnectError),), (httpx.ConnectError("x"), 200), [OURS, THEIRS]),
    "after a deadline": ((broken(TimeoutError), Timeout(1.0)), (after(5.0, 200), 200), [OURS, THEIRS]),
    "a fallback": ((Fallback(instead, on="5xx"),), (500, 200), [OURS, THEIRS]),
    "around a retry": (
        (asks_afterwards, Retry("5xx", backoff=Constant(0.0))),
        (503, 503, 200, 200),
        [OURS, OURS, OURS, THEIRS],
    ),
    "within a retry": (
        (Retry("5xx", backoff=Constant(0.0)), asks_afterwards),
        (503, 200, 200, 200),
        [OURS, THEIRS] * 2,
    ),
    "around a race": (
        (asks_afterwards, Hedge(1.0, budget=None)),
        (after(9.0, 200), after(0.5, 200), 200),
        [OURS, OURS, THEIRS],
    ),
    "around a race that the first wins": (
        (asks_afterwards, Hedge(1.0, budget=None)),
        (after(2.0, 200), after(9.0, 200), 200),
        [OURS, OURS, THEIRS],
    ),
    "within a race": (
        (Hedge(1.0, budget=None), asks_between),
        (after(9.0, 200), after(0.5, 401), 200, 200),
        [OURS, OURS, THEIRS, OURS],
    ),
}


@pytest.fixture(params=["asyncio", "trio", "covered"])
def calling(request, traces, sent_by_httpx, instrumented):
    """Runs a call through these, under a span; answers what that was, and whether the client itself is instrumented."""
    covered = request.param == "covered"

    def calls(*policies):
        transport = AsyncMeshTransport(traces.pipeline(*policies, clock=virtual_clock), httpx.AsyncHTTPTransport())
        made = httpx.AsyncClient(transport=transport)

        async def scenario():
            before = context.get_current()
            async with instrumented(made) if covered else made as client:
                with traces.provider.get_tracer("test").start_as_current_span("work") as work:
                    await client.get(URL)
                    assert trace.get_current_span() is work
            assert context.get_current() == before

        run(scenario, backend="asyncio" if covered else request.param)
        return traces.spans(INTERNAL)[0], covered

    return calls


@pytest.mark.parametrize("when", BY_WHOM_BETWEEN)
def test_a_call_made_between_attempts_has_its_span(traces, upstream, calling, when):
    policies, answers, whose = BY_WHOM_BETWEEN[when]
    upstream.play(*answers)
    around, covered = calling(*policies)
    spans = traces.spans()
    assert sorted(parents(upstream)) == sorted(named(spans))  # each request has one span, which it names
    if covered:  # theirs is that of the first attempt, and current when the call began
        first, *spans = spans
        assert first.parent.span_id == around.context.span_id
        around = first
        whose = [*whose]
        whose.remove(OURS)
    # Ours are of the virtual clock, theirs are not: there is no order among them.
    assert sorted(span.instrumentation_scope.name for span in spans) == sorted(
        BY_HTTPX.get(name, name) for name in whose
    )
    assert {span.parent.span_id for span in spans} <= {around.context.span_id}


def decides(failure):
    with httpx.Client() as plain:
        return plain.get("http://flags.test/").status_code == 200


def judges(response, error):
    with httpx.Client() as plain:
        plain.get("http://flags.test/")


@pytest.mark.parametrize(
    ("policies", "judge", "answers", "whose"),
    [
        ((Retry(decides, attempts=2, backoff=Constant(0.0)),), None, (503, 200, 503, 200), [OURS, THEIRS] * 2),
        ((), judges, (200, 200), [OURS, THEIRS]),
        ((Fallback(lambda *_: httpx.Client().get("http://backup.test/"), on="5xx"),), None, (500, 200), [OURS, THEIRS]),
    ],
    ids=["a retry's predicate", "a judge", "a fallback"],
)
@pytest.mark.usefixtures("sent_by_httpx")
def test_so_has_one_that_does_not_wait(traces, upstream, policies, judge, answers, whose):  # noqa: PLR0917
    upstream.play(*answers)
    transport = MeshTransport(traces.pipeline(*policies), httpx.HTTPTransport(), judge=judge)
    tracer = traces.provider.get_tracer("test")
    with httpx.Client(transport=transport) as client, tracer.start_as_current_span("work") as work:
        client.get(URL)
        assert trace.get_current_span() is work
    assert traces.whose() == whose
    assert {span.parent.span_id for span in traces.spans()} == {work.get_span_context().span_id}
    assert parents(upstream) == named(traces.spans())


async def test_what_a_middleware_has_made_current_is_around_its_attempts(traces, upstream, sent_by_httpx):
    async def within_a_span(call, call_next):
        with traces.provider.get_tracer("test").start_as_current_span("twice") as span:
            await (await call_next()).aclose()
            assert trace.get_current_span() is span
            await ask_plainly()
            return await call_next()

    upstream.play(200)
    transport = AsyncMeshTransport(traces.pipeline(within_a_span), httpx.AsyncHTTPTransport())
    async with httpx.AsyncClient(transport=transport) as client:
        await client.get(URL)
    (twice,) = traces.spans(INTERNAL)
    assert traces.whose() == [OURS, THEIRS, OURS]
    assert {span.parent.span_id for span in traces.spans()} == {twice.context.span_id}


async def test_two_who_trace_one_pipeline(traces, upstream, sent_by_httpx):
    upstream.play(401, 200, 200)
    stack, other = traces.pipeline(asks_between), Traces()
    stack.listen(Tracing(tracer_provider=other.provider))
    async with httpx.AsyncClient(transport=AsyncMeshTransport(stack, httpx.AsyncHTTPTransport())) as client:
        with traces.provider.get_tracer("test").start_as_current_span("work") as work:
            await client.get(URL)
    assert (traces.whose(), other.whose()) == ([OURS, THEIRS, OURS], [OURS, OURS])
    assert {span.parent.span_id for span in traces.spans() + other.spans()} == {work.get_span_context().span_id}


async def test_nor_is_a_call_suppressed_that_a_pipeline_within_a_pipeline_makes(traces, upstream, sent_by_httpx):
    upstream.play(401, 200, 200)
    inner = AsyncMeshTransport(traces.pipeline(asks_between), httpx.AsyncHTTPTransport())
    async with httpx.AsyncClient(transport=AsyncMeshTransport(traces.pipeline(), inner)) as client:
        await client.get(URL)
    first, between, second = spans = traces.spans()
    assert traces.whose() == [OURS, THEIRS, OURS]
    assert between.parent == second.parent == first.context
    assert parents(upstream) == named(spans)


async def test_each_attempt_has_the_status_of_its_own_answer(traces, upstream):
    async def again(call, call_next):
        await (await call_next()).aclose()
        return await call_next()

    async def otherwise(call, call_next):
        await (await call_next()).aclose()
        return httpx.Response(299)

    for middleware, answers in ((again, (401, 200)), (again, (204, 404)), (otherwise, (403,))):
        upstream.play(*answers)
        transport = AsyncMeshTransport(traces.pipeline(middleware), upstream.transport())
        async with httpx.AsyncClient(transport=transport) as client:
            await client.get(URL)
        assert tuple(span.attributes["http.response.status_code"] for span in traces.spans()) == answers
        for span in traces.spans():
            by_the_conventions(span)
        traces.exporter.clear()


@asynccontextmanager
async def serving(statuses):
    """A server on the loopback that answers with these, and writes down the heads of requests."""
    heads = []

    async def answer(reader, writer):
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode("ascii").lower())
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % statuses[len(heads) - 1])
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", heads


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_nor_aiohttp_beneath_httpx(traces, anyio_backend):
    import httpx_aiohttp

    AioHttpClientInstrumentor().instrument(tracer_provider=traces.provider)
    try:
        async with serving([200, 503, 200]) as (url, heads):
            async with httpx.AsyncClient(transport=httpx_aiohttp.AiohttpTransport()) as plain:
                await plain.get(url)
            stack = repeating(traces)
            transport = AsyncMeshTransport(stack, httpx_aiohttp.AiohttpTransport())
            async with httpx.AsyncClient(transport=transport) as client:
                assert (await client.get(url)).status_code == 200
    finally:
        AioHttpClientInstrumentor().uninstrument()
    assert traces.whose() == [THEIRS, OURS, OURS]
    sent = [head.partition("traceparent: ")[2][36:52] for head in heads]
    assert sent == named(traces.spans())


# Around: a client that is instrumented itself.


async def test_the_first_attempt_of_an_instrumented_client_is_covered(traces, upstream, instrumented):
    stack = repeating(traces, name="orders")
    async with instrumented(httpx.AsyncClient(transport=AsyncMeshTransport(stack, upstream.transport()))) as client:
        await client.get(URL)
        await client.get(URL)
    first, second, third = spans = traces.spans()
    assert traces.whose() == [THEIRS, OURS, THEIRS]
    assert len(upstream.attempts) == 3
    assert parents(upstream) == named(spans)
    assert second.parent == first.context
    assert second.attributes["http.request.resend_count"] == 1
    assert first.parent is third.parent is None
    assert [event.name for event in first.events] == ["meshkit.retried"]
    assert first.attributes["meshkit.pipeline"] == "orders"
    assert first.attributes["meshkit.attempt"] == 1


def test_so_is_that_of_one_that_does_not_wait(traces, upstream, instrumented):
    with instrumented(httpx.Client(transport=MeshTransport(repeating(traces), upstream.transport()))) as client:
        client.get("http://me:hunter2@shop.test/orders/17?token=hunter2#top")
    assert traces.whose() == [THEIRS, OURS]
    assert parents(upstream) == named(traces.spans())


async def test_all_of_them_at_once(traces, upstream, sent_by_httpx, instrumented):
    stack = repeating(traces)
    transport = AsyncMeshTransport(stack, httpx.AsyncHTTPTransport())
    async with instrumented(httpx.AsyncClient(transport=transport)) as client:
        await client.get(URL)
    assert traces.whose() == [THEIRS, OURS]
    assert parents(upstream) == named(traces.spans())


async def test_a_refusal_is_told_on_their_span(traces, instrumented):
    stack = traces.pipeline(CircuitBreaker(failures=1, cooldown=9.0))
    transport = AsyncMeshTransport(stack, Upstream(500).transport())
    async with instrumented(httpx.AsyncClient(transport=transport)) as client:
        await client.get(URL)
        with pytest.raises(CircuitOpen):
            await client.get(URL)
    assert traces.whose() == [THEIRS, THEIRS]
    assert "meshkit.rejected" in [event.name for event in traces.spans()[1].events]


@pytest.mark.parametrize("covered", [False, True])
async def test_each_hop_of_a_redirect_is_a_call_of_its_own(traces, upstream, instrumented, covered):
    upstream.play(answer(302, headers={"location": "http://elsewhere.test/"}), 503, 200)
    client = httpx.AsyncClient(
        transport=AsyncMeshTransport(repeating(traces), upstream.transport()), follow_redirects=True
    )
    async with instrumented(client) if covered else client:
        await client.get(URL)
    assert traces.whose() == ([THEIRS, THEIRS, OURS] if covered else [OURS] * 3)
    hosts = [httpx.URL(span.attributes.get("url.full") or span.attributes["http.url"]).host for span in traces.spans()]
    assert hosts == ["shop.test", "elsewhere.test", "elsewhere.test"]
    assert parents(upstream) == named(traces.spans())


@pytest.mark.parametrize("covered", [False, True])
async def test_mounts(traces, upstream, instrumented, covered):
    other = Upstream(200)
    client = httpx.AsyncClient(
        transport=other.transport(),
        mounts={"all://shop.test": AsyncMeshTransport(repeating(traces), upstream.transport())},
    )
    async with instrumented(client) if covered else client:
        await client.get("http://other.test/")
        await client.get(URL)
    assert traces.whose() == ([THEIRS, THEIRS, OURS] if covered else [OURS, OURS])
    assert parents(upstream) == named(traces.spans())[-2:]


@pytest.mark.parametrize("balanced", [False, True])
async def test_a_pipeline_within_a_pipeline(traces, upstream, balanced):
    inner = AsyncMeshTransport(repeating(traces, name="inner"), upstream.transport())
    cluster = Cluster("stock", ["10.0.0.7:8080"], balancer=RoundRobin())
    outer = traces.pipeline(*[cluster] * balanced, name="outer")
    async with httpx.AsyncClient(transport=AsyncMeshTransport(outer, inner)) as client:
        await client.get(URL)
        if balanced:
            assert upstream.attempts[0].request.url.host == "10.0.0.7"
    first, second = spans = traces.spans()
    assert len(upstream.attempts) == 2
    assert parents(upstream) == named(spans)
    assert second.parent == first.context
    assert [span.attributes["meshkit.pipeline"] for span in spans] == ["outer", "inner"]
    assert first.attributes.get("meshkit.endpoint") == ("10.0.0.7:8080" if balanced else None)
    assert first.attributes["url.full"] == "http://shop.test/orders/17?REDACTED"


async def test_nor_are_there_two_where_a_covered_request_is_balanced_further_in(traces, upstream, instrumented):
    upstream.play(200)
    inner = AsyncMeshTransport(traces.pipeline(), upstream.transport())
    cluster = Cluster("stock", ["10.0.0.7:8080"], balancer=RoundRobin())
    transport = AsyncMeshTransport(traces.pipeline(cluster), inner)
    async with instrumented(httpx.AsyncClient(transport=transport)) as client:
        await client.get(URL)
    assert traces.whose() == [THEIRS]
    assert parents(upstream) == named(traces.spans())


async def test_a_client_span_of_another_request_covers_nothing(traces, upstream):
    theirs = traces.provider.get_tracer("opentelemetry.instrumentation.httpx")
    said = {"http.method": "GET", "http.url": "http://shop.test/orders/18"}
    async with httpx.AsyncClient(transport=AsyncMeshTransport(repeating(traces), upstream.transport())) as client:
        with theirs.start_as_current_span("GET", kind=CLIENT, attributes=said) as around:
            await client.get(URL)
    assert traces.whose() == [THEIRS, OURS, OURS]
    assert all(span.parent == around.get_span_context() for span in traces.spans()[1:])


async def test_who_suppresses_http_spans_gets_none_of_ours(traces, upstream):
    async with httpx.AsyncClient(transport=AsyncMeshTransport(repeating(traces), upstream.transport())) as client:
        with suppress_http_instrumentation():
            await client.get(URL)
    assert traces.spans() == []


# Whatever comes of it.


def gives_up(seconds):
    async def impatient(call, call_next):
        with anyio.move_on_after(seconds):
            return await call_next()
        return httpx.Response(299)

    return impatient


ANSWERS = [
    200,
    404,
    429,
    503,
    httpx.ConnectError("hunter2"),
    ValueError("hunter2"),
    after(2.0, 200),
    after(30.0, 200),
    stream([b"a", b"b"], delay=0.5),
    stream([b"a", httpx.ReadError("hunter2")], delay=0.5),
]
AROUND = [
    lambda: (Retry("5xx", attempts=3, backoff=Constant(0.5)),),
    lambda: (Hedge(1.0, attempts=3, budget=None),),
    lambda: (Timeout(3.0), Retry(Exception, backoff=Constant(0.0))),
    lambda: (Fallback(instead, on=Exception),),
    lambda: (asks_afterwards, Hedge(1.0, budget=None), asks_between),
    lambda: (RateLimit("3/min"), CircuitBreaker(failures=2, cooldown=5.0)),
    lambda: (Retry("5xx", attempts=3, backoff=Constant(0.0)), FaultInjection(abort=503, share=0.5, expires=3600.0)),
    lambda: (Timeout(1.0), Cluster("stock", ["10.0.0.7:80", "10.0.0.8:80"], balancer=RoundRobin())),
    lambda: (gives_up(1.5), Retry("5xx", backoff=Constant(1.0))),
]


@pytest.mark.parametrize("seed", range(10))
def test_every_span_ends_and_what_was_current_is_so_again(traces, upstream, sent_by_httpx, seed):
    """Calls at random, each of which ends in a way of its own: read, left unread, broken off, refused, late."""
    draw = random.Random(seed)
    stacks = [traces.pipeline(*make(), clock=virtual_clock, seed=seed) for make in draw.sample(AROUND, 4)]
    inner = AsyncMeshTransport(stacks[0], httpx.AsyncHTTPTransport())
    transports = [
        AsyncMeshTransport(stacks[1], inner),
        *(AsyncMeshTransport(stack, httpx.AsyncHTTPTransport()) for stack in stacks[1:]),
    ]

    async def one(client, how):
        before = context.get_current()
        with suppress(Exception), anyio.move_on_after(1.2 if how == "cancelled" else 60.0):
            if how == "unread":
                async with client.stream("GET", URL) as response:
                    assert context.get_current() == before
                    await anyio.lowlevel.checkpoint()
                    assert response.status_code
            else:
                await client.get(URL)
        assert context.get_current() == before

    async def scenario():
        upstream.play(*(draw.choice(ANSWERS) for _ in range(200)))
        async with AsyncExitStack() as opened, anyio.create_task_group() as group:
            for transport in transports:
                client = await opened.enter_async_context(httpx.AsyncClient(transport=transport))
                for _ in range(3):
                    how = draw.choice(["read", "unread", "cancelled", "at once"])
                    if how == "at once":
                        group.start_soon(one, client, how)
                    else:
                        await one(client, how)

    run(scenario, backend=["asyncio", "trio"][seed % 2])
    assert len(upstream.attempts) >= 8
    assert len(traces.spans(*SpanKind)) == traces.begun.count > 8
    ids = [span.context.span_id for span in traces.spans(*SpanKind)]
    assert len(ids) == len({*ids})
    sent = sorted(parents(upstream))
    assert sent == sorted({*sent}) == sorted({*sent} & {*named(traces.spans())})  # one span each


# Servers.


def shop():
    app = fastapi.FastAPI()

    @app.get("/orders/{number}")
    async def order(number: int):
        app.state.seen = trace.get_current_span().get_span_context()
        return number

    return app


class Native:
    """A shop whose FastAPI traces by itself, where asked to; Starlette has a middleware for it."""

    def __init__(self, traces, by="fastapi"):
        given = {"tracer_provider": traces.provider} if by == "fastapi" else {"tracing": False}
        self.app = app = fastapi.FastAPI(telemetry={**given, "operation_spans": False})
        self.seen = []

        @app.get("/orders/{number}")
        async def order(number: int, request: fastapi.Request):
            self.seen.append((trace.get_current_span(), request.headers.get("traceparent"), get_telemetry_data()))
            return number

        @app.get("/down")
        async def down():
            raise ValueError("hunter2")

        @app.get("/slow")
        async def slow():
            await anyio.sleep_forever()

        @app.websocket("/feed")
        async def feed(socket: fastapi.WebSocket):
            await socket.accept()
            await socket.close()

        if by == "starlette":
            app.add_middleware(OpenTelemetryMiddleware, tracer_provider=traces.provider)


async def ask(app, path="/orders/17", **headers):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        return (await client.get(path, headers=headers)).status_code


PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture
def instrumented_app(traces):
    apps = []

    def instrument(app):
        FastAPIInstrumentor.instrument_app(app, tracer_provider=traces.provider, exclude_spans=["receive", "send"])
        apps.append(app)
        return app

    yield instrument
    for app in apps:
        FastAPIInstrumentor.uninstrument_app(app)


@pytest.mark.parametrize("headers", [{}, PARENT], ids=["a new trace", "one that came"])
async def test_within_an_instrumented_app_their_span_is_the_requests(traces, instrumented_app, headers):
    app = instrumented_app(shop())
    stack = traces.pipeline(RateLimit("1/h", name="quota"), name="shop")
    app.add_middleware(MeshMiddleware, pipeline=stack)
    assert [await ask(app, **headers), await ask(app, **headers)] == [200, 429]
    assert traces.whose() == [THEIRS, THEIRS]
    answered, refused = traces.spans()
    assert app.state.seen == answered.context
    assert answered.attributes["meshkit.pipeline"] == "shop"
    assert refused.attributes["meshkit.outcome"] == "rejected"
    assert [event.name for event in refused.events] == ["meshkit.rejected"]


@pytest.mark.parametrize("headers", [{}, PARENT], ids=["a new trace", "one that came"])
async def test_around_an_instrumented_app_ours_is(traces, instrumented_app, headers):
    app = MeshMiddleware(instrumented_app(shop()), traces.pipeline())
    assert await ask(app, **headers) == 200
    assert traces.whose() == [OURS]
    (server,) = traces.spans()
    (theirs,) = traces.spans(INTERNAL)
    assert server.name == "GET /orders/{number}"
    assert theirs.parent == server.context


async def test_what_happened_is_on_their_span_before_that_ends(traces, instrumented_app):
    app = instrumented_app(shop())
    app.add_middleware(MeshMiddleware, pipeline=traces.pipeline(Shadow(RateLimit("1/h", name="quota"))))
    assert [await ask(app), await ask(app)] == [200, 200]
    _, second = traces.spans()
    assert [event.name for event in second.events] == ["meshkit.would_reject"]


async def test_two_pipelines_around_one_app_are_one_span(traces):
    app = MeshMiddleware(MeshMiddleware(shop(), traces.pipeline(name="inner")), traces.pipeline(name="outer"))
    assert await ask(app) == 200
    assert traces.whose() == [OURS]


async def test_from_an_instrumented_app_through_a_pipeline_to_another_one_in_the_same_process(
    traces, instrumented_app, upstream
):
    stock = MeshMiddleware(shop(), traces.pipeline(name="stock"))
    client = httpx.AsyncClient(transport=AsyncMeshTransport(traces.pipeline(), httpx.ASGITransport(stock)))
    app = instrumented_app(shop())

    @app.get("/")
    async def relay():
        return (await client.get("http://stock.test/orders/1")).json()

    app.add_middleware(MeshMiddleware, pipeline=traces.pipeline(name="shop"))
    assert await ask(app, "/") == 200
    await client.aclose()
    assert traces.whose() == [THEIRS, OURS, OURS]
    shopping, attempt, stocking = traces.spans()
    assert [span.kind for span in traces.spans()] == [SERVER, CLIENT, SERVER]
    assert attempt.parent == shopping.context
    assert stocking.parent.span_id == attempt.context.span_id
    assert {span.context.trace_id for span in traces.spans()} == {shopping.context.trace_id}
    assert all(span.status.status_code is StatusCode.UNSET for span in traces.spans())


async def test_what_an_app_in_the_same_process_sends_is_not_suppressed(traces, sent_by_httpx, upstream):
    upstream.play(200)
    app = fastapi.FastAPI()

    @app.get("/")
    async def relay():
        async with httpx.AsyncClient() as plain:
            return (await plain.get(URL)).status_code

    served = httpx.ASGITransport(MeshMiddleware(app, traces.pipeline()))
    async with httpx.AsyncClient(transport=AsyncMeshTransport(traces.pipeline(), served)) as client:
        await client.get("http://relay.test/")
    assert traces.whose() == [OURS, OURS, THEIRS]
    assert [span.kind for span in traces.spans()] == [CLIENT, SERVER, CLIENT]


# Frameworks that trace by themselves.


@pytest.fixture(params=["fastapi", "starlette"])
def native(request, traces):
    return Native(traces, request.param)


BY_WHOM = pytest.mark.parametrize("headers", [{}, PARENT], ids=["a new trace", "one that came"])


def one_request(traces, headers):
    """The only SERVER span, and those within; all of one trace."""
    (server,) = traces.spans(SERVER)
    assert len({span.context.trace_id for span in traces.spans(*SpanKind)}) == 1
    came = headers.get("traceparent", "")[36:52] or None
    assert came == (None if server.parent is None else f"{server.parent.span_id:016x}")
    return server, traces.spans(INTERNAL)


@BY_WHOM
async def test_added_to_an_app_that_traces_by_itself_its_span_is_the_requests(traces, native, headers):
    native.app.add_middleware(MeshMiddleware, pipeline=(stack := traces.pipeline(name="shop")))
    if native.app.user_middleware[-1].cls is OpenTelemetryMiddleware:
        native.app.user_middleware.reverse()  # theirs is the outer one
    assert await ask(native.app, **headers) == 200
    server, within = one_request(traces, headers)
    assert (server.instrumentation_scope.name in {"fastapi", "starlette"}, within) == (True, [])
    assert server.attributes["meshkit.pipeline"] == stack.name
    assert server.attributes["meshkit.outcome"] == "success"
    assert native.seen[0][0].get_span_context() == server.context


@BY_WHOM
@pytest.mark.parametrize("around", [True, False], ids=["around", "added last"])
async def test_around_an_app_that_traces_by_itself_ours_is(traces, headers, around, native):
    stack = traces.pipeline(name="shop")
    fastapis = native.app.user_middleware == []
    app = native.app
    if around or fastapis:
        app = MeshMiddleware(app, stack)
    else:
        app.add_middleware(MeshMiddleware, pipeline=stack)
    assert await ask(app, **headers) == 200
    server, (within,) = one_request(traces, headers)
    assert (server.name, server.instrumentation_scope.name) == ("GET /orders/{number}", OURS)
    assert within.instrumentation_scope.name == ("fastapi" if fastapis else "starlette")
    assert within.parent.span_id == server.context.span_id
    current, field, data = native.seen[0]
    assert current.get_span_context() == within.context
    assert field[:52] == f"00-{server.context.trace_id:032x}-{server.context.span_id:016x}"
    assert (data is not None) == fastapis  # whatever else it records goes on


@BY_WHOM
@pytest.mark.parametrize("around", [True, False], ids=["around", "added"])
async def test_instrumented_besides(traces, instrumented_app, headers, around):
    app = instrumented_app(Native(traces).app)
    if around:
        app = MeshMiddleware(app, traces.pipeline())
    else:
        app.add_middleware(MeshMiddleware, pipeline=traces.pipeline())
    assert await ask(app, **headers) == 200
    server, within = one_request(traces, headers)
    assert server.instrumentation_scope.name.startswith(OURS if around else THEIRS)
    assert len(within) == around


@pytest.mark.parametrize("path", ["/orders/17", "/down", "/slow", "/nowhere"])
@pytest.mark.parametrize("added", [True, False], ids=["added as well", "around alone"])
def test_however_a_request_ends_there_is_one_server_span(traces, path, added):
    app = Native(traces).app
    if added:
        app.add_middleware(MeshMiddleware, pipeline=traces.pipeline(name="inner"))
    outer = traces.pipeline(RateLimit("1/h"), Timeout(2.0), name="outer", clock=virtual_clock)
    app = MeshMiddleware(app, outer)
    answers = []

    async def scenario():
        answers.extend([await ask(app, path), await ask(app, path)])

    run(scenario)
    served, refused = traces.spans(SERVER)
    assert [served.attributes["http.response.status_code"], refused.attributes["http.response.status_code"]] == answers
    assert answers == [{"/orders/17": 200, "/down": 500, "/slow": 504, "/nowhere": 404}[path], 429]
    assert served.attributes["meshkit.pipeline"] == "outer"
    assert (
        served.attributes["meshkit.outcome"]
        == {200: "success", 500: "failure", 504: "timeout", 404: "success"}[answers[0]]
    )
    (within,) = traces.spans(INTERNAL)
    assert within.parent.span_id == served.context.span_id
    assert len(traces.spans(*SpanKind)) == 3


async def test_a_websocket_of_an_app_that_traces_by_itself(traces):
    scope = {
        "type": "websocket",
        "path": "/feed",
        "raw_path": b"/feed",
        "query_string": b"",
        "headers": [],
        "scheme": "ws",
    }
    came = [{"type": "websocket.connect"}]

    async def receive():
        return came.pop()

    async def send(message):
        pass

    await MeshMiddleware(Native(traces).app, traces.pipeline())({**scope, "subprotocols": []}, receive, send)
    server, (within,) = one_request(traces, {})
    assert (server.name, within.name) == ("GET /feed", "WS /feed")


async def test_afterwards_a_request_is_as_it_came(traces):
    scopes = []
    before = context.get_current()

    async def app(scope, receive, send):
        scopes.append((scope, scope["headers"]))
        raise ValueError

    async def outside(scope, receive, send):
        try:
            await MeshMiddleware(app, traces.pipeline())(scope, receive, send)
        finally:
            scopes.append((scope, scope["headers"]))

    with pytest.raises(ValueError, match=r"^$"):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(outside)) as client:
            await client.get(URL, headers={**PARENT, "baggage": "a=1", "x-more": "b"})
    (inner, within), (outer, afterwards) = scopes
    assert inner is outer
    assert dict(afterwards)[b"traceparent"] == PARENT["traceparent"].encode()
    assert {name for name, _ in within} == {name for name, _ in afterwards}
    assert dict(within)[b"x-more"] == b"b"
    assert context.get_current() == before


async def test_an_app_in_the_same_process_asked_without_a_trace_is_another_request(traces):
    stock = MeshMiddleware(shop(), traces.pipeline(name="stock"))

    async def relay(scope, receive, send):
        assert await ask(stock) == 200
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    assert await ask(MeshMiddleware(relay, traces.pipeline(name="shop"))) == 204
    outer, inner = traces.spans(SERVER)
    assert [outer.attributes["meshkit.pipeline"], inner.attributes["meshkit.pipeline"]] == ["shop", "stock"]
    assert inner.parent.span_id == outer.context.span_id


async def test_where_a_propagator_fails_the_request_is_served_and_no_span_stays_open(traces, monkeypatch):
    monkeypatch.setattr(propagate, "inject", lambda *_: 1 / 0)
    before, stack = context.get_current(), traces.pipeline()
    assert await ask(MeshMiddleware(shop(), stack)) == 200
    assert stack.failed_listeners == 1
    assert len(traces.spans(SERVER)) == 1
    assert context.get_current() == before
    traces.pipelines.clear()


# All of it at once.

ALWAYS = {
    CLIENT: {"http.request.method", "server.address", "server.port", "url.full"},
    SERVER: {"http.request.method", "url.path", "url.scheme"},
}
"""Required by the semantic conventions for HTTP spans."""


def by_the_conventions(span):
    """What they require of a span, by their tables."""
    said = span.attributes
    assert {*said} >= ALWAYS[span.kind]
    status = said.get("http.response.status_code")
    target = said.get("http.route" if span.kind is SERVER else "url.template")
    assert span.name == (f"{said['http.request.method']} {target}" if target else said["http.request.method"])
    failed = status is not None and status >= (500 if span.kind is SERVER else 400)
    assert (span.status.status_code is StatusCode.ERROR) == ("error.type" in said)
    if failed:
        assert said["error.type"] == str(status)
        assert span.status.description is None  # it can be inferred
    if status is not None and not failed:
        assert "error.type" not in said


@pytest.mark.parametrize(
    "where", [*itertools.product(["asyncio", "trio"], ["FastAPI", "FastAPIInstrumentor", "around both"])], ids="-".join
)
def test_one_call_repeated_hedged_and_balanced_by_the_tables_of_the_conventions(
    traces, instrumented_app, sent_by_httpx, upstream, where
):
    """The shop asks three endpoints of a stock: 503 after 0.5 s; then one that is slow, and one that is quicker."""
    backend, by = where
    upstream.play(after(0.5, 503), after(9.0, 200), after(0.25, 200))
    cluster = Cluster("stock", ["10.0.0.7:80", "10.0.0.8:80", "10.0.0.9:80"], balancer=RoundRobin())
    stack = [Retry("5xx", attempts=3, backoff=Constant(1.0)), Hedge(2.0, budget=None), cluster]
    asking = traces.pipeline(*stack, name="asking", clock=virtual_clock)
    client = httpx.AsyncClient(transport=AsyncMeshTransport(asking, httpx.AsyncHTTPTransport()))
    app = fastapi.FastAPI(telemetry={"tracer_provider": traces.provider, "operation_spans": False})

    @app.get("/buy/{item}")
    async def buy(item: str):
        said = {"params": {"token": "hunter2"}, "extensions": {"url_template": "/items/{id}"}}
        return (await client.get("http://stock.test/items/17", **said)).status_code

    front = traces.pipeline(RateLimit("9/s"), Timeout(60.0), name="front", clock=virtual_clock)
    if by != "FastAPI":
        instrumented_app(app)
    if by == "around both":
        served = MeshMiddleware(app, front)
    else:
        app.add_middleware(MeshMiddleware, pipeline=front)
        served = app

    async def scenario():
        assert await ask(served, "/buy/apple", **PARENT) == 200
        await client.aclose()

    run(scenario, backend=backend)
    server, first, second, third = spans = traces.spans()
    assert [span.kind for span in spans] == [SERVER, CLIENT, CLIENT, CLIENT]
    assert {f"{span.context.trace_id:032x}" for span in traces.spans(*SpanKind)} == {PARENT["traceparent"][3:35]}
    assert f"{server.parent.span_id:016x}" == PARENT["traceparent"][36:52]
    below = traces.spans(INTERNAL)[0] if by == "around both" else server  # who is current in the app
    assert {span.parent.span_id for span in (first, second, third)} == {below.context.span_id}
    assert parents(upstream) == named([first, second, third])
    if by != "FastAPIInstrumentor":  # whose attributes are of before the conventions, unless all its process opts in
        by_the_conventions(server)
        assert (server.name, server.attributes["http.response.status_code"]) == ("GET /buy/{item}", 200)
        assert server.attributes["http.route"] == "/buy/{item}"
    assert server.attributes["meshkit.pipeline"] == "front"
    for span in (first, second, third):
        by_the_conventions(span)
        assert span.name == "GET /items/{id}"
        assert span.attributes["url.full"] == "http://stock.test/items/17?REDACTED"
        assert (span.attributes["server.address"], span.attributes["server.port"]) == ("stock.test", 80)
        assert span.attributes["network.peer.address"] == span.attributes["meshkit.endpoint"].removesuffix(":80")
        assert span.instrumentation_scope.name == OURS
    assert len({span.attributes["meshkit.endpoint"] for span in (first, second, third)}) == 3
    numbers = [span.attributes.get("http.request.resend_count") for span in (first, second, third)]
    assert numbers == [None, 1, 2]
    came = [span.attributes.get("http.response.status_code") for span in (first, second, third)]
    assert came == [503, None, 200]
    assert [span.attributes["meshkit.outcome"] for span in (first, second, third)] == ["failure", "lost", "success"]
    assert [span.status.status_code is StatusCode.ERROR for span in (first, second, third)] == [True, False, False]
    seconds = [round((span.end_time - span.start_time) / 1e9, 3) for span in (first, second, third)]
    assert seconds == [0.5, 2.25, 0.25]
    assert [event.name for event in below.events if event.name[:7] == OURS] == ["meshkit.retried", "meshkit.hedged"]
