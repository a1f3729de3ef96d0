"""May this call go now, by what the upstream says of its own limit?

A server that limits its callers tells them: ``Retry-After`` with a refusal (RFC 9110, 10.2.3), and in the ``RateLimit``
fields of any answer that no more than ``r`` requests may come within the next ``t`` seconds
(draft-ietf-httpapi-ratelimit-headers-11, section 7). The gate does as it is told:

=========================================  ===========================================================================
an answer                                  what is known from then on
=========================================  ===========================================================================
OVERLOADED with ``retry_after``            closed until then; ``r`` and ``t`` of the same answer are passed over
OVERLOADED with ``call.quota = (0, t)``    the same, ``t`` seconds from then
``call.quota = (r, t)``                    ``left = r`` less the calls still in flight, until ``t`` seconds have gone by
the same, of a call that went before       the smaller ``left``, the later end: answers may have overtaken each other
the last news came
neither                                    nothing new
=========================================  ===========================================================================

=========================================  ===========================================================================
a call comes                               it goes
=========================================  ===========================================================================
while closed                               when that is over
``left >= 1``                              at once, and ``left`` is one less; spread: ``(until - now) / left`` after
                                           the one before it
``left < 1``                               when ``t`` has gone by
nothing is known, or no longer             at once
=========================================  ===========================================================================

Who would have to wait for longer than ``wait``, or past his deadline, is refused. Calls in flight count as not yet
counted by the upstream: the gate may let go one too few for each, never one too many. A call that was given up before
it went gives its turn back. What an upstream has said is believed whatever the verdict is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable
from random import Random
from typing import Any

import attrs

from .. import fact, options
from ..call import Call, Verdict
from ..errors import RateLimited
from .table import OVERFLOW, sweep

__all__ = ["Pace", "PaceState"]

OVERLOADED = Verdict.OVERLOADED
LONG_AGO = float("-inf")
MOST = 2.0**53
"""So far doubles count one by one."""
SLACK = 1e-15
"""As in `gcra`: a call that comes back exactly when it was told to is not refused for the last bit."""


@attrs.frozen
class Pace:
    """Do as the upstream says: no call before its ``Retry-After``, no more than its ``RateLimit`` fields leave.

    ``wait``: the longest time in seconds a call may be made to wait, never past its deadline; 0: refuse at once, with
    `RateLimited`. ``spread``: what is left is spread evenly over its time, instead of going at once. ``cap``: the
    longest time in seconds the upstream is obeyed for; what it asks for beyond that is cut. ``key``: the upstream's
    limits are told apart by it, as in `RateLimit`: ``"host"``, ``"header:authorization"``. ``max_keys``: how many keys
    are remembered; only those of which nothing is known, and none is in flight, are forgotten.
    """

    wait: float = attrs.field(default=0.0, validator=options.seconds(zero=True), kw_only=True)
    spread: bool = attrs.field(default=False, validator=options.flag(), kw_only=True)
    cap: float = attrs.field(default=60.0, validator=options.seconds(), kw_only=True)
    key: fact.Key = attrs.field(default=None, validator=fact.key, kw_only=True)
    max_keys: int = attrs.field(default=10_000, validator=options.count(), kw_only=True)
    name: str = attrs.field(default="Pace", validator=fact.text, kw_only=True)

    asks = ("key",)
    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> PaceState:
        return PaceState(self)


class Told:
    """What one upstream said, and what has been sent since."""

    __slots__ = ("closed_until", "gap", "in_flight", "left", "next_at", "told_at", "until")

    def __init__(self) -> None:
        self.in_flight = 0
        self.closed_until = LONG_AGO
        self.left = math.inf
        self.until = LONG_AGO
        """Until then ``left`` holds."""
        self.told_at = LONG_AGO
        self.next_at = LONG_AGO
        """Spread: nobody goes before."""
        self.gap = 0.0
        """Spread: between those who wait for the end of what is known."""

    def copied(self) -> Told:
        """The same words for another key, which has sent nothing yet."""
        other = Told()
        other.closed_until, other.told_at, other.until = self.closed_until, self.told_at, self.until
        other.left, other.next_at, other.gap = self.left, self.next_at, self.gap
        return other

    def known(self, now: float) -> bool:
        return self.until > now or self.closed_until > now or self.next_at > now

    def shown(self, now: float) -> dict[str, float]:
        shown = {"closed": max(0.0, self.closed_until - now)}
        if self.until > now:
            shown |= {"remaining": max(0.0, self.left), "seconds": self.until - now}
        return shown


class PaceState:
    """A `Gate`. An entry may answer seconds; a call that ends before them gives its turn back."""

    __slots__ = (
        "_cap",
        "_key",
        "_max_keys",
        "_spread",
        "_wait",
        "cells",
        "facts",
        "name",
        "overflowing",
        "refused",
        "ring",
    )

    reads_quota = True
    """The door is asked to read ``call.quota`` from each answer."""

    def __init__(self, spec: Pace) -> None:
        self.name = spec.name
        self.facts = None if spec.key is None else self._facts
        self.cells: dict[Hashable, Told] = {OVERFLOW: Told()}
        self.ring: deque[Hashable] = deque()
        self.overflowing: dict[Hashable, int] = {}
        """How many calls of a key are in flight by the overflow cell: it gets no other one meanwhile."""
        self.refused = 0
        self._key = fact.asking(spec.key)
        self._wait = float(spec.wait)
        self._spread = spec.spread
        self._cap = float(spec.cap)
        self._max_keys = spec.max_keys

    def _facts(self, call: Call, /) -> Hashable:
        return fact.hashable(self.name, self._key(call))

    def enter(self, call: Call, now: float, /) -> float:
        key = None if self.facts is None else call.facts[self]  # type: ignore[index]  # gathered: there are facts
        cell = self.cells.get(key)
        told = self.cells[OVERFLOW] if cell is None else cell
        at = now
        if told.known(now):
            at = self._turn(told, now)
            wait, patience = at - now, self._wait
            if call.deadline is not None and call.deadline - now < patience:
                patience = max(0.0, call.deadline - now)
            if wait > patience:
                if wait > abs(at) * SLACK:
                    self.refused += 1
                    raise self._refusal(key, wait)
                at = now
        if cell is None:
            told = self._newcomer(key, now)
        if at < told.until:
            if self._spread:
                told.next_at = at + (told.until - at) / max(1.0, told.left)
            told.left -= 1.0
        elif self._spread and told.gap and told.known(now):
            told.next_at = at + told.gap
        told.in_flight += 1
        if call.quota is not None:
            call.quota = None  # that of the attempt before
        return at - now

    def _refusal(self, key: Hashable, wait: float) -> RateLimited:
        error = RateLimited("the upstream asked to wait", policy=self.name, retry_after=wait)
        if key is not None:
            error.key = key
        return error

    def _turn(self, told: Told, now: float) -> float:
        """The instant at which a call may go."""
        at = max(now, told.closed_until)
        if self._spread and told.next_at > at:
            at = told.next_at
        if told.left < 1.0 and told.until > at:
            at = told.until
        return at

    def _newcomer(self, key: Hashable, now: float) -> Told:
        """A cell of its own, if there is room, with what the overflow cell was told: part of that may be its own."""
        shared = self.cells[OVERFLOW]
        if key not in self.overflowing and (len(self.ring) < self._max_keys or self._sweep(now)):
            cell = self.cells[key] = shared.copied()
            self.ring.append(key)
            return cell
        self.overflowing[key] = self.overflowing.get(key, 0) + 1
        return shared

    def _sweep(self, now: float) -> int:
        return sweep(self.ring, self.cells, lambda told: told.in_flight > 0 or told.known(now))

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        key = None if self.facts is None else call.facts[self]  # type: ignore[index]
        told = self.cells.get(key)
        if told is None:
            told = self.cells[OVERFLOW]
            if self.overflowing[key] == 1:
                del self.overflowing[key]
            else:
                self.overflowing[key] -= 1
        told.in_flight -= 1
        if now < began:
            if began < told.until:
                told.left += 1.0
            return
        at = call.answered_at
        if at is None or at < began:
            at = now
        quota = _pair(call.quota)
        if verdict is OVERLOADED:
            asked = None if call.failure is None else call.failure.retry_after
            if asked is None and quota is not None and quota[0] < 1.0:
                asked = quota[1]
            if asked is not None and _amount(asked):
                told.closed_until = max(told.closed_until, at + float(min(asked, self._cap)))
                return
        if quota is not None:
            self._learn(told, quota, began, at)

    def _learn(self, told: Told, quota: tuple[float, float], began: float, at: float) -> None:
        remaining, span = quota[0], min(quota[1], self._cap)
        left = remaining - told.in_flight
        if began <= told.told_at and told.until > at:  # it went before the last news came: which is newer, who knows
            left = min(left, told.left)
            told.until = max(told.until, at + span)
        else:
            told.until = at + span
        told.left = left
        told.told_at = max(told.told_at, at)
        if remaining >= 1:
            told.gap = span / remaining
        told.next_at = min(told.next_at, told.until)

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """What is known of this call's upstream: calls in flight, seconds for which it is ``closed``, what remains, for
        how many seconds; spread, in how many the next one goes.
        """
        key = None if self.facts is None else call.facts[self]  # type: ignore[index]
        told = self.cells.get(key, self.cells[OVERFLOW])
        shown = {"in_flight": told.in_flight, **told.shown(now)}
        return {**shown, "next_in": max(0.0, told.next_at - now)} if self._spread else shown

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """What is known: calls in flight and refused, what is left, for how long; or the number of keys."""
        if self.facts is not None:
            return {
                "keys": len(self.ring),
                "max_keys": self._max_keys,
                "in_flight": self._in_flight(),
                "refused": self.refused,
            }
        told = self.cells.get(None, self.cells[OVERFLOW])
        return {"in_flight": told.in_flight, "refused": self.refused, **told.shown(now)}

    def _in_flight(self) -> int:
        return sum(told.in_flight for told in self.cells.values())

    def idle(self) -> bool:
        return not self._in_flight()


def _amount(value: Any) -> bool:
    """Whether it is a number from 0 on."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _pair(quota: Any) -> tuple[float, float] | None:
    """What a door noted, where that is what it should be."""
    if not isinstance(quota, tuple) or len(quota) != 2 or not (_amount(quota[0]) and _amount(quota[1])):
        return None
    return float(min(quota[0], MOST)), float(min(quota[1], MOST))
