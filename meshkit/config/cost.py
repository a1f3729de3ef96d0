"""What do policies cost a call, here and now? Measured: the same walk with them and without, on virtual time.

Nothing is sent, nothing waits, every call is answered at once; between two calls so much virtual time goes by that no
limit is reached. So it is the time that the policies take themselves, where all is well: no wire, no event loop. The
least of a few rounds counts, since whatever else the machine does only adds to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from ..fault import FaultInjection
from ..pipeline import Pipeline
from ..shared import bare
from ..simulate.attempt import Attempt
from ..simulate.door import GOOD, SimulatedDoor
from ..simulate.shell import Shell
from ..simulate.timeline import Timeline
from .request import PaperDoor, Request

__all__ = ["costs"]

CALLS, ROUNDS = 150, 9
APART = 1e5
"""Virtual seconds between two calls."""


class _Door(PaperDoor, SimulatedDoor):
    """Knows requests on paper, and takes what is answered for what it says."""


def costs(policies: Sequence[Any], request: Request) -> tuple[list[float | None], float | None]:
    """Seconds for a call through each of these alone, and through all of them that have a price; ``None``: it has none.
    That is so of what shares answers between calls, and of faults, which nobody keeps.
    """
    each = _timed([[policy] for policy in policies], request)
    for number, policy in enumerate(policies):
        if isinstance(bare(policy), FaultInjection):
            each[number] = None
    known = [policy for policy, seconds in zip(policies, each, strict=True) if seconds is not None]
    return each, _timed([known], request)[0] if known else None


def _timed(stacks: Sequence[Sequence[Any]], request: Request) -> list[float | None]:
    walks = [_walk(stack, request) for stack in ([], *stacks)]
    best: list[float | None] = [None] * len(walks)
    for _ in range(ROUNDS):
        for number, walk in enumerate(walks):  # side by side: what disturbs one disturbs all
            seconds = None if walk is None else walk()
            known = best[number]
            if seconds is not None and (known is None or seconds < known):
                best[number] = seconds
    nothing, *found = best
    return [None if each is None or nothing is None else max(0.0, each - nothing) for each in found]


def _walk(stack: Sequence[Any], request: Request) -> Any:
    """A function that walks so many calls, and answers the seconds for one; ``None``: it cannot be walked."""
    timeline = Timeline()

    def send(attempt: Attempt) -> None:
        attempt.answer(GOOD)

    def ended(walk: Any, result: Any, error: Any) -> None:
        """Nobody waits for it."""

    def walk() -> float:
        start = shell.start
        began = perf_counter()
        for _ in range(CALLS):
            timeline.now += APART
            start(request, ended)
        took = (perf_counter() - began) / CALLS
        timeline.run(timeline.now)
        return took

    try:
        shell = Shell(Pipeline(*(bare(each) for each in stack), seed=1, clock=timeline), timeline, send, door=_Door())
        walk()
    except Exception:  # what cannot be walked so has no price here
        return None
    return walk
