"""In flight, for its weight."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.balance import InFlight, LeastRequest, Member
from meshkit.call import Call, Verdict
from meshkit.errors import ConfigError

from .arranging import Weighted, arranged


@pytest.mark.parametrize(
    ("weight", "in_flight", "cost"), [(1, 0, 1.0), (1, 3, 4.0), (2, 0, 0.5), (2, 3, 2.0), (3, 2, 1.0)]
)
def test_cost(weight, in_flight, cost):
    load = InFlight(weight)
    for _ in range(in_flight):
        load.enter(Call(None, None, 0.0), 0.0)
    assert load.cost(0.0) == cost
    assert load.snapshot(0.0) == {"in_flight": in_flight}


@given(st.lists(st.sampled_from([None, *Verdict]), max_size=60))
def test_in_flight_is_what_has_begun_and_not_ended(steps):
    load, call, under_way = InFlight(), Call(None, None, 0.0), 0
    for verdict in steps:
        if verdict is None:
            load.enter(call, 0.0)
            under_way += 1
        elif under_way:
            load.exit(call, 0.0, 1.0, verdict)
            under_way -= 1
        assert load.in_flight == under_way
        assert load.idle() == (under_way == 0)


def test_under_load_the_calls_in_flight_are_as_the_weights():
    """120 calls that do not end, weights 1, 2, 3: with every endpoint compared, at most one call from 20, 40, 60."""
    balancer = LeastRequest(choices=32).start(Random(1))
    members = [Member(Weighted(weight), balancer.load(weight)) for weight in (1, 2, 3)]
    state = arranged(balancer, members)
    call = Call(None, None, 0.0)
    for _ in range(120):
        state.pick(call, 0.0).load.enter(call, 0.0)
    in_flight = [member.load.in_flight for member in members]
    assert all(abs(there - 20 * weight) <= 1 for there, weight in zip(in_flight, (1, 2, 3), strict=True))


def test_an_endpoint_that_holds_its_calls_gets_no_more_until_the_other_has_as_many():
    balancer = LeastRequest().start(Random(1))
    stuck, quick = members = [Member(Weighted(), balancer.load(1)) for _ in range(2)]
    state = arranged(balancer, members)
    call = Call(None, None, 0.0)
    for _ in range(5):
        stuck.load.enter(call, 0.0)
    for _ in range(5):
        assert state.pick(call, 0.0) is quick
        quick.load.enter(call, 0.0)


@pytest.mark.parametrize("choices", [0, -1, 65, 2.0, True, "2", None])
def test_choices_is_a_small_whole_number(choices):
    with pytest.raises(ConfigError, match=r"LeastRequest: choices=.*whole number from 1 to 64"):
        LeastRequest(choices=choices)
