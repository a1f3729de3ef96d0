"""What if somebody takes their time, or leaves? Each gateway is told to wait for two seconds, whatever it waits for."""

from __future__ import annotations

from .case import (
    CLOSE,
    DEAF,
    FLOOD,
    HALF,
    OK,
    RESET,
    STALL,
    WAIT,
    Case,
    Drip,
    Must,
    Script,
    broken,
    passed,
    refused,
    unread,
)

__all__ = ["LEAVES", "SLOW"]

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\n"
LONG = POST.replace(b"10", b"100000")
CHUNKED = b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
LORIS = "Slowloris; CVE-2007-6750"
BODY = "R-U-Dead-Yet; CVE-2007-6750"
READ = "Shekyan, Are you ready for slow reading? (2012)"
LATE = "RFC 9110, 15.6.5"
TIMEOUT = Must(statuses=(0, 400, 408, 504), ends=True)
HALFWAY = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc"

SLOW = tuple(
    map(
        unread,
        (
            Case("nothing at all", STALL, refused(0, 408), LORIS, asks=1),
            Case("half a request line", (b"GET /", STALL), refused(0, 400, 408), LORIS),
            Case("half a head", (b"GET / HTTP/1.1\r\nHost: a.ex", STALL), refused(0, 400, 408), LORIS),
            Case(
                "a head, byte by byte",
                Drip(b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 50, every=0.1),
                refused(0, 400, 408),
                LORIS,
            ),
            Case("a head within the time, byte by byte", Drip(GET, every=0.0), passed(), LORIS),
            Case("no body", (POST, STALL), TIMEOUT, BODY),
            Case("half a body", (POST + b"abc", STALL), TIMEOUT, BODY),
            Case("half a chunk", (CHUNKED + b"a\r\nabc", STALL), TIMEOUT, BODY),
            Case("chunks without the last", (CHUNKED + b"3\r\nabc\r\n", STALL), TIMEOUT, BODY),
            Case("half a trailer", (CHUNKED + b"3\r\nabc\r\n0\r\nX-A: ", STALL), TIMEOUT, BODY),
            Case("a body, byte by byte", (POST, Drip(b"0123456789")), passed(body=b"0123456789"), BODY),
            Case(
                "half a second request",
                (GET, WAIT, b"GET / HT", STALL),
                Must(statuses=(200,), saw=1, ends=True),
                LORIS,
                asks=2,
            ),
            Case(
                "a client that does not read",
                (GET, DEAF),
                Must(statuses=(200,), whole=False, ends=True),
                READ,
                answer=(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", b"a" * 100_000, FLOOD),
            ),
            Case(
                "a client that does not read chunks",
                (GET, DEAF),
                Must(statuses=(200,), whole=False, ends=True),
                READ,
                answer=(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                    b"186a0\r\n" + b"a" * 100_000 + b"\r\n",
                    FLOOD,
                ),
            ),
            Case("an upstream that says nothing", GET, Must(statuses=(504,), saw=1), LATE, answer=STALL),
            Case(
                "an upstream that stops in its head",
                GET,
                Must(statuses=(504,), saw=1),
                LATE,
                answer=(b"HTTP/1.1 200 OK\r\nX", STALL),
            ),
            Case(
                "an upstream that stops after 100",
                GET,
                Must(statuses=(504,), saw=1),
                LATE,
                answer=(b"HTTP/1.1 100 Continue\r\n\r\n", STALL),
            ),
            Case("an upstream that stops in its body", GET, broken(), LATE, answer=(HALFWAY, STALL)),
            Case(
                "an upstream that stops in a short body",
                GET,
                Must(statuses=(200, 504), saw=1, whole=None),
                LATE,
                answer=(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", STALL),
            ),
            Case("an upstream that answers byte by byte", GET, passed(answer=b"ok"), LATE, answer=Drip(OK, every=0.01)),
            Case(
                "an upstream that does not read",
                b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 20000000\r\n\r\n" + b"a" * 20_000_000,
                Must(statuses=(0, 408, 502, 503, 504)),
                LATE,
                answer=STALL,
                at="connection",
            ),
            Case("nobody listens", GET, Must(statuses=(502, 503), saw=0), "RFC 9110, 15.6.3", site="nobody"),
        ),
    )
)


def leaves(name: str, *sent: object, answer: Script | bytes = OK, at: str = "body") -> list[Case]:
    """In order, and by a reset."""
    must, source = Must(statuses=(0, 200), whole=None), "RFC 9112, 9.5"
    return [
        Case(f"{name}, closed", (*sent, CLOSE), must, source, answer=answer, at=at),
        Case(f"{name}, reset", (*sent, RESET), must, source, answer=answer, at=at),
    ]


LEAVES = (
    *leaves("before a byte"),
    *leaves("in the head", b"GET / HTTP/1.1\r\nHost"),
    *leaves("before the body", POST),
    *leaves("in the body", POST + b"abc"),
    *leaves("in a chunk", CHUNKED + b"a\r\nabc"),
    *leaves("before the answer", GET, answer=STALL),
    *leaves("after its head", GET, WAIT, answer=(HALFWAY, STALL)),
    *leaves("in a long answer", GET, WAIT, answer=(HALFWAY.replace(b"100000", b"1000000000"), b"a" * 10_000, FLOOD)),
    *leaves("after the answer", GET, WAIT),
    Case("the client closes its half after the request", (GET, HALF), Must(statuses=(0, 200)), "RFC 9112, 9.6"),
    Case("the client closes its half in the head", (b"GET / HTTP/1.1\r\nHo", HALF), refused(0, 400), "RFC 9112, 9.6"),
    unread(
        Case(
            "the client closes its half in the body",
            (POST + b"abc", HALF),
            Must(statuses=(0, 400, 502), ends=True),
            "RFC 9112, 8",
        )
    ),
    Case(
        "an answer before the body, and a close",
        (LONG, WAIT),
        Must(statuses=(413,), saw=1, ends=None),
        "RFC 9112, 9.3",
        at="head",
        answer=(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", CLOSE),
        partial=True,
    ),
    Case(
        "an answer before the body, and the body",
        LONG + b"a" * 100_000,
        Must(statuses=(200,), saw=1),
        "RFC 9112, 9.3",
        at="head",
    ),
    Case(
        "an answer before the body, which waits for it",
        (LONG, WAIT, b"a" * 100_000),
        Must(statuses=(200, 408), saw=1),
        "RFC 9112, 9.3",
        at="head",
    ),
    Case("the upstream closes its half after the answer", GET, passed(), "RFC 9112, 9.6", answer=(OK, HALF)),
)
