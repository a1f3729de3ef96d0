"""What goes wrong, and under which name does httpx report it?

The table of exceptions is httpx's own page on them; each case is played to the library's transport and to the pool,
and both are asked for the same type, exactly that and no class below it, with the request that failed.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest

from .sides import Side, named
from .stand_ins import CLOSE, OK, RESET, Origin, Play, always, refused, says

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT_OFF = {
    # What the server does after a request: the name of what is raised.
    "closed before the head": (CLOSE, "RemoteProtocolError"),
    "reset before the head": (RESET, "ReadError"),
    "closed in the status line": ((b"HTTP/1.1 2", CLOSE), "RemoteProtocolError"),
    "closed in a field": ((b"HTTP/1.1 200 OK\r\nX: ", CLOSE), "RemoteProtocolError"),
    "closed before the empty line": ((b"HTTP/1.1 200 OK\r\nX: 1\r\n", CLOSE), "RemoteProtocolError"),
    "reset in the head": ((b"HTTP/1.1 200 OK\r\nX: ", RESET), "ReadError"),
    "closed after an interim answer": ((b"HTTP/1.1 103 Early Hints\r\n\r\n", CLOSE), "RemoteProtocolError"),
    "closed in a body with a length": ((OK[:-1], CLOSE), "RemoteProtocolError"),
    "closed before a body with a length": ((OK[:-2], CLOSE), "RemoteProtocolError"),
    "reset in a body with a length": ((OK[:-1], RESET), "ReadError"),
    "closed in a chunk": ((CHUNKED + b"5\r\nHe", CLOSE), "RemoteProtocolError"),
    "closed after a chunk": ((CHUNKED + b"5\r\nHello\r\n", CLOSE), "RemoteProtocolError"),
    "closed before any chunk": ((CHUNKED, CLOSE), "RemoteProtocolError"),
    "closed in the last chunk": ((CHUNKED + b"5\r\nHello\r\n0\r\n", CLOSE), "RemoteProtocolError"),
    "closed in the trailers": ((CHUNKED + b"5\r\nHello\r\n0\r\nX: 1\r\n", CLOSE), "RemoteProtocolError"),
    "reset in a chunk": ((CHUNKED + b"5\r\nHe", RESET), "ReadError"),
    "reset in a body until the end": ((b"HTTP/1.1 200 OK\r\n\r\nHe", RESET), "ReadError"),
}


def once(answer: Any) -> tuple[Play, ...]:
    return says(answer), always()


async def raised_by(side: Side, answer: Any, *, streamed: bool) -> str:
    """The name of the exception. Afterwards the server, over another connection, serves as ever."""
    async with Origin(*once(answer)) as origin, side.client() as client:
        request = client.build_request("GET", origin.url)

        async def call() -> None:
            response = await client.send(request, stream=streamed)
            try:
                [chunk async for chunk in response.aiter_raw()]
            finally:
                await response.aclose()

        with pytest.raises(side.lib.TransportError) as raised:
            await call()
        assert raised.value.request is request
        assert (await client.get(origin.url)).content == b"ok"
        assert origin.connections == 2
    name = type(raised.value).__name__
    assert type(raised.value) is getattr(side.lib, name)
    return name


async def test_an_answer_that_is_cut_off(side: Side) -> None:
    outcomes = {case: await raised_by(side, answer, streamed=False) for case, (answer, _) in CUT_OFF.items()}
    assert outcomes == {case: name for case, (_, name) in CUT_OFF.items()}


async def test_an_answer_that_is_cut_off_while_it_is_read(side: Side) -> None:
    in_body = {case: each for case, each in CUT_OFF.items() if " body" in case or "chunk" in case}
    outcomes = {case: await raised_by(side, answer, streamed=True) for case, (answer, _) in in_body.items()}
    assert outcomes == {case: name for case, (_, name) in in_body.items()}


async def test_what_came_before_the_cut_is_handed_out(side: Side) -> None:
    async with (
        Origin(says((OK[:-1], CLOSE))) as origin,
        side.client() as client,
        client.stream("GET", origin.url) as response,
    ):
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"o"
        with pytest.raises(side.lib.RemoteProtocolError):
            await anext(chunks)


async def test_it_says_so(side: Side) -> None:
    async with Origin(says(CLOSE)) as origin, side.client() as client:
        with pytest.raises(side.lib.RemoteProtocolError, match=r"^Server disconnected without sending a response\.$"):
            await client.get(origin.url)


async def test_an_empty_message_is_none(side: Side) -> None:
    """Whoever logs an exception should read what happened: httpx's are empty for timeouts and resets."""
    messages = []
    async with Origin(says(RESET)) as origin, side.client() as client:
        for url in [origin.url, refused()]:
            with pytest.raises(side.lib.TransportError) as raised:
                await client.get(url)
            messages.append(str(raised.value))
    assert all(messages) or not side.ours


# Before there is a connection.


async def test_refused(side: Side) -> None:
    url = refused()
    async with side.client() as client:
        with pytest.raises(side.lib.TransportError) as raised:
            await client.get(url)
    assert type(raised.value) is side.lib.ConnectError
    assert str(raised.value.request.url) == url


async def test_no_such_name(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(name: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    named(unknown, monkeypatch)
    async with side.client() as client:
        with pytest.raises(side.lib.TransportError, match="Name or service not known") as raised:
            await client.get("http://nowhere.test/")
    assert type(raised.value) is side.lib.ConnectError
    assert str(raised.value.request.url) == "http://nowhere.test/"


async def test_the_second_address_of_a_name(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is refused at one address is tried at the next."""

    async def two(name: str, port: int) -> list[str]:
        return ["127.0.0.3", "127.0.0.1"]

    async with Origin() as origin, side.client() as client:
        named(two, monkeypatch)
        assert (await client.get(f"http://two.test:{origin.port}/")).content == b"ok"


async def test_no_address_answers(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    async def two(name: str, port: int) -> list[str]:
        return ["127.0.0.3", "127.0.0.4"]

    named(two, monkeypatch)
    port = refused().rpartition(":")[2]
    async with side.client() as client:
        with pytest.raises(side.lib.TransportError) as raised:
            await client.get(f"http://two.test:{port}/")
    assert type(raised.value) is side.lib.ConnectError


async def test_speaking_tls_to_one_who_does_not(side: Side) -> None:
    async with Origin(says(OK)) as origin, side.client() as client:
        url = origin.url.replace("http:", "https:")

        with pytest.raises(side.lib.TransportError) as raised:
            await client.get(url, timeout=0.2)
        assert type(raised.value) in {side.lib.ConnectError, side.lib.ConnectTimeout}


# A connection used before.


async def test_a_connection_used_before_breaks_for_a_post(side: Side) -> None:
    """Nothing says whether the server has acted: neither the library nor the pool sends it again."""
    async with Origin(says(OK, RESET)) as origin, side.client() as client:
        assert (await client.post(origin.url, content=b"1")).content == b"ok"
        with pytest.raises(side.lib.ReadError):
            await client.post(origin.url, content=b"2")
    assert [asked.body for asked in origin.asked] == [b"1", b"2"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_connection_used_before_is_closed_instead_of_an_answer(side: Side, method: str) -> None:
    async with Origin(says(OK, CLOSE), says(OK)) as origin, side.client() as client:
        assert (await client.request(method, origin.url)).content == b"ok"
        with pytest.raises(side.lib.RemoteProtocolError):
            await client.request(method, origin.url)
    assert len(origin.asked) == 2
