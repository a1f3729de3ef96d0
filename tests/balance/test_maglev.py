"""Whose is which slot, and what changes when somebody comes or goes?"""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.balance.hashing.hashes import xxh64
from meshkit.balance.hashing.maglev import Maglev
from meshkit.errors import ConfigError

from .tables import addresses, calling, keyed, made, started


def owners(built, members):
    return [members.index(built.first(slot)) for slot in range(built.size)]


@pytest.mark.parametrize(
    ("size", "keys", "weights", "expected"),
    [
        (7, addresses(6), None, [2, 4, 0, 1, 5, 0, 3]),  # Basic
        (7, ["90", "91", "92", "93", "94", "95"], None, [2, 5, 0, 3, 4, 1, 0]),  # BasicWithHostName
        (17, addresses(2), [1, 2], [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1]),  # Weighted
        (17, addresses(1), [7], [0] * 17),  # WeightedSingleHost
        # LocalityWeightedSameLocalityWeights and ...DifferentLocalityWeights, the localities' weights as endpoints'
        (17, addresses(2), [1, 1], [1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1]),
        (17, addresses(2), [8, 2], [1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]),
    ],
)
def test_envoys_tables(size, keys, weights, expected):
    """envoyproxy/envoy test/extensions/load_balancing_policies/maglev/maglev_lb_test.cc
    @08417eb62f1ecfa6ac015caa0146d25565a142ed.
    """
    members = keyed(keys, weights)
    assert owners(made(Maglev(size), members), members) == expected


def test_envoys_lopsided_table():
    """LocalityWeightedLopsided, of the same file: the lightest have a slot each, the heaviest all others."""
    weights = [127 * 1023, *[1] * 1023]
    built = made(Maglev(65537), keyed(addresses(1024, first=1), weights))
    counts = Counter(built.slots)
    assert sorted(counts.values()) == [*[1] * 1023, 65537 - 1023]


def test_the_order_of_the_list_does_not_matter():
    """BasicStability, of the same file."""
    members = keyed(addresses(6))
    shuffled = Random(1).sample(members, 6)
    assert owners(made(Maglev(7), shuffled), members) == [2, 4, 0, 1, 5, 0, 3]


def test_envoys_second_look():
    """BasicWithRetryHostPredicate, of the same file: hash 10 is endpoint 1's, then endpoint 0's, then endpoint 5's."""
    members = keyed(addresses(6))
    walk = made(Maglev(7), members).walk(10)
    assert [members.index(next(walk)) for _ in range(3)] == [1, 0, 5]


def test_the_papers_example():
    """Eisenbud et al., NSDI 2016, table 1: offsets 3, 0, 3 and skips 4, 2, 1 with M = 7; before and after B1 leaves.

    By the listing as it stands there, on the paper's numbers; `test_it_is_the_listing` holds ours to it.
    """
    assert listing(7, [(3, 4), (0, 2), (3, 1)], [1, 1, 1]) == [1, 0, 1, 0, 2, 2, 0]
    assert listing(7, [(3, 4), (3, 1)], [1, 1]) == [0, 0, 0, 0, 1, 1, 1]


def listing(size, permutations, weights):
    """Listing 1, with Envoy's weights: every endpoint is looked at in every round."""
    total = sum(weights)
    share = [weight / total for weight in weights]
    most = max(share)
    target, following = [0.0] * len(weights), [0] * len(weights)
    table, filled, iteration = [None] * size, 0, 0
    while True:
        iteration += 1
        for n, (offset, skip) in enumerate(permutations):
            if iteration * share[n] < target[n]:
                continue
            target[n] += most
            while table[(offset + skip * following[n]) % size] is not None:
                following[n] += 1
            table[(offset + skip * following[n]) % size] = n
            filled += 1
            if filled == size:
                return table


@settings(max_examples=150)
@given(
    st.sampled_from([2, 3, 7, 17, 101, 251]),
    st.lists(st.one_of(st.integers(1, 50), st.floats(0.01, 100)), min_size=1, max_size=40),
)
def test_it_is_the_listing(size, weights):
    members = keyed([f"e{n:03}" for n in range(len(weights))], weights)
    keys = [member.endpoint.hash_key for member in members]
    permutations = [(xxh64(key) % size, xxh64(key, 1) % (size - 1) + 1) for key in keys]
    assert owners(made(Maglev(size), members), members) == listing(size, permutations, weights)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 100, 1000])
def test_equal_weights_have_equal_shares_to_one_slot(count):
    counts = Counter(made(Maglev(10007), keyed(addresses(count))).slots)
    assert len(counts) == count
    assert max(counts.values()) - min(counts.values()) <= 1


def test_shares_follow_weights():
    weights = [1 + n % 10 for n in range(100)]
    counts = Counter(made(Maglev(65537), keyed([f"e{n:03}" for n in range(100)], weights)).slots)
    for n, weight in enumerate(weights):
        assert counts[n] == pytest.approx(65537 * weight / sum(weights), abs=2)


def test_one_endpoint_less_moves_its_slots_and_a_few_others():
    """The paper, 5.3 and figure 12: a small table is disrupted by a few per cent, a larger one by less."""
    members = keyed(addresses(100))
    moved = {}
    for size in (10007, 65537):
        before, after = made(Maglev(size), members), made(Maglev(size), members[1:])
        others = [slot for slot in range(size) if before.first(slot) is not members[0]]
        moved[size] = sum(after.first(slot) is not before.first(slot) for slot in others) / len(others)
    assert 0 < moved[65537] < moved[10007] < 0.03


def test_one_endpoint_more_takes_its_share_and_few_others_change_hands():
    members = keyed(addresses(101))
    before, after = made(Maglev(65537), members[:100]), made(Maglev(65537), members)
    changed = [slot for slot in range(65537) if after.first(slot) is not before.first(slot)]
    new = sum(after.first(slot) is members[100] for slot in changed)
    assert new == pytest.approx(65537 / 101, abs=1)
    assert len(changed) - new < 0.03 * 65537


def test_more_endpoints_than_slots():
    members = keyed(addresses(20))
    assert len(set(owners(made(Maglev(7), members), members))) == 7


def test_what_has_not_changed_is_taken_over():
    before = made(Maglev(101), keyed(addresses(5)))
    others = keyed(addresses(5))
    assert made(Maglev(101), others, before).slots is before.slots
    assert made(Maglev(101), others, before).first(3) in others
    assert made(Maglev(101), keyed(addresses(5), [1, 1, 1, 1, 2]), before).slots is not before.slots
    assert made(Maglev(101), keyed(addresses(4)), before).slots is not before.slots


def test_it_is_made_in_slices():
    """About 2000 of them for 10 000 endpoints and a million slots, of half a millisecond: too long for here."""
    building = Maglev(65537).build(keyed([f"e{n:04}" for n in range(3000)]), None)
    slices = sum(1 for _ in building)
    assert slices > 50


def test_the_quick_pick_is_the_first_of_the_walk():
    balancer, pick = started(Maglev(251), members := keyed(addresses(10)))
    for n in range(300):
        call = calling(balancer, f"k{n}")
        assert pick.pick(call, 0.0) is pick.table.first(xxh64(f"k{n}")) is next(pick.table.walk(xxh64(f"k{n}")))
    members[0].up = False
    assert members[0] not in {pick.pick(calling(balancer, f"k{n}"), 0.0) for n in range(300)}


@pytest.mark.parametrize("size", [0, 1, 8, 65536, True, 7.0, "7", None, -7, 10**9 + 7])
def test_what_is_no_size(size):
    with pytest.raises(ConfigError, match=r"Maglev: size=.*prime"):
        Maglev(size)
