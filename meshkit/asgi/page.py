"""What has an app to say to an error? It is asked for a page, with the fields of ingress-nginx' default backend."""

from __future__ import annotations

from typing import Any

import anyio

__all__ = ["asked"]

LARGEST = 2**20
"""Bytes of a page,"""
LONGEST = 1.0
"""and seconds that it may take. Of a call with a deadline no more than half of what is left of it: the answer, with
a page or without, is to be there before."""
KEPT = frozenset((b"accept", b"accept-language", b"host"))
"""Of the request's own fields."""


async def asked(app: Any, scope: Any, status: int, left: float | None = None) -> tuple[bytes | None, bytes]:
    """Type (``None``: the app does not say) and body of its page for an answer with this status to this request, for
    which ``left`` seconds are left. Raises what it raises, and `TimeoutError`.
    """
    path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    query = scope.get("query_string", b"")
    headers = [field for field in scope["headers"] if field[0] in KEPT]
    headers += [(b"x-format", value) for name, value in headers if name == b"accept"]
    headers += [(b"x-code", b"%d" % status), (b"x-original-uri", path + (b"?" + query if query else b""))]
    changed = {"method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "", "extensions": {}}
    request = [{"type": "http.request", "body": b"", "more_body": False}]
    kind, body, done = None, bytearray(), False

    async def receive() -> Any:
        if not request:
            await anyio.sleep_forever()
        return request.pop()

    async def send(message: Any) -> None:
        nonlocal kind, done
        if message["type"] == "http.response.start":
            kind = next((value for name, value in message["headers"] if name.lower() == b"content-type"), None)
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))
            done = not message.get("more_body")
        if len(body) > LARGEST:
            raise ValueError(f"the page for {status} is longer than {LARGEST} bytes")

    with anyio.fail_after(LONGEST if left is None else min(LONGEST, left / 2)):
        await app({**scope, **changed, "headers": headers}, receive, send)
    if not done:
        raise ValueError(f"the page for {status} has no end")
    return kind, bytes(body)
