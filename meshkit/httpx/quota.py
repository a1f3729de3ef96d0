"""What does a response say is left of the upstream's limit? Read only where a policy asks for it.

``call.quota`` becomes (requests remaining, seconds until more)::

    429 or 503 with Retry-After      (0, what it asks for)
    otherwise                        what the RateLimit fields say, or those that came before them

The first takes precedence (draft-ietf-httpapi-ratelimit-headers-11, section 7). A policy asks by a state with
``reads_quota = True``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..call import Call
from ..fields.rate_limit import read
from ..fields.retry_after import parse, parse_ms
from ..section import within

__all__ = ["note_quota", "wants_quota"]


def wants_quota(states: Iterable[Any]) -> bool:
    """Whether one of the states reads ``call.quota``, or one behind them: in a cluster, in a fallback, on trial."""
    return any(getattr(state, "reads_quota", False) for state in within(states))


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
