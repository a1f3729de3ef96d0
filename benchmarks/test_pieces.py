"""What does each piece of the hot path cost by itself? ``pytest benchmarks --benchmark-enable --benchmark-only``.

For whoever makes one of them faster: nanoseconds, without a floor and without peers, so compare runs of one machine
only (``--benchmark-autosave``, ``--benchmark-compare``). Without ``--benchmark-enable`` each piece runs but once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from benchmarks.cluster import pick_and_report
from benchmarks.stack import six_policies
from meshkit import (
    CircuitBreaker,
    CircuitOpen,
    ConcurrencyLimit,
    Constant,
    Endpoint,
    Exponential,
    Failure,
    LeastRequest,
    PeakEwma,
    Pipeline,
    RateLimit,
    Retry,
    RoundRobin,
    Timeout,
)
from meshkit.balance import Member
from meshkit.call import Call, Verdict
from meshkit.engine import advance, release

Benchmark = Callable[..., Any]

SUCCESS, FAILURE = Verdict.SUCCESS, Verdict.FAILURE
NEVER = 2**31


@pytest.fixture
def call() -> Call:
    return Call(None, ((), {}), 0.0)


def passed(gate: Any, call: Call, verdict: Verdict) -> Callable[[], None]:
    """Through a gate and back, a millisecond later each time."""
    clock = itertools.count()
    enter, leave = gate.enter, gate.exit

    def one() -> None:
        now = next(clock) / 1000
        enter(call, now)
        if leave is not None:
            leave(call, now, now + 0.001, verdict)

    return one


def test_a_call_is_made(benchmark: Benchmark) -> None:
    benchmark(Call, None, ((), {}), 0.0)


@pytest.mark.parametrize(
    "spec",
    [
        RateLimit("1000000/s"),
        ConcurrencyLimit(100),
        CircuitBreaker(failures=NEVER),
        CircuitBreaker(failure_rate=1.0, window_seconds=30.0, minimum=NEVER),
        CircuitBreaker(failure_rate=1.0, window_calls=1000),
    ],
    ids=["rate", "concurrency", "breaker", "breaker-window-seconds", "breaker-window-calls"],
)
def test_through_a_gate_and_back(benchmark: Benchmark, spec: Any, call: Call) -> None:
    benchmark(passed(spec.start(Random(1)), call, SUCCESS))


def test_a_failure_through_a_breaker(benchmark: Benchmark, call: Call) -> None:
    benchmark(passed(CircuitBreaker(failures=NEVER).start(Random(1)), call, FAILURE))


def test_an_open_breaker_refuses(benchmark: Benchmark, call: Call) -> None:
    breaker = CircuitBreaker(failures=1, cooldown=3600.0).start(Random(1))
    passed(breaker, call, FAILURE)()

    def refused() -> bool:
        try:
            breaker.enter(call, 1.0)
        except CircuitOpen:
            return True
        return False

    assert benchmark(refused)


@pytest.mark.parametrize("backoff", [Constant(0), Exponential()], ids=["constant", "exponential"])
def test_a_retry_is_asked(benchmark: Benchmark, backoff: Any, call: Call) -> None:
    state = Retry(on=ConnectionError, backoff=backoff, budget=None).start(Random(1))
    call.failure = Failure(ConnectionError())
    assert benchmark(state.again, call, 1.0, FAILURE) is not None


def test_a_bound_is_asked(benchmark: Benchmark, call: Call) -> None:
    assert benchmark(Timeout(2.0).start(Random(1)).until, call, 1.0) == 3.0


@pytest.mark.parametrize("endpoints", [10, 1000])
@pytest.mark.parametrize("spec", [RoundRobin(), LeastRequest(), PeakEwma()], ids=["round-robin", "least", "peak-ewma"])
def test_a_pick(benchmark: Benchmark, spec: Any, endpoints: int, call: Call) -> None:
    balancer = spec.start(Random(1))
    members = [Member(Endpoint(f"10.0.{n // 250}.{n % 250}:80"), balancer.load(1)) for n in range(endpoints)]
    *_, arranged = balancer.arrange(members, None)
    assert benchmark(arranged.pick, call, 1.0) in members


@pytest.mark.parametrize("endpoints", [10, 1000, 10_000])
def test_a_pick_and_its_report(benchmark: Benchmark, endpoints: int) -> None:
    benchmark(pick_and_report(endpoints))


def test_the_walk_through_six_policies_and_back(benchmark: Benchmark) -> None:
    """The engine alone: no shell, no lock, no clock."""
    pipeline = six_policies()
    root = pipeline.root

    def one() -> None:
        call = Call(None, ((), {}), 1.0)
        assert advance(call, root, 1.0) is None
        release(call, None, 1.0, SUCCESS)

    benchmark(one)
    assert pipeline.idle()


@pytest.mark.parametrize("policies", [0, 1, 6])
def test_a_pipeline_is_built(benchmark: Benchmark, policies: int) -> None:
    specs = six_policies().specs[:policies]
    benchmark(lambda: Pipeline(*specs))
