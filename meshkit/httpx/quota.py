"""What does a response say is left of the upstream's limit? Read only where a policy asks for it.

``call.quota`` becomes (requests remaining, seconds until more), from the ``RateLimit`` fields or those that came before
them; see `meshkit.fields.rate_limit`. A policy asks by a state with ``reads_quota = True``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..call import Call
from ..fields.rate_limit import read

__all__ = ["note_quota", "wants_quota"]


def wants_quota(states: Iterable[Any]) -> bool:
    """Whether one of the states reads ``call.quota``, or one in the pipelines behind a choice."""
    seen: set[int] = set()
    stack = list(states)
    while stack:
        state = stack.pop()
        if id(state) in seen:
            continue
        seen.add(id(state))
        if getattr(state, "reads_quota", False):
            return True
        for member in getattr(state, "members", ()):
            stack += member.states
    return False


def note_quota(call: Call, response: Any) -> None:
    """Set ``call.quota`` from a response; leave it where the response says nothing."""
    quota = read(response.headers.get, time.time())
    if quota is not None:
        call.quota = quota
