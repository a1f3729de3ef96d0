"""The scripted upstream: each step, through each door, and what is written down."""

from __future__ import annotations

import itertools
import math

import anyio
import httpx
import httpx2
import pytest

from meshkit import (
    AttemptTimedOut,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    DeadlineExceeded,
    Pipeline,
    Retry,
    Timeout,
)
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.testing import (
    Answer,
    ManualClock,
    Upstream,
    after,
    answer,
    brown_out,
    hang,
    run,
    stream,
    timetable,
    value,
    virtual_clock,
)

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
LIBRARIES = pytest.mark.parametrize("lib", [httpx, httpx2], ids=["httpx", "httpx2"])
ERROR = OSError("this one")
SECOND = 1.0
"""Virtual: it passes in no time."""


async def outcome(upstream, *args):
    """What came, and after how long."""
    began = virtual_clock()
    try:
        result = await upstream(*args)
    except Exception as error:
        result = error
    return round(virtual_clock() - began, 6), result


@pytest.mark.parametrize(
    ("step", "seconds", "expected"),
    [
        (204, 0.0, Answer(204)),
        ("done", 0.0, "done"),
        (None, 0.0, None),
        (True, 0.0, True),
        (value(404), 0.0, 404),
        (answer(503, "no", retry_after=7), 0.0, Answer(503, (("retry-after", "7"),), (b"no",))),
        (after(2.5, "late"), 2.5, "late"),
        (after(1, after(2, 200)), 3.0, Answer(200)),
        (ERROR, 0.0, ERROR),
        (after(3.0, ERROR), 3.0, ERROR),
    ],
)
@BACKENDS
def test_a_step(step, seconds, expected, backend):
    assert run(outcome, Upstream(step), backend=backend) == (seconds, expected)
    clock = ManualClock()
    upstream = Upstream(step, clock=clock)
    if expected is ERROR:
        with pytest.raises(OSError, match="this one"):
            upstream.call()
    else:
        assert upstream.call() == expected
    assert clock() == seconds


@pytest.mark.parametrize("kind", [ConnectionError, httpx.ConnectError, httpx2.ReadError])
def test_a_class_makes_a_new_exception_each_time(kind):
    upstream = Upstream(kind)
    seen = []
    for _ in range(2):
        with pytest.raises(kind) as caught:
            upstream.call()
        seen.append(caught.value)
    assert seen[0] is not seen[1]


def test_an_instance_is_raised_as_it_is_and_gathers_no_traceback():
    upstream, depths = Upstream(ERROR), []
    for _ in range(3):
        with pytest.raises(OSError, match="this one") as caught:
            upstream.call()
        assert caught.value is ERROR
        depths.append(len(caught.traceback))
    assert len(set(depths)) == 1


def test_after_the_script_the_last_step_repeats():
    upstream = Upstream(503, "a", "b")
    assert [upstream.call() for _ in range(5)] == [Answer(503), "a", "b", "b", "b"]
    assert Upstream().call() == Answer(200)


def test_or_the_test_is_told():
    upstream = Upstream("a", then="fail")
    assert upstream.call() == "a"
    with pytest.raises(AssertionError, match="asked more often than scripted: 2 times"):
        upstream.call()
    assert [str(each.outcome) for each in upstream.attempts] == ["'a'", "not scripted"]


def test_a_new_script():
    upstream = Upstream("a", "b")
    upstream.call()
    upstream.play("c", then="fail")
    assert upstream.call() == "c"
    assert len(upstream.attempts) == 2
    with pytest.raises(AssertionError, match="2 times"):
        upstream.call()


@BACKENDS
def test_who_hangs_is_given_up_or_the_test_is_told(backend):
    async def main():
        upstream = Upstream(hang())
        pipeline = Pipeline(Timeout(5.0), clock=virtual_clock)
        with pytest.raises(DeadlineExceeded):
            await pipeline.call(upstream)
        (attempt,) = upstream.attempts
        assert attempt.cancelled
        assert attempt.ended_at - attempt.at == pytest.approx(5.0, abs=0.06)
        with pytest.raises(AssertionError, match="hung for a year, and nobody gave up"):
            await upstream()

    run(main, backend=backend)
    with pytest.raises(AssertionError, match="hung for a year"):
        Upstream(hang(), clock=ManualClock()).call()


def test_a_thread_spends_no_real_time():
    with pytest.raises(ConfigError, match=r"clock=None: time is spent by a clock that can sleep"):
        Upstream(after(1.0, 200)).call()
    assert Upstream(after(0.0, 200)).call() == Answer(200)


async def test_a_loop_in_real_time_needs_no_clock():
    upstream = Upstream("a")
    assert await upstream() == "a"
    assert upstream.attempts[0].at == pytest.approx(virtual_clock(), abs=60)


async def test_a_manual_clock_on_a_loop():
    clock = ManualClock()
    upstream = Upstream(after(30.0, "a"), clock=clock)
    assert await Pipeline(clock=clock).call(upstream, 1, two=2) == "a"
    (attempt,) = upstream.attempts
    assert (attempt.at, attempt.ended_at, attempt.request) == (0.0, 30.0, ((1,), {"two": 2}))


def test_an_outage_by_the_clock():
    clock = ManualClock()
    upstream = Upstream(timetable({660: 200, 0: 200, 60: ConnectionError}), clock=clock)
    seen = []
    for now in (0.0, 59.9, 60.0, 659.9, 660.0, 1e9):
        clock.now = now
        try:
            seen.append(upstream.call().status_code)
        except ConnectionError:
            seen.append("down")
    assert seen == [200, 200, "down", "down", 200, 200]


@BACKENDS
def test_a_brown_out(backend):
    async def main():
        upstream = Upstream(brown_out(3.0, since=10.0, until=20.0, usual=0.5))
        took = []
        for _ in range(24):
            took.append((await outcome(upstream))[0])
            await anyio.sleep(SECOND / 2)
        return took

    # A second for each attempt until 10 s; then 3.5 s each, the last of which begin at 17 s; then as before.
    assert run(main, backend=backend) == [0.5] * 10 + [3.0] * 3 + [0.5] * 11


def test_a_timetable_within_a_delay_is_read_when_the_delay_is_over():
    clock = ManualClock()
    upstream = Upstream(after(5.0, timetable({0: "early", 4: after(1.0, "late")})), clock=clock)
    assert upstream.call() == "late"
    assert clock() == 6.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Upstream(99), "status=99: a whole number is a status, 100 to 599"),
        (lambda: Upstream(600), "write value"),
        (lambda: Upstream(200, then="stop"), "then='stop': write 'repeat' or 'fail'"),
        (lambda: Upstream(clock=3.0), "clock=3.0"),
        (lambda: after(-1.0, 200), "seconds=-1.0: give finite seconds"),
        (lambda: after(math.nan, 200), "seconds=nan"),
        (lambda: after(math.inf, 200), "seconds=inf"),
        (lambda: after(True, 200), "seconds=True"),
        (lambda: after(1.0, 1000), "status=1000"),
        (lambda: stream([b""], -1.0), "delay=-1.0"),
        (lambda: stream([b""], status=7), "status=7"),
        (lambda: answer(503, retry_after=0.5), "retry_after=0.5: the field knows whole seconds"),
        (lambda: answer(503, retry_after=-1), "retry_after=-1"),
        (lambda: answer("200"), "status='200'"),
        (lambda: timetable({}), "give instants and steps"),
        (lambda: timetable({-1.0: 200}), "instant=-1.0"),
        (lambda: brown_out(1.0, since=5.0, until=5.0), "until=5.0: give an instant after since=5.0"),
    ],
)
def test_what_cannot_be(make, said):
    with pytest.raises(ConfigError) as caught:
        make()
    assert said in str(caught.value)


# Behind a client.


@LIBRARIES
@BACKENDS
def test_behind_an_async_client(lib, backend):
    async def main():
        upstream = Upstream(answer(503, retry_after=7), lib.ConnectError, after(2.0, answer(200, "hello")))
        pipeline = Pipeline(Retry(("5xx", ConnectionError)), ConcurrencyLimit(1), clock=virtual_clock, seed=1)
        began = virtual_clock()
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream.transport())) as client:
            response = await client.get("http://orders/A17")
        assert (response.status_code, response.text) == (200, "hello")
        first, second, third = upstream.attempts
        assert second.at - first.at >= 7.0
        assert [str(each.request.url) for each in upstream.attempts] == ["http://orders/A17"] * 3
        assert (first.closed, third.closed) == (True, True)
        assert third.ended_at - third.at == pytest.approx(2.0)
        assert virtual_clock() - began < 20
        assert pipeline.idle()

    run(main, backend=backend)


@LIBRARIES
def test_behind_a_client(lib):
    clock = ManualClock()
    upstream = Upstream(503, after(2.0, answer(200, b"hello", headers={"x-a": "b"})), clock=clock)
    pipeline = Pipeline(Retry("5xx", backoff=Constant(3.0)), clock=clock)
    with lib.Client(transport=MeshTransport(pipeline, upstream.transport())) as client:
        response = client.post("http://orders/A17", content=b"x", headers={"idempotency-key": "1"})
    assert (response.status_code, response.text, response.headers["x-a"]) == (200, "hello", "b")
    assert response.headers["content-length"] == "5"
    assert clock() == 5.0
    assert [each.request.content for each in upstream.attempts] == [b"x", b"x"]
    assert [each.closed for each in upstream.attempts] == [True, True]


@LIBRARIES
@BACKENDS
def test_the_read_timeout_of_a_client_is_kept(lib, backend):
    async def main():
        upstream = Upstream(after(5.0, 200), after(5.1, 200), hang(), stream([b"a", b"b"], 4.0), stream([b"a"], 6.0))
        async with lib.AsyncClient(transport=upstream.transport(), timeout=5.0) as client:
            took = []
            for _ in range(5):
                began = virtual_clock()
                try:
                    result = (await client.get("http://a")).text
                except lib.ReadTimeout:
                    result = "timeout"
                took.append((round(virtual_clock() - began, 3), result))
        return took, [each.closed for each in upstream.attempts]

    took, closed = run(main, backend=backend)
    assert took == [(5.0, ""), (5.0, "timeout"), (5.0, "timeout"), (8.0, "ab"), (5.0, "timeout")]
    assert closed == [True, False, False, True, True]


@LIBRARIES
def test_without_await_a_hanging_server_is_left_by_the_clients_timeout(lib):
    clock = ManualClock()
    upstream = Upstream(hang(), stream([b"a", b"b"], 2.0), stream([b"a"], 6.0), clock=clock)
    pipeline = Pipeline(Timeout(60.0), clock=clock)
    with lib.Client(transport=MeshTransport(pipeline, upstream.transport()), timeout=5.0) as client:
        with pytest.raises(lib.ReadTimeout):
            client.get("http://a")
        assert clock() == 5.0
        assert client.get("http://a").text == "ab"
        assert clock() == 9.0
        with pytest.raises(lib.ReadTimeout):
            client.get("http://a")
        assert clock() == 14.0


@LIBRARIES
@BACKENDS
def test_a_body_that_breaks_off_and_one_that_nobody_reads(lib, backend):
    async def main():
        upstream = Upstream(stream([b"a", lib.ReadError("gone")], 1.0), stream([b"a", ConnectionError], status=206))
        pipeline = Pipeline(ConcurrencyLimit(1), clock=virtual_clock)
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream.transport())) as client:
            with pytest.raises(lib.ReadError, match="gone"):
                await client.get("http://a")
            async with client.stream("GET", "http://a") as response:
                assert response.status_code == 206
                assert not upstream.attempts[1].closed
        assert [each.closed for each in upstream.attempts] == [True, True]
        assert pipeline.idle()

    run(main, backend=backend)


@BACKENDS
def test_a_deadline_cancels_what_is_scripted(backend):
    async def main():
        upstream = Upstream(after(30.0, 200), stream([b"a", b"b"], 30.0))
        pipeline = Pipeline(Timeout(10.0), clock=virtual_clock)
        transport = AsyncMeshTransport(pipeline, upstream.transport())
        async with httpx.AsyncClient(transport=transport, timeout=None) as client:
            for _ in range(2):
                with pytest.raises(DeadlineExceeded):
                    await client.get("http://a")
        assert [each.cancelled for each in upstream.attempts] == [True, False]
        assert pipeline.idle()

    run(main, backend=backend)


def test_over_http_a_value_is_a_mistake():
    with httpx.Client(transport=Upstream("done").transport()) as client, pytest.raises(TypeError, match="'done'"):
        client.get("http://a")


# As an application.


@BACKENDS
def test_as_an_application(backend):
    async def main():
        upstream = Upstream(
            answer(429, "slow down", retry_after=3), after(2.0, 204), stream([b"a", b"b"], 1.0), ConnectionError
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(upstream.app), base_url="http://a") as client:
            first = await client.post("/orders", content=b"body")
            assert (first.status_code, first.text, first.headers["retry-after"]) == (429, "slow down", "3")
            assert (await client.get("/orders")).status_code == 204
            assert (await client.get("/orders")).text == "ab"
            with pytest.raises(ConnectionError):
                await client.get("/orders")
        assert upstream.attempts[0].request["path"] == "/orders"
        return round(virtual_clock() - upstream.attempts[0].at, 6)

    assert run(main, backend=backend) == 4.0


async def test_the_lifespan_of_the_application_and_what_it_does_not_speak():
    sent = []

    async def send(message):
        sent.append(message["type"])

    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(messages)

    upstream = Upstream()
    await upstream.app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(TypeError, match="speaks http, not websocket"):
        await upstream.app({"type": "websocket"}, receive, send)
    assert upstream.attempts == []


# In a pipeline, at the same instants on both.


def test_attempts_are_the_same_in_both_colours():
    def script():
        return after(1.0, ConnectionError), after(2.0, TimeoutError), after(0.5, "done")

    def stack(clock):
        return Pipeline(Timeout(60.0), Retry(OSError, backoff=Constant(4.0)), clock=clock)

    clock = ManualClock()
    plain = Upstream(*script(), clock=clock)
    stack(clock).call(plain.call)

    async def main():
        upstream = Upstream(*script())
        await stack(virtual_clock).call(upstream)
        return upstream

    awaited = run(main)
    assert [each.at for each in plain.attempts] == [each.at for each in awaited.attempts] == [0.0, 5.0, 11.0]
    assert [each.ended_at for each in plain.attempts] == [each.ended_at for each in awaited.attempts]


@BACKENDS
def test_a_timeout_of_an_attempt_in_a_retry(backend):
    async def main():
        upstream = Upstream(hang(), after(1.0, "done"))
        pipeline = Pipeline(Retry(AttemptTimedOut, backoff=Constant(0.0)), Timeout(2.0), clock=virtual_clock)
        assert await pipeline.call(upstream) == "done"
        return [(each.number, each.cancelled) for each in upstream.attempts]

    assert run(main, backend=backend) == [(1, True), (2, False)]


def test_it_shows_itself():
    upstream = Upstream(503, ConnectionError, after(2.0, ERROR), hang(), stream([b"a"]), timetable({0: 200, 5: 500}))
    assert repr(upstream) == (
        "Upstream(503, ConnectionError, OSError('this one') after 2 s, no answer, 200 in 1 chunks, "
        "from 0 s on 200, from 5 s on 500; asked 0 times)"
    )
    assert repr(upstream.transport()) == f"{upstream!r}.transport()"


def test_many_at_once():
    async def main():
        upstream = Upstream(after(10.0, "done"))
        async with anyio.create_task_group() as group:
            for _ in itertools.repeat(None, 100):
                group.start_soon(upstream)
        return {each.at for each in upstream.attempts}, {each.ended_at for each in upstream.attempts}

    assert run(main) == ({0.0}, {10.0})
