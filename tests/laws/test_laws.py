"""Do all our policies keep the laws, and does the suite see a policy that does not?"""

from __future__ import annotations

import random
import sys
import time
from random import Random
from time import monotonic
from typing import ClassVar

import hypothesis
import pytest

from meshkit import (
    AIMD,
    AdaptiveConcurrency,
    Ceilings,
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConcurrentBudget,
    ConfigError,
    Constant,
    Decorrelated,
    Endpoint,
    Exponential,
    Fallback,
    FaultInjection,
    FixedWindow,
    Gradient2,
    Hedge,
    LeastRequest,
    LoadShed,
    OutlierDetection,
    Overloaded,
    Pace,
    PeakEwma,
    RateLimit,
    Retry,
    RetryBudget,
    RoundRobin,
    Shadow,
    SlidingWindow,
    SlowStart,
    Throttle,
    Timeout,
    Vegas,
)
from meshkit.balance import (
    First,
    Hashed,
    LeastConnections,
    LeastResponseTime,
    Maglev,
    Override,
    RandomChoice,
    Ring,
    Sticky,
    Subset,
    WeightedByReports,
)
from meshkit.cluster import Strikes, ZoneFirst
from meshkit.policy import Waiter
from meshkit.testing import check
from meshkit.testing.witness import Broken

PAIR = ["10.0.0.1:80", "10.0.0.2:80"]
SPREAD = [
    Endpoint("10.0.0.1:80", locality="a", tags={"stage": "b"}),
    Endpoint("10.0.0.2:80", locality="b", weight=3),
    Endpoint("10.0.0.3:80", priority=1),
]

OURS = [
    RateLimit("2/s"),
    RateLimit("3/s", wait=1.0),
    RateLimit("2/s", burst=4, key="user", cost="size", wait=0.5),
    ConcurrencyLimit(2),
    ConcurrencyLimit(1, queue=2),
    ConcurrencyLimit(2, queue=2, wait=0.5, order="lifo"),
    ConcurrencyLimit(1, queue=1, wait=0.5, key="user"),
    CircuitBreaker(failures=2, cooldown=1.0),
    CircuitBreaker(failures=1, cooldown=0.3, max_cooldown=1.0, probes=2, successes=3),
    CircuitBreaker(failure_rate=0.5, minimum=2, window_seconds=4.0, overloaded="ignored"),
    CircuitBreaker(slow_rate=0.5, slow_after=0.1, minimum=1, window_calls=4),
    AdaptiveConcurrency(AIMD(initial=3, floor=1), queue=3, order="adaptive"),
    AdaptiveConcurrency(Vegas(initial=3, floor=1), queue=3, order="adaptive"),
    AdaptiveConcurrency(Gradient2(initial=3, floor=1), queue=3, order="adaptive"),
    ConcurrencyLimit(2, queue=3, order="adaptive"),
    RateLimit("2/s", settle=True),
    RateLimit("2/s", key="user", cost="size", burst=4, wait=1.0, settle=True),
    FixedWindow("2/s"),
    FixedWindow("3/4s", key="user", settle=True),
    SlidingWindow("2/s"),
    SlidingWindow("4/4s", cost="size", settle=True),
    Pace(),
    Pace(wait=1.0),
    Pace(wait=2.0, spread=True, key="user"),
    Pace(wait=30.0, key="user", max_keys=1),
    FaultInjection(delay=0.1, share=0.5, expires=5.0),
    FaultInjection(abort=503, when="user", expires=5.0),
    Shadow(RateLimit("2/s")),
    Shadow(ConcurrencyLimit(1, queue=1)),
    Shadow(CircuitBreaker(failures=1, cooldown=0.3)),
    Hedge(0.1),
    Hedge(percentile=0.9, budget=None),
    Fallback(value=None),
    Fallback(Cluster("c", PAIR, pipeline=[ConcurrencyLimit(1)])),
    Timeout(0.3),
    Retry(on=ConnectionError, backoff=Constant(0.0), budget=None),
    Retry(on=ConnectionError, attempts=4, backoff=Exponential(jitter=0.5), budget=RetryBudget(floor=0.1)),
    Retry(on=ConnectionError, attempts=9, backoff=Decorrelated(), budget=ConcurrentBudget(floor=1)),
    Cluster("c", PAIR, balancer=RoundRobin(), pipeline=[RateLimit("1/s", wait=0.5), Timeout(0.3)]),
    Cluster("c", PAIR, balancer=LeastRequest(), pipeline=[ConcurrencyLimit(1, queue=1, key="user")]),
    Cluster("c", PAIR, balancer=PeakEwma(), pipeline=[CircuitBreaker(failures=1), ConcurrencyLimit(1, queue=1)]),
    Cluster(
        "c", PAIR, outliers=OutlierDetection(consecutive_5xx=1, base_ejection_time=0.5), ceilings=Ceilings(requests=2)
    ),
    Cluster("c", PAIR, outliers=Strikes(window=0.5), panic=0.0, balancer=RandomChoice()),
    Cluster("c", SPREAD, localities=ZoneFirst("a"), slow_start=SlowStart(1.0), balancer=LeastConnections()),
    Cluster("c", SPREAD, balancer=Hashed("user", Maglev(size=251), bound=1.25)),
    Cluster("c", SPREAD, balancer=Hashed("user", Ring(least=64), otherwise="round-robin")),
    Cluster("c", PAIR, balancer=Sticky(key="user")),
    Cluster("c", SPREAD, balancer=Subset(LeastResponseTime(), selectors=["stage"], key={"stage": "b"}, fallback="any")),
    Cluster("c", PAIR, balancer=Override(RoundRobin(order="edf"), lambda call: "10.0.0.2:80")),
    Cluster("c", PAIR, balancer=WeightedByReports()),
    Cluster("c", PAIR, balancer=First(places=1)),
]


@pytest.mark.parametrize("spec", OURS, ids=[f"{type(spec).__name__} {k}" for k, spec in enumerate(OURS)])
def test_ours(spec):
    check(lambda: spec, examples=20)


@pytest.mark.parametrize(
    "spec",
    [
        LoadShed(2, priority="user"),
        LoadShed(signal=lambda: 0.5, threshold=0.6, priority="user"),
        Throttle(minimum=1),
        Shadow(RateLimit("2/s", wait=0.5)),
    ],
)
def test_those_that_count_what_they_refuse(spec):
    check(lambda: spec, examples=20, counts_rejections=True)


def test_a_full_table_of_keys():
    """Newcomers share one cell then, and are counted: a refusal leaves that much of a trace."""
    check(lambda: RateLimit("1/s", key="user", max_keys=2), examples=30, counts_rejections=True)


class Works:
    """Two in flight and one queued, right in every respect: each policy below breaks one thing of it."""

    def __init__(self, rng=None):
        self.rng = rng
        self.taken = 0
        self.places = []

    def enter(self, call, now):
        if self.taken < 2:
            self.taken += 1
            return None
        if self.places:
            raise Overloaded
        self.places.append(Waiter(call))
        return self.places[-1]

    def exit(self, call, began, now, verdict):
        if self.places:
            self.places.pop().grant()
        else:
            self.taken -= 1

    def leave(self, waiter):
        self.places.remove(waiter)

    def snapshot(self, now):
        return {"taken": self.taken}

    def idle(self):
        return not self.taken and not self.places


class Leaks(Works):
    def exit(self, call, began, now, verdict):
        if verdict.name != "IGNORED":  # a cancelled call keeps its permit
            super().exit(call, began, now, verdict)


class TakesAndRefuses(Works):
    def enter(self, call, now):
        self.taken += 1
        if self.taken > 2:
            raise Overloaded


class RemembersRefusals(Works):
    """Not visible in any snapshot, but in what the others are told."""

    refusals = 0

    def enter(self, call, now):
        if self.taken == 2 or self.refusals > 1:
            self.refusals += 1
            raise Overloaded
        self.taken += 1


class Gambles(Works):
    def enter(self, call, now):
        if random.random() < 0.2:
            raise Overloaded
        return super().enter(call, now)


class ReadsAClock(Works):
    def enter(self, call, now):
        if time.monotonic() > 1e9:
            raise Overloaded
        return super().enter(call, now)


class ReadsAClockByName(Works):
    def enter(self, call, now):
        if monotonic() > 1e9:
            raise Overloaded
        return super().enter(call, now)


class SharesAcrossStarts(Works):
    calls: ClassVar = []

    def enter(self, call, now):
        self.calls.append(call)
        if len(self.calls) % 3 == 0:
            raise Overloaded
        return super().enter(call, now)


class RaisesInExit(Works):
    def exit(self, call, began, now, verdict):
        super().exit(call, began, now, verdict)
        if verdict.name == "OVERLOADED":
            raise KeyError("no such verdict")


class RaisesInEnter(Works):
    def enter(self, call, now):
        return super().enter(call, now + call.deadline)  # there may be none


class MovesInSnapshot(Works):
    def snapshot(self, now):
        self.taken = max(0, self.taken - 1)
        return {}


class ChangesInRepr(Works):
    """It shows in decisions only."""

    looked = 0

    def __repr__(self):
        self.looked += 1
        return "<ChangesInRepr>"

    def enter(self, call, now):
        if self.looked > 2:
            raise Overloaded
        return super().enter(call, now)

    snapshot = None

    def __getattribute__(self, name):
        if name == "snapshot":
            raise AttributeError(name)
        return super().__getattribute__(name)


class ShowsTheWallClock(Works):
    def snapshot(self, now):
        return {"at": time.perf_counter()}


class IgnoresTheDeadline:
    exit = None

    def enter(self, call, now):
        return 1.0


class AnswersNonsense:
    exit = None

    def enter(self, call, now):
        return float("nan")


class AsksForTheImpossible:
    exit = None

    def enter(self, call, now):
        raise Overloaded(retry_after=-1.0)


class GrantsTwice(Works):
    def exit(self, call, began, now, verdict):
        if self.places:
            self.places[0].grant()
            self.places.pop().grant()
        else:
            self.taken -= 1


class GrantsTheGone(Works):
    def leave(self, waiter):
        """Keeps the place."""


class ForgetsToWake(Works):
    def exit(self, call, began, now, verdict):
        self.taken -= 1


class CrossesTheDeadline:
    def matches(self, failure):
        return True

    def again(self, call, now, verdict):
        return 0.5


class RepeatsInThePast(CrossesTheDeadline):
    def again(self, call, now, verdict):
        return -0.5


class ChangesItsMind(CrossesTheDeadline):
    def __init__(self):
        self.asked = 0

    def matches(self, failure):
        self.asked += 1
        return self.asked % 2 == 0


class Drifts:
    def __init__(self):
        self.step = 0.0

    def until(self, call, now):
        self.step += 1.0
        return now + self.step


class Spec:
    def __init__(self, state):
        self.state = state

    def start(self, rng):
        return self.state()


@pytest.fixture
def unshrunk():
    """A broken policy need only be caught here: a shortest trace is not looked for."""
    before = hypothesis.settings.get_current_profile_name()
    phases = [hypothesis.Phase.generate]
    hypothesis.settings.register_profile("unshrunk", hypothesis.settings.get_profile(before), phases=phases)
    hypothesis.settings.load_profile("unshrunk")
    yield
    hypothesis.settings.load_profile(before)


def test_what_works_passes():
    check(lambda: Spec(Works), examples=40)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (Leaks, "law 4: every call has ended, and idle|law 2: nobody is under way"),
        (
            TakesAndRefuses,
            "law 2: TakesAndRefuses refused and yet took something: {'taken': 2} became {'taken': 3}|law 4",
        ),
        (RemembersRefusals, "law 2: a call that was refused changed what others were told"),
        (Gambles, "law [13]: "),
        (ReadsAClock, "law 1: same spec, seed and trace"),
        (ReadsAClockByName, "law 1: same spec, seed and trace"),
        (SharesAcrossStarts, "law 1: same spec, seed and trace"),
        (RaisesInExit, r"RaisesInExit: exit\(\) raised KeyError"),
        (RaisesInEnter, r"RaisesInEnter: enter\(\) raised TypeError"),
        (MovesInSnapshot, "law 3|law 4"),
        (ChangesInRepr, "law 3: reading the state changed a decision"),
        (ShowsTheWallClock, "law 3: two snapshots of one instant differ"),
        (IgnoresTheDeadline, "a delay of 1.0 s, which crosses the call's deadline"),
        (AnswersNonsense, r"enter\(\) answered nan"),
        (AsksForTheImpossible, "retry_after is -1.0"),
        (GrantsTwice, "law 2: a place in a queue was granted twice"),
        (GrantsTheGone, "law 2: a place in a queue was granted twice, or after it was given up"),
        (ForgetsToWake, "law 2: nobody is under way, and a place in the queue was never granted"),
        (CrossesTheDeadline, r"again\(\) answered 0.5 s, which crosses the call's deadline"),
        (RepeatsInThePast, r"again\(\) answered -0.5"),
        (ChangesItsMind, r"law 1: matches\(\) gave two answers"),
        (Drifts, r"law 1: until\(\) answered"),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "x",
)
def test_what_is_broken_is_caught(unshrunk, state, said):
    with pytest.raises(AssertionError, match=said) as caught:
        check(lambda: Spec(state))
    assert isinstance(caught.value, Broken)


def test_a_refusal_may_count_where_that_is_said(unshrunk):
    check(lambda: Spec(CountsRefusals), counts_rejections=True, examples=30)
    with pytest.raises(Broken, match="law 2"):
        check(lambda: Spec(CountsRefusals))


class CountsRefusals(Works):
    turned_away = 0

    def enter(self, call, now):
        try:
            return super().enter(call, now)
        except Overloaded:
            self.turned_away += 1
            raise

    def snapshot(self, now):
        return {"turned_away": self.turned_away}


def test_a_count_of_refusals_by_its_name_takes_nothing():
    check(lambda: Spec(CountsThemByName), examples=30)


class CountsThemByName(CountsRefusals):
    def snapshot(self, now):
        return {"refused": self.turned_away, "each": {"refused": self.turned_away}}


def test_requests_of_ones_own_are_asked_by_name():
    asked = set()

    def size(call):
        asked.add(call.request["size"])
        return call.request["size"]

    check(
        lambda: RateLimit("9/s", key="user", cost=size),
        requests=[{"user": "ada", "size": 1}, {"user": "bob", "size": 2}],
        examples=10,
    )
    assert asked == {1, 2}


def test_without_hypothesis_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ConfigError, match=r"meshkit\[testing\]"):
        check(lambda: Timeout(1.0))


def test_what_is_no_policy_is_a_config_error():
    with pytest.raises(ConfigError, match="give a policy"):
        check(lambda: 42)


def test_luck_and_clocks_are_put_back():
    """The second playing shifts the clocks of `time` and the global generator, and puts both back."""
    clocks, before = (time.time, time.monotonic, monotonic), time.time()
    check(lambda: Spec(ReadsNothing), examples=3)
    assert (time.time, time.monotonic, monotonic) == clocks
    assert time.time() - before < 3600


class ReadsNothing(Works):
    def __init__(self):
        super().__init__(Random(0))
