"""Where does a request end? Two lengths, none, or one that two receivers read differently."""

from __future__ import annotations

from .case import Case, Must, passed, refused

__all__ = ["CODINGS", "LENGTHS"]

POST = b"POST / HTTP/1.1\r\nHost: a.example\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n"
BOTH = "RFC 9112, 6.1 and 6.3; Kettle, HTTP Desync Attacks (2019)"
LENGTH = "RFC 9110, 8.6; RFC 9112, 6.3"
CODING = "RFC 9112, 6.1"


def length(value: bytes, body: bytes = b"ab") -> bytes:
    return POST + b"Content-Length:" + value + b"\r\n\r\n" + body


def coding(field: bytes, body: bytes = b"2\r\nab\r\n0\r\n\r\n") -> bytes:
    return POST + field + b"\r\n\r\n" + body


LENGTHS = (
    Case("a length", length(b" 2"), passed(body=b"ab"), LENGTH),
    Case("blanks around a length", length(b" \t2 \t"), passed(body=b"ab"), "RFC 9112, 5.1; CVE-2019-18802"),
    Case("zeros before a length", length(b" 0002"), passed(body=b"ab"), LENGTH),
    Case("a length of 0", length(b" 0", b""), passed(body=b""), LENGTH),
    Case("a request after a length of 0", length(b" 0", HIDDEN), passed(saw=2), LENGTH, asks=2),
    Case(
        "a length, then chunks",
        POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        refused(),
        BOTH,
        granian=passed(body=b""),
    ),
    Case(
        "chunks, then a length",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
        refused(),
        f"{BOTH}; CVE-2020-10109",
        granian=passed(body=b""),
    ),
    Case(
        "a request in a chunk, beside a length that ends before it",
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
        refused(),
        BOTH,
        granian=passed(body=HIDDEN),
    ),
    Case(
        "a request behind the chunks, within the length",
        POST + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%b" % (5 + len(HIDDEN), HIDDEN),
        refused(),
        BOTH,
        granian=Must(statuses=(200,)),
    ),
    Case(
        "the same length twice",
        length(b" 2\r\nContent-Length: 2"),
        refused(),
        f"{LENGTH}; CVE-2020-10108",
        granian=passed(body=b"ab"),
    ),
    Case(
        "two lengths",
        length(b" 0\r\nContent-Length: %d" % len(HIDDEN), HIDDEN),
        refused(),
        f"{LENGTH}; CVE-2020-10108",
    ),
    Case("a list of equal lengths", length(b" 2, 2"), refused(), f"{LENGTH}; CVE-2019-16792"),
    Case("a list of lengths", length(b" 2, 3"), refused(), LENGTH),
    Case("a plus before a length", length(b" +2"), refused(), f"{LENGTH}; CVE-2022-24801"),
    Case("a minus before a length", length(b" -2"), refused(), LENGTH),
    Case("a hexadecimal length", length(b" 0x2"), refused(), LENGTH),
    Case("a blank in a length", length(b" 2 2"), refused(), "CVE-2018-7159"),
    Case("an underscore in a length", length(b" 0_2"), refused(), "RFC 9110, 8.6; CVE-2023-47627"),
    Case("an empty length", length(b""), refused(), "CVE-2023-40225"),
    Case("a length of letters", length(b" two"), refused(), LENGTH),
    Case("a decimal length", length(b" 2.0"), refused(), LENGTH),
    Case("a length in digits of another script", length(" ٢".encode()), refused(), LENGTH),
    Case("a vertical tab before a length", length(b" \x0b2"), refused(), LENGTH),
    Case("a length beyond 64 bits", length(b" 18446744073709551618"), refused(400, 413), "RFC 9110, 8.6: no overflow"),
    Case("a length of 40 digits", length(b" " + b"9" * 40), refused(400, 413), "RFC 9110, 8.6: no overflow"),
    Case(
        "a name that begins like Content-Length",
        POST + b"Content-Length0" + b"a" * 255 + b":\r\nContent-Length: %d\r\n\r\n%b" % (len(HIDDEN), HIDDEN),
        Must(statuses=(200, 400, 431)),
        "CVE-2021-40346",
    ),
    Case(
        "GET with a body",
        b"GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n%b" % (len(HIDDEN), HIDDEN),
        passed(body=HIDDEN),
        "RFC 9110, 9.3.1",
    ),
    Case(
        "OPTIONS with a body",
        b"OPTIONS / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n%b" % (len(HIDDEN), HIDDEN),
        passed(body=HIDDEN),
        "RFC 9110, 9.3.7",
    ),
    Case(
        "HTTP/1.0 with a length",
        b"POST / HTTP/1.0\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nab",
        passed(body=b"ab"),
        "RFC 9112, 6",
    ),
)

CODINGS = (
    Case("chunks", coding(b"Transfer-Encoding: chunked"), passed(body=b"ab"), "RFC 9112, 7.1"),
    Case("chunked in capitals", coding(b"Transfer-Encoding: CHUNKED"), passed(body=b"ab"), "RFC 9112, 7"),
    Case("a tab before chunked", coding(b"Transfer-Encoding:\tchunked"), passed(body=b"ab"), "RFC 9112, 5.1"),
    Case(
        "GET in chunks",
        b"GET / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        passed(body=b"ab"),
        "RFC 9110, 9.3.1",
    ),
    Case("xchunked", coding(b"Transfer-Encoding: xchunked"), refused(400, 501), "Kettle (2019)"),
    Case("chunked, then identity", coding(b"Transfer-Encoding: chunked, identity"), refused(400, 501), CODING),
    Case(
        "identity, then chunked",
        coding(b"Transfer-Encoding: identity, chunked"),
        refused(400, 501),
        CODING,
        granian=refused(ends=None),
    ),
    Case("identity", coding(b"Transfer-Encoding: identity\r\nContent-Length: 2", b"ab"), refused(400, 501), CODING),
    Case(
        "gzip, then chunked",
        coding(b"Transfer-Encoding: gzip, chunked"),
        refused(400, 501),
        CODING,
        granian=refused(ends=None),
    ),
    Case("gzip alone", coding(b"Transfer-Encoding: gzip"), refused(400, 501), "RFC 9112, 6.3"),
    Case(
        "chunked twice in a line",
        coding(b"Transfer-Encoding: chunked, chunked"),
        refused(400, 501),
        CODING,
        granian=refused(ends=None),
    ),
    Case(
        "chunked in two lines",
        coding(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        refused(400, 501),
        f"{CODING}; CVE-2022-32215",
        granian=refused(ends=None),
    ),
    Case(
        "chunked, and identity in a second line",
        coding(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        refused(400, 501),
        "Kettle (2019)",
    ),
    Case("an empty coding", coding(b"Transfer-Encoding:\r\nContent-Length: 2", b"ab"), refused(400, 501), CODING),
    Case(
        "a comma before chunked",
        coding(b"Transfer-Encoding: ,chunked"),
        refused(400, 501),
        "CVE-2022-32213",
        granian=refused(ends=None),
    ),
    Case("chunked in quotes", coding(b'Transfer-Encoding: "chunked"'), refused(400, 501), "Kettle (2019)"),
    Case("chunked with a parameter", coding(b"Transfer-Encoding: chunked;a=b"), refused(400, 501), "RFC 9112, 7"),
    Case(
        "a space before the colon", coding(b"Transfer-Encoding : chunked"), refused(), "RFC 9112, 5.1; CVE-2019-16869"
    ),
    Case(
        "a vertical tab before chunked",
        coding(b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 5", b"ab\r\n\r"),
        refused(400, 501),
        "CVE-2019-18277",
    ),
    Case("a vertical tab after chunked", coding(b"Transfer-Encoding: chunked\x0b"), refused(400, 501), "Kettle (2019)"),
    Case("a NUL after chunked", coding(b"Transfer-Encoding: chunked\x00"), refused(), "CVE-2019-9900"),
    Case(
        "a tab after chunked", coding(b"Transfer-Encoding: chunked\t"), Must(statuses=(200, 400, 501)), "CVE-2019-18802"
    ),
    Case("chunked on a folded line", coding(b"Transfer-Encoding:\r\n chunked"), refused(), "RFC 9112, 5.2"),
    Case(
        "a coding behind a bare LF",
        coding(b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: 2", b"ab"),
        refused(),
        "RFC 9112, 2.2",
        granian=Must(statuses=(408,)),
    ),
    Case(
        "a coding behind a bare CR",
        coding(b"X: y\rTransfer-Encoding: chunked\r\nContent-Length: 2", b"ab"),
        refused(),
        "CVE-2023-30589",
    ),
    Case(
        "a space before the name, in the first line",
        b"POST / HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nab",
        refused(),
        "RFC 9112, 2.2",
    ),
    Case(
        "Transfer_Encoding, beside a length",
        coding(b"Transfer_Encoding: chunked\r\nContent-Length: 2", b"ab"),
        Must(statuses=(200, 400), body=b"ab"),
        "CGI takes - for _ (RFC 3875, 4.1.18)",
        shows=("transfer_encoding",),
    ),
    Case(
        "chunks in HTTP/1.0",
        b"POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        refused(),
        CODING,
    ),
    Case(
        "chunks in HTTP/1.0, beside a length",
        b"POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        refused(),
        CODING,
    ),
)
