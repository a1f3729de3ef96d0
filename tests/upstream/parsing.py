"""What does a parser say of these bytes? The two that there are, a sink that takes notes, and ways to feed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from meshkit.upstream.errors import Malformed
from meshkit.upstream.llhttp import LlhttpParser
from meshkit.upstream.parser import Headers, Parser
from meshkit.upstream.pure import PureParser

__all__ = ["CHUNKED", "COMPLETE", "EMPTY", "INTERIM", "OK", "PARSERS", "SIZED"]
__all__ += ["Notes", "Told", "agree", "chunked", "cut", "told", "ways"]

PARSERS: tuple[type[Parser], ...] = (LlhttpParser, PureParser)


class Notes:
    """A sink. The parts of a body that follow each other are one."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def informed(self, status: int, reason: bytes, headers: Headers) -> None:
        self.events.append(("informed", status, reason, headers))

    def began(self, status: int, reason: bytes, version: bytes, headers: Headers) -> None:
        self.events.append(("began", status, reason, version, headers))

    def got(self, chunk: bytes) -> None:
        assert type(chunk) is bytes
        assert chunk
        if self.events[-1][0] == "got":
            chunk = self.events.pop()[1] + chunk
        self.events.append(("got", chunk))

    def ended(self, trailers: Headers, reusable: bool) -> None:
        self.events.append(("ended", trailers, reusable))

    def switched(self, rest: bytes) -> None:
        self.events.append(("switched", rest))


class Told(NamedTuple):
    events: list[tuple[Any, ...]]
    error: str | None

    @property
    def body(self) -> bytes:
        return b"".join(event[1] for event in self.events if event[0] == "got")

    @property
    def names(self) -> list[str]:
        return [event[0] for event in self.events]


def told(parser: type[Parser], pieces: Iterable[bytes], method: bytes = b"GET", *, close: bool = True) -> Told:
    """What it says of the answer to one request, until the peer closes the connection or all is told."""
    notes = Notes()
    reads = parser(notes)
    reads.expect(method)
    try:
        for piece in pieces:
            last = notes.events[-1] if notes.events else ("nothing",)
            if last[0] == "switched":
                notes.events[-1] = ("switched", last[1] + piece)
            else:
                reads.feed(piece)
        if close and (not notes.events or notes.events[-1][0] not in ("ended", "switched")):
            reads.eof()
    except Malformed as error:
        return Told(notes.events, str(error))
    return Told(notes.events, None)


def cut(data: bytes, *places: int) -> Iterator[bytes]:
    """The data, in parts that end at these places."""
    start = 0
    for place in (*sorted(places), len(data)):
        yield data[start:place]
        start = place


def agree(one: Told, other: Told) -> bool:
    """Whether two parsers that were fed alike have said the same.

    Either both have refused the bytes, or none. All events are equal, but that of an answer refused within its body,
    one may have passed on more than the other.
    """
    if (one.error is None) != (other.error is None):
        return False
    if one.events == other.events:
        return True
    if one.error is None or "ended" in one.names + other.names or "switched" in one.names + other.names:
        return False
    heads = [[event for event in each.events if event[0] != "got"] for each in (one, other)]
    return heads[0] == heads[1] and (one.body.startswith(other.body) or other.body.startswith(one.body))


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks,)) + b"0\r\n" + trailers + b"\r\n"


def ways(data: bytes) -> list[tuple[int, ...]]:
    """Whole, byte by byte (in longer data: in the head), and at random places."""
    luck = random.Random(len(data))
    some = [tuple(luck.randrange(len(data)) for _ in range(luck.randint(1, 5))) for _ in range(20)]
    return [(), tuple(range(1, min(len(data), 3000))), *some]


OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"Server: a\r\nContent-Length: 5\r\n\r\nhello"
EMPTY = OK + b"Content-Length: 0\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
DIGITS = b"0123456789" * 2 + b"-"
T, F = True, False

COMPLETE = {
    "a length": (b"GET", SIZED, 200, b"hello", T),
    "no body": (b"GET", OK + b"Content-Length: 0\r\n\r\n", 200, b"", T),
    "a length with zeros": (b"GET", OK + b"Content-Length: 0005\r\n\r\nhello", 200, b"hello", T),
    "the name in another case": (b"GET", OK + b"CONTENT-length: 2\r\n\r\nab", 200, b"ab", T),
    "spaces around the length": (b"GET", OK + b"Content-Length:   2  \r\n\r\nab", 200, b"ab", T),
    "a body that looks like a head": (b"GET", OK + b"Content-Length: 19\r\n\r\n" + OK + b"\r\n", 200, OK + b"\r\n", T),
    "no reason": (b"GET", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200, b"", T),
    "no space before no reason": (b"GET", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b"", T),
    "an unknown status": (b"GET", b"HTTP/1.1 999 Why\r\nContent-Length: 1\r\n\r\na", 999, b"a", T),
    "chunks": (b"GET", CHUNKED + chunked(b"hello", b" ", b"world"), 200, b"hello world", T),
    "no chunk": (b"GET", CHUNKED + chunked(), 200, b"", T),
    "chunks with line ends": (b"GET", CHUNKED + chunked(b"\r\n0\r\n", b"\r\n"), 200, b"\r\n0\r\n\r\n", T),
    "a coding in another case": (b"GET", OK + b"TRANSFER-ENCODING:Chunked \r\n\r\n" + chunked(b"a"), 200, b"a", T),
    "sizes in either case": (b"GET", CHUNKED + b"a\r\n0123456789\r\n0B\r\n0123456789-\r\n00\r\n\r\n", 200, DIGITS, T),
    "chunk extensions": (b"GET", CHUNKED + b'1;a;b=c;d="e;\\"\xff"\r\nx\r\n0;last\r\n\r\n', 200, b"x", T),
    "a chunk of size 0x20000": (b"GET", CHUNKED + chunked(b"x" * 0x20000), 200, b"x" * 0x20000, T),
    "it closes": (b"GET", OK + b"Connection: close\r\nContent-Length: 1\r\n\r\na", 200, b"a", F),
    "it closes, among others": (b"GET", EMPTY + b"Connection: foo ,\tClose\r\n\r\n", 200, b"", F),
    "it both closes and keeps": (b"GET", EMPTY + b"Connection: keep-alive, close\r\n\r\n", 200, b"", F),
    "it closes, in a second field": (b"GET", EMPTY + b"Connection: a\r\nconnection: close\r\n\r\n", 200, b"", F),
    "closed is not close": (b"GET", EMPTY + b"Connection: closed, close it\r\n\r\n", 200, b"", T),
    "a proxy's word is not heard": (b"GET", EMPTY + b"Proxy-Connection: close\r\n\r\n", 200, b"", T),
    "an offer to upgrade": (b"GET", EMPTY + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 200, b"", T),
    "HTTP/1.0": (b"GET", b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, b"a", F),
    "HTTP/1.0, kept": (b"GET", b"HTTP/1.0 200 A\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na", 200, b"a", T),
    "until the end": (b"GET", OK + b"\r\nhello", 200, b"hello", F),
    "until the end, empty": (b"GET", OK + b"\r\n", 200, b"", F),
    "until the end, HTTP/1.0": (b"GET", b"HTTP/1.0 200 OK\r\n\r\na\r\n\r\n", 200, b"a\r\n\r\n", F),
    "204": (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", T),
    "204 with a length": (b"GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b"", T),
    "204 in chunks": (b"GET", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204, b"", T),
    "304 with a length": (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b"", T),
    "205 may have a body": (b"GET", b"HTTP/1.1 205 Reset Content\r\nContent-Length: 1\r\n\r\na", 205, b"a", T),
    "HEAD": (b"HEAD", OK + b"\r\n", 200, b"", T),
    "HEAD with a length": (b"HEAD", OK + b"Content-Length: 5\r\n\r\n", 200, b"", T),
    "HEAD in chunks": (b"HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n", 200, b"", T),
    "HEAD, and it closes": (b"HEAD", OK + b"Connection: close\r\nContent-Length: 5\r\n\r\n", 200, b"", F),
    "CONNECT refused": (b"CONNECT", b"HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\na", 407, b"a", T),
    "after an interim answer": (b"POST", b"HTTP/1.1 100 Continue\r\n\r\n" + SIZED, 200, b"hello", T),
    "after some": (b"GET", INTERIM * 32 + SIZED, 200, b"hello", T),
    "after one that names a length": (b"GET", b"HTTP/1.1 199 A\r\nContent-Length: 3\r\n\r\n" + SIZED, 200, b"hello", T),
    "after one that closes": (b"GET", b"HTTP/1.1 100 A\r\nConnection: close\r\n\r\n" + SIZED, 200, b"hello", T),
}  # fmt: skip
"""Answers that are complete: method, what came, the status, the body, whether the connection can be used again."""
