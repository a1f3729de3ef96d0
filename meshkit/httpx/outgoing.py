"""What is the upstream told of the call? How much time is left, which attempt this is, and what it is part of.

==========================  ================================  =====================================================
option                      default                           sent
==========================  ================================  =====================================================
``deadline``                ``x-request-deadline-ms``         with each attempt of a call that has a deadline
``attempt``                 ``x-envoy-attempt-count``         with the second attempt, and those after it
==========================  ================================  =====================================================

So are the fields that those who follow the call want sent along (a span's, say); where there are none of a trace among
them, and none in the request, those that came with the request this call is made for (`meshkit.observe.passing`).

The names of the fields for a deadline are those of `meshkit.fields.deadline`; the other one is Envoy's, and its first
attempt, which it leaves out here, would be 1.
"""

from __future__ import annotations

import re
from typing import Any

from ..call import Call
from ..errors import ConfigError
from ..fields.deadline import GRPC, format_grpc, format_ms
from ..fields.trace_context import NAMES
from ..observe.passing import PASSING
from ..runtime.telling import sending
from .aim import another, told
from .steps import traced

__all__ = ["ATTEMPT", "DEADLINE", "Fields"]

DEADLINE = "x-request-deadline-ms"
ATTEMPT = "x-envoy-attempt-count"
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Fields:
    """Writes them, by the names one transport was given."""

    __slots__ = ("_attempt", "_awaits", "_clock", "_deadline", "_format", "_pipeline")

    def __init__(self, policy: str, pipeline: Any, deadline: str | None, attempt: str | None, *, awaits: bool) -> None:
        self._pipeline = pipeline
        self._clock = pipeline.clock
        self._awaits = awaits
        self._deadline = _name(policy, "deadline", deadline)
        self._attempt = _name(policy, "attempt", attempt)
        self._format = _grpc if self._deadline == GRPC.encode() else _ms

    def told(self, request: Any, call: Call) -> Any:
        """``request`` with what there is to say; where it is not the call's own any more, that very object."""
        fields = self.of(call)
        if call.events is not None and call.events.detailed:
            request = self.traced(request, call)
        return told(request, fields, own=request is not call.request) if fields else request

    def traced(self, request: Any, call: Call) -> Any:
        """``request``, whose steps are written down."""
        steps = traced(request.extensions, call, self._clock, awaits=self._awaits)
        return another(request, request.url, steps)

    def of(self, call: Call) -> list[tuple[bytes, bytes]]:
        """What there is to say. Names are in lower case."""
        fields: list[tuple[bytes, bytes]] = []
        if call.deadline is not None and self._deadline is not None:
            remaining = call.deadline - self._clock()
            fields.append((self._deadline, self._format(remaining if remaining > 0 else 0.0)))
        if call.attempt > 1 and self._attempt is not None:
            fields.append((self._attempt, b"%d" % call.attempt))
        if call.events is not None and call.events.followers:
            fields += sending(self._pipeline, call)
        passing = PASSING.get()
        if passing and not any(name in NAMES for name, _ in fields):
            given = call.request.headers.raw
            if not any(name.lower() in NAMES for name, _ in given):
                fields += passing
        return fields


def _ms(seconds: float) -> bytes:
    return b"%d" % (seconds * 1e3) if seconds < 1e6 else format_ms(seconds).encode("ascii")


def _grpc(seconds: float) -> bytes:
    return format_grpc(seconds).encode("ascii")


def _name(policy: str, option: str, name: Any) -> bytes | None:
    if name is None:
        return None
    if not isinstance(name, str) or not TOKEN.fullmatch(name):
        raise ConfigError.of(policy, option, name, "give the name of a header field, or None")
    return name.lower().encode("ascii")
