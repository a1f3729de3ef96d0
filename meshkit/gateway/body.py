"""What is sent as the body of a request? What the client sends, as it comes, and again as far as it was kept.

========================================  ===========================================================================
an attempt                                sends
========================================  ===========================================================================
the first                                 each part as the client sends it: nothing is read ahead of the upstream
a further one                             what was read so far, if all of that was kept, and then what the client sends
one beside another (a hedge)              the same: whoever is ahead reads, and the other one follows, as long as all is
                                          kept
========================================  ===========================================================================

Of each body no more is kept than its route's policies may have use for: a few bytes (``replay``), or all of it, where
the route takes it in as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

__all__ = ["Behind", "Body", "Left"]


class Left(Exception):
    """The client has gone, and will not send the rest of its request."""


class Behind(Exception):
    """An attempt beside another one cannot follow it any more: the part that it wants is not kept."""


class Body:
    """One request's."""

    __slots__ = ("_exchange", "_most", "_parts", "_reading", "_turn", "kept", "lost", "over", "read", "then")

    def __init__(self, exchange: Any, most: int, whole: bytes | None = None) -> None:
        self._exchange = exchange
        self._most = most
        self._reading: asyncio.Future[Any] | None = None
        self._turn: asyncio.Lock | None = None
        self.kept: list[bytes] = [] if whole is None else [whole]
        """What was read, in order; nothing, where not all of it is kept."""
        self._parts = len(self.kept)
        """How many were read."""
        self.read = len(whole or b"")
        """Bytes that were read."""
        self.lost = False
        """Whether something was read that is not kept."""
        self.over = whole is not None
        """Whether it was read to its end."""
        self.then: Callable[[bytes], None] | None = None
        """Told all of it, when that is here and kept."""

    @property
    def replayable(self) -> bool:
        return not self.lost

    @property
    def whole(self) -> bytes | None:
        """All of it; ``None``: some is not read yet, or is not kept."""
        return b"".join(self.kept) if self.over and not self.lost else None

    def keep(self, most: int) -> None:
        """Keep so many bytes from now on, if it is not more anyhow."""
        self._most = max(self._most, most)

    async def fetch(self) -> None:
        """Read it to its end. Raises `Left`."""
        while not self.over:
            await self._more(self._parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """For one attempt. Raises `Left`, and `Behind`."""
        place = 0
        while True:
            if place < len(self.kept):
                part = self.kept[place]
            elif place < self._parts:
                raise Behind
            elif self.over:
                return
            else:
                read = await self._more(place)
                if read is None:  # somebody else has, meanwhile
                    continue
                part = read
            place += 1
            if part:
                yield part

    async def message(self) -> Any:
        """What comes next. It is waited for in a task of its own: not every server still has it for the next attempt
        when this one is interrupted meanwhile.
        """
        reading = self._reading
        if reading is None:
            reading = self._reading = asyncio.ensure_future(self._exchange.more())
        try:
            message = await asyncio.shield(reading)
        except BaseException:
            if reading.done() and (reading.cancelled() or reading.exception() is not None):
                self._reading = None
            raise
        self._reading = None
        return message

    async def close(self) -> None:
        """Nobody wants more of it."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait((reading,))
            if not reading.cancelled():
                reading.exception()  # nobody is to be told

    async def _more(self, place: int) -> bytes | None:
        """The part at that place, from the client; ``None``: it has been read."""
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            if place < self._parts or self.over:
                return None
            message = await self.message()
            if message["type"] == "http.disconnect":
                raise Left
            part: bytes = message.get("body", b"")
            if not message.get("more_body"):
                self.over = True
            self.read += len(part)
            self._parts += 1
            if not self.lost and self.read <= self._most:
                self.kept.append(part)
            elif not self.lost:
                self.lost = True
                self.kept.clear()
            if self.over and self.then is not None and not self.lost:
                self.then(b"".join(self.kept))
            return part
