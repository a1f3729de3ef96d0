"""What is an upstream asked for, and what may it answer?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshkit.gateway import socket
from meshkit.gateway.socket import Refused, open_
from meshkit.route import WebSocket
from meshkit.upstream import Origin
from meshkit.upstream.errors import ConnectFailed, Malformed, ReadFailed, ReadTimedOut

from ..upstream.calls import closed_port, here, pooled
from ..upstream.peer import Peer
from ..upstream.rogue import until
from ..upstream.stepping import LOOPS
from ..upstream.ways import serving
from .far import HEADERS, Far, opened, playing

pytestmark = LOOPS
LIMITS = WebSocket()


async def ask(pool: Any, origin: Origin, **more: Any) -> Any:
    return await open_(pool, origin, b"/", HEADERS, [], times=more.pop("times", {}), limits=LIMITS)


async def test_what_is_asked() -> None:
    fars = []

    async def play(far: Far) -> None:
        fars.append(far)
        await far.goodbye()

    async with pooled(playing(play)) as (server, pool):
        headers = [
            (b"host", b"chat.example"),
            (b"cookie", b"a=b"),
            (b"origin", b"https://shop.example"),
            (b"connection", b"te"),
            (b"te", b"trailers"),
            (b"content-length", b"7"),
            (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
            (b"Sec-WebSocket-Version", b"8"),
            (b"sec-websocket-extensions", b"permessage-deflate"),
            (b"sec-websocket-protocol", b"other"),
        ]
        upstream = await opened(pool, server, headers=headers, subprotocols=["chat", "", "chat two", "soap"])
        upstream.close()
        await server.quiet()
    far = fars[0]
    assert far.head.startswith(b"GET /chat HTTP/1.1\r\n")
    fields = dict(far.fields)
    key = fields.pop(b"Sec-WebSocket-Key")
    assert (len(key), key) != (24, b"AAAAAAAAAAAAAAAAAAAAAA==")
    assert fields == {
        b"host": b"chat.example",
        b"cookie": b"a=b",
        b"origin": b"https://shop.example",
        b"Connection": b"Upgrade",
        b"Upgrade": b"websocket",
        b"Sec-WebSocket-Version": b"13",
        b"Sec-WebSocket-Protocol": b"chat, soap",
    }
    assert len(far.fields) == 8


async def test_what_the_client_hears_of_it() -> None:
    async def play(peer: Peer) -> None:
        far = Far(peer, await peer.head())
        more = [b"Sec-WebSocket-Protocol: soap", b"Set-Cookie: a=b", b"set-cookie: c=d", b"X-Hop: 1", b"Date: now"]
        await peer.send(far.consent[:-2] + b"\r\n".join([*more, b"Connection: x-hop", b"", b""]))
        await far.goodbye()

    async with pooled(play) as (server, pool):
        upstream = await opened(pool, server, subprotocols=["chat", "soap"])
        assert (upstream.status, upstream.subprotocol) == (101, "soap")
        assert upstream.headers == [(b"set-cookie", b"a=b"), (b"set-cookie", b"c=d")]
        upstream.close()
        upstream.close()
        upstream.leave()
        await server.quiet()


async def test_over_tls() -> None:
    async def play(far: Far) -> None:
        assert await far.frame() == ("TEXT", b"a")
        await far.say("b" * 100_000)
        await far.goodbye()

    async with pooled(playing(play), tls=serving()) as (server, pool):
        upstream = await open_(pool, here(server, tls=True), b"/", HEADERS, [], times={}, limits=LIMITS)
        assert not isinstance(upstream, Refused)
        await upstream.say("a")
        assert await upstream.messages() == ["b" * 100_000]
        upstream.leave()
        await server.quiet()
        await until(pool.idle)


def answer(status: bytes, body: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *fields, b"Content-Length: %d" % len(body), b"", body])


HTML = b"Content-Type: text/html"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (answer(b"404 Not Found", b"none", HTML), Refused(404, [(b"content-type", b"text/html")], b"none")),
        (
            answer(b"401 Unauthorized", b"", b"WWW-Authenticate: Basic", b"Connection: close"),
            Refused(401, [(b"www-authenticate", b"Basic")], b""),
        ),
        (answer(b"503 No", b"", b"Retry-After: 7"), Refused(503, [(b"retry-after", b"7")], b"")),
        (answer(b"200 OK", b"no WebSocket"), Refused(200, [], b"no WebSocket")),
        (answer(b"426 No", b"", b"Upgrade: websocket", b"Sec-WebSocket-Version: 8"), Refused(426, [], b"")),
        (answer(b"404 No", b"a" * 65_536), Refused(404, [], b"a" * 65_536)),
        (
            answer(b"404 No", b"a" * 65_537, HTML, b"Content-Encoding: gzip", b"X-A: b"),
            Refused(404, [(b"x-a", b"b")], b""),
        ),
        (answer(b"404 No", b"broken off", HTML)[:-1], Refused(404, [], b"")),
    ],
)
async def test_refused(said: bytes, found: Refused) -> None:
    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(said)
        await peer.finish()

    async with pooled(play) as (server, pool):
        assert await ask(pool, here(server)) == found
        assert pool.idle()


async def test_a_refusal_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "PATIENCE", 0.02)

    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer(b"404 No", b"slow", HTML)[:-1])

    async with pooled(play) as (server, pool):
        assert await ask(pool, here(server)) == Refused(404, [], b"")
        await server.quiet()


async def test_a_refusal_keeps_the_connection() -> None:
    """It is as good as any answer."""
    async with pooled() as (server, pool):
        for _ in range(3):
            assert await ask(pool, here(server)) == Refused(200, [], b"ok")
        assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", Malformed),
        (b"HTTP/1.1 101 Yes\r\n\r\n", Malformed),
        (b"nonsense\r\n\r\n", Malformed),
        (b"", Malformed),
    ],
)
async def test_no_consent(said: bytes, error: type[Exception]) -> None:
    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(said)
        await peer.finish()

    async with pooled(play) as (server, pool):
        with pytest.raises(error):
            await ask(pool, here(server))
        await server.quiet()
        assert pool.idle()


async def test_nobody_is_there() -> None:
    async with pooled() as (_, pool):
        with pytest.raises(ConnectFailed) as raised:
            await ask(pool, Origin("127.0.0.1", closed_port()))
        assert not raised.value.sent


async def test_too_late() -> None:
    """A deadline is for the handshake, and not for what comes after."""

    async def silent(peer: Peer) -> None:
        await peer.head()
        await peer.gone()

    async def play(far: Far) -> None:
        await far.frame()
        await far.say("still here")
        await far.goodbye()

    async with pooled(silent, playing(play)) as (server, pool):
        with pytest.raises(ReadTimedOut):
            await ask(pool, here(server), times={"total": 0.02})
        upstream = await opened(pool, server, times={"total": 0.05, "read": 0.05})
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        loop.call_later(0.1, over.set_result, None)
        await over
        await upstream.say("a")
        assert await upstream.messages() == ["still here"]
        upstream.leave()
        await server.quiet()


async def test_cut_off() -> None:
    async def play(peer: Peer) -> None:
        await peer.head()
        peer.reset()

    async with pooled(play) as (server, pool):
        with pytest.raises(ReadFailed):
            await ask(pool, here(server))
