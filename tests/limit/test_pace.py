"""Pace: what the upstream said is done, and nothing else; with an upstream that counts for itself as the oracle."""

import math
from itertools import count
from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.call import Call, Failure, Verdict
from meshkit.errors import ConfigError, RateLimited
from meshkit.limit.pace import Pace
from meshkit.limit.table import OVERFLOW
from meshkit.policy import Gate

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
NAN, INF = float("nan"), float("inf")
DOOR = SimpleNamespace(fact=lambda call, name: getattr(call.request, name))


def start(**options):
    return Pace(**options).start(Random(0))


def arrive(gate, now, *, deadline=None, **request):
    call = Call(DOOR, SimpleNamespace(**request), now)
    call.deadline = deadline
    if gate.facts is not None:
        call.facts = {gate: gate.facts(call)}
    return call, gate.enter(call, now)


def answer(gate, call, began, now, *, quota=None, asked=None, verdict=None):
    call.quota = quota
    call.failure = None if verdict is SUCCESS else Failure(status=429, retry_after=asked)
    call.answered_at = now
    gate.exit(call, began, now, verdict or (SUCCESS if asked is None else OVERLOADED))


def told(gate, now, **said):
    """One call that is answered at once."""
    call, wait = arrive(gate, now)
    answer(gate, call, now + wait, now + wait, **said)


def refused(gate, now, **request):
    with pytest.raises(RateLimited) as caught:
        arrive(gate, now, **request)
    return caught.value.retry_after


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        *(("wait", value, "give a duration in seconds, 0 or more") for value in (-1, NAN, INF, True, None)),
        *(("cap", value, "give a duration in seconds, above 0") for value in (0, -1, NAN, INF, True, None)),
        *(("spread", value, "write True or False") for value in (1, None)),
        *(("key", value, "give the name of an attribute") for value in ("", 3)),
        *(("max_keys", value, "give a whole number") for value in (0, True)),
        ("name", "", "give a name in a string"),
    ],
)
def test_not_an_option(option, value, fix):
    with pytest.raises(ConfigError) as caught:
        Pace(**{option: value})
    for part in (f"Pace: {option}=", repr(value), fix):
        assert part in str(caught.value)


def test_nobody_waits_before_anything_was_said():
    gate = start()
    assert isinstance(gate, Gate)
    assert gate.reads_quota
    assert [arrive(gate, 0.0)[1] for _ in range(100)] == [0.0] * 100
    assert not gate.idle()


def test_nobody_goes_before_a_retry_after():
    gate = start()
    told(gate, 10.0, asked=5.0)
    assert refused(gate, 10.0) == 5.0
    assert refused(gate, 14.0) == 1.0
    assert arrive(gate, 15.0)[1] == 0
    error = None
    told(gate, 20.0, asked=3.0)
    try:
        arrive(gate, 20.0)
    except RateLimited as caught:
        error = caught
    assert str(error) == "Pace: the upstream asked to wait; try again in 3 s"


def test_an_earlier_one_does_not_shorten_it_and_a_success_does_not_lift_it():
    gate = start()
    calls = [arrive(gate, 0.0)[0] for _ in range(3)]
    answer(gate, calls[0], 0.0, 1.0, asked=5.0)
    answer(gate, calls[1], 0.0, 1.0, asked=2.0)
    answer(gate, calls[2], 0.0, 1.0)
    assert refused(gate, 1.0) == 5.0


def test_retry_after_goes_before_what_the_fields_say():
    """The draft, section 7: it takes precedence, and the effective window may be ignored."""
    gate = start()
    told(gate, 0.0, asked=1.0, quota=(0, 50))
    assert refused(gate, 0.0) == 1.0
    assert arrive(gate, 1.0)[1] == 0


def test_a_refusal_that_leaves_nothing_closes_as_well():
    """The failure is asked for only where a retry stands; a door may note the same as a quota."""
    gate = start()
    late, _ = arrive(gate, 0.5)
    told(gate, 0.0, quota=(0, 5.0), verdict=OVERLOADED)
    answer(gate, late, 0.5, 1.0, quota=(9, 60))
    assert refused(gate, 1.0) == 4.0
    assert arrive(gate, 5.0)[1] == 0
    gate = start()
    told(gate, 0.0, quota=(3, 5.0), verdict=OVERLOADED)  # there is something left, of that limit
    assert arrive(gate, 0.0)[1] == 0


@pytest.mark.parametrize("verdict", [SUCCESS, FAILURE, IGNORED])
def test_only_a_not_now_closes(verdict):
    gate = start()
    told(gate, 0.0, asked=5.0, verdict=verdict)
    assert arrive(gate, 0.0)[1] == 0


def test_no_more_than_is_left_until_the_time_is_over():
    gate = start()
    told(gate, 0.0, quota=(2, 10))
    assert [arrive(gate, now)[1] for now in (0.0, 1.0)] == [0, 0]
    assert refused(gate, 2.0) == 8.0
    assert arrive(gate, 10.0)[1] == 0  # nothing is known any more


def test_those_in_flight_count():
    gate = start()
    calls = [arrive(gate, 0.0)[0] for _ in range(3)]
    answer(gate, calls[0], 0.0, 1.0, quota=(3, 10))
    assert arrive(gate, 1.0)[1] == 0  # three left, two of them under way already
    assert refused(gate, 1.0) == 10.0


def test_answers_that_overtake_each_other():
    gate = start()
    first, second = arrive(gate, 0.0)[0], arrive(gate, 0.0)[0]
    answer(gate, second, 0.0, 1.0, quota=(1, 10))
    answer(gate, first, 0.0, 2.0, quota=(2, 10))  # an older truth that comes later: the smaller number holds
    assert refused(gate, 2.0) == 10.0  # one left, from which the first was taken off while it was in flight
    late, _ = arrive(gate, 12.0)
    answer(gate, late, 12.0, 12.0, quota=(5, 10))  # asked after all of it: believed
    assert [arrive(gate, 12.0)[1] for _ in range(5)] == [0] * 5


def test_waits_up_to_its_patience_and_never_past_the_deadline():
    gate = start(wait=5.0)
    told(gate, 0.0, asked=4.0)
    assert arrive(gate, 0.0)[1] == 4.0
    assert arrive(gate, 1.0, deadline=4.0)[1] == 3.0
    assert refused(gate, 1.0, deadline=3.9) == 3.0
    assert refused(gate, 1.0, deadline=0.5) == 3.0
    told(gate, 9.0, asked=6.0)
    assert refused(gate, 9.0) == 6.0


def test_given_up_before_it_went_it_gives_its_turn_back():
    gate = start(wait=5.0)
    told(gate, 0.0, quota=(1, 60))
    told(gate, 0.0, asked=2.0)
    gate.cells[None].left = 1.0
    call, wait = arrive(gate, 0.0)
    assert wait == 2.0
    gate.exit(call, 2.0, 1.0, IGNORED)
    assert arrive(gate, 2.0)[1] == 0
    assert refused(gate, 2.0) == 58.0


def test_cancelled_on_its_way_it_may_have_been_counted():
    gate = start()
    told(gate, 0.0, quota=(1, 10))
    call, _ = arrive(gate, 0.0)
    gate.exit(call, 0.0, 1.0, IGNORED)
    assert refused(gate, 1.0) == 9.0


def test_spread_evenly():
    gate = start(wait=60.0, spread=True)
    told(gate, 0.0, quota=(4, 20))
    assert [arrive(gate, 0.0)[1] for _ in range(4)] == [0, 5, 10, 15]
    assert [arrive(gate, 0.0)[1] for _ in range(3)] == [20, 25, 30]  # at the same pace, until somebody says otherwise
    gate = start(spread=True)
    told(gate, 0.0, quota=(4, 20))
    assert arrive(gate, 0.0)[1] == 0
    assert refused(gate, 1.0) == 4.0
    assert arrive(gate, 8.0)[1] == 0
    assert refused(gate, 8.0) == 4.0  # twelve seconds for the three that were left


def test_the_cap():
    gate = start(cap=10.0)
    told(gate, 0.0, asked=1e9)
    assert refused(gate, 0.0) == 10.0
    told(gate, 20.0, quota=(0, 10**30))
    assert refused(gate, 20.0) == 10.0
    told(gate, 40.0, asked=INF)
    assert refused(gate, 40.0) == 10.0


@pytest.mark.parametrize("seconds", [NAN, -1.0, -INF, True, "5", None], ids=repr)
def test_nonsense_is_passed_over(seconds):
    gate = start()
    told(gate, 0.0, asked=seconds, verdict=OVERLOADED)
    told(gate, 0.0, quota=(0, seconds))
    if seconds is not None:
        told(gate, 0.0, quota=(seconds, 10.0))
    assert arrive(gate, 0.0)[1] == 0


@pytest.mark.parametrize("quota", [(1,), (1, 2, 3), "12", 7, [0, 10]], ids=repr)
def test_what_is_no_pair_is_passed_over(quota):
    gate = start()
    told(gate, 0.0, quota=quota)
    assert arrive(gate, 0.0)[1] == 0


def test_what_the_attempt_before_was_told_is_not_heard_twice():
    gate = start()
    call, _ = arrive(gate, 0.0)
    answer(gate, call, 0.0, 0.0, quota=(1, 60))
    gate.enter(call, 0.0)  # inside a retry: the same call, and no answer comes this time
    gate.exit(call, 0.0, 1.0, FAILURE)
    assert refused(gate, 1.0) == 59.0


def test_the_time_is_counted_from_the_answer_not_from_the_end_of_its_body():
    gate = start()
    call, _ = arrive(gate, 0.0)
    call.quota, call.answered_at = (0, 10), 1.0
    gate.exit(call, 0.0, 8.0, SUCCESS)
    assert refused(gate, 8.0) == 3.0
    call, _ = arrive(gate, 20.0)
    call.quota, call.answered_at = (0, 10), 1.0  # of an attempt before
    gate.exit(call, 20.0, 21.0, SUCCESS)
    assert refused(gate, 21.0) == 10.0


def test_snapshots():
    gate = start()
    assert gate.snapshot(0.0) == {"in_flight": 0, "refused": 0, "closed": 0.0}
    told(gate, 0.0, quota=(3, 10))
    arrive(gate, 1.0)
    assert gate.snapshot(1.0) == {"in_flight": 1, "refused": 0, "closed": 0.0, "remaining": 2.0, "seconds": 9.0}
    told(gate, 1.0, asked=5.0)
    assert gate.snapshot(2.0)["closed"] == 4.0


# Keys.


def test_each_key_is_told_by_itself():
    gate = start(key="host")
    call, _ = arrive(gate, 0.0, host="a")
    answer(gate, call, 0.0, 0.0, asked=5.0)
    assert refused(gate, 0.0, host="a") == 5.0
    assert arrive(gate, 0.0, host="b")[1] == 0
    assert gate.snapshot(0.0) == {"keys": 2, "max_keys": 10_000, "in_flight": 1, "refused": 1}
    with pytest.raises(TypeError, match="the key is a list"):
        arrive(gate, 0.0, host=[])


def test_a_full_table_forgets_only_those_of_whom_nothing_is_known():
    gate = start(key="host", max_keys=1)
    call, _ = arrive(gate, 0.0, host="a")
    answer(gate, call, 0.0, 0.0, asked=5.0)
    call, _ = arrive(gate, 0.0, host="b")  # by the overflow cell
    assert gate.overflowing == {"b": 1}
    answer(gate, call, 0.0, 0.0, asked=9.0)
    assert gate.overflowing == {}
    assert refused(gate, 0.0, host="a") == 5.0
    assert refused(gate, 0.0, host="c") == 9.0  # with its like
    call, _ = arrive(gate, 9.0, host="c")
    assert list(gate.ring) == ["c"]
    assert len(gate.cells) == 2
    gate.exit(call, 9.0, 9.0, SUCCESS)
    assert gate.idle()


def test_a_key_in_flight_by_the_overflow_cell_gets_no_other():
    """Otherwise its calls would be taken off a count they were never added to."""
    gate = start(key="host", max_keys=1)
    a, _ = arrive(gate, 0.0, host="a")
    b, _ = arrive(gate, 0.0, host="b")
    gate.exit(a, 0.0, 1.0, SUCCESS)
    again, _ = arrive(gate, 1.0, host="b")
    assert gate.overflowing == {"b": 2}
    for call in (b, again):
        gate.exit(call, 0.0, 2.0, SUCCESS)
    assert gate.cells[OVERFLOW].in_flight == 0
    arrive(gate, 2.0, host="b")
    assert list(gate.ring) == ["b"]


# An upstream that counts: so many in a window, and each answer says what is left of it.


@given(
    st.integers(1, 8),
    st.sampled_from([False, False, True]),
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.0, 0.25, 1.0, 4.0]),
            st.sampled_from([0.0, 0.25, 0.5, 2.0]),
            st.sampled_from([0.0, 0.25, 1.0]),
        ),
        max_size=80,
    ),
)
def test_what_goes_while_something_is_known_is_never_refused(limit, spread, trace):
    window, now, gate = 16.0, 64.0, start(spread=spread)
    counts, order, due = {}, count(), []  # due: (instant, order, what happens)

    def reach(call, began, back):
        def happens(at):
            this = at // window
            counts[this] = counts.get(this, 0) + 1
            went = counts[this] <= limit
            assert went or not call.request.known
            left, seconds = max(0, limit - counts[this]), (this + 1) * window - at
            due.append((at + back, next(order), lambda end: answer(gate, call, began, end, quota=(left, seconds))))

        return happens

    def let_pass(until):
        while due and min(due)[0] <= until:
            event = min(due)
            due.remove(event)
            event[2](event[0])

    for step, there, back in trace:
        now += step
        let_pass(now)
        cell = gate.cells.get(None)
        known = cell is not None and cell.until > now
        try:
            call, wait = arrive(gate, now, known=known)
        except RateLimited:
            continue
        assert wait == 0.0
        due.append((now + there, next(order), reach(call, now, back)))
    let_pass(math.inf)
    assert gate.idle()
