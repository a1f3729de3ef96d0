"""What is Envoy's order of routes? One virtual host, and the first of its routes that matches.

================  ==========================================================================================
virtual host      the exact domain; then the longest ``*.`` wildcard; then the longest ``.*`` one; then ``*``
route             the first that matches, as written; none: no route, whatever other virtual hosts have
``prefix``        by characters: ``/orders`` is for ``/orders2`` as well; ``path_separated_prefix`` by element
================  ==========================================================================================

Routes of one host pattern are those of a virtual host; one with several patterns stands in several. What differs still:
domains have no ports here (Envoy's ``ignore_port_in_host_matching``), wildcards begin or end at a dot (Envoy has
``*-bar.example`` too), and case counts in paths (``case_sensitive``).

Source: ``envoy.config.route.v3``, ``VirtualHost`` and ``RouteMatch``; ``findVirtualHost`` in ``config_impl.cc``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .hosts import normal
from .match import Match
from .rule import CHARACTERS, Reading, Rule, read
from .table import Hosts, Paths, asked

__all__ = ["Envoy"]


class Envoy:
    """The rules of one priority, in Envoy's order."""

    __slots__ = ("_hosts",)

    apart = False

    def __init__(self, rules: Iterable[Rule], former: Any = None) -> None:
        self._hosts = Hosts(rules, lambda those: Paths(those, _number))

    @staticmethod
    def read(routes: Iterable[Any]) -> Iterator[tuple[int, Match, Reading]]:
        """Each match, by the place of its route, and what it asks of the path."""
        return ((place, match, read(match, CHARACTERS)) for place, route in enumerate(routes) for match in route.match)

    def find(self, call: Any, head: tuple[Any, ...], path: str) -> Rule | None:
        for paths in self._hosts.of(normal(head[2])):
            return asked([sorted(paths.all(path), key=_number)], call, head, path)
        return None


def _number(rule: Rule) -> int:
    return rule.number
