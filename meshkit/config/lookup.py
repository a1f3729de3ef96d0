"""What would become of this request? Which route it takes, in which words it is sent, and why no other one has it.

Nothing is sent, and no policy is asked: only the router decides, as it would for a call, and below it whatever splits
its calls, where the request itself says which way it goes.
"""

from __future__ import annotations

from math import inf, isinf
from random import Random
from time import perf_counter
from typing import Any, NamedTuple

import attrs

from ..call import Call
from ..cluster import Cluster
from ..errors import NoRoute
from ..route.answer import Redirect, Respond
from ..route.cors import preflight
from ..route.hosts import BadHost, normal
from ..route.path import BadPath
from ..route.plan import Decision, Plan
from ..route.reasons import comes_first, misses, standing
from ..route.route import Route
from ..route.router import Router, RouterState
from ..route.rule import Rule
from ..shared import bare
from .assembly import LAST
from .request import PAPER, SERVED, Request

__all__ = ["Found", "Lookup", "Missed", "Request", "Share", "told"]


ROUNDS, TRIES = 5, 50


class Missed(NamedTuple):
    """Another route, and why it does not have the request."""

    route: Route
    why: str
    matches: bool = False
    """Whether it would have it, if another one did not come first."""


@attrs.frozen(kw_only=True)
class Share:
    """One of the ways on where calls are split. ``share`` is 0..1; ``sure``: this request goes there, and no other
    way.
    """

    name: str
    to: str
    share: float
    sure: bool = False
    plan: Plan | None = attrs.field(default=None, eq=False, repr=False)
    """What its own actions come to."""
    ways: tuple[Share, ...] = ()
    """Where it is split once more."""


@attrs.frozen(kw_only=True)
class Found:
    """What becomes of a request. ``route`` is ``None`` where no route matches; ``reason`` then says so."""

    route: Route | None = attrs.field(repr=lambda route: repr(route and str(route)))
    reason: str = ""
    to: str = ""
    """The cluster, or what else it leads to, in words."""
    method: str = "GET"
    host: str = ""
    """Under which host it is sent."""
    path: str = ""
    """The path and the query that are sent."""
    status: int | None = None
    """Of an answer that is made here: a redirect, a direct answer, a refusal."""
    location: str | None = None
    """Of a redirect."""
    preflight: bool = False
    """Whether it is one that CORS answers, in front of the route's policies."""
    shares: tuple[Share, ...] = ()
    """Where the route leads to a split or the like: its ways."""
    missed: tuple[Missed, ...] = attrs.field(default=(), repr=False)
    """The other routes, each with why it does not have it, the nearest first."""
    others: int = 0
    """How many there are of them besides."""
    decision: Decision | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def name(self) -> str:
        """The route's name; empty without one."""
        return "" if self.route is None else str(self.route)


class Lookup:
    """Asks a router about requests. ``served``: as they come to a server, and not as calls of a client."""

    def __init__(self, router: Router, *, served: bool = False) -> None:
        self._door = SERVED if served else PAPER
        self._state: RouterState = router.start(Random(0))  # noqa: S311  # which branch of a split is not asked
        self._order = router.order
        self._default = router.default

    @classmethod
    def of(cls, router: Router, state: RouterState) -> Lookup:
        """One that asks a state that was started of that router, and is not in use."""
        lookup = cls.__new__(cls)
        lookup._door = PAPER
        lookup._state, lookup._order, lookup._default = state, router.order, router.default
        return lookup

    def find(self, request: Request, *, reasons: bool = False, most: int | None = None) -> Found:
        """What becomes of it. ``reasons``: also why each other route does not have it, at most ``most`` of them."""
        call = Call(self._door, request, 0.0)
        decision = self._state.facts(call)
        missed = self._missed(call, decision) if reasons else []
        told: dict[str, Any] = {"missed": tuple(missed[:most]), "others": len(missed[most:]) if most is not None else 0}
        try:
            call.facts = {self._state: decision}
            self._state.pick(call, 0.0)
        except NoRoute as error:
            reason = str(error).removeprefix(f"{self._state.name}: ")
            return Found(route=None, reason=reason, status=error.status, method=request.method, **told)
        return self._found(call, request, decision, told)

    def seconds(self, request: Request) -> float:
        """What finding the route of a request takes, here and now: the least of a few rounds."""
        find, best = self._state.facts, inf
        for _ in range(ROUNDS):
            calls = [Call(self._door, request, 0.0) for _ in range(TRIES)]
            began = perf_counter()
            for call in calls:
                find(call)
            best = min(best, perf_counter() - began)
        return best / TRIES

    def _found(self, call: Call, request: Request, decision: Any, missed: dict[str, Any]) -> Found:
        method, scheme, host, port, _, _ = request.head()
        route = decision.rule.route
        if _preflight(call, decision):
            answer: dict[str, Any] = {"to": "what CORS says to a preflight", "status": 204, "preflight": True}
            return Found(route=route, method=method, host=normal(host), decision=decision, **answer, **missed)
        shares, last = _shares(decision.rule.states, route, call, sure=True)
        decision = call.route  # as the branches on its way have it
        own = decision.host or normal(host)
        sent = decision.path if decision.query is None else f"{decision.path}?{decision.query}"
        status, location = None, None
        if isinstance(last, Redirect):
            location = last.location(scheme, own, port, decision.path, decision.query)
        if isinstance(last, Redirect | Respond):
            status = last.status
        known: dict[str, Any] = {"route": route, "to": told(route.to), "method": method, "host": own, "path": sent}
        made: dict[str, Any] = {"status": status, "location": location, "shares": shares, "decision": decision}
        return Found(**known, **made, **missed)

    def _missed(self, call: Call, decision: Any) -> list[Missed]:
        if isinstance(decision, BadHost | BadPath):
            return []  # no route was asked
        head = call.door.head(call)
        if decision is not None and _preflight(call, decision):
            head = (preflight(call), *head[1:])  # it is routed as what it asks about
        host, path = normal(head[2]), self._state.normal(head[4])
        chosen: Rule | None = None if decision is None else decision.rule
        found: dict[int, tuple[Any, Rule, list[str]]] = {}
        for rule in self._state.rules:
            if chosen is not None and rule.route is chosen.route:
                continue
            default = rule.route is self._default
            why = misses(rule, call, head, path, self._order)
            if why:
                nearness: Any = (1, len(why), -_alike(path, rule.text), rule.number)
            else:
                nearness = (0, standing(rule, host, self._order, default=default), rule.number)
            known = found.get(id(rule.route))
            if known is None or nearness < known[0]:
                found[id(rule.route)] = nearness, rule, why
        return [
            Missed(rule.route, ", ".join(why) or self._later(chosen, rule, host), not why)
            for _, rule, why in sorted(found.values(), key=lambda each: each[0])
        ]

    def _later(self, chosen: Rule | None, rule: Rule, host: str) -> str:
        if chosen is None:
            return "it matches"
        if rule.route.priority == LAST < chosen.route.priority:
            return "it matches, but is the cluster's own host, for what no other route takes"
        default = rule.route is self._default
        return f"it matches, but comes later: {comes_first(chosen, rule, host, self._order, default=default)}"


def _preflight(call: Call, decision: Decision) -> bool:
    cors = decision.plan.cors
    return cors is not None and bool(cors.facts(call))


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    for k, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return k
    return min(len(one), len(other))


def _last(to: Any) -> Any:
    return bare(to[-1] if isinstance(to, tuple) and to else to)


def told(to: Any) -> str:
    """A destination in a few words."""
    spec = _last(to)
    if spec is None or spec == ():
        return "where it was going"
    if isinstance(spec, Cluster):
        return f"cluster {spec.name}"
    if isinstance(spec, Redirect):
        return "a redirect"
    if isinstance(spec, Respond):
        return "a direct answer"
    return type(spec).__name__.lower()


def _unfolded(states: list[Any]) -> Any:
    """Nothing is walked here."""


def _shares(states: list[Any], spec: Any, call: Call, *, sure: bool) -> tuple[tuple[Share, ...], Any]:
    """The ways on from what ends in a split, and where the request goes in the end; ``None``: that is drawn. ``sure``:
    that it comes by here.
    """
    state: Any = states[-1] if states else None
    choice: Any = _last(spec.to)
    if not hasattr(state, "titles"):
        return (), choice if sure else None
    lot = state.facts(call)
    taken = None
    if sure and ((lot.scores is not None and not lot.token) or isinf(lot.point)):
        call.facts = {**(call.facts or {}), state: lot}
        state.fold(_unfolded)
        state.pick(call, 0.0)
        taken = lot.branch.name
    picture, found, end = state.snapshot(0.0), [], None
    for title, branch, below in zip(state.titles, choice.branches, state.branches, strict=True):
        chosen = title == taken
        ways, last = _shares(below, branch, call, sure=chosen)
        end = end if last is None else last
        share, plan = picture[title]["share"], Plan(branch.actions)
        found.append(Share(name=title, to=told(branch.to), share=share, sure=chosen, plan=plan, ways=ways))
    return tuple(found), end
