"""Permits: whose turn it is, a limit that moves, and that one permit wakes one."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from meshkit.call import Call, Verdict
from meshkit.errors import Overloaded
from meshkit.limit.permits import Permits

SUCCESS = Verdict.SUCCESS


def permits(limit=1, *, queue=10, order="fifo", wait=None):
    return Permits("limit", limit, queue, order, wait)


class Crowd:
    """Calls by number; who was woken, in order."""

    def __init__(self, gate):
        self.gate = gate
        self.woken = []
        self.places = {}

    def come(self, number, now=0.0, deadline=None):
        """Answers until when a place is kept, or "goes"."""
        call = Call(None, number, now)
        call.deadline = deadline
        answer = self.gate.enter(call, now)
        if answer is None:
            return "goes"
        answer.wake = lambda: self.woken.append(number)
        self.places[number] = answer
        return answer.until

    def end(self, now=0.0):
        self.gate.exit(Call(None, None, now), 0.0, now, SUCCESS)
        return self.woken

    def in_line(self):
        return [place.call.request for place in self.gate.places]


def test_a_limit_that_grows_grants_as_many_places():
    crowd = Crowd(gate := permits(1))
    assert [crowd.come(n) for n in range(5)] == ["goes", None, None, None, None]
    gate.resize(3, 0.0)
    assert crowd.woken == [1, 2]
    assert (gate.in_flight, crowd.in_line()) == (3, [3, 4])
    gate.resize(10, 0.0)
    assert (gate.in_flight, crowd.woken) == (5, [1, 2, 3, 4])
    assert crowd.come(5) == "goes"


def test_a_limit_that_shrinks_takes_no_permit_back_and_hands_none_on():
    crowd = Crowd(gate := permits(3))
    for n in range(5):
        crowd.come(n)
    gate.resize(1, 0.0)
    assert gate.in_flight == 3
    assert crowd.end() == crowd.end() == []
    assert gate.in_flight == 1
    assert crowd.come(5) is None  # in line behind the others
    assert crowd.end() == [3]
    for _ in range(3):
        crowd.end()
    assert gate.idle()
    assert crowd.woken == [3, 4, 5]


ADAPTIVE = [
    # the line was empty at 10.0: (instant, how long a place is kept)
    (10.0, 0.1),
    (10.05, 0.1),
    (10.1, 0.1),
    (10.1001, 0.005),
    (11.0, 0.005),
]


@pytest.mark.parametrize(("now", "kept"), ADAPTIVE)
def test_how_long_a_place_is_kept_in_an_adaptive_line(now, kept):
    crowd = Crowd(permits(order="adaptive"))
    crowd.come(0, 0.0)
    assert crowd.come(1, 10.0) == 10.1
    assert crowd.come(2, now) == pytest.approx(now + kept, abs=1e-9)


@pytest.mark.parametrize(("now", "next_"), [(10.0, 1), (10.09, 1), (10.1001, 3), (20.0, 3)])
def test_whose_turn_it_is_in_an_adaptive_line(now, next_):
    crowd = Crowd(permits(order="adaptive"))
    crowd.come(0, 0.0)
    for n in (1, 2, 3):
        crowd.come(n, 10.0)
        crowd.places[n].until = None  # nobody's time is over: the order alone
    assert crowd.end(now) == [next_]


def test_a_line_that_was_empty_drains_again():
    crowd = Crowd(gate := permits(order="adaptive"))
    crowd.come(0, 0.0)
    crowd.come(1, 0.0)
    assert crowd.come(2, 5.0) == 5.005  # since 0.0 somebody has been in line
    gate.leave(crowd.places[1])
    gate.leave(crowd.places[2])
    assert crowd.come(3, 5.0) == 5.1


@pytest.mark.parametrize(("wait", "calm", "pressed"), [(None, 0.1, 0.005), (1.0, 1.0, 0.05)])
def test_the_wait_is_the_interval_of_an_adaptive_line(wait, calm, pressed):
    crowd = Crowd(permits(order="adaptive", wait=wait))
    crowd.come(0)
    assert crowd.come(1) == calm
    assert crowd.come(2, calm) == 2 * calm
    assert crowd.come(3, 2 * calm) == pytest.approx(2 * calm + pressed)


@pytest.mark.parametrize("order", ["fifo", "lifo", "adaptive"])
def test_a_place_whose_time_is_over_is_passed_over(order):
    """A permit for somebody who has gone would come back unused, one turn of the loop later."""
    crowd = Crowd(gate := permits(order=order, wait=0.1))
    crowd.come(0, 0.0)
    crowd.come(1, 0.0)
    crowd.come(2, 0.05, deadline=0.06)
    crowd.come(3, 0.05)
    assert crowd.end(0.1) == [3]
    gate.leave(crowd.places[1])  # they do leave, when their timers ring
    gate.leave(crowd.places[2])
    crowd.end(0.2)
    assert gate.idle()


def test_ten_thousand_wait_and_each_permit_wakes_one():
    crowd = Crowd(gate := permits(1, queue=10_000))
    for n in range(10_001):
        crowd.come(n)
    with pytest.raises(Overloaded):
        crowd.come(-1)
    for n in range(1, 10_001):
        crowd.end()
        assert len(crowd.woken) == n
    assert crowd.woken == list(range(1, 10_001))
    crowd.end()
    assert gate.idle()


class Against(RuleBasedStateMachine):
    """Any order of comings, ends, departures, moves of the limit and of time, against a list of numbers."""

    @initialize(limit=st.integers(1, 4), queue=st.integers(0, 5), order=st.sampled_from(["fifo", "lifo", "adaptive"]))
    def begin(self, limit, queue, order):
        self.crowd = Crowd(permits(limit, queue=queue, order=order, wait=0.1 if order == "adaptive" else None))
        self.limit, self.queue, self.order = limit, queue, order
        self.now, self.in_flight, self.number = 0.0, 0, 0
        self.line, self.expected = [], []  # (number, until)
        self.empty_at = 0.0

    def kept(self):
        if self.order != "adaptive":
            return float("inf")
        return 0.1 if not self.pressed() else 0.1 * 0.05

    def pressed(self):
        return self.order == "adaptive" and bool(self.line) and self.now - self.empty_at > 0.1

    def hand_over(self):
        newest = self.order == "lifo" or self.pressed()
        while self.line and self.in_flight < self.limit:
            number, until = self.line.pop(-1 if newest else 0)
            if self.now < until:
                self.in_flight += 1
                self.expected.append(number)

    @rule(after=st.sampled_from([0.0, 0.001, 0.004, 0.05, 0.2]))
    def come(self, after):
        self.now += after
        self.number += 1
        if self.in_flight < self.limit:
            assert self.crowd.come(self.number, self.now) == "goes"
            self.in_flight += 1
        elif len(self.line) >= self.queue:
            with pytest.raises(Overloaded):
                self.crowd.come(self.number, self.now)
        else:
            if not self.line:
                self.empty_at = self.now
            until = self.now + self.kept()
            assert (self.crowd.come(self.number, self.now) or float("inf")) == pytest.approx(until)
            self.line.append((self.number, self.crowd.places[self.number].until or float("inf")))

    @precondition(lambda self: self.in_flight)
    @rule(after=st.sampled_from([0.0, 0.004, 0.2]))
    def end(self, after):
        self.now += after
        self.in_flight -= 1
        self.hand_over()
        self.crowd.end(self.now)

    @rule(limit=st.integers(1, 6))
    def move(self, limit):
        self.limit = limit
        self.hand_over()
        self.crowd.gate.resize(limit, self.now)

    @precondition(lambda self: self.line)
    @rule(which=st.integers(0, 4))
    def leave(self, which):
        number, _ = self.line.pop(which % len(self.line))
        self.crowd.gate.leave(self.crowd.places[number])

    @invariant()
    def agrees(self):
        if hasattr(self, "crowd"):
            assert self.crowd.woken == self.expected
            assert self.crowd.in_line() == [number for number, _ in self.line]
            assert self.crowd.gate.in_flight == self.in_flight
            assert not self.line or self.in_flight >= self.limit

    def teardown(self):
        if hasattr(self, "crowd"):
            while self.in_flight:
                self.end(0.0)
            assert self.crowd.gate.idle()


TestAgainst = Against.TestCase
TestAgainst.settings = settings(stateful_step_count=40)
