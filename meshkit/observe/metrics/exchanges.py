"""How long did an HTTP exchange take, with whom, and how did it end? The metrics of the HTTP semantic conventions.

==============================  =====================================================================================
label                           value
==============================  =====================================================================================
``http_request_method``         one of RFC 9110 or PATCH (`conventions.known_methods`); any other is ``_OTHER``
``server_address``              the host of the URL as the caller wrote it
``server_port``                 its port, or the scheme's own
``http_route``                  the template of the route (``/orders/{id}``), where the framework tells it, with what
                                it is mounted below
``http_response_status_code``   empty where no answer came. Of a server ``500`` where the app has raised before it
                                answered, or never did: that is what the server answers then
``error_type``                  the status, of a client from 400 on, of a server from 500 on; where the app or whoever
                                was asked gave no answer, or not the whole of one, the class of the error, or
                                ``cancelled`` where it was given up or interrupted; else empty
==============================  =====================================================================================

Each attempt of a client is a request of its own, as it is to the conventions. Of a server, websockets are left out:
how long one of them stays open is no duration of a request. OpenTelemetry, "Semantic conventions for HTTP metrics" and
"for HTTP spans", 1.23 and later. Servers (uvicorn, Hypercorn) and the error middleware of Starlette make a 500 of an
exception; where somebody outside makes another answer of it, that is not seen here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...call import Failure, Verdict
from ...engine.back import survive
from ...errors import ConfigError, MeshError
from ..events import AttemptEnded, CallEnded
from ..trace.conventions import known_methods
from .series import OTHER, Key, Table

__all__ = ["Exchanges"]

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED
CANCELLED = "cancelled"

Note = Callable[[Table, Key, float], None]
"""Takes down the seconds an exchange took."""


class Exchanges:
    """A `Follows`: goes along with each call of an httpx client and each request to an ASGI app."""

    __slots__ = ("_functions", "_kinds", "client", "methods", "note", "server")

    in_full = False

    def __init__(self, client: Table, server: Table, note: Note) -> None:
        self.client = client
        self.server = server
        self.note = note
        self.methods = known_methods()
        self._kinds: dict[type, str] = {}
        """Of doors."""
        self._functions: set[type] = set()
        """Doors whose calls are no exchanges: they are done with soonest."""

    def follow(self, pipeline: Any, call: Any, /) -> Any:
        door = call.door.__class__
        if door in self._functions:
            return None
        kind = self._kinds.get(door)
        if kind is None:
            kind = self._kinds[door] = call.door.about(call)["kind"]
        if kind == "client":
            return Sent(self, call.request)
        if kind == "server":
            return Answered(self, call.request) if call.request.scope["type"] == "http" else None
        self._functions.add(door)
        return None


class Sent:
    """Goes along with a call of a client."""

    __slots__ = ("_exchanges", "_request", "_unclear")

    detailed = False
    sending = returned = answered = answering = left = None

    def __init__(self, exchanges: Exchanges, request: Any) -> None:
        self._exchanges = exchanges
        self._request = request
        self._unclear: list[AttemptEnded] | None = None
        """Attempts of which nothing was learnt: what the last of them came to, the call may know."""

    def __call__(self, event: Any, /) -> None:
        kind = event.__class__
        if kind is AttemptEnded:
            if event.verdict is IGNORED:
                self._unclear = [*(self._unclear or ()), event]
            else:
                self._observe(event.verdict, event.status, event.duration, event.failure)
        elif kind is CallEnded and self._unclear is not None:
            unclear, self._unclear = self._unclear, None
            for attempt in unclear:
                last = attempt.number == event.attempts and event.verdict is not SUCCESS
                failure = event.failure if last else None
                self._observe(attempt.verdict, attempt.status, attempt.duration, failure)

    def well(self, call: Any, now: float, ended: tuple[Any, ...], /) -> None:
        self._observe(SUCCESS, ended[9], ended[5], None)

    def _observe(self, verdict: Verdict, status: int | None, seconds: float, failure: Failure | None) -> None:
        exchanges, request = self._exchanges, self._request
        url = request.url
        scheme = url.scheme
        method = request.method
        error = None if failure is None else _class_of(failure)
        if error is None:
            if status is None:
                error = CANCELLED if verdict is IGNORED else None
            elif status >= 400:
                error = str(status)
        key = (
            url.host,
            url.port or PORTS.get(scheme),
            method if method in exchanges.methods else OTHER,
            status,
            error,
            scheme,
        )
        exchanges.note(exchanges.client, key, seconds)


class Answered:
    """Goes along with a request to an app. A refusal is answered after the call: only then is its status known."""

    __slots__ = ("_answered_later", "_ended", "_exchange", "_exchanges", "_status")

    detailed = False
    sending = returned = answered = None

    def __init__(self, exchanges: Exchanges, exchange: Any) -> None:
        self._exchanges = exchanges
        self._exchange = exchange
        self._status: int | None = None
        self._ended: tuple[float, str | None, bool] | None = None
        """How long the call took, the class of its error, and whether the server answers in place of the app; until it
        is counted."""
        self._answered_later = False
        """Whether the middleware answers what the call ended with, after it."""

    def answering(self, call: Any, status: int, /) -> tuple[()]:
        self._status = status
        if self._ended is not None:
            self._settle()
        return ()

    def __call__(self, event: Any, /) -> None:
        if event.__class__ is CallEnded:
            exchange, failure = self._exchange, event.failure
            error = None if failure is None else failure.error
            fails = isinstance(error, Exception) or (error is None and event.verdict not in (SUCCESS, IGNORED))
            self._ended = event.at - event.began_at, _class_of(failure), fails and not exchange.gone
            theirs = error is exchange.error and not exchange.door.translates
            self._answered_later = isinstance(error, MeshError) and not isinstance(error, ConfigError) and not theirs
            if self._status is not None:
                self._settle()

    def well(self, call: Any, now: float, ended: tuple[Any, ...], /) -> None:
        self._ended = now - call.began_at, None, False
        if self._status is not None:
            self._settle()

    def left(self) -> None:
        if self._ended is not None and not self._answered_later:
            self._settle()

    def __del__(self) -> None:
        if self._ended is None:
            return
        try:
            self._settle()  # it was not answered
        except Exception as error:  # of an exemplar
            survive(error)

    def _settle(self) -> None:
        ended: Any = self._ended
        self._ended = None
        seconds, error, fails = ended
        exchanges, exchange, status = self._exchanges, self._exchange, self._status
        if status is None:
            status = 500 if fails else None
            error = error or ("500" if fails else CANCELLED)
        elif status >= 400:
            error = str(status) if status >= 500 else None
        scope = exchange.scope
        method = scope["method"]
        key = (
            method if method in exchanges.methods else OTHER,
            exchange.route,
            status,
            error,
            scope.get("scheme", "http"),
        )
        exchanges.note(exchanges.server, key, seconds)


def _class_of(failure: Failure | None) -> str | None:
    error = None if failure is None else failure.error
    if error is None:
        return None
    return type(error).__name__ if isinstance(error, Exception) else CANCELLED
