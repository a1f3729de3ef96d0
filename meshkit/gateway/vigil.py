"""Is the client still there, and does anything move? Asked of those requests only that take their time.

A server tells that a client has gone only to whoever asks it for more of the request. Most answers are there before
anybody would have had reason to ask, so nobody does: no task is made for a request, but for one that is older than a
tick. One timer a loop, which stands still when there is nothing to look after::

    younger than a tick                                  nothing is known of it, nothing is done
    older, and all of the request has been read, or its  a task asks the server: where it has gone, whoever serves it is
    answer is relayed already; or a WebSocket's          interrupted
    handshake
    ``idle`` seconds without a byte to or from a client  the same

A WebSocket is looked after until it is let in. Where an upload is under way, or an app of this process answers, whoever
reads the request is told by that.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from ..errors import Unread
from ..upstream.errors import Misused
from .body import Left

__all__ = ["Vigil"]

TICK = 0.1
"""Seconds."""
LOOKS = 10
"""Ticks from one look for what stands still to the next."""


class Vigil:
    """Over the exchanges of one loop."""

    __slots__ = ("_asking", "_idle", "_loop", "_new", "_old", "_ticks", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, idle: float) -> None:
        self._loop = loop
        self._idle = idle
        self._new: dict[Any, None] = {}
        self._old: dict[Any, asyncio.Task[None] | None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._ticks = 0

    def begin(self, exchange: Any) -> None:
        """Look after it, from the task that serves it."""
        self._new[exchange] = None
        if self._timer is None:
            self._timer = self._loop.call_later(TICK, self._tick)

    def end(self, exchange: Any) -> None:
        if exchange in self._new:
            del self._new[exchange]
            return
        task = self._old.pop(exchange, None)
        if task is not None:
            task.cancel()

    def _tick(self) -> None:
        self._ticks += 1
        new, self._new = self._new, {}
        for exchange in new:
            self._old[exchange] = None
        for exchange, task in self._old.items():
            if (task is None or task.done()) and asks(exchange):
                exchange.asking = self._old[exchange] = self._loop.create_task(left(exchange))
            elif exchange.gone and exchange.answer is not None and not exchange.door.finishes:
                strike(exchange, Left(), gone=True)  # by the last part of a body that nobody waited for
        if self._ticks % LOOKS == 0:
            for exchange in [*self._old]:
                self._look(exchange)
        self._timer = self._loop.call_later(TICK, self._tick) if self._old else None

    def _look(self, exchange: Any) -> None:
        """Whether the client moves, where it is the client that is waited for."""
        if exchange.moved or not (exchange.writing or exchange.reading is not None):
            exchange.moved, exchange.quiet = False, 0
            return
        exchange.quiet += 1
        if exchange.quiet * LOOKS * TICK >= self._idle:
            exchange.quiet = 0
            error: Exception = Left() if exchange.writing else Unread("the request came too slowly")
            strike(exchange, error, gone=exchange.writing)


def asks(exchange: Any) -> bool:
    """Whether nobody else would be told that the client has gone."""
    if exchange.fields is None and not exchange.over:  # it stands in front of the routes yet
        with suppress(Misused):
            exchange.read()
    body = exchange.body
    if exchange.fields is None or exchange.apart or exchange.gone or exchange.talks:
        return False
    return exchange.answer is not None or (exchange.reading is None and (body is None or body.over))


async def left(exchange: Any) -> None:
    """Wait for the client to go."""
    body = exchange.body
    uploads = body is not None and not body.over
    ask = body.message if uploads else exchange.source
    while not (message := await ask())["type"].endswith(".disconnect"):
        if uploads:  # the rest of a request that was answered without it
            await asyncio.sleep(0)
            if not message.get("more_body"):
                uploads, ask = False, exchange.source
            continue
        exchange.talks = bool(exchange.seen or message.get("more_body"))
        exchange.seen = (*exchange.seen, message)  # the end of a request without a body
        if exchange.talks:
            return
    exchange.gone = True
    if not exchange.door.finishes:
        strike(exchange, Left(), gone=True)


def strike(exchange: Any, error: BaseException, *, gone: bool) -> None:
    """Interrupt whoever serves it."""
    if exchange.why is None and exchange.task is not None:
        exchange.gone = exchange.gone or gone
        exchange.why = error
        exchange.task.cancel()
