"""Among whom is picked first? Priorities, then localities, then the balancer.

    which priority     by how much of each is well: `levels`
    which locality     by its weight, or by where the caller stands: `localities`; without, there is one
    which endpoint     the balancer's

A call that has a key takes its priority and its locality by the key as well. One that everybody it was sent to has
failed goes on to the next group that has somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from ..balance.balancer import Balancer, Member, places
from ..call import Call
from ..errors import NoEndpoint
from .group import Group
from .levels import Level, choose, spread
from .localities import Locality, Part, Split

if TYPE_CHECKING:
    from .cluster import Cluster

__all__ = ["Arrangement"]


MIX = 0x9E3779B97F4A7C15
"""The golden ratio's: what a table makes of the same number is to have nothing to do with it (Knuth, 6.4)."""


class Tier:
    """The endpoints of one priority."""

    __slots__ = ("all", "groups", "members", "split")

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.all: Group
        """All of them, where localities do not matter."""
        self.groups: dict[Locality, Group] = {}
        """By locality, where they do."""
        self.split: Split | None = None
        """Chooses a locality; ``None``: they do not matter."""

    def used(self) -> Iterator[Group]:
        """The groups that somebody may be picked from."""
        if self.split is None:
            yield self.all
        else:
            yield from (group for place, group in self.groups.items() if place in self.split.shares)


class Arrangement:
    """The members of a cluster, in groups."""

    __slots__ = (
        "_balancer",
        "_drained",
        "_far",
        "_key",
        "_localities",
        "_name",
        "_options",
        "_order",
        "_random",
        "_spread",
        "_tiers",
        "pick",
        "why",
    )

    pick: Callable[[Call, float], Member]
    """Raises `NoEndpoint` where nobody may be picked."""

    def __init__(self, spec: Cluster, balancer: Balancer, rng: Random) -> None:
        self._name = spec.name
        self._balancer = balancer
        self._localities = spec.localities and spec.localities.start(rng)
        self._options = (round(100 * spec.overprovision), round(100 * spec.panic), spec.fails_in_panic)
        self._random = rng.random
        self._drained = self._far = 0
        self._tiers: dict[int, Tier] = {}
        self._order: tuple[Tier, ...] = ()
        self._spread: Any = None
        askers = getattr(balancer, "askers", ())
        self._key = askers[0] if askers else None
        self.why = ""
        """Why nobody may be picked."""
        self.pick = self._nobody

    def regroup(self, members: Sequence[Member]) -> None:
        """These are the members from now on; or their weights, priorities or localities are others."""
        before, self._tiers = self._tiers, {}
        self._drained = self._far = 0
        for member in members:
            endpoint = member.endpoint
            if not endpoint.weight:
                member.up = False
                self._drained += 1
            elif self._localities is not None and not self._localities.admits(endpoint.locality):
                member.up = False
                self._far += 1
            else:
                tier = self._tiers.get(endpoint.priority)
                if tier is None:
                    tier = self._tiers[endpoint.priority] = Tier()
                tier.members.append(member)
        self._tiers = {priority: self._tiers[priority] for priority in sorted(self._tiers)}
        for priority, tier in self._tiers.items():
            known = before.get(priority)
            tier.all = known.all if known is not None else Group(self._balancer, self._random)
            tier.all.members = tier.members
            if self._localities is not None:
                for member in tier.members:
                    place = member.endpoint.locality
                    group = tier.groups.get(place)
                    if group is None:
                        group = known.groups.get(place) if known is not None else None
                        group = tier.groups[place] = group or Group(self._balancer, self._random)
                        group.members = []
                    group.members.append(member)

    def refresh(self) -> list[tuple[Member, bool | None]]:
        """Find out who may be picked. Answers those that are well and were not, or the other way round, each with what
        it was before.
        """
        overprovision, threshold, fails = self._options
        turned: list[tuple[Member, bool | None]] = []
        counts = []
        for tier in self._tiers.values():
            healthy = unproven = 0
            for member in tier.members:
                well = not member.ejected and member.checked is True
                if well is not member.well and not (member.well is None and member.checked is None):
                    turned.append((member, member.well))
                    member.well = well
                healthy += well
                if well:
                    member.proven = True
                elif not member.proven:
                    unproven += 1
            counts.append((len(tier.members), healthy, unproven))
        if counts:
            some_proven = any(unproven < hosts for hosts, _, unproven in counts)  # or else all there is counts
            levels = [Level(hosts - unproven if some_proven else hosts, healthy) for hosts, healthy, unproven in counts]
            self._spread = spread(levels, overprovision=overprovision, panic=threshold)
            self._order = tuple(self._tiers.values())
            for tier, panic in zip(self._order, self._spread.panic, strict=True):
                for member in tier.members:
                    asked = member.proven or not some_proven if panic else member.well is True
                    member.up = asked and not (panic and fails)
                for group in (tier.all, *tier.groups.values()):
                    group.usable = [member for member in group.members if member.up]
                tier.split = None
                if self._localities is not None and not panic:
                    parts = {place: _part(group) for place, group in tier.groups.items()}
                    tier.split = self._localities.split(parts, overprovision=overprovision)
        return turned

    def arrange(self, anew: bool) -> bool:
        """Make what picking needs, or go on with it; ``anew``: weights, or what endpoints say of themselves, have
        changed. Answers whether there is more to do. Groups without a share are kept ready: they may have one next.
        """
        more = False
        for tier in self._tiers.values():
            for group in (tier.all, *tier.groups.values()):
                more |= group.arrange(anew, idle=more)
        self._point()
        return more

    def _point(self) -> None:
        """Where a pick begins: at the only group there is, or with the choice of one."""
        usable = [group for tier in self._tiers.values() for group in tier.used() if group.usable]
        if not usable:
            self.pick, self.why = self._nobody, self._reason()
        elif len(self._tiers) == 1 and self._order[0].split is None:
            self.pick = usable[0].pick.pick if usable[0].settled else usable[0].choose
        else:
            self.pick = self._across

    def _across(self, call: Call, now: float) -> Member:
        point = call.facts[self._key] if self._key is not None and call.facts is not None else None
        point = point * MIX % 2**61 if isinstance(point, int) else int(self._random() * 2**32)
        first = self._order[choose(self._spread, point)[0]]
        tried = places(call.avoid) if call.avoid else ()
        member: Member | None = None
        refusal: NoEndpoint | None = None
        for group in self._way(first, point):
            if group.usable:
                try:
                    found = group.choose(call, now)
                except NoEndpoint as error:
                    refusal = error
                    continue
                if found.place not in tried:
                    return found
                member = member or found
        if member is None and refusal is not None:
            raise refusal
        return member if member is not None else self._nobody(call, now)

    def _way(self, first: Tier, point: int) -> Iterator[Group]:
        """The group whose turn it is, and then where else somebody may be: at last also where there is no share."""
        asked = first.all
        if first.split is not None and first.split.shares:
            chosen = first.groups[first.split.choose(point // 100 % 2**20 / 2**20)]
            asked = chosen if chosen.pick is not None else first.all
        yield asked
        for tier in (first, *(tier for tier in self._order if tier is not first)):
            for group in (*tier.used(), tier.all):
                if group is not asked:
                    yield group

    def snapshot(self) -> dict[int, dict[str, Any]]:
        """For each priority: its share of the calls in percent, whether it panics, and the shares of its localities."""
        if not self._tiers:
            return {}
        spread = zip(self._tiers.items(), self._spread.healthy, self._spread.panic, strict=True)
        return {
            priority: {
                "percent": percent,
                "panic": panic,
                **({} if tier.split is None else {"localities": dict(tier.split.shares)}),
            }
            for (priority, tier), percent, panic in spread
        }

    def _nobody(self, call: Call, now: float) -> Member:
        raise NoEndpoint(self.why, policy=self._name)

    def _reason(self) -> str:
        members = [member for tier in self._tiers.values() for member in tier.members]
        counts = {
            "drained": self._drained,
            "in another zone": self._far,
            "ejected": sum(member.ejected for member in members),
            "found ill": sum(member.checked is False for member in members),
            "not heard of yet": sum(member.checked is None for member in members),
        }
        every = len(members) + self._drained + self._far
        told = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
        return f"no endpoint to ask: of {every}, {told}" if every else "no endpoint to ask: the cluster has none"


def _part(group: Group) -> Part:
    total = sum(member.endpoint.weight for member in group.members)
    return Part(total, sum(member.endpoint.weight for member in group.usable), len(group.usable))
