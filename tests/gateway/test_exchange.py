"""How does an answer come back? Whole, in parts, broken off, to a client that takes it, and to one that does not."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import pytest

from meshkit import Timeout
from meshkit.errors import TimedOut
from meshkit.upstream.errors import WireError

from ..asgi.stand_ins import Probe
from ..upstream.peer import Peer
from ..upstream.rogue import CLOSE, RESET, answers, until
from .visiting import ASYNCIO, Visitor, answer, begin, echoing, gate, told, visit

pytestmark = ASYNCIO
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
LARGE = {"whole": 0}
"""Each answer is relayed as it comes."""


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (answer(b"abcd"), 200, b"abcd"),
        (LENGTH + b"abcd", 200, b"abcd"),
        (CHUNKED + b"2\r\nab\r\n2;x=y\r\ncd\r\n0\r\n\r\n", 200, b"abcd"),
        (answer(b""), 200, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: x\r\n\r\n", 304, b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + answer(b"abcd"), 200, b"abcd"),
    ],
    ids=["short", "length", "chunked", "empty", "204", "304", "103"],
)
@pytest.mark.parametrize("options", [{}, LARGE], ids=["whole", "by parts"])
async def test_an_answer(data: bytes, status: int, body: bytes, options: dict[str, Any]) -> None:
    probe = Probe()
    async with gate(answers(data), policies=[probe], **options) as (gateway, _):
        visitor = await visit(gateway)
        assert visitor.body == body
        assert visitor.over
        assert visitor.status == status
        assert probe.verdicts == ["success"]


async def test_one_that_ends_with_its_connection() -> None:
    async with gate(answers((OPEN + b"abcd", CLOSE))) as (gateway, _):
        assert (await visit(gateway)).body == b"abcd"


@pytest.mark.parametrize("head", [b"304 Not Modified\r\nETag: x", b"204 No Content\r\nETag: x"])
async def test_what_has_no_body_has_no_length(head: bytes) -> None:
    """Some servers take it for a body that is too short."""
    async with gate(answers(b"HTTP/1.1 " + head + b"\r\nContent-Length: 9\r\n\r\n")) as (gateway, _):
        assert (await visit(gateway)).fields == [(b"etag", b"x")]


async def test_the_length_of_what_head_would_have_had() -> None:
    async with gate(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", answer())) as (gateway, server):
        visitor = await visit(gateway, method="HEAD")
        assert (visitor.field("content-length"), visitor.body, visitor.over) == ("4", b"", True)
        assert (await visit(gateway)).body == b"ok"
        assert len(server.peers) == 1


async def test_each_part_is_sent_as_it_comes() -> None:
    more = asyncio.Event()

    async def upstream(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        await peer.send(b"9\r\ndata: 1\n\n\r\n")
        await more.wait()
        await peer.send(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        await peer.gone()

    async with gate(upstream) as (gateway, _):
        task = begin(gateway, visitor := Visitor())
        await until(lambda: visitor.body == b"data: 1\n\n")
        more.set()
        await task
        assert visitor.body == b"data: 1\n\ndata: 2\n\n"


# Broken off.


@pytest.mark.parametrize("end", [CLOSE, RESET])
@pytest.mark.parametrize(
    ("data", "options"),
    [
        (CHUNKED + b"2\r\nab\r\n", {}),
        (CHUNKED + b"4\r\nab", {}),
        (CHUNKED + b"2\r\nab\r\n0\r\n", {}),
        (CHUNKED + b"2\r\nabXX", {}),
        (LENGTH + b"ab", LARGE),
        (LENGTH.replace(b" 4", b" 99999") + b"ab", {}),
    ],
)
async def test_what_is_short_has_no_end(end: str, data: bytes, options: dict[str, Any]) -> None:
    """The server is told by an error, and closes the connection."""
    probe = Probe()
    async with gate(answers((data, end)), policies=[probe], **options) as (gateway, _):
        visitor = Visitor()
        try:
            await begin(gateway, visitor)
        except WireError:
            assert visitor.status == 200
            assert not visitor.over
            assert visitor.body in (b"", b"ab")
        else:  # all of that came at once: it was known before the answer began
            assert visitor.status == 502
        assert probe.verdicts == ["failure"]


@pytest.mark.parametrize("end", [CLOSE, RESET])
async def test_a_short_one_has_not_begun_until_all_of_it_is_there(end: str) -> None:
    """So it can be said."""
    probe = Probe()
    async with gate(answers((LENGTH + b"ab", end)), policies=[probe]) as (gateway, _):
        status, word = told(await visit(gateway))
        assert (status, word) == (502, "http_protocol_error" if end is CLOSE else "connection_terminated")
        assert probe.verdicts == ["failure"]


@pytest.mark.parametrize("policies", [[Timeout(0.05)], []], ids=["Timeout", "the client's"])
async def test_a_deadline_in_the_body_breaks_it_off(policies: list[Any]) -> None:
    probe = Probe()

    async def upstream(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"2\r\nab\r\n")
        await peer.gone()

    async with gate(upstream, policies=[*policies, probe]) as (gateway, server):
        fields = [] if policies else [("x-request-deadline-ms", "50")]
        visitor = Visitor()
        with pytest.raises((TimedOut, WireError)):
            await begin(gateway, visitor, "/a", *fields)
        assert (visitor.body, visitor.over) == (b"ab", False)
        assert probe.verdicts == ["failure" if policies else "ignored"]  # a client may be as impatient as it likes
        await server.quiet()


async def test_an_upstream_that_stands_still_in_the_body() -> None:
    async def upstream(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"2\r\nab\r\n")
        await peer.gone()

    async with gate(upstream, idle=0.05) as (gateway, server):
        visitor = Visitor()
        with pytest.raises(WireError):
            await begin(gateway, visitor)
        assert not visitor.over
        await server.quiet()


# Back-pressure.


async def test_a_large_one_is_no_more_in_memory_than_a_few_parts() -> None:
    """100 MB to a client that takes them one by one."""
    count, piece = 1600, bytes(65_536)

    async def upstream(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (count * len(piece)))
        for _ in range(count):
            await peer.send(piece)
        await peer.gone()

    class Slow(Visitor):
        took = 0

        async def send(self, message: Any) -> None:
            await asyncio.sleep(0)
            self.took += len(message.get("body", b""))
            if not message.get("body"):
                self.sent.append(message)

    async with gate(upstream) as (gateway, _):
        visitor = Slow()
        tracemalloc.start()
        try:
            await visit(gateway, visitor=visitor)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert visitor.took == count * len(piece)
        assert visitor.over
    assert peak < 4_000_000


async def test_a_client_that_does_not_read_stops_the_upstream() -> None:
    async def upstream(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
        while True:
            await peer.send(bytes(65_536))

    async with gate(upstream) as (gateway, server):
        visitor = Visitor()
        task = begin(gateway, visitor)
        await until(lambda: visitor.started)
        visitor.takes.clear()
        await until(lambda: server.peers[0].stuck)
        assert len(visitor.body) < 10_000_000
        task.cancel()
        await asyncio.wait([task])
        await server.quiet()


# Trailers.


@pytest.mark.parametrize("extension", [True, False])
async def test_trailers_go_on_where_the_server_has_them(extension: bool) -> None:
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nTrailer: X-Sum\r\n\r\n")
    data = head + b"2\r\nab\r\n0\r\nX-Sum: 1\r\nHost: x\r\nVia: a\r\n\r\n"
    async with gate(answers(data)) as (gateway, _):
        extensions = {"http.response.trailers": {}} if extension else {}
        visitor = await visit(gateway, "/a", ("te", "trailers"), extensions=extensions)
        assert visitor.body == b"ab"
        assert bool(visitor.sent[0].get("trailers")) == extension
        ends = [each for each in visitor.sent if each["type"] == "http.response.trailers"]
        expected = [{"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False}]
        assert ends == (expected if extension else [])


@pytest.mark.parametrize(
    "data",
    [
        answer(b"ok"),
        answer(b"ok", "Trailer: x-sum"),
        LENGTH + b"abcd",
        CHUNKED + b"0\r\n\r\n",
        CHUNKED + b"0\r\nX-Sum: 1\r\n\r\n",
        b"HTTP/1.1 204 X\r\n\r\n",
    ],
)
async def test_where_trailers_were_told_of_their_end_is_told_too(data: bytes) -> None:
    """A server waits for that."""
    async with gate(answers(data)) as (gateway, _):
        visitor = await visit(gateway, "/a", ("te", "trailers"), extensions={"http.response.trailers": {}})
        kinds = [each["type"] for each in visitor.sent]
        assert (kinds[-1] == "http.response.trailers") == bool(visitor.sent[0].get("trailers"))


# A client that goes, as its server says by `send`.


@pytest.mark.parametrize("after", [0, 1])
async def test_a_client_that_is_gone_when_it_is_sent(after: int) -> None:
    probe = Probe()
    data = CHUNKED + b"2\r\nab\r\n0\r\n\r\n"
    async with gate(answers(data), policies=[probe]) as (gateway, _):
        visitor = Visitor()
        visitor.broken = after
        await visit(gateway, visitor=visitor)
        assert len(visitor.sent) == after
        assert probe.verdicts == ["ignored"]


@pytest.mark.parametrize("after", [0, 1])
async def test_an_upstream_goes_on_without_it_where_that_is_wanted(after: int) -> None:
    probe = Probe()
    script = echoing(CHUNKED + b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n")
    async with gate(script, policies=[probe], finish=True) as (gateway, server):
        visitor = Visitor()
        visitor.broken = after
        await visit(gateway, visitor=visitor)
        await visit(gateway)
        assert len(server.peers) == 1  # it came to its end
        assert probe.verdicts == ["success", "success"]


# At its end.


async def test_connections_are_closed_as_they_become_idle() -> None:
    async with gate(echoing(), listener={"hosts": ["shop.example"]}) as (gateway, _):
        assert (await visit(gateway)).field("connection") is None
        gateway.drain()
        assert (await visit(gateway)).field("connection") == "close"
        assert (await visit(gateway, "/a", ("host", "unknown.example"))).field("connection") == "close"
        assert (await visit(gateway, http_version="2")).field("connection") is None  # it has none (RFC 9113, 8.2.2)


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-No: 1\r\n\r\n"


@pytest.mark.parametrize("can", [True, False])
async def test_a_hint_goes_on_at_once_where_the_server_can(can: bool) -> None:
    held = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HINTS)
        await held.wait()
        await peer.send(HINTS + answer(b"ab"))

    async with gate(script) as (gateway, _):
        visitor = Visitor()
        task = begin(gateway, visitor, "/", **({"extensions": {"http.response.early_hint": {}}} if can else {}))
        if can:
            await until(lambda: visitor.sent)
        held.set()
        await task
    hints = [each for each in visitor.sent if each["type"] == "http.response.early_hint"]
    assert hints == ([{"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}] * 2 if can else [])
    assert visitor.sent[len(hints)]["status"] == 200


async def test_a_client_that_goes_before_a_hint_is_told_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HINTS + answer(b"ab"))

    async with gate(script) as (gateway, _):
        visitor = Visitor()
        visitor.broken = 0
        await begin(gateway, visitor, "/", extensions={"http.response.early_hint": {}})
        assert visitor.sent == []
