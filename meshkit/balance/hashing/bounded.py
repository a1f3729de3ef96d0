"""How many calls may be under way at one endpoint before its keys spill over to others? Bounded load.

    capacity = ceil(bound * (in flight at all endpoints + 1) * weight / sum of weights)        at least 1

The one more is the call to be placed. An endpoint that has its capacity is passed over, and the call goes on through
the table: to the next on the ring, or wherever the table looks next. There always is somebody with room, because the
capacities add up to more than all calls. With n endpoints and ``bound`` 1 + e, a call that comes or goes moves O(1/e^2)
others: 1.25 holds every endpoint within 25 % of its share, 2 hardly ever moves a key.

Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016, arXiv 1608.01350). HAProxy's
``hash-balance-factor`` (125 is 1.25) and Envoy's ``hash_balance_factor``; Envoy places one call more before it moves
on. Both count what is in flight at the whole cluster, as is done here: where several priorities or localities are asked
at once, each one's bound is looser by the calls that are at the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...call import Call, Verdict
from ..balancer import Member

__all__ = ["BoundedLoad", "Census", "Crowd"]

GRAIN = 1e-9


class Crowd:
    """How many calls are under way at all endpoints."""

    __slots__ = ("in_flight",)

    def __init__(self) -> None:
        self.in_flight = 0


class BoundedLoad:
    """How many attempts are under way at one endpoint; it counts them for the `Crowd` as well."""

    __slots__ = ("crowd", "in_flight", "weight")

    def __init__(self, weight: float, crowd: Crowd) -> None:
        self.weight = weight
        self.crowd = crowd
        self.in_flight = 0

    def cost(self, now: float, /) -> float:
        return (self.in_flight + 1) / self.weight

    def enter(self, call: Call, now: float, /) -> None:
        self.in_flight += 1
        self.crowd.in_flight += 1

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.in_flight -= 1
        self.crowd.in_flight -= 1

    def idle(self) -> bool:
        return self.in_flight == 0

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {"in_flight": self.in_flight}


class Census:
    """Who of an arrangement's members is up, what they weigh together, and so who has room for one call more.

    A pick tells how many looks it would have afforded; when these are as many as there are members, all are looked at
    again. So it is right at once among a few, a moment late among thousands, and never more than a pick can pay.
    """

    __slots__ = ("_bound", "_crowd", "_looks", "_members", "_share", "up")

    def __init__(self, members: Sequence[Member], bound: float | None, crowd: Crowd) -> None:
        self._members = members
        self._bound = bound or 0.0
        self._crowd = crowd
        self._share = 0.0
        """What each unit of weight may have of all calls."""
        self._looks = len(members)
        self.up: list[Member] = []

    def take(self, looks: int) -> None:
        self._looks += looks
        if self._looks >= len(self._members):
            self._looks = 0
            self.up = [member for member in self._members if member.up]
            self._share = self._bound / (sum([member.weight for member in self.up]) or 1.0)

    def has_room(self, member: Member) -> bool:
        """``in flight < capacity``: so, without rounding up, and with a grain for 1.1 x 10 / 11 being 1."""
        load: Any = member.load
        return not load.in_flight or load.in_flight + GRAIN < self._share * (self._crowd.in_flight + 1) * member.weight
