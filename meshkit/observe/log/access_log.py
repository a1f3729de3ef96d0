"""Who asked for what, and what was the answer? One line for each request at its end, that nobody can forge.

::

    common    host - user [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326
    combined  the same, and "referer" "user-agent"
    json      one object, with the keys below

The first two are those of the NCSA, as Apache writes them. How it is escaped: `meshkit.observe.log.line`.

Of a query stands there that there was one (``?*``), of a segment of the path that looks like a secret ``*``, of the
referer neither user, query nor fragment. The status is the one the client was sent, also of a refusal, and 499 where it
had gone before there was one: `meshkit.observe.log.answer`. ``bytes`` are those of the body; for none ``-``, in JSON 0,
and where they are unknown ``-`` and ``null``. The time is that of the request's beginning. What is written of requests
sent to others: `meshkit.observe.log.sent`.

======  ================================================================================================================
json    keys, in this order; what is unknown is ``null``
======  ================================================================================================================
both    ``time`` (ISO 8601, UTC), ``kind`` ("server", "client"), ``pipeline``
server  ``client``, ``user``, ``type`` ("http", "websocket"), ``method``, ``path``, ``route`` (its template),
        ``protocol``, ``status``, ``bytes``, ``referer``, ``user_agent``
client  ``method``, ``scheme``, ``host``, ``port``, ``path``, ``status``, ``endpoint`` (of the last attempt)
both    ``error`` (its class; of a server's: what it was that the answer stands for), ``outcome``, ``attempts``,
        ``duration`` (seconds)
server  ``calls``, ``calls_attempts``, ``calls_seconds``: what was asked of others meanwhile, by the deadline's ledger
both    ``meshkit_route``, ``meshkit_branch``: by which a router took it, and a split; only where there is one
both    ``trace_id``, ``span_id``: the caller's, by the trace fields of the request that is served; or what ``trace``
        answers
======  ================================================================================================================
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...errors import ConfigError
from ...options import is_function
from ...policy import awaits
from ..redact import numbers
from ..redact import path as redacted
from .around import traced
from .line import NAME, bare, shown, written
from .sent import Sent
from .served import Served

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline
    from ..events import CallEnded
    from .around import Around

__all__ = ["AccessLog"]

FORMATS = ("combined", "common", "json")
SAFE = "/!$&'()*+,;=:@~"
"""What stands in a path as it is."""
APART = {byte: 0x100 + byte for byte in (*range(0x20), *range(0x7F, 0x100))}
"""Letters that no byte stands for, in place of those that nobody can read: what is redacted is escaped once only."""
BACK = {there: byte for byte, there in APART.items()}
UNTRACED = {"trace_id": None, "span_id": None}


class AccessLog:
    """Gives each line to ``write``; left out, that is ``logging.getLogger("meshkit.access").info``.

    ``format`` is ``"combined"``, ``"common"`` or ``"json"``. ``path`` and ``query`` show what is hidden otherwise, the
    whole path and the query. With ``anonymize`` an address stands for its network: an IPv4 /24, an IPv6 /48. ``user``
    is asked at the end who it was, a plain function of ASGI's ``scope``; ``clock`` is the wall's. ``trace`` answers
    what else an object is to have, in place of the ids: a plain function, called where the line is written. Behind a
    proxy the client is whom the middleware takes for it (``trusted``).

    Listens to the pipeline of a `MeshMiddleware`, and to that of a transport for httpx; the lines of both have the same
    format. Calls of functions have no line. Raises `ConfigError`.
    """

    __slots__ = ("_anonymize", "_clock", "_logger", "_path", "_query", "_trace", "_write", "format", "user")

    def __init__(
        self,
        write: Callable[[str], Any] | None = None,
        *,
        format: str = "combined",  # noqa: A002  # what a log calls it
        path: bool = False,
        query: bool = False,
        anonymize: bool = False,
        user: Callable[[Any], Any] | None = None,
        trace: Callable[[], Mapping[str, Any]] | None = None,
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
        if trace is not None and (not is_function(trace) or awaits(trace)):
            raise ConfigError.of("AccessLog", "trace", trace, "give a plain function that answers a dict")
        if trace is not None and format != "json":
            fix = 'there is room for it in objects only: write format="json"'
            raise ConfigError.of("AccessLog", "trace", trace, fix)
        if not is_function(clock):
            raise ConfigError.of("AccessLog", "clock", clock, "give a function such as time.time")
        self.format = format
        self._logger = logging.getLogger("meshkit.access") if write is None else None
        self._write: Any = write
        self._path = path
        self._query = query
        self._anonymize = anonymize
        self.user = user
        self._trace = trace
        self._clock = clock

    def follow(self, pipeline: Pipeline, call: Call, /) -> Served | Sent | None:
        """Goes along with what comes through HTTP, unless the logger takes no line."""
        if self._logger is not None and not self._logger.isEnabledFor(logging.INFO):
            return None
        if hasattr(call.request, "scope"):
            return Served(self, pipeline, call, self._clock())
        return Sent(self, pipeline, call, self._clock()) if hasattr(call.request, "url") else None

    def write(self, line: str) -> None:
        if self._logger is None:
            self._write(line)
        else:
            self._logger.info(line)  # without arguments, so nothing is made of a %

    def tell(self, known: dict[str, Any], event: CallEnded, around: Around) -> None:
        """Write an object, with the route it took, and with what is known of the trace."""
        for name, taken in (("meshkit_route", event.route), ("meshkit_branch", event.branch)):
            if taken:
                known[name] = shown(taken, NAME)
        more = numbers(traced(self._trace, around.passing, known.__contains__))
        self.write(written({**known, **(UNTRACED if self._trace is None else {}), **more}))

    def client(self, address: str | None) -> str | None:
        """Who has asked, as it is to be told."""
        if address is None or not self._anonymize:
            return address
        try:
            return str(ip_network((address, 48 if ":" in address else 24), strict=False).network_address)
        except ValueError:
            return None

    def target(self, sent: bytes | None, path: str, query: bytes) -> bytes:
        """Path and query as they were ``sent``, as far as they are to be told; where that is unknown, the ``path``."""
        raw = (sent or quote(path, safe=SAFE, errors="surrogatepass").encode()).partition(b"?")[0]
        if not self._path:
            raw = redacted(raw.decode("latin-1").translate(APART)).translate(BACK).encode("latin-1")
        elif not raw.startswith(b"/"):
            raw = bare(raw) or b""  # a proxy's, which is a whole URL
        if query:
            raw += b"?" + (query if self._query else b"*")
        return raw

    def __repr__(self) -> str:
        return f"AccessLog(format={self.format!r})"
