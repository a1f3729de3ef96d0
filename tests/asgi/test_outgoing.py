"""Answers that a route changes: encoded, with a page in their place, and with what a browser asks for."""

from __future__ import annotations

import zlib
from typing import Any

import anyio
import anyio.lowlevel
import brotli
import pytest
import zstandard

from meshkit import ConfigError, Overloaded, Pipeline, RateLimit, Timeout
from meshkit.asgi import MeshMiddleware, encoders
from meshkit.engine.back import survived
from meshkit.route.answer import Respond
from meshkit.route.buffer import Buffer
from meshkit.route.compress import Compress
from meshkit.route.cors import Cors
from meshkit.route.edit import ResponseHeaders
from meshkit.route.local import App
from meshkit.route.match import Match
from meshkit.route.pages import Pages
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.testing import run, virtual_clock

from .routes import behind, body, part, saying, start
from .stand_ins import START, Client, Probe, answering, ask, http, websocket

TEXT = b"All that is gold does not glitter. " * 100
LONG = start(200, content_type="text/plain", content_length=str(len(TEXT)))
BROWSER = [("accept-encoding", "gzip, deflate, br, zstd")]
GZIP = [("accept-encoding", "gzip")]


def decoded(encoding: str | None, data: bytes) -> bytes:
    if encoding == "gzip":
        made = zlib.decompressobj(31)
        return made.decompress(data)
    if encoding == "br":
        return brotli.Decompressor().process(data)  # type: ignore[no-any-return]
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


# Compression.


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("level", [None, 1, 9])
async def test_an_answer_is_encoded(encoding: str, level: int | None) -> None:
    headers = start(200, content_type="text/html", content_length="3500", etag='"v1"', accept_ranges="bytes", x_a="1")
    app = behind(saying(headers, body(TEXT)), Compress(level=level), policies=[probe := Probe()])
    client = await ask(app, http(headers=[("accept-encoding", encoding)]))
    assert client.headers == {
        "content-encoding": encoding,
        "content-type": "text/html",
        "etag": 'W/"v1"',
        "x-a": "1",
        "vary": "accept-encoding",
    }
    assert len(client.body) < 200
    assert decoded(encoding, client.body) == TEXT
    assert client.sent[-1]["more_body"] is False
    assert probe.verdicts == ["success"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
async def test_each_part_of_a_stream_arrives_when_it_is_sent(encoding: str) -> None:
    client, arrived = Client(), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, content_type="application/x-ndjson"))
        for number in range(3):
            await send(body(b'{"number": %d}\n' % number, more=True))
            arrived.append(decoded(encoding, client.body))
        await send(body(more=True))
        await send(body())

    await behind(app, Compress())(http(headers=[("accept-encoding", encoding)]), client.receive, client.send)
    lines = [b'{"number": %d}\n' % number for number in range(3)]
    assert arrived == [b"".join(lines[: k + 1]) for k in range(3)]
    assert decoded(encoding, client.body) == b"".join(lines)
    assert len(client.sent) == 5  # nothing is sent for nothing


@pytest.mark.parametrize(
    ("changes", "scope", "vary"),
    [
        ({"content_encoding": "br"}, {}, False),
        ({"content_range": "bytes 0-9/99"}, {}, False),
        ({"content_digest": "sha-256=:x:"}, {}, False),
        ({"cache_control": "public, No-Transform"}, {}, False),
        ({"content_type": "image/png"}, {}, False),
        ({"content_type": "text/event-stream"}, {}, False),
        ({"content_length": "1023"}, {}, False),
        ({}, {"method": "HEAD"}, True),
        ({}, {"headers": []}, True),
        ({}, {"headers": [("accept-encoding", "deflate")]}, True),
        ({}, {"headers": [("accept-encoding", "gzip;q=0.5, identity")]}, True),
        ({"vary": "Cookie, Accept-Encoding"}, {"headers": []}, False),
        ({"vary": "*"}, {"headers": []}, False),
    ],
)
async def test_what_is_left_alone(changes: dict[str, str], scope: dict[str, Any], vary: bool) -> None:
    given = start(200, **{"content_type": "text/plain", "content_length": "3500", **changes})
    client = await ask(behind(saying(given, body(TEXT)), Compress()), http(**{"headers": BROWSER, **scope}))
    added = [(b"vary", b"accept-encoding")] if vary else []
    assert client.sent == [{**given, "headers": [*given["headers"], *added]}, body(TEXT)]


@pytest.mark.parametrize("status", [204, 206, 304])
async def test_some_statuses_are(status: int) -> None:
    given = start(status, content_type="text/plain")
    client = await ask(behind(saying(given, body(TEXT)), Compress()), http(headers=BROWSER))
    assert client.sent == [given, body(TEXT)]


async def test_without_a_type_it_is() -> None:
    client = await ask(behind(saying(START, body(TEXT)), Compress()), http(headers=BROWSER))
    assert client.sent == [START, body(TEXT)]


@pytest.mark.parametrize("kind", ["http.response.pathsend", "http.response.zerocopysend"])
@pytest.mark.parametrize("file", [True, False])
async def test_a_file_of_the_server_s_is(kind: str, file: bool) -> None:
    """Who sends the body is known when it comes: only then does the answer begin."""
    rest = {"type": kind, "path": "/f"} if file else body(TEXT)
    app = behind(saying(LONG, rest), Compress())
    client = await ask(app, http(headers=GZIP, extensions={kind: {}}))
    if file:
        assert client.sent == [LONG, rest]
    else:
        assert decoded("gzip", client.body) == TEXT
        assert client.headers["content-encoding"] == "gzip"
    assert app.pipeline.idle()


async def test_others_have_their_turn_while_a_long_body_is_encoded() -> None:
    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    data = bytes(range(256)) * 2048
    app = behind(saying(start(200, content_type="text/plain"), body(data)), Compress())
    async with anyio.create_task_group() as group:
        group.start_soon(another)
        await anyio.lowlevel.checkpoint()
        before, client = turns, await ask(app, http(headers=GZIP))
        group.cancel_scope.cancel()
    assert turns - before >= 7
    assert decoded("gzip", client.body) == data
    assert max(len(message["body"]) for message in client.sent[1:]) < 65_536 * 2


async def test_trailers_come_after_it() -> None:
    trailers = {"type": "http.response.trailers", "headers": [], "more_trailers": False}
    given = {**start(200, content_type="text/plain"), "trailers": True}
    app = behind(saying(given, body(TEXT), trailers), Compress())
    client = await ask(app, http(headers=GZIP))
    assert client.sent[0]["trailers"] is True
    assert decoded("gzip", client.body) == TEXT
    assert client.sent[-1] is trailers
    assert app.pipeline.idle()


async def test_an_app_that_breaks_off_does_not_seem_complete() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, content_type="text/plain"))
        await send(body(TEXT, more=True))
        raise LookupError

    client = Client()
    middleware = behind(app, Compress(), policies=[probe := Probe()])
    with pytest.raises(LookupError):
        await middleware(http(headers=GZIP), client.receive, client.send)
    assert all(message["more_body"] for message in client.sent[1:])
    assert not zlib.decompressobj(31).eof
    assert probe.verdicts == ["failure"]


async def test_what_was_sent_is_told_of() -> None:
    sizes = []

    class Watching(Probe):
        def enter(self, call: Any, now: float) -> None:
            self.exchange = call.request

        def exit(self, *_: Any) -> None:
            sizes.append(self.exchange.size)

    app = behind(saying(LONG, body(TEXT)), Compress(), Pages({404: "none"}), policies=[Watching()])
    client = await ask(app, http(headers=GZIP))
    await ask(behind(saying(start(404), body(TEXT)), Pages({404: "none"}), policies=[Watching()]))
    assert sizes == [len(client.body), 4]


async def test_what_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "MAKERS", {"br": (("no_such_package", None),), "zstd": ()})
    for cached in (encoders._maker, encoders.installed):
        cached.cache_clear()
    try:
        client = await ask(behind(saying(LONG, body(TEXT)), Compress()), http(headers=BROWSER))
        assert client.headers["content-encoding"] == "gzip"
        with pytest.raises(ConfigError, match=r'install "meshkit\[compress\]", or add "gzip"'):
            behind(saying(), Compress(("br", "zstd")))
    finally:
        for cached in (encoders._maker, encoders.installed):
            cached.cache_clear()


@pytest.mark.skipif(encoders._maker("zstd") is None, reason="no CPython with it")
def test_both_makers_of_zstd_agree() -> None:
    class Module:
        """Speaks as compression.zstd does."""

        class CompressionParameter:
            compression_level, window_log = "level", "window_log"

        class ZstdCompressor:
            FLUSH_BLOCK, FLUSH_FRAME = 1, 2

            def __init__(self, options: dict[str, int]) -> None:
                assert options == {"level": 3, "window_log": encoders.WINDOW}

            def compress(self, data: bytes) -> bytes:
                return b"<" + data

            def flush(self, mode: int) -> bytes:
                return b"|" * mode

    made = encoders.Zstd(Module, 3)
    assert (made.encode(b"a"), made.flush(), made.finish()) == (b"<a", b"|", b"||")


# Pages.

SORRY = "<h1>sorry</h1>"


async def test_a_page_takes_the_place_of_an_error() -> None:
    given = start(503, content_type="application/json", content_length="999", retry_after="7", content_encoding="gzip")
    app = behind(
        saying(given, body(b"x" * 500, more=True), body(b"x" * 499)),
        Pages({"5xx": SORRY}),
        ResponseHeaders(set={"x-frame-options": "DENY"}),
        policies=[probe := Probe()],
    )
    client = await ask(app)
    assert (client.status, client.body) == (503, SORRY.encode())
    assert client.headers == {
        "retry-after": "7",
        "x-frame-options": "DENY",
        "content-type": "text/html; charset=utf-8",
        "content-length": "14",
    }
    assert len(client.sent) == 2
    assert probe.verdicts == ["overloaded"]  # what the app has answered is judged
    assert app.pipeline.idle()


async def test_other_answers_have_none() -> None:
    client = await ask(behind(answering(404), Pages({"5xx": SORRY, 403: "no"})))
    assert (client.status, client.body) == (404, b"ok")


async def test_a_head_has_its_length_only() -> None:
    client = await ask(behind(answering(500, body=b"x"), Pages({"5xx": SORRY})), http(method="HEAD"))
    assert (client.status, client.body, client.headers["content-length"]) == (500, b"", "14")


async def test_another_status() -> None:
    client = await ask(behind(answering(500), Pages({"5xx": SORRY}, status=200, type="text/plain")))
    assert (client.status, client.headers["content-type"]) == (200, "text/plain")


async def test_a_page_is_made_for_the_request() -> None:
    def page(status: int, call: Any) -> str | None:
        return f"{status} {call.door.fact(call, 'path')}" if call.door.fact(call, "header:accept") else None

    app = behind(answering(404), Pages({404: page}))
    assert (await ask(app, http("/a", headers=[("accept", "text/html")]))).body == b"404 /a"
    assert (await ask(app, http("/a"))).body == b"ok"


async def test_a_page_that_fails_costs_no_answer() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError

    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200))
        await send(body(b"x", more=True))

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200))
        while True:
            await send(body(b"x" * 2**19, more=True))

    before = survived[0]
    for page in (lambda status, call: 1 // 0, App(broken), App(half), App(endless)):
        client = await ask(behind(answering(404), Pages({404: page})))
        assert (client.status, client.body) == (404, b"ok")
    assert survived[0] == before + 4


async def forever(scope: Any, receive: Any, send: Any) -> None:
    await anyio.sleep_forever()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("app", "seconds", "status", "took"),
    [(answering(500), None, 500, 1.0), (answering(500), 0.5, 500, 0.25), (forever, 0.5, 504, 1.5)],
)
def test_a_page_that_never_comes_costs_no_answer(
    backend: str, app: Any, seconds: float | None, status: int, took: float
) -> None:
    async def main() -> None:
        outside = [] if seconds is None else [Timeout(seconds)]
        mesh = behind(app, Pages({"5xx": App(forever)}), outside=outside, clock=virtual_clock)
        with anyio.fail_after(60):
            client = await ask(mesh)
        assert client.status == status
        assert virtual_clock() == pytest.approx(took)
        assert mesh.pipeline.idle()

    run(main, backend=backend)


async def test_an_app_is_asked_for_a_page() -> None:
    seen = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["method"], scope["path"], scope["query_string"], sorted(scope["headers"])))
        assert (await receive()) == part()
        await send(start(200, content_type="text/plain"))
        await send(body(b"so", more=True))
        await send(body(b"rry"))

    app = behind(answering(404), Pages({404: App(page)}))
    headers = [("host", "shop"), ("accept", "text/html"), ("cookie", "secret=1")]
    scope = http("/a%20b", headers=headers, query_string=b"q=1", method="POST")
    client = await ask(app, scope)
    assert (client.status, client.body) == (404, b"sorry")
    assert client.headers == {"content-type": "text/plain", "content-length": "5"}
    fields = [
        (b"accept", b"text/html"),
        (b"host", b"shop"),
        (b"x-code", b"404"),
        (b"x-format", b"text/html"),
        (b"x-original-uri", b"/a%20b?q=1"),
    ]
    assert seen == [("GET", "/", b"", fields)]


async def test_a_refusal_has_the_page_of_its_route() -> None:
    """Whether the policy stands in front of the router or is the route's: the route is known by then."""
    for options in ({"outside": [RateLimit("1/min")]}, {"policies": [RateLimit("1/min")]}):
        edit = ResponseHeaders(set={"x-frame-options": "DENY"})
        app = behind(answering(), edit, Pages({429: SORRY}), Cors("https://a.example"), **options)
        assert (await ask(app)).status == 200
        client = await ask(app, http(headers=[("origin", "https://a.example")]))
        assert (client.status, client.body) == (429, SORRY.encode())
        assert client.headers["content-type"] == "text/html; charset=utf-8"
        assert client.headers["retry-after"] == "60"
        assert client.headers["x-frame-options"] == "DENY"
        assert client.headers["access-control-allow-origin"] == "https://a.example"


async def test_a_refusal_has_the_fields_of_its_route() -> None:
    app = behind(answering(), ResponseHeaders(set={"x-frame-options": "DENY"}), policies=[Refusing()])
    client = await ask(app)
    assert client.headers["x-frame-options"] == "DENY"
    assert client.headers["content-length"] == str(len(client.body))


async def test_where_no_route_was_found_there_is_no_page() -> None:
    app = behind(answering(), Pages({"4xx": SORRY}), match=Match(host="a"))
    client = await ask(app, http(headers=[("host", "b")]))
    assert (client.status, client.headers["content-type"]) == (404, "application/problem+json")


async def test_a_function_s_page_for_a_refusal() -> None:
    app = behind(answering(), Pages({503: lambda status, call: call.door.fact(call, "path")}), policies=[Refusing()])
    assert (await ask(app, http("/busy"))).body == b"/busy"


class Refusing(Probe):
    def enter(self, call: Any, now: float) -> None:
        raise Overloaded


async def test_an_answer_made_here_has_one_too() -> None:
    client = await ask(behind(answering(), Pages({404: SORRY}), to=Respond(404, "none")))
    assert client.body == SORRY.encode()


async def test_an_error_of_any_length_has_one() -> None:
    given = [start(500, content_length="100"), body(b"x" * 100)]
    client = await ask(behind(saying(*given), Pages({"5xx": SORRY}), Buffer(max_response=50)))
    assert (client.status, client.body) == (500, SORRY.encode())
    client = await ask(behind(saying(start(200, content_length="100")), Pages({502: "long"}), Buffer(max_response=50)))
    assert (client.status, client.body) == (502, b"long")


async def test_the_rest_of_what_it_replaces_is_nobody_s() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**start(500), "trailers": True})
        await send(body(b"x", more=True))
        await send(body(b"y"))
        assert not routed.pipeline.idle()  # the app's answer has not ended
        await send({"type": "http.response.trailers", "headers": []})
        assert routed.pipeline.idle()

    routed = behind(app, Pages({500: SORRY}), policies=[Probe()])
    client = await ask(routed)
    assert client.types == ["http.response.start", "http.response.body"]
    assert "trailers" not in client.sent[0]


# CORS.

ORIGIN = ("origin", "https://a.example")
PREFLIGHT = [ORIGIN, ("access-control-request-method", "PUT")]
CORS = Cors(("https://a.example", "https://*.b.example"), methods=("GET", "PUT"), expose=("x-total",))


async def test_a_preflight_is_answered_in_front_of_the_route_s_policies() -> None:
    app = behind(saying(), CORS, outside=[outer := Probe()], policies=[inner := Probe()])
    client = await ask(app, http(method="OPTIONS", headers=PREFLIGHT))
    assert client.status == 204
    assert client.headers == {
        "vary": "origin, access-control-request-method, access-control-request-headers",
        "access-control-allow-origin": "https://a.example",
        "access-control-allow-methods": "GET, PUT",
        "access-control-max-age": "600",
    }
    assert client.body == b""
    assert (outer.verdicts, inner.verdicts) == (["success"], [])
    client = await ask(app, http(method="OPTIONS", headers=[("origin", "https://evil"), PREFLIGHT[1]]))
    assert (client.status, list(client.headers)) == (204, ["vary"])
    assert inner.verdicts == []


async def test_a_preflight_goes_the_way_of_what_it_asks_about() -> None:
    routes = [
        Route(Match(method="PUT"), Respond(201), actions=[CORS]),
        Route(Match(method="OPTIONS"), Respond(200, "options")),
        Route(Match(), Respond(200, "others")),
    ]
    app = MeshMiddleware(saying(), Pipeline(Router(routes)))
    assert (await ask(app, http(method="OPTIONS", headers=PREFLIGHT))).status == 204
    other = [ORIGIN, ("access-control-request-method", "GET")]
    assert (await ask(app, http(method="OPTIONS", headers=other))).body == b"options"  # that route has no Cors
    assert (await ask(app, http(method="OPTIONS", headers=[ORIGIN]))).body == b"options"


async def test_the_route_has_the_only_word() -> None:
    app = behind(
        saying(start(200, access_control_allow_origin="*", access_control_allow_credentials="true", vary="Cookie")),
        CORS,
    )
    for origin, told in (("https://x.b.example", True), ("https://evil.example", False)):
        client = Client()
        await app(http(headers=[("origin", origin)]), client.receive, client.send)
        fields = [(name.decode(), value.decode()) for name, value in client.sent[0]["headers"]]
        allowed = [("access-control-allow-origin", origin), ("access-control-expose-headers", "x-total")]
        assert fields == [("vary", "Cookie"), ("vary", "origin"), *(allowed if told else [])]


async def test_a_websocket_is_asked_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "headers": []})
        await send({"type": "websocket.close"})

    routed = behind(app, CORS, Compress(), Pages({"4xx": SORRY}))
    client = await ask(routed, websocket(headers=[("origin", "https://evil")]), {"type": "websocket.connect"})
    assert client.sent == [{"type": "websocket.accept", "headers": []}, {"type": "websocket.close"}]
    refusing = behind(app, CORS, Pages({"5xx": SORRY}), policies=[Refusing()])
    client = await ask(refusing, websocket(extensions={"websocket.http.response": {}}), {"type": "websocket.connect"})
    assert client.headers["content-type"] == "application/problem+json"


# Together.


async def test_cancelled_after_each_step() -> None:
    finished = steps = 0
    while not finished:
        app = behind(
            saying(start(200, content_type="text/plain"), body(TEXT * 60, more=True), body(TEXT)),
            Compress(),
            CORS,
            Pages({404: SORRY}),
            policies=[probe := Probe()],
        )
        async with anyio.create_task_group() as group:

            async def one(app: Any = app) -> None:
                nonlocal finished
                client = await ask(app, http(headers=[*GZIP, ORIGIN]))
                assert decoded("gzip", client.body) == TEXT * 61
                finished += 1

            group.start_soon(one)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        assert app.pipeline.idle()
        assert set(probe.verdicts) <= {"success", "ignored"}
        steps += 1
        assert steps < 60
    assert steps > 4


async def test_a_client_that_has_gone_is_gone() -> None:
    for action in (Compress(), CORS, Buffer(max_response=10**6)):
        app = behind(saying(LONG, body(TEXT)), action, policies=[probe := Probe()])
        client = Client(broken=1)
        with pytest.raises(OSError, match="the client has gone"):
            await app(http(headers=GZIP), client.receive, client.send)
        assert probe.verdicts == ["ignored"]
        assert app.pipeline.idle()
