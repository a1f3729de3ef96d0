"""What has gone wrong lately, and why? Of each kind of failure the newest story, and how often it was the same.

A kind is a listener, a route and a branch, with the outcome and what it came to (a status, the class of an error, the
policy that refused). A thousand calls that one open breaker refuses are one line with a number on it, and hide nothing
else. Stories are put into words when somebody reads them, once.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...errors import Rejected
from ...observe.redact import cause, text
from ...runtime.guard import guard

if TYPE_CHECKING:
    from ...observe.events import CallEnded
    from ...observe.record.record import Record

__all__ = ["ERRORS", "REFUSED", "Failures"]

SAME = 1.0
"""Seconds for which one story of a kind is enough."""
LINES = 30
"""Of a story."""
ERRORS = frozenset({"failure", "timeout", "overloaded"})
"""Outcomes that are errors; a call whose client has gone is none, and its story is kept all the same."""
REFUSED = "rejected"


class Kind:
    """One kind of failure."""

    __slots__ = ("_story", "_told", "about", "first", "last", "record", "times", "told_at")

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = about
        self.times = 0
        self.first = self.last = datetime.now(UTC)
        self.told_at = 0.0
        self.record: Record | None = None
        self._told: Record | None = None
        self._story = ("", [""])

    def shown(self) -> dict[str, Any]:
        """As plain data, with the story of the newest one that was recorded."""
        record = self.record
        if record is not None and record is not self._told:
            headline, *lines = record.text.split("\n")
            self._story = headline, lines[:LINES]
            self._told = record
        headline, lines = self._story
        return {
            **self.about,
            "times": self.times,
            "first": _written(self.first),
            "last": _written(self.last),
            "reason": headline or self.about["what"],
            "story": lines,
        }


class Failures:
    """The last ``most`` kinds; 0: none. Safe for any number of threads."""

    def __init__(self, most: int = 50) -> None:
        self.most = most
        self.total = 0
        """Calls that failed or were refused, since the beginning."""
        self._kinds: OrderedDict[tuple[Any, ...], Kind] = OrderedDict()
        self._lock = guard()

    def add(self, label: str, event: CallEnded, record: Record | None) -> None:
        """One more. Keeps nothing of the event, which bears a traceback."""
        failure = event.failure
        error = None if failure is None else failure.error
        status = None if failure is None else failure.status
        word = event.outcome
        policy = error.policy if isinstance(error, Rejected) else ""
        key = (label, event.route, event.branch, word, policy, status if error is None else error.__class__)
        with self._lock:
            self.total += word in ERRORS or word == REFUSED
            if not self.most:
                return
            kind = self._kinds.get(key)
            if kind is None:
                said = None if failure is None else cause(failure)
                words = [] if said is None else [said["error"] or f"status {said['status']}", said["says"]]
                kind = self._kinds[key] = Kind(
                    {
                        "pipeline": text(label),
                        "route": text(event.route),
                        "branch": text(event.branch),
                        "outcome": text(word),
                        "what": ": ".join(each for each in words if each) or text(word),
                    }
                )
                if len(self._kinds) > self.most:
                    self._kinds.popitem(last=False)
            else:
                self._kinds.move_to_end(key)
            kind.times += 1
            kind.last = datetime.now(UTC)
            if record is not None and (kind.record is None or event.at >= kind.told_at + SAME):
                kind.record, kind.told_at = record, event.at

    def shown(self) -> list[dict[str, Any]]:
        """As plain data, the newest first."""
        with self._lock:
            kinds = [*self._kinds.values()]
        return [kind.shown() for kind in reversed(kinds)]


def _written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
