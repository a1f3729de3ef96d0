"""How many at once, going by how far latency is above the usual? As many as it takes to notice.

::

    gradient = baseline * tolerance / latency, from 0.5 to 1; 0.5 where something was dropped
    limit'   = limit * gradient + (queue where gradient is 1)
    limit    = limit * (1 - smoothing) + limit' * smoothing

once for each window, within floor and ceiling, and only where in flight >= limit / 2. The baseline is an exponentially
weighted mean over some hundred windows; one above twice the latency loses another twentieth.

These are Gradient2Limit's rules and defaults (Netflix/concurrency-limits; "Performance Under Load", Netflix technology
blog 2018), but for the floor (20 there) and what was found since: the queue is granted only where there is none, and a
drop halves (pull request #134: under a mild overload the limit grew without end); a drop teaches no latency (#137:
where every call times out after the same time, that looked like a steady state); and the baseline rises only by what
was seen below half the limit, or by a probe at half of it (`baseline`), because one that follows the latency of a full
upstream gives way to it, a little more in each window.
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from .. import options
from .baseline import Baseline
from .bounds import FLOOR, from_initial, up_to_initial

__all__ = ["Gradient2", "Gradient2State"]


@attrs.frozen(kw_only=True)
class Gradient2:
    """For `AdaptiveConcurrency`: gives way when latency is more than ``tolerance`` times the usual.

    ``queue``: what the limit may grow by, in each window, times ``smoothing``. ``windows``: over how many the usual
    latency is averaged. ``probe``: after at most so many seconds it is measured anew, at half the limit.
    """

    initial: int = attrs.field(default=20, validator=options.count())
    floor: int = attrs.field(default=FLOOR, validator=up_to_initial)
    ceiling: int = attrs.field(default=200, validator=from_initial)
    tolerance: float = attrs.field(default=1.5, validator=options.number(1.0, 10.0))
    queue: int = attrs.field(default=4, validator=options.count())
    smoothing: float = attrs.field(default=0.2, validator=options.ratio())
    windows: int = attrs.field(default=600, validator=options.count())
    probe: float = attrs.field(default=60.0, validator=options.seconds())

    def start(self, rng: Random, /) -> Gradient2State:
        return Gradient2State(self, rng)


class Gradient2State:
    __slots__ = ("_spec", "_weight", "baseline", "limit")

    def __init__(self, spec: Gradient2, rng: Random) -> None:
        self._spec = spec
        self._weight = 2.0 / (spec.windows + 1)
        self.limit = float(spec.initial)
        self.baseline = Baseline(spec.probe, float(spec.floor), rng)

    def sample(self, rtt: float | None, in_flight: int, dropped: bool, now: float, /) -> float:
        limit = self._next(rtt, in_flight, dropped, now)
        self.limit = max(float(self._spec.floor), min(float(self._spec.ceiling), limit))
        return self.limit

    def _next(self, rtt: float | None, in_flight: int, dropped: bool, now: float) -> float:
        spec, limit, baseline = self._spec, self.limit, self.baseline
        if dropped or rtt is None:
            baseline.drop(limit, now)
            return limit - limit * 0.5 * spec.smoothing
        probe = baseline.probe(rtt, limit, in_flight, now)
        if probe is not None:
            return probe
        usual = baseline.rtt or rtt
        used = 2 * in_flight >= limit
        if rtt < usual or not used:
            usual += (rtt - usual) * self._weight
            if usual > 2 * rtt:
                usual *= 0.95
            baseline.rtt = usual
        if not used:
            return limit
        gradient = usual * spec.tolerance / rtt if rtt > 0 else 1.0
        if gradient >= 1.0:
            return limit + spec.queue * spec.smoothing
        return limit - limit * (1.0 - max(0.5, gradient)) * spec.smoothing

    @property
    def probing(self) -> bool:
        return self.baseline.probing

    def snapshot(self) -> dict[str, Any]:
        return {"baseline": self.baseline.rtt or 0.0}
