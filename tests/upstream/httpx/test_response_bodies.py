"""Where does the body of an answer end, and in which ways can it be read?

Behaviours of httpx's quickstart (response content, streaming responses), of its page on async support and of its
published tests of responses; framing by RFC 9112, sections 6.3 and 7.1.
"""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest

from .sides import Side
from .stand_ins import CLOSE, OK, Origin, Peer, says

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def whole(body: bytes, *fields: bytes) -> bytes:
    head = b"".join(field + b"\r\n" for field in fields)
    return b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


ENDS: list[tuple[Any, bytes, bool]] = [
    # The answer, its body, and whether another can follow.
    (whole(b"Hello"), b"Hello", True),
    (whole(b""), b"", True),
    (CHUNKED + b"5\r\nHello\r\n0\r\n\r\n", b"Hello", True),
    (CHUNKED + b"2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n", b"Hello", True),
    (CHUNKED + b"0\r\n\r\n", b"", True),
    (CHUNKED + b"00005\r\nHello\r\n000\r\n\r\n", b"Hello", True),
    (CHUNKED + b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, True),
    (CHUNKED + b"5;name=value\r\nHello\r\n0;last\r\n\r\n", b"Hello", True),
    (CHUNKED + b"5\r\nHello\r\n0\r\nX-Trailer: 1\r\nY: 2\r\n\r\n", b"Hello", True),
    (CHUNKED.replace(b"chunked", b"Chunked") + b"5\r\nHello\r\n0\r\n\r\n", b"Hello", True),
    ((b"HTTP/1.1 200 OK\r\n\r\nHello", CLOSE), b"Hello", False),
    ((b"HTTP/1.1 200 OK\r\n\r\n", CLOSE), b"", False),
    ((b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nHello", CLOSE), b"Hello", False),
]


async def test_where_a_body_ends(side: Side) -> None:
    for answer, body, reusable in ENDS:
        async with Origin(says(answer, answer), says(answer)) as origin, side.client() as client:
            assert (await client.get(origin.url)).content == body
            assert (await client.get(origin.url)).content == body
        assert origin.connections == (1 if reusable else 2), answer


async def test_trailers_are_not_among_the_headers(side: Side) -> None:
    answer = CHUNKED + b"5\r\nHello\r\n0\r\nX-Trailer: 1\r\n\r\n"
    async with Origin(says(answer)) as origin, side.client() as client:
        response = await client.get(origin.url)
    assert response.headers.raw == [(b"Transfer-Encoding", b"chunked")]


@pytest.mark.parametrize("answer", [whole(b"Hello"), CHUNKED + b"2\r\nHe\r\n3\r\nllo\r\n0\r\nX: 1\r\n\r\n"])
async def test_a_body_that_comes_byte_by_byte(side: Side, answer: bytes) -> None:
    async def slowly(origin: Origin, peer: Peer) -> None:
        await peer.request()
        for at in range(len(answer)):
            await peer.send(answer[at : at + 1])

    async with Origin(slowly) as origin, side.client() as client:
        assert (await client.get(origin.url)).content == b"Hello"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_comes_whole(side: Side, chunked: bool) -> None:
    body = bytes(range(256)) * 16_384
    answer = CHUNKED + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n" if chunked else whole(body)
    async with Origin(says(answer, OK)) as origin, side.client() as client:
        assert (await client.get(origin.url)).content == body
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 1


async def test_a_response_is_read_piece_by_piece_as_it_comes(side: Side) -> None:
    """What has arrived is handed out before the rest has."""

    async def further(origin: Origin, peer: Peer) -> None:
        await peer.request()
        await first.send(b"3\r\ntwo\r\n0\r\n\r\n")
        await peer.send(OK)

    first: Peer

    async def half(origin: Origin, peer: Peer) -> None:
        nonlocal first
        first = peer
        await peer.request()
        await peer.send(CHUNKED + b"3\r\none\r\n")
        await peer.gone()

    async with (
        Origin(half, further) as origin,
        side.client() as client,
        client.stream("GET", origin.url) as response,
    ):
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"one"
        assert (await client.get(origin.url)).content == b"ok"
        assert [chunk async for chunk in chunks] == [b"two"]


# The ways to read.


async def test_content_text_and_json(side: Side) -> None:
    body = '{"a": "\u2603"}'.encode()
    async with Origin(says(whole(body, b"Content-Type: application/json"))) as origin, side.client() as client:
        response = await client.get(origin.url)
    assert response.content == body
    assert response.text == body.decode()
    assert response.json() == {"a": "\u2603"}
    assert await response.aread() == body


async def test_the_charset_of_the_content_type(side: Side) -> None:
    answer = whole("caf\u00e9".encode("latin-1"), b"Content-Type: text/plain; charset=latin-1")
    async with Origin(says(answer)) as origin, side.client() as client:
        response = await client.get(origin.url)
    assert (response.encoding, response.text) == ("latin-1", "caf\u00e9")


async def test_iterators(side: Side) -> None:
    body = b"one\ntwo\r\nthree\n\nfive"
    async with Origin(says(*[whole(body)] * 6)) as origin, side.client() as client:
        async with client.stream("GET", origin.url) as response:
            assert b"".join([part async for part in response.aiter_raw()]) == body
        async with client.stream("GET", origin.url) as response:
            assert b"".join([part async for part in response.aiter_bytes()]) == body
        async with client.stream("GET", origin.url) as response:
            assert "".join([part async for part in response.aiter_text()]) == body.decode()
        async with client.stream("GET", origin.url) as response:
            assert [line async for line in response.aiter_lines()] == ["one", "two", "three", "", "five"]
        async with client.stream("GET", origin.url) as response:
            assert [part async for part in response.aiter_raw(chunk_size=8)] == [body[:8], body[8:16], body[16:]]
        async with client.stream("GET", origin.url) as response:
            assert [part async for part in response.aiter_bytes(chunk_size=16)] == [body[:16], body[16:]]
    assert origin.connections == 1


async def test_events_sent_by_the_server(side: Side) -> None:
    """Only httpx2 reads them as such; by httpx they are lines as any other."""
    body = b"data: one\n\nevent: x\nid: 7\ndata: two\ndata: three\n\n"
    async with Origin(says(whole(body, b"Content-Type: text/event-stream"))) as origin, side.client() as client:
        if not hasattr(client, "sse"):
            async with client.stream("GET", origin.url) as response:
                assert len([line async for line in response.aiter_lines()]) == 7
            return
        async with client.sse(origin.url) as source:
            events = [(event.event, event.data, event.id) async for event in source]
    assert events == [("message", "one", ""), ("x", "two\nthree", "7")]


async def test_bytes_downloaded_are_those_of_the_wire(side: Side) -> None:
    body = gzip.compress(b"a" * 10_000)
    async with (
        Origin(says(whole(body, b"Content-Encoding: gzip"))) as origin,
        side.client() as client,
        client.stream("GET", origin.url) as response,
    ):
        assert response.num_bytes_downloaded == 0
        assert await response.aread() == b"a" * 10_000
        assert response.num_bytes_downloaded == len(body)


# Content codings.

CODED = {
    b"gzip": gzip.compress(b"Hello"),
    b"deflate": zlib.compress(b"Hello"),
    b"Deflate": zlib.compress(b"Hello"),
    b"identity": b"Hello",
    b"unheard-of": b"Hello",
    b"deflate, gzip": gzip.compress(zlib.compress(b"Hello")),
}


@pytest.mark.parametrize("chunked", [False, True])
async def test_content_codings(side: Side, chunked: bool) -> None:
    answers = []
    for coding, body in CODED.items():
        if chunked:
            chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
            answers.append(CHUNKED[:-2] + b"Content-Encoding: " + coding + b"\r\n\r\n" + chunks + b"0\r\n\r\n")
        else:
            answers.append(whole(body, b"Content-Encoding: " + coding))
    async with Origin(says(*answers, *answers)) as origin, side.client() as client:
        for _ in CODED:
            assert (await client.get(origin.url)).content == b"Hello"
        for body in CODED.values():
            async with client.stream("GET", origin.url) as response:
                assert b"".join([part async for part in response.aiter_raw()]) == body
    assert origin.connections == 1


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
async def test_a_body_that_is_not_so_coded(side: Side, coding: bytes) -> None:
    async with Origin(says(whole(b"x" * 50, b"Content-Encoding: " + coding))) as origin, side.client() as client:
        with pytest.raises(side.lib.DecodingError) as raised:
            await client.get(origin.url)
        assert raised.value.request.method == "GET"
        await origin.quiet()  # nobody read to the end, or so it seems: the connection is not used again
