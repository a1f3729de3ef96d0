"""How is a request parsed where httptools is not installed? By regular expressions, a line at a time.

It is told and tells what ``httptools.HttpRequestParser`` does, is a good deal slower, and takes a little less: of chunk
sizes no more than 16 digits, of chunk extensions no more than `WIDEST` bytes.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ...upstream.framing import BARE, FIELD
from .heads import LINE, Refused

__all__ = ["PlainParser", "Upgrade"]

WIDEST: Final = 4096
CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?")
FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
HEAD, SIZED, LENGTH, PIECE, AFTER, TRAILERS, OVER = range(7)


class Upgrade(Exception):
    """The rest of the data, from here on, is of another protocol."""


class PlainParser:
    """Parses what a client sends, and tells ``sink``. Raises `Refused`, and `Upgrade`."""

    __slots__ = ("_begun", "_buffer", "_came", "_left", "_method", "_sink", "_state", "_stays", "_version")

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._state = HEAD
        self._begun = False
        self._left = self._came = 0
        """Bytes of the body, or of its chunk, that are to come."""
        self._method = self._version = b""
        self._stays = True

    def get_method(self) -> bytes:
        return self._method

    def get_http_version(self) -> str:
        return self._version.decode("ascii")

    def should_keep_alive(self) -> bool:
        return self._stays

    def should_upgrade(self) -> bool:
        """Never: an upgrade that is none is read as what it is."""
        return False

    def feed_data(self, data: bytes) -> None:
        self._buffer += data
        self._came = len(data)
        while self._buffer and STEPS[self._state](self):
            pass

    def _head(self) -> bool:
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):
            del buffer[:2]
        if not buffer or buffer == b"\r":
            return False
        if not self._begun:
            self._begun = True
            self._sink.on_message_begin()
        end = buffer.find(b"\r\n\r\n")
        if BARE.search(buffer, 0, end if end >= 0 else len(buffer)):
            raise Refused(400, "The request is malformed: a bare CR or LF.")
        if end < 0:
            return False
        head = bytes(buffer[:end])
        del buffer[: end + 4]
        self._begun = False
        self._fields(head)
        return self._state != OVER

    def _fields(self, head: bytes) -> None:
        sink = self._sink
        first, *lines = head.split(b"\r\n")
        if not LINE.fullmatch(first + b"\r\n"):
            raise Refused(400, "The request does not begin with a line of HTTP/1.1.")
        self._method, target, version = first.split(b" ")
        self._version = version[5:]
        sink.on_url(target)
        length: int | None = None
        chunked = closes = False
        for line in lines:
            found = FIELD.fullmatch(line)
            if found is None:
                raise Refused(400, "The request is malformed: a line of its head is no field.")
            name, value = found[1], found[2].strip(b" \t")
            known = name.lower()
            if known == b"content-length":
                if length is not None or not (value.isdigit() and len(value) < 19):
                    raise Refused(400, "The request is malformed: its length is none.")
                length = int(value)
            elif known == b"transfer-encoding":
                if chunked:
                    raise Refused(400, "The request is malformed: two transfer codings.")
                chunked = True
            elif known == b"connection":
                closes |= b"close" in [each.strip(b" \t") for each in value.lower().split(b",")]
            sink.on_header(name, value)
        if chunked and length is not None:
            raise Refused(400, "The request is malformed: a length, and a transfer coding.")
        self._stays = not closes
        self._left = length or 0
        sink.on_headers_complete()
        if sink.upgrades:
            self._state = OVER
            raise Upgrade(self._came - len(self._buffer))
        if chunked:
            self._state = LENGTH
        elif self._left:
            self._state = SIZED
        else:
            self._ended()

    def _ended(self) -> None:
        self._state = HEAD if self._stays else OVER
        self._sink.on_message_complete()

    def _sized(self) -> bool:
        part = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        self._left -= len(part)
        self._sink.on_body(part)
        if not self._left:
            if self._state == SIZED:
                self._ended()
            else:
                self._state = AFTER
        return True

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        line = bytes(self._buffer[:end] if end >= 0 else self._buffer)
        if b"\n" in line or len(line) > WIDEST or b"\r" in line[:-1]:
            raise Refused(400, "The request is malformed: a line among its chunks has no end.")
        if end < 0:
            return None
        del self._buffer[: end + 2]
        return line

    def _length(self) -> bool:
        line = self._line()
        if line is None:
            return False
        found = CHUNK.fullmatch(line)
        if found is None:
            raise Refused(400, "The request is malformed: the size of a chunk is none.")
        self._left = int(found[1], 16)
        self._state = PIECE if self._left else TRAILERS
        return True

    def _after(self) -> bool:
        if not b"\r\n".startswith(bytes(self._buffer[:2])):
            raise Refused(400, "The request is malformed: a chunk is longer than its size.")
        if len(self._buffer) < 2:
            return False
        del self._buffer[:2]
        self._state = LENGTH
        return True

    def _trailers(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if not line:
            self._ended()
            return True
        found = FIELD.fullmatch(line)
        if found is None or found[1].lower() in FRAMING:
            raise Refused(400, "The request is malformed: a trailer is no field.")
        self._sink.on_header(found[1], found[2].strip(b" \t"))
        return True

    def _over(self) -> bool:
        self._buffer.clear()
        return False


STEPS: Final[dict[int, Any]] = {
    HEAD: PlainParser._head,
    SIZED: PlainParser._sized,
    LENGTH: PlainParser._length,
    PIECE: PlainParser._sized,
    AFTER: PlainParser._after,
    TRAILERS: PlainParser._trailers,
    OVER: PlainParser._over,
}
