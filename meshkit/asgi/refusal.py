"""How is a refusal told to an HTTP client?

====================  ======  =========================================  ==========================
error                 status  problem type                               error of ``Proxy-Status``
====================  ======  =========================================  ==========================
`RateLimited`         429     quota-exceeded, with violated-policies     http_request_denied
`Overloaded`          503     about:blank                                connection_limit_reached
`NoRoute`             404     about:blank                                destination_not_found
.. its host or path   400     about:blank                                http_request_error
.. that is too long   414     about:blank                                http_request_error
.. that comes again   502     about:blank                                proxy_loop_detected
`TooLarge`            413     about:blank                                http_request_error
any other `Rejected`  503     about:blank                                destination_unavailable
`TooLate`             504     about:blank                                http_response_timeout
`TimedOut`            504     about:blank                                http_response_timeout
`Overlong`            502     about:blank                                http_response_body_size
`Unread`              408     about:blank                                http_request_error
a `WireError`         502     about:blank                                see ``WIRE``
.. that was too late  504     about:blank                                see ``WIRE``
====================  ======  =========================================  ==========================

``Retry-After`` is in whole seconds, rounded up and 1 at least: who comes back earlier is refused again. What is told
are words of our own and, for a rate limit, the name it has in ``RateLimit-Policy``: no address, no key, no text of an
error. Refusing must stay cheap under load, so a body is made once for each kind of refusal.

The middleware answers so by itself. For a pipeline around a single endpoint `refusal` says the same to the exception
handler of a web framework.
"""

from __future__ import annotations

from errno import EMFILE, ENFILE
from functools import lru_cache
from socket import gaierror
from ssl import SSLCertVerificationError, SSLError
from typing import Any

from ..errors import (
    ConfigError,
    MeshError,
    NoRoute,
    Overloaded,
    Overlong,
    RateLimited,
    Rejected,
    TimedOut,
    TooLarge,
    TooLate,
    Unread,
)
from ..fields.problem import MEDIA_TYPE, problem, proxy_status
from ..fields.rate_limit import QUOTA_EXCEEDED
from ..upstream.errors import (
    ConnectFailed,
    ConnectTimedOut,
    Malformed,
    Misused,
    PoolTimedOut,
    ReadTimedOut,
    WireError,
    WriteTimedOut,
)
from .bodies import planned

__all__ = ["REFUSED", "Refusals", "foretold", "refusal"]

Headers = list[tuple[bytes, bytes]]

LONGEST = 10**9
"""Seconds, of a ``Retry-After``."""
SOON = 1.0
"""Seconds, where nobody knows when there will be room: without the field clients take a refusal for a failure."""
MANY = 1000
"""Bodies that are kept; names of policies are few."""

DENIED = 403
"""Of a handshake for which the server knows no better."""

LIMITED = (429, "The limit for requests like this one is used up.", b"http_request_denied")
BUSY = (503, "As much as can be served at once is being served.", b"connection_limit_reached")
AWAY = (503, "This cannot be served for the time being.", b"destination_unavailable")
ASTRAY = (404, "Nothing is served under this host and path.", b"destination_not_found")
MALFORMED = (400, "The host or the path of this request is none that could be served.", b"http_request_error")
ENDLESS = (414, "The path of this request is too long.", b"http_request_error")
LOOPED = (502, "This request has come by here too often.", b"proxy_loop_detected")
LATE = (504, "The time given for this request leaves none to serve it.", b"http_response_timeout")
SLOW = (504, "The answer was not ready in time.", b"http_response_timeout")
LARGE = (413, "The body of this request is longer than is served here.", b"http_request_error")
LONG = (502, "The answer is longer than is served here.", b"http_response_body_size")
ASLEEP = (408, "The request did not come to its end in time.", b"http_request_error")
BROKEN = (500, "This could not be served.", b"proxy_internal_error")

DEAD = "What serves this could not be reached."
CUT = "What serves this broke off."
WIRE: tuple[tuple[type[WireError], int, str, bytes], ...] = (
    (ConnectTimedOut, 504, DEAD, b"connection_timeout"),
    (ConnectFailed, 502, DEAD, b"connection_refused"),
    (PoolTimedOut, 503, "As much as can be asked at once is being asked.", b"connection_limit_reached"),
    (ReadTimedOut, 504, "The answer was not ready in time.", b"connection_read_timeout"),
    (WriteTimedOut, 504, "What serves this did not take the request in time.", b"connection_write_timeout"),
    (Malformed, 502, "What serves this answered with what is no answer.", b"http_protocol_error"),
    (Misused, 400, "This request cannot be served.", b"http_request_error"),
    (WireError, 502, CUT, b"connection_terminated"),
)
"""What of the wire becomes which status, and which error of RFC 9209 (2.3)."""
CAUSES: tuple[tuple[type[BaseException], bytes], ...] = (
    (gaierror, b"dns_error"),
    (SSLCertVerificationError, b"tls_certificate_error"),
    (SSLError, b"tls_protocol_error"),
)
"""Why a connection failed, where it is not that it was refused."""
REFUSED = Rejected | TimedOut | Overlong | WireError | Unread
"""What is told so."""


class Refusals:
    """Makes the answers of one middleware."""

    __slots__ = ("_made", "_via")

    def __init__(self, via: str | None, policy: str = "MeshMiddleware") -> None:
        self._via = via
        self._made: dict[Any, tuple[int, Headers, bytes]] = {}
        try:
            if via is not None:
                proxy_status(via, "")
        except (TypeError, ValueError, AttributeError):
            fix = "give the name of this service in printable ASCII, or None to leave the field out"
            raise ConfigError.of(policy, "via", via, fix) from None

    def of(self, error: BaseException, *, ours: bool = True) -> tuple[int, Headers, bytes]:
        """Status, header fields and body. An error that is not ``ours`` came from a call further in: whatever it says
        of a limit is said to this service, not to its client.
        """
        if not ours and isinstance(error, TooLarge):
            error = Rejected()  # what the app has asked somebody else is not this client's fault
        name = getattr(error, "policy", "") if ours and isinstance(error, RateLimited) else None
        key = type(error), _cause(error), name or getattr(error, "status", None)
        made = self._made.get(key)
        if made is None:
            made = self._make(error, name)
            if len(self._made) < MANY:
                self._made[key] = made
        status, headers, body = made
        wait = getattr(error, "retry_after", None)
        if wait is None and isinstance(error, Overloaded):
            wait = SOON
        if wait is None or status == 504:
            return status, [*headers], body
        return status, [*headers, (b"retry-after", b"%d" % _whole(wait))], body

    def _make(self, error: BaseException, name: str | None) -> tuple[int, Headers, bytes]:
        if name is not None:
            status, detail, word = LIMITED
            body = problem(status, detail, QUOTA_EXCEEDED, "Quota Exceeded", **{"violated-policies": [name]})
        else:
            status, detail, word = _said(error)
            body = problem(status, detail)
        headers = [(b"content-type", MEDIA_TYPE), (b"content-length", b"%d" % len(body))]
        if self._via is not None:
            headers.append((b"proxy-status", proxy_status(self._via, word.decode("ascii"))))
        return status, headers, body


def refusal(
    error: BaseException, *, ours: bool = True, via: str | None = "meshkit"
) -> tuple[int, dict[str, str], bytes]:
    """Status, header fields and body to answer a `Rejected`, `TimedOut` or `Overlong` with, in an exception handler.

    ``ours``: a `RateLimited` is of a limit on this service's own client, and a 429. ``ours=False``: it is of a call to
    another service, of which the client is not to know; a 503. ``via`` as in `MeshMiddleware`. The framework adds the
    ``Content-Length``. Raises `TypeError` for any other error.
    """
    if not isinstance(error, REFUSED):
        raise TypeError(f"a {type(error).__name__} is no refusal: register the handler for Rejected and for TimedOut")
    status, headers, body = _refusals(via).of(error, ours=ours)
    fields = {name.decode("ascii"): value.decode("ascii") for name, value in headers if name != b"content-length"}
    return status, fields, body


def foretold(exchange: Any, error: BaseException | None) -> tuple[int, int | None] | None:
    """The status with which the middleware is about to answer an exchange whose call has ended with this error, and the
    bytes of the body; ``None``: it leaves that to the server, or there is an answer already.
    """
    if exchange.status is not None or not isinstance(error, REFUSED):
        return None
    ours = error is not exchange.error
    if not ours and not getattr(exchange.door, "translates", False):
        return None
    scope = exchange.scope
    if scope["type"] == "websocket" and "websocket.http.response" not in (scope.get("extensions") or ()):
        return DENIED, None
    status, _, body = refusal(error, ours=ours)
    plan = planned(getattr(exchange, "facts", None))
    page = None if plan is None or plan.pages is None or scope["type"] != "http" else plan.pages.find(status)
    if page is None:
        return status, len(body)
    return plan.pages.status or status, len(page if isinstance(page, bytes) else body)


_refusals = lru_cache(16)(Refusals)


def _cause(error: BaseException) -> object:
    return type(error.__cause__), getattr(error.__cause__, "errno", None) in {EMFILE, ENFILE}


def _wire(error: WireError) -> tuple[int, str, bytes]:
    status, detail, word = next(row[1:] for row in WIRE if isinstance(error, row[0]))
    if isinstance(error, ConnectFailed) and getattr(error.__cause__, "errno", None) in {EMFILE, ENFILE}:
        return BUSY
    if isinstance(error, ConnectFailed):
        word = next((known for kind, known in CAUSES if isinstance(error.__cause__, kind)), word)
    return status, detail, word


def _said(error: BaseException) -> tuple[int, str, bytes]:
    if isinstance(error, WireError):
        return _wire(error)
    if isinstance(error, Unread):
        return ASLEEP
    if not isinstance(error, MeshError):
        return BROKEN
    if isinstance(error, NoRoute):
        return {404: ASTRAY, 414: ENDLESS, 502: LOOPED}.get(error.status, MALFORMED)
    if isinstance(error, TooLarge):
        return LARGE
    if isinstance(error, Overlong):
        return LONG
    if isinstance(error, TooLate):
        return LATE
    if isinstance(error, TimedOut):
        return SLOW
    return BUSY if isinstance(error, Overloaded) else AWAY


def _whole(seconds: float) -> int:
    """Rounded up, from 1 on."""
    return 1 if not seconds > 1 else LONGEST if seconds > LONGEST else -int(-seconds // 1)
