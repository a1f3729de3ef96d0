"""Spans: one for each request that is sent, named by the conventions, in the right place of the trace."""

from __future__ import annotations

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import anyio
import fastapi
import httpx
import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from meshkit import (
    CircuitBreaker,
    CircuitOpen,
    Cluster,
    ConfigError,
    Constant,
    Fallback,
    FaultInjection,
    Hedge,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    RoundRobin,
    Shadow,
    Timeout,
)
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.observe.trace.tracing import Tracing
from meshkit.testing import Upstream, after, hang, run, stream, virtual_clock

URL = "http://shop.test/orders/17?token=hunter2"
SENT = {
    "http.request.method": "GET",
    "server.address": "shop.test",
    "server.port": 80,
    "url.full": "http://shop.test/orders/17?REDACTED",
}
ERROR, UNSET = StatusCode.ERROR, StatusCode.UNSET


class Traces:
    """A provider of its own, and the spans that have ended."""

    def __init__(self, **options):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(**options)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")
        self.pipelines = []

    def pipeline(self, *policies, **options):
        stack = Pipeline(*policies, **options)
        stack.listen(Tracing(tracer_provider=self.provider))
        self.pipelines.append(stack)
        return stack

    def spans(self, kind=None):
        """In the order in which they began."""
        ended = [span for span in self.exporter.get_finished_spans() if kind is None or span.kind is kind]
        return sorted(ended, key=lambda span: span.start_time)

    def under(self, name="work"):
        return self.tracer.start_as_current_span(name)


@pytest.fixture
def traces():
    yield (made := Traces())
    for span in made.spans():
        assert "hunter2" not in span.to_json()
    assert [stack.failed_listeners for stack in made.pipelines] == [0] * len(made.pipelines)
    made.provider.shutdown()


@pytest.fixture
def propagators():
    before = propagate.get_global_textmap()
    yield propagate.set_global_textmap
    propagate.set_global_textmap(before)


def client(stack, upstream):
    return httpx.AsyncClient(transport=AsyncMeshTransport(stack, upstream.transport()))


def ids(span):
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def told(span):
    return [(event.name, dict(event.attributes)) for event in span.events]


def seconds(span):
    return round((span.end_time - span.start_time) / 1e9, 6)


@pytest.fixture(params=["asyncio", "trio"])
def virtually(request):
    """Run an async scenario in virtual time, on each."""
    return lambda scenario: run(scenario, backend=request.param)


def test_a_call_that_is_repeated_and_balanced_by_the_table_of_the_conventions(traces, virtually):
    upstream = Upstream(after(0.5, 503), after(0.25, ConnectionError("hunter2")), after(0.125, 200))
    cluster = Cluster("stock", ["10.0.0.7:8080", "[::1]:8080", "stock-c.test:80"], balancer=RoundRobin())
    stack = traces.pipeline(
        Retry(on=[503, ConnectionError], attempts=4, backoff=Constant(1.0)), cluster, name="orders", clock=virtual_clock
    )

    async def scenario():
        async with client(stack, upstream) as http:
            with traces.under():
                await http.get(URL, headers={"authorization": "hunter2"}, extensions={"url_template": "/orders/{id}"})

    virtually(scenario)
    root, *attempts = traces.spans()
    where = {span.attributes["meshkit.endpoint"] for span in attempts}
    assert where == {"10.0.0.7:8080", "[::1]:8080", "stock-c.test:80"}
    peers = {
        "10.0.0.7:8080": {"network.peer.address": "10.0.0.7", "network.peer.port": 8080},
        "[::1]:8080": {"network.peer.address": "::1", "network.peer.port": 8080},
        "stock-c.test:80": {},  # a name is no address of a peer
    }
    expected = [
        {"http.response.status_code": 503, "error.type": "503", "meshkit.outcome": "failure"},
        {"http.request.resend_count": 1, "error.type": "ConnectionError", "meshkit.outcome": "failure"},
        {"http.request.resend_count": 2, "http.response.status_code": 200, "meshkit.outcome": "success"},
    ]
    for number, (span, more) in enumerate(zip(attempts, expected, strict=True), start=1):
        endpoint = span.attributes["meshkit.endpoint"]
        ours = {"meshkit.pipeline": "orders", "meshkit.cluster": "stock", "meshkit.attempt": number}
        template = {"url.template": "/orders/{id}", "meshkit.endpoint": endpoint}
        assert dict(span.attributes) == SENT | more | ours | template | peers[endpoint]
        assert (span.name, span.kind) == ("GET /orders/{id}", SpanKind.CLIENT)
        assert span.parent == root.context
        assert span.instrumentation_scope.name == "meshkit"
        assert [each.request.headers["traceparent"][:52] for each in upstream.attempts][number - 1] == (
            "00-{}-{}".format(*ids(span))
        )
    assert [span.status.status_code for span in attempts] == [ERROR, ERROR, UNSET]
    assert [seconds(span) for span in attempts] == [0.5, 0.25, 0.125]
    assert [round((span.start_time - attempts[0].start_time) / 1e9, 6) for span in attempts] == [0.0, 1.5, 2.75]
    again = {"meshkit.policy": "Retry", "meshkit.delay": 1.0}
    assert told(root) == [
        ("meshkit.retried", again | {"meshkit.attempt": 1, "error.type": "503"}),
        ("meshkit.retried", again | {"meshkit.attempt": 2, "error.type": "ConnectionError"}),
    ]


def test_the_attempt_that_loses_a_race_is_marked_and_no_error(traces, virtually):
    upstream = Upstream(after(9.0, 200), after(0.5, 200))
    stack = traces.pipeline(Hedge(1.0), clock=virtual_clock)

    async def scenario():
        async with client(stack, upstream) as http:
            with traces.under():
                await http.get(URL)
                assert trace.get_current_span().name == "work"

    virtually(scenario)
    root, first, second = traces.spans()
    assert dict(first.attributes) == SENT | {"meshkit.attempt": 1, "meshkit.outcome": "lost"}
    assert first.status.status_code is second.status.status_code is UNSET
    assert second.attributes["http.request.resend_count"] == 1
    assert second.attributes["meshkit.outcome"] == "success"
    assert (seconds(first), seconds(second)) == (1.5, 0.5)
    assert first.parent == second.parent == root.context  # and not one of the other
    assert told(root) == [("meshkit.hedged", {"meshkit.policy": "Hedge", "meshkit.attempt": 2})]
    parents = [each.request.headers["traceparent"][36:52] for each in upstream.attempts]
    assert parents == [ids(first)[1], ids(second)[1]]


@pytest.mark.parametrize(
    ("step", "expected", "says"),
    [
        (204, {"http.response.status_code": 204, "meshkit.outcome": "success"}, None),
        (302, {"http.response.status_code": 302, "meshkit.outcome": "success"}, None),
        (404, {"http.response.status_code": 404, "meshkit.outcome": "success", "error.type": "404"}, None),
        (429, {"http.response.status_code": 429, "meshkit.outcome": "overloaded", "error.type": "429"}, None),
        (500, {"http.response.status_code": 500, "meshkit.outcome": "failure", "error.type": "500"}, None),
        (ValueError("hunter2"), {"meshkit.outcome": "failure", "error.type": "ValueError"}, None),
        (ConnectionRefusedError(111, "hunter2"), {"error.type": "ConnectionRefusedError"}, "connection refused"),
        (
            httpx.ReadError("hunter2"),
            {"error.type": "ReadError"},
            "the connection broke before the answer was complete",
        ),
        (hang(), {"meshkit.outcome": "timeout", "error.type": "DeadlineExceeded"}, "*"),
    ],
)
def test_how_an_attempt_ends(traces, step, expected, says):
    stack = traces.pipeline(Timeout(2.0), clock=virtual_clock)
    raised = []

    async def scenario():
        async with client(stack, Upstream(step)) as http:
            try:
                await http.get(URL)
            except Exception as error:
                raised.append(error)

    run(scenario)
    (span,) = traces.spans()
    assert dict(span.attributes) == SENT | {"meshkit.attempt": 1, "meshkit.outcome": "failure"} | expected
    assert span.status.status_code is (ERROR if "error.type" in expected else UNSET)
    assert span.status.description == (str(raised[0]) if says == "*" else says)
    assert span.parent is None
    assert span.events == ()


@pytest.mark.parametrize(
    ("policies", "error"),
    [
        ((Timeout(3.0), Hedge(1.0, budget=None)), "DeadlineExceeded"),
        ((Hedge(1.0, budget=None), Timeout(2.0)), "DeadlineExceeded"),
        ((Fallback(lambda error: httpx.Response(200), on=Exception), Timeout(3.0), Hedge(1.0)), "DeadlineExceeded"),
    ],
    ids=["around the race", "within it", "and something else is given"],
)
def test_attempts_that_a_deadline_breaks_off_have_timed_out(traces, policies, error):
    stack = traces.pipeline(*policies, clock=virtual_clock)

    async def scenario():
        async with client(stack, Upstream(hang())) as http:
            with suppress(TimeoutError, httpx.TimeoutException):
                await http.get(URL)

    run(scenario)
    spans = traces.spans(SpanKind.CLIENT)
    assert [span.attributes["meshkit.outcome"] for span in spans] == ["timeout", "timeout"]
    assert [span.attributes["error.type"] for span in spans] == [error] * 2
    assert all(span.status.status_code is ERROR for span in spans)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_by_who_made_the_call(traces, backend):
    stack = traces.pipeline(Hedge(1.0), clock=virtual_clock)

    async def scenario():
        async with client(stack, Upstream(hang())) as http:
            with anyio.move_on_after(2.5):
                await http.get(URL)

    run(scenario, backend=backend)
    first, second = traces.spans(SpanKind.CLIENT)[:2]
    for span in (first, second):
        assert span.attributes["error.type"] in ("CancelledError", "Cancelled")
        assert span.attributes["meshkit.outcome"] == "cancelled"
        assert span.status.status_code is ERROR
    assert (seconds(first), seconds(second)) == (2.5, 1.5)


def test_a_stream_ends_when_its_body_does(traces):
    stack = traces.pipeline(clock=virtual_clock)
    broken = stream([b"a", httpx.ReadError("hunter2")], delay=2.0)

    async def scenario():
        async with client(stack, Upstream(stream([b"a", b"b"], delay=1.0), broken)) as http:
            async with http.stream("GET", URL) as response:
                assert traces.spans() == []
                await response.aread()
            with pytest.raises(httpx.ReadError):
                await http.get(URL)

    run(scenario)
    whole, half = traces.spans()
    assert (seconds(whole), seconds(half)) == (2.0, 4.0)
    assert whole.status.status_code is UNSET
    assert half.status.status_code is ERROR
    assert half.attributes["error.type"] == "ReadError"
    assert half.attributes["http.response.status_code"] == whole.attributes["http.response.status_code"] == 200


@pytest.mark.parametrize(
    ("method", "url", "name", "expected"),
    [
        ("POST", "https://shop.test", "POST", {"server.port": 443, "url.full": "https://shop.test/"}),
        ("GET", "http://shop.test:8080/a%20b", "GET", {"server.port": 8080, "url.full": "http://shop.test:8080/a%20b"}),
        ("GET", "http://me:hunter2@shop.test/", "GET", {"url.full": "http://shop.test/"}),
        (
            "GET",
            "http://[::1]:81/",
            "GET",
            {"server.address": "::1", "server.port": 81, "url.full": "http://[::1]:81/"},
        ),
        ("GET", "http://shop.test/of/me@shop.test#hunter2", "GET", {"url.full": "http://shop.test/of/*"}),
        (
            "PURGE",
            "http://shop.test/",
            "HTTP",
            {"http.request.method": "_OTHER", "http.request.method_original": "PURGE"},
        ),
    ],
)
async def test_names_and_urls(traces, method, url, name, expected):
    async with client(traces.pipeline(), Upstream(200)) as http:
        await http.request(method, url)
    (span,) = traces.spans()
    assert span.name == name
    assert {key: span.attributes.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("extensions", "expected"), [({"http_version": b"HTTP/2"}, "2"), ({"http_version": b"HTTP/1.1"}, "1.1"), ({}, None)]
)
async def test_the_version_of_the_protocol_where_it_is_known(traces, extensions, expected):
    inner = httpx.MockTransport(lambda request: httpx.Response(200, extensions=extensions))
    async with httpx.AsyncClient(transport=AsyncMeshTransport(traces.pipeline(), inner)) as http:
        await http.get(URL)
    assert traces.spans()[0].attributes.get("network.protocol.version") == expected


async def test_methods_that_are_known_can_be_overruled(traces, monkeypatch):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "PURGE, GET")
    async with client(traces.pipeline(), Upstream(200)) as http:
        await http.request("PURGE", URL)
        await http.request("POST", URL)
    assert [span.name for span in traces.spans()] == ["PURGE", "HTTP"]


async def test_what_is_no_attempt_is_an_event_of_the_span_around_the_call(traces):
    breaker = CircuitBreaker(failures=1, cooldown=9.0, name="payments")
    trial = Shadow(RateLimit("1/h", name="quota"))
    stack = traces.pipeline(Retry(on=500, attempts=1), breaker, trial, FaultInjection(delay=0.001, expires=60.0))
    upstream = Upstream(200, 500)
    async with client(stack, upstream) as http:
        with traces.under("first"):
            await http.get(URL)
        with traces.under("second"):
            await http.get(URL)
        with traces.under("third"), pytest.raises(CircuitOpen):
            await http.get(URL)
        with pytest.raises(CircuitOpen):
            await http.get(URL)
    first, second, third = (span for span in traces.spans() if span.kind is SpanKind.INTERNAL)
    assert [name for name, _ in told(first)] == ["meshkit.fault_injected"]
    assert [name for name, _ in told(second)] == [
        "meshkit.would_reject",
        "meshkit.fault_injected",
        "meshkit.gave_up",
        "meshkit.state_changed",
    ]
    by_name = dict(told(second))
    assert by_name["meshkit.would_reject"]["meshkit.policy"] == "quota"
    assert by_name["meshkit.would_reject"]["error.type"] == "RateLimited"
    assert by_name["meshkit.state_changed"] == {
        "meshkit.policy": "payments",
        "meshkit.before": "closed",
        "meshkit.after": "open",
    }
    ((name, refused),) = told(third)
    assert name == "meshkit.rejected"
    assert refused["error.type"] == "CircuitOpen"
    assert refused["meshkit.policy"] == "payments"
    assert 8.0 < refused["meshkit.retry_after"] <= 9.0
    assert refused["meshkit.says"].startswith("payments: open after 1 failures")
    assert len(traces.spans(SpanKind.CLIENT)) == len(upstream.attempts) == 2


def test_a_function_is_one_span_that_is_current_while_it_runs(traces):
    stack = traces.pipeline(Retry(on=ValueError, attempts=2, backoff=Constant(0.0)), name="charging")
    seen = []

    @stack
    def charge(card):
        seen.append(trace.get_current_span())
        if len(seen) == 1:
            raise ValueError(card)
        return card

    with traces.under():
        charge("hunter2")
        assert trace.get_current_span().name == "work"
    root, span = traces.spans()
    assert [each.context for each in seen] == [span.context] * 2
    assert (span.name, span.kind, span.parent) == (
        f"{test_a_function_is_one_span_that_is_current_while_it_runs.__name__}.charge",
        SpanKind.INTERNAL,
        root.context,
    )
    assert dict(span.attributes) == {
        "meshkit.pipeline": "charging",
        "meshkit.attempts": 2,
        "meshkit.outcome": "success",
    }
    assert [name for name, _ in told(span)] == ["meshkit.retried"]
    assert told(root) == []


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [(ValueError("hunter2"), "ValueError", None), (OSError(28, "hunter2"), "OSError", "No space left on device")],
)
async def test_what_a_function_raises(traces, error, kind, says):
    stack = traces.pipeline()

    @stack
    async def charge():
        raise error

    with pytest.raises(type(error)):
        await charge()
    (span,) = traces.spans()
    assert (span.attributes["error.type"], span.status.status_code) == (kind, ERROR)
    assert str(span.status.description).lower() == str(says).lower()


def test_refused_and_timed_out_functions_say_so_in_our_words(traces):
    stack = traces.pipeline(RateLimit("1/h", name="quota"), Timeout(1.0), clock=virtual_clock)

    @stack
    async def slow():
        await anyio.sleep_forever()

    async def scenario():
        with pytest.raises(TimeoutError):
            await slow()
        with pytest.raises(RateLimited):
            await slow()

    run(scenario)
    late, refused = traces.spans()
    assert (late.attributes["meshkit.outcome"], late.attributes["error.type"]) == ("timeout", "DeadlineExceeded")
    assert seconds(late) == 1.0
    assert refused.status.description.startswith("quota: ")
    assert told(refused)[0][0] == "meshkit.rejected"


async def test_what_fell_back(traces):
    stack = traces.pipeline(Fallback(value="cached", on=ValueError))

    @stack
    async def price():
        raise ValueError("hunter2")

    await price()
    (span,) = traces.spans()
    assert told(span) == [("meshkit.fell_back", {"meshkit.policy": "Fallback", "error.type": "ValueError"})]
    assert span.status.status_code is UNSET


def test_threads_have_their_own_traces(traces):
    upstream = Upstream(200)
    stack = traces.pipeline(Retry(on=500))

    def one(number):
        with httpx.Client(transport=MeshTransport(stack, upstream.transport())) as http, traces.under(f"work {number}"):
            http.get(URL)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(8)))
    roots = {span.context.span_id: span for span in traces.spans(SpanKind.INTERNAL)}
    sent = traces.spans(SpanKind.CLIENT)
    assert len(sent) == 8
    assert {span.parent.span_id for span in sent} == set(roots)
    assert all(roots[span.parent.span_id].context.trace_id == span.context.trace_id for span in sent)


def shop(traces, *policies, **options):
    """A service with routes, behind the middleware."""
    app = fastapi.FastAPI()

    @app.get("/orders/{number}")
    async def order(number: int):
        app.state.seen = trace.get_current_span()
        return number

    @app.get("/broken")
    async def broken():
        raise ValueError("hunter2")

    @app.get("/down")
    async def down():
        return fastapi.Response(status_code=503)

    @app.get("/slow")
    async def slow():
        await anyio.sleep_forever()

    @app.websocket("/feed/{name}")
    async def feed(socket: fastapi.WebSocket, name: str):
        await socket.accept()
        app.state.seen = trace.get_current_span()
        await socket.close()

    app.add_middleware(MeshMiddleware, pipeline=traces.pipeline(*policies, name="shop", **options))
    return app


def calls(app):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://shop.test")


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("/orders/17", "GET /orders/{number}", {"http.response.status_code": 200, "http.route": "/orders/{number}"}),
        ("/orders/x", "GET /orders/{number}", {"http.response.status_code": 422, "http.route": "/orders/{number}"}),
        ("/none", "GET", {"http.response.status_code": 404}),
        ("/down", "GET /down", {"http.response.status_code": 503, "http.route": "/down", "error.type": "503"}),
        ("/broken", "GET /broken", {"http.route": "/broken", "error.type": "ValueError"}),  # answered outside of us
    ],
)
async def test_a_request_that_comes_in(traces, path, name, expected):
    app = shop(traces)
    async with calls(app) as http:
        await http.get(path, params={"token": "hunter2"}, headers={"authorization": "hunter2"})
    (span,) = traces.spans()
    assert (span.name, span.kind, span.parent) == (name, SpanKind.SERVER, None)
    assert dict(span.attributes) == expected | {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": path,
        "network.protocol.version": "1.1",
        "meshkit.pipeline": "shop",
        "meshkit.outcome": "failure" if "error.type" in expected else "success",
    }
    assert span.status.status_code is (ERROR if "error.type" in expected else UNSET)
    if path == "/orders/17":
        assert app.state.seen.get_span_context() == span.context


async def test_a_request_that_is_refused(traces):
    app = shop(traces, RateLimit("1/h", name="quota"))
    async with calls(app) as http:
        assert [(await http.get("/orders/17")).status_code for _ in range(2)] == [200, 429]
    _, span = traces.spans()
    assert span.attributes["http.response.status_code"] == 429
    assert span.attributes["meshkit.outcome"] == "rejected"
    assert span.status.status_code is UNSET  # a mistake of the client's, and none of ours
    assert told(span)[0][1]["error.type"] == "RateLimited"


@pytest.mark.parametrize(
    ("translate", "expected"),
    [
        (True, {"http.response.status_code": 503, "error.type": "503"}),
        (False, {"error.type": "RateLimited"}),  # whoever is outside answers
    ],
)
async def test_a_refusal_from_further_in_is_none_of_ours(traces, translate, expected):
    @Pipeline(RateLimit("1/h", name="theirs"))
    async def charge():
        pass

    async def app(scope, receive, send):
        await charge()
        await charge()

    async with calls(MeshMiddleware(app, traces.pipeline(), translate=translate)) as http:
        assert (await http.get("/")).status_code == (503 if translate else 500)
    (span,) = traces.spans()
    said = {key: span.attributes.get(key) for key in ("http.response.status_code", "error.type")}
    assert said == {"http.response.status_code": None} | expected
    assert span.attributes["meshkit.outcome"] == "failure"
    assert span.events == ()


def test_a_request_that_takes_too_long(traces):
    app = shop(traces, Timeout(2.0), clock=virtual_clock)

    async def scenario():
        async with calls(app) as http:
            assert (await http.get("/slow")).status_code == 504

    run(scenario)
    (span,) = traces.spans()
    assert span.attributes["http.response.status_code"] == 504
    assert span.attributes["error.type"] == "504"
    assert (seconds(span), span.status.status_code) == (2.0, ERROR)


async def test_a_websocket_is_one_span(traces):
    app = shop(traces)
    sent, came = [], [{"type": "websocket.connect"}]

    async def receive():
        return came.pop()

    async def send(message):
        sent.append(message["type"])

    scope = {"type": "websocket", "path": "/feed/a", "raw_path": b"/feed/a", "query_string": b"", "headers": []}
    await app({**scope, "scheme": "wss", "subprotocols": [], "http_version": "1.1", "root_path": ""}, receive, send)
    (span,) = traces.spans()
    assert sent == ["websocket.accept", "websocket.close"]
    assert (span.name, span.kind) == ("GET /feed/{name}", SpanKind.SERVER)
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "url.scheme": "wss",
        "url.path": "/feed/a",
        "http.route": "/feed/{name}",
        "http.response.status_code": 101,
        "network.protocol.version": "1.1",
        "meshkit.pipeline": "shop",
        "meshkit.outcome": "success",
    }
    assert app.state.seen.get_span_context() == span.context


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
FORMATS = [
    pytest.param(
        TraceContextTextMapPropagator(),
        {"TraceParent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1"},
        {"traceparent": "00-{0}-{1}-01", "tracestate": "a=1"},
        id="w3c",
    ),
    pytest.param(B3SingleFormat(), {"B3": f"{TRACE}-{SPAN}-1"}, {"b3": "{0}-{1}-1"}, id="b3"),
    pytest.param(
        B3MultiFormat(),
        {"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Sampled": "1"},
        {"x-b3-traceid": "{0}", "x-b3-spanid": "{1}", "x-b3-sampled": "1"},
        id="b3multi",
    ),
    pytest.param(
        AwsXRayPropagator(),
        {"X-Amzn-Trace-Id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1"},
        {"x-amzn-trace-id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={{1}};Sampled=1"},
        id="xray",
    ),
]


class Relay:
    """A service that calls another one; what that was sent."""

    def __init__(self, serving, sending):
        self.upstream = Upstream(200)
        self._client = client(sending, self.upstream)
        self._app = MeshMiddleware(self._serve, serving)

    async def _serve(self, scope, receive, send):
        await self._client.get(URL)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def ask(self, headers):
        async with calls(self._app) as http:
            await http.get("/", headers=headers)
        return dict(self.upstream.attempts[-1].request.headers)


@pytest.mark.parametrize(("propagator", "come", "gone"), FORMATS)
async def test_the_context_comes_in_and_goes_out_as_the_propagators_say(traces, propagators, propagator, come, gone):
    propagators(propagator)
    sent = await Relay(traces.pipeline(), traces.pipeline()).ask(come)
    server, attempt = traces.spans()
    assert ids(attempt)[0] == ids(server)[0] == TRACE
    assert f"{server.parent.span_id:016x}" == SPAN
    assert attempt.parent.span_id == server.context.span_id
    assert {name: sent[name] for name in gone} == {name: value.format(*ids(attempt)) for name, value in gone.items()}
    assert not {"traceparent", "b3", "x-b3-traceid", "x-amzn-trace-id"} - {*gone} & {*sent}


@pytest.mark.parametrize("provider", [None, trace.NoOpTracerProvider()], ids=["global", "given"])
@pytest.mark.parametrize(("propagator", "come", "gone"), FORMATS)
async def test_where_nobody_records_the_context_is_passed_on(propagators, propagator, come, gone, provider):
    propagators(propagator)
    stack = Pipeline()
    stack.listen(Tracing(tracer_provider=provider))
    relay = Relay(stack, stack)
    sent = await relay.ask(come)
    assert {name: sent[name] for name in gone} == {name: value.format(TRACE, SPAN) for name, value in gone.items()}
    sent = await relay.ask({})
    assert not {*gone} & {*sent}
    assert stack.failed_listeners == 0


async def test_where_nobody_records_and_nothing_came_a_call_is_not_even_followed():
    tracing, asked = Tracing(), []

    class Follows:
        def follow(self, pipeline, call):
            asked.append(tracing.follow(pipeline, call))

    stack = Pipeline()
    stack.listen(Follows())
    await Relay(stack, stack).ask({})
    stack.call(len, "")
    assert asked == [None, None, None]


async def test_baggage_is_what_the_propagator_makes_of_it(traces, propagators):
    propagators(CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]))
    upstream = Upstream(200)
    token = context.attach(baggage.set_baggage("tenant", "a b"))
    async with client(traces.pipeline(), upstream) as http:
        await http.get(URL)
    context.detach(token)
    assert upstream.attempts[0].request.headers["baggage"] == "tenant=a+b"


async def test_a_trace_that_is_not_sampled_goes_on_unsampled():
    traces, upstream = Traces(sampler=ALWAYS_OFF), Upstream(500, 200)
    stack = traces.pipeline(Retry(on=500, backoff=Constant(0.0)))
    async with client(stack, upstream) as http:
        await http.get(URL)
    assert traces.spans() == []
    assert stack.failed_listeners == 0
    assert all(attempt.request.headers["traceparent"][-2:] in {"00", "02"} for attempt in upstream.attempts)


@pytest.mark.parametrize("key", ["suppress_instrumentation", "_SUPPRESS_INSTRUMENTATION_KEY"])
async def test_where_instrumentation_is_suppressed_there_are_no_spans(traces, key):
    stack = traces.pipeline()
    token = context.attach(context.set_value(getattr(context, key, key), True))
    async with client(stack, Upstream(200)) as http:
        await http.get(URL)
    stack.call(len, "")
    context.detach(token)
    assert traces.spans() == []


async def test_afterwards_all_is_as_before(traces):
    before = context.get_current()
    stack = traces.pipeline(Retry(on=500, attempts=2, backoff=Constant(0.0)), CircuitBreaker(failures=2, cooldown=9.0))
    async with client(stack, Upstream(500)) as http:
        await http.get(URL)
        assert context.get_current() == before
        with pytest.raises(CircuitOpen):
            await http.get(URL)
    assert context.get_current() == before


def test_what_is_no_provider():
    with pytest.raises(ConfigError, match="TracerProvider"):
        Tracing(tracer_provider="otlp")


def test_without_the_api_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "meshkit.observe.trace.tracing")
    with pytest.raises(ConfigError, match=r"pip install meshkit\[otel\]"):
        importlib.import_module("meshkit.observe.trace.tracing")
