"""What is asked for, and in which protocol? The request line (RFC 9112, 3), and what follows on the same connection."""

from __future__ import annotations

from .case import Case, Must, passed, refused

__all__ = ["LINES", "PIPELINED"]

HOST = b"Host: a.example\r\n"
GET = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n"
RULE = "RFC 9112, 3"
VERSION = "RFC 9112, 2.3"
TARGET = "RFC 9112, 3.2"
UNKNOWN = Must(statuses=(200, 400, 405, 501))


def line(start: bytes) -> bytes:
    return start + b"\r\n" + HOST + b"\r\n"


LINES = (
    Case("HTTP/0.9", b"GET /\r\n", refused(400, 505, 0), "RFC 1945, 4.1; CVE-2017-7656"),
    Case("HTTP/0.9, and a request as its body", b"GET /\r\n\r\n" + HIDDEN, refused(400, 505, 0), "CVE-2017-7656"),
    Case("HTTP/0.9 by name", line(b"GET / HTTP/0.9"), refused(400, 505), VERSION),
    Case("HTTP/1.0", line(b"GET / HTTP/1.0"), passed(ends=True), VERSION),
    Case("HTTP/1.2", line(b"GET / HTTP/1.2"), Must(statuses=(200, 400, 505)), VERSION),
    Case("HTTP/1.10", line(b"GET / HTTP/1.10"), refused(400, 505), VERSION),
    Case("HTTP/2.0", line(b"GET / HTTP/2.0"), refused(400, 505), VERSION),
    Case("HTTP/3", line(b"GET / HTTP/3"), refused(400, 505), VERSION),
    Case("HTTP/-1.1", line(b"GET / HTTP/-1.1"), refused(400, 505), VERSION),
    Case("http/1.1", line(b"GET / http/1.1"), refused(400, 505), VERSION),
    Case("HTTP/1,1", line(b"GET / HTTP/1,1"), refused(400, 505), VERSION),
    Case("ICE/1.0", line(b"GET / ICE/1.0"), refused(400, 405, 505), VERSION),
    Case(
        "the preface of HTTP/2",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        refused(400, 405, 505, 0),
        "RFC 9113, 3.4",
    ),
    Case("a blank after the version", line(b"GET / HTTP/1.1 "), refused(), RULE),
    Case("a word after the version", line(b"GET / HTTP/1.1 x"), refused(), RULE),
    Case("two blanks after the method", line(b"GET  / HTTP/1.1"), refused(), RULE),
    Case("two blanks before the version", line(b"GET /  HTTP/1.1"), refused(), RULE),
    Case("tabs for blanks", line(b"GET\t/\tHTTP/1.1"), refused(), RULE),
    Case("a form feed for a blank", line(b"GET /\x0cHTTP/1.1"), refused(), RULE),
    Case("a blank before the method", line(b" GET / HTTP/1.1"), refused(), RULE),
    Case("a blank in the target", line(b"GET /a b HTTP/1.1"), refused(), TARGET),
    Case("a version in the target", line(b"GET /a HTTP/1.1 /b HTTP/1.1"), refused(), TARGET),
    Case("a NUL in the target", line(b"GET /a\x00b HTTP/1.1"), refused(), TARGET),
    Case("a bare CR in the target", line(b"GET /a\rb HTTP/1.1"), refused(), "RFC 9112, 2.2"),
    Case("a bare LF in the target", line(b"GET /a\nb HTTP/1.1"), refused(), "RFC 9112, 2.2"),
    Case("no target", line(b"GET HTTP/1.1"), refused(), RULE),
    Case("no method", line(b"/ HTTP/1.1"), refused(), RULE),
    Case("only a method", line(b"GET"), refused(400, 0), RULE),
    Case("a method in small letters", line(b"get / HTTP/1.1"), UNKNOWN, "RFC 9110, 9.1", shows=("method",)),
    Case("a method that nobody knows", line(b"BREW / HTTP/1.1"), UNKNOWN, "RFC 9110, 9.1", shows=("method",)),
    Case("a method that is no token", line(b"G(T / HTTP/1.1"), refused(400, 405, 501), "RFC 9110, 9.1"),
    Case("a method with a colon", line(b"GET: / HTTP/1.1"), refused(400, 405, 501), "RFC 9110, 9.1"),
    Case("a NUL in the method", line(b"G\x00T / HTTP/1.1"), refused(400, 405, 501), "RFC 9110, 9.1"),
    Case(
        "a method of 10,000 letters",
        line(b"A" * 10_000 + b" / HTTP/1.1"),
        Must(statuses=(200, 400, 405, 414, 431, 501)),
        RULE,
    ),
    Case("TRACE", line(b"TRACE / HTTP/1.1"), UNKNOWN, "RFC 9110, 9.3.8"),
    Case(
        "another method in a field",
        b"POST / HTTP/1.1\r\n" + HOST + b"X-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n",
        passed(method=b"POST"),
        "the upstream's own business",
        shows=("method",),
    ),
    Case(
        "OPTIONS *", line(b"OPTIONS * HTTP/1.1"), Must(statuses=(200, 400, 404)), "RFC 9112, 3.2.4", shows=("target",)
    ),
    Case("GET *", line(b"GET * HTTP/1.1"), refused(400, 404, ends=None), "RFC 9112, 3.2.4", shows=("target",)),
    Case(
        "CONNECT",
        line(b"CONNECT a.example:443 HTTP/1.1"),
        refused(400, 403, 404, 405, 501, ends=None),
        "RFC 9110, 9.3.6",
    ),
    Case(
        "CONNECT with a path",
        line(b"CONNECT /a HTTP/1.1"),
        refused(400, 403, 404, 405, 501, ends=None),
        "RFC 9112, 3.2.3",
    ),
    Case(
        "a request behind CONNECT",
        line(b"CONNECT a.example:443 HTTP/1.1") + HIDDEN,
        Must(statuses=(400, 403, 404, 405, 501)),
        "RFC 9110, 9.3.6",
        asks=2,
    ),
    Case(
        "a body of CONNECT",
        b"CONNECT a.example:443 HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n%b" % (len(HIDDEN), HIDDEN),
        refused(400, 403, 404, 405, 501, ends=None),
        "RFC 9110, 9.3.6",
    ),
    Case(
        "GET of an authority",
        line(b"GET a.example:80 HTTP/1.1"),
        refused(),
        "RFC 9112, 3.2.3",
        granian=passed(),
        shows=("target",),
    ),
    Case("a target without a slash", line(b"GET a HTTP/1.1"), refused(), TARGET, granian=passed(), shows=("target",)),
    Case("a target that is a query", line(b"GET ?a HTTP/1.1"), refused(), TARGET, shows=("target",)),
)

PIPELINED = (
    Case("two requests", GET + GET, Must(statuses=(200,), saw=2), "RFC 9112, 9.3.2", asks=2),
    Case("20 requests", GET * 20, Must(statuses=(200,), saw=20), "RFC 9112, 9.3.2", asks=20),
    Case(
        "a request behind a body",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nab" + GET,
        Must(statuses=(200,), saw=2, body=b"ab"),
        "RFC 9112, 9.3.2",
        asks=2,
    ),
    Case(
        "a request behind Connection: close",
        b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n" + HIDDEN,
        passed(b"/a", ends=True),
        "RFC 9112, 9.6",
    ),
    Case("a request behind HTTP/1.0", line(b"GET /a HTTP/1.0") + HIDDEN, passed(b"/a", ends=True), "RFC 9112, 9.3"),
    Case("a request behind one that is wrong", b"GET /a\x00 HTTP/1.1\r\n\r\n" + HIDDEN, refused(), "RFC 9112, 9.6"),
    Case(
        "a request behind one without Host",
        b"GET /a HTTP/1.1\r\n\r\n" + HIDDEN,
        Must(statuses=(400,)),
        "RFC 9112, 3.2",
        asks=2,
    ),
    Case(
        "bytes that are none behind a request",
        GET + b"\x00\x01\x02\r\n\r\n",
        Must(statuses=(200,), saw=1, ends=True),
        "RFC 9112, 9.6",
        asks=2,
    ),
    Case(
        "a request behind HEAD",
        b"HEAD /a HTTP/1.1\r\n" + HOST + b"\r\n" + GET,
        Must(statuses=(200,), saw=2),
        "RFC 9110, 9.3.2",
        asks=2,
        methods=(b"HEAD", b"GET"),
        answer=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ),
    Case(
        "a request behind one for h2c",
        b"GET /a HTTP/1.1\r\n"
        + HOST
        + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        + HIDDEN,
        Must(statuses=(200,)),
        "Bishop Fox, h2c Smuggling (2020)",
        asks=2,
        shows=("upgrade", "http2-settings"),
    ),
    Case(
        "a request behind one for a WebSocket that is none",
        b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + HIDDEN,
        Must(statuses=(200, 400, 403, 404, 426, 501)),
        "RFC 6455, 4.2.1; 0ang3el, WebSocket Smuggling (2019)",
        asks=2,
        shows=("upgrade",),
    ),
    Case(
        "a request that hides in a body",
        b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n%b" % (len(HIDDEN), HIDDEN),
        passed(b"/a", body=HIDDEN),
        "RFC 9112, 6.3",
    ),
    Case(
        "half a request behind a request",
        (GET + b"GET /hid",),
        Must(statuses=(200,)),
        "RFC 9112, 9.3.2",
        asks=2,
    ),
)
