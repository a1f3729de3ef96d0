"""How is the end of a call told in one line? Who, what became of it, how long it took, and why.

::

    orders: GET https://shop/orders failed after 3 attempts in 1.82 s: connection refused
    orders: charge was rejected in 67 µs, not made: payments: open after 5 failures; next probe in 3.2 s
    api: POST /orders/{id} failed with 500 in 1.2 ms: KeyError
    web: GET http://shop/orders by route orders-v2, branch canary failed after 1 attempt in 0.2 s: status 500

Seconds are written as in a decision record.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..record.phrases import seconds
from ..redact import path, text
from .line import authority

__all__ = ["ENDS", "FAILED", "LATE", "cause_of", "more", "took", "way", "who"]

LATE = "late"
"""What became of a call that its caller's deadline has cancelled."""
ENDS = {
    "failure": ("call failed", "%s failed%s%s%s", logging.WARNING),
    "overloaded": ("call overloaded", "%s failed%s%s%s", logging.WARNING),
    "timeout": ("call timed out", "%s timed out%s%s%s", logging.WARNING),
    LATE: ("call timed out", "%s timed out%s%s%s", logging.WARNING),
    "rejected": ("call rejected", "%s was rejected%s%s%s", logging.INFO),
    "success": ("call succeeded", "%s succeeded%s%s%s", logging.INFO),
    "cancelled": ("call cancelled", "%s was cancelled%s%s%s", logging.INFO),
    "ignored": ("call ignored", "%s ended%s, which counts against nobody%s%s", logging.INFO),
}
FAILED = ("failure", "overloaded", "timeout", LATE, "rejected")
UNSENT = {"function": ", not made", "client": ", not sent", "server": ", before the app was asked"}


def who(known: Mapping[str, Any]) -> str:
    """``charge``, ``GET https://shop:8443/orders/*``, ``POST /orders/{id}``."""
    if "name" in known:
        return text(known["name"])
    where = authority(known) if "host" in known else ""
    template = known.get("route") or ""
    if not template.startswith("/"):  # the name of a mesh's route, which is told besides
        template = path(known.get("path") or "")
    return text(f"{known.get('method')} {where}{template}")


def way(route: str, branch: str) -> str:
    """`` by route orders-v2, branch canary``; empty where no router was asked, and no split."""
    known = [f"{kind} {text(name)}" for kind, name in (("route", route), ("branch", branch)) if name]
    return f" by {', '.join(known)}" if known else ""


def took(kind: str | None, attempts: int, duration: float, status: Any) -> str:
    """How often it was tried, and how long that took; of a request that was served, with which status."""
    unsent = "" if attempts else UNSENT.get(kind or "", ", not sent")
    if kind == "server":
        return f"{'' if status is None else f' with {status}'} in {seconds(duration)}{unsent}"
    tried = f" after {attempts} attempt{'s' if attempts > 1 else ''}" if attempts else ""
    return f"{tried} in {seconds(duration)}{unsent}"


def cause_of(end: str, said: Mapping[str, Any]) -> str | None:
    """Why it came to that, where that is worth saying."""
    if end == LATE:
        return "its caller's deadline passed"
    if not said or end in {"success", "cancelled"}:
        return None
    status = said.get("status")
    return said.get("says") or (said.get("error") if status is None else f"status {status}")


def more(hidden: int | None) -> str:
    return f" (and {hidden} more like it)" if hidden else ""
