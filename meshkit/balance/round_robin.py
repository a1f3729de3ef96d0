"""Whose turn is it? Smooth weighted turns: 5, 1, 1 go a a b a c a a, never a a a a a b c.

The rule is nginx's smooth weighted round robin. With each pick every endpoint's credit grows by its weight; the highest
credit wins (the first in order on a tie) and pays the sum of all weights.

Endpoints of equal weight win in rotation, so they need one credit between them: that of the next in turn. A *lane* is
the endpoints of one weight. When its last one has won, the turn goes back to its first, which has paid once more than
those after it. The sequence is nginx's to the letter, at a cost per lane instead of per endpoint: with equal weights a
plain rotation, flat in the number of endpoints.

Which endpoint is first in order is drawn at the start, as gRPC's ``round_robin`` does: else the clients of a fleet
would all begin at the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import attrs

from ..call import Call
from .balancer import RUN, Member, untried

__all__ = ["RoundRobin", "Turns"]


@attrs.frozen
class RoundRobin:
    """Picks the endpoints in turn, by weight. It looks at no load: for equal endpoints and calls of equal cost."""

    def start(self, rng: Random, /) -> Turns:
        return Turns(rng)


class _Lane:
    """The endpoints of one weight."""

    __slots__ = ("credit", "members", "places", "turn", "weight")

    def __init__(self, weight: int) -> None:
        self.weight = weight
        self.members: list[Member] = []
        self.places: list[int] = []
        self.turn = 0
        self.credit = 0


class Turns:
    """Picks in smooth weighted rotation. Those to be avoided lose their turn."""

    __slots__ = ("lanes", "members", "only", "random", "total")

    def __init__(self, rng: Random) -> None:
        self.random = rng.random
        self.arrange(())

    def load(self, weight: int, /) -> None:
        return None

    def arrange(self, members: Sequence[Member], /) -> None:
        first = int(self.random() * len(members))
        self.members = [*members[first:], *members[:first]]
        self.total = sum(member.endpoint.weight for member in self.members)
        lanes: dict[int, _Lane] = {}
        for place, member in enumerate(self.members):
            weight = member.endpoint.weight
            lane = lanes.setdefault(weight, _Lane(weight))
            lane.members.append(member)
            lane.places.append(place)
        self.lanes = tuple(lanes.values())
        self.only = self.lanes[0] if len(self.lanes) == 1 else None

    def pick(self, call: Call, now: float, /) -> Member:
        return self._next() if not call.avoid else self._another(call.avoid)

    def _another(self, avoid: tuple[Any, ...]) -> Member:
        tried = set(map(id, avoid))
        for _ in self.members[:RUN]:
            member = self._next()
            if id(member.endpoint) not in tried:
                return member
        rest = untried(self.members, avoid, self.random)  # all were tried, or one is so heavy that its turns are many
        return rest[int(self.random() * len(rest))]

    def _next(self) -> Member:
        lane = self.only or self._richest()
        member = lane.members[lane.turn]
        lane.turn += 1
        if lane.turn == len(lane.members):
            lane.turn = 0
            lane.credit -= self.total
        return member

    def _richest(self) -> _Lane:
        best: Any = None
        for lane in self.lanes:
            lane.credit += lane.weight
            if (
                best is None
                or lane.credit > best.credit
                or (lane.credit == best.credit and lane.places[lane.turn] < best.places[best.turn])
            ):
                best = lane
        return best  # type: ignore[no-any-return]
