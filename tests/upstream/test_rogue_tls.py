"""What of TLS may be broken, and is an answer that TLS did not see to its end ever taken for a whole one? Never.

A connection that TCP ends without `close_notify` may have been cut by anybody (RFC 8446, 6.1): a body that lasts until
the connection is closed is then incomplete (RFC 9112, 9.8).
"""

from __future__ import annotations

from typing import Any

import pytest
import trustme

from .peer import Gone, Peer
from .rogue import CLOSE, OK, RESET, answers
from .ways import EACH_WAY, OUR_WAYS, Way, get, serving, talking

HEAD = b"HTTP/1.1 200 OK\r\n"
OPEN = HEAD + b"\r\nok"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
SOON = 10.0


def cut(data: bytes) -> Any:
    """Bytes, and the end of TCP alone."""

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(data)
        peer.truncate()

    return play


@EACH_WAY
async def test_one_connection_serves_many(way: Way) -> None:
    async with talking(way, tls=serving()) as (server, client):
        for _ in range(5):
            await get(client, server.url)
        response = await client.post(server.url, content=b"a" * 1_000_000)
        assert response.content == b"ok"
        assert server.peers[0].body == b"a" * 1_000_000
        assert len(server.peers) == 1


@EACH_WAY
async def test_a_body_until_the_end_of_tls(way: Way) -> None:
    async with talking(way, answers((OPEN, CLOSE)), tls=serving()) as (server, client):
        await get(client, server.url)
        await server.quiet(0)
        await get(client, server.url)


@OUR_WAYS
@pytest.mark.parametrize("data", [OPEN, OPEN + b"k" * 300_000, OPEN[:-2]], ids=["short", "long", "empty"])
async def test_a_body_until_tcp_was_cut(way: Way, data: bytes) -> None:
    """The library's own transport takes it for whole."""
    async with talking(way, cut(data), tls=serving()) as (server, client):
        with pytest.raises((way.lib.RemoteProtocolError, way.lib.ReadError)):
            await client.get(server.url)
        await server.quiet(0)
        await get(client, server.url)


@EACH_WAY
@pytest.mark.parametrize(
    "data",
    [b"", HEAD, HEAD + b"Content-Length: 4\r\n\r\n", HEAD + b"Content-Length: 4\r\n\r\nok", CHUNKED],
    ids=["nothing", "head", "no body", "half a body", "chunks"],
)
async def test_a_length_until_tcp_was_cut(way: Way, data: bytes) -> None:
    async with talking(way, cut(data), tls=serving()) as (server, client):
        with pytest.raises((way.lib.RemoteProtocolError, way.lib.ReadError)):
            await client.get(server.url)
        await server.quiet(0)
        await get(client, server.url)


@EACH_WAY
@pytest.mark.parametrize("data", [OK, CHUNKED + b"0\r\n\r\n"], ids=["length", "chunks"])
async def test_a_whole_answer_before_tcp_was_cut(way: Way, data: bytes) -> None:
    """Its framing says that nothing is missing."""
    async with talking(way, cut(data), tls=serving()) as (server, client):
        await get(client, server.url)
        await get(client, server.url)
        assert len(server.peers) == 2


@EACH_WAY
@pytest.mark.parametrize(
    "data", [b"", HEAD, HEAD + b"Content-Length: 4\r\n\r\nok", OPEN], ids=["nothing", "head", "half", "open"]
)
async def test_a_reset(way: Way, data: bytes) -> None:
    async with talking(way, answers((data, RESET)), tls=serving()) as (server, client):
        with pytest.raises(way.lib.ReadError):
            await client.get(server.url)
        await get(client, server.url)
        assert len(server.peers) == 2


@OUR_WAYS
async def test_rubbish_in_the_middle(way: Way) -> None:
    """Bytes that are no record of TLS, in a body. The library's own transport lets an `ssl.SSLError` through."""

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + b"Content-Length: 9\r\n\r\nok")
        await peer.push(b"rubbish" * 10)

    async with talking(way, play, tls=serving()) as (server, client):
        with pytest.raises((way.lib.RemoteProtocolError, way.lib.ReadError)):
            await client.get(server.url)
        await server.quiet(0)
        await get(client, server.url)


@EACH_WAY
@pytest.mark.parametrize("end", [CLOSE, RESET, b"rubbish"])
async def test_an_idle_connection_that_ended(way: Way, end: Any) -> None:
    """Seen before use."""

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)

    async with talking(way, play, tls=serving()) as (server, client):
        await get(client, server.url)
        [peer] = server.peers
        if end is RESET:
            peer.reset()
        elif end is CLOSE:
            await peer.finish()
        else:
            peer.wire.send(end)
        await get(client, server.url)
        assert len(server.peers) == 2


HANDSHAKES = {
    "rubbish": (b"\x00\xff" * 500,),
    "plain HTTP": (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",),
    "an alert": (b"\x15\x03\x03\x00\x02\x02\x28",),
    "an end": (CLOSE,),
    "a reset": (RESET,),
    "half a record": (b"\x16\x03\x03\x40\x00" + bytes(100), CLOSE),
    "a record too long": (b"\x16\x03\x03\xff\xff" + bytes(70000),),
}


@EACH_WAY
@pytest.mark.parametrize("said", HANDSHAKES.values(), ids=HANDSHAKES)
async def test_no_handshake(way: Way, said: tuple[Any, ...]) -> None:
    """Nothing was sent: a connect error."""

    async def play(peer: Peer) -> None:
        await peer.receive()
        for part in said:
            if part is RESET:
                peer.reset()
                raise Gone
            await peer.send(part) if part is not CLOSE else peer.truncate()

    async with talking(way, play) as (server, client):
        with pytest.raises(way.lib.ConnectError):
            await client.get(server.url.replace("http:", "https:"))
        assert len(server.peers) == 1
        await server.quiet(0)


@EACH_WAY
async def test_plain_http_to_a_server_of_tls(way: Way) -> None:
    async with talking(way, tls=serving()) as (server, client):
        with pytest.raises((way.lib.RemoteProtocolError, way.lib.ReadError)):
            await client.get(server.url.replace("https:", "http:"))


@EACH_WAY
async def test_a_certificate_of_another_name(way: Way) -> None:
    async with talking(way, tls=serving("elsewhere.test")) as (server, client):
        with pytest.raises(way.lib.ConnectError, match=r"127\.0\.0\.1"):
            await client.get(server.url)
        response = await client.get(server.url, extensions={"sni_hostname": "elsewhere.test"})
        assert response.content == b"ok"


@EACH_WAY
async def test_a_certificate_that_nobody_vouches_for(way: Way) -> None:
    context = serving()
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with talking(way, tls=context) as (server, client):
        with pytest.raises(way.lib.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(server.url)
    async with talking(way, tls=context, verify=False) as (server, client):
        await get(client, server.url)
