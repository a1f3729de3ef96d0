"""Which is the first with room? As few endpoints as the load needs, the others idle: to be switched off, or asleep.

    room: in flight < places x weight          the first in order that has any; if none has, the least full

In order means as they are listed in the cluster. Where the fullest must be refused, put a concurrency limit of as many
into the endpoints' pipeline: this picks, and refuses nobody.

HAProxy's ``first`` (its ``maxconn`` are the places; there weights are ignored and the lowest id goes first).
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

import attrs

from ...call import Call, Verdict
from ...options import count, no_decorator
from .least import Least

__all__ = ["First", "Places"]


@attrs.frozen(kw_only=True)
class First:
    """Picks the first endpoint that has fewer than ``places`` calls in flight for each unit of its weight."""

    places: int = attrs.field(validator=count(1, 1_000_000))

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Least:
        return Least(partial(Places, places=self.places), "first", rng)


class Places:
    """How full an endpoint is: 0 while it has room."""

    __slots__ = ("in_flight", "places", "weight")

    def __init__(self, weight: float = 1.0, *, places: int) -> None:
        self.weight = weight
        self.places = places
        self.in_flight = 0

    def cost(self, now: float, /) -> float:
        full = self.in_flight / (self.places * self.weight)
        return full if full >= 1.0 else 0.0

    def enter(self, call: Call, now: float, /) -> None:
        self.in_flight += 1

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.in_flight -= 1

    def idle(self) -> bool:
        return self.in_flight == 0

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {"in_flight": self.in_flight, "places": self.places * self.weight}
