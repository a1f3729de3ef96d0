"""Which route has a request? What a `Router` starts: asked once for each call what it decides, outside the lock.

======================  ==================================================================================
the request             then
======================  ==================================================================================
its path, or its host,  `NoRoute`, 400; 414 where the path is too long
is none
some routes match       the first of the first priority that has some, by the order of the router's rules
none does               the default; without one `NoRoute`, 404
``OPTIONS``, a          as the request that it asks about, if that route says something of CORS
preflight
``OPTIONS *``           as the others, but its path stays what it is (RFC 9112, 3.2.4)
======================  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..errors import NoRoute
from .cors import preflight
from .envoy import Envoy
from .former import by_route, rules_of
from .hosts import BadHost
from .hosts import normal as normal_host
from .ingress_nginx import IngressNginx
from .path import TOO_LONG, BadPath, normal
from .plan import Decision, Plan
from .rewrite import rewriter
from .rule import Rule
from .table import GatewayApi

if TYPE_CHECKING:
    from ..section import Section
    from .router import Router

__all__ = ["ORDERS", "RouterState"]

ORDERS: dict[str, Any] = {"envoy": Envoy, "gateway-api": GatewayApi, "ingress-nginx": IngressNginx}


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
        self._find: Callable[..., Rule | None] = (
            first.find if alone else _in_turn([*self._tables.values()], self._default)
        )

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
            if rule.rewriter is not None:
                path = rule.rewriter(path)
        except (BadHost, BadPath) as error:
            return error
        return Decision(rule, path, head[5], path == came)

    def _options(self, call: Call, head: Any) -> Decision | BadHost | BadPath | None:
        """The same of an ``OPTIONS``."""
        method = preflight(call) if self._cors else None
        if method is not None:
            found = self.facts(call, (method, *head[1:]))
            if isinstance(found, Decision) and found.plan.cors is not None:
                return found
        found = self.facts(call, head)
        if head[4] == "*" and isinstance(found, Decision):
            found.path, found.same = "*", True
        return found

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


def _in_turn(tables: list[Any], default: Rule | None) -> Callable[..., Rule | None]:
    """Finds a rule in one priority after the other. No method: a router that is gone is not to need the collector."""

    def find(call: Call, head: tuple[Any, ...], path: str) -> Rule | None:
        normal_host(head[2])  # which is to be one, also where nobody asks for it
        for table in tables:
            rule: Rule | None = table.find(call, head, path)
            if rule is not None:
                return rule
        return default

    return find


def _titles(routes: Iterable[Any]) -> list[str]:
    """What routes are called; the second of a name is ``"name 2"``."""
    titles, seen = [], dict[str, int]()
    for route in routes:
        name = str(route)
        seen[name] = seen.get(name, 0) + 1
        titles.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return titles
