"""Envoy's weighted least request: turns by weight / (in flight + 1) ** bias.

envoyproxy/envoy test/extensions/load_balancing_policies/least_request/least_request_lb_test.cc @0a31a547fa09f8
"""

from random import Random

from meshkit.balance import LeastRequest, Member
from meshkit.call import Call

from .arranging import First, Weighted, arranged

CALL = Call(None, None, 0.0)


def made(bias, weights=(1, 2), rng=None):
    balancer = LeastRequest(bias=bias).start(rng or First())
    members = [Member(Weighted(weight), balancer.load(weight)) for weight in weights]
    return arranged(balancer, members), members, balancer


def picks(pick, members, count):
    return [members.index(pick.pick(CALL, 0.0)) for _ in range(count)]


def test_weight_imbalance():
    """Idle: 2 to 1. One under way at the heavier: 1 to 1. One at the lighter: 4 to 1."""
    pick, (light, heavy), _ = made(1.0)
    members = [light, heavy]
    assert picks(pick, members, 6) == [1, 0, 1, 1, 0, 1]
    heavy.load.in_flight = 1
    assert picks(pick, members, 5) == [1, 0, 1, 0, 1]
    light.load.in_flight, heavy.load.in_flight = 1, 0
    assert picks(pick, members, 10) == [0, 1, 1, 1, 0, 1, 1, 1, 1, 0]


def test_without_bias_the_load_does_not_matter():
    """WeightImbalanceWithCustomActiveRequestBias, 0.0."""
    pick, members, _ = made(0.0)
    members[1].load.in_flight = 1
    assert picks(pick, members, 6) == [1, 0, 1, 1, 0, 1]


def test_equal_weights_are_compared():
    """EqualWeightsWithActiveRequestBias, as without the later runtime guard: the best of two."""
    pick, members, _ = made(1.0, (3, 3), Random(1))
    members[0].load.in_flight = 1
    assert picks(pick, members, 20) == [1] * 20


def test_from_turns_to_comparing_and_back():
    pick, members, balancer = made(1.0)
    picks(pick, members, 4)
    for member in members:
        member.weight = member.load.weight = 2.0
    pick = arranged(balancer, members, pick)
    members[0].load.in_flight = 1
    assert picks(pick, members, 5) == [1] * 5
    members[0].weight = 1.0
    assert set(picks(arranged(balancer, members, pick), members, 6)) == {0, 1}
