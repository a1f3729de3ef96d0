"""Which endpoints may serve this call at all? Those whose tags are what it asks for; a balancer picks among them.

A selector is a set of keys. Endpoints that have all of them are divided by their values, each combination a subset.
A call's criteria, ``{"stage": "canary"}``, select one if they have exactly a selector's keys:

=============================================  ==================================================================
there is                                       the call goes to
=============================================  ==================================================================
that subset, with somebody up                  one of those
that subset, with too few of them up           any of its members: panic, as in a cluster, but of the subset alone
no such subset, and its selector says          nobody (``"none"``), any endpoint (``"any"``), the ``default`` subset
                                               (``"default"``), or what ``fewer`` of the keys select (``"keys"``)
none of this                                   what the fallback of all says: nobody, any endpoint, or ``default``
=============================================  ==================================================================

So a subset that is there is never left for a fallback, however ill it is. It spans priorities and localities: where
the part of it that was to serve has nobody up, another one does. Up to 32 subsets are arranged from the beginning, one
of more when somebody first asks for it; from then on, when its members change. A pick costs the same however many
there are. Whoever remembers members inside (a session, say) does so for each subset, and never leaves it.

Envoy's subset load balancer (``subset_lb.cc``: ``chooseHostIteration``, ``extractSubsetMetadata``). There a subset has
priorities of its own; here the cluster's are picked before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from random import Random
from typing import Any
from weakref import WeakSet, WeakValueDictionary

import attrs

from ... import fact
from ...call import Call
from ...errors import ConfigError, NoEndpoint
from ...options import among, flag, is_function, no_decorator, ratio
from ...policy import awaits
from ..balancer import Balancer, Load, Member
from .criteria import UNMET, Plans, Selector, Step, frozen, merged, parsed, selectors
from .part import Part, narrowed

__all__ = ["Selector", "Subset", "merged"]

SLICE = 256
"""Members, or subsets, that are looked at in one slice."""
FEW = 32
"""Subsets that are arranged whether or not somebody has asked for them."""


def _balancer(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, type) or not hasattr(value, "start"):
        raise ConfigError.of(type(spec).__name__, attribute.name, value, "give a balancer, such as PeakEwma()")


def _key(spec: Any, attribute: Any, value: Any) -> None:
    if awaits(value):
        raise ConfigError.of("Subset", "key", value, fact.PLAIN)
    if not (is_function(value) or isinstance(value, Mapping) or (isinstance(value, str) and value.strip())):
        fix = "give a function of the call that answers a dict, the name of an attribute of the request, or a dict"
        raise ConfigError.of("Subset", "key", value, fix)


def _default(spec: Subset, attribute: Any, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError.of("Subset", "default", value, 'give a dict, such as {"stage": "prod"}')
    wanted = "default" in (spec.fallback, *(selector.fallback for selector in spec.selectors))
    if wanted != bool(value):
        fix = 'say whom it is made of, as in {"stage": "prod"}' if wanted else 'give it with fallback="default"'
        raise ConfigError.of("Subset", "default", dict(value), fix)


@attrs.frozen
class Subset:
    """Lets ``balancer`` pick among the endpoints with the tags a call asks for.

    ``selectors``: `Selector`s, or their keys. ``fallback``: where calls go that ask for nothing, or for what there is
    not: ``"none"`` (`NoEndpoint`), ``"any"``, or ``"default"``: the endpoints with the tags ``default``. ``key`` says
    what a call asks for: a function of the call that answers a dict, ``None``, or several dicts to be tried in order;
    the name of an attribute of the request; or one dict for all calls.

    ``panic``: the share of a subset that must be up, or else all of it is asked (0: never). ``redundant``: keys that no
    selector has do no harm; the first selector counts all of whose keys are there. ``list_as_any``: an endpoint whose
    tag is a list has every value of it. ``panic_any``: where the default subset is not there, any endpoint is asked.
    """

    balancer: Any = attrs.field(validator=_balancer)
    selectors: tuple[Selector, ...] = attrs.field(converter=selectors, kw_only=True)
    key: Mapping[str, Any] | Callable[[Call], Any] | str = attrs.field(
        converter=frozen, validator=_key, hash=False, kw_only=True
    )
    fallback: str = attrs.field(default="none", validator=among("none", "any", "default"), kw_only=True)
    default: Mapping[str, Any] = attrs.field(
        factory=dict, converter=frozen, validator=_default, hash=False, kw_only=True
    )
    panic: float = attrs.field(default=0.5, validator=ratio(zero=True), kw_only=True)
    redundant: bool = attrs.field(default=False, validator=flag(), kw_only=True)
    list_as_any: bool = attrs.field(default=False, validator=flag(), kw_only=True)
    panic_any: bool = attrs.field(default=False, validator=flag(), kw_only=True)

    asks = ("key",)
    holds = ("balancer",)
    __call__ = no_decorator

    def start(self, rng: Random, /) -> SubsetState:
        return SubsetState(self, rng)


class SubsetState:
    """The balancer that `Subset` starts."""

    __slots__ = (
        "__weakref__",
        "_key",
        "asker",
        "askers",
        "constant",
        "inner",
        "known",
        "load",
        "made",
        "narrow",
        "panic",
        "plans",
        "random",
        "tend",
        "within",
    )

    whole = True

    load: Callable[[float], Load | None]
    tend: Callable[[Sequence[Member], float], tuple[float, bool]]

    def __init__(self, spec: Subset, rng: Random) -> None:
        self.inner: Balancer = spec.balancer.start(rng)
        self.within = (self.inner,)
        self.load = self.inner.load
        if hasattr(self.inner, "tend"):
            self.tend = self.inner.tend  # unset, as if there were none, where there is none
        self.random = rng.random
        self.panic = spec.panic
        self.plans = Plans(
            spec.selectors,
            spec.fallback,
            spec.default,
            redundant=spec.redundant,
            list_as_any=spec.list_as_any,
            panic_any=spec.panic_any,
        )
        self.constant = self.planned(spec.key) if isinstance(spec.key, Mapping) else None
        self._key = fact.asking(spec.key)
        self.asker = self
        """Who was asked for the subsets: where it is narrowed, the one there was before."""
        self.askers = (*getattr(self.inner, "askers", ()), *(() if self.constant is not None else (self,)))
        self.known: WeakSet[Divided] = WeakSet()
        """The picks in use, of all priorities and localities."""
        self.made = 0
        self.narrow: WeakValueDictionary[Step, Any] = WeakValueDictionary()
        """What picks inside of a subset, where that is another one for each."""

    def narrowed(self, key: Hashable, admits: Callable[[Member], bool], /) -> SubsetState:
        """See `meshkit.balance.around.part.narrowed`."""
        state = copy(self)
        state.inner = narrowed(self.inner, key, admits)
        state.known = WeakSet()
        state.narrow = WeakValueDictionary()
        return state

    def inside(self, step: Step) -> Any:
        """The inner balancer, for that subset."""
        found = self.narrow.get(step)
        if found is None:

            def admits(member: Member) -> bool:
                return step in self.plans.steps(member.endpoint.tags)

            found = narrowed(self.inner, step, admits)
            if found is not self.inner:
                self.narrow[step] = found
        return found

    def wanted(self, steps: Iterable[Step]) -> set[Step]:
        """Those of the subsets that are arranged from the beginning: all that a call may ask for, if they are few."""
        asked = self.plans.fallbacks if self.constant is None else self.constant
        wanted = {step for step in steps if step in asked or (self.constant is None and step[0] >= 0)}
        return wanted if len(wanted) <= FEW else set()

    def facts(self, call: Call, /) -> tuple[Step, ...]:
        """The subsets the call is for, the most wanted first."""
        steps = self.planned(self._key(call))
        hash(steps)
        return steps

    def planned(self, asked: Any) -> tuple[Step, ...]:
        if isinstance(asked, str):
            asked = parsed(asked)
        if asked is None or isinstance(asked, Mapping):
            steps = self.plans.plan(asked)
        elif isinstance(asked, list | tuple) and all(isinstance(each, Mapping) for each in asked):
            steps = tuple(step for each in asked for step in self.plans.plan(each))
        else:
            raise TypeError(f"Subset: the key is a {type(asked).__name__}: make it a dict, or a list of them")
        return steps or (self.plans.unmet(asked),)

    def arrange(self, members: Sequence[Member], before: Divided | None, /) -> Iterator[Divided | None]:
        endpoints = [member.endpoint for member in members]
        if before is not None and before.endpoints == endpoints and before.members == members:
            table = before.table
        else:
            table = {}
            for number, member in enumerate(members, 1):
                for step in self.plans.steps(member.endpoint.tags):
                    table.setdefault(step, []).append(member)
                if number % SLICE == 0:
                    yield None
        parts: dict[Step, Part] = {}
        wanted = self.wanted(table)
        for number, (step, several) in enumerate(table.items(), 1):
            chosen = several[:1] if self.plans.single(step) else several
            part = parts[step] = Part(chosen, self.inside(step), self.panic, self.random)
            old = before.parts.get(step) if before is not None else None
            if step in wanted or (old is not None and old.begun):
                yield from part.follow(old)
            if number % SLICE == 0:
                yield None
        divided = Divided(self, list(members), endpoints, table, parts)
        self.known.add(divided)
        yield divided

    def elsewhere(self, step: Step) -> list[Part]:
        """The parts of that subset in all priorities and localities, the preferred ones first."""
        known = sorted(self.known, key=lambda each: (each.priority, each.number))
        return [each.parts[step] for each in known if step in each.parts]


class Divided:
    """Members of one priority and locality, divided into subsets."""

    __slots__ = ("__weakref__", "_state", "endpoints", "members", "number", "parts", "priority", "table")

    def __init__(
        self,
        state: SubsetState,
        members: list[Member],
        endpoints: list[Any],
        table: dict[Step, list[Member]],
        parts: dict[Step, Part],
    ) -> None:
        self._state = state
        self.members = members
        self.endpoints = endpoints
        self.table = table
        self.parts = parts
        state.made += 1
        self.number = state.made
        """Of those of one priority the one that was made first is the first in order."""
        self.priority: int = endpoints[0].priority

    def pick(self, call: Call, now: float, /) -> Member:
        """Raises `NoEndpoint` where the call asks for what there is not, and has no fallback."""
        state = self._state
        steps = state.constant
        if steps is None:
            steps = call.facts[state.asker]  # type: ignore[index]  # gathered: there are facts
        for step in steps:
            part = self.parts.get(step)
            if part is None or now >= part.due or not part.up:
                part = self._other(step, part, now)
            if part is not None:
                return part.pick(call, now)
        if steps[0][0] == UNMET:
            raise NoEndpoint("no endpoint to ask: %s", steps[0][1], policy="Subset")
        raise NoEndpoint("no endpoint has %s", state.plans.told(steps[0]), policy="Subset")

    def _other(self, step: Step, part: Part | None, now: float) -> Part | None:
        """The part of that subset elsewhere that has somebody up, or else the one there is."""
        if part is not None and part.alight(now):
            return part
        if len(self._state.known) > 1:
            others = self._state.elsewhere(step)
            first = part if part is not None else next(iter(others), None)
            return next((other for other in others if other.alight(now)), first)
        return part
