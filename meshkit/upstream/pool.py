"""How does a request reach its upstream? On a connection that nobody else uses meanwhile.

::

    take an idle connection, or a place and dial ── write the head ── send the body ── await the head of the answer
                      │                                    └────────────┬──────────────────────┘
               nothing was sent                        broken off: the connection is closed

Nothing is armed per call: deadlines are numbers on connections, and one timer a loop looks at them (`Sweep`). Nothing
is awaited but the queue for a place, the dial, a peer that does not read, and the answer. Each loop has connections of
its own, in whichever thread it runs; a loop that ends closes them.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import get_running_loop
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any

from .answer import Answer
from .connection import Connection
from .dial import Dial
from .errors import Misused, PoolTimedOut, ReadFailed, ReadTimedOut
from .head import ASKS, CHUNKED, CLOSES, FRAMED, NOTHING, SWITCHES, framing, head
from .origin import Origin
from .parser import Headers, Parser, best
from .places import Limits, Places
from .trace import Step, Trace
from .upload import upload, welcome

__all__ = ["Pool"]

NONE: dict[str, float | None] = {}
SMALL = 65_536
"""Bytes of a body that go out in one piece with the head."""


class Pool:
    """HTTP/1.1 connections to any number of upstreams, for asyncio.

    ``tls`` makes the context for connections that want one, when the first of them does; by default it is that of
    `ssl.create_default_context`.
    ``dial`` says how to connect, ``parser`` who reads the answers: httptools where it is installed, else h11.
    """

    __slots__ = ("_context", "_dial", "_homes", "_parser", "_places", "_tls", "limits")

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        tls: Callable[[], ssl.SSLContext] | None = None,
        dial: Dial | None = None,
        parser: type[Parser] | None = None,
    ) -> None:
        self.limits = Limits() if limits is None else limits
        self._tls = ssl.create_default_context if tls is None else tls
        self._context: ssl.SSLContext | None = None
        self._dial = Dial() if dial is None else dial
        self._parser = best() if parser is None else parser
        self._homes: dict[asyncio.AbstractEventLoop, Places] = {}
        self._places: Places | None = None
        """Those of the loop that was the last to ask."""

    async def send(
        self,
        origin: Origin,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: bytes | AsyncIterable[bytes] = b"",
        *,
        times: Mapping[str, float | None] = NONE,
        trace: Trace | None = None,
        hint: Callable[[Headers], None] | None = None,
    ) -> Answer:
        """Send a request; the answer comes back with its head, and its body is still to be read or closed.

        ``headers`` are sent as they are: a ``Host`` and the framing of the body are the caller's. ``times``: seconds
        for ``connect``, ``read``, ``write`` and ``pool``, each for one step, and ``total`` for all of the exchange;
        what is missing or ``None`` is without bounds. ``hint`` is told the fields of each 103 (RFC 8297), as it comes.
        Raises `WireError`, and `Overloaded` when the queue is full.
        """
        written, facts = head(method, target, headers)
        length = NOTHING
        if body or facts & FRAMED:
            length = framing(headers)
            known = len(body) if isinstance(body, bytes) else None
            if known is not None and length not in (CHUNKED, known):
                raise Misused(f"Too {'little' if length > known else 'much'} data for declared Content-Length")
        loop = get_running_loop()
        places = self._places
        if places is None or places.loop is not loop:
            places = await self._home(loop)
        total = times.get("total")
        until = None if total is None else monotonic() + total
        if total is not None and not total > 0:  # NaN as well
            raise PoolTimedOut("no time was left")
        connection = places.take(origin)
        if connection is None:
            connection = await self._connection(places, origin, times, until=until, trace=trace)
        read = times.get("read")
        answer = connection.begin(method, read, until)
        if hint is not None:
            answer.hint = hint
        try:
            if facts & SWITCHES or method == b"CONNECT":
                answer.switches = True
            if facts & CLOSES:
                answer.kept = False
            if length or body or trace is not None:
                answer.write = times.get("write")
                asks = bool(facts & ASKS)
                await self._stepwise(connection, answer, written, body, length=length, asks=asks, trace=trace)
            else:
                connection.transport.write(written)
            if not answer.status:
                while not answer.status:
                    if answer.error is not None:
                        raise answer.error
                    if read is not None or until is not None:  # anew after an interim answer
                        connection.by(read, until, ReadTimedOut)
                    connection.waiter = waiter = loop.create_future()
                    await waiter
                connection.due = inf  # type: ignore[unreachable]  # the parser sets the status
                connection.waiter = None
        except BaseException:
            connection.due = inf
            connection.waiter = None
            answer.connection = None
            connection.drop()
            if trace is not None:
                async with Step(trace, "http11.response_closed"):
                    pass
            raise
        if answer.complete:
            answer.connection = None
            connection.release()
        else:
            connection.entrust(answer)
        return answer

    async def _stepwise(
        self,
        connection: Connection,
        answer: Answer,
        written: bytes,
        body: Any,
        *,
        length: int,
        asks: bool,
        trace: Trace | None,
    ) -> None:
        """The same with a body, or under the eyes of a trace."""
        transport = connection.transport
        if trace is None and 0 < length < SMALL and isinstance(body, bytes) and not asks:
            transport.write(written + body)  # the socket is asked once
            return
        answer.sending = bool(length or body)
        async with Step.of(trace, "http11.send_request_headers"):
            if answer.error is not None:  # while somebody was told
                raise answer.error
            transport.write(written)
        async with Step.of(trace, "http11.send_request_body"):
            if answer.sending and (not asks or await welcome(connection, answer)):
                await upload(connection, answer, body, length)
        if trace is not None:
            async with Step.of(trace, "http11.receive_response_headers") as step:
                while not answer.status:
                    await connection.wait(answer.read, answer.until, ReadTimedOut)
                step.value = answer.version, answer.status, answer.reason, answer.headers

    async def _connection(
        self,
        places: Places,
        origin: Origin,
        times: Mapping[str, float | None],
        *,
        until: float | None,
        trace: Trace | None,
    ) -> Connection:
        tls = None
        if origin.tls:
            tls = self._context
            if tls is None:
                tls = self._context = self._tls()
            tls.set_alpn_protocols(["http/1.1"])  # whoever shares the context may have said otherwise
        given = await places.place(origin, times.get("pool"), until)
        if given is not None:
            return given
        connection = Connection(places, origin, self._parser)
        await places.make(connection, self._dial(connection, tls, times.get("connect"), trace, until))
        return connection

    async def _home(self, loop: asyncio.AbstractEventLoop) -> Places:
        """The places of a loop. Those of loops that have ended are forgotten."""
        places = self._homes.get(loop)
        if places is None:
            for each in [*self._homes]:
                if each.is_closed():
                    self._homes.pop(each, None)  # another thread may have been quicker
            places = self._homes[loop] = Places(loop, self.limits)
            places.guard = guard(places)
            await anext(places.guard)
        self._places = places
        return places

    def beside(self) -> Pool:
        """Another one like it, with connections of its own."""
        another = Pool(self.limits, tls=self._tls, dial=self._dial, parser=self._parser)
        another._context = self._context
        return another

    async def aclose(self) -> None:
        """Close the connections of this loop, and those of others as soon as they run. What is under way fails."""
        here = get_running_loop()
        for loop, places in [*self._homes.items()]:
            if loop is here:
                closing = places.close(ReadFailed("the pool was closed"))
                for connection in closing:
                    await connection.gone()
            else:
                with suppress(RuntimeError):  # a loop that has ended
                    loop.call_soon_threadsafe(places.close, ReadFailed("the pool was closed"))

    def idle(self) -> bool:
        """Whether no exchange is under way and nobody waits for one."""
        return all(places.idle_now() for places in [*self._homes.values()])

    def snapshot(self) -> dict[str, Any]:
        """Connections in use and ``idle``, those being made, and calls ``waiting`` for one, in all loops; by origin."""
        counts = {"busy": 0, "idle": 0, "dialing": 0, "waiting": 0}
        origins: Counter[str] = Counter()
        for places in [*self._homes.values()]:
            busy, idle = [*places.busy], [*places.idle]
            counts["busy"] += len(busy)
            counts["idle"] += len(idle)
            counts["dialing"] += places.opened - len(busy) - len(idle)
            counts["waiting"] += len(places.queue)
            origins.update(str(connection.origin) for connection in busy + idle)
        return {**counts, "origins": dict(origins)}

    def __repr__(self) -> str:
        counts = self.snapshot()
        return f"<Pool: {counts['busy']} busy, {counts['idle']} idle, {counts['waiting']} waiting>"


async def guard(places: Places) -> AsyncGenerator[None, None]:
    """A loop that ends asks its generators to end (``shutdown_asyncgens``): the one way to hear of it in time."""
    try:
        yield
    finally:
        places.close(ReadFailed("the loop has ended"))
