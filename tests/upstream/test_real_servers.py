"""Does the pool agree with the servers that are really used? uvicorn, granian, nginx, haproxy before two of them.

The library's own transport takes the same tests first.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from .servers import SERVERS, Server, running
from .spoken import LARGE
from .ways import OWN, Way, each, nothing_left

PAIR = [Way("httpx", "pool", "asyncio", "httptools"), Way("httpx2", "pool", "uvloop", "h11")]
WAYS = each([OWN[0], *PAIR])
SHA256 = hashlib.sha256(LARGE).hexdigest()
SOON = 20.0
"""Seconds for a whole test, on a busy machine."""
PART = 65536
APPS = ["uvicorn", "granian", "haproxy-uvicorn"]
"""Those that serve an app of ours."""

on_each = pytest.mark.parametrize("server", SERVERS, indirect=True)
on_apps = pytest.mark.parametrize("server", APPS, indirect=True)
on_nginx = pytest.mark.parametrize("server", ["nginx"], indirect=True)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(request.param) as server:
        yield server


@contextlib.asynccontextmanager
async def asking(way: Way, base: str, **options: Any) -> AsyncIterator[Any]:
    async with nothing_left():
        transport = way.open(**options)
        async with (
            way.lib.AsyncClient(transport=transport, base_url=base, timeout=SOON) as client,
            asyncio.timeout(SOON),
        ):
            yield client


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def came_by(response: Any) -> Any:
    """The client's end of the connection it came on."""
    return response.extensions["network_stream"].get_extra_info("client_addr")


@WAYS
@on_each
async def test_a_small_one_and_no_body(way: Way, server: Server) -> None:
    async with asking(way, server.url) as client:
        response = await client.get("/small")
        assert (response.status_code, response.content) == (200, b"ok")
        assert response.http_version == "HTTP/1.1"
        head = await client.head("/small")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "2")
        for status in (204, 304):
            response = await client.get(f"/status/{status}")
            assert (response.status_code, response.content) == (status, b"")
        assert (await client.get("/small")).content == b"ok"


@WAYS
@on_each
async def test_one_connection_serves_all_of_them(way: Way, server: Server) -> None:
    async with asking(way, server.url) as client:
        ends = set()
        for number in range(30):
            method = "HEAD" if number % 3 == 0 else "GET"
            async with client.stream(method, "/status/204" if number % 5 == 0 else "/small") as response:
                ends.add(came_by(response))
                await response.aread()
        assert len(ends) == 1


@WAYS
@on_each
@pytest.mark.parametrize("path", ["/large", "/chunked"])
async def test_ten_megabytes_down(way: Way, server: Server, path: str) -> None:
    """With a length, and in chunks; from nginx those are compressed."""
    async with asking(way, server.url) as client:
        response = await client.get(path)
        assert ("content-length" in response.headers) == (path == "/large")
        assert sha256(response.content) == SHA256
        digest = hashlib.sha256()
        async with client.stream("GET", path) as response:
            async for chunk in response.aiter_bytes():
                digest.update(chunk)
        assert digest.hexdigest() == SHA256


@WAYS
@on_nginx
async def test_gzip(way: Way, server: Server) -> None:
    async with asking(way, server.url) as client:
        response = await client.get("/chunked", headers={"accept-encoding": "gzip"})
        assert response.headers["content-encoding"] == "gzip"
        assert sha256(response.content) == SHA256
        plain = await client.get("/chunked", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert sha256(plain.content) == SHA256


@WAYS
@on_nginx
async def test_not_modified(way: Way, server: Server) -> None:
    async with asking(way, server.url) as client:
        first = await client.get("/small")
        again = await client.get("/small", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        part = await client.get("/large", headers={"range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, LARGE[1000:2000])


@WAYS
@on_nginx
async def test_a_server_that_closes_after_each(way: Way, server: Server) -> None:
    """And one that serves a hundred on a connection, and no more."""
    async with asking(way, server.url) as client:
        for _ in range(10):
            assert (await client.get("/once")).content == b"ok"
        for _ in range(250):
            assert (await client.get("/small")).content == b"ok"


async def in_parts(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), PART):
        yield data[start : start + PART]


@WAYS
@on_apps
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_bodies_up(way: Way, server: Server, method: str) -> None:
    """As bytes, as a stream in chunks, as one of a known length; none, and ten megabytes."""
    async with asking(way, server.url) as client:
        for data in (b"", b"abc", LARGE if method == "POST" else LARGE[:100_000]):
            for content, headers in (
                (data, {}),
                (in_parts(data), {}),
                (in_parts(data), {"content-length": str(len(data))}),
            ):
                response = await client.request(method, "/echo", content=content, headers=headers)
                told = response.json()
                assert (told["method"], told["length"], told["sha256"]) == (method, len(data), sha256(data))
        assert (await client.get("/small")).content == b"ok"


@WAYS
@on_apps
async def test_what_the_server_is_told(way: Way, server: Server) -> None:
    async with asking(way, server.url) as client:
        response = await client.get("/echo/a%20b?c=d%26e", headers={"x-one": "1", "cookie": "a=b"})
        told = response.json()
        assert told["path"] == "/echo/a b"
        assert (told["fields"]["x-one"], told["fields"]["cookie"]) == ("1", "a=b")
        assert told["fields"]["host"] == server.url.removeprefix("http://")
        assert told["fields"]["accept-encoding"] == client.headers["accept-encoding"]


@WAYS
@on_nginx
async def test_a_body_that_nginx_refuses(way: Way, server: Server) -> None:
    """It answers at once, and reads no further than it likes."""
    async with asking(way, server.url) as client:
        for _ in range(3):
            response = await client.post("/refuses", content=LARGE)
            assert response.status_code == 413
            assert (await client.get("/small")).content == b"ok"


@WAYS
@on_each
async def test_fifty_at_once(way: Way, server: Server) -> None:
    """On fifty connections, and on five."""
    for most in (50, 5):
        limits = way.lib.Limits(max_connections=most, max_keepalive_connections=most)
        async with asking(way, server.url, limits=limits) as client:
            answers = await asyncio.gather(*(client.get("/small") for _ in range(50)))
            assert [answer.content for answer in answers] == [b"ok"] * 50
            assert len({came_by(answer) for answer in answers}) <= most


@WAYS
@pytest.mark.parametrize("server", ["uvicorn", "granian"], indirect=True)
async def test_each_gets_its_own(way: Way, server: Server) -> None:
    async with asking(way, server.url, limits=way.lib.Limits(max_connections=7)) as client:
        bodies = [b"%d" % number * number for number in range(50)]
        answers = await asyncio.gather(
            *(client.post(f"/echo/{number}", content=body) for number, body in enumerate(bodies))
        )
        for number, (answer, body) in enumerate(zip(answers, bodies, strict=True)):
            told = answer.json()
            assert (told["path"], told["sha256"]) == (f"/echo/{number}", sha256(body))


@WAYS
@on_apps
async def test_events_as_they_happen(way: Way, server: Server) -> None:
    """Each is here before the next has happened; and who has heard enough may go."""
    async with asking(way, server.url) as client:
        before = await seen(client, "events is over")
        async with client.stream("GET", "/events") as response:
            assert response.headers["content-type"] == "text/event-stream"
            lines = response.aiter_lines()
            for number in range(3):
                assert (await client.post("/tick")).content == b"ok"
                assert await anext(lines) == f"data: {number}"
                assert await anext(lines) == ""
        while await seen(client, "events is over") == before:
            pass


async def seen(client: Any, what: str) -> int:
    return int((await client.get("/seen")).json().count(what))


@WAYS
@on_apps
@pytest.mark.parametrize("path", ["hangs", "breaks"])
async def test_a_client_that_gives_up(way: Way, server: Server, path: str) -> None:
    """Before the answer, and in the middle of it: the server hears of it, and the next call is served."""
    async with asking(way, server.url, limits=way.lib.Limits(max_connections=2)) as client:
        for _ in range(3):
            begun, over = await seen(client, f"{path} begins"), await seen(client, f"{path} is over")
            call = asyncio.create_task(client.get(f"/{path}"))
            while await seen(client, f"{path} begins") == begun:
                pass
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            while await seen(client, f"{path} is over") == over:
                pass


@WAYS
@on_nginx
async def test_tls(way: Way, server: Server) -> None:
    async with asking(way, server.tls_url) as client:
        assert (await client.get("/small")).content == b"ok"
        assert sha256((await client.get("/large")).content) == SHA256
        assert sha256((await client.get("/chunked")).content) == SHA256
        answers = await asyncio.gather(*(client.get("/small") for _ in range(50)))
        assert [answer.content for answer in answers] == [b"ok"] * 50
        async with client.stream("GET", "/small") as response:
            secured = response.extensions["network_stream"].get_extra_info("ssl_object")
            assert secured.version() == "TLSv1.3"
            await response.aread()
        with pytest.raises(way.lib.ConnectError):
            await client.get(f"https://127.0.0.1:{server.port}/small")


@WAYS
@pytest.mark.parametrize("server", ["uvicorn_on_unix", "nginx"], indirect=True)
async def test_a_unix_socket(way: Way, server: Server) -> None:
    async with asking(way, "http://somewhere.test", uds=server.uds) as client:
        assert (await client.get("/small")).content == b"ok"
        assert sha256((await client.get("/large")).content) == SHA256
        answers = await asyncio.gather(*(client.get("/small") for _ in range(20)))
        assert [answer.content for answer in answers] == [b"ok"] * 20


UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""Of the key above (RFC 6455, 1.3)."""


@WAYS
@on_apps
async def test_a_websocket(way: Way, server: Server) -> None:
    async with asking(way, server.url) as client:
        async with client.stream("GET", "/ws", headers=UPGRADE) as response:
            assert response.status_code == 101
            assert response.headers["sec-websocket-accept"] == ACCEPT
            stream = response.extensions["network_stream"]
            protocol = ClientProtocol(parse_uri("ws://x/ws"), state=OPEN, max_size=None)

            async def hear() -> Frame:
                while True:
                    for event in protocol.events_received():
                        assert isinstance(event, Frame)
                        return event
                    protocol.receive_data(await stream.read(65536, timeout=SOON))

            async def say() -> None:
                for data in protocol.data_to_send():
                    await stream.write(data, timeout=SOON)

            for number in range(3):
                protocol.send_text(b"hello %d" % number)
                await say()
                frame = await hear()
                assert (frame.opcode, bytes(frame.data)) == (Opcode.TEXT, b"HELLO %d" % number)
            protocol.send_binary(LARGE[: 1 << 19])
            await say()
            assert bytes((await hear()).data) == LARGE[: 1 << 19][::-1]
            protocol.send_close(1000)
            await say()
            assert (await hear()).opcode is Opcode.CLOSE
        assert (await client.get("/small")).content == b"ok"


@WAYS
@pytest.mark.parametrize(
    ("name", "end"), [("uvicorn", "stop"), ("nginx", "stop"), ("nginx", "kill"), ("haproxy-nginx", "kill")]
)
async def test_a_server_that_was_restarted(way: Way, name: str, end: str) -> None:
    """Between two requests: nobody notices. While it is gone: nothing was sent."""
    with running(name) as server:
        async with asking(way, server.url) as client:
            assert (await client.get("/small")).content == b"ok"
            getattr(server, end)()
            with pytest.raises(way.lib.ConnectError):
                await client.post("/small")
            server.start()
            assert (await client.get("/small")).content == b"ok"
            getattr(server, end)()
            server.start()
            assert (await client.get("/small")).content == b"ok"
