"""Are turns kept, and ends told? Requests before their time, half answers, clients that wait, leave or do not read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshkit.gateway.server import Limits
from meshkit.gateway.server import date as moment
from meshkit.gateway.server.connection import QUEUE, UNREAD

from .spoken import PARSERS, Wire, connected, echo, settled, spoken, status_of, undated

BOTH = pytest.mark.parametrize("parse", PARSERS.values(), ids=PARSERS)
GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n"


def start(status: int = 200, *headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


@BOTH
def test_requests_are_answered_in_their_order(parse: Any) -> None:
    wire = spoken(b"".join(GET % number for number in range(5)), parse=parse)
    answers = wire.written.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [answer.partition(b"\r\n\r\n")[2] for answer in answers] == [b"GET /%d  " % number for number in range(5)]
    assert not wire.closed


@BOTH
def test_what_is_refused_waits_for_its_turn(parse: Any) -> None:
    wire = spoken(GET % 1 + b"GET /2 HTTP/1.1\r\n\r\n" + GET % 3, parse=parse)
    first, second = wire.written.split(b"HTTP/1.1 ")[1:]
    assert first.endswith(b"GET /1  ")
    assert second.startswith(b"400 ")
    assert wire.ended


@BOTH
def test_there_is_a_limit_to_what_comes_before_its_turn(parse: Any) -> None:
    wire = spoken(b"".join(GET % number for number in range(QUEUE + 5)), parse=parse)
    assert wire.written.count(b"HTTP/1.1 200 ") == QUEUE + 1
    assert wire.written.count(b"HTTP/1.1 400 ") == 1


@BOTH
def test_nothing_is_taken_after_the_last_request(parse: Any) -> None:
    wire = spoken(b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET % 2, parse=parse)
    assert wire.written.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in wire.written
    assert wire.closed


@BOTH
def test_a_malformed_body_ends_what_reads_it(parse: Any) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        seen.append(await receive())
        await send(start())

    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    wire = spoken(chunked, b"nonsense\r\n", app=app, parse=parse)
    assert [each["type"] for each in seen] == ["http.request", "http.disconnect"]
    assert status_of(wire.written) == 400
    assert wire.ended


@BOTH
def test_chunks_that_are_no_body_have_an_end(parse: Any) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;"
    wire = spoken(head, *[b"x" * 30_000] * 5, parse=parse)
    assert status_of(wire.written) == 400


def test_a_client_is_asked_for_the_body_only_when_it_is_wanted() -> None:
    wire = spoken(POST + b"Expect: 100-continue\r\n\r\n", b"0123456789")
    assert wire.written.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert wire.written.endswith(b"0123456789")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(403, (b"content-length", b"0")))
        await send(body(b""))

    wire = spoken(POST + b"Expect: 100-continue\r\n\r\n", app=app)
    assert undated(wire.written) == b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert wire.ended


def test_after_the_last_answer_a_body_is_not_read() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(413, (b"content-length", b"0"), (b"connection", b"close")))
        await send(body(b""))

    wire = spoken(POST + b"\r\n01234", b"56789" + GET % 2, app=app)
    assert wire.written.count(b"HTTP/1.1 ") == 1
    assert (wire.ended, wire.closed) == (True, False)


@BOTH
def test_a_body_that_nobody_wanted_is_read_before_the_next_request(parse: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(404, (b"content-length", b"0")))
        await send(body(b""))

    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    wire = spoken(head % 10, b"0123456789" + GET % 2, GET % 3, app=app, parse=parse)
    assert undated(wire.written) == b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n" * 3
    assert not wire.ended
    wire = spoken(head % (UNREAD + 1), b"x" * UNREAD, b"x" + GET % 2, app=app, parse=parse)
    assert wire.written.count(b"HTTP/1.1 ") == 1
    assert wire.ended

    def later(connection: Any, wire: Wire) -> None:
        connection.look(connection.since + 1000, Limits())

    wire = spoken(head % 10, b"012", app=app, parse=parse, then=later)
    assert wire.written.count(b"HTTP/1.1 ") == 1
    assert wire.ended


def test_how_an_answer_is_framed() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(int(scope["path"][1:]), trailers=scope["path"] == "/201"))
        await send(body(b"abc", more=True))
        await send(body(b"de"))
        if scope["path"] == "/201":
            await send({"type": "http.response.trailers", "headers": [(b"x", b"y")]})

    request = b"%b /%d HTTP/%b\r\nHost: a\r\n\r\n"
    wire = spoken(request % (b"GET", 200, b"1.1"), app=app)
    assert (
        undated(wire.written)
        == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    wire = spoken(request % (b"GET", 201, b"1.1"), app=app)
    assert wire.written.endswith(b"\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n")
    assert not wire.closed
    wire = spoken(request % (b"GET", 204, b"1.1"), app=app)
    assert undated(wire.written) == b"HTTP/1.1 204 No Content\r\n\r\n"
    wire = spoken(request % (b"HEAD", 200, b"1.1"), app=app)
    assert undated(wire.written) == b"HTTP/1.1 200 OK\r\n\r\n"
    wire = spoken(request % (b"GET", 200, b"1.0"), app=app)
    assert undated(wire.written) == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabcde"
    assert wire.closed


def test_each_answer_has_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        own = [(b"Date", b"Thu, 01 Jan 1970 00:00:00 GMT")] if scope["path"] == "/2" else []
        await send(start(404, (b"content-length", b"0"), *own))
        await send(body(b""))

    now = 784_111_777.9
    monkeypatch.setattr(moment, "time", lambda: now)
    wire = spoken(GET % 1, GET % 2, b"nonsense\r\n", app=app)
    first, second, refused = wire.written.split(b"HTTP/1.1 ")[1:]
    assert first == b"404 Not Found\r\ncontent-length: 0\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    assert second == b"404 Not Found\r\ncontent-length: 0\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
    assert refused.startswith(b"400 Bad Request\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n")
    now += 1.0
    assert b"\r\ndate: Sun, 06 Nov 1994 08:49:38 GMT\r\n" in spoken(GET % 3, app=app).written


def test_hints_come_first() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert "http.response.early_hint" in scope["extensions"]
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await echo(scope, receive, send)

    wire = spoken(GET % 1, app=app)
    assert wire.written.startswith(
        b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"
    )


@pytest.mark.parametrize(
    ("version", "headers", "aborted"),
    [(b"1.1", [], False), (b"1.1", [(b"content-length", b"9")], False), (b"1.0", [], True)],
)
@pytest.mark.parametrize("fails", [True, False])
def test_half_an_answer_is_never_taken_for_a_whole_one(
    version: bytes, headers: Any, aborted: bool, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, *headers))
        await send(body(b"half", more=True))
        if fails:
            raise OSError("the upstream has gone")

    wire = spoken(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version, app=app)
    assert wire.closed
    assert wire.aborted is aborted
    assert not wire.written.endswith(b"0\r\n\r\n")
    assert caplog.records == []


@pytest.mark.parametrize(
    "messages",
    [
        [start(200, (b"x", b"a\r\nb: c"))],
        [start(200, (b"x", b"a\nb"))],
        [start(200, (b"x\0", b"a"))],
        [body(b"")],
        [start(), start()],
        [start(200, (b"content-length", b"1")), body(b"ab")],
        [start(200, (b"content-length", b"3")), body(b"ab")],
    ],
)
def test_an_app_that_makes_no_sense_is_not_believed(messages: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    wire = spoken(GET % 1, app=app)
    begun = len(messages) > 1
    assert wire.closed
    assert begun or status_of(wire.written) == 500
    assert len(caplog.records) == (0 if begun else 1)
    assert b"b: c" not in wire.written


def test_who_leaves_is_not_waited_for() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        seen.append(await receive())
        await send(start())

    wire = spoken(GET % 1, app=app)
    assert seen == [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    assert undated(wire.written) == b""


def test_who_does_not_read_is_not_written_to() -> None:
    async def run() -> None:
        sent: list[int] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start())
            for number in range(3):
                await send(body(b"x", more=True))
                sent.append(number)

        connection, wire = connected(app)
        connection.data_received(GET % 1)
        connection.pause_writing()
        await settled(connection)
        assert sent == []
        connection.resume_writing()
        await settled(connection)
        assert sent == [0, 1, 2]
        assert wire.closed

    asyncio.run(run())


def test_a_body_is_read_no_faster_than_it_is_taken() -> None:
    async def run() -> None:
        go = asyncio.Event()
        took: list[int] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while True:
                await go.wait()
                go.clear()
                message = await receive()
                took.append(len(message["body"]))

        connection, wire = connected(app)
        connection.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        connection.data_received(b"x" * 70_000)
        assert wire.paused
        for _ in range(2):
            go.set()
            await settled(connection)
        assert took == [70_000]
        assert not wire.paused
        connection.connection_lost(None)
        await settled(connection)
        for task in connection.tasks:
            task.cancel()

    asyncio.run(run())


def test_how_long_a_client_may_take() -> None:
    """By a clock that is put forward: nobody waits."""
    limits = Limits(head=10, body=20, idle=30, linger=2, stall=40)

    async def looked(after: float, *parts: bytes, app: Any = echo, close: bool = False) -> Wire:
        connection, wire = connected(app, limits=limits)
        for part in parts:
            connection.data_received(part)
            await settled(connection)
        if close:
            wire.close()
        connection.look(connection.since + after - 0.1, limits)
        assert not wire.aborted
        connection.look(connection.since + after + 0.1, limits)
        wire.answered = status_of(wire.written) if wire.written else None  # type: ignore[attr-defined]  # for below
        connection.connection_lost(None)
        await settled(connection)
        return wire

    async def run() -> None:
        wire: Any = await looked(10)
        assert (wire.closed, wire.answered) == (True, None)
        wire = await looked(10, b"GET / HT")
        assert (wire.ended, wire.answered) == (True, 408)
        wire = await looked(20, POST + b"\r\n0123")
        assert (wire.ended, wire.answered) == (True, 408)
        wire = await looked(30, GET % 1)
        assert (wire.closed, wire.answered) == (True, 200)
        wire = await looked(2, b"nonsense\r\n\r\n")
        assert (wire.aborted, wire.answered) == (True, 400)
        wire = await looked(40, GET % 1, close=True)
        assert (wire.aborted, wire.answered) == (True, 200)

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await receive()

        wire = await looked(1000, GET % 1, app=slow)
        assert (wire.closed, wire.answered) == (False, None)

    asyncio.run(run())


def test_an_idle_connection_ends_with_the_server_and_a_busy_one_after_its_answer() -> None:
    async def run() -> None:
        go = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await go.wait()
            await echo(scope, receive, send)

        fresh, first = connected(app)
        fresh.shutdown()
        assert not first.closed
        idle, other = connected()
        idle.data_received(GET % 1)
        await settled(idle)
        assert not other.closed
        idle.shutdown()
        assert other.closed
        fresh.data_received(GET % 1)
        half, wire = connected(app)
        half.data_received(b"GET / HTTP/1.1\r\n")
        half.shutdown()
        assert not wire.closed
        half.data_received(b"Host: a\r\n\r\n")
        busy, other = connected(app)
        busy.data_received(GET % 1)
        busy.shutdown()
        await settled(busy)
        assert not other.closed
        go.set()
        await settled(busy)
        for each in (first, wire, other):
            assert b"\r\nconnection: close\r\n" in each.written
            assert each.closed

    asyncio.run(run())
