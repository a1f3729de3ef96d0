"""Is what is due struck in time, by one timer, and without a look at what is not?"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import hypothesis.strategies as st
import pytest
import uvloop
from hypothesis import given

from meshkit.upstream.origin import Origin
from meshkit.upstream.places import Limits, Places
from meshkit.upstream.sweep import EARLY, Sweep

from .naive import Clockwork, Fake, clockwork

A = Origin("a", 80)


class Struck:
    """Deadlines; those that were due, and when."""

    def __init__(self, loop: Clockwork) -> None:
        self.loop = loop
        self.dues: list[float] = []
        self.struck: list[tuple[float, float]] = []
        self.rung = 0

    def __call__(self, now: float) -> float:
        self.rung += 1
        self.struck += [(due, self.loop.now) for due in self.dues if due <= now]
        self.dues = [due for due in self.dues if due > now]
        return min(self.dues, default=inf)


@pytest.fixture
def loop() -> Iterator[Clockwork]:
    with clockwork() as loop:
        yield loop


@pytest.fixture
def struck(loop: Clockwork) -> Struck:
    return Struck(loop)


@pytest.fixture
def sweep(loop: Clockwork, struck: Struck) -> Sweep:
    return Sweep(loop, struck)


def nothing() -> None:
    pass


def test_the_earliest_wins(loop: Clockwork, struck: Struck, sweep: Sweep) -> None:
    for due in (1005.0, 1003.0, 1004.0):
        struck.dues.append(due)
        sweep.by(due)
        assert loop.armed() == [sweep.at] == [min(struck.dues)]
    loop.wait(3.0, nothing)
    assert struck.struck == [(1003.0, 1003.0)]
    assert loop.armed() == [sweep.at] == [1004.0]
    loop.wait(3.0, nothing)
    assert [due for due, _ in struck.struck] == [1003.0, 1004.0, 1005.0]
    assert (loop.armed(), sweep.at, struck.rung) == ([], inf, 3)


def test_who_has_taken_his_deadline_back_costs_one_look(loop: Clockwork, struck: Struck, sweep: Sweep) -> None:
    sweep.by(1001.0)
    struck.dues = [1004.0]
    loop.wait(1.0, nothing)
    assert struck.struck == []
    assert loop.armed() == [1004.0]


def test_stopped(loop: Clockwork, struck: Struck, sweep: Sweep) -> None:
    sweep.by(1001.0)
    sweep.stop()
    sweep.stop()
    assert (loop.armed(), sweep.at) == ([], inf)
    sweep.by(1002.0)  # and begins anew
    assert loop.armed() == [1002.0]


def test_told_while_it_sweeps(loop: Clockwork, struck: Struck) -> None:
    """Who is struck may begin the next thing at once."""

    def strikes(now: float) -> float:
        sweep.by(1001.5)
        return 1009.0 if len(struck.struck) else struck(now)

    sweep = Sweep(loop, strikes)
    struck.dues = [1001.0]
    sweep.by(1001.0)
    loop.wait(1.0, nothing)
    assert loop.armed() == [sweep.at] == [1001.5]


def test_a_timer_that_rings_early_strikes_once(loop: Clockwork, struck: Struck, sweep: Sweep) -> None:
    struck.dues = [1001.0]
    sweep.by(1001.0)
    loop.wait(1.0, nothing, early=EARLY)
    assert struck.struck == [(1001.0, 1001.0 - EARLY)]
    assert struck.rung == 1


def test_one_that_rings_much_too_early_is_set_anew(loop: Clockwork, struck: Struck, sweep: Sweep) -> None:
    struck.dues = [1001.0]
    sweep.by(1001.0)
    _, timer = loop.timers.pop()
    loop.now = 1000.99
    timer._run()
    assert struck.struck == []
    assert loop.armed() == [sweep.at] == [1001.0]
    loop.wait(0.01, nothing)
    assert [due for due, _ in struck.struck] == [1001.0]


def test_what_is_overdue_rings_at_once(loop: Clockwork, struck: Struck, sweep: Sweep) -> None:
    struck.dues = [900.0]
    sweep.by(900.0)
    loop.wait(0.0, nothing)
    assert len(struck.struck) == 1


@given(
    st.lists(st.tuples(st.floats(0, 10, allow_nan=False), st.floats(0, 3, allow_nan=False), st.booleans()), max_size=40)
)
def test_nothing_is_late_or_early(told: list[tuple[float, float, bool]]) -> None:
    with clockwork() as loop:
        struck = Struck(loop)
        sweep = Sweep(loop, struck)
        expected = []
        for seconds, pause, kept in told:
            due = loop.now + seconds
            if kept:
                struck.dues.append(due)
                expected.append(due)
            sweep.by(due)
            loop.wait(pause, nothing)
            assert len(loop.armed()) <= 1
        loop.wait(11.0, nothing)
        assert sorted(due for due, _ in struck.struck) == sorted(expected)
        assert all(due - EARLY <= when <= due + 1e-9 for due, when in struck.struck)
        assert (loop.armed(), sweep.at) == ([], inf)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("milliseconds", [0, 0.3, 1, 7.7, 20])
def test_on_a_real_loop(new_loop: Callable[[], Any], milliseconds: float) -> None:
    """Not too early, whatever the loop counts in, and without ringing over and over before it is time."""
    loop = new_loop()
    rung: list[float] = []

    def strikes(now: float) -> float:
        rung.append(now)
        if now < due:
            return due
        loop.stop()
        return inf

    sweep = Sweep(loop, strikes)
    due = time.monotonic() + milliseconds / 1000
    sweep.by(due)
    loop.run_forever()
    loop.close()
    assert time.monotonic() >= due - EARLY
    assert len(rung) <= 3


def calls_of(work: Callable[[], Any]) -> int:
    """How many functions are called, Python's and C's."""
    count = 0

    def profile(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    gc.disable()  # it has callbacks
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def test_idle_connections_are_not_looked_at(loop: Clockwork) -> None:
    """Only the oldest is, however many there are."""
    counted = []
    for many in (10, 5000):
        places: Any = Places(loop, Limits(connections=None, idle=None, idle_for=60.0))
        for number in range(many):
            places.opened += 1
            places.freed(Fake(Origin("a", number)))
        loop.now += 1.0
        counted.append(calls_of(lambda places=places: places.struck(loop.now)))
        places.sweep.stop()
    assert counted[0] == counted[1]


def test_thousands_that_are_due(loop: Clockwork) -> None:
    """Each costs a look, and those of one instant one timer."""
    places: Any = Places(loop, Limits(connections=None))
    connections: list[Any] = [Fake(A) for _ in range(5000)]
    for number, connection in enumerate(connections):
        connection.due = 1001.0 + number % 2
        places.joined(connection)
        places.sweep.by(connection.due)
    rung = []
    loop.wait(1.0, lambda: rung.append(loop.now))
    assert sum(connection.struck for connection in connections) == 2500
    loop.wait(1.0, lambda: rung.append(loop.now))
    assert all(connection.struck for connection in connections)
    assert rung == [1001.0, 1002.0]
    assert loop.armed() == []
