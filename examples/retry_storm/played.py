"""How is the storm played? Over loopback against servers in processes of their own, or in computed time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import httpx

from meshkit.testing import run, virtual_clock

from ..demo.load import Side, Wire, offer
from ..demo.upstreams import upstreams
from .clients import Clock
from .memory import Memory
from .server import serving
from .storm import WAYS, Came, Storm, Way, came, side

__all__ = ["Played", "computed", "served"]

MODULE = "examples.retry_storm.server"


class Played(NamedTuple):
    way: Way
    side: Side
    came: Came


class Server(NamedTuple):
    url: str
    connect: Callable[[], Any]
    """A transport to it."""


async def served(storm: Storm, ways: Sequence[Way], tell: Callable[[float, Sequence[Side]], None]) -> list[Played]:
    """For real. ``tell`` is called once a second of the storm, with the second that is over."""
    began = 0.0

    def clock() -> float:
        return time.monotonic() - began

    async with upstreams([way.server for way in ways], MODULE) as there:
        servers = [Server(each.url, lambda: Wire(clock, connections=None)) for each in there]
        async with _clients(ways, servers, time.monotonic, clock) as sides:
            began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(_telling(storm, sides, clock, tell))
                found = await _play(storm, ways, servers, sides, clock)
                telling.cancel()
            return found


def computed(storm: Storm, ways: Sequence[Way] = WAYS) -> list[Played]:
    """The same clients and the same apps in one process, without sockets, in virtual time: always the same."""

    async def main() -> list[Played]:
        apps = [serving(way.server, virtual_clock) for way in ways]
        servers = [Server("http://server", partial(Memory, app, virtual_clock)) for app in apps]
        async with _clients(ways, servers, virtual_clock, virtual_clock) as sides:
            return await _play(storm, ways, servers, sides, virtual_clock)

    return run(main)


@asynccontextmanager
async def _clients(
    ways: Sequence[Way], servers: Sequence[Server], pipelines: Clock, clock: Clock
) -> AsyncIterator[list[Side]]:
    async with AsyncExitStack() as stack:
        sides = []
        for way, (url, connect) in zip(ways, servers, strict=True):
            client, each = side(way, connect(), url, pipelines, clock)
            await stack.enter_async_context(client)
            sides.append(each)
        yield sides


async def _play(
    storm: Storm, ways: Sequence[Way], servers: Sequence[Server], sides: Sequence[Side], clock: Clock
) -> list[Played]:
    before: list[int] = []

    async def count() -> None:
        await asyncio.sleep(storm.ends_at - clock())
        before.extend(await _begun(servers))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(count())
        tasks.create_task(offer(storm.schedule(), sides, clock))
    after = await _begun(servers)
    return [
        Played(way, each, came(storm, each, last - first))
        for way, each, first, last in zip(ways, sides, before, after, strict=True)
    ]


async def _begun(servers: Sequence[Server]) -> list[int]:
    """How often a worker of each server has taken up a request so far."""
    found = []
    for url, connect in servers:
        async with httpx.AsyncClient(transport=connect(), timeout=20.0) as client:
            found.append(int((await client.get(f"{url}/begun")).text))
    return found


async def _telling(
    storm: Storm, sides: Sequence[Side], clock: Clock, tell: Callable[[float, Sequence[Side]], None]
) -> None:
    second = 0.0
    while second < storm.seconds:
        second += 1.0
        await asyncio.sleep(second - clock())
        tell(second, sides)
