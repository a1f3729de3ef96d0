"""Of the last calls, how many were there, how many failed, how many were slow?

Two windows with one shape: ``add`` an outcome, ask for the ``totals``, ``clear``. Both cost the same for every call and
hold the same memory for ever, however busy or idle the upstream is.

``CountWindow``  the last N calls: a ring of one byte per call and three running sums (subtract what is overwritten).
``TimeWindow``   the last S seconds: N buckets of S/N seconds, numbered ``floor(now / (S/N))``. Counted are the present
                 bucket and the N - 1 before it, so the window looks back at least S - S/N and at most S seconds.

After the sliding windows of resilience4j (count and time based); the bucketed one goes back to Hystrix.
"""

from __future__ import annotations

from collections import deque

__all__ = ["CountWindow", "TimeWindow"]

FAILED, SLOW = 1, 2
BUCKETS = 10


class CountWindow:
    """The last ``size`` calls, in ``size`` bytes."""

    __slots__ = ("calls", "failures", "place", "ring", "size", "slow")

    ring: bytearray
    """For each place 0, ``FAILED``, ``SLOW`` or both: unused places read like good calls."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.clear()

    def clear(self) -> None:
        self.ring = bytearray(self.size)
        self.place = self.calls = self.failures = self.slow = 0

    def add(self, now: float, failed: bool, slow: bool) -> None:
        place = self.place
        old = self.ring[place]
        if old:
            self.failures -= old & FAILED
            self.slow -= old >> 1
        if failed or slow:
            self.ring[place] = failed | slow << 1
            self.failures += failed
            self.slow += slow
        elif old:
            self.ring[place] = 0
        if self.calls < self.size:
            self.calls += 1
        place += 1
        self.place = 0 if place == self.size else place

    def totals(self, now: float) -> tuple[int, int, int]:
        """Calls, failures, slow calls."""
        return self.calls, self.failures, self.slow


class TimeWindow:
    """The last ``seconds`` seconds, in ten buckets.

    Only buckets in which a call ended exist. They leave as new ones come; one that is too old and still there is not
    counted, so a jump of the clock costs nothing, and asking changes nothing.
    """

    __slots__ = ("buckets", "last", "width")

    def __init__(self, seconds: float) -> None:
        self.width = seconds / BUCKETS
        self.clear()

    def clear(self) -> None:
        # A bucket is [number, calls, failures, slow]. The first one is older than every clock and never counted.
        self.last: list[float] = [float("-inf"), 0, 0, 0]
        self.buckets: deque[list[float]] = deque((self.last,), BUCKETS)

    def add(self, now: float, failed: bool, slow: bool) -> None:
        number = now // self.width
        last = self.last
        if number > last[0]:
            last = self.last = [number, 0, 0, 0]
            self.buckets.append(last)
        last[1] += 1
        if failed:
            last[2] += 1
        if slow:
            last[3] += 1

    def totals(self, now: float) -> tuple[int, int, int]:
        """Calls, failures, slow calls."""
        oldest = now // self.width - BUCKETS
        calls = failures = slow = 0.0
        for number, c, f, s in self.buckets:
            if number > oldest:
                calls += c
                failures += f
                slow += s
        return int(calls), int(failures), int(slow)
