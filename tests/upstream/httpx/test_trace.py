"""Which steps does the extension ``trace`` tell of, in which order and with what?

The names are listed on httpx's page on extensions. The lists here are those that the library's own transport tells;
``http11`` and ``connection`` are its words, and whoever measures with them measures the pool alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from .authority import Authority
from .sides import Side
from .stand_ins import CLOSE, OK, Origin, always, refused, says


def steps(*names: str) -> list[str]:
    """Each step with its beginning and its end; one that ends in ``!`` fails."""
    told = []
    for name in names:
        told += [f"{name.rstrip('!')}.started", f"{name.rstrip('!')}.{'failed' if name.endswith('!') else 'complete'}"]
    return told


CONNECT = "connection.connect_tcp"
TLS = "connection.start_tls"
SENT = ["http11.send_request_headers", "http11.send_request_body"]
HEAD = "http11.receive_response_headers"
BODY = "http11.receive_response_body"
CLOSED = "http11.response_closed"


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, name: str, info: dict[str, Any]) -> None:
        self.events.append((name, info))

    def names(self) -> list[str]:
        names = [name for name, _ in self.events]
        self.events.clear()
        return names


class Traced:
    """A coroutine function, which is what the extension asks for."""

    def __init__(self) -> None:
        self.told = Told()

        async def trace(name: str, info: dict[str, Any]) -> None:
            await self.told(name, info)

        self.extensions = {"trace": trace}

    def names(self) -> list[str]:
        return self.told.names()


async def test_a_first_request_and_a_second(side: Side) -> None:
    traced = Traced()
    async with Origin() as origin, side.client() as client:
        await client.get(origin.url, extensions=traced.extensions)
        assert traced.names() == steps(CONNECT, *SENT, HEAD, BODY, CLOSED)
        await client.post(origin.url, content=b"body", extensions=traced.extensions)
        assert traced.names() == steps(*SENT, HEAD, BODY, CLOSED)
        await client.get(origin.url)
    assert traced.names() == []


async def test_over_tls(side: Side, authority: Authority) -> None:
    server = authority.serving("127.0.0.1")
    trusting = authority.trusting()
    traced = Traced()
    async with Origin(tls=server) as origin:
        async with side.client(side.transport(verify=trusting)) as client:
            await client.get(origin.url, extensions=traced.extensions)
        infos = dict(traced.told.events)
        assert traced.names() == steps(CONNECT, TLS, *SENT, HEAD, BODY, CLOSED)
        assert infos["connection.start_tls.started"]["server_hostname"] == "127.0.0.1"
        assert infos["connection.start_tls.started"]["ssl_context"] is trusting
        async with side.client() as client:
            with pytest.raises(side.lib.ConnectError):
                await client.get(origin.url, extensions=traced.extensions)
        assert traced.names() == steps(CONNECT, TLS + "!")


async def test_over_a_unix_socket(side: Side, tmp_path: Path) -> None:
    traced = Traced()
    path = tmp_path / "socket"
    async with Origin(path=path) as origin:
        async with side.client(side.transport(uds=str(path))) as client:
            await client.get("http://a/", extensions=traced.extensions)
        await origin.quiet()
    assert dict(traced.told.events)["connection.connect_unix_socket.started"]["path"] == str(path)
    assert traced.names() == steps("connection.connect_unix_socket", *SENT, HEAD, BODY, CLOSED)


async def test_refused(side: Side) -> None:
    traced = Traced()
    async with side.client() as client:
        with pytest.raises(side.lib.ConnectError):
            await client.get(refused(), extensions=traced.extensions)
    assert traced.names() == steps(CONNECT + "!")


async def test_refused_and_tried_again(side: Side) -> None:
    traced = Traced()
    async with side.client(side.transport(retries=1)) as client:
        with pytest.raises(side.lib.ConnectError):
            await client.get(refused(), extensions=traced.extensions)
    assert traced.names() == steps(CONNECT + "!", "connection.retry", CONNECT + "!")


async def test_closed_before_the_head(side: Side) -> None:
    traced = Traced()
    async with Origin(says(CLOSE)) as origin, side.client() as client:
        with pytest.raises(side.lib.RemoteProtocolError):
            await client.get(origin.url, extensions=traced.extensions)
    assert traced.names() == steps(CONNECT, *SENT, HEAD + "!", CLOSED)


async def test_no_answer_in_time(side: Side) -> None:
    traced = Traced()

    async def silent(origin: Any, peer: Any) -> None:
        await peer.head()
        await peer.gone()

    async with Origin(silent) as origin, side.client() as client:
        with pytest.raises(side.lib.ReadTimeout):
            await client.get(origin.url, extensions=traced.extensions, timeout=side.lib.Timeout(None, read=0.01))
    assert traced.names() == steps(CONNECT, *SENT, HEAD + "!", CLOSED)


async def test_garbage(side: Side) -> None:
    traced = Traced()
    async with Origin(says(b"garbage\r\n\r\n")) as origin, side.client() as client:
        with pytest.raises(side.lib.RemoteProtocolError):
            await client.get(origin.url, extensions=traced.extensions)
    assert traced.names() == steps(CONNECT, *SENT, HEAD + "!", CLOSED)


async def test_cut_off_in_the_body(side: Side) -> None:
    """What fails in a body is closed before it is said to have failed."""
    traced = Traced()
    async with Origin(says((OK[:-1], CLOSE))) as origin, side.client() as client:
        with pytest.raises(side.lib.RemoteProtocolError):
            await client.get(origin.url, extensions=traced.extensions)
    assert traced.names() == steps(CONNECT, *SENT, HEAD, BODY + "!", CLOSED)


async def test_closed_early(side: Side) -> None:
    traced = Traced()
    async with Origin(says(OK)) as origin, side.client() as client:
        async with client.stream("GET", origin.url, extensions=traced.extensions):
            assert traced.names() == steps(CONNECT, *SENT, HEAD)
        assert traced.names() == steps(CLOSED)


async def test_a_body_that_breaks_off(side: Side) -> None:
    traced = Traced()

    async def breaks() -> AsyncIterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    async with Origin() as origin, side.client() as client:
        with pytest.raises(ZeroDivisionError):
            await client.post(origin.url, content=breaks(), extensions=traced.extensions)
    assert traced.names() == steps(CONNECT, SENT[0], SENT[1] + "!", CLOSED)


async def test_fields_that_cannot_be_sent(side: Side) -> None:
    traced = Traced()
    async with Origin() as origin, side.client() as client:
        with pytest.raises(side.lib.LocalProtocolError):
            await client.get(origin.url, headers={"X": "a\nb"}, extensions=traced.extensions)
    assert traced.names() == side.of(steps(CONNECT, SENT[0] + "!", CLOSED), [])


async def test_what_each_step_is_told_with(side: Side) -> None:
    traced = Traced()
    timeout = side.lib.Timeout(5, connect=6)
    async with Origin(always(OK)) as origin, side.client() as client:
        await client.get(origin.url, extensions=traced.extensions, timeout=timeout)
        infos = dict(traced.told.events)
        stream = infos[CONNECT + ".complete"]["return_value"]
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", origin.port)
    connect = infos[CONNECT + ".started"]
    assert connect == {
        "host": "127.0.0.1",
        "port": origin.port,
        "local_address": None,
        "timeout": 6,
        "socket_options": None,
    }
    assert infos[SENT[0] + ".complete"] == {"return_value": None}
    assert infos[HEAD + ".complete"] == {"return_value": (b"HTTP/1.1", 200, b"OK", [(b"Content-Length", b"2")])}
    for name in [*SENT, HEAD, BODY]:
        assert infos[name + ".started"]["request"].method in {b"GET", "GET"}
    assert infos[CLOSED + ".started"] == {}


async def test_the_exception_of_a_step_that_failed(side: Side) -> None:
    traced = Traced()
    async with side.client() as client:
        with pytest.raises(side.lib.ConnectError):
            await client.get(refused(), extensions=traced.extensions)
    [info] = [info for name, info in traced.told.events if name == CONNECT + ".failed"]
    assert isinstance(info["exception"], Exception)


async def test_a_plain_function_is_refused(side: Side) -> None:
    def plain(name: str, info: dict[str, Any]) -> None:
        pass

    async with Origin() as origin, side.client() as client:
        with pytest.raises(TypeError):
            await client.get(origin.url, extensions={"trace": plain})
        assert (await client.get(origin.url)).content == b"ok"


async def test_what_a_trace_raises_ends_the_request(side: Side) -> None:
    async def trace(name: str, info: dict[str, Any]) -> None:
        if name == f"{HEAD}.started":
            raise ZeroDivisionError

    async with Origin() as origin, side.client() as client:
        with pytest.raises(ZeroDivisionError):
            await client.get(origin.url, extensions={"trace": trace})
        await origin.quiet()
        assert (await client.get(origin.url)).content == b"ok"
