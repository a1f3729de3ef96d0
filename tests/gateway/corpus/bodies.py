"""What passes through as it is, and what is said before a body? `Expect`, encodings, ranges, forms."""

from __future__ import annotations

import gzip

from .case import WAIT, Case, Must, passed, refused

__all__ = ["BODIES", "EXPECT"]

POST = b"POST / HTTP/1.1\r\nHost: a.example\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n"
ASKS = b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
RULE = "RFC 9110, 10.1.1"
DESYNC = "Kettle, HTTP/1.1 Must Die (2025)"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n"

EXPECT = (
    Case(
        "100-continue",
        (POST + ASKS, WAIT, b"ab"),
        passed(body=b"ab", interim=(100,)),
        RULE,
        at="head",
        answer=(CONTINUE, WAIT, OK),
    ),
    Case(
        "100-continue, and the body at once",
        POST + ASKS + b"ab",
        passed(body=b"ab"),
        RULE,
        at="head",
        answer=(CONTINUE, WAIT, OK),
    ),
    Case("100-continue, and an upstream that never says so", POST + ASKS + b"ab", passed(body=b"ab"), RULE),
    Case(
        "100-continue, and no body",
        GET + b"Expect: 100-continue\r\n\r\n",
        passed(body=b""),
        RULE,
    ),
    Case(
        "100-continue in HTTP/1.0",
        b"POST / HTTP/1.0\r\nHost: a.example\r\n" + ASKS + b"ab",
        passed(body=b"ab", interim=(), ends=True),
        RULE,
    ),
    Case(
        "100-continue, in chunks",
        (POST + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", WAIT, b"2\r\nab\r\n0\r\n\r\n"),
        passed(body=b"ab", interim=(100,)),
        RULE,
        at="head",
        answer=(CONTINUE, WAIT, OK),
    ),
    Case(
        "100-continue in capitals",
        (POST + ASKS.replace(b"100-c", b"100-C"), WAIT, b"ab"),
        passed(body=b"ab", interim=(100,)),
        RULE,
        at="head",
        answer=(CONTINUE, WAIT, OK),
    ),
    Case(
        "100-continue, refused by the upstream",
        (POST + ASKS, WAIT),
        Must(statuses=(417,), saw=1, interim=()),
        RULE,
        at="head",
        answer=b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        methods=(b"POST",),
        partial=True,
    ),
    Case(
        "100-continue, answered at once",
        (POST + ASKS, WAIT, b"ab"),
        Must(statuses=(200,), saw=1),
        DESYNC,
        at="head",
        answer=OK,
    ),
    Case(
        "another expectation",
        POST + b"Expect: tea\r\nContent-Length: 2\r\n\r\nab",
        Must(statuses=(200, 417)),
        RULE,
        shows=("expect",),
    ),
    Case(
        "another expectation beside it",
        POST + b"Expect: y 100-continue\r\nContent-Length: 2\r\n\r\nab",
        Must(statuses=(200, 417)),
        DESYNC,
        shows=("expect",),
    ),
    Case(
        "100-continue, of OPTIONS, on a folded line",
        b"OPTIONS / HTTP/1.1\r\nHost: a.example\r\nExpect:\r\n 100-continue\r\nContent-Length: %d\r\n\r\n%b"
        % (len(HIDDEN), HIDDEN),
        refused(400, 417),
        "CVE-2025-32094",
    ),
    Case("100-continue twice", POST + b"Expect: 100-continue\r\n" + ASKS + b"ab", Must(statuses=(200, 417)), DESYNC),
)

BOMB = gzip.compress(bytes(10_000_000), mtime=0)
PARTS = (
    b"".join(b'--x\r\nContent-Disposition: form-data; name="%d"\r\n\r\n\r\n' % number for number in range(1000))
    + b"--x--"
)
FORM = b"&".join(b"a%d=" % number for number in range(10_000))


def posted(name: str, fields: bytes, body: bytes, source: str) -> Case:
    sent = POST + fields + b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    return Case(name, sent, passed(body=body), source)


RANGES = b"bytes=" + b",".join(b"%d-" % number for number in range(500))

BODIES = (
    posted("10 MB of zeros in gzip, up", b"Content-Encoding: gzip", BOMB, "CWE-409"),
    posted("no gzip, though it is said, up", b"Content-Encoding: gzip", b"junk", "RFC 9110, 8.4"),
    posted("gzip in gzip in br, up", b"Content-Encoding: gzip, gzip, br", b"junk", "CWE-409"),
    posted("a form of 1000 parts", b"Content-Type: multipart/form-data; boundary=x", PARTS, "CVE-2024-47874"),
    posted("a form of 10,000 fields", b"Content-Type: application/x-www-form-urlencoded", FORM, "CWE-770"),
    Case(
        "500 ranges",
        GET + b"Range: " + RANGES + b"\r\n\r\n",
        passed(fields={"range": RANGES}),
        "CVE-2011-3192; GHSA-7f5h-v6xp-fcq8",
    ),
    Case("a range beyond all", GET + b"Range: bytes=18446744073709551615-\r\n\r\n", passed(), "RFC 9110, 14.2"),
    Case(
        "10 MB of zeros in gzip, down",
        GET + b"Accept-Encoding: gzip\r\n\r\n",
        passed(told={"content-encoding": b"gzip"}, answer=BOMB),
        "CWE-409",
        answer=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(BOMB), BOMB),
    ),
    Case(
        "no gzip, though it is said, down",
        GET + b"\r\n",
        passed(told={"content-encoding": b"gzip"}, answer=b"junk"),
        "RFC 9110, 8.4",
        answer=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk",
    ),
)
