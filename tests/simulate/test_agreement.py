"""Does the shell on virtual time do what the others do? The same pipelines, the same traces, the same decisions.

Pipelines are drawn at random as in ``tests/models``. What is compared is all that can be seen: what each gate was asked
and told and when, what was sent when, each result, and the state that is left.
"""

from __future__ import annotations

import anyio
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from meshkit import Cluster, ConcurrencyLimit, Constant, Hedge, Pipeline, Rejected, Retry, RoundRobin, Timeout, Verdict
from meshkit.simulate import GOOD, Outcome, Shell, Timeline, walk
from meshkit.testing import run as run_virtually
from meshkit.testing import virtual_clock

from ..models.stacks import TICK, Door, Run, Tree, by_reference, outcomes, stacks, traces
from ..retry.hedged import Upstream, hedged

SUCCESS, FAILURE = Verdict.SUCCESS, Verdict.FAILURE


def without_fallbacks(description):
    """What stands instead takes its time in the reference; made on virtual time, it takes none."""
    kept = [each for each in description if not (isinstance(each, tuple) and each[0] == "fallback")]
    return [
        (each[0], [without_fallbacks(branch) for branch in each[1]])
        if isinstance(each, tuple) and each[0] == "choice"
        else each
        for each in kept
    ]


def by_simulation(description, trace, outcomes):
    """Each call begins so long after the one before has ended."""
    timeline = Timeline()
    run = Run(description, outcomes, timeline)

    def send(attempt):
        error, seconds = run.outcome()
        reply = ("done", None) if error is None else (None, error("by script"))
        if seconds:
            timeline.after(seconds, lambda _: attempt.answer(*reply))
        else:
            attempt.answer(*reply)

    shell = Shell(Tree(run.states, timeline), timeline, send, door=Door())
    left = list(trace)
    logs = []

    def following(*_):
        if left:
            after, who = left.pop(0)
            timeline.after(after, lambda _: shell.start(((who,), {}), ended))
        else:
            logs.append(run.finish())

    def ended(_, result, error):
        run.seen("result" if error is None else "error", result if error is None else error)
        following()

    following()
    timeline.run()  # also past what was set for attempts that ended in time
    return logs[0]


@settings(max_examples=100, deadline=None)
@given(stacks(cuts=True).map(without_fallbacks), traces, outcomes)
def test_virtual_time_and_the_reference_agree(description, trace, outcomes):
    assert by_simulation(description, trace, outcomes) == by_reference(description, trace, outcomes, cuts=True)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("release", lambda call, held, now, verdict: None),
        ("willing", lambda call, outer, verdict: ()),
        ("again", lambda call, marks, now, verdict: None),
    ],
)
def test_a_fault_of_the_shell_is_seen(monkeypatch, name, fault):
    monkeypatch.setattr(walk, name, fault)
    unshrunk = settings(
        max_examples=1000, phases=[Phase.generate], database=None, report_multiple_bugs=False, deadline=None
    )

    @unshrunk
    @given(stacks(cuts=True).map(without_fallbacks), traces, outcomes)
    def agree(description, trace, outcomes):
        assert by_simulation(description, trace, outcomes) == by_reference(description, trace, outcomes, cuts=True)

    with pytest.raises(AssertionError):
        agree()


# Hedges: beside those on asyncio, in virtual time as well.

PLANS = st.lists(
    st.tuples(st.integers(0, 8).map(lambda n: n * TICK + TICK / 4), st.sampled_from(["a", "b", KeyError("k")])),
    min_size=1,
    max_size=4,
).map(lambda plan: [(seconds + 0.0137 * k, outcome) for k, (seconds, outcome) in enumerate(plan)])
"""No two end at one instant: then which of them is first would be luck."""
HEDGES = st.builds(
    lambda after, attempts: Hedge(after, attempts=attempts, budget=None),
    st.sampled_from([0.12, 0.25, 0.74]),
    st.integers(2, 3),
)
AROUND = st.sampled_from(
    [
        (lambda hedge: [hedge]),
        (lambda hedge: [Timeout(1.1), hedge]),
        (lambda hedge: [hedge, Timeout(0.6)]),
        (lambda hedge: [Retry(KeyError, backoff=Constant(TICK)), hedge]),
        (lambda hedge: [hedge, Retry(KeyError, backoff=Constant(TICK))]),
        (lambda hedge: [hedge, Cluster("shop", ["a.shop:80", "b.shop:80"], balancer=RoundRobin())]),
    ]
)


def by_tasks(plan, policies):
    async def main():
        upstream = Upstream(*plan)
        stack = hedged(*policies)
        try:
            result = await stack.call(upstream)
        except Exception as error:
            result = type(error).__name__
        return result, upstream.began_at, stack.snapshot(), stack.idle()

    return run_virtually(main)


def on_virtual_time(plan, policies):
    timeline = Timeline()
    stack = Pipeline(*policies, clock=timeline, seed=1)
    began_at, results = [], []

    def send(attempt):
        seconds, outcome = plan[min(len(began_at), len(plan) - 1)]
        began_at.append(round(timeline.now, 6))
        bad = isinstance(outcome, BaseException)
        answer = Outcome(FAILURE, outcome) if bad else Outcome(SUCCESS)
        answer.status = outcome
        timeline.after(seconds, attempt.answer, answer)

    def ended(walk, result, error):
        if error is None and result.error is not None:
            error = result.error
        results.append(type(error).__name__ if error is not None else result.status)
        results.append(stack.snapshot())

    Shell(stack, timeline, send).start(None, ended)
    timeline.run()
    result, snapshot = results
    return result, began_at, snapshot, stack.idle()


@settings(max_examples=80, deadline=None)
@given(PLANS, HEDGES, AROUND)
def test_hedges_agree_with_those_on_asyncio(plan, hedge, around):
    policies = around(hedge)
    simulated, expected = on_virtual_time(plan, policies), by_tasks(plan, policies)
    assert simulated == expected
    assert simulated[3]


# Queues: calls that wait for each other.

ARRIVALS = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 6)), min_size=2, max_size=8)
QUEUES = st.builds(
    lambda limit, places, wait: ConcurrencyLimit(limit, queue=places, wait=wait),
    st.integers(1, 2),
    st.integers(1, 4),
    st.sampled_from([0.3, 0.9, 1.9]),
)
BEFORE = st.sampled_from([[], [Timeout(0.77)], [Retry(Rejected, attempts=2, backoff=Constant(0.33))]])


@settings(max_examples=80, deadline=None)
@given(ARRIVALS, QUEUES, BEFORE)
def test_queues_agree_with_those_on_asyncio(arrivals, queue, before):
    """Calls begin a little apart, and no two things happen at one instant: who comes first is then no luck."""
    apart = [(0.2 * at + 0.001 * k, 0.2 * seconds + 0.017 * k + 0.0003) for k, (at, seconds) in enumerate(arrivals)]
    assert queued_on_virtual_time(apart, [*before, queue]) == queued_by_tasks(apart, [*before, queue])


def queued_by_tasks(arrivals, policies):
    async def main():
        stack = Pipeline(*policies, seed=1, clock=virtual_clock)
        ended = []

        async def one(k, at, seconds):
            await anyio.sleep(at)
            try:
                await stack.call(anyio.sleep, seconds)
                what = "done"
            except Exception as error:
                what = type(error).__name__
            ended.append((round(virtual_clock(), 6), k, what))

        async with anyio.create_task_group() as group:
            for k, (at, seconds) in enumerate(arrivals):
                group.start_soon(one, k, at, seconds)
        return sorted(ended), stack.idle()

    return run_virtually(main)


def queued_on_virtual_time(arrivals, policies):
    timeline = Timeline()
    stack = Pipeline(*policies, seed=1, clock=timeline)
    shell = Shell(stack, timeline, lambda attempt: timeline.after(attempt.call.request[1], attempt.answer, GOOD))
    ended = []

    def done(walk, result, error):
        what = "done" if error is None else type(error).__name__
        ended.append((round(timeline.now, 6), walk.call.request[0], what))

    for k, (at, seconds) in enumerate(arrivals):
        timeline.at(at, lambda request: shell.start(request, done), (k, seconds))
    timeline.run()
    return sorted(ended), stack.idle()
