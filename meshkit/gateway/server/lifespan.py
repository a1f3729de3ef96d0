"""When does an app begin, and when is it over? The lifespan of ASGI, for a server that serves several apps."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

__all__ = ["Lifespan"]


class Lifespan:
    """That of one app, which need not have any."""

    def __init__(self, app: Any) -> None:
        self.state: dict[str, Any] = {}
        """What each request gets a copy of."""
        self._app = app
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._heard: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Raises `RuntimeError` if the app says that it cannot."""
        self._task = asyncio.create_task(self._live())
        await self._say("startup")

    async def end(self) -> None:
        """Raises nothing: it is over in any case."""
        if self._task is None or self._task.done():
            return
        with suppress(RuntimeError):
            await self._say("shutdown")
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _live(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        with suppress(Exception):  # an app without one raises whatever it likes
            await self._app(scope, self._said.get, self._heard.put)
        self._heard.put_nowait(None)

    async def _say(self, word: str) -> None:
        self._said.put_nowait({"type": f"lifespan.{word}"})
        answer = await self._heard.get()
        if answer is not None and answer["type"] == f"lifespan.{word}.failed":
            raise RuntimeError(answer.get("message") or f"the app fails to {word}")
