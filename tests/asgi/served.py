"""The app that real servers serve in these tests. ``/seen`` stands outside the pipeline and tells what it has seen."""

from __future__ import annotations

import json
from typing import Any

import anyio

from meshkit import Call, ConcurrencyLimit, Pipeline, RateLimit, Timeout, Verdict
from meshkit.asgi import MeshMiddleware

verdicts: list[list[str]] = []
started: list[str] = []


class Probe:
    """Remembers the verdicts by path."""

    name = "probe"

    def start(self, rng: Any) -> Probe:
        return self

    def enter(self, call: Call, now: float) -> None:
        started.append(call.request.scope["path"])

    def exit(self, call: Call, began: float, now: float, verdict: Verdict) -> None:
        verdicts.append([call.request.scope["path"], verdict.value])


async def inner(scope: Any, receive: Any, send: Any) -> None:
    path = scope.get("path")
    if scope["type"] == "lifespan":
        assert (await receive())["type"] == "lifespan.startup"
        started.append("lifespan")
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await connection(receive, send)
    elif path == "/raises":
        raise LookupError
    elif path == "/hangs":
        await anyio.sleep_forever()
    elif path == "/waits":  # for the client to go
        while (await receive())["type"] != "http.disconnect":
            pass
        raise LookupError
    else:
        await receive()
        length = [] if path == "/breaks" else [(b"content-length", b"6")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        if path == "/breaks":
            await anyio.sleep_forever()
        await send({"type": "http.response.body", "body": b"def"})


async def connection(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": message["text"].upper()})


pipeline = Pipeline(
    RateLimit("2/h", key=lambda call: call.request.scope["path"]),
    ConcurrencyLimit(1),
    Timeout(0.3),
    Probe(),
)
guarded = MeshMiddleware(inner, pipeline)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == "/seen":
        seen = {"verdicts": verdicts, "started": started, "idle": pipeline.idle(), "client": scope["client"]}
        body = json.dumps(seen).encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        await guarded(scope, receive, send)
