"""The power of two choices: fair where all is equal, flat where it is not, never the same member twice.

Statistics are seeded. Each states its false-alarm rate: how often correct code would fail it with a fresh seed.
"""

from random import Random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.balance import Choices, InFlight, Member
from meshkit.balance.balancer import untried
from meshkit.call import Call, Verdict

from .arranging import Weighted, arranged


class Priced:
    """A measure with a fixed price that knows how often it was asked."""

    def __init__(self, price=0.0):
        self.price = price
        self.asked = 0

    def cost(self, now, /):
        self.asked += 1
        return self.price


def field(prices, choices=2, seed=1):
    members = [Member(Weighted(), Priced(price)) for price in prices]
    return arranged(Choices(InFlight, choices, Random(seed)), members), members


def shares_are_equal(counts, false_alarm=1e-6):
    """Every count within the two-sided normal bound for equal shares, the false alarms split among the cells."""
    n, cells = sum(counts), len(counts)
    p = 1 / cells
    bound = NormalDist().inv_cdf(1 - false_alarm / cells / 2) * (n * p * (1 - p)) ** 0.5
    return all(abs(count - n * p) <= bound for count in counts)


@pytest.mark.parametrize("choices", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_equal_load_gives_equal_shares(n, choices):
    """False alarm: 1e-6 for each case."""
    state, members = field([1.0] * n, choices)
    call = Call(None, None, 0.0)
    for _ in range(20_000):
        state.pick(call, 0.0).picks += 1
    assert shares_are_equal([member.picks for member in members])


def test_shares_are_equal_notices_a_bias():
    state, members = field([1.0, 1.0, 1.0 - 1e-9])
    call = Call(None, None, 0.0)
    for _ in range(20_000):
        state.pick(call, 0.0).picks += 1
    assert not shares_are_equal([member.picks for member in members])


def test_every_ordered_pair_is_drawn_equally_often():
    """False alarm: 1e-6. The first of a pair wins the tie, the second is seen by being asked its cost."""
    state, members = field([1.0] * 4)
    call = Call(None, None, 0.0)
    counts = dict.fromkeys([(a, b) for a in range(4) for b in range(4) if a != b], 0)
    for _ in range(24_000):
        before = [member.load.asked for member in members]
        best = members.index(state.pick(call, 0.0))
        drawn = [k for k in range(4) if members[k].load.asked > before[k]]
        assert len(drawn) == 2  # two different ones, each asked once
        drawn.remove(best)
        counts[best, drawn[0]] += 1
    assert shares_are_equal(list(counts.values()))


def test_of_two_the_cheaper_is_always_picked():
    state, members = field([2.0, 1.0])
    call = Call(None, None, 0.0)
    assert {state.pick(call, 0.0) for _ in range(100)} == {members[1]}


@pytest.mark.parametrize(
    ("choices", "expected"), [(1, 1 / 4), (2, 1 / 2), (3, 1 - (2 / 4) * (2 / 3)), (4, 1 - (2 / 4) * (2 / 3) ** 2)]
)
def test_the_cheapest_of_four_is_found_as_often_as_it_is_drawn(choices, expected):
    """False alarm: 1e-6. One draw in four; two different ones; further ones from all but the best so far."""
    state, members = field([4.0, 3.0, 2.0, 1.0], choices)
    call = Call(None, None, 0.0)
    n = 20_000
    found = sum(state.pick(call, 0.0) is members[3] for _ in range(n))
    bound = NormalDist().inv_cdf(1 - 1e-6 / 2) * (n * expected * (1 - expected)) ** 0.5
    assert abs(found - n * expected) <= bound


def fullest(n, choices, seed):
    """As many calls as endpoints, none of which ends."""
    members = [Member(Weighted(), InFlight()) for _ in range(n)]
    state = arranged(Choices(InFlight, choices, Random(seed)), members)
    call = Call(None, None, 0.0)
    for _ in range(n):
        state.pick(call, 0.0).load.enter(call, 0.0)
    return max(member.load.in_flight for member in members)


def test_the_fullest_of_50000_holds_ln_ln_n_with_two_choices_and_far_more_with_one():
    """Mitzenmacher (2001): ln ln n / ln 2 = 3.4, plus O(1), against ln n / ln ln n = 4.5, plus O(1).

    False alarms: with one choice a bin holds 6 or more with probability 5.9e-4 (Poisson), so that none of 50 000 does
    has probability 1e-13. With two, the fluid limit puts the share of bins with 6 or more below 1e-20.
    """
    assert fullest(50_000, 2, seed=7) <= 5
    assert fullest(50_000, 1, seed=7) >= 6


@given(st.integers(1, 12), st.data())
def test_what_is_to_be_avoided_is_picked_only_if_there_is_nothing_else(n, data):
    choices = data.draw(st.integers(1, 4))
    state, members = field([float(k) for k in range(n)], choices, data.draw(st.integers(0, 2**32)))
    avoid = data.draw(st.sets(st.integers(0, n - 1)))
    call = Call(None, None, 0.0)
    call.avoid = tuple(members[k].endpoint for k in avoid)
    for _ in range(20):
        picked = members.index(state.pick(call, 0.0))
        assert picked not in avoid or len(avoid) == n


def test_of_many_members_only_a_run_is_looked_at_and_each_is_in_it_equally_often():
    """False alarm: 1e-6 for each of the two ends and the middle; in a run of 64 of 100 with probability 0.64."""
    members = [Member(Weighted(), Priced()) for _ in range(100)]
    rng = Random(3)
    seen = [0] * 100
    n = 20_000
    for _ in range(n):
        run = untried(members, (members[50].endpoint,), rng.random)
        assert len(run) in {63, 64}
        assert members[50] not in run
        for member in (members[0], members[49], members[99]):
            seen[members.index(member)] += member in run
    bound = NormalDist().inv_cdf(1 - 1e-6 / 2) * (n * 0.64 * 0.36) ** 0.5
    assert all(abs(seen[k] - 0.64 * n) <= bound for k in (0, 49, 99))


def test_a_call_that_very_many_have_turned_away_is_past_choosing():
    members = [Member(Weighted(), Priced()) for _ in range(40)]
    avoid = tuple(member.endpoint for member in members)
    assert len(untried(members, avoid[:32], Random(1).random)) == 8
    assert len(untried(members, avoid[:33], Random(1).random)) == 40


def test_loads_are_read_never_changed():
    members = [Member(Weighted(), InFlight()) for _ in range(3)]
    state = arranged(Choices(InFlight, 2, Random(1)), members)
    call = Call(None, None, 0.0)
    for _ in range(50):
        state.pick(call, 0.0)
    assert [member.load.in_flight for member in members] == [0, 0, 0]
    members[0].load.enter(call, 0.0)
    members[0].load.exit(call, 0.0, 0.0, Verdict.SUCCESS)
    assert members[0].load.idle()
