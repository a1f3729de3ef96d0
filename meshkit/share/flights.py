"""Who asks, and who waits for the answer? The table of what is under way, and the seats of those who wait.

==========================  ==============================  =====================================================
event                       when                            then
==========================  ==============================  =====================================================
a call comes                nothing like it is under way    it leads: it goes on, and the flight begins
..                          ``max_keys`` flights are        it goes alone
..                          something is                    it takes a seat and waits
an answer, or a failure     it can be shared                all seats land with it; the flight is over
..                          it cannot                       all seats go alone; the flight is over
the leader gives up         somebody has a seat             the first of them leads; the flight goes on
..                          nobody has                      the flight is over
a seat is given up          it was waiting                  it is gone
..                          it was just told to lead        the leader gives up
==========================  ==============================  =====================================================

So of calls that are alike one is out at any time, and nobody fails because another's caller went away. The idea is that
of Go's ``golang.org/x/sync/singleflight``; nginx has it as ``proxy_cache_lock``, RFC 9111 (4) as collapsed requests.
There a leader's cancellation is everybody's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["ALONE", "LANDED", "LEADS", "WAITS", "Flight", "Flights", "Seat"]

WAITS, LEADS, LANDED, ALONE = "waits", "leads", "landed", "alone"


class Seat:
    """One call that waits. ``state`` says what to do once it was woken; ``answer`` is what it has landed with."""

    __slots__ = ("answer", "flight", "state", "wake")

    def __init__(self, flight: Flight, wake: Callable[[], None]) -> None:
        self.flight = flight
        self.wake = wake
        self.state = WAITS
        self.answer: Any = None

    def told(self, state: str) -> bool:
        """False if nobody can be woken there any more: its loop is closed."""
        self.state = state
        try:
            self.wake()
        except Exception:
            return False
        return True


class Flight:
    """What is under way, and those with a seat, in the order in which they came."""

    __slots__ = ("key", "over", "seats")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.over = False
        self.seats: OrderedDict[Seat, None] | None = None
        """``None``: nobody has ever waited for it."""


class Flights:
    """All that is under way. No lock of its own: whoever calls holds one."""

    __slots__ = ("max_keys", "shared", "under_way", "waiting")

    def __init__(self, max_keys: int) -> None:
        self.max_keys = max_keys
        self.under_way: dict[Hashable, Flight] = {}
        self.waiting = 0
        self.shared = 0
        """How many calls landed with another one's answer."""

    def begin(self, key: Hashable) -> Flight | None:
        """A flight for what is not under way; ``None``: there are too many."""
        if len(self.under_way) >= self.max_keys:
            return None
        flight = self.under_way[key] = Flight(key)
        return flight

    def follow(self, flight: Flight, wake: Callable[[], None]) -> Seat:
        seat = Seat(flight, wake)
        if flight.seats is None:
            flight.seats = OrderedDict()
        flight.seats[seat] = None
        self.waiting += 1
        return seat

    def land(self, flight: Flight, answer: Any) -> None:
        """The answer, or a `Failed`, is everybody's."""
        for seat in self._over(flight):
            seat.answer = answer
            if seat.told(LANDED):
                self.shared += 1

    def scatter(self, flight: Flight) -> None:
        """There is an answer, and it cannot be shared."""
        for seat in self._over(flight):
            seat.told(ALONE)

    def hand_over(self, flight: Flight) -> None:
        """The leader gives up."""
        while flight.seats:
            seat, _ = flight.seats.popitem(last=False)
            self.waiting -= 1
            if seat.told(LEADS):
                return
        self._over(flight)

    def leave(self, seat: Seat) -> None:
        """A seat is given up, whatever it was told meanwhile."""
        if seat.state == LEADS:
            self.hand_over(seat.flight)
        elif seat.state == WAITS and seat.flight.seats is not None:
            del seat.flight.seats[seat]
            self.waiting -= 1

    def _over(self, flight: Flight) -> OrderedDict[Seat, None]:
        if self.under_way.get(flight.key) is flight:
            del self.under_way[flight.key]
            flight.over = True
        seats, flight.seats = flight.seats, None
        if seats is None:
            return OrderedDict()
        self.waiting -= len(seats)
        return seats
