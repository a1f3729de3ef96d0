"""How many at once, going by what was dropped alone? A step up, or a share down.

::

    dropped, or latency > timeout   limit = limit * backoff
    in flight >= limit / 2          limit = limit + 1
    otherwise                       limit stays: one that is not used proves nothing

once for each window, within floor and ceiling. Additive increase, multiplicative decrease is Chiu and Jain's ("Analysis
of the Increase and Decrease Algorithms for Congestion Avoidance", 1989) and TCP's; these rules and defaults are those
of AIMDLimit in Netflix/concurrency-limits, but for the floor (20 there).
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from .. import options
from .bounds import FLOOR, from_initial, up_to_initial

__all__ = ["AIMD", "AIMDState"]


@attrs.frozen(kw_only=True)
class AIMD:
    """For `AdaptiveConcurrency`: one more while nothing is dropped, a tenth less when something is.

    It needs an upstream that drops what is too much: by timeouts, or by saying so (429, 503). ``timeout``: a window
    whose calls took longer than that on average, in seconds, counts as dropped; ``None``: latency counts for nothing.
    ``backoff``: what is left of the limit after a drop.
    """

    initial: int = attrs.field(default=20, validator=options.count())
    floor: int = attrs.field(default=FLOOR, validator=up_to_initial)
    ceiling: int = attrs.field(default=200, validator=from_initial)
    backoff: float = attrs.field(default=0.9, validator=options.number(0.5, 0.99))
    timeout: float | None = attrs.field(default=5.0, validator=options.optional(options.seconds()))

    def start(self, rng: Random, /) -> AIMDState:
        return AIMDState(self)


class AIMDState:
    __slots__ = ("_spec", "limit")

    def __init__(self, spec: AIMD) -> None:
        self._spec = spec
        self.limit = float(spec.initial)

    def sample(self, rtt: float | None, in_flight: int, dropped: bool, now: float, /) -> float:
        spec = self._spec
        limit = self.limit
        if dropped or (rtt is not None and spec.timeout is not None and rtt > spec.timeout):
            limit = max(float(spec.floor), float(int(limit * spec.backoff)))
        elif 2 * in_flight >= limit:
            limit = min(float(spec.ceiling), limit + 1)
        self.limit = limit
        return limit

    def snapshot(self) -> dict[str, Any]:
        return {}
