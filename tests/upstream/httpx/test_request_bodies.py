"""How does the body of a request go out? Whole with its length, or in chunks as a generator yields them.

Behaviours of httpx's quickstart (form data, multipart, JSON, binary data) and of its page on async support
(streaming requests); framing by RFC 9112, sections 6 and 7.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import h11
import pytest

from .sides import Side
from .stand_ins import CLOSE, OK, Asked, Origin, Peer, says


async def generated(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def sent(side: Side, **options: Any) -> Asked:
    async with Origin() as origin, side.client() as client:
        response = await client.post(origin.url, **options)
    assert response.content == b"ok"
    [asked] = origin.asked
    return asked


@pytest.mark.parametrize(
    ("options", "kind", "body"),
    [
        ({"content": b"bytes"}, [], b"bytes"),
        ({"content": "t\u00e9xt"}, [], "t\u00e9xt".encode()),
        ({"content": b""}, [], b""),
        ({"json": {"a": [1, None]}}, [b"application/json"], b'{"a":[1,null]}'),
        ({"data": {"a": "1", "b": ["2", "&"]}}, [b"application/x-www-form-urlencoded"], b"a=1&b=2&b=%26"),
        ({"content": b"<a/>", "headers": {"Content-Type": "text/xml"}}, [b"text/xml"], b"<a/>"),
    ],
)
async def test_what_is_known_whole_goes_with_its_length(
    side: Side, options: dict[str, Any], kind: list[bytes], body: bytes
) -> None:
    asked = await sent(side, **options)
    assert asked.body == body
    assert asked.values(b"content-length") == [str(len(body)).encode()]
    assert asked.values(b"transfer-encoding") == []
    assert asked.values(b"content-type") == kind


async def test_json_comes_back(side: Side) -> None:
    thing = {"text": "\u2603", "number": 1.5, "list": [True, None]}
    assert json.loads((await sent(side, json=thing)).body) == thing


async def test_files_in_several_parts(side: Side) -> None:
    asked = await sent(
        side,
        data={"message": "hello"},
        files={"file": ("a.txt", io.BytesIO(b"of the file"), "text/x")},
        headers={"Content-Type": "multipart/form-data; boundary=+++"},
    )
    assert asked.body == (
        b'--+++\r\nContent-Disposition: form-data; name="message"\r\n\r\nhello\r\n'
        b'--+++\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
        b"Content-Type: text/x\r\n\r\nof the file\r\n--+++--\r\n"
    )
    assert asked.values(b"content-length") == [str(len(asked.body)).encode()]


async def test_a_generator_goes_in_chunks(side: Side) -> None:
    asked = await sent(side, content=generated(b"Hello, ", b"world!"))
    assert asked.values(b"transfer-encoding") == [b"chunked"]
    assert asked.values(b"content-length") == []
    assert asked.raw.endswith(b"\r\n\r\n7\r\nHello, \r\n6\r\nworld!\r\n0\r\n\r\n")


async def test_an_empty_chunk_does_not_end_the_body(side: Side) -> None:
    asked = await sent(side, content=generated(b"", b"a", b"", b"b", b""))
    assert asked.raw.endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


async def test_a_generator_that_yields_nothing(side: Side) -> None:
    asked = await sent(side, content=generated())
    assert asked.raw.endswith(b"\r\n\r\n0\r\n\r\n")


async def test_a_generator_with_a_length_goes_as_it_is(side: Side) -> None:
    asked = await sent(side, content=generated(b"Hello, ", b"world!"), headers={"Content-Length": "13"})
    assert asked.values(b"transfer-encoding") == []
    assert asked.raw.endswith(b"\r\n\r\nHello, world!")


async def test_who_says_chunked_gets_chunks(side: Side) -> None:
    """By httpx the length is added all the same, which RFC 9112, 6.2, forbids: two servers may read two lengths."""
    asked = await sent(side, content=b"whole", headers={"Transfer-Encoding": "chunked"})
    assert asked.values(b"transfer-encoding") == [b"chunked"]
    assert asked.values(b"content-length") == side.of(side.by([b"5"], []), [])
    assert asked.raw.endswith(b"\r\n\r\n5\r\nwhole\r\n0\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
async def test_any_method_may_have_a_body(side: Side, method: str) -> None:
    async with Origin() as origin, side.client() as client:
        await client.request(method, origin.url, content=b"body")
    assert origin.asked[0].body == b"body"


async def test_an_async_iterable_that_is_no_generator(side: Side) -> None:
    class Twice:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"again"

    content = Twice()
    async with Origin() as origin, side.client() as client:
        await client.post(origin.url, content=content)
        await client.post(origin.url, content=content)
    assert [asked.body for asked in origin.asked] == [b"again", b"again"]


async def test_a_plain_generator_is_refused(side: Side) -> None:
    def plain() -> Iterator[bytes]:
        yield b"never"

    async with Origin() as origin, side.client() as client:
        with pytest.raises(RuntimeError, match="sync"):
            await client.post(origin.url, content=plain())
    assert origin.asked == []


async def test_a_generator_is_spent_after_one_request(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        request = client.build_request("POST", origin.url, content=generated(b"once"))
        await client.send(request)
        with pytest.raises(side.lib.StreamConsumed):
            await client.send(request)
        assert (await client.get(origin.url)).status_code == 200
    assert [asked.body for asked in origin.asked] == [b"once", b""]


async def test_what_is_known_whole_can_be_sent_again(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        request = client.build_request("POST", origin.url, content=b"twice")
        await client.send(request)
        await client.send(request)
    assert [asked.body for asked in origin.asked] == [b"twice", b"twice"]
    assert origin.connections == 1


@pytest.mark.parametrize("whole", [True, False])
async def test_a_large_body_arrives_whole(side: Side, whole: bool) -> None:
    chunks = [bytes([number]) * 65_536 for number in range(64)]
    asked = await sent(side, content=b"".join(chunks) if whole else generated(*chunks))
    assert asked.body == b"".join(chunks)


async def test_a_generator_is_asked_for_no_more_than_can_go_out(side: Side) -> None:
    """A peer that does not read holds it up: memory does not fill with what nobody takes."""
    yielded = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal yielded
        while True:
            yielded += 1
            yield bytes(1 << 20)

    async def heads_only(origin: Origin, peer: Peer) -> None:
        origin.asked.append(await peer.head())
        await origin.until(lambda: False)

    async with Origin(heads_only) as origin, side.client(timeout=side.lib.Timeout(None, write=0.05)) as client:
        with pytest.raises(side.lib.WriteTimeout):
            await client.post(origin.url, content=endless())
    assert 1 < yielded < 64


# A body that is not as long as was said. The library lets an error of h11 out, which is none of its own.


def misused(side: Side) -> type[Exception]:
    return side.of(h11.LocalProtocolError, side.lib.LocalProtocolError)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("chunks", "length"), [([b"12345"], 4), ([b"12", b"345"], 4), ([b"12"], 4), ([], 1)])
async def test_a_body_of_another_length_than_declared(side: Side, chunks: list[bytes], length: int) -> None:
    async with Origin() as origin, side.client() as client:
        with pytest.raises(misused(side)):
            await client.post(origin.url, content=generated(*chunks), headers={"Content-Length": str(length)})
        assert (await client.get(origin.url)).status_code == 200
    assert origin.connections == 2
    assert [asked.method for asked in origin.asked] == [b"GET"]


@pytest.mark.parametrize("length", ["4", "6"])
async def test_bytes_of_another_length_than_declared(side: Side, length: str) -> None:
    async with Origin() as origin, side.client() as client:
        with pytest.raises(misused(side)):
            await client.post(origin.url, content=b"12345", headers={"Content-Length": length})
        assert (await client.get(origin.url)).status_code == 200
    assert [asked.method for asked in origin.asked] == [b"GET"]


# A generator that breaks off.


async def test_what_a_generator_raises_comes_out_unchanged(side: Side) -> None:
    class Mine(Exception):
        pass

    error = Mine()

    async def breaks() -> AsyncIterator[bytes]:
        yield b"begun"
        raise error

    async with Origin() as origin, side.client() as client:
        with pytest.raises(Mine) as raised:
            await client.post(origin.url, content=breaks())
        await origin.quiet()
        assert (await client.get(origin.url)).status_code == 200
    assert raised.value is error
    assert origin.connections == 2
    assert [asked.method for asked in origin.asked] == [b"GET"]


async def test_a_generator_that_breaks_off_before_its_first_chunk(side: Side) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        raise ZeroDivisionError
        yield b""

    async with Origin() as origin, side.client() as client:
        with pytest.raises(ZeroDivisionError):
            await client.post(origin.url, content=breaks())
        assert (await client.get(origin.url)).status_code == 200
    assert [asked.method for asked in origin.asked] == [b"GET"]


async def test_a_generator_is_closed_where_the_request_ends(side: Side) -> None:
    """httpx, between the transport and the generator, leaves that to the loop, some time later."""
    closed = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(1 << 16)
        finally:
            closed.append(True)

    async def turns_away(origin: Origin, peer: Peer) -> None:
        await peer.head()
        await peer.reset()

    async with Origin(turns_away) as origin, side.client() as client:
        generator = endless()
        with pytest.raises(side.lib.TransportError):
            await client.post(origin.url, content=generator)
        at_once = bool(closed)
        await generator.aclose()
    assert at_once == side.by(False, True)


# An answer that comes before the body has gone out.


async def test_an_answer_before_the_end_of_the_body_counts(side: Side) -> None:
    """RFC 9110, 15.5.14: a server may refuse a content before it has come, and close the connection."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"

    async def refuses(origin: Origin, peer: Peer) -> None:
        origin.asked.append(await peer.head())
        await peer.send(refusal)
        await peer.gone()

    async with Origin(refuses) as origin, side.client() as client:
        response = await client.post(origin.url, content=bytes(1 << 20))
    assert (response.status_code, response.content) == (413, b"big")


async def test_a_body_after_an_answer_that_closes(side: Side) -> None:
    async with Origin(says((OK, CLOSE))) as origin, side.client() as client:
        for _ in range(3):
            assert (await client.post(origin.url, content=generated(b"a"))).content == b"ok"
            await origin.quiet()
    assert origin.connections == 3
