"""A peer that is trusted asks why; and a trace passes through us, whoever takes part in it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from meshkit import CircuitBreaker, Pipeline, RateLimit, Retry, TimedOut, Timeout, last_call
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import AsyncMeshTransport
from meshkit.observe import Recorder

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STATE = "vendor=1"


class Shop:
    """An app that asks one upstream, and what was sent to that."""

    def __init__(self, *policies, **options):
        self.sent = []
        self.recorder = Recorder(errors=False, note=False)
        self.inner = Recorder(errors=False, note=False)
        stock = Pipeline(Retry("5xx"), name="stock")
        stock.listen(self.inner)
        self.client = httpx.AsyncClient(transport=AsyncMeshTransport(stock, httpx.MockTransport(self._upstream)))
        self.more = {}
        limits = Pipeline(*policies, name="shop")
        limits.listen(self.recorder)
        app = Starlette(routes=[Route("/orders/{number}", self._order)])
        self.app = MeshMiddleware(app, limits, **{"trusted": ["10.0.0.0/8"], **options})

    def _upstream(self, request):
        self.sent.append(request)
        return httpx.Response(503 if len(self.sent) == 1 else 200)

    async def _order(self, request):
        await self.client.get("http://stock.example/apples", headers=self.more)
        return PlainTextResponse("done")

    async def get(self, peer="10.0.0.9", **headers):
        transport = httpx.ASGITransport(self.app, client=(peer, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            return await client.get("/orders/7", headers={k.replace("_", "-"): v for k, v in headers.items()})


async def test_a_trusted_peer_is_told_where_the_time_went():
    shop = Shop(Timeout(5.0))
    answer = await shop.get(x_meshkit_explain="1")
    timing = answer.headers["server-timing"]
    assert timing.startswith("meshkit;dur=")
    assert ", stock.example;dur=" in timing
    assert 'desc="2 attempts"' in timing
    (record,) = shop.recorder.records
    assert (record.because, record.outcome) == ("asked", "success")
    assert record.data()["call"]["route"] == "/orders/{number}"
    assert [line["who"] for line in record.data()["ledger"]] == ["stock.example"]
    (inner,) = shop.inner.records
    assert (inner.because, inner.attempts) == ("asked", 2)


async def test_also_without_a_deadline():
    shop = Shop()
    answer = await shop.get(x_meshkit_explain="1")
    assert "stock.example;dur=" in answer.headers["server-timing"]


@pytest.mark.parametrize(
    ("peer", "value", "options"),
    [
        ("192.0.2.7", "1", {}),
        ("10.0.0.9", "0", {}),
        ("10.0.0.9", "false", {}),
        ("10.0.0.9", "1", {"explain": None}),
        ("10.0.0.9", "1", {"trusted": []}),
        ("10.0.0.9", "1", {"explain": "x-why"}),
    ],
)
async def test_nobody_else_is(peer, value, options):
    shop = Shop(**options)
    answer = await shop.get(peer, x_meshkit_explain=value)
    assert answer.status_code == 200
    assert "server-timing" not in answer.headers
    assert shop.recorder.records == shop.inner.records == ()


async def test_nor_who_comes_through_a_proxy_that_hands_on_what_anybody_writes():
    shop = Shop()
    answer = await shop.get(x_meshkit_explain="1", x_forwarded_for="192.0.2.7")
    assert "server-timing" not in answer.headers
    assert shop.recorder.records == ()


async def test_what_is_asked_ends_with_the_request():
    shop = Shop()
    await shop.get(x_meshkit_explain="1")
    await shop.get()
    assert len(shop.recorder.records) == len(shop.inner.records) == 1


async def test_a_refusal_says_why_to_who_asks_and_nothing_to_others():
    shop = Shop(RateLimit("1/min", burst=1, name="each"))
    await shop.get()
    plain = await shop.get()
    asked = await shop.get(x_meshkit_explain="1")
    assert plain.headers["proxy-status"] == "meshkit; error=http_request_denied"
    before, _, details = asked.headers["proxy-status"].partition("; details=")
    assert before == plain.headers["proxy-status"]
    assert details.startswith('"')
    assert details.endswith('"')
    assert "each" in details
    assert "server-timing" in asked.headers


async def test_trace_fields_pass_through():
    shop = Shop()
    await shop.get(traceparent=TRACE, tracestate=STATE, x_amzn_trace_id="Root=1-5759e988-bd862e3fe1be46a994272793")
    for request in shop.sent:
        assert request.headers["traceparent"] == TRACE
        assert request.headers["tracestate"] == STATE
        assert request.headers["x-amzn-trace-id"].startswith("Root=")
    await shop.client.get("http://stock.example/apples")
    assert "traceparent" not in shop.sent[-1].headers


async def test_not_where_the_caller_has_set_them():
    shop = Shop()
    other = TRACE.replace("4bf9", "aaaa")
    shop.more = {"traceparent": other}
    await shop.get(traceparent=TRACE, tracestate=STATE)
    assert shop.sent[0].headers["traceparent"] == other
    assert "tracestate" not in shop.sent[0].headers


async def test_what_is_malformed_goes_no_further():
    shop = Shop()
    await shop.get(traceparent="00-nonsense", tracestate=STATE, b3="x" * 1000)
    assert not {"traceparent", "tracestate", "b3"} & {*shop.sent[0].headers}


async def test_the_last_call_is_that_of_this_request():
    shop = Shop()
    await shop.get(x_meshkit_explain="1")
    assert last_call() is shop.recorder.records[-1]


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/items/7", "/items/{number}"),
        ("/v1/items/7", "/v1/items/{number}"),
        ("/of/ann/items/7", "/of/{who}/items/{number}"),
        ("/nr/007/items/7", "/*/items/{number}"),
        ("/by/ann/items/7", "/by/{num}/items/{number}"),
        ("/nowhere", None),
    ],
)
async def test_the_route_of_a_mounted_app(path, route):
    seen = []

    class Follow:
        detailed = False
        sending = answered = left = None

        def follow(self, pipeline, call):
            return self

        def __call__(self, event):
            pass

        def answering(self, call, status):
            seen.append(call.door.about(call).get("route"))
            return ()

    async def item(request):
        return PlainTextResponse("done")

    items = [Route("/items/{number}", item)]
    routes = [*items, Mount("/v1", Starlette(routes=items)), Mount("/of/{who}", routes=items)]
    routes.append(Mount("/nr/{id:int}", routes=items))
    routes.append(Mount("/by/{num}", routes=items))
    limits = Pipeline()
    limits.listen(Follow())
    app = MeshMiddleware(Starlette(routes=routes), limits)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
        await client.get(path)
    assert seen == [route]


async def beside(call, call_next):
    return await call_next()


async def test_the_ledger_with_a_middleware_in_between():
    shop = Shop(beside)
    answer = await shop.get(x_meshkit_explain="1")
    assert "stock.example;dur=" in answer.headers["server-timing"]
    (record,) = shop.recorder.records
    assert [line["who"] for line in record.data()["ledger"]] == ["stock.example"]


async def test_what_is_called_after_the_answer_is_not_on_its_record():
    shop = Shop()
    ended = anyio.Event()

    async def later():
        await ended.wait()
        await shop.client.get("http://late.example/")

    async with anyio.create_task_group() as group:

        async def order(request):
            group.start_soon(later)
            return PlainTextResponse("done")

        shop.app.app.router.routes.append(Route("/late", order))
        transport = httpx.ASGITransport(shop.app, client=("10.0.0.9", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            await client.get("/late", headers={"x-meshkit-explain": "1"})
        (record,) = shop.recorder.records
        before = record.data()
        ended.set()
    assert record.data() == before


@pytest.mark.parametrize("middlewares", [(), (beside,)])
def test_an_impatient_stranger_opens_no_breaker_by_what_outlives_the_request(middlewares):
    """A task that the app has left to itself runs out of the stranger's deadline: that is nobody's failure."""
    inner, sent = Pipeline(CircuitBreaker(failures=1)), []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)
        await asyncio.sleep(0)

    async def main():
        done = asyncio.Event()

        async def work():
            with suppress(TimedOut):
                await inner.call(asyncio.sleep, 5.0)
            done.set()

        async def app(scope, receive, send):
            await asyncio.shield(asyncio.create_task(work()))

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-request-deadline-ms", b"20")]}
        await MeshMiddleware(app, Pipeline(*middlewares))(scope, receive, send)
        await done.wait()

    asyncio.run(main())
    assert sent[0]["status"] == 504
    assert inner.snapshot()["CircuitBreaker"]["state"] == "closed"
