"""What is an app told of a connection? The same for all requests that come on it."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["scope_of"]

ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
EXTENSIONS: Final[dict[str, Any]] = {"http.response.early_hint": {}, "http.response.trailers": {}}


def scope_of(connection: Any) -> dict[str, Any]:
    """The part of a scope that is not of the request; each request gets a copy, and of the state one of its own."""
    return {
        "type": "http",
        "asgi": ASGI,
        "server": connection.server,
        "client": connection.client,
        "scheme": connection.scheme,
        "root_path": "",
        "extensions": EXTENSIONS,
    }
