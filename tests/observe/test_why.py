"""Each kind of failure, through a real pipeline: is what its record tells true, and the same when it is read back?"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import partial
from types import SimpleNamespace

import anyio
import anyio.lowlevel
import httpx
import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    Constant,
    Fallback,
    FaultInjection,
    Hedge,
    LeastRequest,
    PeakEwma,
    Pipeline,
    RateLimit,
    Retry,
    RetryBudget,
    RoundRobin,
    Shared,
    Timeout,
    Verdict,
)
from meshkit.asgi import MeshMiddleware
from meshkit.cluster import OutlierDetection
from meshkit.deadline import opened
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.observe.record.journal import Journal
from meshkit.observe.record.recorder import Recorder
from meshkit.observe.record.story import summary, tell
from meshkit.testing import ManualClock, Upstream, Upstreams, after, answer, hang, run, stream, value, virtual_clock

from ..asgi.stand_ins import ask, http

pause = anyio.sleep
"""In virtual time."""
REFUSED = partial(ConnectionRefusedError, 111, "hunter2-canary")
NEVER = "hunter2-canary"
"""In the query, and in the text of exceptions: in no story."""
URL = f"http://orders/stock/7?token={NEVER}"
GET = "GET http://orders/stock/7"
ON = [ConnectionError, TimeoutError, 503, 429]
again = partial(Retry, ON, backoff=Constant(0.1))


def pipeline(*policies, clock=virtual_clock):
    return Pipeline(*policies, clock=clock, seed=1, name="orders")


def orders(*endpoints, **options):
    return Cluster("orders", [f"{each}:80" for each in endpoints or ("a", "b")], balancer=RoundRobin(), **options)


def upstreams(**scripts):
    return Upstreams({name: Upstream(*script) for name, script in scripts.items()})


def watched(listening, **options):
    """A recorder of failures, and one that wants it all."""
    light, full = Recorder(**options), Recorder(always=True, note=False)
    listening.listen(light)
    listening.listen(full)
    return SimpleNamespace(light=light, full=full)


def checked(record):
    """Its data, once it is sure that they survive a file, and that nothing is told that must not be."""
    data = record.data()
    assert tell(json.loads(record.json())) == record.text
    assert NEVER not in record.json() + record.text
    assert len(summary(data)) <= 200
    assert summary(data)[:50] == record.text[:50].split("\n")[0]
    return data


def told(seen, *, success=False):
    """The headline, and the data of the record in full; what a light record says is the same."""
    full = checked(seen.full.last)
    headline = seen.full.last.text.split("\n")[0]
    if success:
        assert seen.light.last is None
        return headline, full
    light = checked(seen.light.last)
    assert re.sub(r", its deadline of [\d.]+ m?s", "", headline) == tell(light).split("\n")[0]
    assert (light["because"], full["because"]) == ("error", "always")
    for name in ("outcome", "duration", "attempts", "failure", "call", "pipeline", "complete"):
        assert light[name] == full[name]
    return headline, full


def what(data):
    return [step["what"] for step in data["steps"]]


async def asked(policies, upstreams, *, method="GET", calls=1):
    """Through httpx, in virtual time: the last of so many calls."""
    listening = policies if isinstance(policies, Pipeline) else pipeline(*policies)
    for number in range(calls):
        seen = watched(listening) if number == calls - 1 else None
        async with httpx.AsyncClient(transport=AsyncMeshTransport(listening, upstreams.transport())) as client:
            with suppress(httpx.TransportError, ConnectionError):
                await client.request(method, URL)
    return seen


def over_http(*policies, method="GET", calls=1, **scripts):
    return run(partial(asked, policies, upstreams(**scripts), method=method, calls=calls))


def called(*policies, script, calls=1):
    """The same of a function."""
    listening = pipeline(*policies)

    async def main():
        upstream = Upstream(*script)

        async def charge(card):
            return await upstream()

        charge.__qualname__ = "charge"
        for number in range(calls):
            seen = watched(listening) if number == calls - 1 else None
            with suppress(Exception):  # whatever it is, the record is to say
                await listening(charge)(NEVER)
        return seen

    return run(main)


# Attempts.


def test_a_refused_connection_then_a_status_and_a_spent_budget():
    headline, data = told(
        over_http(again(budget=RetryBudget(ratio=0.0, floor=0.1)), orders(), a=[REFUSED()], b=[after(0.9, 503)])
    )
    assert headline == (
        f"{GET} failed after 1 s: the first attempt, on a:80, found the connection refused; the second, on b:80, was "
        "answered with status 503. The retry made no third: its budget was used up (1 retry for 1 call)."
    )
    assert (data["outcome"], data["attempts"], data["duration"]) == ("failure", 2, 1.0)
    assert data["failure"]["status"] == 503


def test_all_attempts_were_made():
    headline, data = told(over_http(again(attempts=3), orders("a"), a=[503, 429, 503]))
    assert headline == (
        f"{GET} failed after 0.2 s: the first attempt, on a:80, was answered with status 503; the second, on a:80, was "
        "answered with status 429; the third, on a:80, was answered with status 503. "
        "The retry made no fourth: 3 attempts are all it makes."
    )
    assert data["attempts"] == 3


def test_a_function_that_no_retry_was_for():
    headline, data = told(called(again(), script=[ValueError(NEVER)]))
    assert headline == "charge() failed after 0 s: it raised ValueError. No retry was for this failure."
    assert data["failure"]["says"] is None


def test_what_was_sent_is_not_sent_twice():
    headline, data = told(over_http(again(), orders(), method="POST", a=[503], b=[200]))
    assert headline == (
        "POST http://orders/stock/7 failed after 0 s: the only attempt, on a:80, was answered with status 503. "
        "No retry was for this failure (a POST that may have been sent is repeated only where the retry says so)."
    )
    assert data["attempts"] == 1


def test_attempts_that_timed_out():
    headline, data = told(over_http(again(attempts=2), Timeout(0.5), orders(), a=[hang()], b=[hang()]))
    assert headline == (
        f"{GET} timed out after 1.1 s: both attempts, on a:80 and b:80, were given up after 0.5 s without an answer. "
        "The retry made no third: 2 attempts are all it makes."
    )
    assert (data["outcome"], data["failure"]["error"]) == ("timeout", "AttemptTimedOut")


def test_the_deadline_passed():
    seen = over_http(Timeout(2.0), again(attempts=5), orders(), a=[REFUSED()], b=[hang()])
    headline, data = told(seen)
    assert headline == (
        f"{GET} ran out of time after 2 s, its deadline of 2 s: the first attempt, on a:80, found the connection "
        "refused; the second, on b:80, had no answer after 1.9 s when the deadline passed. "
        "The retry made no third: no time was left."
    )
    assert data["failure"]["error"] == "DeadlineExceeded"
    assert "  deadline: 2 s, nothing left" in seen.full.last.text


def test_a_retry_that_would_have_crossed_the_deadline():
    headline, data = told(over_http(Timeout(1.0), again(backoff=Constant(0.8)), orders(), a=[after(0.5, 503)], b=[200]))
    assert headline == (
        f"{GET} failed after 0.5 s: the only attempt, on a:80, was answered with status 503. "
        "The retry made no second: the deadline would have passed before it (0.5 s left)."
    )
    assert data["deadline"] == {"seconds": 1.0, "left": 0.5, "inherited": False}


def test_a_wait_that_is_too_long():
    headline, data = told(over_http(again(), orders(), a=[answer(429, retry_after=120)], b=[200]))
    assert headline == (
        f"{GET} met an overloaded upstream after 0 s: the only attempt, on a:80, was answered with status "
        "429, and asked to come back in 120 s. The retry made no second: the wait asked for, 120 s, is too long "
        "(it waits 60 s at most)."
    )
    assert data["outcome"] == "overloaded"


def test_a_kept_alive_connection_that_was_closed():
    gone = httpx.RemoteProtocolError("Server disconnected without sending a response.")
    headline, data = told(over_http(orders("a"), method="POST", a=[gone]))
    assert headline.startswith("POST http://orders/stock/7 failed after 0 s: the only attempt, on a:80, ")
    assert ("found its kept-alive connection closed" in headline) == data["failure"]["stale"]
    assert "RemoteProtocolError" in headline


def test_success_at_the_second_attempt():
    headline, data = told(over_http(again(), orders(), a=[REFUSED()], b=[after(0.2, 200)]), success=True)
    assert headline == (
        f"{GET} succeeded after 0.3 s: the first attempt, on a:80, found the connection refused; the second, on b:80, "
        "succeeded after 0.2 s."
    )
    assert data["failure"] is None


# Refusals.


def test_a_rate_limit():
    headline, data = told(called(RateLimit("1/s", burst=1, name="api"), script=[value(1)], calls=2))
    assert headline == (
        "charge() was rejected after 0 s, and was not made: the limit of its rate was reached "
        "(api: limit of 1/s reached; try again in 1 s)."
    )
    assert data["attempts"] == 0
    assert data["steps"][-1]["numbers"]["remaining"] == 0


def test_an_open_circuit():
    breaker = CircuitBreaker(failures=1, name="payments", cooldown=10.0)
    headline, data = told(over_http(orders("a", pipeline=[breaker]), a=[503], calls=2))
    assert headline == (
        f"{GET} was rejected after 0 s, and nothing was sent: the circuit breaker refused it "
        "(payments/a:80: open after 1 failures; next probe in 10 s)."
    )
    assert (data["outcome"], data["failure"]["policy"], data["failure"]["endpoint"]) == ("rejected", "payments", "a:80")


def test_a_second_attempt_was_refused():
    headline, data = told(over_http(again(), RateLimit("1/s", burst=1, name="api"), orders(), a=[503], b=[200]))
    assert headline == (
        f"{GET} failed after 0.1 s: the only attempt, on a:80, was answered with status 503. No second was made: "
        "the limit of its rate was reached (api: limit of 1/s reached; try again in 0.9 s)."
    )
    assert data["outcome"] == "failure"


def test_nobody_to_ask():
    outliers = OutlierDetection(consecutive_5xx=1, max_ejected=1.0)
    headline, data = told(over_http(orders("a", outliers=outliers, panic=0.0), a=[503], calls=2))
    assert headline.startswith(
        f"{GET} was rejected after 0 s, and nothing was sent: there was no endpoint to ask (orders: no endpoint to ask"
    )
    assert data["failure"]["error"] == "NoEndpoint"


@pytest.mark.parametrize(
    ("queue", "waited", "said"), [(0, 0.0, r"workers: [^;]+"), (1, 0.5, r"workers: [^;]*0\.5 s[^;]*")]
)
def test_no_room(queue, waited, said):
    limit = Shared(ConcurrencyLimit(1, queue=queue, name="workers"))
    holding, listening = pipeline(limit), pipeline(Timeout(0.5), limit)
    seen = watched(listening)

    async def main():
        upstream = Upstream(hang())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(holding(upstream))
            await anyio.lowlevel.checkpoint()
            with pytest.raises(Exception, match="workers"):
                await listening(upstream)()
            tasks.cancel_scope.cancel()

    run(main)
    headline, data = told(seen)
    because = rf"there was no room for it \({said}\)"
    assert re.fullmatch(rf"Upstream\(\) was rejected after {waited:g} s, and was not made: {because}\.", headline)
    assert (data["outcome"], data["duration"]) == ("rejected", waited)


def test_too_late():
    async def main():
        with opened(-1.0, virtual_clock):
            return await asked([Timeout(2.0)], upstreams(orders=[200]))

    headline, data = told(run(main))
    assert headline == (
        f"{GET} was rejected after 0 s, and nothing was sent: no time was left for it "
        "(deadline: the deadline it came with passed 1 s ago)."
    )
    assert data["attempts"] == 0


# What policies do about it.


def test_a_fallback_was_taken():
    headline, data = told(called(Fallback(value=7), again(attempts=2), script=[ConnectionError(NEVER)]), success=True)
    assert headline == (
        "charge() succeeded after 0.1 s, by the fallback: both attempts had a connection error (ConnectionError). "
        "The retry made no third: 2 attempts are all it makes."
    )
    assert what(data)[-1] == "fell-back"


def test_a_fallback_that_takes_longer_than_what_it_is_for():
    async def instead(card):
        await pause(0.4)
        return "instead"

    seen = called(Fallback(instead), Timeout(0.3), script=[hang()])
    headline, data = told(seen, success=True)
    assert headline == (
        "charge() succeeded after 0.7 s, by the fallback: the only attempt had no answer after 0.3 s when its time was "
        "over."
    )
    assert data["deadline"] is None
    assert "nothing left" not in seen.full.last.text


@pytest.mark.parametrize(
    ("most", "said"),
    [(0.5, "and had no answer in time either"), (9.0, "and was cut off")],
    ids=["timeout", "cancelled"],
)
def test_a_fallback_that_has_no_time_left(most, said):
    listening = pipeline(Timeout(most), Fallback(hang_on), Timeout(0.3))
    seen = watched(listening)

    async def charge():
        await pause(9.0)

    async def main():
        with anyio.move_on_after(0.7), suppress(TimeoutError):
            await listening(charge)()

    run(main)
    headline, data = told(seen)
    assert headline.endswith(
        f"the only attempt had no answer after 0.3 s when its time was over. The fallback was taken, {said}."
    )
    assert data["deadline"]["seconds"] == most


async def hang_on():
    await pause(9.0)


def test_a_fallback_that_failed_as_well():
    spare = Fallback(Cluster("spare", ["b:80"]), name="spare")
    headline, data = told(over_http(spare, orders("a"), a=[503], b=[500]))
    assert headline == (
        f"{GET} failed after 0 s: the first attempt, on a:80, was answered with status 503; the second, the "
        'fallback\'s, on b:80, was answered with status 500. The fallback "spare" was taken, and failed as well.'
    )
    assert data["steps"][-2]["cluster"] == "spare"


def test_a_fallback_for_what_was_refused():
    stack = Fallback(value=7), CircuitBreaker(failures=1, name="b")
    headline, _ = told(called(*stack, script=[ConnectionError(NEVER)], calls=2), success=True)
    assert headline == (
        "charge() succeeded after 0 s, by the fallback. The fallback was taken because the circuit breaker refused it "
        "(b: open after 1 failures; next probe in 10 s)."
    )


@pytest.mark.parametrize(
    ("first", "second", "said", "how"),
    [
        (
            hang(),
            after(0.1, 200),
            "the first attempt, on a:80, was given up after 0.3 s, as another was quicker; the second, on b:80",
            "and it was quicker",
        ),
        (
            after(0.3, 200),
            hang(),
            "the first attempt, on a:80, succeeded after 0.3 s; the second, on b:80",
            "and it lost",
        ),
    ],
    ids=["won", "lost"],
)
def test_a_hedge(first, second, said, how):
    headline, data = told(over_http(Hedge(after=0.2), orders(), a=[first], b=[second]), success=True)
    sent = f"The hedge sent the second beside those under way after 0.2 s, {how}."
    assert headline.startswith(f"{GET} succeeded after 0.3 s: {said}, ")
    assert headline.endswith(f". {sent}")
    assert headline.count("as another was quicker") == 1
    assert data["attempts"] == 2


def test_a_hedge_of_which_none_succeeds():
    headline, data = told(over_http(Hedge(after=0.2), orders(), a=[after(0.3, 503)], b=[after(0.3, 500)]))
    assert headline.endswith("The hedge sent the second beside those under way after 0.2 s, and none succeeded.")
    assert "on a:80, was answered with status 503" in headline
    assert data["outcome"] == "failure"


@pytest.mark.parametrize("abort", [503, ConnectionError])
def test_a_fault_on_purpose(abort):
    fault = FaultInjection(abort=abort, share=1.0, expires=60.0)
    seen = over_http(fault, orders(), a=[200], b=[200]) if abort == 503 else called(fault, script=[value(1)])
    headline, data = told(seen)
    assert headline.endswith("FaultInjection injected a fault on purpose.")
    given = "status 503" if abort == 503 else "ConnectionError"
    assert f" failed after 0 s: nothing was sent, and the caller was given {given}. " in headline
    assert what(data).count("fault") == 1


# How it ends, or does not.


@pytest.mark.parametrize(
    ("backoff", "said"),
    [
        (
            0.1,
            "the first attempt, on a:80, found the connection refused; the second, on b:80, was cut off after 0.4 s.",
        ),
        (5.0, "the only attempt, on a:80, found the connection refused; it was to wait 5 s before the next attempt."),
    ],
)
def test_it_was_cancelled(backoff, said):
    listening = pipeline(again(backoff=Constant(backoff)), orders())
    seen = watched(listening)

    async def main():
        transport = AsyncMeshTransport(listening, upstreams(a=[REFUSED()], b=[hang()]).transport())
        with anyio.move_on_after(0.5):
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get(URL)

    run(main)
    headline, data = told(seen)
    assert headline.startswith(f"{GET} was cancelled after 0.5 s: {said}")
    assert data["outcome"] == "cancelled"


def test_a_race_that_was_cancelled():
    listening = pipeline(Hedge(after=0.2), orders())
    seen = watched(listening)

    async def main():
        transport = AsyncMeshTransport(listening, upstreams(a=[hang()], b=[hang()]).transport())
        with anyio.move_on_after(0.5):
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get(URL)

    run(main)
    assert told(seen)[0].startswith(
        f"{GET} was cancelled after 0.5 s: the first attempt, on a:80, was cut off after 0.5 s; the second, on b:80, "
        "was cut off after 0.3 s."
    )


def judged(verdict, status):
    listening = pipeline(again())
    seen = watched(listening)
    inner = httpx.MockTransport(lambda request: httpx.Response(status))

    async def main():
        transport = AsyncMeshTransport(listening, inner, judge=lambda response, error: verdict)
        async with httpx.AsyncClient(transport=transport) as client:
            await client.get(URL)

    run(main)
    return seen


def test_an_answer_that_is_judged_to_say_nothing():
    headline, data = told(judged(Verdict.IGNORED, 404))
    assert headline == (
        f"{GET} ended after 0 s, in a way that counts against nobody: it was answered with status 404 after 0 s."
    )
    assert data["outcome"] == "ignored"


def test_an_answer_is_what_it_is_judged_to_be():
    assert told(judged(Verdict.SUCCESS, 501), success=True)[0] == f"{GET} succeeded after 0 s."
    assert told(judged(Verdict.FAILURE, 404))[0].startswith(f"{GET} failed after 0 s: it was answered with status 404.")


def test_a_mistake_is_no_connection_that_failed():
    seen = over_http(again(), orders("a"), a=[httpx.UnsupportedProtocol(NEVER)])
    headline, data = told(seen)
    assert headline.endswith("raised UnsupportedProtocol: the scheme of the URL is not supported.")
    assert data["failure"]["kind"] == "error"


def test_it_waited_before_its_first_attempt():
    listening = pipeline(Timeout(1.0), ConcurrencyLimit(1, queue=1))

    async def main():
        async def charge(seconds):
            await pause(seconds)

        charge.__qualname__ = "charge"
        async with anyio.create_task_group() as group:
            group.start_soon(listening(charge), 0.9)
            await pause(0.1)
            seen = watched(listening)
            with suppress(TimeoutError):
                await listening(charge)(5.0)
        return seen

    assert told(run(main))[0] == (
        "charge() ran out of time after 1 s, its deadline of 1 s: it had no answer after 0.2 s when the deadline "
        "passed. It waited 0.8 s before its first attempt."
    )


def test_it_is_still_under_way_while_its_body_is():
    listening = pipeline(again(), orders())
    seen = watched(listening)

    async def main():
        transport = AsyncMeshTransport(listening, upstreams(a=[503], b=[stream([b"x", b"y"], 0.5)]).transport())
        async with httpx.AsyncClient(transport=transport) as client, client.stream("GET", URL) as response:
            record = response.extensions["meshkit"]
            early, data = record.text, checked(record)
            await response.aread()
        return early, data

    early, data = run(main)
    assert early.startswith(
        f"{GET} is still under way: the first attempt, on a:80, was answered with status 503; the second, on b:80, has"
    )
    assert (data["complete"], data["outcome"], data["duration"]) == (False, None, None)
    headline, data = told(seen, success=True)
    assert headline.startswith(f"{GET} succeeded after ")
    assert data["complete"]


def test_behind_a_server():
    clock = ManualClock()
    limited = pipeline(RateLimit("1/s", burst=1, name="api"), clock=clock)
    seen = watched(limited)

    async def main():
        served = MeshMiddleware(lambda *_: pytest.fail("asked"), limited)
        limited.call(lambda: None)
        return await ask(served, http(path="/orders/7"))

    assert run(main).status == 429
    headline, data = told(seen)
    assert headline == (
        "Serving GET /orders/7 was rejected after 0 s, before the app was asked: the limit of its rate was reached "
        "(api: limit of 1/s reached; try again in 1 s). Its client was answered with status 429."
    )
    assert data["call"]["kind"] == "server"


def test_a_server_tells_who_spent_its_time():
    serving, calling = pipeline(Timeout(2.0)), Pipeline(again(attempts=2), clock=virtual_clock, name="stock")
    seen = watched(serving)
    stock = Upstream(after(0.3, ConnectionError(NEVER)))

    async def app(scope, receive, send):
        try:
            await calling(stock)()
        except ConnectionError:
            await send({"type": "http.response.start", "status": 502, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    assert run(partial(ask, MeshMiddleware(app, serving), http(path="/orders/7"))).status == 502
    headline, data = told(seen)
    assert headline.startswith(
        "Serving GET /orders/7 failed after 0.7 s: the app answered with status 502; Upstream, which it called, failed "
        "after 0.7 s in 2 attempts."
    )
    assert [line["who"] for line in data["ledger"]] == ["Upstream"]
    assert "  below: Upstream: 0.7 s, 2 attempts, failure, from +0 s" in seen.full.last.text.split("\n")


# Of a server.


def shop(script, *, own=None, **options):
    """The last but one call is that of the app; the last that of the request."""
    calling = pipeline(*(own or [Timeout(1.0)]))
    below = watched(calling)
    upstream = Upstream(*script)

    async def stock():
        return await upstream()

    stock.__qualname__ = "stock"

    async def app(scope, receive, send):
        await calling(stock)()

    return serving(app, Timeout(3.0), **options), below


def serving(app, *policies, headers=(), script=(), calls=1, raises=True, **options):
    listening = pipeline(*policies)
    seen = watched(listening)
    seen.clients = []

    async def main():
        for _ in range(calls):
            with suppress(Exception if raises else ()):
                scope = http(path="/buy/7", headers=headers)
                seen.clients.append(await ask(MeshMiddleware(app, listening, **options), scope, *script))

    run(main)
    return seen


def answering(status, *, body=True):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        if not body:
            raise KeyError(NEVER)
        await send({"type": "http.response.body", "body": b""})

    return app


OPEN = "the circuit breaker refused it (b: open after 1 failures; next probe in 10 s)"
DEAD = "ConnectionRefusedError: connection refused"


@pytest.mark.parametrize("translate", [False, True])
@pytest.mark.parametrize(
    ("script", "own", "calls", "said", "status"),
    [
        ([hang()], None, 1, "1 s: stock, which it called, ran out of time after 1 s.", 504),
        (
            [ConnectionError(NEVER)],
            [CircuitBreaker(failures=1, name="b", cooldown=10.0)],
            2,
            f"0 s: stock, which it called, was refused after 0 s: {OPEN}.",
            503,
        ),
        (
            [REFUSED()],
            [again(attempts=2)],
            1,
            f"0.1 s: the app raised {DEAD}; stock, which it called, failed after 0.1 s in 2 attempts.",
            None,
        ),
    ],
    ids=["late", "refused", "dead"],
)
def test_what_the_app_let_out(script, own, calls, said, status, translate):  # noqa: PLR0917  # a table
    seen, below = shop(script, own=own, calls=calls, translate=translate)
    headline, data = told(seen)
    answered = status if translate else None
    ending = "Nothing was answered: servers make a 500 of that."
    ending = f"Its client was answered with status {status}." if answered else ending
    assert headline == f"Serving GET /buy/7 failed after {said} {ending}"
    assert data["outcome"] == "failure"
    assert data["failure"]["own"] is False
    assert data["answer"] == {"status": answered, "by": "pipeline" if answered else None, "gone": False}
    if answered:
        assert seen.clients[-1].status == answered
    made = checked(below.full.last)
    assert made["within"] in {data["id"], checked(seen.light.last)["id"]}
    assert made["failure"]["own"] is (made["outcome"] != "failure")


@pytest.mark.parametrize("status", [429, 500])
def test_the_app_answers_so_itself(status):
    headline, data = told(serving(answering(status)))
    verb = "failed after 0 s" if status == 500 else "ended after 0 s, in a way that counts against nobody"
    assert headline == f"Serving GET /buy/7 {verb}: the app answered with status {status}."
    assert data["answer"] == {"status": status, "by": "app", "gone": False}


def test_its_own_deadline():
    async def app(scope, receive, send):
        await pause(9)

    headline, data = told(serving(app, Timeout(0.5)))
    assert headline == (
        "Serving GET /buy/7 ran out of time after 0.5 s, its deadline of 0.5 s: the app had no answer by then. Its "
        "client was answered with status 504."
    )
    assert data["failure"]["own"] is True


def test_the_callers_deadline():
    seen, below = shop([hang()], headers=[("x-request-timeout-ms", "100")], deadline=["x-request-timeout-ms"])
    inner = below.full.last.text.split("\n")
    assert inner[0] == (
        "stock() was cancelled after 0.1 s, at the deadline it came with, of 0.1 s: it was cut off after 0.1 s."
    )
    assert "  +0.100 s  the first attempt was cut off after 0.1 s" in inner
    assert "  the deadline it came with: 0.1 s, nothing left" in inner
    text = seen.light.last.text
    assert text.startswith("Serving GET /buy/7 ran out of time after 0.1 s, at the deadline it came with, of 0.1 s: ")
    assert text.count("below: ") == 1  # the request itself is not below it


def test_an_answer_that_breaks_off_in_a_server():
    headline, _ = told(serving(answering(200, body=False)))
    assert (
        headline
        == "Serving GET /buy/7 failed after 0 s: the app raised KeyError. Its answer, of status 200, broke off."
    )


def test_an_app_that_says_nothing():
    async def app(scope, receive, send):
        pass

    headline, _ = told(serving(app))
    assert headline == (
        "Serving GET /buy/7 failed after 0 s: the app returned without a whole answer. Nothing was answered: servers "
        "make a 500 of that."
    )


def test_a_client_that_has_gone():
    async def app(scope, receive, send):
        await receive()

    seen = serving(app, script=[{"type": "http.disconnect"}])
    headline, data = told(seen)
    assert headline == "Serving GET /buy/7 ended after 0 s, in a way that counts against nobody: its client had gone."
    assert data["answer"] == {"status": None, "by": None, "gone": True}
    assert "the app ended after 0 s, its client gone" in seen.full.last.text


# Of what another pipeline did, and of what none could.


def test_a_deadline_further_in_is_not_its_own():
    inner, outer = pipeline(Timeout(0.1)), pipeline(again(attempts=2), Timeout(3.0))
    below, seen = watched(inner), watched(outer)
    upstream = Upstream(hang())

    async def buy():
        return await inner(upstream)()

    buy.__qualname__ = "buy"

    async def main():
        with pytest.raises(TimeoutError):
            await outer(buy)()

    run(main)
    assert below.light.last.text.split("\n")[0] == (
        "Upstream() ran out of time after 0.1 s: it had no answer after 0.1 s when the deadline passed."
    )
    headline, data = told(seen)
    assert headline == (
        "buy() failed after 0.3 s: both attempts ran out of time further in after 0.1 s "
        "(DeadlineExceeded: no answer within 0.1 s). The retry made no third: 2 attempts are all it makes."
    )
    assert data["failure"]["own"] is False


@pytest.mark.parametrize("policies", [(), (Hedge(after=5.0),), (again(),)], ids=["none", "hedge", "retry"])
def test_no_retry_is_told_of_where_there_is_none(policies):
    headline, data = told(over_http(*policies, orders("a"), a=[500]))
    assert data["retries"] is any(isinstance(policy, Retry) for policy in policies)
    assert ("No retry was for this failure." in headline) is data["retries"]
    assert headline.startswith(f"{GET} failed after 0 s: the only attempt, on a:80, was answered with status 500.")


class BreaksOff(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield b"x"
        await pause(0.5)
        raise httpx.ReadError(NEVER)


@pytest.mark.parametrize("policies", [(), (again(),)], ids=["none", "retry"])
def test_a_body_that_breaks_off(policies):
    listening = pipeline(*policies)
    seen = watched(listening)
    inner = httpx.MockTransport(lambda request: httpx.Response(200, stream=BreaksOff()))

    async def main():
        async with httpx.AsyncClient(transport=AsyncMeshTransport(listening, inner)) as client:
            with pytest.raises(httpx.ReadError):
                await client.get(URL)

    run(main)
    headline, data = told(seen)
    assert headline == (
        f"{GET} failed after 0.5 s: it was answered with status 200, and its body broke off after 0.5 s (ReadError: "
        "the connection broke before the answer was complete)."
        + (
            " The retry could do nothing, for the answer had begun: with whole= its body is read before that."
            if policies
            else ""
        )
    )
    assert data["answer"] == {"status": 200}


def test_attempts_that_ended_alike_are_told_together():
    headline, _ = told(over_http(again(attempts=3), orders(), a=[503, 503], b=[503]))
    assert headline.startswith(
        f"{GET} failed after 0.2 s: all three attempts, on a:80, b:80 and b:80, were answered with status 503. The "
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (partial(httpx.ConnectTimeout, NEVER), "timed out after 0 s, before anything was sent (ConnectTimeout: no "),
        (partial(ConnectionResetError, 104, NEVER), "had their connection reset. "),
        (partial(httpx.RemoteProtocolError, NEVER), "had a connection error (RemoteProtocolError: the answer was not "),
    ],
    ids=["unsent", "reset", "broken"],
)
def test_several_are_told_of_in_the_plural(error, said):
    headline, _ = told(over_http(again(attempts=2), orders("a"), a=[error()]))
    assert f"both attempts, on a:80, {said}" in headline


def test_brackets_stand_side_by_side_nowhere():
    stack = Timeout(1.0), again(backoff=Constant(0.8)), CircuitBreaker(failures=9, name="b"), orders("a")
    text = over_http(*stack, a=[after(0.5, 503)]).full.last.text
    assert "(0.5 s left; the budget has 100 more, after 0 retries for 1 call)" in text
    assert ") (" not in text


def test_a_refusal_does_not_name_who_refuses_twice():
    stack = again(attempts=3), CircuitBreaker(failures=1, name="b"), orders("a")
    text = over_http(*stack, a=[503]).full.last.text
    assert re.search(r"b refused it[^:]*: open after ", text)


@pytest.mark.parametrize("balancer", [PeakEwma(), LeastRequest(), LeastRequest(choices="all")])
def test_a_load_measure_is_called_what_it_is(balancer):
    cluster = Cluster("orders", ["a:80", "b:80"], balancer=balancer, pipeline=[ConcurrencyLimit(3)])
    full = over_http(cluster, a=[503], b=[503]).full.last
    text = full.text
    assert "the load measure of the cluster counts it on " in text
    assert [step["policy"] for step in full.data()["steps"] if step["what"] == "passed" and "load" not in step] == [
        "ConcurrencyLimit"
    ]
    assert text.count(" lets it go") == 1


# Where it can be read.


def test_in_threads_and_from_the_note_of_the_exception_and_from_a_journal(tmp_path):
    clock = ManualClock()
    journal = Journal(tmp_path / "calls.jsonl")
    listening = pipeline(again(attempts=2, backoff=Constant(0.0)), orders(), clock=clock)
    seen = watched(listening, to=journal.write)
    there = Upstreams({name: Upstream(REFUSED(), clock=clock) for name in "ab"})
    with (
        httpx.Client(transport=MeshTransport(listening, there.transport())) as client,
        pytest.raises(OSError, match="111") as raised,
    ):
        client.get(URL)
    headline, _ = told(seen)
    assert headline == (
        f"{GET} failed after 0 s: both attempts, on a:80 and b:80, found the connection refused. "
        "The retry made no third: 2 attempts are all it makes."
    )
    notes = [note for note in raised.value.__notes__ if note.startswith("meshkit: ")]
    assert notes == [f"meshkit: {headline}"]
    assert [tell(data) for data in journal.read()] == [seen.light.last.text]
    assert seen.light.failed == 0
