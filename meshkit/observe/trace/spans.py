"""When does a span begin and end, and what does it tell? Follows one call, and writes its conventions.

::

    AttemptSpans    sending ──► begins, and is current      AttemptEnded ──► ends; with a stream, as its body is closed
    WholeSpan       follow  ──► begins, and is current      CallEnded    ──► ends

All instants are those of the call's events, on the wall clock as it stood when the call began. What an attempt came to
that was cancelled is known when its call is over: ``lost`` to a better answer, or cancelled with the call.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode

from ...call import Verdict
from ...errors import Rejected, TimedOut
from ..events import AttemptBegan, AttemptEnded, CallEnded, Hedged
from ..trail import Fields
from . import conventions

__all__ = ["HTTP_OFF", "SENDING", "AttemptSpans", "WholeSpan", "detach", "written"]

HTTP_OFF = getattr(context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")
"""In a context: no spans of HTTP. Private, but it is from there that the instrumentations have it."""
SENDING = context.create_key("meshkit-sending")
"""In a context: it was us who said so."""
IGNORED = Verdict.IGNORED


class WholeSpan:
    """Follows a call that is one span, as a rule its own: a request that came in, a function's call."""

    __slots__ = ("_ahead", "_before", "_door", "_known", "_span", "_token", "request")

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
        if pipeline.name and span.is_recording():
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
        following._token = context.attach(trace.set_span_in_context(span, above))
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
            span.set_attribute("meshkit.outcome", event.outcome)
        if self._token is not None:
            if span.is_recording():
                kind, says = self._called(event) if self.request is None else self._served(event)
                if kind:
                    span.set_attribute("error.type", kind)
                    span.set_status(StatusCode.ERROR, says)
            span.end(at(self._ahead, event.at))

    def answering(self, call: Any, status: int, /) -> Fields:
        if self._token is None:  # a span of somebody else's ends with the answer: what has happened is told now
            events = [*call.events]
            already, self._before = self._before, len(events)
            for event in events[already:]:
                tell(self._span, event, self._ahead)
        return ()

    def left(self) -> None:
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
        if status is None and isinstance(error, Rejected | TimedOut) and error is not self.request.error:
            from ...asgi.refusal import refusal

            status, error = refusal(error)[0], None  # which is what the middleware is about to answer
        if status is not None:
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                return str(status), None
        elif error is None and event.outcome == "failure":
            return event.outcome, None  # the app returned, and had answered nothing
        return conventions.why(error)


class AttemptSpans:
    """Follows a call of a client: a span for each attempt."""

    __slots__ = (
        "_ahead",
        "_around",
        "_attributes",
        "_clock",
        "_current",
        "_hedged",
        "_name",
        "_open",
        "_pipeline",
        "_responses",
        "_sent",
        "_theirs",
        "_token",
        "_tracer",
        "_unclear",
    )

    detailed = False
    answering = None

    def __init__(
        self, pipeline: Any, call: Any, around: Context, *, tracer: Any, about: Any, known: Any, theirs: bool
    ) -> None:
        request = call.request
        self._tracer = tracer
        self._pipeline = pipeline.name
        self._clock = pipeline.clock
        self._ahead = ahead(pipeline)
        template = request.extensions.get("url_template")
        self._name = conventions.titled(about, template, known)
        self._attributes = conventions.client(about, bool(request.url.query), template, known)
        self._around = around
        self._current = trace.get_current_span(around)
        self._theirs = theirs
        """Whether the span that is current is this very request's."""
        self._open: dict[int, Any] = {}
        self._unclear: list[tuple[Any, float]] = []
        """Attempts that came to nothing, until it is known why."""
        self._sent: set[int] = set()
        self._responses: dict[int, tuple[int, Any]] = {}
        self._hedged = False
        self._token = context.attach(around)  # what `sending` makes current ends with it

    def sending(self, call: Any, number: int, /) -> Fields:
        if number in self._sent:  # a fault takes the place of a further attempt: nothing is sent
            return ()
        self._sent.add(number)
        where = conventions.where(call, number, self._pipeline)
        inside = Context({**self._around, HTTP_OFF: True, SENDING: True})
        if number == 1 and self._theirs:
            self._current.set_attributes(where)
            context.attach(inside)
            return ()
        began = at(self._ahead, self._clock())
        attributes = self._attributes | where
        span = self._tracer.start_span(self._name, self._around, SpanKind.CLIENT, attributes, start_time=began)
        self._open[number] = span
        inside = trace.set_span_in_context(span, inside)
        context.attach(inside)
        return written(inside)

    def answered(self, call: Any, response: Any, /) -> None:
        over = {event.number for event in call.events if event.__class__ is AttemptEnded}
        for number in self._open:  # the others have ended, and are about to be told of
            if number not in over:
                self._responses[number] = response.status_code, response.extensions.get("http_version")

    def __call__(self, event: Any, /) -> None:
        kind = event.__class__
        if kind is AttemptEnded:
            self._ended(event)
        elif kind is CallEnded:
            self._over(event)
        elif kind is not AttemptBegan:
            self._hedged = self._hedged or kind is Hedged
            tell(self._current, event, self._ahead)

    def left(self) -> None:
        detach(self._token)

    def _ended(self, event: AttemptEnded) -> None:
        span = self._open.pop(event.number, None)
        if span is None:
            return
        status, version = self._responses.pop(event.number, (None, None))
        failure = event.failure
        if failure is not None and failure.status is not None:
            status = failure.status
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if isinstance(version, bytes):
            span.set_attribute("network.protocol.version", version.decode("ascii", "replace").removeprefix("HTTP/"))
        if event.verdict is IGNORED and status is None:
            self._unclear.append((span, event.at))
            return
        kind, says = conventions.why(failure)
        if not kind and status is not None and status >= 400:
            kind = str(status)
        outcome = conventions.word(event.verdict, failure)
        if not kind and outcome in ("failure", "overloaded"):
            kind = outcome
        self._end(span, event.at, outcome, kind, says)

    def _over(self, event: CallEnded) -> None:
        lost = self._hedged and event.outcome != "cancelled"
        kind, says = ("", None) if lost else conventions.why(event.failure)
        for span, ended_at in self._unclear:
            self._end(span, ended_at, "lost" if lost else event.outcome, kind, says)
        for span in self._open.values():
            self._end(span, event.at, event.outcome, kind, says)
        self._open.clear()
        self._unclear.clear()

    def _end(self, span: Any, ended_at: float, outcome: str, kind: str, says: str | None) -> None:
        span.set_attribute("meshkit.outcome", outcome)
        if kind:
            span.set_attribute("error.type", kind)
            span.set_status(StatusCode.ERROR, says)
        span.end(at(self._ahead, ended_at))


def written(inside: Context) -> list[tuple[bytes, bytes]]:
    """What the propagators make of a context."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, inside)
    return [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in carrier.items()]


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
