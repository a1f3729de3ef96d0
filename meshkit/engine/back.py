"""What follows from how an attempt ended? The walk out: to a retry, to a fallback, or home, giving everything back."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import Any

from ..call import Call, Verdict
from ..errors import AttemptTimedOut, DeadlineExceeded, TimedOut
from ..section import FALLBACK, REPEAT, named

__all__ = ["again", "expired", "fall", "finish", "first", "release", "survive", "survived", "willing"]

IGNORED = Verdict.IGNORED
MANY = 8
"""Notes after which an exception gets no more of ours: the same object may be raised again and again."""

survived: list[Any] = [0, None]
"""How many exits, predicates and the like raised, and the last error: counted, and no call is lost to them."""


def survive(error: Exception) -> None:
    """Count an error of user code that no call is lost to."""
    survived[0] += 1
    survived[1] = error


def willing(call: Call, base: Any, verdict: Verdict) -> tuple[Any, ...]:
    """The marks above ``base`` of the retries and fallbacks that are for what ``call.failure`` says, innermost first.

    Runs user code: outside the lock. A predicate that raises matches nothing: the failure it was asked about must not
    be lost behind its own. What was IGNORED (rejected further in) is never repeated, but may fall back.
    """
    found = []
    mark = call.marks
    while mark is not base:
        kind = mark[1].kind
        if kind is FALLBACK or (kind is REPEAT and verdict is not IGNORED):
            try:
                if mark[1].state.matches(call.failure):
                    found.append(mark)
            except Exception as error:
                survive(error)
                failed = call.failure.error if call.failure is not None else None
                if failed is not None and len(getattr(failed, "__notes__", ())) < MANY:
                    with suppress(Exception):  # some take no attributes
                        failed.add_note(f"{named(mark[1].state)}: its predicate raised {type(error).__name__}")
        mark = mark[0]
    return tuple(found)


def again(call: Call, marks: tuple[Any, ...], now: float, verdict: Verdict) -> float | None:
    """Ask the retries and fallbacks, innermost first. On a yes everything inside is given back, and the walk may go on
    from ``call.rest`` after the answered delay.
    """
    inside, number = call.deadline, call.attempt
    for mark in marks:
        section = mark[1]
        if section.kind is FALLBACK:
            route = call.route
            if fall(call, mark, now, verdict):
                call.failed = (call.failure, verdict, call.held, marks, call.marks, call.attempt, route)
                return 0.0
            continue
        outer, section, held, deadline, route, attempt, delay = mark
        call.attempt = attempt
        call.delay = delay
        call.deadline = deadline
        try:
            wait = section.step(call, now, verdict)
            if wait is not None and not 0 <= wait < inf:
                raise ValueError(f"{named(section.state)}: again() answered {wait!r}")
        except Exception as error:  # of a backoff or a budget: the failure must not be lost behind it
            survive(error)
            wait = None
        if wait is not None:
            call.attempt = number
            release(call, held, now, verdict)
            call.attempt = attempt + 1
            call.delay = wait
            call.marks = (outer, section, held, deadline, route, attempt + 1, wait)
            call.rest = section.after
            call.failed = (call.failure, verdict, held, marks, call.marks, attempt, call.route)
            call.route = route
            if call.endpoint is not None:
                call.avoid = (*call.avoid, call.endpoint)
            return wait  # type: ignore[no-any-return]
    call.deadline = inside
    return None


def fall(call: Call, mark: Any, now: float, verdict: Verdict) -> bool:
    """Take a fallback: give back everything inside it, and go on from ``call.rest``. False: no time is left, or it will
    not.
    """
    outer, section, held, deadline, route = mark
    if (deadline is not None and now >= deadline) or not section.step(call, now):
        return False
    release(call, held, now, verdict)
    call.deadline = deadline
    call.route = route
    call.marks = outer
    call.rest = section.branch
    return True


def first(call: Call) -> BaseException | None:
    """The refusal that a fallback was to take the place of; the call forgets it: no cycle of error and call."""
    error: BaseException | None = call.failed[0].error
    call.failed = call.failure = None
    return error


def release(call: Call, base: Any, now: float, verdict: Verdict) -> None:
    """Give back what the call holds above ``base``, innermost first; each thing once, also if Ctrl-C interrupts it."""
    held = call.held
    while held is not base:
        outer, exits, began = held
        for exit in exits:
            try:
                exit(call, began, now, verdict)
            except Exception as error:
                survive(error)
            except BaseException:  # Ctrl-C: the others are given back all the same, and nothing twice
                call.held = (outer, exits[exits.index(exit) + 1 :], began)
                release(call, base, now, verdict)
                raise
        held = outer
    call.held = base


def finish(call: Call, now: float, verdict: Verdict) -> None:
    """Give back what a call holds, and what those hold that it was forked from: its answer is complete, although what
    runs around it has not returned.
    """
    origin = call.origin
    while origin is not None:
        release(call, origin.held, now, verdict)
        call, origin = origin, origin.origin
    release(call, None, now, verdict)


def expired(call: Call, began: float, now: float) -> TimedOut:
    """The error for a deadline that passed while the call was out: the attempt's, or the whole call's."""
    mark = call.marks
    while mark is not None and mark[1].kind is not REPEAT:
        mark = mark[0]
    if mark is not None and (mark[3] is None or mark[3] > now):
        text = f"attempt {mark[5]}: no answer within {(call.deadline or now) - began:.3g} s"
        error: TimedOut = AttemptTimedOut(text, endpoint=call.endpoint)
    else:
        text = f"no answer within {(call.deadline or now) - call.began_at:.3g} s"
        error = DeadlineExceeded(text, endpoint=call.endpoint)
    if call.events is not None:
        call.events.claim(error)
    return error
