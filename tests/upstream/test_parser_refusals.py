"""What do the two parsers refuse, and do they say why? By the rules of `meshkit.upstream.framing`, both."""

from __future__ import annotations

import pytest

from meshkit.upstream.errors import Malformed
from meshkit.upstream.framing import BEYOND, ENDLESS, LIMIT, STORM
from meshkit.upstream.parser import Parser

from .parsing import CHUNKED, COMPLETE, INTERIM, OK, PARSERS, SIZED, Notes, chunked, cut, told, ways


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> type[Parser]:
    return request.param


NO_LENGTH = "the answer has a Content-Length that is no length: "
NO_CHUNKED = "the answer has a Transfer-Encoding other than chunked, once: "
NO_LINE = "the answer does not begin with a status line of HTTP/1.1: "
BARE = "the answer has a bare CR or LF in its head"
CONTROL = "the answer has a control character in its head: "
SPACE = "the answer has a space before a colon in its head: "
FOLDED = "the answer has a folded field in its head: "
TWO = "the answer has more than one Content-Length"
NO_TOKEN = "the answer has a name that is no token in its head: "
OLD = "the answer has a Transfer-Encoding, which HTTP/1.0 does not know"
BOTH = "the answer has both Content-Length and Transfer-Encoding"

# What came, and how the message begins. Of all these nothing is told.
HEADS = {
    "both": (OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", BOTH),
    "both, the other way": (OK + b"transfer-encoding: chunked\r\nA: b\r\ncontent-length: 5\r\n\r\n", BOTH),
    "both, without a body": (b"HTTP/1.1 204 A\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", BOTH),
    "both, before the final one": (b"HTTP/1.1 100 A\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", BOTH),
    "two lengths": (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", TWO),
    "equal lengths": (OK + b"Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello", TWO),
    "a list of lengths": (OK + b"Content-Length: 5, 5\r\n\r\nhello", NO_LENGTH + "b'5, 5'"),
    "a signed length": (OK + b"Content-Length: +5\r\n\r\nhello", NO_LENGTH + "b'+5'"),
    "a negative length": (OK + b"Content-Length: -5\r\n\r\nhello", NO_LENGTH + "b'-5'"),
    "a length in hex": (OK + b"Content-Length: 0x5\r\n\r\nhello", NO_LENGTH + "b'0x5'"),
    "a length with a point": (OK + b"Content-Length: 5.0\r\n\r\nhello", NO_LENGTH + "b'5.0'"),
    "a length with a line": (OK + b"Content-Length: 1_0\r\n\r\n0123456789", NO_LENGTH + "b'1_0'"),
    "a length in two parts": (OK + b"Content-Length: 1 0\r\n\r\n0123456789", NO_LENGTH + "b'1 0'"),
    "a length in other digits": (OK + "Content-Length: \u0665\r\n\r\nhello".encode(), NO_LENGTH),
    "a length of nothing": (OK + b"Content-Length:\r\n\r\n", NO_LENGTH + "b''"),
    "a length and a tab": (OK + b"Content-Length: 5\t\r\n\r\nhello", NO_LENGTH + r"b'5\t'"),
    "a length beyond all": (OK + b"Content-Length: 1000000000000000000\r\n\r\n", NO_LENGTH),
    "a length beyond 64 bits": (OK + b"Content-Length: 18446744073709551621\r\n\r\nhello", NO_LENGTH),
    "another coding": (OK + b"Transfer-Encoding: gzip\r\n\r\n", NO_CHUNKED + "b'gzip'"),
    "another coding before": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", NO_CHUNKED),
    "another coding after": (OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n", NO_CHUNKED),
    "another coding like it": (OK + b"Transfer-Encoding: xchunked\r\n\r\n", NO_CHUNKED + "b'xchunked'"),
    "a coding with more": (OK + b"Transfer-Encoding: chunked;q=1\r\n\r\n", NO_CHUNKED),
    "a coding in quotes": (OK + b'Transfer-Encoding: "chunked"\r\n\r\n', NO_CHUNKED),
    "a coding and a tab": (OK + b"Transfer-Encoding: chunked\t\r\n\r\n" + chunked(), NO_CHUNKED + r"b'chunked\t'"),
    "a coding and \x0b": (OK + b"Transfer-Encoding: chunked\x0b\r\n\r\n" + chunked(), CONTROL),
    "no coding": (OK + b"Transfer-Encoding:\r\n\r\n", NO_CHUNKED + "b''"),
    "identity": (OK + b"Transfer-Encoding: identity\r\n\r\nhello", NO_CHUNKED),
    "twice chunked": (OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n", NO_CHUNKED),
    "twice chunked, in two": (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", NO_CHUNKED),
    "chunks in HTTP/1.0": (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", OLD),
    "LF": (OK[:-2] + b"\nContent-Length: 0\r\n\r\n", NO_LINE),
    "LF in a field": (OK + b"A: b\nContent-Length: 0\r\n\r\n", BARE),
    "LF after a length": (OK + b"Content-Length: 0\nA: b\r\n\r\n", BARE),
    "LF at the end": (OK + b"Content-Length: 0\r\n\n", BARE),
    "LF before the end": (OK + b"Content-Length: 0\n\r\n", BARE),
    "only LF": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", NO_LINE),
    "CR in a value": (OK + b"A: b\rc\r\nContent-Length: 0\r\n\r\n", BARE),
    "CR before a line end": (OK + b"A: b\r\r\nContent-Length: 0\r\n\r\n", BARE),
    "CR in the reason": (b"HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n", ""),
    "NUL in the reason": (b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "NUL in a value": (OK + b"A: b\x00\r\nContent-Length: 0\r\n\r\n", CONTROL + r"b'A: b\x00'"),
    "NUL in a name": (OK + b"A\x00: b\r\nContent-Length: 0\r\n\r\n", NO_TOKEN),
    "an escape": (OK + b"A: \x1b[1m\r\nContent-Length: 0\r\n\r\n", CONTROL),
    "delete": (OK + b"Connection: close\x7f\r\nContent-Length: 0\r\n\r\n", CONTROL),
    "a folded field": (OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n", FOLDED + "b' c'"),
    "a folded coding": (OK + b"Transfer-Encoding:\r\n\tchunked\r\n\r\n", FOLDED),
    "a fold before all": (OK + b" A: b\r\nContent-Length: 0\r\n\r\n", FOLDED),
    "a space before the colon": (OK + b"Content-Length : 5\r\n\r\nhello", SPACE),
    "a space in a name": (OK + b"A B: c\r\nContent-Length: 0\r\n\r\n", NO_TOKEN),
    "no name": (OK + b": b\r\nContent-Length: 0\r\n\r\n", "the answer has a field without a name in its head"),
    "no colon": (OK + b"Content-Length\r\n\r\n", "the answer has a line without a colon in its head"),
    "HTTP/2": (b"HTTP/2 200\r\nContent-Length: 0\r\n\r\n", NO_LINE + "b'HTTP/2 200'"),
    "HTTP/2.0": (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "HTTP/0.9": (b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "HTTP/1.2": (b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "HTTP/1.10": (b"HTTP/1.10 200 OK\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "http/1.1": (b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "two digits": (b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "four digits": (b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "a status below 100": (b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "two spaces": (b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "a tab": (b"HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n", NO_LINE),
    "an empty line first": (b"\r\n" + SIZED, NO_LINE),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", NO_LINE),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x16", NO_LINE),
    "a request": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", NO_LINE),
    "a head too large": (OK + b"X: " + b"x" * LIMIT + b"\r\n\r\n", f"the answer's head has more than {LIMIT} bytes"),
    "too many fields": (OK + b"X: y\r\n" * (LIMIT // 6) + b"\r\n", f"the answer's head has more than {LIMIT} bytes"),
    "a head without an end": (OK + b"X: " + b"x" * LIMIT, f"the answer's head has more than {LIMIT} bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_head_that_is_refused(parser: type[Parser], name: str, method: bytes) -> None:
    data, why = HEADS[name]
    for places in ways(data)[: 3 if len(data) > LIMIT else None]:
        said = told(parser, cut(data, *places), method)
        assert said.events == []
        assert said.error is not None
        # In parts, a line end may be seen to be wrong before the line is.
        assert said.error.startswith(why) or (places and said.error.startswith((BARE, NO_LINE)))


@pytest.mark.parametrize("name", HEADS)
def test_both_say_the_same_of_a_head(name: str) -> None:
    data, _ = HEADS[name]
    for places in ways(data)[:3]:
        one, other = (told(parser, cut(data, *places)) for parser in PARSERS)
        assert one == other


# What came after the head, and how much of it is a body before it is refused.
CHUNKS = {
    "no size": (b"\r\n\r\n", b""),
    "not a size": (b"hello\r\n", b""),
    "0x": (b"0x5\r\nhello\r\n0\r\n\r\n", b""),
    "a sign": (b"+5\r\nhello\r\n0\r\n\r\n", b""),
    "a negative size": (b"-5\r\nhello\r\n0\r\n\r\n", b""),
    "a space before": (b" 5\r\nhello\r\n0\r\n\r\n", b""),
    "a space after": (b"5 \r\nhello\r\n0\r\n\r\n", b""),
    "a space before an extension": (b"5 ;a\r\nhello\r\n0\r\n\r\n", b""),
    "a size beyond 64 bits": (b"10000000000000000\r\nhello", b""),
    "a size beyond all": (b"f" * 100 + b"\r\nhello", b""),
    "LF after the size": (b"5\nhello\r\n0\r\n\r\n", b""),
    "CR after the size": (b"5\rhello\r\n0\r\n\r\n", b""),
    "LF in an extension": (b"5;a\nb\r\nhello\r\n0\r\n\r\n", b""),
    "CR in an extension": (b"5;a\rb\r\nhello\r\n0\r\n\r\n", b""),
    "NUL in an extension": (b"5;a=\x00\r\nhello\r\n0\r\n\r\n", b""),
    "an extension of nothing": (b"5;\r\nhello\r\n0\r\n\r\n", b""),
    "a quote without an end": (b'5;a="b\r\nhello\r\n0\r\n\r\n', b""),
    "no line end after the data": (b"5\r\nhello0\r\n\r\n", b"hello"),
    "any two bytes after the data": (b"5\r\nhelloXX0\r\n\r\n", b"hello"),
    "LF after the data": (b"5\r\nhello\n0\r\n\r\n", b"hello"),
    "two LF after the data": (b"5\r\nhello\n\n0\r\n\r\n", b"hello"),
    "CR after the data": (b"5\r\nhello\r0\r\n\r\n", b"hello"),
    "more data than its size": (b"4\r\nhello\r\n0\r\n\r\n", b"hell"),
    "less data than its size": (b"6\r\nhello\r\n0\r\n\r\n", b"hello\r"),
    "LF after the last size": (b"5\r\nhello\r\n0\n\r\n", b"hello"),
    "LF at the end": (b"5\r\nhello\r\n0\r\n\n", b"hello"),
    "LF in a trailer": (b"0\r\nA: b\nC: d\r\n\r\n", b""),
    "LF after the trailers": (b"0\r\nA: b\r\n\n", b""),
    "CR in a trailer": (b"0\r\nA: b\rc\r\n\r\n", b""),
    "NUL in a trailer": (b"0\r\nA: b\x00\r\n\r\n", b""),
    "a folded trailer": (b"0\r\nA: b\r\n c\r\n\r\n", b""),
    "a trailer with a space before the colon": (b"0\r\nA : b\r\n\r\n", b""),
    "a trailer without a name": (b"0\r\n: b\r\n\r\n", b""),
    "a length for a trailer": (b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", b"hello"),
    "a coding for a trailer": (b"5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n", b"hello"),
    "trailers beyond the limit": (b"0\r\n" + b"A: b\r\n" * (LIMIT // 5) + b"\r\n", b""),
    "a trailer without an end": (b"0\r\nA: " + b"b" * 2 * LIMIT, b""),
    "an extension without an end": (b"5;" + b"a" * 2 * LIMIT, b""),
}


@pytest.mark.parametrize("name", CHUNKS)
def test_chunks_that_are_refused(parser: type[Parser], name: str) -> None:
    data, body = CHUNKS[name]
    for places in ways(CHUNKED + data)[: 3 if len(data) > LIMIT else None]:
        said = told(parser, cut(CHUNKED + data, *places))
        assert said.error is not None
        assert said.names in (["began"], ["began", "got"])
        assert body.startswith(said.body)
        assert len(body) - len(said.body) <= 1


ENDLESS_ONES = [b"5;" + b"a" * 3 * LIMIT, b"0\r\nA: " + b"b" * 3 * LIMIT, b'1\r\na\r\n1;a="' + b" " * 3 * LIMIT]


@pytest.mark.parametrize("data", ENDLESS_ONES)
def test_what_never_ends_is_given_up(parser: type[Parser], data: bytes) -> None:
    assert told(parser, cut(CHUNKED + data, *range(1000, len(data), 1000)), close=False).error == ENDLESS


def test_a_storm_of_interim_answers(parser: type[Parser]) -> None:
    for places in ((), range(0, 2000, 7)):
        said = told(parser, cut(INTERIM * 33 + SIZED, *places))
        assert said.error == STORM
        assert said.names == ["informed"] * 32


MORE = [
    b"\r\n",
    b"\n",
    b"\r",
    b"x",
    b"H",
    OK,
    SIZED,
    b"\r\n\r\n",
    b"\x00",
    b"0\r\n\r\n",
    b"\n\r\n\r\n",
    b"\r\n\n\r\n\r\n",
]


@pytest.mark.parametrize("name", [name for name in COMPLETE if not name.startswith("until the end")])
def test_bytes_beyond_the_end(parser: type[Parser], name: str) -> None:
    """The answer is good, but the connection is not, whether they come with it or later."""
    method, data, _, body, reusable = COMPLETE[name]
    for more in MORE:
        said = told(parser, [data + more], method)
        assert said.error == BEYOND
        assert said.body == body
        assert said.events[-1] == ("ended", [], False)
        apart = told(parser, [data, more], method)
        assert apart.error == "bytes came that belong to no answer"
        assert apart.events[-1] == ("ended", [], reusable)
        for places in ways(data + more)[1:5]:
            said = told(parser, cut(data + more, *places), method)
            assert said.error is not None
            assert said.body == body
            assert said.names.count("ended") == 1


LATER = "peer closed connection without sending complete message body "
CUT = {
    "nothing came": (b"", "Server disconnected without sending a response."),
    "only interim answers": (INTERIM, "Server disconnected without sending a response."),
    "a part of a head": (OK, "the peer closed the connection in the middle of the answer's head"),
    "a part of a line": (b"HT", "the peer closed the connection in the middle of the answer's head"),
    "a part of a body": (SIZED[:-2], LATER + "(received 3 bytes, expected 5)"),
    "none of a body": (SIZED[:-5], LATER + "(received 0 bytes, expected 5)"),
    "a part of a chunk": (CHUNKED + b"5\r\nhel", LATER + "(incomplete chunked read)"),
    "not the last chunk": (CHUNKED + b"5\r\nhello\r\n", LATER + "(incomplete chunked read)"),
    "a part of a size": (CHUNKED + b"5", LATER + "(incomplete chunked read)"),
    "not the trailers": (CHUNKED + b"0\r\nA: b\r\n", LATER + "(incomplete chunked read)"),
}


@pytest.mark.parametrize("name", CUT)
def test_an_answer_cut_short(parser: type[Parser], name: str) -> None:
    data, why = CUT[name]
    for places in ways(data) if data else [()]:
        said = told(parser, cut(data, *places))
        assert said.error == why
        assert "ended" not in said.names


def test_nobody_asked(parser: type[Parser]) -> None:
    for early in (SIZED, b"\r\n"):
        notes = Notes()
        reads = parser(notes)
        reads.feed(b"")
        with pytest.raises(Malformed, match="no answer"):
            reads.feed(early)
        assert notes.events == []
    with pytest.raises(Malformed, match="no answer was to come"):
        parser(Notes()).eof()


def test_a_refusal_is_for_good(parser: type[Parser]) -> None:
    for wrong in (b"x" * 20, OK + b": \r\n\r\n", CHUNKED + b"x\r\n", SIZED + b"x"):
        notes = Notes()
        reads = parser(notes)
        reads.expect(b"GET")
        with pytest.raises(Malformed):
            reads.feed(wrong)
        events = list(notes.events)
        with pytest.raises(Malformed):
            reads.feed(SIZED)
        with pytest.raises(Malformed):
            reads.eof()
        assert notes.events == events
