"""Which routes never get a request, since another one takes all of theirs?

Said only where it is certain. The more special comes first by the order of routes (`meshkit.route.table`), so one takes
all that another is for in two cases:

====================  ==============================================================================================
of one priority       the same host and path, the same other conditions, all its methods; and it stands further up
of a higher priority  its hosts contain the other's, its path does, its methods do, and it asks nothing that the other
                      does not ask
====================  ==============================================================================================

A route's hosts may be taken by several others, its methods as well where they are of one priority. What paths two
expressions have in common is not looked into, unless they are the same.

In Envoy's order the first one takes all, so it is the second case for those further up with the same host, and nothing
is said of priorities. Of ingress-nginx' order, where the longest path of all takes it, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from ..route.hosts import ANY, prefixes, suffixes
from ..route.rule import CHARACTERS, ELEMENTS, EXACT, Rule
from ..route.table import rank

__all__ = ["Shadow", "shadows"]

MOST = 200
"""Rules of a higher priority that are looked at for one."""


class Shadow(NamedTuple):
    """A rule that gets nothing, and one that comes first."""

    rule: Rule
    first: Rule


def shadows(rules: Iterable[Rule], order: str = "gateway-api") -> list[Shadow]:
    """Of the rules of a router with that order, those that never get a request."""
    found: list[Shadow] = []
    if order == "gateway-api":
        found = _gateway_api(rules)
    elif order == "envoy":
        found = _envoy(rules)
    return sorted(found, key=lambda shadow: shadow.rule.number)


def _envoy(rules: Iterable[Rule]) -> list[Shadow]:
    found: list[Shadow] = []
    above: dict[int, _Above] = {}
    for rule in rules:
        same = above.setdefault(rule.route.priority, _Above(wider=False))
        first = same.taking(rule)
        if first is None:
            same.add(rule)
        else:
            found.append(Shadow(rule, first))
    return found


def _gateway_api(rules: Iterable[Rule]) -> list[Shadow]:
    found: list[Shadow] = []
    higher = _Above(wider=True)
    listed = sorted(rules, key=lambda rule: -rule.route.priority)
    for _, several in groupby(listed, key=lambda rule: rule.route.priority):
        group = sorted(several, key=rank)
        equal: dict[Any, _Taken] = {}
        for rule in group:
            first = higher.taking(rule) or _taking(rule, equal)
            if first is not None:
                found.append(Shadow(rule, first))
        for rule in group:
            higher.add(rule)
    return found


def conditions(rule: Rule) -> frozenset[Any]:
    """What it asks besides host, path and method."""
    match = rule.match
    asked: set[Any] = {("header", name.lower(), value) for name, value in match.headers.items()}
    asked |= {("cookie", name, value) for name, value in match.cookies.items()}
    asked |= {("query", name, value) for name, value in match.query.items()}
    for option in ("scheme", "port", "sni", "certificate", "source"):
        value = getattr(match, option)
        if value is not None and value != ():
            asked.add((option, value))
    if match.when is not None:
        asked.add(("when", id(match.when)))
    if match.grpc is not None:
        asked.add(GRPC)
    return frozenset(asked)


GRPC = ("grpc",)


class _Taken:
    """What those of one host, path and conditions have taken already."""

    __slots__ = ("all", "methods")

    def __init__(self) -> None:
        self.all: Rule | None = None
        """The one for every method."""
        self.methods: dict[str, Rule] = {}

    def first(self, methods: frozenset[str]) -> Rule | None:
        """One that comes first, where all of these methods are taken."""
        if self.all is not None:
            return self.all
        if methods and all(method in self.methods for method in methods):
            return self.methods[min(methods)]
        return None

    def add(self, rule: Rule) -> None:
        if not rule.methods:
            self.all = self.all or rule
        for method in rule.methods:
            self.methods.setdefault(method, rule)


def _taking(rule: Rule, equal: dict[Any, _Taken]) -> Rule | None:
    """One of the same priority that comes first, where each host is taken. Those further up are in ``equal``."""
    asked = conditions(rule)
    plain = asked - {GRPC}
    firsts = []
    for host in rule.match.host or (ANY,):
        place = host, rule.kind, rule.text
        taken = [equal[place, those] for those in {asked, plain} if (place, those) in equal]
        firsts.append(next(filter(None, (each.first(rule.methods) for each in taken)), None))
        equal.setdefault((place, asked), _Taken()).add(rule)
    return firsts[0] if all(firsts) else None


class _Above:
    """Rules that are asked before others, by host and path. ``wider``: also for narrower hosts than their own."""

    def __init__(self, *, wider: bool) -> None:
        self._patterns = _wider if wider else _itself
        self._hosts: dict[str, dict[str, list[Rule]]] = {}

    def add(self, rule: Rule) -> None:
        for host in rule.match.host or (ANY,):
            self._hosts.setdefault(host, {}).setdefault(_key(rule), []).append(rule)

    def taking(self, rule: Rule) -> Rule | None:
        """One that takes all that a rule is for; of several hosts the first one's."""
        if not self._hosts:
            return None
        asked = conditions(rule)
        firsts = [self._first(host, rule, asked) for host in rule.match.host or (ANY,)]
        return firsts[0] if all(firsts) else None

    def _first(self, host: str, rule: Rule, asked: frozenset[Any]) -> Rule | None:
        for number, other in enumerate(self._likely(host, rule)):
            if number == MOST:
                break
            wide = not other.methods or (rule.methods and rule.methods <= other.methods)
            if wide and _path_within(rule, other) and conditions(other) <= asked:
                return other
        return None

    def _likely(self, host: str, rule: Rule) -> Iterator[Rule]:
        for pattern in self._patterns(host):
            paths = self._hosts.get(pattern)
            if paths is not None:
                for key in _keys(rule):
                    yield from paths.get(key, ())


def _itself(host: str) -> Iterator[str]:
    yield host


def _wider(host: str) -> Iterator[str]:
    """The patterns that contain one, itself among them."""
    yield host
    if host == ANY:
        return
    if not host.endswith(".*"):
        yield from (f"*.{each}" for each in suffixes(host.removeprefix("*.")))
    if not host.startswith("*."):
        yield from (f"{each}.*" for each in prefixes(host.removesuffix(".*")))
    yield ANY


def _key(rule: Rule) -> str:
    """By what those are found whose paths contain one: its own path, or for a prefix by element, what is above it."""
    if rule.kind == EXACT:
        return rule.text
    return rule.text.rstrip("/") + "/" if rule.kind == ELEMENTS else ""


def _keys(rule: Rule) -> Iterator[str]:
    text = rule.text if rule.regex is None else rule.literal
    if rule.kind == EXACT:
        yield text
    stem = text.rstrip("/") if rule.kind in {EXACT, ELEMENTS} else text[: text.rfind("/")] if "/" in text else None
    while stem is not None:
        yield stem + "/"
        stem = stem[: stem.rfind("/")] if stem else None
    yield ""


def _path_within(rule: Rule, other: Rule) -> bool:
    """Whether all paths of one are paths of the other, which was found by `_keys`."""
    if other.kind == ELEMENTS:
        return True
    if other.kind == EXACT:
        return rule.kind == EXACT and rule.text == other.text
    if other.kind == CHARACTERS:
        begins = rule.text if rule.regex is None else rule.literal
        if rule.kind == ELEMENTS:
            begins = begins.rstrip("/") or "/"  # /a/ is for /a as well
        return begins.startswith(other.text)
    if rule.kind == EXACT:
        return other.regex(rule.text) is not None
    return rule.regex is not None and rule.text == other.text
