"""What does a route make of a request, and of its answer? Another path, another host, other header fields.

The caller's request is never changed: what differs from it is a copy that shares its body. Where the route changes
nothing it is the request itself. The answer is the caller's, and is changed in place. For bodies: `bodies`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..call import Call
from ..route.edit import Edit
from . import bodies
from .aim import another, new

__all__ = ["answered", "routed"]


def routed(request: Any, decision: Any, clock: Callable[[], float] = time.monotonic) -> Any:
    """The request as its route has it. ``clock``: what a body is paced by."""
    plan = decision.plan
    if decision.same and decision.host is None:
        if not plan.request and not plan.incoming:
            return request
        changed = another(request, request.url, request.extensions)
    else:
        changed = another(request, _url(request.url, decision), request.extensions)
    if decision.host is not None:
        authority = changed.url.netloc
        changed.headers = edited(changed.headers, Edit(frozenset((b"host",)), ((b"host", authority),)), front=True)
    if plan.request:
        changed.headers = edited(changed.headers, plan.request)
    if plan.incoming:
        changed.stream = bodies.sent(request, plan, clock)
    return changed


def _url(url: Any, decision: Any) -> Any:
    try:
        scheme, userinfo, host, port, _, query, fragment = url._uri_reference
        parts = (scheme, userinfo, decision.host or host, port, decision.path, query, fragment)
        there = new(type(url))
        there._uri_reference = url._uri_reference._make(parts)
    except (AttributeError, TypeError, ValueError):  # another version parses otherwise
        target = decision.path if decision.query is None else f"{decision.path}?{decision.query}"
        changes = {"raw_path": target.encode("ascii")}
        return url.copy_with(**changes) if decision.host is None else url.copy_with(host=decision.host, **changes)
    return there


def edited(headers: Any, edit: Edit, *, front: bool = False) -> Any:
    """Header fields after an edit."""
    gone, come = edit.gone, edit.come
    try:
        kept = [field for field in headers._list if field[1] not in gone]
        more = [(name, name, value) for name, value in come]
        changed = new(type(headers))
        changed._encoding = headers._encoding
        changed._list = more + kept if front else kept + more
    except (AttributeError, TypeError, IndexError):  # another version keeps them otherwise
        kept = [(name, value) for name, value in headers.raw if name.lower() not in gone]
        changed = type(headers)([*come, *kept] if front else [*kept, *come])
    return changed


def answered(response: Any, call: Call, clock: Callable[[], float]) -> Any:
    """The answer as the route has it; it may be another one."""
    plan = call.route.plan
    if plan.answer:
        response.headers = edited(response.headers, plan.answer)
    return bodies.answered(response, call, clock) if plan.outgoing else response
