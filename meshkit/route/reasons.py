"""Why does a route not have a request? Each condition that does not hold, in words; or why another one comes first.

What the tables decide at one go is asked here one by one, of one match at a time: for those who want to know why, not
for calls. What orders those that match, by the order of the routes (see `table`, `envoy`, `ingress_nginx`):

===================================  ==================================  =============================
gateway-api                          envoy                               ingress-nginx
===================================  ==================================  =============================
priority                             priority                            priority
host                                 host, and only the nearest          host, and only the nearest
exact path, longest path             order                               exact path, longest text
a prefix before an expression                                            order
method, header fields ... order
===================================  ==================================  =============================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .hosts import ANY, normal
from .match import Match
from .options import PORTS
from .rule import CHARACTERS, ELEMENTS, EXACT, Rule
from .table import rank

__all__ = ["Standing", "comes_first", "misses", "standing"]

FEW = 3
"""Hosts or methods that are told."""
GATEWAY = "gateway-api"
NGINX = "ingress-nginx"


def misses(rule: Rule, call: Any, head: tuple[Any, ...], path: str, order: str = GATEWAY) -> list[str]:
    """What does not hold, empty if all does. ``path`` is in its normal form; ``order``: the router's."""
    return [*_line(rule, head, path, order), *_facts(rule.match, call)]


def _line(rule: Rule, head: tuple[Any, ...], path: str, order: str) -> Iterator[str]:
    match = rule.match
    method, scheme, host, port, _, _ = head
    host = normal(host)
    if match.host and _nearest(match.host, host, order) is None:
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
    if match.when is not None:
        name = getattr(match.when, "__qualname__", "its function")
        try:
            said = bool(match.when(call))
        except Exception as error:  # it is the user's, and may want more of a request than there is
            yield f"{name} raises {type(error).__name__}"
        else:
            if not said:
                yield f"{name} says no"


def _below(path: str, prefix: str) -> bool:
    stem = prefix.rstrip("/")
    return path == stem or path.startswith(stem + "/")


def _either(those: Sequence[str]) -> str:
    more = f" or {len(those) - FEW} more" if len(those) > FEW else ""
    return " or ".join(those[:FEW]) + more


class Standing(NamedTuple):
    """Where a rule stands among all that match a request: the smaller comes first."""

    priority: int
    host: tuple[int, int]
    exact: bool
    """False where it is for that very path, which comes first."""
    length: int
    expression: bool
    rank: tuple[Any, ...]


def standing(rule: Rule, host: str, order: str = GATEWAY, *, default: bool = False) -> Standing:
    """Of one that matches a request for a host, in its normal form. ``default``: it is for what no route matches."""
    near = _nearest(rule.match.host or (ANY,), host, order) or (3, 0)
    priority = 2**32 if default else -rule.route.priority
    if order == "envoy":
        return Standing(priority, near, False, 0, False, (rule.number,))
    text = rule.text if rule.regex is None else rule.literal
    length = max(1, len(text.rstrip("/"))) if rule.kind == ELEMENTS else len(text)
    if order == NGINX:
        length = len(rule.text.rstrip("/")) + 1 if rule.kind == ELEMENTS else len(rule.text)
        place = (*(-ord(each) for each in rule.text), rule.number) if rule.regex is not None else (rule.number,)
        return Standing(priority, near, rule.kind != EXACT, -length, rule.kind == CHARACTERS, place)
    return Standing(priority, near, rule.kind != EXACT, -length, rule.kind != ELEMENTS, rank(rule))


def _nearest(patterns: Sequence[str], host: str, order: str) -> tuple[int, int] | None:
    """How near the nearest of these patterns is to a host; ``None``: none is for it."""
    return min(filter(None, (_near(each, host, order) for each in patterns)), default=None)


def _near(pattern: str, host: str, order: str) -> tuple[int, int] | None:
    if pattern == host:
        return 0, 0
    if pattern == ANY:
        return 3, 0
    if pattern.startswith("*."):
        sound = host.partition(".")[2] == pattern[2:] if order == NGINX else host.endswith(pattern[1:])
        return (1, -len(pattern)) if sound else None
    return (2, -len(pattern)) if pattern.endswith(".*") and host.startswith(pattern[:-1]) else None


def comes_first(first: Rule, other: Rule, host: str, order: str = GATEWAY, *, default: bool = False) -> str:
    """Why one comes first of two that match a request, said of the other. ``default``: the other is."""
    if default:
        return "it is for what no route matches"
    one, two = standing(first, host, order), standing(other, host, order)
    if one.priority != two.priority:
        return f"the other's priority is {-one.priority}, its own {-two.priority}"
    if one.host != two.host:
        alone = ", and only the nearest is asked" if order != GATEWAY else ""
        return f"its host {_pattern(other, host, order)} is wider than {_pattern(first, host, order)}{alone}"
    if order == "envoy":
        return "it stands further down"
    if one.exact != two.exact:
        return f"{first.text} is that very path"
    if one.length != two.length:
        return f"{other.text} is shorter than {first.text}"
    if one.expression != two.expression:
        return "a prefix comes before it"
    if order == NGINX:
        alphabet = first.regex is not None and first.text != other.text
        return "of two as long the later in the alphabet comes first" if alphabet else "it stands further down"
    return _ranked(first, other)


def _ranked(first: Rule, other: Rule) -> str:
    names = ("methods", "header fields and cookies", "query parameters", "other conditions")
    for name, one, two in zip(names, rank(first), rank(other), strict=False):
        if one != two:
            return f"it asks for fewer {name}, {-two} to {-one}" if name != "methods" else "the other asks for a method"
    return "it stands further down"


def _pattern(rule: Rule, host: str, order: str) -> str:
    return min(rule.match.host or (ANY,), key=lambda each: _near(each, host, order) or (4, 0))
