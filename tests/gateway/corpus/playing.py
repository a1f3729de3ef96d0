"""How are all cases played against one gateway? Side by side, a few at a time, in one loop.

A gateway is a `Front`: given the cases and the ports of their upstreams it listens on a port for each of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from .case import Case
from .client import talk
from .seen import Seen
from .upstream import Upstream

__all__ = ["Front", "Lane", "Way", "free", "played", "up"]

AT_ONCE = 32
SETTLES = 2.0
"""Seconds in which a gateway lets go of an upstream whose client has left."""

Lane = tuple[Case, int]
"""A case, and the port of its upstream."""
Way = tuple[int, str]
"""The port of a gateway, and the address from which to connect to it."""


class Front(Protocol):
    """A gateway that can be started."""

    def __call__(self, lanes: Sequence[Lane], /) -> AbstractAsyncContextManager[list[Way]]:
        """Run it. The way to it for each case, in their order."""
        ...


async def played(cases: Sequence[Case], front: Front) -> list[Seen]:
    """What came of each."""
    upstreams = [Upstream(case) for case in cases]
    for upstream in upstreams:
        await upstream.start()
    gate = asyncio.Semaphore(AT_ONCE)

    async def play(case: Case, way: Way, upstream: Upstream) -> Seen:
        async with gate:
            return Seen(case, await talk(case, way, upstream), upstream.came)

    try:
        async with front([(case, upstream.port) for case, upstream in zip(cases, upstreams, strict=True)]) as ways:
            seen = await asyncio.gather(*map(play, cases, ways, upstreams))
            await settled(upstreams)
            for upstream in upstreams:
                await upstream.stop()
            return seen
    finally:
        for upstream in upstreams:
            await upstream.stop()


async def settled(upstreams: list[Upstream]) -> None:
    """Wait until no upstream has a request of which it waits for the rest."""
    try:
        async with asyncio.timeout(SETTLES):
            while any(upstream.waits() for upstream in upstreams):  # noqa: ASYNC110  # of hundreds
                await asyncio.sleep(0.02)
    except TimeoutError:
        pass  # the flaw is told


def free(many: int) -> list[int]:
    """So many ports that nobody listens at."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(many)]
        return [wire.getsockname()[1] for wire in wires]


async def up(port: int, runs: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until somebody listens there. ``runs``: whether it may still come to that."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                assert runs(), "it did not come up"
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
