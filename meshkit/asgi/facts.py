"""What is known of an incoming request, by name? For keys, costs, and the matches of routes.

Who the client is by its certificate, the server says in the ``tls`` extension of ASGI: ``client_cert_name``, its
subject as RFC 4514 writes it, where there is one and nothing is wrong with it (``client_cert_error``). For the name
that the client has asked for (SNI) the extension has no word: a server that knows it says ``sni``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import UUID

from ..errors import ConfigError
from ..fields.pairs import cookie, parameter
from .client import network_of

__all__ = ["FACTS", "fact", "field", "known", "lines"]

NONE: dict[str, Any] = {}
ALONE = ("certificate", "client", "client-network", "host", "method", "path", "scheme", "sni", "uri", "user")
UNDER_A_NAME = ("header", "cookie", "query", "state")
FACTS = (*ALONE, *(f"{kind}:<name>" for kind in UNDER_A_NAME))
PLAIN = (str, int, bytes, tuple, UUID)
NAMED = ("identity", "pk", "id", "username", "display_name")


def fact(scope: Any, name: str, client: Callable[[Any], str | None]) -> Any:
    """One of `FACTS`, ``None`` where there is none. Raises `ConfigError` for another name."""
    alone = _ALONE.get(name)
    if alone is not None:
        return alone(scope)
    if name == "client":
        return client(scope)
    if name == "client-network":
        address = client(scope)
        return address and (network_of(address) or address)
    kind, _, which = name.partition(":")
    if kind == "header" and which:
        return field(scope, which.lower().encode("latin-1", "replace"))
    if kind == "cookie" and which:
        return cookie(lines(scope, b"cookie"), which)
    if kind == "query" and which:
        return parameter(scope.get("query_string", b"").decode("latin-1"), which)
    if kind == "state" and which:
        return (scope.get("state") or NONE).get(which)
    raise _unknown(name)


def known(name: str) -> None:
    """Raises `ConfigError` for what is none of `FACTS`."""
    kind, _, which = name.partition(":")
    if name not in ALONE and not (which and kind in UNDER_A_NAME):
        raise _unknown(name)


def _unknown(name: str) -> ConfigError:
    return ConfigError.of("meshkit.asgi", "key", name, f"name one of {', '.join(FACTS)}, or give a function")


def field(scope: Any, name: bytes) -> str | None:
    """The field's value, its lines joined in order."""
    found = lines(scope, name)
    return ", ".join(found) if found else None


def lines(scope: Any, name: bytes) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each == name]


def _host(scope: Any) -> str | None:
    host = field(scope, b"host")
    return host and host.lower()


def _uri(scope: Any) -> str:
    """The path with the query, as sent; where the server tells no more than the decoded path, that one encoded."""
    raw = scope.get("raw_path")
    path = raw.partition(b"?")[0].decode("latin-1") if raw else quote(scope["path"], safe="/!$&'()*+,;=:@~")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def _certificate(scope: Any) -> str | None:
    tls = _tls(scope)
    name = tls.get("client_cert_name")
    return name if isinstance(name, str) and name and not tls.get("client_cert_error") else None


def _sni(scope: Any) -> str | None:
    name = _tls(scope).get("sni")
    return name.lower().removesuffix(".") if isinstance(name, str) and name else None


def _tls(scope: Any) -> Any:
    return (scope.get("extensions") or NONE).get("tls") or NONE


def _user(scope: Any) -> Any:
    """Who the user is: what is one of `PLAIN` stands for itself, of an object it is the first of `NAMED` that it has;
    ``None`` where it says that nobody is authenticated. An object as such may be a new one for each request.
    """
    value = scope.get("user")
    if value is None or isinstance(value, PLAIN):
        return value
    if not getattr(value, "is_authenticated", True):
        return None
    for name in NAMED:
        try:
            found = getattr(value, name)
        except (AttributeError, NotImplementedError):
            continue
        if isinstance(found, PLAIN) and found != "":
            return found
    kind = type(value).__name__
    raise TypeError(f"the user is a {kind} with none of {', '.join(NAMED)}: give a function of the call that tells who")


_ALONE: dict[str, Callable[[Any], Any]] = {
    "certificate": _certificate,
    "host": _host,
    "method": lambda scope: scope.get("method", "GET"),  # a websocket's handshake is one
    "path": lambda scope: scope["path"],
    "scheme": lambda scope: scope.get("scheme", "http"),
    "sni": _sni,
    "uri": _uri,
    "user": _user,
}
