"""Where does a call go next? The walk in: through gates, bounds and choices to the leaf, and around what rejects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..call import Call, Failure, Verdict
from ..errors import Overloaded, Rejected
from ..observe.events import RejectedCall
from ..policy import PASS, Waiter
from ..section import BOUND, CHOICE, FALLBACK, LEAF, REPEAT, Section, named
from .back import fall, release
from .refusal import refused

__all__ = ["admit", "advance", "elsewhere", "gather", "outlived", "patience"]

IGNORED = Verdict.IGNORED
WAITED = (Overloaded, "no permit within %.3g s")


def gather(call: Call, gates: Iterable[Any]) -> None:
    """Ask what the gates must know of the request. Runs user code: outside the lock."""
    facts = call.facts = dict(call.facts) if call.facts else {}
    for gate in gates:
        if gate not in facts:
            facts[gate] = gate.facts(call)


def advance(call: Call, section: Section, now: float) -> Any:
    """Walk from a section to the leaf.

    Answers ``None``: send it; seconds: sleep (0: not at all), gather the facts of the section at ``call.rest``, and
    advance from there; a `Waiter`: stand in its queue, then `admit`; a `Section`: run that in place of sending, a
    middleware, a race, or a leaf with a destination of its own. Raises `Rejected` with ``call.held`` at what was
    entered.
    """
    enter = None
    while True:
        try:
            for enter in section.enters:
                wait = enter(call, now)
                if wait:
                    break
            else:
                if section.exits:
                    call.held = (call.held, section.exits, now)
                enter = None
                kind = section.kind
                if kind is LEAF:
                    return section.step and section
                if kind is CHOICE:
                    route = call.route
                    branch = section.step(call, now)
                    call.marks = (call.marks, section, call.held, call.deadline, route, branch, ())
                    section = branch
                    if section.facts is not None:
                        call.rest = section
                        return 0.0
                    continue
                if kind is BOUND:
                    until = section.step(call, now)
                    if call.deadline is None or until < call.deadline:
                        call.deadline = until
                elif kind is REPEAT:
                    call.attempt = 1
                    call.marks = (call.marks, section, call.held, call.deadline, call.route, 1, 0.0)
                else:
                    call.marks = (call.marks, section, call.held, call.deadline, call.route)
                    if kind is not FALLBACK:
                        return section
                section = section.after  # type: ignore[assignment]  # only a leaf and a choice end a chain
                continue
            wait = _halt(call, section, enter, wait, now)
            if wait is not None:
                return wait
            section, enter = call.rest, None
        except Rejected as rejection:
            if enter is not None:
                k = section.enters.index(enter)
                if call.events is not None:
                    refused(call, section.states[k], rejection, now)
                _settle_before(call, section, k, now)
            elif call.events is not None and section.kind is CHOICE:
                refused(call, section.state, rejection, now)
            if call.marks is None:
                raise
            other = elsewhere(call, rejection, now)
            if other is None:
                raise
            section, enter = other, None
            if section.facts is not None:
                call.rest = section
                return 0.0
        except BaseException as fault:  # a gate's own, or Ctrl-C: what was entered is given back as well
            if enter is not None:
                # Ctrl-C in this very frame comes behind the gate, one raised further in comes before its end.
                trace = fault.__traceback__
                behind = trace is not None and trace.tb_next is None
                _settle_before(call, section, section.enters.index(enter) + behind, now)
            raise


def _settle_before(call: Call, section: Section, k: int, now: float) -> None:
    """Remember the entries of a section's first k gates, where the walk did not get through."""
    if section.settled[k]:
        call.held = (call.held, section.settled[k], now)


def _halt(call: Call, section: Section, enter: Any, wait: Any, now: float) -> Any:
    """A gate has the call wait, or go another way: remember what was entered, and where to go on.

    Answers what to wait for; ``None``: nothing, go on from ``call.rest`` at once.
    """
    k = section.enters.index(enter)
    _settle_before(call, section, k, now)
    exit, leave, rest = section.behind[k]
    call.rest = rest
    if wait.__class__ is Waiter:
        call.rest = (exit, leave, rest)
    elif wait is PASS:
        return None
    elif wait.__class__ is Section:
        call.rest = wait
        return None
    elif exit is not None:
        call.held = (call.held, (exit,), now + wait)
    return wait


def elsewhere(call: Call, rejection: Rejected, now: float) -> Section | None:
    """Where to go instead, once a gate has rejected: nothing was sent, and no attempt is spent.

    Directly below a choice another branch is tried; a choice that has none has itself rejected, and a choice directly
    around it is asked next. Further out a fallback may take the call. Where the call had failed already, and it was a
    further attempt or a fallback that was rejected, it has come to that failure (`Call.failed`) for those outside, and
    no choice is gone back to: something was sent. Nobody walks around a middleware: it is to see the rejection first.
    ``None``: nobody is left, the rejection stands.
    """
    mark = call.marks
    direct = True
    failed = call.failed
    since = False if failed is None else failed[4]
    past, verdict = False, IGNORED
    willing: tuple[Any, ...] = ()
    while mark is not None:
        if mark is since:
            past = True
            failure, verdict, before, willing, _, attempt, came = failed
            direct = direct and not failure.sent
        kind = mark[1].kind
        if kind is CHOICE and direct:
            outer, section, held, deadline, route, branch, refused = mark
            if rejection.endpoint is None and not hasattr(section.state, "titles"):  # a router has none
                rejection.endpoint = call.endpoint
            call.avoid = (*call.avoid, call.endpoint)
            release(call, held, now, IGNORED)
            call.deadline = deadline
            call.route = route
            try:
                other: Section = section.step(call, now)
            except Rejected as none:
                if call.events is not None:
                    refused(call, section.state, none, now)
                raise
            refused = (*refused, branch)
            if other not in refused:
                call.marks = (outer, section, held, deadline, route, other, refused)
                return other
        elif kind is FALLBACK:
            known = call.failure
            told = any(each is mark for each in willing)
            if told or mark[1].state.catches(rejection):
                if not told:
                    call.failure = Failure(rejection, sent=False)
                if past:
                    release(call, before, now, IGNORED)
                if fall(call, mark, now, verdict):
                    rejection.__traceback__ = None  # it holds a frame that holds the call: no cycle
                    if past:
                        call.failed = (failure, verdict, call.held, willing, call.marks, attempt, came)
                    elif failed is None:
                        call.failed = (call.failure, IGNORED, call.held, (), call.marks, call.attempt, None)
                    return call.rest  # type: ignore[no-any-return]
                call.failure = known
        elif kind is REPEAT:
            direct = False
        elif kind is not CHOICE:
            return None
        mark = mark[0]
    return None


def patience(call: Call, waiter: Waiter) -> float | None:
    """The instant at which standing in a queue ends: the gate's own limit or the call's deadline; ``None``: never."""
    if waiter.until is None or (call.deadline is not None and call.deadline < waiter.until):
        return call.deadline
    return waiter.until


def admit(call: Call, waiter: Waiter, now: float) -> Section | None:
    """Standing in a queue is over.

    A granted place is an entry: answers where the walk goes on. One that was not granted is given up, and so is one
    that was granted too late: nobody waits for it any more.
    """
    exit, leave, rest = call.rest
    if not waiter.granted:
        leave(waiter)
        return None
    held = call.held
    if exit is not None:
        call.held = (held, (exit,), now)
    until = patience(call, waiter)
    if until is not None and now >= until:
        release(call, held, now, IGNORED)
        return None
    return rest  # type: ignore[no-any-return]


def outlived(call: Call, waited: float, now: float) -> Section:
    """A place was given up for want of time: nothing was sent, so it is `Overloaded`, or what the queue calls it.

    Answers where to go instead, or raises it.
    """
    gate = call.rest[1].__self__
    name = named(gate)
    kind, reason = getattr(gate, "outlived", WAITED)
    rejection = kind(reason, waited, policy=name)
    if call.events is not None:  # no gate's own
        call.events.claim(rejection)
        call.events.append(RejectedCall(now, name, call.endpoint, rejection))
    section = elsewhere(call, rejection, now)
    if section is not None:
        return section
    try:
        raise rejection
    finally:
        del rejection  # no cycle of error, traceback and frame
