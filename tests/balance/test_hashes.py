"""Do the hash functions say what those of others say? Their vectors, from hashes.json, each with its source."""

import json
from pathlib import Path
from struct import pack, unpack
from zlib import crc32 as zlib_crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.balance.hashing import hashes

VECTORS = json.loads(Path(__file__).with_name("hashes.json").read_text("utf-8"))
HAPROXY = VECTORS["haproxy"]["rows"]


@pytest.mark.parametrize("function", [hashes.xxh64, hashes.xxh64_pure], ids=["wheel", "pure"])
def test_xxh64(function):
    for text, hexadecimal, seed, expected, source in VECTORS["xxh64"]:
        data = text.encode() if text is not None else bytes.fromhex(hexadecimal)
        assert function(data, seed) == expected, source


@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_the_wheel_and_the_fallback_agree(data, seed):
    assert hashes.FAST  # the suite is run with the wheel
    assert hashes.xxh64_bytes(data, seed) == hashes.xxh64_pure(data, seed)


def test_murmur64a():
    for text, seed, expected, source in VECTORS["murmur64a"]:
        assert hashes.murmur64a(text, seed) == expected, source
    assert hashes.murmur64a("foo") == 9631199822919835226  # Envoy's seed is the default


def test_murmur3():
    for text, seed, *expected, source in VECTORS["murmur3_x64_128"]:
        assert hashes.murmur3(text, seed) == tuple(expected), source


def test_crc32():
    for row in VECTORS["crc32"]["rows"]:
        assert f"{hashes.crc32(row['input']):08x}" == row["hex"]


def verification(function):
    """SMHasher's: the hash of the hashes of 256 keys."""
    hashed = b"".join(function(bytes(range(size)), 256 - size) for size in range(256))
    return f"{unpack('<I', function(hashed, 0)[:4])[0]:08X}"


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("MurmurHash64A", lambda data, seed: pack("<Q", hashes.murmur64a(data, seed))),
        ("Murmur3 x64 128", lambda data, seed: pack("<2Q", *hashes.murmur3(data, seed))),
        ("crc32", lambda data, seed: pack("<I", zlib_crc32(data, seed))),
    ],
)
def test_smhasher_verification_codes(name, function):
    """aappleby/smhasher src/main.cpp @0ff96f7835817a27d0487325b6c16033e2992eb5."""
    assert verification(function) == VECTORS["smhasher"][name]


@pytest.mark.parametrize("row", HAPROXY, ids=lambda row: row[0] or "empty")
def test_haproxys(row):
    """haproxy/haproxy src/hash.c, compiled; see hashes.json."""
    key, *expected = row
    plain = [function(key) for function in (hashes.sdbm, hashes.djb2, hashes.wt6, hashes.crc32)]
    assert [*plain, *map(hashes.avalanche, plain)] == expected


def test_ketama_is_the_first_of_the_four_numbers_of_md5():
    """RFC 1321: MD5 ("abc") = 900150983cd24fb0d6963f7d28e17f72."""
    assert hashes.ketama_points("abc") == (0x98500190, 0xB04FD23C, 0x7D3F96D6, 0x727FE128)
    assert hashes.ketama("abc") == 0x98500190


def test_nginxs_are_made_by_hand():
    assert hashes.nginx("123456789") == 0xCBF43926 >> 16 & 0x7FFF
    assert hashes.nginx("KEY", 12) == hashes.nginx("12KEY")  # REHASH stands before the key
    step = lambda h, octet: (h * 113 + octet) % 6271  # noqa: E731
    assert hashes.nginx_ip(bytes([127, 0, 1])) == step(step(step(89, 127), 0), 1)
    assert hashes.nginx_ip(b"\x01", 6270) == (6270 * 113 + 1) % 6271


@pytest.mark.parametrize(
    "function",
    [
        hashes.xxh64,
        hashes.murmur64a,
        hashes.murmur3,
        hashes.ketama,
        hashes.crc32,
        hashes.nginx,
        hashes.sdbm,
        hashes.djb2,
        hashes.wt6,
    ],
)
def test_text_is_utf_8_whatever_is_in_it(function):
    assert function("caf\xe9") == function("caf\xe9".encode())
    assert function("\udce9x") == function(b"\xed\xb3\xa9x")  # a header's stray byte, as a server hands it on
    assert function("") == function(b"")
