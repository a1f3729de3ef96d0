"""What becomes of the body of a request on its way to the app, where its route has something for it?

It is counted, paced, or taken in as a whole, between the server and what an `Exchange` sees: so what is waited for is
the client's time, and none of the app's. Of the answer's: `outgoing`.

What is raised into an app because a body is too long is raised out of it as well, whatever the app makes of it: its
answer, if it has not begun, is not sent. A websocket passes untouched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ..errors import ConfigError
from ..runtime.lock import LOCK
from ..runtime.waiting import nap
from ..section import within
from .encoders import installed

__all__ = ["FILES", "check", "paced", "planned", "take", "watch"]

FILES = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
"""What a server sends by itself, out of a file."""

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def check(states: Iterable[Any]) -> None:
    """Whether there is what the routes need; raises `ConfigError`, which names the extra."""
    for state in within(states):
        for rule in getattr(state, "rules", ()):
            compress = rule.plan.compress
            if compress is not None and not installed(compress.encodings):
                fix = 'install "meshkit[compress]", or add "gzip"'
                raise ConfigError.of("Compress", "encodings", compress.encodings, fix)


def planned(facts: Any) -> Any:
    """The plan of the route that was found for a request, wherever that was refused; ``None``: none was found."""
    for fact in reversed((facts or {}).values()):
        plan = getattr(fact, "plan", None)
        if plan is not None and hasattr(fact, "rule"):
            return plan
    return None


async def paced(buckets: list[Any], size: int, clock: Callable[[], float]) -> None:
    """Until so many bytes may go."""
    now = clock()
    with LOCK:
        wait = max([bucket.take(size, now) for bucket in buckets])
    if wait > 0:
        await nap(wait, clock)


def watch(exchange: Any, plan: Any) -> None:
    """See to the body of a request. Once for each plan, however often the app is asked."""
    if exchange.scope["type"] == "http" and exchange.watched is not plan:
        exchange.watched = plan
        exchange.source = Incoming(exchange, plan).receive


class Incoming:
    """The body of a request, on its way in."""

    __slots__ = ("_buckets", "_buffer", "_clock", "_exchange", "_receive", "_size")

    def __init__(self, exchange: Any, plan: Any) -> None:
        self._exchange = exchange
        self._receive: Receive = exchange.source
        self._clock = exchange.door.clock
        self._buffer = plan.buffer
        self._buckets = [each for state in plan.paces if (each := state.request()) is not None]
        self._size = 0

    async def receive(self) -> Any:
        exchange = self._exchange
        if exchange.refused is not None:
            raise exchange.refused
        message = await self._receive()
        size = len(message.get("body") or b"")
        if size:
            self._size += size
            most = None if self._buffer is None else self._buffer.max_request
            if most is not None and self._size > most:
                exchange.refused = self._buffer.too_large()
                raise exchange.refused
            if self._buckets:
                await paced(self._buckets, size, self._clock)
        return message


async def take(call: Any, call_next: Callable[[], Awaitable[Any]]) -> Any:
    """Have the whole request before anybody further in is asked. A client that goes meanwhile is let go."""
    exchange = call.request
    if exchange.scope["type"] != "http":
        return await call_next()
    body = bytearray()
    while exchange.unread:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
    left, receive = [bytes(body)], exchange.source

    async def given() -> Any:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    exchange.source = given
    return await call_next()
