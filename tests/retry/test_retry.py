"""Retry: when it stops and why, how long it waits, and what it never sends twice."""

import asyncio
import math
from random import Random

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshkit.call import Call, Failure, Verdict
from meshkit.errors import ConfigError
from meshkit.policy import Gate, Repeat
from meshkit.retry import ConcurrentBudget, Constant, Decorrelated, Exponential, Retry, RetryBudget

FAILURE, SUCCESS = Verdict.FAILURE, Verdict.SUCCESS


def start(spec, seed=0):
    return spec.start(Random(seed))


def failed(attempt=1, *, deadline=None, delay=0.0, **failure):
    """A call whose attempt has just failed."""
    call = Call(None, None, 0.0)
    call.attempt, call.deadline, call.delay = attempt, deadline, delay
    call.failure = Failure(**{"status": 503, **failure})
    return call


NO_BUDGET = Retry(503, backoff=Constant(1.0), budget=None)


@pytest.mark.parametrize(
    ("attempts", "attempt", "deadline", "now", "retry_after", "delay", "stopped"),
    [
        # attempts counts all tries
        (3, 1, None, 0.0, None, 1.0, None),
        (3, 2, None, 0.0, None, 1.0, None),
        (3, 3, None, 0.0, None, None, "attempts"),
        (1, 1, None, 0.0, None, None, "attempts"),
        (2, 9, None, 0.0, None, None, "attempts"),
        # strictly before the deadline
        (3, 1, 11.5, 10.0, None, 1.0, None),
        (3, 1, 11.0, 10.0, None, None, "deadline"),
        (3, 1, 10.5, 10.0, None, None, "deadline"),
        (3, 1, 9.0, 10.0, None, None, "deadline"),
        # what the upstream asks for comes on top of the backoff, up to the cap of 60 s
        (3, 1, None, 0.0, 2.0, 3.0, None),
        (3, 1, None, 0.0, 60.0, 61.0, None),
        (3, 1, None, 0.0, 60.1, None, "retry-after"),
        (3, 1, None, 0.0, math.inf, None, "retry-after"),
        (3, 1, None, 0.0, 1e300, None, "retry-after"),
        (3, 1, 12.9, 10.0, 2.0, None, "deadline"),
        # 0: at once; negative and NaN: not said
        (3, 1, None, 0.0, 0.0, 0.0, None),
        (3, 1, 10.5, 10.0, 0, 0.0, None),
        (3, 1, 10.0, 10.0, 0, None, "deadline"),
        (3, 1, None, 0.0, -5.0, 1.0, None),
        (3, 1, None, 0.0, -0.5, 1.0, None),
        (3, 1, None, 0.0, -math.inf, 1.0, None),
        (3, 1, None, 0.0, math.nan, 1.0, None),
        # the first no stands
        (3, 3, 9.0, 10.0, 99.0, None, "attempts"),
        (3, 1, 9.0, 10.0, 99.0, None, "retry-after"),
    ],
)
def test_again(*, attempts, attempt, deadline, now, retry_after, delay, stopped):
    retry = start(attrs.evolve(NO_BUDGET, attempts=attempts))
    call = failed(attempt, deadline=deadline, retry_after=retry_after)
    assert retry.again(call, now, FAILURE) == delay
    assert call.stopped == stopped


def test_the_budget_is_asked_last_and_spends_only_on_a_yes():
    retry = start(Retry(503, attempts=2, backoff=Constant(1.0), budget=RetryBudget(ratio=0.0, floor=0.2, ttl=10.0)))
    for _ in range(5):
        assert retry.again(failed(2), 0.0, FAILURE) is None
        assert retry.again(failed(deadline=1.0), 0.0, FAILURE) is None
        assert retry.again(failed(retry_after=100.0), 0.0, FAILURE) is None
    assert retry.snapshot(0.0)["balance"] == 2
    assert [retry.again(failed(), 0.0, FAILURE) for _ in range(3)] == [1.0, 1.0, None]
    call = failed()
    assert retry.again(call, 0.0, FAILURE) is None
    assert call.stopped == "budget"
    assert retry.snapshot(0.0) == {"calls": 0, "retries": 2, "balance": 0}


def test_a_yes_takes_back_an_earlier_no():
    call = failed()
    call.stopped = "attempts"  # of a retry further in
    assert start(NO_BUDGET).again(call, 0.0, FAILURE) == 1.0
    assert call.stopped is None


def test_a_stale_connection_is_asked_again_at_once_and_counts():
    retry = start(NO_BUDGET)
    assert retry.again(failed(1, stale=True), 0.0, FAILURE) == 0.0
    assert retry.again(failed(1, stale=True, retry_after=5.0), 0.0, FAILURE) == 0.0
    assert retry.again(failed(3, stale=True), 0.0, FAILURE) is None


def test_the_backoff_is_told_attempt_and_previous_delay():
    class Told:
        def delay(self, attempt, previous, rng):
            self.told = attempt, previous, rng.random()
            return 0.5

    backoff = Told()
    assert start(Retry(503, attempts=9, backoff=backoff), seed=5).again(failed(4, delay=1.25), 0.0, FAILURE) == 0.5
    assert backoff.told == (4, 1.25, Random(5).random())


# What may be sent again? `on` names a reset, a connect failure and 503 unless the row says otherwise.
SENT_ONCE = {"status": 503, "idempotent": False}
UNSENT = {"status": None, "error": ConnectionRefusedError(), "idempotent": False, "sent": False}
STALE = {"status": None, "error": BrokenPipeError(), "stale": True}


@pytest.mark.parametrize(
    ("failure", "options", "repeated"),
    [
        ({"status": 503}, {}, True),
        ({"status": 429}, {}, False),
        ({"status": 503, "replayable": False}, {}, False),
        ({"status": 503, "replayable": False}, {"non_idempotent": True}, False),
        (SENT_ONCE, {}, False),
        (SENT_ONCE, {"non_idempotent": True}, True),
        (SENT_ONCE, {"stale_non_idempotent": True}, False),
        (SENT_ONCE | {"status": 429}, {"non_idempotent": True}, False),
        (UNSENT, {}, True),
        (UNSENT, {"on": "429"}, False),
        (UNSENT | {"replayable": False}, {}, False),
        # a kept-alive connection, closed before any byte of a response
        (STALE, {}, True),
        (STALE, {"on": "429"}, True),
        (STALE | {"replayable": False}, {}, False),
        (STALE | {"idempotent": False}, {}, False),
        (STALE | {"idempotent": False}, {"on": "429"}, False),
        (STALE | {"idempotent": False}, {"stale_non_idempotent": True}, True),
        (STALE | {"idempotent": False}, {"on": "429", "stale_non_idempotent": True}, True),
        (STALE | {"idempotent": False}, {"on": "429", "non_idempotent": True}, True),
        (STALE | {"idempotent": False, "replayable": False}, {"stale_non_idempotent": True}, False),
    ],
)
def test_matches(failure, options, repeated):
    spec = Retry(**{"on": "reset,503,connect-failure", **options})
    assert start(spec).matches(Failure(**failure)) is repeated


class TrioCancelled(BaseException):
    """As trio's: no `Exception`."""


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        SystemExit(1),
        GeneratorExit(),
        TrioCancelled(),
        BaseExceptionGroup("", [KeyboardInterrupt()]),
    ],
)
def test_cancellation_and_exit_are_never_repeated(error):
    asked = []
    retry = start(
        Retry(("reset", "5xx", 503, Exception, lambda failure: asked.append(failure) or True), non_idempotent=True)
    )
    for stale in (False, True):
        assert not retry.matches(Failure(error, sent=False, stale=stale))
        assert not retry.matches(Failure(error, status=503, stale=stale))
    assert asked == []


def test_a_predicate_is_not_asked_about_what_cannot_be_sent_again():
    asked = []
    retry = start(Retry(lambda failure: asked.append(failure) or True))
    assert not retry.matches(Failure(status=503, replayable=False))
    assert not retry.matches(Failure(status=503, idempotent=False))
    assert asked == []
    assert retry.matches(Failure(status=503))
    assert len(asked) == 1


failures = st.builds(
    Failure,
    st.sampled_from([None, OSError(), ValueError(), asyncio.CancelledError(), KeyboardInterrupt(), SystemExit()]),
    status=st.sampled_from([None, 200, 429, 503]),
    retry_after=st.none() | st.floats(),
    sent=st.booleans(),
    replayable=st.booleans(),
    idempotent=st.booleans(),
    stale=st.booleans(),
)


@given(failures, st.booleans(), st.booleans(), st.sampled_from(["5xx", "429", OSError, "reset,503"]))
def test_at_most_one_delivery_unless_declared_safe(failure, non_idempotent, stale_non_idempotent, on):
    spec = Retry(on, non_idempotent=non_idempotent, stale_non_idempotent=stale_non_idempotent)
    if not start(spec).matches(failure):
        return
    assert failure.replayable
    assert failure.error is None or isinstance(failure.error, Exception)
    declared = failure.idempotent or non_idempotent or (failure.stale and stale_non_idempotent)
    assert declared or not failure.sent


@given(
    st.integers(1, 6),
    st.sampled_from([Exponential(), Exponential(jitter=0.2), Decorrelated(), Constant(0.3), Constant(0.0)]),
    st.lists(st.tuples(st.floats(0, 3), failures), max_size=10),
    st.none() | st.floats(0, 10),
    st.integers(0, 9),
)
@example(3, Constant(0.0), [(0.0, Failure(status=503))], 0.0, 0)
def test_neither_attempts_nor_deadline_are_ever_crossed(attempts, backoff, outcomes, deadline, seed):
    """A call is driven through as many failures as the retry will have."""
    retry = start(Retry("5xx", attempts=attempts, backoff=backoff), seed)
    call, now, made = failed(deadline=deadline), 0.0, 1
    retry.enter(call, now)
    for took, failure in outcomes:
        now += took
        call.failure = failure
        delay = retry.again(call, now, FAILURE)
        if delay is None:
            assert call.stopped in ("attempts", "deadline", "budget", "retry-after")
            break
        asked = failure.retry_after
        assert 0 <= delay < math.inf
        assert failure.stale or asked is None or not asked > 0 or delay >= asked
        now += delay
        assert deadline is None or now < deadline
        made += 1
        call.attempt, call.delay = made, delay
    assert made <= attempts


def test_same_seed_same_decisions():
    def trace(seed):
        retry, answers = start(Retry("5xx", attempts=5, budget=RetryBudget(floor=2.0)), seed), []
        for k in range(60):
            call = failed(1 + k % 4, deadline=k / 10 + 0.2)
            retry.enter(call, k / 10)
            answers.append((retry.again(call, k / 10, FAILURE), call.stopped))
        return answers

    assert trace(1) == trace(1) != trace(2)
    assert {stopped for _, stopped in trace(1)} == {None, "budget", "deadline"}


def test_with_a_budget_it_is_a_gate_that_deposits():
    retry = start(Retry("5xx"))
    assert isinstance(retry, Repeat)
    assert retry.exit is None
    assert retry.enter(failed(), 3.0) is None
    assert retry.snapshot(3.0) == {"calls": 1, "retries": 0, "balance": 100}
    assert retry.idle()


def test_without_a_budget_it_is_no_gate():
    retry = start(NO_BUDGET)
    assert isinstance(retry, Repeat)
    assert retry.enter is None
    assert retry.snapshot(0.0) == {}
    assert retry.idle()


def test_a_concurrent_budget_is_settled_by_exit():
    retry = start(Retry("5xx", backoff=Constant(1.0), budget=ConcurrentBudget(floor=1)))
    assert isinstance(retry, Gate)
    one, other = failed(), failed()
    retry.enter(one, 0.0)
    retry.enter(other, 0.0)
    assert retry.again(one, 0.0, FAILURE) == 1.0
    one.attempt = 2  # from the decision on: the backoff is part of the retry
    assert retry.again(other, 0.5, FAILURE) is None
    assert other.stopped == "budget"
    retry.exit(one, 0.0, 0.6, Verdict.IGNORED)  # cancelled in its backoff
    assert retry.again(other, 0.7, FAILURE) == 1.0
    other.attempt = 2
    assert not retry.idle()
    retry.exit(other, 0.0, 2.0, SUCCESS)
    assert retry.idle()


def test_each_start_has_a_budget_of_its_own():
    spec = Retry("5xx", budget=RetryBudget(floor=0.1, ratio=0.0))
    one, other = start(spec), start(spec)
    assert one.again(failed(), 0.0, FAILURE) is not None
    assert one.again(failed(), 0.0, FAILURE) is None
    assert other.again(failed(), 0.0, FAILURE) is not None


def test_defaults():
    assert Retry("5xx") == Retry(
        "5xx",
        attempts=3,
        backoff=Exponential(base=0.05, factor=2.0, cap=2.0, jitter="full"),
        budget=RetryBudget(ratio=0.2, floor=10.0, ttl=10.0),
        retry_after_cap=60.0,
        non_idempotent=False,
        stale_non_idempotent=False,
        name="Retry",
    )
    assert hash(Retry(["5xx", 429])) == hash(Retry(("5xx", 429)))
    with pytest.raises(TypeError, match="on"):
        Retry()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"on": "5x"}, "Retry: on='5x': did you mean '5xx'?"),
        ({"on": []}, "Retry: on=(): name at least one kind of failure"),
        ({"attempts": 0}, "Retry: attempts=0: give a whole number from 1"),
        ({"attempts": 2.0}, "Retry: attempts=2.0: give a whole number from 1"),
        ({"attempts": True}, "Retry: attempts=True"),
        ({"backoff": 0.5}, "Retry: backoff=0.5: give a backoff, such as Exponential()"),
        ({"backoff": None}, "Retry: backoff=None: give a backoff"),
        ({"backoff": Exponential}, "Retry: backoff=<class 'meshkit.retry.backoff.Exponential'>: give a backoff"),
        ({"budget": 0.2}, "Retry: budget=0.2: give a budget, such as RetryBudget(), or None"),
        ({"budget": RetryBudget}, "Retry: budget=<class 'meshkit.retry.budget.RetryBudget'>: give a budget"),
        ({"retry_after_cap": -1.0}, "Retry: retry_after_cap=-1.0: give a duration"),
        ({"retry_after_cap": math.inf}, "Retry: retry_after_cap=inf: give a duration"),
        ({"non_idempotent": 1}, "Retry: non_idempotent=1: write True or False"),
        ({"stale_non_idempotent": "yes"}, "Retry: stale_non_idempotent='yes': write True or False"),
    ],
)
def test_what_makes_no_retry(options, says):
    with pytest.raises(ConfigError) as caught:
        Retry(**{"on": "5xx", **options})
    assert str(caught.value).startswith(says)
