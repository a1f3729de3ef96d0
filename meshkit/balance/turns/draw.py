"""Whom does the lot fall on? An endpoint at random, in proportion to its weight.

Walker's alias table: an urn for each endpoint, each filled to the average with a share of one endpoint and at most one
other. A draw is one random number: its whole part says which urn, the rest which of the two. Shares are exact, the cost
is that of one lookup whatever the weights, and building is two passes.

Walker, "An Efficient Method for Generating Discrete Random Variables with General Distributions" (1977); Vose, "A
Linear Algorithm for Generating Random Numbers with a Given Distribution" (1991).

Independent draws need no coordination between the clients of a fleet, and leave the fullest of n endpoints with about
``ln n / ln ln n`` calls where turns would leave one each: see `Choices` for what a second draw is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import attrs

from ...call import Call
from ...options import flag, no_decorator
from ..balancer import Member, places, untried
from .smooth import SLICE

__all__ = ["Lots", "RandomChoice", "Urns"]


@attrs.frozen(kw_only=True)
class RandomChoice:
    """Picks any endpoint at random, by weight, or all alike (``weighted=False``: Envoy's ``RANDOM``)."""

    weighted: bool = attrs.field(default=True, validator=flag())

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Lots:
        return Lots(rng, self.weighted)


class Lots:
    """Lots, and no measure."""

    __slots__ = ("random", "weighted")

    def __init__(self, rng: Random, weighted: bool = True) -> None:
        self.random = rng.random
        self.weighted = weighted

    def load(self, weight: float, /) -> None:
        return None

    def arrange(self, members: Sequence[Member], before: Any, /) -> Iterator[Urns | None]:
        size = len(members)
        level = [1.0] * size
        other = [0] * size
        total = sum(member.weight for member in members)
        if self.weighted and len({member.weight for member in members}) > 1:
            level = [member.weight * size / total for member in members]
            yield None
            poor = [k for k, share in enumerate(level) if share < 1.0]
            rich = [k for k, share in enumerate(level) if share >= 1.0]
            while poor and rich:
                k = poor.pop()
                other[k] = giver = rich[-1]
                level[giver] -= 1.0 - level[k]
                if level[giver] < 1.0:
                    poor.append(rich.pop())
                if not len(poor) % SLICE:
                    yield None
            for k in (*poor, *rich):  # a rounding error short of full, or over
                level[k] = 1.0
        yield Urns(members, level, other, self.random)


class Urns:
    """Picks by lot. If it falls on somebody to be avoided, it is drawn among the others."""

    __slots__ = ("level", "members", "other", "random", "size")

    def __init__(
        self, members: Sequence[Member], level: list[float], other: list[int], random: Callable[[], float]
    ) -> None:
        self.members = members
        self.level = level
        self.other = other
        self.random = random
        self.size = len(members)

    def pick(self, call: Call, now: float, /) -> Member:
        drawn = self.random() * self.size
        urn = int(drawn)
        member = self.members[urn if drawn - urn < self.level[urn] else self.other[urn]]
        return self._among(call.avoid) if call.avoid and member.place in places(call.avoid) else member

    def _among(self, avoid: tuple[Any, ...]) -> Member:
        rest = untried(self.members, avoid, self.random)
        point = self.random() * sum(member.weight for member in rest)
        for member in rest:
            point -= member.weight
            if point < 0:
                return member
        return rest[-1]
