"""Who has fewer calls than the others, and whose become fewer? F5's observed and predictive ratios.

===============  ==========================================================================================
`Observed`       each second: 3 turns for who has no more calls in flight than the average, 2 for the others
`Predictive`     each second: one turn more, up to 4, for whose calls in flight have become fewer; one less,
                 down to 1, for whose have become more; the same as before for the others
===============  ==========================================================================================

Calls in flight count by weight. Compared with `LeastConnections`, what was measured a moment ago decides, and everybody
keeps a share: it is calmer, and later.

The rules are those of the maker's articles (K6406 and its predecessors); the range of the predictive ratio is not
published, 1 to 4 is what its trainings give.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import attrs

from ...call import Call, Verdict
from ...options import no_decorator, number, seconds
from ..balancer import Member
from .rated import Rated

__all__ = ["Observed", "Predictive", "Watched"]

FEWEST, MOST, MIDDLE = 1.0, 4.0, 2.0


@attrs.frozen(kw_only=True)
class Observed:
    """Picks the endpoints in turn, ``more`` turns for those below the average in flight to ``less`` for the others."""

    more: float = attrs.field(default=3.0, validator=number(0.001, 1000.0))
    less: float = attrs.field(default=2.0, validator=number(0.001, 1000.0))
    period: float = attrs.field(default=1.0, validator=seconds())

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Rated:
        return Rated(Watched, self._rate, self.period, rng)

    def _rate(self, members: Sequence[Member], now: float) -> Iterator[float]:
        counts = [member.load.cost(now) for member in members]
        average = sum(counts) / len(counts) if counts else 0.0
        return (self.more if count <= average else self.less for count in counts)


@attrs.frozen(kw_only=True)
class Predictive:
    """Picks the endpoints in turn, more turns for those whose calls in flight become fewer."""

    period: float = attrs.field(default=1.0, validator=seconds())

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Rated:
        return Rated(Watched, _trend, self.period, rng)


def _trend(members: Sequence[Member], now: float) -> Iterator[float]:
    for member in members:
        load = member.load
        before, load.seen = load.seen, load.in_flight
        if not load.rating:
            yield MIDDLE
        elif load.in_flight < before:
            yield min(load.rating + 1.0, MOST)
        elif load.in_flight > before:
            yield max(load.rating - 1.0, FEWEST)
        else:
            yield load.rating


class Watched:
    """How many attempts are under way at one endpoint, and the ratio that was made of it."""

    __slots__ = ("in_flight", "rating", "seen", "weight")

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight
        self.in_flight = 0
        self.rating = 0.0
        self.seen = 0
        """In flight, as of the last time the ratings were worked out."""

    def cost(self, now: float, /) -> float:
        return self.in_flight / self.weight

    def enter(self, call: Call, now: float, /) -> None:
        self.in_flight += 1

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.in_flight -= 1

    def idle(self) -> bool:
        return self.in_flight == 0

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {"in_flight": self.in_flight, "ratio": self.rating or None}
