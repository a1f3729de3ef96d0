"""What of real servers goes on for longer than an answer? Streams, tunnels, TLS; clients and servers that go away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from .asking import SHA256, SOON, WAYS, asking, on_apps, on_nginx, sha256
from .servers import Server, running
from .spoken import LARGE
from .ways import Way


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
