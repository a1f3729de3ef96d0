"""How did one attempt end, in words? The predicate of a sentence about it.

======================================  ============================================================
a failure is known                      was answered with status 503; found the connection refused
of another pipeline, further in         ran out of time further in; was refused further in
the answer had begun                    was answered with status 200, and its body broke off after 2 s
given up, in a race that another won    was given up after 0.3 s, as another was quicker
the call was cancelled                  was cut off after 0.3 s
======================================  ============================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .phrases import cause, flag, named, number, part, parts, seconds, text, whole

__all__ = ["Attempt", "begun", "ending", "inner", "together"]


class Attempt:
    """One attempt: where its story stands among the steps, and how it ended."""

    __slots__ = ("ended", "endpoint", "instead", "number", "place")

    def __init__(self, number: int, place: int, endpoint: str) -> None:
        self.number = number
        self.place = place
        self.endpoint = endpoint
        self.ended: dict[str, Any] | None = None
        self.instead = False
        """Whether it is one of a fallback's."""

    @property
    def verdict(self) -> str:
        return "" if self.ended is None else text(self.ended, "verdict")


def ending(ended: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Of an ``"attempt-ended"`` of this record."""
    took = number(ended, "latency")
    took = number(ended, "duration") if took is None else took
    after = "" if took is None else f" after {seconds(took)}"
    verdict, failure = text(ended, "verdict"), part(ended, "failure")
    if verdict == "success":
        return f"succeeded{after}"
    if not failure and _last(ended, data) and verdict != "ignored":
        failure = part(data, "failure")
    status = begun(data) if _last(ended, data) else None
    if text(part(data, "call"), "kind") == "server":
        return _served(failure, status, after, data)
    given = part(data, "failure")
    if status is not None and given and text(failure, "error") == text(given, "error") != "":
        return _broken(failure, status, number(ended, "duration"))
    if text(failure, "error") == "DeadlineExceeded" and _replaced(ended, data) and not flag(failure, "own", False):
        return f"had no answer{after} when its time was over"
    if failure:
        return cause(failure, took, own=not inner(failure, data))
    if verdict == "ignored":
        return _ignored(after, data)
    return f"{'failed' if verdict else 'ended'}{after}"


def inner(failure: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Whether it is like the error that the caller was given, and that one is another pipeline's."""
    given = part(data, "failure")
    alike = all(failure.get(name) == given.get(name) for name in ("error", "policy"))
    return alike and flag(given, "own", False)


def _replaced(ended: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Whether a fallback came after it: the time that was over is not the whole call's."""
    later = False
    for step in parts(data, "steps"):
        if later and text(step, "what") == "fell-back":
            return True
        later = later or step is ended
    return False


def begun(data: Mapping[str, Any]) -> int | None:
    """The status of the answer, where that has begun."""
    return whole(part(data, "answer"), "status")


def _last(ended: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Whether it is what the call has come to."""
    which = whole(ended, "number") or whole(ended, "attempt") or 1
    return which >= (whole(data, "attempts") or 0)


def _broken(failure: Mapping[str, Any], status: int, took: float | None) -> str:
    after = "" if took is None else f" after {seconds(took)}"
    if text(failure, "kind") == "cancelled":
        return f"was answered with status {status}, and cut off{after}"
    if text(failure, "error") == "DeadlineExceeded":
        return f"was answered with status {status}, and its body was not complete{after}, when the deadline passed"
    return f"was answered with status {status}, and its body broke off{after} ({named(failure)})"


def _ignored(after: str, data: Mapping[str, Any]) -> str:
    raced = [step for step in parts(data, "steps") if text(step, "what") == "hedged"]
    won = raced and any(text(step, "verdict") == "success" for step in parts(data, "steps"))
    if data.get("outcome") == "cancelled" and not won:
        return f"was cut off{after}"
    if raced:
        return f"was given up{after}{', as another was quicker' if won else ''}"
    failure = part(data, "failure")
    if failure:
        return cause(failure, None, own=not inner(failure, data))
    status = begun(data)  # that of a judge's own mind
    return f"came to nothing{after}" if status is None else f"was answered with status {status}{after}"


def _served(failure: Mapping[str, Any], status: int | None, after: str, data: Mapping[str, Any]) -> str:
    """Of the app that a server's call is for."""
    app = status if text(part(data, "answer"), "by") == "app" else None
    if (given := whole(failure, "status")) is not None or (given := app) is not None:
        late = text(failure, "error")
        return f"answered with status {given}{after}" + (f", and then came {named(failure)}" if late else "")
    if text(failure, "kind") == "cancelled" or not (failure or part(data, "failure")):
        gone = flag(part(data, "answer"), "gone", True) and data.get("outcome") != "cancelled"
        return f"ended{after}, its client gone" if gone else f"was cut off{after}"
    failure = failure or part(data, "failure")
    if not text(failure, "error"):
        return f"returned{after} without a whole answer"
    if text(failure, "kind") == "timeout" and not flag(failure, "own", False) and not inner(failure, data):
        return f"had no answer{after}"
    says = text(failure, "says")
    return f"raised {text(failure, 'error')}{after}{f' ({says})' if says else ''}"


def together(attempts: list[Attempt]) -> str:
    """What several have come to that are not told one by one."""
    verdicts = {attempt.verdict for attempt in attempts}
    if verdicts <= {"failure", "overloaded"}:
        return "failed"
    return "came to nothing" if verdicts <= {"failure", "overloaded", "ignored"} else "had not ended"
