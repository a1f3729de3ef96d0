"""How does a task wait for what a policy asked? By sleeping, by standing in a queue. The twin of ``blocking.py``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

import anyio

from ..call import Call
from ..engine import admit, outlived, patience
from ..policy import Waiter
from ..section import Section
from .bell import bell
from .lock import LOCK

__all__ = ["close", "nap", "pause", "there"]


async def pause(call: Call, wait: Any, clock: Callable[[], float]) -> Section:
    """Do what the engine answered: sleep, or stand in a queue. Answers where the walk goes on."""
    if wait.__class__ is Waiter:
        section: Section = await stand(call, wait, clock)
    else:
        section = call.rest
        if wait > 0:
            await nap(wait, clock)
    return section


async def nap(seconds: float, clock: Callable[[], float]) -> None:
    until = clock() + seconds
    await getattr(clock, "asleep", sleep)(seconds)
    early = until - clock()
    # uvloop counts whole milliseconds from the start of its turn, however long ago that was: a call let go early would
    # count as never begun. A clock that sleeping does not move is as early as before, and is left at that.
    while 0 < early < seconds:
        await sleep(early + 0.001)
        seconds, early = early, until - clock()


async def sleep(seconds: float) -> None:
    # Not anyio's: its first call would load a backend, while everything else on the loop stands still.
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        import trio

        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)


async def stand(call: Call, waiter: Waiter, clock: Callable[[], float]) -> Section:
    """Wait for the grant of a place in a queue, until the gate's limit or the call's deadline."""
    began = clock()
    section = None
    try:
        woken = bell()
        with LOCK:
            waiter.wake = woken.ring
            until = patience(call, waiter)
        if not waiter.granted:
            await woken.wait(None if until is None else max(0.0, until - began))
    finally:
        now = clock()
        with LOCK:
            section = admit(call, waiter, now)
    if section is None:
        with LOCK:
            section = outlived(call, now - began, now)
    return section


async def close(discard: Callable[[Any], Awaitable[Any]], result: Any) -> None:
    """Close what is left behind, also where the task is being cancelled."""
    with anyio.CancelScope(shield=True):
        await discard(result)


def there(call: Call, destination: Callable[[Call], Any]) -> Callable[..., Awaitable[Any]]:
    """What is sent where a leaf has a destination of its own, maybe a plain function."""

    async def send(*_: Any, **__: Any) -> Any:
        answer = destination(call)
        return await answer if isawaitable(answer) else answer

    return send
