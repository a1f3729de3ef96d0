"""What comes back? The head of an answer, and its body as it arrives, never much faster than it is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from .errors import ReadFailed, ReadTimedOut, WireError
from .parser import Headers

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["EACH", "HIGH", "Answer"]

HIGH = 262_144
"""Bytes kept for a reader: beyond them nothing more is read from the connection, until all are taken."""
EACH = 64
"""Bytes that a part weighs by itself: a peer may send one byte at a time."""


class Answer:
    """One answer. Read it to its end or `close` it: until then it holds its connection.

    ``status``, ``reason``, ``version`` and ``headers`` are as they came; ``trailers`` when the body has ended.
    Iterated, it gives the body in parts as they arrive, once, and raises `WireError`. It is its own iterator: an
    asynchronous generator would cost more than all the rest of a small body.
    """

    status = 0
    interim = 0
    """The last status before the final one."""
    hint: Callable[[Headers], None] | None = None
    """Told the fields of a 103."""
    touched = False
    """Whether anything has come."""
    sending = False
    """Whether a part of the request is still to be sent."""
    switches = False
    """Whether the request asks for another protocol."""
    kept = True
    """Whether the connection may serve others after this."""
    complete = False
    error: WireError | None = None
    size = 0
    version: bytes
    reason: bytes
    headers: Headers
    trailers: Headers
    write: float | None = None
    """Seconds that each part of the request's body may take."""

    def __init__(self, connection: Connection, read: float | None, until: float | None) -> None:
        # What is as it mostly is stands in the class: most answers are made, read and forgotten within microseconds.
        self.connection: Connection | None = connection
        self.stream = connection
        """The connection it came on, whoever holds it now."""
        self.read = read
        """Seconds that each part of the body may take."""
        self.until = until
        """When all of it must have come, in seconds of the monotonic clock."""
        self.chunks: deque[bytes] = deque()

    @property
    def whole(self) -> bytes | None:
        """The body, where all of it is here and none was taken: it holds no connection any more."""
        if self.connection is not None or self.error is not None:
            return None
        return b"".join(self.chunks)

    async def fetch(self) -> None:
        """Until all of it is here, and the connection free: for a body of no more than `HIGH` bytes of which nothing
        was taken. Raises `WireError`.
        """
        connection = self.connection
        if connection is None:
            return
        try:
            while not self.complete:
                if self.error is not None:
                    raise self.error
                await connection.wait(self.read, self.until, ReadTimedOut)
        except BaseException:
            self.close()
            raise
        self.connection = None
        connection.release()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunks = self.chunks
        while not chunks:
            connection = self.connection
            if self.error is not None:
                self.close()
                raise self.error
            if connection is None:
                raise StopAsyncIteration
            if self.complete:
                self.connection = None
                connection.release()
                raise StopAsyncIteration
            if connection.tunnel is not None:
                raise StopAsyncIteration
            if connection.waiter is not None:
                raise RuntimeError("an answer has one reader")
            if connection.paused:
                connection.resume()
            try:
                await connection.wait(self.read, self.until, ReadTimedOut)
            except BaseException:
                self.close()
                raise
        chunk = chunks.popleft()
        self.size -= len(chunk) + EACH
        return chunk

    def close(self) -> None:
        """Let go of it. A body that has not come to its end takes the connection with it, and ends in `ReadFailed` for
        those who would read on: it is not taken for a short one.
        """
        connection, self.connection = self.connection, None
        complete = self.complete and self.error is None
        if self.error is None and (self.chunks or not complete):
            self.error = ReadFailed("the answer was closed")
        self.chunks.clear()
        if connection is not None:
            if complete and connection.waiter is None:
                connection.release()
            else:
                connection.wake()  # who waits for the next part finds the error
                connection.drop()

    def __del__(self) -> None:
        connection = self.connection
        if connection is not None:
            connection.forget()
