"""Where is a key in a table that everybody is in equally often? Maglev hashing.

    offset = xxHash64(key of the endpoint, seed 0) mod M          permutation[j] = (offset + j * skip) mod M
    skip   = xxHash64(key of the endpoint, seed 1) mod (M - 1) + 1

The endpoints, sorted by key, take turns: each takes the first slot of its permutation that is still free, until all M
are taken; one of weight w sits out turns so that it has w / (largest weight) of them. A call's slot is
``xxHash64(key) mod M``: one division, whatever the number of endpoints. Equal weights have equal shares, to one slot.
When one endpoint leaves, its slots go to the others, and a few others change hands as well: some per cent of them with
M = 100 N, fewer with a larger M. A ring moves nothing else, and is far less even.

A call that an endpoint has turned away, or whose endpoint is not up, looks at ``hash xor (2^64 - k)``, k = 1, 2, ...

Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), listing 1. Seeds, order,
weights and the second look are Envoy's (``maglev_lb.cc``), to the slot.

How it is made: a turn costs M / (free slots) looks on average, for the last slot M. So the last few hundred are found
the other way round: a free slot s is number ``(s - offset) / skip mod M`` of a permutation; the smallest one is next.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from heapq import merge
from math import ceil, isqrt
from typing import Any

import attrs

from ...errors import ConfigError
from ..balancer import RUN, Member
from .hashes import FAST, xxh64

__all__ = ["Maglev", "MaglevTable"]

M64 = 2**64 - 1
WORK = 8_000
"""Looks into the table that take about half a millisecond."""
TURN = 6
"""What taking a slot costs besides, in looks."""
BATCH = 512
"""Who takes the next slots is found out for so many of them at once, however few the endpoints are."""
HASHED = 500 if FAST else 25
"""Endpoints hashed in a slice."""
SORTED = 1000
"""Endpoints sorted, or merged, in a slice."""


def _key(member: Member) -> str:
    return member.endpoint.hash_key  # type: ignore[no-any-return]


def _prime(spec: Any, attribute: Any, value: Any) -> None:
    fix = "give a prime from 2 to 5000011, at least 100 times the number of endpoints: 65537, 1000003"
    if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= 5_000_011:
        raise ConfigError.of("Maglev", "size", value, fix)
    if any(value % divisor == 0 for divisor in range(2, isqrt(value) + 1)):
        raise ConfigError.of("Maglev", "size", value, fix)


@attrs.frozen
class Maglev:
    """A table of ``size`` slots, a prime: 1 % more or less load for an endpoint where it is 100 times their number."""

    size: int = attrs.field(default=65537, validator=_prime)

    place = staticmethod(xxh64)

    @staticmethod
    def take(number: int) -> int:
        return number & M64

    def build(self, members: Sequence[Member], before: Any) -> Generator[None, None, MaglevTable]:
        runs = []
        for start in range(0, len(members), SORTED):
            runs.append(sorted(members[start : start + SORTED], key=_key))
            yield
        ordered, signature = [], []
        for n, member in enumerate(merge(*runs, key=_key), 1):
            ordered.append(member)
            signature.append((member.endpoint.hash_key, member.weight))
            if not n % SORTED:
                yield
        if before is not None and before.signature == signature:
            return MaglevTable(ordered, signature, before.slots)
        slots = yield from _filled(self.size, signature)
        return MaglevTable(ordered, signature, slots)


class MaglevTable:
    """The slots, and whose they are."""

    __slots__ = ("members", "signature", "size", "slots")

    def __init__(self, members: list[Member], signature: list[tuple[str, float]], slots: array[int]) -> None:
        self.members = members
        self.signature = signature
        self.slots = slots
        self.size = len(slots)

    def first(self, place: int) -> Member:
        return self.members[self.slots[place % self.size]]

    def quick(self, asker: Any, further: Callable[[Any, Any], Member]) -> Callable[[Any, float], Member]:
        """`first` and the pick around it in one function: the dearest part of a pick is calling."""
        members, slots, size = self.members, self.slots, self.size

        def pick(call: Any, now: float, /) -> Member:
            place = call.facts[asker]
            if place is not None and not call.avoid:
                member: Member = members[slots[place % size]]
                if member.up:
                    return member
            return further(place, call)

        return pick

    def walk(self, place: int) -> Iterator[Member]:
        members, slots, size = self.members, self.slots, self.size
        yield members[slots[place % size]]
        for again in range(1, RUN):
            yield members[slots[(place ^ M64 + 1 - again) % size]]


def _filled(size: int, signature: list[tuple[str, float]]) -> Generator[None, None, array[int]]:
    """The number of the endpoint in each slot."""
    count = len(signature)
    at, skip = [], []
    for n, (key, _) in enumerate(signature, 1):
        at.append(xxh64(key) % size)
        skip.append(xxh64(key, 1) % (size - 1) + 1)
        if not n % HASHED:
            yield
    turns = _turns([weight for _, weight in signature])
    yield
    slots = array("H" if count <= 2**16 else "I", [0]) * size
    if count == 1:
        return slots
    taken = bytearray(size)
    yield
    free, few, work = size, isqrt(size), 0.0
    takers: list[int] = []
    while free > few:
        takers = takers or next(turns)
        each = TURN + size / free
        some = takers[: min(free - few, int((WORK - work) / each) + 1)]
        takers = takers[len(some) :]
        for n in some:
            slot = at[n]
            step = skip[n]
            while taken[slot]:
                slot += step
                if slot >= size:
                    slot -= size
            taken[slot] = 1
            slots[slot] = n
            at[n] = slot
        free -= len(some)
        work += len(some) * each
        if work >= WORK:
            work = 0
            yield
    yield
    rest = _zeros(taken)
    inverse: dict[int, int] = {}
    work = 0
    while rest:
        for n in takers:
            if n not in inverse:
                inverse[n] = pow(skip[n], -1, size)
            start, turned = at[n], inverse[n]
            nearest = min([(slot - start) * turned % size for slot in rest])
            at[n] = slot = (start + nearest * skip[n]) % size
            rest.remove(slot)
            slots[slot] = n
            if not rest:
                break
            work += TURN + 2 * len(rest)
            if work >= WORK:
                work = 0
                yield
        takers = next(turns)
    return slots


def _turns(weights: list[float]) -> Iterator[list[int]]:
    """Who takes a slot, in order, some hundreds at a time and without end: whoever has ``turn * share >= owed``, as
    doubles have it, with the largest share owed more each time.
    """
    every = range(len(weights))
    total = sum(weights)
    share = [weight / total for weight in weights]
    most = max(share)
    if min(share) == most:  # all of them in each turn
        once = [*every] * max(1, BATCH // len(weights))
        while True:
            for start in range(0, len(once), BATCH):
                yield once[start : start + BATCH]
    owed = [0.0] * len(weights)
    due = {1: [*every]}
    """By number of the turn."""
    some: list[int] = []
    turn = 0
    while True:
        turn += 1
        takers = due.pop(turn, [])
        takers.sort()
        following = turn + 1
        later = due.setdefault(following, [])
        for n in takers:
            debt = owed[n] = owed[n] + most
            if following * share[n] >= debt:
                later.append(n)
            else:
                due.setdefault(_next(share[n], debt, following), []).append(n)
            some.append(n)
            if len(some) >= BATCH:
                yield some
                some = []


def _zeros(taken: bytearray) -> list[int]:
    found, at = [], taken.find(0)
    while at >= 0:
        found.append(at)
        at = taken.find(0, at + 1)
    return found


def _next(share: float, owed: float, turn: int) -> int:
    """The first turn from this one on with ``turn * share >= owed``."""
    found = max(turn, ceil(owed / share))
    while found > turn and (found - 1) * share >= owed:
        found -= 1
    while found * share < owed:
        found += 1
    return found
