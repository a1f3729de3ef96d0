"""What goes on of a router in the one that takes its place? All there is of the routes that are the very same.

==========================================  ============================================================
a route of the new router                   has
==========================================  ============================================================
the same object as one of the old one       its states, its plan and its sections
and the order reads each match by itself    its rules as well, by which the tables of its host are known
any other                                   all anew; states go on where its specs are `Shared`
==========================================  ============================================================

So with ten thousand routes a change of one is a small change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .rule import Rule
from .rule import read as reading

if TYPE_CHECKING:
    from .router import Router

__all__ = ["by_route", "rules_of"]

Former = dict[int, list[Rule]]
"""The rules of each route, by its identity."""


def by_route(rules: Iterable[Rule]) -> Former:
    """Those of the routes that are there once."""
    found: Former = {}
    for rule in rules:
        found.setdefault(id(rule.route), []).append(rule)
    return {key: those for key, those in found.items() if all(each.states is those[0].states for each in those)}


def rules_of(spec: Router, order: Any, titles: Sequence[str], former: Former) -> list[list[Rule]]:
    """Those of each route of a router, the default's last; where it is in ``former``, that very list."""
    routes = spec.routes
    found = [former.get(id(route), []) if order.apart else [] for route in routes]
    new = []
    for place, rules in enumerate(found):
        if not rules or rules[0].title != titles[place]:
            found[place] = []
            new.append(place)
    for place, match, path in order.read([routes[place] for place in new]):
        found[new[place]].append(Rule(routes[new[place]], match, path))
    if spec.default is not None:
        found.append([Rule(spec.default, match, reading(match)) for match in spec.default.match])
    return found
