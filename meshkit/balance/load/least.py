"""Who of all is the least loaded? A full comparison that costs no scan: a heap of costs, put right where it is wrong.

Every member has one key in the heap, ``(cost, turn, place)``, and its cost is never below that key's. So what is on top
is either the least loaded, or has got dearer since and is put down again with its present cost. Whoever gets cheaper
(an attempt ended there) gets a further key, and the former is thrown away when it comes up. A pick costs log n.

Among equals ("idle" is one cost) it goes by ``ties``:

==============  ====================================================================================================
``"turns"``     whoever's turn it is, by weight; HAProxy's and nginx's round robin among the least loaded
``"random"``    any; Envoy's full scan
``"first"``     the first in order; HAProxy's ``first``
==============  ====================================================================================================

For measures whose costs change with an entry, an exit and the weight only, not with time. Looking at all of them makes
the clients of a fleet run after the same idle endpoint: with many clients, or much in flight, prefer `Choices`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from math import log
from random import Random
from typing import Any
from weakref import ref

from ...call import Call, Verdict
from ..balancer import RUN, Load, Member, places
from ..turns.smooth import SLICE

__all__ = ["Least", "Lowest", "Ranked"]

Key = tuple[float, float, int]


class Least:
    """A measure of costs that time does not change, and of all members the cheapest by it."""

    __slots__ = ("measure", "random", "ties")

    def __init__(self, measure: Callable[[float], Load], ties: str, rng: Random) -> None:
        self.measure = measure
        self.ties = ties
        self.random = rng.random

    def load(self, weight: float, /) -> Ranked:
        return Ranked(self.measure(weight))

    def arrange(self, members: Sequence[Member], before: Any, /) -> Iterator[Lowest | None]:
        pick = Lowest(Ties(self.ties, self.random))
        first = int(self.random() * len(members)) if before is None and self.ties == "turns" else 0
        ahead: dict[Member, float] = {}
        for n, seat in enumerate(before.seats if before is not None else (), 1):
            ahead[seat.member] = seat.turn - before.ties.clock
            if not n % SLICE:
                yield None
        for n, member in enumerate([*members[first:], *members[:first]], 1):
            pick.add(member, ahead.get(member))
            if not n % SLICE:
                yield None
        pick.tidy()
        yield pick


class Ranked:
    """A measure that tells the picks it stands in when it got cheaper."""

    __slots__ = ("cost", "enter", "idle", "load", "reads_failure", "reads_report", "seats", "snapshot")

    def __init__(self, load: Any) -> None:
        self.load = load
        self.enter = load.enter
        self.cost = load.cost
        self.idle = load.idle
        self.snapshot = load.snapshot
        self.reads_failure = getattr(load, "reads_failure", False)
        self.reads_report = getattr(load, "reads_report", False)
        self.seats: list[ref[_Seat]] = []

    @property
    def weight(self) -> float:
        return self.load.weight  # type: ignore[no-any-return]

    @weight.setter
    def weight(self, weight: float) -> None:
        self.load.weight = weight
        self._tell(0.0)

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.load.exit(call, began, now, verdict)
        self._tell(now)

    def _tell(self, now: float) -> None:
        cost = self.cost(now)
        gone = False
        for reference in self.seats:
            seat = reference()
            if seat is None:
                gone = True
            elif cost < seat.key[0]:
                seat.turn = seat.ties.again(seat.turn)
                seat.key = key = (cost, seat.turn, seat.key[2])
                heappush(seat.heap, key)
        if gone:
            self.seats = [reference for reference in self.seats if reference() is not None]


class Ties:
    """Whose turn it is among equals: the lowest number."""

    __slots__ = ("clock", "kind", "random")

    def __init__(self, kind: str, random: Callable[[], float]) -> None:
        self.kind = kind
        self.random = random
        self.clock = 0.0
        """The number of whoever was picked last."""

    def after(self, turn: float, weight: float) -> float:
        """The number of whoever is picked now, with ``turn``, the next time."""
        if self.kind == "first":
            return 0.0
        self.clock = max(self.clock, turn)
        return self.clock + 1.0 / (weight or 1.0) if self.kind == "turns" else self.again(turn)

    def again(self, turn: float) -> float:
        """The number of one whose cost has changed. Lots forget: whatever was, the next one is any of the equals."""
        return self.clock - log(1.0 - self.random()) if self.kind == "random" else turn


class _Seat:
    """A member in one pick: the key it is found by, and when its turn is among equals."""

    __slots__ = ("__weakref__", "cost", "heap", "key", "member", "ties", "turn")

    def __init__(self, member: Member, heap: list[Key], ties: Ties, turn: float, place: int) -> None:
        self.member = member
        self.cost: Callable[[float], float] = member.load.cost
        self.heap = heap
        self.ties = ties
        self.turn = turn
        self.key: Key = (self.cost(0.0), turn, place)
        member.load.seats.append(ref(self))


class Lowest:
    """Picks the cheapest. It owns its seats, a load only knows of them: they are gone when the pick is."""

    __slots__ = ("heap", "most", "seats", "ties")

    def __init__(self, ties: Ties) -> None:
        self.ties = ties
        self.seats: list[_Seat] = []
        self.heap: list[Key] = []
        self.most = 0

    def add(self, member: Member, ahead: float | None) -> None:
        turn = self.ties.after(0.0, member.weight) if ahead is None or self.ties.kind != "turns" else ahead
        self.seats.append(_Seat(member, self.heap, self.ties, turn, len(self.seats)))

    def tidy(self) -> None:
        """Only the keys that count."""
        self.heap[:] = [seat.key for seat in self.seats]
        heapify(self.heap)
        self.most = 4 * len(self.seats) + RUN

    def pick(self, call: Call, now: float, /) -> Member:
        if len(self.heap) > self.most:
            self.tidy()
        if call.avoid and len(call.avoid) <= RUN // 2:
            return self._another(call.avoid, now)
        return self._take(self._top(now))

    def _top(self, now: float) -> _Seat:
        """The cheapest, with its key on top of the heap."""
        heap = self.heap
        while True:
            key = heap[0]
            seat = self.seats[key[2]]
            if seat.key is not key:
                heappop(heap)
                continue
            cost = seat.cost(now)
            if cost <= key[0]:
                return seat
            seat.turn = self.ties.again(seat.turn)
            seat.key = key = (cost, seat.turn, key[2])
            heapreplace(heap, key)

    def _take(self, seat: _Seat) -> Member:
        cost, turn, place = seat.key
        seat.turn = self.ties.after(turn, seat.member.weight)
        seat.key = key = (cost, seat.turn, place)
        heapreplace(self.heap, key)
        return seat.member

    def _another(self, avoid: tuple[Any, ...], now: float) -> Member:
        tried = places(avoid)
        aside: list[Key] = []
        member = None
        while member is None and len(aside) < len(self.seats):
            seat = self._top(now)
            if seat.member.place in tried:
                aside.append(heappop(self.heap))
            else:
                member = self._take(seat)
        for key in aside:
            heappush(self.heap, key)
        return self._take(self._top(now)) if member is None else member
