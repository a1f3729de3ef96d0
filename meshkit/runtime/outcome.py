"""What is left to say when a call has ended? The note on its exception, the events for its listeners, the line in the
ledger.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..call import Call, Verdict
from ..deadline import spend

__all__ = ["noted", "told"]

MANY = 8
"""Notes after which an exception gets no more of ours: the same object may be raised again and again."""


def noted(error: BaseException, call: Call, now: float) -> BaseException:
    """The upstream's own exception, with a note (PEP 678) where a retry stood behind it."""
    notes = getattr(error, "__notes__", ())
    if len(notes) < MANY and (call.stopped is not None or not notes):
        plural = "" if call.attempt == 1 else "s"
        why = "" if call.stopped is None else f", stopped: {call.stopped}"
        with suppress(Exception):  # some take no attributes
            error.add_note(f"{call.attempt} attempt{plural} in {now - call.began_at:.3g} s{why}")
        call.stopped = None  # it is said once, also where the error passes a middleware
    return error


def told(tree: Any, call: Call, now: float, verdict: Verdict) -> None:
    """Deliver what was written down, outside the lock, and enter what the call took into the ledger of who made it."""
    if call.scope is not None and not call.over:
        call.over = True
        spend(call.scope, call.door.who(call), now - call.began_at, call.attempt, verdict.value)
    if call.events is not None:
        events, call.events = call.events, []
        for event in events:
            tree.tell(event)
