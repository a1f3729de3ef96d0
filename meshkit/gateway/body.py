"""What is sent as the body of a request? What the client sends, as it comes, and again as far as it was kept.

========================================  ===========================================================================
an attempt                                sends
========================================  ===========================================================================
the first                                 each part as the client sends it: nothing is read ahead of the upstream
a further one                             what was read so far, if all of that was kept, and then what the client sends
one beside another (a hedge)              only a body that was read to its end and kept
========================================  ===========================================================================

Of each body no more is kept than its route's policies may have use for: a few bytes (``replay``), or all of it, where
the route takes it in as a whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

__all__ = ["Body", "Left"]


class Left(Exception):
    """The client has gone, and will not send the rest of its request."""


class Body:
    """One request's."""

    __slots__ = ("_exchange", "_most", "kept", "lost", "over", "read", "then")

    def __init__(self, exchange: Any, most: int) -> None:
        self._exchange = exchange
        self._most = most
        self.kept: list[bytes] = []
        """What was read, in order."""
        self.read = 0
        """Bytes that were read."""
        self.lost = False
        """Whether something was read that is not kept."""
        self.over = False
        """Whether it was read to its end."""
        self.then: Callable[[bytes | None], None] | None = None
        """Told of the `whole` when it has been read."""

    @property
    def replayable(self) -> bool:
        return not self.lost

    @property
    def whole(self) -> bytes | None:
        """All of it; ``None``: some is not read yet, or is not kept."""
        return b"".join(self.kept) if self.over and not self.lost else None

    def keep(self, most: int | None) -> None:
        """Keep so many bytes from now on; ``None``: all."""
        self._most = 2**62 if most is None else max(self._most, most)

    async def more(self) -> bytes:
        """The next part from the client; empty where there was none in it. Raises `Left`."""
        message = await self._exchange.receive()
        if message["type"] == "http.disconnect":
            raise Left
        part: bytes = message.get("body", b"")
        if not message.get("more_body"):
            self.over = True
        if part:
            self.read += len(part)
            if not self.lost and self.read <= self._most:
                self.kept.append(part)
            elif not self.lost:
                self.lost = True
                self.kept.clear()
        if self.over and self.then is not None:
            then, self.then = self.then, None
            then(self.whole)
        return part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """For one attempt. Raises `Left`."""
        if self.lost:
            raise RuntimeError("a part of the body is gone: it cannot be sent again")
        for part in [*self.kept]:
            yield part
        while not self.over:
            part = await self.more()
            if part:
                yield part
