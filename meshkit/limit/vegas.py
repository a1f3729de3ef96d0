"""How many at once, going by how many seem to queue? Some, but not many.

::

    queue = ceil(limit * (1 - baseline / latency))      step = max(1, int(log10(limit)))

    dropped                      limit * 0.9
    in flight < limit / 2        limit stays
    queue <= step                limit + 6 step         nobody queues: on
    queue <  3 step              limit + step
    queue <= 6 step              limit stays
    queue >  6 step              limit - step

once for each window, within floor and ceiling. The estimate is TCP Vegas' (Brakmo and Peterson, 1995), the logarithmic
steps and the other defaults are those of VegasLimit in Netflix/concurrency-limits, but for the floor (1 there). On a
drop the limit there falls by ``step``, but once for each call. Where that takes the latency of some call for the new
baseline from time to time, here it is measured at half the limit (`baseline`); in between it falls with the lowest
value of a moving mean.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

import attrs

from .. import options
from .baseline import Baseline
from .bounds import FLOOR, from_initial, up_to_initial

__all__ = ["Vegas", "VegasState"]

BACKOFF = 0.9
WEIGHT = 0.2
"""Of a window, in the mean whose lowest value is the baseline: the lowest of many windows would be the luckiest."""


@attrs.frozen(kw_only=True)
class Vegas:
    """For `AdaptiveConcurrency`: lets a few calls queue at the upstream, estimated from the lowest latency seen.

    Holds the limit closest to what the upstream can do; wants latencies that are much alike, because it goes by the
    lowest. ``probe``: after at most so many seconds that latency is measured anew, at half the limit.
    """

    initial: int = attrs.field(default=20, validator=options.count())
    floor: int = attrs.field(default=FLOOR, validator=up_to_initial)
    ceiling: int = attrs.field(default=1000, validator=from_initial)
    probe: float = attrs.field(default=60.0, validator=options.seconds())

    def start(self, rng: Random, /) -> VegasState:
        return VegasState(self, rng)


class VegasState:
    __slots__ = ("_smooth", "_spec", "baseline", "limit")

    def __init__(self, spec: Vegas, rng: Random) -> None:
        self._spec = spec
        self.limit = float(spec.initial)
        self.baseline = Baseline(spec.probe, float(spec.floor), rng)
        self._smooth: float | None = None

    def sample(self, rtt: float | None, in_flight: int, dropped: bool, now: float, /) -> float:
        limit = self._next(rtt, in_flight, dropped, now)
        self.limit = max(float(self._spec.floor), min(float(self._spec.ceiling), limit))
        return self.limit

    def _next(self, rtt: float | None, in_flight: int, dropped: bool, now: float) -> float:
        limit, baseline = self.limit, self.baseline
        if dropped or rtt is None:
            baseline.drop(limit, now)
            return limit * BACKOFF
        probe = baseline.probe(rtt, limit, in_flight, now)
        lowest = baseline.rtt or rtt
        if probe is not None or self._smooth is None:
            self._smooth = lowest
        if probe is not None:
            return probe
        self._smooth += (rtt - self._smooth) * WEIGHT
        baseline.rtt = lowest = min(lowest, self._smooth)
        if 2 * in_flight < limit:
            return limit
        queue = math.ceil(limit * (1 - lowest / rtt)) if rtt > lowest else 0
        step = max(1, int(math.log10(limit)))
        if queue <= step:
            return limit + 6 * step
        if queue < 3 * step:
            return limit + step
        return limit if queue <= 6 * step else limit - step

    @property
    def probing(self) -> bool:
        return self.baseline.probing

    def snapshot(self) -> dict[str, Any]:
        return {"baseline": self.baseline.rtt or 0.0}
