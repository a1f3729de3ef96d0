"""One connection to an upstream: one exchange at a time, and what the loop tells of it.

::

    idle ──begin──> sending ──> waiting ──> head ──> body ──> end ──release──> idle
      │                └────────────┴─────────┴───────┴── drop ──> closed
      └── a byte, an end of file or an error while idle ──> closed

A connection that is let go of in the middle of an exchange is closed: what would still come is nobody's. All that
changes its state is synchronous; whoever awaits (`wait`, and the exchange) only waits for it to change, and may be
cancelled there at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import proxy

from .answer import EACH, HIGH, Answer
from .errors import Malformed, ReadFailed, WireError, WriteFailed
from .kernel import last_words, nothing, took_leave, watched
from .parser import Headers, Parser
from .tunnel import Tunnel

if TYPE_CHECKING:
    from .origin import Origin
    from .places import Places

__all__ = ["Connection"]


class Connection(asyncio.Protocol):
    __slots__ = (
        "_readable",
        "answer",
        "closed",
        "due",
        "full",
        "idle_at",
        "late",
        "origin",
        "parser",
        "paused",
        "places",
        "polite",
        "served",
        "spoiled",
        "transport",
        "tunnel",
        "waiter",
    )

    def __init__(self, places: Places, origin: Origin, parser: type[Parser]) -> None:
        self.places = places
        self.origin = origin
        self.parser: Any = parser(self)
        self.transport: Any = None
        self.answer: Answer | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.due = inf
        self.late: type[WireError] | None = None
        """What it is called when ``due`` has passed; ``None``: nobody's fault."""
        self.served = 0
        self.idle_at = 0.0
        self.full = False
        self.paused = False
        self.spoiled = False
        """It can serve no further exchange."""
        self.closed = False
        """The loop has let go of it."""
        self.polite = False
        """The peer has taken its leave. Over TLS an end without that is no end (RFC 9112, 9.8)."""
        self.tunnel: Tunnel | None = None
        self._readable: Callable[[int], Any] = nothing

    # What the loop tells.
    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._readable = watched(transport)

    def data_received(self, data: bytes) -> None:
        answer: Any = self.answer
        try:
            if answer is None or answer.complete:  # nobody asked for it
                self.lost(None)
                return
            answer.touched = True
            self.parser.feed(data)
        except Malformed as error:
            self.fail(error)
        except ReferenceError:  # the answer was forgotten: it is about to be dropped
            return
        waiter = self.waiter
        if waiter is not None and (answer.status or answer.interim) and not waiter.done():
            waiter.set_result(None)

    def eof_received(self) -> None:
        self.polite = took_leave(self.transport)
        self.lost(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self.lost(error)
        self.parser = None  # they point at each other

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self.wake()

    # What the parser tells.

    def informed(self, status: int, reason: bytes, headers: Headers) -> None:
        answer: Any = self.answer
        answer.interim = 100 if answer.interim == 100 else status  # a 103 does not take the welcome back
        if status == 103 and answer.hint is not None:
            answer.hint(headers)

    def began(self, status: int, reason: bytes, version: bytes, headers: Headers) -> None:
        answer: Any = self.answer  # the parser is fed during an exchange
        answer.reason = reason
        answer.version = version
        answer.headers = headers
        answer.status = status

    def got(self, chunk: bytes) -> None:
        answer: Any = self.answer
        answer.chunks.append(chunk)
        answer.size += len(chunk) + EACH
        if answer.size > HIGH and not self.paused:
            self.paused = True
            self.transport.pause_reading()

    def ended(self, trailers: Headers, reusable: bool) -> None:
        answer: Any = self.answer
        answer.trailers = trailers
        answer.kept = answer.kept and reusable
        answer.complete = True
        if self.paused:  # what comes now is nobody's, and noticed
            self.resume()

    def switched(self, rest: bytes) -> None:
        if not (answer := self.answer).switches:  # type: ignore[union-attr]  # the parser is fed during an exchange
            answer.status = 0  # type: ignore[union-attr]
            raise Malformed("the peer switched protocols, and nobody had asked it to")
        self.spoiled = True
        self.tunnel = Tunnel(self.transport, rest)

    # What those do who use it.

    def begin(self, method: bytes, read: float | None, until: float | None) -> Answer:
        """An exchange: the request may be written now."""
        self.parser.expect(method)
        self.answer = answer = Answer(self, read, until)
        return answer

    def entrust(self, answer: Answer) -> None:
        """From now on the answer is its reader's alone: when that forgets it, nothing else must keep it."""
        self.answer = proxy(answer)

    async def wait(self, seconds: float | None, until: float | None, late: type[WireError] | None) -> None:
        """Until something has changed. Raises ``late`` when it took longer than ``seconds``, or beyond ``until``."""
        if self.waiter is not None:
            raise RuntimeError("an answer has one reader")
        answer = self.answer
        if answer is not None and answer.error is not None:
            raise answer.error
        self.by(seconds, until, late)
        self.waiter = waiter = self.places.loop.create_future()
        try:
            await waiter
        finally:
            self.waiter = None
            self.due = inf

    def by(self, seconds: float | None, until: float | None, late: type[WireError] | None) -> None:
        due = inf if seconds is None else monotonic() + seconds
        if until is not None and until < due:
            due = until
        if due < inf:
            self.due = due
            self.late = late
            sweep = self.places.sweep
            if due < sweep.at:
                sweep.by(due)

    def wake(self) -> None:
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def resume(self) -> None:
        self.paused = False
        self.transport.resume_reading()

    def fail(self, error: WireError) -> None:
        """The exchange cannot be completed. One that is complete already is good; the connection is not."""
        self.spoiled = True
        answer = self.answer
        try:
            if answer is None or answer.complete or answer.error is not None:
                return
            answer.error = error
        except ReferenceError:  # forgotten
            return
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def strike(self) -> None:
        """What was waited for is late, unless whoever waits has been woken in this very turn: then he looks first."""
        if self.waiter is not None and self.waiter.done():
            return
        self.due = inf
        if self.late is None:
            self.wake()
        else:
            self.fail(self.late(f"timed out: {self.origin}"))

    def lost(self, error: Exception | None) -> None:
        """The peer will send no more."""
        if error is not None and not self.spoiled and not self.origin.tls and self.answer is not None:
            words = last_words(self.transport)
            if words:
                self.data_received(words)
        self.spoiled = True
        answer = self.answer
        try:
            if answer is None:
                self.places.gone(self)
            elif answer.complete or answer.error is not None:
                self.wake()
            elif error is not None:
                broken = (WriteFailed if answer.sending else ReadFailed)(str(error) or type(error).__name__)
                broken.__cause__ = error
                self._broken(broken)
            elif answer.status and self.origin.tls and not self.polite:
                self._broken(Malformed("the TLS connection was cut off before the answer was complete"))
            else:
                self.parser.eof()
                self.wake()
        except Malformed as cut:
            self._broken(cut)
        except ReferenceError:
            pass

    def _broken(self, error: WireError) -> None:
        with suppress(ReferenceError):  # forgotten
            error.stale = self.served > 0 and self.answer is not None and not self.answer.touched
        self.fail(error)

    def fresh(self) -> bool:
        """Whether it can be used, as far as can be known without writing to it. The socket itself is asked (half a
        microsecond): what came since the loop has last looked is an end, or what nobody asked for.
        """
        young = monotonic() - self.idle_at < self.places.longest_idle
        return young and not (self.spoiled or self._readable(0) or self.transport.is_closing())

    def readable(self) -> bool:
        """Whether something is to be read, an end included."""
        return self.closed or self.transport.is_closing() or bool(self._readable(0))

    def release(self) -> None:
        """The exchange has ended: the connection can serve the next, if both sides want that."""
        answer: Any = self.answer
        self.answer = None
        self.served += 1
        if self.spoiled or answer.sending or not answer.kept:
            self.places.gone(self)
        else:
            self.places.freed(self)

    def drop(self) -> None:
        """The exchange is given up, and the connection with it."""
        self.answer = None
        self.spoiled = True
        self.places.gone(self)

    def forget(self) -> None:
        """As `drop`, from a garbage collector, in whichever thread it runs."""
        with suppress(RuntimeError):  # the loop has ended
            self.places.loop.call_soon_threadsafe(self.drop)

    async def gone(self) -> None:
        """Until the loop has let go of it."""
        while not self.closed:  # noqa: ASYNC110  # one or two turns of the loop
            await asyncio.sleep(0)

    def close(self) -> None:
        """Close the socket. Of a TLS connection no leave is taken: nothing is owed to a peer without an exchange."""
        self.spoiled = True
        if not self.closed and self.transport is not None:
            self.transport.abort()
