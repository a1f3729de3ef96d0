"""What the tests of tables share: endpoints that are a key and a weight, tables and picks made at once, bare calls."""

from __future__ import annotations

from collections import Counter
from random import Random

import attrs

from meshkit.balance import Member
from meshkit.balance.hashing.hashed import Hashed
from meshkit.call import Call

M64 = 2**64 - 1


@attrs.frozen(eq=False)
class Keyed:
    hash_key: str
    weight: float = 1


def keyed(keys, weights=None):
    return [Member(Keyed(key, 1 if weights is None else weights[n])) for n, key in enumerate(keys)]


def addresses(count, first=90):
    return [f"127.0.0.1:{first + n}" for n in range(count)]


def made(table, members, before=None):
    """The table, in whatever slices it is built."""
    building = table.build(members, before)
    while True:
        try:
            assert next(building) is None
        except StopIteration as end:
            return end.value


def names(built, places):
    return [built.first(place).endpoint.hash_key for place in places]


def shares(built, bits=64, count=20_000):
    """How many of so many random places are whose."""
    rng = Random(1)
    return Counter(built.first(rng.getrandbits(bits)).endpoint.hash_key for _ in range(count))


def calling(balancer, key=None, avoid=()):
    """A call that has been asked for its key."""
    call = Call(None, key, 0.0)
    call.avoid = tuple(avoid)
    call.facts = {asker: asker.facts(call) for asker in balancer.askers}
    return call


def started(table, members, *, bound=None, otherwise="random", seed=1):
    """The balancer and its pick, by what a call's request is."""
    balancer = Hashed(lambda call: call.request, table, bound=bound, otherwise=otherwise).start(Random(seed))
    for member in members:
        member.load = balancer.load(member.weight)
    *slices, pick = balancer.arrange(members, None)
    assert slices == [None] * len(slices)
    return balancer, pick
