"""What has passed between two nodes of a graph, lately? Counts and latencies of the last window, and the last error.

Two halves take turns, as those of a `Sketch` do: where a share ``s`` of the present one is over, there were
``present + (1 - s) * before`` in the last window. A rate divides that by the window, or by the time that the pipeline
has been watched where that is shorter (but by a second at least).
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from math import inf
from typing import Any

import attrs

from ...call import Failure
from ...sketch import Sketch
from ..redact import cause

__all__ = ["ERROR", "REJECTED", "Edge", "Node", "node"]

CALLS, ATTEMPTS, ERROR, REJECTED, RETRIES, TIMED = range(6)
"""What is counted; the last one are those of which is known how long they took."""
MANY = 64
"""Of those in a line."""
PRECISION = 0.05
"""Error of a quantile, as a share of itself. With it an edge takes 6 KB."""
SAME = 1.0
"""Seconds within which errors of one kind are not put into words again: under overload there are very many."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@attrs.frozen
class Node:
    """Who calls, or is called. ``within``: of an endpoint, its cluster."""

    kind: str
    name: str
    within: str = ""
    id: str = attrs.field(init=False, default=attrs.Factory(lambda self: self._named(), takes_self=True))

    def _named(self) -> str:
        return f"{self.kind}:{self.within}/{self.name}" if self.kind == "endpoint" else f"{self.kind}:{self.name}"


node = lru_cache(4096)(Node)
"""The same, and for what is asked all the time the very same."""


class Edge:
    """What one node asks of another. All but `well` under the lock that it is given.

    What needs no more than one attempt and succeeds is most of it: that only stands in a line, without a lock, and is
    counted by dozens.
    """

    __slots__ = (
        "_before",
        "_failed_at",
        "_kind",
        "_latencies",
        "_line",
        "_lock",
        "_present",
        "_said_at",
        "_says",
        "_turns_at",
        "_window",
        "last_at",
        "source",
        "target",
    )

    def __init__(self, source: Node, target: Node, window: float, lock: Any) -> None:
        self.source = source
        self.target = target
        self.last_at = -inf
        self._window = window
        self._lock = lock
        self._line: deque[tuple[float, float]] = deque()
        self._present = [0] * 6
        self._before = [0] * 6
        self._turns_at = -inf
        self._latencies = Sketch(window, PRECISION)
        self._says = ""
        self._kind: Any = None
        self._failed_at = self._said_at = -inf

    def well(self, at: float, seconds: float) -> None:
        """One call, with one attempt, and a success."""
        line = self._line
        line.append((at, seconds))
        if len(line) >= MANY:
            with self._lock:
                self.settle()

    def latest(self) -> float:
        """When something passed here last."""
        line = self._line
        return max(self.last_at, line[-1][0]) if line else self.last_at

    def settle(self) -> None:
        """Count those in the line."""
        line, add, turns_at, number, at = self._line, self._latencies.add, self._turns_at, 0, -inf
        while line:
            try:
                at, seconds = line.popleft()
            except IndexError:  # counted by what struck in between
                break
            if at >= turns_at:
                self._several(number)
                number = 0
                self._turn(at)
                turns_at = self._turns_at
            add(seconds, at)
            number += 1
        self._several(number)
        self.last_at = max(self.last_at, at)

    def _several(self, number: int) -> None:
        present = self._present
        present[CALLS] += number
        present[ATTEMPTS] += number
        present[TIMED] += number

    def add(self, at: float, calls: int, attempts: int, retries: int, seconds: float | None) -> None:
        """Anything. Without ``seconds`` it does not count how long it took."""
        if self._line:
            self.settle()
        if at >= self._turns_at:
            self._turn(at)
        if at > self.last_at:
            self.last_at = at
        present = self._present
        present[CALLS] += calls
        present[ATTEMPTS] += attempts
        if retries:
            present[RETRIES] += retries
        if seconds is not None:
            present[TIMED] += 1
            self._latencies.add(seconds, at)

    def fail(self, at: float, what: int, failure: Failure | None) -> None:
        """``what``: `ERROR` or `REJECTED`."""
        self.add(at, 0, 0, 0, None)
        self._present[what] += 1
        if failure is None:
            return
        self._failed_at = at
        kind = failure.status if failure.error is None else failure.error.__class__
        if kind != self._kind or at >= self._said_at + SAME:
            self._kind, self._said_at = kind, at
            self._says = said(failure)

    def _turn(self, at: float) -> None:
        stale = at >= self._turns_at + self._window
        self._before = [0] * 6 if stale else self._present
        self._present = [0] * 6
        self._turns_at = (at if stale else self._turns_at) + self._window

    def shown(self, now: float, since: float) -> dict[str, Any]:
        """As plain data."""
        calls, attempts, errors, rejected, retries, timed = self._lately(now)
        span = max(1.0, min(self._window, now - since))
        # Of an endpoint the attempts are told, and some are refused before they are one.
        asked, tried = (attempts + rejected, attempts) if self.target.kind == "endpoint" else (calls, calls)
        latencies = self._latencies
        return {
            "calls_per_second": calls / span,
            "attempts_per_second": attempts / span,
            "error_share": errors / tried if tried else 0.0,
            "rejected_share": rejected / asked if asked else 0.0,
            "retries_per_call": retries / calls if calls else 0.0,
            "latency": {name: latencies.quantile(share) for name, share in QUANTILES.items()} if timed else None,
            "last_error": {"says": self._says, "ago": max(0.0, now - self._failed_at)} if self._says else None,
        }

    def _lately(self, now: float) -> list[float]:
        """The counts of the last window."""
        gone = (now - self._turns_at) / self._window + 1
        if gone >= 2:
            return [0.0] * 6
        if gone >= 1:
            return [(2 - gone) * one for one in self._present]
        return [one + (1 - max(0.0, gone)) * other for one, other in zip(self._present, self._before, strict=True)]


def said(failure: Failure) -> str:
    """A failure in words that may be shown to anybody."""
    known = cause(failure)
    words = [known["error"], known["says"]] if known["error"] else [f"status {known['status']}"]
    return ": ".join(word for word in words if word)
