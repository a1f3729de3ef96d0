"""What is left to say when a call has ended? The note on its exception, the events for its listeners."""

from __future__ import annotations

from typing import Any

from ..call import Call

__all__ = ["noted", "told"]


def noted(error: BaseException, call: Call, now: float) -> BaseException:
    """The upstream's own exception, with a note (PEP 678) where a retry stood behind it."""
    if call.stopped is not None or not hasattr(error, "__notes__"):
        plural = "" if call.attempt == 1 else "s"
        why = "" if call.stopped is None else f", stopped: {call.stopped}"
        error.add_note(f"{call.attempt} attempt{plural} in {now - call.began_at:.3g} s{why}")
        call.stopped = None  # it is said once, also where the error passes a middleware
    return error


def told(tree: Any, call: Call) -> None:
    """Deliver what was written down, outside the lock."""
    events, call.events = call.events, []
    for event in events or ():
        tree.tell(event)
