"""ConcurrencyLimit: the permits, the line for them, and that neither is ever lost."""

from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from meshkit.call import Call, Verdict
from meshkit.errors import ConfigError, Overloaded
from meshkit.limit import ConcurrencyLimit
from meshkit.policy import Gate, Waiter

IGNORED, SUCCESS = Verdict.IGNORED, Verdict.SUCCESS
DOOR = SimpleNamespace(fact=lambda call, name: getattr(call.request, name))


def start(*args, **options):
    return ConcurrencyLimit(*args, **options).start(Random(0))


def arrive(gate, now=0.0, **request):
    call = Call(DOOR, SimpleNamespace(**request), now)
    if hasattr(gate, "facts"):
        call.facts = {gate: gate.facts(call)}
    return call, gate.enter(call, now)


def end(gate, call, now=1.0, verdict=SUCCESS):
    gate.exit(call, 0.0, now, verdict)


def shown(gate):
    return gate.in_flight, len(gate.places)


NAN = float("nan")


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        *(("limit", value, "give a whole number from 1 to") for value in (0, -1, 1.5, NAN, "5", True, None)),
        *(("queue", value, "give a whole number from 0 to") for value in (-1, 1.5, NAN, "5", True, None)),
        *(("order", value, "write one of 'fifo', 'lifo', 'adaptive'") for value in ("random", "FIFO", None, 1)),
        *(("wait", value, "give a duration in seconds, above 0") for value in (0, -1, NAN, float("inf"), "1s", True)),
        *(("key", value, "give the name of an attribute of the request") for value in ("", 3, ["host"])),
        *(("name", value, "give a name in a string") for value in ("", None)),
    ],
)
def test_not_an_option(option, value, fix):
    with pytest.raises(ConfigError) as caught:
        ConcurrencyLimit(**{"limit": 5, "queue": 5, option: value})
    for part in (f"ConcurrencyLimit: {option}=", repr(value), fix):
        assert part in str(caught.value)


def test_a_wait_without_a_queue_means_nothing():
    with pytest.raises(ConfigError, match=r"ConcurrencyLimit: wait=1\.0: there is no queue to wait in: give queue=10"):
        ConcurrencyLimit(5, wait=1.0)


def test_a_spec_is_a_value_and_its_states_are_independent():
    spec = ConcurrencyLimit(1)
    assert spec == ConcurrencyLimit(1)
    one, other = spec.start(Random(0)), spec.start(Random(0))
    assert isinstance(one, Gate)
    assert [arrive(one)[1], arrive(other)[1]] == [None, None]


def test_refusal_says_how_full_it_is():
    gate = start(2, queue=1, name="db")
    for _ in range(3):
        arrive(gate)
    with pytest.raises(Overloaded) as caught:
        arrive(gate)
    assert str(caught.value) == "db: 2 in flight, 1 queued"
    assert (caught.value.policy, caught.value.retry_after) == ("db", None)
    assert shown(gate) == (2, 1)  # nothing was taken


def test_without_a_queue():
    gate = start(1)
    call, answer = arrive(gate)
    assert answer is None
    assert not gate.idle()
    with pytest.raises(Overloaded, match="1 in flight, 0 queued"):
        arrive(gate)
    end(gate, call)
    assert gate.idle()
    assert arrive(gate)[1] is None


@pytest.mark.parametrize(("order", "served"), [("fifo", [0, 1, 2, 3]), ("lifo", [3, 2, 1, 0])])
def test_order(order, served):
    gate = start(1, queue=4, order=order)
    first, _ = arrive(gate)
    line = [arrive(gate)[1] for _ in range(4)]
    turns = []
    for k, waiter in enumerate(line):
        waiter.wake = lambda k=k: turns.append(k)
    call = first
    for k in range(4):
        end(gate, call)
        assert len(turns) == k + 1  # one is woken for one permit: no herd
        assert shown(gate) == (1, 3 - k)  # the permit moved, it was never free
        call = line[turns[-1]].call
    end(gate, call)
    assert turns == served
    assert gate.idle()


@pytest.mark.parametrize(("wait", "until"), [(None, None), (0.5, 10.5)])
def test_how_long_a_place_is_kept(wait, until):
    gate = start(1, queue=1, wait=wait)
    arrive(gate, 10.0)
    assert arrive(gate, 10.0)[1].until == until


def test_a_waiter_that_leaves_takes_no_slot_with_it():
    """Peers' fault: a slot leaked when a waiter is cancelled."""
    gate = start(1, queue=2)
    call, _ = arrive(gate)
    _, gone = arrive(gate)
    _, stays = arrive(gate)
    gate.leave(gone)
    assert shown(gate) == (1, 1)
    end(gate, call)
    assert (gone.granted, stays.granted) == (False, True)
    end(gate, stays.call)
    assert gate.idle()
    assert arrive(gate)[1] is None


def test_cancelled_in_the_tick_of_the_grant_it_passes_the_permit_on():
    gate = start(1, queue=2)
    call, _ = arrive(gate)
    _, granted = arrive(gate)
    _, next_ = arrive(gate)
    end(gate, call)
    assert granted.granted
    end(gate, granted.call, verdict=IGNORED)  # a granted place is an entry: it ends by `exit`, not by `leave`
    assert next_.granted
    end(gate, next_.call)
    assert gate.idle()


def test_newcomers_do_not_overtake_the_line():
    gate = start(1, queue=1)
    call, _ = arrive(gate)
    _, waiter = arrive(gate)
    end(gate, call)
    with pytest.raises(Overloaded):  # the permit has moved, and the newcomer may only stand in line
        [arrive(gate) for _ in range(2)]
    assert waiter.granted


def test_each_key_has_its_own_permits_and_is_forgotten_with_its_last_call():
    gate = start(1, queue=1, key="host")
    a, _ = arrive(gate, host="a")
    b, answer = arrive(gate, host="b")
    assert answer is None
    _, waiter = arrive(gate, host="a")
    _, left = arrive(gate, host="b")
    with pytest.raises(Overloaded, match="1 in flight, 1 queued"):
        arrive(gate, host="a")
    assert gate.snapshot(0.0) == {"limit": 1, "keys": 2, "in_flight": 2, "queue": 1, "queued": 2, "refused": 1}
    gate.leave(left)
    end(gate, b)
    assert set(gate.cells) == {"a"}
    end(gate, a)
    assert waiter.granted
    assert not gate.idle()
    end(gate, waiter.call)
    assert gate.idle()
    assert gate.cells == {}
    assert gate.snapshot(0.0)["refused"] == 1  # remembered beyond the key


def test_a_key_is_forgotten_though_somebody_has_yet_to_hear_that_his_time_is_over():
    gate = start(1, queue=1, key="host", wait=0.5)
    a, _ = arrive(gate, host="a")
    _, late = arrive(gate, host="a")
    end(gate, a, now=1.0)
    assert not late.granted
    assert gate.cells == {}
    gate.leave(late)
    assert gate.idle()


def test_an_adaptive_line_serves_the_newest_once_it_does_not_drain():
    gate = start(1, queue=9, order="adaptive")
    call, _ = arrive(gate, 0.0)
    line = [arrive(gate, now)[1] for now in (0.0, 0.06, 0.12, 0.121)]
    assert [place.until for place in line] == pytest.approx([0.1, 0.16, 0.125, 0.126])
    end(gate, call, now=0.122)
    assert [place.granted for place in line] == [False, False, False, True]


def test_a_key_without_a_hash_is_seen_and_changes_nothing():
    gate = start(1, key=lambda call: [call.request.host], name="per host")
    with pytest.raises(TypeError, match="per host: the key is a list, which has no hash"):
        arrive(gate, host="a")
    assert gate.idle()


def test_snapshots_change_nothing():
    gate = start(2, queue=3)
    for _ in range(3):
        arrive(gate)
    expected = {"limit": 2, "in_flight": 2, "queue": 3, "queued": 1, "refused": 0}
    assert gate.snapshot(0.0) == gate.snapshot(9.0) == expected
    for _ in range(2):
        arrive(gate)
    for _ in range(3):
        with pytest.raises(Overloaded):
            arrive(gate)
    assert gate.snapshot(0.0) == {**expected, "queued": 3, "refused": 3}


class Against(RuleBasedStateMachine):
    """Any order of arrivals, ends and departures, against a plain list in order of arrival, for each key."""

    calls = Bundle("calls")

    @initialize(
        limit=st.integers(1, 3), queue=st.integers(0, 4), order=st.sampled_from(["fifo", "lifo"]), keyed=st.booleans()
    )
    def begin(self, limit, queue, order, keyed):
        self.gate = start(limit, queue=queue, order=order, key="host" if keyed else None)
        self.limit, self.queue, self.keyed = limit, queue, keyed
        self.turn = 0 if order == "fifo" else -1
        self.inside, self.line, self.woken, self.expected = [], [], [], []

    def mine(self, calls, host):
        return [call for call in calls if not self.keyed or call.request.host == host]

    @rule(target=calls, host=st.sampled_from("ab"))
    def arrive(self, host):
        free = len(self.mine(self.inside, host)) < self.limit
        room = len(self.mine([call for call, _ in self.line], host)) < self.queue
        try:
            call, answer = arrive(self.gate, host=host)
        except Overloaded:
            assert not free
            assert not room
            return None
        if answer is None:
            assert free
            self.inside.append(call)
        else:
            assert isinstance(answer, Waiter)
            assert room
            assert not free
            answer.wake = lambda: self.woken.append(call)
            self.line.append((call, answer))
        return call

    @rule(call=calls, verdict=st.sampled_from(Verdict))
    def end(self, call, verdict):
        if call in self.inside:
            self.inside.remove(call)
            line = [place for place in self.line if place[0] in self.mine([place[0]], call.request.host)]
            if line:
                place = line[self.turn]
                self.line.remove(place)
                self.inside.append(place[0])
                self.expected.append(place[0])
            end(self.gate, call, verdict=verdict)

    @rule(call=calls)
    def leave(self, call):
        for place in self.line:
            if place[0] is call:
                self.line.remove(place)
                self.gate.leave(place[1])
                break

    @invariant()
    def agrees(self):
        if hasattr(self, "gate"):
            snapshot = self.gate.snapshot(0.0)
            assert (snapshot["in_flight"], snapshot["queued"]) == (len(self.inside), len(self.line))
            assert self.woken == self.expected
            assert not any(waiter.granted for _, waiter in self.line)
            for host in "ab":
                assert len(self.mine(self.inside, host)) <= self.limit
            assert self.gate.idle() is not bool(self.inside)

    def teardown(self):
        if hasattr(self, "gate"):
            while self.inside:
                self.end(self.inside[0], SUCCESS)
            assert self.gate.idle()


TestAgainst = Against.TestCase
TestAgainst.settings = settings(stateful_step_count=40)
