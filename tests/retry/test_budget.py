"""Budgets: the published rows, and hypothesis models against lists of what happened."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.call import Call, Verdict
from meshkit.errors import ConfigError
from meshkit.retry import ConcurrentBudget, RetryBudget


def call():
    return Call(None, None, 0.0)


def deposit(budget, now, times=1):
    for _ in range(times):
        budget.enter(call(), now)


def spend(budget, now):
    """How many retries go at once before one is refused."""
    spent = 0
    while budget.withdraw(call(), now):
        spent += 1
    return spent


# twitter/finagle finagle-core RetryBudgetTest.scala @4feb34cb: retries out of 10 000 requests in frozen time, +-1.
@pytest.mark.parametrize(
    ("ttl", "floor", "ratio", "first", "retries"),
    [
        (60, 0, 0.1, 0, 1000),
        (60, 0, 0.5, 0, 5000),
        (60, 0, 0.25, 0, 2500),
        (60, 0, 0.75, 0, 7500),
        (60, 0, 0.99, 0, 9900),
        (60, 0, 0.999, 0, 9990),
        (60, 0, 0.01, 0, 100),
        (60, 0, 0.001, 0, 10),
        (60, 0, 0.0001, 0, 1),
        (1, 10, 0, 10, 10),
        (2, 5, 0, 10, 10),
        (1, 10, 0.1, 10, 1010),
        (2, 5, 0.5, 10, 5010),
        (10, 10, 0.2, 100, 2100),
    ],
)
def test_finagle_retry_budget(ttl, floor, ratio, first, retries):
    budget = RetryBudget(ratio=ratio, floor=floor, ttl=ttl).start()
    assert budget.snapshot(5.0)["balance"] == first
    went = 0
    for _ in range(10_000):
        budget.enter(call(), 5.0)
        went += budget.withdraw(call(), 5.0)
    assert abs(went + spend(budget, 5.0) - retries) <= 1


def test_finagle_defaults():
    assert RetryBudget() == RetryBudget(ratio=0.2, floor=10.0, ttl=10.0)
    assert RetryBudget().start().snapshot(0.0) == {"calls": 0, "retries": 0, "balance": 100}


# tower-rs/tower tower/src/retry/budget/tps_budget.rs @8358ee71: "+" lets seconds pass, True and False are withdrawals.
# Its slots begin with the first event, ours lie on a grid through 0, hence the start there.
@pytest.mark.parametrize(
    ("floor", "ratio", "script"),
    [
        (0, 1.0, [False]),
        (0, 1.0, ["deposit", "+3", False]),
        (0, 0.5, ["deposit", "deposit", "+0.901", True]),
        (0, 0.5, ["deposit", "+0.301", "deposit", "+0.801", "deposit", True]),  # the first has expired, two count
        (5, 1.0, [True, True, True, True, True, False]),
    ],
)
def test_tower_tps_budget(floor, ratio, script):
    budget, now = RetryBudget(ratio=ratio, floor=floor, ttl=1.0).start(), 0.0
    for step in script:
        if step == "deposit":
            budget.enter(call(), now)
        elif isinstance(step, str):
            now += float(step)
        else:
            assert budget.withdraw(call(), now) is step


def test_gateway_api_retry_constraint():
    """GEP-3388 @4564255a: 20 % over 10 s; of 1000 requests in 10 s 200 may be retried, and the minimum rate on top."""
    budget = RetryBudget(ratio=0.2, floor=0.0, ttl=10.0).start()
    for k in range(1000):
        budget.enter(call(), k / 100)
    assert spend(budget, 9.999) == 200
    assert not budget.withdraw(call(), 9.999)


def test_the_reserve_comes_back_when_its_retries_leave_the_window():
    budget = RetryBudget(ratio=0.2, floor=0.5, ttl=10.0).start()
    assert spend(budget, 0.5) == 5
    assert not budget.withdraw(call(), 9.99)
    assert spend(budget, 10.0) == 5


def test_a_long_silence_forgets_all():
    budget = RetryBudget(ratio=1.0, floor=0.0, ttl=1.0).start()
    deposit(budget, 0.0, 50)
    assert budget.snapshot(1e9)["balance"] == 0
    assert not budget.withdraw(call(), 1e9)
    deposit(budget, 1e9)
    assert budget.snapshot(1e9) == {"calls": 1, "retries": 0, "balance": 1}


def test_reading_changes_nothing():
    budget = RetryBudget(ratio=0.5, floor=1.0, ttl=2.0).start()
    deposit(budget, 0.1, 7)
    budget.withdraw(call(), 0.3)
    before = budget.snapshot(0.3)
    assert budget.snapshot(100.0) == {"calls": 0, "retries": 0, "balance": 2}
    assert budget.snapshot(0.3) == before == {"calls": 7, "retries": 1, "balance": 4}


events = st.lists(
    st.tuples(st.sampled_from("ccccwww"), st.sampled_from([0.0, 0.0, 0.03, 0.1, 0.25, 1.0])), max_size=150
)


@settings(max_examples=150)
@given(events, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), st.sampled_from([0.0, 1.0, 3.0]), st.floats(0, 100))
def test_retry_budget_against_a_list(events, ratio, floor, now):
    """Exactly the slotted formula, and never above it in any 0.9 ttl of real time."""
    ttl = 1.0
    budget = RetryBudget(ratio=ratio, floor=floor, ttl=ttl).start()
    calls, retries = [], []

    def slot(at):
        return at // (ttl / 10)

    def counted(instants):
        return sum(slot(now) - slot(at) < 10 for at in instants)

    for kind, passed in events:
        now += passed
        read = budget.snapshot(now)
        assert (read["calls"], read["retries"]) == (counted(calls), counted(retries))
        if kind == "c":
            budget.enter(call(), now)
            calls.append(now)
        else:
            may = counted(retries) + 1 <= ratio * counted(calls) + floor * ttl
            assert budget.withdraw(call(), now) is may
            if may:
                retries.append(now)

    for end in retries:
        within = sum(end - 0.9 * ttl + 1e-9 < at <= end for at in retries)
        assert within <= ratio * sum(end - ttl - 1e-9 < at <= end for at in calls) + floor * ttl + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_an_outage_costs_a_fifth_and_the_floor(seed):
    """Everything fails for a minute at 200 calls per second: at most 20 % and 10 per second are asked again."""
    rng, budget, now, retries = Random(seed), RetryBudget().start(), 0.0, 0
    while now < 60.0:
        now += rng.expovariate(200)
        budget.enter(call(), now)
        retries += sum(budget.withdraw(call(), now) for _ in range(2))
    # Counted over at least 9 s and at most 10: from 50 per second up to 10/9 of that, and the first reserve of 100.
    assert 60 * 45 < retries < 60 * 50 * 10 / 9 + 200


def concurrent(active, outstanding, **options):
    budget = ConcurrentBudget(**options).start()
    for _ in range(active):
        budget.enter(call(), 0.0)
    budget._retrying = {call() for _ in range(outstanding)}
    return budget.withdraw(call(), 0.0)


# envoyproxy/envoy test/common/router/retry_state_impl_test.cc @00961253. Its rows with max_retries have no counterpart.
@pytest.mark.parametrize(
    ("percent", "floor", "active", "outstanding", "allowed"),
    [
        (20, 3, 0, 2, True),
        (20, 3, 0, 3, False),
        (20, 3, 20, 3, True),  # max(3, 20 % of 20 = 4)
        (20, 3, 20, 4, False),
        (100, 3, 20, 4, True),
        (0, 0, 0, 0, False),
    ],
)
def test_envoy_retry_budget(percent, floor, active, outstanding, allowed):
    assert concurrent(active, outstanding, ratio=percent / 100, floor=floor) is allowed


def test_envoy_defaults():
    assert ConcurrentBudget() == ConcurrentBudget(ratio=0.2, floor=3)


def test_a_next_retry_takes_the_place_of_the_one_before():
    budget, one, other = ConcurrentBudget(floor=1).start(), call(), call()
    for each in (one, other):
        budget.enter(each, 0.0)
    assert budget.withdraw(one, 0.0)
    one.attempt = 2
    assert not budget.withdraw(other, 0.0)
    assert budget.withdraw(one, 1.0)
    one.attempt = 3
    assert budget.snapshot(1.0) == {"calls": 2, "retries": 1, "balance": 0}
    budget.exit(one, 0.0, 2.0, Verdict.IGNORED)
    assert not budget.idle()
    assert budget.withdraw(other, 2.0)
    other.attempt = 2
    budget.exit(other, 0.0, 3.0, Verdict.SUCCESS)
    assert budget.idle()


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from(["enter", "again", "again", "exit"]), st.integers(0, 30)), max_size=120),
    st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    st.integers(0, 4),
)
def test_concurrent_budget_against_a_list(steps, ratio, floor):
    budget, under_way = ConcurrentBudget(ratio=ratio, floor=floor).start(), []
    for step, which in steps:
        if step == "enter":
            under_way.append(call())
            budget.enter(under_way[-1], 0.0)
        elif under_way:
            one = under_way[which % len(under_way)]
            if step == "exit":
                under_way.remove(one)
                budget.exit(one, 0.0, 0.0, Verdict.FAILURE)
            else:
                others = sum(each.attempt > 1 for each in under_way if each is not one)
                may = others < max(floor, int(ratio * len(under_way)))
                assert budget.withdraw(one, 0.0) is may
                one.attempt += may
        retrying = sum(each.attempt > 1 for each in under_way)
        assert (budget.snapshot(0.0)["calls"], budget.snapshot(0.0)["retries"]) == (len(under_way), retrying)
    for one in under_way:
        budget.exit(one, 0.0, 0.0, Verdict.IGNORED)
    assert budget.idle()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: RetryBudget(ratio=2.0), "RetryBudget: ratio=2.0: give a ratio from 0 to 1"),
        (lambda: RetryBudget(floor=-1), "RetryBudget: floor=-1: give a number from 0"),
        (lambda: RetryBudget(floor=float("inf")), "RetryBudget: floor=inf"),
        (lambda: RetryBudget(ttl=0), "RetryBudget: ttl=0: give a duration"),
        (lambda: ConcurrentBudget(floor=1.5), "ConcurrentBudget: floor=1.5: give a whole number"),
        (lambda: ConcurrentBudget(ratio=-0.1), "ConcurrentBudget: ratio=-0.1"),
    ],
)
def test_what_makes_no_budget(make, says):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(says)
