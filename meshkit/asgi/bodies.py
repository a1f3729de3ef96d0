"""What becomes of the body of a request on its way to the app, where its route has something for it?

It is counted, paced, or taken in as a whole, between the server and what an `Exchange` sees: so what is waited for is
the client's time, and none of the app's. Of the answer's: `outgoing`.

What is raised into an app because a body is too long is raised out of it as well, whatever the app makes of it: its
answer, if it has not begun, is not sent. What stands instead of the app has an answer of its own. A websocket passes
untouched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ..errors import ConfigError, TooLarge
from ..runtime.lock import LOCK
from ..runtime.waiting import nap
from ..section import within
from .encoders import installed

__all__ = ["FILES", "check", "paced", "planned", "take", "through", "watch"]

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
    if exchange.scope["type"] != "http":
        return
    before = exchange.watched
    if before is None or plan not in before.plans:
        exchange.watched = Incoming(exchange, plan, before)
        exchange.source = exchange.watched.receive


class Incoming:
    """The body of a request, on its way in. Where another plan was obeyed ``before`` (of a route, whose branch has one
    of its own), it is counted and paced there: here by what is new alone.
    """

    __slots__ = (
        "_buckets", "_buffer", "_clock", "_exchange", "_left", "_owed", "_receive", "_size", "plans", "seen"
    )  # fmt: skip

    def __init__(self, exchange: Any, plan: Any, before: Incoming | None = None) -> None:
        known: tuple[Any, ...] = () if before is None else before.seen
        self.plans: tuple[Any, ...] = (plan,) if before is None else (*before.plans, plan)
        """Those that are obeyed, here and further out."""
        self.seen: tuple[Any, ...] = (*known, plan.buffer, *plan.paces)
        """What they come to."""
        self._exchange = exchange
        self._receive: Receive = exchange.source
        self._clock = exchange.door.clock
        self._buffer: Any = None if plan.buffer in known else plan.buffer
        paces = [state for state in plan.paces if state not in known]
        self._buckets = [each for state in paces if (each := state.request()) is not None]
        self._size = 0
        self._owed: Any = None
        """What has come, and waits for its time: whoever is interrupted then has not lost it for those who ask next."""
        self._left = 0

    async def receive(self) -> Any:
        exchange = self._exchange
        if exchange.refused is not None:
            raise exchange.refused
        self._check()
        message = self._owed
        if message is None:
            message = await self._receive()
            size = len(message.get("body") or b"")
            self._size += size
            self._check()
            if not (size and self._buckets):
                return message
            self._owed, self._left = message, size
        piece = min([bucket.piece for bucket in self._buckets])
        while self._left > 0:  # by pieces: who goes away meanwhile leaves no more than one to the others
            part = min(piece, self._left)
            self._left -= part
            await paced(self._buckets, part, self._clock)
        self._owed = None
        return message

    def _check(self) -> None:
        """Raise what is raised because the body is too long, to whoever reads it."""
        most = None if self._buffer is None else self._buffer.max_request
        if most is not None and self._size > most:
            self._exchange.refused = self._buffer.too_large()
            raise self._exchange.refused


async def through(exchange: Any, ask: Callable[[], Awaitable[None]], *, app: bool) -> None:
    """Ask an app, whose errors are its own, or a function of the exchange. Raises what was raised into it because a
    body is too long, if its answer has not begun; whoever is asked instead is not bound by that.
    """
    try:
        await ask()
    except Exception as error:
        if exchange.refused is None or exchange.started:
            if app:
                exchange.error = None if error is exchange.refused else error
            raise
    if exchange.refused is not None and not exchange.started:
        refused, exchange.refused = exchange.refused, None
        try:
            raise refused
        finally:
            del refused  # no cycle of error, traceback and frame


async def take(call: Any, call_next: Callable[[], Awaitable[Any]]) -> Any:
    """Have the whole request before anybody further in is asked. A client that goes meanwhile is let go."""
    exchange = call.request
    if exchange.scope["type"] != "http":
        return await call_next()
    body = bytearray()
    while exchange.unread:
        try:
            message = await exchange.receive()
        except TooLarge:
            exchange.refused = None  # no app was asked
            raise
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
