"""The generic cell rate algorithm: published tables, an exact oracle, every window, and the table of keys."""

import json
import math
import tracemalloc
from collections import deque
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.limit import RateLimit
from meshkit.limit.gcra import NEVER, Cells
from meshkit.limit.table import FORGETS, LOOKS, OVERFLOW

PUBLISHED = json.loads(Path(__file__).with_name("redis_cell.json").read_text())

# Sixteenths and powers of two: all sums and quotients below are exact, in floats as in fractions.
steps = st.integers(0, 64).map(lambda n: n / 16)
costs = st.integers(1, 40).map(lambda n: n / 8)
rates = st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0])
bursts = st.integers(1, 5)
patiences = st.sampled_from([0.0, 0.0, 0.5, 3.0, 100.0])
crowded = st.sampled_from([0, 0, 0, 0.5, 2, 16])
"""Seconds between calls when most of them have to wait behind others."""
cancels = st.sampled_from([None, None, 0, 1, 2])
"""Which of those waiting gives up, if there is one."""


class Exact:
    """The textbook, in seconds and fractions: increment and limit of the virtual scheduling algorithm."""

    def __init__(self, rate, burst):
        self.increment = 1 / Fraction(rate)
        self.limit = Fraction(burst) * self.increment
        self.tat = Fraction(-(10**12))

    def take(self, cost, now, patience=0.0):
        now, cost = Fraction(now), Fraction(cost)
        tat = max(self.tat, now) + cost * self.increment
        wait = tat - now - self.limit
        if cost * self.increment > self.limit:
            return NEVER
        if wait > Fraction(patience):
            return -wait
        self.tat = tat
        return max(wait, Fraction(0))


def within_bound(gone, rate, burst, slack=0.0):
    """In every window between two departures: cost <= burst + rate * t."""
    gone = sorted(gone)
    for first in range(len(gone)):
        total = Fraction(0)
        for instant, cost in gone[first:]:
            total += Fraction(cost)
            # A window ends behind all that left at its last instant, and begins before all of its first.
            if total > burst + Fraction(rate) * (Fraction(instant) - Fraction(gone[first][0])) + Fraction(slack):
                return False
    return True


def test_the_oracle_can_fail():
    assert within_bound([(0.0, 1), (1.0, 1), (1.0, 1)], 1.0, 2)
    assert not within_bound([(0.0, 1), (1.0, 1), (1.0, 1), (1.0, 1)], 1.0, 2)


@pytest.mark.parametrize("table", PUBLISHED["tables"], ids=lambda table: table["name"])
def test_redis_cell(table):
    cells = RateLimit(table["rate"], burst=table["burst"]).cells()
    for row, (now, quantity, limited, remaining, reset, retry) in enumerate(table["rows"]):
        answer = cells.take(None, quantity, now)
        assert (answer < 0) is limited, row
        left = cells.remaining(None, now)
        assert math.floor(left + 1e-9) == remaining, row
        assert (cells.burst - left) / cells.rate == pytest.approx(reset), row
        again = -1 if answer in {0, NEVER} else -answer
        assert again == pytest.approx(retry), row


@pytest.mark.parametrize(("rate", "interval"), PUBLISHED["periods"])
def test_emission_intervals(rate, interval):
    assert 1 / RateLimit(rate).per_second == pytest.approx(interval)


@given(rates, bursts, st.lists(st.tuples(steps, costs, patiences), max_size=40))
def test_equals_the_exact_algorithm(rate, burst, trace):
    """Neither laxer nor stricter, waits and refusals included."""
    cells, exact, now = Cells(rate, burst), Exact(rate, burst), 1000.0
    for step, cost, patience in trace:
        now += step
        assert cells.take(None, cost, now, patience) == exact.take(cost, now, patience)


@given(
    st.floats(1e-6, 1e6),
    st.integers(1, 1000),
    st.floats(0, 1e7),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0.01, 5)), max_size=40),
)
def test_any_number_within_the_last_bits(rate, burst, start, trace):
    """For rates and instants that no double holds: decisions are those of exact arithmetic, to a hair."""
    cells, exact, now = Cells(rate, burst), Exact(rate, burst), start
    for step, cost in trace:
        now += step / rate
        if cells.tats.get(None, NEVER) > NEVER:  # compared is one decision at a time
            exact.tat = Fraction(cells.tats[None]) / Fraction(rate)
        hair = 4e-15 * max(1.0, now * rate + burst)
        answer, expected = cells.take(None, cost, now), exact.take(cost, now)
        if (answer < 0) is not (expected < 0):
            beyond = cost - burst if expected == NEVER else abs(expected) * Fraction(rate)
            assert beyond <= hair
        elif answer != expected:
            assert abs(Fraction(answer) - expected) * Fraction(rate) <= hair


@given(
    st.floats(1e-6, 1e6), st.integers(1, 100), st.floats(0, 1e7), st.lists(st.integers(1, 100), min_size=1, max_size=30)
)
def test_who_comes_back_when_told_is_let_go(rate, burst, now, trace):
    """Not refused for the last bit of a sum: otherwise a caller on virtual time would come back for ever."""
    cells = Cells(rate, burst)
    for cost in trace:
        answer = cells.take(None, min(cost, burst), now)
        if answer < 0:
            now += -answer
            assert cells.take(None, min(cost, burst), now) == 0


@pytest.mark.parametrize("period", [3, 7, 10, 49, 60, 86400])
def test_exactly_on_time_goes(period):
    """``now == allow_at`` is not limited, also where 1 / period is no double."""
    cells = RateLimit(f"1/{period}s").cells()
    assert [cells.take(None, 1, k * period) for k in range(1000)] == [0.0] * 1000


@given(rates, bursts, st.lists(st.tuples(crowded, bursts, st.just(100.0), cancels), min_size=6, max_size=20))
def test_every_window_also_when_turns_are_given_back(rate, burst, trace):
    """The bound holds for whatever goes, when it goes: at once, after waiting, with any others cancelled before."""
    cells, now = Cells(rate, burst), 64.0
    gone, waiting = [], []
    for step, cost, patience, cancel in trace:
        now += step
        gone += [each for each in waiting if each[0] <= now]
        waiting = [each for each in waiting if each[0] > now]
        if cancel is not None and cancel < len(waiting):
            began, was = waiting.pop(cancel)
            cells.give_back(None, was, began)
        answer = cells.take(None, cost, now, patience)
        if answer >= 0:
            (waiting if answer else gone).append((now + answer, cost))
    assert within_bound(gone + waiting, rate, burst)


@given(rates, bursts, st.lists(st.tuples(steps, costs), max_size=10), costs)
def test_the_last_reservation_is_given_back_in_full(rate, burst, trace, cost):
    cells, now = Cells(rate, burst), 64.0
    for step, before in trace:
        now += step
        cells.take(None, before, now, 1e9)
    owed = max(cells.tats.get(None, NEVER), now * rate)
    answer = cells.take(None, cost, now, 1e9)
    if answer > 0:
        cells.give_back(None, cost, now + answer)
        assert cells.tats[None] == owed


def test_what_others_reserved_behind_it_is_not_given_back():
    """golang.org/x/time/rate: restored is the reservation less the tokens reserved after it."""
    cells = Cells(1.0, 5.0)
    assert cells.take(None, 5, 0.0) == 0
    assert cells.take(None, 4, 0.0, 100.0) == 4
    assert cells.take(None, 1, 0.0, 100.0) == 5  # keeps this instant
    cells.give_back(None, 4, 4.0)
    assert cells.take(None, 1, 0.0, 100.0) == 3  # 4 were reserved, 1 behind them: 3 are free again


def test_a_large_reservation_is_not_overtaken():
    """Peers' fault: large requests starve, as small ones are always let by first."""
    cells = Cells(1.0, 10.0)
    assert cells.take(None, 10, 0.0) == 0
    assert cells.take(None, 10, 0.0, 60.0) == 10
    turns = [k / 10 + cells.take(None, 1, k / 10, 60.0) for k in range(1, 41)]
    assert turns == pytest.approx([10.0 + k for k in range(1, 41)])  # each behind it, though it fits sooner


def test_free_is_free():
    cells = Cells(1.0, 2.0)
    cells.take(None, 2, 0.0)
    assert cells.take(None, 0, 0.0) == 0
    assert cells.take(None, 1, 0.0) == -1


def test_a_clock_that_steps_back_makes_no_tokens():
    cells = Cells(1.0, 2.0)
    assert [cells.take(None, 1, now) for now in (10.0, 9.0, 8.0, 10.0, 11.0)] == [0.0, -1.0, -2.0, 0.0, 0.0]


# Settling.


def test_more_than_estimated_is_a_debt_that_may_exceed_the_burst():
    cells = Cells(2.0, 10.0)
    assert cells.take(None, 1, 0.0) == 0
    cells.settle(None, 1, 41, 0.5, cells.mark(None))
    assert cells.tats[None] == 41
    assert cells.take(None, 1, 0.5) == -15.5  # 42 less the 10 at once, at 2 a second
    assert cells.quota(None, 0.5) == (0.0, 15.5)
    assert cells.take(None, 1, 16.0) == 0


def test_less_than_estimated_is_given_back():
    cells = Cells(1.0, 10.0)
    assert cells.take(None, 10, 0.0) == 0
    mark = cells.mark(None)
    cells.settle(None, 10, 3, 2.0, mark)
    assert cells.tats[None] == 3
    assert cells.remaining(None, 2.0) == 9


def test_what_was_paid_off_meanwhile_is_not_given_back_a_second_time():
    """Otherwise twenty would go at one instant, of which none cost less than was charged."""
    cells = Cells(1.0, 10.0)
    cells.take(None, 10, 0.0)
    mark = cells.mark(None)
    assert cells.take(None, 10, 20.0) == 0
    cells.settle(None, 10, 0, 20.0, mark)
    assert cells.take(None, 1, 20.0) == -1
    cells = Cells(1.0, 10.0)
    cells.take(None, 10, 0.0)
    mark = cells.mark(None)
    assert cells.take(None, 5, 5.0) == 0
    cells.settle(None, 10, 0, 6.0, mark)
    assert cells.tats[None] == 15 - 4  # six of its ten were paid off


@given(
    rates,
    bursts,
    st.lists(st.tuples(steps, costs, st.integers(0, 40).map(lambda n: n / 8), st.integers(0, 4)), max_size=40),
)
def test_settled_late_is_never_laxer_than_charged_right_at_once(rate, burst, trace):
    """The oracle charges what will have been spent, for the same calls at the same instants; each settles some time
    later. Whatever the order, the cell owes at least as much as the oracle's, and so no more goes than would have.
    """
    cells, right, now, under_way = Cells(rate, burst), Exact(rate, burst), 64.0, []
    for step, charged, spent, which in trace:
        now += step / 4
        if which < len(under_way):
            cells.settle(None, *under_way[which][:2], now, under_way[which][2])
            del under_way[which]
        if cells.take(None, charged, now) == 0:
            under_way.append((charged, spent, cells.mark(None)))
            right.tat = max(right.tat, Fraction(now)) + Fraction(spent) / Fraction(rate)
        owed = Fraction(max(cells.tats.get(None, NEVER), now * rate))
        to_come = sum(max(Fraction(0), Fraction(more) - Fraction(less)) for less, more, _ in under_way)
        assert owed + to_come >= right.tat * Fraction(rate)


@given(rates, bursts, st.lists(st.tuples(steps, costs, st.integers(0, 4)), max_size=40))
def test_in_every_window_no_more_is_spent_than_the_bound(rate, burst, trace):
    """Where nobody spends more than he was charged, however late that turns out."""
    cells, now, under_way, gone = Cells(rate, burst), 64.0, [], []
    for step, charged, which in trace:
        now += step / 4
        if which < len(under_way):
            cells.settle(None, *under_way[which][:2], now, under_way[which][2])
            del under_way[which]
        if cells.take(None, charged, now) == 0:
            spent = charged * (which % 3) / 2
            under_way.append((charged, spent, cells.mark(None)))
            gone.append((now, spent))
    assert within_bound(gone, rate, burst)


def test_a_debt_of_a_forgotten_key_finds_a_cell():
    """A key may be forgotten between its charge and the bill, as it owed nothing then."""
    cells = Cells(1.0, 1.0, 1)
    cells.take("a", 1, 0.0)
    mark = cells.mark("a")
    cells.take("b", 1, 10.0)
    assert list(cells.ring) == ["b"]
    cells.settle("a", 1, 31, 10.0, mark)
    assert cells.take("a", 1, 10.0) == -21  # in the overflow cell: there is no room
    cells.settle("c", 1, 3, 60.0, 31.0)  # what is small has been paid off long since
    assert list(cells.ring) == ["b"]
    cells.settle("a", 0, 31, 60.0)
    assert list(cells.ring) == ["a"]
    assert cells.take("a", 1, 60.0) == -31
    cells.settle("a", 0, 5, 120.0)  # nobody says of when: from now on
    assert cells.take("a", 1, 120.0) == -5


def test_what_the_overflow_cell_was_charged_is_given_back_to_it():
    cells = Cells(1.0, 4.0, 1)
    cells.take("a", 4, 0.0)
    cells.take("b", 4, 0.0)
    assert (cells.overflowed, cells.take("c", 1, 0.0)) == (1, -1)
    cells.settle("b", 4, 1, 0.0, cells.mark("b"))
    assert cells.take("c", 1, 0.0) == 0


@pytest.mark.parametrize(
    ("taken", "now", "left", "seconds"),
    [(0, 5.0, 4.0, 0.5), (1, 0.0, 3.0, 0.5), (1, 0.25, 3.5, 0.25), (4, 0.0, 0.0, 0.5), (4, 0.375, 0.75, 0.125)],
)
def test_quota(taken, now, left, seconds):
    """No more than ``left`` can be used within the seconds; then it is a whole one more."""
    cells = Cells(2.0, 4.0)
    cells.take(None, taken, 0.0)
    assert cells.quota(None, now) == (left, seconds)
    assert cells.quota("unknown", now)[0] == 4.0


# The table of keys.


@given(
    rates,
    bursts,
    st.integers(1, 2),
    st.lists(st.tuples(crowded, st.sampled_from("abcd"), bursts, patiences, cancels), min_size=6, max_size=60),
)
def test_a_small_table_never_admits_more(rate, burst, max_keys, trace):
    """Per key no window exceeds the bound, whatever was forgotten, shared or given back in between."""
    cells, now = Cells(rate, burst, max_keys), 64.0
    kept = {key: [] for key in "abcd"}
    waiting = []
    for step, key, cost, patience, cancel in trace:
        now += step
        waiting = [each for each in waiting if each[1] > now]
        if cancel is not None and cancel < len(waiting):
            whose, began, was = waiting.pop(cancel)
            kept[whose].remove((began, was))
            cells.give_back(whose, was, began)
        answer = cells.take(key, cost, now, patience)
        if answer >= 0:
            kept[key].append((now + answer, cost))
            if answer:
                waiting.append((key, now + answer, cost))
        assert len(cells.ring) == len(cells.tats) - 1 <= max_keys
        assert set(cells.ring) | {OVERFLOW} == set(cells.tats)
    for gone in kept.values():
        assert within_bound(gone, rate, burst)


@given(rates, bursts, st.lists(st.tuples(steps, st.sampled_from("abc"), costs, patiences), max_size=60))
def test_a_large_table_is_not_stricter(rate, burst, trace):
    """With room for all, each key has its own limit, exactly."""
    cells, now = Cells(rate, burst, 3), 64.0
    alone = {key: Exact(rate, burst) for key in "abc"}
    for step, key, cost, patience in trace:
        now += step
        assert cells.take(key, cost, now, patience) == alone[key].take(cost, now, patience)


def test_cycling_keys_does_not_erase_a_limit():
    """Peers' fault: with enough other keys one's own is pushed out of the table, and comes back fresh."""
    cells = Cells(0.01, 2.0, max_keys=10)
    assert [cells.take("mine", 1, 0.0) for _ in range(3)] == [0, 0, -100]
    for k in range(1000):
        cells.take(f"other-{k}", 1, 1.0)
    assert cells.take("mine", 1, 1.0) == pytest.approx(-99)
    assert len(cells.ring) == 10


def test_newcomers_to_a_full_table_share_one_cell():
    cells = Cells(1.0, 2.0, max_keys=2)
    for key in "ab":
        assert cells.take(key, 2, 0.0) == 0
    assert [cells.take(key, 1, 0.0) for key in "cde"] == [0, 0, -1]
    assert cells.overflowed == 2
    # One second on, a and b still owe: c and d share the one token that came.
    assert [cells.take(key, 1, 1.0) for key in "cd"] == [0, -1]
    # Once they owe nothing they make room; but what the shared cell owes may be c's, so c does not begin afresh.
    assert cells.take("c", 2, 2.0) == -1
    assert cells.take("c", 1, 2.0) == 0


def test_who_is_refused_leaves_no_trace():
    """Neither a cell of its own, nor a step of the hand, nor somebody forgotten."""
    cells = Cells(1.0, 2.0, max_keys=2)
    for key in "abc":
        cells.take(key, 2, 0.0)
    before = dict(cells.tats), list(cells.ring), cells.overflowed
    assert cells.take("d", 1, 0.0) == -1
    assert cells.take("e", 3, 99.0) == NEVER
    with pytest.raises(TypeError):
        cells.take("f", "1", 99.0)
    assert (cells.tats, list(cells.ring), cells.overflowed) == before


def test_a_turn_in_the_shared_cell_is_not_given_back():
    """Nobody can say any more whose it was: that errs on the strict side, and only while the table is full."""
    cells = Cells(1.0, 2.0, max_keys=1)
    cells.take("a", 2, 0.0)
    cells.take("b", 2, 0.0)
    assert cells.take("b", 1, 0.0, 9.0) == 1
    cells.give_back("b", 1, 1.0)
    assert cells.take("b", 1, 0.0, 9.0) == 2


def test_a_table_of_the_settled_makes_room():
    cells = Cells(1.0, 1.0, max_keys=3)
    for second in range(100):
        for key in "abc":
            assert cells.take(f"{key}{second}", 1, float(second)) == 0
    assert cells.overflowed == 0


class CountedDeque(deque):
    looks = 0

    def popleft(self):
        CountedDeque.looks += 1
        return super().popleft()


@pytest.fixture(scope="module")
def crowd():
    """100,000 keys, each used once, and each owing for 1000 s."""
    keys = [f"user-{k:06d}" for k in range(100_000)]
    tracemalloc.start()
    cells = Cells(0.001, 10.0, max_keys=100_000)
    for now, key in enumerate(keys):
        cells.take(key, 1, now * 1e-3)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return cells, keys, used


def test_a_key_costs_no_more_than_100_bytes(crowd):
    """Besides the key itself. Measured 85 on CPython 3.11, and 107 for the moment in which the dict grows."""
    cells, keys, used = crowd
    assert len(cells.ring) == len(keys)
    assert used / len(keys) < 100


def test_the_work_for_a_decision_does_not_grow_with_the_keys(crowd):
    """Peers' fault: windows and sweeps in O(n). Counted are the steps of the hand."""
    cells, keys, _ = crowd
    cells.ring = CountedDeque(cells.ring)
    CountedDeque.looks = 0
    for key in keys[:1000]:
        cells.take(key, 1, 100.0)
    assert CountedDeque.looks == 0
    for k in range(1000):  # full, and nobody to forget
        assert cells.take(f"new-{k}", 0.01, 100.0) == 0
    assert CountedDeque.looks == 1000 * LOOKS
    CountedDeque.looks = 0
    for k in range(1000):  # full, and everybody to forget: only every second newcomer has to look
        assert cells.take(f"late-{k}", 1, 1e6) == 0
    assert CountedDeque.looks <= 1000 + FORGETS
