"""How does a body leave? As fast as the peer takes it, framed as its head declares, and no further than it is wanted.

==========================  ===================================================================================
what comes meanwhile        what is done
==========================  ===================================================================================
nothing                     all of it is sent
an answer of 400 and above  the rest is kept: it was refused. The connection is not used again (RFC 9112, 9.3)
``100`` or nothing for 1 s  after ``Expect: 100-continue``: the body follows (RFC 9110, 10.1.1)
any other answer            after ``Expect: 100-continue``: it does not
==========================  ===================================================================================

A body of another length than declared is the caller's mistake (`Misused`), and costs the connection.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from time import monotonic

from .answer import Answer
from .connection import Connection
from .errors import Misused, ReadTimedOut, WriteTimedOut
from .head import CHUNKED

__all__ = ["upload", "welcome"]

PART = 262_144
"""Bytes given to the transport at a time. It keeps what the socket does not take."""
PATIENCE = 1.0
"""Seconds to wait for a ``100 Continue`` (curl waits as long)."""


async def welcome(connection: Connection, answer: Answer) -> bool:
    """Whether the body is wanted, after ``Expect: 100-continue``. No answer is as good as a yes."""
    due = monotonic() + PATIENCE
    until = answer.until
    while not (answer.interim or answer.status):
        try:
            await connection.wait(None, due if until is None or due < until else until, ReadTimedOut)
        except ReadTimedOut:
            if until is not None and until <= due:
                raise
            connection.pardon()
            break
    return not answer.status


async def upload(connection: Connection, answer: Answer, body: bytes | AsyncIterable[bytes], length: int) -> None:
    """Send ``body`` after a head that declares ``length``, as `head.framing` has it."""
    transport = connection.transport
    chunked = length == CHUNKED
    sent = 0
    async with aclosing(parts(body)) as pieces:
        async for part in pieces:
            size = len(part)
            sent += size
            if chunked:
                transport.writelines((b"%x\r\n" % size, part, b"\r\n"))
            elif sent <= length:
                transport.write(part)
            else:
                raise Misused("Too much data for declared Content-Length")
            while connection.full and not unwanted(connection, answer):
                await connection.wait(answer.write, answer.until, WriteTimedOut)
            if unwanted(connection, answer):
                return
    if chunked:
        transport.write(b"0\r\n\r\n")
    elif sent < length:
        raise Misused("Too little data for declared Content-Length")
    answer.sending = False


def unwanted(connection: Connection, answer: Answer) -> bool:
    return answer.status >= 400 or answer.error is not None or connection.spoiled


async def parts(body: bytes | AsyncIterable[bytes]) -> AsyncGenerator[bytes | memoryview, None]:
    """A body in pieces that are not too large, none of them empty: in chunked framing, that would be its end."""
    if isinstance(body, bytes):
        view = memoryview(body)
        for start in range(0, len(view), PART):
            yield view[start : start + PART]
        return
    chunks = aiter(body)
    try:
        async for chunk in chunks:
            if chunk:
                yield chunk
    finally:  # a generator is not left to the loop, which would close it some time later
        if hasattr(chunks, "aclose"):
            await chunks.aclose()
