"""What is written before a body? The head of a request, and nothing in it that could end it early or begin another.

Fields are sent as they come, in their order and case. Refused are a name that is no token (RFC 9110, 5.6.2), a control
character other than a tab in a value (5.5), and a target with a space or worse (RFC 9112, 3.2). All values are checked
in one pass: without the bytes that may stand in a line, exactly the line ends that were put there must be left.
"""

from __future__ import annotations

import re

from .errors import Misused
from .parser import Headers

__all__ = ["CHUNKED", "NOTHING", "closes", "framing", "head"]

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
TARGET = re.compile(rb"[\x21-\x7e]+")
INSIDE = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), 0x09})
"""What may stand in a line."""

NOTHING, CHUNKED = 0, -1
CLOSE = re.compile(rb"\nconnection:(?:[^\r]*[ \t,])?close[ \t,\r]")
DIGITS = re.compile(rb"[0-9]{1,18}")

_tokens: set[bytes] = set()
"""Names and methods that were found to be tokens; a program uses few of them."""
MANY = 1000


def head(method: bytes, target: bytes, headers: Headers) -> tuple[bytes, bytes]:
    """The bytes up to and including the empty line, and the same in lower case, to look for fields in.

    Of a body that is chunked no length is sent as well: two servers could read two lengths (RFC 9112, 6.2). Raises
    `Misused`.
    """
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target)]
    lines += [b"%b: %b\r\n" % field for field in headers]
    lines.append(b"\r\n")
    written = b"".join(lines)
    if written.translate(None, INSIDE) != b"\r\n" * len(lines):
        raise _refused(headers)
    if b" \r\n" in written or b"\t\r\n" in written or b":  " in written or b": \t" in written:
        _padded(headers)
    if method not in _tokens:
        _token(method, "method")
    if not TARGET.fullmatch(target):
        raise Misused(f"the target {target[:100]!r} cannot be sent")
    for name, _ in headers:
        if name not in _tokens:
            _token(name, "field name")
    lower = written.lower()
    if lower.count(b"\r\nhost:") != 1:
        raise Misused("a request has one Host field")
    if b"\r\ntransfer-encoding:" in lower and b"\r\ncontent-length:" in lower:
        return head(method, target, [field for field in headers if field[0].lower() != b"content-length"])
    return written, lower


def framing(headers: Headers) -> int:
    """How the body is framed: its declared length, `CHUNKED`, or `NOTHING`. Raises `Misused` for what is neither."""
    length: int | None = None
    chunked = False
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-length":
            if length is not None or not DIGITS.fullmatch(value):
                raise Misused(f"Content-Length is no single number: {value[:100]!r}")
            length = int(value)
        elif lower == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise Misused(f"a body can be sent chunked, and in no other transfer coding: {value[:100]!r}")
            chunked = True
    if chunked:
        return CHUNKED
    return NOTHING if length is None else length


def closes(lower: bytes) -> bool:
    """Whether a head says that its connection is not to be kept."""
    return CLOSE.search(lower) is not None


def _token(word: bytes, what: str) -> None:
    if not TOKEN.fullmatch(word):
        raise Misused(f"the {what} {word[:100]!r} is not a token")
    if len(_tokens) < MANY:
        _tokens.add(word)


def _padded(headers: Headers) -> None:
    """White space around a value is no part of it (RFC 9110, 5.5): who gives some does not get what he means."""
    for name, value in headers:
        if value != value.strip(b" \t"):
            raise Misused(f"the value of the field {name[:100]!r} begins or ends with white space")


def _refused(headers: Headers) -> Misused:
    for name, value in headers:
        if value.translate(None, INSIDE):
            return Misused(f"the value of the field {name[:100]!r} has a control character in it")
    return Misused("the request has a control character in its head")
