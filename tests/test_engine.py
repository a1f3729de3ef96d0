"""What the engine promises, rule by rule: where a walk goes, what a call holds, what each gate learns."""

from __future__ import annotations

import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    RoundRobin,
    Shared,
    Timeout,
)
from meshkit.engine import survived
from meshkit.runtime.threads import bind
from meshkit.testing import ManualClock

from .scripted import Door, Gate, Sees, fails, pipeline, retry

# In and out.


def test_no_policies_are_the_identity():
    assert pipeline().call(lambda *args, **kwargs: (args, kwargs), 1, two=2) == ((1,), {"two": 2})
    error = KeyError("its own")
    with pytest.raises(KeyError) as caught:
        pipeline().call(fails(error))
    assert caught.value is error
    assert not hasattr(error, "__notes__")


def test_gates_are_entered_from_the_outside_and_left_from_the_inside():
    log = []
    pipeline(Gate("a", log), Gate("b", log), Timeout(9.0), Gate("c", log)).call(lambda: log.append("sent"))
    assert log == [
        *("a enter", "b enter", "c enter", "sent"),
        *("c exit success", "b exit success", "a exit success"),
    ]


@pytest.mark.parametrize("k", [0, 1, 2])
def test_if_gate_k_rejects_only_the_gates_before_it_are_settled(k):
    log = []
    gates = [Gate(str(j), log, [Overloaded()] if j == k else ()) for j in range(3)]
    with pytest.raises(Overloaded):
        pipeline(*gates).call(lambda: log.append("sent"))
    assert log == [*(f"{j} enter" for j in range(k + 1)), *(f"{j} exit ignored" for j in reversed(range(k)))]


def test_a_gate_with_a_fault_of_its_own_leaves_nothing_behind():
    """Its exception passes, and what was entered before it is given back."""
    outer, beside = Gate("outer"), ConcurrencyLimit(1)
    stack = pipeline(outer, beside, Gate("faulty", does=[KeyError("fault")]), Gate("never"))
    with pytest.raises(KeyError, match="fault"):
        stack.call(lambda: None)
    assert stack.idle()
    assert outer.log == ["outer enter", "outer exit ignored"]
    assert stack.call(lambda: 1) == 1


def test_a_failing_exit_is_survived_and_counted():
    log = []
    before = survived[0]
    stack = pipeline(Gate("a", log), Gate("b", log, exits=ValueError("law broken")), Gate("c", log))
    assert stack.call(lambda: "kept") == "kept"
    assert survived[0] == before + 1
    assert str(survived[1]) == "law broken"
    assert log[-3:] == ["c exit success", "b exit success", "a exit success"]


def test_an_interrupted_exit_gives_back_everything_once():
    """Ctrl-C in the middle of giving back: the rest is given back, and nothing twice."""
    gates = [Gate("a"), Gate("b"), Gate("c", exits=KeyboardInterrupt()), Gate("d")]
    with pytest.raises(KeyboardInterrupt):
        pipeline(*gates).call(lambda: None)
    assert [gate.inside for gate in gates] == [0, 0, 0, 0]


class InterruptedClock(ManualClock):
    def sleep(self, seconds):
        self.advance(seconds / 2)
        raise KeyboardInterrupt


def test_a_delay_is_an_entry_at_its_end():
    log = []
    clock = ManualClock()
    Pipeline(Gate("a", log, [2.0]), clock=clock).call(lambda: log.append(clock()))
    assert log == ["a enter", 2.0, "a exit success"]


def test_what_is_given_up_during_its_delay_never_began():
    gate = Gate(does=[2.0])
    with pytest.raises(KeyboardInterrupt):
        Pipeline(gate, clock=InterruptedClock()).call(lambda: None)
    assert gate.log == ["gate enter", "gate exit ignored early"]


def test_a_rejection_after_a_delay_settles_the_delayed_gate():
    log = []
    with pytest.raises(Overloaded):
        pipeline(Gate("a", log), Gate("b", log, [1.0]), Gate("c", log, [Overloaded()])).call(lambda: None)
    assert log == ["a enter", "b enter", "c enter", "b exit ignored", "a exit ignored"]


# Until when.


def test_a_delay_that_would_cross_the_deadline_fails_at_once():
    clock = ManualClock()
    stack = Pipeline(Timeout(5.0), RateLimit("1/10s", wait=60.0), clock=clock)
    stack.call(lambda: None)
    with pytest.raises(RateLimited) as caught:
        stack.call(lambda: None)
    assert clock() == 0.0
    assert caught.value.retry_after == 10.0


def test_a_backoff_that_would_cross_the_deadline_is_not_waited_for():
    clock = ManualClock()
    with pytest.raises(ConnectionError) as caught:
        Pipeline(Timeout(5.0), retry(backoff=3.0), clock=clock).call(fails(*[ConnectionError()] * 3))
    assert clock() == 3.0
    assert caught.value.__notes__ == ["2 attempts in 3 s, stopped: deadline"]


def test_the_smaller_deadline_wins_and_each_attempt_is_asked_anew():
    seen = []

    sees = Sees(lambda call, now: seen.append((now, call.deadline)))
    stack = pipeline(Timeout(5.0), retry(backoff=3.0), Timeout(4.0), Timeout(9.0), sees)
    bind(stack, Door(), fails(ConnectionError()))()
    assert seen == [(0.0, 4.0), (3.0, 5.0)]


# What cannot be built.


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        (lambda: [Shared(RateLimit("1/s"))] * 2, "the same state stands twice on one path"),
        (
            lambda: [shared := Shared(RateLimit("1/s")), Cluster("c", ["a:1"], pipeline=[shared])],
            "the same state stands twice on one path",
        ),
        (lambda: [Cluster("c", ["a:1"]), CircuitBreaker()], "CircuitBreaker stands behind it, but a choice ends"),
        (lambda: [Cluster("c", ["a:1"]), Cluster("d", ["a:1"])], "d stands behind it, but a choice ends"),
        (lambda: [42], "policies=42: give policies, pipelines, or an async def"),
        (lambda: [CircuitBreaker], r"CircuitBreaker is the class: write CircuitBreaker\(...\)"),
        (lambda: [type("Odd", (), {"start": lambda self, rng: 42})()], "no policy"),
    ],
    ids=["twice", "twice, by way of a cluster", "behind", "cluster behind cluster", "number", "class", "no shape"],
)
def test_an_order_that_means_nothing(policies, said):
    with pytest.raises(ConfigError, match=said):
        Pipeline(*policies())


def test_a_state_may_stand_on_two_paths():
    shared = Shared(RateLimit("1/s"))
    cluster = Cluster("c", ["a:1", "b:1"], pipeline=[shared], balancer=RoundRobin())
    stack = pipeline(cluster)
    stack.call(lambda: None)
    with pytest.raises(RateLimited):
        stack.call(lambda: None)


# What is asked of the request.


def test_a_key_function_may_itself_use_meshkit():
    """It runs outside the lock: it cannot deadlock."""
    quota = RateLimit("1/min")
    looked_up = pipeline(quota)

    def key(call):
        return looked_up.call(lambda: "tenant")

    assert pipeline(RateLimit("1/s", key=key)).call(lambda: "done") == "done"


def test_a_key_function_that_raises_has_taken_nothing():
    def key(call):
        raise KeyError("user")

    log = []
    stack = pipeline(Gate("first", log), ConcurrencyLimit(1, key=key))
    with pytest.raises(KeyError, match="user"):
        stack.call(lambda: None)
    assert log == []
    assert stack.idle()


def test_a_key_is_asked_once_per_call():
    asked = []

    def key(call):
        asked.append(call)
        return 1

    cluster = Cluster("c", ["a:1"], pipeline=[RateLimit("9/s", key=key)])
    pipeline(RateLimit("9/s", key=key), retry(), cluster).call(fails(ConnectionError(), ConnectionError()))
    assert len(asked) == 2
    assert len(set(asked)) == 1


def test_a_timeout_inside_a_retry_needs_a_function_that_can_be_cancelled():
    with pytest.raises(ConfigError, match=r"outside the retry \(of a preset: attempt_timeout=None\), or make"):
        pipeline(retry(), Timeout(1.0)).call(lambda: None)
