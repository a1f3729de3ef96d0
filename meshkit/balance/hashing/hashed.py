"""Where do calls of one key go? To one and the same endpoint: a key, a table, and what to do where they fail.

==========================  =============================================================  ======================
table                       for                                                            one endpoint less moves
==========================  =============================================================  ======================
`Maglev`                    most: even shares, one division for a pick                     its keys, a few more
`Ring`                      the fewest keys moved; many endpoints with few points each     its keys only
`Rendezvous`                a handful of endpoints, exact weights                          its keys only
`Ketama` `NginxConsistent`  agreement with memcached clients, with nginx                   its keys only
`Modulo` `NginxHash`        agreement with HAProxy, with nginx                             nearly all keys
`NginxIpHash`
==========================  =============================================================  ======================

The key is asked for and hashed outside the lock. The table holds all endpoints, also those that are not up: a pick
steps over these, and over those that have turned the call away, so that the keys of all others stay where they are. The
table says what comes next; where its patience ends (64 looks, 256 points), those who are up are taken one by one. If
nobody is up, it is as if all were.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from random import Random
from typing import Any, Protocol

import attrs

from ...call import Call
from ...errors import ConfigError
from ...options import among, no_decorator, number, optional
from ..balancer import RUN, Member, places
from ..turns.smooth import Smooth
from .bounded import BoundedLoad, Census, Crowd
from .keys import Hash, reading, source, text
from .maglev import Maglev

__all__ = ["Built", "Hashed", "HashedPick", "Hashing", "Table"]

FEW = 8
"""Looks at members that each pick can pay for, where loads are bounded."""


class Built(Protocol):
    """A table of certain members."""

    members: list[Member]

    def first(self, place: int, /) -> Member:
        """Whose place it is."""

    def walk(self, place: int, /) -> Iterator[Member]:
        """That one and those who come next, the same one more than once perhaps; it ends."""

    # Optional, ``quick(asker, further)``: a function ``(call, now)`` that does what `HashedPick._pick` does, bounds
    # aside, for tables that are asked a million times a second.


class Table(Protocol):
    """A spec of tables."""

    def place(self, key: str | bytes, /) -> int:
        """Where a key stands. Told outside the lock."""

    def take(self, number: int, /) -> int:
        """Where a key stands that is a hash of 64 bits already."""

    def build(self, members: Sequence[Member], before: Any, /) -> Generator[None, None, Built]:
        """In slices of a millisecond. ``before`` is the table until now, from which may be taken what is the same."""


def _table(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, type) or not all(hasattr(value, each) for each in ("place", "take", "build")):
        raise ConfigError.of("Hashed", "table", value, "give a table, such as Maglev() or Ring()")


@attrs.frozen
class Hashed:
    """Picks by a hash of the ``key``: see `meshkit.balance.hashing.keys` for what may be one.

    ``bound``: an endpoint has at most so many times its share of the calls under way; see
    `meshkit.balance.hashing.bounded`.
    ``otherwise``: where a call has no key, ``"random"`` (by weight, as Envoy) or ``"round-robin"`` (as HAProxy, nginx
    and Kong). Raises `ConfigError`.
    """

    key: Any = attrs.field(validator=source)
    table: Any = attrs.field(factory=Maglev, validator=_table)
    bound: float | None = attrs.field(default=None, kw_only=True, validator=optional(number(1.01, 100.0)))
    otherwise: str = attrs.field(default="random", kw_only=True, validator=among("random", "round-robin"))

    asks = holds = ("key",)
    __call__ = no_decorator

    def start(self, rng: Random, /) -> Hashing:
        return Hashing(self, rng)


def _asking(read: Callable[[Call], Any], table: Table) -> Callable[[Call], int | None]:
    place = table.place

    def facts(call: Call, /) -> int | None:
        key = read(call)
        if key.__class__ is str and key:
            return place(key)
        key = text(key)
        if isinstance(key, Hash):
            return table.take(key)
        return place(key) if key else None

    return facts


class Hashing:
    """The balancer that `Hashed` starts; it asks for the key itself."""

    __slots__ = ("_bound", "_crowd", "_rng", "_table", "_turns", "askers", "facts")

    facts: Callable[[Call], int | None]
    """Where a call's key stands in the table; ``None``: it has none."""

    whole = True

    def __init__(self, spec: Hashed, rng: Random) -> None:
        self._table: Table = spec.table
        self.facts = _asking(reading(spec.key), spec.table)
        self._bound = spec.bound
        self._crowd = Crowd()
        self._turns = spec.otherwise == "round-robin"
        self._rng = rng
        self.askers = (self,)

    def load(self, weight: float, /) -> BoundedLoad | None:
        return None if self._bound is None else BoundedLoad(weight, self._crowd)

    def arrange(self, members: Sequence[Member], before: Any, /) -> Iterator[HashedPick | None]:
        table = yield from self._table.build(members, before and before.table)
        turns = None
        if self._turns:
            weights = [member.weight for member in members]
            turns = yield from Smooth.arranged(members, weights, before and before.turns, self._rng.random)
        yield HashedPick(self, table, turns=turns, bound=self._bound, crowd=self._crowd, elsewhere=self._elsewhere)

    def _elsewhere(self) -> int:
        return self._table.take(self._rng.getrandbits(64))


class HashedPick:
    """Picks by a table."""

    __slots__ = ("_asker", "_census", "_elsewhere", "_first", "_has_room", "pick", "table", "turns")

    pick: Callable[[Call, float], Member]

    def __init__(
        self,
        asker: Any,
        table: Built,
        *,
        turns: Any,
        bound: float | None,
        crowd: Crowd,
        elsewhere: Callable[[], int],
    ) -> None:
        self.table = table
        self.turns = turns
        """The order in which those are picked for whom there is no key; ``None``: there is none, it is luck."""
        self._asker = asker
        self._elsewhere = elsewhere
        self._first = table.first
        self._census = Census(table.members, bound, crowd)
        self._has_room = None if bound is None else self._census.has_room
        quick = getattr(table, "quick", None)
        if bound is not None or quick is None:
            self.pick = self._pick
        else:
            self.pick = quick(asker, self._further)

    def _pick(self, call: Call, now: float, /) -> Member:
        place = call.facts[self._asker]  # type: ignore[index]  # gathered: it asks
        if place is not None and not call.avoid:
            member = self._first(place)
            if member.up:
                if self._has_room is None:
                    return member
                self._census.take(FEW)
                if self._has_room(member):
                    return member
        return self._further(place, call)

    def _further(self, place: int | None, call: Call) -> Member:
        """Who takes a call that has no key, or whose first endpoint is not up, has turned it away, or has no room."""
        tried = places(call.avoid)
        has_room = self._has_room
        if has_room is not None:
            self._census.take(FEW)
        if place is None:
            member = self._in_turn(tried) if self.turns is not None else None
            if member is not None:
                return member
            place = self._elsewhere()
        second: list[Member | None] = [None, None, None]
        """At best: one that is up and full, up and has turned it away, not up."""
        for member in self.table.walk(place):
            if member.place in tried:
                kind = 1 if member.up else 3
            elif not member.up:
                kind = 2
            elif has_room is None or has_room(member):
                return member
            else:
                kind = 0
            if kind < 3 and second[kind] is None:
                second[kind] = member
        self._census.take(RUN)
        others = self._census.up
        for further in range(len(others) if has_room is not None else min(len(others), RUN)):
            member = others[(place + further) % len(others)]
            if member.up and member.place not in tried and (has_room is None or has_room(member)):
                return member
        second.append(next((member for member in others[:RUN] if member.up), None))
        return second[0] or second[1] or second[3] or second[2] or self._first(place)

    def _in_turn(self, tried: set[int]) -> Member | None:
        """``None``: it is nobody's turn who could take the call."""
        has_room = self._has_room
        for _ in range(RUN):
            member: Member = self.turns.next()
            if member.up and member.place not in tried and (has_room is None or has_room(member)):
                return member
        return None
