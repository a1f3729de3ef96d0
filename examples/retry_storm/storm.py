"""What happens, and what came of it? The storm: some seconds of calls that can be served, some that cannot, and again
those that can.

Open-loop: calls come when they come, however earlier ones fare. All ways are played on the same schedule.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx

from ..demo.load import Outcome, Side, arrivals
from .clients import AS_NAIVE, BREAKER, BUDGETED, PATIENCE, THROTTLE, Clock, behind, naive

__all__ = ["BOTH", "PLAIN", "WAYS", "Came", "Storm", "Way", "came", "side"]


class Storm(NamedTuple):
    """Seconds before, during and after the spike, and calls per second in and outside it."""

    before: float = 5.0
    spike: float = 4.0
    after: float = 16.0
    rate: float = 25.0
    peak: float = 70.0
    seed: int = 1

    @property
    def ends_at(self) -> float:
        return self.before + self.spike

    @property
    def seconds(self) -> float:
        return self.before + self.spike + self.after

    @property
    def judged_until(self) -> float:
        """Calls due later have attempts when no other calls come any more: they fare too well."""
        return self.seconds - PATIENCE

    def schedule(self) -> list[float]:
        """The instants of all calls, by three Poisson processes."""
        quiet = arrivals(self.rate, self.seconds, self.seed)
        loud = arrivals(self.peak, self.spike, self.seed + 1)
        still = [at for at in quiet if not self.before <= at < self.ends_at]
        return sorted([*still, *(self.before + at for at in loud)])


class Way(NamedTuple):
    """A way to call, and the server it calls."""

    name: str
    style: str
    server: str
    """Its kind, see `server`."""
    policies: tuple[Any, ...] | None
    """Of the client, between the two timeouts; ``None``: a loop of its own."""


PLAIN = Way("plain httpx", "plain", "bare", None)
BOTH = Way("meshkit on both sides", "mesh", "guarded", (BUDGETED, THROTTLE, BREAKER))
WAYS = (
    PLAIN,
    Way("deadline, sent and kept", "mesh", "deadline", (AS_NAIVE,)),
    Way("retry budget", "mesh", "bare", (BUDGETED,)),
    Way("retry budget, breaker", "mesh", "bare", (BUDGETED, BREAKER)),
    Way("retry budget, deadline", "mesh", "deadline", (BUDGETED,)),
    Way("server: limit, shedding", "mesh", "guarded", None),
    BOTH,
)


def side(way: Way, wire: Any, url: str, pipelines: Clock, clock: Clock) -> tuple[httpx.AsyncClient, Side]:
    """The client of a way, to be closed in the end, and what is to be offered the calls.

    ``pipelines`` is the clock of its pipeline, ``clock`` that of the storm.
    """
    if way.policies is None:
        client = httpx.AsyncClient(transport=wire, base_url=url)
        send = naive(client)
    else:
        client, send = behind(way.policies, wire, url, pipelines)
    return client, Side(way.name, clock, send, wire)


class Came(NamedTuple):
    """What came of one way. Shares are of the calls that were due in that time."""

    before: float
    spike: float
    after: float
    recovered: float
    """Seconds after the spike from which on nine in ten calls of each second were answered; infinite: never."""
    attempts_in_spike: float
    """Per call due in that time."""
    attempts: float
    """The same after the spike."""
    in_vain: float
    """The share of the work begun after the spike that answered nobody."""


def came(storm: Storm, side: Side, begun: float) -> Came:
    """``begun``: how many requests a worker has taken up since the spike ended."""
    ends, until = storm.ends_at, storm.judged_until
    judged = [each for each in side.outcomes if each.at < until]
    due = Counter(math.floor(each.at) for each in judged)
    good = Counter(math.floor(each.at) for each in judged if not each.error)
    back = max((second + 1 for second in due if good[second] < 0.9 * due[second]), default=0)
    answered = sum(not each.error and each.at + each.latency >= ends for each in side.outcomes)
    return Came(
        _share(judged, 0.0, storm.before),
        _share(judged, storm.before, ends),
        _share(judged, ends, until),
        max(0.0, back - ends) if back < until else math.inf,
        _attempts(side, storm.before, ends),
        _attempts(side, ends, math.inf),
        max(0.0, 1 - answered / begun) if begun else math.nan,
    )


def _share(outcomes: Sequence[Outcome], began: float, ended: float) -> float:
    """Of the calls due in that time, those that were answered."""
    due = [each for each in outcomes if began <= each.at < ended]
    return sum(not each.error for each in due) / len(due) if due else math.nan


def _attempts(side: Side, began: float, ended: float) -> float:
    calls = sum(began <= each.at < ended for each in side.outcomes)
    return sum(began <= attempt.at < ended for attempt in side.wire.attempts) / calls if calls else math.nan
