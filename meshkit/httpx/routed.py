"""What does a route make of a request, and of its answer? Another path, another host, other header fields.

The caller's request is never changed: what differs from it is a copy that shares its body. Where the route changes
nothing it is the request itself. The answer is the caller's, and is changed in place. For bodies: `bodies`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..call import Call
from ..route.edit import NOTHING, Edit
from . import bodies
from .aim import aimed, another, new, sent_to, targeted

__all__ = ["edited", "routed", "under"]

NO_HOST = Edit(frozenset((b"host",)))


def routed(
    request: Any,
    decision: Any,
    clock: Callable[[], float] = time.monotonic,
    endpoint: Any = None,
    call: Call | None = None,
) -> Any:
    """The request as its route has it, to be sent to ``endpoint``; without a route as it came. ``clock``: what a body
    is paced by, until the deadline of ``call``.
    """
    if decision is None:
        return request
    plan = decision.plan
    if endpoint is not None:
        changed = aimed(request, endpoint, decision)
    elif decision.same and decision.host is None and ("target" not in request.extensions or decision.path == "*"):
        if plan.request is NOTHING and not plan.incoming:
            return request
        changed = another(request, request.url, request.extensions)
    else:
        changed = another(request, sent_to(request.url, decision), targeted(request.extensions, decision))
    if decision.host is not None:
        authority = sent_to(request.url, decision).netloc
        changed.headers = under(changed.headers, authority)
    if plan.request is not NOTHING:
        changed.headers = edited(changed.headers, plan.request)
    if plan.incoming:
        changed.stream = bodies.sent(request, plan, clock, call)
    return changed


def edited(headers: Any, edit: Edit) -> Any:
    """Header fields after an edit."""
    gone = edit.gone
    kept = []
    try:
        for field in headers._list:  # its name as written, its name in lower case, its value
            if field[1] not in gone:
                kept.append(field)  # noqa: PERF401  # on 3.11 a comprehension is one call more
        changed = new(type(headers))
        changed._encoding = None  # the library finds it out again, of the fields that there are now
        kept += edit.raw
        changed._list = kept
    except (AttributeError, TypeError, IndexError):  # another version keeps them otherwise
        changed = type(headers)([*(field for field in headers.raw if field[0].lower() not in gone), *edit.come])
    return changed


def under(headers: Any, authority: bytes) -> Any:
    """Header fields with another ``Host``, in front as it should be (RFC 9110, 7.2)."""
    return type(headers)([(b"host", authority), *edited(headers, NO_HOST).raw])
