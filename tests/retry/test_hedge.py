"""Hedge: when a further attempt begins, which answer is taken, and how it is told. In virtual time."""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import suppress

import anyio
import pytest

from meshkit import (
    Cluster,
    ConcurrencyLimit,
    ConcurrentBudget,
    ConfigError,
    DeadlineExceeded,
    Hedge,
    Hedged,
    Pipeline,
    Rejected,
    RetryBudget,
    Timeout,
    Verdict,
)
from meshkit.testing import run

from ..scripted import Gate, told_to
from .hedged import Upstream, ends, hedged

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
pause = anyio.sleep
NAN, INF = math.nan, math.inf


# What may be written.


@pytest.mark.parametrize(
    "options",
    [
        *({"after": value} for value in (0, -1, NAN, INF, "1s", True)),
        *({"percentile": value} for value in (0.0, 0.4, 1.0, 95, NAN, "0.95", True)),
        *({"after": 0.1, "attempts": value} for value in (1, 0, 17, 2.0, True)),
        *({"after": 0.1, "budget": value} for value in (0.1, RetryBudget, "10%")),
        {"after": 0.1, "non_idempotent": 1},
        {},
    ],
    ids=repr,
)
def test_what_cannot_be_written(options):
    with pytest.raises(ConfigError, match="Hedge: "):
        Hedge(**options)


def test_before_a_sync_function_it_is_refused():
    for policies in ([Hedge(0.1)], [Cluster("c", ["a:1"], pipeline=[Hedge(0.1)])]):
        with pytest.raises(ConfigError, match="on a thread nothing can be given up"):
            Pipeline(*policies).call(lambda: 1)


# When, and which answer.

TRACES = {
    # plan of the attempts: result, after how long, (hedged, won), how they ended
    "the first is quick enough": ([(0.9, "a")], "a", 0.9, (0, 0), [(0, "ended", 0.9)]),
    "the second wins": (
        [(9.0, "a"), (0.5, "b")],
        *("b", 1.5, (1, 1)),
        [(1, "ended", 1.5), (0, "cancelled", 1.5)],
    ),
    "the first wins all the same": (
        [(1.2, "a"), (0.5, "b")],
        *("a", 1.2, (1, 0)),
        [(0, "ended", 1.2), (1, "cancelled", 1.2)],
    ),
    "a failure is not hedged": ([(0.5, KeyError("a")), (0.1, "b")], KeyError, 0.5, (0, 0), [(0, "ended", 0.5)]),
    "the first fails, the second is good": (
        [(1.2, KeyError("a")), (0.5, "b")],
        *("b", 1.5, (1, 1)),
        [(0, "ended", 1.2), (1, "ended", 1.5)],
    ),
    "the second fails, the first is good": (
        [(2.0, "a"), (0.5, KeyError("b"))],
        *("a", 2.0, (1, 0)),
        [(1, "ended", 1.5), (0, "ended", 2.0)],
    ),
    "both fail: the first one's failure": (
        [(2.0, KeyError("a")), (0.5, OSError("b"))],
        *(KeyError, 2.0, (1, 0)),
        [(1, "ended", 1.5), (0, "ended", 2.0)],
    ),
    "both fail, the first one first": (
        [(1.2, KeyError("a")), (0.5, OSError("b"))],
        *(KeyError, 1.5, (1, 0)),
        [(0, "ended", 1.2), (1, "ended", 1.5)],
    ),
}


@BACKENDS
@pytest.mark.parametrize("trace", TRACES)
def test_traces(trace, backend):
    plan, result, seconds, counts, log = TRACES[trace]
    upstream = Upstream(*plan)
    seen, took, counted = ends(upstream, Hedge(1.0), ConcurrencyLimit(9), backend=backend)
    assert seen == result or seen is plan[0][1]
    assert (took, counted, upstream.log) == (seconds, counts, log)


@BACKENDS
@pytest.mark.parametrize("attempts", [2, 3, 4])
def test_as_many_as_there_may_be_each_a_delay_after_the_one_before(attempts, backend):
    upstream = Upstream((9.0, "a"))
    result, took, counted = ends(upstream, Hedge(1.0, attempts=attempts), backend=backend)
    assert (result, took) == ("a", 9.0)
    assert upstream.began_at == [float(k) for k in range(attempts)]
    assert counted == (attempts - 1, 0)


@BACKENDS
def test_three_fail_and_the_first_ones_failure_is_the_calls(backend):
    errors = [KeyError("a"), OSError("b"), ValueError("c")]
    upstream = Upstream(*zip((5.0, 2.0, 0.1), errors, strict=True))
    result, took, _ = ends(upstream, Hedge(1.0, attempts=3), backend=backend)
    assert result is errors[0]
    assert took == 5.0


@BACKENDS
def test_in_the_instant_in_which_it_is_due_an_answer_may_come(backend):
    """Whichever is seen first: one answer, and nobody under way."""
    result, took, counted = ends(Upstream((1.0, "a"), (1.0, "b")), Hedge(1.0), ConcurrencyLimit(9), backend=backend)
    assert (took, counted[0]) in ((1.0, 0), (1.0, 1))
    assert result == "a"


@BACKENDS
def test_two_answers_in_one_instant(backend):
    upstream = Upstream((2.0, "a"), (1.0, "b"))
    result, took, _ = ends(upstream, Hedge(1.0), ConcurrencyLimit(9), backend=backend)
    assert result in ("a", "b")
    assert took == 2.0


@BACKENDS
def test_a_loser_that_takes_its_time_to_end_is_waited_for(backend):
    """Nobody is left running behind the caller's back."""
    upstream = Upstream((9.0, "a"), (0.5, "b"), swallows=3.0)
    result, took, _ = ends(upstream, Hedge(1.0), ConcurrencyLimit(9), backend=backend)
    assert (result, took) == ("b", 4.5)
    assert upstream.log == [(1, "ended", 1.5), (0, "cancelled", 4.5)]


def test_a_loser_that_answers_in_spite_of_being_given_up():
    class Stubborn(Upstream):
        async def __call__(self):
            with suppress(asyncio.CancelledError):
                return await super().__call__()
            return "in spite of it"

    result, took, counted = ends(Stubborn((9.0, "a"), (0.5, "b")), Hedge(1.0), ConcurrencyLimit(9))
    assert (result, took, counted) == ("b", 1.5, (1, 1))


# Deadlines.


@BACKENDS
def test_the_deadline_passes_with_two_under_way(backend):
    upstream = Upstream((9.0, "a"), (9.0, "b"))
    inner = Gate("inner")
    result, took, _ = ends(upstream, Timeout(2.0), Hedge(1.0), inner, ConcurrencyLimit(9), backend=backend)
    assert isinstance(result, DeadlineExceeded)
    assert took == 2.0
    assert sorted(upstream.log) == [(0, "cancelled", 2.0), (1, "cancelled", 2.0)]
    assert inner.log[-2:] == ["inner exit failure"] * 2


@BACKENDS
def test_after_the_deadline_no_further_attempt_begins(backend):
    upstream = Upstream((9.0, "a"))
    result, took, counted = ends(upstream, Timeout(1.0), Hedge(1.0), backend=backend)
    assert isinstance(result, DeadlineExceeded)
    assert (took, counted[0]) == (1.0, 0)


@BACKENDS
def test_each_attempt_has_its_own_timeout(backend):
    upstream = Upstream((9.0, "a"), (9.0, "b"))
    result, took, _ = ends(upstream, Hedge(1.0), Timeout(1.5), backend=backend)
    assert isinstance(result, DeadlineExceeded)
    assert took == 2.5
    assert upstream.log == [(0, "cancelled", 1.5), (1, "cancelled", 2.5)]


# Told.


@BACKENDS
def test_events(backend):
    async def main():
        stack = hedged(Hedge(1.0, attempts=3, name="twice"))
        events = []
        stack.listen(told_to(events), direct=True)
        await stack.call(Upstream((9.0, "a"), (9.0, "b"), (0.5, "c")))
        return [(type(event), event.attempt, getattr(event, "policy", None), round(event.at, 6)) for event in events]

    told = run(main, backend=backend)
    assert [each for each in told if each[0] is Hedged] == [(Hedged, 2, "twice", 1.0), (Hedged, 3, "twice", 2.0)]
    assert len(told) == 5  # and how each of the three ended


@BACKENDS
def test_a_hundred_calls_at_once(backend):
    async def main():
        rng = random.Random(2)
        stack = hedged(Hedge(0.1, attempts=3, budget=None), ConcurrencyLimit(1000), Timeout(2.0))
        ended = []

        async def work():
            await pause(rng.uniform(0.0, 0.5))
            if rng.random() < 0.3:
                raise ConnectionError

        async def one():
            with suppress(ConnectionError, Rejected):
                await stack.call(work)
            ended.append(1)

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(one)
        assert stack.idle()
        return len(ended)

    assert run(main, backend=backend) == 100


def test_a_budget_that_counts_one_for_each_call_is_for_one_further_attempt():
    Hedge(0.1, budget=ConcurrentBudget())
    with pytest.raises(ConfigError, match="leave attempts at 2"):
        Hedge(0.1, attempts=3, budget=ConcurrentBudget())
