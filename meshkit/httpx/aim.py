"""Where does this attempt go, what is it told, and how long may each step of it take?

An endpoint gives an attempt its scheme, host and port. Path, query and the ``Host`` field stay as the caller wrote
them, as with Envoy. Over TLS an endpoint that is an IP address is expected to show the certificate of the host the
caller wrote; one that is a name, its own.

The caller's request is never changed: an attempt that differs from it is a copy that shares its headers and its body.
A URL is put together of its parsed parts, because ``URL.copy_with`` parses and validates it anew on every attempt.
"""

from __future__ import annotations

from typing import Any

__all__ = ["aimed", "another", "hurried", "numeric", "sent_to", "target_of", "targeted", "told"]

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
STEPS = ("connect", "read", "write", "pool")
new = object.__new__
made = tuple.__new__
LEAST, MOST = 0.001, 1e9
"""Seconds: a timeout of none at all would mean not to block, and one of centuries is too long for a socket."""


def aimed(request: Any, endpoint: Any, decision: Any = None) -> Any:
    """The request, to be sent to ``endpoint``, with the path that its route has decided on."""
    url = request.url
    scheme, host, port = endpoint.scheme, endpoint.host, endpoint.port
    try:
        parsed = url._uri_reference
        was, userinfo, before, _, path, query, fragment = parsed
    except (AttributeError, TypeError, ValueError):  # another version parses otherwise
        url = url if decision is None else sent_to(url, decision)
        parsed, was, before = None, url.scheme, url.host
    else:
        if decision is not None:
            path, query = decision.path, decision.query
            before = decision.host or before
    if scheme is None:
        scheme = was
    elif was in ("ws", "wss"):
        scheme = "wss" if scheme == "https" else "ws"
    if port == PORTS.get(scheme):
        port = None  # as in every URL of the two libraries
    if parsed is None:
        there = url.copy_with(scheme=scheme, host=host, port=port)
    else:
        there = new(type(url))
        there._uri_reference = made(type(parsed), (scheme, userinfo, host, port, path, query, fragment))
    extensions = request.extensions
    if decision is not None and "target" in extensions:
        extensions = targeted(extensions, decision)
    if scheme in ("https", "wss") and numeric(host):
        extensions = {"sni_hostname": before, **extensions}
    return another(request, there, extensions)


def sent_to(url: Any, decision: Any) -> Any:
    """The URL under which a route has a request sent."""
    try:
        parsed = url._uri_reference
        scheme, userinfo, host, port, _, _, fragment = parsed
    except (AttributeError, TypeError, ValueError):  # another version parses otherwise
        changes = {"raw_path": _target(decision)}
        return url.copy_with(**changes) if decision.host is None else url.copy_with(host=decision.host, **changes)
    there = new(type(url))
    parts = (scheme, userinfo, decision.host or host, port, decision.path, decision.query, fragment)
    there._uri_reference = made(type(parsed), parts)
    return there


def targeted(extensions: Any, decision: Any) -> Any:
    """A request's extensions. A ``target``, which is sent in place of the URL's, is what its route has made of it."""
    return {**extensions, "target": _target(decision)} if "target" in extensions else extensions


def _target(decision: Any) -> bytes:
    target: str = decision.path if decision.query is None else f"{decision.path}?{decision.query}"
    return target.encode("latin-1")


def target_of(extensions: Any) -> tuple[str, str | None]:
    """The path and the query of the ``target`` that a caller has given. What begins with no slash is no path."""
    given = extensions["target"]
    path, mark, query = (given if isinstance(given, str) else given.decode("latin-1")).partition("?")
    return path, query if mark else None


def numeric(host: str) -> bool:
    """Whether a host is an IP address."""
    return ":" in host or host.rpartition(".")[2].isdecimal()


def hurried(request: Any, remaining: float) -> Any:
    """The request, with each of httpx's timeouts no longer than ``remaining`` seconds."""
    remaining = LEAST if remaining < LEAST else MOST if remaining > MOST else remaining
    given = request.extensions.get("timeout") or {}
    steps = {}
    for step in STEPS:
        seconds = given.get(step)
        steps[step] = remaining if seconds is None or seconds > remaining else seconds
    return another(request, request.url, {**request.extensions, "timeout": steps})


def told(request: Any, fields: list[tuple[bytes, bytes]], *, own: bool = False) -> Any:
    """The request with these fields as well, in place of its own of that name. ``own``: it is our copy already."""
    headers = request.headers
    try:
        listed = headers._list
        more = new(type(headers))
        more._encoding = None  # the library finds it out again, of the fields that there are now
        for name, value in fields:
            for each in listed:
                if each[1] == name:
                    listed = [other for other in listed if other[1] != name]
                    break
            listed = [*listed, (name, name, value)]
        more._list = listed
    except (AttributeError, TypeError, IndexError):  # another version keeps them otherwise
        more = headers.copy()
        for name, value in fields:
            more[name.decode("ascii")] = value.decode("ascii")
    attempt = request if own else another(request, request.url, request.extensions)
    attempt.headers = more
    return attempt


def another(request: Any, url: Any, extensions: Any) -> Any:
    """A copy that shares headers and body."""
    attributes = request.__dict__.copy()
    attributes["url"] = url
    attributes["extensions"] = extensions
    attempt = new(type(request))
    attempt.__dict__ = attributes
    return attempt
