"""What happens next? The functions that walk a call through the folded policies, and back.

A pipeline is folded into `Section`s when it is built. `advance` walks from a section to the leaf, `again` walks back
to a retry, `release` gives everything back. They are plain functions over plain data: no clock, no lock, no await. The
shells in ``runtime`` call them under the one lock and do what they answer.

What a call has taken is an immutable linked list of frames ``(outer, exit, began)`` in ``call.held``, one per gate with
something to settle. A frame whose ``exit`` is ``None`` is a mark: a place the walk can come back to. Its data tell
which::

    Repeat      (section, attempt, delay, deadline outside)
    Choice      (section, deadline outside, branch taken, branches refused)
    Middleware  (section, deadline outside)

Frames are found by walking, not by parent pointers: a cluster shared by a hundred routes is a graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .call import Call, Verdict
from .errors import AttemptTimedOut, DeadlineExceeded, Overloaded, Rejected, TimedOut
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
    `admit`; a `Section`: gather its facts and advance from it, or, where its kind is ``"middleware"``, run that in
    place of sending. Raises `Rejected` with ``call.held`` at what was entered.
    """
    held = call.held
    while True:
        try:
            while True:
                for enter, exit, leave, rest in section.gates:
                    wait = enter(call, now)
                    if wait:
                        if wait.__class__ is Waiter:
                            call.held = held
                            call.rest = (exit, leave, rest)
                            return wait
                        call.held = held if exit is None else (held, exit, now + wait)
                        call.rest = rest
                        return wait
                    if exit is not None:
                        held = (held, exit, now)
                kind = section.kind
                if kind is LEAF:
                    call.held = held
                    return None
                if kind is CHOICE:
                    branch = section.step(call, now)
                    held = (held, None, (section, call.deadline, branch, ()))
                    section = branch
                    if section.facts is not None:
                        call.held = held
                        return section
                    continue
                if kind is BOUND:
                    until = section.step(call, now)
                    if call.deadline is None or until < call.deadline:
                        call.deadline = until
                elif kind is REPEAT:
                    call.attempt = 1
                    held = (held, None, (section, 1, 0.0, call.deadline))
                else:
                    call.held = (held, None, (section, call.deadline))
                    return section
                section = section.after  # type: ignore[assignment]  # only a leaf and a choice end a chain
        except Rejected as rejection:
            call.held = held
            section = elsewhere(call, rejection, now)
            held = call.held
            if section.facts is not None:
                return section


def elsewhere(call: Call, rejection: Rejected, now: float) -> Section:
    """The branch to try instead of one that rejected, directly below a choice: nothing was sent, no attempt is spent."""
    mark = call.held
    while mark is not None and mark[1] is not None:
        mark = mark[0]
    if mark is None or mark[2][0].kind is not CHOICE:
        raise rejection
    outer, _, (section, deadline, branch, refused) = mark
    if rejection.endpoint is None:
        rejection.endpoint = call.endpoint
    before = call.avoid
    call.avoid = (*before, call.endpoint)
    other = section.step(call, now)
    refused = (*refused, branch)
    if other in refused:
        raise rejection
    release(call, mark, now, IGNORED)
    call.deadline = deadline
    call.held = (outer, None, (section, deadline, other, refused))
    return other  # type: ignore[no-any-return]


def patience(call: Call, waiter: Waiter) -> float | None:
    """The instant at which standing in a queue ends: the gate's own limit or the call's deadline; ``None``: never."""
    if waiter.until is None or (call.deadline is not None and call.deadline < waiter.until):
        return call.deadline
    return waiter.until


def admit(call: Call, waiter: Waiter, now: float) -> Section | None:
    """Standing in a queue is over.

    A granted place is an entry: answers where the walk goes on; another one is given up.
    """
    exit, leave, rest = call.rest
    if not waiter.granted:
        leave(waiter)
        return None
    call.held = (call.held, exit, now)
    return rest  # type: ignore[no-any-return]


def outlived(call: Call, waited: float, now: float) -> Section:
    """A place was given up for want of time: nothing was sent, so it is `Overloaded`.

    Answers where to go instead, or raises it.
    """
    leave = call.rest[1]
    return elsewhere(call, Overloaded("no permit within %.3g s", waited, policy=named(leave.__self__)), now)


def willing(call: Call, base: Any) -> tuple[Any, ...]:
    """The marks of the retries, innermost first, that would repeat what ``call.failure`` says. Runs user code: outside
    the lock.

    A predicate that raises repeats nothing: the failure it was asked about must not be lost behind its own.
    """
    marks = []
    held = call.held
    while held is not base:
        outer, exit, data = held
        if exit is None and data[0].kind is REPEAT:
            try:
                if data[0].state.matches(call.failure):
                    marks.append(held)
            except Exception as error:
                _survive(error)
        held = outer
    return tuple(marks)


def again(call: Call, marks: tuple[Any, ...], now: float, verdict: Verdict) -> float | None:
    """Ask the retries, innermost first. On a yes everything inside that retry is given back, and the walk may go on
    from ``call.rest`` after the answered delay.
    """
    inside = call.deadline
    for mark in marks:
        outer, _, (section, attempt, delay, deadline) = mark
        call.attempt = attempt
        call.delay = delay
        call.deadline = deadline
        wait = section.step(call, now, verdict)
        if wait is not None:
            release(call, mark, now, verdict)
            call.attempt = attempt + 1
            call.delay = wait
            call.held = (outer, None, (section, attempt + 1, wait, deadline))
            call.rest = section.after
            if call.endpoint is not None:
                call.avoid = (*call.avoid, call.endpoint)
            return wait  # type: ignore[no-any-return]
    call.deadline = inside
    return None


def release(call: Call, base: Any, now: float, verdict: Verdict) -> None:
    """Give back what the call holds above ``base``, innermost first."""
    held = call.held
    while held is not base:
        held, exit, began = held
        if exit is not None:
            try:
                exit(call, began, now, verdict)
            except Exception as error:
                _survive(error)
        elif began[0].kind is REPEAT:
            call.attempt = began[1]
    call.held = base


def expired(call: Call, began: float, now: float) -> TimedOut:
    """The error for a deadline that passed while the call was out: the attempt's, or the whole call's."""
    held = call.held
    while held is not None and not (held[1] is None and held[2][0].kind is REPEAT):
        held = held[0]
    if held is not None and (held[2][3] is None or held[2][3] > now):
        text = f"attempt {held[2][1]}: no answer within {now - began:.3g} s"
        return AttemptTimedOut(text, endpoint=call.endpoint)
    return DeadlineExceeded(f"no answer within {now - call.began_at:.3g} s", endpoint=call.endpoint)
