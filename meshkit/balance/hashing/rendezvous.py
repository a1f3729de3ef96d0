"""Who of all wants this key most? Rendezvous, or highest random weight, hashing.

    score = -weight / ln(u)        u = the low 53 bits of xorshift*(hash of the key xor hash of the endpoint) / 2^53

The highest score wins. No table, no memory, and no key moves but to an endpoint that is new or from one that is gone;
shares follow the weights. The price: every endpoint is looked at for every call, a quarter of a microsecond each. For
more than a few dozen of them, take a `Maglev` or a `Ring`.

A call that an endpoint has turned away, or whose endpoint is not up, goes to the next best: to whom it would go if the
first one were not there.

Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (1998); the weights are Schindelhauer's and
Schomaker's (2005). The hash, and the approximation of the logarithm, are Envoy's (``rendezvous_hash_lb.cc``).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from heapq import nlargest
from math import frexp, inf
from typing import Any

import attrs

from ..balancer import RUN, Member
from .hashes import FAST, xxh64

__all__ = ["Rendezvous", "RendezvousTable", "log", "mixed"]

M64, M53 = 2**64 - 1, 2**53 - 1
LN2 = 0.6931471805599453
HASHED = 500 if FAST else 50
"""Endpoints hashed in a slice."""


def mixed(x: int) -> int:
    """The low 53 bits of xorshift*."""
    x ^= x >> 12
    x ^= x << 25 & M64
    x ^= x >> 27
    return x * 2685821657736338717 & M53


def log(u: float) -> float:
    """The natural logarithm from 0 to 1, to one per cent."""
    if not u:
        return -1023 * LN2
    half, exponent = frexp(u)
    mantissa = 2 * half
    exponent -= 1
    if mantissa >= 1.5:
        mantissa = half
        exponent += 1
    t = mantissa - 1.0
    return (exponent + t * (0.338953 * t + 2.198599) / (t + 1.523692)) * LN2


@attrs.frozen
class Rendezvous:
    """The highest of all scores; a cost that grows with the number of endpoints."""

    place = staticmethod(xxh64)

    @staticmethod
    def take(number: int) -> int:
        return number & M64

    def build(self, members: Sequence[Member], before: Any) -> Generator[None, None, RendezvousTable]:
        table = RendezvousTable()
        groups: dict[float, list[tuple[int, Member]]] = {}
        for n, member in enumerate(members, 1):
            seed = xxh64(member.endpoint.hash_key)
            table.members.append(member)
            table.seeds.append(seed)
            groups.setdefault(member.weight, []).append((seed, member))
            if not n % HASHED:
                yield
        table.groups = list(groups.items())
        return table


class RendezvousTable:
    """The endpoints' hashes, in groups of equal weight: within one, the highest ``u`` has the highest score."""

    __slots__ = ("groups", "members", "seeds")

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.seeds: list[int] = []
        self.groups: list[tuple[float, list[tuple[int, Member]]]] = []

    def first(self, place: int) -> Member:
        best, score = self.members[0], -inf
        for weight, group in self.groups:
            high, lead = -1, best
            for seed, member in group:
                x = place ^ seed
                x ^= x >> 12
                x ^= x << 25 & M64
                x = (x ^ x >> 27) * 2685821657736338717 & M53
                if x > high:
                    high, lead = x, member
            if len(self.groups) == 1:
                return lead
            own = -weight / log(high / 2**53)
            if own > score:
                best, score = lead, own
        return best

    def walk(self, place: int) -> Iterator[Member]:
        scores = [
            -member.weight / log(mixed(place ^ seed) / 2**53)
            for seed, member in zip(self.seeds, self.members, strict=True)
        ]
        for n in nlargest(RUN, range(len(scores)), key=scores.__getitem__):
            yield self.members[n]
