"""Spans beside those of OpenTelemetry's own instrumentations: none is there twice, and none is missing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import fastapi
import httpx
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.utils import suppress_http_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from meshkit import CircuitBreaker, CircuitOpen, Constant, Hedge, Pipeline, RateLimit, Retry, Shadow
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.observe.trace.tracing import Tracing
from meshkit.testing import Upstream, after, answer, run, virtual_clock

URL = "http://shop.test/orders/17?token=hunter2"
CLIENT, SERVER, INTERNAL = SpanKind.CLIENT, SpanKind.SERVER, SpanKind.INTERNAL
OURS, THEIRS = "meshkit", "opentelemetry.instrumentation"


class Traces:
    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
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
        return [OURS if span.instrumentation_scope.name == OURS else THEIRS for span in self.spans(*kinds)]


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


async def test_a_call_made_between_two_attempts_has_its_span(traces, upstream, sent_by_httpx):
    async def authorise(call, call_next):
        async with httpx.AsyncClient() as plain:
            await plain.get("http://auth.test/")
        return await call_next()

    upstream.play(200)
    stack = traces.pipeline(authorise)
    async with httpx.AsyncClient(transport=AsyncMeshTransport(stack, httpx.AsyncHTTPTransport())) as client:
        await client.get(URL)
    assert traces.whose() == [THEIRS, OURS]


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


async def test_a_pipeline_within_a_pipeline(traces, upstream):
    inner = AsyncMeshTransport(repeating(traces, name="inner"), upstream.transport())
    async with httpx.AsyncClient(transport=AsyncMeshTransport(traces.pipeline(name="outer"), inner)) as client:
        await client.get(URL)
    first, second = spans = traces.spans()
    assert len(upstream.attempts) == 2
    assert parents(upstream) == named(spans)
    assert second.parent == first.context


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


# Servers.


def shop():
    app = fastapi.FastAPI()

    @app.get("/orders/{number}")
    async def order(number: int):
        app.state.seen = trace.get_current_span().get_span_context()
        return number

    return app


async def ask(app, path="/orders/17", **headers):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.test") as client:
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
