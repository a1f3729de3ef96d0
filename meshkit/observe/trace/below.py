"""What does a span that begins right below one of ours stand for? If it is a SERVER span: for the very same request.

Another one that was sent from within has a CLIENT span in between; where nobody traces the client, its fields name no
span, and those who go by the fields begin a trace. Only we do not, and know which request is which. Needs the SDK of
OpenTelemetry, as there are such spans with it only; see `serving`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind

__all__ = ["Below"]


class Below(SpanProcessor):
    """Makes it an INTERNAL span before anybody has seen it end. ``serving`` is our span of the request."""

    def __init__(self, serving: ContextVar[Any]) -> None:
        self._serving = serving

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if span.kind is not SpanKind.SERVER or span.instrumentation_scope.name == "meshkit":
            return
        ours, parent = self._serving.get(), span.parent
        if ours is not None and parent is not None and parent.span_id == ours.get_span_context().span_id:
            span._kind = SpanKind.INTERNAL  # there is no public way
