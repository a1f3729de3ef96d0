"""Which trace is this work part of? The trace fields of the request it is done for, to be sent on as they came.

A service that takes no part in a trace hands its context on unchanged (W3C Trace Context, 4.3: a pass-through service):
so the spans of those before and behind it stay one trace. The door for servers sets it, the one for clients sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar

__all__ = ["PASSING"]

PASSING: ContextVar[Sequence[tuple[bytes, bytes]]] = ContextVar("meshkit.passing", default=())
"""Header fields, see `meshkit.fields.trace_context`; empty: there are none, or the request is over."""
