"""Why does a route not match a request? Each condition that does not hold, in words.

What the tables decide at one go is asked here one by one, of one match at a time: for those who want to know why, not
for calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .hosts import ANY, normal, prefixes, suffixes
from .match import Match
from .options import PORTS
from .rule import CHARACTERS, ELEMENTS, EXACT, Rule

__all__ = ["misses"]


def misses(rule: Rule, call: Any, head: tuple[Any, ...], path: str) -> list[str]:
    """What does not hold, empty if all does. ``path`` is in its normal form."""
    return [*_line(rule, head, path), *_facts(rule.match, call)]


def _line(rule: Rule, head: tuple[Any, ...], path: str) -> Iterator[str]:
    match = rule.match
    method, scheme, host, port, _, _ = head
    host = normal(host)
    known = {ANY, host, *(f"*.{each}" for each in suffixes(host)), *(f"{each}.*" for each in prefixes(host))}
    if match.host and known.isdisjoint(match.host):
        yield f"host is {host or 'not given'}, not {_either(match.host)}"
    yield from _path(rule, path)
    if rule.methods and method not in rule.methods:
        yield f"method is {method}, not {_either(sorted(rule.methods))}"
    if match.scheme is not None and scheme != match.scheme:
        yield f"scheme is {scheme}, not {match.scheme}"
    if match.port is not None and (port or PORTS.get(scheme)) != match.port:
        yield f"port is {port or PORTS.get(scheme, 'not given')}, not {match.port}"


def _path(rule: Rule, path: str) -> Iterator[str]:
    text = rule.text
    wanted = text if rule.match.grpc is None else f"gRPC's {text}"
    if rule.regex is not None:
        if rule.regex(path) is None:
            yield f"path {path} does not match {text}"
    elif rule.kind == EXACT and path != text:
        yield f"path is {path}, not {wanted}"
    elif rule.kind == ELEMENTS and not _below(path, text):
        yield f"path is {path}, not below {wanted}"
    elif rule.kind == CHARACTERS and not path.startswith(text):
        yield f"path is {path}, which does not begin with {text}"


def _facts(match: Match, call: Any) -> Iterator[str]:
    for name, test in match.facts():
        value = call.door.fact(call, name)
        if not test(value):
            kind, _, which = name.partition(":")
            what = f"{kind} {which}".strip()
            yield f"{what} is absent" if value is None else f"{what} is {value!r}, which is not what it asks for"
    if match.when is not None and not match.when(call):
        yield f"{getattr(match.when, '__qualname__', 'its function')} says no"


def _below(path: str, prefix: str) -> bool:
    stem = prefix.rstrip("/")
    return path == stem or path.startswith(stem + "/")


def _either(those: Iterable[str]) -> str:
    return " or ".join(those)
