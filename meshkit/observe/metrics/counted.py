"""What is counted of a call, and where? A tuple for each event, in line to be counted; or one for all of it.

::

    well             once sent, and well: one `Ways` entry      attempts + 1, durations of the call and of its route
    else             each event for itself                      the same, and what is rare
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..events import (
    AttemptBegan,
    AttemptEnded,
    CallEnded,
    FaultInjected,
    FellBack,
    GaveUp,
    Hedged,
    RejectedCall,
    Retried,
    StateChanged,
    WouldReject,
)
from .exchanges import Note
from .series import MANY, Tally, Ways

__all__ = ["ATTEMPTS", "CALLS", "ROUTES", "Counted", "Told"]

ATTEMPTS = "meshkit_attempts_total"
CALLS = "meshkit_call_duration_seconds"
ROUTES = "meshkit_route_duration_seconds"

RARE: Mapping[type, tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    RejectedCall: ("meshkit_rejections_total", lambda event: (event.policy, type(event.reason).__name__)),
    Retried: ("meshkit_retries_total", lambda event: (event.policy,)),
    GaveUp: ("meshkit_retries_stopped_total", lambda event: (event.policy, event.reason)),
    Hedged: ("meshkit_hedges_total", lambda event: (event.policy,)),
    FellBack: ("meshkit_fallbacks_total", lambda event: (event.policy,)),
    FaultInjected: ("meshkit_faults_injected_total", lambda event: (event.policy,)),
    WouldReject: ("meshkit_would_reject_total", lambda event: (event.policy,)),
    StateChanged: (
        "meshkit_state_changes_total",
        lambda event: (event.policy, event.before, event.after),
    ),
}


class Told:
    """What is told of every event of one pipeline."""

    __slots__ = ("_label", "_note", "_tally")

    def __init__(self, tally: Tally, label: str, note: Note) -> None:
        self._tally = tally
        self._label = label
        self._note = note

    def __call__(self, event: Any, /) -> None:
        kind, label, tally = event.__class__, self._label, self._tally
        tables, pending = tally.tables, tally.pending
        if kind is AttemptBegan:
            return
        if kind is AttemptEnded:
            endpoint = event.endpoint
            name = None if endpoint is None else str(endpoint)
            pending.append((tables[ATTEMPTS], (label, event.cluster, name, event.verdict._value_), None, None))
            return
        if kind is CallEnded:
            seconds = event.at - event.began_at
            outcome = event.verdict._value_ if event.failure is None else event.outcome
            if event.route or event.branch:
                pending.append((tables[ROUTES], (label, event.route, event.branch, outcome), seconds, None))
            try:
                self._note(tables[CALLS], (label, outcome), seconds)
            finally:
                if len(pending) >= MANY:
                    tally.settle()
        elif (found := RARE.get(kind)) is not None:
            metric, values = found
            pending.append((tables[metric], (label, *values(event)), None, None))
            if len(pending) >= MANY:
                tally.settle()


class Counted(Told):
    """The same where no exemplar is asked for: all that there is to say of a usual call is said at once."""

    __slots__ = ("_append", "_pending", "_ways")

    def __init__(self, tally: Tally, label: str, note: Note) -> None:
        super().__init__(tally, label, note)
        self._pending = tally.pending
        self._append = tally.pending.append
        tables = tally.tables
        self._ways = Ways(label, tables[ATTEMPTS], tables[CALLS], tables[ROUTES])

    def well(self, call: Any, now: float, ended: tuple[Any, ...], /) -> None:
        events, endpoint = call.events, ended[2]
        way = id(endpoint), ended[8], events.route, events.branch
        self._append((self._ways, way, now - call.began_at, endpoint))
        if len(self._pending) >= MANY:
            self._tally.settle()
