"""Which answers are taken, and where does an answer end? The rules that both parsers keep (RFC 9112; RFC 9110, 5.5).

=====================================================  =====================================================
refused                                                because
=====================================================  =====================================================
Content-Length and Transfer-Encoding together          6.3: the way to smuggle an answer
more than one Content-Length, equal ones too           6.3 lets them be merged; nobody honest sends two
a Content-Length that is not 1 to 18 digits            8.6 of RFC 9110; no sign, no list, nothing beyond an exabyte
a Transfer-Encoding other than ``chunked``, once       no other coding is asked for, and HTTP/1.0 has none
a bare CR or LF, a control character but a tab         2.2, 5.5
a folded field, a space before the colon, no name      5.1, 5.2
another version than HTTP/1.0 and 1.1, a status below  4
100 or not of three digits
a chunk size beyond 64 bits, blanks in its line        7.1
a field of the framing among the trailers              6.5.1 of RFC 9110
a head, or trailers, of more than `LIMIT` bytes        a peer must not fill the memory
as many bytes in a row that are no body, in its midst  a chunk extension without an end
more than `INTERIM` answers before the final one       it might never come
any byte after the end, an empty line too              it would belong to the answer to the next request
=====================================================  =====================================================

A status line may lack its reason together with the space before it: many servers leave them out.
"""

from __future__ import annotations

import re

from .errors import Malformed
from .sink import Headers

__all__ = ["BEYOND", "CHUNKED", "ENDLESS", "FIELD", "FINAL", "INTERIM", "LIMIT", "STORM", "UNTIL_CLOSED"]
__all__ += ["Line", "checked", "closed", "fields", "framing", "gather", "incomplete", "status_line", "trimmed"]

LIMIT = 102_400
INTERIM = 32
CHUNKED, UNTIL_CLOSED = -1, -2

Line = tuple[int, bytes, bytes]
"""Status, reason, version."""

BEYOND = "more bytes came than belong to the answer"
ENDLESS = f"more than {LIMIT} bytes in a row of the answer's chunks are no body"
STORM = f"more than {INTERIM} interim answers came before the final one"

TEXT = rb"[\t\x20-\x7e\x80-\xff]*"
STATUS = re.compile(rb"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: (" + TEXT + rb"))?\r\n")
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):(" + TEXT + rb")")
FRAMING = frozenset({b"content-length", b"transfer-encoding"})
BARE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")

FINAL: dict[bytes, Line] = {}
"""Lines of final answers that were found to be good, as they came: there are few."""
MANY, LONG = 256, 64


def gather(held: bytearray, data: bytes) -> int:
    """Add ``data`` to the part of a head that came before. Where the head ends, or 0 as long as it does not."""
    seen = len(held)
    held += data
    end = held.find(b"\r\n\r\n", max(seen - 3, 0)) + 4
    if end == 3:
        end = 0
        line = held.find(b"\n") + 1
        if not line and not held.startswith(b"HTTP/1.") and not b"HTTP/1.".startswith(held):
            raise Malformed(f"the answer does not begin with a status line of HTTP/1.1: {bytes(held[:100])!r}")
        if line > seen:
            status_line(bytes(held[:line]))
        if BARE.search(held, max(seen - 1, 0)):
            raise Malformed("the answer has a bare CR or LF in its head")
    if end > LIMIT or (not end and len(held) > LIMIT):
        raise Malformed(f"the answer's head has more than {LIMIT} bytes")
    return end


def status_line(head: bytes) -> Line:
    """What a head begins with."""
    match = STATUS.match(head)
    if match is None:
        wrong = head.partition(b"\r\n")[0]
        raise Malformed(f"the answer does not begin with a status line of HTTP/1.1: {wrong[:100]!r}")
    version, status, reason = match.groups()
    line: Line = int(status), reason or b"", version
    if line[0] >= 200 and match.end() <= LONG and len(FINAL) < MANY:
        FINAL[match[0]] = line
    return line


def fields(head: bytes) -> Headers:
    """The fields of a whole head, each held to the grammar."""
    found = []
    for line in head[:-4].split(b"\r\n")[1:]:
        match = FIELD.fullmatch(line)
        if match is None:
            raise Malformed(f"the answer has {_flaw(line)} in its head: {line[:100]!r}")
        found.append((match[1], trimmed(match[1], match[2].lstrip(b" \t"))))
    return found


def trimmed(name: bytes, value: bytes) -> bytes:
    """A value without the blanks after it. A tab after a length or ``chunked`` stays, for `framing` to stumble over: to
    some versions of llhttp it is a part of the value, and ``chunked`` is then another coding.
    """
    return value.rstrip(b" " if name.lower() in FRAMING else b" \t")


def _flaw(line: bytes) -> str:
    name, colon, _ = line.partition(b":")
    if line[:1] in (b" ", b"\t"):
        return "a folded field"
    if b"\r" in line or b"\n" in line:
        return "a bare CR or LF"
    if not colon:
        return "a line without a colon"
    if not name:
        return "a field without a name"
    if name[-1:] in (b" ", b"\t"):
        return "a space before a colon"
    return "a control character" if FIELD.fullmatch(name + b":") else "a name that is no token"


def framing(line: Line, headers: Headers, *, bodiless: bool = False) -> tuple[int, bool]:
    """How many bytes the body has, or `CHUNKED` or `UNTIL_CLOSED`; and whether another exchange may follow.

    ``bodiless``: the request or the status says that there is none, whatever the fields do.
    """
    status, _, version = line
    length = None
    chunked = closes = False
    keeps = version == b"HTTP/1.1"
    for name, value in headers:
        size = len(name)  # to look at most of them no closer
        if size == 14:
            if name == b"Content-Length" or name.lower() == b"content-length":
                if length is not None:
                    raise Malformed("the answer has more than one Content-Length")
                if not value.isdigit() or len(value) > 18:
                    raise Malformed(f"the answer has a Content-Length that is no length: {value[:100]!r}")
                length = int(value)
        elif size == 10:
            if name == b"Connection" or name.lower() == b"connection":
                if value == b"keep-alive":
                    keeps = True
                    continue
                for option in value.lower().split(b","):
                    word = option.strip(b" \t")
                    closes |= word == b"close"
                    keeps |= word == b"keep-alive"
        elif size == 17 and name.lower() == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise Malformed(f"the answer has a Transfer-Encoding other than chunked, once: {value[:100]!r}")
            chunked = True
    if chunked:
        if length is not None:
            raise Malformed("the answer has both Content-Length and Transfer-Encoding")
        if version != b"HTTP/1.1":
            raise Malformed("the answer has a Transfer-Encoding, which HTTP/1.0 does not know")
        length = CHUNKED
    if bodiless or status == 204 or status == 304:  # noqa: PLR1714  # quicker than a set
        length = 0
    elif length is None:
        return UNTIL_CLOSED, False
    return length, keeps and not closes


def checked(trailers: Headers) -> Headers:
    """The trailers, held to their limits."""
    size = 0
    for name, value in trailers:
        size += len(name) + len(value) + 4
        if name.lower() in FRAMING:
            raise Malformed(f"the answer has {name.decode('ascii')} among its trailers")
    if size > LIMIT:
        raise Malformed(f"the answer's trailers have more than {LIMIT} bytes")
    return trailers


def closed(held: bytes | bytearray | None) -> Malformed:
    """Why it is a mistake to close the connection, when no body was under way. ``held``: of a head to come."""
    if held is None:
        return Malformed("the peer closed the connection, and no answer was to come")
    if held:
        return Malformed("the peer closed the connection in the middle of the answer's head")
    return Malformed("Server disconnected without sending a response.")  # known to users of httpx


def incomplete(received: int, length: int) -> Malformed:
    """Why it is one in the middle of a body. Users of httpx look for these words, which are h11's."""
    what = "incomplete chunked read" if length == CHUNKED else f"received {received} bytes, expected {length}"
    return Malformed(f"peer closed connection without sending complete message body ({what})")
