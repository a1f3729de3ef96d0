"""When is an answer complete, and what then? Everything the call holds is given back, while the app may run on."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

from ..call import Call, Verdict
from ..engine import finish, release
from ..runtime.alarm import lift
from ..runtime.lock import LOCK
from ..runtime.telling import told

__all__ = ["begun", "ended", "left", "unbound"]

SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED
acquire, unlock = LOCK.acquire, LOCK.release  # as in runtime/tasks.py


def begun(call: Call) -> None:
    """An answer that has begun cannot be replaced: there is no fallback to come back to."""
    for each in chain(call):
        each.marks = None if each.origin is None else each.origin.marks


def ended(exchange: Any) -> None:
    """The last of an exchange has been sent: its call ends with the verdict of its beginning.

    What the app does from here on is its own affair: it holds no permit, and no deadline strikes it or a call it makes.
    """
    call = exchange.call
    door = exchange.door
    verdict = exchange.verdict
    if verdict is not SUCCESS:
        if exchange.gone:
            verdict = exchange.verdict = IGNORED
        elif verdict is not IGNORED and call.events is not None:
            failure = exchange.failure()
            for each in chain(call):
                each.failure = failure
    whole = call
    if call.origin is not None:
        for whole in chain(call):
            whole.answered_at = call.answered_at
    if call.deadline is not None:
        unbound(call)
    now = door.clock()
    acquire()
    try:
        if whole is call:
            release(call, None, now, verdict)
        else:
            finish(call, now, verdict)
    finally:
        unlock()
    if whole.events is not None or whole.scope is not None:
        told(door.pipeline, whole, now, verdict)


def unbound(call: Call) -> None:
    """No deadline any more, for the app and for the calls it makes."""
    if call.origin is None:
        lift(call)
    else:
        for each in chain(call):
            lift(each)


def left(call: Call) -> None:
    """The app has returned. What it has left running (a worker started on the first request, a function in a thread)
    inherits the deadline of a call that is over; see `meshkit.deadline.until`.
    """
    for each in chain(call):
        if each.deadline is not None and each.deadline != inf:
            each.deadline = -inf


def chain(call: Call) -> Iterator[Call]:
    """A call and what it was forked from: the walk of a middleware is a fork."""
    each: Call | None = call
    while each is not None:
        yield each
        each = each.origin
