"""What may be said of a call to whoever reads records, logs and traces? Nothing that somebody else has written.

============================================  =======================================================================
of an exception                               said
============================================  =======================================================================
any                                           the name of its class
`Rejected`, `TimedOut`                        its text, which is ours; without what a subset was asked for, and of a
                                              `NoRoute` the path as below
`ConfigError`                                 its ``fix``
an `OSError`, also as the cause of an         what the operating system calls its number: "connection refused"
error of httpx or of our pool
a name that is not found, TLS, other errors   a few words of our own for each class
of httpx and of our pool
any other                                     nothing more: its text may hold a password, a row, a body
============================================  =======================================================================

In a path, a segment that looks like a secret or an identity becomes ``*``: an e-mail address, and one of 24 characters
or more that is not made of lower-case words (UUIDs, hexadecimal and base64url tokens, JWTs). RFC 9110, 17.9, and the
OWASP Logging Cheat Sheet say why tokens and identities stay out of logs.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from errno import EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH, errorcode
from functools import lru_cache
from itertools import islice
from typing import Any

from ..call import Failure
from ..errors import ConfigError, NoEndpoint, NoRoute, Rejected, TimedOut

__all__ = ["cause", "numbers", "path", "scalar", "text", "who"]

LONGEST = 200
"""Characters of a string."""
MANY = 16
"""Numbers of one policy."""
OPAQUE = 24
"""Characters from which on a segment is none that somebody would read."""
DEEP = 8
"""Causes of causes that are looked at."""
READ = 4000
"""Characters of a path that are looked at."""

_WORDS = re.compile(r"[a-z]{1,20}[0-9]{0,2}(?:[-_.][a-z]{1,20}[0-9]{0,2})*")
_AT = re.compile("@|%(?:25)*40")
"""However often it was encoded."""
_PLAIN = re.compile(r"[\w.:\[\]-]{1,100}", re.ASCII)
_CONSTANT = re.compile(r"[A-Z0-9_]{1,60}")
OURS = (Rejected, TimedOut)
_ROOMS = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "meshkit", "socket", "ssl"})
_MISTAKES = frozenset({"InvalidURL", "LocalProtocolError", "Misused", "UnsupportedProtocol"})
"""Errors of the caller's, though some are transport errors of httpx: there was no connection to fail."""
_UNREACHABLE = frozenset({EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH})
_NO_CONNECTION = "no connection could be made"
_SAID = {
    "ConnectTimeout": "no connection in time",
    "ReadTimeout": "nothing came in time",
    "WriteTimeout": "the request could not be sent in time",
    "PoolTimeout": "no connection of the pool became free in time",
    "TimeoutException": "timed out",
    "RemoteProtocolError": "the answer was not valid HTTP",
    "LocalProtocolError": "the request was not valid HTTP",
    "UnsupportedProtocol": "the scheme of the URL is not supported",
    "InvalidURL": "the URL is not valid",
    "DecodingError": "the body of the answer could not be decoded",
    "TooManyRedirects": "too many redirects",
    "StreamError": "a body was read twice, or after its end",
}
"""By the class of httpx; our pool's stand beside them."""
_SAID |= {
    "ConnectTimedOut": _SAID["ConnectTimeout"],
    "ReadTimedOut": _SAID["ReadTimeout"],
    "WriteTimedOut": _SAID["WriteTimeout"],
    "PoolTimedOut": _SAID["PoolTimeout"],
    "Malformed": _SAID["RemoteProtocolError"],
    "Misused": _SAID["LocalProtocolError"],
}
_BROKEN = {
    "ConnectError": _NO_CONNECTION,
    "ConnectFailed": _NO_CONNECTION,
    "ReadError": "the connection broke before the answer was complete",
    "ReadFailed": "the connection broke before the answer was complete",
    "WriteError": "the connection broke while the request was sent",
    "WriteFailed": "the connection broke while the request was sent",
    "ProxyError": "the proxy would not connect",
}
"""Said where nothing below them says more."""
_ENDED = {
    "Server disconnected without sending a response": "the server closed the connection without an answer",
    "peer closed connection without sending complete": "the server closed the connection without a complete answer",
}
"""Beginnings of texts that are constants of theirs: compared, not repeated."""
_STALE = "the server had closed the kept-alive connection"


def cause(failed: Failure | BaseException) -> dict[str, Any]:
    """What may be said of a failure, or of an exception alone, as plain data: see the form of a decision record.

    Keeps nothing of the exception. Never raises.
    """
    failure = failed if isinstance(failed, Failure) else None
    error = failed.error if isinstance(failed, Failure) else failed
    status = None if failure is None else failure.status
    retry_after = None if failure is None else failure.retry_after
    stale = failure is not None and failure.stale
    said: dict[str, Any] = {
        "error": None if error is None else text(type(error).__name__),
        "says": None,
        "kind": "error" if status is None else "status",
        "status": scalar(status),
        "sent": failure is None or failure.sent,
        "stale": stale,
        "retry_after": scalar(retry_after),
    }
    if error is None:
        return said
    with suppress(Exception):  # an exception is anybody's class
        said["kind"] = _kind(error, None if failure is None else failure.kind)
        says = _STALE if stale else _says(error)
        said["says"] = None if says is None else text(says)
        if isinstance(error, Rejected):
            said["sent"] = False
            if retry_after is None:
                said["retry_after"] = scalar(error.retry_after)
        if isinstance(error, OURS):
            said["policy"] = text(error.policy)
            said["endpoint"] = None if error.endpoint is None else text(error.endpoint)
    return said


def _kind(error: BaseException, kind: type[Exception] | None) -> str:
    if isinstance(error, Rejected):
        return "rejected"
    if not isinstance(error, Exception):
        return "cancelled"
    names = _ancestry(error)
    if not _MISTAKES.isdisjoint(names):
        return "error"
    if isinstance(error, TimeoutError) or kind is TimeoutError or "TimeoutException" in names:
        return "timeout"
    if isinstance(error, ConnectionError) or kind is ConnectionError or "TransportError" in names:
        return "connection"
    unreachable = isinstance(error, OSError) and error.errno in _UNREACHABLE
    return "connection" if unreachable or "gaierror" in names or "SSLError" in names else "error"


def _ancestry(error: BaseException) -> tuple[str, ...]:
    """The names of its classes, of those that are httpx's, ours or of the standard library's sockets."""
    kind: Any = type(error)
    return _names(kind)


@lru_cache(256)
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(each.__name__ for each in kind.__mro__ if each.__module__.partition(".")[0] in _ROOMS)


def _says(error: BaseException) -> str | None:
    if isinstance(error, NoEndpoint) and len(error.args) > 1:  # what a subset was asked for comes from the request
        blank = ["..."] * (len(error.args) - 1)
        return str(NoEndpoint(error.args[0], *blank, policy=error.policy, endpoint=error.endpoint))
    if isinstance(error, NoRoute) and len(error.args) == 4:
        reason, method, host, where = map(str, error.args)
        shown = [each if _PLAIN.fullmatch(each) else "*" for each in (method, host)]
        return str(NoRoute(reason, *shown, path(where), policy=error.policy))
    if isinstance(error, OURS):
        return str(error)
    if isinstance(error, ConfigError):
        return error.fix or None
    names = _ancestry(error)
    if "RemoteProtocolError" in names or "Malformed" in names:
        said = str(error)
        return next((ours for begin, ours in _ENDED.items() if said.startswith(begin)), _SAID["RemoteProtocolError"])
    known = next((_SAID[name] for name in names if name in _SAID), None)
    if known is not None:
        return known
    broken = next((_BROKEN[name] for name in names if name in _BROKEN), None)
    if broken is not None or isinstance(error, OSError):
        return _system(error) or broken
    return None


def _system(error: BaseException) -> str | None:
    """What the operating system says, of the error or of what is behind it."""
    each: BaseException | None = error
    for _ in range(DEEP):
        if isinstance(each, OSError):
            names = _ancestry(each)
            if "gaierror" in names:
                return "the name could not be resolved"
            if "SSLCertVerificationError" in names:
                return "the server's certificate was not accepted"
            if "SSLError" in names:
                reason = getattr(each, "reason", None)  # a constant of OpenSSL's
                constant = isinstance(reason, str) and _CONSTANT.fullmatch(reason)
                return f"TLS failed: {reason.lower().replace('_', ' ')}" if constant else "TLS failed"  # type: ignore[union-attr]
            if isinstance(each.errno, int) and each.errno in errorcode:
                said = os.strerror(each.errno)
                return said[:1].lower() + said[1:]
            if isinstance(each, TimeoutError):
                return "timed out"
        if isinstance(each, BaseExceptionGroup):
            each = each.exceptions[0]
        elif each is not None:
            each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return None


def path(path: str) -> str:
    """A path that may be shown: without a query, without what looks like a secret or an identity; at most 200
    characters.
    """
    whole = len(path) <= READ
    segments = re.split(r"[?#]", path[:READ], maxsplit=1)[0].split("/")
    if not whole:
        segments[-1] = "..."  # a part of a secret is one as well
    return text("/".join(map(_segment, segments)))


def who(name: str) -> str:
    """What a call below is called by its door: a host, a function, or a method and a path, which is shown as `path`."""
    before, slash, rest = name.partition("/")
    return text(before + path(slash + rest)) if slash else text(before)


def _segment(segment: str) -> str:
    name, parameters, _ = segment.partition(";")
    if _AT.search(name) or (len(name) >= OPAQUE and not _WORDS.fullmatch(name)):
        return "*"
    return f"{name};*" if parameters else name


def text(value: object) -> str:
    """One line of at most 200 characters; what cannot be printed is escaped. What has no text, because its ``str``
    raises, is called by its class.
    """
    try:
        line = str(value)
    except Exception:  # it is anybody's
        line = type(value).__name__
    if len(line) > LONGEST:
        line = line[: LONGEST - 3] + "..."
    if not line.isprintable():
        line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
        if len(line) > LONGEST:
            line = line[: LONGEST - 3] + "..."
    return line


def scalar(value: object) -> bool | int | float | str | None:
    """The value as JSON has it; ``None`` for infinities, NaN and whatever is neither number nor text, or raises."""
    try:
        return _scalar(value)
    except Exception:  # somebody's own kind of number
        return None


def _scalar(value: object) -> bool | int | float | str | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return scalar(value.value)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else None
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return text(value) if isinstance(value, str) else None


def numbers(mapping: Mapping[Any, Any] | None) -> dict[str, bool | int | float | str | None]:
    """What a policy knew, as plain data: the first 16. Never raises."""
    known: dict[str, bool | int | float | str | None] = {}
    with suppress(Exception):  # it may be anybody's
        for name, value in islice((mapping or {}).items(), MANY):
            known[text(name)] = scalar(value)
    return known
