"""What else does a response say, and what is it to say to the caller? Read only where a policy asks for it.

``call.quota``, for a state with ``reads_quota = True``, becomes (requests remaining, seconds until more)::

    429 or 503 with Retry-After      (0, what it asks for)
    otherwise                        what the RateLimit fields say, or those that came before them

The first takes precedence (draft-ietf-httpapi-ratelimit-headers-11, section 7). ``call.report``, for one with
``reads_report = True``, becomes what the endpoint says of its load (`meshkit.fields.orca`).

Cookies that a balancer gives the caller (``call.cookies``) stand in the response as if the upstream had set them: the
client's own jar keeps them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from ..call import Call
from ..fields import set_cookie
from ..fields.rate_limit import read
from ..fields.retry_after import parse, parse_ms
from ..section import within

__all__ = ["Note", "give", "notes_for"]

Note = Callable[[Call, Any], None]


def notes_for(states: Iterable[Any]) -> tuple[Note, ...]:
    """What is to be noted of each response for the states, or for those behind them: in a cluster, in a fallback, on
    trial.
    """
    every = list(within(states))
    asked = (("reads_quota", note_quota), ("reads_report", note_report))
    return tuple(note for name, note in asked if any(getattr(state, name, False) for state in every))


def give(call: Call, response: Any) -> None:
    """Set the call's cookies in a response."""
    fields = [(set_cookie.NAME, line) for line in set_cookie.lines(call.cookies or ())]
    response.headers = type(response.headers)([*response.headers.raw, *fields])


def note_report(call: Call, response: Any) -> None:
    """Set ``call.report`` from a response: ``None`` where it says nothing."""
    from ..fields.orca import read as read_load

    call.report = read_load(response.headers.get)


def note_quota(call: Call, response: Any) -> None:
    """Set ``call.quota`` from a response; leave it where the response says nothing."""
    headers, now = response.headers, time.time()
    if response.status_code in (429, 503):
        asked = parse_ms(headers.get("retry-after-ms", ""))
        if asked is None:
            asked = parse(headers.get("retry-after", ""), now)
        if asked is not None:
            call.quota = (0.0, asked)
            return
    for name, _ in headers.raw:  # one walk over the fields, instead of one for each name that may be there
        if b"ratelimit" in name.lower():
            quota = read(headers.get, now)
            if quota is not None:
                call.quota = quota
            return
