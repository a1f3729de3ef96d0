"""Who is next in smooth weighted turns? 5, 1, 1 go a a b a c a a, never a a a a a b c.

The rule is nginx's smooth weighted round robin. With each pick every endpoint's credit grows by its weight; the highest
credit wins (the first in order on a tie) and pays the sum of all weights.

Endpoints of equal weight win in rotation, so they need one credit between them: that of the next in turn. A *lane* is
the endpoints of one weight. When its last one has won, the turn goes back to its first, which has paid once more than
those after it. The sequence is nginx's to the letter, at a cost per lane instead of per endpoint: with equal weights a
plain rotation, flat in the number of endpoints.

What an endpoint is owed outlives a change of the others: its *phase*, the share of a whole turn until its next one,
which is its credit, negated, by the sum of all weights. One that is new stands in the middle, at 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from operator import itemgetter
from typing import Any

from ..balancer import Member

__all__ = ["SLICE", "Smooth"]

SLICE = 512
"""Members that are looked at in half a millisecond or so."""

_phase = itemgetter(0)


class _Lane:
    """The endpoints of one weight: those before ``turn`` have had this round's."""

    __slots__ = ("credit", "members", "places", "turn", "weight")

    def __init__(self, weight: float, members: list[Member], places: list[int], turn: int, credit: float) -> None:
        self.weight = weight
        self.members = members
        self.places = places
        self.turn = turn
        self.credit = credit


def _lane(weight: float, entries: list[tuple[float, int, Member]], total: float) -> Generator[None, None, _Lane]:
    """A lane of (phase, place, member); whose phase is more than a half above the least has had its turn."""
    entries.sort(key=_phase)
    large = len(entries) > SLICE
    if large:
        yield
    late = bisect_right(entries, entries[0][0] + 0.5, key=_phase)
    turn = len(entries) - late
    owed = turn - sum(map(_phase, entries))
    credit = round(owed * total / len(entries), 6)  # whole weights have whole credits again
    entries = [*entries[late:], *entries[:late]]
    if large:
        yield
    members = [member for _, _, member in entries]
    if large:
        yield
    return _Lane(weight, members, [place for _, place, _ in entries], turn, credit)


class Smooth:
    """Smooth weighted turns."""

    __slots__ = ("lanes", "only", "total")

    def __init__(self, lanes: list[_Lane], total: float) -> None:
        self.total = total
        self.lanes = lanes
        self.only = self.lanes[0] if len(self.lanes) == 1 else None

    @classmethod
    def arranged(
        cls, members: Sequence[Member], weights: Sequence[float], before: Any, random: Callable[[], float]
    ) -> Generator[None, None, Smooth]:
        """``before``: the order until now, whichever; ``None``: the first in order is drawn."""
        lanes: dict[float, list[tuple[float, int, Member]]] = {}
        rest = dict(zip(members, weights, strict=True))
        last = -1
        for n, (member, phase, place) in enumerate(before.phases() if before is not None else (), 1):
            last = max(last, place)
            weight = rest.pop(member, 0.0)
            if weight:
                lanes.setdefault(weight, []).append((phase, place, member))
            if not n % SLICE:
                yield
        new = list(rest)
        first = int(random() * len(new)) if before is None else 0
        for n, member in enumerate([*new[first:], *new[:first]], 1):
            lanes.setdefault(rest[member], []).append((0.0, last + n, member))
            if not n % SLICE:
                yield
        total = sum(weights)
        made = []
        for weight, entries in lanes.items():
            made.append((yield from _lane(weight, entries, total)))
            yield
        return cls(made, total)

    def next(self) -> Member:
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

    def phases(self) -> Iterator[tuple[Member, float, int]]:
        """Each member, its phase, and its place among those of equal phase."""
        for lane in self.lanes:
            size = len(lane.members)
            phase = -lane.credit / self.total if self.only is None else -lane.turn / size
            for k in range(lane.turn, size):
                yield lane.members[k], phase, lane.places[k]
            for k in range(lane.turn):
                yield lane.members[k], phase + 1.0, lane.places[k]
