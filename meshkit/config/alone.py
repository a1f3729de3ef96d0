"""What was meant by a value that stands where options should? ``redirect: https://shop.example/``, ``retry: 3``.

Only what is written very often is worth a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

__all__ = ["ALONE", "alone"]

RULES = {"Host": "host", "Path": "path", "PathPrefix": "prefix", "Method": "method"}

_RULE = re.compile(rf"\b({'|'.join(RULES)})\([`'\"]([^`'\"]+)[`'\"]\)")
_WRITTEN = re.compile(r"([a-z_]{1,30})[ (=:]+([^()]{1,30}?)\)?")


def _match(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    rules = [f"{RULES[name]}: {text}" for name, text in _RULE.findall(value)]  # Traefik's
    if rules:
        return f"write {{{', '.join(rules)}}}"
    return f"write {{prefix: {value}}}" if value.startswith("/") else f"write {{host: {value}}}"


def _redirect(value: Any) -> str:
    if not isinstance(value, str):
        return f"write {{status: {value}, ...}} with what changes" if isinstance(value, int) else ""
    try:
        parts = urlsplit(value if "//" in value or value.startswith("/") else f"//{value}")
        told = {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port, "path": parts.path.rstrip("/")}
    except ValueError:
        return ""
    return f"write {{{', '.join(f'{name}: {part}' for name, part in told.items() if part)}}}"


def _listener(value: Any) -> str:
    if isinstance(value, int):
        return f"write {{port: {value}}}"
    address, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    return f"write {{address: {address or '0.0.0.0'}, port: {port}}}" if colon and port.isdigit() else ""  # noqa: S104


def _policy(value: Any) -> str:
    match = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    return "" if match is None else f"write {match[1]}: {match[2]}"


ALONE: dict[str, Callable[[Any], str]] = {
    "backoff": lambda value: f"write constant: {value}" if isinstance(value, str) and value[:1].isdigit() else "",
    "budget": lambda value: f"write retry_budget: {{ratio: {value}}}" if isinstance(value, str | float) else "",
    "canary": lambda value: f"write {{main: ..., canary: {value}, weight: 10}}" if isinstance(value, str) else "",
    "ceilings": lambda value: f"write {{requests: {value}}}" if isinstance(value, int) else "",
    "check": lambda value: f"write http_check: {value}" if str(value).startswith("/") else "",
    "circuit_breaker": lambda value: f"write failures: {value}" if isinstance(value, int) else "",
    "listener": _listener,
    "match": _match,
    "node": lambda value: "write {calls: [orders]}" if isinstance(value, list) else "",
    "policy": _policy,
    "redirect": _redirect,
    "respond": lambda value: f"write {{status: 200, body: {value}}}" if isinstance(value, str) else "",
    "retry": lambda value: (
        f"write {{on: 5xx, attempts: {value}}}" if isinstance(value, int) and 0 < value < 100 else ""
    ),
    "rewrite": lambda value: f"write {{path: {value}}}" if str(value).startswith("/") else "",
}


def alone(where: str, value: Any) -> str:
    """What to write in place of a value that stands where options should; empty: it may stand there, or who knows."""
    hint = ALONE.get(where)
    return "" if hint is None or isinstance(value, bool) else hint(value)
