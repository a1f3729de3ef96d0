"""What happens next? The functions that walk a call through the folded policies, and back.

A pipeline is folded into `Section`s when it is built. `advance` walks from a section to the leaf, `again` walks back
to a retry, `release` gives everything back. They are plain functions over plain data: no clock, no lock, no await. The
shells in ``runtime`` call them under the one lock and do what they answer.

What a call has taken stands in ``call.held``, an immutable linked list of frames ``(outer, exits, began)``: one for
each run of gates with something to settle. The places a walk may come back to stand in ``call.marks``, another such
list::

    (outer, section, held there, deadline there, attempt, delay)       a Repeat's section
    (outer, section, held there, deadline there, branch, refused)      a Choice's: the branch taken, those that rejected
    (outer, section, held there, deadline there)                       a Middleware's

Both are found by walking, not by parent pointers: a cluster shared by a hundred routes is a graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from .call import Call, Verdict
from .errors import AttemptTimedOut, DeadlineExceeded, Overloaded, Rejected, TimedOut
from .observe.events import RejectedCall
from .policy import Waiter
from .section import BOUND, CHOICE, LEAF, REPEAT, Section, named

__all__ = [
    "admit",
    "advance",
    "again",
    "elsewhere",
    "expired",
    "gather",
    "outlived",
    "patience",
    "release",
    "survived",
    "willing",
]

IGNORED = Verdict.IGNORED

survived: list[Any] = [0, None]
"""How many exits and predicates raised, against the law, and the last error: counted, and no call is lost to them."""


def _survive(error: Exception) -> None:
    survived[0] += 1
    survived[1] = error


def gather(call: Call, gates: Iterable[Any]) -> None:
    """Ask what the gates must know of the request. Runs user code: outside the lock."""
    facts = call.facts = dict(call.facts) if call.facts else {}
    for gate in gates:
        if gate not in facts:
            facts[gate] = gate.facts(call)


def advance(call: Call, section: Section, now: float) -> Any:
    """Walk from a section to the leaf.

    Answers ``None``: send it; seconds: sleep, then advance from ``call.rest``; a `Waiter`: stand in its queue, then
    `admit`; a `Section`: gather its facts and advance from it, or, where it is a middleware's, run that in place of
    sending. Raises `Rejected` with ``call.held`` at what was entered.
    """
    enter = None
    while True:
        try:
            for enter in section.enters:
                wait = enter(call, now)
                if wait:
                    return _halt(call, section, enter, wait, now)
            if section.exits:
                call.held = (call.held, section.exits, now)
            enter = None
            kind = section.kind
            if kind is LEAF:
                return None
            if kind is CHOICE:
                branch = section.step(call, now)
                call.marks = (call.marks, section, call.held, call.deadline, branch, ())
                section = branch
                if section.facts is not None:
                    return section
                continue
            if kind is BOUND:
                until = section.step(call, now)
                if call.deadline is None or until < call.deadline:
                    call.deadline = until
            elif kind is REPEAT:
                call.attempt = 1
                call.marks = (call.marks, section, call.held, call.deadline, 1, 0.0)
            else:
                call.marks = (call.marks, section, call.held, call.deadline)
                return section
            section = section.after  # type: ignore[assignment]  # only a leaf and a choice end a chain
        except Rejected as rejection:
            if enter is not None:
                _settle_before(call, section, section.enters.index(enter), now)
            if call.marks is None or call.marks[1].kind is not CHOICE:
                raise
            other = elsewhere(call, rejection, now)
            if other is None:
                raise
            section, enter = other, None
            if section.facts is not None:
                return section
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
    """A gate has the call wait: remember what was entered, and where to go on."""
    k = section.enters.index(enter)
    _settle_before(call, section, k, now)
    exit, leave, rest = section.behind[k]
    if wait.__class__ is Waiter:
        call.rest = (exit, leave, rest)
    else:
        if exit is not None:
            call.held = (call.held, (exit,), now + wait)
        call.rest = rest
    return wait


def elsewhere(call: Call, rejection: Rejected, now: float) -> Section | None:
    """The branch to try instead of one that rejected, directly below a choice: nothing was sent, no attempt spent.

    A choice that has no other branch has itself rejected: a choice directly around it is asked next. ``None``: nobody
    is left, the rejection stands.
    """
    mark = call.marks
    while mark is not None and mark[1].kind is CHOICE:
        outer, section, held, deadline, branch, refused = mark
        if rejection.endpoint is None:
            rejection.endpoint = call.endpoint
        call.avoid = (*call.avoid, call.endpoint)
        release(call, held, now, IGNORED)
        call.deadline = deadline
        other: Section = section.step(call, now)
        refused = (*refused, branch)
        if other not in refused:
            call.marks = (outer, section, held, deadline, other, refused)
            return other
        mark = outer
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
    """A place was given up for want of time: nothing was sent, so it is `Overloaded`.

    Answers where to go instead, or raises it.
    """
    name = named(call.rest[1].__self__)
    rejection = Overloaded("no permit within %.3g s", waited, policy=name)
    if call.events is not None:  # no gate's own, so no watching gate sees it
        call.events.append(RejectedCall(now, name, call.endpoint, rejection))
    section = elsewhere(call, rejection, now)
    if section is not None:
        return section
    try:
        raise rejection
    finally:
        del rejection  # no cycle of error, traceback and frame


def willing(call: Call, base: Any) -> tuple[Any, ...]:
    """The marks above ``base`` of the retries that would repeat what ``call.failure`` says, innermost first.

    Runs user code: outside the lock. A predicate that raises repeats nothing: the failure it was asked about must not
    be lost behind its own.
    """
    found = []
    mark = call.marks
    while mark is not base:
        if mark[1].kind is REPEAT:
            try:
                if mark[1].state.matches(call.failure):
                    found.append(mark)
            except Exception as error:
                _survive(error)
                if call.failure is not None and call.failure.error is not None:
                    with suppress(Exception):
                        call.failure.error.add_note(f"{named(mark[1].state)}: its predicate raised {error!r}")
        mark = mark[0]
    return tuple(found)


def again(call: Call, marks: tuple[Any, ...], now: float, verdict: Verdict) -> float | None:
    """Ask the retries, innermost first. On a yes everything inside that retry is given back, and the walk may go on
    from ``call.rest`` after the answered delay.
    """
    inside, number = call.deadline, call.attempt
    for outer, section, held, deadline, attempt, delay in marks:
        call.attempt = attempt
        call.delay = delay
        call.deadline = deadline
        wait = section.step(call, now, verdict)
        if wait is not None:
            call.attempt = number
            release(call, held, now, verdict)
            call.attempt = attempt + 1
            call.delay = wait
            call.marks = (outer, section, held, deadline, attempt + 1, wait)
            call.rest = section.after
            if call.endpoint is not None:
                call.avoid = (*call.avoid, call.endpoint)
            return wait  # type: ignore[no-any-return]
    call.deadline = inside
    return None


def release(call: Call, base: Any, now: float, verdict: Verdict) -> None:
    """Give back what the call holds above ``base``, innermost first; each thing once, also if Ctrl-C interrupts it."""
    held = call.held
    if held is None:  # nothing was taken, or a stream has ended and given back what those around it hold as well
        return
    while held is not base:
        outer, exits, began = held
        for exit in exits:
            try:
                exit(call, began, now, verdict)
            except Exception as error:
                _survive(error)
            except BaseException:  # Ctrl-C: the others are given back all the same, and nothing twice
                call.held = (outer, exits[exits.index(exit) + 1 :], began)
                release(call, base, now, verdict)
                raise
        held = outer
    call.held = base


def expired(call: Call, began: float, now: float) -> TimedOut:
    """The error for a deadline that passed while the call was out: the attempt's, or the whole call's."""
    mark = call.marks
    while mark is not None and mark[1].kind is not REPEAT:
        mark = mark[0]
    if mark is not None and (mark[3] is None or mark[3] > now):
        text = f"attempt {mark[4]}: no answer within {(call.deadline or now) - began:.3g} s"
        return AttemptTimedOut(text, endpoint=call.endpoint)
    text = f"no answer within {(call.deadline or now) - call.began_at:.3g} s"
    return DeadlineExceeded(text, endpoint=call.endpoint)
