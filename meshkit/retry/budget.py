"""How much of the traffic may be retries? What keeps a failing upstream from being asked ever more often.

==================  =============================================================================================
`RetryBudget`       a retry may go while ``retries + 1 <= ratio * calls + floor * ttl``, both counted over the last
                    ``ttl`` seconds (Finagle's RetryBudget; tower's TpsBudget; Gateway API GEP-3388)
`ConcurrentBudget`  a retry may go while ``retries under way < max(floor, int(ratio * calls under way))``
                    (Envoy's retry budget)
==================  =============================================================================================

The windowed budget counts in ten slots of ``ttl / 10`` on a fixed grid, of which the oldest goes when a new one begins:
what happened counts for at least 0.9 and at most 1 ``ttl``. So in any 0.9 ``ttl`` there are never more retries than
``ratio`` of the calls of the ``ttl`` that ends with it, and the reserve. The counts only ever grow; each slot remembers
where they stood when it began, so a deposit is one addition and a turn of slots one append.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from .. import options
from ..call import Call, Verdict

__all__ = ["Budget", "BudgetState", "ConcurrentBudget", "RetryBudget"]

SLOTS = 10


class BudgetState(Protocol):
    """Entered once per call, asked once per retry; ``exit`` as in `Gate`."""

    @property
    def exit(self) -> Callable[[Call, float, float, Verdict], None] | None: ...
    def enter(self, call: Call, now: float, /) -> None: ...
    def withdraw(self, call: Call, now: float, /) -> bool: ...
    def snapshot(self, now: float, /) -> dict[str, Any]: ...
    def idle(self) -> bool: ...


class Budget(Protocol):
    """What `Retry` takes as ``budget``. Each start makes a budget of its own."""

    def start(self) -> BudgetState: ...


@attrs.frozen(kw_only=True)
class RetryBudget:
    """Retries up to ``ratio`` of the calls of the last ``ttl`` seconds, and ``floor`` per second (Finagle's numbers).

    The floor lets a client with little traffic retry at all; it is a reserve of ``floor * ttl`` retries, spent at once
    or bit by bit, and comes back as those retries leave the window.
    """

    ratio: float = attrs.field(default=0.2, validator=options.ratio(zero=True))
    floor: float = attrs.field(default=10.0, validator=options.number(0, 1e9))
    ttl: float = attrs.field(default=10.0, validator=options.seconds())

    def start(self) -> RetryBudgetState:
        return RetryBudgetState(self)


class RetryBudgetState:
    __slots__ = ("_calls", "_marks", "_ratio", "_reserve", "_retries", "_slot", "_turns_at", "_width", "exit")

    def __init__(self, spec: RetryBudget) -> None:
        self._ratio = spec.ratio
        self._reserve = spec.floor * spec.ttl
        self._width = spec.ttl / SLOTS
        self._calls = 0
        self._retries = 0
        self._marks = deque([(0, 0)] * SLOTS, SLOTS)
        """What the counts were when each slot of the window began, the present one last."""
        self._slot = 0
        self._turns_at = float("-inf")
        self.exit = None

    def enter(self, call: Call, now: float, /) -> None:
        if now >= self._turns_at:
            self._turn(now)
        self._calls += 1

    def withdraw(self, call: Call, now: float, /) -> bool:
        if now >= self._turns_at:
            self._turn(now)
        calls, retries = self._marks[0]
        if self._retries - retries + 1 > self._ratio * (self._calls - calls) + self._reserve:
            return False
        self._retries += 1
        return True

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """Calls and retries in the window, and ``balance``: how many retries could go now."""
        passed = max(0, int(now // self._width) - self._slot)
        since = self._marks[passed] if passed < SLOTS else (self._calls, self._retries)
        calls, retries = self._calls - since[0], self._retries - since[1]
        balance = int(self._ratio * calls + self._reserve - retries)
        return {"calls": calls, "retries": retries, "balance": max(0, balance)}

    def idle(self) -> bool:
        return True

    def _turn(self, now: float) -> None:
        slot = int(now // self._width)
        for _ in range(min(slot - self._slot, SLOTS)):
            self._marks.append((self._calls, self._retries))
        self._slot = slot
        self._turns_at = (slot + 1) * self._width


@attrs.frozen(kw_only=True)
class ConcurrentBudget:
    """Retries under way at once up to ``ratio`` of the calls under way, and ``floor`` in any case (Envoy's numbers).

    A retry is under way from the decision on, through its backoff, to the end of the call or the call's next retry.
    """

    ratio: float = attrs.field(default=0.2, validator=options.ratio(zero=True))
    floor: int = attrs.field(default=3, validator=options.count(0))

    def start(self) -> ConcurrentBudgetState:
        return ConcurrentBudgetState(self)


class ConcurrentBudgetState:
    __slots__ = ("_calls", "_floor", "_ratio", "_retrying")

    def __init__(self, spec: ConcurrentBudget) -> None:
        self._ratio = spec.ratio
        self._floor = spec.floor
        self._calls = 0
        self._retrying: set[Call] = set()

    def enter(self, call: Call, now: float, /) -> None:
        self._calls += 1

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self._calls -= 1
        self._retrying.discard(call)

    def withdraw(self, call: Call, now: float, /) -> bool:
        own = call in self._retrying  # the call's own retry is over: the next one would take its place
        if len(self._retrying) - own >= self._limit():
            return False
        self._retrying.add(call)
        return True

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """Calls and retries under way, and ``balance``: how many more retries could go now."""
        return {
            "calls": self._calls,
            "retries": len(self._retrying),
            "balance": max(0, self._limit() - len(self._retrying)),
        }

    def idle(self) -> bool:
        return self._calls == 0 and not self._retrying

    def _limit(self) -> int:
        return max(self._floor, int(self._ratio * self._calls))
