"""Do the folded engine, its two shells and a naive recursion agree? Random pipelines, random traces of outcomes.

A pipeline is drawn as a description and started anew for each run. What is compared of a trace is all that can be seen:
what each gate was asked and told and when, what was sent where and when, each result, and the state that is left.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from meshkit import Retry, Verdict, engine
from meshkit.engine import forward
from meshkit.runtime import tasks, threads
from meshkit.testing import ManualClock

from .stacks import (
    Door,
    Run,
    Tree,
    by_reference,
    by_tasks,
    by_threads,
    gates,
    leaf_of,
    outcomes,
    play,
    retries,
    stacks,
    traces,
)


@settings(max_examples=300)
@given(stacks(cuts=False), traces, outcomes)
def test_the_shells_and_the_reference_agree(description, trace, outcomes):
    expected = by_reference(description, trace, outcomes, cuts=False)
    assert by_threads(description, trace, outcomes) == expected
    assert by_tasks(description, trace, outcomes, cuts=False) == expected


@settings(max_examples=300)
@given(stacks(cuts=True), traces, outcomes)
def test_the_shell_for_tasks_and_the_reference_agree_about_timeouts(description, trace, outcomes):
    assert by_tasks(description, trace, outcomes, cuts=True) == by_reference(description, trace, outcomes, cuts=True)


def refuses(each):
    return -1.0 in each[1] if isinstance(each, tuple) else not isinstance(each, Retry)


@settings(max_examples=150)
@given(
    st.lists(st.one_of(gates, gates, retries), max_size=4),
    st.lists(st.one_of(gates, gates, retries), max_size=4),
    traces,
    outcomes,
)
def test_one_pipeline_behaves_as_its_parts_around_each_other(outer, inner, trace, outcomes):
    """``Pipeline(*a, *b)`` as ``Pipeline(*a)`` around ``Pipeline(*b)``.

    But for what travels with one call and not with two: the number of the attempt, the deadline, endpoints to avoid;
    and what a retry makes of a refusal: one by a gate of its own pipeline is known not to have been sent, while one
    that comes out of the function is the function's answer.
    """
    if any(isinstance(each, Retry) for each in outer):
        inner = [each for each in inner if not refuses(each)]
    runs = []
    for parted in (False, True):
        clock = ManualClock()
        run = Run([*outer, *inner], outcomes, clock)
        fn = leaf_of(run)
        if parted:
            fn = threads.bind(Tree(run.states[len(outer) :], clock), Door(), fn)
            call = threads.bind(Tree(run.states[: len(outer)], clock), Door(), fn)
        else:
            call = threads.bind(Tree(run.states, clock), Door(), fn)
        runs.append([each[:4] if isinstance(each, tuple) else each for each in play(run, call, trace)])
    assert runs[0] == runs[1]


def test_no_policies_are_the_identity():
    trace, outcomes = [(0.0, "ada"), (1.0, "bob")], [(None, 0.5), (KeyError, 1.0)]
    seen = [
        *(("sent", 0.0, None, 0.5), ("result", 0.5, "done")),
        *(("sent", 1.5, KeyError, 1.0), ("error", 2.5, (KeyError, "'by script'"))),
    ]
    assert by_reference([], trace, outcomes, cuts=False) == by_threads([], trace, outcomes) == seen
    assert by_tasks([], trace, outcomes, cuts=True) == seen


# The comparison can fail: an engine with one fault is told from the reference.


def without_elsewhere(call, rejection, now):
    raise rejection


def without_the_deadline_outside(call, marks, now, verdict):
    inside = call.deadline
    wait = engine.again(call, marks, now, verdict)
    call.deadline = inside
    return wait


def one_verdict_for_all(call, held, now, verdict):
    return engine.release(call, held, now, Verdict.IGNORED)


def outermost_first(call, base, verdict):
    return engine.willing(call, base, verdict)[::-1]


def not_taken(call, mark, now, verdict):
    return False


@pytest.mark.parametrize(
    ("room", "name", "fault"),
    [
        (forward, "elsewhere", without_elsewhere),
        (forward, "fall", not_taken),
        (tasks, "again", without_the_deadline_outside),
        (tasks, "release", one_verdict_for_all),
        (tasks, "willing", outermost_first),
    ],
)
def test_a_fault_of_the_engine_is_seen(monkeypatch, room, name, fault):
    monkeypatch.setattr(room, name, fault)
    unshrunk = settings(max_examples=1000, phases=[Phase.generate], database=None, report_multiple_bugs=False)

    @unshrunk
    @given(stacks(cuts=True), traces, outcomes)
    def agree(description, trace, outcomes):
        assert by_tasks(description, trace, outcomes, cuts=True) == by_reference(
            description, trace, outcomes, cuts=True
        )

    with pytest.raises(AssertionError):
        agree()
