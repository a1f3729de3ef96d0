"""Which answers does the client refuse, and which does it put up with?

RFC 9112 says how an answer is framed, and where two readers could disagree an attacker has a way in (sections 6.3 and
11.2). The library reads with h11. Where the pool is stricter, or h11 is, the case says what each does.
"""

from __future__ import annotations

from typing import Any

import pytest

from .sides import Side
from .stand_ins import CLOSE, Origin, always, says

NO = "RemoteProtocolError"
GOOD = b"Content-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


async def outcome(side: Side, answer: bytes) -> Any:
    """The body, or the name of the exception. The connection after an exception is never used again."""
    async with Origin(says((answer, CLOSE)), always()) as origin, side.client() as client:
        try:
            return (await client.get(origin.url)).content
        except side.lib.TransportError as error:
            name = type(error).__name__
        assert (await client.get(origin.url)).content == b"ok"
        assert origin.connections == 2
        return name


REFUSED = [
    b"garbage",
    b"garbage\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9 + b"\r\n\r\n",
    b"<html>not a status line</html>\r\n\r\n",
    b"HTTP/1.1\r\n" + GOOD,
    b"HTTP/1.1 OK\r\n" + GOOD,
    b"HTTP/1.1 20 OK\r\n" + GOOD,
    b"HTTP/1.1 2000 OK\r\n" + GOOD,
    b"HTTP/1.1 2x0 OK\r\n" + GOOD,
    b"HTTP/1.1 -200 OK\r\n" + GOOD,
    b"HTTP/1.1 099 OK\r\n" + GOOD,
    b"http/1.1 200 OK\r\n" + GOOD,
    b"HTTP/11 200 OK\r\n" + GOOD,
    b"HTTP/1.1.1 200 OK\r\n" + GOOD,
    b"HTTP/x.y 200 OK\r\n" + GOOD,
    b"HTTPS/1.1 200 OK\r\n" + GOOD,
    b" HTTP/1.1 200 OK\r\n" + GOOD,
    b"ICY 200 OK\r\n" + GOOD,
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HTTP/1.1 200 O\x00K\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nno colon\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\n: no name\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nX : space before the colon\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nX Y: space\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nX\x00: 1\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nX(y): 1\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2.0\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    CHUNKED + b"\r\nx\r\nHello\r\n0\r\n\r\n",
    CHUNKED + b"\r\n-5\r\nHello\r\n0\r\n\r\n",
    CHUNKED + b"\r\n+5\r\nHello\r\n0\r\n\r\n",
    CHUNKED + b"\r\n0x5\r\nHello\r\n0\r\n\r\n",
    CHUNKED + b"\r\n 5\r\nHello\r\n0\r\n\r\n",
    CHUNKED + b"\r\n5 \r\nHel\r\n",
    CHUNKED + b"\r\n\r\nHello\r\n0\r\n\r\n",
    CHUNKED + b"\r\n5\r\nHelloXX0\r\n\r\n",
    CHUNKED + b"\r\n5\r\nHello0\r\n\r\n",
    CHUNKED + b"\r\n4\r\nHello\r\n0\r\n\r\n",
    CHUNKED + b"\r\n" + b"f" * 17 + b"\r\nHello",
    CHUNKED + b"\r\n5\r\nHello\r\n0\r\nbad trailer\r\n\r\n",
    CHUNKED + b"\r\n5\r\nHello\r\n0\r\nX : 1\r\n\r\n",
]


@pytest.mark.parametrize("half", [0, 1])
async def test_what_is_refused(side: Side, half: int) -> None:
    outcomes = {answer: await outcome(side, answer) for answer in REFUSED[half::2]}
    assert {answer: came for answer, came in outcomes.items() if came != NO} == {}


@pytest.mark.parametrize("size", [256 * 1024, 1 << 20])
@pytest.mark.parametrize("shape", ["one field", "many fields", "no end of a line"])
async def test_a_head_without_measure(side: Side, size: int, shape: str) -> None:
    start = b"HTTP/1.1 200 OK\r\n"
    if shape == "one field":
        answer = start + b"X: " + b"x" * size + b"\r\n" + GOOD
    elif shape == "many fields":
        answer = start + b"X: 1234\r\n" * (size // 9) + GOOD
    else:
        answer = b"HTTP/1.1 200 " + b"x" * size
    assert await outcome(side, answer) == NO


EITHER_WAY = {
    # The answer, what the library makes of it, and what the pool does: it refuses what could be read in two ways.
    "the same length twice": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", b"ok", NO),
    "the same length twice in one field": (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", b"ok", NO),
    "a length and chunks": (CHUNKED + b"Content-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok", NO),
    "chunks of HTTP/1.0": (CHUNKED.replace(b"1.1", b"1.0") + b"\r\n2\r\nok\r\n0\r\n\r\n", b"ok", NO),
    "lines that end in LF": (b"HTTP/1.1 200 OK\n" + GOOD.replace(b"\r\n", b"\n"), b"ok", NO),
    "chunks whose lines end in LF": (CHUNKED + b"\r\n2\nok\n0\n\n", NO, NO),
    "a CR in a value": (b"HTTP/1.1 200 OK\r\nX: a\rb\r\n" + GOOD, NO, NO),
    "a folded value": (b"HTTP/1.1 200 OK\r\nX: folded\r\n over\r\n\tlines\r\n" + GOOD, b"ok", NO),
    "a control character in a value": (b"HTTP/1.1 200 OK\r\nX: a\x01b\r\n" + GOOD, b"ok", NO),
    "two spaces after the version": (b"HTTP/1.1  200 OK\r\n" + GOOD, NO, NO),
    "a tab after the version": (b"HTTP/1.1\t200 OK\r\n" + GOOD, NO, NO),
    "HTTP/1.2": (b"HTTP/1.2 200 OK\r\n" + GOOD, b"ok", NO),
    "HTTP/2.0": (b"HTTP/2.0 200 OK\r\n" + GOOD, b"ok", NO),
    "HTTP/0.9": (b"HTTP/0.9 200 OK\r\n" + GOOD, b"ok", NO),
    "a space after the size of a chunk": (CHUNKED + b"\r\n2 \r\nok\r\n0\r\n\r\n", b"ok", NO),
    "ten zeros before the size of a chunk": (CHUNKED + b"\r\n" + b"0" * 10 + b"2\r\nok\r\n0\r\n\r\n", b"ok", b"ok"),
    "an extension in quotes": (CHUNKED + b'\r\n2;a="b;c"\r\nok\r\n0\r\n\r\n', b"ok", b"ok"),
    "a body where there is none": (b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok", b"", b""),
    "more than the length says": (b"HTTP/1.1 200 OK\r\n" + GOOD + b"more", b"ok", b"ok"),
}


async def test_what_could_be_read_either_way(side: Side) -> None:
    outcomes = {case: await outcome(side, answer) for case, (answer, _, _) in EITHER_WAY.items()}
    assert outcomes == {case: side.of(library, pool) for case, (_, library, pool) in EITHER_WAY.items()}
