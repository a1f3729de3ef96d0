"""A gateway that looks at nothing: it passes bytes on, both ways. The corpus must find it out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from .playing import CLIENT, HOST, Lane, Way

__all__ = ["relay"]


@contextlib.asynccontextmanager
async def relay(lanes: Sequence[Lane]) -> AsyncIterator[list[Way]]:
    tasks: set[asyncio.Task[None]] = set()

    def serving(behind: int) -> object:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await both(reader, writer, behind)
            writer.transport.abort()
            tasks.discard(task)

        return serve

    servers = [await asyncio.start_server(serving(behind), HOST, 0) for _, behind in lanes]  # type: ignore[arg-type]
    try:
        yield [(server.sockets[0].getsockname()[1], CLIENT) for server in servers]
    finally:
        for server in servers:
            server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, behind: int) -> None:
    """Until one of them ends."""
    inner, outer = await asyncio.open_connection(HOST, behind)
    ways = [asyncio.ensure_future(pump(reader, outer)), asyncio.ensure_future(pump(inner, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        outer.transport.abort()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
