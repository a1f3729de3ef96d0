"""Where does a call go that a branch of a choice has refused?"""

from __future__ import annotations

from random import Random

import pytest

from meshkit import CircuitBreaker, Cluster, Overloaded, RoundRobin, Shared, Timeout

from .scripted import Branches, Gate, Sees, fails, pipeline, retry


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

    sees = Sees(lambda call, now: seen.append(call.deadline))
    one = Timeout(0.5).start(Random(0))
    pipeline(Timeout(9.0), Branches(a=[one, Gate(does=[Overloaded()])], b=[sees])).call(lambda: None)
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
