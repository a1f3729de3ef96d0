"""Which messages are in these bytes, and what is wrong with them? Read as the strictest receiver would (RFC 9112).

What is wrong is noted and read over where that is possible, as a lenient receiver would: so a request that hides
behind another is found, and counted.

=======================  =============================================================================
read                     as
=======================  =============================================================================
the head                 all up to an empty line; each line ends in CRLF, no other CR, no other LF, no NUL
Transfer-Encoding        wins over Content-Length; having both is wrong (6.1)
a chunk                  hexadecimal digits, perhaps an extension, CRLF, so many bytes, CRLF (7.1)
an answer without both   ends with the connection (6.3)
=======================  =============================================================================
"""

from __future__ import annotations

import re

import attrs

__all__ = ["CHUNKED", "Message", "answers", "requests"]

Fields = list[tuple[bytes, bytes]]

REQUEST = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/1\.[01]")
STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(;[\t\x20-\x7e\x80-\xff]*)?")
UNTIL_CLOSED, CHUNKED, UNKNOWN = -1, -2, -3


@attrs.define
class Message:
    """A request or an answer, as it stood on the wire."""

    start: bytes
    fields: Fields
    body: bytes = b""
    trailers: Fields = attrs.field(factory=list)
    headed: bool = False
    """Whether its head was all there."""
    whole: bool = False
    """Whether it ended where its framing says; else the bytes ended before."""
    framed: int = 0
    """Its length, `CHUNKED`, `UNTIL_CLOSED`; or `UNKNOWN`: all that comes is taken for its body."""
    end: int = -1
    """Where it ended; -1: it did not."""
    wrong: list[str] = attrs.field(factory=list)

    def all(self, name: str) -> list[bytes]:
        """The values of a field, in their order."""
        return [value for each, value in self.fields if each.lower() == name.encode()]

    @property
    def method(self) -> bytes:
        return self.start.partition(b" ")[0]

    @property
    def target(self) -> bytes:
        return self.start.split(b" ", 2)[1] if self.start.count(b" ") > 1 else b""

    @property
    def status(self) -> int:
        found = STATUS.fullmatch(self.start)
        return int(found[1]) if found else 0


def requests(data: bytes) -> list[Message]:
    """Those that a server has received. Bytes that begin no request are one that is wrong."""
    found = []
    at = 0
    while at < len(data):
        message, at = _head(data, at, REQUEST, "a request line")
        found.append(message)
        if at >= 0:
            if message.start.endswith(b"/1.1") and len(message.all("host")) != 1:
                message.wrong.append(f"{len(message.all('host'))} Host fields")
            message.framed = _framing(message)
            message.end = at = _body(message, data, at)
        if at < 0:
            break
    return found


def answers(data: bytes, methods: list[bytes], *, closed: bool) -> list[Message]:
    """Those that a client has received, to requests with these methods; then to others but HEAD.

    ``closed``: the connection has ended, in order. Interim answers are among them.
    """
    found = []
    at = final = 0
    while at < len(data):
        message, at = _head(data, at, STATUS, "a status line")
        found.append(message)
        if at < 0:
            break
        status = message.status
        if 100 <= status < 200:
            message.whole = True
            message.end = at
            if status == 101:
                message.body = data[at:]
                message.end = len(data)
                break
            continue
        method = methods[final] if final < len(methods) else b"GET"
        final += 1
        has_both = message.all("content-length") or message.all("transfer-encoding")
        message.framed = _framing(message) if has_both else UNTIL_CLOSED
        if method == b"HEAD" or status in (204, 304):
            message.framed = 0
        if message.framed == UNTIL_CLOSED:
            message.body = data[at:]
            message.whole = closed
            break
        message.end = at = _body(message, data, at)
        if at < 0:
            break
    return found


def _head(data: bytes, at: int, first: re.Pattern[bytes], what: str) -> tuple[Message, int]:
    """The head from there on, and where it ends; -1 where it does not."""
    end = data.find(b"\r\n\r\n", at)
    start, *lines = data[at : end if end >= 0 else None].split(b"\r\n")
    message = Message(start, [], headed=end >= 0)
    if not first.fullmatch(start) and (end >= 0 or not _beginning(start, what)):
        message.wrong.append(f"no {what.removeprefix('a ')}: {start[:60]!r}")
    for line in lines:
        field = FIELD.fullmatch(line)
        if field is not None:
            message.fields.append((field[1], field[2].rstrip(b" \t")))
        elif end >= 0:
            message.wrong.append(f"no field: {line[:60]!r}")
            name, _, value = line.partition(b":")
            message.fields.append((name.strip(), value.strip()))
    return message, end + 4 if end >= 0 else -1


def _beginning(start: bytes, what: str) -> bool:
    """Whether more of it may have been to come."""
    return b"\n" not in start and (what == "a request line" or start[:5] in b"HTTP/1.1")


def _framing(message: Message) -> int:
    lengths, codings = message.all("content-length"), message.all("transfer-encoding")
    if lengths and codings:
        message.wrong.append("both framings")
    if codings:
        if [each.lower() for each in codings] != [b"chunked"]:
            message.wrong.append(f"Transfer-Encoding {b', '.join(codings)[:40]!r}")
        return CHUNKED
    if len(lengths) > 1:
        message.wrong.append("two lengths")
    if lengths and not re.fullmatch(rb"[0-9]{1,19}", lengths[0]):
        message.wrong.append(f"Content-Length {lengths[0][:40]!r}")
        return UNKNOWN
    return int(lengths[0]) if lengths else 0


def _body(message: Message, data: bytes, at: int) -> int:
    """Read it into the message. Where it ends; -1 where it does not."""
    if message.framed == UNKNOWN:
        message.body, message.whole = data[at:], True
        return len(data)
    if message.framed >= 0:
        message.body = data[at : at + message.framed]
        message.whole = len(message.body) == message.framed
        return at + message.framed if message.whole else -1
    parts = []
    try:
        while True:
            end = data.find(b"\r\n", at)
            if end < 0:
                return -1
            size = SIZE.fullmatch(data[at:end])
            if size is None:
                message.wrong.append(f"a chunk of the size {data[at:end][:40]!r}")
                return -1
            at, length = end + 2, int(size[1], 16)
            if length == 0:
                return _trailers(message, data, at)
            parts.append(data[at : at + length])
            at += length
            if at + 2 > len(data):
                return -1
            if data[at : at + 2] != b"\r\n":
                message.wrong.append("a chunk that does not end in CRLF")
                return -1
            at += 2
    finally:
        message.body = b"".join(parts)


def _trailers(message: Message, data: bytes, at: int) -> int:
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return -1
        line, at = data[at:end], end + 2
        if not line:
            message.whole = True
            return at
        field = FIELD.fullmatch(line)
        if field is None:
            message.wrong.append(f"a trailer {line[:40]!r}")
        else:
            message.trailers.append((field[1], field[2].rstrip(b" \t")))
