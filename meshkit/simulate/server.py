"""How does a server serve? In the order of arrival, by a few workers, with a queue that may end.

A job takes ``service() / speed`` seconds from when a worker takes it. (`ProcessorSharing` works on all its jobs at once
instead.) What befalls a server is said by its attributes, which may change while it works (`trouble`):

==============  ==================================================================
``speed``       1: as planned; 0.5: everything takes twice as long
``fault``       an `Outcome` for ``fault_share`` of the attempts, without any work
``fault_after`` seconds until that fault is answered: 0 is the black hole
==============  ==================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from .attempt import Attempt
from .door import FULL, GOOD, Outcome
from .service import Service
from .timeline import Timeline

__all__ = ["Server"]


class Server:
    """``workers`` jobs at a time, first come, first served.

    ``queue``: places for those that wait, beyond which attempts are answered `FULL`; ``None``: no end. With ``notices``
    a job whose caller has gone is dropped when its turn comes; otherwise it is done, for nobody.
    """

    __slots__ = (
        "_rng",
        "_waiting",
        "busy",
        "fault",
        "fault_after",
        "fault_share",
        "name",
        "notices",
        "places",
        "served",
        "service",
        "speed",
        "taken",
        "timeline",
        "workers",
    )

    def __init__(
        self,
        timeline: Timeline,
        service: Service,
        rng: Random,
        *,
        workers: int = 1,
        queue: int | None = None,
        speed: float = 1.0,
        notices: bool = False,
        name: str = "",
    ) -> None:
        self.timeline = timeline
        self.service: Callable[[], float] = service(rng)
        self.workers = workers
        self.places = queue
        self.speed = speed
        self.notices = notices
        self.name = name
        self.busy = 0
        """Jobs being worked on."""
        self.taken = 0
        """Attempts that came."""
        self.served = 0
        """Jobs that were done, whether somebody waited for them or not."""
        self.fault: Outcome | None = None
        self.fault_share = 1.0
        self.fault_after = 0.0
        self._rng = rng
        self._waiting: deque[Attempt] = deque()

    @property
    def in_flight(self) -> int:
        """Jobs being worked on, and those that wait."""
        return self.busy + len(self._waiting)

    def take(self, attempt: Attempt) -> None:
        self.taken += 1
        if self.fault is not None and (self.fault_share >= 1 or self._rng.random() < self.fault_share):
            self._answer_fault(attempt, self.fault)
        elif self.busy < self.workers:
            self._begin(attempt)
        elif self.places is None or len(self._waiting) < self.places:
            self._waiting.append(attempt)
        else:
            attempt.answer(FULL)

    def _answer_fault(self, attempt: Attempt, fault: Outcome) -> None:
        if self.fault_after > 0:
            self.timeline.after(self.fault_after, attempt.answer, fault)
        else:
            attempt.answer(fault)

    def _begin(self, attempt: Attempt) -> None:
        self.busy += 1
        self.timeline.after(self.service() / self.speed, self._done, attempt)

    def _done(self, attempt: Attempt) -> None:
        self.busy -= 1
        self.served += 1
        waiting = self._waiting
        while waiting and self.busy < self.workers:
            following = waiting.popleft()
            if not (self.notices and following.over):
                self._begin(following)
        attempt.answer(GOOD)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.in_flight} in flight)"
