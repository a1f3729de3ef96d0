"""What is left to say when a call has ended? The note on its exception, the events for its listeners."""

from __future__ import annotations

from typing import Any

from ..call import Call

__all__ = ["noted", "told"]


def noted(error: BaseException, call: Call, now: float) -> None:
    """Add a note (PEP 678) to the upstream's own exception, where a retry stood behind it."""
    plural = "" if call.attempt == 1 else "s"
    why = "" if call.stopped is None else f", stopped: {call.stopped}"
    error.add_note(f"{call.attempt} attempt{plural} in {now - call.began_at:.3g} s{why}")


def told(tree: Any, call: Call) -> None:
    """Deliver what was written down, outside the lock."""
    events, call.events = call.events, []
    for event in events or ():
        tree.tell(event)
