"""What a decision rests on, in numbers: the right ones, of this call, and nothing is changed by asking for them."""

from __future__ import annotations

import contextlib
import json
import math
import random
from collections import deque
from functools import partial

import pytest

import meshkit
from meshkit import (
    AIMD,
    AdaptiveConcurrency,
    Call,
    Ceilings,
    CircuitBreaker,
    ConcurrencyLimit,
    ConcurrentBudget,
    Constant,
    Failure,
    FaultInjection,
    FixedWindow,
    Gradient2,
    Hedge,
    LoadShed,
    Pace,
    RateLimit,
    Rejected,
    Retry,
    RetryBudget,
    Shadow,
    Shared,
    SingleFlight,
    SlidingWindow,
    StaleIfError,
    Throttle,
    Timeout,
    Vegas,
    Verdict,
)
from meshkit.cluster.admission import Admission
from meshkit.engine import gather
from meshkit.observe.events import Passed
from meshkit.options import no_decorator
from meshkit.policy import Waiter
from meshkit.runtime.flight import _home
from meshkit.section import GATE, REPEAT, fold
from meshkit.testing import run
from meshkit.testing.script import Script, Step

from ..share.wires import Work, at, stack

SUCCESS, FAILURE, OVERLOADED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED


class Door:
    """Finds what is asked for in the request, a dict."""

    def fact(self, call, name):
        return call.request[name]

    def same(self, call, own=None):
        return own


class Asked:
    """One started policy, and calls that come to it one after the other."""

    def __init__(self, spec, seed=0):
        self.state = spec if hasattr(spec, "enter") else spec.start(random.Random(seed))

    def come(self, now=0.0, *, within=None, attempt=1, **request):
        call = Call(Door(), request, now)
        call.attempt = attempt
        call.deadline = None if within is None else now + within
        if getattr(self.state, "facts", None) is not None:
            gather(call, [self.state])
        with contextlib.suppress(Rejected):
            self.state.enter(call, now)
        return call

    def end(self, call, now, verdict=SUCCESS, began=0.0, **noted):
        for name, value in noted.items():
            setattr(call, name, value)
        self.state.exit(call, began, now, verdict)

    def numbers(self, call, now=0.0):
        return self.state.numbers(call, now)


def test_a_rate_limit_tells_what_is_left_to_this_key():
    asked = Asked(RateLimit("5/s", burst=5, key="user"))
    for _ in range(3):
        mine = asked.come(user="a")
    for _ in range(9):
        theirs = asked.come(user="b")
    assert asked.numbers(mine) == {"remaining": 2.0, "burst": 5.0, "rate": 5.0, "cost": 1, "full_in": 0.6}
    assert asked.numbers(theirs) == {"remaining": 0.0, "burst": 5.0, "rate": 5.0, "cost": 1, "full_in": 1.0}
    assert asked.numbers(mine, 0.2)["remaining"] == pytest.approx(3.0)


def test_a_rate_limit_without_a_key_with_a_cost_and_with_reservations():
    asked = Asked(RateLimit("5/s", cost="size", wait=10.0))
    call = asked.come(size=4)
    assert asked.numbers(call) == {"remaining": 1.0, "burst": 5.0, "rate": 5.0, "cost": 4, "full_in": 0.8}
    call = asked.come(size=5)
    assert asked.numbers(call) == {"remaining": 0.0, "burst": 5.0, "rate": 5.0, "cost": 5, "full_in": 1.8}
    call = asked.come(9.0, size=6)
    assert asked.numbers(call, 9.0) == {"remaining": 5.0, "burst": 5.0, "rate": 5.0, "cost": 6, "full_in": 0.0}


@pytest.mark.parametrize("spec", [RateLimit("2/s", key="user", max_keys=1), FixedWindow("2/s", key="user", max_keys=1)])
def test_a_newcomer_to_a_full_table_is_told_of_the_cell_it_shares(spec):
    asked = Asked(spec)
    first, others = asked.come(user="a"), [asked.come(user=name) for name in "bc"]
    assert asked.numbers(first)["remaining"] == 1.0
    assert [asked.numbers(each)["remaining"] for each in others] == [0.0, 0.0]
    assert asked.numbers(asked.come(user="d"))["remaining"] == 0.0


WINDOWS = [
    # policy, calls of the key at these instants, then asked at the last of them: remaining, seconds until more
    (FixedWindow("5/10s", key="user"), [0.0, 1.0, 4.0], 2.0, 6.0),
    (FixedWindow("5/10s", key="user"), [4.0] * 7, 0.0, 6.0),
    (SlidingWindow("4/10s", key="user"), [0.0, 0.0, 15.0], 2.0, 5.0),
    (SlidingWindow("4/10s", key="user"), [9.0] * 4 + [15.0] * 3, 0.0, 2.5),
]


@pytest.mark.parametrize(("spec", "instants", "remaining", "more_in"), WINDOWS)
def test_windows(spec, instants, remaining, more_in):
    asked = Asked(spec)
    for instant in instants:
        asked.come(instant, user="other")
        call = asked.come(instant, user="mine")
    asked.come(instants[-1], user="other")
    told = asked.numbers(call, instants[-1])
    assert told == {
        "remaining": pytest.approx(remaining),
        "limit": asked.state.turns.limit,
        "period": 10.0,
        "cost": 1,
        "more_in": pytest.approx(more_in),
    }


def test_pace_tells_what_this_upstream_has_said():
    asked = Asked(Pace(key="host"))
    for host, noted in (("a", {"quota": (3.0, 10.0)}), ("b", {"failure": Failure(retry_after=7.0)})):
        call = asked.come(host=host)
        asked.end(call, 0.0, OVERLOADED if "failure" in noted else SUCCESS, **noted)
    assert asked.numbers(asked.come(host="a"), 1.0) == {"in_flight": 1, "closed": 0.0, "remaining": 2.0, "seconds": 9.0}
    assert asked.numbers(asked.come(1.0, host="b"), 1.0) == {"in_flight": 0, "closed": 6.0}
    assert asked.numbers(asked.come(1.0, host="c"), 1.0) == {"in_flight": 1, "closed": 0.0}


def test_pace_that_spreads_tells_when_the_next_one_goes():
    asked = Asked(Pace(wait=60.0, spread=True))
    asked.end(asked.come(), 0.0, quota=(4.0, 8.0))
    told = asked.numbers(asked.come())
    assert told == {"in_flight": 1, "closed": 0.0, "remaining": 3.0, "seconds": 8.0, "next_in": 2.0}


def test_a_throttle_tells_its_probability_of_refusing():
    asked = Asked(Throttle(minimum=1))
    calls = [asked.come() for _ in range(12)]
    for call in calls:
        asked.end(call, 0.0, SUCCESS if call in calls[:3] else OVERLOADED)
    shown = [asked.numbers(asked.come()) for _ in range(9)]
    refused = [told["requests"] - 12 for told in shown]
    assert refused[0] in (0, 1)
    assert 0 < refused[-1] <= 9
    assert refused[-1] == asked.state.refused
    for told in shown:
        requests = told["requests"]
        assert told == {"requests": requests, "accepts": 3, "refusing": pytest.approx((requests - 6) / (requests + 1))}


def test_load_shed_tells_the_pressure_and_where_this_level_is_shed():
    asked = Asked(LoadShed(10, priority="priority", signal=lambda: 0.05, threshold=0.1))
    for _ in range(6):
        call = asked.come(priority="critical")
    assert asked.numbers(call) == {
        "pressure": 0.6,
        "in_flight": 6,
        "level": "critical",
        "shed_from": 0.9,
        "limit": 10,
        "signal": 0.5,
    }
    shed = asked.come(priority=3)
    assert asked.numbers(shed) == asked.numbers(call) | {"level": "sheddable", "shed_from": 0.6}


def test_load_shed_with_one_of_limit_and_signal():
    asked = Asked(LoadShed(4))
    assert asked.numbers(asked.come()) == {
        "pressure": 0.25,
        "in_flight": 1,
        "level": "critical_plus",
        "shed_from": 1.0,
        "limit": 4,
    }
    asked = Asked(LoadShed(signal=lambda: 0.75))
    assert asked.numbers(asked.come()) == {
        "pressure": 0.75,
        "in_flight": 1,
        "level": "critical_plus",
        "shed_from": 1.0,
        "signal": 0.75,
    }
    asked = Asked(LoadShed(signal=lambda: None))
    assert "signal" not in asked.numbers(asked.come())


@pytest.mark.parametrize("order", ["fifo", "lifo"])
def test_a_concurrency_limit_tells_the_place_in_line(order):
    asked = Asked(ConcurrencyLimit(1, queue=2, order=order))
    assert asked.numbers(asked.come()) == {"limit": 1, "in_flight": 1, "queued": 0}
    assert asked.numbers(asked.come()) == {"limit": 1, "in_flight": 1, "queued": 1, "place": 1}
    assert asked.numbers(asked.come()) == {
        "limit": 1,
        "in_flight": 1,
        "queued": 2,
        "place": {"fifo": 2, "lifo": 1}[order],
    }
    assert asked.numbers(asked.come()) == {"limit": 1, "in_flight": 1, "queued": 2}


def test_a_line_that_does_not_drain_is_told_from_its_newest_end():
    asked = Asked(ConcurrencyLimit(1, queue=3, order="adaptive", wait=0.1))
    asked.come()
    asked.come()
    assert asked.numbers(asked.come(0.05), 0.05)["place"] == 2
    assert asked.numbers(asked.come(0.2), 0.2)["place"] == 1


def test_a_concurrency_limit_with_a_key():
    asked = Asked(ConcurrencyLimit(2, key="user"))
    theirs = [asked.come(user="b") for _ in range(3)]
    assert asked.numbers(asked.come(user="a")) == {"limit": 2, "in_flight": 1, "queued": 0}
    assert asked.numbers(theirs[-1]) == {"limit": 2, "in_flight": 2, "queued": 0}
    for call in theirs[:2]:
        asked.end(call, 1.0)
    assert asked.numbers(theirs[0], 1.0) == {"limit": 2, "in_flight": 0, "queued": 0}
    assert "b" not in asked.state.cells


def test_an_adaptive_limit_tells_where_it_stands():
    asked = Asked(AdaptiveConcurrency(AIMD(initial=4), queue=1, signal=lambda: 0.01))
    assert asked.numbers(asked.come()) == {"limit": 4, "in_flight": 1, "queued": 0, "latency": 0.0, "signal": 0.01}


def test_an_adaptive_limit_tells_whether_it_measures_the_baseline():
    asked = Asked(AdaptiveConcurrency(Gradient2(initial=20, ceiling=20, probe=30.0)))
    probing = []
    for turn in range(70):  # a window each: the baseline is measured, and measured again at half the limit
        calls = [asked.come(float(turn)) for _ in range(20)]
        probing.append(asked.numbers(calls[0], float(turn))["probing"])
        for call in calls[: asked.state.permits.in_flight]:
            asked.end(call, turn + 0.1, began=float(turn))
    assert probing[0] is False
    assert True in probing
    assert probing[-1] is False
    told = asked.numbers(asked.come(70.0), 70.0)
    assert set(told) == {"limit", "in_flight", "queued", "latency", "baseline", "probing"}
    assert told["baseline"] == pytest.approx(0.1)


def test_a_retry_tells_the_attempt_the_time_and_the_budget():
    asked = Asked(
        Retry(on=ConnectionError, attempts=4, backoff=Constant(0.5), budget=RetryBudget(ratio=0.5, floor=0.1))
    )
    call = asked.come(within=2.0)
    assert asked.numbers(call) == {"attempt": 1, "attempts": 4, "left": 2.0, "calls": 1, "retries": 0, "balance": 1}
    assert asked.state.again(call, 0.25, FAILURE) == 0.5
    assert asked.numbers(call, 0.25) == {
        "attempt": 1,
        "attempts": 4,
        "left": 1.75,
        "calls": 1,
        "retries": 1,
        "balance": 0,
    }
    call.attempt = 2
    assert asked.state.again(call, 0.75, FAILURE) is None
    assert call.stopped == "budget"
    assert asked.numbers(call, 0.75)["balance"] == 0


def test_a_retry_that_is_told_to_wait_for_too_long():
    asked = Asked(Retry(on=ConnectionError, budget=ConcurrentBudget(), retry_after_cap=30.0))
    call = asked.come()
    call.failure = Failure(ConnectionError(), retry_after=40.0)
    assert asked.state.again(call, 0.0, OVERLOADED) is None
    assert asked.numbers(call) == {
        "attempt": 1,
        "attempts": 3,
        "retry_after_cap": 30.0,
        "calls": 1,
        "retries": 0,
        "balance": 3,
    }


def test_a_retry_without_a_budget():
    state = Retry(on=ConnectionError, budget=None).start(random.Random(0))
    assert state.numbers(Call(Door(), {}, 0.0), 0.0) == {"attempt": 1, "attempts": 3}


def test_a_hedge():
    asked = Asked(Hedge(0.2, attempts=3, budget=RetryBudget(ratio=0.0, floor=0.2)))
    told = asked.numbers(asked.come())
    assert told == {"attempts": 3, "delay": 0.2, "calls": 1, "retries": 0, "balance": 2}
    state = Hedge(percentile=0.9, budget=None).start(random.Random(0))
    assert state.numbers(Call(Door(), {}, 0.0), 0.0) == {"attempts": 2}


def test_the_admission_of_a_cluster():
    admission = Admission("c", Ceilings(requests=2, retries=1), 5.0)
    asked = Asked(admission)
    ceilings = {"requests_ceiling": 2, "retries_ceiling": 1}
    assert asked.numbers(asked.come()) == {"requests": 1, "retries": 0, "waiting": 1, **ceilings}
    admission.begin()
    again = asked.come(attempt=2)
    assert asked.numbers(again) == {"requests": 2, "retries": 1, "waiting": 0, **ceilings}
    assert asked.numbers(asked.come()) == asked.numbers(again)
    assert asked.numbers(again) == {"requests": 2, "retries": 1, "waiting": 0, **ceilings}
    alone = Asked(Admission("c", None, 5.0))
    assert alone.numbers(alone.come()) == {"requests": 1, "retries": 0, "waiting": 1}


def test_a_policy_on_trial_tells_its_own():
    asked = Asked(Shadow(RateLimit("5/s", key="user")))
    asked.come(user="b")
    assert asked.numbers(asked.come(user="a"))["remaining"] == 4.0
    asked = Asked(Shadow(CircuitBreaker(failures=3)))
    call = asked.come()
    asked.end(call, 0.0, FAILURE)
    assert asked.numbers(asked.come())["streak"] == 1
    asked = Asked(Shadow(RateLimit("5/s", key="user")))
    assert asked.numbers(asked.come()) == {}  # whose it is could not be asked


def test_a_fault():
    asked = Asked(FaultInjection(delay=0.1, share=0.5, expires=60.0))
    call = asked.come(10.0)
    assert asked.numbers(call, 10.0) == {"share": 0.5, "left": 60.0}
    assert asked.numbers(call, 100.0) == {"share": 0.5, "left": 0.0}
    asked = Asked(FaultInjection(abort=503, when="chaos", expires=60.0))
    assert [asked.numbers(asked.come(chaos=value))["matches"] for value in ("yes", "")] == [True, False]


class Follows:
    """Goes along with every call, and keeps what was passed."""

    detailed = True
    sending = answered = answering = left = None

    def __init__(self):
        self.passed = []

    def follow(self, pipeline, call):
        return self

    def __call__(self, event):
        if isinstance(event, Passed):
            self.passed.append((event.at, event.policy, dict(event.numbers), event.queued))


BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def followed(policy):
    shared, follows = stack(policy), Follows()
    shared.listen(follows)
    return shared, follows


@BACKENDS
def test_who_leads_and_who_waits(backend):
    async def main():
        shared, follows = followed(SingleFlight())
        get = shared(Work())
        await at((0.0, partial(get, 1)), (0.25, partial(get, 1)), (0.5, partial(get, 1)), (0.75, partial(get, [])))
        assert sorted(follows.passed, key=lambda each: each[0]) == [
            (0.0, "SingleFlight", {"role": "leads", "waiting": 0}, False),
            (0.25, "SingleFlight", {"role": "waits", "waiting": 1}, True),
            (0.5, "SingleFlight", {"role": "waits", "waiting": 2}, True),
            (0.75, "SingleFlight", {"role": "alone", "waiting": 0}, False),
        ]

    run(main, backend=backend)


@BACKENDS
def test_who_is_to_lead_after_another(backend):
    async def main():
        shared, follows = followed(SingleFlight())
        slow, quick = stack(Timeout(0.5)), shared
        get = quick(Work(seconds=1.0))
        hasty = slow(get)
        await at((0.0, hasty), (0.25, get))
        assert max(follows.passed, key=lambda each: each[0]) == (
            0.5,
            "SingleFlight",
            {"role": "leads", "waiting": 0},
            False,
        )

    run(main, backend=backend)


@BACKENDS
def test_how_old_the_answer_is_that_would_be_given(backend):
    async def main():
        shared, follows = followed(StaleIfError(10.0))
        get = shared(Work("first", ConnectionError()))
        await at((0.0, partial(get, 1)), (5.0, partial(get, 1)), (6.5, partial(get, 2)))
        assert follows.passed == [
            (0.0, "StaleIfError", {"seconds": 10.0}, False),
            (5.0, "StaleIfError", {"seconds": 10.0, "age": 4.0}, False),
            (6.5, "StaleIfError", {"seconds": 10.0}, False),
        ]

    run(main, backend=backend)


def test_asking_how_old_an_answer_is_does_not_use_it():
    state = StaleIfError(10.0, key="user").start(random.Random(0))
    calls = [Call(Door(), {"user": name}, 0.0) for name in "ab"]
    for number, call in enumerate(calls):
        gather(call, [state])
        state.answers.keep(call.facts[state], "kept", 0, float(number))
    before = inside(state)
    told = [state.numbers(calls[0], now) for now in (2.0, 10.0, 10.5)]
    assert told == [{"seconds": 10.0, "age": 2.0}, {"seconds": 10.0, "age": 10.0}, {"seconds": 10.0}]
    assert inside(state) == before


def test_who_leads_is_told_to_whoever_asks():
    """On behalf of a call that has just come."""

    async def main():
        state = SingleFlight(key="user").start(random.Random(0))
        call = Call(Door(), {"user": "a"}, 0.0)
        gather(call, [state])
        told = [state.numbers(call, 0.0)]
        flight = state.flights.begin((_home(), "a"))
        told.append(state.numbers(call, 0.0))
        state.flights.follow(flight, lambda: None)
        told.append(state.numbers(call, 0.0))
        assert told == [
            {"role": "alone", "waiting": 0},
            {"role": "leads", "waiting": 0},
            {"role": "waits", "waiting": 1},
        ]

    run(main)


# Of every policy: the same traces, asked and not asked.

CANARY = "canary-5ca1ab1e"
NUMBER = 5_124_073
"""Also of keys that are numbers nothing is told."""
REQUESTS = [{"user": f"{CANARY}-{k}" if k < 2 else NUMBER, "size": 1 + k} for k in range(3)]

OURS = [
    RateLimit("2/s"),
    RateLimit("3/s", wait=1.0),
    RateLimit("2/s", burst=4, key="user", cost="size", wait=0.5, settle=True),
    RateLimit("1/s", key="user", max_keys=2),
    FixedWindow("2/s"),
    FixedWindow("3/4s", key="user", settle=True),
    SlidingWindow("4/4s", key="user", cost="size"),
    ConcurrencyLimit(2, queue=2, wait=0.5),
    ConcurrencyLimit(1, queue=3, order="adaptive"),
    ConcurrencyLimit(1, queue=1, wait=0.5, key="user"),
    AdaptiveConcurrency(AIMD(initial=3, floor=1), queue=3, order="adaptive", signal=lambda: 0.001),
    AdaptiveConcurrency(Vegas(initial=3, floor=1), queue=3, order="adaptive"),
    AdaptiveConcurrency(Gradient2(initial=3, floor=1), queue=3, order="lifo", signal=lambda: 0.1),
    LoadShed(2, priority="user", signal=lambda: 0.5),
    Throttle(minimum=1),
    Pace(wait=2.0, spread=True, key="user"),
    Pace(wait=30.0, key="user", max_keys=1),
    CircuitBreaker(failures=2, cooldown=1.0),
    CircuitBreaker(failure_rate=0.5, minimum=2, window_seconds=4.0),
    Retry(on=ConnectionError, attempts=4, budget=RetryBudget(floor=0.1)),
    Retry(on=ConnectionError, attempts=9, budget=ConcurrentBudget(floor=1)),
    Hedge(0.1),
    Hedge(percentile=0.9, budget=ConcurrentBudget()),
    FaultInjection(delay=0.1, share=0.5, when="user", expires=5.0),
    FaultInjection(abort=503, share=0.5, expires=5.0),
    Shadow(RateLimit("2/s", key="user", wait=0.5)),
    Shadow(ConcurrencyLimit(1, queue=1)),
    Shadow(Throttle(minimum=1)),
    Shadow(LoadShed(2, priority="user")),
    Shared(RateLimit("2/s", key="user")),
]
ELSEWHERE = {"Cluster", "Fallback", "HttpCheck", "OutlierDetection", "SingleFlight", "SlowStart", "StaleIfError"}
ELSEWHERE |= {"LeastRequest", "PeakEwma", "RoundRobin", "Router", "TcpCheck", "Timeout"}
"""What is asked of nobody's entry: choices and their parts, bounds, fallbacks; sharing is above."""


def test_every_policy_is_here():
    public = {name for name in meshkit.__all__ if isinstance(getattr(meshkit, name), type)}
    policies = {name for name in public if getattr(getattr(meshkit, name), "__call__", None) is no_decorator}  # noqa: B004
    assert policies - ELSEWHERE == {type(spec).__name__ for spec in OURS}


def inside(thing, seen=()):
    """All that an object holds, to be compared: itself, its slots, what they hold."""
    if isinstance(thing, random.Random):
        return thing.getstate()
    if isinstance(thing, dict):
        return [(inside(key, seen), inside(value, seen)) for key, value in thing.items()]
    if isinstance(thing, list | tuple | deque):
        return [inside(each, seen) for each in thing]
    if type(thing).__module__.startswith("meshkit.") and not isinstance(thing, Call) and id(thing) not in seen:
        slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        held = {name: getattr(thing, name) for name in slots if hasattr(thing, name) and not name.startswith("__")}
        held |= getattr(thing, "__dict__", {})
        return [(name, inside(value, (*seen, id(thing)))) for name, value in held.items()]
    return repr(thing)


def judged(state, call, now):
    """Asked twice, and for a later instant, with everything compared."""
    numbers = state.numbers if hasattr(state, "numbers") else lambda call, now: state.snapshot(now)
    before = inside(state), inside(call.facts), repr(state)
    told = numbers(call, now)
    numbers(call, now + 100.0)
    assert told == numbers(call, now)
    assert (inside(state), inside(call.facts), repr(state)) == before
    assert isinstance(told, dict)
    assert 0 < len(told) <= 8
    for name, value in told.items():
        assert isinstance(name, str)
        assert isinstance(value, float | int | str)
        assert not isinstance(value, str) or CANARY not in value
        assert value != NUMBER
        assert not isinstance(value, float) or math.isfinite(value)
    assert CANARY not in json.dumps(told, allow_nan=False)
    return told


def steps(seed):
    draw = random.Random(seed)
    verbs = ["call", "call", "call", "call", "end", "end", "cancel", "race"]
    return [
        Step(
            verb=draw.choice(verbs),
            after=draw.choice([0.0, 0.0, 0.0, 0.001, 0.05, 0.3, 1.0, 4.0, 31.0]),
            which=draw.randrange(6),
            verdict=draw.choice([SUCCESS, SUCCESS, FAILURE, OVERLOADED, Verdict.IGNORED]),
            within=draw.choice([None, 0.0, 0.2, 10.0]),
            asked=draw.choice([None, None, 0.5, 100.0]),
        )
        for _ in range(60)
    ]


def script(spec):
    return Script(spec.spec if isinstance(spec, Shared) else spec, 0, REQUESTS, reading=False, counting=True)


def asking(found):
    """The form of a policy that is asked for its numbers after each decision."""

    def watch(kind, state, ask, exit):
        if kind not in (GATE, REPEAT) or state is None:
            return ask, exit

        def asked(call, now, *verdict):
            try:
                return ask(call, now, *verdict)
            finally:
                found.append(judged(state, call, now))

        return asked, exit

    return watch


@pytest.mark.parametrize("spec", OURS, ids=[f"{type(spec).__name__}-{k}" for k, spec in enumerate(OURS)])
def test_asking_changes_nothing_and_tells_no_key(spec):
    for seed in range(3):
        plain, told, found = script(spec), script(spec), []
        told.root = fold([told.state], asking(found))
        assert told.play(steps(seed)) == plain.play(steps(seed))
        assert len(found) >= 15


def test_a_place_in_line_is_only_that_of_who_has_just_come():
    state = ConcurrencyLimit(1, queue=2).start(random.Random(0))
    first, second, third = (Call(Door(), {}, 0.0) for _ in range(3))
    assert state.enter(first, 0.0) is None
    assert isinstance(state.enter(second, 0.0), Waiter)
    assert isinstance(state.enter(third, 0.0), Waiter)
    assert "place" not in state.numbers(second, 0.0)
