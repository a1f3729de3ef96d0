"""What is a line, what is a field? Line ends, folds, control characters, names (RFC 9112, 2.2 and 5; RFC 9110, 5)."""

from __future__ import annotations

from .case import Case, Must, passed, refused

__all__ = ["FIELDS"]

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n"
LINES = "RFC 9112, 2.2"
NAMES = "RFC 9110, 5.1"
VALUES = "RFC 9110, 5.5"


def field(line: bytes) -> bytes:
    return GET + line + b"\r\n\r\n"


FIELDS = (
    Case("a plain request", GET + b"\r\n", passed(b"/"), "RFC 9112, 3"),
    Case("a folded field", field(b"X-A: b\r\n c"), refused(), "RFC 9112, 5.2"),
    Case("a field folded with a tab", field(b"X-A: b\r\n\tc"), refused(), "RFC 9112, 5.2"),
    Case("a folded Host", b"GET / HTTP/1.1\r\nHost: a.example\r\n b\r\n\r\n", refused(), "RFC 9112, 5.2"),
    Case("lines that end in LF", b"GET / HTTP/1.1\nHost: a.example\n\n", refused(), LINES, granian=passed()),
    Case("one line that ends in LF", field(b"X-A: b\nX-B: c"), refused(), f"{LINES}; CVE-2019-16785", granian=passed()),
    Case("a head that ends in LF", GET + b"\n", refused(), LINES, granian=passed()),
    Case("a head that ends in CR, CR, LF", GET + b"\r\r\n", refused(), LINES),
    Case("a bare CR in a value", field(b"X-A: b\rc"), refused(), LINES),
    Case("a bare CR before a field", field(b"X-A: b\rX-B: c"), refused(), "CVE-2023-30589"),
    Case("a bare CR in a name", field(b"X\rA: b"), refused(), LINES),
    Case("CR and a tab before the LF", field(b"X-A: b\r\t\nX-B: c"), refused(), LINES),
    Case("a NUL in a value", field(b"X-A: b\x00c"), refused(), f"{VALUES}; CVE-2019-9900"),
    Case("a NUL in a name", field(b"X\x00A: b"), refused(), NAMES),
    Case("a NUL before a name", field(b"\x00X-A: b"), refused(), NAMES),
    Case("a bell in a value", field(b"X-A: b\x07c"), refused(), VALUES),
    Case("DEL in a value", field(b"X-A: b\x7fc"), refused(), VALUES),
    Case("a tab in a value", field(b"X-A: b\tc"), passed(fields={"x-a": b"b\tc"}), VALUES),
    Case("octets above ASCII in a value", field(b"X-A: \xe9\xff"), passed(fields={"x-a": b"\xe9\xff"}), VALUES),
    Case("an empty value", field(b"X-A:"), passed(fields={"x-a": b""}), VALUES),
    Case(
        "blanks around a value", field(b"X-A: \t b \t "), passed(fields={"x-a": b"b"}), "RFC 9112, 5.1; CVE-2019-18802"
    ),
    Case("a space before the colon", field(b"X-A : b"), refused(), "RFC 9112, 5.1; CVE-2021-22959"),
    Case("a tab before the colon", field(b"X-A\t: b"), refused(), "RFC 9112, 5.1"),
    Case("a space before the colon of Host", b"GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", refused(), "RFC 9112, 5.1"),
    Case("no name", field(b": b"), refused(), f"{NAMES}; CVE-2023-25725"),
    Case("no colon", field(b"X-A"), refused(), "RFC 9112, 5; CVE-2019-20444"),
    Case("a space in a name", field(b"X A: b"), refused(), NAMES),
    Case("brackets in a name", field(b"X(A): b"), refused(), NAMES),
    Case("octets above ASCII in a name", field(b"X-\xe9: b"), refused(), NAMES),
    Case("a line of blanks", field(b"X-A: b\r\n \r\nX-B: c"), refused(), "RFC 9112, 5.2"),
    Case("a blank before the first name", b"GET / HTTP/1.1\r\n X-A: b\r\nHost: a.example\r\n\r\n", refused(), LINES),
    Case(
        "the same name twice",
        field(b"X-A: b\r\nX-A: c"),
        passed(fields={"x-a": b"b, c"}),
        "RFC 9110, 5.3",
    ),
    Case("one empty line before the request", b"\r\n" + GET + b"\r\n", Must(statuses=(200, 400)), LINES),
    Case("100 empty lines before the request", b"\r\n" * 100 + GET + b"\r\n", Must(statuses=(200, 400)), LINES),
    Case("a byte order mark before the request", b"\xef\xbb\xbf" + GET + b"\r\n", refused(), LINES),
    Case(
        "a name with _ beside its twin with -", field(b"X_User: root"), passed(), "RFC 3875, 4.1.18", shows=("x_user",)
    ),
    Case(
        "an end in quotes",
        field(b'X-A: "b\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a.example\r\nX-B: "'),
        Must(statuses=(200,), saw=2, fields={"x-a": b'"b'}),
        LINES,
        asks=2,
    ),
    Case(
        "TLS, to a port without",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        refused(400, 408, 0),
        LINES,
    ),
    Case("zeros", bytes(1000), refused(400, 408, 0), LINES),
)
