"""Random, in proportion to the weights.

Each statistic states its false-alarm rate: how often correct code would fail it with a fresh seed.
"""

from collections import Counter
from random import Random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.balance import Member
from meshkit.balance.turns.draw import RandomChoice
from meshkit.call import Call
from meshkit.errors import ConfigError

from .arranging import Weighted, arranged

CALL = Call(None, None, 0.0)


def drawing(weights, seed=1, **options):
    members = [Member(Weighted(weight)) for weight in weights]
    return arranged(RandomChoice(**options).start(Random(seed)), members), members


def as_shares(counts, shares, false_alarm=1e-6):
    n = sum(counts.values())
    bound = NormalDist().inv_cdf(1 - false_alarm / len(shares) / 2)
    return all(abs(counts[k] - n * p) <= bound * (n * p * (1 - p)) ** 0.5 for k, p in enumerate(shares))


@given(st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=40))
def test_the_urns_hold_each_its_exact_share(weights):
    pick, _ = drawing(weights)
    held = [0.0] * len(weights)
    for k in range(len(weights)):
        held[k] += pick.level[k]
        held[pick.other[k]] += 1.0 - pick.level[k]
    assert held == pytest.approx([weight * len(weights) / sum(weights) for weight in weights], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("weights", [(1, 1, 1), (5, 1, 1), (1, 2, 3, 4), (0.1, 10)])
def test_shares_are_as_the_weights(weights):
    """False alarm: 1e-6 for each."""
    pick, members = drawing(weights)
    counts = Counter(members.index(pick.pick(CALL, 0.0)) for _ in range(20_000))
    assert as_shares(counts, [weight / sum(weights) for weight in weights])


def test_unweighted_looks_at_no_weight():
    """False alarm: 1e-6."""
    pick, members = drawing((9, 1), weighted=False)
    assert as_shares(Counter(members.index(pick.pick(CALL, 0.0)) for _ in range(10_000)), [0.5, 0.5])


def test_who_is_to_be_avoided_leaves_its_share_to_the_others_by_weight():
    """False alarm: 1e-6."""
    pick, members = drawing((5, 3, 1))
    call = Call(None, None, 0.0)
    call.avoid = (members[0].endpoint,)
    assert as_shares(Counter(members.index(pick.pick(call, 0.0)) for _ in range(10_000)), [0.0, 0.75, 0.25])
    call.avoid = tuple(member.endpoint for member in members)
    assert {pick.pick(call, 0.0) for _ in range(200)} == set(members)


def test_ten_thousand_are_arranged_in_slices():
    members = [Member(Weighted(1 + k % 7)) for k in range(10_000)]
    balancer = RandomChoice().start(Random(1))
    assert balancer.load(1.0) is None
    assert len(list(balancer.arrange(members, None))) > 2


def test_options_are_checked():
    with pytest.raises(ConfigError, match="RandomChoice: weighted=1: write True or False"):
        RandomChoice(weighted=1)
