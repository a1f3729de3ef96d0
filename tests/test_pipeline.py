"""The pipeline as an object: decorating in both colours, its state, sharing, seeds."""

from __future__ import annotations

import functools
import inspect
from random import Random

import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    Shared,
    Timeout,
    Verdict,
)
from meshkit.shared import bare

from .scripted import Gate, fails, pipeline, retry


def test_a_decorated_function_keeps_its_name_signature_and_docstring():
    @pipeline(Timeout(1.0))
    def charge(order: str, *, cents: int = 5) -> bytes:
        """Takes the money."""

    assert (charge.__name__, charge.__doc__) == ("charge", "Takes the money.")
    assert str(inspect.signature(charge)) == "(order: 'str', *, cents: 'int' = 5) -> 'bytes'"


async def test_a_decorated_coroutine_function_is_one():
    @pipeline(Timeout(1.0))
    async def charge():
        return "done"

    assert inspect.iscoroutinefunction(charge)
    assert await charge() == "done"


async def test_callable_objects_and_partials_have_their_own_colour():
    class Sync:
        def __call__(self, text):
            return text

    class Async:
        async def __call__(self, text):
            return text

    async def fn(text):
        return text

    stack = pipeline(retry())
    assert stack.call(Sync(), "sync") == "sync"
    assert await stack.call(Async(), "async") == "async"
    assert await stack.call(functools.partial(fn, "partial")) == "partial"
    assert stack.call(functools.partial(Sync(), "partial")) == "partial"
    assert stack.call(max, 1, 2) == 2


def test_methods():
    class Client:
        @pipeline(retry())
        def fetch(self, url):
            return self, url

    client = Client()
    assert client.fetch("url") == (client, "url")


def test_a_judge_overrules_what_counts_as_a_failure():
    gate = Gate()

    @pipeline(gate)(judge=lambda result, error: Verdict.OVERLOADED if result == 503 else Verdict.SUCCESS)
    def fetch(status):
        return status

    assert (fetch(503), fetch(200)) == (503, 200)
    assert gate.log[1::2] == ["gate exit overloaded", "gate exit success"]


def test_a_judge_may_call_an_error_a_success_and_the_error_still_passes():
    gate = Gate()
    stack = pipeline(retry(on=KeyError), gate)
    judged = stack(judge=lambda result, error: Verdict.SUCCESS)(fails(KeyError("expected")))
    with pytest.raises(KeyError, match="expected"):
        judged()
    assert gate.log == ["gate enter", "gate exit success"]


def test_a_judge_that_raises_is_heard_and_nothing_is_left_behind():
    def judge(result, error):
        raise ZeroDivisionError

    stack = pipeline(ConcurrencyLimit(1), retry())
    with pytest.raises(ZeroDivisionError):
        stack(judge=judge)(lambda: None)()
    assert stack.idle()


def test_a_spec_used_twice_has_two_states():
    limit = RateLimit("1/h")
    stack = pipeline(limit, limit)
    other = pipeline(limit)
    assert len({id(state) for state in (*stack.states, *other.states)}) == 3
    stack.call(lambda: None)
    other.call(lambda: None)
    with pytest.raises(RateLimited):
        other.call(lambda: None)


def test_a_pipeline_within_a_pipeline_is_its_policies_with_states_of_their_own():
    inner = pipeline(RateLimit("1/h"), retry())
    stack = pipeline(Timeout(9.0), inner, CircuitBreaker())
    assert stack.specs == (Timeout(9.0), *inner.specs, CircuitBreaker())
    inner.call(lambda: None)
    assert stack.call(lambda: "its own limit") == "its own limit"


def test_shared_is_shared():
    shared = Shared(RateLimit("1/h"))
    assert repr(shared).startswith("Shared(RateLimit(")
    assert bare(shared) == bare(shared.spec) == RateLimit("1/h")
    pipeline(shared).call(lambda: None)
    with pytest.raises(RateLimited):
        pipeline(Timeout(1.0), pipeline(shared)).call(lambda: None)


@pytest.mark.parametrize("spec", [RateLimit, 42, "a word", None])
def test_what_cannot_be_shared(spec):
    with pytest.raises(ConfigError, match="give a policy"):
        Shared(spec)


def test_snapshots_by_name():
    cluster = Cluster("payments", ["a:1"], pipeline=[CircuitBreaker()])
    stack = pipeline(ConcurrencyLimit(5), RateLimit("2/s", name="per tenant"), ConcurrencyLimit(3), cluster)
    stack.call(lambda: None)
    seen = stack.snapshot()
    assert list(seen) == ["ConcurrencyLimit", "per tenant", "ConcurrencyLimit 2", "payments", "payments as a whole"]
    assert seen["ConcurrencyLimit"]["limit"] == 5
    assert seen["ConcurrencyLimit 2"]["limit"] == 3
    assert stack.snapshot() == seen


def test_idle_is_false_while_something_is_held():
    stack = pipeline(ConcurrencyLimit(1), Cluster("c", ["a:1"]))
    assert stack.idle()
    assert stack.call(stack.idle) is False
    assert stack.idle()


def test_a_seed_makes_random_decisions_repeatable():
    def picks(seed):
        stack = pipeline(Cluster("c", [f"a:{k}" for k in range(1, 9)]), seed=seed)

        def fn(endpoint):
            return endpoint.port

        return [stack.call(fn) for _ in range(20)]

    assert picks(1) == picks(1) != picks(2)


def test_each_policy_draws_from_one_generator():
    drawn = []

    class Draws(Gate):
        def start(self, rng):
            drawn.append(rng)
            return self

    Pipeline(Draws("a"), Draws("b"), seed=3)
    assert drawn[0] is drawn[1]
    assert drawn[0].random() == Random(3).random()


def test_it_prints_as_it_is_written():
    assert repr(Pipeline(Timeout(2.0))) == "Pipeline(Timeout(seconds=2.0, name='Timeout'))"
    assert repr(Pipeline()) == "Pipeline()"


def test_explain_has_a_line_for_each_policy():
    shared = Shared(RateLimit("100/s"))
    stack = Pipeline(Timeout(2.0), Retry(on=OSError), shared, Cluster("c", ["a:1"], pipeline=[CircuitBreaker()]))
    lines = stack.explain().splitlines()
    assert [line.split()[0].partition("(")[0] for line in lines] == [
        *("Timeout", "Retry", "Shared", "Cluster", "CircuitBreaker"),
    ]
    assert lines[0].endswith("the deadline of the whole call, its attempts and waits")
    assert lines[2].endswith("counts every attempt, shared")
    assert lines[4].startswith("  CircuitBreaker()")
    assert Pipeline().explain() == "no policies: calls pass unchanged"
