"""How does one call walk twice at once, or once more from where it stands? By a fork: a second record of it.

What is held stands in an immutable list, so a fork begins with what the call holds and adds only what is its own. The
fork whose answer is taken is adopted: the call then holds what the fork held, as one more frame. The others give back
what is theirs, and nothing else.
"""

from __future__ import annotations

from typing import Any

from ..call import Call, Verdict
from ..deadline import beyond
from .back import release

__all__ = ["adopt", "fork", "learn"]


def fork(call: Call) -> Call:
    """A second record of a call, for a walk beside or after another one. What is held so far stays with the first."""
    twin = Call(call.door, call.request, call.began_at)
    twin.deadline = call.deadline
    twin.attempt = call.attempt
    twin.endpoint = call.endpoint
    twin.facts = call.facts
    twin.held = call.held
    twin.marks = marks = call.marks
    twin.route = call.route if marks is None else marks[4]  # another walk has told the call of its own since
    twin.avoid = call.avoid
    if call.events is not None:
        twin.events = call.events
        twin.cluster = call.cluster
        twin.number = 0
        twin.status = None
    twin.scope = call.scope
    twin.origin = call
    twin.verdict = Verdict.IGNORED
    return twin


def learn(call: Call, twin: Call) -> None:
    """What a walk by a fork has found out is known to the call; it is over."""
    twin.scope = beyond(twin.scope)
    call.attempt = twin.attempt
    call.endpoint = twin.endpoint
    call.answered_at = twin.answered_at
    call.verdict = twin.verdict
    call.avoid = twin.avoid
    call.route = twin.route
    call.failure = twin.failure or call.failure
    twin.failure = None  # its error's traceback holds a frame that holds the fork: no cycle
    if twin.quota is not None:
        call.quota = twin.quota
    if twin.spent is not None:
        call.spent = twin.spent
    if twin.cookies is not None:
        call.cookies = twin.cookies


def adopt(call: Call, base: Any, twin: Call, now: float) -> None:
    """The fork's answer is the call's: what the fork holds above ``base``, the call gives back."""
    learn(call, twin)
    if twin.held is not base:

        def exit(call: Call, began: float, now: float, verdict: Verdict) -> None:
            twin.events = call.events
            twin.answered_at = call.answered_at
            twin.spent = call.spent
            twin.failure = call.failure
            release(twin, base, now, verdict)
            twin.failure = None

        call.held = (call.held, (exit,), now)
