"""What may the body of a request be? Parts, and what happens between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from meshkit.upstream import Answer, Origin, Pool

from .calls import HEADERS
from .peer import Peer
from .rogue import OK

__all__ = [
    "CHUNKED", "CONTINUE", "EXPECTS", "REFUSED", "Source", "first_part", "forever", "heads", "post", "sized", "warm"
]  # fmt: skip

CHUNKED = [*HEADERS, (b"Transfer-Encoding", b"chunked")]
EXPECTS = [*CHUNKED, (b"Expect", b"100-continue")]
REFUSED = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def warm(peer: Peer) -> None:
    """One answer, so that what follows needs no dial; then as `heads`."""
    await peer.request()
    await peer.send(OK)
    await heads(peer)


def sized(size: int) -> list[tuple[bytes, bytes]]:
    return [*HEADERS, (b"Content-Length", b"%d" % size)]


class Source:
    """A body in parts: bytes, or something that happens in between."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self.given = 0
        self.interrupted = False
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for part in self.parts:
                if isinstance(part, bytes):
                    self.given += 1
                    yield part
                elif isinstance(part, Exception):
                    raise part
                else:
                    await part()
        except asyncio.CancelledError:
            self.interrupted = True
            raise
        finally:
            await asyncio.sleep(0)
            self.closed = True


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def post(pool: Pool, origin: Origin, body: Any, headers: Any = CHUNKED, **more: Any) -> Answer:
    return await pool.send(origin, b"POST", b"/", headers, body, **more)


async def heads(peer: Peer) -> None:
    """Reads a head, and nothing of the body; answers when the test says so."""
    await peer.head()
    await peer.over.wait()


async def first_part(peer: Peer) -> None:
    """Read until something of the body has come."""
    await peer.head()
    while not peer.rest:
        await peer.more()
