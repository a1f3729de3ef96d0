"""One request: what is judged how, when everything is given back, what a deadline ends and what it lets be."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from meshkit import (
    AttemptTimedOut,
    CircuitBreaker,
    ConcurrencyLimit,
    ConfigError,
    DeadlineExceeded,
    Fallback,
    FaultInjection,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    SingleFlight,
    StaleIfError,
    Timeout,
    Verdict,
)
from meshkit.asgi import MeshMiddleware

from ..scripted import told_to
from .stand_ins import GONE, LAST, MORE, START, Client, Clock, Probe, answering, ask, http


class Broken(Exception):
    pass


def started(status: int, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (200, [], "success"),
        (304, [], "success"),
        (404, [], "success"),
        (428, [], "success"),
        (429, [], "ignored"),
        (431, [], "success"),
        (500, [], "failure"),
        (503, [], "failure"),
        (503, [(b"Retry-After", b"1")], "overloaded"),
        (500, [(b"retry-after", b"1")], "failure"),
    ],
)
async def test_the_status_is_the_verdict(status: int, headers: Any, verdict: str) -> None:
    pipeline = Pipeline(probe := Probe())
    client = await ask(MeshMiddleware(answering(status, headers), pipeline))
    assert client.sent == [{**START, "status": status, "headers": headers}, {**LAST, "body": b"ok"}]
    assert probe.verdicts == [verdict]
    assert pipeline.idle()


async def test_headers_that_can_be_read_once_only_arrive() -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "status": 503, "headers": (pair for pair in [(b"retry-after", b"1")])})
        await send(LAST)

    client = await ask(MeshMiddleware(app, pipeline))
    assert client.headers == {"retry-after": "1"}
    assert probe.verdicts == ["overloaded"]


async def test_an_app_that_raises_has_failed_and_its_error_passes() -> None:
    pipeline = Pipeline(probe := Probe())
    broken = Broken()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise broken

    with pytest.raises(Broken) as raised:
        await ask(MeshMiddleware(app, pipeline))
    assert raised.value is broken
    assert not hasattr(broken, "__notes__")
    assert probe.verdicts == ["failure"]


@pytest.mark.parametrize("messages", [[], [START], [START, MORE]])
async def test_no_answer_or_half_of_one_is_a_failure(messages: list[Any]) -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    client = await ask(MeshMiddleware(app, pipeline))
    assert client.sent == messages
    assert probe.verdicts == ["failure"]


async def test_a_stream_that_breaks_off_is_a_failure() -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        raise Broken

    with pytest.raises(Broken):
        await ask(MeshMiddleware(app, pipeline))
    assert probe.verdicts == ["failure"]


@pytest.mark.parametrize(
    ("messages", "held"),
    [
        ([START, LAST], 0),
        ([START, MORE, LAST], 0),
        ([START, MORE], 1),
        ([START, {"type": "http.response.body"}], 0),
        ([START, {"type": "http.response.pathsend", "path": "/f"}], 0),
        ([START, {"type": "http.response.zerocopysend", "file": 3, "more_body": True}], 1),
        ([START, {"type": "http.response.zerocopysend", "file": 3}], 0),
        ([{**START, "trailers": True}, LAST], 1),
        ([{**START, "trailers": True}, LAST, {"type": "http.response.trailers", "more_trailers": True}], 1),
        ([{**START, "trailers": True}, LAST, {"type": "http.response.trailers"}], 0),
        ([{"type": "http.response.early_hint", "links": []}, START], 1),
        ([{"type": "http.response.debug", "info": {}}, START, LAST], 0),
    ],
)
async def test_the_last_message_gives_everything_back(messages: list[Any], held: int) -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            assert probe.inside == 1
            await send(message)
        assert probe.inside == held
        raise Broken

    client = Client()
    with pytest.raises(Broken):
        await MeshMiddleware(app, pipeline)(http(), client.receive, client.send)
    assert client.sent == messages  # unchanged, each as it came
    assert all(mine is theirs for mine, theirs in zip(messages, client.sent, strict=True))
    assert probe.verdicts == ["failure" if held else "success"]  # what comes after the end teaches nothing
    assert probe.inside == 0


async def test_nothing_is_given_back_before_the_last_chunk_is_out() -> None:
    pipeline = Pipeline(probe := Probe())
    client = Client()
    client.on_send = lambda message: inside.append(probe.inside)
    inside: list[int] = []
    await MeshMiddleware(answering(), pipeline)(http(), client.receive, client.send)
    assert inside == [1, 1]
    assert probe.inside == 0


async def test_latency_is_the_time_to_the_answers_beginning() -> None:
    pipeline = Pipeline(probe := Probe(), clock=(clock := Clock()))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.now += 2.0
        await send(START)
        clock.now += 30.0
        await send(LAST)
        clock.now += 300.0

    async def middleware(call: Any, call_next: Any) -> Any:
        return await call_next()

    await ask(MeshMiddleware(app, pipeline))
    assert probe.latencies == [2.0]
    pipeline = Pipeline(probe := Probe(), middleware, inner := Probe(), clock=clock)
    await ask(MeshMiddleware(app, pipeline))
    assert probe.latencies == inner.latencies == [2.0]


async def test_also_where_the_answer_breaks_off() -> None:
    pipeline = Pipeline(probe := Probe(), clock=(clock := Clock()))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.now += 2.0
        await send(START)
        clock.now += 30.0
        raise Broken

    with pytest.raises(Broken):
        await ask(MeshMiddleware(app, pipeline))
    assert probe.verdicts == ["failure"]
    assert probe.latencies == [2.0]


async def test_a_background_task_holds_no_permit() -> None:
    pipeline = Pipeline(ConcurrencyLimit(1), CircuitBreaker(failures=1))
    answers: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(LAST)
        if scope["path"] == "/first":
            answers.append((await ask(guarded, http("/second"))).status)
            raise Broken

    guarded = MeshMiddleware(app, pipeline)
    with pytest.raises(Broken):
        await ask(guarded, http("/first"))
    assert answers == [200]
    assert (await ask(guarded, http("/third"))).status == 200  # the breaker has not heard of it
    assert pipeline.idle()


async def test_also_where_a_middleware_stands_in_the_pipeline() -> None:
    async def middleware(call: Any, call_next: Any) -> Any:
        return await call_next()

    first, second = Probe(), Probe()
    pipeline = Pipeline(first, Timeout(60.0), middleware, second)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        assert (first.inside, second.inside) == (1, 1)
        await send(LAST)
        assert (first.inside, second.inside) == (0, 0)

    await ask(MeshMiddleware(app, pipeline))
    assert first.verdicts == second.verdicts == ["success"]
    assert pipeline.idle()


# The client goes away.


async def test_a_client_that_goes_before_the_answer_teaches_nothing() -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == GONE
        if scope["path"] == "/raises":
            raise Broken

    await ask(MeshMiddleware(app, pipeline), http(), GONE)
    with pytest.raises(Broken):
        await ask(MeshMiddleware(app, pipeline), http("/raises"), GONE)
    assert probe.verdicts == ["ignored", "ignored"]


async def test_a_client_that_goes_within_a_stream_teaches_nothing() -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        assert await receive() == GONE

    await ask(MeshMiddleware(app, pipeline), http(), GONE)
    assert probe.verdicts == ["ignored"]


@pytest.mark.parametrize(("status", "verdict"), [(200, "success"), (500, "ignored"), (429, "ignored")])
async def test_a_client_that_goes_unwaited_for_is_answered_all_the_same(status: int, verdict: str) -> None:
    """A success is one. An error page of somebody who could not read the request's body is not the app's failure."""
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({**START, "status": status})
        await send(LAST)

    await ask(MeshMiddleware(app, pipeline), http(), GONE)
    assert probe.verdicts == [verdict]


@pytest.mark.parametrize("broken", [0, 1, 2])
async def test_a_send_that_fails_is_a_client_that_has_gone(broken: int) -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        await send(LAST)

    client = Client(broken=broken)
    with pytest.raises(OSError, match="the client has gone"):
        await MeshMiddleware(app, pipeline)(http(), client.receive, client.send)
    assert probe.verdicts == ["ignored"]
    assert pipeline.idle()


async def test_an_oserror_of_the_apps_own_is_a_failure() -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise OSError("no such file")

    with pytest.raises(OSError, match="no such file"):
        await ask(MeshMiddleware(app, pipeline))
    assert probe.verdicts == ["failure"]


async def test_the_disconnect_that_follows_every_answer_is_none() -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "status": 500})
        await send(LAST)
        assert await receive() == GONE

    await ask(MeshMiddleware(app, pipeline), http(), GONE)
    assert probe.verdicts == ["failure"]


# Deadlines.


async def hang(scope: Any, receive: Any, send: Any) -> None:
    await anyio.sleep_forever()


async def test_a_deadline_that_passes_before_the_answer_is_a_504() -> None:
    pipeline = Pipeline(Timeout(0.01), probe := Probe())
    client = await ask(MeshMiddleware(hang, pipeline))
    assert client.status == 504
    assert client.types == ["http.response.start", "http.response.body"]
    assert probe.verdicts == ["failure"]
    assert pipeline.idle()


async def test_a_deadline_that_passes_within_the_answer_breaks_it_off() -> None:
    pipeline = Pipeline(Timeout(0.05), probe := Probe())  # of which the client takes less than a tenth

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        await anyio.sleep_forever()

    client = Client()
    said = r"^the answer was not complete 0\.\d+ s after the call began$"  # there was one
    with pytest.raises(DeadlineExceeded, match=said):
        await MeshMiddleware(app, pipeline)(http(), client.receive, client.send)
    assert client.sent == [START, MORE]  # and no last one: what is short is not silently complete
    assert probe.verdicts == ["failure"]


async def test_a_timeout_of_the_apps_own_keeps_its_words_within_the_answer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        raise DeadlineExceeded("no row within 2 s")

    with pytest.raises(DeadlineExceeded, match="no row within 2 s"):
        await ask(MeshMiddleware(app, Pipeline(Timeout(60.0))))


async def test_no_deadline_strikes_once_the_answer_is_complete() -> None:
    """The alarm's time comes while the background task runs."""
    pipeline = Pipeline(Timeout(0.1), probe := Probe())
    done = False

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal done
        await send(START)
        await send(LAST)
        until = anyio.current_time() + 0.12
        while anyio.current_time() < until:
            await anyio.lowlevel.checkpoint()
        done = True

    await ask(MeshMiddleware(app, pipeline))
    assert done
    assert probe.verdicts == ["success"]


async def test_a_call_of_the_apps_that_times_out_is_the_apps_own() -> None:
    pipeline = Pipeline(Timeout(60.0), probe := Probe())
    inner = Pipeline(Timeout(0.01))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner.call(anyio.sleep_forever)

    client = Client()
    with pytest.raises(DeadlineExceeded):
        await MeshMiddleware(app, pipeline)(http(), client.receive, client.send)
    assert client.sent == []
    assert probe.verdicts == ["failure"]


@pytest.mark.parametrize(
    ("error", "verdict", "status"),
    [
        (Overloaded("full", policy="payments/10.0.0.7", retry_after=2.5), "ignored", 503),
        (RateLimited("used up", policy="payments/10.0.0.7"), "ignored", 503),  # the client did not ask too often
        (AttemptTimedOut("no answer", endpoint="10.0.0.7"), "failure", 504),
    ],
)
async def test_what_the_app_lets_out_is_translated_only_if_asked(error: Exception, verdict: str, status: int) -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        await ask(MeshMiddleware(app, pipeline))
    client = await ask(MeshMiddleware(app, pipeline, translate=True))
    assert client.status == status
    assert b"10.0.0.7" not in client.body
    assert probe.verdicts == [verdict] * 2


async def test_what_is_translated_of_an_answer_that_has_begun_passes() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        raise Overloaded("full")

    with pytest.raises(Overloaded):
        await ask(MeshMiddleware(app, Pipeline(), translate=True))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("begins", [False, True])
async def test_what_an_app_leaves_behind_cannot_answer(begins: bool, anyio_backend: str) -> None:
    """It does its work in a task of its own that outlives its cancellation, as Django's does."""
    pipeline = Pipeline(Timeout(0.01), probe := Probe())
    go_on = asyncio.Event()
    behind: list[asyncio.Task[None]] = []

    async def work(send: Any) -> None:
        if begins:
            await send(START)
        await go_on.wait()
        await send(LAST if begins else START)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        behind.append(asyncio.ensure_future(work(send)))
        await asyncio.wait(behind)

    client = Client()
    if begins:
        with pytest.raises(DeadlineExceeded):
            await MeshMiddleware(app, pipeline)(http(), client.receive, client.send)
    else:
        await MeshMiddleware(app, pipeline)(http(), client.receive, client.send)
    sent = [*client.sent]
    go_on.set()
    with pytest.raises(OSError, match="the exchange is over"):
        await behind[0]
    assert client.sent == sent
    assert probe.verdicts == ["failure"]
    assert pipeline.idle()


# What a policy answers with.


@pytest.mark.parametrize(("status", "verdict"), [(503, "failure"), (200, "success")])
async def test_a_fault_is_answered_in_place_of_the_app(status: int, verdict: str) -> None:
    pipeline = Pipeline(probe := Probe(), FaultInjection(abort=status, when="header:x-chaos", expires=60.0))
    app = MeshMiddleware(answering(), pipeline)
    client = await ask(app, http(headers=[("x-chaos", "1")]))
    assert (client.status, client.body) == (status, b"")
    assert (await ask(app)).body == b"ok"
    assert probe.verdicts == [verdict, "success"]
    assert pipeline.idle()


async def test_a_fallback_answers_in_place_of_the_app() -> None:
    """Where it failed before answering, or was not asked. An answer that has begun is not followed by another."""

    async def sorry(exchange: Any) -> None:
        await answering(503, body=b"sorry")(exchange.scope, exchange.receive, exchange.send)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/raises":
            raise Broken
        await send({**START, "status": int(scope["path"][1:])})
        if scope["path"] == "/599":
            raise Broken
        await send(LAST)

    pipeline = Pipeline(Fallback(sorry), RateLimit("4/h"), probe := Probe())
    guarded = MeshMiddleware(app, pipeline)
    assert (await ask(guarded, http("/raises"))).body == b"sorry"
    assert (await ask(guarded, http("/500"))).body == b"."
    assert (await ask(guarded, http("/200"))).body == b"."
    client = Client()
    with pytest.raises(Broken):
        await guarded(http("/599"), client.receive, client.send)
    assert client.types == ["http.response.start"]
    assert (await ask(guarded, http("/200"))).body == b"sorry"
    assert probe.verdicts == ["failure", "failure", "success", "failure"]
    assert pipeline.idle()


@pytest.mark.parametrize(
    ("policy", "fix"),
    [
        (SingleFlight(key="path"), "put it into a client's pipeline"),
        (StaleIfError(60.0), "put it into a client's pipeline"),
        (Fallback(value="sorry"), "give a function of the exchange"),
    ],
)
def test_what_cannot_answer_a_request_is_refused(policy: Any, fix: str) -> None:
    with pytest.raises(ConfigError, match=fix):
        MeshMiddleware(answering(), Pipeline(policy))


# Judges, scopes, leftovers.


async def test_a_judge_overrules() -> None:
    seen: list[Any] = []

    def judge(exchange: Any, error: BaseException | None) -> Verdict | None:
        seen.append((exchange.scope["path"], exchange.status, error))
        if exchange.status == 404:
            return Verdict.FAILURE
        return Verdict.IGNORED if isinstance(error, Broken) else None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/raises":
            raise broken
        await answering(int(scope["path"][1:]))(scope, receive, send)

    broken = Broken()
    pipeline = Pipeline(probe := Probe())
    guarded = MeshMiddleware(app, pipeline, judge=judge)
    await ask(guarded, http("/404"))
    await ask(guarded, http("/500"))
    with pytest.raises(Broken):
        await ask(guarded, http("/raises"))
    assert probe.verdicts == ["failure", "failure", "ignored"]
    assert seen == [("/404", 404, None), ("/500", 500, None), ("/raises", None, broken)]


@pytest.mark.parametrize("kind", ["lifespan", "something.new"])
async def test_other_scopes_pass_untouched(kind: str) -> None:
    seen: list[Any] = []

    async def app(*arguments: Any) -> None:
        seen.extend(arguments)

    client = Client()
    given = ({"type": kind}, client.receive, client.send)
    await MeshMiddleware(app, Pipeline(RateLimit("1/h", key="client"), probe := Probe()))(*given)
    assert all(mine is theirs for mine, theirs in zip(given, seen, strict=True))
    assert probe.verdicts == []


async def test_the_events_of_a_request() -> None:
    pipeline = Pipeline(ConcurrencyLimit(1), clock=Clock())
    events: list[Any] = []
    pipeline.listen(told_to(events), direct=True)
    await ask(MeshMiddleware(answering(500), pipeline))
    await ask(MeshMiddleware(answering(), pipeline))
    assert [(event.verdict.value, event.failure and event.failure.status) for event in events] == [
        ("failure", 500),
        ("success", None),
    ]


@pytest.mark.parametrize("path", ["/200", "/raises", "/refused", "/hangs"])
async def test_nothing_keeps_a_request_alive(path: str) -> None:
    """No cycle of call, exchange, error, traceback and frame: the collector is not needed."""
    seen: list[weakref.ref[Any]] = []

    def key(call: Any) -> str:
        seen.append(weakref.ref(call.request))
        return str(call.request.scope["path"])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/raises":
            raise Broken
        if scope["path"] == "/hangs":
            await anyio.sleep_forever()
        await answering()(scope, receive, send)

    guarded = MeshMiddleware(app, Pipeline(RateLimit("1/h", key=key), Timeout(0.01)))
    if path == "/refused":
        await ask(guarded, http(path))
    gc.collect()
    gc.disable()
    try:
        with suppress(Broken):
            await ask(guarded, http(path))
        assert seen
        assert [each() for each in seen] == [None] * len(seen)
    finally:
        gc.enable()
