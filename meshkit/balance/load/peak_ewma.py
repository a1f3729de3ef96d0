"""Who answers soonest, given what is already under way there?

    cost = average latency x (in flight + 1) / weight

The average believes bad news at once and good news slowly. After an answer in ``latency``, ``dt`` after the last one::

    latency >= average   average = latency                                        (the peak)
    latency <  average   average = latency + (average - latency) * exp(-dt / decay)

An endpoint that nobody asks is forgiven: at ``now`` the average counts as ``exp(-(now - t) / decay)`` of itself, with
``t`` the instant it was last asked or answered; and after ``decay`` seconds it is forgotten, so that whoever fell out
of favour is asked again by then, however bad the news was. Finagle forgives with every reading, also while attempts
hang. Here reading changes nothing, and asking ends the forgiving: no burst follows the first probe to an endpoint long
unheard of.

Without any answer yet the cost is 0 while idle, so that the endpoint is asked soon, and beyond any latency while that
first answer is out, so that it is asked once.

Latency is from entry to the answer's beginning (``call.answered_at``); in flight lasts to its end. A fast failure must
not look like low load: FAILURE and OVERLOADED count as ``penalty`` seconds at least, and never lower the average.
IGNORED teaches nothing.

Finagle's ``PeakEwma.scala``: the peak, the product, the first answer. Eckner, "Algorithms for Unevenly Spaced Time
Series": the weight. Linkerd's Load Biaser: a failure's latency is replaced by a penalty, there 5 s, unless it took
longer.
"""

from __future__ import annotations

from functools import partial
from math import exp
from random import Random
from typing import Any

import attrs

from ...call import Call, Verdict
from ...options import count, no_decorator, seconds
from .choices import Choices

__all__ = ["PeakEwma", "PeakLatency"]

SUCCESS = Verdict.SUCCESS
IGNORED = Verdict.IGNORED
UNPROVEN = 1e9
"""Seconds that an endpoint costs while its first answer is out: more than any latency."""
SHORTEST = 1e-9
"""Seconds. An answer within one tick of a coarse clock took some time all the same: 0 means no answer yet."""


@attrs.frozen(kw_only=True)
class PeakEwma:
    """Picks the endpoint with the lowest latency x in flight of ``choices`` random ones.

    ``decay`` is the time constant, in seconds, with which a bad latency is forgotten. ``penalty`` is what a failure
    counts as, in seconds: set it above what a slow success takes.
    """

    decay: float = attrs.field(default=10.0, validator=seconds())
    choices: int = attrs.field(default=2, validator=count(1, 64))
    penalty: float = attrs.field(default=1.0, validator=seconds())

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Choices:
        return Choices(partial(PeakLatency, decay=self.decay, penalty=self.penalty), self.choices, rng)


class PeakLatency:
    """The latency of one endpoint, sensitive to peaks, and how many attempts are under way there."""

    # Among 10 000 endpoints most of a pick's time goes into fetching what it reads from memory. So what all have in
    # common stays one object (the options, not their reciprocals), and what is counted is a small whole number.
    __slots__ = ("answered_at", "asked_at", "average", "decay", "in_flight", "penalty", "weight")

    def __init__(self, weight: float = 1.0, *, decay: float = 10.0, penalty: float = 1.0) -> None:
        self.weight = weight
        self.decay = decay
        self.penalty = penalty
        self.in_flight = 0
        self.average = 0.0
        """Seconds; 0: no answer yet."""
        self.answered_at = 0.0
        """When the average last learned."""
        self.asked_at = 0.0
        """When the endpoint was last asked or last answered."""

    def cost(self, now: float, /) -> float:
        average = self.average
        if average:
            idle = now - self.asked_at
            if idle <= 0:  # another thread read the clock later and came here before
                return average * (self.in_flight + 1) / self.weight
            if idle < self.decay or self.in_flight:
                return average * exp(-idle / self.decay) * (self.in_flight + 1) / self.weight
            return 0.0
        return (UNPROVEN + self.in_flight) / self.weight if self.in_flight else 0.0

    def enter(self, call: Call, now: float, /) -> None:
        if now - self.asked_at > self.decay and not self.in_flight:
            self.average = 0.0
        self.in_flight += 1
        self.asked_at = now

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.in_flight -= 1
        answered_at = call.answered_at
        if answered_at is None or answered_at < began:  # no answer, or that of an earlier attempt
            answered_at = now
        latency = answered_at - began
        average = self.average
        if verdict is not SUCCESS:
            if verdict is IGNORED or now < began:
                return
            latency = max(latency, self.penalty, average)
        if latency < average:
            gap = now - self.answered_at
            latency = average if gap <= 0 else latency + (average - latency) * exp(-gap / self.decay)
        self.average = latency or SHORTEST
        self.answered_at = self.asked_at = now

    def idle(self) -> bool:
        return self.in_flight == 0

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {"in_flight": self.in_flight, "latency": self.average, "cost": self.cost(now)}
