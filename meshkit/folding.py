"""Which foldings has a pipeline? One while nobody listens to it, and three from when somebody does."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from .observe.watch import watch, watch_in_full
from .section import fold

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["refold", "watched"]

watched: weakref.WeakSet[Pipeline] = weakref.WeakSet()


def refold(pipeline: Pipeline) -> None:
    """Fold a pipeline anew, under the lock: three times if somebody listens, see `meshkit.observe.watch`.

    A choice has one folding only, the last one: where it is shared, it must not be lost to those who listen elsewhere.
    """
    if pipeline.listeners or pipeline.follows:
        pipeline.root = fold(pipeline.states, branches=False)
        watched.add(pipeline)
    else:
        pipeline.root = fold(pipeline.states)
        pipeline.watched = pipeline.in_full = None
        watched.discard(pipeline)
    for each in watched:
        if each is pipeline or not pipeline.choices.isdisjoint(each.choices):
            each.watched = fold(each.states, watch, branches=False)
            each.in_full = fold(each.states, watch_in_full)
