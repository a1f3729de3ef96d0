"""Who is called? A few workers, a queue in front of them, and, if asked for, a pipeline in front of that.

=========  ===========================================================================================================
bare       every request waits for a worker, in the order of arrival, for as long as that takes. Nobody looks whether
           its client still waits: when its turn comes the work is done, as most servers do it
deadline   the same app behind `MeshMiddleware` with no policy: what has not been answered when its caller's time is
           over is dropped, wherever it stands
guarded    behind the middleware with a limit that finds itself, a short queue, and retries shed first
=========  ===========================================================================================================

A worker is a place and a sleep, so the machine is idle while the server is full: capacity is ``WORKERS / SERVICE``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from meshkit import AdaptiveConcurrency, LoadShed, Pipeline
from meshkit.asgi import MeshMiddleware

from ..demo.server import serve

__all__ = ["CAPACITY", "SERVICE", "WORKERS", "guard", "serving"]

WORKERS, SERVICE = 5, 0.125
CAPACITY = WORKERS / SERVICE
"""Requests per second."""


def guard(clock: Callable[[], float]) -> Pipeline:
    return Pipeline(
        LoadShed(3 * WORKERS, priority=lambda call: "sheddable" if attempt(call) > 1 else "critical", retry_after=1.0),
        AdaptiveConcurrency(queue=2 * WORKERS, wait=0.2),
        seed=1,
        clock=clock,
    )


def attempt(call: Any) -> int:
    """Which attempt this is: meshkit's client says so from the second one on."""
    return int(call.door.fact(call, "header:x-envoy-attempt-count") or 1)


def serving(kind: str, clock: Callable[[], float] = time.monotonic) -> Any:
    """An ASGI app: ``/`` is work; ``/begun`` tells how often a worker took some up, and waits for nobody."""
    places = asyncio.Semaphore(WORKERS)  # wakes in the order of arrival
    begun = 0

    async def work(scope: Any, receive: Any, send: Any) -> None:
        nonlocal begun
        async with places:
            begun += 1
            await asyncio.sleep(SERVICE)
        await respond(send, b"done\n")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/begun":
            await respond(send, b"%d\n" % begun)
        else:
            await behind(scope, receive, send)

    behind: Any = work
    if kind != "bare":
        behind = MeshMiddleware(work, guard(clock) if kind == "guarded" else Pipeline(clock=clock))
    return app


async def respond(send: Any, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    serve(serving(sys.argv[1]), int(sys.argv[2]))
