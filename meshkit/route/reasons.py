"""Why does a route not match a request? Each condition that does not hold, in words.

What the tables decide at one go is asked here one by one, of one match at a time: for those who want to know why, not
for calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .hosts import suffixes
from .match import Match
from .regex import compile as compiled

__all__ = ["misses"]


def misses(match: Match, call: Any, head: tuple[Any, ...], path: str) -> list[str]:
    """What does not hold, empty if all does. ``path`` is in its normal form."""
    return [*_line(match, head, path), *_facts(match, call)]


def _line(match: Match, head: tuple[Any, ...], path: str) -> Iterator[str]:
    method, scheme, host, port, _, _ = head
    wild = {f"*.{suffix}" for suffix in suffixes(host)}
    if match.host and not any(each == host or each in wild for each in match.host):
        yield f"host is {host or 'not given'}, not {_either(match.host)}"
    if match.path is not None and path != match.path:
        yield f"path is {path}, not {match.path}"
    if match.prefix is not None and not _below(path, match.prefix):
        yield f"path is {path}, not below {match.prefix}"
    if match.regex is not None and compiled(match.regex, policy="Match").full(path) is None:
        yield f"path {path} does not match {match.regex}"
    if match.grpc is not None:
        wanted = "/" + match.grpc
        if not (path == wanted if "/" in match.grpc else _below(path, wanted)):
            yield f"path is {path}, not gRPC's {wanted}"
    methods = match.method or (("POST",) if match.grpc is not None else ())
    if methods and method not in methods:
        yield f"method is {method}, not {_either(methods)}"
    if match.scheme is not None and scheme != match.scheme:
        yield f"scheme is {scheme}, not {match.scheme}"
    if match.port is not None and port != match.port:
        yield f"port is {'not given' if port is None else port}, not {match.port}"


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


def _either(those: tuple[str, ...]) -> str:
    return " or ".join(those)
