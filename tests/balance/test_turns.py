"""The orders of turns: nginx's, gRPC-go's, Envoy's and static stride, each to the letter; and turns go on.

``turns.json`` has the rows, each with its source.
"""

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.balance import Member, RoundRobin
from meshkit.balance.turns.stride import WHOLE, Stride, scaled
from meshkit.call import Call
from meshkit.errors import ConfigError

from .arranging import First, Weighted, arranged

ROWS = json.loads(Path(__file__).with_name("turns.json").read_text("utf-8"))
ORDERS = ("smooth", "edf", "edf-place", "stride", "map")
CALL = Call(None, None, 0.0)


class Drawing(First):
    """Draws so that of ``n`` the ``k``-th is first."""

    def __init__(self, k, n):
        super().__init__()
        self.drawn = (k + 0.5) / n

    def random(self):
        return self.drawn


def made(weights, order, rng=None):
    members = [Member(Weighted(weight)) for weight in weights]
    return RoundRobin(order=order).start(rng or First()), members


def sequence(pick, members, picks):
    return [members.index(pick.pick(CALL, 0.0)) for _ in range(picks)]


def turns(weights, order, picks, rng=None):
    balancer, members = made(weights, order, rng)
    return sequence(arranged(balancer, members), members, picks)


@pytest.mark.parametrize("row", ROWS["nginx_smooth_wrr"]["rows"], ids=lambda row: str(row["weights"]))
def test_smooth_is_nginx(row):
    assert turns(row["weights"], "smooth", len(row["sequence"])) == row["sequence"]


def test_the_credits_are_those_of_nginx():
    balancer, members = made([5, 1, 1], "smooth")
    pick = arranged(balancer, members)
    for step in ROWS["nginx_smooth_wrr"]["trace_5_1_1"]:
        assert members.index(pick.pick(CALL, 0.0)) == step["picked"]
        phases = {members.index(member): phase for member, phase, _ in pick.order.phases()}
        assert [round(-7 * phases[k], 9) for k in range(3)] == step["after_pick"]


@pytest.mark.parametrize("row", ROWS["grpc_go_edf"]["rows"], ids=lambda row: str(row["weights"]))
def test_earliest_by_place_is_grpc_go(row):
    assert turns(row["weights"], "edf-place", len(row["first_picks"])) == row["first_picks"]


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 3), (5, 3, 2), (17, 23, 37)])
@pytest.mark.parametrize("order", ORDERS)
def test_shares_are_as_the_weights(order, weights):
    """grpc-go's wrr_test.go allows 5 % of 10 000 picks."""
    counts = Counter(turns(weights, order, 10_000, Random(7)))
    for k, weight in enumerate(weights):
        assert counts[k] == pytest.approx(10_000 * weight / sum(weights), rel=0.002, abs=2)


@pytest.mark.parametrize("row", [row for row in ROWS["envoy_edf"]["rows"] if "expected" in row], ids=str)
def test_earliest_is_envoy_and_begins_with_as_many_turns_over_as_is_drawn(row):
    rng = Drawing(row["seed"], len(row["weights"]))
    assert turns(row["weights"], "edf", len(row["expected"]), rng) == row["expected"]


def test_earliest_of_equals_is_envoys_unweighted_rotation():
    assert turns([1, 1, 1], "edf", 4, Drawing(1, 3)) == [1, 2, 0, 1]


def test_whoever_is_seen_first_over_all_seeds_is_as_the_weights():
    """round_robin_lb_test.cc has 10 seeds of 6, 3, 1; here there are as many as members."""
    first = [turns([3, 2, 1], "edf", 1, Drawing(k, 3))[0] for k in range(3)]
    assert first == [0, 1, 0]  # 0 (1/3), 1 (1/2), 0 (2/3), and so on


def test_a_weight_that_changes_counts_from_its_next_turn_on_as_in_envoy():
    change, added, replaced = (row["expected_next"] for row in ROWS["envoy_edf"]["rows"] if "expected_next" in row)
    balancer, members = made([1, 2], "edf")
    pick = arranged(balancer, members)
    sequence(pick, members, 6)
    members[0].weight, members[1].weight = 2, 1
    assert sequence(pick, members, len(change)) == change
    members.append(Member(Weighted(3)))  # Envoy begins anew where members come or go
    assert sequence(arranged(balancer, members), members, len(added)) == added
    members[:] = [Member(Weighted(1)), Member(Weighted(4))]
    assert sequence(arranged(balancer, members), members, len(replaced)) == replaced


def shares(weights):
    slices = scaled(weights)
    while True:
        try:
            next(slices)
        except StopIteration as done:
            return done.value


def stride(weights, picks):
    members = [Member(Weighted()) for _ in weights]
    return sequence_of(Stride(members, shares(weights), 0), members, picks)


def sequence_of(order, members, picks):
    return [members.index(order.next()) for _ in range(picks)]


@pytest.mark.parametrize("row", ROWS["grpc_static_stride"]["rows"], ids=lambda row: str(row["weights"]))
def test_static_stride_is_grpcs(row):
    if row["scaled_uint16"]:
        assert shares(row["weights"]) == row["scaled_uint16"]
    picks = row["first_24_picks_seq_from_0"]
    assert stride(row["weights"], len(picks)) == picks
    counts = Counter(stride(row["weights"], 6000))
    assert [round(counts[k] / 6000, 4) for k in range(len(row["weights"]))] == row["share_of_6000"]


def test_static_stride_keeps_a_turn_short_whatever_the_weights():
    """static_stride_scheduler.cc: at most ten times the average; here at least a hundredth of the largest."""
    strides = shares([1e9] + [1.0] * 9_999)
    assert strides[0] == WHOLE
    assert strides[1] == WHOLE // 100
    members = [Member(Weighted()) for _ in strides]
    order = Stride(members, strides, 0)
    for _ in range(100):
        order.next()
    assert order.sequence <= 100 * 110
    assert shares([0.0, 0.0]) == [WHOLE, WHOLE]


@pytest.mark.parametrize(("weights", "letters"), [((5, 1, 1), "aaabaac"), ((1, 2), "abb"), ((2, 4, 2), "abbc")])
def test_the_map_is_that_of_haproxy(weights, letters):
    """By the rule of recalc_server_map() in haproxy/haproxy src/lb_map.c @004e045f3141cedcfe578a102a2a0d4e68363a15."""
    assert turns(weights, "map", 2 * len(letters)) == ["abc".index(letter) for letter in 2 * letters]


# Turns go on.


@settings(max_examples=150)
@given(
    st.sampled_from(["smooth", "edf-place", "stride", "map"]),
    st.lists(st.integers(1, 8), min_size=1, max_size=9),
    st.integers(0, 40),
    st.integers(0, 2**32),
)
def test_arranging_anew_what_has_not_changed_changes_no_turn(order, weights, picks, seed):
    (balancer, members), (same, others) = made(weights, order, Random(seed)), made(weights, order, Random(seed))
    pick, untouched = arranged(balancer, members), arranged(same, others)
    for _ in range(3):
        assert sequence(pick, members, picks) == sequence(untouched, others, picks)
        pick = arranged(balancer, members, pick)
    assert sequence(pick, members, 30) == sequence(untouched, others, 30)


@given(st.sampled_from(ORDERS), st.integers(2, 12), st.integers(0, 30), st.data())
def test_of_equals_who_was_next_still_is_whoever_else_goes(order, n, picks, data):
    balancer, members = made([1] * n, order, Random(data.draw(st.integers(0, 99))))
    pick = arranged(balancer, members)
    last = sequence(pick, members, picks + n)[-n:]  # the order in which they go on
    stay = data.draw(st.sets(st.integers(0, n - 1), min_size=1))
    pick = arranged(balancer, [members[k] for k in sorted(stay)], pick)
    assert sequence(pick, members, len(stay)) == [k for k in last if k in stay]


@pytest.mark.parametrize("order", ORDERS)
def test_one_weight_that_changes_every_ten_picks_takes_no_turn_from_the_others(order):
    """A member that warms up in steps: begun anew each time, those behind would hardly ever be picked."""
    balancer, members = made([1] * 20, order, Random(3))
    pick = arranged(balancer, members)
    counts = Counter()
    for step in range(100):
        members[0].weight = 0.1 + 0.009 * step
        pick = arranged(balancer, members, pick)
        counts.update(sequence(pick, members, 10))
    fair = 1000 / 19.5
    assert all(0.8 * fair <= counts[k] <= 1.2 * fair for k in range(1, 20))
    assert 0.35 * fair <= counts[0] <= 0.75 * fair


@pytest.mark.parametrize("order", ORDERS)
def test_members_that_come_and_go_leave_the_others_their_shares(order):
    balancer, members = made([1, 2, 3, 1, 2], order, Random(5))
    pick = arranged(balancer, members)
    counts = Counter()
    for step in range(200):
        present = members if step % 2 else members[:-1]
        pick = arranged(balancer, present, pick)
        counts.update(sequence(pick, members, 9))
    alone = [counts[k] / weight for k, weight in enumerate([1, 2, 3, 1])]
    assert max(alone) <= 1.2 * min(alone)


def test_more_than_64_different_weights_are_no_dearer_than_64():
    balancer, members = made(range(1, 66), "smooth")
    assert not hasattr(arranged(balancer, members).order, "lanes")
    pick = arranged(balancer, members[:64])
    assert len(pick.order.lanes) == 64
    sequence(pick, members, 100)
    pick = arranged(balancer, members, pick)  # from lanes to deadlines, and back
    sequence(pick, members, 100)
    assert Counter(sequence(arranged(balancer, members[:3], pick), members, 6)) == {0: 1, 1: 2, 2: 3}


@pytest.mark.parametrize("order", ORDERS)
def test_one_that_has_warmed_up_need_not_wait_for_what_its_turn_was_when_it_was_cold(order):
    balancer, members = made([1, 1], order)
    members[0].weight = 0.001
    pick = arranged(balancer, members)
    sequence(pick, members, 20)
    members[0].weight = 1.0
    assert 4 <= sequence(arranged(balancer, members, pick), members, 10).count(0) <= 6


def test_a_map_of_more_than_1000_that_differ_is_not_laid_out():
    balancer, members = made([1 + k % 2 for k in range(1001)], "map")
    pick = arranged(balancer, members)
    assert hasattr(pick.order, "lanes")
    fewer = arranged(balancer, members[:3], pick)
    assert sorted(sequence(fewer, members, 4)) == [0, 1, 1, 2]
    assert hasattr(arranged(balancer, members, fewer).order, "lanes")


def test_static_turns_look_at_no_warming_up():
    balancer = RoundRobin(static=True).start(First())
    members = [Member(Weighted(weight)) for weight in (5, 1, 1)]
    members[0].weight = 0.5
    assert sequence(arranged(balancer, members), members, 7) == [0, 0, 1, 0, 2, 0, 0]


@pytest.mark.parametrize("order", ORDERS)
def test_one_that_is_drained_before_the_next_arrangement_stops_nothing(order):
    balancer, members = made([1, 1], order)
    pick = arranged(balancer, members)
    members[0].weight = 0.0
    assert 1 in sequence(pick, members, 4)
    assert sequence(arranged(balancer, [members[1]], pick), members, 2) == [1, 1]


@pytest.mark.parametrize("order", ORDERS)
def test_ten_thousand_are_arranged_in_slices(order):
    balancer, members = made([1 + k % 5 for k in range(10_000)], order, Random(1))
    first = list(balancer.arrange(members, None))
    again = list(balancer.arrange(members, first[-1]))
    assert len(first) > 5
    assert len(again) > 5
    assert len(set(sequence(again[-1], members, 50))) > 10


@pytest.mark.parametrize(("options", "fix"), [({"order": "wrr"}, "order='wrr': write one of"), ({"static": 1}, "True")])
def test_options_are_checked(options, fix):
    with pytest.raises(ConfigError, match=f"RoundRobin: .*{fix}"):
        RoundRobin(**options)
