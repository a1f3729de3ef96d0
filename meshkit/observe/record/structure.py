"""Of what kind is the pipeline that a record is of? What is read from its states, and not from what was told.

::

    Timeout(2.0)  Retry(...)  Timeout(0.5)         one bound is the whole call's
    Fallback(...) Timeout(0.3)                     none: what stands instead has its own time
    Timeout(2.0)  Router  ->  Timeout(0.5)         two: what stands on a call's route is on its way as well
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...section import named, within

__all__ = ["along", "measures", "outer", "retries"]

GOES_ON = ("again", "another", "instead")
"""Of states that go on when a bound within them has passed: retries, races, fallbacks."""


def along(states: Iterable[Any], taken: Mapping[str, str]) -> list[Any]:
    """The states on a call's way, without routers and splits; ``taken``: what it took of each of these, by its name."""
    way: list[Any] = []
    left = [*states]
    while left:
        *before, last = left
        way += before
        if not hasattr(last, "titles"):
            return [*way, last]
        title = taken.get(named(last))
        left = [*last.branches[last.titles.index(title)]] if title in last.titles else []
    return way


def outer(states: Iterable[Any], took_over: frozenset[str]) -> int:
    """How many bounds are the whole call's: those outside of whatever goes on when one has passed. ``took_over`` are
    the names of those that are known to have done so, such as a middleware that had another answer.
    """
    count = 0
    for state in states:
        if any(hasattr(state, name) for name in GOES_ON) or named(state) in took_over:
            break
        count += hasattr(state, "until")
    return count


def retries(states: Iterable[Any]) -> bool:
    """Whether anything in it tries again."""
    return any(hasattr(state, "again") for state in within(states))


def measures(states: Iterable[Any]) -> frozenset[str]:
    """What the load measures of its clusters are called, which stand as gates within them."""
    firsts = (member for state in within(states) for member in [*getattr(state, "members", ())][:1])
    loads = (getattr(member, "load", None) for member in firsts)
    return frozenset(named(load) for load in loads if load is not None)
