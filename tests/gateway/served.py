"""The gateway that real servers serve in these tests. ``/seen`` and ``/drain`` stand outside of it."""

from __future__ import annotations

import json
import os
import resource
from typing import Any

from meshkit import Cluster, ConcurrencyLimit, Constant, Retry
from meshkit.config import Listener, Mesh
from meshkit.gateway import Gateway
from meshkit.route.local import App
from meshkit.route.match import Match
from meshkit.route.route import Route

shop = Cluster("shop", [f"127.0.0.1:{os.environ['UPSTREAM']}"])
again = Retry(on=["5xx", "reset"], attempts=2, budget=None, backoff=Constant(0.01))


async def told(scope: Any, receive: Any, send: Any) -> None:
    """An app that reads the request, and says what it was."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False) and message["type"] == "http.request"
    await answer(send, body)


gateway = Gateway(
    Mesh(
        routes=[
            Route(Match(prefix="/again"), shop, policies=[again]),
            Route(Match(prefix="/queue/app"), App(told), policies=[ConcurrencyLimit(1, queue=9)], name="app"),
            Route(Match(prefix="/queue"), shop, policies=[ConcurrencyLimit(1, queue=9)], name="queue"),
            Route(to=shop),
        ],
        listeners=[Listener("public", trusted=["127.0.0.0/8"])],
    )
)


async def answer(send: Any, body: bytes) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]},
    )
    await send({"type": "http.response.body", "body": body})


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == "/seen":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seen = {"idle": gateway.idle(), "under_way": gateway.under_way, "peak": peak * 1024}
        await answer(send, json.dumps(seen).encode())
    elif scope["type"] == "http" and scope["path"] == "/drain":
        gateway.drain()
        await answer(send, b"ok")
    else:
        await gateway(scope, receive, send)
