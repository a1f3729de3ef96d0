"""Where in a trace does a call stand? OpenTelemetry's spans: one for each request that is really sent.

::

    of a pipeline for        spans                                       current
    ─────────────────        ────────────────────────────────────────    ──────────────────────────────
    httpx                    a CLIENT span for each attempt              while that attempt is sent
    an ASGI app              a SERVER span for each request              while the app runs
    a function               an INTERNAL span for each call              while the function runs

What is no attempt (a refusal, a retry, a hedge, a change of state) is an event of the call's own span; an httpx call
has none, so there it is one of the span that was current when the call began. Names and attributes: `conventions`.

No request has two spans. While an attempt is sent, and no longer, HTTP instrumentation beneath is suppressed by the key
that those of OpenTelemetry look for. Where the one of the client or the server, FastAPI itself, or a pipeline around
this one has begun a span for this very request before it came here, that span is the first attempt's, or the request's;
and where a server's begins later, it is an INTERNAL one below ours (`serving`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import ConfigError
from ...fields.trace_context import NAMES
from ..redact import text
from ..trail import Fields
from . import conventions

try:
    from opentelemetry import context, propagate, trace
except ImportError as error:
    raise ConfigError("Tracing: OpenTelemetry's API is missing: pip install meshkit[otel]") from error

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind

from .attempts import HTTP_OFF, SENDING, AttemptSpans
from .serving import SERVING, watch, written
from .spans import WholeSpan, detach

__all__ = ["Tracing"]

SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
OFF = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
THEIRS = "opentelemetry.instrumentation."
"""How the names of those begin whose span may be this very request's."""
BY_THEMSELVES = frozenset({"fastapi", "starlette", "meshkit"})
"""Others, that need no instrumentation; and a pipeline around this one."""

Headers = dict[str, list[str]]


class Tracing:
    """Spans, by ``pipeline.listen(Tracing())``; one may listen to any number of pipelines.

    ``tracer_provider``: whose spans they are; by default the global one, also where it is set later. What is sent on,
    and what is read, is up to the global propagators (``OTEL_PROPAGATORS``). The template that a client's span is named
    after is taken from the request: ``client.get(url, extensions={"url_template": "/orders/{id}"})``.

    Nothing that others have written gets onto a span: no query, header field, body, argument, or exception's text.
    Raises `ConfigError` for what is no provider, and where OpenTelemetry's API is not installed.
    """

    __slots__ = ("_known", "_provider", "_tracer", "_watched")

    def __init__(self, *, tracer_provider: Any = None) -> None:
        if tracer_provider is not None and not callable(getattr(tracer_provider, "get_tracer", None)):
            fix = "give a TracerProvider of opentelemetry.sdk.trace, or leave it out for the global one"
            raise ConfigError.of("Tracing", "tracer_provider", tracer_provider, fix)
        self._tracer: Any = trace.get_tracer("meshkit", None, tracer_provider, SCHEMA)
        self._known = conventions.known_methods()
        self._provider = tracer_provider
        self._watched: Any = None
        """The provider of which we know the spans below ours."""

    def follow(self, pipeline: Any, call: Any, /) -> AttemptSpans | WholeSpan | Passing | None:
        """Begin the span of a request that came in, or of a function's call; an attempt's begins as it is sent."""
        around = context.get_current()
        tracer = getattr(self._tracer, "_tracer", self._tracer)  # behind a proxy; by now there may be a provider
        if isinstance(tracer, trace.NoOpTracer):
            return _passing(call, around)
        if around.get(OFF) or around.get("suppress_instrumentation"):
            return None
        about = call.door.about(call)
        kind = about["kind"]
        if kind == "function":
            name = text(about["name"])
            kind = SpanKind.INTERNAL
            return WholeSpan.begun(pipeline, call, around, tracer=tracer, name=name, kind=kind, said={}, known=None)
        if around.get(HTTP_OFF) and around.get(SENDING) is None:
            return None
        current = trace.get_current_span(around)
        if kind == "client":
            theirs = _is_of(current, SpanKind.CLIENT) and _sends(current, call, about, self._known)
            return AttemptSpans(pipeline, call, around, tracer=tracer, about=about, known=self._known, theirs=theirs)
        headers = _read(call.request.scope["headers"])
        span = _serving(current, headers)
        if span is not None:
            return WholeSpan(pipeline, call, span)
        if around.get(SENDING) is not None:  # a client of ours, and an app in its own process
            around = Context({**around, SENDING: None, HTTP_OFF: None})
        provider = self._provider or trace.get_tracer_provider()
        if self._watched is not provider:
            watch(provider)
            self._watched = provider
        above = propagate.extract(headers, around, GETTER)
        return WholeSpan.begun(
            pipeline,
            call,
            above,
            tracer=tracer,
            name=conventions.titled(about, None, self._known),
            kind=SpanKind.SERVER,
            said=conventions.server(about, call.request.scope.get("http_version"), self._known),
            known=self._known,
        )

    def __repr__(self) -> str:
        return "Tracing()"


class Passing:
    """Follows a call where nobody records: the context that came is passed on, and no more."""

    __slots__ = ("_inside", "_token")

    detailed = False
    answered = None
    answering = None

    def __init__(self, inside: Context, token: Any = None) -> None:
        self._inside = inside
        self._token = token

    def __call__(self, event: Any, /) -> None:
        pass

    def sending(self, call: Any, number: int, /) -> Fields:
        return written(self._inside)

    def left(self) -> None:
        if self._token is not None:
            detach(self._token)


class Fetch(Getter[Headers]):
    """Looks a field up by its name in any case: that of X-Ray's propagator is not in lower case."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        return carrier.get(key.lower())

    def keys(self, carrier: Headers) -> list[str]:
        return [*carrier]


GETTER = Fetch()


def _read(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    found: Headers = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _passing(call: Any, around: Context) -> Passing | None:
    """Where spans come to nothing: usually there is no context either, and finding that out is all a call pays."""
    request = call.request
    if request.__class__ is tuple:  # a function's arguments
        return None
    scope = getattr(request, "scope", None)
    if scope is None:
        return Passing(around) if around else None
    wanted = _wanted()
    for name, _ in scope["headers"]:
        if name.lower() in wanted:
            break
    else:
        return None
    inside = propagate.extract(_read(scope["headers"]), around, GETTER)
    return None if inside == around else Passing(inside, context.attach(inside))


_last: tuple[Any, frozenset[bytes]] = (None, frozenset())


def _wanted() -> frozenset[bytes]:
    """The fields in which the propagators may find something."""
    global _last  # noqa: PLW0603  # they are hardly ever changed
    propagator = propagate.get_global_textmap()
    if _last[0] is not propagator:
        _last = propagator, NAMES | {name.lower().encode("latin-1") for name in (*propagator.fields, "baggage")}
    return _last[1]


def _is_of(span: Any, kind: SpanKind) -> bool:
    """Whether a span was begun by one of those who see the same request as we do."""
    if getattr(span, "kind", None) is not kind or not span.is_recording():
        return False
    scope = getattr(span, "instrumentation_scope", None)
    name = "" if scope is None else str(scope.name)
    return name in BY_THEMSELVES or name.startswith(THEIRS)


def _sends(current: Any, call: Any, about: Any, known: frozenset[str]) -> bool:
    """Whether a CLIENT span is that of this very request, and not of one within which it is made: the request's fields
    name it, wherever a cluster outside has sent it; or where none are written, it is the same URL.
    """
    if _named(_read(call.request.headers.raw)) == current.get_span_context().span_id:
        return True
    said = current.attributes
    url = said.get("url.full", said.get("http.url"))
    method = said.get("http.request.method", said.get("http.method"))
    ours = conventions.client(about, False, None, known)
    if not isinstance(url, str) or method != ours["http.request.method"]:
        return False
    place = conventions.place(url)
    return place in (conventions.place(str(call.request.url)), conventions.place(str(ours["url.full"])))


def _named(headers: Headers) -> int:
    """The span that a request's fields name; 0: none."""
    return trace.get_current_span(propagate.extract(headers, Context(), GETTER)).get_span_context().span_id


def _serving(current: Any, headers: Headers) -> Any:
    """The SERVER span of this very request, if there is one: ours is named by its fields, and the one of others has the
    same parent as the request, if it has one.
    """
    above = _named(headers)
    ours = SERVING.get()
    if ours is not None and above and ours.get_span_context().span_id == above:
        return ours
    if current is ours or not _is_of(current, SpanKind.SERVER):
        return None
    parent = current.parent
    return current if (0 if parent is None else parent.span_id) == above else None
