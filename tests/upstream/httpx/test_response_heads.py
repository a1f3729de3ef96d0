"""What does the head of an answer say, and which answers have no body?

Behaviours of httpx's quickstart (status codes, headers) and extensions page (``http_version``, ``reason_phrase``);
RFC 9112, sections 4 and 6.3; RFC 9110, 15.2, for interim answers.
"""

from __future__ import annotations

from typing import Any

import pytest

from .sides import Side
from .stand_ins import CLOSE, OK, Origin, Peer, says

EMPTY = b"Content-Length: 0\r\n\r\n"


async def asked_for(side: Side, *heads: bytes) -> list[Any]:
    """The responses to so many requests, one after the other over one connection."""
    async with Origin(says(*(head + b"\r\n" + EMPTY for head in heads))) as origin, side.client() as client:
        responses = [await client.get(origin.url) for _ in heads]
    assert origin.connections == 1
    return responses


async def test_the_status_is_the_servers(side: Side) -> None:
    statuses = [200, 201, 206, 299, 300, 400, 404, 418, 429, 500, 503, 599, 600, 999]
    responses = await asked_for(side, *(b"HTTP/1.1 %d Reason" % status for status in statuses))
    assert [response.status_code for response in responses] == statuses
    assert [response.is_success for response in responses] == [status < 300 for status in statuses]
    assert [response.is_error for response in responses] == [400 <= status < 600 for status in statuses]


async def test_raise_for_status(side: Side) -> None:
    for response in await asked_for(side, *(b"HTTP/1.1 %d Reason" % status for status in [400, 404, 500, 503])):
        with pytest.raises(side.lib.HTTPStatusError) as raised:
            response.raise_for_status()
        assert raised.value.response is response
        assert raised.value.request is response.request


async def test_the_reason_is_the_servers(side: Side) -> None:
    reasons = [b"OK", b"Fine, thank you", b"", b"\xc3\xbc"]
    responses = await asked_for(side, *(b"HTTP/1.1 200 " + reason for reason in reasons), b"HTTP/1.1 200")
    assert [response.extensions["reason_phrase"] for response in responses] == [*reasons, b""]
    assert [response.reason_phrase for response in responses] == ["OK", "Fine, thank you", "", "", ""]


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_the_version_is_the_servers(side: Side, version: bytes) -> None:
    [response] = await asked_for(side, version + b" 200 OK")
    assert response.extensions["http_version"] == version
    assert response.http_version == version.decode()


async def test_fields_keep_their_case_their_order_and_their_number(side: Side) -> None:
    fields = [(b"X-One", b"1"), (b"x-two", b"2"), (b"X-ONE", b"3"), (b"Set-Cookie", b"a=b"), (b"set-cookie", b"c=d")]
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in fields)
    async with Origin(says(head + EMPTY)) as origin, side.client() as client:
        response = await client.get(origin.url)
    assert response.headers.raw == [*fields, (b"Content-Length", b"0")]
    assert response.headers["x-one"] == response.headers["X-ONE"] == "1, 3"
    assert response.headers.get_list("set-cookie") == ["a=b", "c=d"]


async def test_the_value_of_a_field(side: Side) -> None:
    values = {
        b"X: a b": b"a b",
        b"X:a": b"a",
        b"X:  a\t ": b"a",
        b"X:": b"",
        b"X: ": b"",
        b"X: \xff\xe9": b"\xff\xe9",
        b"X: a:b": b"a:b",
        b'X: "a, b"': b'"a, b"',
        b"X: " + b"x" * 60_000: b"x" * 60_000,
    }
    responses = await asked_for(side, *(b"HTTP/1.1 200 OK\r\n" + line for line in values))
    assert [response.headers.raw[0] for response in responses] == [(b"X", value) for value in values.values()]


async def test_many_fields(side: Side) -> None:
    fields = [(b"X-%d" % number, b"%d" % number) for number in range(3000)]
    [response] = await asked_for(side, b"HTTP/1.1 200 OK\r\n" + b"\r\n".join(b": ".join(each) for each in fields))
    assert response.headers.raw == [*fields, (b"Content-Length", b"0")]


async def test_a_response_has_these_extensions(side: Side) -> None:
    [response] = await asked_for(side, b"HTTP/1.1 200 OK")
    assert set(response.extensions) == {"http_version", "reason_phrase", "network_stream"}


async def test_a_head_of_nearly_100_kb(side: Side) -> None:
    """Httpcore takes that much; see its issue #647."""
    answer = b"HTTP/1.1 200 OK\r\nX: " + b"x" * (100 * 1024 - 60) + b"\r\n" + EMPTY
    async with Origin(says(answer)) as origin, side.client() as client:
        response = await client.get(origin.url)
    assert len(response.headers["x"]) == 100 * 1024 - 60


async def test_a_head_that_comes_byte_by_byte(side: Side) -> None:
    async def slowly(origin: Origin, peer: Peer) -> None:
        await peer.request()
        for at in range(len(OK)):
            await peer.send(OK[at : at + 1])

    async with Origin(slowly) as origin, side.client() as client:
        response = await client.get(origin.url)
    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.parametrize("size", [1, 100])
async def test_empty_lines_before_a_head(side: Side, size: int) -> None:
    async with Origin(says(b"\r\n" * size + OK)) as origin, side.client() as client:
        with pytest.raises(side.lib.RemoteProtocolError):
            await client.get(origin.url)


# Answers without a body.


@pytest.mark.parametrize("length", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_what_answers_head_has_no_body(side: Side, length: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n"
    async with Origin(says(answer, OK)) as origin, side.client() as client:
        response = await client.head(origin.url)
        assert (response.status_code, response.content) == (200, b"")
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 1


@pytest.mark.parametrize("head", [b"204 No Content\r\n", b"304 Not Modified\r\n", b"304 Same\r\nContent-Length: 9\r\n"])
async def test_an_answer_that_never_has_a_body(side: Side, head: bytes) -> None:
    async with Origin(says(b"HTTP/1.1 " + head + b"\r\n", OK)) as origin, side.client() as client:
        response = await client.get(origin.url)
        assert response.content == b""
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 1


# Interim answers: skipped, however many.


INTERIM = [
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n\r\n",
    b"HTTP/1.1 199 Something\r\nX: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n" * 20,
]


@pytest.mark.parametrize("apart", [False, True])
async def test_interim_answers_are_skipped(side: Side, apart: bool) -> None:
    answers = [(interim, OK) if apart else interim + OK for interim in INTERIM]
    async with Origin(says(*answers, OK)) as origin, side.client() as client:
        for _ in INTERIM:
            response = await client.get(origin.url)
            assert (response.status_code, response.content) == (200, b"ok")
            assert "link" not in response.headers
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 1


async def test_expect_100_continue(side: Side) -> None:
    async def waits(origin: Origin, peer: Peer) -> None:
        asked = await peer.head()
        assert asked.values(b"expect") == [b"100-continue"]
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await peer.exactly(4)
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body)

    async with Origin(waits) as origin, side.client() as client:
        response = await client.post(origin.url, content=b"body", headers={"Expect": "100-continue"})
    assert response.content == b"body"


# HTTP/1.0.


async def test_http_1_0_ends_with_the_connection(side: Side) -> None:
    async with Origin(says((b"HTTP/1.0 200 OK\r\n\r\n", b"all ", b"of it", CLOSE))) as origin, side.client() as client:
        for _ in range(2):
            response = await client.get(origin.url)
            assert (response.http_version, response.content) == ("HTTP/1.0", b"all of it")
    assert origin.connections == 2


async def test_http_1_0_with_a_length_ends_there(side: Side) -> None:
    async with Origin(says(OK.replace(b"1.1", b"1.0"))) as origin, side.client() as client:
        for _ in range(2):
            assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 2


async def test_http_1_0_may_keep_a_connection(side: Side) -> None:
    """RFC 9112, 9.3: with ``Connection: keep-alive`` it persists. h11, under the library, closes it all the same."""
    answer = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
    async with Origin(says(answer, answer)) as origin, side.client() as client:
        for _ in range(2):
            assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections in side.of({2}, {1, 2})
