"""What does an HTTP answer mean, and what was it an answer to? Translates for the policies; decides nothing.

========================================================  ==========
outcome                                                   verdict
========================================================  ==========
429, or 503 with ``Retry-After``                          OVERLOADED
another 5xx; what a retry or a fallback on its way names  FAILURE
any other status                                          SUCCESS
`Rejected` further in                                     IGNORED
the caller's mistake: an invalid URL, a consumed stream   IGNORED
any other error                                           FAILURE
========================================================  ==========
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Hashable
from typing import Any

from ..call import Call, Failure, Verdict
from ..deadline import impatient
from ..errors import ConfigError, MeshError, Rejected, TimedOut
from ..fields.pairs import cookie, parameter
from ..fields.retry_after import parse, parse_ms
from ..function import cost_of, judged
from ..options import is_function
from ..policy import Head, Pairs, awaits
from ..runtime.telling import returned
from .aim import target_of
from .copies import Copies, alike
from .library import Library, library_of
from .notes import Statuses, notes_for
from .routed import routed
from .wire import stale

__all__ = ["IDEMPOTENT", "HttpxDoor", "Judge", "Spent", "final", "wait_of"]

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110, 9.2.2."""

PLAIN = ("scheme", "host", "origin", "method", "path", "uri")
NAMED = ("header", "cookie", "query", "extension")
FACTS = (*PLAIN, *(f"{kind}:<name>" for kind in NAMED))

DIGITS = re.compile("[0-9]+")

Judge = Callable[[Any, Any], Verdict | None]
"""``(response, error)``, one of them ``None``, to a verdict; ``None`` leaves it to the table above."""
Spent = Callable[[Any], float] | str
"""What a response turned out to cost: a function of it, or ``"bytes"``."""


class HttpxDoor:
    """One transport's translation."""

    __slots__ = (
        "__weakref__",
        "_fails",
        "_judge",
        "_named",
        "_notes",
        "_pipeline",
        "_spent",
        "accepts",
        "address",
        "copies",
        "counts",
        "discard",
        "enforces_deadline",
        "hold",
        "prepare",
    )

    answers_early = False
    judges_results = True
    opens = False
    reserve = 0.0
    takes_request = True

    def __init__(
        self,
        *,
        judge: Judge | None,
        spent: Spent | None = None,
        hold: Callable[[Any, Call, Any, Verdict], Any],
        discard: Callable[[Any], Any],
        address: Callable[[Call], Any] | None,
        enforces_deadline: bool,
        pipeline: Any,
        copies: Copies | None = None,
        prepare: Callable[[Any], None] | None = None,
        accepts: Callable[[Any], None] | None = None,
    ) -> None:
        self._judge = judge
        self._pipeline = pipeline
        if spent is not None and spent != "bytes" and (not is_function(spent) or awaits(spent)):
            raise ConfigError.of("meshkit.httpx", "spent", spent, 'write "bytes", or give a function of the response')
        self._spent: Any = None if spent == "bytes" else spent
        self.counts = spent == "bytes"
        """The bytes of each body are what the call has spent."""
        self.hold = hold
        self.discard = discard
        self.address = address
        self.enforces_deadline = enforces_deadline
        self.copies = copies
        self.prepare, self.accepts = prepare, accepts  # asked when the pipeline is to come by other policies
        pipeline.doors.add(self)
        self.renew()
        if prepare is not None:
            prepare(pipeline.states)  # it may have come by others since the caller looked

    def renew(self) -> None:
        """The pipeline has come by other policies."""
        states = self._pipeline.states
        statuses = Statuses(states)
        self._named, self._fails = statuses.named, statuses.fails
        """Statuses that a retry or a fallback asks for; and whether one that this call comes by does."""
        self._notes = notes_for(states)

    def judge(self, call: Call, response: Any, error: BaseException | None, /) -> Verdict:
        if call.events is not None:
            if error is None:
                call.status = response.status_code
            if call.events.followers:
                returned(self._pipeline, call)
        if error is not None and isinstance(error, MeshError):
            library_of(call.request).adopt(error, call.request)
        if self._notes and error is None:
            for note in self._notes:
                note(call, response)
        if self._spent is not None and error is None:
            call.spent = cost_of(self._spent, response)
        if self._judge is not None:
            verdict = judged(self._judge(response, error))
            if verdict is not None:
                return verdict
        if error is None:
            status = response.status_code
            if status < 500:
                if status == 429:
                    return OVERLOADED
                return FAILURE if status in self._named and self._fails(call, status) else SUCCESS
            return OVERLOADED if status == 503 and "retry-after" in response.headers else FAILURE
        library = library_of(call.request)
        if isinstance(error, (Rejected, *library.mistakes)):
            return IGNORED
        if call.scope is not None and isinstance(error, (TimedOut, library.TimeoutException)) and impatient(call):
            return IGNORED
        return FAILURE

    def failure(self, call: Call, response: Any, error: BaseException | None, /) -> Failure:
        request = call.request
        library = library_of(request)
        replayable, idempotent = self.twice(call)
        if error is None:
            return Failure(
                status=response.status_code,
                retry_after=wait_of(response.headers),
                replayable=replayable,
                idempotent=idempotent,
                final=final(response.headers),
            )
        return Failure(
            error,
            kind=library.kind(error),
            sent=not isinstance(error, library.unsent),
            replayable=replayable,
            idempotent=idempotent,
            stale=isinstance(error, library.broken) and stale(error),
        )

    def twice(self, call: Call, /) -> tuple[bool, bool]:
        request = call.request
        idempotent = request.method in IDEMPOTENT or "idempotency-key" in request.headers
        return _replayable(request.stream, library_of(request)), idempotent

    def respond(self, call: Call, status: int, headers: Pairs = (), body: bytes = b"", /) -> Any:
        made = library_of(call.request).module.Response
        return made(status, headers=[*headers], content=body, request=call.request)

    def head(self, call: Call, /) -> Head:
        """Of the URL, or the ``target`` in its place: a ``Host`` of the caller's own is a matter for the upstream."""
        request, url = call.request, call.request.url
        try:
            scheme, _, host, port, path, query, _ = url._uri_reference
        except (AttributeError, TypeError, ValueError):  # another version parses otherwise
            scheme, host, port = url.scheme, url.raw_host.decode("ascii"), url.port
            path, _, query = url.raw_path.decode("ascii").partition("?")
        if "target" in request.extensions:
            path, query = target_of(request.extensions)
        return request.method, scheme, host, port, path or "/", query

    def hand(self, call: Call, fn: Callable[..., Any], /) -> Any:
        return fn(routed(call.request, call.route, self._pipeline.clock, call=call))

    def serve(self, call: Call, app: Any, /) -> Any:
        """Awaited: an ASGI app answers in one go here, when it has returned."""
        transport = library_of(call.request).module.ASGITransport(app=app)
        return transport.handle_async_request(routed(call.request, call.route, self._pipeline.clock))

    def who(self, call: Call, /) -> str:
        host: str = call.request.url.host
        return host

    def about(self, call: Call, /) -> dict[str, Any]:
        """What may be told of the request: nothing of its query, its fields or its body."""
        request = call.request
        url = request.url
        told = {"kind": "client", "method": request.method, "scheme": url.scheme, "host": url.host, "port": url.port}
        return {**told, "path": url.raw_path.partition(b"?")[0].decode("ascii")}

    def same(self, call: Call, own: Hashable | None = None, /) -> Hashable | None:
        return alike(self, call.request, own)

    def fact(self, call: Call, name: str, /) -> Any:
        """``"scheme"``, ``"host"``, ``"origin"``, ``"method"``, ``"path"`` (decoded, without the query), ``"uri"`` (the
        path with the query, as sent), ``"header:<name>"``, ``"cookie:<name>"``, ``"query:<name>"`` (decoded) and
        ``"extension:<name>"`` (``None`` where there is none).

        They are those of the request as the caller wrote it. Raises `ConfigError` for another name.
        """
        request = call.request
        url = request.url
        if name == "host":
            return url.host
        if name == "method":
            return request.method
        if name == "path":
            return url.path
        if name == "scheme":
            return url.scheme
        if name == "origin":
            return f"{url.scheme}://{url.netloc.decode('ascii')}"
        if name == "uri":
            return url.raw_path.decode("ascii")
        kind, _, which = name.partition(":")
        if kind == "header" and which:
            return request.headers.get(which)
        if kind == "cookie" and which:
            return cookie(request.headers.get_list("cookie"), which)
        if kind == "query" and which:
            return parameter(url.query.decode("ascii"), which)
        if kind == "extension" and which:
            return request.extensions.get(which)
        raise _unknown(name)

    def knows(self, name: str, /) -> None:
        """Raises `ConfigError` for what `fact` does not answer."""
        kind, _, which = name.partition(":")
        if name not in PLAIN and not (which and kind in NAMED):
            raise _unknown(name)


def _unknown(name: str) -> ConfigError:
    return ConfigError.of("meshkit.httpx", "key", name, f"name one of {', '.join(FACTS)}, or give a function")


def final(headers: Any) -> bool:
    """Whether the upstream asks not to be asked again, in one of the ways in use.

    ``x-should-retry: false`` (OpenAI, Anthropic, Stripe), ``x-envoy-overloaded`` and ``x-envoy-ratelimited`` (Envoy's
    own answers), a ``grpc-retry-pushback-ms`` that is negative or cannot be read (gRPC proposal A6).
    """
    pushback = headers.get("grpc-retry-pushback-ms")
    return (
        headers.get("x-should-retry", "").strip().lower() == "false"
        or "x-envoy-overloaded" in headers
        or "x-envoy-ratelimited" in headers
        or (pushback is not None and not DIGITS.fullmatch(pushback))
    )


def wait_of(headers: Any) -> float | None:
    exact = headers.get("retry-after-ms")
    asked = None if exact is None else parse_ms(exact)
    if asked is not None:
        return asked
    coarse = headers.get("retry-after")
    return None if coarse is None else parse(coarse, time.time())


def _replayable(stream: Any, library: Library) -> bool:
    """Whether a request's body can be sent a second time. What cannot be known counts as no."""
    if isinstance(stream, library.ByteStream):
        return True
    fields = getattr(stream, "fields", None)
    if fields is not None:  # a multipart form: its files are read again from their beginning
        return all(_rewinds(getattr(field, "file", b"")) for field in fields)
    return getattr(stream, "_is_stream_consumed", True) is False  # an iterator nobody has asked yet


def _rewinds(file: Any) -> bool:
    if isinstance(file, str | bytes):
        return True
    seekable = getattr(file, "seekable", None)
    return seekable is not None and bool(seekable())
