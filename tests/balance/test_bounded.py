"""Does anybody ever have more than the bound?"""

from fractions import Fraction
from math import ceil
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.balance.hashing.bounded import BoundedLoad, Crowd
from meshkit.balance.hashing.hashed import Hashed
from meshkit.balance.hashing.maglev import Maglev
from meshkit.balance.hashing.modulo import Modulo, NginxHash
from meshkit.balance.hashing.rendezvous import Rendezvous
from meshkit.balance.hashing.ring import Ketama, Ring
from meshkit.call import Call, Verdict
from meshkit.errors import ConfigError

from .tables import addresses, calling, keyed, started

TABLES = [Maglev(251), Ring(least=200), Ketama(), Rendezvous(), Modulo(), NginxHash()]
CALL = Call(None, None, 0.0)


def enter(member):
    member.load.enter(CALL, 0.0)


def leave(member):
    member.load.exit(CALL, 0.0, 0.0, Verdict.SUCCESS)


def most(bound, calls, weight, weights):
    """The capacity, exactly, of the bound as it is written."""
    return max(1, ceil(Fraction(str(bound)) * calls * weight / weights))


@settings(max_examples=60)
@given(
    st.sampled_from(TABLES),
    st.sampled_from([1.01, 1.1, 1.25, 1.5, 2.0, 3.0]),
    st.lists(st.integers(1, 4), min_size=1, max_size=12),
    st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=120),
)
def test_nobody_has_more_than_the_bound(table, bound, weights, steps):
    """A few keys, hot ones, and calls that end in any order: whoever is picked has room, as arithmetic has it."""
    members = keyed([f"e{n}" for n in range(len(weights))], weights)
    balancer, pick = started(table, members, bound=bound)
    under_way, rng = [], Random(1)
    for step in steps:
        if step is None:
            if under_way:
                leave(under_way.pop(rng.randrange(len(under_way))))
            continue
        member = pick.pick(calling(balancer, f"k{step}"), 0.0)
        enter(member)
        under_way.append(member)
        assert member.load.in_flight <= most(bound, len(under_way), member.weight, sum(weights))
    for member in under_way:
        leave(member)
    assert all(member.load.idle() for member in members)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(table).__name__)
def test_one_hot_key_fills_everybody_evenly(table):
    """All calls have the same key: 100 of them on 10 endpoints leave none with more than ceil(1.25 x 10) = 13."""
    members = keyed(addresses(10))
    balancer, pick = started(table, members, bound=1.25)
    for n in range(100):
        enter(pick.pick(calling(balancer, "hot"), 0.0))
        assert max(member.load.in_flight for member in members) <= most(1.25, n + 1, 1, 10)
    assert sum(member.load.in_flight for member in members) == 100


def test_while_there_is_room_a_key_stays():
    members = keyed(addresses(10))
    balancer, pick = started(Ring(), members, bound=2.0)
    home = pick.table.first(balancer.facts(Call(None, "k", 0.0)))
    assert pick.pick(calling(balancer, "k"), 0.0) is home
    for member in members:
        for _ in range(3):
            enter(member)
    assert pick.pick(calling(balancer, "k"), 0.0) is home  # 3 of at most ceil(2 x 31 / 10) = 7
    for _ in range(5):
        enter(home)
    assert pick.pick(calling(balancer, "k"), 0.0) is not home  # 8 of at most ceil(2 x 36 / 10) = 8
    walked = (m for m in pick.table.walk(balancer.facts(Call(None, "k", 0.0))) if m is not home)
    assert pick.pick(calling(balancer, "k"), 0.0) is next(walked)
    for _ in range(5):
        leave(home)
    assert pick.pick(calling(balancer, "k"), 0.0) is home


def test_the_capacity_of_tenths_is_not_off_by_a_rounding():
    """1.1 x 10 / 11 is 1, though a double more than that."""
    members = keyed(addresses(11))
    balancer, pick = started(Ring(), members, bound=1.1)
    for n in range(10):
        enter(pick.pick(calling(balancer, "hot"), 0.0))
        assert max(member.load.in_flight for member in members) == 1, n


def test_those_who_are_down_have_no_share():
    members = keyed(addresses(4))
    balancer, pick = started(Maglev(251), members, bound=1.25)
    members[0].up = members[1].up = False
    for n in range(40):
        member = pick.pick(calling(balancer, "hot"), 0.0)
        assert member.up
        enter(member)
        assert member.load.in_flight <= most(1.25, n + 1, 1, 2)


def test_among_hundreds_too_and_without_a_key():
    members = keyed([f"e{n}" for n in range(500)])
    for otherwise in ("random", "round-robin"):
        balancer, pick = started(Maglev(5003), members, bound=1.05, otherwise=otherwise)
        for n in range(1100):
            member = pick.pick(calling(balancer, "hot" if n % 3 else None), 0.0)
            enter(member)
            assert member.load.in_flight <= most(1.05, n + 1, 1, 500)


def test_if_everybody_else_has_turned_it_away_the_bound_yields():
    members = keyed(addresses(3))
    balancer, pick = started(Ring(), members, bound=1.01)
    for _ in range(5):
        enter(members[0])
    avoid = [member.endpoint for member in members[1:]]
    assert pick.pick(calling(balancer, "k", avoid), 0.0) is members[0]


def test_the_load_counts_for_all():
    crowd = Crowd()
    one, other = BoundedLoad(1, crowd), BoundedLoad(2, crowd)
    one.enter(CALL, 0.0)
    other.enter(CALL, 0.0)
    other.enter(CALL, 0.0)
    assert (crowd.in_flight, one.cost(0.0), other.cost(0.0)) == (3, 2.0, 1.5)
    assert other.snapshot(0.0) == {"in_flight": 2}
    other.exit(CALL, 0.0, 1.0, Verdict.FAILURE)
    assert (crowd.in_flight, other.in_flight, one.idle()) == (2, 1, False)


@pytest.mark.parametrize("bound", [0, 1, 1.0, -1, 101, True, "1.25", float("nan")])
def test_what_is_no_bound(bound):
    with pytest.raises(ConfigError, match="Hashed: bound="):
        Hashed("path", bound=bound)
