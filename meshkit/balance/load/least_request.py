"""Who has the fewest calls in flight, for its weight?

    cost = (in flight + 1) / weight

The one more is the attempt being placed: among idle endpoints the heavier is the cheaper. In flight lasts until the
attempt is settled, for a stream the end of its body. Nothing else is measured, so an endpoint that fails at once looks
idle: give the endpoints a circuit breaker, or use `PeakEwma`, which knows the difference.

====================  ===========================================================================================
``choices=2``         the cheapest of so many random ones, see `Choices`
``choices="all"``     the cheapest of all, on a tie any, see `Least`
``bias=1.0``          where weights differ turns instead: by weight / (in flight + 1) ** bias as it stands when an
                      endpoint has had its turn, see `Earliest`; 0: plain turns by weight
====================  ===========================================================================================

Envoy's least request balancer (two choices, ``active_requests + 1``, FULL_SCAN, ``active_request_bias``), Finagle's
``LeastLoaded``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import attrs

from ...call import Call, Verdict
from ...errors import ConfigError
from ...options import count, no_decorator, number, optional
from ..balancer import Balancer, Load, Member
from ..turns.earliest import Earliest
from ..turns.round_robin import Rotation
from .choices import Choices
from .least import Least

__all__ = ["InFlight", "LeastRequest", "choices_or_all"]

_count = count(1, 64)


def choices_or_all(spec: Any, attribute: Any, value: Any) -> None:
    """How many are compared: a whole number from 1 to 64, or ``"all"``."""
    if value == "all":
        return
    if isinstance(value, str):
        fix = 'give a whole number from 1 to 64, or "all"'
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)
    _count(spec, attribute, value)


@attrs.frozen(kw_only=True)
class LeastRequest:
    """Picks the endpoint with the fewest calls in flight of ``choices`` random ones (1: any at random), or of all.

    ``bias``: where weights differ, take turns by weight and load instead of comparing, the more by load the greater it
    is; ``None``: compare also then.
    """

    choices: int | str = attrs.field(default=2, validator=choices_or_all)
    bias: float | None = attrs.field(default=None, validator=optional(number(0.0, 10.0)))

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Balancer:
        some = Least(InFlight, "random", rng) if isinstance(self.choices, str) else Choices(InFlight, self.choices, rng)
        return some if self.bias is None else Biased(some, self.bias, rng)


class InFlight:
    """How many attempts are under way at one endpoint, and ``more``: the one that is being placed."""

    __slots__ = ("in_flight", "more", "weight")

    def __init__(self, weight: float = 1.0, *, more: int = 1) -> None:
        self.weight = weight
        self.more = more
        self.in_flight = 0

    def cost(self, now: float, /) -> float:
        return (self.in_flight + self.more) / self.weight

    def enter(self, call: Call, now: float, /) -> None:
        self.in_flight += 1

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.in_flight -= 1

    def idle(self) -> bool:
        return self.in_flight == 0

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {"in_flight": self.in_flight}


class Biased:
    """Compares where all weigh the same; otherwise whoever has much in flight waits longer for its next turn."""

    __slots__ = ("alike", "bias", "random")

    def __init__(self, alike: Balancer, bias: float, rng: Random) -> None:
        self.alike = alike
        self.bias = bias
        self.random = rng.random

    def load(self, weight: float, /) -> Load | None:
        return self.alike.load(weight)

    def _weigh(self, member: Member) -> float:
        """The cost is (in flight + 1) / weight, so what counts is there already."""
        weight = member.weight
        return weight / (member.load.cost(0.0) * member.load.weight) ** self.bias  # type: ignore[no-any-return]

    def arrange(self, members: Sequence[Member], before: Any, /) -> Iterator[Any]:
        turning = isinstance(before, Rotation)
        if len({member.weight for member in members}) == 1:
            yield from self.alike.arrange(members, None if turning else before)
        else:
            order = yield from Earliest.arranged(members, self._weigh, before.order if turning else None, self.random)
            yield Rotation(members, order, self.random)
