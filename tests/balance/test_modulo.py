"""Which place has the remainder of a hash?"""

import json
from collections import Counter
from functools import reduce
from math import gcd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.balance.hashing import hashes
from meshkit.balance.hashing.modulo import Modulo, NginxHash, NginxIpHash, laid_out, whole
from meshkit.errors import ConfigError

from .tables import addresses, calling, keyed, made, names, started

NGINX = json.loads(Path(__file__).with_name("nginx.json").read_text("utf-8"))
THREE = [f"127.0.0.1:808{n}" for n in (1, 2, 3)]


def done(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def haproxys_map(weights):
    """recalc_server_map of haproxy/haproxy src/lb_map.c @004e045f3141cedcfe578a102a2a0d4e68363a15, as it stands."""
    total, score, order = sum(weights), [0] * len(weights), []
    for _ in range(total):
        best, high = None, 0
        for n, weight in enumerate(weights):
            if total == 1:
                best = n
                break
            score[n] += weight
            v = (score[n] + total) // total
            if best is None or v > high:
                high, best = v, n
        order.append(best)
        score[best] -= total
    return order


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_the_map_is_haproxys(weights):
    assert done(laid_out(weights)) == haproxys_map(weights)


@given(st.lists(st.one_of(st.integers(1, 300), st.floats(0.01, 300)), min_size=1, max_size=12))
def test_weights_are_made_whole(weights):
    found = done(whole(weights))
    assert all(isinstance(weight, int) and weight >= 1 for weight in found)
    if all(weight == int(weight) for weight in weights):
        divisor = reduce(gcd, map(int, weights))
        assert found == [int(weight) // divisor for weight in weights]
    for mine, weight in zip(found, weights, strict=True):
        assert mine / max(found) == pytest.approx(weight / max(weights), abs=1 / 255)


def test_huge_weights_are_scaled():
    found = done(whole([1, 999_999, 1_000_000]))
    assert found[0] == 1
    assert sum(found) <= 2**20
    assert done(whole([5.0] * 4)) == [1] * 4


@pytest.mark.parametrize("avalanche", [False, True])
@pytest.mark.parametrize("function", ["sdbm", "djb2", "wt6", "crc32"])
def test_modulo_is_the_remainder(function, avalanche):
    members = keyed(addresses(3), [2, 4, 6])
    spec = Modulo(function, avalanche=avalanche)
    built = made(spec, members)
    order = haproxys_map([1, 2, 3])
    for n in range(200):
        number = getattr(hashes, function)(f"k{n}")
        number = hashes.avalanche(number) if avalanche else number
        assert spec.place(f"k{n}") == number
        assert names(built, [number]) == [addresses(3)[order[number % 6]]]


def test_a_key_that_is_a_number():
    spec = Modulo("none")
    assert [spec.place(key) for key in ("12", b"12abc", " 7", "abc", "-1", "9" * 30)] == [
        12, 12, 7, 0, 2**32 - 1, 9999999999999999999 & 2**32 - 1,
    ]  # fmt: skip


def test_nginx_hash():
    """See nginx.json: ngx_http_upstream_hash_module.c."""
    spec, built = NginxHash(), made(NginxHash(), keyed(THREE))
    for key, node in NGINX["hash"]["plain_rows"]:
        assert names(built, [spec.place(key)]) == [node]


@given(st.text(max_size=20), st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_nginx_looks_again(key, weights):
    """``((crc32([REHASH] KEY) >> 16) & 0x7fff) + PREV_HASH``, then by weight in order."""
    members = keyed([f"e{n}" for n in range(len(weights))], weights)
    divisor = gcd(*weights)
    expanded = [member for member, weight in zip(members, weights, strict=True) for _ in range(weight // divisor)]
    data, number, expected = key.encode(), 0, []
    for again in range(20):
        number += hashes.crc32((str(again).encode() if again else b"") + data) >> 16 & 0x7FFF
        expected.append(expanded[number % len(expanded)])
    walk = made(NginxHash(), members).walk(NginxHash().place(key))
    assert [next(walk) for _ in range(20)] == expected


@pytest.mark.parametrize(("servers", "picks"), [(2, "picks_2"), (3, "picks_3")])
def test_nginx_ip_hash(servers, picks):
    """nginx/nginx-tests upstream_ip_hash.t @76bb761cdcaeb6cb024d605c2ef91bf8d8a602d7: 30 clients, split evenly."""
    spec, built = NginxIpHash(), made(NginxIpHash(), keyed(THREE[:servers]))
    found = names(built, [spec.place(f"127.0.{n}.2") for n in range(1, 31)])
    assert [THREE.index(name) for name in found] == NGINX["ip_hash"][picks]
    assert set(Counter(found).values()) == {30 // servers}


def test_nginx_ip_hash_takes_three_octets_of_four_and_all_of_sixteen():
    place = NginxIpHash().place
    assert place("192.0.2.1") == place("192.0.2.255") == hashes.nginx_ip(bytes([192, 0, 2]))
    assert place("2001:db8::1") == hashes.nginx_ip(bytes.fromhex("20010db8000000000000000000000001"))
    assert place("unix:") == place(b"\xff") == hashes.nginx_ip(bytes(3))
    walk = made(NginxIpHash(), keyed(addresses(5))).walk(place("192.0.2.1"))
    number, expected = 89, []
    for _ in range(10):
        number = hashes.nginx_ip(bytes([192, 0, 2]), number)
        expected.append(addresses(5)[number % 5])
    assert [next(walk).endpoint.hash_key for _ in range(10)] == expected


@pytest.mark.parametrize("spec", [Modulo(), Modulo(avalanche=True), NginxHash(), NginxIpHash()])
def test_where_there_is_no_key_everybody_is_picked_and_walks_end(spec):
    balancer, pick = started(spec, keyed(addresses(5)))
    found = Counter(pick.pick(calling(balancer), 0.0).endpoint.hash_key for _ in range(500))
    assert set(found) == set(addresses(5))
    assert len(list(pick.table.walk(spec.take(2**64 - 1)))) == 64


def test_what_cannot_be_built():
    with pytest.raises(ConfigError, match="Modulo: function='md5'"):
        Modulo("md5")
    with pytest.raises(ConfigError, match="Modulo: avalanche=1"):
        Modulo(avalanche=1)
