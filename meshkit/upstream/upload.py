"""How does a body leave? As fast as the peer takes it, framed as its head declares, and no further than it is wanted.

==========================  ===================================================================================
what comes meanwhile        what is done
==========================  ===================================================================================
nothing                     all of it is sent
an answer of 400 and above  the rest is kept: it was refused. The connection is not used again (RFC 9112, 9.3)
an end, or the deadline     the same, and the call fails
``100`` or nothing for 1 s  after ``Expect: 100-continue``: the body follows (RFC 9110, 10.1.1)
any other answer            after ``Expect: 100-continue``: it does not
==========================  ===================================================================================

A body of another length than declared is the caller's mistake (`Misused`), and costs the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import aclosing
from math import inf
from time import monotonic
from types import TracebackType
from typing import Self

from .answer import Answer
from .connection import Connection
from .errors import Misused, ReadTimedOut, WriteTimedOut
from .head import CHUNKED
from .sweep import EARLY

__all__ = ["upload", "welcome"]

PART = 1_048_576
"""Bytes given to the transport at a time. It keeps what the socket does not take."""
TURNS = 16
"""Parts after which others get their turn, if neither the socket nor the source of the body ever waits."""
PATIENCE = 1.0
"""Seconds to wait for a ``100 Continue`` (curl waits as long)."""


async def welcome(connection: Connection, answer: Answer) -> bool:
    """Whether the body is wanted, after ``Expect: 100-continue``. No answer is as good as a yes."""
    ends = monotonic() + PATIENCE
    until = answer.until
    while not (answer.interim == 100 or answer.status or connection.spoiled):
        if until is not None and until <= ends:
            await connection.wait(None, until, ReadTimedOut)
        elif monotonic() + EARLY >= ends:
            break
        else:
            await connection.wait(None, ends, None)
    return not answer.status


async def upload(connection: Connection, answer: Answer, body: bytes | AsyncIterable[bytes], length: int) -> None:
    """Send ``body`` after a head that declares ``length``, as `head.framing` has it."""
    transport = connection.transport
    chunked = length == CHUNKED
    sent = turns = 0
    with Bell(connection, answer) as bell:
        async with aclosing(parts(body)) as taken:
            bell.hang()
            async for part in taken:
                bell.take()
                if unwanted(connection, answer):
                    return
                size = len(part)
                sent += size
                if chunked:  # not by `writelines`, which before CPython 3.12.9 and 3.13.2 knows no high-water mark
                    transport.write(b"".join((b"%x\r\n" % size, part, b"\r\n")))
                elif sent <= length:
                    transport.write(part)
                else:
                    raise miscounted("much")
                while connection.full and not unwanted(connection, answer):
                    await connection.wait(answer.write, answer.until, WriteTimedOut)
                turns += 1
                if turns % TURNS == 0:
                    await asyncio.sleep(0)
                if unwanted(connection, answer):  # said while the socket was full, or others had their turn
                    return
                bell.hang()
            bell.take()
        if unwanted(connection, answer):
            return
        if chunked:
            transport.write(b"0\r\n\r\n")
        elif sent < length:
            raise miscounted("little")
        answer.sending = False


def miscounted(how: str) -> Misused:
    error = Misused(f"Too {how} data for declared Content-Length")
    error.sent = True  # its head
    return error


def unwanted(connection: Connection, answer: Answer) -> bool:
    lost = connection.spoiled or connection.transport.is_closing()  # of a write that failed a loop tells a turn later
    return lost or answer.status >= 400 or answer.error is not None


class Bell:
    """Stands for whoever waits on the connection, while its caller is asked for a part of the body. When no more is
    wanted, the caller is interrupted: cancelled as `asyncio.timeout` does it, and nobody outside sees that.
    """

    __slots__ = ("_answer", "_before", "_connection", "_rung", "_task")

    def __init__(self, connection: Connection, answer: Answer) -> None:
        self._connection = connection
        self._answer = answer
        self._rung = False

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._before = 0 if self._task is None else self._task.cancelling()
        return self

    def hang(self) -> None:
        connection = self._connection
        connection.waiter = self  # type: ignore[assignment]  # it has what a connection asks of one
        if self._answer.until is not None:
            connection.by(None, self._answer.until, WriteTimedOut)

    def take(self) -> None:
        self._connection.waiter = None
        self._connection.due = inf

    # What a connection does with a future.

    def done(self) -> bool:
        return self._rung

    def set_result(self, _: None) -> None:
        if unwanted(self._connection, self._answer):
            self._ring()

    def set_exception(self, _: Exception) -> None:
        self._ring()

    def _ring(self) -> None:
        self._connection.due = inf
        if self._task is not None:
            self._rung = True
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        self.take()
        if not self._rung or self._task is None:
            return False
        return self._task.uncancel() <= self._before and kind is asyncio.CancelledError


async def parts(body: bytes | AsyncIterable[bytes]) -> AsyncGenerator[bytes | memoryview, None]:
    """A body in pieces that are not too large, none of them empty: in chunked framing, that would be its end."""
    if isinstance(body, bytes):
        for piece in pieces(body):
            yield piece
        return
    chunks = aiter(body)
    try:
        async for chunk in chunks:
            if not chunk:
                await asyncio.sleep(0)  # a source that never waits and gives nothing
            for piece in pieces(chunk):
                yield piece
    finally:  # a generator is not left to the loop, which would close it some time later
        if hasattr(chunks, "aclose"):
            await chunks.aclose()


def pieces(chunk: bytes) -> Iterator[bytes | memoryview]:
    if type(chunk) is not bytes:  # a buffer may be filled anew while the loop still keeps it
        chunk = memoryview(chunk).tobytes()  # `bytes` of a number is as many zeros
    if len(chunk) > PART:
        view = memoryview(chunk)
        for start in range(0, len(view), PART):
            yield view[start : start + PART]
    elif chunk:
        yield chunk
