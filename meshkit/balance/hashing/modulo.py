"""Which place has the remainder of a hash? Plain tables, for those who are to agree with HAProxy's or nginx's.

===============  =====================================================  =============================================
spec             a key's place                                          what is looked at next
===============  =====================================================  =============================================
`Modulo`         hash mod sum of weights, in HAProxy's map              ``avalanche(hash + k * 0x9E3779B9)``
`NginxHash`      (CRC-32 >> 16 & 0x7FFF) mod sum of weights, in order   plus that of ``"1KEY"``, ``"2KEY"`` ...
`NginxIpHash`    ``h = (h * 113 + octet) mod 6271`` from 89, mod sum    the same over the octets once more
===============  =====================================================  =============================================

One endpoint more or less, or another weight, moves nearly all keys: with n endpoints all but one in n. Where that
matters take a `Maglev` or a `Ring`.

The map has each endpoint as often as its weight, the greatest common divisor taken out. Place by place, ``score +=
weight`` for all; the first one whose ``(score + sum) / sum``, rounded down, is the highest gets it, and pays the sum.

HAProxy ``src/lb_map.c`` and ``hash-type map-based``; nginx ``ngx_http_upstream_hash_module.c`` and
``ngx_http_upstream_ip_hash_module.c``, which look 20 times and then take turns; here it is 64 times.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from heapq import heappop, heappush
from ipaddress import ip_address
from itertools import accumulate
from math import gcd
from typing import Any

import attrs

from ...options import among, flag
from ..balancer import RUN, Member
from .hashes import avalanche, crc32, djb2, encoded, nginx, nginx_ip, sdbm, wt6

__all__ = ["Modulo", "ModuloTable", "NginxHash", "NginxIpHash", "laid_out", "whole"]

M32 = 2**32 - 1
GOLDEN = 0x9E3779B9
SLICE = 512
"""Rises and places in a slice."""
PLACES = 2**20
"""In a map, at most: weights that would have more are scaled."""


class Told(int):
    """A hash, and what it was made of: for looking again."""

    key: bytes


def whole(weights: Sequence[float], most: int = PLACES) -> Generator[None, None, list[int]]:
    """Weights as whole numbers without a common divisor. Those that are not whole are scaled, the largest to 256, and
    so are those whose sum would be beyond ``most``, as far as necessary; nobody gets less than 1.
    """
    if min(weights) == max(weights):
        return [1] * len(weights)
    found = list(map(int, weights))
    yield
    if found != weights:
        scale = 256 / max(weights)
        found = [round(weight * scale) or 1 for weight in weights]
    yield
    divisor = gcd(*found)
    total = sum(found) // divisor
    yield
    if total > most:
        return [weight // divisor * most // total or 1 for weight in found]
    return found if divisor == 1 else [weight // divisor for weight in found]


def laid_out(weights: Sequence[int]) -> Generator[None, None, list[int]]:
    """HAProxy's map: by place, the number of the endpoint.

    With ``v`` picks behind it, an endpoint's score rounds down to 1 from place ``sum * v / weight`` on, and rises by 1
    with each ``sum / weight`` further ones. So a heap of those rises, and for each level a set of endpoints (the bits
    of a number: the first one is the lowest), tell who is next.
    """
    total = sum(weights)
    if total == len(weights):
        return list(range(total))
    rises = [(1, n, 0, 1) for n in range(len(weights))]
    levels = [0] * 4
    picks = [0] * len(weights)
    standing = [0] * len(weights)
    order: list[int] = []
    work = 0
    for place in range(1, total + 1):
        while rises and rises[0][0] <= place:
            _, n, behind, level = heappop(rises)
            work += 1
            if picks[n] == behind:
                bit = 1 << n
                if standing[n]:
                    levels[standing[n]] ^= bit
                levels[level] |= bit
                standing[n] = level
                if level < 3:
                    heappush(rises, (-(-total * (behind + level) // weights[n]), n, behind, level + 1))
            if work >= SLICE:
                work = 0
                yield
        level = 3 if levels[3] else 2 if levels[2] else 1
        bit = levels[level] & -levels[level]
        n = bit.bit_length() - 1
        levels[level] ^= bit
        standing[n] = 0
        order.append(n)
        behind = picks[n] = picks[n] + 1
        heappush(rises, (max(place + 1, -(-total * behind // weights[n])), n, behind, 1))
        work += 1
        if work >= SLICE:
            work = 0
            yield
    return order


def _number(key: str | bytes) -> int:
    found = re.match(rb"\s*[+-]?[0-9]{1,19}", encoded(key))
    return int(found[0]) & M32 if found else 0


FUNCTIONS: dict[str, Callable[[str | bytes], int]] = {
    "sdbm": sdbm,
    "djb2": djb2,
    "wt6": wt6,
    "crc32": crc32,
    "none": _number,
}


@attrs.frozen
class Modulo:
    """HAProxy's map-based hash. ``function``: ``"sdbm"``, ``"djb2"``, ``"wt6"``, ``"crc32"``, or ``"none"`` for keys
    that are whole numbers; ``avalanche`` mixes its bits once more.
    """

    function: str = attrs.field(default="sdbm", validator=among(*FUNCTIONS))
    avalanche: bool = attrs.field(default=False, kw_only=True, validator=flag())

    def place(self, key: str | bytes) -> int:
        return self.take(FUNCTIONS[self.function](key))

    def take(self, number: int) -> int:
        return avalanche(number & M32) if self.avalanche else number & M32

    def build(self, members: Sequence[Member], before: Any) -> Generator[None, None, ModuloTable]:
        weights = yield from whole([member.weight for member in members])
        order = yield from laid_out(weights)
        return ModuloTable(list(members), len(order), order.__getitem__, _scattered)


@attrs.frozen
class NginxHash:
    """nginx's ``hash`` without ``consistent``."""

    def place(self, key: str | bytes) -> int:
        told = Told(nginx(key))
        told.key = encoded(key)
        return told

    def take(self, number: int) -> int:
        return self.place(str(number))

    def build(self, members: Sequence[Member], before: Any) -> Generator[None, None, ModuloTable]:
        return (yield from _in_order(members, _nginx))


@attrs.frozen
class NginxIpHash:
    """nginx's ``ip_hash``: by the first three octets of an IPv4 address, all of an IPv6 one; all else is one key."""

    def place(self, key: str | bytes) -> int:
        try:
            octets = ip_address(encoded(key).decode()).packed
        except ValueError:
            octets = bytes(3)
        octets = octets[:3] if len(octets) == 4 else octets
        told = Told(nginx_ip(octets))
        told.key = octets
        return told

    def take(self, number: int) -> int:
        octets = (number & M32).to_bytes(4, "big")
        told = Told(nginx_ip(octets))
        told.key = octets
        return told

    def build(self, members: Sequence[Member], before: Any) -> Generator[None, None, ModuloTable]:
        return (yield from _in_order(members, _nginx_ip))


def _in_order(members: Sequence[Member], again: Callable[[Any], Iterator[int]]) -> Generator[None, None, ModuloTable]:
    weights = yield from whole([member.weight for member in members])
    ends = list(accumulate(weights))
    yield
    if len(ends) == ends[-1]:
        return ModuloTable(list(members), len(ends), int, again)
    return ModuloTable(list(members), ends[-1], lambda rest: bisect_right(ends, rest), again)


def _scattered(place: int) -> Iterator[int]:
    for again in range(1, RUN):
        yield avalanche(place + again * GOLDEN & M32)


def _nginx(place: Told) -> Iterator[int]:
    number = int(place)
    for again in range(1, RUN):
        number = number + nginx(place.key, again) & M32
        yield number


def _nginx_ip(place: Told) -> Iterator[int]:
    number = int(place)
    for _ in range(1, RUN):
        number = nginx_ip(place.key, number)
        yield number


class ModuloTable:
    """Places, and what is looked at after the first."""

    __slots__ = ("_again", "_owner", "_size", "members")

    def __init__(
        self, members: list[Member], size: int, owner: Callable[[int], int], again: Callable[[Any], Iterator[int]]
    ) -> None:
        self.members = members
        self._size = size
        self._owner = owner
        self._again = again

    def first(self, place: int) -> Member:
        return self.members[self._owner(place % self._size)]

    def walk(self, place: int) -> Iterator[Member]:
        yield self.first(place)
        for number in self._again(place):
            yield self.first(number)
