"""Whose points are where on the rings of Envoy, memcached's clients and nginx?"""

import json
from bisect import bisect_left
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.balance.hashing.hashes import crc32, murmur64a, xxh64
from meshkit.balance.hashing.ring import Ketama, NginxConsistent, Ring
from meshkit.errors import ConfigError

from .tables import M64, addresses, calling, keyed, made, names, shares, started

SUITES = json.loads(Path(__file__).with_name("ketama.json").read_text("utf-8"))
NGINX = json.loads(Path(__file__).with_name("nginx.json").read_text("utf-8"))["hash"]
THREE = [f"127.0.0.1:808{n}" for n in (1, 2, 3)]


def points(built):
    """All of them, in order, with whose they are."""
    found = []
    for numbers, owners, _ in built.segments:
        found += zip(numbers, owners, strict=False)
    return [(point, built.members[owner].endpoint.hash_key) for point, owner in found]


# Envoy: envoyproxy/envoy test/extensions/load_balancing_policies/ring_hash/ring_hash_lb_test.cc
# @13e9fdb2d4db3480ff278565a596324951e8dccd; the names are its tests'.

BASIC = [
    (833437586790550860, 94), (928266305478181108, 92), (1033482794131418490, 90), (3551244743356806947, 95),
    (3851675632748031481, 93), (5583722120771150861, 91), (6311230543546372928, 91), (7700377290971790572, 93),
    (13144177310400110813, 95), (13444792449719432967, 92), (15516499411664133160, 94), (16117243373044804889, 90),
]  # fmt: skip
MURMUR = [
    (1358027074129602068, 85), (4361834613929391114, 83), (7224494972555149682, 84), (7701421856454313576, 81),
    (8649315368077433379, 82), (8739448859063030639, 84), (9887544217113020895, 81), (10150910876324007731, 82),
    (15168472011420622455, 83), (15427156902705414897, 80), (16375050414328759093, 85), (17613279263364193813, 80),
]  # fmt: skip
HOSTNAMES = [
    (1975508444536362413, 95), (2376063919839173711, 95), (2386806903309390596, 93), (6749904478991551885, 94),
    (6803900775736438537, 93), (7225015537174310577, 92), (8787465352164086522, 90), (11282020843382717940, 92),
    (13723418369486627818, 91), (13776502110861797421, 90), (14338313586354474791, 91), (15364271037087512980, 94),
]  # fmt: skip
UNEVEN = [
    (5454692015285649509, 80), (7859399908942313493, 81), (13838424394637650569, 80), (16064866803292627174, 81),
]  # fmt: skip
TINY = [
    (928266305478181108, 92), (4443673547860492590, 92), (5583722120771150861, 91), (6311230543546372928, 91),
    (13444792449719432967, 92), (16117243373044804889, 90),
]  # fmt: skip
LOCALITIES = [
    (928266305478181108, 92), (3851675632748031481, 93), (5583722120771150861, 91), (6311230543546372928, 91),
    (7700377290971790572, 93), (12559126875973811811, 93), (13444792449719432967, 92), (13784988426630141778, 93),
    (16117243373044804889, 90),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "keys", "weights", "expected"),
    [
        (Ring(least=12), addresses(6), None, BASIC),  # Basic
        (Ring("murmur64a", least=12), addresses(6, first=80), None, MURMUR),  # BasicWithMurmur2
        (Ring(least=12), ["90", "91", "92", "93", "94", "95"], None, HOSTNAMES),  # BasicWithHostname
        (Ring(least=3), addresses(2, first=80), None, UNEVEN),  # UnevenHosts
        (Ring(least=6, most=6), addresses(3), [1, 2, 3], TINY),  # HostWeightedTinyRing
        (Ring(least=9, most=9), addresses(4), [1, 2, 2, 4], LOCALITIES),  # HostAndLocalityWeightedTinyRing
    ],
)
def test_envoys_rings(spec, keys, weights, expected):
    found = points(made(spec, keyed(keys, weights)))
    assert [(point, int(key.rpartition(":")[2])) for point, key in found] == expected


@pytest.mark.parametrize(
    ("least", "most", "weights", "steps", "expected"),
    [
        (6144, 8388608, [1, 2, 3], 6000, [987, 1932, 3081]),  # HostWeightedLargeRing
        (9216, 8388608, [1, 2, 2, 4], 9000, [924, 2009, 2053, 4014]),  # HostAndLocalityWeightedLargeRing
        (1023, 1023, [1, 1], 1023, [526, 497]),  # LargeFractionalScale
    ],
)
def test_envoys_shares(least, most, weights, steps, expected):
    keys = addresses(len(weights))
    found = Counter(
        names(made(Ring(least=least, most=most), keyed(keys, weights)), [n * (M64 // steps) for n in range(steps)])
    )
    assert [found[key] for key in keys] == expected


def test_a_ring_too_small_for_its_endpoints():
    """SmallFractionalScale, and LopsidedWeightSmallScale."""
    built = made(Ring(least=2, most=2), keyed(addresses(4)))
    assert built.size == len({key for _, key in points(built)}) == 2
    weights = [127 * 1023, *[1] * 1023]
    built = made(Ring(least=1024, most=1024), keyed([f"127.0.0.1:{n}" for n in range(1024)], weights))
    counts = Counter(key for _, key in points(built))
    assert counts == {"127.0.0.1:0": 1016, **{f"127.0.0.1:{n or 1}": 1 for n in range(0, 1024, 128)}}
    assert names(built, [11664790346325243808, 15894554872961148518]) == ["127.0.0.1:1", "127.0.0.1:128"]


def test_envoys_next_point():
    """BasicWithRetryHostPredicate: endpoints 4, 2 and 0; and after the last point comes the first."""
    built = made(Ring(least=12), keyed(addresses(6)))
    order = [key for _, key in points(built)]
    for place, start in ((0, 0), (M64, 0), (3551244743356806947, 3), (3551244743356806948, 4)):
        walked = [member.endpoint.hash_key for member in built.walk(place)]
        assert walked == [*order[start:], *order[:start]]


def test_a_ring_is_not_larger_than_its_largest():
    with pytest.raises(ConfigError, match="Ring: least=20: give at most the 10 of most"):
        Ring(least=20, most=10)  # BadRingSizeBounds
    with pytest.raises(ConfigError, match="Ring: function='md5'"):
        Ring("md5")
    with pytest.raises(ConfigError, match="Ketama: form='spymemcached'"):
        Ketama("spymemcached")


# memcached's clients: see ketama.json for the sources.


def members_of(nodes):
    pairs = [(node, 1) if isinstance(node, str) else node for node in nodes]
    return keyed([key for key, _ in pairs], [weight for _, weight in pairs])


@pytest.mark.parametrize("suite", [0, 1, 2, 4])
def test_ketama(suite):
    rows, spec = SUITES[suite]["rows"], Ketama()
    built = made(spec, members_of(SUITES[suite]["nodes"]))
    for key, number, *_, node in rows:
        assert spec.place(key) == number
        assert names(built, [number]) == [node]


def test_ketamas_weights():
    assert dict(made(Ketama(), members_of(SUITES[4]["nodes"])).signature) == SUITES[4]["points_per_server"]
    spec, built = Ketama(), made(Ketama(), members_of(SUITES[4]["nodes"]))
    for number, low, node in SUITES[5]["rows"]:
        assert spec.take(number) == low
        assert names(built, [low]) == [node]
    built = made(Ketama(), keyed(["127.0.0.1:11211", "127.0.0.1:11212"], [600, 400]))
    assert dict(built.signature) == SUITES[7]["points_per_server"]
    for key, _, point, node in SUITES[7]["rows"]:
        assert names(built, [spec.place(key)]) == names(built, [point]) == [node]


def test_libmemcacheds_form():
    built = made(Ketama("libmemcached"), keyed(["localhost:11211", "localhost:11212"], [8, 8]))
    for key, number, node in SUITES[3]["rows"]:
        assert names(built, [number])[0].removesuffix(":11211") == node, key


def test_a_whole_ring():
    built = made(Ketama(), keyed(SUITES[6]["nodes"]))
    found = [[point, int(key.split(".")[3].split(":")[0])] for point, key in points(built)]
    assert found == SUITES[6]["ring"]


# nginx: see nginx.json for the sources.


def test_nginx_consistent():
    spec, members = NginxConsistent(), keyed(THREE)
    built, without = made(spec, members), made(spec, [members[0], members[2]])
    assert built.size == NGINX["point_count"]
    first = [point for point, key in points(built) if key == THREE[0]][:5]
    assert first == NGINX["first_points_of_8081"]
    for key, number, node, less in NGINX["consistent_rows"]:
        assert spec.place(key) == number == crc32(key)
        assert names(built, [number]) == [node]
        assert names(without, [number]) == [less]
    heavy = made(spec, keyed(THREE, [1, 1, 10]))
    assert names(heavy, [spec.place(key) for key, _ in NGINX["weighted_rows"]]) == [
        node for _, node in NGINX["weighted_rows"]
    ]


# What a ring promises.

SPECS = [(Ring(least=160 * 8), 64), (Ring("murmur64a", least=100), 64), (Ketama(), 32), (NginxConsistent(), 32)]


@pytest.mark.parametrize(("spec", "bits"), SPECS)
def test_one_endpoint_less_moves_only_its_own_keys(spec, bits):
    keys = addresses(8)
    before, after = made(spec, keyed(keys)), made(spec, keyed(keys[1:]))
    if isinstance(spec, Ring):
        after = made(Ring(spec.function, least=before.size // 8 * 7), keyed(keys[1:]))
    rng = Random(1)
    for place in (rng.getrandbits(bits) for _ in range(3000)):
        [was], [now] = names(before, [place]), names(after, [place])
        assert now == was or was == keys[0]
        # and it moves where the walk goes on to
        assert now == next(m.endpoint.hash_key for m in before.walk(place) if m.endpoint.hash_key != keys[0])


@pytest.mark.parametrize(("spec", "bits"), [(Ring(least=160 * 100), 64), (Ketama(), 32), (NginxConsistent(), 32)])
def test_shares_follow_weights(spec, bits):
    """With P points a share has a standard deviation of about 1 / sqrt(P): 7.9 % for 160, here within five of them."""
    found = shares(made(spec, keyed(addresses(4), [1, 1, 2, 4])), bits)
    for key, weight in zip(addresses(4), [1, 1, 2, 4], strict=True):
        assert found[key] / 20_000 == pytest.approx(weight / 8, rel=0.4)


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=30),
    st.integers(1, 3000),
    st.lists(st.integers(0, M64), min_size=1, max_size=30),
    st.sampled_from(["xxh64", "murmur64a"]),
)
def test_it_is_the_sorted_list(weights, least, places, function):
    """Against one list of all points, sorted and searched; also on the points themselves, and beside them."""
    members = keyed([f"e{n}" for n in range(len(weights))], weights)
    built = made(Ring(function, least=least), members)
    hashing = {"xxh64": xxh64, "murmur64a": murmur64a}[function]
    counts = Counter(key for _, key in points(built))
    naive = sorted((hashing(f"{key}_{n}"), key) for key, count in counts.items() for n in range(count))
    assert points(built) == naive
    edges = [point for point, _ in naive[:: max(1, len(naive) // 50)]]
    for place in [0, M64, *places, *edges, *(edge + 1 & M64 for edge in edges)]:
        at = bisect_left(naive, (place, "")) % len(naive)
        assert names(built, [place]) == [naive[at][1]]
        walk = built.walk(place)
        assert [next(walk).endpoint.hash_key for _ in range(min(3, len(naive)))] == [
            naive[(at + n) % len(naive)][1] for n in range(min(3, len(naive)))
        ]


def test_a_large_ring_has_segments_and_is_made_in_slices():
    building = Ring(least=30_000).build(keyed([f"e{n}" for n in range(100)]), None)
    slices = []
    while True:
        try:
            slices.append(next(building))
        except StopIteration as end:
            built = end.value
            break
    assert len(slices) > 25
    assert len(built.segments) > 1
    naive = points(built)
    assert naive == sorted(naive)
    rng = Random(1)
    for place in [0, M64, *(rng.getrandbits(64) for _ in range(2000)), *(point for point, _ in naive[::500])]:
        at = bisect_left(naive, (place, "")) % len(naive)
        assert names(built, [place]) == [naive[at][1]] == [next(built.walk(place)).endpoint.hash_key]


def test_two_points_in_one_place_belong_to_whoever_is_first_in_the_list():
    one, two = keyed(["same", "same"])
    built = made(Ring(least=100), [one, two])
    assert {built.first(point) for point, _ in points(built)} == {one}


def test_what_has_not_changed_is_taken_over():
    before = made(Ring(least=100), keyed(addresses(5)))
    others = keyed(addresses(5))
    again = made(Ring(least=100), others, before)
    assert again.segments is before.segments
    assert again.first(7) in others
    assert made(Ring(least=100), keyed(addresses(4)), before).segments is not before.segments


def test_the_quick_pick_is_the_first_of_the_walk():
    balancer, pick = started(Ring(), keyed(addresses(10)))
    for n in range(300):
        assert pick.pick(calling(balancer, f"k{n}"), 0.0) is next(pick.table.walk(xxh64(f"k{n}")))
