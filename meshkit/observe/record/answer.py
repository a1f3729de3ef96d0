"""What was the client of a server answered, and by whom? Said when its call ends; a refusal is sent only after that.

==============================================  ======================================================
an answer had begun                             its status, ``"by": "app"``
the pipeline refuses, or its deadline passes    the status that stands for it, ``"by": "pipeline"``
the same by a call of the app's,                the same
and the middleware's ``translate`` is on
the client had gone, or nothing was answered    no status
==============================================  ======================================================
"""

from __future__ import annotations

from typing import Any

from ...call import Failure
from ...errors import Rejected, TimedOut

__all__ = ["answer"]

DENIED = 403
"""Of a handshake for which the server knows no better."""


def answer(exchange: Any, failure: Failure | None) -> dict[str, Any]:
    """As it stands in a decision record."""
    status, error = exchange.status, None if failure is None else failure.error
    said = {"status": status, "by": None if status is None else "app", "gone": exchange.gone}
    if status is not None or exchange.gone or not isinstance(error, Rejected | TimedOut):
        return said
    ours = error is not exchange.error
    if not ours and not getattr(exchange.door, "translates", False):
        return said
    scope = exchange.scope
    if scope["type"] == "websocket" and "websocket.http.response" not in (scope.get("extensions") or ()):
        return {**said, "status": DENIED, "by": "pipeline"}
    from ...asgi.refusal import refusal  # whoever is served has loaded it

    return {**said, "status": refusal(error, ours=ours)[0], "by": "pipeline"}
