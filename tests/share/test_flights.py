"""Who leads, who waits: the table of the docstring, and a model of lists."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meshkit.share.flights import ALONE, LANDED, LEADS, WAITS, Flights


class Woken:
    """A way to be woken that counts, and may be of a loop that is closed."""

    def __init__(self, dead=False):
        self.times = 0
        self.dead = dead

    def __call__(self):
        if self.dead:
            raise RuntimeError("Event loop is closed")
        self.times += 1


def boarded(seats, *, dead=()):
    """A flight with so many seats; those of ``dead`` can be woken no more."""
    flights = Flights(9)
    flight = flights.begin("key")
    return flights, flight, [flights.follow(flight, Woken(k in dead)) for k in range(seats)]


def test_the_first_leads_and_the_flight_is_under_way():
    flights, flight, seats = boarded(2)
    assert flights.under_way == {"key": flight}
    assert [seat.state for seat in seats] == [WAITS, WAITS]
    assert flights.waiting == 2


def test_an_answer_is_everybodys():
    flights, flight, seats = boarded(2)
    flights.land(flight, "answer")
    assert [(seat.state, seat.answer, seat.wake.times) for seat in seats] == [(LANDED, "answer", 1)] * 2
    assert (flights.under_way, flights.waiting, flights.shared) == ({}, 0, 2)


def test_one_that_cannot_be_shared_is_nobodys():
    flights, flight, seats = boarded(2)
    flights.scatter(flight)
    assert [(seat.state, seat.answer, seat.wake.times) for seat in seats] == [(ALONE, None, 1)] * 2
    assert (flights.under_way, flights.waiting, flights.shared) == ({}, 0, 0)


def test_when_the_leader_gives_up_the_first_seat_leads():
    flights, flight, seats = boarded(3)
    flights.hand_over(flight)
    assert [seat.state for seat in seats] == [LEADS, WAITS, WAITS]
    assert flights.under_way == {"key": flight}
    flights.land(flight, "answer")
    assert [seat.state for seat in seats] == [LEADS, LANDED, LANDED]


def test_when_nobody_has_a_seat_the_flight_is_over():
    for seats in (0, 2):
        flights, flight, taken = boarded(seats)
        for seat in taken:
            flights.leave(seat)
        flights.hand_over(flight)
        assert (flights.under_way, flights.waiting) == ({}, 0)


def test_a_seat_given_up_is_gone():
    flights, flight, (first, second) = boarded(2)
    flights.leave(first)
    flights.hand_over(flight)
    assert (first.state, second.state) == (WAITS, LEADS)


def test_a_seat_given_up_that_was_just_told_to_lead_hands_over():
    flights, flight, (first, second) = boarded(2)
    flights.hand_over(flight)
    flights.leave(first)
    assert second.state == LEADS
    flights.leave(second)
    assert (flights.under_way, flights.waiting) == ({}, 0)


def test_a_seat_given_up_after_landing_changes_nothing():
    flights, flight, (seat,) = boarded(1)
    flights.land(flight, "answer")
    again = flights.begin("key")
    flights.leave(seat)
    assert (flights.under_way, flights.waiting) == ({"key": again}, 0)


def test_a_loop_that_is_closed_does_not_lead():
    flights, flight, seats = boarded(3, dead={0, 1})
    flights.hand_over(flight)
    assert seats[2].state == LEADS
    assert flights.waiting == 0


def test_when_all_loops_are_closed_the_flight_is_over():
    flights, flight, _ = boarded(2, dead={0, 1})
    flights.hand_over(flight)
    assert (flights.under_way, flights.waiting, flights.shared) == ({}, 0, 0)


def test_no_more_than_max_keys():
    flights = Flights(2)
    first, second = flights.begin(1), flights.begin(2)
    assert flights.begin(3) is None
    flights.land(first, None)
    assert flights.begin(3) is not None
    assert second.key == 2


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["call", "call", "call", "land", "scatter", "give up", "leave"]),
        st.integers(0, 2),
        st.integers(0, 5),
        st.booleans(),
    ),
    max_size=60,
)


@given(EVENTS)
def test_against_lists(events):
    """The oracle: for each key a list of names, the first of which leads; dead ones are never told to."""
    flights, lists, seats, leading = Flights(2), {}, {}, {}
    for name, (event, key, which, dead) in enumerate(events):
        if event == "call":
            if key in lists:
                lists[key].append(name)
                seats[name] = flights.follow(leading[key], Woken(dead))
            else:
                flight = flights.begin(key)
                assert (flight is None) == (len(lists) == 2)
                if flight is not None:
                    lists[key], leading[key] = [name], flight
        elif key not in lists:
            continue
        elif event == "leave":
            waiting = lists[key][1:]
            if waiting:
                gone = waiting[which % len(waiting)]
                lists[key].remove(gone)
                flights.leave(seats.pop(gone))
        elif event == "give up":
            flights.hand_over(leading[key])
            rest = lists[key][1:]
            while rest and seats[rest[0]].wake.dead:
                rest.pop(0)
            if rest:
                lists[key] = rest
                assert seats[rest[0]].state == LEADS
            else:
                del lists[key], leading[key]
        else:
            (flights.land if event == "land" else flights.scatter)(leading[key], *["answer"] * (event == "land"))
            for waiting in lists.pop(key)[1:]:
                seat = seats.pop(waiting)
                assert (seat.state, seat.answer) == ((LANDED, "answer") if event == "land" else (ALONE, None))
            del leading[key]
        assert set(flights.under_way) == set(lists)
        assert flights.waiting == sum(len(names) - 1 for names in lists.values())
        for names in lists.values():
            assert all(seats[waiting].state == WAITS for waiting in names[1:])
