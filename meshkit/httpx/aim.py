"""Where does this attempt go, and how long may each step of it take?

An endpoint gives an attempt its scheme, host and port. Path, query and the ``Host`` field stay as the caller wrote
them, as with Envoy. Over TLS an endpoint that is an IP address is expected to show the certificate of the host the
caller wrote; one that is a name, its own.

The caller's request is never changed: an attempt that differs from it is a copy that shares its headers and its body.
A URL is put together of its parsed parts, because ``URL.copy_with`` parses and validates it anew on every attempt.
"""

from __future__ import annotations

from typing import Any

__all__ = ["aimed", "hurried"]

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
STEPS = ("connect", "read", "write", "pool")
LEAST = 0.001
"""Seconds: a timeout of none at all would mean not to block."""


def aimed(request: Any, endpoint: Any) -> Any:
    """The request, to be sent to ``endpoint``."""
    url = request.url
    parsed = getattr(url, "_uri_reference", None)
    was = url.scheme if parsed is None else parsed.scheme
    scheme = endpoint.scheme or was
    if was in ("ws", "wss") and scheme in ("http", "https"):
        scheme = "wss" if scheme == "https" else "ws"
    host = endpoint.host
    port = None if endpoint.port == PORTS.get(scheme) else endpoint.port
    if parsed is None:
        before = url.host
        there = url.copy_with(scheme=scheme, host=host, port=port)
    else:
        before = parsed.host
        there = object.__new__(type(url))
        there._uri_reference = parsed._replace(scheme=scheme, host=host, port=port)
    attempt = _copy(request)
    attempt.url = there
    if scheme in ("https", "wss") and (host.rpartition(".")[2].isdecimal() or ":" in host):
        attempt.extensions = {"sni_hostname": before, **request.extensions}
    return attempt


def hurried(request: Any, remaining: float) -> Any:
    """The request, with each of httpx's timeouts no longer than ``remaining`` seconds."""
    if remaining < LEAST:
        remaining = LEAST
    given = request.extensions.get("timeout") or {}
    steps = {}
    for step in STEPS:
        seconds = given.get(step)
        steps[step] = remaining if seconds is None or seconds > remaining else seconds
    attempt = _copy(request)
    attempt.extensions = {**request.extensions, "timeout": steps}
    return attempt


def _copy(request: Any) -> Any:
    copy = object.__new__(type(request))
    copy.__dict__.update(request.__dict__)
    return copy
