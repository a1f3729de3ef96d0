"""What else does a response say, and what is it to say to the caller? Read only where a policy asks for it.

``call.quota``, for a state with ``reads_quota = True``, becomes (requests remaining, seconds until more)::

    429 or 503 with Retry-After      (0, what it asks for)
    otherwise                        what the RateLimit fields say, or those that came before them

The first takes precedence (draft-ietf-httpapi-ratelimit-headers-11, section 7). ``call.report``, for one with
``reads_report = True``, becomes what the endpoint says of its load (`meshkit.fields.orca`).

What status is a failure is up to the retries and fallbacks: who asks for a 409 again calls it one. That holds for the
calls that come by them, and not for another route's.

Cookies that a balancer gives the caller (``call.cookies``) stand in the response as if the upstream had set them: the
client's own jar keeps them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..call import Call
from ..fields import set_cookie
from ..fields.rate_limit import read
from ..fields.retry_after import parse, parse_ms
from ..inside import taken
from ..section import within

__all__ = ["Note", "Statuses", "give", "notes_for"]

Note = Callable[[Call, Any], None]


def notes_for(states: Iterable[Any]) -> tuple[Note, ...]:
    """What is to be noted of each response for the states, or for those behind them: in a cluster, in a fallback, on
    trial.
    """
    every = list(within(states))
    asked = (("reads_quota", note_quota), ("reads_report", note_report))
    return tuple(note for name, note in asked if any(getattr(state, name, False) for state in every))


class Statuses:
    """Which statuses are failures because a retry or a fallback is for them. ``named``: those of all."""

    __slots__ = ("_everywhere", "_of", "_states", "named")

    def __init__(self, states: Sequence[Any]) -> None:
        self._states = states
        self.named = _statuses(within(states))
        self._everywhere = _statuses(_outside(states))
        self._of: dict[int, frozenset[int]] = {}
        """Of routes and branches, by the identity of their states."""

    def fails(self, call: Call, status: int) -> bool:
        """Whether one that this call comes by is for it, which is one of those ``named``."""
        if status in self._everywhere:
            return True
        routes = [*taken(self._states, call)]
        if not routes:  # behind a middleware only the last route is known, and without a router none
            rule: Any = getattr(call.route, "rule", None)
            if not hasattr(rule, "states"):
                return True
            routes = [rule.states]
        return any(status in self._on(route) for route in routes)

    def _on(self, route: Sequence[Any]) -> frozenset[int]:
        found = self._of.get(id(route))
        if found is None:
            found = self._of[id(route)] = _statuses(_outside(route))
        return found


def _statuses(states: Iterable[Any]) -> frozenset[int]:
    return frozenset().union(*(getattr(state, "statuses", ()) for state in states))


def _outside(states: Iterable[Any]) -> Iterator[Any]:
    """All that a call comes by in any case: what is in front of routers."""
    return within(state for state in states if not hasattr(state, "titles"))


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
