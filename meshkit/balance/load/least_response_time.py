"""Who has the least work before it, in seconds?

====================  ===================================================  ==========================
``ahead``             cost                                                 whose
====================  ===================================================  ==========================
``True``              mean latency x (in flight + 1) / weight              Traefik's ``leasttime``
``False``             mean latency x in flight / weight                    Citrix, LEASTRESPONSETIME
====================  ===================================================  ==========================

The mean is that of the last ``samples`` answers, each from entry to the answer's beginning (the time to first byte).
On a tie it goes in turn, by weight; all are compared, see `Least`.

Without an answer yet the cost is 0 while idle, and beyond any latency while that answer is out, so that a new endpoint
is asked soon and once; Traefik asks it for everything until then. FAILURE and OVERLOADED count as ``penalty`` seconds
at least: a fast failure must not look like a fast answer. IGNORED teaches nothing.

A mean of calls forgets nothing while nobody calls: whoever was slow once is asked again only when the others are busy.
`PeakEwma` forgives with time.
"""

from __future__ import annotations

from array import array
from functools import partial
from random import Random
from typing import Any

import attrs

from ...call import Call, Verdict
from ...options import count, flag, no_decorator, seconds
from .least import Least

__all__ = ["LeastResponseTime", "ResponseTime"]

UNPROVEN = 1e9
"""Seconds that an endpoint costs while its first answer is out: more than any latency."""


@attrs.frozen(kw_only=True)
class LeastResponseTime:
    """Picks the endpoint with the lowest mean latency x in flight, of all.

    ``samples``: how many answers the mean is of. ``penalty`` is what a failure counts as, in seconds. ``ahead``:
    whether the attempt being placed counts as in flight: without it, all idle endpoints are equal.
    """

    samples: int = attrs.field(default=100, validator=count(1, 10_000))
    penalty: float = attrs.field(default=1.0, validator=seconds())
    ahead: bool = attrs.field(default=True, validator=flag())

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Least:
        return Least(partial(ResponseTime, samples=self.samples, penalty=self.penalty, ahead=self.ahead), "turns", rng)


class ResponseTime:
    """The mean latency of one endpoint's last answers, and how many attempts are under way there."""

    __slots__ = ("ahead", "in_flight", "latencies", "oldest", "penalty", "samples", "total", "weight")

    def __init__(self, weight: float = 1.0, *, samples: int = 100, penalty: float = 1.0, ahead: bool = True) -> None:
        self.weight = weight
        self.samples = samples
        self.penalty = penalty
        self.ahead = ahead
        self.in_flight = 0
        self.latencies = array("d")
        self.oldest = 0
        self.total = 0.0

    def cost(self, now: float, /) -> float:
        if self.latencies:
            return self.total / len(self.latencies) * (self.in_flight + self.ahead) / self.weight
        return (UNPROVEN + self.in_flight) / self.weight if self.in_flight else 0.0

    def enter(self, call: Call, now: float, /) -> None:
        self.in_flight += 1

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.in_flight -= 1
        if verdict is Verdict.IGNORED or now < began:
            return
        answered_at = call.answered_at
        if answered_at is None or answered_at < began:  # no answer, or that of an earlier attempt
            answered_at = now
        latency = answered_at - began
        if verdict is not Verdict.SUCCESS:
            latency = max(latency, self.penalty)
        if len(self.latencies) < self.samples:
            self.latencies.append(latency)
            self.total += latency
            return
        self.total += latency - self.latencies[self.oldest]
        self.latencies[self.oldest] = latency
        self.oldest += 1
        if self.oldest == self.samples:
            self.oldest = 0
            self.total = sum(self.latencies)  # rounding errors do not add up

    def idle(self) -> bool:
        return self.in_flight == 0

    def snapshot(self, now: float, /) -> dict[str, Any]:
        mean = self.total / len(self.latencies) if self.latencies else 0.0
        return {"in_flight": self.in_flight, "latency": mean, "cost": self.cost(now)}
