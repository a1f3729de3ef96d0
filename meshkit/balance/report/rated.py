"""Whose turn is it, if weights follow what is seen or reported? Turns whose weights are worked out anew each period.

==================  =================================================================================================
spec                rating
==================  =================================================================================================
`WeightedByReports` calls a second / (utilization + errors' share x penalty), as reported; gRFC A58
`DynamicRatio`      what is free of each resource, as reported, times its coefficient; F5's dynamic ratio
`Observed`          more for whoever has fewer calls in flight than the average; F5's observed
`Predictive`        more for whoever's calls in flight become fewer; F5's predictive
==================  =================================================================================================

An endpoint of which nothing is known (rating 0) counts as the average of the others. Turns go by static stride, see
`Stride`, which is cheap to build and keeps shares between a hundredth and ten times the average. While an endpoint
warms up, its rating counts in part, as its weight does; otherwise the weights of the endpoints play no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from random import Random
from typing import Any

import attrs

from ...options import no_decorator, number, seconds
from ..balancer import Load, Member
from ..turns.round_robin import Rotation
from ..turns.stride import Stride
from .reported import UTILIZATION, Reported, as_names, names, reported

__all__ = ["Rated", "WeightedByReports", "as_known", "capacity"]

MOST = 1e12
SHORTEST = 0.1
"""Seconds between two looks at the ratings, at least: gRFC A58."""


class Rated:
    """Turns by rating. ``measure`` has a ``rating``; ``rate(members, now)`` answers the present one of each."""

    __slots__ = ("load", "period", "random", "rate")

    def __init__(
        self,
        measure: Callable[[float], Load],
        rate: Callable[[Sequence[Member], float], Iterable[float]],
        period: float,
        rng: Random,
    ) -> None:
        self.load = measure
        self.rate = rate
        self.period = max(period, SHORTEST)
        self.random = rng.random

    def tend(self, members: Sequence[Member], now: float, /) -> tuple[float, bool]:
        changed = False
        for member, rating in zip(members, self.rate(members, now), strict=True):
            if member.load.rating != rating:
                member.load.rating = rating
                changed = True
        return now + self.period, changed

    def arrange(self, members: Sequence[Member], before: Any, /) -> Iterator[Rotation | None]:
        ratings = [member.load.rating * member.weight / member.endpoint.weight for member in members]
        order = yield from Stride.arranged(members, ratings, before and before.order, self.random)
        yield Rotation(members, order, self.random)


@attrs.frozen(kw_only=True)
class WeightedByReports:
    """Picks the endpoints in turn, by how many calls each serves for the load it reports; gRPC's
    ``weighted_round_robin``, Envoy's ``client_side_weighted_round_robin``.

    ``utilization`` names the load, the first number that a report has. A weight counts ``blackout`` seconds after an
    endpoint's reports began, until ``expiration`` seconds after the last; weights are worked out every ``period``
    seconds (0.1 at least). ``penalty``: how much load a share of errors counts as.
    """

    utilization: tuple[str, ...] = attrs.field(default=UTILIZATION, converter=as_names, validator=names)
    blackout: float = attrs.field(default=10.0, validator=seconds(zero=True))
    expiration: float = attrs.field(default=180.0, validator=seconds())
    period: float = attrs.field(default=1.0, validator=seconds())
    penalty: float = attrs.field(default=1.0, validator=number(0.0, 1e9))

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Rated:
        value = partial(capacity, utilization=self.utilization, penalty=self.penalty)
        measure = partial(Reported, value=value, expiration=self.expiration, blackout=self.blackout)
        return Rated(measure, as_known, self.period, rng)


def capacity(report: Any, *, utilization: tuple[str, ...] = UTILIZATION, penalty: float = 1.0) -> float:
    """``calls / (utilization + errors / calls * penalty)``; 0 without calls or utilization. An endpoint may say what it
    likes: no more than 10^12.
    """
    calls = report.get("rps_fractional", 0.0)
    load = reported(report, utilization)
    if calls <= 0 or load <= 0:
        return 0.0
    errors = report.get("eps", 0.0)
    if errors > 0:
        load += errors / calls * penalty
    return min(calls / load, MOST)  # type: ignore[no-any-return]


def as_known(members: Sequence[Member], now: float) -> Iterator[float]:
    return (member.load.known(now, member.since) for member in members)
