"""Does a check find out, in time, and leave nothing behind, whatever the peer does?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from meshkit.cluster import Endpoint
from meshkit.cluster.checks import HttpCheck, TcpCheck
from meshkit.upstream.check import Prober

from .calls import closed_port
from .peer import Peer
from .rogue import CLOSE, OK, RESET, Rogue, answers
from .stepping import LOOPS, Stepped, calm, cancel
from .ways import serving, trusting

pytestmark = LOOPS
SOON = 0.05
"""Seconds that a check has whose peer will not answer."""


@contextlib.asynccontextmanager
async def asked(*scripts: Any, tls: bool = False) -> AsyncIterator[tuple[Rogue, Prober, Endpoint]]:
    """When it is over every connection has been closed by the prober, before that is closed itself."""
    context = serving("127.0.0.1") if tls else None
    async with calm(), asyncio.timeout(30.0), Rogue(*scripts, tls=context) as server, Prober(trusting) as prober:
        yield server, prober, Endpoint(f"{'https' if tls else 'http'}://127.0.0.1:{server.port}")
        for peer in server.peers:
            peer.over.set()
        await server.quiet()


def said(status: int = 200, body: bytes = b"ok", **fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


HTTP: list[tuple[Any, dict[str, Any], str]] = [
    (said(), {}, ""),
    (said(204, b""), {}, ""),
    (said(399), {}, ""),
    (said(400), {}, "status 400"),
    (said(503), {}, "status 503"),
    (said(302), {"expect": 200}, "status 302"),
    (said(503), {"expect": [200, 503]}, ""),
    (said(body=b"all is well"), {"body": "is w"}, ""),
    (said(body=b"all is ill"), {"body": "is w"}, "no b'is w' in the body"),
    (said(body=b""), {"body": "x"}, "no b'x' in the body"),
    (said(503, b"x"), {"body": "x"}, "status 503"),
    (said(body=b"a" * 65_535 + b"b"), {"body": "ab"}, ""),
    (said(body=b"a" * 65_536 + b"b"), {"body": "b"}, "no b'b' in the body"),
    (b"HTTP/1.1 103 Early\r\n\r\n" + said(), {}, ""),
    (b"HTTP/1.0 200 OK\r\n\r\nok to the end", {"body": "to the"}, ""),
    ((said()[:-1], CLOSE), {"body": "zz"}, "Malformed"),
    ((said(body=b"is wrong"), CLOSE), {"body": "is w"}, ""),
    (b"SSH-2.0-OpenSSH_9\r\n", {}, "Malformed"),
    (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n", {}, "Malformed"),
    (CLOSE, {}, "Malformed"),
    (RESET, {}, "ReadFailed"),
    ((said()[:9], CLOSE), {}, "Malformed"),
    ((said()[:9], RESET), {}, "ReadFailed"),
]


async def test_http() -> None:
    """What is wrong, or how that begins."""
    async with asked(*(answers(answer) for answer, _, _ in HTTP)) as (server, prober, endpoint):
        for answer, options, wrong in HTTP:
            found = await prober.ask(HttpCheck("/up", timeout=20.0, **options), endpoint)
            assert found == wrong or (wrong.isalpha() and found.startswith(wrong + ":")), answer
        assert len(server.peers) == len(HTTP)


async def test_what_is_sent() -> None:
    heads = []

    async def play(peer: Peer) -> None:
        heads.append((await peer.request()).decode("latin-1"))
        await peer.send(OK)

    async with asked(play, play) as (server, prober, endpoint):
        assert await prober.ask(HttpCheck("/up?deep=1"), endpoint) == ""
        check = HttpCheck(method="HEAD", host="orders.example", headers={"user-agent": "mine", "X-Key": "\xe9 b"})
        assert await prober.ask(check, endpoint) == ""
        assert [head.split("\r\n")[:-2] for head in heads] == [
            [
                "GET /up?deep=1 HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "User-Agent: meshkit", "Accept: */*",
                "Connection: close",
            ],
            [
                "HEAD / HTTP/1.1", "Host: orders.example", "Accept: */*", "Connection: close", "user-agent: mine",
                "X-Key: \xe9 b",
            ],
        ]  # fmt: skip
        assert len(server.peers) == 2  # a connection for each


async def test_another_port() -> None:
    async with asked() as (server, prober, _):
        elsewhere = Endpoint(f"127.0.0.1:{closed_port()}")
        assert (await prober.ask(HttpCheck(), elsewhere)).startswith("ConnectFailed:")
        assert (await prober.ask(TcpCheck(), elsewhere)).startswith("ConnectionRefusedError:")
        assert await prober.ask(HttpCheck(port=server.port), elsewhere) == ""
        assert await prober.ask(TcpCheck(port=server.port), elsewhere) == ""


@pytest.mark.parametrize("tls", [None, True, False])
async def test_tls(tls: bool | None) -> None:
    async with asked(tls=True) as (_, prober, endpoint):
        found = await prober.ask(HttpCheck(tls=tls, timeout=20.0), endpoint)
        assert (found == "") == (tls is not False)


async def test_whom_tls_asks_it_to_be() -> None:
    async with asked(tls=True) as (_, prober, endpoint):
        assert await prober.ask(HttpCheck(host="127.0.0.1:80", timeout=20.0), endpoint) == ""
        found = await prober.ask(HttpCheck(host="other.example", timeout=20.0), endpoint)
        assert found.startswith("ConnectFailed:")
        assert "certificate" in found.lower()


# Peers that take their time.


async def waits(peer: Peer) -> None:
    await peer.over.wait()


async def half_a_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(OK[:20])
    await peer.over.wait()


async def half_a_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(said(body=b"begun and")[:-2])
    await peer.over.wait()


async def one_byte_at_a_time(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(10):
        await peer.send(b"a")
        await asyncio.sleep(0)
    await peer.over.wait()


async def endless(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await peer.send(b"1000\r\n" + b"a" * 4096 + b"\r\n")


async def test_in_time() -> None:
    plays = [waits, half_a_head, half_a_body, one_byte_at_a_time]
    async with asked(*plays) as (_, prober, endpoint):
        check = HttpCheck(timeout=SOON, body="zz")
        found = await asyncio.gather(*(prober.ask(check, endpoint) for _ in plays))
        assert found == ["no answer within 0.05 s"] * len(plays)


async def test_a_body_that_nobody_asked_for_is_not_waited_for() -> None:
    plays = [half_a_body, endless, one_byte_at_a_time]
    async with asked(*plays) as (_, prober, endpoint):
        for _ in plays:
            assert await prober.ask(HttpCheck(timeout=20.0), endpoint) == ""


async def test_an_endless_body_is_looked_at_for_a_while() -> None:
    async with asked(endless, endless) as (_, prober, endpoint):
        assert await prober.ask(HttpCheck(timeout=20.0, body="zz"), endpoint) == "no b'zz' in the body"
        assert await prober.ask(HttpCheck(timeout=20.0, body="aa"), endpoint) == ""


async def test_a_handshake_that_does_not_end() -> None:
    async with asked(waits) as (server, prober, _):
        endpoint = Endpoint(f"https://127.0.0.1:{server.port}")
        assert await prober.ask(HttpCheck(timeout=SOON), endpoint) == "no answer within 0.05 s"


# TCP.


async def pongs(peer: Peer) -> None:
    while b"PING\r\n" not in peer.rest:
        await peer.more()
    await peer.send(b"+PO")
    await asyncio.sleep(0)
    await peer.send(b"NG\r\n")


async def babbles(peer: Peer) -> None:
    while True:
        await peer.send(b"a" * 4096)


async def hangs_up(peer: Peer) -> None:
    await peer.finish()


TCP: list[tuple[Any, dict[str, Any], str]] = [
    (waits, {}, ""),
    (pongs, {"send": "PING\r\n", "receive": "PONG"}, ""),
    (pongs, {"send": "PING\r\n", "receive": "PANG"}, "no answer within 0.05 s"),
    (pongs, {"receive": "PONG"}, "no answer within 0.05 s"),
    (hangs_up, {"receive": "PONG"}, "no b'PONG' in what it said"),
    (babbles, {"receive": "PONG"}, "no b'PONG' in what it said"),
    (babbles, {"receive": "aaa"}, ""),
    (waits, {"send": "a" * 20_000_000}, "no answer within 0.05 s"),
]


async def test_tcp() -> None:
    async with asked(*(play for play, _, _ in TCP)) as (_, prober, endpoint):
        for play, options, wrong in TCP:
            timeout = SOON if wrong.startswith("no answer") else 20.0
            assert await prober.ask(TcpCheck(timeout=timeout, **options), endpoint) == wrong, play


async def in_two_parts(peer: Peer) -> None:
    await peer.request()
    await peer.send(said(body=b"ok!!")[:-2])
    await asyncio.sleep(0)
    await peer.send(b"!!")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("check", "play"),
    [
        (HttpCheck(timeout=20.0, body="!!"), in_two_parts),
        (TcpCheck(timeout=20.0, send="PING\r\n", receive="PONG"), pongs),
    ],
    ids=["http", "tcp"],
)
async def test_cancelled_wherever_it_waits(check: Any, play: Any, late: bool) -> None:
    """`asked` waits until every connection is closed."""
    async with asked(*[play] * 20) as (_, prober, endpoint):

        async def struck(at: int) -> bool:
            stepped = Stepped(prober.ask(check, endpoint), at, cancel, late)
            try:
                assert await stepped == ""
            except asyncio.CancelledError:
                assert stepped.struck
            return stepped.struck

        places = [await asyncio.create_task(struck(at)) for at in range(1, 20)]
        assert True in places
        assert False in places
