"""An app behind a route with actions, for the tests of what they do to bodies."""

from __future__ import annotations

from typing import Any

from meshkit import Pipeline
from meshkit.asgi import MeshMiddleware
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router


def behind(
    app: Any, *actions: Any, policies: Any = (), outside: Any = (), to: Any = None, match: Any = None, **options: Any
) -> MeshMiddleware:
    """``policies`` are the route's, ``outside`` stand in front of the router."""
    route = Route(match or Match(), to, policies=policies, actions=actions)
    return MeshMiddleware(app, Pipeline(*outside, Router([route]), **options), rate_limit=None)


def start(status: int = 200, **headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": pairs}


def body(data: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def saying(*messages: dict[str, Any]) -> Any:
    """An app that sends these, and asks for nothing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


def part(data: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    """Of a request."""
    return {"type": "http.request", "body": data, "more_body": more}
