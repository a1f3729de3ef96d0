"""How does an HTTP client reach an app without a socket? Through this transport: for tests, and for computed time.

What a wire does is kept: the client's timeout for reading, and an app that works on when its client has gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from ..demo.load import Attempt

__all__ = ["Memory"]


class Memory(httpx.AsyncBaseTransport):
    """One app, and note of every request that goes to it, as `Wire` takes it."""

    def __init__(self, app: Any, clock: Callable[[], float]) -> None:
        self.app = app
        self.clock = clock
        self.attempts: list[Attempt] = []
        self.open = 0
        self._serving: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.attempts.append(Attempt(self.clock(), None))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "method": request.method,
            "path": request.url.path,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("127.0.0.1", 1),
        }
        answered: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._serve(scope, request, answered))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        self.open += 1
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("read")):
                return await answered
        except TimeoutError:
            raise httpx.ReadTimeout("no answer in time", request=request) from None
        finally:
            self.open -= 1

    async def _serve(self, scope: Any, request: httpx.Request, answered: asyncio.Future[httpx.Response]) -> None:
        head: Any = None
        body = b""

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            nonlocal head, body
            if message["type"] == "http.response.start":
                head = message
                return
            body += message.get("body", b"")
            if not (message.get("more_body") or answered.done()):
                headers = list(head["headers"])
                answered.set_result(httpx.Response(head["status"], headers=headers, content=body, request=request))

        await self.app(scope, receive, send)
