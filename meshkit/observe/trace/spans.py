"""When does the span of a whole call begin and end, and what does it tell? Of a request that came in, or a function's.

::

    follow ──► begins, and is current      CallEnded ──► ends

All instants are those of the call's events, on the wall clock as it stood when the call began.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode

from ..events import CallEnded
from ..trail import Fields
from . import conventions
from .serving import Serving

__all__ = ["WholeSpan", "ahead", "at", "detach", "tell"]


class WholeSpan:
    """Follows a call that is one span, as a rule its own: a request that came in, a function's call."""

    __slots__ = ("_ahead", "_before", "_door", "_known", "_span", "_token", "request", "serving")

    detailed = False
    sending = None
    answered = None

    def __init__(self, pipeline: Any, call: Any, span: Any) -> None:
        self.request: Any = call.request if hasattr(call.request, "scope") else None
        """Of a server: what its door is asked about, when all is known."""
        self._ahead = ahead(pipeline)
        self._before = 0
        """Events told already, and about to be delivered."""
        self._door = call.door
        self._known: frozenset[str] = frozenset()
        self._span = span
        self._token: Any = None
        """Set: the span is our own, and current."""
        self.serving: Serving | None = None
        said = getattr(span, "attributes", None) or ()  # a pipeline around this one has its name on it
        if pipeline.name and span.is_recording() and "meshkit.pipeline" not in said:
            span.set_attribute("meshkit.pipeline", pipeline.name)

    @classmethod
    def begun(
        cls, pipeline: Any, call: Any, above: Context, *, tracer: Any, name: str, kind: SpanKind, said: Any, known: Any
    ) -> WholeSpan:
        """With a span of its own."""
        before = ahead(pipeline)
        span = tracer.start_span(name, above, kind, said, start_time=at(before, call.began_at))
        following = cls(pipeline, call, span)
        following._ahead = before
        following._known = known
        inside = trace.set_span_in_context(span, above)
        if following.request is not None:
            try:
                following.serving = Serving(following.request.scope, span, inside)
            except Exception:  # a propagator's own: there is no following then
                span.end()
                raise
        following._token = context.attach(inside)
        return following

    def __call__(self, event: Any, /) -> None:
        span = self._span
        if self._before:
            self._before -= 1
            return
        if event.__class__ is not CallEnded:
            tell(span, event, self._ahead)
            return
        if span.is_recording():
            span.set_attributes({"meshkit.outcome": event.outcome, **conventions.way(event)})
        if self._token is not None:
            if span.is_recording():
                kind, says = self._called(event) if self.request is None else self._served(event)
                if kind:
                    span.set_attribute("error.type", kind)
                    span.set_status(StatusCode.ERROR, says)
            span.end(at(self._ahead, event.at))

    def answering(self, call: Any, status: int, /) -> Fields:
        if self._token is None:  # a span of somebody else's ends with the answer: what has happened is told now
            if self._span.is_recording() and not call.events.over:  # as far as is known; there may be no later
                said = {"meshkit.outcome": call.request.verdict.value, **conventions.way(call.events)}
                self._span.set_attributes(said)
            events = [*call.events]
            already, self._before = self._before, len(events)
            for event in events[already:]:
                tell(self._span, event, self._ahead)
        return ()

    def left(self) -> None:
        if self.serving is not None:
            self.serving.over()
        if self._token is not None:
            detach(self._token)

    def _called(self, event: CallEnded) -> tuple[str, str | None]:
        self._span.set_attribute("meshkit.attempts", event.attempts)
        kind, says = conventions.why(event.failure)
        if not kind and event.outcome in {"failure", "overloaded"}:
            kind = event.outcome
        return kind, says

    def _served(self, event: CallEnded) -> tuple[str, str | None]:
        span = self._span
        about = self._door.about(self)
        route, status = about.get("route"), about.get("status")
        if route:
            span.update_name(conventions.titled(about, route, self._known))
            span.set_attribute("http.route", route)
        error = None if event.failure is None else event.failure.error
        if status is None:
            from ...asgi.refusal import foretold  # whoever is served has loaded it

            refusal = foretold(self.request, error)
            if refusal is not None:
                status, error = refusal[0], None
        if status is not None:
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                return str(status), None
        elif error is None and event.outcome == "failure":
            return event.outcome, None  # the app returned, and had answered nothing
        return conventions.why(error)


def detach(token: Any) -> None:
    """What was current before is so again; as quietly where the collector closes a coroutine in another context."""
    variable = getattr(token, "var", None)
    if variable is None:
        context.detach(token)
        return
    with suppress(ValueError):
        variable.reset(token)


def ahead(pipeline: Any) -> int:
    """By how many nanoseconds the wall clock is ahead of the pipeline's."""
    return time.time_ns() - int(pipeline.clock() * 1e9)


def at(ahead: int, instant: float) -> int:
    """An instant on the pipeline's clock, in nanoseconds since 1970."""
    return ahead + int(instant * 1e9)


def tell(span: Any, event: Any, ahead: int) -> None:
    """An event that is no attempt's, as one of the span."""
    if span.is_recording():
        told = conventions.told(event)
        if told is not None:
            span.add_event(*told, timestamp=at(ahead, event.at))
