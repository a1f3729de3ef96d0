"""How do an upstream and a client behave that a test has in its hand? The one is a `Peer`, the other speaks ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side
from websockets.utils import accept_key

from meshkit.gateway.socket import open_, relay
from meshkit.gateway.wire import Upstream
from meshkit.route import WebSocket
from meshkit.upstream import Origin, Pool

from ..upstream.calls import pooled
from ..upstream.peer import Gone, Peer
from ..upstream.rogue import Rogue

__all__ = ["HEADERS", "Client", "Far", "Script", "frame", "opened", "playing", "relaying", "shut"]

HEADERS = [(b"host", b"chat.example")]
LIMITS = WebSocket()


def frame(opcode: Opcode, data: bytes = b"", fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=False)


def shut(code: int, reason: str = "") -> bytes:
    return frame(Opcode.CLOSE, struct.pack("!H", code) + reason.encode())


class Far:
    """One connection, once it was asked for a WebSocket."""

    def __init__(self, peer: Peer, head: bytes) -> None:
        self.peer = peer
        self.head = head
        self.fields = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:-2]]
        self.frames: list[Any] = []
        self._wire = Protocol(Side.SERVER, max_size=None)

    @property
    def consent(self) -> bytes:
        key = dict(self.fields)[b"Sec-WebSocket-Key"].decode()
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
        )

    async def say(self, *data: str | bytes) -> None:
        """Texts as messages; bytes as they are."""
        for each in data:
            await self.peer.send(frame(Opcode.TEXT, each.encode()) if isinstance(each, str) else each)

    async def frame(self) -> tuple[str, bytes]:
        """The next that the gateway sends; raises `Gone` when it has closed."""
        while not self.frames:
            data = await self.peer.receive()
            if not data:
                raise Gone
            self._wire.receive_data(data)
            self.frames += self._wire.events_received()
        each = self.frames.pop(0)
        return each.opcode.name, bytes(each.data)

    async def goodbye(self) -> tuple[int | None, str]:
        """The code and the reason with which the gateway closes, whatever it says before."""
        while True:
            name, data = await self.frame()
            if name == "CLOSE":
                return (struct.unpack("!H", data[:2])[0], data[2:].decode()) if data else (None, "")


Script = Callable[[Far], Awaitable[None]]


def playing(script: Script) -> Callable[[Peer], Awaitable[None]]:
    """One that grants what it is asked for, plays, and ends."""

    async def play(peer: Peer) -> None:
        far = Far(peer, await peer.head())
        await peer.send(far.consent)
        await script(far)
        await peer.finish()

    return play


async def opened(pool: Pool, server: Rogue, limits: WebSocket = LIMITS, **more: Any) -> Upstream:
    found = await open_(
        pool,
        Origin("127.0.0.1", server.port),
        b"/chat",
        more.pop("headers", HEADERS),
        more.pop("subprotocols", []),
        times=more.pop("times", {}),
        limits=limits,
    )
    assert isinstance(found, Upstream)
    return found


@contextlib.asynccontextmanager
async def relaying(
    script: Script, limits: WebSocket = LIMITS, **more: Any
) -> AsyncIterator[tuple[Client, asyncio.Task[None]]]:
    """A client and what relays it to an upstream that plays the script, to its end. Then nothing is left."""
    async with pooled(playing(script), **more) as (server, pool):
        client = Client()
        task = asyncio.create_task(relay(client, await opened(pool, server, limits), limits))
        try:
            yield client, task
            await task
        finally:
            task.cancel()
            await asyncio.wait([task])
        await server.quiet()
        assert pool.idle()


class Client:
    """A client's side, as a server tells it: what `relay` takes for an exchange."""

    def __init__(self) -> None:
        self.arriving: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.takes = asyncio.Event()
        """Whether it reads."""
        self.takes.set()
        self.gone = False
        self.refused = 0
        """How often somebody gave up on it."""

    def says(self, *messages: str | bytes) -> None:
        for each in messages:
            kind = "text" if isinstance(each, str) else "bytes"
            self.arriving.put_nowait({"type": "websocket.receive", kind: each})

    def leaves(self, **words: Any) -> None:
        self.arriving.put_nowait({"type": "websocket.disconnect", **words})

    async def receive(self) -> dict[str, Any]:
        return await self.arriving.get()

    async def send(self, message: dict[str, Any]) -> None:
        try:
            await self.takes.wait()
        except asyncio.CancelledError:
            self.refused += 1
            raise
        if self.gone:
            raise OSError("the client has gone")
        self.sent.append(message)

    @property
    def heard(self) -> list[str | bytes]:
        """The messages."""
        return [
            message.get("text", message.get("bytes"))
            for message in self.sent
            if message["type"] == "websocket.send"
        ]  # fmt: skip

    @property
    def closed(self) -> tuple[int, str] | None:
        last = self.sent[-1]
        return (last["code"], last["reason"]) if last["type"] == "websocket.close" else None
