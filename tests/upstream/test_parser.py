"""Do the two parsers read an answer right, however it is cut? Framing of RFC 9112, 6.3; each test runs on both."""

from __future__ import annotations

import random

import pytest

from meshkit.upstream.errors import Malformed
from meshkit.upstream.framing import LIMIT
from meshkit.upstream.parser import Parser

from .parsing import CHUNKED, COMPLETE, INTERIM, OK, PARSERS, SIZED, Notes, chunked, cut, told, ways


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> type[Parser]:
    return request.param


def fields(*lines: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


@pytest.mark.parametrize("name", COMPLETE)
def test_a_complete_answer(parser: type[Parser], name: str) -> None:
    method, data, status, body, reusable = COMPLETE[name]
    whole = told(parser, [data], method)
    assert whole.error is None
    assert whole.events[-1] == ("ended", [], reusable)
    assert whole.body == body
    began = [event for event in whole.events if event[0] == "began"]
    assert [event[1] for event in began] == [status]
    for places in ways(data):
        assert told(parser, cut(data, *places), method) == whole


def test_what_is_told_of_a_head(parser: type[Parser]) -> None:
    data = b"HTTP/1.0 404 Not \xe4 Found \r\nSet-Cookie: a=b\r\nX-Empty:\r\nset-cookie:\t c: d\t e \t\r\nX:\xff\r\n\r\n"
    headers = fields(b"Set-Cookie: a=b", b"X-Empty: ", b"set-cookie: c: d\t e", b"X: \xff")
    for places in ways(data):
        events = told(parser, cut(data, *places)).events
        assert events[0] == ("began", 404, b"Not \xe4 Found ", b"HTTP/1.0", headers)


def test_interim_answers(parser: type[Parser]) -> None:
    for places in ways(INTERIM + SIZED):
        events = told(parser, cut(INTERIM + SIZED, *places)).events
        assert events[0] == ("informed", 103, b"Early Hints", fields(b"Link: </a>"))
        assert [event[0] for event in events] == ["informed", "began", "got", "ended"]


def test_trailers(parser: type[Parser]) -> None:
    data = CHUNKED + chunked(b"hello", trailers=b"Digest: \t abc \r\nConnection:close\r\nX:\r\n")
    for places in ways(data):
        said = told(parser, cut(data, *places))
        assert said.events[-1] == ("ended", fields(b"Digest: abc", b"Connection: close", b"X: "), True)


SWITCHES = {
    "101": (b"GET", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"),
    "101 without a word": (b"GET", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    "101 with a length": (b"HEAD", b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 3\r\n\r\n"),
    "CONNECT": (b"CONNECT", b"HTTP/1.1 200 OK\r\n\r\n"),
    "CONNECT with a length": (b"CONNECT", b"HTTP/1.1 299 OK\r\nContent-Length: 3\r\n\r\n"),
}


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("rest", [b"", b"\x81\x05hello", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_another_protocol(parser: type[Parser], name: str, rest: bytes) -> None:
    method, head = SWITCHES[name]
    for places in ways(INTERIM + head + rest):
        said = told(parser, cut(INTERIM + head + rest, *places), method)
        assert said.names == ["informed", "began", "switched"]
        assert said.events[-1] == ("switched", rest)
        assert said.error is None


def test_one_parser_serves_many_exchanges(parser: type[Parser]) -> None:
    """None leaves anything behind: each says what a new parser says of it."""
    luck = random.Random(4)
    notes = Notes()
    reads = parser(notes)
    reusable = [each for each in COMPLETE.values() if each[4]]
    for method, data, *_ in luck.choices(reusable, k=400):
        places = luck.choice(ways(data)[:1] + ways(data)[2:])
        notes.events = []
        reads.expect(method)
        for piece in cut(data, *places):
            reads.feed(piece)
        assert notes.events == told(parser, [data], method).events


def test_a_body_is_passed_on_as_it_comes(parser: type[Parser]) -> None:
    for head, parts in ((OK + b"Content-Length: 6\r\n\r\n", [b"ab", b"cd", b"ef"]), (OK + b"\r\n", [b"ab", b"cd"]),
                        (CHUNKED, [b"3\r\nab", b"c\r\n3\r\nd"])):  # fmt: skip
        notes = Notes()
        reads = parser(notes)
        reads.expect(b"GET")
        reads.feed(head)
        seen = 0
        for part in parts:
            reads.feed(part)
            body = b"".join(event[1] for event in notes.events if event[0] == "got")
            assert len(body) > seen
            seen = len(body)


def test_a_head_of_just_the_limit(parser: type[Parser]) -> None:
    end = b"\r\nContent-Length: 2\r\n\r\n"
    head = OK + b"X: " + b"x" * (LIMIT - len(OK) - 3 - len(end)) + end
    assert len(head) == LIMIT
    for places in ((), (LIMIT - 2,), (50, LIMIT)):
        assert told(parser, cut(head + b"ab", *places)).body == b"ab"


def test_a_sink_that_fails_is_heard(parser: type[Parser]) -> None:
    """The connection's sink does not, but for an answer that nobody holds any more."""

    class Sink(Notes):
        def got(self, chunk: bytes) -> None:
            raise ReferenceError("weakly-referenced object no longer exists")

    for data in (SIZED, CHUNKED + chunked(b"a"), OK + b"\r\na"):
        for places in ((), (data.index(b"\r\n\r\n") + 4,)):
            reads = parser(Sink())
            reads.expect(b"GET")
            *before, last = cut(data, *places)
            for piece in before:
                reads.feed(piece)
            with pytest.raises(ReferenceError, match="no longer exists"):
                reads.feed(last)


def test_one_exchange_at_a_time(parser: type[Parser]) -> None:
    reads = parser(Notes())
    reads.expect(b"GET")
    with pytest.raises(RuntimeError, match="under way"):
        reads.expect(b"GET")
    with pytest.raises(Malformed):
        reads.feed(b"x" * 9)
    with pytest.raises(RuntimeError, match="the last one"):
        reads.expect(b"GET")
