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
from ..options import among, no_decorator
from .cors import preflight
from .envoy import Envoy
from .former import by_route, rules_of
from .hosts import BadHost
from .hosts import normal as normal_host
from .ingress_nginx import IngressNginx
from .options import check
from .path import TOO_LONG, BadPath, Paths, normal
from .plan import Decision, Plan
from .rewrite import rewriter
from .route import Route
from .rule import Rule
from .table import GatewayApi

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


ORDERS: dict[str, Any] = {"envoy": Envoy, "gateway-api": GatewayApi, "ingress-nginx": IngressNginx}


@attrs.frozen
class Router:
    """Picks the route of each request. Raises `ConfigError`.

    ``default``: for requests that no route matches; without it they are refused with `NoRoute` (behind a server door
    the status is 404). ``order``: whose rules say which of several routes comes first, and what a prefix is:
    ``"gateway-api"`` (`table`), ``"envoy"`` (`envoy`) or ``"ingress-nginx"`` (`ingress_nginx`); a route's ``priority``
    stands above all of them. ``paths``: the normal form of paths. ``name``: for records and errors.
    """

    routes: tuple[Route, ...] = attrs.field(converter=_routes, validator=_are_routes)
    default: Route | None = attrs.field(default=None, validator=_default, kw_only=True)
    order: str = attrs.field(default="gateway-api", validator=among(*ORDERS), kw_only=True)
    paths: Paths = attrs.field(factory=Paths, validator=_paths, kw_only=True)
    name: str = attrs.field(default="Router", validator=attrs.validators.instance_of(str), kw_only=True)

    __call__ = no_decorator

    def __attrs_post_init__(self) -> None:
        for match in {id(match): match for route in self.every for match in route.match}.values():
            for option in ("path", "prefix", "path_separated_prefix", "starts"):
                path = getattr(match, option)
                if path is not None:
                    check("Match", option, path, self.paths)
        if any(isinstance(spec, Router) for spec in _below(self)):
            fix = "a router stands below it, and a request has one route: put the routes of both into one"
            raise ConfigError.of("Router", "routes", self.name, fix)

    @property
    def every(self) -> tuple[Route, ...]:
        """All routes, the default last."""
        return self.routes if self.default is None else (*self.routes, self.default)

    @property
    def inner(self) -> tuple[Any, ...]:
        """The specs of all routes."""
        return tuple(spec for route in self.every for spec in route.specs)

    @property
    def asked(self) -> dict[str, str]:
        """The facts that the matches need, by their names, each with the option that asks."""
        return {name: option for route in self.every for match in route.match for name, option in match.asked.items()}

    holds = ("inner",)

    def start(self, rng: Random, /) -> RouterState:
        return RouterState(self, rng)

    def succeed(self, states: Iterable[Any], rng: Random, /) -> RouterState:
        """As `start`, but for a pipeline that has states already: what the router among them has of a route that is the
        very one goes on, so that with ten thousand routes a change of one is a small change.
        """
        return RouterState(self, rng, next((each for each in states if isinstance(each, RouterState)), None))


def _below(spec: Any) -> Iterator[Any]:
    """All specs within a spec, each once."""
    seen: set[int] = set()
    left = [spec]
    while left:
        above = left.pop()
        for place in type(above).holds:
            held = getattr(above, place)
            for each in held if isinstance(held, tuple) else (held,):
                if id(each) not in seen:
                    seen.add(id(each))
                    yield each
                    if hasattr(type(each), "holds"):
                        left.append(each)


class RouterState:
    """The choice that `Router` starts."""

    __slots__ = (
        "__weakref__",
        "_cors",
        "_default",
        "_find",
        "_order",
        "_paths",
        "_tables",
        "beside",
        "branches",
        "name",
        "rules",
        "titles",
    )

    kind = "route"

    def __init__(self, spec: Router, rng: Random, before: RouterState | None = None) -> None:
        self.name = spec.name
        self._paths = spec.paths
        self._order = ORDERS[spec.order]
        every = spec.every
        self.titles: list[str] = _titles(every)
        """Their names, as records and snapshots have them."""
        former = by_route(before.rules) if before is not None and before._paths == spec.paths else {}
        alike = before is not None and before._order is self._order
        rules = rules_of(spec, self._order, self.titles, former if alike else {})
        self.rules: list[Rule] = [rule for each in rules for rule in each]
        """Of all matches; the default's are the last."""
        self.branches: list[list[Any]] = []
        """The states of each route."""
        self.beside: list[tuple[Any, ...]] = []
        """What each does besides: the states of its `Mirror`s."""
        plans = []
        for place, route in enumerate(every):
            known = former.pop(id(route), None)
            if known is None:
                plan = Plan((*route.actions, *(each for each in route.specs if hasattr(each, "install"))), rng)
                states = [*plan.gates, *(each.start(rng) if hasattr(each, "start") else each for each in route.specs)]
            else:
                plan, states = known[0].plan, known[0].states
            plans.append(plan)
            self.branches.append(states)
            self.beside.append(plan.mirrors)
            if rules[place] is not known:
                self._begin(rules[place], self.titles[place], plan, states, known)
        for number, rule in enumerate(self.rules):
            rule.number = number
        self._cors = any(plan.cors is not None for plan in plans)
        self._default = self.rules[-1] if spec.default is not None else None
        listed: dict[int, list[Rule]] = {}
        for rule in self.rules:
            if rule.route is not spec.default:
                listed.setdefault(rule.route.priority, []).append(rule)
        tables = before._tables if before is not None and alike else {}
        self._tables: dict[int, Any] = {
            each: self._order(listed[each], tables.get(each)) for each in sorted(listed, reverse=True)
        }
        """By priority, the highest first."""
        first: Any = next(iter(self._tables.values()), None)
        alone = len(self._tables) == 1 and self._default is None
        self._find: Callable[..., Rule | None] = first.find if alone else self._first

    def _begin(self, rules: list[Rule], title: str, plan: Plan, states: list[Any], known: list[Rule] | None) -> None:
        for rule in rules:
            rule.title, rule.plan, rule.states = title, plan, states
            if known is not None:
                rule.section, rule.folded = known[0].section, known[0].folded
            if plan.rewrite is not None:
                rule.rewriter = rewriter(plan.rewrite, rule, self._paths)

    def fold(self, fold: Callable[[list[Any]], Section], /) -> None:
        """Those that were folded so before are left as they are, and where nobody watches, those that were watched."""
        how = getattr(fold, "how", fold)
        sections: dict[int, Section] = {}
        for rule in self.rules:
            if rule.section is not None and (how is None or rule.folded is how):
                continue
            known = sections.get(id(rule.states))
            if known is None:
                known = sections[id(rule.states)] = fold(rule.states)
            rule.section, rule.folded = known, how

    def sections(self) -> list[Section]:
        """Of all routes, each once."""
        return list({id(rule.section): rule.section for rule in self.rules}.values())

    def facts(self, call: Call, head: Any = None, /) -> Decision | BadHost | BadPath | None:
        """The decision about this request; what is wrong with its host or its path; ``None``: no route matches."""
        if head is None:
            head = call.door.head(call)
            if head[0] == "OPTIONS":
                return self._options(call, head)
        came = head[4]
        try:
            path = normal(came, self._paths)
            rule = self._find(call, head, path)
            if rule is None:
                return None
            if rule.rewriter is not None and path != "*":
                path = rule.rewriter(path)
        except (BadHost, BadPath) as error:
            return error
        return Decision(rule, path, head[5], path == came)

    def _options(self, call: Call, head: Any) -> Decision | BadHost | BadPath | None:
        """Of a preflight, the decision about the request that it asks about, if its route has something to say."""
        method = preflight(call) if self._cors else None
        if method is not None:
            found = self.facts(call, (method, *head[1:]))
            if isinstance(found, Decision) and found.plan.cors is not None:
                return found
        return self.facts(call, head)

    def _first(self, call: Call, head: tuple[Any, ...], path: str) -> Rule | None:
        """The rule that is found, in one priority after the other."""
        normal_host(head[2])  # which is to be one, also where nobody asks for it
        for table in self._tables.values():
            rule: Rule | None = table.find(call, head, path)
            if rule is not None:
                return rule
        return self._default

    def normal(self, path: str) -> str:
        """A path as it is compared. Raises `BadPath`."""
        return normal(path, self._paths)

    def pick(self, call: Call, now: float, /) -> Section:
        """The section of the request's route, which is then ``call.route``. Raises `NoRoute`."""
        decision = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        if decision.__class__ is not Decision:
            raise self._refused(call, decision)
        call.route = decision
        return decision.rule.section  # type: ignore[no-any-return]

    def _refused(self, call: Call, why: BadHost | BadPath | None) -> NoRoute:
        if why is None:
            method, _, host, _, path, _ = call.door.head(call)
            return NoRoute("no route for %s %s%s", method, host, path[:200], policy=self.name)
        what = "host" if isinstance(why, BadHost) else "path"
        status = 414 if why.reason == TOO_LONG else 400
        return NoRoute("the %s is refused: %s", what, why.reason, policy=self.name, status=status)

    def taken(self, call: Call, /) -> str:
        """The name of the route that was picked just now."""
        return call.route.rule.title  # type: ignore[no-any-return]

    def idle(self) -> bool:
        """Also whether no copy is under way."""
        states = (state for states in (*self.branches, *self.beside) for state in states)
        return all(state.idle() for state in states if hasattr(state, "idle"))


def _titles(routes: Iterable[Any]) -> list[str]:
    """What routes are called; the second of a name is ``"name 2"``."""
    titles, seen = [], dict[str, int]()
    for route in routes:
        name = str(route)
        seen[name] = seen.get(name, 0) + 1
        titles.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return titles
