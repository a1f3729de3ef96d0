"""Bodies of requests and answers: are those too long broken off, those too fast slowed down, and nothing else?"""

from __future__ import annotations

import time
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from fastapi import FastAPI, Request

from meshkit import CircuitBreaker, ConcurrencyLimit, Fallback, Pipeline, Timeout
from meshkit.asgi import MeshMiddleware
from meshkit.asgi.bodies import Incoming
from meshkit.errors import Overlong, TooLarge
from meshkit.route.bandwidth import Bandwidth
from meshkit.route.buffer import Buffer
from meshkit.route.edit import RequestHeaders
from meshkit.route.local import App, Function
from meshkit.route.split import Branch, Split
from meshkit.testing import ManualClock, run, virtual_clock

from .routes import behind, body, part, saying, start
from .stand_ins import GONE, LAST, MORE, START, Client, Probe, answering, ask, http, websocket


async def reading(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the size of what it was sent."""
    size, more = 0, True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        size += len(message["body"])
        more = message["more_body"]
    await send(START)
    await send(body(str(size).encode()))


async def never(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody is to be asked")


# Requests that are too long.


async def test_a_length_that_is_too_long_is_refused_before_anybody_is_asked() -> None:
    app = behind(never, Buffer(max_request=10), policies=[probe := Probe()])
    client = Client()
    await app(http(method="POST", headers=[("content-length", "11")]), client.receive, client.send)
    assert client.status == 413
    assert client.headers["proxy-status"] == "meshkit; error=http_request_error"
    assert client.script  # the body was not read
    assert probe.verdicts == []
    assert app.pipeline.idle()


@pytest.mark.parametrize(
    "parts", [[part(b"12345", more=True), part(b"12345")], [part(b"1234567890")], [part(more=True), part()]]
)
@pytest.mark.parametrize("whole", [False, True])
async def test_what_is_short_enough_arrives(parts: list[Any], whole: bool) -> None:
    app = behind(reading, Buffer(max_request=10, whole=whole), policies=[probe := Probe()])
    client = await ask(app, http(), *parts)
    assert client.body == b"%d" % sum(len(each["body"]) for each in parts)
    assert probe.verdicts == ["success"]


async def swallowing(scope: Any, receive: Any, send: Any) -> None:
    try:
        await reading(scope, receive, send)
    except Exception:
        await send(start(500))
        await send(body(b"what was that?"))


async def silent(scope: Any, receive: Any, send: Any) -> None:
    with suppress(TooLarge):
        await reading(scope, receive, send)


async def wrapping(scope: Any, receive: Any, send: Any) -> None:
    try:
        await reading(scope, receive, send)
    except TooLarge as error:
        raise RuntimeError("a body that cannot be read") from error


async def grouping(scope: Any, receive: Any, send: Any) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reading, scope, receive, send)


@pytest.mark.parametrize("app", [reading, swallowing, silent, wrapping, grouping])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("to", [None, App, Function])
async def test_more_than_is_let_through_is_refused_on_the_way(app: Any, whole: bool, to: Any) -> None:
    """It said nothing of its length, or lied; and an app's answer to that is not what counts."""

    async def function(exchange: Any) -> None:
        await app(exchange.scope, exchange.receive, exchange.send)

    buffer = Buffer(max_request=10, whole=whole)
    destination = {None: None, App: App(app), Function: Function(function)}[to]
    routed = behind(app, buffer, to=destination, outside=[probe := Probe()], policies=[CircuitBreaker(failures=1)])
    for _ in range(2):
        parts = [part(b"123456", more=True), part(b"123456", more=True), part()]
        client = await ask(routed, http(headers=[("content-length", "7")]), *parts)
        assert client.status == 413
        assert client.types == ["http.response.start", "http.response.body"]
    assert probe.verdicts == ["ignored"] * 2
    assert routed.pipeline.idle()


async def test_an_answer_that_has_begun_is_broken_off() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        await reading(scope, receive, send)

    app = behind(app, Buffer(max_request=10), policies=[probe := Probe()])
    client = Client(part(b"12345678901"))
    with pytest.raises(TooLarge):
        await app(http(), client.receive, client.send)
    assert client.sent == [START, MORE]
    assert probe.verdicts == ["ignored"]


async def test_an_app_that_answers_already_may_see_to_it_itself() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        with pytest.raises(TooLarge):
            await receive()
        with pytest.raises(TooLarge):  # it is told so as often as it asks
            await receive()
        await send(body(b"too long"))

    client = await ask(behind(app, Buffer(max_request=1)), http(), part(b"12"))
    assert client.body == b"too long"


async def test_a_framework_makes_no_other_error_of_it() -> None:
    app = FastAPI()

    @app.post("/")
    async def endpoint(request: Request, data: dict[str, int]) -> dict[str, int]:
        return data

    for whole in (False, True):
        for most, status in ((8, 200), (7, 413)):
            routed = behind(app, Buffer(max_request=most, whole=whole))
            scope = http(method="POST", headers=[("content-type", "application/json")])
            client = await ask(routed, scope, part(b'{"a"', more=True), part(b": 1}"))
            assert client.status == status


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("app", [reading, swallowing, saying(start(200, content_length="100"))])
async def test_what_stands_instead_has_an_answer_of_its_own(app: Any, outside: bool) -> None:
    async def sorry(exchange: Any) -> None:
        await exchange.respond(200, body=b"sorry")

    buffer, fallback = Buffer(max_request=10, max_response=50), [Fallback(sorry)]
    routed = behind(app, buffer, outside=fallback if outside else (), policies=() if outside else fallback)
    client = await ask(routed, http(), part(b"12345678901"))
    assert (client.status, client.body) == (200, b"sorry")
    assert routed.pipeline.idle()


async def test_what_stands_instead_cannot_read_on() -> None:
    async def again(exchange: Any) -> None:
        await reading(exchange.scope, exchange.receive, exchange.send)

    client = await ask(behind(reading, Buffer(max_request=10), policies=[Fallback(again)]), http(), part(b"x" * 11))
    assert client.status == 413


async def test_a_fallback_may_stand_in() -> None:
    async def sorry(exchange: Any) -> None:
        await exchange.respond(200, body=b"another time")

    client = await ask(
        behind(reading, Buffer(max_request=1), outside=[Fallback(sorry)]), http(headers=[("content-length", "2")])
    )
    assert (client.status, client.body) == (200, b"another time")


# A request as a whole.


async def test_a_slow_client_holds_nothing_while_it_is_waited_for() -> None:
    seen = []

    class Slow(Client):
        async def receive(self) -> Any:
            seen.append(app.pipeline.idle())
            return await super().receive()

    app = behind(reading, Buffer(max_request=10, whole=True), policies=[ConcurrencyLimit(1)])
    client = Slow(part(b"123", more=True), part(b"456", more=True), part(b"789"))
    await app(http(), client.receive, client.send)
    assert client.body == b"9"
    assert seen == [True, True, True]


async def test_it_comes_at_once_and_then_what_the_server_says() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend([await receive(), await receive()])
        await send(START)
        await send(LAST)

    client = Client(part(b"123", more=True), part(b"456"), GONE)
    await behind(app, Buffer(max_request=10, whole=True))(http(), client.receive, client.send)
    assert seen == [part(b"123456"), GONE]


async def test_a_client_that_goes_meanwhile_is_let_go() -> None:
    app = behind(never, Buffer(max_request=10, whole=True), outside=[outer := Probe()], policies=[ConcurrencyLimit(1)])
    client = await ask(app, http(), part(b"123", more=True), GONE)
    assert client.sent == []
    assert outer.verdicts == ["ignored"]
    assert app.pipeline.idle()


# Answers that are too long.


async def test_an_answer_that_says_so_is_not_begun() -> None:
    app = behind(
        saying(start(200, content_length="11"), body(b"12345678901")),
        Buffer(max_response=10),
        policies=[probe := Probe()],
    )
    client = await ask(app)
    assert client.status == 502
    assert client.headers["proxy-status"] == "meshkit; error=http_response_body_size"
    assert probe.verdicts == ["failure"]
    assert app.pipeline.idle()


@pytest.mark.parametrize("messages", [[MORE, body(b"1234567890")], [body(b"12345678901")]])
async def test_an_answer_that_turns_out_so_is_broken_off(messages: list[Any]) -> None:
    app = behind(saying(START, *messages), Buffer(max_response=10), policies=[probe := Probe()])
    client = Client()
    with pytest.raises(Overlong, match="longer than 10 bytes"):
        await app(http(), client.receive, client.send)
    assert client.sent == [START, *messages[:-1]]  # the server is to break the connection off
    assert probe.verdicts == ["failure"]
    assert app.pipeline.idle()


@pytest.mark.parametrize(
    ("scope", "status"), [({}, 200), ({"method": "HEAD"}, 200), ({"method": "HEAD"}, 404), ({}, 304)]
)
async def test_what_is_no_longer_arrives(scope: Any, status: int) -> None:
    length = "10" if not scope and status == 200 else "99"
    messages = [start(status, content_length=length), body(b"1234567890")]
    client = await ask(behind(saying(*messages), Buffer(max_response=10)), http(**scope))
    assert client.sent == messages


# Bandwidth.


async def test_an_answer_is_paced() -> None:
    clock = ManualClock()
    app = behind(
        saying(START, body(b"x" * 2500, more=True), body(b"y" * 500)), Bandwidth(1000, burst=1000), clock=clock
    )
    client, times = Client(), []
    client.on_send = lambda message: times.append((clock(), len(message.get("body", b""))))
    await app(http(), client.receive, client.send)
    assert client.body == b"x" * 2500 + b"y" * 500
    assert client.sent[-1]["more_body"] is False
    assert all(message["more_body"] for message in client.sent[1:-1])
    assert clock() == pytest.approx(2.0)
    assert max(size for _, size in times) == 256
    for at, _ in times:
        assert sum(size for when, size in times if when <= at) <= 1000 + 1000 * at + 1e-6


async def test_a_request_is_paced() -> None:
    clock = ManualClock()
    app = behind(reading, Bandwidth(1000, burst=0, direction="request"), clock=clock)
    client = await ask(app, http(), part(b"x" * 1500, more=True), part(b"x" * 500))
    assert client.body == b"2000"
    assert clock() == pytest.approx(2.0)


async def test_who_goes_away_leaves_one_piece_to_the_others_at_most() -> None:
    class Waiting(ManualClock):
        async def asleep(self, seconds: float) -> None:
            await anyio.sleep_forever()

    clock = Waiting()
    app = behind(reading, Bandwidth("10kB/s", direction="request", shared=True), clock=clock)
    for _ in range(5):
        async with anyio.create_task_group() as group:
            group.start_soon(ask, app, http(), part(b"x" * 65536, more=True), part())
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    [pace] = app.pipeline.states[0].rules[0].plan.paces
    assert pace.request().take(1, clock()) <= 5 * 0.05 + 0.001


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("more", "seconds", "status"), [((), 2.0, 200), ((1000,), 4.0, 200), ((500,), 6.0, 413)])
async def test_a_branch_counts_and_paces_what_is_its_own_alone(
    whole: bool, more: tuple[int, ...], seconds: float, status: int
) -> None:
    """Its plan is another one than the route's: what both have in common is done once."""
    clock = ManualClock()
    own = [Bandwidth(rate, burst=0, direction="request") for rate in more]
    cap = [Buffer(max_request=1999)] if status == 413 else []
    split = Split(Branch(None, actions=[RequestHeaders(set={"x": "1"}), *own, *cap], name="a"))
    actions = Bandwidth(1000, burst=0, direction="request"), Buffer(max_request=2000, whole=whole)
    client = await ask(
        behind(reading, *actions, to=split, clock=clock), http(), *[part(b"x" * 500, more=True)] * 4, part()
    )
    assert client.status == status
    if status == 200:
        assert client.body == b"2000"
        assert clock() == pytest.approx(seconds if whole else 2.0)


def test_all_of_a_route_share_a_rate() -> None:
    ends: dict[str, list[float]] = {"alone": [], "shared": []}

    async def main() -> None:
        for shared, word in ((False, "alone"), (True, "shared")):
            bandwidth = Bandwidth("10kB/s", burst=0, shared=shared)
            app = behind(saying(START, body(b"x" * 10_000)), bandwidth, clock=virtual_clock)
            began = virtual_clock()

            async def one(app: Any = app, word: str = word, began: float = began) -> None:
                await ask(app)
                ends[word].append(virtual_clock() - began)

            async with anyio.create_task_group() as group:
                group.start_soon(one)
                group.start_soon(one)

    for backend in ("asyncio", "trio"):
        ends["alone"].clear()
        ends["shared"].clear()
        run(main, backend=backend)
        assert ends["alone"] == pytest.approx([1.0, 1.0], rel=0.02)
        assert sorted(ends["shared"]) == pytest.approx([2.0, 2.0], rel=0.05)


async def test_what_has_no_body_is_not_paced() -> None:
    clock = ManualClock()
    client = await ask(behind(answering(body=b"x" * 5000), Bandwidth(100, burst=0), clock=clock), http(method="HEAD"))
    assert clock() == 0.0
    assert len(client.sent) == 2


async def test_no_file_is_sent_past_it() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["extensions"])
        await send(START)
        await send(LAST)

    extensions = {"http.response.pathsend": {}, "http.response.zerocopysend": {}, "http.response.trailers": {}}
    await ask(behind(app, Bandwidth(1000)), http(extensions=extensions))
    await ask(behind(app, Bandwidth(1000, direction="request")), http(extensions=extensions))
    assert seen == [{"http.response.trailers": {}}, extensions]


def test_a_deadline_that_passes_meanwhile_is_not_the_app_s() -> None:
    async def main() -> None:
        breaker = CircuitBreaker(failures=1)
        app = behind(
            saying(START, body(b"x" * 10_000)),
            Bandwidth(1000),
            policies=[Timeout(2.0), breaker, probe := Probe()],
            clock=virtual_clock,
        )
        client = Client()
        with pytest.raises(TimeoutError, match="the answer was not complete 2 s after the call began"):
            await app(http(), client.receive, client.send)
        assert virtual_clock() == pytest.approx(2.0)
        assert 1500 < len(client.body) < 2500
        assert probe.verdicts == ["ignored"]
        assert app.pipeline.idle()

    run(main)


# All of them.


async def test_a_websocket_passes_untouched() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": b"x" * 100})
        await send({"type": "websocket.close"})

    clock = ManualClock()
    app = behind(app, Buffer(max_request=1, max_response=1, whole=True), Bandwidth(1, direction="both"), clock=clock)
    client = await ask(app, websocket(), {"type": "websocket.connect"})
    assert client.types == ["websocket.accept", "websocket.send", "websocket.close"]
    assert clock() == 0.0


async def test_so_many_at_once_of_each_client() -> None:
    """In-flight limits per source are a `ConcurrencyLimit` by key, among a route's policies."""
    inside, leave = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/stay":
            inside.set()
            await leave.wait()
        await send(START)
        await send(LAST)

    app = behind(app, policies=[ConcurrencyLimit(1, key="client")])
    async with anyio.create_task_group() as group:
        group.start_soon(ask, app, http("/stay"))
        await inside.wait()
        assert (await ask(app)).status == 503
        assert (await ask(app, http(client=("198.51.100.9", 1)))).status == 200
        leave.set()
    assert app.pipeline.idle()


async def test_cancelled_after_each_step() -> None:
    class Waiting(ManualClock):
        async def asleep(self, seconds: float) -> None:
            await anyio.lowlevel.checkpoint()
            self.advance(seconds)

    finished = steps = 0
    verdicts = set()
    while not finished:
        actions = [
            Buffer(max_request=100, max_response=10_000, whole=True),
            Bandwidth(1000, direction="both", shared=True),
        ]
        outer = Probe()
        policies = [ConcurrencyLimit(1, queue=1), CircuitBreaker()]
        app = behind(reading, *actions, outside=[Timeout(60.0), outer], policies=policies, clock=Waiting())
        async with anyio.create_task_group() as group:

            async def one(app: Any = app) -> None:
                nonlocal finished
                await ask(app, http(), part(b"x" * 60, more=True), part(b"x" * 40))
                finished += 1

            group.start_soon(one)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        assert app.pipeline.idle()
        assert outer.inside == 0
        verdicts.update(outer.verdicts)
        steps += 1
        assert steps < 100
    assert verdicts == {"success", "ignored"}
    assert steps > 5


async def test_without_any_of_it_nothing_is_put_between() -> None:
    """The very messages, and the server's very functions."""
    client = Client()
    app = MeshMiddleware(saying(START, LAST), Pipeline())
    await app(http(), client.receive, client.send)
    assert client.sent[0] is START
    assert client.sent[1] is LAST
    client = Client()
    await behind(saying(START, LAST))(http(), client.receive, client.send)
    assert client.sent[0] is START
    assert client.sent[1] is LAST


async def test_a_refusal_further_in_is_not_about_this_client() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise TooLarge("what I have sent on is too long")

    middleware = behind(app, Buffer(max_request=10))
    with pytest.raises(TooLarge):
        await ask(middleware)
    translating = MeshMiddleware(app, middleware.pipeline, translate=True)
    assert (await ask(translating)).status == 503


class Slow:
    """A bucket that has nothing for a minute, until it has."""

    piece = 4
    wait = 60.0

    def take(self, size: int, now: float) -> float:
        return self.wait


async def test_a_part_that_waits_for_its_time_is_there_for_whoever_asks_next() -> None:
    slow = Slow()
    plan = SimpleNamespace(buffer=None, paces=[SimpleNamespace(request=lambda: slow)])
    told = [{"type": "http.request", "body": b"0123456789", "more_body": True}]

    async def source() -> Any:
        return told.pop()

    exchange = SimpleNamespace(source=source, refused=None, door=SimpleNamespace(clock=time.monotonic))
    incoming = Incoming(exchange, plan)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await incoming.receive()
    assert not told
    slow.wait = 0.0
    assert (await incoming.receive())["body"] == b"0123456789"
