"""When does an attempt's span begin and end, and what does it tell? Follows one call of a client.

::

    sending ──► begins, and is current      returned ──► what was current before is so again
                                            AttemptEnded ──► ends; with a stream, as its body is closed

Between attempts the caller's own code runs: a middleware, a fallback, what decides about a retry. What that asks of
others is no part of an attempt.

What came of an attempt that was broken off is known later, as the call goes on or is over: it is ``lost`` to a better
answer, a ``timeout``, or cancelled with the call.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

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
"""In a context: it was us who said so, for which call, and what was current outside."""
IGNORED = Verdict.IGNORED


class AttemptSpans:
    """Follows a call of a client: a span for each attempt."""

    __slots__ = (
        "_ahead",
        "_attributes",
        "_clock",
        "_current",
        "_given",
        "_hedged",
        "_name",
        "_open",
        "_pipeline",
        "_sent",
        "_theirs",
        "_token",
        "_tracer",
        "_unclear",
        "_versions",
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
        self._current: Any = trace.get_current_span(around)
        self._theirs = theirs
        """Whether the span that is current is this very request's."""
        self._open: dict[int, Any] = {}
        self._unclear: list[tuple[Any, AttemptEnded]] = []
        """Attempts that came to nothing, until it is known why."""
        self._given = False
        """Whether the caller has an answer."""
        self._sent: set[int] = set()
        self._versions: dict[int, Any] = {}
        """Of the protocol; of the attempt whose answer is given."""
        self._hedged = False
        if around.get(SENDING) is not None:  # what is suppressed is all else beneath, and not what happens here
            around = Context({**around, SENDING: None, HTTP_OFF: None})
        self._token = context.attach(around)

    def sending(self, call: Any, number: int, /) -> Fields:
        if number in self._sent:  # a fault takes the place of a further attempt: nothing is sent
            return ()
        self._sent.add(number)
        where = conventions.where(call, number, self._pipeline)
        outside = _outside(call, context.get_current())
        inside = Context({**outside, HTTP_OFF: True, SENDING: (ref(call.events), outside)})
        if number == 1 and self._theirs:
            said = self._current.attributes  # a pipeline around this one has its own on it
            self._current.set_attributes({name: value for name, value in where.items() if name not in said})
            context.attach(inside)
            return ()
        began = at(self._ahead, self._clock())
        attributes = self._attributes | where
        span = self._tracer.start_span(self._name, outside, SpanKind.CLIENT, attributes, start_time=began)
        self._open[number] = span
        inside = trace.set_span_in_context(span, inside)
        context.attach(inside)
        return written(inside)

    def returned(self, call: Any, number: int, /) -> None:
        here = context.get_current()
        outside = _outside(call, here)
        if outside is not here:
            context.attach(outside)

    def answered(self, call: Any, response: Any, /) -> None:
        self._given = True
        over = {event.number for event in call.events if event.__class__ is AttemptEnded}
        for number in self._open:  # the others have ended, and are about to be told of
            if number not in over:
                self._versions[number] = response.extensions.get("http_version")

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
        given = event.number in self._versions
        version = self._versions.pop(event.number, None)
        failure, status, verdict = event.failure, event.status, event.verdict
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if isinstance(version, bytes):
            span.set_attribute("network.protocol.version", version.decode("ascii", "replace").removeprefix("HTTP/"))
        if status is None:
            unclear = verdict is IGNORED or (failure is None and verdict is not Verdict.SUCCESS)
        else:
            unclear = verdict is IGNORED and self._hedged and not given
        if unclear:
            self._unclear.append((span, event))
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
        for span, event in unclear:
            if event.verdict is not IGNORED and not late:
                self._end(span, event.at, event.verdict.value, event.verdict.value, None)
            elif event.verdict is IGNORED and lost:
                refused = event.status is not None and event.status >= 400
                self._end(span, event.at, "lost", str(event.status) if refused else "", None)
            elif outcome == "success":  # broken off by a middleware, which then had it otherwise
                self._end(span, event.at, event.verdict.value, "", None)
            else:
                self._end(span, event.at, "timeout" if late else outcome, *conventions.why(failure))

    def _end(self, span: Any, ended_at: float, outcome: str, kind: str, says: str | None) -> None:
        span.set_attribute("meshkit.outcome", outcome)
        if kind:
            span.set_attribute("error.type", kind)
            span.set_status(StatusCode.ERROR, says)
        span.end(at(self._ahead, ended_at))


def _outside(call: Any, here: Context) -> Context:
    """What is current but for an attempt of this call: of one that was broken off, perhaps nobody has said so."""
    sending: Any = here.get(SENDING)
    return sending[1] if sending is not None and sending[0]() is call.events else here
