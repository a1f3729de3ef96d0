"""What does a route make of an exchange? Another path, another host, other header fields, in a scope of its own.

``root_path`` belongs to whoever is mounted: it is left, and a rewritten path replaces the whole one. Header fields of
the answer are edited where it begins (`exchange`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from ..route.edit import NOTHING, Edit
from ..route.hosts import bracketed
from .bodies import FILES

__all__ = ["edited", "head_of", "host_of", "path_of", "routed"]

REMEMBERED = 4096
LONGEST = 300
"""Characters of an authority that is remembered: a name in the DNS has 253, and a port five."""
WITH_PORT = re.compile(r"(.*?):([0-9]{0,5})", re.DOTALL)
MOST = 65535


def head_of(scope: Any) -> tuple[str, str, str, int | None, str, str | None]:
    """Method, scheme, host, port, path and query; see `meshkit.policy.Door.head`."""
    authority = b""
    for name, value in scope["headers"]:
        if name == b"host":  # several of them are no host at all
            authority = b"%b, %b" % (authority, value) if authority else value
    host, port = host_of(authority.decode("latin-1"))
    query = scope.get("query_string", b"").decode("latin-1")
    return scope.get("method", "GET"), scope.get("scheme", "http"), host, port, path_of(scope) or "/", query or None


def path_of(scope: Any) -> str:
    """The path as sent. Where somebody in front has changed ``path`` alone, that one, encoded: the app obeys it."""
    raw, decoded = scope.get("raw_path"), scope["path"]
    if raw:
        path: str = raw.partition(b"?")[0].decode("latin-1")
        if path == decoded or unquote(path) == decoded:
            return path
    return quote(decoded, safe="/!$&'()*+,;=:@~")


def _authority(text: str) -> tuple[str, int | None]:
    """Host and port. What is not written as RFC 3986 (3.2) has it stays with the host, and no host is such."""
    found = WITH_PORT.fullmatch(text)
    host, port = found.groups() if found else (text, None)
    if port and int(port) > MOST:
        host, port = text, None
    return host.lower(), int(port) if port else None


_known = lru_cache(REMEMBERED)(_authority)


def host_of(authority: str) -> tuple[str, int | None]:
    """Host and port of a ``Host`` field."""
    return (_known if len(authority) <= LONGEST else _authority)(authority)


def routed(scope: Any, decision: Any) -> Any:
    """The scope as its route has it; the very scope where it changes nothing."""
    plan = decision.plan
    host = decision.host
    if decision.same and host is None and plan.request is NOTHING and not plan.paces:
        return scope
    changed = dict(scope)
    if plan.paces and plan.outgoing and "extensions" in scope:  # a file that the server sends is not paced
        changed["extensions"] = {name: each for name, each in (scope["extensions"] or {}).items() if name not in FILES}
    if not decision.same:
        changed["raw_path"] = decision.path.encode("ascii")
        changed["path"] = unquote(decision.path)
    headers = scope["headers"]
    if host is not None:
        headers = [(b"host", bracketed(host).encode("ascii")), *(field for field in headers if field[0] != b"host")]
    if plan.request is not NOTHING:
        headers = edited(headers, plan.request)
    changed["headers"] = headers
    return changed


def edited(headers: Any, edit: Edit) -> list[tuple[bytes, bytes]]:
    """Header fields after an edit."""
    gone = edit.gone
    return [*(field for field in headers if field[0].lower() not in gone), *edit.come]
