"""How much is too much? Of fields, of a line, of a body; refused early, whatever is still to come."""

from __future__ import annotations

from .case import RESET, WAIT, Case, Must, passed, refused

__all__ = ["SIZES"]

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.example\r\n"
FIELDS = "RFC 6585, 5"
BODY = "RFC 9110, 15.5.14"


def fields(many: int, size: int = 1) -> bytes:
    return GET + b"".join(b"X-%d: %b\r\n" % (number, b"a" * size) for number in range(many)) + b"\r\n"


def chunks(many: int, size: int) -> bytes:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n" % (size, b"a" * size) * many + b"0\r\n\r\n"


def length(size: int, more: bytes = b"") -> bytes:
    return POST + more + b"Content-Length: %d\r\n\r\n" % size


SIZES = (
    Case("60 fields", fields(60), passed(), FIELDS),
    Case("10,000 fields", fields(10_000), refused(400, 431), FIELDS),
    Case("fields of 1 MB", fields(100, 10_000), refused(400, 431), FIELDS),
    Case("a field of 100 KB", fields(1, 100_000), refused(400, 431), FIELDS, granian=Must(statuses=(200, 400, 431))),
    Case("a field of 6 KB", fields(1, 6000), passed(), FIELDS),
    Case("a name of 100 KB", GET + b"X" * 100_000 + b": a\r\n\r\n", refused(400, 431), FIELDS),
    Case("a name without an end", GET + b"X" * 1_000_000, refused(400, 431), FIELDS),
    Case("a line without an end", b"GET /" + b"a" * 1_000_000, refused(400, 414, 431), "RFC 9112, 3"),
    Case("a method without an end", b"G" * 1_000_000, refused(400, 405, 414, 431, 501, 0), "RFC 9112, 3"),
    Case("empty lines without an end", b"\r\n" * 500_000, refused(400, 408, 414, 431, 0), "RFC 9112, 2.2"),
    Case(
        "1000 cookies in a line",
        GET + b"Cookie: " + b"; ".join(b"a%d=b" % number for number in range(1000)) + b"\r\n\r\n",
        Must(statuses=(200, 400, 431)),
        "RFC 6265, 6.1",
    ),
    Case("a body at the limit", length(1000) + b"a" * 1000, passed(body=b"a" * 1000), BODY, site="limits"),
    Case("a byte beyond the limit", length(1001) + b"a" * 1001, refused(413, ends=None), BODY, site="limits"),
    Case("far beyond the limit", length(10**12), refused(413, ends=None), BODY, site="limits", partial=True),
    Case(
        "beyond the limit, in chunks",
        chunks(3, 500),
        Must(statuses=(413,), ends=None),
        BODY,
        site="limits",
    ),
    Case("at the limit, in chunks", chunks(2, 500), passed(body=b"a" * 1000), BODY, site="limits"),
    Case(
        "beyond the limit, and asked before",
        (length(1001, b"Expect: 100-continue\r\n"), WAIT),
        refused(413, interim=(), ends=None),
        "RFC 9110, 10.1.1",
        site="limits",
        partial=True,
    ),
    Case("no limit", length(300_000) + b"a" * 300_000, passed(body=b"a" * 300_000), BODY),
    Case("no limit, in chunks", chunks(300, 1000), passed(body=b"a" * 300_000), BODY),
    Case("no limit, in chunks of a byte", chunks(3000, 1), passed(body=b"a" * 3000), BODY),
    Case(
        "a length of a terabyte, and a reset",
        (length(10**12), b"a" * 1000, RESET),
        Must(statuses=(0,)),
        BODY,
    ),
)
