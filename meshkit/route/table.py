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

from .hosts import ANY, normal, prefixes, suffixes
from .match import Match
from .rule import ELEMENTS, EXACT, Reading, Rule, read

__all__ = ["GatewayApi", "Hosts", "Paths", "asked", "stems"]

Find = Callable[[Any, tuple[Any, ...], str], Rule | None]
"""``(call, head, path)`` to the rule that matches; ``path`` in its normal form, the host in ``head`` as it came."""
Rank = Callable[[Rule], Any]
"""Its place among those that match the same request: the smaller comes first."""
T = TypeVar("T")


class Hosts(Generic[T]):
    """Something for each host pattern, made of its rules; of the same rules in ``former``, that."""

    __slots__ = ("_made", "_rules", "any", "exact", "prefixes", "suffixes")

    def __init__(self, rules: Iterable[Rule], make: Callable[[list[Rule]], T], former: Hosts[T] | None = None) -> None:
        patterns: dict[str, list[Rule]] = {}
        for rule in rules:
            for pattern in rule.match.host or (ANY,):
                patterns.setdefault(pattern, []).append(rule)
        self._rules = patterns
        self._made: dict[str, T] = {
            pattern: make(those) if former is None or former._rules.get(pattern) != those else former._made[pattern]
            for pattern, those in patterns.items()
        }
        made = {**self._made}
        self.any = made.pop(ANY, None)
        self.suffixes = {pattern[2:]: each for pattern, each in made.items() if pattern.startswith("*.")}
        self.prefixes = {pattern[:-2]: each for pattern, each in made.items() if pattern.endswith(".*")}
        self.exact = {pattern: each for pattern, each in made.items() if ANY not in pattern}

    def of(self, host: str) -> Iterator[T]:
        """Those for a host, the nearest first."""
        found = self.exact.get(host)
        if found is not None:
            yield found
        yield from self.wild(host)

    def wild(self, host: str) -> Iterator[T]:
        """Those for more than this host, the nearest first."""
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

    __slots__ = ("_lengths", "_slash", "elements", "exact", "longest", "plain")

    def __init__(self, rules: Iterable[Rule], rank: Rank, slash: int = 0) -> None:
        self._slash = slash
        """How much longer than its text a prefix counts."""
        self.exact: dict[str, list[Rule]] = {}
        self.elements: dict[str, list[Rule]] = {}
        """By prefix, without a slash at its end."""
        self._lengths: dict[int, dict[str, list[Rule]]] = {}
        """By the length of what a path must begin with, and by that."""
        for rule in sorted(rules, key=rank):
            if rule.kind == EXACT:
                self.exact.setdefault(rule.text, []).append(rule)
            elif rule.kind == ELEMENTS:
                self.elements.setdefault(rule.text.rstrip("/"), []).append(rule)
            else:
                literal = rule.text if rule.regex is None else rule.literal
                self._lengths.setdefault(len(literal), {}).setdefault(literal, []).append(rule)
        self.longest = max(map(len, self.elements), default=0)
        """Characters of a prefix."""
        self.plain = not self._lengths
        """Whether whole paths, and prefixes by element, are all there is."""

    def find(self, call: Any, head: tuple[Any, ...], path: str) -> Rule | None:
        """The exact one first, then the longest."""
        return asked((self.exact.get(path, ()), *self._by_length(path)), call, head, path)

    def _by_length(self, path: str) -> list[list[Rule]]:
        """Those whose path may be this one, but for the exact ones: the longest first."""
        found: list[tuple[int, bool, list[Rule]]] = []
        for stem in stems(path, self.longest) if self.elements else ():
            rules = self.elements.get(stem)
            if rules is not None:
                found.append((-max(1, len(stem) + self._slash), False, rules))
        for length, table in self._lengths.items():
            rules = table.get(path[:length])
            if rules is not None:
                found.append((-length, True, rules))
        found.sort(key=_length)
        return [rules for _, _, rules in found]

    def all(self, path: str) -> Iterator[Rule]:
        """Those whose path may be this one."""
        yield from self.exact.get(path, ())
        for rules in self._by_length(path):
            yield from rules


def stems(path: str, longest: int) -> Iterator[str]:
    """The path and those above it, as far as they are no longer than that: at last nothing, which is the root."""
    stem = path if len(path) <= longest else path[: path.rfind("/", 0, longest + 1)]
    while stem:
        yield stem
        stem = stem[: stem.rfind("/")]
    yield ""


def asked(several: Iterable[Iterable[Rule]], call: Any, head: tuple[Any, ...], path: str) -> Rule | None:
    """The first rule that matches, of those whose path may be this one."""
    for rules in several:
        for rule in rules:
            if (rule.regex is None or rule.regex(path) is not None) and (rule.always or rule.holds(call, head)):
                return rule
    return None


def _length(found: tuple[int, bool, list[Rule]]) -> tuple[int, bool]:
    return found[:2]


class GatewayApi:
    """The rules of one priority, in the Gateway API's order. ``former``: the table that it takes the place of."""

    apart = True
    """Each match is read by itself, and the numbers of rules count for nothing once their table is made."""

    __slots__ = ("_hosts", "find")

    @staticmethod
    def read(routes: Iterable[Any]) -> Iterator[tuple[int, Match, Reading]]:
        """Each match, by the place of its route, and what it asks of the path."""
        return ((place, match, read(match)) for place, route in enumerate(routes) for match in route.match)

    def __init__(self, rules: Iterable[Rule], former: GatewayApi | None = None) -> None:
        hosts = None if former is None else former._hosts
        self._hosts: Hosts[Paths] = Hosts(rules, lambda those: Paths(those, rank), hosts)
        self.find: Find = _finder(self._hosts)


def _finder(hosts: Hosts[Paths]) -> Find:
    """What is asked for every call, in one function: the loop is that of `Paths.find`, for hosts that are known by
    their names, or for any, and have no patterns but whole paths and prefixes.
    """
    plain = {host: paths for host, paths in hosts.exact.items() if paths.plain}
    rest = None if hosts.suffixes or hosts.prefixes or hosts.any is None or not hosts.any.plain else hosts.any
    get, others = plain.get, hosts.exact

    def find(call: Any, head: tuple[Any, ...], path: str) -> Rule | None:
        host = head[2]
        paths = get(host)
        if paths is None:
            host = normal(host)
            if rest is None or host in others:
                return among(hosts.of(host), call, head, path)
            paths = rest
        rules = paths.exact.get(path)
        if rules is not None:
            for rule in rules:
                if rule.always or rule.holds(call, head):
                    return rule
        longest, elements = paths.longest, paths.elements
        stem = path if len(path) <= longest else path[: path.rfind("/", 0, longest + 1)]
        while True:
            rules = elements.get(stem)
            if rules is not None:
                for rule in rules:
                    if rule.always or rule.holds(call, head):
                        return rule
            if not stem:
                return None if paths is rest else among(hosts.wild(host), call, head, path)
            stem = stem[: stem.rfind("/")]

    def among(several: Iterable[Paths], call: Any, head: tuple[Any, ...], path: str) -> Rule | None:
        for paths in several:
            found = paths.find(call, head, path)
            if found is not None:
                return found
        return None

    return find


def rank(rule: Rule) -> tuple[Any, ...]:
    """The place of a rule among those for the same host and path: method, header fields and cookies, query parameters,
    other conditions, order.
    """
    match = rule.match
    others = sum(each is not None for each in (match.scheme, match.port, match.sni, match.certificate, match.when))
    others += bool(match.source)
    return not rule.methods, -len(match.headers) - len(match.cookies), -len(match.query), -others, rule.number
