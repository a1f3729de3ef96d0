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

That is the Gateway API's order for HTTPRoute, where it says one. Hosts are a table by name and one by what a wildcard
ends in; paths one by name, and one for each length of prefix: so a match costs what its host and its path are long, and
next to nothing more with ten thousand routes than with ten. Routes for the same host and path are asked one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .hosts import suffixes
from .rule import Rule

__all__ = ["Paths", "Table"]


class Paths:
    """The rules for one host pattern."""

    __slots__ = ("exact", "literals", "prefixes")

    def __init__(self) -> None:
        self.exact: dict[str, list[Rule]] = {}
        self.prefixes: dict[str, list[Rule]] = {}
        """By prefix, without a slash at its end."""
        self.literals: dict[int, dict[str, list[Rule]]] = {}
        """By the length of what an expression must begin with, and by that; the longest first."""

    def add(self, rule: Rule) -> None:
        if rule.path is not None:
            self.exact.setdefault(rule.path, []).append(rule)
        elif rule.regex is not None:
            self.literals.setdefault(len(rule.literal), {}).setdefault(rule.literal, []).append(rule)
        else:
            self.prefixes.setdefault((rule.prefix or "/").rstrip("/"), []).append(rule)

    def settle(self) -> None:
        """All are in: order them."""
        for rules in (*self.exact.values(), *self.prefixes.values()):
            rules.sort(key=_rank)
        for table in self.literals.values():
            for rules in table.values():
                rules.sort(key=_rank)
        self.literals = {length: self.literals[length] for length in sorted(self.literals, reverse=True)}

    def candidates(self, path: str) -> Iterator[list[Rule]]:
        """Those whose path may be this one, the first to be asked first."""
        found = self.exact.get(path)
        if found is not None:
            yield found
        if self.literals:
            yield from self._merged(path)
        elif self.prefixes:
            prefixes = self.prefixes
            cut = path if path[-1] != "/" else path[:-1]
            while True:
                found = prefixes.get(cut)
                if found is not None:
                    yield found
                if not cut:
                    return
                cut = cut[: cut.rfind("/")]

    def _merged(self, path: str) -> Iterator[list[Rule]]:
        """Prefixes and expressions together, by their length."""
        found: list[tuple[int, int, list[Rule]]] = []
        cut = path if path[-1] != "/" else path[:-1]
        while True:
            rules = self.prefixes.get(cut)
            if rules is not None:
                found.append((-max(1, len(cut)), 0, rules))
            if not cut:
                break
            cut = cut[: cut.rfind("/")]
        for length, table in self.literals.items():
            rules = table.get(path[:length])
            if rules is not None:
                found.append((-length, 1, rules))
        found.sort(key=_length)
        for _, _, rules in found:
            yield rules


class Table:
    """The rules of one priority."""

    __slots__ = ("any", "exact", "wildcards")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.exact: dict[str, Paths] = {}
        self.wildcards: dict[str, Paths] = {}
        self.any: Paths | None = None
        for rule in rules:
            for host in rule.match.host or (None,):
                self._paths(host).add(rule)
        for paths in (*self.exact.values(), *self.wildcards.values()):
            paths.settle()
        if self.any is not None:
            self.any.settle()

    def _paths(self, host: str | None) -> Paths:
        if host is None:
            self.any = self.any or Paths()
            return self.any
        if host.startswith("*."):
            return self.wildcards.setdefault(host[2:], Paths())
        return self.exact.setdefault(host, Paths())

    def hosts(self, host: str) -> Iterator[Paths]:
        """The tables for a host, the nearest first."""
        paths = self.exact.get(host)
        if paths is not None:
            yield paths
        if self.wildcards:
            for suffix in suffixes(host):
                paths = self.wildcards.get(suffix)
                if paths is not None:
                    yield paths
        if self.any is not None:
            yield self.any

    def find(self, call: Any, head: tuple[Any, ...], path: str) -> tuple[Rule, Any] | None:
        """The rule that matches, and what its expression has captured."""
        for paths in self.hosts(head[2]):
            for rules in paths.candidates(path):
                for rule in rules:
                    captured = None
                    if rule.regex is not None:
                        captured = rule.regex.full(path)
                        if captured is None:
                            continue
                    if rule.holds(call, head):
                        return rule, captured
        return None


def _rank(rule: Rule) -> tuple[Any, ...]:
    return rule.rank


def _length(found: tuple[int, int, list[Rule]]) -> tuple[int, int]:
    return found[:2]
