"""How much does an idle WebSocket cost, and is it all given back?"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import Any

from websockets.frames import Opcode
from websockets.utils import accept_key

from meshkit.gateway.socket import Refused, open_, relay
from meshkit.route import WebSocket
from meshkit.upstream import Limits, Origin, Pool

from ..upstream.rogue import until
from ..upstream.stepping import LOOPS, turns
from .far import HEADERS, frame

pytestmark = LOOPS
NUMBER = 200
MOST = 16 * 1024
"""Bytes each, with the other end of the connection, and without the server's own. Under uvicorn 5,000 of them have
taken 12.5 KiB each beyond those of an app that echoes; 20 KiB are to be kept."""
LIMITS = WebSocket(ping=20.0, lifetime=3600.0)


class Grants(asyncio.Protocol):
    """An upstream that is as small as can be: it says one word, and ends when it is spoken to."""

    transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"GET"):
            self.transport.close()
            return
        key = data.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n%b" % (accept_key(key).encode(), frame(Opcode.TEXT, b"hello"))
        )


class Silent:
    """A client that says nothing until it leaves."""

    __slots__ = ("heard", "leaving")

    def __init__(self) -> None:
        self.heard = 0
        self.leaving: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def receive(self) -> dict[str, Any]:
        return await self.leaving

    async def send(self, message: dict[str, Any]) -> None:
        self.heard += 1


async def test_idle_ones_are_small() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Grants, "127.0.0.1", 0)
    origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1])
    pool = Pool(Limits(connections=None))

    async def one() -> tuple[Silent, asyncio.Task[None]]:
        client = Silent()
        upstream = await open_(pool, origin, b"/", HEADERS, [], times={}, limits=LIMITS)
        assert not isinstance(upstream, Refused)
        task = asyncio.create_task(relay(client, upstream, LIMITS))
        await until(lambda: client.heard == 2)
        return client, task

    async def end(relayed: list[tuple[Silent, asyncio.Task[None]]]) -> None:
        for client, _ in relayed:
            client.leaving.set_result({"type": "websocket.disconnect", "code": 1000})
        await asyncio.gather(*(task for _, task in relayed))
        relayed.clear()
        await until(pool.idle)
        await turns(5)

    def held() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    await end([await one() for _ in range(3)])
    tracemalloc.start()
    try:
        before = held()
        relayed = [await one() for _ in range(NUMBER)]
        each = (held() - before) / NUMBER
        await end(relayed)
        left = (held() - before) / NUMBER
    finally:
        tracemalloc.stop()
        server.close()
        await pool.aclose()
    assert 1024 < each < MOST
    assert left < 1024
