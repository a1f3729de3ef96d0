"""Where does a chunk end? Sizes, extensions, terminators, trailers (RFC 9112, 7.1)."""

from __future__ import annotations

from .case import Case, Must, passed, refused, unread

__all__ = ["CHUNKS", "TRAILERS"]

HEAD = b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
GRAMMAR = "RFC 9112, 7.1"
FUNKY = "Weikop, Funky Chunks (2025)"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n"

BROKEN = Must(statuses=(400,), ends=True)
"""The head may have been passed on by then; the body that follows it must not seem to be whole."""


def sized(size: bytes) -> bytes:
    return HEAD + size + b"\r\nhello\r\n" + END


def ended(end: bytes) -> bytes:
    return HEAD + b"5\r\nhello" + end + END


def trailed(trailers: bytes) -> bytes:
    return HEAD + b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n"


CHUNKS = tuple(
    map(
        unread,
        (
            Case("two chunks", HEAD + b"5\r\nhello\r\n1\r\n!\r\n" + END, passed(body=b"hello!"), GRAMMAR),
            Case(
                "digits in both cases",
                HEAD + b"0B\r\nhello\r\nhell\r\n0b\r\nhello\r\nhell\r\n" + END,
                passed(),
                GRAMMAR,
            ),
            Case("zeros before a size", sized(b"0005"), passed(body=b"hello"), GRAMMAR),
            Case("many zeros for the last", HEAD + b"5\r\nhello\r\n00000\r\n\r\n", passed(body=b"hello"), GRAMMAR),
            Case(
                "a size of 17 digits", sized(b"10000000000000005"), BROKEN, "RFC 9112, 7.1: no overflow; CVE-2017-7657"
            ),
            Case(
                "a size of 16 digits",
                sized(b"ffffffffffffffff"),
                Must(statuses=(400, 408), ends=True),
                "RFC 9112, 7.1: no overflow; CVE-2013-2028",
            ),
            Case(
                "40 zeros before a size",
                sized(b"0" * 40 + b"5"),
                Must(statuses=(200, 400)),
                "RFC 9112, 7.1: no overflow",
            ),
            Case("a size with 0x", sized(b"0x5"), BROKEN, f"{GRAMMAR}; CVE-2022-24801"),
            Case("a plus before a size", sized(b"+5"), BROKEN, f"{GRAMMAR}; CVE-2022-24801"),
            Case("a minus before a size", sized(b"-5"), BROKEN, GRAMMAR),
            Case("an underscore in a size", sized(b"0_5"), BROKEN, "CVE-2023-47627"),
            Case("a blank before a size", sized(b" 5"), BROKEN, GRAMMAR),
            Case("a blank after a size", sized(b"5 "), Must(statuses=(200, 400)), "RFC 9112, 7.1.1: BWS"),
            Case("a tab after a size", sized(b"5\t"), Must(statuses=(200, 400)), "RFC 9112, 7.1.1: BWS"),
            Case("no size", sized(b""), BROKEN, GRAMMAR),
            Case("a size that is no number", sized(b"five"), BROKEN, GRAMMAR),
            Case("an extension", sized(b"5;a=b"), passed(body=b"hello"), "RFC 9112, 7.1.1"),
            Case("an extension in quotes", sized(b'5;a="b;c"'), passed(body=b"hello"), "RFC 9112, 7.1.1"),
            Case("an empty extension", sized(b"5;"), Must(statuses=(200, 400)), "RFC 9112, 7.1.1"),
            Case("a NUL in an extension", sized(b"5;a=\x00"), BROKEN, "RFC 9112, 7.1.1", granian=passed(body=b"hello")),
            Case("a bare LF in an extension", sized(b"5;a\nb"), BROKEN, f"{FUNKY}; CVE-2025-55315"),
            Case("a bare CR in an extension", sized(b"5;a\rb"), BROKEN, FUNKY),
            Case(
                "a request behind an extension that ends in LF",
                HEAD + b"2;\nxx\r\n%x\r\n0\r\n\r\n%b\r\n" % (len(HIDDEN) + 5, HIDDEN) + END,
                BROKEN,
                f"{FUNKY}; CVE-2025-58056",
            ),
            Case(
                "an extension of 100 KB",
                sized(b"5;" + b"a" * 100_000),
                Must(statuses=(200, 400)),
                "CVE-2024-22019; CVE-2023-39326",
            ),
            Case("an extension of 2 MB", sized(b"5;" + b"a" * 2_000_000), BROKEN, "CVE-2024-22019; CVE-2023-39326"),
            Case(
                "100 bytes, each with an extension of 2 KB",
                HEAD + (b"1;" + b"a" * 2000 + b"\r\nx\r\n") * 100 + END,
                Must(statuses=(200, 400)),
                "CVE-2024-22019; CVE-2023-39326",
            ),
            Case("a size that ends in LF", HEAD + b"5\nhello\r\n" + END, BROKEN, "RFC 9112, 2.2; CVE-2025-22871"),
            Case("a size that ends in CR", HEAD + b"5\rhello\r\n" + END, BROKEN, "RFC 9112, 2.2"),
            Case("a size that ends in CR and another byte", HEAD + b"5\rXhello\r\n" + END, BROKEN, FUNKY),
            Case("a chunk that ends in two other bytes", ended(b"XX"), BROKEN, "CVE-2025-43859"),
            Case("a chunk that ends in LF", ended(b"\n"), BROKEN, "RFC 9112, 2.2"),
            Case("a chunk that ends in CR", ended(b"\r"), BROKEN, "RFC 9112, 2.2"),
            Case("a chunk that ends in LF, CR", ended(b"\n\r"), BROKEN, "CVE-2025-43859"),
            Case("a chunk that does not end", ended(b""), BROKEN, GRAMMAR),
            Case("a chunk with a byte too many", ended(b"!\r\n"), BROKEN, FUNKY),
            Case("chunks that end in LF, LF", HEAD + b"5\r\nhello\r\n0\n\n", BROKEN, "RFC 9112, 2.2"),
            Case("chunks that end in another byte", HEAD + b"5\r\nhello\r\n0\r\nX\r\n\r\n", BROKEN, GRAMMAR),
            Case(
                "a request in the place of the last CRLF",
                HEAD + b"5\r\nhello\r\n0\r\n" + HIDDEN,
                BROKEN,
                "RFC 9112, 7.1.2: no field, no colon",
            ),
        ),
    )
)

TRAILERS = tuple(
    map(
        unread,
        (
            Case("a trailer", trailed(b"X-Sum: 1\r\n"), passed(body=b"hello"), "RFC 9112, 7.1.2"),
            Case(
                "a length among the trailers",
                trailed(b"Content-Length: 100\r\n"),
                Must(statuses=(200, 400)),
                "RFC 9110, 6.5.1",
            ),
            Case(
                "a coding among the trailers",
                trailed(b"Transfer-Encoding: chunked\r\n"),
                Must(statuses=(200, 400)),
                "RFC 9110, 6.5.1",
            ),
            Case(
                "a Host among the trailers",
                trailed(b"Host: b.example\r\n"),
                Must(statuses=(200, 400), fields={"host": b"a.example"}),
                "RFC 9110, 6.5.1",
            ),
            Case(
                "credentials among the trailers",
                trailed(b"Authorization: Basic YTpi\r\n"),
                Must(statuses=(200, 400), fields={"authorization": None}),
                "RFC 9110, 6.5.1",
            ),
            Case(
                "an identity among the trailers",
                trailed(b"X-User: root\r\nX-Forwarded-For: 192.0.2.1\r\n"),
                Must(statuses=(200, 400), fields={"x-user": None, "x-forwarded-for": b"127.0.0.1"}),
                "RFC 9110, 6.5.1",
            ),
            Case("a trailer that ends in LF", trailed(b"X-Sum: 1\n"), BROKEN, "RFC 9112, 2.2"),
            Case("a NUL in a trailer", trailed(b"X-Sum: \x00\r\n"), BROKEN, "RFC 9110, 5.5"),
            Case("a folded trailer", trailed(b"X-Sum: 1\r\n 2\r\n"), BROKEN, "RFC 9112, 5.2"),
            Case("a trailer without a colon", trailed(b"X-Sum\r\n"), BROKEN, "RFC 9112, 5"),
            Case("a space before a trailer's colon", trailed(b"X-Sum : 1\r\n"), BROKEN, "RFC 9112, 5.1"),
            Case(
                "trailers of 1 MB",
                trailed(b"".join(b"X-%d: %b\r\n" % (number, b"a" * 1000) for number in range(1000))),
                Must(statuses=(400, 431), ends=True),
                "RFC 6585, 5",
            ),
            Case(
                "a request in chunks, and one behind it",
                HEAD + b"5\r\nhello\r\n" + END + HIDDEN,
                Must(statuses=(200,), saw=2, body=b"hello"),
                "RFC 9112, 9.3.2",
                asks=2,
            ),
            Case("chunks after an error", HEAD + b"zz\r\n" + HIDDEN, refused(saw=None), "RFC 9112, 9.3.2"),
        ),
    )
)
