"""Which endpoint comes next on the ring? Consistent hashing: points of endpoints, and a key's own between them.

====================  ==================================================  ================================  ============
spec                  points of an endpoint                               how many                          key
====================  ==================================================  ================================  ============
`Ring`                xxHash64 or MurmurHash64A of ``KEY_0``, ``KEY_1``   Envoy's: see below                xxHash64
`Ketama`              four 32-bit numbers of MD5 of ``KEY-0``, ``KEY-1``  160 for a mean weight             MD5
`NginxConsistent`     CRC-32 of HOST NUL PORT and the point before        160 for each unit of weight       CRC-32
====================  ==================================================  ================================  ============

The first point at or after the key's serves it; after the last one comes the first. One endpoint less moves only its
own keys, one more takes keys only for itself; shares are uneven, with P points each by about 1 / sqrt(P).

`Ring`: with shares w of 1, ``scale = min(ceil(min(w) * least) / min(w), most)``, and walking through the endpoints in
order, each gets points until there are ``scale * (the sum of shares so far)``.

A call that an endpoint has turned away, or whose endpoint is not up, goes on to the next points: to whom it would go if
the first were not there.

Karger et al., "Consistent Hashing and Random Trees" (1997). `Ring` is Envoy's (``ring_hash_lb.cc``), `Ketama`
libketama's and libmemcached's, `NginxConsistent` nginx's and Cache::Memcached::Fast's: the same points.

How the points are kept: see `meshkit.balance.hashing.points`.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Sequence
from math import ceil, floor
from struct import pack, unpack
from typing import Any

import attrs

from ...errors import ConfigError
from ...options import among, count
from ..balancer import Member
from .hashes import FAST, crc32, encoded, ketama, ketama_points, murmur64a, xxh64, xxh64_bytes
from .points import SLICE, Points, sown

__all__ = ["Ketama", "NginxConsistent", "Ring"]

M64, M32 = 2**64 - 1, 2**32 - 1


@attrs.frozen
class Ring:
    """Envoy's ring: at least ``least`` points, ``most`` at most. ``function`` makes the points."""

    function: str = attrs.field(default="xxh64", validator=among("xxh64", "murmur64a"))
    least: int = attrs.field(default=1024, kw_only=True, validator=count(1, 8_388_608))
    most: int = attrs.field(default=8_388_608, kw_only=True, validator=count(1, 8_388_608))

    def __attrs_post_init__(self) -> None:
        if self.least > self.most:
            raise ConfigError.of("Ring", "least", self.least, f"give at most the {self.most} of most")

    place = staticmethod(xxh64)

    @staticmethod
    def take(number: int) -> int:
        return number & M64

    def build(self, members: Sequence[Member], before: Any) -> Generator[None, None, Points]:
        function, slow = (xxh64_bytes, not FAST) if self.function == "xxh64" else (murmur64a, True)

        def points(key: str, numbers: range) -> list[int]:
            label = encoded(key) + b"_"
            return [function(label + b"%d" % number) for number in numbers]

        weights = [member.weight for member in members]
        total = sum(weights)
        smallest = min(weights) / total
        scale = min(ceil(smallest * self.least) / smallest, float(self.most))
        target, reached = 0.0, 0
        counts: list[int] = []
        for weight in weights:
            target += scale * (weight / total)
            counts.append(max(0, ceil(target) - reached))
            reached += counts[-1]
            if not len(counts) % SLICE:
                yield
        return (yield from sown(members, counts, points, before, bits=64, slow=slow))


@attrs.frozen
class Ketama:
    """The ring of memcached clients. ``form`` is how weights become points: ``"libketama"`` or ``"libmemcached"``,
    which also leaves out port 11211.
    """

    form: str = attrs.field(default="libketama", validator=among("libketama", "libmemcached"))

    def place(self, key: str | bytes) -> int:
        return ketama(key)

    def take(self, number: int) -> int:
        return number & M32

    def build(self, members: Sequence[Member], before: Any) -> Generator[None, None, Points]:
        left_out = ":11211" if self.form == "libmemcached" else ""

        def points(key: str, numbers: range) -> list[int]:
            label = encoded(key.removesuffix(left_out)) + b"-"
            digests = range(numbers.start // 4, numbers.stop // 4)
            return [point for number in digests for point in ketama_points(label + b"%d" % number)]

        weights = [member.weight for member in members]
        total = sum(weights)
        known: dict[float, int] = {}
        for weight in weights:
            if weight not in known:
                known[weight] = 4 * self._digests(_single(weight / total), len(weights))
                if not len(known) % (SLICE // 4):
                    yield
        yield
        counts = [known[weight] for weight in weights]
        return (yield from sown(members, counts, points, before, bits=32))

    def _digests(self, share: float, endpoints: int) -> int:
        """Each with the roundings to single precision that the C has."""
        if self.form == "libketama":
            return floor(_single(share * 40.0 * endpoints))
        return floor(_single(_single(_single(_single(share * 160) / 4) * endpoints) + 1e-10))


def _single(number: float) -> float:
    return unpack("f", pack("f", number))[0]  # type: ignore[no-any-return]


@attrs.frozen
class NginxConsistent:
    """nginx's ``hash ... consistent``."""

    def place(self, key: str | bytes) -> int:
        return crc32(key)

    def take(self, number: int) -> int:
        return number & M32

    def build(self, members: Sequence[Member], before: Any) -> Generator[None, None, Points]:
        last = ("", 0, 0)

        def points(key: str, numbers: range) -> list[int]:
            nonlocal last
            host, colon, port = key.rpartition(":")
            if not (colon and port.isascii() and (port.isdigit() or not port)):
                host, port = key, ""
            begin = zlib.crc32(encoded(host) + b"\0" + encoded(port))
            point = last[2] if last[:2] == (key, numbers.start) else 0
            made = []
            for _ in numbers:
                point = zlib.crc32(point.to_bytes(4, "little"), begin)
                made.append(point)
            last = key, numbers.stop, point
            return made

        counts = [max(1, round(160 * member.weight)) for member in members]
        yield
        return (yield from sown(members, counts, points, before, bits=32))
