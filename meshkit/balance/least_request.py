"""Who has the fewest calls in flight, for its weight?

    cost = (in flight + 1) / weight

The one more is the attempt being placed: among idle endpoints the heavier is the cheaper. In flight lasts until the
attempt is settled, for a stream the end of its body. Nothing else is measured, so an endpoint that fails at once looks
idle: give the endpoints a circuit breaker, or use `PeakEwma`, which knows the difference.

Envoy's least request balancer (two choices, ``active_requests + 1``), Finagle's ``LeastLoaded``.
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from ..call import Call, Verdict
from ..options import count
from .choices import Choices

__all__ = ["InFlight", "LeastRequest"]


@attrs.frozen(kw_only=True)
class LeastRequest:
    """Picks the endpoint with the fewest calls in flight of ``choices`` random ones (1: any at random)."""

    choices: int = attrs.field(default=2, validator=count(1, 64))

    def start(self, rng: Random, /) -> Choices:
        return Choices(InFlight, self.choices, rng)


class InFlight:
    """How many attempts are under way at one endpoint."""

    __slots__ = ("in_flight", "weight")

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight
        self.in_flight = 0

    def cost(self, now: float, /) -> float:
        return (self.in_flight + 1) / self.weight

    def enter(self, call: Call, now: float, /) -> None:
        self.in_flight += 1

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.in_flight -= 1

    def idle(self) -> bool:
        return self.in_flight == 0

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {"in_flight": self.in_flight}
