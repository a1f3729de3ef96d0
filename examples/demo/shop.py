"""Who stands at the door? An app with so many workers, bare or behind `MeshMiddleware`, in a process of its own.

It tells its clients by a field, ``x-client``, and how much a request matters by another, ``x-priority``: a gateway in
front of it would have set both. How much time is left comes in ``x-request-deadline-ms``.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from meshkit import AdaptiveConcurrency, LoadShed, Pipeline, RateLimit
from meshkit.asgi import MeshMiddleware

from .server import serve

__all__ = ["CAPACITY", "EACH", "door", "shop"]

WORKERS, SERVICE = 8, 0.2
CAPACITY = WORKERS / SERVICE
"""Requests per second."""
EACH = 15.0
"""Requests per second that a client may make."""


def door() -> Pipeline:
    return Pipeline(
        RateLimit(f"{EACH:g}/s", key="header:x-client", name="client"),
        LoadShed(3 * WORKERS, priority="header:x-priority", retry_after=2.0),
        AdaptiveConcurrency(queue=2 * WORKERS, wait=0.3),
    )


def shop() -> Any:
    """Every request takes a worker for a while, and waits for one as long as that lasts."""
    places = asyncio.Semaphore(WORKERS)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async with places:
            await asyncio.sleep(SERVICE)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"ok\n"})

    return app


if __name__ == "__main__":
    serve(MeshMiddleware(shop(), door()) if sys.argv[1] == "meshed" else shop(), int(sys.argv[2]))
