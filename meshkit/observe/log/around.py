"""What does a call begin in? A trace, a deadline and a ledger; and a line says of each what came of it.

========  =============================================================================================================
trace     the ids in the fields of the request that it is done for: the caller's trace, and the caller's span
deadline  that of whoever waits for it: a call that is cancelled after it has passed has run out of time
ledger    where calls made below are entered, also before somebody has asked, and after this call's own end
========  =============================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from ...deadline import CURRENT, EARLY, Spent, until
from ...fields.trace_context import ids
from ..ledger import Ledger
from ..passing import PASSING

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline
    from ..events import CallEnded

__all__ = ["Around", "traced"]


class Around:
    """Of one call, looked at as it begins. Keeps neither the call nor the one around it."""

    __slots__ = ("_ledger", "_until", "passing")

    def __init__(self, pipeline: Pipeline, call: Call, *, serves: bool = False) -> None:
        self.passing = PASSING.get()
        self._until = inf
        scope = CURRENT.get()  # the call takes it over only afterwards
        if scope is not None:
            at = until(scope, pipeline.clock, call.began_at)
            self._until = inf if at is None else at
        self._ledger = Ledger(call, scope) if serves else None

    def late(self, event: CallEnded) -> bool:
        """Whether it was cancelled because the deadline of whoever waited for it had passed."""
        return event.outcome == "cancelled" and event.at >= self._until - EARLY

    def below(self) -> list[Spent]:
        """The calls made by the one served, without those that they have made themselves."""
        return [] if self._ledger is None else self._ledger.made


def traced(
    trace: Callable[[], Mapping[str, Any] | None] | None,
    passing: Sequence[tuple[bytes, bytes]],
    taken: Callable[[str], bool],
) -> dict[str, Any]:
    """What a line is to say of the trace. A name that is ``taken`` gets ``meshkit_`` in front of it."""
    if trace is None:
        more: Mapping[Any, Any] = (ids(passing) or {}) if passing else {}
    else:
        try:
            more = dict(trace() or {})
        except Exception as error:  # a line without a trace is better than none
            more = {"meshkit_trace_failed": type(error).__name__}
    return {(f"meshkit_{key}" if taken(str(key)) else str(key)): value for key, value in more.items()}
