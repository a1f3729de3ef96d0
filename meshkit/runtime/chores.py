"""What is there to be done for a cluster between calls? To follow its sources, to check its endpoints, to probe them.

Each is an async function of a weak reference to the cluster's state, and of what it waits with (`keeper.Keep`). While
they wait they hold no reference to the state: so that it can be collected, and they end.
"""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..engine import survive
from ..section import within

__all__ = ["chores_of", "keep"]

FIRST, LONGEST = 1.0, 60.0
"""Seconds before a source that failed is asked again: doubled each time, and jittered by up to half."""


def keep(tree: Any) -> None:
    """See to it that the chores of a pipeline's states are done, from now on until the states are collected."""
    for state in within(tree.states):
        if any(chores_of(state)):
            from .keeper import begin  # a thread and an event loop, for those who need them

            begin(state, tree.clock)


def chores_of(state: Any) -> Iterator[Callable[..., Any]]:
    """What there is to be done for a state."""
    for number, source in enumerate(getattr(state, "sources", ())):
        yield partial(_follow, number, source)


async def _follow(number: int, source: Any, state: weakref.ref[Any], keep: Any) -> None:
    """Take over what a source says. On an error the last set stays in use, and the source is asked anew."""
    pause = FIRST
    longest = getattr(source, "retry_within", LONGEST)
    while state() is not None:
        try:
            async for endpoints in source.watch():
                cluster = state()
                if cluster is None:
                    return
                with keep.lock:
                    cluster.update(number, endpoints, keep.now())
                del cluster
                pause = FIRST
            return  # the last set holds for good
        except Exception as error:
            survive(error)
            cluster = state()
            if cluster is not None:
                cluster.troubles[number] = error
            del cluster
        await keep.sleep(min(pause, longest) * random.uniform(0.5, 1))  # noqa: S311  # jitter, no secret
        pause = min(2 * pause, LONGEST)
