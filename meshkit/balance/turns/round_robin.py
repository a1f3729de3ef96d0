"""Whose turn is it?

================  ====================  ==========================================================================
order             5, 1, 1 go
================  ====================  ==========================================================================
``"smooth"``      a a b a c a a         nginx's smooth weighted round robin, see `Smooth`; the least bunched
``"edf"``         a a a a b c a         Envoy's earliest deadline first, see `Earliest`
``"edf-place"``   a a a a a b c         gRPC-go's: on a tie the first in order
``"stride"``      a c a a b a a         gRPC's static stride, see `Stride`: cheapest to build, shares bounded
``"map"``         a a a b a a c         HAProxy's map, see `Mapped`
================  ====================  ==========================================================================

Turns go on when the members or weights change: who was next still is. More than 64 different weights go by
``"edf"`` in place of ``"smooth"``, which costs as much a turn as there are different weights; more than 1000 endpoints
that do not all weigh the same by ``"smooth"`` in place of ``"map"``, which takes long to lay out.

Which endpoint is first in order is drawn at the start, as gRPC's ``round_robin`` does: else the clients of a fleet
would all begin at the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from operator import attrgetter
from random import Random
from typing import Any

import attrs

from ...call import Call
from ...options import among, flag, no_decorator
from ..balancer import RUN, Member, places, untried
from .earliest import Earliest
from .mapped import Mapped
from .smooth import Smooth
from .stride import Stride

__all__ = ["Rotation", "RoundRobin", "Turns"]

LANES = 64
MAPPED = 1000

_weight = attrgetter("weight")


def _own(member: Member) -> float:
    return member.endpoint.weight  # type: ignore[no-any-return]


@attrs.frozen(kw_only=True)
class RoundRobin:
    """Picks the endpoints in turn, by weight. It looks at no load: for equal endpoints and calls of equal cost.

    ``order`` is the order of turns where weights differ. ``static``: by the weights the endpoints were given, also
    while they warm up (HAProxy's ``static-rr``, with the order ``"map"``).
    """

    order: str = attrs.field(default="smooth", validator=among("smooth", "edf", "edf-place", "stride", "map"))
    static: bool = attrs.field(default=False, validator=flag())

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Turns:
        return Turns(rng, self.order, _own if self.static else _weight)


class Turns:
    """Turns by weight, and no measure."""

    __slots__ = ("order", "random", "weigh")

    def __init__(self, rng: Random, order: str = "smooth", weigh: Callable[[Member], float] = _weight) -> None:
        self.random = rng.random
        self.order = order
        self.weigh = weigh

    def load(self, weight: float, /) -> None:
        return None

    def arrange(self, members: Sequence[Member], before: Any, /) -> Iterator[Rotation | None]:
        order = yield from self._ordered(members, before and before.order)
        yield Rotation(members, order, self.random)

    def _ordered(self, members: Sequence[Member], before: Any) -> Generator[None, None, Any]:
        weights = [self.weigh(member) for member in members]
        different = len(set(weights))
        if different > 1:
            yield
        if self.order == "stride":
            return (yield from Stride.arranged(members, weights, before, self.random))
        if self.order == "map" and (different == 1 or len(members) <= MAPPED):
            before = before if isinstance(before, Mapped) else None  # another kind of turns cannot go on on the map
            return (yield from Mapped.arranged(members, weights, before, self.random))
        if isinstance(before, Mapped):
            before = None
        if self.order in {"smooth", "map"} and different <= LANES:
            return (yield from Smooth.arranged(members, weights, before, self.random))
        fresh = self.order != "edf-place"
        return (yield from Earliest.arranged(members, self.weigh, before, self.random, fresh=fresh))


class Rotation:
    """Picks whose turn it is, in some order. Those to be avoided lose their turn."""

    __slots__ = ("members", "next", "order", "random")

    def __init__(self, members: Sequence[Member], order: Any, random: Callable[[], float]) -> None:
        self.members = members
        self.order = order
        self.next: Callable[[], Member] = order.next
        self.random = random

    def pick(self, call: Call, now: float, /) -> Member:
        return self.next() if not call.avoid else self._another(call.avoid)

    def _another(self, avoid: tuple[Any, ...]) -> Member:
        tried = places(avoid)
        for _ in self.members[:RUN]:
            member = self.next()
            if member.place not in tried:
                return member
        rest = untried(self.members, avoid, self.random)  # all were tried, or one is so heavy that its turns are many
        return rest[int(self.random() * len(rest))]
