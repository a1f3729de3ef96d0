"""Counts in windows: tables, an oracle that keeps every call, the bound in every window, and the table of keys."""

import math
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.limit.gcra import NEVER
from meshkit.limit.table import OVERFLOW
from meshkit.limit.turns import Turns

# Sixteenths and powers of two: exact in floats as in fractions.
steps = st.integers(0, 96).map(lambda n: n / 16)
costs = st.integers(1, 40).map(lambda n: n / 8)
periods = st.sampled_from([0.5, 1.0, 4.0])
limits = st.integers(1, 6).map(float)
kinds = st.booleans()

CLOUDFLARE = [
    # period, elapsed, previous, current, estimate
    (60, 0, 42, 0, 42.0),
    (60, 15, 42, 18, 49.5),
    (60, 30, 42, 18, 39.0),
    (60, 45, 42, 18, 28.5),
    (60, 60, 42, 18, 18.0),
    (60, 59.999, 100, 0, 0.0016666666666627823),
    (60, 6, 10, 0, 9.0),
]


class Ledger:
    """Every call that went, with its instant: counted anew for each decision."""

    def __init__(self, limit, period, slides):
        self.limit, self.period, self.slides = Fraction(limit), Fraction(period), slides
        self.gone = []

    def window(self, now):
        return Fraction(now) // self.period

    def used(self, now):
        this = self.window(now)
        mine = sum((cost for at, cost in self.gone if self.window(at) == this), Fraction(0))
        if self.slides:
            before = sum((cost for at, cost in self.gone if self.window(at) == this - 1), Fraction(0))
            mine += before * (this + 1 - Fraction(now) / self.period)
        return mine

    def take(self, cost, now):
        if self.used(now) + Fraction(cost) > self.limit:
            return False
        self.gone.append((Fraction(now), Fraction(cost)))
        return True


def most(gone, length):
    """The most that went within any time of that length, ends included."""
    return max(sum(cost for at, cost in gone if start <= at <= start + length) for start, _ in gone)


@pytest.mark.parametrize(("period", "elapsed", "previous", "current", "estimate"), CLOUDFLARE)
def test_cloudflare(period, elapsed, previous, current, estimate):
    turns = Turns(1000.0, period, slides=True)
    if previous:
        assert turns.take(None, previous, 10 * period) == 0
    if current:
        assert turns.take(None, current, 11 * period) == 0
    if elapsed == period:  # the estimate's last instant is the next window's first: the other one has gone out of sight
        elapsed = math.nextafter(12 * period, 0) - 11 * period
    assert turns.quota(None, 11 * period + elapsed)[0] == pytest.approx(1000 - estimate, abs=1e-6)


def test_a_fixed_window():
    turns = Turns(2.0, 10.0, slides=False)
    table = [
        (3.0, 1, 0.0),
        (9.0, 1, 0.0),
        (9.5, 1, -0.5),
        (9.5, 3, NEVER),
        (10.0, 2, 0.0),
        (10.0, 1, -10.0),
        (25.0, 1, 0.0),
    ]
    assert [turns.take(None, cost, now) for now, cost, _ in table] == [answer for *_, answer in table]


def test_a_sliding_window():
    turns = Turns(4.0, 10.0, slides=True)
    table = [
        (9.0, 4, 0.0),
        (9.0, 1, -3.5),  # at 12.5: a quarter of the four has gone out of sight
        (12.4, 1, -0.1),
        (12.5, 1, 0.0),
        (12.5, 1, -2.5),
        (15.0, 1, 0.0),
        (15.0, 3, -10.0),  # not in this window: 2 + 3 > 4; in the next, 2 * (1 - e) + 3 <= 4 from e = 1/2 on
        (15.0, 5, NEVER),
    ]
    for now, cost, answer in table:
        assert turns.take(None, cost, now) == pytest.approx(answer), (now, cost)


@given(kinds, limits, periods, st.lists(st.tuples(steps, costs), max_size=50))
def test_equals_the_ledger(slides, limit, period, trace):
    turns, ledger, now = Turns(limit, period, slides=slides), Ledger(limit, period, slides), 64.0
    for step, cost in trace:
        now += step
        left = turns.quota(None, now)[0]
        assert left == max(0, ledger.limit - ledger.used(now))
        answer = turns.take(None, cost, now)
        assert (answer == 0.0) is ledger.take(cost, now)
        assert (answer == NEVER) is (cost > limit)


@given(kinds, limits, periods, st.lists(st.tuples(steps, costs), min_size=1, max_size=50), st.integers(0, 80))
def test_no_more_than_documented_in_any_time(slides, limit, period, trace, sixteenths):
    turns, now, gone = Turns(limit, period, slides=slides), 64.0, []
    for step, cost in trace:
        now += step / 4
        if turns.take(None, cost, now) == 0.0:
            gone.append((Fraction(now), Fraction(cost)))
    for length in (Fraction(sixteenths, 16), Fraction(period) * 15 / 16):
        share = length / Fraction(period)
        bound = Fraction(limit) * (1 + (share if slides else math.ceil(share)))
        assert not gone or most(gone, length) <= bound


def test_the_bound_is_reached():
    """It is the best one that can be given: twice the count, around the edge of two windows."""
    fixed = Turns(10.0, 1.0, slides=False)
    assert [fixed.take(None, 10, now) for now in (0.999, 1.0)] == [0.0, 0.0]
    sliding = Turns(10.0, 1.0, slides=True)
    assert sliding.take(None, 10, 0.999) == 0.0
    assert sliding.take(None, 1, 1.0) == pytest.approx(-0.1)
    went = [now for now in range(1000, 1999) if sliding.take(None, 1, now / 1000) == 0.0]
    assert went == [1100, 1200, 1300, 1400, 1500, 1600, 1700, 1800, 1900]


@given(
    kinds,
    st.floats(0.5, 1e6),
    st.floats(1e-3, 1e5),
    st.floats(0, 1e7),
    st.lists(st.tuples(st.floats(0, 2), st.floats(0.001, 1)), min_size=1, max_size=30),
)
def test_who_comes_back_when_told_is_let_go(slides, limit, period, now, trace):
    """And not before: one that comes a thousandth of the wait too early is told the same again."""
    turns = Turns(limit, period, slides=slides)
    for step, share in trace:
        now += step * period
        answer = turns.take(None, share * limit, now)
        if answer < 0.0:
            early = now - answer * 0.999
            again = turns.take(None, share * limit, early)
            assert again == pytest.approx(answer * 0.001, rel=1e-2, abs=1e-9 * (now + period)) or early + 1e-6 > now
            now -= answer
            if again < 0.0:
                assert turns.take(None, share * limit, now) == 0.0


def test_the_last_bit_of_a_sum_refuses_nobody():
    """``now + retry_after`` may be a hair before the instant that was meant; early on a clock it often is."""
    luck = Random(1)
    for _ in range(5000):
        period, limit = luck.choice([0.1, 0.3, 3.0, 7.0, luck.uniform(0.01, 1e4)]), luck.choice([1.0, 3.0, 10.0])
        turns, now = Turns(limit, period, slides=luck.random() < 0.5), luck.uniform(0.0, period)
        turns.take(None, limit * luck.random(), now)
        now += luck.random() * period
        cost = limit * luck.random()
        while (answer := turns.take(None, cost, now)) == 0.0:
            pass
        assert turns.take(None, cost, now - answer) == 0.0


def test_a_clock_that_steps_back_makes_no_room():
    for slides in (False, True):
        turns = Turns(2.0, 1.0, slides=slides)
        assert turns.take(None, 2, 10.5) == 0.0
        assert turns.take(None, 1, 9.5) < -0.5
        assert turns.take(None, 1, 10.5) <= -0.5


@given(kinds, limits, periods, st.lists(st.tuples(steps, costs), max_size=20), steps)
def test_quota_is_what_can_be_used_and_for_how_long_no_more(slides, limit, period, trace, step):
    turns, now = Turns(limit, period, slides=slides), 64.0
    for wait, cost in trace:
        now += wait
        turns.take(None, cost, now)
    now += step
    left, seconds = turns.quota(None, now)
    whole = math.floor(left)
    assert whole == 0 or turns.take(None, whole, now) == 0.0
    assert turns.take(None, 1, now + seconds * 0.99) < 0.0
    assert turns.take(None, 1, now + seconds) == 0.0


# Settling.


def test_more_than_estimated_is_a_debt_that_is_carried_on():
    fixed = Turns(10.0, 1.0, slides=False)
    fixed.take(None, 1, 0.0)
    fixed.settle(None, 1, 35, 0.0, 0.5)
    assert fixed.take(None, 1, 0.5) == -2.5  # 35 = three windows, and 5 in the fourth
    assert fixed.take(None, 5, 3.0) == 0.0
    assert fixed.take(None, 1, 3.0) == -1.0
    sliding = Turns(10.0, 1.0, slides=True)
    sliding.take(None, 1, 0.0)
    sliding.settle(None, 1, 25, 0.0, 0.5)
    assert (
        sliding.take(None, 5, 0.5) == -2.5
    )  # 25 = two windows, and 5 in the third: full, while the second is in sight
    assert sliding.take(None, 5, 3.0) == 0.0


@pytest.mark.parametrize("slides", [False, True])
def test_less_than_estimated_is_given_back_to_the_window_it_was_taken_from(slides):
    turns = Turns(10.0, 1.0, slides=slides)
    turns.take(None, 10, 0.0)
    turns.settle(None, 10, 3, 0.0, 0.5)
    assert turns.quota(None, 0.5)[0] == 7
    turns.take(None, 7, 0.5)
    turns.take(None, 3, 1.5) if slides else turns.take(None, 10, 1.5)
    left = turns.quota(None, 1.5)[0]
    turns.settle(None, 7, 0, 0.5, 1.5)  # the window before: seen by half, or not at all
    assert turns.quota(None, 1.5)[0] == left + (3.5 if slides else 0.0)
    turns.settle(None, 3, 0, 0.25, 2.5)
    assert turns.quota(None, 2.5)[0] == (8.5 if slides else 10.0)


@given(kinds, limits, st.lists(st.tuples(steps, costs, costs, st.integers(0, 3)), max_size=30))
def test_settled_counts_are_never_below_those_charged_right_at_once(slides, limit, trace):
    """And so is what goes: the decisions with estimates let no more go than the bound allows of what was spent."""
    turns, right, now, open_ = Turns(limit, 1.0, slides=slides), Turns(limit, 1.0, slides=slides), 64.0, []
    for step, charged, spent, which in trace:
        now += step / 8
        if open_ and which < len(open_):
            key, was, truth, began = open_.pop(which)
            turns.settle(key, was, truth, began, now)
        if turns.take(None, charged, now) == 0.0:
            truth = min(spent, charged)
            number, before, count = right._at(right.number(now), right.cells.get(None, right.cells[OVERFLOW]))
            right.cells[None] = (number, before, count + truth)
            open_.append((None, charged, truth, now))
        assert turns.quota(None, now)[0] <= right.quota(None, now)[0]


# The table of keys.


@pytest.mark.parametrize("slides", [False, True])
def test_forgetting_never_refills(slides):
    turns = Turns(1.0, 1.0, 2, slides=slides)
    assert [turns.take(key, 1, 0.5) for key in "ab"] == [0.0, 0.0]
    assert turns.take("c", 1, 0.5) == 0.0  # at the expense of the overflow cell
    assert turns.take("d", 1, 0.5) < 0.0
    assert (len(turns.ring), turns.overflowed) == (2, 1)
    assert turns.take("a", 1, 0.5) < 0.0
    later = 2.0 if slides else 1.0  # nothing of it is in sight any more
    assert turns.take("e", 1, later) == 0.0
    assert len(turns.ring) <= 2
    assert turns.take("e", 1, later) < 0.0
    assert len(turns.cells) == len(turns.ring) + 1


def test_a_sliding_key_is_not_forgotten_while_its_last_window_is_in_sight():
    turns = Turns(1.0, 1.0, 1, slides=True)
    turns.take("a", 1, 0.5)
    turns.take("b", 0.1, 1.5)
    assert list(turns.ring) == ["a"]
    turns.take("b", 0.1, 2.0)
    assert list(turns.ring) == ["b"]


@given(kinds, st.lists(st.tuples(steps, st.sampled_from("abcdef"), costs), max_size=60))
def test_a_small_table_is_never_laxer_than_a_large_one(slides, trace):
    """Key by key: what went in the crowd would have gone, had each key been alone."""
    crowd, now = Turns(3.0, 1.0, 2, slides=slides), 64.0
    alone = {key: Ledger(3.0, 1.0, slides) for key in "abcdef"}
    for step, key, cost in trace:
        now += step / 8
        if crowd.take(key, cost, now) == 0.0:
            assert alone[key].take(cost, now)
        assert len(crowd.cells) <= 3


def test_a_debt_of_a_forgotten_key_finds_a_cell():
    turns = Turns(10.0, 1.0, 1, slides=False)
    turns.take("a", 1, 0.0)
    turns.take("b", 1, 1.0)  # a owed nothing any more
    assert list(turns.ring) == ["b"]
    turns.settle("a", 1, 31, 0.0, 1.0)
    assert turns.take("a", 1, 1.0) < 0.0  # in the overflow cell, as there is no room
    turns.settle("a", 1, 31, 0.0, 9.0)
    assert list(turns.ring) == ["a"]
    assert turns.take("a", 1, 9.0) < 0.0
