"""What does an answer mean to the policies, what do routes make of it, and what is told of the call?"""

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import ssl
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from meshkit import (
    CircuitBreaker,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    Fallback,
    RateLimit,
    Retry,
    SingleFlight,
    StaleIfError,
    Verdict,
)
from meshkit.asgi.refusal import Refusals
from meshkit.call import Call
from meshkit.cluster.endpoint import Endpoint
from meshkit.config import Mesh
from meshkit.gateway import Gateway
from meshkit.observe import Metrics, Recorder
from meshkit.observe.events import CallEnded
from meshkit.observe.log.access_log import AccessLog
from meshkit.observe.prometheus import exposition
from meshkit.observe.trace.tracing import Tracing
from meshkit.route.answer import Redirect, Respond
from meshkit.route.bandwidth import Bandwidth
from meshkit.route.branch import Branch
from meshkit.route.buffer import Buffer
from meshkit.route.canary import Canary
from meshkit.route.compress import Compress
from meshkit.route.cors import Cors
from meshkit.route.edit import ResponseHeaders
from meshkit.route.local import App, Function
from meshkit.route.match import Match
from meshkit.route.pages import Pages
from meshkit.route.route import Route
from meshkit.route.split import Split
from meshkit.upstream.errors import ConnectFailed

from ..asgi.stand_ins import Probe
from ..upstream.peer import Peer
from ..upstream.rogue import CLOSE, OK, RESET, answers, until
from .visiting import ASYNCIO, Visitor, answer, begin, echoing, gate, part, said, shop, told, visit

pytestmark = ASYNCIO
LARGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
TEXT = b"three apples, " * 300


def chunked(*parts: bytes) -> bytes:
    return LARGE + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in parts) + b"0\r\n\r\n"


# Verdicts.


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (answer(), "success"),
        (answer(status=404), "success"),
        (answer(status=429), "overloaded"),
        (answer(status=500), "failure"),
        (answer(status=503), "failure"),
        (answer(b"", "Retry-After: 3", status=503), "overloaded"),
        (answer(b"", "Retry-After: 3", status=502), "failure"),
    ],
)
async def test_what_an_upstream_answers(data: bytes, verdict: str) -> None:
    probe = Probe()
    async with gate(answers(data), policies=[probe]) as (gateway, _):
        visitor = await visit(gateway)
        assert str(visitor.status).encode() == data.split()[1]
        assert visitor.field("proxy-status") is None  # it is none of the gateway's
        assert probe.verdicts == [verdict]


async def test_what_the_client_sends_is_no_failure_of_an_upstreams() -> None:
    probe = Probe()
    async with gate(outside=[probe]) as (gateway, _):
        assert (await visit(gateway, "/a", ("content-length", "x"))).status == 400
        assert "failure" not in probe.verdicts


async def test_a_breaker_opens_and_says_so() -> None:
    async with gate(answers(RESET), policies=[CircuitBreaker(failures=1)]) as (gateway, server):
        assert (await visit(gateway)).status == 502
        visitor = await visit(gateway)
        assert told(visitor) == (503, "destination_unavailable")
        assert int(visitor.field("retry-after") or 0) >= 1
        assert len(server.peers) == 1


async def test_limits_are_told() -> None:
    async with gate(echoing(), outside=[RateLimit("2/min")]) as (gateway, _):
        first, second, third = [await visit(gateway) for _ in range(3)]
        assert first.field("ratelimit-policy") == '"RateLimit";q=2;w=60'
        assert (first.field("ratelimit"), second.field("ratelimit")) == ('"RateLimit";r=1;t=30', '"RateLimit";r=0;t=30')
        assert told(third) == (429, "http_request_denied")
        assert json.loads(third.body)["violated-policies"] == ["RateLimit"]


async def test_a_permit_is_held_until_the_last_part_is_sent() -> None:
    released = asyncio.Event()
    script = answers((LARGE + b"2\r\nab\r\n", released, b"0\r\n\r\n"), OK)
    async with gate(script, policies=[ConcurrencyLimit(1)]) as (gateway, _):
        task = begin(gateway, visitor := Visitor())
        await until(lambda: visitor.body)
        assert told(await visit(gateway)) == (503, "connection_limit_reached")
        released.set()
        await task
        assert (await visit(gateway)).status == 200


async def test_nobody_served_but_known_hosts() -> None:
    async with gate(match=Match(host="shop.example", prefix="/shop")) as (gateway, server):
        assert told(await visit(gateway, "/else")) == (404, "destination_not_found")
        assert told(await visit(gateway, "/shop", ("host", "other.example"))) == (404, "destination_not_found")
        assert server.peers == []


async def test_what_keeps_answers_for_others_is_refused() -> None:
    for policy in (SingleFlight(), StaleIfError(60.0), Fallback(value="sorry")):
        with pytest.raises(ConfigError, match="Gateway: mesh="):
            async with gate(policies=[policy]):
                pass


# Where it leads.


async def test_who_answers_within_the_process() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-path", scope["raw_path"])]})
        await send({"type": "http.response.body", "body": message["body"]})

    async def function(exchange: Any) -> None:
        await exchange.respond(202, [(b"x-path", exchange.scope["raw_path"])], b"abc")

    for to, status in ((App(app), 201), (Function(function), 202)):
        async with gate(to=lambda _, to=to: to, actions=[ResponseHeaders(set={"x-b": "1"})]) as (gateway, _):
            visitor = Visitor(part(b"abc", more=False))
            await visit(gateway, "/a%20b", ("content-length", "3"), visitor=visitor, method="POST", raw_path=b"/a%20b")
            assert (visitor.status, visitor.body, visitor.field("x-b")) == (status, b"abc", "1")
            assert visitor.field("x-path") == "/a%20b"


async def test_an_app_that_raises_is_told_of_in_our_words(caplog: pytest.LogCaptureFixture) -> None:
    async def raises(*_: Any) -> None:
        raise LookupError("secret")

    probe = Probe()
    async with gate(to=lambda _: App(raises), policies=[probe]) as (gateway, _):
        visitor = await visit(gateway)
        assert told(visitor) == (500, "proxy_internal_error")
        assert b"secret" not in visitor.body
        assert probe.verdicts == ["failure"]
    assert "LookupError" in caplog.text


async def test_redirect_and_respond() -> None:
    async with gate(to=lambda _: Redirect(scheme="https", status=301)) as (gateway, _):
        visitor = await visit(gateway, query_string=b"q=1")
        assert (visitor.status, visitor.field("location")) == (301, "https://shop.example/a?q=1")
    async with gate(to=lambda _: Respond(418, "a teapot")) as (gateway, _):
        visitor = await visit(gateway)
        assert (visitor.status, visitor.body, visitor.field("proxy-status")) == (418, b"a teapot", None)


async def test_a_fallback_stands_in_for_an_upstream_with_the_body_that_was_sent() -> None:
    async def sorry(exchange: Any) -> None:
        message = await exchange.receive()
        await exchange.respond(200, (), b"kept: " + message["body"])

    async def fails(exchange: Any) -> None:
        await exchange.receive()
        raise LookupError

    async with gate(answers(RESET), policies=[Fallback(sorry)]) as (gateway, _):
        visitor = Visitor(part(b"abc", more=False))
        await visit(gateway, "/a", ("content-length", "3"), visitor=visitor, method="POST")
        assert (visitor.status, visitor.body) == (200, b"kept: abc")
    again = Retry(on=Exception, attempts=3, budget=None, backoff=Constant(0.001))
    async with gate(answers(RESET), policies=[again, Fallback(fails)]) as (gateway, server):
        visitor = Visitor(part(b"abc", more=False))
        await visit(gateway, "/a", ("content-length", "3"), visitor=visitor, method="PUT")
        assert visitor.status >= 500
        assert len(server.peers) == 1  # what was read by another is not sent again


async def test_a_split_keeps_a_session_by_its_cookie() -> None:
    script = echoing()
    split = lambda server: Split(Branch(shop(server), 50), Branch(Respond(299), 50), cookie="s")  # noqa: E731
    async with gate(script, to=split) as (gateway, _):
        first = await visit(gateway)
        cookie = (first.field("set-cookie") or "").partition(";")[0]
        assert cookie.startswith("s=")
        for _ in range(8):
            again = await visit(gateway, "/a", ("cookie", cookie))
            assert (again.status, again.field("set-cookie")) == (first.status, None)


async def test_a_canary_by_its_header() -> None:
    canary = lambda server: Canary(shop(server), Respond(299), header="x-canary")  # noqa: E731
    async with gate(echoing(), to=canary) as (gateway, _):
        assert (await visit(gateway)).status == 200
        assert (await visit(gateway, "/a", ("x-canary", "always"))).status == 299


# What a route makes of the answer.


async def test_fields_are_edited() -> None:
    actions = [ResponseHeaders(set={"server": "shop"}, add={"x-a": "2"}, remove=["x-powered-by"])]
    data = answer(b"ok", "Server: nginx", "X-A: 1", "X-Powered-By: PHP")
    async with gate(answers(data, RESET), actions=actions) as (gateway, _):
        visitor = await visit(gateway)
        assert (visitor.field("server"), visitor.field("x-a")) == ("shop", "1, 2")
        assert visitor.field("x-powered-by") is None
        assert (await visit(gateway)).field("server") == "shop"  # also of a refusal


@pytest.mark.parametrize("data", [answer(TEXT, "Content-Type: text/plain"), chunked(TEXT[:2000], TEXT[2000:])])
async def test_compress(data: bytes) -> None:
    async with gate(answers(data), actions=[Compress(["gzip"])]) as (gateway, _):
        visitor = await visit(gateway, "/a", ("accept-encoding", "gzip"))
        assert visitor.field("content-encoding") == "gzip"
        assert gzip.decompress(visitor.body) == TEXT
        assert visitor.over


async def test_what_is_compressed_and_breaks_off_has_no_end() -> None:
    async with gate(answers((LARGE + b"3\r\nabc\r\n", CLOSE)), actions=[Compress(["gzip"])]) as (gateway, _):
        task = begin(gateway, visitor := Visitor(), "/a", ("accept-encoding", "gzip"))
        await asyncio.wait([task])
        assert task.exception() is not None or visitor.status == 502
        assert not visitor.over or visitor.status == 502


async def test_cors() -> None:
    async with gate(echoing(), actions=[Cors("https://app.example")]) as (gateway, server):
        visitor = await visit(gateway, "/a", ("origin", "https://app.example"))
        assert visitor.field("access-control-allow-origin") == "https://app.example"
        asks = [("origin", "https://app.example"), ("access-control-request-method", "GET")]
        visitor = await visit(gateway, "/a", *asks, method="OPTIONS")
        assert (visitor.status, visitor.field("access-control-allow-methods")) == (204, "GET, HEAD, POST")
        assert server.peers[0].requests == 1


async def test_pages_stand_in_for_errors_of_an_upstream_and_for_our_own() -> None:
    actions = [Pages({"5xx": "sorry"})]
    async with gate(answers(answer(b"trace", status=500), RESET), actions=actions) as (gateway, _):
        for status in (500, 502):
            visitor = await visit(gateway)
            assert (visitor.status, visitor.body) == (status, b"sorry")
            assert visitor.field("content-length") == "5"


@pytest.mark.parametrize("whole", [False, True])
async def test_a_request_that_is_too_large(whole: bool) -> None:
    async with gate(answers(OK, OK), actions=[Buffer(max_request=1000, whole=whole)]) as (gateway, _):
        visitor = Visitor(part(b"a" * 999), part(b"b" * 99, more=False))
        await visit(gateway, "/a", ("transfer-encoding", "chunked"), visitor=visitor, method="PUT")
        assert told(visitor) == (413, "http_request_error")
        visitor = Visitor(part(b"a" * 999, more=False))
        await visit(gateway, "/a", ("transfer-encoding", "chunked"), visitor=visitor, method="PUT")
        assert visitor.status == 200


async def test_a_request_that_is_taken_in_as_a_whole_goes_on_when_it_is_there() -> None:
    script = echoing()
    async with gate(script, actions=[Buffer(max_request=1000, whole=True)]) as (gateway, server):
        visitor = Visitor(part(b"abc"))
        task = begin(gateway, visitor, "/a", ("content-length", "6"), method="PUT")
        await until(lambda: visitor.asked == 2)
        assert server.peers == []
        visitor.give(part(b"def", more=False))
        await task
        assert script.bodies == [b"abcdef"]


@pytest.mark.parametrize("data", [answer(b"a" * 11), chunked(b"a" * 11)])
async def test_an_answer_that_is_too_large(data: bytes) -> None:
    async with gate(answers(data), actions=[Buffer(max_response=10)]) as (gateway, _):
        task = begin(gateway, visitor := Visitor())
        await asyncio.wait([task])
        if data.startswith(LARGE):  # it had begun
            assert task.exception() is not None
            assert not visitor.over
        else:
            assert told(visitor) == (502, "http_response_body_size")


async def test_bandwidth() -> None:
    """In pieces of a twentieth of a second."""
    action = Bandwidth("40kB/s", burst=3000, direction="both")
    script = echoing(answer(b"a" * 3500))
    async with gate(script, actions=[action]) as (gateway, _):
        visitor = Visitor(part(b"b" * 3500, more=False))
        await visit(gateway, "/a", ("content-length", "3500"), visitor=visitor, method="PUT")
        assert visitor.body == b"a" * 3500
        assert max(len(each.get("body", b"")) for each in visitor.sent) <= 2000
        assert visitor.over
    assert script.bodies == [b"b" * 3500]


# What is told.


async def test_a_call_is_told_of_as_any_other() -> None:
    events: list[Any] = []
    lines: list[str] = []
    recorder, metrics = Recorder(), Metrics()
    async with gate(answers(answer(), answer(status=500), RESET)) as (gateway, server):
        pipeline = gateway.listening["public"].pipeline
        pipeline.listen(events.append, direct=True)
        pipeline.listen(AccessLog(lines.append, format="json"))
        pipeline.listen(recorder)
        metrics.watch(pipeline)
        for path in ("/a", "/b", "/c"):
            await visit(gateway, path, query_string=b"q=1")
        verdicts = [event.verdict.value for event in events if type(event) is CallEnded]
        assert verdicts == ["success", "failure", "failure"]
        assert pipeline.failed_listeners == 0
        assert [record.data()["answer"]["status"] for record in recorder.records] == [500, 502]
        logged = [json.loads(line) for line in lines]
        assert [(line["path"], line["status"]) for line in logged] == [("/a?*", 200), ("/b?*", 500), ("/c?*", 502)]
        assert [line["bytes"] for line in logged][:2] == [2, 2]
        assert all(line["route"] == "only" for line in logged)
        assert logged[0]["client"] == "192.0.2.7"
        text = exposition(metrics)[1].decode()
        assert f'endpoint="127.0.0.1:{server.port}"' in text
        assert 'route="only"' in text


async def test_what_the_gateway_answers_itself_is_counted_as_it_was_answered() -> None:
    metrics = Metrics()
    limit = RateLimit("2/min")
    async with gate(answers(OK, RESET), policies=[limit]) as (gateway, _):
        metrics.watch(gateway.listening["public"].pipeline)
        assert [(await visit(gateway, "/a")).status for _ in range(3)] == [200, 502, 429]
    samples = metrics.snapshot()["http_server_request_duration_seconds"]["samples"]
    counted = {(each["labels"]["http_route"], each["labels"]["http_response_status_code"]) for each in samples}
    assert counted == {("only", "200"), ("only", "502"), ("only", "429")}


async def test_a_span_of_its_own_in_the_trace_that_goes_on() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    script = echoing(answer(status=500), OK)
    again = Retry("5xx", attempts=2, budget=None, backoff=Constant(0.001))
    async with gate(script, policies=[again]) as (gateway, _):
        pipeline = gateway.listening["public"].pipeline
        pipeline.listen(Tracing(tracer_provider=provider))
        trace = "0af7651916cd43dd8448eb211c80319c"
        assert (await visit(gateway, "/a", ("traceparent", f"00-{trace}-b7ad6b7169203331-01"))).status == 200
        assert pipeline.failed_listeners == 0
    [span] = exporter.get_finished_spans()
    assert (span.kind, span.name, f"{span.context.trace_id:032x}") == (SpanKind.SERVER, "GET only", trace)
    sent = [dict(said(head))["traceparent"] for head in script.heads]
    assert sent == [f"00-{trace}-{span.context.span_id:016x}-01"] * 2


async def test_a_trusted_peer_may_ask_why() -> None:
    recorder = Recorder()
    async with gate(answers(RESET), listener={"trusted": ["192.0.2.0/24"]}) as (gateway, _):
        gateway.mesh.listen(recorder)
        visitor = await visit(gateway, "/a", ("x-meshkit-explain", "1"))
        assert visitor.status == 502
        assert "details=" in (visitor.field("proxy-status") or "")


async def test_an_answer_that_breaks_off_is_a_failure_in_the_log() -> None:
    lines: list[str] = []

    async def upstream(peer: Peer) -> None:
        await peer.request()
        await peer.send(LARGE + b"2\r\nab\r\n")
        await peer.over.wait()
        peer.reset()

    async with gate(upstream) as (gateway, server):
        gateway.mesh.listen(AccessLog(lines.append, format="json"))
        task = begin(gateway, visitor := Visitor())
        await until(lambda: visitor.body)
        server.peers[0].over.set()
        await asyncio.wait([task])
        assert task.exception() is not None
        [line] = [json.loads(line) for line in lines]
        assert (line["status"], line["outcome"], line["bytes"]) == (200, "failure", 2)


@pytest.mark.parametrize(
    ("cause", "hosts", "rewritten", "verdict", "status"),
    [
        (ssl.SSLCertVerificationError("no"), (), None, Verdict.IGNORED, 502),
        (ssl.SSLCertVerificationError("no"), ("*.example",), None, Verdict.IGNORED, 502),
        (ssl.SSLCertVerificationError("no"), ("shop.example",), None, Verdict.FAILURE, 502),
        (ssl.SSLCertVerificationError("no"), (), "shop.example", Verdict.FAILURE, 502),
        (ssl.SSLError("no"), (), None, Verdict.FAILURE, 502),
        (OSError(errno.EMFILE, "too many"), (), None, Verdict.IGNORED, 503),
        (OSError(errno.ECONNREFUSED, "refused"), (), None, Verdict.FAILURE, 502),
    ],
)
async def test_what_is_no_fault_of_an_endpoints(
    cause: Exception, hosts: Any, rewritten: Any, verdict: Verdict, status: int
) -> None:
    """A name that anybody may write, which a certificate is not for; and no room for another connection here."""
    error = ConnectFailed("no connection")
    error.__cause__ = cause
    gateway = Gateway(Mesh(routes=[Route(to=Respond(200))]))
    door = gateway.listening["all"].door
    call = Call(door, SimpleNamespace(gone=False), 0.0)
    call.endpoint = Endpoint("https://127.0.0.1:1")
    call.route = SimpleNamespace(host=rewritten, rule=SimpleNamespace(match=SimpleNamespace(host=hosts)))
    assert door.judge(call, None, error) is verdict
    assert Refusals("meshkit").of(error)[0] == status
