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
from collections.abc import Callable, Iterator, Sequence
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any

from ..balance import Member
from ..call import Call
from ..observe.events import StateChanged
from .admission import Admission
from .arrangement import Arrangement
from .checkup import unchecked
from .endpoint import Endpoint
from .membership import Change, Membership, first_of
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
        "_membership",
        "_next_tending",
        "_passed",
        "_pick",
        "_pipeline",
        "_rng",
        "_stale",
        "_told",
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
        self._fold: Callable[[list[Any]], Section] | None = None
        self._detector = spec.outliers and spec.outliers.start(rng)
        if self._detector is not None:
            told = weakref.WeakMethod(self.changed)  # members must not keep it alive
            self._detector.changed = lambda: (changed := told()) and changed()
        self.reads_failure = self._detector is not None
        self._warming = Warming(spec.slow_start, self.balancer)
        self._next_tending = AT_ONCE if hasattr(self.balancer, "tend") else inf
        self._arrangement = Arrangement(spec, self.balancer, rng)
        self._pick = self._arrangement.pick
        self._due = AT_ONCE
        self._stale = self._anew = False
        self._passed: dict[Member, None] = {}
        self._told: dict[Member, None] = {}
        """Who has passed a check, and who went out or came back: for the next pick, which knows the time."""
        fixed = [each for each in spec.endpoints if isinstance(each, Endpoint)]
        self.sources = tuple(each for each in spec.endpoints if not isinstance(each, Endpoint))
        """The sources of endpoints that are to be followed."""
        self.troubles: list[Exception | None] = [None] * len(self.sources)  # of each, if it has not answered since
        sets = [fixed, *map(first_of, self.sources)]
        self._membership = Membership(sets, self._member)
        self.admission = Admission(spec.name, spec.ceilings, spec.patience)
        gate = self.admission if spec.ceilings or spec.checks or None in sets else None
        self.enter, self.exit, self.leave = gate and gate.enter, gate and gate.exit, self.admission.leave
        self.pattern: list[Any] = []
        """What an endpoint's pipeline is made of, while there is none."""
        while self._go_on():
            pass
        self._open()
        if not self.members:
            self.pattern = self._states()[0]

    def fold(self, fold: Callable[[list[Any]], Section], /) -> None:
        self._fold = fold
        if not self.members:
            fold(self.pattern)  # for what it would refuse
        for member in self.members:
            member.section = fold(member.states)

    def pick(self, call: Call, now: float, /) -> Section:
        """The section of the endpoint picked, which is then ``call.endpoint``. Raises `NoEndpoint` if there is none."""
        if now >= self._due:
            self._tend(now)
            if call.events is not None:
                for member in self._told:
                    words = ("out", "in") if member.well else ("in", "out")
                    call.events.append(StateChanged(now, self.name, member.endpoint, *words))
            self._told.clear()
        member = self._pick(call, now)
        member.picks += 1
        call.endpoint = member.endpoint
        return member.section

    def update(self, number: int, endpoints: Sequence[Endpoint]) -> Iterator[None]:
        """What the source of that number says there is now, all of it, in slices of a millisecond or so: others call
        between them. The set changes in one; then calls that wait are let in. What is left undone the next pick does.
        """
        yield from self._said(1 + number, endpoints)
        self.troubles[number] = None
        self._open()

    def moved(self, endpoints: Sequence[Endpoint]) -> Iterator[None]:
        """Those that are written down are others from now on; cut into slices as in `update`."""
        yield from self._said(0, endpoints)

    def _said(self, place: int, endpoints: Sequence[Endpoint]) -> Iterator[None]:
        before = self._membership.sets[place]
        self._due = AT_ONCE
        self._membership.says(place, endpoints)
        try:
            yield from self._replace()
        except Exception:
            if self._membership.sets[place] is endpoints:
                self._membership.says(place, before)
            raise
        while self._go_on():
            yield

    def passed(self, member: Member, now: float) -> None:
        """A check has found an ejected member well."""
        self._passed[member] = None
        self._due = AT_ONCE

    def changed(self) -> None:
        """Somebody's health is another: who may be picked is found out anew at the next pick."""
        self._stale = True
        self._due = AT_ONCE
        if not self.admission.open:
            self._open()

    def _open(self) -> None:
        """Let calls in, once there is somebody to ask, or nothing left to be found out."""
        if self.admission.open or not (self.members or None not in self._membership.sets):
            return
        if any(member.checked for member in self.members) or all(member.checked is False for member in self.members):
            self.admission.begin()

    def _replace(self) -> Iterator[None]:
        """Go by what the sources say."""
        fold = self._fold
        for change in self._membership.replace():
            if change is not None:
                self._change(change, fold is self._fold)
            yield

    def _change(self, change: Change, folded: bool) -> None:
        """All of it may be done again: it counts when it is committed, at last, whoever strikes in between."""
        for member, endpoint in change.altered:
            self._anew = True
            self._weigh(member, endpoint.weight)
            self._warming.again(member)
            member.endpoint = endpoint
        for member in change.come:
            if self._fold is not None and not folded:  # somebody has begun to watch meanwhile
                member.section = self._fold(member.states)
            if self.members and member.well:
                self._warming.expect(member)
        for member in change.gone:
            member.up = member.present = False
            self._warming.leave(member)
            self._told.pop(member, None)
            self._passed.pop(member, None)
            if self._detector is not None:
                self._detector.forget(member)
        if self._detector is not None:
            self._detector.size = len(change.members)
        self.members = list(change.members.values())
        self._arrangement.regroup(self.members)
        self._stale, self._due = True, AT_ONCE
        self._membership.commit(change, self.members)

    def _member(self, endpoint: Endpoint) -> Member:
        states, load = self._states(endpoint.weight or 1)
        member = Member(endpoint, load, states)
        if self.checks:
            member.checked = unchecked(self.checks)
            member.well = True if member.checked else False if self.members else None
            member.proven = bool(member.checked)
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
        if weight:  # whoever is drained may still be in a table that is being made, and in the way of nobody's division
            member.weight = weight
            if member.load is not None:
                member.load.weight = weight

    def _tend(self, now: float) -> None:
        """Do what has become due, each thing at its own time."""
        if self._detector is not None:
            while self._passed:
                self._detector.passed(self._passed.popitem()[0], now)
            if now >= self._detector.due_at:
                self._detector.tend(self.members, now)
        self._refresh()
        self._warming.begin(now)
        if now >= self._warming.due_at:
            for member, factor in self._warming.factors(now):
                self._weigh(member, member.endpoint.weight * factor)
                self._anew = True
        if now >= self._next_tending:
            self._next_tending, anew = self.balancer.tend(self.members, now)
            self._anew |= anew
        more = self._go_on()
        ejected = inf if self._detector is None else self._detector.due_at
        self._due = AT_ONCE if more else min(ejected, self._warming.due_at, self._next_tending)

    def _refresh(self) -> None:
        if self._membership.stale and self._membership.owner is None:  # it was given up
            for _ in self._replace():
                pass
        if self._stale:
            turned = self._arrangement.refresh()
            self._stale = False
            for member, before in turned:
                if before is not None:
                    self._told[member] = None
                    if member.well:
                        self._warming.expect(member)
                if not member.well:
                    self._warming.leave(member)

    def _go_on(self) -> bool:
        """A slice of what needs no clock: who may be picked, and arranging them. Answers whether there is more."""
        self._refresh()
        anew, self._anew = self._anew, False
        more = self._arrangement.arrange(anew)
        self._pick = self._arrangement.pick
        return more

    def idle(self) -> bool:
        return self.admission.idle() and self._membership.idle()

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """For each endpoint: whether it is up, its share of all picks, what its load measure knows, its policies."""
        self._refresh()  # what is only noted yet is concluded, and nothing is decided by it
        return self._membership.snapshot(now)

    def summary(self, now: float, /) -> dict[str, Any]:
        """The share of each priority, what is under way, what outlier detection finds, what is wrong with sources."""
        picture: dict[str, Any] = {"priorities": self._arrangement.snapshot()}
        if self.enter is not None:
            picture |= self.admission.snapshot()
        if self._detector is not None:
            picture["outliers"] = self._detector.snapshot(now)
        if self.sources:
            troubles = [None if each is None else type(each).__name__ for each in self.troubles]  # whose text is that?
            picture["sources"] = dict(zip(map(repr, self.sources), troubles, strict=True))
        return picture
