"""Shadow: it counts what the policy would have done, and does none of it."""

from __future__ import annotations

import threading
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Fallback,
    Hedge,
    LoadShed,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    Shadow,
    Shared,
    Throttle,
    Timeout,
    Verdict,
    WouldReject,
)
from meshkit.call import Call
from meshkit.policy import PASS, Waiter
from meshkit.section import LEAF, Section
from meshkit.testing import ManualClock, run, virtual_clock

from .scripted import fails, pipeline, told_to

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
pause = anyio.sleep


@pytest.mark.parametrize(
    "policy",
    [
        *(Timeout(1.0), Retry(on=OSError), Cluster("c", ["a:1"]), Fallback(value=1), Hedge(0.1)),
        *(Shared(Retry("5xx")), None, 3, "100/s", lambda call, call_next: None),
    ],
    ids=lambda policy: type(policy).__name__ + getattr(policy, "__name__", ""),
)
def test_what_cannot_be_on_trial(policy):
    with pytest.raises(ConfigError, match="Shadow: policy="):
        Shadow(policy)


def test_a_class_is_no_policy():
    with pytest.raises(ConfigError, match=r"Shadow: RateLimit is the class: write RateLimit\(\.\.\.\)"):
        Shadow(RateLimit)


def test_what_is_shared_is_not_started_before_its_pipeline():
    shared = Shared(RateLimit("1/s"))
    trial = Shadow(shared)
    assert shared._state is None
    assert pipeline(trial).states[0].inner is pipeline(shared).states[0]


def test_of_how_many_calls_it_was_asked():
    """Those of which its user's code could not tell whose they are are not among them."""

    def whose(call):
        if call.request[0] == ("nobody",):
            raise KeyError
        return "all"

    stack = pipeline(Shadow(RateLimit("1/h", key=whose)))
    for who in ("ann", "bob", "nobody", "eve"):
        stack.call(str, who)
    shown = stack.snapshot()["RateLimit"]
    assert (shown["asked"], shown["would_reject"], shown["failed"]) == (3, 2, 1)
    assert "refused" not in shown


def test_a_spec_is_a_value():
    assert Shadow(RateLimit("1/s")) == Shadow(RateLimit("1/s"))
    assert repr(Shadow(RateLimit("1/s"))).startswith("Shadow(policy=RateLimit(")


# Nothing is refused or delayed, whatever it would have done.


def takes_a_user(spec, fail=False):
    def fn(user):
        if fail:
            raise ConnectionError
        return user

    stack = pipeline(spec)
    for _ in range(4):
        try:
            stack.call(fn, "ada")
        except ConnectionError:
            assert fail
    assert stack.clock() == 0.0
    assert stack.idle()
    (shown,) = stack.snapshot().values()
    return shown["would_reject"], shown["would_wait"]


COUNTS = [
    (RateLimit("1/s", burst=1), False, (3, 0)),
    (RateLimit("1/s", burst=1, wait=1.5), False, (2, 1)),
    (RateLimit("1/s", burst=2, key="user"), False, (2, 0)),
    (RateLimit("1/s", burst=4, cost=2), False, (2, 0)),
    (CircuitBreaker(failures=1), True, (3, 0)),
    (CircuitBreaker(failures=1), False, (0, 0)),
    (LoadShed(signal=lambda: 1.0, threshold=0.5), False, (4, 0)),
    (Shared(RateLimit("1/s", burst=1)), False, (3, 0)),
]


@pytest.mark.parametrize("k", range(len(COUNTS)))
def test_counts(k):
    spec, fail, counted = COUNTS[k]
    assert takes_a_user(Shadow(spec), fail) == counted
    if spec.__class__ is not Shared:
        assert takes_a_user(Shadow(Shadow(spec)), fail) == (0, 0)  # a shadow refuses nobody


@BACKENDS
@pytest.mark.parametrize(("queue", "counted"), [(0, (3, 0)), (1, (0, 3)), (9, (0, 3))])
@pytest.mark.parametrize("key", [None, "call"])
def test_a_concurrency_limit(queue, counted, key, backend):
    """A place in its queue is given up at once: who queues takes no place from others who would."""

    async def main():
        limit = ConcurrencyLimit(1, queue=queue, key=(lambda call: "all") if key else None)
        stack = Pipeline(Shadow(limit), clock=virtual_clock)
        began = virtual_clock()
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(stack.call, pause, 1.0)
        assert virtual_clock() - began == pytest.approx(1.0)
        assert stack.idle()
        shown = stack.snapshot()["ConcurrencyLimit"]
        return shown["would_reject"], shown["would_wait"]

    assert run(main, backend=backend) == counted


def test_on_threads_too():
    stack = Pipeline(Shadow(ConcurrencyLimit(1)))
    inside = threading.Barrier(5)
    threads = [threading.Thread(target=stack.call, args=(inside.wait, 20)) for _ in range(4)]
    for thread in threads:
        thread.start()
    inside.wait(20)
    for thread in threads:
        thread.join()
    assert stack.snapshot()["ConcurrencyLimit"]["would_reject"] == 3
    assert stack.idle()


# It decides as the policy itself would.

GATES = {
    "rate": RateLimit("2/s", burst=3),
    "rate by key": RateLimit("1/s", burst=2, key="who", max_keys=2),
    "limit": ConcurrencyLimit(2),
    "limit by key": ConcurrencyLimit(1, key="who"),
    "breaker": CircuitBreaker(failures=2, cooldown=1.0),
    "breaker by rate": CircuitBreaker(failure_rate=0.5, minimum=3, window_seconds=4.0, cooldown=0.5, probes=1),
    "shed": LoadShed(2, priority="who"),
    "throttle": Throttle(minimum=1),
}


class Asked:
    def fact(self, call, name):
        return call.request


steps = st.lists(
    st.tuples(
        st.integers(0, 4),  # quarters of a second before it
        st.booleans(),  # a call begins, or the oldest ends
        st.sampled_from([SUCCESS, FAILURE, FAILURE, OVERLOADED, IGNORED]),
        st.sampled_from([1, 2, 3]),
    ),
    max_size=60,
)


def play(spec, steps, *, shadow):
    """A trace of beginnings and ends; which beginnings were refused, or would have been. Those teach nothing more."""
    state = (Shadow(spec) if shadow else spec).start(Random(4))
    refused, entered, now = [], [], 0.0
    for quarters, begins, verdict, who in steps:
        now += quarters / 4
        if begins:
            call = Call(Asked(), who, now)
            if getattr(state, "facts", None) is not None:
                call.facts = {state: state.facts(call)}
            try:
                seen = getattr(state, "would_reject", 0)
                answer = state.enter(call, now)
                refused.append(shadow and state.would_reject > seen)
                assert not shadow or not answer or answer is PASS
                if answer is not PASS:
                    entered.append((call, now))
            except Rejected:
                assert not shadow
                refused.append(True)
        elif entered:
            call, began = entered.pop(0)
            call.answered_at = now
            if state.exit is not None:
                state.exit(call, began, now, verdict)
    shown = state.snapshot(now)
    return refused, {
        name: value
        for name, value in shown.items()
        if name not in ("asked", "would_reject", "would_wait", "failed", "refused")
    }


@pytest.mark.parametrize("gate", GATES)
@given(steps=steps)
def test_it_would_reject_what_the_policy_in_force_rejects(gate, steps):
    assert play(GATES[gate], steps, shadow=True) == play(GATES[gate], steps, shadow=False)


# Answers of other gates.


class Answers:
    exit = None
    name = "answers"

    def __init__(self, answer):
        self.answer = answer

    def start(self, rng):
        return self

    def enter(self, call, now):
        return self.answer(call) if callable(self.answer) else self.answer

    def leave(self, waiter):
        pass


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (None, (0, 0)),
        (0.0, (0, 0)),
        (PASS, (0, 0)),
        (2.5, (0, 1)),
        (Waiter, (0, 1)),
        (Section(LEAF, lambda: "elsewhere"), (1, 0)),
    ],
    ids=["go", "no delay", "pass", "delay", "queue", "elsewhere"],
)
def test_whatever_a_gate_may_answer(answer, counted):
    stack = pipeline(Shadow(Answers(answer)))
    assert stack.call(lambda: "here") == "here"
    assert stack.clock() == 0.0
    shown = stack.snapshot()["answers"]
    assert (shown["would_reject"], shown["would_wait"]) == counted


def test_where_its_users_code_fails_the_call_goes():
    def broken(call):
        raise ZeroDivisionError

    stack = pipeline(Shadow(RateLimit("1/s", key=broken)), Shadow(RateLimit("1/s", key=lambda call: [])))
    assert stack.call(lambda: "here") == "here"
    assert [shown["failed"] for shown in stack.snapshot().values()] == [1, 1]
    assert stack.idle()


def test_an_attribute_that_requests_do_not_have_is_a_mistake_to_be_told():
    with pytest.raises(ConfigError, match="user"):
        pipeline(Shadow(RateLimit("1/s", key="user"))).call(lambda: 1)


# Told, steered, shared.


def test_events():
    limit = RateLimit("1/s", burst=1, wait=1.0, name="trial")
    stack = pipeline(Shadow(limit))
    events = []
    stack.listen(told_to(events), direct=True)
    for _ in range(3):
        stack.call(lambda: None)
    told = [event for event in events if isinstance(event, WouldReject)]
    assert [(event.at, event.policy, str(event.reason).partition(";")[0]) for event in told] == [
        (0.0, "trial", "trial: would have waited 1 s"),
        (0.0, "trial", "trial: limit of 1/s reached"),
    ]
    assert all(event.reason.__traceback__ is None for event in told)


@BACKENDS
def test_events_of_a_queue(backend):
    async def main():
        stack = Pipeline(Shadow(ConcurrencyLimit(1, queue=1)), clock=virtual_clock)
        events = []
        stack.listen(told_to(events), direct=True)
        async with anyio.create_task_group() as group:
            group.start_soon(stack.call, pause, 1.0)
            group.start_soon(stack.call, pause, 1.0)
        return [str(event.reason) for event in events if isinstance(event, WouldReject)]

    assert run(main, backend=backend) == ["ConcurrencyLimit: would have queued"]


def test_a_breaker_on_trial_is_watched_and_steered():
    stack = pipeline(Shadow(CircuitBreaker(failures=1, name="trial")))
    events = []
    stack.listen(told_to(events), direct=True)
    with pytest.raises(ConnectionError):
        stack.call(fails(ConnectionError()))
    stack.call(lambda: None)
    control = stack.control("trial")
    assert control.snapshot()["state"] == "open"
    control.reset()
    assert control.snapshot()["state"] == "closed"
    control.isolate()
    assert stack.call(lambda: "goes") == "goes"
    changes = [(event.before, event.after) for event in events if hasattr(event, "before")]
    assert changes == [("closed", "open"), ("open", "closed"), ("closed", "isolated")]
    with pytest.raises(ConfigError, match="only a circuit breaker"):
        pipeline(Shadow(RateLimit("1/s"))).control("RateLimit").reset()


def test_one_trial_for_two_pipelines():
    trial = Shared(Shadow(RateLimit("1/s", burst=1)))
    first, second = (Pipeline(trial, clock=ManualClock()) for _ in range(2))
    first.call(lambda: None)
    second.call(lambda: None)
    assert first.snapshot() == second.snapshot()
    assert first.snapshot()["RateLimit"]["would_reject"] == 1


def test_it_asks_for_what_the_policy_asks_for():
    class Reads(Answers):
        reads_quota = reads_failure = True

    state = Shadow(Reads(None)).start(Random(0))
    assert (state.reads_quota, state.reads_failure) == (True, True)
    plain = Shadow(RateLimit("1/s")).start(Random(0))
    assert (plain.reads_quota, plain.reads_failure) == (False, False)
