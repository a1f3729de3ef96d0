"""Smooth weighted turns: nginx's sequences to the letter, and nobody first by position."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.balance import Member, RoundRobin
from meshkit.call import Call

from .arranging import First, Weighted, arranged


def turns(weights, rng=None):
    members = [Member(Weighted(weight)) for weight in weights]
    return arranged(RoundRobin().start(rng or First()), members), members


def sequence(weights, picks, rng=None):
    state, members = turns(weights, rng)
    call = Call(None, None, 0.0)
    return [members.index(state.pick(call, 0.0)) for _ in range(picks)]


def nginx(weights, picks):
    """The rule of ngx_http_upstream_round_robin.c, one credit per peer."""
    current, total, chosen = [0] * len(weights), sum(weights), []
    for _ in range(picks):
        current = [credit + weight for credit, weight in zip(current, weights, strict=True)]
        winner = current.index(max(current))
        current[winner] -= total
        chosen.append(winner)
    return chosen


# What nginx 1.22 does; the first row is the one in the message of the change that introduced the algorithm.
NGINX = [
    ((5, 1, 1), "aabacaa"),
    ((1, 1, 1), "abc"),
    ((1, 2, 3), "cbacbc"),
    ((4, 3, 2), "abcabacba"),
    ((1, 2), "bab"),
    ((2, 1), "aba"),
    ((6, 3, 1), "abaabacaba"),
    ((10, 1), "aaaaabaaaaa"),
    ((3, 3, 1), "abcabab"),
    ((7, 5, 3, 1), "abcabadabcabacba"),
    ((1,), "a"),
    ((100, 1, 1), "a" * 34 + "b" + "a" * 33 + "c" + "a" * 33),
]


@pytest.mark.parametrize(("weights", "letters"), NGINX)
def test_the_sequence_is_that_of_nginx_and_repeats(weights, letters):
    assert "".join("abcd"[k] for k in sequence(weights, 2 * len(letters))) == 2 * letters


@settings(max_examples=200)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 80))
def test_lanes_are_the_rule_with_one_credit_for_each_endpoint(weights, picks):
    assert sequence(weights, picks) == nginx(weights, picks)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 2**32))
def test_each_gets_its_weight_in_every_period_wherever_it_begins(weights, seed):
    period = sum(weights)
    chosen = sequence(weights, 3 * period, Random(seed))
    for begin in range(0, 3 * period, period):
        assert [chosen[begin : begin + period].count(k) for k in range(len(weights))] == weights


def test_a_fleet_of_clients_does_not_begin_at_the_same_endpoint():
    first = [sequence((1,) * 5, 1, Random(seed))[0] for seed in range(200)]
    # False alarm: some of five endpoints first for less than 10 or more than 80 of 200 seeds, below 1e-7.
    assert all(10 <= first.count(k) <= 80 for k in range(5))


def test_those_to_be_avoided_lose_their_turn_and_the_others_share_it():
    state, members = turns((1, 1, 1, 1))
    call = Call(None, None, 0.0)
    call.avoid = (members[1].endpoint,)
    chosen = [members.index(state.pick(call, 0.0)) for _ in range(9)]
    assert chosen == [0, 2, 3] * 3


def test_when_all_are_to_be_avoided_one_is_picked_all_the_same():
    state, members = turns((1, 2, 3), Random(1))
    call = Call(None, None, 0.0)
    call.avoid = tuple(member.endpoint for member in members)
    chosen = {members.index(state.pick(call, 0.0)) for _ in range(200)}
    assert chosen == {0, 1, 2}


def test_the_light_one_beside_a_very_heavy_one_is_found():
    state, members = turns((1_000_000, 1), Random(1))
    call = Call(None, None, 0.0)
    call.avoid = (members[0].endpoint,)
    assert {state.pick(call, 0.0) for _ in range(20)} == {members[1]}


def test_it_measures_nothing():
    assert RoundRobin().start(Random(1)).load(1) is None


def test_ten_thousand_of_three_weights_keep_three_credits():
    state, members = turns([1 + k % 3 for k in range(10_000)])
    assert len(state.order.lanes) == 3
    call = Call(None, None, 0.0)
    assert all(state.pick(call, 0.0) in members[:3000] for _ in range(100))
