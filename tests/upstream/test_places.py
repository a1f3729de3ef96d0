"""Does everyone get his turn, and is nothing lost? `Places` against a plain reading of its rules, step by step.

Hypothesis calls, ends, breaks, cancels and waits in any order, several of these between two turns of the loop. After
each step both have the same connections in the same order, and the same callers in the queue.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from math import inf
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from meshkit.errors import Overloaded
from meshkit.upstream import sweep
from meshkit.upstream.errors import ConnectFailed, PoolTimedOut, ReadFailed
from meshkit.upstream.origin import Origin
from meshkit.upstream.places import Limits, Places

from .naive import Caller, Clockwork, Fake, Naive, clockwork

ORIGINS = [Origin("a", 80), Origin("a", 80), Origin("b", 80), Origin("b", 443, True)]
SECONDS = [None, 0.0, 1.0, 3.0]
PAUSES = [0.0, 0.5, 1.0, 4.0]
EARLY = [0.0, 0.0004]


class Both:
    """The two, and whoever asks them. Each step has two numbers to choose by; what cannot be done is not."""

    def __init__(self, limits: Limits, loop: Clockwork) -> None:
        self.limits = limits
        self.loop = loop
        self.places: Any = Places(loop, limits)
        self.naive = Naive(limits, loop.monotonic)
        self.callers: list[Caller] = []

    # What callers do.

    def call(self, one: int, two: int) -> None:
        origin, seconds = ORIGINS[one % 4], SECONDS[two % 4]
        self.settle()
        expected: Any = self.naive.take(origin)
        found = self.places.take(origin)
        assert found is expected
        if found is not None:
            self.naive.busy.append(found)
            return
        due = inf if seconds is None else self.loop.now + seconds
        caller = Caller(origin, due, closings=self.naive.closings)
        expected = self.naive.place(caller)
        caller.task = self.loop.create_task(self.places.place(origin, seconds, None))
        self.loop.turn()
        if expected == "overloaded":
            assert isinstance(caller.task.exception(), Overloaded)
        elif expected == "place":
            assert caller.task.result() is None
            if one > 2:
                self.dial(-1, 1)
        else:
            assert not caller.task.done()
            self.callers.append(caller)

    def cancel(self, one: int, two: int) -> None:
        """Also one who has been granted something in this very turn."""
        callers = [caller for caller in self.callers if not caller.cancelled]
        if callers:
            caller = callers[one % len(callers)]
            self.naive.cancel(caller)
            caller.task.cancel()

    def dial(self, one: int, two: int) -> None:
        if not self.naive.making:
            return
        origin = self.naive.making.pop(one % len(self.naive.making))
        if two % 4:
            connection: Any = Fake(origin)
            self.naive.busy.append(connection)
            self.places.joined(connection)
        else:
            self.naive.places.remove(origin)
            self.naive.serve()
            self.places.vacated(origin)

    def end(self, one: int, two: int) -> None:
        if not self.naive.busy:
            return
        connection = self.naive.busy.pop(one % len(self.naive.busy))
        if two % 4:
            self.naive.freed(connection)
            self.places.freed(connection)
        else:
            connection.spoiled = True
            self.naive.gone(connection)
            self.places.gone(connection)

    # What peers do.

    def closed_unnoticed(self, one: int, two: int) -> None:
        if self.naive.idle:
            self.naive.idle[one % len(self.naive.idle)].stale = True

    def closed(self, one: int, two: int) -> None:
        """An idle connection, or one that was granted and is not used yet."""
        granted = [each.given for each in self.naive.ready if each.state == "granted" and each.given is not None]
        quiet = [*self.naive.idle, *(each for each in granted if not each.spoiled)]
        if quiet:
            connection = quiet[one % len(quiet)]
            connection.spoiled = True
            self.naive.gone(connection)
            self.places.gone(connection)

    # What the loop does.

    def turn(self, one: int = 0, two: int = 0) -> None:
        self.naive.turn()
        self.loop.turn()

    def settle(self) -> None:
        while self.naive.ready:
            self.turn()

    def wait(self, one: int, two: int) -> None:
        self.settle()
        self.loop.wait(PAUSES[one % 4], self.naive.strike, EARLY[two % 2])
        self.naive.strike()  # and without a timer, which must have rung
        self.settle()
        assert len(self.loop.armed()) <= 1

    def shut(self, one: int, two: int) -> None:
        if one < 3:
            self.naive.shut()
            self.places.close(ReadFailed("the pool was closed"))
            assert not self.loop.armed()

    # What is always true.

    def check(self) -> None:
        self.the_same()
        self.within_limits()
        self.nobody_waits_in_vain()

    def the_same(self) -> None:
        assert [*self.places.idle] == self.naive.idle
        assert self.places.opened == len(self.naive.places)
        waiting = [waiter.due for waiter in self.places.queue if not waiter.future.done()]
        assert waiting == [caller.due for caller in self.naive.queue if not caller.cancelled]
        for caller in [*self.callers]:
            if caller.state == "ended":
                self.callers.remove(caller)
                self.told(caller)

    def told(self, caller: Caller) -> None:
        assert caller.task.done()
        if caller.cancelled:
            assert caller.task.cancelled()
        elif caller.closings != self.naive.closings:
            assert isinstance(caller.task.exception(), ConnectFailed | PoolTimedOut)
        elif caller.task.exception() is None:
            assert caller.task.result() is caller.given
            assert caller.given is None or not caller.given.spoiled
        else:
            assert isinstance(caller.task.exception(), PoolTimedOut)
            assert caller.due <= self.loop.now + sweep.EARLY

    def within_limits(self) -> None:
        places, limits = self.places, self.limits
        granted = [each for each in self.naive.ready if each.state == "granted" and each.given is None]
        assert places.opened == len(places.busy) + len(places.idle) + len(self.naive.making) + len(granted)
        assert limits.connections is None or places.opened <= limits.connections
        assert limits.idle is None or len(places.idle) <= limits.idle
        count = Counter(self.naive.places)
        assert places.each == (count if limits.each is not None else {})
        assert limits.each is None or all(number <= limits.each for number in count.values())
        assert [c for c in places.busy if c.spoiled] == []
        listed = [connection for stack in places.stacks.values() for connection in stack]
        assert Counter(listed) == Counter([*places.idle])
        assert all(connection.origin == origin for origin, stack in places.stacks.items() for connection in stack)
        assert {*places.stacks} <= {connection.origin for connection in (*places.busy, *places.idle)}

    def nobody_waits_in_vain(self) -> None:
        places, limits = self.places, self.limits
        full = limits.connections is not None and places.opened >= limits.connections and not places.idle
        for waiter in places.queue:
            if not waiter.future.done():
                assert full or (limits.each is not None and places.each.get(waiter.origin, 0) >= limits.each)
                assert not any(connection.origin == waiter.origin for connection in places.idle)

    def end_all(self) -> None:
        for caller in self.callers:
            caller.task.cancel()
        self.loop.turn()
        for connection in [*self.places.busy]:
            self.places.freed(connection)
        for origin in self.naive.making:
            self.places.vacated(origin)
        self.loop.turn()
        assert self.places.idle_now()
        self.places.close(ReadFailed("the pool was closed"))
        assert (self.places.opened, self.places.each, self.places.stacks) == (0, {}, {})
        assert not self.places.queue
        assert asyncio.all_tasks(self.loop) == set()


ceilings = st.builds(
    Limits,
    connections=st.sampled_from([3, 2, 4, 1, None]),
    each=st.sampled_from([None, 2, 1, 3]),
    pending=st.sampled_from([None, 3, 1, 0]),
    idle=st.sampled_from([None, 3, 2, 1, 0]),
    idle_for=st.sampled_from([5.0, None, 1.0, 0.0]),
)
STEPS = [Both.call, Both.end, Both.call, Both.end, Both.cancel, Both.turn, Both.closed, Both.call, Both.end, Both.dial]
SELDOM = [Both.closed_unnoticed, Both.wait, Both.shut]
steps = st.tuples(st.sampled_from([*STEPS, *STEPS, *SELDOM]), st.integers(0, 15), st.integers(0, 15))


@given(limits=ceilings, played=st.lists(steps, min_size=25, max_size=80))
@settings(max_examples=200)
def test_both_do_the_same(limits: Limits, played: list[Any]) -> None:
    with clockwork() as loop:
        both = Both(limits, loop)
        for step, one, two in played:
            step(both, one, two)
            both.check()
        both.end_all()
