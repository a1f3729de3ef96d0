"""What is promised of a place, one promise at a time? And what the sweep strikes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshkit.errors import Overloaded
from meshkit.upstream.errors import ConnectFailed, PoolTimedOut, ReadFailed
from meshkit.upstream.origin import Origin

from .naive import Desk, clockwork

A, B, C = Origin("a", 80), Origin("b", 80), Origin("c", 80)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with clockwork() as loop:
        yield Desk(loop)


def test_the_last_one_in_is_the_first_one_out(desk: Desk) -> None:
    places = desk.open()
    one, two, three = (desk.made(A) for _ in range(3))
    for connection in (two, three, one):
        places.freed(connection)
    assert [places.take(A) for _ in range(4)] == [one, three, two, None]


def test_what_is_not_fresh_is_closed_on_the_way(desk: Desk) -> None:
    places = desk.open()
    one, two, three = (desk.made(A) for _ in range(3))
    for connection in (one, two, three):
        places.freed(connection)
    two.stale = three.stale = True
    assert places.take(A) is one
    assert (two.spoiled, three.spoiled, places.opened) == (True, True, 1)


def test_the_queue_is_one_for_all_origins(desk: Desk) -> None:
    places = desk.open(connections=1)
    held = desk.made(A)
    waiting = [desk.ask(origin) for origin in (B, C, A)]
    places.freed(held)  # is closed to make room for the first of them
    desk.loop.turn()
    assert [each.done() for each in waiting] == [True, False, False]
    assert held.spoiled
    places.vacated(B)
    desk.loop.turn()
    assert [each.done() for each in waiting] == [True, True, False]
    places.vacated(C)
    desk.loop.turn()
    assert [each.result() for each in waiting] == [None, None, None]


def test_the_longest_idle_makes_room(desk: Desk) -> None:
    places = desk.open(connections=3)
    one, two, three = (desk.made(origin) for origin in (A, B, A))
    for connection in (two, one, three):
        places.freed(connection)
    assert desk.ask(C).result() is None
    assert [connection.spoiled for connection in (one, two, three)] == [False, True, False]


def test_who_waits_for_his_own_origin_holds_up_nobody_else(desk: Desk) -> None:
    places = desk.open(connections=3, each=1)
    held = desk.made(A)
    behind = desk.ask(A)
    other = desk.made(B)  # at once
    after = desk.ask(B)
    assert desk.ask(C).result() is None
    places.freed(other)
    desk.loop.turn()
    assert after.result() is other
    assert not behind.done()
    places.freed(held)
    desk.loop.turn()
    assert behind.result() is held


def test_who_was_given_a_broken_connection_is_first_once_more(desk: Desk) -> None:
    places = desk.open(connections=2)
    one, two = desk.made(A), desk.made(A)
    first, second = desk.ask(A), desk.ask(A)
    places.freed(one)
    one.spoiled = True
    places.busy.discard(one)  # as if its place had been lost to somebody else
    assert first.done() is False
    desk.loop.turn()
    places.freed(two)
    desk.loop.turn()
    assert first.result() is two
    assert not second.done()
    second.cancel()
    desk.loop.turn()


@pytest.mark.parametrize("connection", [True, False], ids=["a connection", "a place"])
def test_cancelled_in_the_turn_of_the_grant(desk: Desk, connection: bool) -> None:
    """The next in the queue gets it; and when there is none, it is free."""
    places = desk.open(connections=1)
    held = desk.made(A)
    waiting = [desk.ask(A) for _ in range(3)]
    places.freed(held) if connection else places.gone(held)
    for _ in range(2):
        waiting.pop(0).cancel()
        desk.loop.turn()
    assert waiting[0].done() is False
    desk.loop.turn()
    assert waiting[0].result() is (held if connection else None)
    assert places.opened == 1


@pytest.mark.parametrize("connection", [True, False], ids=["a connection", "a place"])
def test_closed_in_the_turn_of_the_grant(desk: Desk, connection: bool) -> None:
    places = desk.open(connections=1)
    held = desk.made(A)
    waiting = desk.ask(A)
    places.freed(held) if connection else places.gone(held)
    places.close(ReadFailed("the pool was closed"))
    desk.loop.turn()
    assert isinstance(waiting.exception(), ConnectFailed)
    assert places.idle_now()
    assert places.opened == 0
    assert desk.made(A)  # and is open again to those who come after


def test_who_waits_when_all_is_closed_has_sent_nothing(desk: Desk) -> None:
    places = desk.open(connections=1)
    held = desk.made(A)
    waiting = [desk.ask(A), desk.ask(B)]
    places.close(ReadFailed("the pool was closed"))
    desk.loop.turn()
    errors = [each.exception() for each in waiting]
    assert [type(error) for error in errors] == [ConnectFailed, ConnectFailed]
    assert errors[0] is not errors[1]  # a traceback is one's own
    assert [error.sent for error in errors] == [False, False]
    assert [type(error) for error in held.errors] == [ReadFailed]


def test_too_many_wait(desk: Desk) -> None:
    places = desk.open(connections=1, pending=1)
    held = desk.made(A)
    waiting = desk.ask(A)
    error = desk.ask(B).exception()
    assert isinstance(error, Overloaded)
    assert "1 calls wait" in str(error)
    waiting.cancel()
    desk.loop.turn()
    later = desk.ask(B)
    places.gone(held)
    desk.loop.turn()
    assert later.result() is None


def test_nobody_may_wait(desk: Desk) -> None:
    desk.open(connections=1, pending=0)
    desk.made(A)
    assert isinstance(desk.ask(A).exception(), Overloaded)


@pytest.mark.parametrize(("seconds", "until"), [(2.0, None), (None, 1002.0), (5.0, 1002.0), (2.0, 1005.0)])
def test_who_waits_too_long(desk: Desk, seconds: float | None, until: float | None) -> None:
    places = desk.open(connections=1)
    held = desk.made(A)
    patient, hasty = desk.ask(A), desk.ask(A, seconds, until)
    desk.loop.wait(1.99, lambda: None)
    desk.loop.turn()
    assert not hasty.done()
    desk.loop.wait(0.01, lambda: None)
    desk.loop.turn()
    assert isinstance(hasty.exception(), PoolTimedOut)
    places.freed(held)
    desk.loop.turn()
    assert patient.result() is held


def test_late_and_cancelled_in_one_turn(desk: Desk) -> None:
    """The error is nobody's, and nobody misses it."""
    desk.open(connections=1)
    desk.made(A)
    waiting = desk.ask(A, 1.0)
    desk.loop.wait(1.0, waiting.cancel)
    desk.loop.turn()
    assert waiting.cancelled()


def test_what_is_late_is_struck_and_what_is_not_is_left(desk: Desk) -> None:
    places = desk.open()
    connections = [desk.made(A) for _ in range(3)]
    for number, connection in enumerate(connections):
        connection.due = 1001.0 + number
        places.sweep.by(connection.due)
    for number in range(3):
        desk.loop.wait(1.0, lambda: None)
        assert [connection.struck for connection in connections] == [each <= number for each in range(3)]
    assert desk.loop.armed() == []


def test_idle_too_long(desk: Desk) -> None:
    places = desk.open(idle_for=5.0)
    one = desk.kept(A)
    desk.loop.wait(3.0, lambda: None)
    two = desk.kept(B)
    desk.loop.wait(2.0, lambda: None)
    assert (one.spoiled, two.spoiled) == (True, False)
    desk.loop.wait(3.0, lambda: None)
    assert two.spoiled
    assert (places.opened, places.stacks, desk.loop.armed()) == (0, {}, [])
