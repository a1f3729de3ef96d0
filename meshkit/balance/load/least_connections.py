"""Who has the fewest calls under way, of all?

    cost = in flight / weight

All idle endpoints cost the same, whatever their weight; among equals it goes in turn, by weight. So a single caller is
spread over all of them, where `LeastRequest` would send it to the heaviest. Calls that wait in an endpoint's own limit
or breaker are not in flight there yet: the cluster's queue is one for all.

HAProxy's ``leastconn`` (there served and queued count), nginx's ``least_conn`` (``conns_a * weight_b`` compared, on a
tie smooth turns; here turns by deadline, of the same shares), Kong's ``least-connections``.
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from ...call import Call, Verdict
from ...options import no_decorator
from .least import Least

__all__ = ["Connections", "LeastConnections"]


@attrs.frozen(kw_only=True)
class LeastConnections:
    """Picks the endpoint with the fewest calls in flight for its weight, of all, and among equals in turn."""

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Least:
        return Least(Connections, "turns", rng)


class Connections:
    """How many attempts are under way at one endpoint, without the one that is being placed."""

    __slots__ = ("in_flight", "weight")

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight
        self.in_flight = 0

    def cost(self, now: float, /) -> float:
        return self.in_flight / self.weight

    def enter(self, call: Call, now: float, /) -> None:
        self.in_flight += 1

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.in_flight -= 1

    def idle(self) -> bool:
        return self.in_flight == 0

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {"in_flight": self.in_flight}
