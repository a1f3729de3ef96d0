"""When does an attempt's span begin and end, and what does it tell? Follows one call of a client.

::

    sending ──► begins, and is current      AttemptEnded ──► ends; with a stream, as its body is closed

What came of an attempt that was broken off is known later, as the call goes on or is over: it is ``lost`` to a better
answer, a ``timeout``, or cancelled with the call.
"""

from __future__ import annotations

from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode

from ...call import Verdict
from ...errors import TimedOut
from ..events import AttemptBegan, AttemptEnded, CallEnded, FellBack, Hedged, Retried
from ..trail import Fields
from . import conventions
from .serving import written
from .spans import ahead, at, detach, tell

__all__ = ["HTTP_OFF", "SENDING", "AttemptSpans"]

HTTP_OFF = getattr(context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")
"""In a context: no spans of HTTP. Private, but it is from there that the instrumentations have it."""
SENDING = context.create_key("meshkit-sending")
"""In a context: it was us who said so."""
IGNORED = Verdict.IGNORED


class AttemptSpans:
    """Follows a call of a client: a span for each attempt."""

    __slots__ = (
        "_ahead",
        "_around",
        "_attributes",
        "_clock",
        "_current",
        "_given",
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
        self._unclear: list[tuple[Any, float, Verdict]] = []
        """Attempts that came to nothing, until it is known why."""
        self._given = False
        """Whether the caller has an answer."""
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
        self._given = True
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
            if kind is Hedged:
                self._hedged = True
            elif kind is Retried:
                self._settle(event.failure, "failure")
            elif kind is FellBack:
                self._settle(event.reason, "failure")
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
        if status is None and (event.verdict is IGNORED or (failure is None and event.verdict is not Verdict.SUCCESS)):
            self._unclear.append((span, event.at, event.verdict))
            return
        kind, says = conventions.why(failure)
        if not kind and status is not None and status >= 400:
            kind = str(status)
        outcome = conventions.word(event.verdict, failure)
        if not kind and outcome in ("failure", "overloaded"):
            kind = outcome
        self._end(span, event.at, outcome, kind, says)

    def _over(self, event: CallEnded) -> None:
        self._settle(event.failure, event.outcome)
        kind, says = conventions.why(event.failure)
        for span in self._open.values():
            self._end(span, event.at, event.outcome, kind, says)
        self._open.clear()

    def _settle(self, failure: Any, outcome: str) -> None:
        """It is known why attempts were broken off: another answered, time ran out, or nobody waits any more."""
        unclear, self._unclear = self._unclear, []
        late = isinstance(getattr(failure, "error", failure), TimedOut)
        lost = self._hedged and (self._given or outcome not in {"cancelled", "timeout"})
        for span, ended_at, verdict in unclear:
            if verdict is not IGNORED and not late:
                self._end(span, ended_at, verdict.value, verdict.value, None)
            elif verdict is IGNORED and lost:
                self._end(span, ended_at, "lost", "", None)
            else:
                self._end(span, ended_at, "timeout" if late else outcome, *conventions.why(failure))

    def _end(self, span: Any, ended_at: float, outcome: str, kind: str, says: str | None) -> None:
        span.set_attribute("meshkit.outcome", outcome)
        if kind:
            span.set_attribute("error.type", kind)
            span.set_status(StatusCode.ERROR, says)
        span.end(at(self._ahead, ended_at))
