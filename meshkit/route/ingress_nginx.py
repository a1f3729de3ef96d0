r"""What is ingress-nginx' order of routes? One server, and there the longest path.

====================  ======================================================================================
server                the host; then ``*.`` with one label in its place, and no more; then ``*``; no other
                      server is asked where no path of this one matches
path                  ``path`` (Exact) first; then the longest text, which for a ``prefix`` (Prefix, element
                      by element) has a slash at its end, and for ``starts`` (ImplementationSpecific) has not
on a host with a      all its paths are expressions, and without regard to case: a request matches with what
``regex``, or a       its path begins with; the longest text first, of two as long the later in the alphabet.
``rewrite-target``    So ``/foo`` (Exact) is for ``/FOOBAR`` there, and a ``.`` for any character
the same path twice   the first, as written
====================  ======================================================================================

A ``rewrite-target`` is a `Rewrite` or a `Redirect` of the path as a whole, by ``path`` or ``to``. Methods, header
fields and the like are no part of an Ingress: where a route has some, and they do not match, the next path is asked.

Sources: ingress-nginx, docs/user-guide/ingress-path-matching.md; ``updateServerLocations`` (location.go),
``enforceRegexModifier``, ``buildLocation`` and ``buildServerName`` (template.go); nginx, ``ngx_http_core_module``,
``location``. A wildcard with one label is also the Kubernetes Ingress' own rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from ..errors import ConfigError
from .answer import Redirect
from .hosts import ANY, normal
from .match import Match
from .regex import compile as compiled
from .rewrite import Rewrite
from .rule import REGEX, Reading, Rule, read
from .table import Hosts, Paths, asked

__all__ = ["IngressNginx"]


class IngressNginx:
    """The rules of one priority, in ingress-nginx' order."""

    __slots__ = ("_hosts",)

    apart = False

    def __init__(self, rules: Iterable[Rule], former: Any = None) -> None:
        self._hosts: Hosts[Any] = Hosts(rules, _locations)

    @staticmethod
    def read(routes: Sequence[Any]) -> Iterator[tuple[int, Match, Reading]]:
        """Each match for each of its hosts, by the place of its route."""
        every = [
            (place, route, attrs.evolve(match, host=(host,)), host)
            for place, route in enumerate(routes)
            for match in route.match
            for host in match.host or (ANY,)
        ]
        tight = {host for _, route, match, host in every if match.regex is not None or _rewrites(route)}
        for place, _, match, host in every:
            if host.endswith(".*"):
                fix = 'an Ingress has no such wildcard: give a name, or one such as "*.shop.example"'
                raise ConfigError.of("Match", "host", host, fix)
            reading = read(match)
            yield place, match, _anchored(reading.text) if host in tight else reading

    def find(self, call: Any, head: tuple[Any, ...], path: str) -> Rule | None:
        hosts, host = self._hosts, normal(head[2])
        _, _, rest = host.partition(".")
        locations = hosts.exact.get(host) or hosts.suffixes.get(rest) or hosts.any
        return None if locations is None else locations.find(call, head, path)


class _Expressions:
    """The locations of a host, where one of them is an expression."""

    __slots__ = ("_rules",)

    def __init__(self, rules: list[Rule]) -> None:
        self._rules = rules

    def find(self, call: Any, head: tuple[Any, ...], path: str) -> Rule | None:
        return asked([self._rules], call, head, path)


def _locations(rules: list[Rule]) -> Paths | _Expressions:
    if any(rule.kind == REGEX for rule in rules):
        rules = sorted(rules, key=lambda rule: rule.text, reverse=True)  # which leaves the same ones as written
        return _Expressions(sorted(rules, key=lambda rule: -len(rule.text)))
    return Paths(rules, lambda rule: rule.number, slash=1)


def _anchored(text: str) -> Reading:
    regex = compiled(f"^{text}", option="path", ignore_case=True, search=True)
    return Reading(REGEX, text, regex.search, regex.template)


def _rewrites(route: Any) -> bool:
    """Whether its path becomes another one as a whole."""
    return any(
        getattr(spec, option, None) is not None
        for spec in (*route.actions, *route.specs)
        if isinstance(spec, Redirect | Rewrite)
        for option in ("path", "to")
    )
