"""How is a waiting task woken, from whichever thread, or by the time? On asyncio by a future, on trio by an event."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

__all__ = ["Bell", "TrioBell", "bell"]


class Bell:
    """Rings once, for one task of the running asyncio loop."""

    __slots__ = ("future", "home", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.home = threading.get_ident()
        self.future: asyncio.Future[None] = loop.create_future()

    def ring(self) -> None:
        """May be called from any thread, and more than once."""
        if threading.get_ident() == self.home:
            self._ring()
        else:
            self.loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

    async def wait(self, seconds: float | None) -> None:
        """Until it rings, or for so long."""
        timer = None if seconds is None else self.loop.call_later(seconds, self._ring)
        try:
            await self.future
        finally:
            if timer is not None:
                timer.cancel()


class TrioBell:
    """The same on trio."""

    __slots__ = ("event", "home", "token", "trio")

    def __init__(self) -> None:
        import trio

        self.trio: Any = trio
        self.token = trio.lowlevel.current_trio_token()
        self.home = threading.get_ident()
        self.event = trio.Event()

    def ring(self) -> None:
        if threading.get_ident() == self.home:
            self.event.set()
        else:
            self.token.run_sync_soon(self.event.set)

    async def wait(self, seconds: float | None) -> None:
        with self.trio.move_on_after(float("inf") if seconds is None else seconds):
            await self.event.wait()


def bell() -> Bell | TrioBell:
    """A bell of the running event loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return TrioBell()
    return Bell(loop)
