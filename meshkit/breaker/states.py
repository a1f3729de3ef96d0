"""May a call go to an upstream that has been failing? The state machine of the circuit breaker.

===========  =======================================================  =====================  ====================
state        event                                                    next state             the call
===========  =======================================================  =====================  ====================
closed       a call comes                                             closed                 goes
closed       a failure or slow call, no threshold reached             closed                 is counted
closed       a failure or slow call that reaches a threshold          open                   is counted
closed       a success                                                closed                 is counted
open         a call comes before the cooldown is over                 open                   is refused
open         a call comes later                                       half-open              goes, as a probe
half-open    a call comes, fewer than ``probes`` under way            half-open              goes, as a probe
half-open    a call comes, all permits taken                          half-open              is refused
half-open    the same, a cooldown after the last probe was let go     half-open, new round   goes, as a probe
half-open    a probe fails or is slow                                 open                   is counted
half-open    a probe succeeds, fewer than ``successes`` so far        half-open              permit is given back
half-open    a probe succeeds, the last one needed                    closed                 permit is given back
half-open    a probe ends without a verdict (cancelled)               half-open              permit is given back
isolated     a call comes                                             isolated               is refused
any          a call ends that began before the last change            no change              teaches nothing
any          a call ends without a verdict                            no change              teaches nothing
any          ``isolate`` / ``reset``                                  isolated / closed
===========  =======================================================  =====================  ====================

**One instant carries the rule for late results.** ``since`` is the first instant the present state counts from: a call
that ends is learned from only if it began at ``since`` or later. While open, ``since`` lies ahead, at the end of the
cooldown, and is also when calls may come again; while isolated it is infinite. So nothing that ends while the circuit
is open or isolated teaches anything, and no list of probes is needed: the end of the cooldown is *strictly* later than
the trip (by one float at least, however short the cooldown and coarse the clock), what was let go before the trip began
at the trip or earlier, and what was let go while half-open began at ``since`` or later. Therefore no result of the
closed era can close or trip a half-open circuit, or give back a permit that it never took. After closing, a call that
began in the very instant of the change counts as a call of the closed circuit.

**A probe that never comes back** would hold its permit for ever. So permits are leases: when all are taken, and a
cooldown has gone by since the last probe was let go, a new round begins: ``since`` moves to now, the old probes and
what they may still say are forgotten. An upstream that swallows probes gets at most ``probes`` new ones per cooldown.

After Nygard, *Release It!* (2007), for the three states; permits and slow calls as resilience4j has them; growing
cooldowns as in Envoy's outlier ejection, but doubling.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..call import Call, Verdict
from ..errors import CircuitOpen
from .windows import CountWindow, TimeWindow

if TYPE_CHECKING:
    from .circuit_breaker import CircuitBreaker

__all__ = ["CLOSED", "HALF_OPEN", "ISOLATED", "OPEN", "Breaker"]

CLOSED, OPEN, HALF_OPEN, ISOLATED = "closed", "open", "half-open", "isolated"
SUCCESS, FAILURE, OVERLOADED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED


def later(now: float, seconds: float) -> float:
    """``now + seconds``, and strictly after ``now`` even where the sum rounds to it."""
    return max(now + seconds, math.nextafter(now, math.inf))


class Breaker:
    """The state of one `CircuitBreaker`: a `Gate`."""

    __slots__ = (
        "_calm",
        "_cause",
        "_failure_rate",
        "_failures",
        "_lapse",
        "_minimum",
        "_overloaded",
        "_passed",
        "_pause",
        "_probing",
        "_since",
        "_slow_after",
        "_slow_rate",
        "_streak",
        "_window",
        "name",
        "refused",
        "spec",
        "state",
    )

    state: str
    """``"closed"``, ``"open"``, ``"half-open"`` or ``"isolated"``."""
    _calm: bool
    """A success would change nothing: closed, no failure counted, no rate to keep."""
    _since: float
    """What began earlier teaches nothing; what comes earlier is refused, unless closed."""
    _pause: float
    """The cooldown in force."""
    _lapse: float
    """When the permits of this round lapse: a cooldown after its last probe was let go."""
    _streak: int
    """Failures in a row."""
    _probing: int
    """Permits taken."""
    _passed: int
    """Probes of this round that succeeded."""

    def __init__(self, spec: CircuitBreaker) -> None:
        self.spec = spec
        self.name = spec.name
        self.refused = 0
        self._failures = spec.failures or math.inf
        self._failure_rate = spec.failure_rate or math.inf
        self._slow_rate = spec.slow_rate or math.inf
        self._slow_after = spec.slow_after
        self._minimum = spec.minimum or 0
        self._overloaded = spec.overloaded == "failure"
        self._window: CountWindow | TimeWindow | None = None
        if spec.window_calls is not None:
            self._window = CountWindow(spec.window_calls)
        elif spec.window_seconds is not None:
            self._window = TimeWindow(spec.window_seconds)
        self._cause: tuple[Any, ...] = ()
        self._enter_closed(-math.inf)

    def enter(self, call: Call, now: float) -> None:
        """Go, or raise `CircuitOpen` having taken nothing."""
        if self.state == CLOSED:
            return
        if now < self._since:
            self.refused += 1
            raise self._refusal(call, self._since - now)
        if self.state == OPEN:
            self.state = HALF_OPEN
        elif self._probing >= self.spec.probes:
            if now < self._lapse:
                self.refused += 1
                raise CircuitOpen(
                    "half-open with %d of %d probes under way",
                    self._probing,
                    self.spec.probes,
                    policy=self.name,
                    endpoint=call.endpoint,
                    retry_after=self._lapse - now,
                )
            self._since = now
            self._probing = self._passed = 0
        self._probing += 1
        self._lapse = later(now, self._pause)

    def exit(self, call: Call, began: float, now: float, verdict: Verdict) -> None:
        """Learn from an outcome, and give the permit back if it was a probe of this round."""
        if self._calm and verdict is SUCCESS:
            return
        if began < self._since:
            return
        failed = verdict is FAILURE or (verdict is OVERLOADED and self._overloaded)
        learned = failed or verdict is SUCCESS
        slow = False
        if learned and self._slow_after is not None:
            answered = call.answered_at
            if answered is None or answered < began:  # no answer, or an earlier attempt's
                answered = now
            slow = answered - began > self._slow_after
        if self.state == CLOSED:
            if learned:
                self._count(now, failed, slow)
            return
        self._probing -= 1
        if failed or slow:
            self._pause = min(2 * self._pause, self.spec.max_cooldown or self.spec.cooldown)
            self._enter_open(now, "open again after a failed probe" if failed else "open again after a slow probe")
        elif learned:
            self._passed += 1
            if self._passed >= self.spec.successes:
                self._enter_closed(now)

    def _count(self, now: float, failed: bool, slow: bool) -> None:
        window = self._window
        if failed:
            self._calm = False
            self._streak += 1
            if self._streak >= self._failures:
                return self._enter_open(now, "open after %d failures", self._streak)
        else:
            self._streak = 0
            self._calm = window is None
        if window is None:
            return None
        window.add(now, failed, slow)
        if failed or slow:  # a success never trips
            calls, failures, slow_calls = window.totals(now)
            if calls >= self._minimum:
                if failures / calls >= self._failure_rate:
                    self._enter_open(now, "open after %d failures in %d calls", failures, calls)
                elif slow_calls / calls >= self._slow_rate:
                    self._enter_open(now, "open after %d slow calls in %d calls", slow_calls, calls)
        return None

    def _enter_closed(self, now: float) -> None:
        self.state = CLOSED
        self._pause = self.spec.cooldown
        self._forget(now)
        self._calm = self._window is None

    def _enter_open(self, now: float, *cause: object) -> None:
        self.state = OPEN
        self._cause = cause
        self._forget(later(now, self._pause))

    def _forget(self, since: float) -> None:
        self._since = since
        self._calm = False
        self._streak = self._probing = self._passed = 0
        self._lapse = since
        if self._window is not None:
            self._window.clear()

    def _refusal(self, call: Call, wait: float) -> CircuitOpen:
        return CircuitOpen(
            *self._cause,
            policy=self.name,
            endpoint=call.endpoint,
            retry_after=wait if wait < math.inf else None,
        )

    def isolate(self, now: float) -> None:
        """Refuse every call until `reset`."""
        self.state = ISOLATED
        self._cause = ("isolated",)
        self._forget(math.inf)

    def reset(self, now: float) -> None:
        """Close, and forget all that was counted."""
        self._enter_closed(now)

    def idle(self) -> bool:
        """True if no probe holds a permit."""
        return self._probing == 0

    def snapshot(self, now: float) -> dict[str, float | str]:
        """The circuit as it is at ``now``. ``next_probe_in`` is there while open only; 0: the next call is a probe."""
        picture: dict[str, float | str] = {
            "state": self.state,
            "streak": self._streak,
            "probing": self._probing,
            "refused": self.refused,
        }
        if self.state == OPEN:
            picture["next_probe_in"] = max(0.0, self._since - now)
        if self._window is not None:
            picture["calls"], picture["failures"], picture["slow"] = self._window.totals(now)
        return picture

    def __repr__(self) -> str:
        return f"<Breaker {self.name}: {self.state}>"
