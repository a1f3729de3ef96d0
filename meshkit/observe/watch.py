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

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from ..call import Call, Failure, Verdict
from ..engine.back import survive
from ..engine.refusal import numbers, where
from ..section import CHOICE, FALLBACK, GATE, LEAF, REPEAT, Section, named
from .events import (
    AttemptBegan,
    AttemptEnded,
    FaultInjected,
    FellBack,
    GaveUp,
    Retried,
    Routed,
    StateChanged,
    WouldReject,
)
from .trail import Usual, note

__all__ = ["watch"]

SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED
ROUTE = "route"
ON_TRIAL = ("would_reject", "would_wait", "reason")

Enter = Callable[[Call, float], Any]
Exit = Callable[[Call, float, float, Verdict], None]


def watch(kind: str, state: Any, ask: Callable[..., Any], exit: Exit | None) -> tuple[Any, Any]:
    """The watching form of what a state is asked, see `meshkit.section.Watch`. Of refusals the engine tells."""
    form = WATCHING.get(kind)
    return (ask, exit) if form is None else form(state, ask, exit)


def _gate(state: Any, enter: Enter, exit: Exit | None) -> tuple[Enter, Exit | None]:
    kind = type(state)  # asked of the class where it may be a property that fails
    if all(hasattr(kind, name) or name in getattr(state, "__dict__", ()) for name in ON_TRIAL):
        enter = _on_trial(state, enter)
    elif hasattr(kind, "injected") or "injected" in getattr(state, "__dict__", ()):
        enter = _injecting(state, enter)
    changes = hasattr(kind, "state") or "state" in getattr(state, "__dict__", ())
    return _changing(state, enter, exit) if changes else (enter, exit)


def _changing(state: Any, enter: Enter, exit: Exit | None) -> tuple[Enter, Exit | None]:
    """Of what has named states."""
    name = named(state)
    read = _reader(state, "state")
    ways = hasattr(state, "titles")  # a rollout, which is no endpoint's

    def changing_enter(call: Call, now: float) -> Any:
        if call.events is None:
            return enter(call, now)
        before = read(state)
        try:
            return enter(call, now)
        finally:
            after = read(state)
            if after != before:
                call.events.append(StateChanged(now, name, where(call), before, after))

    def changing_exit(call: Call, began: float, now: float, verdict: Verdict) -> None:
        if call.events is None:
            exit(call, began, now, verdict)  # type: ignore[misc]  # handed out only where there is one
            return
        before = read(state)
        exit(call, began, now, verdict)  # type: ignore[misc]
        after = read(state)
        if after != before:
            endpoint = None if ways else call.endpoint if call.origin else where(call)
            call.events.append(StateChanged(now, name, endpoint, before, after))

    return changing_enter, None if exit is None else changing_exit


def _reader(state: Any, name: str) -> Callable[[Any], Any]:
    """Reads an attribute. Somebody's own may fail, or be no word, and harms no call."""
    if type(state).__module__.startswith("meshkit."):
        return attrgetter(name)

    def read(state: Any) -> Any:
        try:
            return str(getattr(state, name))
        except Exception as error:
            survive(error)
            return None

    return read


def _injecting(state: Any, enter: Enter) -> Enter:
    """Of faults on purpose."""
    name = named(state)
    read = _reader(state, "injected")

    def injecting_enter(call: Call, now: float) -> Any:
        if call.events is None:
            return enter(call, now)
        before = read(state)
        answer = enter(call, now)
        if read(state) != before:
            call.events.append(FaultInjected(now, name, where(call)))
        return answer

    return injecting_enter


def _on_trial(state: Any, enter: Enter) -> Enter:
    """Of a policy on trial."""
    name = named(state)

    def telling_enter(call: Call, now: float) -> Any:
        if call.events is None:
            return enter(call, now)
        seen = state.would_reject, state.would_wait
        answer = enter(call, now)
        if (state.would_reject, state.would_wait) != seen:
            call.events.append(WouldReject(now, name, where(call), state.reason))
        return answer

    return telling_enter


def _pick(state: Any, pick: Enter, exit: None) -> tuple[Enter, None]:
    if hasattr(state, "titles"):
        return _routing(state, pick), None
    if not hasattr(state, "members"):
        return pick, None
    name = named(state)

    def watching_pick(call: Call, now: float) -> Any:
        section = pick(call, now)
        if call.events is not None:
            call.cluster = name
        return section

    return watching_pick, None


def _routing(state: Any, pick: Enter) -> Enter:
    """Of what has ways with names: a router, a split."""
    name, kind = named(state), state.kind

    def routing_pick(call: Call, now: float) -> Any:
        section = pick(call, now)
        events = call.events
        if events is not None:
            try:
                title = state.taken(call)
                if kind == ROUTE:
                    events.route, events.branch = title, ""
                else:
                    events.branch = title
                if (name, title) not in events.ways:
                    events.ways += ((name, title),)
                    if events.__class__ is Usual:
                        note(events, (_routed, (now, name, title, kind, section)))
                    else:
                        events.append(_routed(now, name, title, kind, section))
            except Exception as error:  # of a choice of somebody's
                survive(error)
        return section

    return routing_pick


def _routed(now: float, name: str, title: str, kind: str, section: Section) -> Routed:
    """With what a branch ends in, and whether that answers within this process."""
    while section.after is not None:
        section = section.after
    state = section.state
    if state is None:
        return Routed(now, name, title, kind)
    return Routed(now, name, title, kind, named(state), section.kind is LEAF)


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
        if events.__class__ is Usual:
            note(events, (AttemptBegan, (now, number, call.attempt, call.endpoint, call.cluster)))
        else:
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
        what = now, call.attempt, call.endpoint, verdict, latency, took, None, number, call.cluster, call.status
        if events.__class__ is Usual:
            note(events, (AttemptEnded, what))
        else:
            events.append(AttemptEnded(*what))
        return
    failure = None if verdict is IGNORED else call.failure
    ended = AttemptEnded(
        now, call.attempt, call.endpoint, verdict, latency, took, failure, number, call.cluster, call.status
    )
    # What follows from an attempt is decided before it is given back, and told after it.
    k = len(events)
    while k and events[k - 1].__class__ in FOLLOWING and events[k - 1].at >= now:
        k -= 1
    events.insert(k, ended)


FOLLOWING = {Retried, GaveUp, FellBack}
"""What is decided of an attempt that has come to nothing."""
WATCHING: dict[str, Callable[..., tuple[Any, Any]]] = {
    GATE: _gate,
    LEAF: _attempt,
    CHOICE: _pick,
    REPEAT: _again,
    FALLBACK: _takes,
}
