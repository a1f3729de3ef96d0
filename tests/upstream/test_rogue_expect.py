"""Does a body wait until it is welcome? `Expect: 100-continue` (RFC 9110, 10.1.1), honoured, refused, and passed over.

The library's own transport does not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from meshkit.upstream import upload

from .peer import Gone, Peer
from .rogue import OK, sane
from .ways import OUR_WAYS, Way, get, talking

pytestmark = OUR_WAYS

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
EXPECT = {"expect": "100-continue"}


async def parts(asked: list[bytes]) -> AsyncIterator[bytes]:
    asked.append(b"abc")
    yield b"abc"


async def nothing_comes(peer: Peer) -> None:
    for _ in range(50):
        await asyncio.sleep(0)
        assert not peer.rest
        assert silent(peer.wire), "the body came uninvited"


def silent(wire: socket.socket) -> bool:
    try:
        wire.recv(1)
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("before", [b"", EARLY], ids=["alone", "after a 103"])
async def test_a_body_waits_to_be_welcome(way: Way, streamed: bool, before: bytes) -> None:
    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(before)
        await nothing_comes(peer)
        await peer.send(CONTINUE)
        while not peer.rest.endswith(b"0\r\n\r\n" if streamed else b"abc"):
            await peer.more()
        peer.rest = b""
        await peer.send(OK)
        await sane(peer)

    content: Any = parts([]) if streamed else b"abc"
    async with talking(way, play) as (server, client):
        response = await client.post(server.url, content=content, headers=EXPECT)
        assert (response.status_code, response.content) == (200, b"ok")
        await get(client, server.url)
        assert len(server.peers) == 1


@pytest.mark.parametrize("status", [b"417 Expectation Failed", b"401 Unauthorized", b"200 OK", b"302 Found"])
async def test_a_body_that_is_not_welcome(way: Way, status: bytes) -> None:
    """Not a byte of it is sent, and the connection, on which it is still owed, serves no other request."""
    seen = []

    async def play(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nno" % status)
        with contextlib.suppress(Gone):
            while True:
                await peer.more()
        seen.append(peer.rest)

    asked: list[bytes] = []
    async with talking(way, play) as (server, client):
        response = await client.post(server.url, content=parts(asked), headers=EXPECT)
        assert (str(response.status_code), response.content) == (status[:3].decode(), b"no")
        await get(client, server.url)
        await server.quiet(1)
    assert asked == []
    assert seen == [b""]


async def test_a_server_that_passes_over_it(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the body, as one of before 1999 does: after a time the body comes."""
    monkeypatch.setattr(upload, "PATIENCE", 0.02)
    async with talking(way) as (server, client):
        response = await client.post(server.url, content=b"abc", headers=EXPECT)
        assert response.content == b"ok"
        assert server.peers[0].body == b"abc"
        await get(client, server.url)
        assert len(server.peers) == 1


async def test_a_server_that_closes_instead(way: Way) -> None:
    async def play(peer: Peer) -> None:
        await peer.head()
        peer.truncate()

    asked: list[bytes] = []
    async with talking(way, play) as (server, client):
        with pytest.raises(way.lib.RemoteProtocolError):
            await client.post(server.url, content=parts(asked), headers=EXPECT)
        await get(client, server.url)
    assert asked == []
