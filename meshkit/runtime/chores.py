"""What is there to be done for a cluster between calls? To follow its sources, to check its endpoints, to probe them.

Each is an async function of a weak reference to the cluster's state, and of what it waits with (`keeper.Keep`). While
they wait they hold no reference to the state: so that it can be collected, and they end.
"""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any

from ..cluster.endpoint import Endpoint
from ..engine import survive
from ..errors import DiscoveryError
from ..section import within

__all__ = ["chores_of", "keep"]

JITTER = random.Random()  # noqa: S311  # no secret; and not the one of `random`, which a program may have seeded


FIRST, LONGEST = 1.0, 60.0
"""Seconds before a source that failed is asked again: doubled each time, and jittered by up to half."""


def keep(tree: Any) -> None:
    """See to it that the chores of a pipeline's states are done, from now on until the states are collected."""
    for state in within(tree.states):
        if not (hasattr(state, "sources") or hasattr(state, "checks") or hasattr(state, "balancer")):
            continue  # as nearly all of ten thousand routes'
        for number, source in enumerate(getattr(state, "sources", ())):
            if hasattr(source, "followed_by"):
                source.followed_by(state, number)
        chores = tuple(chores_of(state))
        if chores:
            from .keeper import begin  # a thread and an event loop, for those who need them

            begin(state, chores, tree.clock)


def chores_of(state: Any) -> Iterator[Callable[..., Any]]:
    """What there is to be done for a state."""
    for number, source in enumerate(getattr(state, "sources", ())):
        if not hasattr(source, "followed_by"):  # those tell it themselves
            yield partial(_follow, number, source)
    if getattr(state, "checks", ()):
        yield partial(_check, state.checks)
    for balancer in _balancers(getattr(state, "balancer", None)):
        if hasattr(balancer, "errands"):
            yield partial(_probe, balancer)


async def _follow(number: int, source: Any, state: weakref.ref[Any], keep: Any) -> None:
    """Take over what a source says. On an error the last set stays in use, and the source is asked anew."""
    from asyncio import CancelledError, current_task  # loaded in the keeper's thread

    pause = FIRST
    longest = getattr(source, "retry_within", LONGEST)
    while state() is not None:
        try:
            async with aclosing(source.watch()) as sets:
                async for endpoints in sets:
                    cluster = state()
                    if cluster is None:
                        return
                    slices = cluster.update(number, _checked(endpoints))
                    del cluster
                    try:
                        while True:
                            with keep.lock:
                                if next(slices, slices) is slices:
                                    break
                            await keep.sleep(0)
                    finally:
                        slices.close()
                        del slices
                    pause = FIRST
            return  # the last set holds for good
        except (Exception, CancelledError) as error:
            task = current_task()
            if isinstance(error, CancelledError):
                if task is None or task.cancelling():
                    raise
                error = DiscoveryError("what it waited for was cancelled", source=source)
            error.__traceback__ = None  # it holds a frame that holds the state
            survive(error)
            cluster = state()
            if cluster is not None:
                cluster.troubles[number] = error
            del cluster, error
        await keep.sleep(min(pause, longest) * JITTER.uniform(0.5, 1))
        pause = min(2 * pause, LONGEST)


def _checked(endpoints: Any) -> tuple[Endpoint, ...]:
    """What a source has named, which may be somebody else's code. Raises `ConfigError`."""
    return tuple(each if isinstance(each, Endpoint) else Endpoint(each) for each in endpoints)


class _Rounds:
    """What the loop over the checks is given."""

    def __init__(self, state: weakref.ref[Any], keep: Any) -> None:
        self._state = state
        self.lock = keep.lock
        self.now = keep.now
        self.sleep = keep.sleep
        self.rng = random.Random()  # noqa: S311  # jitter, no secret

    def members(self) -> Any:
        cluster = self._state()
        return () if cluster is None else cluster.members

    def changed(self) -> None:
        cluster = self._state()
        if cluster is not None:
            cluster.changed()

    def passed(self, member: Any, now: float) -> None:
        cluster = self._state()
        if cluster is not None:
            cluster.passed(member, now)


async def _check(checks: Any, state: weakref.ref[Any], keep: Any) -> None:
    """Ask the endpoints whether they are well."""
    from .rounds import watch_health

    rounds = _Rounds(state, keep)
    await watch_health(checks, rounds.members, rounds)


def _balancers(balancer: Any) -> Iterator[Any]:
    """A balancer, and those inside it."""
    if balancer is not None:
        yield balancer
        for inner in getattr(balancer, "within", ()):
            yield from _balancers(inner)


async def _probe(balancer: Any, state: weakref.ref[Any], keep: Any) -> None:
    """Ask the endpoints for their load, as picks want it."""
    from .probing import probe

    await probe(balancer, keep)
