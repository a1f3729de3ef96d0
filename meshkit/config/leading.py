"""Does a route lead somewhere, and do its parts go together? What no part of it could tell by itself.

=============================================  ================================================================
a rewriting                                    needs
=============================================  ================================================================
``rewrite: {prefix: /new}``                    a match by prefix, in each match of the route
``rewrite: {to: /$1}``                         a match by regex with so many groups, in each match of the route
any, beside a redirect                         to be the redirect's own
=============================================  ================================================================

A router would find out when it starts; here it is told by its place.
"""

from __future__ import annotations

from typing import Any

import attrs

from ..errors import ConfigError
from ..route.answer import Redirect
from ..route.match import Match
from ..route.rewrite import Rewrite, rewriter
from ..route.route import Route
from ..route.router import ORDERS
from ..route.rule import Rule
from ..shared import bare
from .alone import alone
from .destinations import PASS
from .foreign import meant
from .kinds.classes import Class
from .kinds.kind import Definitions, Kind, Schema
from .kinds.refusals import as_written
from .located import MERGE, WRONG, Located
from .meant import ours
from .mistakes import Mistakes
from .names import Names
from .typed import Kinds

__all__ = ["Leading", "goes_together"]

USUAL = "gateway-api"


class Leading(Kind):
    """A route, which leads somewhere."""

    expects = "a route, a mapping with match and to"
    shapes: tuple[type, ...] = (dict,)
    classes: tuple[type, ...] = (Route,)

    def __init__(self, inner: Class, kinds: Kinds, names: Names) -> None:
        self.inner = inner
        self.kinds = kinds
        self.names = names
        inner.elsewhere = self._elsewhere

    def _elsewhere(self, name: str) -> str:
        """Where it belongs, what is no option of a route."""
        word = ours(name)
        if word in self.inner.options:
            return ""
        if word in attrs.fields_dict(Match):
            return f"write match: {{{word}: ...}}"
        if word in self.kinds.one_of("policy").members:
            return f"write policies: [{word}: ...]"
        if word in self.kinds.one_of("action").members:
            return f"write actions: [{word}: ...]"
        return f"write to: {{{word}: ...}}" if word in self.kinds.one_of("destination").members else ""

    def _leads(self, name: str) -> bool:
        """Whether it may have been meant to say where the route leads."""
        return (self._elsewhere(name) or meant("route", ours(name))).startswith("write to")

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is not dict:
            return self.wrong(node, mistakes)
        if "to" not in value and MERGE not in value and not any(map(self._leads, value)):
            fix = f"add to: and the name of a cluster, a destination such as redirect, or {PASS}"
            mistakes.note(node, "the route leads nowhere", fix)
        found = self.inner.read(node, mistakes)
        return found if found is WRONG or goes_together(found, node, self.names, mistakes) else WRONG

    def write(self, value: Any) -> Any:
        told = self.inner.write(value)
        named = told if isinstance(told, dict) else {"match": told}
        return {**named, "to": self.inner.options["to"].kind.write(value.to)}

    def schema(self, definitions: Definitions) -> Schema:
        return definitions.named("route", lambda: self._drawn(definitions))

    def _drawn(self, definitions: Definitions) -> Schema:
        drawn = self.inner.schema(definitions)
        whole = drawn.pop("anyOf")[0]  # the other one is a match alone
        return {**drawn, **whole, "required": ["to"]}


def goes_together(route: Route, node: Located, names: Names, mistakes: Mistakes) -> bool:
    """Whether the parts of a route suit each other, by the order and the paths of its file; what does not is noted."""
    redirect = bare(route.to)
    rewritings = [(number, each) for number, each in enumerate(route.actions) if isinstance(each, Rewrite)]
    specs: list[tuple[Any, Located]] = [(each, _action(node, number)) for number, each in rewritings]
    if isinstance(redirect, Redirect):
        if specs:
            mistakes.note(specs[0][1], "its route leads to a redirect", "give host and path to the redirect itself")
            return False
        options = node.value["to"].value
        specs = [(redirect, options["redirect"] if isinstance(options, dict) else node)]
    if not specs and names.order == USUAL:
        return True
    try:
        rules = [Rule(route, match, path, 0) for _, match, path in ORDERS[names.order].read([route])]
    except ConfigError as error:
        text = f"the order {names.order} has no such match"
        mistakes.note(node.value.get("match", node), text, as_written(error.fix or str(error)))
        return False
    suits = [_suits(spec, place, rules, names, mistakes) for spec, place in specs]
    return all(suits)


def _suits(spec: Any, node: Located, rules: list[Rule], names: Names, mistakes: Mistakes) -> bool:
    for rule in rules:
        try:
            rewriter(spec, rule, names.paths)
        except ConfigError as error:
            stands = node.value.get(error.option, node) if isinstance(node.value, dict) else node
            elsewhere = alone("redirect", spec.to) if isinstance(spec, Redirect) and "://" in (spec.to or "") else ""
            mistakes.refused(stands, elsewhere or as_written(error.fix))
            return False
    return True


def _action(node: Located, number: int) -> Located:
    """Where an action's options stand."""
    actions = node.value["actions"]
    one = actions.value[number] if actions.value.__class__ is list else actions
    inner: Located = next(iter(one.value.values())) if isinstance(one.value, dict) and one.value else one
    return inner
