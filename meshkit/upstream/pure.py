"""How is an answer parsed where httptools is not installed? By h11 (https://h11.readthedocs.io), held to the rules.

h11 takes more than `framing` allows: bare line ends, control characters, equal lengths, blanks after a chunk size,
folded fields; before 0.16 any two bytes after a chunk (CVE-2025-43859). So each head is read by those rules first. In a
body in chunks, what h11 took between two pieces of data is held to the grammar afterwards, before the piece is passed
on. Each exchange has a connection of h11 of its own.

Taken by httptools and refused here, as h11 takes no more: a chunk size of more than 20 digits, zeros in front.
"""

from __future__ import annotations

import re

import h11

from .errors import Malformed
from .framing import (
    BEYOND,
    CHUNKED,
    ENDLESS,
    FIELD,
    INTERIM,
    LIMIT,
    STORM,
    checked,
    closed,
    fields,
    framing,
    gather,
    incomplete,
    status_line,
)
from .sink import Headers, Sink

__all__ = ["PureParser"]

IDLE, HEAD, BODY, OVER = range(4)
PIECE = 4096
"""Bytes of a body in chunks that h11 is given at a time: what it has not taken yet is copied at each step."""
WIDEST = 2**64 - 1

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]*"
QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
EXTENSIONS = rb"(?:;(?!\r)" + TOKEN + rb"(?:=" + TOKEN + rb"(?:" + QUOTED + rb")?)?)*"
"""As llhttp takes them, a bit more than RFC 9112, 7.1.1, but for the blanks."""
BETWEEN = re.compile(rb"\r\n([0-9A-Fa-f]{1,20})" + EXTENSIONS + rb"\r\n")
LAST = re.compile(rb"\r\n0+" + EXTENSIONS + rb"\r\n(?:" + FIELD.pattern + rb"\r\n)*\r\n")

UPGRADE = [("host", "a"), ("connection", "upgrade"), ("upgrade", "any")]
"""So that a 101 is an answer."""
GET = h11.Request(method="GET", target="/", headers=UPGRADE)
ASKED = {
    b"HEAD": h11.Request(method="HEAD", target="/", headers=UPGRADE),
    b"CONNECT": h11.Request(method="CONNECT", target="a:1", headers=UPGRADE),
}


class PureParser:
    __slots__ = ("between", "held", "interim", "length", "method", "reusable", "sink", "state", "wire")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.state = IDLE
        self.wire: h11.Connection
        self.method = b""
        self.held = bytearray()
        """The beginning of a head."""
        self.interim = 0
        self.length = 0
        self.reusable = False
        self.between = bytearray()
        """What h11 took of a body in chunks since the last piece of data."""

    def expect(self, method: bytes) -> None:
        if self.state != IDLE:
            raise RuntimeError("an exchange is under way, or was the last one")
        self.wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * LIMIT)
        self.wire.send(ASKED.get(method, GET))
        self.wire.send(h11.EndOfMessage())
        self.method = method
        self.interim = 0
        self.state = HEAD

    def feed(self, data: bytes) -> None:
        if not data:
            return
        try:
            if self.state == HEAD:
                self._head(data)
            elif self.state == BODY:
                self._body(data)
            else:
                raise Malformed("bytes came that belong to no answer")
        except Malformed:
            self.state = OVER
            raise
        except h11.RemoteProtocolError as error:
            where = "head is" if self.state == HEAD else "chunks are"
            self.state = OVER
            raise Malformed(f"the answer's {where} malformed: {error}") from error

    def eof(self) -> None:
        state, self.state = self.state, OVER
        if state == BODY:
            try:
                self.wire.receive_data(b"")
                self.wire.next_event()
            except h11.RemoteProtocolError as error:
                raise incomplete(0, CHUNKED) if self.length == CHUNKED else Malformed(str(error)) from error
            self.sink.ended([], False)
        else:
            raise closed(self.held if state == HEAD else None)

    def _head(self, data: bytes) -> None:
        while data:
            end = gather(self.held, data)
            if not end:
                return
            data = bytes(self.held)
            self.held.clear()
            head, data = data[:end], data[end:]
            line = status_line(head)
            bodiless = self.method == b"HEAD" or line[0] < 200
            headers = fields(head)
            self.length, self.reusable = framing(line, headers, bodiless=bodiless)
            self.wire.receive_data(head)
            event = self.wire.next_event()
            if not isinstance(event, h11.InformationalResponse | h11.Response):
                raise Malformed(f"the answer's head is none: {event!r}")
            if self.wire.their_state is h11.SWITCHED_PROTOCOL:
                self.state = OVER
                self.sink.began(*line, headers)
                self.sink.switched(data)
                return
            if isinstance(event, h11.Response):
                self.state = BODY
                self.between[:] = b"\r\n"  # as after a chunk
                self.sink.began(*line, headers)
                self._body(data)
                return
            self.interim += 1
            if self.interim > INTERIM:
                raise Malformed(STORM)
            self.sink.informed(line[0], line[1], headers)

    def _body(self, data: bytes) -> None:
        step = PIECE if self.length == CHUNKED else len(data) or 1
        for start in range(0, len(data) or 1, step):
            trailers = self._piece(data[start : start + step])
            if trailers is not None:
                trailers = checked(trailers)
                more = start + step < len(data) or bool(self.wire.trailing_data[0])
                self.state = OVER if more else IDLE
                self.sink.ended(trailers, self.reusable and not more)
                if more:
                    raise Malformed(BEYOND)
                return

    def _piece(self, data: bytes) -> Headers | None:
        """A part of the body. The trailers, where it was the last."""
        wire = self.wire
        if data:
            wire.receive_data(data)
        chunked = self.length == CHUNKED
        ahead = wire.trailing_data[0] if chunked else b""
        while True:
            event = wire.next_event()
            part = bytes(event.data) if isinstance(event, h11.Data) else b""
            if chunked:
                before, ahead = ahead, wire.trailing_data[0]
                self.between += before[: len(before) - len(ahead) - len(part)]
            if part:
                self._chunk()
                self.sink.got(part)
            elif isinstance(event, h11.EndOfMessage):
                if chunked and not LAST.fullmatch(self.between):
                    raise Malformed(f"the answer's chunks are malformed: {bytes(self.between[:100])!r}")
                return event.headers.raw_items()
            else:
                if len(ahead) > LIMIT:
                    raise Malformed(ENDLESS)
                return None

    def _chunk(self) -> None:
        """Holds what stood before a piece of data to the grammar: nothing, within a chunk or without chunks."""
        if not self.between or self.length != CHUNKED:
            return
        match = BETWEEN.fullmatch(self.between)
        if match is None:
            raise Malformed(f"the answer's chunks are malformed: {bytes(self.between[:100])!r}")
        if int(match[1], 16) > WIDEST:
            raise Malformed("the answer's chunks are malformed: a size beyond 64 bits")
        self.between.clear()
