"""Who else takes a request for one of its own, further in? Frameworks that trace by themselves, as FastAPI does.

::

    ours: SERVER  ◄── traceparent, as the app reads it
      └── theirs: SERVER, which becomes INTERNAL

They begin where the header fields say, whatever span is current: a second SERVER span, and where no fields came even a
second trace. So while the app runs the fields name our span, as behind any proxy; and a SERVER span right below ours is
of the same request, and made an INTERNAL one as it begins. All else that they record stays.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from opentelemetry import propagate
from opentelemetry.context import Context

__all__ = ["SERVING", "Serving", "watch", "written"]

SERVING: ContextVar[Any] = ContextVar("meshkit.serving", default=None)
"""Our span of the request that is served."""
_watched: WeakSet[Any] = WeakSet()


class Serving:
    """The app runs: its request's fields name this span, until it is `over`."""

    __slots__ = ("_came", "_scope", "_token")

    def __init__(self, scope: Any, span: Any, inside: Context) -> None:
        self._scope = scope
        self._came = scope["headers"]
        self._token = SERVING.set(span)
        fields = written(inside)
        names = {name for name, _ in fields}
        scope["headers"] = [pair for pair in self._came if pair[0].lower() not in names] + fields

    def over(self) -> None:
        self._scope["headers"] = self._came
        with suppress(ValueError):  # the collector closes a coroutine in another context
            SERVING.reset(self._token)


def watch(provider: Any) -> None:
    """Have this provider's SERVER spans right below ours made INTERNAL; where that is no SDK's, nothing happens."""
    with suppress(Exception):  # of whatever kind it is: the spans are then both there, in one trace
        if callable(getattr(provider, "add_span_processor", None)) and provider not in _watched:
            from .below import Below

            provider.add_span_processor(Below(SERVING))
            _watched.add(provider)


def written(inside: Context) -> list[tuple[bytes, bytes]]:
    """What the propagators make of a context."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, inside)
    return [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in carrier.items()]
