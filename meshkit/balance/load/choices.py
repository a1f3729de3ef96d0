"""Which of a few random members is the least loaded? The power of two choices.

Draw ``choices`` members at random and take the one with the lowest cost; on a tie the one drawn first. Each challenger
is drawn from all members but the best so far, so two choices are always two different members.

n balls into n bins: the fullest bin holds about ``ln n / ln ln n`` with one choice and ``ln ln n / ln d`` with d.
Nearly all is won by the second, and a pick costs the same among 10 and among 10 000. Looking at all instead would send
every client of a fleet to the same idle endpoint at once.

Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001); Azar et al., "Balanced Allocations"
(1994). Drawing the second index from a range with a hole is Finagle's ``P2CPick.scala``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from ...call import Call
from ..balancer import Load, Member, untried

__all__ = ["Choices", "Draws"]

FEW = 16
"""Members up to which all their pairs are laid out: 240."""


class Choices:
    """A measure of whatever kind, and of a few draws the cheapest by it."""

    __slots__ = ("choices", "load", "random")

    def __init__(self, load: Callable[[float], Load], choices: int, rng: Random) -> None:
        self.load = load
        self.choices = choices
        self.random = rng.random  # with an index made of it, far cheaper than randrange or sample

    def arrange(self, members: Sequence[Member], before: Any, /) -> Iterator[Draws]:
        yield Draws(members, self.choices, self.random)


class Draws:
    """Picks the cheapest of a few draws from these members."""

    __slots__ = ("duels", "field", "further", "pairs", "random", "single")

    def __init__(self, members: Sequence[Member], choices: int, random: Callable[[], float]) -> None:
        self.single = choices == 1
        self.further = range(choices - 2)
        self.random = random
        self.field = _field(members)
        self.duels = _duels(members) if 1 < len(members) <= FEW and not self.single and not self.further else ()
        self.pairs = float(len(self.duels))

    def pick(self, call: Call, now: float, /) -> Member:
        if self.duels and not call.avoid:
            first, cost, second, rival = self.duels[int(self.random() * self.pairs)]
            return second if rival(now) < cost(now) else first
        return self._draw(call, now)

    def _draw(self, call: Call, now: float) -> Member:
        members, loads, others, pairs = self.field
        if call.avoid:
            members, loads, others, pairs = _field(untried(members, call.avoid, self.random))
        if not others:
            return members[0]
        pair = int(self.random() * pairs)
        best = pair // others
        if self.single:
            return members[best]
        rival = pair % others
        if rival >= best:
            rival += 1  # step over the hole
        lowest = loads[best].cost(now)
        cost = loads[rival].cost(now)
        if cost < lowest:
            best = rival
            lowest = cost
        if self.further:
            for _ in self.further:
                rival = int(self.random() * others)
                if rival >= best:
                    rival += 1
                cost = loads[rival].cost(now)
                if cost < lowest:
                    best = rival
                    lowest = cost
        return members[best]


def _duels(members: Sequence[Member]) -> tuple[tuple[Member, Any, Member, Any], ...]:
    """Every ordered pair of a few members, with their costs at hand: one draw and no arithmetic."""
    return tuple((a, a.load.cost, b, b.load.cost) for a in members for b in members if a is not b)


def _field(members: Sequence[Member]) -> tuple[Sequence[Member], list[Load], int, float]:
    """The members, their loads, how many others each has, and the number of ordered pairs."""
    others = len(members) - 1
    return members, [member.load for member in members], others, float(others * (others + 1))
