"""What does the client say of an answer that is broken, and is its connection ever used again?

Each case is a script of bytes, resets and ends. Afterwards the same client asks once more, on a connection of its own,
and when it is closed nothing is left. `own` tells where the library's own transport says something else.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from .rogue import CLOSE, OK, RESET, answers
from .ways import EACH_WAY, Way, talking

pytestmark = EACH_WAY

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
REMOTE = "RemoteProtocolError"
READ = "ReadError"


def sized(length: bytes, body: bytes = b"ok") -> bytes:
    return HEAD + b"Content-Length: " + length + b"\r\n\r\n" + body


def field(line: bytes) -> bytes:
    return HEAD + line + b"\r\nContent-Length: 2\r\n\r\nok"


@attrs.frozen
class Case:
    name: str
    answer: tuple[Any, ...]
    ends: Any
    """The name of an error of the library's, or the body of an answer that is good."""
    own: Any = None
    """How it ends with the library's own transport, if otherwise: `POISONED` where that is not to be relied on."""

    def __str__(self) -> str:
        return self.name


POISONED = object()
"""What is too much becomes part of the next answer, which may be another user's."""


def case(name: str, *answer: Any, ends: Any, own: Any = None) -> Case:
    return Case(name, answer, ends, own)


BROKEN = [
    # The connection ends.
    case("reset before the head", RESET, ends=READ),
    case("reset in the head", b"HTTP/1.1 200 OK\r\nContent-Le", RESET, ends=READ),
    case("reset after the head", sized(b"2", b""), RESET, ends=READ),
    case("reset in the body", sized(b"9"), RESET, ends=READ),
    case("reset in a chunk", CHUNKED + b"9\r\nok", RESET, ends=READ),
    case("reset in a body without length", HEAD + b"\r\nok", RESET, ends=READ),
    case("closed before the head", CLOSE, ends=REMOTE),
    case("closed in the status line", b"HTTP/1.1 2", CLOSE, ends=REMOTE),
    case("closed in the head", b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE, ends=REMOTE),
    case("closed after a 103", b"HTTP/1.1 103 Early Hints\r\n\r\n", CLOSE, ends=REMOTE),
    case("half a body", sized(b"4"), CLOSE, ends=REMOTE),
    case("no body", sized(b"4", b""), CLOSE, ends=REMOTE),
    case("half a chunk", CHUNKED + b"4\r\nok", CLOSE, ends=REMOTE),
    case("no last chunk", CHUNKED + b"2\r\nok\r\n", CLOSE, ends=REMOTE),
    case("half a last chunk", CHUNKED + b"2\r\nok\r\n0\r\n", CLOSE, ends=REMOTE),
    case("half a trailer", CHUNKED + b"2\r\nok\r\n0\r\nx: ", CLOSE, ends=REMOTE),
    # Lengths that contradict each other are how answers are smuggled (RFC 9112, 6.3): refused.
    case("both framings", HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
         ends=REMOTE, own=b"ok"),
    case("both framings, the other way", HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
         ends=REMOTE, own=b""),
    case("two lengths", HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", ends=REMOTE),
    case("the same length twice", HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", ends=REMOTE, own=b"ok"),
    case("a list of lengths", sized(b"2, 2"), ends=REMOTE, own=b"ok"),
    case("a negative length", sized(b"-2"), ends=REMOTE),
    case("a signed length", sized(b"+2"), ends=REMOTE),
    case("a hexadecimal length", sized(b"0x2"), ends=REMOTE),
    case("an empty length", sized(b""), ends=REMOTE),
    case("a length beyond 64 bits", sized(b"9" * 30), ends=REMOTE),
    case("an unknown coding", HEAD + b"Transfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", CLOSE, ends=REMOTE),
    case("a coding after chunked", HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\nok", CLOSE, ends=REMOTE),
    case("chunked twice", HEAD + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", ends=REMOTE),
    # Chunks (RFC 9112, 7.1).
    case("a chunk size of nothing", CHUNKED + b"\r\nok\r\n0\r\n\r\n", ends=REMOTE),
    case("a chunk size with a sign", CHUNKED + b"+2\r\nok\r\n0\r\n\r\n", ends=REMOTE),
    case("a chunk size with a prefix", CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n", ends=REMOTE),
    case("a chunk size beyond 64 bits", CHUNKED + b"f" * 30 + b"\r\nok\r\n0\r\n\r\n", ends=REMOTE),
    case("a chunk longer than its size", CHUNKED + b"2\r\nokay\r\n0\r\n\r\n", ends=REMOTE),
    # Lines.
    case("not HTTP", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ends=REMOTE),
    case("HTTP/0.9", b"<html>ok</html>\r\n", CLOSE, ends=REMOTE),
    case("HTTP/2 settings", b"\x00\x00\x12\x04" + bytes(5) + b"\x00\x03\x00\x00\x00\x64" * 3, ends=REMOTE),
    case("HTTP/2 by name", b"HTTP/2 200\r\n\r\n", ends=REMOTE),
    case("HTTP/1.1 of lower case", b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ends=REMOTE),
    case("a status of two digits", b"HTTP/1.1 20 OK\r\n\r\n", ends=REMOTE),
    case("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n", ends=REMOTE),
    case("a space before the colon", field(b"X : y"), ends=REMOTE),
    case("no colon", field(b"X y"), ends=REMOTE),
    case("no name", field(b": y"), ends=REMOTE),
    case("NUL in a value", field(b"X: a\x00b"), ends=REMOTE),
    case("a bare CR in a value", field(b"X: a\rY: b"), ends=REMOTE),
    case("NUL in a name", field(b"X\x00: a"), ends=REMOTE),
    # Storms.
    case("one huge field", HEAD + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", ends=REMOTE),
    case("ten thousand", HEAD + b"".join(b"X-%d: .......\r\n" % k for k in range(9999)) + b"\r\n", ends=REMOTE),
    case("a huge reason", b"HTTP/1.1 200 " + b"a" * 1_000_000 + b"\r\n\r\n", ends=REMOTE),
    case("huge trailers", CHUNKED + b"0\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", ends=REMOTE),
    case("101 that nobody asked for", b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nok",
         ends=REMOTE),
]  # fmt: skip

GOOD = [
    # Right, and the connection is worth nothing any more.
    case("a length too short", sized(b"2", b"okay"), ends=b"ok", own=POISONED),
    case("a second answer in the same breath", OK + OK.replace(b"ok", b"no"), ends=b"ok", own=POISONED),
    case("rubbish after the last chunk", CHUNKED + b"2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK", ends=b"ok", own=POISONED),
    case("until it is closed", HEAD + b"\r\nok", CLOSE, ends=b"ok"),
    case("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", ends=b"ok"),
    case("connection: close", field(b"Connection: close"), ends=b"ok"),
    case("closed after the answer", OK, CLOSE, ends=b"ok"),
]

KEPT = [
    # Right, and the connection serves the next one.
    case("twenty 1xx", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 20 + OK, ends=b"ok"),
    case("100 that nobody asked for", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, ends=b"ok"),
    case("trailers", CHUNKED + b"2;x=y\r\nok\r\n0\r\nX: y\r\n\r\n", ends=b"ok"),
    case("no reason", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", ends=b"ok"),
    case("204", b"HTTP/1.1 204 No Content\r\n\r\n", ends=b""),
    case("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", ends=b""),
]


async def play(way: Way, case: Case, connections: int) -> None:
    """The case on the first connection, and a sane request after it."""
    ends = case.ends
    if case.own is not None and not way.ours:
        if case.own is POISONED:
            return
        ends, connections = case.own, 1
    async with talking(way, answers(case.answer, OK)) as (server, client):
        if isinstance(ends, str):
            with pytest.raises(getattr(way.lib, ends)) as caught:
                await client.get(server.url)
            assert type(caught.value).__name__ == ends
            assert str(caught.value) or not way.ours
            assert caught.value.request.url == server.url
            del caught
        else:
            response = await client.get(server.url)
            assert response.content == ends
        response = await client.get(server.url)
        assert (response.status_code, response.content) == (200, b"ok")
        assert len(server.peers) == connections
        await server.quiet(1)


@pytest.mark.parametrize("case", BROKEN, ids=str)
async def test_a_broken_answer_is_an_error(way: Way, case: Case) -> None:
    await play(way, case, 2)


@pytest.mark.parametrize("case", GOOD, ids=str)
async def test_a_good_answer_on_a_connection_that_is_not(way: Way, case: Case) -> None:
    await play(way, case, 2)


@pytest.mark.parametrize("case", KEPT, ids=str)
async def test_odd_and_good(way: Way, case: Case) -> None:
    await play(way, case, 1)


def cut(case: Case) -> Case:
    """The same, a byte at a time."""
    answer = [each for part in case.answer for each in (map(BYTE, part) if isinstance(part, bytes) else [part])]
    return attrs.evolve(case, answer=tuple(answer))


BYTE = [bytes([byte]) for byte in range(256)].__getitem__
SHORT = [case for case in BROKEN if sum(map(len, case.answer)) < 1000]


@pytest.mark.parametrize("case", SHORT, ids=str)
async def test_a_broken_answer_byte_by_byte(way: Way, case: Case) -> None:
    await play(way, cut(case), 2)


@pytest.mark.parametrize("case", GOOD, ids=str)
async def test_a_good_answer_byte_by_byte(way: Way, case: Case) -> None:
    await play(way, cut(case), 2)


@pytest.mark.parametrize("case", KEPT, ids=str)
async def test_an_odd_answer_byte_by_byte(way: Way, case: Case) -> None:
    await play(way, cut(case), 1)
