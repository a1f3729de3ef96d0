"""What comes from an upstream on a WebSocket, and how much of it is kept? A connection of the pool that speaks frames.

::

    data ──> frames ──> messages ──> relayed        a client's message ──> a frame ──> the connection
               └ pings, closes: answered             └ waits while the upstream takes nothing

Beyond `HIGH` bytes of messages nothing more is read until some were taken. An upstream that pings and takes no answer
gets the last one in the end (RFC 6455, 5.5.3), and one that sends nothing but tiny frames lets others have their turn.

The loop tells this protocol what comes, without a stream or a task between. One timer stands for all limits: it looks
when it rings whether anything has happened since (`Patience`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from ..upstream.sweep import EARLY
from .frames import BAD_GATEWAY, GOING_AWAY, TOO_BIG, Frames, Message
from .patience import Patience

if TYPE_CHECKING:
    from ..route.websocket import WebSocket
    from ..upstream.answer import Answer

__all__ = ["Upstream"]

HIGH = 65_536
"""Bytes of messages kept for a client that does not take them."""
EACH = 64
"""Bytes that a message weighs by itself."""
PIECE = 4096
"""Bytes parsed at a time: a peer may send frames of two bytes, and each is an object here."""
MANY = 256
"""Frames in a piece, after which others have their turn."""
LINGER = 2.0
"""Seconds in which the upstream is to close the connection after the goodbye."""


class Upstream(asyncio.Protocol):
    """An upstream's end of a WebSocket. It holds its connection until it is left or closed.

    ``status`` (101), ``headers`` (for the client) and ``subprotocol`` are those of the handshake. ``over``: the code
    and reason with which the client is to be closed; ``None`` as long as the upstream can be asked. ``left``: those
    with which the client has left.
    """

    __slots__ = (
        "_answer", "_drained", "_ended", "_frames", "_full", "_inbox", "_interrupt", "_leaving", "_loop", "_owed",
        "_patience", "_paused", "_rest", "_size", "_taken", "_timer", "_transport", "_waiter", "headers", "left",
        "over", "subprotocol",
    )  # fmt: skip

    status = 101

    def __init__(self, frames: Frames, answer: Answer, headers: list[tuple[bytes, bytes]]) -> None:
        self.headers = headers
        self.subprotocol = frames.subprotocol
        self.over: tuple[int, str] | None = None
        self.left: tuple[int | None, str] | None = None
        self._frames = frames
        self._answer: Answer | None = answer
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._patience: Patience | None = None
        self._interrupt: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._inbox: list[Message] = []
        self._size = 0
        """Of what has come and was not relayed,"""
        self._taken = 0
        """and of that what is being relayed."""
        self._rest = b""
        """What came after that and is still to be parsed."""
        self._owed = b""
        """The last answer to a ping, while the upstream takes nothing."""
        self._ended = self._full = self._leaving = self._paused = False

    def attach(self, transport: Any, data: bytes, ended: bool) -> None:
        """The connection, what came on it before, and whether that was all."""
        self._transport = transport
        self.data_received(data)
        if ended:
            self.eof_received()

    # What the loop tells.

    def data_received(self, data: bytes) -> None:
        if self._leaving:
            return
        if self._patience is not None:
            self._patience.heard(self._loop.time())
        if self._rest:
            self._rest += data  # a loop may give what it had read before it was asked to pause
        else:
            self._parse(data)

    def eof_received(self) -> None:
        self._ended = True
        wake(self._waiter)
        wake(self._drained)

    def connection_lost(self, error: Exception | None) -> None:
        self.eof_received()
        self._release()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._moved()
        if self._owed:
            self._transport.write(self._owed)
            self._owed = b""
        wake(self._drained)

    def _parse(self, data: bytes) -> None:
        frames = self._frames
        count = 0
        for at in range(0, len(data), PIECE):
            if self._size > HIGH or count > MANY:
                self._rest = data[at:]
                self._pause()
                if count > MANY:
                    self._loop.call_soon(self._go_on)
                break
            messages, count, pongs = frames.feed(data[at : at + PIECE])
            self._write()
            if not pongs:
                self._moved()
            for each in messages:
                self._size += len(each) + EACH
            self._inbox += messages
        if self._size > HIGH:
            self._pause()
        if self.over is None:
            self.over = frames.over
        if self._inbox or self.over is not None:
            wake(self._waiter)

    def _pause(self) -> None:
        if not (self._paused or self._transport.is_closing()):  # uvloop minds
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _go_on(self) -> None:
        if self._leaving or self._size > HIGH:
            return
        rest, self._rest = self._rest, b""
        self._parse(rest)
        if not self._rest and self._size <= HIGH:
            self._resume()

    def _write(self) -> None:
        writes = self._frames.writes()
        if not writes or self._transport.is_closing():
            return
        if self._full:
            self._owed = writes[-1]
        else:
            self._transport.write(b"".join(writes))

    # What those do who relay.

    async def messages(self) -> list[Message]:
        """What has come: at least one, or none, and then it is ``over``. To ask again says that those were relayed."""
        if self._taken:
            self._moved()
            self._size -= self._taken
            self._taken = 0
        while True:
            if self._paused or self._rest:
                self._go_on()
            if self._inbox:
                taken, self._inbox = self._inbox, []
                self._taken = self._size
                return taken
            if self.over is None and self._ended and not self._rest:
                self.over = BAD_GATEWAY, "the upstream has gone"
            if self.over is not None:
                return []
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def say(self, message: Message) -> bool:
        """A client's message, as soon as the upstream takes it; none once it is over. Whether it is not too big: one
        that is ends it all.
        """
        frames = self._frames
        if len(message) > frames.most or (not isinstance(message, bytes) and len(message.encode()) > frames.most):
            self.over = self.over or (TOO_BIG, "the message is too big")
            return False
        while self._full and not self._ended:
            self._drained = self._loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None
        if frames.open and not self._ended:
            self._moved()
            frames.say(message)
            self._write()
        return True

    def watch(self, limits: WebSocket, interrupt: Callable[[], None]) -> None:
        """Keep to the limits from now on. When one is reached, it is ``over``, and whoever relays is interrupted."""
        self._interrupt = interrupt
        self._patience = Patience(limits, self._loop.time())
        self._look()

    def unwatch(self) -> None:
        self._interrupt = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def interrupt(self, *_: Any) -> None:
        """Nobody is to wait any more, whatever he waits for."""
        if self._interrupt is not None:
            self._interrupt()
            self._interrupt = None

    def _moved(self) -> None:
        if self._patience is not None:
            self._patience.moved = self._loop.time()

    def _look(self) -> None:
        """Whether a limit is reached; if not, the timer rings when one may be."""
        patience: Any = self._patience
        now = self._loop.time() + EARLY
        if self._paused or self._ended:  # it is not listened to
            patience.heard(now)
        elif patience.pings(now) and self._frames.open:
            self._frames.ping()
            self._write()
        self._timer = None
        over = patience.over(now)
        if over is not None:
            self.over = self.over or over
            self.interrupt()
        elif patience.due < inf:
            self._timer = self._loop.call_at(patience.due, self._look)

    def leave(self) -> None:
        """Say goodbye where nobody has. The connection goes when the upstream has closed it, as a server does, or soon:
        who closes first keeps the port for a while.
        """
        if self._leaving or self._answer is None:
            return
        self._leaving = True
        self._goodbye()
        if self._ended or self._transport.is_closing():
            self._release()
            return
        self._inbox.clear()
        self._resume()
        self._timer = self._loop.call_later(LINGER, self._release)

    def close(self) -> None:
        """At once, whatever is under way; a goodbye goes out if it can."""
        if self._answer is not None and not self._leaving:
            self._goodbye()
        self._leaving = True
        self._release()

    def _goodbye(self) -> None:
        self.unwatch()
        frames = self._frames
        if frames.open and not (self._ended or self._transport.is_closing()):
            frames.leave(*(self.left or (GOING_AWAY, self.over[1] if self.over else "")))
            self._transport.write(b"".join(frames.writes()))

    def _release(self) -> None:
        """Give the connection back to the pool, which closes it."""
        answer, self._answer = self._answer, None
        if self._leaving:
            self.unwatch()
        if answer is not None:
            answer.close()


def wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
