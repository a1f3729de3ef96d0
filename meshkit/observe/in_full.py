"""What is written down of a call that is wanted in full? What every gate knew, every bound, and whom there was to pick.

The folding of `watch`, and these forms around it. A cluster's branches have this folding alone, so it looks first
whether the call that comes along is followed, and how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..call import Call, Verdict
from ..engine.back import survive
from ..engine.refusal import numbers, where
from ..policy import PASS, Waiter
from ..section import BOUND, CHOICE, GATE, Section, named
from .events import Bounded, Passed, Picked
from .watch import watch

__all__ = ["watch_in_full"]

MANY = 8
"""Candidates of a pick that are told of."""

Enter = Callable[[Call, float], Any]
Exit = Callable[[Call, float, float, Verdict], None]


def watch_in_full(kind: str, state: Any, ask: Callable[..., Any], exit: Exit | None) -> tuple[Any, Any]:
    """The same, where calls that are wanted in full may come."""
    ask, exit = watch(kind, state, ask, exit)
    form = IN_FULL.get(kind)
    return (ask if form is None else form(state, ask)), exit


def _passing(state: Any, enter: Enter) -> Enter:
    """Of a gate in full."""
    name = named(state)
    asked = _asker(state)

    def passing_enter(call: Call, now: float) -> Any:
        answer = enter(call, now)
        events = call.events
        if events is not None and events.detailed and answer is not PASS and answer.__class__ is not Section:
            queued = answer.__class__ is Waiter
            wait = answer if answer and not queued else 0.0
            try:
                known = asked(call, now)
            except Exception as error:
                survive(error)
                known = {}
            events.append(Passed(now, name, where(call), known, wait, queued))
        return answer

    return passing_enter


def _asker(state: Any) -> Callable[[Call, float], Mapping[str, Any]]:
    """What asks a policy for its numbers. Of ours it is known that they are few, and new each time."""
    policy = getattr(state, "admission", state)  # a cluster as a gate
    if not type(policy).__module__.startswith("meshkit."):
        return partial(numbers, state)
    asked: Callable[[Call, float], Mapping[str, Any]] | None = getattr(policy, "numbers", None)
    if asked is not None:
        return asked
    shown = getattr(policy, "snapshot", None)
    return (lambda call, now: {}) if shown is None else (lambda call, now: shown(now))


def _picked(state: Any, pick: Enter) -> Enter:
    """Of a choice in full."""
    if not hasattr(state, "members"):
        return pick
    name = named(state)
    candidates = Candidates(state)

    def showing_pick(call: Call, now: float) -> Any:
        section = pick(call, now)
        events = call.events
        if events is not None and events.detailed:
            few = candidates.of(call.endpoint, now)
            events.append(Picked(now, name, call.endpoint, few, len(state.members)))
        return section

    return showing_pick


class Candidates:
    """The first few members of a choice, and the one picked in any case, each with what its load measure knows."""

    __slots__ = ("_by_endpoint", "_members", "state")

    def __init__(self, state: Any) -> None:
        self.state = state
        self._members: Any = None
        self._by_endpoint: dict[int, Any] = {}

    def of(self, picked: Any, now: float) -> tuple[tuple[Any, Mapping[str, Any]], ...]:
        members = self.state.members
        few = members[:MANY]
        if len(members) > MANY:
            if members is not self._members:  # a cluster makes a new list of them, whenever they are others
                self._by_endpoint = {id(member.endpoint): member for member in members}
                self._members = members
            member = self._by_endpoint.get(id(picked))
            if member is not None and member not in few:
                few[-1] = member
        return tuple((member.endpoint, _load(member, now)) for member in few)


def _load(member: Any, now: float) -> dict[str, Any]:
    known = {"up": member.up}
    shown = getattr(member.load, "snapshot", None)
    if shown is not None:
        try:
            known.update(shown(now))
        except Exception as error:  # of somebody's measure
            survive(error)
    return known


def _bounding(state: Any, until: Enter) -> Enter:
    """Of a bound in full."""
    name = named(state)

    def bounding_until(call: Call, now: float) -> float:
        at: float = until(call, now)
        if call.events is not None and call.events.detailed:
            call.events.append(Bounded(now, name, at))
        return at

    return bounding_until


IN_FULL: dict[str, Callable[..., Any]] = {GATE: _passing, CHOICE: _picked, BOUND: _bounding}
