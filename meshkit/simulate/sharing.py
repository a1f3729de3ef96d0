"""How does a server serve all its jobs at once? Processor sharing, with a speed that may change while they run.

With n jobs, each goes on at ``speed * min(1, workers / n)``. Progress is counted once for all: ``done(t)`` grows at
that rate, a job that needs s seconds of work and came at t0 is finished when ``done(t) = done(t0) + s``. So those that
finish first stand first in a heap, and a change of n or of the speed costs one event instead of n.

It is how a server of coroutines or threads on a few cores behaves. Kleinrock, "Time-shared Systems" (1967).
"""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random

from ..asgi.probe import Rif
from .attempt import Attempt
from .door import FULL, GOOD, Outcome
from .service import Service
from .timeline import Timeline

__all__ = ["ProcessorSharing"]

REPORTED = 5.0
"""Seconds over which a report is: over one they would be mostly noise."""
WINDOW, PENALTY = 10.0, 1.0
"""Seconds, as by default in `meshkit.asgi.probe`: for which a job tells of latency, and what a failure counts as."""


class ProcessorSharing:
    """All jobs share ``workers`` cores. ``most``: jobs at once, beyond which attempts are answered `FULL`.

    It answers the probes of `Prequal` as `meshkit.asgi.probe` does, by the same counts. With ``planned``, the cores it
    was promised, its answers report its load as ORCA does: the share of those in use, and requests per second, each
    over the last `REPORTED` seconds.
    """

    __slots__ = (
        "_done",
        "_heap",
        "_load",
        "_report",
        "_rng",
        "_speed",
        "_turn",
        "_upto",
        "_used",
        "_window",
        "_workers",
        "fault",
        "fault_after",
        "fault_share",
        "most",
        "name",
        "planned",
        "served",
        "service",
        "taken",
        "timeline",
    )

    def __init__(
        self,
        timeline: Timeline,
        service: Service,
        rng: Random,
        *,
        workers: float = 1,
        most: int | None = None,
        speed: float = 1.0,
        planned: float | None = None,
        name: str = "",
    ) -> None:
        self.timeline = timeline
        self.service = service(rng)
        self.planned = planned
        self.most = most
        self.name = name
        self.taken = 0
        self.served = 0
        self.fault: Outcome | None = None
        self.fault_share = 1.0
        self.fault_after = 0.0
        self._rng = rng
        self._speed = speed
        self._workers = workers
        self._heap: list[tuple[float, int, float, int, Attempt]] = []
        self._done = 0.0
        self._upto = 0.0
        self._turn = 0
        self._load = Rif(WINDOW)
        self._used = 0.0
        """Seconds of its cores, also of slow ones."""
        self._window = (0.0, 0.0, 0)
        """When the present report's second began, the work and the jobs done until then."""
        self._report: dict[str, float] | None = None

    @property
    def in_flight(self) -> int:
        return len(self._heap)

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._go_on()
        self._speed = speed
        self._wind()

    @property
    def workers(self) -> float:
        return self._workers

    @workers.setter
    def workers(self, workers: float) -> None:
        self._go_on()
        self._workers = workers
        self._wind()

    def take(self, attempt: Attempt) -> None:
        self.taken += 1
        if self.fault is not None and (self.fault_share >= 1 or self._rng.random() < self.fault_share):
            self._load.learn(self._load.in_flight, max(PENALTY, self.fault_after), self.timeline.now)
            self.timeline.after(self.fault_after, attempt.answer, self.fault)
        elif self.most is not None and len(self._heap) >= self.most:
            attempt.answer(FULL)
        else:
            self._go_on()
            now = self.timeline.now
            heappush(self._heap, (self._done + self.service(), self.taken, now, self._load.enter(), attempt))
            self._wind()

    def latency(self) -> float:
        """What one more job will take, in seconds, by those before it."""
        return self._load.latency(self.timeline.now)

    def _rate(self) -> float:
        jobs = len(self._heap)
        return self._speed if jobs <= self._workers else self._speed * self._workers / jobs

    def _go_on(self) -> None:
        """Count the progress up to now."""
        now = self.timeline.now
        if self._heap:
            passed = now - self._upto
            self._done += passed * self._rate()
            self._used += passed * min(len(self._heap), self._workers)
        self._upto = now

    def _wind(self) -> None:
        """Have the next job finish when it will."""
        self._turn += 1
        if self._heap:
            left = max(0.0, self._heap[0][0] - self._done)
            self.timeline.after(left / self._rate(), self._finish, self._turn)

    def _finish(self, turn: int) -> None:
        if turn != self._turn:
            return
        self._go_on()
        done, _, began, found, attempt = heappop(self._heap)
        self._done = max(self._done, done)
        self.served += 1
        self._load.in_flight -= 1
        self._load.learn(found, self.timeline.now - began, self.timeline.now)
        self._wind()
        if self.planned is not None and not attempt.over:
            attempt.call.report = self._reported(self.planned)
        attempt.answer(GOOD)

    def _reported(self, planned: float) -> dict[str, float] | None:
        began, used, served = self._window
        now = self.timeline.now
        if now - began >= REPORTED:
            share = (self._used - used) / (now - began) / planned
            rate = (self.served - served) / (now - began)
            self._window = (now, self._used, self.served)
            self._report = {"cpu_utilization": share, "rps_fractional": rate, "eps": 0.0}
        return self._report
