"""Who is next on HAProxy's map? Every turn of a whole period, laid out beforehand: 5, 1, 1 go a a a b a a c.

The map is the one that HAProxy hashes into as well, see `modulo`. A turn is one step on it, a change of the members or
weights lays it out anew and goes on at whoever was next. Weights that are not whole, or have more than 2^16 turns
between them, are rounded.

HAProxy ``src/lb_map.c`` (``balance static-rr``).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from itertools import chain
from typing import Any

from ..balancer import Member
from ..hashing.modulo import laid_out, whole

__all__ = ["Mapped"]

PERIOD = 2**16
"""Turns on the map, at most."""


class Mapped:
    """Turns by a map."""

    __slots__ = ("at", "members", "order")

    def __init__(self, members: Sequence[Member], order: list[int], at: int) -> None:
        self.members = members
        self.order = order
        self.at = at

    @classmethod
    def arranged(
        cls, members: Sequence[Member], weights: Sequence[float], before: Any, random: Callable[[], float]
    ) -> Generator[None, None, Mapped]:
        """``before``: the `Mapped` until now; ``None``: where on the map it begins is drawn."""
        order = yield from laid_out((yield from whole(weights, PERIOD)))
        at = int(random() * len(order)) if before is None else before.onward(members, order)
        return cls(members, order, at)

    def onward(self, members: Sequence[Member], order: list[int]) -> int:
        """Where on another map the next one is who is still there, about as far on as it was here."""
        places = {member: place for place, member in enumerate(members)}
        coming = (places.get(self.members[place]) for place in chain(self.order[self.at :], self.order))
        expected = next((place for place in coming if place is not None), order[0])
        at = self.at * len(order) // len(self.order)
        return order.index(expected, at) if expected in order[at:] else order.index(expected)

    def next(self) -> Member:
        member = self.members[self.order[self.at]]
        self.at += 1
        if self.at == len(self.order):
            self.at = 0
        return member
