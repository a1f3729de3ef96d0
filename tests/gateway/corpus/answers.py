"""What if the upstream is wrong? Its answer is held to the same grammar, and what is missing of it is told."""

from __future__ import annotations

from .case import CLOSE, FLOOD, OK, RESET, STALL, Case, Must, Script, broken, passed, upstream

__all__ = ["ANSWERS", "ENDS"]

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n"
FRAMES = "RFC 9112, 6.3"
HIDDEN = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden"


def answer(name: str, sent: Script | bytes, must: Must, source: str, asked: bytes = GET, **more: object) -> Case:
    return Case(name, asked, must, source, answer=sent, methods=(asked.split()[0],), **more)  # type: ignore[arg-type]


def wrong(name: str, sent: Script | bytes, source: str) -> Case:
    return answer(name, sent, upstream(502), source)


def field(name: str, line: bytes, source: str) -> Case:
    return wrong(name, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + line + b"\r\n\r\nok", source)


def length(name: str, value: bytes, source: str = "RFC 9110, 8.6") -> Case:
    return wrong(name, b"HTTP/1.1 200 OK\r\nContent-Length:" + value + b"\r\n\r\nok", source)


def line(name: str, start: bytes, source: str = "RFC 9112, 4") -> Case:
    return wrong(name, start + b"\r\nContent-Length: 2\r\n\r\nok", source)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"2\r\nok\r\n0\r\n\r\n"
BIG = b"a" * 100_000
NONE = b"HTTP/1.1 204 No Content\r\n\r\n"

ANSWERS = (
    answer("chunks", CHUNKED + CHUNKS, passed(answer=b"ok"), "RFC 9112, 7.1"),
    field("a length and chunks", b"Transfer-Encoding: chunked", FRAMES),
    length("two lengths", b" 2\r\nContent-Length: 3", FRAMES),
    length("a list of lengths", b" 2, 3", FRAMES),
    length("a plus before a length", b" +2"),
    length("a negative length", b" -2"),
    length("a length beyond 64 bits", b" 18446744073709551618"),
    length("an empty length", b""),
    wrong("chunks in HTTP/1.0", CHUNKED.replace(b"1.1", b"1.0") + CHUNKS, "RFC 9112, 6.1"),
    wrong("gzip, then chunked", CHUNKED.replace(b"chunked", b"gzip, chunked") + CHUNKS, "RFC 9112, 6.1"),
    wrong("xchunked", CHUNKED.replace(b"chunked", b"xchunked") + CHUNKS, "RFC 9112, 6.1"),
    line("no status", b"HTTP/1.1 OK"),
    line("a status of two digits", b"HTTP/1.1 20 OK"),
    line("a status of four digits", b"HTTP/1.1 2000 OK"),
    line("a status of 000", b"HTTP/1.1 000 OK"),
    line("HTTP/2.0", b"HTTP/2.0 200 OK"),
    line("HTTP/0.9", b"HTTP/0.9 200 OK"),
    line("ICY", b"ICY 200 OK"),
    line("a blank before the status line", b" HTTP/1.1 200 OK"),
    line("an empty line before the status line", b"\r\nHTTP/1.1 200 OK", "RFC 9112, 2.2"),
    line("a NUL in the reason", b"HTTP/1.1 200 O\x00K"),
    line("a bare CR in the reason", b"HTTP/1.1 200 OK\rX-A: b"),
    answer("no reason", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", passed(answer=b"ok"), "RFC 9112, 4"),
    answer(
        "status 299", b"HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok", Must(statuses=(299,), saw=1), "RFC 9110, 15"
    ),
    answer("status 600", b"HTTP/1.1 600 Odd\r\nContent-Length: 2\r\n\r\nok", Must(statuses=(600, 502)), "RFC 9110, 15"),
    wrong("no HTTP at all", b"220 mail.example ESMTP\r\n", "RFC 9112, 2.1"),
    field("a bare LF in a value", b"X-A: b\nSet-Cookie: a=b", "RFC 9112, 2.2"),
    field("a bare CR in a value", b"X-A: b\rSet-Cookie: a=b", "RFC 9112, 2.2"),
    field("a NUL in a value", b"X-A: b\x00c", "RFC 9110, 5.5"),
    field("a folded field", b"X-A: b\r\n c", "RFC 9112, 5.2"),
    field("a space before the colon", b"X-A : b", "RFC 9112, 5.1"),
    field("no colon", b"X-A", "RFC 9112, 5"),
    field("no name", b": b", "RFC 9110, 5.1"),
    field("a space in a name", b"X A: b", "RFC 9110, 5.1"),
    wrong("lines that end in LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "RFC 9112, 2.2"),
    wrong("fields of 1 MB", b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n", "CWE-770"),
    wrong("fields without an end", (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000, FLOOD), "CWE-770"),
    wrong("a status line without an end", (b"HTTP/1.1 200 ", b"a" * 10_000, FLOOD), "CWE-770"),
    wrong("interim answers without an end", (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, FLOOD), "RFC 9110, 15.2"),
    wrong(
        "early hints without an end", (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100, FLOOD), "RFC 9110, 15.2"
    ),
    answer("100 that nobody asked for", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, passed(), "RFC 9110, 15.2"),
    answer("102, then the answer", b"HTTP/1.1 102 Processing\r\n\r\n" + OK, passed(), "RFC 9110, 15.2"),
    wrong(
        "101 that nobody asked for",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        "RFC 9110, 15.2.2",
    ),
    answer("another answer behind it", OK + HIDDEN, Must(statuses=(200, 502), saw=1), "RFC 9112, 9.2"),
    answer("bytes beyond its length", OK + b"more", Must(statuses=(200, 502), saw=1), FRAMES),
    answer(
        "another answer behind chunks", CHUNKED + CHUNKS + HIDDEN, Must(statuses=(200, 502), saw=1), "RFC 9112, 9.2"
    ),
    answer(
        "204 with a body",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
        Must(statuses=(204, 502), saw=1),
        FRAMES,
    ),
    answer(
        "204 with chunks",
        CHUNKED.replace(b"200 OK", b"204 No Content") + CHUNKS,
        Must(statuses=(204, 502), saw=1),
        FRAMES,
    ),
    answer(
        "304 with a length",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
        Must(statuses=(304,), saw=1),
        "RFC 9110, 8.6",
    ),
    answer(
        "304 with a body",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok",
        Must(statuses=(304, 502), saw=1),
        FRAMES,
    ),
    answer(
        "HEAD, and a length",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
        passed(told={"content-length": b"2"}),
        "RFC 9110, 9.3.2",
        HEAD,
    ),
    answer("HEAD, and a body", OK, Must(statuses=(200, 502), saw=1), "RFC 9110, 9.3.2", HEAD),
    answer("HEAD, and chunks", CHUNKED, passed(), "RFC 9110, 9.3.2", HEAD),
    answer("a trailer", CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", passed(answer=b"ok"), "RFC 9112, 7.1.2"),
    answer(
        "a length among the trailers",
        CHUNKED + b"2\r\nok\r\n0\r\nContent-Length: 9\r\n\r\n",
        Must(statuses=(200, 502), saw=1, whole=None),
        "RFC 9110, 6.5.1",
    ),
    answer(
        "a cookie among the trailers",
        CHUNKED + b"2\r\nok\r\n0\r\nSet-Cookie: a=b\r\n\r\n",
        passed(told={"set-cookie": None}),
        "RFC 9110, 6.5.1",
    ),
)

ONE = Must(statuses=(200, 502), saw=1, whole=None)
"""A short answer may have been waited for, and its failure be told as such."""


def cut(name: str, sent: Script, source: str = "RFC 9112, 8", **more: object) -> Case:
    """So much of the answer came that its head has gone to the client."""
    granian = Must(statuses=(200, 500, 502), saw=1, whole=None)  # its head waits for a part of the body
    return answer(name, (*sent[:-1], BIG, *sent[-1:]), broken(), source, granian=granian, **more)


LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
LARGE = b"186a0\r\n"
"""Of the size of `BIG`."""

ENDS = (
    answer(
        "no answer, in HTTP/1.0 and without a length", (b"HTTP/1.0 200 OK\r\n\r\n", CLOSE), passed(answer=b""), FRAMES
    ),
    answer("HTTP/1.0 without a length", (b"HTTP/1.0 200 OK\r\n\r\nok", CLOSE), passed(answer=b"ok"), FRAMES),
    answer("HTTP/1.1 without a length", (b"HTTP/1.1 200 OK\r\n\r\nok", CLOSE), passed(answer=b"ok"), FRAMES),
    answer("closed at once", (CLOSE,), Must(statuses=(502,)), "RFC 9112, 9.5", at="connection"),
    answer("reset at once", (RESET,), Must(statuses=(502,)), "RFC 9112, 9.5", at="connection"),
    answer("closed after the request", (CLOSE,), upstream(502), "RFC 9112, 9.5"),
    answer("reset after the request", (RESET,), upstream(502), "RFC 9112, 9.5"),
    answer("closed in the status line", (b"HTTP/1.1 20", CLOSE), upstream(502), "RFC 9112, 8"),
    answer("closed in the head", (b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE), upstream(502), "RFC 9112, 8"),
    answer("reset in the head", (b"HTTP/1.1 200 OK\r\nContent-Le", RESET), upstream(502), "RFC 9112, 8"),
    answer(
        "closed after an interim answer", (b"HTTP/1.1 103 Early Hints\r\n\r\n", CLOSE), upstream(502), "RFC 9112, 8"
    ),
    answer("closed after the head", (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", CLOSE), ONE, "RFC 9112, 8"),
    answer("reset after the head", (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", RESET), ONE, "RFC 9112, 8"),
    answer("a body that is too short", (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", CLOSE), ONE, "RFC 9112, 8"),
    answer("chunks that break off", (CHUNKED + b"2\r\nok\r\n", CLOSE), broken(), "RFC 9112, 8"),
    answer("a chunk that breaks off", (CHUNKED + b"5\r\nok", CLOSE), broken(), "RFC 9112, 8"),
    answer("trailers that break off", (CHUNKED + b"2\r\nok\r\n0\r\nX-S", CLOSE), broken(), "RFC 9112, 8"),
    answer("a chunk of a wrong size", CHUNKED + b"2\r\nok\r\nzz\r\n", ONE, "RFC 9112, 7.1"),
    answer("a chunk that ends in LF", CHUNKED + b"2\r\nok\n0\r\n\r\n", ONE, "RFC 9112, 2.2; CVE-2025-43859"),
    answer("a size that ends in LF", CHUNKED + b"2\nok\r\n0\r\n\r\n", ONE, "RFC 9112, 2.2; CVE-2025-22871"),
    answer("a chunk beyond 64 bits", CHUNKED + b"10000000000000002\r\nok\r\n0\r\n\r\n", ONE, "RFC 9112, 7.1"),
    answer(
        "an extension without an end",
        (CHUNKED + b"2;", b"a" * 10_000, FLOOD),
        ONE,
        "CVE-2023-39326",
        granian=Must(statuses=(200, 500, 502), saw=1, whole=None),
    ),
    cut("a long body that is too short", (LONG, CLOSE)),
    cut("a long body, reset", (LONG, RESET)),
    cut("chunks, reset", (CHUNKED + LARGE, RESET)),
    cut("chunks, then a wrong size", (CHUNKED + LARGE, b"\r\nzz\r\n"), "RFC 9112, 7.1", varies=True),
    cut("a long body, then silence", (LONG, STALL), "RFC 9110, 15.6.5"),
    cut("chunks, then silence", (CHUNKED + LARGE, STALL), "RFC 9110, 15.6.5"),
    Case(
        "a long body that is too short, to HTTP/1.0",
        b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n",
        Must(statuses=(200,), saw=1, whole=False, ends=True),
        "RFC 9112, 8",
        answer=(LONG + BIG, CLOSE),
    ),
    Case(
        "chunks that break off, to HTTP/1.0",
        b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n",
        Must(statuses=(200, 502), saw=1, whole=None, ends=True),
        "RFC 9112, 8: no length, so by a reset",
        answer=(CHUNKED + LARGE + BIG, CLOSE),
    ),
)
