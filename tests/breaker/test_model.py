"""Is the breaker the same as a slow and obvious one, whatever happens in whatever order?

The oracle keeps everything: each call carries the number of the round in which it was let go, each outcome since
closing stays in a list, and rates are counted anew each time. Instants are multiples of 1/4: its arithmetic is exact.
"""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from meshkit.breaker import CircuitBreaker
from meshkit.breaker.windows import BUCKETS
from meshkit.call import Call, Verdict
from meshkit.errors import CircuitOpen

SPECS = [
    CircuitBreaker(failures=2, cooldown=5.0),
    CircuitBreaker(failures=1, cooldown=2.0, max_cooldown=7.0, probes=2, successes=3),
    CircuitBreaker(failures=3, cooldown=0.25, probes=3, overloaded="ignored"),
    CircuitBreaker(failure_rate=0.5, window_calls=5, minimum=3, cooldown=5.0, probes=2),
    CircuitBreaker(failure_rate=0.5, failures=4, window_seconds=10.0, minimum=2, cooldown=1.0),
    CircuitBreaker(failures=None, slow_rate=0.5, slow_after=1.0, window_seconds=5.0, minimum=2, cooldown=1.0),
    CircuitBreaker(failures=3, slow_rate=1.0, slow_after=0.5, window_calls=2, cooldown=1.0, successes=2),
]


class Entry(NamedTuple):
    call: Call
    round: int
    began: float


class Oracle:
    def __init__(self, spec: CircuitBreaker) -> None:
        self.spec = spec
        self.round = 0
        self.close(-math.inf)

    def change(self, state: str, now: float) -> None:
        self.state = state
        self.changed_at = now
        self.round += 1
        self.outcomes: list[tuple[float, bool, bool]] = []
        self.probes: dict[Call, str] = {}
        self.last_probe_at = now

    def close(self, now: float) -> None:
        self.change("closed", now)
        self.failed_rounds = 0

    @property
    def cooldown(self) -> float:
        cooldown = self.spec.cooldown
        for _ in range(self.failed_rounds):
            cooldown = min(cooldown * 2, self.spec.max_cooldown or self.spec.cooldown)
        return cooldown

    def under_way(self) -> int:
        return sum(fate == "under way" for fate in self.probes.values())

    def enter(self, call: Call, now: float) -> float:
        """0: let go; or how long to stay away."""
        if self.state == "closed":
            return 0.0
        if self.state == "isolated":
            return math.inf
        if self.state == "open":
            if now < self.changed_at + self.cooldown:
                return self.changed_at + self.cooldown - now
            self.change("half-open", now)
        if self.under_way() == self.spec.probes:
            if now < self.last_probe_at + self.cooldown:
                return self.last_probe_at + self.cooldown - now
            self.change("half-open", now)
        self.probes[call] = "under way"
        self.last_probe_at = now
        return 0.0

    def exit(self, entry: Entry, now: float, verdict: Verdict, latency: float) -> None:
        failed = verdict is Verdict.FAILURE or (verdict is Verdict.OVERLOADED and self.spec.overloaded == "failure")
        silent = not failed and verdict is not Verdict.SUCCESS
        slow = self.spec.slow_after is not None and latency > self.spec.slow_after
        if self.state == "half-open" and entry.round == self.round:
            self.probes[entry.call] = "no verdict" if silent else "bad" if failed or slow else "good"
            fates = list(self.probes.values())
            if "bad" in fates:
                self.failed_rounds += 1
                self.change("open", now)
            elif fates.count("good") >= self.spec.successes:
                self.close(now)
        elif self.state == "closed" and entry.began >= self.changed_at and not silent:
            self.outcomes.append((now, failed, slow))
            if (failed or slow) and self.too_bad(now):
                self.change("open", now)

    def streak(self) -> int:
        streak = 0
        for _, failed, _ in reversed(self.outcomes):
            if not failed:
                break
            streak += 1
        return streak

    def window(self, now: float) -> tuple[int, int, int]:
        outcomes = self.outcomes
        if self.spec.window_calls is not None:
            outcomes = outcomes[-self.spec.window_calls :]
        elif self.spec.window_seconds is not None:
            width = self.spec.window_seconds / BUCKETS
            outcomes = [each for each in outcomes if now // width - each[0] // width < BUCKETS]
        return len(outcomes), sum(failed for _, failed, _ in outcomes), sum(slow for _, _, slow in outcomes)

    def too_bad(self, now: float) -> bool:
        spec = self.spec
        if spec.failures is not None and self.streak() >= spec.failures:
            return True
        calls, failures, slow = self.window(now)
        if spec.minimum is None or calls < spec.minimum:
            return False
        return (spec.failure_rate is not None and failures >= spec.failure_rate * calls) or (
            spec.slow_rate is not None and slow >= spec.slow_rate * calls
        )


class Model(RuleBasedStateMachine):
    @initialize(spec=st.sampled_from(SPECS))
    def start(self, spec: CircuitBreaker) -> None:
        self.now = 100.0
        self.oracle = Oracle(spec)
        self.breaker = spec.start(Random(0))
        self.out: list[Entry] = []

    @rule(quarters=st.sampled_from([1, 1, 2, 4, 8, 20, 28, 40, 4 * 10**9]))
    def wait(self, quarters: int) -> None:
        self.now += quarters / 4

    @precondition(lambda self: self.oracle.state in {"open", "half-open"})
    @rule(quarters=st.integers(-1, 1))
    def wait_for_a_cooldown(self, quarters: int) -> None:
        """Since the trip, or since the last probe."""
        self.now = max(self.now, self.oracle.last_probe_at + self.oracle.cooldown + quarters / 4)

    @rule(calls=st.integers(1, 4))
    def enter(self, calls: int) -> None:
        for _ in range(calls):
            call = Call(None, None, self.now)
            wait = self.oracle.enter(call, self.now)
            if wait:
                with pytest.raises(CircuitOpen) as caught:
                    self.breaker.enter(call, self.now)
                assert caught.value.retry_after == (None if wait == math.inf else wait)
            else:
                self.breaker.enter(call, self.now)
                self.out.append(Entry(call, self.oracle.round, self.now))

    @precondition(lambda self: self.out)
    @rule(which=st.randoms(use_true_random=False), verdict=st.sampled_from(Verdict), answered=st.booleans())
    def exit(self, which: Random, verdict: Verdict, answered: bool) -> None:
        entry = self.out.pop(which.randrange(len(self.out)))
        latency = self.now - entry.began
        if answered:
            latency = min(latency, 0.5)
            entry.call.answered_at = entry.began + latency
        self.breaker.exit(entry.call, entry.began, self.now, verdict)
        self.oracle.exit(entry, self.now, verdict, latency)

    @precondition(lambda self: self.out)
    @rule(verdict=st.sampled_from([Verdict.FAILURE, Verdict.SUCCESS]), quarters=st.integers(0, 5))
    def newest_exits(self, verdict: Verdict, quarters: int) -> None:
        self.now += quarters / 4
        entry = self.out.pop()
        self.breaker.exit(entry.call, entry.began, self.now, verdict)
        self.oracle.exit(entry, self.now, verdict, self.now - entry.began)

    @rule(dice=st.integers(0, 29))
    def by_hand(self, dice: int) -> None:
        if dice == 0:
            self.breaker.isolate(self.now)
            self.oracle.change("isolated", self.now)
        elif dice == 1 or self.breaker.state == "isolated":
            self.breaker.reset(self.now)
            self.oracle.close(self.now)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "breaker"):
            return
        oracle, breaker = self.oracle, self.breaker
        assert breaker.state == oracle.state
        assert breaker.idle() == (oracle.under_way() == 0)
        picture = breaker.snapshot(self.now)
        assert picture["probing"] == oracle.under_way() <= oracle.spec.probes
        assert picture["streak"] == oracle.streak()
        if "calls" in picture:
            assert (picture["calls"], picture["failures"], picture["slow"]) == oracle.window(self.now)

    def teardown(self) -> None:
        if hasattr(self, "breaker"):
            for entry in self.out:
                self.breaker.exit(entry.call, entry.began, self.now, Verdict.IGNORED)
            assert self.breaker.idle()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=100, stateful_step_count=80)
