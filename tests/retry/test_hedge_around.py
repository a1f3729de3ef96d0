"""Hedge: among other policies, and what must not be done twice. In virtual time."""

from __future__ import annotations

import math

import anyio
import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    Constant,
    Failure,
    Hedge,
    Overloaded,
    RateLimit,
    Retry,
    RoundRobin,
    Verdict,
)
from meshkit.testing import run

from ..scripted import Gate
from .hedged import Upstream, ends, hedged

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
pause = anyio.sleep
NAN, INF = math.nan, math.inf


# What stands around it and behind it.


@BACKENDS
@pytest.mark.parametrize("gate", [ConcurrencyLimit(1), RateLimit("1/s", burst=1)], ids=["limit", "rate"])
def test_a_further_attempt_that_is_refused_leaves_the_first(gate, backend):
    upstream = Upstream((1.5, "a"))
    result, took, counted = ends(upstream, Hedge(0.5), gate, backend=backend)
    assert (result, took, counted) == ("a", 1.5, (1, 0))
    assert len(upstream.began_at) == 1


@BACKENDS
def test_a_first_attempt_that_is_refused_is_the_calls_end(backend):
    result, took, counted = ends(Upstream((1.0, "a")), Hedge(0.5), Gate(does=[Overloaded("no")]), backend=backend)
    assert isinstance(result, Overloaded)
    assert (took, counted) == (0.0, (0, 0))


@BACKENDS
def test_where_all_are_refused_the_first_refusal_stands(backend):
    """It stands in a queue for as long as that takes."""

    async def main():
        stack = hedged(Hedge(0.5), ConcurrencyLimit(1, queue=1, wait=1.0, name="line"))
        async with anyio.create_task_group() as group:
            group.start_soon(stack.call, pause, 9.0)
            await pause(0.1)
            with pytest.raises(Overloaded, match="no permit within 1 s"):
                await stack.call(pause, 1.0)
        assert stack.idle()

    run(main, backend=backend)


@BACKENDS
def test_a_breaker_learns_of_the_attempts_that_ended_and_not_of_those_given_up(backend):
    gate = Gate("g")
    ends(Upstream((9.0, "a"), (0.5, "b")), Hedge(1.0), gate, backend=backend)
    assert gate.log == ["g enter", "g enter", "g exit success", "g exit ignored"]
    gate = Gate("g")
    ends(Upstream((2.0, KeyError()), (0.5, OSError())), Hedge(1.0), gate, CircuitBreaker(), backend=backend)
    assert gate.log == ["g enter", "g enter", "g exit failure", "g exit failure"]


@BACKENDS
def test_a_gate_outside_sees_one_call(backend):
    gate = Gate("g")
    ends(Upstream((9.0, "a"), (0.5, "b")), gate, Hedge(1.0), backend=backend)
    assert gate.log == ["g enter", "g exit success"]


@BACKENDS
def test_a_further_attempt_goes_to_another_endpoint(backend):
    sent = []

    async def main():
        async def fn(endpoint):
            sent.append(str(endpoint))
            await pause(9.0 if len(sent) == 1 else 0.1)
            return str(endpoint)

        for _ in range(2):
            sent.clear()
            cluster = Cluster("c", ["a:1", "b:1"], balancer=RoundRobin(), pipeline=[ConcurrencyLimit(1)])
            stack = hedged(Hedge(1.0), cluster)
            assert await stack.call(fn) == sent[1] != sent[0]
            assert stack.idle()

    run(main, backend=backend)


@BACKENDS
def test_outside_a_retry_each_attempt_has_its_retries(backend):
    upstream = Upstream((0.4, OSError()), (9.0, "a"), (0.4, OSError()), (0.3, "b"))
    again = Retry(on=OSError, backoff=Constant(0.0), budget=None)
    result, took, _ = ends(upstream, Hedge(1.0), again, ConcurrencyLimit(9), backend=backend)
    assert (result, took) == ("b", 1.7)


@BACKENDS
def test_inside_a_retry_each_attempt_is_hedged(backend):
    upstream = Upstream((2.0, OSError()), (0.5, OSError()), (9.0, "a"), (0.5, "b"))
    again = Retry(on=OSError, backoff=Constant(0.0), budget=None)
    result, took, counted = ends(upstream, again, Hedge(1.0), ConcurrencyLimit(9), backend=backend)
    assert (result, took, counted) == ("b", 3.5, (2, 1))


@BACKENDS
def test_hedges_within_hedges_and_middlewares(backend):
    class Slowly:
        async def __call__(self, call, call_next):
            await pause(0.25)
            return await call_next()

    upstream = Upstream((9.0, "a"), (9.0, "b"), (9.0, "c"), (0.25, "d"))
    stack = (Hedge(2.0), Slowly(), ConcurrencyLimit(9), Hedge(1.0), Slowly(), ConcurrencyLimit(9))
    result, _, _ = ends(upstream, *stack, backend=backend)
    assert result == "d"


# Only what may be done twice.


class Door:
    answers_early = enforces_deadline = judges_results = opens = takes_request = False
    reserve = 0.0
    address = hold = discard = None

    def __init__(self, replayable, idempotent):
        self.answer = replayable, idempotent

    def twice(self, call):
        return self.answer

    def judge(self, call, result, error):
        return FAILURE

    def failure(self, call, result, error):
        return Failure(error)


@BACKENDS
@pytest.mark.parametrize(
    ("replayable", "idempotent", "non_idempotent", "sent"),
    [
        (True, True, False, 2),
        (True, False, False, 1),
        (False, True, False, 1),
        (False, False, False, 1),
        (True, False, True, 2),
        (False, True, True, 1),
        (False, False, True, 1),
    ],
)
def test_what_may_not_be_done_twice(replayable, idempotent, non_idempotent, sent, backend):
    from meshkit.runtime.tasks import bind

    async def main():
        gate = Gate("g")
        stack = hedged(Hedge(1.0, non_idempotent=non_idempotent), gate, ConcurrencyLimit(9))
        upstream = Upstream((3.0, "a"), (9.0, "b"))
        assert await bind(stack, Door(replayable, idempotent), upstream)() == "a"
        assert len(upstream.began_at) == sent
        assert gate.log.count("g exit success") == 1
        assert stack.idle()
        failing = Upstream((0.1, OSError("x")))
        with pytest.raises(OSError, match="x"):
            await bind(stack, Door(replayable, idempotent), failing)()
        assert gate.log[-1] == "g exit failure"
        assert stack.idle()

    run(main, backend=backend)
