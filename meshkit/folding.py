"""Which foldings has a pipeline? One while nobody listens to it, and three from when somebody does.

The branches of a choice have one folding only: for calls that nobody follows, for those that somebody does, or for
those in full as well, which is never needed where all who follow have said that they want none (`Follows.in_full`).
Once it is one of these it is none of those before, whoever else has the choice in a pipeline, listens to it, or ceases
to: it lets other calls by for next to nothing, and ten thousand endpoints are folded once.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from .errors import ConfigError
from .observe.in_full import watch_in_full
from .observe.watch import watch
from .section import TWICE, Watch, fold, named, within

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .successor import Successor

__all__ = ["refold"]

in_full: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""The choices whose branches are, by identity: two routers may be equal, and have branches of their own."""
watched: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""Those whose branches are for calls that somebody follows."""


def refold(pipeline: Pipeline | Successor, folded: Collection[int] = ()) -> None:
    """Fold a pipeline anew, under the lock. What cannot be folded raises, and changes nothing. ``folded``: the choices,
    by identity, whose branches are folded already, and are in use.
    """
    states = pipeline.states
    _check(states)
    if not (pipeline.listeners or pipeline.follows):
        pipeline.root = fold(states, branches=lambda choice: False if id(choice) in folded else _plain(choice))
        pipeline.watched = pipeline.in_full = None
        return
    full = any(getattr(each, "in_full", True) for each in pipeline.follows)
    whole = fold(states, watch_in_full, branches=_full if full else _light)
    light = fold(states, watch, branches=_left)
    pipeline.root = fold(states, branches=_left)
    pipeline.watched, pipeline.in_full = light, whole
    known = in_full if full else watched
    for choice in pipeline.choices:
        if _lasting(choice):
            known[id(choice)] = choice


def _left(choice: Any) -> bool:
    return False


def _full(choice: Any) -> Watch | bool:
    return False if in_full.get(id(choice)) is choice else watch_in_full


def _light(choice: Any) -> Watch | bool:
    """As those in full, where it cannot be remembered whether somebody else wants them so."""
    if not _lasting(choice):
        return watch_in_full
    return False if _known(choice) else watch


def _plain(choice: Any) -> Watch | bool | None:
    """The same, where nobody listens."""
    if not _lasting(choice):
        return watch_in_full
    return False if _known(choice) else None


def _known(choice: Any) -> bool:
    """Whether somebody follows calls that come there, or did."""
    return in_full.get(id(choice)) is choice or watched.get(id(choice)) is choice


def _lasting(choice: Any) -> bool:
    """Whether it can be remembered: somebody's own may have no room for that."""
    return getattr(type(choice), "__weakrefoffset__", 0) != 0


def _check(
    states: Sequence[Any], front: frozenset[int] = frozenset(), known: dict[int, set[int]] | None = None
) -> None:
    """What stands in front of a choice must not stand in its branches too, also where these are left as they are, and
    also where it is a choice that others lead to. ``known``: what is in each that was met.
    """
    known = {} if known is None else known
    front |= {id(state) for state in states if not hasattr(state, "pick")}
    for choice in states:
        if _known(choice):
            inside = known.get(id(choice))
            if inside is None:
                inside = known[id(choice)] = set(map(id, within([choice])))
            if not inside.isdisjoint(front):
                twice = next(state for state in within([choice]) if id(state) in front)
                raise ConfigError(f"{named(twice)}: {TWICE}")
        elif hasattr(choice, "titles"):
            for branch in choice.branches:
                _check(branch, front, known)
