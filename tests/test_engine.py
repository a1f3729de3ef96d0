"""What the engine promises, rule by rule: where a walk goes, what a call holds, what each gate learns."""

from __future__ import annotations

from random import Random

import pytest

from meshkit import (
    CircuitBreaker,
    CircuitOpen,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    Failure,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    Rejected,
    Retry,
    RoundRobin,
    Shared,
    Timeout,
    Verdict,
)
from meshkit.engine import survived
from meshkit.runtime.threads import bind
from meshkit.testing import ManualClock


class Gate:
    """Writes down what happens to it, and does what it is told: ``None``, seconds, or an error to raise."""

    def __init__(self, name="gate", log=None, does=(), exits=None):
        self.name = name
        self.log = [] if log is None else log
        self.does = list(does)
        self.inside = 0
        self.exits = exits

    def start(self, rng):
        return self

    def enter(self, call, now):
        self.log.append(f"{self.name} enter")
        answer = self.does.pop(0) if self.does else None
        if isinstance(answer, BaseException):
            raise answer
        self.inside += 1
        return answer

    def exit(self, call, began, now, verdict):
        self.inside -= 1
        self.log.append(f"{self.name} exit {verdict.value}{' early' if now < began else ''}")
        if self.exits is not None:
            error, self.exits = self.exits, None
            raise error

    def idle(self):
        return self.inside == 0


class Branches:
    """A choice among branches by name: the first that is not to be avoided, else the last."""

    name = "branches"

    def __init__(self, **branches):
        self.branches = branches

    def start(self, rng):
        return self

    def fold(self, fold):
        self.sections = {name: fold(states) for name, states in self.branches.items()}

    def pick(self, call, now):
        names = list(self.branches)
        call.endpoint = next((name for name in names if name not in call.avoid), names[-1])
        return self.sections[call.endpoint]


def fails(*errors):
    """A function that raises each of these once, then returns "done"."""
    left = list(errors)

    def fn():
        if left:
            raise left.pop(0)
        return "done"

    return fn


def pipeline(*policies, **options):
    return Pipeline(*policies, clock=ManualClock(), **options)


def retry(attempts=3, backoff=0.0, on=ConnectionError):
    return Retry(on=on, attempts=attempts, backoff=Constant(backoff), budget=None)


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


# Again.


def test_each_attempt_is_an_entry_of_what_stands_inside_the_retry():
    log = []
    stack = pipeline(Gate("out", log), retry(), Gate("in", log))
    assert stack.call(fails(ConnectionError(), ConnectionError())) == "done"
    assert log == [
        *("out enter", "in enter", "in exit failure", "in enter", "in exit failure", "in enter", "in exit success"),
        "out exit success",
    ]


def test_the_last_failure_passes_unchanged_with_a_note():
    errors = [ConnectionError(k) for k in range(3)]
    with pytest.raises(ConnectionError) as caught:
        pipeline(retry(backoff=0.25)).call(fails(*errors))
    assert caught.value is errors[2]
    assert caught.value.__notes__ == ["3 attempts in 0.5 s, stopped: attempts"]
    assert not any(hasattr(error, "__notes__") for error in errors[:2])


def test_what_a_retry_does_not_name_is_not_repeated_and_has_no_note():
    error = KeyError("not ours")
    with pytest.raises(KeyError) as caught:
        pipeline(retry()).call(fails(error))
    assert caught.value is error
    assert not hasattr(error, "__notes__")


def test_a_rejection_is_not_repeated():
    gate = Gate(does=[CircuitOpen()])
    with pytest.raises(CircuitOpen):
        pipeline(Retry(on=lambda failure: True, backoff=Constant(0.0)), gate).call(lambda: "done")
    assert gate.log == ["gate enter"]


def test_the_inner_retry_is_asked_first_and_begins_anew_for_each_attempt_of_the_outer():
    seen = []

    class Seen:
        exit = None

        def start(self, rng):
            return self

        def enter(self, call, now):
            seen.append((now, call.attempt))

    with pytest.raises(ConnectionError):
        pipeline(retry(2, 5.0), retry(3, 1.0), Seen()).call(fails(*[ConnectionError()] * 9))
    assert seen == [(0.0, 1), (1.0, 2), (2.0, 3), (7.0, 1), (8.0, 2), (9.0, 3)]


def test_an_outer_retry_repeats_what_the_inner_one_does_not_name():
    log = []
    stack = pipeline(retry(on=KeyError), Gate("between", log), retry(on=ConnectionError), Gate("in", log))
    assert stack.call(fails(ConnectionError(), KeyError(), ConnectionError())) == "done"
    assert log == [
        *("between enter", "in enter", "in exit failure", "in enter", "in exit failure", "between exit failure"),
        *("between enter", "in enter", "in exit failure", "in enter", "in exit success", "between exit success"),
    ]


def test_a_predicate_that_raises_repeats_nothing_and_does_not_hide_the_failure():
    def predicate(failure):
        raise ZeroDivisionError

    error = ConnectionError("the one that counts")
    with pytest.raises(ConnectionError) as caught:
        pipeline(Retry(on=predicate, backoff=Constant(0.0))).call(fails(error))
    assert caught.value is error


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

    class Seen:
        exit = None

        def start(self, rng):
            return self

        def enter(self, call, now):
            seen.append((now, call.deadline))

    stack = pipeline(Timeout(5.0), retry(backoff=3.0), Timeout(4.0), Timeout(9.0), Seen())
    bind(stack, Door(), fails(ConnectionError()))()
    assert seen == [(0.0, 4.0), (3.0, 5.0)]


class Door:
    """Any function's, without the check that a thread cannot keep an attempt's timeout."""

    enforces_deadline = judges_results = takes_request = False
    address = hold = discard = None

    def judge(self, call, result, error):
        return Verdict.IGNORED if isinstance(error, Rejected) else Verdict.FAILURE

    def failure(self, call, result, error):
        return Failure(error)


# Elsewhere.


def endpoint_of(call_log):
    def fn(endpoint):
        call_log.append(endpoint)
        return endpoint

    return fn


def test_a_rejection_below_a_choice_goes_to_another_branch_and_costs_no_attempt():
    log, sent = [], []
    choice = Branches(a=[Gate("a1", log), Gate("a2", log, [Overloaded()])], b=[Gate("b", log)])
    stack = pipeline(Gate("out", log), retry(1), choice)
    assert stack.call(endpoint_of(sent)) == "b"
    assert sent == ["b"]
    assert log == [
        *("out enter", "a1 enter", "a2 enter", "a1 exit ignored", "b enter", "b exit success", "out exit success"),
    ]


def test_when_a_pick_answers_a_refused_branch_the_rejection_stands_and_names_its_endpoint():
    log = []
    choice = Branches(a=[Gate("a", log, [Overloaded(policy="a")])], b=[Gate("b", log, [Overloaded(policy="b")])])
    with pytest.raises(Overloaded) as caught:
        pipeline(Gate("out", log), choice).call(lambda: None)
    assert (caught.value.policy, caught.value.endpoint) == ("b", "b")
    assert log == ["out enter", "a enter", "b enter", "out exit ignored"]


def test_a_rejection_after_a_delay_in_a_branch_goes_elsewhere_too():
    log, sent = [], []
    choice = Branches(a=[Gate("a1", log, [1.5]), Gate("a2", log, [Overloaded()])], b=[Gate("b", log)])
    pipeline(choice).call(endpoint_of(sent))
    assert sent == ["b"]
    assert log == ["a1 enter", "a2 enter", "a1 exit ignored", "b enter", "b exit success"]


def test_a_refused_branch_takes_its_deadline_with_it():
    seen = []

    class Seen:
        exit = None

        def enter(self, call, now):
            seen.append(call.deadline)

    one = Timeout(0.5).start(Random(0))
    pipeline(Timeout(9.0), Branches(a=[one, Gate(does=[Overloaded()])], b=[Seen()])).call(lambda: None)
    assert seen == [9.0]


def test_a_rejection_below_a_retry_below_a_choice_stands():
    """It is the retry's, which repeats no rejections: only one directly below a choice goes elsewhere."""
    sent = []
    choice = Branches(a=[retry().start(Random(0)), Gate(does=[Overloaded()])], b=[])
    with pytest.raises(Overloaded):
        pipeline(choice).call(endpoint_of(sent))
    assert sent == []


def test_a_choice_that_has_refused_is_itself_refused_by_the_choice_around_it():
    class Turns(Branches):
        def pick(self, call, now):
            name = next(self.turns)
            return self.sections[name]

    log = []
    inner = Branches(x=[Gate("x", log, [Overloaded()])], y=[Gate("y", log, [Overloaded()])])
    outer = Turns(a=[Gate("a", log), inner], b=[Gate("b", log)])
    outer.turns = iter("ab")
    assert pipeline(outer).call(lambda: "done") == "done"
    assert log == ["a enter", "x enter", "y enter", "a exit ignored", "b enter", "b exit success"]


def test_a_choice_without_anybody_is_a_rejection_as_well():
    class Nobody(Branches):
        def pick(self, call, now):
            raise Overloaded("nobody here")

    assert pipeline(Branches(a=[Nobody()], b=[])).call(lambda endpoint: endpoint) == "b"
    with pytest.raises(Overloaded, match="nobody here"):
        pipeline(Nobody()).call(lambda: None)


def test_an_endpoint_that_failed_is_avoided_by_the_next_attempt():
    sent = []

    def fn(endpoint):
        sent.append(str(endpoint))
        if len(sent) < 3:
            raise ConnectionError

    pipeline(retry(), Cluster("c", ["a:1", "b:1", "c:1"], balancer=RoundRobin())).call(fn)
    assert sorted(sent) == ["a:1", "b:1", "c:1"]


def test_a_function_that_rejects_by_itself_was_sent():
    """Its own rejection is no gate's: it goes to no other branch."""
    sent = []

    def fn(endpoint):
        sent.append(endpoint)
        raise Overloaded("by the function")

    gate = Gate()
    with pytest.raises(Overloaded, match="by the function"):
        pipeline(Branches(a=[gate], b=[])).call(fn)
    assert sent == ["a"]
    assert gate.log == ["gate enter", "gate exit ignored"]


def test_one_cluster_under_two_pipelines():
    """Frames are dynamic: a shared choice returns to the pipeline that the call came through."""
    log = []
    shared = Shared(Cluster("c", ["a:1", "b:1"], balancer=RoundRobin(), pipeline=[CircuitBreaker(failures=1)]))
    one = pipeline(Gate("one", log), retry(2), shared)
    other = pipeline(Gate("other", log), shared)
    assert one.states[-1] is other.states[-1]
    assert one.call(fails(ConnectionError())) == "done"
    assert log == ["one enter", "one exit success"]
    for _ in range(2):  # one endpoint's breaker is open, and known to be so here as well
        assert other.call(lambda: "done") == "done"
    assert log[2:] == ["other enter", "other exit success"] * 2
    assert one.idle()
    assert other.idle()


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
    with pytest.raises(ConfigError, match="put the timeout outside the retry, or make the function async"):
        pipeline(retry(), Timeout(1.0)).call(lambda: None)
