"""Whoever relays a WebSocket is cancelled, at every place where it waits: is anything left?"""

from __future__ import annotations

import asyncio

import pytest

from meshkit.gateway.socket import relay
from meshkit.route import WebSocket

from ..upstream.calls import pooled
from ..upstream.rogue import until
from ..upstream.stepping import LOOPS, Stepped, cancel, turns
from .far import Client, Far, opened, playing, shut

pytestmark = LOOPS
LIMITS = WebSocket()


async def chats(far: Far) -> None:
    """And says goodbye to the last."""
    await far.say("hello")
    while True:
        name, data = await far.frame()
        if name == "CLOSE":
            return
        await far.say(data.decode())
        if data == b"bye":
            await far.say(shut(1000))


async def chat(late: bool, at: int) -> tuple[bool, int]:
    """Whether it was struck, and how many messages the client was sent."""
    async with pooled(playing(chats)) as (server, pool):
        client = Client()
        client.says("a")

        async def work() -> None:
            await relay(client, await opened(pool, server, LIMITS), LIMITS)

        async def says() -> None:
            await until(lambda: client.heard[-1:] == ["a"])
            client.says("bye")

        saying = asyncio.create_task(says())
        stepped = Stepped(work(), at, cancel, late)

        async def run() -> None:
            await stepped

        task = asyncio.create_task(run())
        await asyncio.wait([task])
        saying.cancel()
        await asyncio.wait([saying])
        if stepped.struck:
            assert task.cancelled()
            await turns()
            assert pool.idle(), "a connection is left"
        else:
            await task
            assert client.closed == (1000, "")
        await server.quiet()
        return stepped.struck, len(client.sent)


@pytest.mark.parametrize("late", [False, True])
async def test_cancelled_at_each_step(late: bool) -> None:
    at, sent = 1, 0
    while True:
        struck, sent = await chat(late, at)
        if not struck:
            break
        at += 1
    assert at > 4
    assert sent == 5
