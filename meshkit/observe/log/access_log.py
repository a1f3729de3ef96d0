"""Who asked for what, and what was the answer? One line for each request at its end, that nobody can forge.

::

    common    host - user [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326
    combined  the same, and "referer" "user-agent"
    json      one object, with the keys below

The first two are those of the NCSA, as Apache writes them. How it is escaped: `meshkit.observe.log.line`.

Of a query stands there that there was one (``?*``), of a segment of the path that looks like a secret ``*``, of the
referer neither user, query nor fragment. The status is the one the client was sent, also of a refusal; 499 (nginx's)
where it had gone before there was one, and 500 where the app raised without an answer, which is what servers make of
that. ``bytes`` are those of the body, ``-`` for none. The time is that of the request's beginning.

======  ================================================================================================================
json    keys, in this order; what is unknown is ``null``
======  ================================================================================================================
both    ``time`` (ISO 8601, UTC), ``kind`` ("server", "client"), ``pipeline``
server  ``client``, ``user``, ``type`` ("http", "websocket"), ``method``, ``path``, ``route`` (its template),
        ``protocol``, ``status``, ``bytes``, ``referer``, ``user_agent``
client  ``method``, ``scheme``, ``host``, ``port``, ``path``, ``status``, ``endpoint`` (of the last attempt),
        ``error`` (its class)
both    ``outcome``, ``attempts``, ``duration`` (seconds)
server  ``calls``, ``calls_attempts``, ``calls_seconds``: what was asked of others meanwhile, by the deadline's ledger
======  ================================================================================================================
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...call import Failure
from ...deadline import ledger
from ...errors import ConfigError, Rejected, TimedOut
from ...options import is_function
from ...policy import awaits
from ..events import AttemptBegan, CallEnded
from ..redact import cause, text
from ..redact import path as redacted
from .line import bare, escaped, iso, shown, stamp, written

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline
    from ..events import Event

__all__ = ["AccessLog"]

FORMATS = ("combined", "common", "json")
METHOD, TARGET, REFERER, AGENT, NAME = 40, 2000, 1000, 500, 200
"""Characters of a field, escapes included; in JSON it may be twice as many."""
SAFE = "/!$&'()*+,;=:@~"
"""What stands in a path as it is."""
GONE, BROKE, DENIED = 499, 500, 403


class AccessLog:
    """Gives each line to ``write``; left out, that is ``logging.getLogger("meshkit.access").info``.

    ``format`` is ``"combined"``, ``"common"`` or ``"json"``. ``path`` and ``query`` show what is hidden otherwise, the
    whole path and the query. With ``anonymize`` an address stands for its network: an IPv4 /24, an IPv6 /48. ``user``
    is asked at the end who it was, a plain function of ASGI's ``scope``; ``clock`` is the wall's. Behind a proxy the
    client is whom the middleware takes for it (``trusted``).

    Listens to the pipeline of a `MeshMiddleware`; to that of a transport for httpx as well, of whose calls it writes
    objects of JSON, whatever the format. Calls of functions have no line. Raises `ConfigError`.
    """

    __slots__ = ("_anonymize", "_clock", "_logger", "_path", "_query", "_write", "format", "user")

    def __init__(
        self,
        write: Callable[[str], Any] | None = None,
        *,
        format: str = "combined",  # noqa: A002  # what a log calls it
        path: bool = False,
        query: bool = False,
        anonymize: bool = False,
        user: Callable[[Any], Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if format not in FORMATS:
            raise ConfigError.of("AccessLog", "format", format, f"write one of {', '.join(map(repr, FORMATS))}")
        for option, flag in (("path", path), ("query", query), ("anonymize", anonymize)):
            if not isinstance(flag, bool):
                raise ConfigError.of("AccessLog", option, flag, "write True or False")
        asked: list[tuple[str, Any, str]] = [("write", write, "a line"), ("user", user, "the scope")]
        for option, fn, argument in asked:
            if fn is not None and (not is_function(fn) or awaits(fn)):
                raise ConfigError.of("AccessLog", option, fn, f"give a plain function of {argument}")
        if not is_function(clock):
            raise ConfigError.of("AccessLog", "clock", clock, "give a function such as time.time")
        self.format = format
        self._logger = logging.getLogger("meshkit.access") if write is None else None
        self._write: Any = write
        self._path = path
        self._query = query
        self._anonymize = anonymize
        self.user = user
        self._clock = clock

    def follow(self, pipeline: Pipeline, call: Call, /) -> _Served | _Sent | None:
        """Goes along with what comes through HTTP, unless the logger takes no line."""
        if self._logger is not None and not self._logger.isEnabledFor(logging.INFO):
            return None
        if hasattr(call.request, "scope"):
            return _Served(self, pipeline.name, call, self._clock())
        return _Sent(self, pipeline.name, call, self._clock()) if hasattr(call.request, "url") else None

    def write(self, line: str) -> None:
        if self._logger is None:
            self._write(line)
        else:
            self._logger.info(line)  # without arguments, so nothing is made of a %

    def client(self, address: str | None) -> str | None:
        """Who has asked, as it is to be told."""
        if address is None or not self._anonymize:
            return address
        try:
            return str(ip_network((address, 48 if ":" in address else 24), strict=False).network_address)
        except ValueError:
            return None

    def path(self, path: str) -> str:
        """A path as far as it is to be told."""
        return path if self._path else redacted(path)

    def target(self, scope: Any) -> bytes:
        """Path and query as they were sent, as far as they are to be told."""
        raw: bytes = (scope.get("raw_path") or quote(scope["path"], safe=SAFE).encode()).partition(b"?")[0]
        if not self._path:
            raw = redacted(raw.decode("latin-1")).encode("latin-1")
        elif not raw.startswith(b"/"):
            raw = bare(raw) or b""  # a proxy's, which is a whole URL
        query: bytes = scope.get("query_string", b"")
        if query:
            raw += b"?" + (query if self._query else b"*")
        return raw

    def __repr__(self) -> str:
        return f"AccessLog(format={self.format!r})"


class _Served:
    """A request that was served. It keeps the exchange until the end, and never the call, which holds it."""

    __slots__ = ("_at", "_door", "_log", "_pipeline", "request")

    detailed = False
    sending = answered = answering = left = None

    def __init__(self, log: AccessLog, pipeline: str, call: Call, at: float) -> None:
        self._log = log
        self._pipeline = pipeline
        self._door: Any = call.door
        self._at = at
        self.request = call.request

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, CallEnded):
            exchange, failed = self.request, None
            status, size = _status(exchange, event.failure)
            if exchange.scope.get("method") == "HEAD":
                size = 0
            try:
                user = None if self._log.user is None else self._log.user(exchange.scope)
                user = None if user is None else str(user)
            except Exception as error:  # a line without a user is better than none, and the pipeline counts the error
                user, failed = None, error
            try:
                tell = self._object if self._log.format == "json" else self._line
                self._log.write(tell(event, exchange.scope, user, status, size))
                if failed is not None:
                    raise failed
            finally:
                self.request = exchange = failed = None

    def _line(self, event: CallEnded, scope: Any, user: str | None, status: int, size: int | None) -> str:
        host = escaped(self._log.client(self._door.client(scope)), NAME, alone=True)
        method = escaped(scope.get("method", "GET"), METHOD, alone=True)
        target = escaped(self._log.target(scope), TARGET)
        protocol = escaped(_protocol(scope), METHOD, alone=True)
        who = escaped(user, NAME, alone=True)
        line = f'{host} - {who} {stamp(self._at)} "{method} {target} {protocol}" {status} {size or "-"}'
        if self._log.format == "common":
            return line
        referer = bare(_field(scope, b"referer"))
        return f'{line} "{escaped(referer, REFERER)}" "{escaped(_field(scope, b"user-agent"), AGENT)}"'

    def _object(self, event: CallEnded, scope: Any, user: str | None, status: int, size: int | None) -> str:
        about = self._door.about(self)
        spent = [line for line in ledger() if line.depth == 0]
        return written(
            time=iso(self._at),
            kind="server",
            pipeline=shown(self._pipeline, NAME),
            client=shown(self._log.client(self._door.client(scope)), NAME),
            user=shown(user, NAME),
            type=scope["type"],
            method=shown(scope.get("method", "GET"), METHOD),
            path=shown(self._log.target(scope), TARGET),
            route=shown(about.get("route"), NAME),
            protocol=shown(_protocol(scope), METHOD),
            status=status,
            bytes=size,
            referer=shown(bare(_field(scope, b"referer")), REFERER),
            user_agent=shown(_field(scope, b"user-agent"), AGENT),
            outcome=event.outcome,
            attempts=event.attempts,
            duration=round(event.duration, 6),
            calls=len(spent) if spent else None,
            calls_attempts=sum(line.attempts for line in spent) if spent else None,
            calls_seconds=round(sum(line.seconds for line in spent), 6) if spent else None,
        )


class _Sent:
    """A request that was sent to others."""

    __slots__ = ("_at", "_door", "_endpoint", "_log", "_pipeline", "_status", "request")

    detailed = False
    sending = answering = left = None

    def __init__(self, log: AccessLog, pipeline: str, call: Call, at: float) -> None:
        self._log = log
        self._pipeline = pipeline
        self._door: Any = call.door
        self._at = at
        self._endpoint: Any = None
        self._status: int | None = None
        self.request = call.request

    def answered(self, call: Call, result: Any, /) -> None:
        self._status = result.status_code

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, AttemptBegan):
            self._endpoint = event.endpoint
        elif isinstance(event, CallEnded):
            about = self._door.about(self)
            said = {} if event.failure is None else cause(event.failure)
            path = self._log.path(about["path"])
            self.request = None
            self._log.write(
                written(
                    time=iso(self._at),
                    kind="client",
                    pipeline=shown(self._pipeline, NAME),
                    method=shown(about["method"], METHOD),
                    scheme=shown(about["scheme"], METHOD),
                    host=shown(about["host"], NAME),
                    port=about["port"],
                    path=shown(path, TARGET),
                    status=said.get("status") if self._status is None else self._status,
                    endpoint=None if self._endpoint is None else text(self._endpoint),
                    error=said.get("error"),
                    outcome=event.outcome,
                    attempts=event.attempts,
                    duration=round(event.duration, 6),
                )
            )


def _status(exchange: Any, failure: Failure | None) -> tuple[int, int | None]:
    """What the client was sent, or is about to be, and how much of it."""
    size = getattr(exchange, "size", None)
    if exchange.status is not None:
        return exchange.status, size
    error = None if failure is None else failure.error
    if exchange.gone or (error is not None and not isinstance(error, Exception)):
        return GONE, size
    ours = error is not exchange.error
    if isinstance(error, Rejected | TimedOut) and (ours or getattr(exchange.door, "translates", False)):
        scope = exchange.scope
        if scope["type"] == "websocket" and "websocket.http.response" not in (scope.get("extensions") or ()):
            return DENIED, size
        from ...asgi.refusal import refusal  # whoever is served has loaded it

        status, _, body = refusal(error, ours=ours)
        return status, len(body)
    return BROKE, size


def _protocol(scope: Any) -> str:
    version: str = scope.get("http_version", "1.1")
    return f"HTTP/{version}" if "." in version else f"HTTP/{version}.0"


def _field(scope: Any, name: bytes) -> bytes | None:
    """The first of that name."""
    return next((value for each, value in scope["headers"] if each == name), None)
