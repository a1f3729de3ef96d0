"""Which endpoint, of those there are now? The state that `Cluster` starts.

What is known of an endpoint (its load, its health, the states of its pipeline) belongs to its `Member`, which stays as
long as its address is in the set. A change of the set takes away members and adds some; calls under way at one that
is gone end as if it were there.

Everything that changes who may be picked, be it an ejection, a check, a new set, or that somebody has warmed up, only
notes that it did. The next pick draws the conclusions: so a thousand changes at once cost one arrangement, and nothing
runs while nobody calls. That there is something to do is one comparison on the way of a pick: ``now >= due``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any

from ..balance import Member
from ..call import Call
from ..errors import ConfigError
from ..section import numbered
from .admission import Admission
from .arrangement import Arrangement
from .checkup import unchecked
from .endpoint import Endpoint
from .warming import Warming

if TYPE_CHECKING:
    from ..section import Section
    from .cluster import Cluster

__all__ = ["ClusterState"]

AT_ONCE = -inf


class ClusterState:
    """The choice that `Cluster` starts: what is known of each endpoint. It may hold no endpoint at all."""

    __slots__ = (
        "__weakref__",
        "_anew",
        "_arrangement",
        "_detector",
        "_due",
        "_fold",
        "_known",
        "_leaving",
        "_next_detection",
        "_next_tending",
        "_pick",
        "_pipeline",
        "_rng",
        "_sets",
        "_stale",
        "_warming",
        "admission",
        "askers",
        "balancer",
        "checks",
        "enter",
        "exit",
        "leave",
        "members",
        "name",
        "pattern",
        "reads_failure",
        "sources",
        "troubles",
    )

    def __init__(self, spec: Cluster, rng: Random) -> None:
        self.name = spec.name
        self.balancer: Any = spec.balancer.start(rng)
        self.askers = getattr(self.balancer, "askers", ())
        self.checks = spec.checks
        self.members: list[Member] = []
        self._pipeline = spec.pipeline
        self._rng = rng
        self._known: dict[str, Member] = {}
        self._leaving: list[Member] = []
        self._fold: Callable[[list[Any]], Section] | None = None
        self._detector = spec.outliers and spec.outliers.start(rng)
        if self._detector is not None:
            self._detector.changed = _weakly(self)
        self.reads_failure = self._detector is not None
        self._warming = Warming(spec.slow_start)
        if spec.slow_start is not None and getattr(self.balancer, "whole", False):
            fix = "leave it out: a table has no weights that move, or give another balancer"
            raise ConfigError.of("Cluster", "slow_start", spec.slow_start, fix)
        self._next_detection = AT_ONCE if self._detector is not None else inf
        self._next_tending = AT_ONCE if hasattr(self.balancer, "tend") else inf
        self._arrangement = Arrangement(
            spec.name,
            self.balancer,
            spec.localities and spec.localities.start(rng),
            overprovision=spec.overprovision,
            panic=spec.panic,
            fails=spec.fails_in_panic,
            random=rng.random,
        )
        self._pick = self._arrangement.pick
        self._due = AT_ONCE
        self._stale = self._anew = False

        fixed = [each for each in spec.endpoints if isinstance(each, Endpoint)]
        self.sources = tuple(each for each in spec.endpoints if not isinstance(each, Endpoint))
        """The sources of endpoints that are to be followed."""
        self.troubles: list[Exception | None] = [None] * len(self.sources)
        """The last error of each source, if it has not answered since."""
        self._sets: list[Sequence[Endpoint] | None] = [fixed, *(_first(source) for source in self.sources)]
        self.admission = Admission(spec.name, spec.ceilings, spec.patience)
        gated = spec.ceilings is not None or None in self._sets
        self.enter = self.admission.enter if gated else None
        self.exit = self.admission.exit if gated else None
        self.leave = self.admission.leave
        self.pattern: list[Any] = []
        """What an endpoint's pipeline is made of, for those who ask while there is none."""
        self._replace(None)
        if not self.members:
            self.pattern = self._states()[0]

    def fold(self, fold: Callable[[list[Any]], Section], /) -> None:
        self._fold = fold
        for member in self.members:
            member.section = fold(member.states)

    def pick(self, call: Call, now: float, /) -> Section:
        """The section of the endpoint picked, which is then ``call.endpoint``. Raises `NoEndpoint` if there is none."""
        if now >= self._due:
            self._tend(now)
        member = self._pick(call, now)
        member.picks += 1
        call.endpoint = member.endpoint
        return member.section

    def update(self, number: int, endpoints: Sequence[Endpoint], now: float) -> None:
        """What the source of that number says there is now, all of it."""
        self._sets[1 + number] = tuple(endpoints)
        self.troubles[number] = None
        self._replace(now)

    def passed(self, member: Member, now: float) -> None:
        """A check has found an ejected member well."""
        if self._detector is not None:
            self._detector.passed(member, now)

    def changed(self) -> None:
        """Somebody's health is another: who may be picked is found out anew at the next pick."""
        self._stale = True
        self._due = AT_ONCE

    def _replace(self, now: float | None) -> None:
        """Put together what the sources say. ``now`` is ``None`` for those who are there from the beginning."""
        sets = [each for each in self._sets if each is not None]
        known, self._known = self._known, {}
        begin = bool(known)
        for endpoint in (endpoint for each in sets for endpoint in each):
            if endpoint.address in self._known:
                continue  # of two sources the first one's counts
            member = known.pop(endpoint.address, None)
            if member is None:
                member = self._member(endpoint, begin)
                if now is not None and begin and member.well:
                    self._warming.enter(member, now)
            elif member.endpoint != endpoint:
                member.endpoint = endpoint
                self._weigh(member, endpoint.weight)
                self._anew = True
                self._warming.again(member)
            self._known[endpoint.address] = member
        self.members = list(self._known.values())
        for member in known.values():
            member.up = False
            if self._detector is not None:
                self._detector.forget(member)
            self._warming.leave(member)
        self._leaving = [member for member in (*self._leaving, *known.values()) if not _idle(member)]
        if self._detector is not None:
            self._detector.size = len(self.members)
        self._arrangement.regroup(self.members)
        self.changed()
        if not self.admission.open and (self.members or len(sets) == len(self._sets)):
            self.admission.begin()

    def _member(self, endpoint: Endpoint, later: bool) -> Member:
        states, load = self._states(endpoint.weight)
        member = Member(endpoint, load, states)
        if self.checks:
            member.checked = unchecked(self.checks)
            member.well = True if member.checked else False if later else None
        if self._detector is not None:
            member.states.append(self._detector.gate(member))
        if self._fold is not None:
            member.section = self._fold(member.states)
        return member

    def _states(self, weight: float = 1) -> tuple[list[Any], Any]:
        """The states of one endpoint's pipeline, the load measure innermost, and that measure."""
        states = [spec.start(self._rng) if hasattr(spec, "start") else spec for spec in self._pipeline]
        load = self.balancer.load(weight)
        if load is not None:
            states.append(load)
        return states, load

    def _weigh(self, member: Member, weight: float) -> None:
        member.weight = weight
        if member.load is not None and weight:
            member.load.weight = weight

    def _tend(self, now: float) -> None:
        """Do what has become due, each thing at its own time, and note when the next one is."""
        if now >= self._next_detection:
            self._next_detection = self._detector.tend(self.members, now)
        if self._stale:
            self._stale = False
            if self._detector is not None:
                self._next_detection = self._detector.due_at
            for member in self._arrangement.refresh():
                self._turn(member, now)
        if now >= self._warming.due_at:
            for member, factor in self._warming.factors(now):
                self._weigh(member, member.endpoint.weight * factor)
                self._anew = True
        if now >= self._next_tending:
            self._next_tending, anew = self.balancer.tend(self.members, now)
            self._anew |= anew
        anew, self._anew = self._anew, False
        more = self._arrangement.arrange(anew)
        self._pick = self._arrangement.pick
        self._due = AT_ONCE if more else min(self._next_detection, self._warming.due_at, self._next_tending)

    def _turn(self, member: Member, now: float) -> None:
        """It is well now and was not, or the other way round."""
        first, member.well = member.well is None, not member.well
        if member.well and not first:
            self._warming.enter(member, now)
        else:
            self._warming.leave(member)

    def idle(self) -> bool:
        self._leaving = [member for member in self._leaving if not _idle(member)]
        return not self._leaving and self.admission.idle() and all(map(_idle, self.members))

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """For each endpoint: its share of all picks so far, what its load measure knows, and its policies by name."""
        total = sum(member.picks for member in self.members) or 1
        return {
            str(member.endpoint): {
                "picks": member.picks,
                "share": member.picks / total,
                **(member.load.snapshot(now) if member.load is not None else {}),
                **{
                    name: state.snapshot(now)
                    for name, state in numbered(member.states)
                    if state is not member.load and hasattr(state, "snapshot")
                },
            }
            for member in self.members
        }


def _weakly(state: ClusterState) -> Callable[[], None]:
    """As `ClusterState.changed`, for members, which must not keep it alive."""
    there = weakref.ref(state)

    def changed() -> None:
        cluster = there()
        if cluster is not None:
            cluster.changed()

    return changed


def _first(source: Any) -> Sequence[Endpoint] | None:
    first = getattr(source, "first", None)
    return None if first is None else first()


def _idle(member: Member) -> bool:
    return all(state.idle() for state in member.states if hasattr(state, "idle"))
