"""Which foldings has a pipeline? One while nobody listens to it, and three from when somebody does.

The branches of a choice have one folding only. Once it is that for calls in full it stays so, whoever else has the
choice in a pipeline, listens to it, or ceases to: it lets other calls by for next to nothing, and ten thousand
endpoints are folded once.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from .observe.in_full import watch_in_full
from .observe.watch import watch
from .section import fold

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["refold"]

in_full: weakref.WeakSet[Any] = weakref.WeakSet()
"""The choices whose branches are."""


def refold(pipeline: Pipeline) -> None:
    """Fold a pipeline anew, under the lock. What cannot be folded raises, and changes nothing."""
    states = pipeline.states
    if not (pipeline.listeners or pipeline.follows):
        pipeline.root = fold(states, branches=_plain)
        pipeline.watched = pipeline.in_full = None
        return
    whole = fold(states, watch_in_full, branches=_plain)
    watched = fold(states, watch, branches=_none)
    pipeline.root = fold(states, branches=_none)
    pipeline.watched, pipeline.in_full = watched, whole
    for choice in pipeline.choices:
        _settle(choice)


def _none(choice: Any) -> bool:
    return False


def _plain(choice: Any) -> bool:
    """Whether its branches are to be folded yet."""
    return choice not in in_full if _lasting(choice) else True


def _settle(choice: Any) -> None:
    if _lasting(choice):
        in_full.add(choice)


def _lasting(choice: Any) -> bool:
    """Whether it can be remembered: somebody's own may have no room for it, and is folded each time."""
    return getattr(type(choice), "__weakrefoffset__", 0) != 0 and type(choice).__hash__ is not None
