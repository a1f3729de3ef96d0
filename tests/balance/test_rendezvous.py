"""Who of all wants a key most?"""

from math import inf, log2
from math import log as exact
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.balance.hashing.hashes import xxh64
from meshkit.balance.hashing.rendezvous import Rendezvous, log, mixed

from .tables import M64, addresses, keyed, made, names, shares

# envoyproxy/envoy test/extensions/load_balancing_policies/rendezvous_hash/rendezvous_hash_lb_test.cc
# @5732d3995a5b011aed157d63f43e05c052c804b6; the names are its tests'.


@pytest.mark.parametrize("u", [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1e-6, 1e-10])
def test_the_logarithm_is_right_to_one_per_cent(u):
    """FastLogBasicValues, as far as it is asked for here: from 0 to 1."""
    assert log(u) == pytest.approx(exact(u), rel=0.01)


def test_the_logarithm_is_exact_where_it_must_be():
    """FastLog2PowersOfTwo; and of 0, which a score must not divide by."""
    for exponent in range(-53, 1):
        assert log(2.0**exponent) == pytest.approx(exponent / log2(2.718281828459045), abs=0.01)
    assert -1000 < log(0.0) < log(2**-53) < 0 == log(1.0)


@given(st.lists(st.integers(0, 2**53 - 1), min_size=2, max_size=50))
def test_a_higher_number_never_scores_less(numbers):
    scores = [-1 / log(number / 2**53) for number in sorted(numbers)]
    assert scores == sorted(scores)


def test_numbers_are_spread():
    """XorshiftMult64NonZero and NormalizeHashRange."""
    for x in (1, 12345, 0xDEADBEEFCAFEBABE, M64):
        assert 0 < mixed(x) < 2**53
        assert mixed(x) != x
    assert mixed(0) == 0


def test_envoys_shares():
    """HostWeightedDistribution: 1, 2, 3 over 6000 even steps, within 500."""
    built = made(Rendezvous(), keyed(addresses(3), [1, 2, 3]))
    found = names(built, [n * (M64 // 6000) for n in range(6000)])
    for key, expected in zip(addresses(3), [1000, 2000, 3000], strict=True):
        assert found.count(key) == pytest.approx(expected, abs=500)


@given(
    st.lists(st.one_of(st.integers(1, 3), st.floats(0.1, 10)), min_size=1, max_size=20),
    st.lists(st.integers(0, M64), min_size=1, max_size=10),
)
def test_it_is_the_highest_of_all_scores(weights, places):
    members = keyed([f"e{n}" for n in range(len(weights))], weights)
    built = made(Rendezvous(), members)
    for place in places:
        scores = {
            member: -member.weight / log(mixed(place ^ xxh64(member.endpoint.hash_key)) / 2**53) for member in members
        }
        ranked = sorted(scores.values(), reverse=True)
        assert scores[built.first(place)] == ranked[0]
        assert [scores[member] for member in built.walk(place)] == ranked
        assert ranked[0] < inf


def test_shares_follow_weights():
    """The logarithm's one per cent is in it; 4 standard deviations of 20 000 draws are below 0.014."""
    weights = [1, 1, 2, 2.5, 3.5]
    found = shares(made(Rendezvous(), keyed(addresses(5), weights)))
    for key, weight in zip(addresses(5), weights, strict=True):
        assert found[key] / 20_000 == pytest.approx(weight / 10, abs=0.02)


def test_one_endpoint_less_moves_only_its_own_keys_to_their_next_best():
    """ConsistencyOnHostChange."""
    weights = [1, 2, 3, 1, 2]
    before = made(Rendezvous(), keyed(addresses(5), weights))
    after = made(Rendezvous(), keyed(addresses(5)[1:], weights[1:]))
    rng = Random(1)
    for place in (rng.getrandbits(64) for _ in range(3000)):
        walk = [member.endpoint.hash_key for member in before.walk(place)]
        assert names(after, [place]) == [walk[0] if walk[0] != addresses(5)[0] else walk[1]]
