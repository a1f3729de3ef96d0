"""Who asks each endpoint when its check is due? One loop for a cluster, as long as that is used.

Checks that are due stand in a queue, and a bounded number of them is under way. The loop wakes when the next is due, at
most a hundred times an interval, and at least each second: then it also looks who has come and who has gone. Whoever
has come is asked soon; what is answered for whoever has gone is forgotten.

Only asyncio: it runs beside the callers, whatever they are.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from ..cluster.checkup import Check, Checkup, checkups

if TYPE_CHECKING:
    from ..balance import Member

__all__ = ["Keep", "Probe", "watch_health"]

FINEST = 100
"""What is due within a hundredth of an interval is asked together."""
LOOK = 1.0
"""Seconds between two looks at who is there, at most: whoever comes gets no calls before its first answer."""

Probe = Callable[[Check, Any], Awaitable[str]]
"""``(check, endpoint)``: asks once, within the check's timeout, and answers what is wrong; empty: nothing."""


class Keep(Protocol):
    """What the loop is given by whoever keeps the cluster."""

    lock: AbstractContextManager[Any]
    """Held whenever a member is changed."""
    rng: Random

    def now(self) -> float: ...

    async def sleep(self, seconds: float, /) -> None:
        """It may end early, when members have come or gone."""

    def changed(self) -> None:
        """``member.checked`` of somebody is another. Called under the lock."""

    def passed(self, member: Member, now: float, /) -> None:
        """A check has found an ejected member well. Called under the lock."""


async def watch_health(
    checks: Sequence[Check],
    members: Callable[[], Sequence[Member]],
    keep: Keep,
    *,
    probe: Probe | None = None,
    concurrency: int = 100,
) -> None:
    """Ask the members whether they are well, until it is cancelled; then nothing is left under way.

    ``members`` answers those of now; a sequence that has changed is another one. ``concurrency``: how many checks
    are under way at most.
    """
    if probe is not None:
        await Rounds(checks, members, keep, probe, concurrency).walk()
    else:
        from ..upstream.check import Prober

        async with Prober() as prober:
            await Rounds(checks, members, keep, prober.ask, concurrency).walk()


class Rounds:
    """The loop, and what it knows."""

    def __init__(
        self,
        checks: Sequence[Check],
        members: Callable[[], Sequence[Member]],
        keep: Keep,
        probe: Probe,
        concurrency: int,
    ) -> None:
        self.checks = tuple(checks)
        self.members = members
        self.keep = keep
        self.probe = probe
        self.concurrency = concurrency
        self.present: Sequence[Member] | None = None
        self.known: dict[Member, list[Checkup]] = {}
        self.due: list[tuple[float, int, Checkup]] = []
        """A heap."""
        self.count = 0
        self.waiting: deque[Checkup] = deque()
        self.asking: set[asyncio.Task[None]] = set()
        self.error: BaseException | None = None
        """What whoever keeps the cluster has raised: not to be survived in silence."""
        self.quiet = any(check.interval_no_traffic is not None for check in self.checks)
        """No call has gone to the cluster yet, and that matters."""
        shortest = min(
            pause
            for check in self.checks
            for pause in (check.interval, check.interval_unhealthy, check.interval_no_traffic)
            if pause is not None
        )
        self.nap = min(shortest, LOOK)
        """Seconds of the longest sleep: nothing that is put off meanwhile is due before its end."""
        self.grain = shortest / FINEST

    async def walk(self) -> None:
        keep = self.keep
        try:
            while True:
                if self.error is not None:
                    raise self.error
                self._look()
                now = keep.now()
                while self.due and self.due[0][0] <= now:
                    checkup = heapq.heappop(self.due)[2]
                    if self._there(checkup):
                        checkup.asked()
                        self.waiting.append(checkup)
                while self.waiting and len(self.asking) < self.concurrency:
                    task = asyncio.create_task(self._ask(self.waiting.popleft()))
                    self.asking.add(task)
                    task.add_done_callback(self._ended)
                wait = self.due[0][0] - now if self.due else self.nap
                await keep.sleep(min(max(wait, self.grain), self.nap))
        finally:
            tasks = [*self.asking]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _look(self) -> None:
        """Who is there?"""
        present = self.members()
        if present is not self.present:
            self.present = present
            there = set(present)
            self.known = {member: each for member, each in self.known.items() if member in there}
            now = self.keep.now()
            for member in present:
                if member not in self.known:
                    self.known[member] = member.checkups = checkups(self.checks, member, now, self.keep.rng)
                    for checkup in self.known[member]:
                        checkup.changed = self.keep.changed
                        checkup.passed = self.keep.passed
                        self._later(checkup)
        if self.quiet:
            self.quiet = not any(member.picks for member in present)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.asking.discard(task)
        if not task.cancelled():
            self.error = task.exception() or self.error

    def _there(self, checkup: Checkup) -> bool:
        return self.known.get(checkup.member) is checkup.beside

    def _later(self, checkup: Checkup) -> None:
        self.count += 1
        heapq.heappush(self.due, (checkup.due_at, self.count, checkup))

    async def _ask(self, checkup: Checkup) -> None:
        """Ask, and then whoever is waiting."""
        while True:
            if self._there(checkup):
                try:
                    why = await self.probe(checkup.spec, checkup.member.endpoint)
                except Exception as error:
                    why = type(error).__name__
                if self._there(checkup):
                    with self.keep.lock:
                        checkup.told(not why, self.keep.now(), why, quiet=self.quiet)
                    self._later(checkup)
            if not self.waiting:
                return
            checkup = self.waiting.popleft()
