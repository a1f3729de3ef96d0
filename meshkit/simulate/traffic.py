"""When do calls come? When they come: an open loop, in which nobody waits for the calls before.

Users do not know that others are still waiting. A closed loop, where each of a few clients waits for its answer before
it asks again, hides an overload, since it asks less just then (Schroeder, Wierman, Harchol-Balter, "Open versus
closed", NSDI 2006).
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import log
from random import Random

from .timeline import Timeline

__all__ = ["poisson", "zipf"]


def poisson(
    timeline: Timeline,
    rate: float | Callable[[float], float],
    rng: Random,
    act: Callable[[], object],
    *,
    begin: float = 0.0,
    end: float,
) -> None:
    """Call ``act()`` from ``begin`` to before ``end``, ``rate`` times a second on average, at instants that know
    nothing of each other. A ``rate`` that changes is a function of the instant, asked with each call for the next.
    """
    random = rng.random
    fixed = 0.0 if callable(rate) else 1.0 / rate

    def gap(now: float) -> float:
        return -log(1.0 - random()) * (fixed or 1.0 / rate(now))  # type: ignore[operator]  # a function, if not fixed

    def arrive(_: None) -> None:
        following = timeline.now + gap(timeline.now)
        if following < end:
            timeline.at(following, arrive)
        act()

    timeline.at(begin + gap(begin), arrive)


def zipf(values: Sequence[str], rng: Random, exponent: float = 1.0) -> Callable[[], str]:
    """Draws from ``values``: the k-th is asked for in proportion to ``k^-exponent``, as pages and users are."""
    shares = list(accumulate((k + 1) ** -exponent for k in range(len(values))))
    random, total = rng.random, shares[-1]
    return lambda: values[bisect(shares, random() * total)]
