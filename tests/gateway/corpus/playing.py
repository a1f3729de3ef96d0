"""How are all cases played against one gateway? Side by side, a few at a time, in one loop.

A gateway is a `Front`: given the cases and the ports of their upstreams it listens on a port for each of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from .case import Case
from .client import talk
from .seen import Seen
from .upstream import Upstream

__all__ = ["CLIENT", "HOST", "LOOK", "Front", "Lane", "Way", "free", "played", "up"]

PID = os.getpid()
HOST = f"127.{64 + (PID >> 16) % 64}.{(PID >> 8) % 256}.{PID % 256}" if sys.platform == "linux" else "127.0.0.1"
"""Where gateways and upstreams listen. All of 127/8 is loopback, and nobody strays here from another test."""
CLIENT = "127.0.0.1"
AT_ONCE = 32
TIMES, STOP = 3, 0.7
"""How often a case is played at most; and how long a loop stands still, in seconds, that stands still for too long."""
BEAT, LOOK = 0.1, 0.02
"""Seconds between two beats of a loop's pulse, and two looks at what another process does."""
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
    upstreams = [Upstream(case, HOST) for case in cases]
    for upstream in upstreams:
        await upstream.start()
    gate = asyncio.Semaphore(AT_ONCE)
    pulse = Pulse()

    async def play(case: Case, way: Way, upstream: Upstream) -> Seen:
        for _ in range(TIMES):
            async with gate:
                began = pulse.stops
                seen = Seen(case, await talk(case, HOST, way, upstream), upstream.came)
            if pulse.stops == began:
                break
            await upstream.renew()
        return seen

    try:
        async with front([(case, upstream.port) for case, upstream in zip(cases, upstreams, strict=True)]) as ways:
            beating = asyncio.create_task(pulse.beat())
            seen = await asyncio.gather(*map(play, cases, ways, upstreams))
            beating.cancel()
            await settled(upstreams)
            for upstream in upstreams:
                await upstream.stop()
            return seen
    finally:
        for upstream in upstreams:
            await upstream.stop()


class Pulse:
    """Whether this loop stood still for long: on a busy machine a gateway then gives up that had no reason to. What was
    played meanwhile is played again.
    """

    def __init__(self) -> None:
        self.stops = 0

    async def beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(BEAT)
            self.stops += loop.time() - began > STOP


async def settled(upstreams: list[Upstream]) -> None:
    """Wait until no upstream has a request of which it waits for the rest."""
    try:
        async with asyncio.timeout(SETTLES):
            while any(upstream.waits() for upstream in upstreams):  # noqa: ASYNC110  # of hundreds
                await asyncio.sleep(LOOK)
    except TimeoutError:
        pass  # the flaw is told


def free(many: int) -> list[int]:
    """So many ports that nobody listens at, nor was given before."""
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        while len(found) < many:
            port = stack.enter_context(socket.create_server((HOST, 0))).getsockname()[1]
            if port not in _given:
                found.append(port)
        _given.update(found)
        return found


_given: set[int] = set()


async def up(port: int, runs: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until somebody listens there. ``runs``: whether it may still come to that."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except ConnectionError:
                assert runs(), "it did not come up"
                await asyncio.sleep(LOOK)
            else:
                writer.close()
                return
