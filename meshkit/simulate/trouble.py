"""What befalls a server? Changes of its speed, and of how it answers, at instants set beforehand.

===============  ===================================================================================
`slow`           slower for a while: a pause for garbage, a neighbour
`cold`           slow at first, and as fast as planned after a while: caches, a just-in-time compiler
`fail`           a share of the attempts fails at once: the black hole, which looks idle
`flap`           fails and is well again, by turns
`antagonists`    neighbours come and go on the servers' machines, each taking a part of the speed
===============  ===================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from .door import RESET, Outcome
from .timeline import Timeline

__all__ = ["antagonists", "cold", "fail", "flap", "slow"]


def slow(timeline: Timeline, server: Any, factor: float, begin: float = 0.0, end: float | None = None) -> None:
    """Everything takes ``factor`` times as long, from one instant to another."""
    timeline.at(begin, _set(server, "speed"), server.speed / factor)
    if end is not None:
        timeline.at(end, _set(server, "speed"), server.speed)


def cold(timeline: Timeline, server: Any, seconds: float, factor: float = 10.0, begin: float = 0.0) -> None:
    """``factor`` times as slow at ``begin``; the speed rises evenly to what was planned within so many seconds."""
    planned, steps = server.speed, 20
    for k in range(steps + 1):
        share = 1 / factor + (1 - 1 / factor) * k / steps
        timeline.at(begin + seconds * k / steps, _set(server, "speed"), planned * share)


def fail(
    timeline: Timeline,
    server: Any,
    fault: Outcome = RESET,
    *,
    begin: float = 0.0,
    end: float | None = None,
    share: float = 1.0,
    after: float = 0.0,
) -> None:
    """A ``share`` of the attempts is answered ``fault`` after ``after`` seconds, from one instant to another."""
    server.fault_share, server.fault_after = share, after
    timeline.at(begin, _set(server, "fault"), fault)
    if end is not None:
        timeline.at(end, _set(server, "fault"), None)


def flap(timeline: Timeline, server: Any, fault: Outcome = RESET, *, up: float, down: float, until: float) -> None:
    """Well for ``up`` seconds, failing for ``down`` seconds, by turns."""
    begin = up
    while begin < until:
        timeline.at(begin, _set(server, "fault"), fault)
        timeline.at(begin + down, _set(server, "fault"), None)
        begin += up + down


def antagonists(
    timeline: Timeline,
    servers: Sequence[Any],
    rng: Random,
    *,
    shares: Sequence[float] = (1.0, 0.8, 0.5),
    mean: float = 5.0,
    of: str = "speed",
) -> None:
    """Each server's machine has a neighbour that changes its mind every ``mean`` seconds (exponentially distributed):
    what is left to the server is one of ``shares`` of what it has now, of its ``"speed"`` or of its ``"workers"``.
    """

    def change(place: tuple[Any, float]) -> None:
        server, planned = place
        setattr(server, of, planned * shares[int(rng.random() * len(shares))])
        timeline.after(rng.expovariate(1 / mean), change, place)

    for server in servers:
        change((server, getattr(server, of)))


def _set(server: Any, attribute: str) -> Callable[[Any], None]:
    return lambda value: setattr(server, attribute, value)
