"""How does a page stay up to date? By server-sent events: at first all of it, then each second what has changed.

::

    event: status                              one for each look; `id` counts them
    id: 17
    data: {"form": 1, "at": "...", "sections": {"live": {...}, "routes": {...}}}

A look is taken by whoever asks first, in a thread, and shared by all who ask within the same second: nobody looks
while nobody watches, and ten pages cost what one does. Where a look takes long (ten thousand endpoints), it is taken
less often, so that it costs no more than one part in fifty of a processor. Who reads slowly misses looks, and is told
what has changed since the one it has seen. WHATWG HTML, 9.2, "Server-sent events".
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any

import anyio

from .picture import FORM

__all__ = ["Looks"]

EVERY = 1.0
"""Seconds from one look to the next."""
SHARE = 0.02
"""Of a processor, that looking may take."""
SELDOM = 30.0
"""Seconds after which it is looked in any case."""


class Look:
    """What was seen: its number, when, and each section in JSON with the number of the look in which it was new."""

    __slots__ = ("_whole", "at", "number", "sections")

    def __init__(self, number: int, at: str, sections: dict[str, tuple[int, bytes]]) -> None:
        self.number = number
        self.at = at
        self.sections = sections
        self._whole: bytes | None = None

    def since(self, number: int) -> bytes:
        """What has changed since then, as JSON in one line."""
        parts = [b'"%s":%s' % (n.encode(), data) for n, (new, data) in self.sections.items() if new > number]
        return b'{"form":%d,"at":"%s","sections":{%s}}' % (FORM, self.at.encode(), b",".join(parts))

    def whole(self) -> bytes:
        """All of it: for all who ask the same bytes."""
        if self._whole is None:
            parts = [b'"%s":%s' % (name.encode(), data) for name, (_, data) in self.sections.items()]
            self._whole = b'{"form":%d,"at":"%s",%s}' % (FORM, self.at.encode(), b",".join(parts))
        return self._whole


class Looks:
    """Looks taken with ``take``, which answers sections by name; shared by all who follow."""

    def __init__(
        self,
        take: Callable[[], dict[str, Any]],
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        self._take = take
        self._clock = clock
        self._spent = spent
        """Seconds of a processor that this thread has had."""
        self._last: Look | None = None
        self._due_at = 0.0
        """When the next one may be taken."""
        self._turn: anyio.Lock | None = None
        self._ends: set[anyio.Event] = set()
        self.closed = False

    @property
    def following(self) -> int:
        """How many do."""
        return len(self._ends)

    async def look(self) -> Look:
        """The last one, or a new one where that is due."""
        if self._turn is None:
            self._turn = anyio.Lock()
        async with self._turn:
            last = self._last
            if last is not None and self._clock() < self._due_at:
                return last
            began = self._clock()
            look, took = await anyio.to_thread.run_sync(self._taken, last)
            self._last = look
            self._due_at = began + max(EVERY, min(took / SHARE, SELDOM)) - EVERY / 20
            return look

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """Events as they are sent, until `close`: to be awaited one by one, in one's own time."""
        number, end = 0, anyio.Event()
        self._ends.add(end)
        try:
            while not self.closed:
                look = await self.look()
                if look.number > number:
                    yield b"event: status\nid: %d\ndata: %s\n\n" % (look.number, look.since(number))
                    number = look.number
                with anyio.move_on_after(max(EVERY / 20, self._due_at - self._clock())):
                    await end.wait()
        finally:
            self._ends.discard(end)

    def close(self) -> None:
        """Have all who follow come to their end."""
        self.closed = True
        for end in self._ends:
            end.set()

    def _taken(self, last: Look | None) -> tuple[Look, float]:
        """A new one, and what it took."""
        began = self._spent()
        number = 1 if last is None else last.number + 1
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        sections = {}
        for name, data in self._take().items():
            written = json.dumps(data, separators=(",", ":"), allow_nan=False).encode("ascii")
            before = None if last is None else last.sections.get(name)
            sections[name] = before if before is not None and before[1] == written else (number, written)
        return Look(number, at, sections), self._spent() - began
