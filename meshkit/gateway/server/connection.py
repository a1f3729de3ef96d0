"""What is a connection of HTTP/1.1 about just now? What both parsers share: turns in order, limits, the end.

::

    FRESH --a byte--> HEAD --complete--> BUSY --answered--> IDLE --a byte--> HEAD
                        |                  |
                        +---- refused -----+--> DEAF --end of the stream, or `linger`--> closed

While a connection is BUSY the next request may come already: it waits in a queue, and the connection is not read. What
is refused behind it is told in its turn. A DEAF one has had its last answer: what still comes is thrown away for a
while, since to close at once would have the client's own stack throw away the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Any, Final

from .heads import Refused, refusing
from .sweep import Limits, sweep_of
from .turn import MOST, Turn

__all__ = ["BUSY", "DEAF", "FRESH", "HEAD", "IDLE", "QUEUE", "Connection"]

FRESH, HEAD, BUSY, IDLE, DEAF = range(5)
QUEUE: Final = 100
"""Requests that may come before the first one is answered."""
UNREAD: Final = 262_144
"""Bytes of a body that nobody wants, which are read so that the next request can be: it costs less than a connection.
"""
LIMITS: Final = Limits()
LOG: Final = logging.getLogger("meshkit.gateway")

OVERLONG: Final = Refused(413, "The body of the request is longer than anybody reads.")
SLOW_HEAD: Final = Refused(408, "The head of the request did not come in time.")
SLOW_BODY: Final = Refused(408, "The body of the request did not come in time.")


class Connection(asyncio.Protocol):
    """As uvicorn makes them: ``uvicorn.Config(app, http=LlhttpConnection)``. ``server`` is what the app is told of the
    address, instead of the socket's own.
    """

    __slots__ = (
        "app", "app_state", "client", "config", "connections", "ending", "full", "last_words", "loop", "paused",
        "phase", "queue", "scheme", "server", "server_state", "since", "sweep", "tasks", "transport", "turn",
        "unread",
    )  # fmt: skip

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits = LIMITS,
        server: tuple[str, int | None] | None = None,
    ) -> None:
        self.config = config
        self.app = config.loaded_app
        self.app_state = app_state
        self.server_state = server_state
        self.connections: set[Any] = server_state.connections
        self.tasks: set[asyncio.Task[None]] = server_state.tasks
        self.loop = _loop or asyncio.get_event_loop()
        self.sweep = sweep_of(server_state, self.loop, limits)
        self.server = server
        self.client: tuple[str, int] | None = None
        self.scheme = "http"
        self.transport: asyncio.Transport
        self.full: asyncio.Event | None = None
        """Where the client takes no more for now: set when it does again."""
        self.paused = False
        self.phase = FRESH
        self.since = 0.0
        self.ending = False
        """Whether the next answer is the last one."""
        self.turn: Turn | None = None
        """The one that is being answered."""
        self.queue: deque[Turn] = deque()
        self.last_words: bytes | None = None
        self.unread = 0

    # asyncio's side.

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.connections.add(self)
        self.sweep.add(self)
        self.since = self.sweep.now
        peer = transport.get_extra_info("peername")
        if peer and peer.__class__ is tuple:
            self.client = str(peer[0]), int(peer[1])
        if self.server is None:
            name = transport.get_extra_info("sockname")
            self.server = (str(name[0]), int(name[1])) if name.__class__ is tuple else (str(name), None)
        if transport.get_extra_info("sslcontext") is not None:
            self.scheme = "https"

    def connection_lost(self, error: Exception | None) -> None:
        self.connections.discard(self)
        self.sweep.discard(self)
        self.phase = DEAF
        turn = self.turn
        if turn is not None:
            turn.left()
            self.turn = None
        self.queue.clear()
        full = self.full
        if full is not None:
            self.full = None
            full.set()

    def eof_received(self) -> bool:
        """The client has said all it will: it is taken to have left, unless its last answer is on its way."""
        return self.phase == DEAF and self.turn is not None

    def pause_writing(self) -> None:
        self.full = asyncio.Event()

    def resume_writing(self) -> None:
        full = self.full
        if full is not None:
            self.full = None
            full.set()

    # The requests' side.

    def begin(self, turn: Turn) -> None:
        """Have it answered, in its turn. Raises `Refused`."""
        self.phase = BUSY
        if self.ending:
            turn.keep_alive = False
        if self.turn is None:
            self._start(turn)
            return
        if len(self.queue) >= QUEUE:
            raise Refused(400, "Too many requests came before the first one was answered.")
        self.queue.append(turn)
        self.pause()

    def _start(self, turn: Turn) -> None:
        self.turn = turn
        task = self.loop.create_task(turn.run(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def turned(self, turn: Turn) -> None:
        """A turn has been answered."""
        self.server_state.total_requests += 1
        self.since = self.sweep.now
        if turn.more and turn.keep_alive:
            self.unread = 0  # the next request comes behind the rest of this one
            self.resume()
        else:
            self._next(turn)

    def _next(self, turn: Turn) -> None:
        self.turn = None
        if not turn.keep_alive or self.transport.is_closing():
            self.queue.clear()
            self.last_words = None
            if turn.more:
                self.linger()
            else:
                self.phase = DEAF
                self.transport.close()
        elif self.queue:
            self._start(self.queue.popleft())
            if not self.queue:
                self.resume()
        elif self.last_words is not None:
            self.linger(self.last_words)
        else:
            self.phase = HEAD if self.in_head() else IDLE
            self.resume()

    def in_head(self) -> bool:
        """Whether a part of another head is there already."""
        raise NotImplementedError

    def refuse(self, error: Refused) -> None:
        """Take nothing more, and say why when that comes after what is being answered."""
        if self.phase == DEAF:
            return
        self.phase = DEAF
        turn = self.queue[-1] if self.queue else self.turn
        if turn is not None and turn.more:  # it is the body of this one that is wrong
            if turn is not self.turn:
                self.queue.pop()
                self.last_words = refusing(error.status, error.why)
            else:
                self._stop_short(turn, error)
        elif turn is not None:
            self.last_words = refusing(error.status, error.why)
        else:
            self.linger(refusing(error.status, error.why))

    def _stop_short(self, turn: Turn, error: Refused) -> None:
        turn.gone = True
        self.turn = None
        if turn.started:
            self.transport.abort()
        else:
            self.linger(refusing(error.status, error.why))
        turn.wake()

    def linger(self, words: bytes = b"") -> None:
        """Say the last words, and wait for the client to end."""
        self.phase = DEAF
        self.since = self.sweep.now
        if words:
            self.transport.write(words)
        if self.transport.can_write_eof():
            with contextlib.suppress(OSError, RuntimeError):
                self.transport.write_eof()
        self.resume()

    def pause(self) -> None:
        if not self.paused:
            self.paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on, unless there is enough to do. Somebody waits for it from now on."""
        self.since = self.sweep.now
        if self.paused and not self.queue and not self.transport.is_closing():
            self.paused = False
            self.transport.resume_reading()

    def body(self, part: bytes) -> None:
        """A part of the body of the newest request. Raises `Refused`."""
        turn = self.queue[-1] if self.queue else self.turn
        if turn is None:
            return
        if turn.complete:
            self.unread += len(part)
            if self.unread > UNREAD:
                self.turn = None
                self.linger()
                raise OVERLONG
            return
        turn.came(part)
        if turn.size > MOST:
            self.pause()

    def bodied(self) -> None:
        """All of it is there."""
        turn = self.queue[-1] if self.queue else self.turn
        if turn is not None:
            turn.more = False
            turn.wake()
            if turn.complete:
                self._next(turn)

    # The server's side.

    def shutdown(self) -> None:
        """End as soon as what is under way has been answered: a request of which a byte has come, or a first one that
        is on its way.
        """
        self.ending = True
        turn = self.turn
        if turn is not None:
            turn.keep_alive = False
        elif self.phase not in (FRESH, HEAD):
            self.transport.close()

    def look(self, now: float, limits: Limits) -> None:
        """See whether it is time to end, see `sweep`."""
        took = now - self.since
        phase = self.phase
        if self.transport.is_closing():
            if took > limits.stall:
                self.transport.abort()
        elif phase == BUSY:
            turn = self.turn
            if turn is None or self.paused:
                return
            if turn.complete:
                if took > limits.linger:
                    self.turn = None
                    self.linger()
            elif turn.waits and took > limits.body:
                self.refuse(SLOW_BODY)
        elif phase == DEAF:
            if self.turn is None and took > limits.linger:
                self.transport.abort()
        elif phase == IDLE:
            if took > limits.idle:
                self.transport.close()
        elif took > limits.head:
            if phase == HEAD:
                self.refuse(SLOW_HEAD)
            else:
                self.transport.close()
