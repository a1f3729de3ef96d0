"""What number does a key become? The hash functions of those whose tables are to agree with ours.

==================  =====  ============================================================================================
function            bits   whose
==================  =====  ============================================================================================
`xxh64`             64     Envoy's: keys, ring, Maglev, rendezvous. Collet, xxHash; by the ``xxhash`` wheel where it is
                           installed, else in Python, with the same results some thirty times slower
`murmur64a`         64     Envoy's ring, ``MURMUR_HASH_2``: Appleby's MurmurHash64A, seeded as libstdc++ does
`murmur3`           128    Appleby's MurmurHash3_x64_128, as two numbers of 64 bits
`ketama`            32     memcached clients (libketama): MD5 (RFC 1321), its first four bytes, little-endian
`crc32`             32     nginx's ``hash ... consistent``, HAProxy: ISO-HDLC
`nginx`             15     nginx's ``hash``, as Cache::Memcached hashes
`nginx_ip`          < 2^13 nginx's ``ip_hash``
`sdbm` `djb2`       32     HAProxy's ``hash-type`` functions: ``src/hash.c``
`wt6`
`avalanche`         32     HAProxy's modifier of that name: Jenkins' full avalanche, times a prime
==================  =====  ============================================================================================

Text is hashed as UTF-8; what is no Unicode in it (a lone surrogate) as UTF-8 would have it. All answers are unsigned.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from hashlib import md5
from struct import unpack, unpack_from

__all__ = [
    "FAST",
    "avalanche",
    "crc32",
    "djb2",
    "encoded",
    "ketama",
    "ketama_points",
    "murmur3",
    "murmur64a",
    "nginx",
    "nginx_ip",
    "sdbm",
    "wt6",
    "xxh64",
    "xxh64_bytes",
    "xxh64_pure",
]

M64, M32 = 2**64 - 1, 2**32 - 1

P1, P2, P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P4, P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def encoded(key: str | bytes) -> bytes:
    return key if key.__class__ is bytes else key.encode("utf-8", "surrogatepass")  # type: ignore[union-attr]


def _round64(lane: int, word: int) -> int:
    lane = (lane + word * P2) & M64
    return ((lane << 31 | lane >> 33) & M64) * P1 & M64


def xxh64_pure(data: bytes, seed: int = 0) -> int:
    """`xxh64_bytes` where there is no wheel."""
    size, at = len(data), 0
    if size >= 32:
        lanes = [(seed + P1 + P2) & M64, (seed + P2) & M64, seed, (seed - P1) & M64]
        for at in range(0, size - 31, 32):
            lanes = [_round64(*each) for each in zip(lanes, unpack_from("<4Q", data, at), strict=True)]
        at += 32
        h = sum((lane << by | lane >> 64 - by) & M64 for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & M64
        for lane in lanes:
            h = ((h ^ _round64(0, lane)) * P1 + P4) & M64
    else:
        h = (seed + P5) & M64
    h = (h + size) & M64
    while at + 8 <= size:
        h ^= _round64(0, unpack_from("<Q", data, at)[0])
        h = (((h << 27 | h >> 37) & M64) * P1 + P4) & M64
        at += 8
    if at + 4 <= size:
        h ^= unpack_from("<I", data, at)[0] * P1 & M64
        h = (((h << 23 | h >> 41) & M64) * P2 + P3) & M64
        at += 4
    for byte in data[at:]:
        h ^= byte * P5 & M64
        h = ((h << 11 | h >> 53) & M64) * P1 & M64
    h = (h ^ h >> 33) * P2 & M64
    h = (h ^ h >> 29) * P3 & M64
    return h ^ h >> 32


xxh64_bytes: Callable[..., int] = xxh64_pure
"""``(bytes, seed=0)``."""
FAST = False
"""Whether `xxh64_bytes` is the wheel's."""
try:
    from xxhash import xxh64_intdigest as xxh64_bytes

    FAST = True
except ImportError:  # pragma: no cover
    pass


def xxh64(key: str | bytes, seed: int = 0) -> int:
    try:
        return xxh64_bytes(key.encode() if key.__class__ is str else key, seed)
    except UnicodeEncodeError:
        return xxh64_bytes(encoded(key), seed)


def murmur64a(key: str | bytes, seed: int = 0xC70F6907) -> int:
    m = 0xC6A4A7935BD1E995
    data = encoded(key)
    size = len(data)
    whole = size & ~7
    h = seed ^ size * m & M64
    for word in unpack_from(f"<{whole >> 3}Q", data):
        k = word * m & M64
        h = (h ^ (k ^ k >> 47) * m & M64) * m & M64
    if size > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & M64
    h = (h ^ h >> 47) * m & M64
    return h ^ h >> 47


def murmur3(key: str | bytes, seed: int = 0) -> tuple[int, int]:
    c1, c2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
    data = encoded(key)
    size = len(data)
    h1 = h2 = seed
    padded = data + bytes(-size % 16)
    for at in range(0, len(padded), 16):
        k1, k2 = unpack_from("<2Q", padded, at)
        k1 = k1 * c1 & M64
        h1 ^= ((k1 << 31 | k1 >> 33) & M64) * c2 & M64
        k2 = k2 * c2 & M64
        k2 = ((k2 << 33 | k2 >> 31) & M64) * c1 & M64
        if at + 16 > size:
            h2 ^= k2
            break
        h1 = ((h1 << 27 | h1 >> 37) & M64) + h2
        h1 = (h1 * 5 + 0x52DCE729) & M64
        h2 ^= k2
        h2 = ((h2 << 31 | h2 >> 33) & M64) + h1
        h2 = (h2 * 5 + 0x38495AB5) & M64
    h1, h2 = h1 ^ size, h2 ^ size
    h1 = (h1 + h2) & M64
    h2 = (h2 + h1) & M64
    h1, h2 = _mixed3(h1), _mixed3(h2)
    h1 = (h1 + h2) & M64
    return h1, (h2 + h1) & M64


def _mixed3(k: int) -> int:
    k = (k ^ k >> 33) * 0xFF51AFD7ED558CCD & M64
    k = (k ^ k >> 33) * 0xC4CEB9FE1A85EC53 & M64
    return k ^ k >> 33


def ketama_points(key: str | bytes) -> tuple[int, int, int, int]:
    """All four numbers of the digest: the points that a label has on the ring."""
    return unpack("<4I", md5(encoded(key), usedforsecurity=False).digest())


def ketama(key: str | bytes) -> int:
    return ketama_points(key)[0]


def crc32(key: str | bytes) -> int:
    return zlib.crc32(encoded(key))


def nginx(key: str | bytes, again: int = 0) -> int:
    """``again``: how often this key was hashed before."""
    data = encoded(key)
    return zlib.crc32(data, zlib.crc32(b"%d" % again) if again else 0) >> 16 & 0x7FFF


def nginx_ip(octets: bytes, before: int = 89) -> int:
    """``octets``: the first three of an IPv4 address, all of an IPv6 one; ``before``: what came of the last try."""
    for octet in octets:
        before = (before * 113 + octet) % 6271
    return before


def sdbm(key: str | bytes) -> int:
    h = 0
    for byte in encoded(key):
        h = (byte + (h << 6) + (h << 16) - h) & M32
    return h


def djb2(key: str | bytes) -> int:
    h = 5381
    for byte in encoded(key):
        h = (h * 33 + byte) & M32
    return h


def wt6(key: str | bytes) -> int:
    h0, h1 = 0xA53C965A, 0x5CA6953A
    step0, step1 = 6, 18
    for byte in encoded(key):
        h0 = ~(h0 ^ byte) & M32
        h1 = ~(h1 + byte) & M32
        h0, h1 = (h1 << step0 | h1 >> 32 - step0) & M32, (h0 << step1 | h0 >> 32 - step1) & M32
        step = (h0 >> 16 ^ h1) & 0xFFFF
        step0, step1 = step & 0x1F, step >> 11
    return h0 ^ h1


def avalanche(h: int) -> int:
    h = (h + 0x7ED55D16 + (h << 12)) & M32
    h = h ^ 0xC761C23C ^ h >> 19
    h = (h + 0x165667B1 + (h << 5)) & M32
    h = (h + 0xD3A2646C & M32) ^ (h << 9) & M32
    h = (h + 0xFD7046C5 + (h << 3)) & M32
    h = h ^ 0xB55A4F09 ^ h >> 16
    return h * 3221225473 & M32
