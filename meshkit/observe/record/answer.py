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

__all__ = ["answer"]


def answer(exchange: Any, failure: Failure | None) -> dict[str, Any]:
    """As it stands in a decision record."""
    status, error = exchange.status, None if failure is None else failure.error
    said = {"status": status, "by": None if status is None else "app", "gone": exchange.gone}
    from ...asgi.refusal import foretold  # whoever is served has loaded it

    refusal = None if exchange.gone else foretold(exchange, error)
    return said if refusal is None else {**said, "status": refusal[0], "by": "pipeline"}
