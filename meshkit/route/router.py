"""Whose is this request? The first route that matches; its policies, its actions, and where it leads.

    Router([
        Route(Match(host="orders", prefix="/v2"), orders_v2, policies=[Timeout(2.0)]),
        Route(Match(host="orders"), orders, actions=[RequestHeaders(set={"x-from": "web"})]),
    ])

A router ends a pipeline, as a cluster does. What the request says (its host, its path, what a route's own function
answers) is asked once for each call, outside the lock; so a call that is repeated keeps its route. In which order
routes are asked: `table`. Hosts and paths are compared, and sent on, in their normal form (`path`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from ..call import Call
from ..errors import ConfigError, NoRoute
from ..options import no_decorator
from .match import Match
from .path import BadPath, Paths, normal
from .plan import Decision, Plan
from .route import Route
from .rule import Rule
from .table import Table

if TYPE_CHECKING:
    from ..section import Section

__all__ = ["Router", "RouterState"]


def _routes(value: Any) -> Any:
    return (value,) if isinstance(value, Route) else tuple(value) if isinstance(value, list) else value


def _are_routes(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(each, Route) for each in value):
        raise ConfigError.of("Router", "routes", value, "give a list of Route(...)")


def _default(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, Route):
        raise ConfigError.of("Router", "default", value, "give a Route, such as Route(to=cluster)")


def _paths(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, Paths):
        raise ConfigError.of("Router", "paths", value, "give Paths(...)")


@attrs.frozen
class Router:
    """Picks the route of each request. Raises `ConfigError`.

    ``default``: for requests that no route matches; without it they are refused with `NoRoute` (behind a server door
    the status is 404). ``paths``: the normal form of paths. ``name``: for records and errors.
    """

    routes: tuple[Route, ...] = attrs.field(converter=_routes, validator=_are_routes)
    default: Route | None = attrs.field(default=None, validator=_default, kw_only=True)
    paths: Paths = attrs.field(factory=Paths, validator=_paths, kw_only=True)
    name: str = attrs.field(default="Router", validator=attrs.validators.instance_of(str), kw_only=True)

    __call__ = no_decorator

    @property
    def every(self) -> tuple[Route, ...]:
        """All routes, the default last."""
        return self.routes if self.default is None else (*self.routes, self.default)

    @property
    def inner(self) -> tuple[Any, ...]:
        """The specs of all routes."""
        return tuple(spec for route in self.every for spec in route.specs)

    @property
    def asked(self) -> tuple[str, ...]:
        """The facts that the matches need, by their names."""
        return tuple(dict.fromkeys(name for route in self.every for match in route.match for name in match.asked))

    holds = ("inner",)

    def start(self, rng: Random, /) -> RouterState:
        return RouterState(self, rng)


class RouterState:
    """The choice that `Router` starts."""

    __slots__ = ("__weakref__", "_default", "_paths", "_tables", "askers", "branches", "name", "rules", "titles")

    kind = "route"

    def __init__(self, spec: Router, rng: Random) -> None:
        self.name = spec.name
        self.askers = (self,)
        self._paths = spec.paths
        self.rules: list[Rule] = []
        self.branches: list[list[Any]] = []
        """The states of each route."""
        self.titles: list[str] = _numbered(map(str, spec.every))
        """Their names, as records and snapshots have them."""
        for order, route in enumerate(spec.every):
            plan = Plan(route.actions, rng)
            states = [each.start(rng) if hasattr(each, "start") else each for each in route.specs]
            redirect = next((each.spec for each in states if hasattr(each, "spec") and hasattr(each.spec, "rewrite")), 0)
            rewrite = plan.rewrite if not redirect else redirect.rewrite
            if redirect and rewrite is not None:
                plan.host = rewrite.host
            self.branches.append(states)
            for number, match in enumerate(route.match):
                rule = Rule(route, match, plan, states, rewrite)
                rule.title = self.titles[order]
                rule.rank = _rank(rule, order, number)
                self.rules.append(rule)
        default = len(spec.default.match) if spec.default is not None else 0
        listed = self.rules[: len(self.rules) - default]
        self._default = self.rules[-1] if default else None
        priorities = sorted({rule.route.priority for rule in listed}, reverse=True)
        self._tables = [Table(rule for rule in listed if rule.route.priority == each) for each in priorities]

    def fold(self, fold: Callable[[list[Any]], Section], /) -> None:
        sections: dict[int, Section] = {}
        for rule in self.rules:
            known = sections.get(id(rule.states))
            if known is None:
                known = sections[id(rule.states)] = fold(rule.states)
            rule.section = known

    def sections(self) -> list[Section]:
        """Of all routes, each once."""
        return list({id(rule.section): rule.section for rule in self.rules}.values())

    def facts(self, call: Call, /) -> Decision | BadPath | None:
        """The decision about this request; what is wrong with its path; or ``None``, where no route matches."""
        head = call.door.head(call)
        try:
            path = normal(head[4], self._paths)
            found = self.find(call, head, path)
            if found is None:
                return None
            rule, captured = found
            if rule.rewriter is not None:
                path = normal(rule.rewriter(path, captured), self._paths)
        except BadPath as error:
            return error
        return Decision(rule, path, head[5], path == head[4], captured)

    def find(self, call: Call, head: tuple[Any, ...], path: str) -> tuple[Rule, Any] | None:
        """The rule that matches a path in its normal form, and what its expression has captured."""
        for table in self._tables:
            found = table.find(call, head, path)
            if found is not None:
                return found
        return None if self._default is None else (self._default, None)

    def pick(self, call: Call, now: float, /) -> Section:
        """The section of the request's route, which is then ``call.route``. Raises `NoRoute`."""
        decision = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        if decision.__class__ is not Decision:
            if decision is None:
                raise NoRoute("no route for %s %s%s", *_shown(call), policy=self.name)
            raise NoRoute("the path is refused: %s", decision.reason, policy=self.name, status=400)
        call.route = decision
        return decision.rule.section  # type: ignore[no-any-return]

    def taken(self, call: Call, /) -> str:
        """The name of the route that was picked just now."""
        return call.route.rule.title  # type: ignore[no-any-return]

    @property
    def mirrors(self) -> tuple[Any, ...]:
        """Where else copies go: the states of all `Mirror`s."""
        return tuple(dict.fromkeys(mirror for rule in self.rules for mirror in rule.plan.mirrors))

    def snapshot(self, now: float, /) -> dict[str, dict[str, Any]]:
        """The mirrors by name; the second of a name is ``"name 2"``."""
        names = _numbered(mirror.name for mirror in self.mirrors)
        return {name: mirror.snapshot(now) for name, mirror in zip(names, self.mirrors, strict=True)}

    def idle(self) -> bool:
        """Also whether no copy is under way."""
        states = [*self.mirrors, *(state for states in self.branches for state in states)]
        return all(state.idle() for state in states if hasattr(state, "idle"))


def _numbered(names: Iterable[str]) -> list[str]:
    """The second of a name is ``"name 2"``."""
    numbered, seen = [], dict[str, int]()
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return numbered


def _shown(call: Call) -> Iterator[str]:
    """Method, host and path, for an error."""
    method, _, host, _, path, _ = call.door.head(call)
    return iter((method, host, path[:200]))


def _rank(rule: Rule, order: int, number: int) -> tuple[Any, ...]:
    match: Match = rule.match
    others = sum(each is not None for each in (match.scheme, match.port, match.sni, match.certificate, match.when))
    others += bool(match.source)
    counts = -len(match.headers) - len(match.cookies), -len(match.query), -others
    return not match.method, *counts, order, number
