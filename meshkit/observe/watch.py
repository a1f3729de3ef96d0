"""How is a pipeline watched without paying for it when nobody does? By further foldings, with gates that write down.

::

    root       a call that nobody follows
    watched    one that somebody follows: what has states, attempts, picks, retries and fallbacks write down
    in full    one that somebody wants in full: every gate and every bound does

The watching forms of ``enter``, ``exit`` and the like run under the lock, as those they wrap: they only append to
``call.events``, which the shell delivers afterwards. A cluster's branches have one folding only, the last: what is
written down there lets a call by that has no such list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..call import Call, Failure, Verdict
from ..engine.back import survive
from ..engine.refusal import numbers, where
from ..policy import PASS, Waiter
from ..section import BOUND, CHOICE, FALLBACK, GATE, LEAF, REPEAT, Section, named
from .events import (
    AttemptBegan,
    AttemptEnded,
    Bounded,
    FaultInjected,
    FellBack,
    GaveUp,
    Passed,
    Picked,
    Retried,
    StateChanged,
    WouldReject,
)

__all__ = ["watch", "watch_in_full"]

SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED
MANY = 8
"""Candidates of a pick that are told of."""

Enter = Callable[[Call, float], Any]
Exit = Callable[[Call, float, float, Verdict], None]


def watch(kind: str, state: Any, ask: Callable[..., Any], exit: Exit | None) -> tuple[Any, Any]:
    """The watching form of what a state is asked, see `meshkit.section.Watch`. Of refusals the engine tells."""
    form = WATCHING.get(kind)
    return (ask, exit) if form is None else form(state, ask, exit)


def watch_in_full(kind: str, state: Any, ask: Callable[..., Any], exit: Exit | None) -> tuple[Any, Any]:
    """The same, where calls that are wanted in full may come."""
    ask, exit = watch(kind, state, ask, exit)
    form = IN_FULL.get(kind)
    return (ask if form is None else form(state, ask)), exit


def _gate(state: Any, enter: Enter, exit: Exit | None) -> tuple[Enter, Exit | None]:
    if hasattr(state, "would_reject"):
        enter = _on_trial(state, enter)
    elif hasattr(state, "injected"):
        enter = _injecting(state, enter)
    return _changing(state, enter, exit) if hasattr(state, "state") else (enter, exit)


def _passing(state: Any, enter: Enter) -> Enter:
    """Of a gate in full."""
    name = named(state)

    def passing_enter(call: Call, now: float) -> Any:
        answer = enter(call, now)
        events = call.events
        if events is not None and events.detailed and answer is not PASS and answer.__class__ is not Section:
            queued = answer.__class__ is Waiter
            wait = answer if answer and not queued else 0.0
            events.append(Passed(now, name, where(call), numbers(state, call, now), wait, queued))
        return answer

    return passing_enter


def _changing(state: Any, enter: Enter, exit: Exit | None) -> tuple[Enter, Exit | None]:
    """Of what has named states."""
    name = named(state)

    def changing_enter(call: Call, now: float) -> Any:
        before = state.state
        try:
            return enter(call, now)
        finally:
            if state.state != before and call.events is not None:
                call.events.append(StateChanged(now, name, where(call), str(before), str(state.state)))

    def changing_exit(call: Call, began: float, now: float, verdict: Verdict) -> None:
        before = state.state
        exit(call, began, now, verdict)  # type: ignore[misc]  # handed out only where there is one
        if state.state != before and call.events is not None:
            call.events.append(
                StateChanged(now, name, call.endpoint if call.origin else where(call), str(before), str(state.state))
            )

    return changing_enter, None if exit is None else changing_exit


def _injecting(state: Any, enter: Enter) -> Enter:
    """Of faults on purpose."""

    def injecting_enter(call: Call, now: float) -> Any:
        before = state.injected
        answer = enter(call, now)
        if state.injected != before and call.events is not None:
            call.events.append(FaultInjected(now, state.name, where(call)))
        return answer

    return injecting_enter


def _on_trial(state: Any, enter: Enter) -> Enter:
    """Of a policy on trial."""

    def telling_enter(call: Call, now: float) -> Any:
        seen = state.would_reject, state.would_wait
        answer = enter(call, now)
        if (state.would_reject, state.would_wait) != seen and call.events is not None:
            call.events.append(WouldReject(now, state.name, where(call), state.reason))
        return answer

    return telling_enter


def _pick(state: Any, pick: Enter, exit: None) -> tuple[Enter, None]:
    if not hasattr(state, "members"):
        return pick, None
    name = named(state)

    def watching_pick(call: Call, now: float) -> Any:
        section = pick(call, now)
        if call.events is not None:
            call.cluster = name
        return section

    return watching_pick, None


def _picked(state: Any, pick: Enter) -> Enter:
    """Of a choice in full."""
    if not hasattr(state, "members"):
        return pick
    name = named(state)

    def showing_pick(call: Call, now: float) -> Any:
        section = pick(call, now)
        events = call.events
        if events is not None and events.detailed:
            candidates = _candidates(state.members, call.endpoint, now)
            events.append(Picked(now, name, call.endpoint, candidates, len(state.members)))
        return section

    return showing_pick


def _candidates(members: Any, picked: Any, now: float) -> tuple[tuple[Any, Mapping[str, Any]], ...]:
    """The first few members, the one picked in any case, each with what its load measure knows."""
    few = [*members[:MANY]]
    if picked is not None and not any(member.endpoint is picked for member in few):
        few[-1:] = [member for member in members if member.endpoint is picked]
    found = []
    for member in few:
        known = {"up": member.up}
        shown = getattr(member.load, "snapshot", None)
        if shown is not None:
            try:
                known.update(shown(now))
            except Exception as error:  # of somebody's measure
                survive(error)
        found.append((member.endpoint, known))
    return tuple(found)


def _again(state: Any, again: Callable[..., float | None], exit: None) -> tuple[Callable[..., float | None], None]:
    name = named(state)

    def watching_again(call: Call, now: float, verdict: Verdict) -> float | None:
        wait = again(call, now, verdict)
        if call.events is not None:
            known = numbers(state, call, now)
            if wait is None:
                call.events.append(GaveUp(now, name, call.attempt, call.stopped or "", call.failure, known))
            else:
                call.events.append(Retried(now, name, call.attempt, wait, call.failure, known))
        return wait

    return watching_again, None


def _bounding(state: Any, until: Enter) -> Enter:
    """Of a bound in full."""
    name = named(state)

    def bounding_until(call: Call, now: float) -> float:
        at: float = until(call, now)
        if call.events is not None and call.events.detailed:
            call.events.append(Bounded(now, name, at))
        return at

    return bounding_until


def _takes(state: Any, takes: Enter, exit: None) -> tuple[Enter, None]:
    name = named(state)

    def watching_takes(call: Call, now: float) -> bool:
        taken: bool = takes(call, now)
        if taken and call.events is not None:
            call.events.append(FellBack(now, name, call.failure or Failure()))
        return taken

    return watching_takes, None


def _attempt(state: None, go: Enter, exit: None) -> tuple[Enter, Exit]:
    """The gate that stands for the attempt itself, innermost."""
    return _attempt_began, _attempt_ended


def _attempt_began(call: Call, now: float) -> None:
    events = call.events
    if events is not None:
        if call.deadline is not None and call.deadline <= now:  # what is late already is not sent
            call.number = 0
            return
        number = call.number = events.sent = events.sent + 1
        call.status = None
        events.append(AttemptBegan(now, number, call.attempt, call.endpoint, call.cluster))


def _attempt_ended(call: Call, began: float, now: float, verdict: Verdict) -> None:
    events = call.events
    if events is None or not call.number:
        return
    number = call.number
    answered_at = call.answered_at
    if answered_at is None or answered_at < began:
        answered_at = now
    latency, took = answered_at - began, now - began
    if verdict is SUCCESS:
        events.append(
            AttemptEnded(
                now, call.attempt, call.endpoint, verdict, latency, took, None, number, call.cluster, call.status
            )
        )
        return
    failure = None if verdict is IGNORED else call.failure
    ended = AttemptEnded(
        now, call.attempt, call.endpoint, verdict, latency, took, failure, number, call.cluster, call.status
    )
    # What follows from an attempt is decided before it is given back, and told after it.
    k = len(events)
    while k and events[k - 1].__class__ in FOLLOWING:
        k -= 1
    events.insert(k, ended)


FOLLOWING = {Retried, GaveUp, FellBack}
WATCHING: dict[str, Callable[..., tuple[Any, Any]]] = {
    GATE: _gate,
    LEAF: _attempt,
    CHOICE: _pick,
    REPEAT: _again,
    FALLBACK: _takes,
}
IN_FULL: dict[str, Callable[..., Any]] = {GATE: _passing, CHOICE: _picked, BOUND: _bounding}
