"""Which of ten thousand routes may a request be for? A few, found by its host and its path, in order of precedence.

::

    priority           the higher first, where routes have one
    host               exact, then the longest wildcard, then those for any host
    path               exact; then by length, a prefix by its characters, an expression by those it must begin with,
                       a prefix before an expression of the same length
    method             with one
    headers, cookies   the more
    query parameters   the more
    other conditions   the more
    order              as written

That is the Gateway API's order for HTTPRoute, where it says one; so it also asks those of a wider host where none of a
nearer one matches. Hosts are a table by name and one by what a wildcard ends in; paths one by name, one by prefix, and
one for each length of what is no prefix by element: so a match costs what its host and its path are long, and next to
nothing more with ten thousand routes than with ten. Routes for the same host and path are asked one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from .hosts import ANY, prefixes, suffixes
from .match import Match
from .rule import ELEMENTS, EXACT, Reading, Rule, read

__all__ = ["Found", "GatewayApi", "Hosts", "Paths", "asked"]

Found = tuple[Rule, Any]
"""The rule that matches, and what its expression has captured."""
Rank = Callable[[Rule], Any]
"""Its place among those that match the same request: the smaller comes first."""
T = TypeVar("T")


class Hosts(Generic[T]):
    """Something for each host pattern, made of its rules."""

    __slots__ = ("any", "exact", "prefixes", "suffixes")

    def __init__(self, rules: Iterable[Rule], make: Callable[[list[Rule]], T]) -> None:
        patterns: dict[str, list[Rule]] = {}
        for rule in rules:
            for pattern in rule.match.host or (ANY,):
                patterns.setdefault(pattern, []).append(rule)
        made = {pattern: make(those) for pattern, those in patterns.items()}
        self.any = made.pop(ANY, None)
        self.suffixes = {pattern[2:]: each for pattern, each in made.items() if pattern.startswith("*.")}
        self.prefixes = {pattern[:-2]: each for pattern, each in made.items() if pattern.endswith(".*")}
        self.exact = {pattern: each for pattern, each in made.items() if ANY not in pattern}

    def of(self, host: str) -> Iterator[T]:
        """Those for a host, the nearest first."""
        found = self.exact.get(host)
        if found is not None:
            yield found
        if self.suffixes:
            yield from _known(self.suffixes, suffixes(host))
        if self.prefixes:
            yield from _known(self.prefixes, prefixes(host))
        if self.any is not None:
            yield self.any


def _known(table: dict[str, T], names: Iterable[str]) -> Iterator[T]:
    return (table[name] for name in names if name in table)


class Paths:
    """The rules for one host pattern, by path."""

    __slots__ = ("_elements", "_exact", "_lengths", "_longest", "_slash")

    def __init__(self, rules: Iterable[Rule], rank: Rank, slash: int = 0) -> None:
        self._slash = slash
        """How much longer than its text a prefix counts."""
        self._exact: dict[str, list[Rule]] = {}
        self._elements: dict[str, list[Rule]] = {}
        """By prefix, without a slash at its end."""
        self._lengths: dict[int, dict[str, list[Rule]]] = {}
        """By the length of what a path must begin with, and by that; the longest first."""
        for rule in sorted(rules, key=rank):
            if rule.kind == EXACT:
                self._exact.setdefault(rule.text, []).append(rule)
            elif rule.kind == ELEMENTS:
                self._elements.setdefault(rule.text.rstrip("/"), []).append(rule)
            else:
                literal = rule.text if rule.regex is None else rule.literal
                self._lengths.setdefault(len(literal), {}).setdefault(literal, []).append(rule)
        self._lengths = {length: self._lengths[length] for length in sorted(self._lengths, reverse=True)}
        self._longest = max(map(len, self._elements), default=0)

    def find(self, call: Any, head: tuple[Any, ...], path: str) -> Found | None:
        """The exact one first, then the longest."""
        rules = self._exact.get(path)
        if rules is not None:
            for rule in rules:
                if rule.always or rule.holds(call, head):
                    return rule, None
        if self._lengths:
            return asked(self._by_length(path), call, head, path)
        elements = self._elements
        if elements:
            cut = self._cut(path)
            while True:
                rules = elements.get(cut)
                if rules is not None:
                    for rule in rules:
                        if rule.always or rule.holds(call, head):
                            return rule, None
                if not cut:
                    break
                cut = cut[: cut.rfind("/")]
        return None

    def _cut(self, path: str) -> str:
        """As much of a path as may be a prefix."""
        longest = self._longest
        if len(path) > longest:
            slash = path.rfind("/", 0, longest + 1)
            return path[:slash] if slash >= 0 else ""
        return path[:-1] if path[-1] == "/" else path

    def _by_length(self, path: str) -> list[list[Rule]]:
        """Those whose path may be this one, but for the exact ones: the longest first."""
        found: list[tuple[int, bool, list[Rule]]] = []
        cut = self._cut(path)
        while self._elements:
            rules = self._elements.get(cut)
            if rules is not None:
                found.append((-max(1, len(cut) + self._slash), False, rules))
            if not cut:
                break
            cut = cut[: cut.rfind("/")]
        for length, table in self._lengths.items():
            rules = table.get(path[:length])
            if rules is not None:
                found.append((-length, True, rules))
        found.sort(key=_length)
        return [rules for _, _, rules in found]

    def all(self, path: str) -> Iterator[Rule]:
        """Those whose path may be this one."""
        yield from self._exact.get(path, ())
        for rules in self._by_length(path):
            yield from rules


def asked(several: Iterable[Iterable[Rule]], call: Any, head: tuple[Any, ...], path: str) -> Found | None:
    """The first rule that matches, of those whose path may be this one."""
    for rules in several:
        for rule in rules:
            captured = None
            if rule.regex is not None:
                captured = rule.regex(path)
                if captured is None:
                    continue
            if rule.always or rule.holds(call, head):
                return rule, captured
    return None


def _length(found: tuple[int, bool, list[Rule]]) -> tuple[int, bool]:
    return found[:2]


class GatewayApi:
    """The rules of one priority, in the Gateway API's order."""

    __slots__ = ("_exact", "_hosts")

    @staticmethod
    def read(routes: Iterable[Any]) -> Iterator[tuple[int, Match, Reading]]:
        """Each match, by the place of its route, and what it asks of the path."""
        return ((place, match, read(match)) for place, route in enumerate(routes) for match in route.match)

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._hosts = Hosts(rules, lambda those: Paths(those, _rank))
        self._exact = self._hosts.exact

    def find(self, call: Any, head: tuple[Any, ...], host: str, path: str) -> Found | None:
        nearest = self._exact.get(host)
        if nearest is not None:
            found = nearest.find(call, head, path)
            if found is not None:
                return found
        for paths in self._hosts.of(host):
            if paths is not nearest:
                found = paths.find(call, head, path)
                if found is not None:
                    return found
        return None


def _rank(rule: Rule) -> tuple[Any, ...]:
    match = rule.match
    others = sum(each is not None for each in (match.scheme, match.port, match.sni, match.certificate, match.when))
    others += bool(match.source)
    return not rule.methods, -len(match.headers) - len(match.cookies), -len(match.query), -others, rule.number
