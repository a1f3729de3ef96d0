"""How is each event written in a decision record? Its step, as plain data.

Every step has ``at``, the seconds since the call began, and ``what``; the others are those of the event, cleaned by
`meshkit.observe.redact`. The table is in ``docs/reference/decision-record.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..events import (
    AttemptBegan,
    AttemptEnded,
    Bounded,
    FaultInjected,
    FellBack,
    GaveUp,
    Hedged,
    Passed,
    Picked,
    RejectedCall,
    Retried,
    Routed,
    StateChanged,
    Step,
    WouldReject,
)
from ..redact import cause, numbers, text

__all__ = ["AS_IT_IS", "AT_ONCE", "FORMS", "seconds"]

CANDIDATES = 10
"""Of a pick."""


def seconds(value: float) -> float | None:
    """To the microsecond; ``None`` where it is no finite number."""
    return round(value, 6) if math.isfinite(value) else None


def _endpoint(endpoint: Any) -> str | None:
    return None if endpoint is None else text(endpoint)


def _of_attempt(event: AttemptBegan | AttemptEnded) -> dict[str, Any]:
    return {
        "number": event.number,
        "attempt": event.attempt,
        "endpoint": _endpoint(event.endpoint),
        "cluster": text(event.cluster),
    }


def _ended(event: AttemptEnded) -> dict[str, Any]:
    return {
        **_of_attempt(event),
        "verdict": event.verdict.value,
        "latency": seconds(event.latency),
        "duration": seconds(event.duration),
        "failure": None if event.failure is None else cause(event.failure),
    }


def _rejected(event: RejectedCall) -> dict[str, Any]:
    why = cause(event.reason)
    said = {
        "policy": text(event.policy),
        "endpoint": _endpoint(event.endpoint),
        "error": why["error"],
        "says": why["says"],
        "retry_after": why["retry_after"],
    }
    return said if event.numbers is None else {**said, "numbers": numbers(event.numbers)}


def _retried(event: Retried) -> dict[str, Any]:
    said = {
        "policy": text(event.policy),
        "attempt": event.attempt,
        "delay": seconds(event.delay),
        "numbers": numbers(event.numbers),
    }
    return said if event.failure is None else {**said, "failure": cause(event.failure)}


def _gave_up(event: GaveUp) -> dict[str, Any]:
    known = numbers(event.numbers)
    return {
        "policy": text(event.policy),
        "attempt": event.attempt,
        "reason": text(event.reason),
        "numbers": known,
    }


def _passed(event: Passed) -> dict[str, Any]:
    said: dict[str, Any] = {"policy": text(event.policy), "endpoint": _endpoint(event.endpoint)}
    said["numbers"] = numbers(event.numbers)
    if event.wait:
        said["wait"] = seconds(event.wait)
    if event.queued:
        said["queued"] = True
    return said


def _picked(event: Picked) -> dict[str, Any]:
    return {
        "policy": text(event.policy),
        "endpoint": _endpoint(event.endpoint),
        "candidates": [[text(name), numbers(known)] for name, known in event.candidates[:CANDIDATES]],
        "of": event.of,
    }


def _routed(event: Routed) -> dict[str, Any]:
    said = {"policy": text(event.policy), "kind": text(event.kind), "route": text(event.route), "to": text(event.to)}
    return {**said, "here": True} if event.here else said


def _would_reject(event: WouldReject) -> dict[str, Any]:
    says = cause(event.reason)["says"]
    return {"policy": text(event.policy), "endpoint": _endpoint(event.endpoint), "says": says}


def _changed(event: StateChanged) -> dict[str, Any]:
    return {
        "policy": text(event.policy),
        "endpoint": _endpoint(event.endpoint),
        "before": text(event.before),
        "after": text(event.after),
    }


FORMS: dict[type, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    AttemptBegan: ("attempt-began", _of_attempt),
    AttemptEnded: ("attempt-ended", _ended),
    Bounded: ("bounded", lambda event: {"policy": text(event.policy), "seconds": seconds(event.until - event.at)}),
    FaultInjected: ("fault", lambda event: {"policy": text(event.policy), "endpoint": _endpoint(event.endpoint)}),
    FellBack: ("fell-back", lambda event: {"policy": text(event.policy), "failure": cause(event.reason)}),
    GaveUp: ("gave-up", _gave_up),
    Hedged: ("hedged", lambda event: {"policy": text(event.policy), "attempt": event.attempt}),
    Passed: ("passed", _passed),
    Picked: ("picked", _picked),
    RejectedCall: ("rejected", _rejected),
    Retried: ("retried", _retried),
    Routed: ("routed", _routed),
    StateChanged: ("changed", _changed),
    Step: (
        "step",
        lambda event: {"number": event.number, "name": text(event.name), "seconds": seconds(event.seconds)},
    ),
    WouldReject: ("would-reject", _would_reject),
}
AT_ONCE = frozenset({FellBack, GaveUp, RejectedCall, Retried, WouldReject})
"""What holds an exception; an `AttemptEnded` does where it has failed."""
AS_IT_IS = frozenset({Bounded, FaultInjected, Hedged, Passed, Picked, Routed, StateChanged, Step})
"""What holds none, and is kept as it came."""
