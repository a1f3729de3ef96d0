"""What may happen to a connection that nobody uses, and who gets what comes on it? Never the next request.

The bytes and ends of the tests "at once" stand in the kernel when the next request begins, and no turn of the loop lies
between: only a look at the socket tells (RFC 9112, 9.3.1 and 9.5). An answer that nobody asked for is how the answers
of one user are given to another.
"""

from __future__ import annotations

import asyncio

import pytest

from meshkit import Constant, Pipeline, Retry
from meshkit.httpx import AsyncMeshTransport

from .peer import Peer
from .rogue import CLOSE, OK, RESET, Rogue, answers, sane, until
from .ways import EACH_WAY, OUR_WAYS, Way, get, nothing_left, talking

NO = OK.replace(b"ok", b"no")
UNASKED = {
    "an answer": NO,
    "half an answer": NO[:20],
    "a byte": b"H",
    "an empty line": b"\r\n",
    "a 100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a 408": b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
    "rubbish": b"\x00\xff" * 1000,
}
each_unasked = pytest.mark.parametrize("unasked", UNASKED.values(), ids=UNASKED)


async def first(peer: Peer) -> None:
    """One answer; a second request is not read."""
    await peer.request()
    await peer.send(OK)


@EACH_WAY
async def test_one_connection_serves_many(way: Way) -> None:
    async with talking(way) as (server, client):
        for _ in range(20):
            await get(client, server.url)
        assert len(server.peers) == 1


@EACH_WAY
@each_unasked
async def test_unasked_at_once(way: Way, unasked: bytes) -> None:
    async with talking(way, first) as (server, client):
        await get(client, server.url)
        server.peers[0].wire.send(unasked)
        await get(client, server.url)
        assert len(server.peers) == 2
        await server.quiet(1)


@OUR_WAYS
@each_unasked
async def test_unasked_is_noticed_while_idle(way: Way, unasked: bytes) -> None:
    """The connection is closed without waiting for a next request."""
    async with talking(way, first) as (server, client):
        await get(client, server.url)
        server.peers[0].wire.send(unasked)
        await server.quiet(0)
        await get(client, server.url)


@EACH_WAY
@pytest.mark.parametrize("end", [CLOSE, RESET])
async def test_closed_at_once(way: Way, end: str) -> None:
    """Seen before use: no error, whatever the method."""
    async with talking(way, first, first) as (server, client):
        for number, method in enumerate(["GET", "POST", "GET"]):
            response = await client.request(method, server.url)
            assert response.content == b"ok"
            assert len(server.peers) == number + 1
            peer = server.peers[number]
            peer.truncate() if end is CLOSE else peer.reset()


@OUR_WAYS
async def test_closed_is_noticed_while_idle(way: Way) -> None:
    """So that no descriptor is held for a connection that is over."""
    async with talking(way, answers((OK, CLOSE))) as (server, client):
        await get(client, server.url)
        await server.quiet(0)
        await get(client, server.url)


@EACH_WAY
@pytest.mark.parametrize(("end", "error"), [(CLOSE, "RemoteProtocolError"), (RESET, "ReadError")])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_closed_as_the_request_arrives(way: Way, end: str, error: str, method: str) -> None:
    """Nobody can know: an error, and the pool does not send the request again by itself."""
    async with talking(way, answers(OK, end)) as (server, client):
        await get(client, server.url)
        with pytest.raises(getattr(way.lib, error)):
            await client.request(method, server.url)
        assert len(server.peers) == 1
        await get(client, server.url)
        await server.quiet(1)


@EACH_WAY
@pytest.mark.parametrize(("end", "error"), [(CLOSE, "RemoteProtocolError"), (RESET, "ReadError")])
async def test_a_retry_knows_a_stale_connection(way: Way, end: str, error: str) -> None:
    """It is told apart from a server that broke: asked again at once, though nothing is said to be retried."""
    async with nothing_left(), Rogue(answers(OK, end), answers(OK, (b"HTTP/1.1 2", end)), sane, answers(end)) as server:
        pipeline = Pipeline(Retry(lambda failure: False, backoff=Constant(3600.0)))
        transport = AsyncMeshTransport(pipeline, way.open())
        async with way.lib.AsyncClient(transport=transport) as client, asyncio.timeout(10):
            await get(client, server.url)
            await get(client, server.url)
            assert len(server.peers) == 2
            with pytest.raises(getattr(way.lib, error)):  # something came
                await client.get(server.url)
            assert len(server.peers) == 2
            await get(client, server.url)
        async with way.lib.AsyncClient(transport=AsyncMeshTransport(pipeline, way.open())) as client:
            with pytest.raises(getattr(way.lib, error)):  # a new one
                await client.get(server.url)
        assert len(server.peers) == 4
        assert pipeline.idle()


@OUR_WAYS
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", OK),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n" + NO),
    ],
    ids=["HEAD", "HEAD in chunks", "204", "304", "204 and an answer"],
)
async def test_a_body_where_none_may_be(way: Way, method: str, answer: bytes) -> None:
    """The answer has none, and what came for one is nobody's."""
    async with talking(way, answers(answer)) as (server, client):
        response = await client.request(method, server.url)
        assert response.content == b""
        await get(client, server.url)
        assert len(server.peers) == 2
        await server.quiet(1)


@OUR_WAYS
async def test_the_end_of_an_answer_and_the_next_one_unasked(way: Way) -> None:
    """However late the reader of the first is: the second is not for it, and not for the next."""
    async with talking(way, answers((OK[:-1], go := asyncio.Event(), OK[-1:] + NO))) as (server, client):
        async with client.stream("GET", server.url) as response:
            go.set()
            await until(lambda: server.peers[0].pushed == len(OK) + len(NO))
            assert await response.aread() == b"ok"
        await get(client, server.url)
        assert len(server.peers) == 2
        await server.quiet(1)
