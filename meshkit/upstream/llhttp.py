"""How is an answer parsed quickly? By llhttp, the parser of Node.js, through httptools.

One httptools parser serves the exchanges of a connection one after the other. It reads heads, and bodies in chunks. A
body whose length is known is cut off by counting, and once its first part has been read it passes by unparsed; so does
one that lasts until the connection is closed. After those a new parser is made, as it still waits for the rest.

It cannot be told that an answer has no body, nor where in the data it has come to. So what comes before a final answer,
and the answers to HEAD and CONNECT, are read without it, by the rules of `framing`; those explain its refusals, too.

Before httptools 0.6.3 it took folded fields, spaces before a colon, bare line ends and any two bytes after a chunk.
"""

from __future__ import annotations

from collections.abc import Callable

from httptools import HttpParserCallbackError, HttpParserError, HttpResponseParser

from .errors import Malformed
from .framing import (
    BEYOND,
    CHUNKED,
    ENDLESS,
    FINAL,
    INTERIM,
    LIMIT,
    STORM,
    UNTIL_CLOSED,
    Line,
    checked,
    closed,
    fields,
    framing,
    gather,
    incomplete,
    status_line,
    trimmed,
)
from .sink import Headers, Sink

__all__ = ["LlhttpParser"]

IDLE, HEAD, SIZED, CHUNKS, OPEN, OVER = range(6)
"""No exchange; its head is to come; so is a body of known length, in chunks, until the end; nothing is parsed."""
END = b"\r\n\r\n"
BARE = frozenset({b"HEAD", b"CONNECT"})
"""Methods that say something about the body."""


try:
    HttpResponseParser(object()).feed_data(b"HTTP/1.1 200 OK\r\nfield : value\r\n\r\n")
except HttpParserError:
    pass
else:
    raise ImportError("httptools is older than 0.6.3, and takes what is not HTTP")


class Another(Exception):
    """A second answer in the data of the first."""


class LlhttpParser:
    __slots__ = (
        "alive", "complete", "execute", "got", "headers", "held", "interim", "left", "length", "line", "method",
        "moved", "plain", "reusable", "sink", "spent", "state", "tail", "trailers", "waste",
    )  # fmt: skip

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.got = sink.got
        self.state = IDLE
        self.spent = True
        """Whether the next exchange needs a new httptools parser."""
        self.execute: Callable[[bytes], None]
        self.alive: Callable[[], bool]
        self.method = b""
        self.plain = True
        """Whether the method says nothing about the body."""
        self.held = bytearray()
        """The beginning of a head."""
        self.interim = 0
        self.line: Line | None = None
        """The status line of a head that is being read."""
        self.headers: Headers = []
        self.trailers: Headers = []
        self.length = self.left = 0
        self.reusable = False
        self.complete = False
        self.moved = False
        """Whether a part of a body came out of what was fed last."""
        self.waste = 0
        """How many bytes were fed since one did."""
        self.tail = b""
        """The last bytes of what was fed, in a body in chunks."""

    def expect(self, method: bytes) -> None:
        if self.state != IDLE:
            raise RuntimeError("an exchange is under way, or was the last one")
        if self.spent:
            self.spent = False
            parser = HttpResponseParser(self)
            self.execute = parser.feed_data
            self.alive = parser.should_keep_alive
        self.method = method
        self.plain = method not in BARE
        self.interim = 0
        self.state = HEAD

    def feed(self, data: bytes) -> None:
        if self.state != HEAD:
            self._more(data)
            return
        line = FINAL.get(data[:17]) or FINAL.get(data[: data.find(b"\n") + 1])  # "HTTP/1.1 200 OK", mostly
        end = data.find(END) + 4
        if line is None or self.held or not self.plain or end > LIMIT or end == 3:
            whole = self._careful(data)
            if whole is None:
                return
            data, end, line = whole
        self.line = line
        self.complete = self.moved = False
        clean = True
        try:
            self.execute(data)
        except HttpParserError as error:
            clean = self._refused(error, data[:end])
        length = self.length
        if length >= 0:
            left = length - len(data) + end
            if left == 0:
                self.state = IDLE
                self.sink.ended([], self.reusable)
            elif left > 0:
                self.left = left
                self.spent = True
                self.state = SIZED
            else:
                raise self._beyond()
        elif length == UNTIL_CLOSED:
            self.spent = True
            self.state = OPEN
        elif self.complete:
            self._last(data, clean)
        else:
            self.waste = 0
            self.tail = data[-4:]
            self.state = CHUNKS

    def eof(self) -> None:
        state, self.state = self.state, OVER
        if state == OPEN:
            self.sink.ended([], False)
        elif state in (SIZED, CHUNKS):
            raise incomplete(self.length - self.left, self.length)
        else:
            raise closed(self.held if state == HEAD else None)

    # What httptools tells.

    def on_header(self, name: bytes, value: bytes) -> None:
        bare = value.rstrip()
        if bare is not value:  # it leaves the blanks at the end
            bare = trimmed(name, value)
        self.headers.append((name, bare))

    def on_headers_complete(self) -> None:
        line = self.line
        if line is None:
            raise Another
        self.line = None
        headers = self.headers
        self.headers = []
        self.length, self.reusable = framing(line, headers)
        self.sink.began(line[0], line[1], line[2], headers)

    def on_body(self, chunk: bytes) -> None:
        self.moved = True
        self.got(chunk)

    def on_message_complete(self) -> None:
        self.complete = True
        if not self.alive():  # then it takes no other, even where we would
            self.spent = True
        if self.headers:
            self.trailers = self.headers
            self.headers = []

    # Parts of `feed`.

    def _careful(self, data: bytes) -> tuple[bytes, int, Line] | None:
        """A head in parts, or one that is new, or has no body. What to go on with as usual, once it is whole."""
        try:
            while data:
                end = gather(self.held, data)
                if not end:
                    return None
                data = bytes(self.held)
                self.held.clear()
                line = status_line(data)
                status = line[0]
                switches = status == 101 or (self.method == b"CONNECT" and 200 <= status < 300)
                if status >= 200 and self.method != b"HEAD" and not switches:
                    return data, end, line
                headers = fields(data[:end])
                _, reusable = framing(line, headers, bodiless=True)
                if switches:
                    self.state = OVER
                    self.sink.began(*line, headers)
                    self.sink.switched(data[end:])
                    return None
                if status >= 200:
                    self.sink.began(*line, headers)
                    if len(data) > end:
                        raise self._beyond()
                    self.state = IDLE
                    self.sink.ended([], reusable)
                    return None
                self.interim += 1
                if self.interim > INTERIM:
                    raise Malformed(STORM)
                self.sink.informed(status, line[1], headers)
                data = data[end:]
            return None
        except Malformed:
            self.state = OVER
            raise

    def _more(self, data: bytes) -> None:
        """What came when the head was there already."""
        state = self.state
        if not data:
            return
        if state == SIZED:
            left = self.left = self.left - len(data)
            if left > 0:
                self.got(data)
            elif left == 0:
                self.got(data)
                self.state = IDLE
                self.sink.ended([], self.reusable)
            else:
                self.got(data[:left])
                raise self._beyond()
        elif state == CHUNKS:
            self._chunks(data)
        elif state == OPEN:
            self.got(data)
        else:
            self.state = OVER
            raise Malformed("bytes came that belong to no answer")

    def _chunks(self, data: bytes) -> None:
        self.moved = False
        clean = True
        try:
            self.execute(data)
        except HttpParserError as error:
            clean = self._refused(error)
        if self.complete:
            self._last(data, clean)
            return
        self.waste = 0 if self.moved else self.waste + len(data)
        if self.waste > LIMIT:
            self.state = OVER
            raise Malformed(ENDLESS)
        self.tail = (self.tail + data[-4:])[-4:]

    def _last(self, data: bytes, clean: bool) -> None:
        """The end of a body in chunks. Line ends after it are skipped without a word; but then what came ends with
        more than two: one after the last line that is not empty, and the empty line.
        """
        self.state = OVER
        trailers, self.trailers = checked(self.trailers), []
        ends = data[-5:] if len(data) > 4 else (self.tail + data)[-5:]
        if not clean or ends[1:] != END or ends[0] in b"\r\n":
            raise self._beyond(trailers)
        self.state = IDLE
        self.sink.ended(trailers, self.reusable)

    def _beyond(self, trailers: Headers | None = None) -> Malformed:
        """The answer is good, but more came."""
        self.state = OVER
        self.sink.ended(trailers or [], False)
        return Malformed(BEYOND)

    def _refused(self, error: HttpParserError, head: bytes = b"") -> bool:
        """Raises what was wrong, unless the answer is complete."""
        cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
        if cause is not None and not isinstance(cause, Another):  # our own mistake or the sink's
            self.state = OVER
            raise cause from None
        line = self.line
        if line is not None:
            self.state = OVER
            framing(line, fields(head))
            raise Malformed(f"the answer's head is malformed: {error}")
        if self.length == CHUNKED and not self.complete:
            self.state = OVER
            raise Malformed(f"the answer's chunks are malformed: {error}")
        return False
