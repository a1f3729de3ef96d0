"""How long does a call take where nobody is before it? What the latency of a window is compared with.

============  =====================================================  ===============================================
state         when                                                   then
============  =====================================================  ===============================================
no baseline   a window ends                                          its latency is the baseline
known         ``probe`` seconds have passed since it was measured,   half the limit is free anyway: measured; otherwise
              or the limit has fallen to half of what it was since   the limit is halved: drains
drains        a window ends                                          measures
measures      a window ends                                          its latency is the baseline; the limit is as before
any probe     a window ends with drops                               the probe is given up
============  =====================================================  ===============================================

A baseline that learned from windows with a queue in them would take an overload for the normal state, and the limit
would creep up without end (Netflix/concurrency-limits, issues #34, #134 and #165). One that only ever falls would
take a server that became slower for an overload, for good. So it is measured anew, at half the load: what is a queue is
shorter then. Probing at a small limit is GradientLimit's there, and Envoy's (adaptive concurrency, minRTT).
"""

from __future__ import annotations

from random import Random

__all__ = ["Baseline"]


class Baseline:
    """The latency without a queue, and the probes for it. ``spread`` of the interval by luck, so that a fleet does not
    probe as one.
    """

    __slots__ = ("_drained", "_every", "_floor", "_held", "_level", "_next_at", "_rng", "rtt")

    def __init__(self, every: float, floor: float, rng: Random) -> None:
        self.rtt: float | None = None
        """Seconds; ``None``: not known yet."""
        self._every = every
        self._floor = floor
        self._rng = rng
        self._held: float | None = None
        """Of a probe: the limit to come back to."""
        self._drained = False
        self._level = 0.0
        """The highest limit since the baseline was measured."""
        self._next_at = 0.0

    @property
    def probing(self) -> bool:
        """Whether the limit is held down for a probe."""
        return self._held is not None

    def probe(self, rtt: float, limit: float, in_flight: int, now: float) -> float | None:
        """A window has ended without drops. Answers the limit that a probe wants next; ``None``: no probe."""
        if self.rtt is None:
            self._learn(rtt, limit, now)
            return None
        held = self._held
        if held is None:
            self._level = max(self._level, limit)
            if now < self._next_at and 2 * limit > self._level:
                return None
            if 2 * in_flight <= limit:
                self._learn(rtt, limit, now)
                return None
            self._held, self._drained = limit, False
            return max(self._floor, limit / 2)
        if not self._drained:  # calls from before the probe are among these
            self._drained = True
            return limit
        self._learn(rtt, held, now)
        self._held = None
        return held

    def drop(self, limit: float, now: float) -> None:
        """A window has ended with drops: at this load there is nothing to measure."""
        if self._held is not None:
            self._held = None
            self._again(limit, now)

    def _learn(self, rtt: float, limit: float, now: float) -> None:
        self.rtt = rtt
        self._again(limit, now)

    def _again(self, limit: float, now: float) -> None:
        self._level = limit
        self._next_at = now + self._every * self._rng.uniform(0.5, 1.0)
