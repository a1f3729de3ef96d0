"""Does the pool agree with the servers that are really used? uvicorn, granian, nginx, haproxy before two of them.

Answers and bodies of every size and framing; `test_real_lives` has what goes on for longer than an answer. The
library's own transport takes the same tests first.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from .asking import SHA256, WAYS, asking, on_apps, on_each, on_nginx, sha256
from .servers import Server
from .spoken import LARGE
from .ways import Way

PART = 65536


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
