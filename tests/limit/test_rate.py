"""RateLimit: what may be written, and the gate in front of the cells."""

from random import Random
from types import SimpleNamespace

import pytest

from meshkit.call import Call, Verdict
from meshkit.errors import ConfigError, RateLimited
from meshkit.limit import RateLimit
from meshkit.policy import Gate

IGNORED, SUCCESS = Verdict.IGNORED, Verdict.SUCCESS
DOOR = SimpleNamespace(fact=lambda call, name: getattr(call.request, name))


def start(*args, **options):
    return RateLimit(*args, **options).start(Random(0))


def arrive(gate, now, *, deadline=None, **request):
    """A call as the engine brings it: facts first, then ``enter``."""
    call = Call(DOOR, SimpleNamespace(**request), now)
    call.deadline = deadline
    if gate.facts is not None:
        call.facts = {gate: gate.facts(call)}
    return call, gate.enter(call, now)


def refused(gate, now, **request):
    with pytest.raises(RateLimited) as caught:
        arrive(gate, now, **request)
    return caught.value


# What may be written.


@pytest.mark.parametrize(
    ("rate", "per_second", "depth"),
    [
        ("100/s", 100.0, 100),
        ("100 / sec", 100.0, 100),
        ("10/min", 1 / 6, 10),
        ("10/minute", 1 / 6, 10),
        ("5000/h", 5000 / 3600, 5000),
        ("24/day", 24 / 86400, 24),
        ("1/10s", 0.1, 1),
        ("6/2min", 0.05, 6),
        ("0.5/s", 0.5, 1),
        ("2.5/s", 2.5, 2),
        ("1/100ms", 10.0, 1),
        ("8/2seconds", 4.0, 8),
        ("6/minutes", 0.1, 6),
        ("36/hours", 0.01, 36),
        ("864/days", 0.01, 864),
        (7, 7.0, 7),
        (0.2, 0.2, 1),
        (1e-9, 1e-9, 1),
        (1e9, 1e9, 10**9),
    ],
)
def test_rates(rate, per_second, depth):
    spec = RateLimit(rate)
    assert spec.per_second == pytest.approx(per_second, rel=1e-12)
    assert spec.depth == depth
    assert RateLimit(rate, burst=3).depth == 3


RATE_FIX = 'write a count and a time, such as "100/s", "10/min", "1/10s", or a number per second'
NOT_A_RATE = [
    "100 per second please", "", "100", "/s", "100/", "-1/s", "0/s", "1/0s", "nan/s", "inf/s", "1e3/s",
    "100/S", "\u0661/s", "9" * 400 + "/s", "1/" + "9" * 20 + "d", 0, 0.0, -1, float("nan"), float("inf"), 1e-10, 2e9,
    10**400, True, None, b"1/s", ("1", "s"),
]  # fmt: skip


@pytest.mark.parametrize(("rate", "unit"), [("5/m", "m"), ("100/fortnight", "fortnight"), ("5/3mins", "mins")])
def test_no_unit_of_time(rate, unit):
    """An m is a minute to some and a month to others."""
    with pytest.raises(ConfigError, match=f"there is no unit '{unit}': write one of ms, s, sec, second, seconds, min,"):
        RateLimit(rate)


@pytest.mark.parametrize("rate", NOT_A_RATE, ids=lambda rate: repr(rate)[:24])
def test_not_a_rate(rate):
    with pytest.raises(ConfigError) as caught:
        RateLimit(rate)
    for part in ("RateLimit: rate=", repr(rate), RATE_FIX):
        assert part in str(caught.value)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        *(("burst", value, "give a whole number from 1 to") for value in (0, -1, 1.5, NAN, "5", True, 2**40)),
        *(
            ("cost", value, "give a number above 0, the name of")
            for value in (0, -1, NAN, INF, "", " ", None, True, [1])
        ),
        ("cost", 11, "no call could ever go: give a cost up to the burst of 10, or a larger burst"),
        *(("key", value, "give the name of an attribute of the request") for value in ("", " ", 3, True, ["host"])),
        *(("wait", value, "give a duration in seconds, 0 or more") for value in (-1, NAN, INF, "1s", True, None)),
        *(("max_keys", value, "give a whole number from 1 to") for value in (0, -5, 10.0, True, None)),
        *(("name", value, "give a name in a string") for value in ("", " ", None, 3)),
    ],
)
def test_not_an_option(option, value, fix):
    with pytest.raises(ConfigError) as caught:
        RateLimit("10/s", **{option: value})
    for part in (f"RateLimit: {option}=", repr(value), fix):
        assert part in str(caught.value)


def test_a_spec_is_a_value_and_its_states_are_independent():
    spec = RateLimit("1/s", name="per user")
    assert spec == RateLimit("1/s", name="per user")
    assert hash(spec) == hash(RateLimit("1/s", name="per user"))
    one, other = spec.start(Random(0)), spec.start(Random(0))
    assert isinstance(one, Gate)
    assert arrive(one, 0.0)[1] == 0
    assert arrive(other, 0.0)[1] == 0
    refused(one, 0.0)


# One limit for all.


def test_burst_then_rate():
    gate = start("2/s", burst=3)
    assert gate.exit is None  # nothing to settle
    assert gate.facts is None  # nothing to ask
    times = [0, 0, 0, 0.5, 1.0, 1.5, 4.0, 4.0, 4.0]
    assert [arrive(gate, t)[1] for t in times] == [0.0] * len(times)
    assert gate.idle()


def test_refusal_says_what_who_how_much_when_again():
    gate = start("10/min", burst=1, name="per user")
    arrive(gate, 0.0)
    error = refused(gate, 4.0)
    assert str(error) == "per user: limit of 10/min reached; try again in 2 s"
    assert (error.policy, error.retry_after) == ("per user", pytest.approx(2.0))
    assert str(refused(gate, 4.0)) == str(error)  # being refused costs nothing
    gate = start(0.5)
    arrive(gate, 0.0)
    assert str(refused(gate, 0.0)) == "RateLimit: limit of 0.5/s reached; try again in 2 s"


def test_a_cost_that_never_fits_has_no_retry_after():
    gate = start("10/s", cost="tokens", wait=100.0)
    error = refused(gate, 0.0, tokens=10.5)
    assert error.retry_after is None
    assert str(error) == "RateLimit: limit of 10/s reached"
    assert arrive(gate, 0.0, tokens=10)[1] == 0  # it took nothing


def test_over_admission_40_of_40():
    """A peer lets 68 through in 3 s where a burst of 10 and 10 a second allow 40. Asked every 10 ms."""
    gate, gone = start("10/s"), 0
    for tick in range(301):
        try:
            arrive(gate, 1000 + tick / 100)
            gone += 1
        except RateLimited:
            pass
    assert gone == 40


def test_snapshots_change_nothing():
    gate = start("2/s", burst=4)
    arrive(gate, 1.0)
    shown = {"rate": 2.0, "burst": 4.0, "refused": 0}
    assert gate.snapshot(1.0) == {**shown, "remaining": 3.0}
    assert gate.snapshot(99.0) == {**shown, "remaining": 4.0}
    assert gate.snapshot(1.0) == {**shown, "remaining": 3.0}


# Waiting.


def test_waits_by_reservation_in_the_order_of_arrival():
    gate = start("1/s", wait=3.0)
    assert [arrive(gate, t)[1] + t for t in (0.0, 0.0, 0.25, 0.5)] == [0.0, 1.0, 2.0, 3.0]
    assert refused(gate, 0.75).retry_after == 3.25
    assert refused(gate, 0.75, deadline=99.0).retry_after == 3.25  # a far deadline makes nobody more patient
    assert arrive(gate, 1.0)[1] == 3.0


def test_no_reservation_across_the_deadline():
    gate = start("1/s", wait=10.0)
    arrive(gate, 0.0)
    assert refused(gate, 0.0, deadline=0.5).retry_after == 1.0
    assert refused(gate, 0.0, deadline=-1.0).retry_after == 1.0
    assert arrive(gate, 0.0, deadline=1.0)[1] == 1.0  # the refused ones reserved nothing
    assert arrive(start("1/s"), 5.0, deadline=5.0)[1] == 0


def test_given_up_before_its_turn_it_gives_the_turn_back():
    gate = start("1/s", wait=10.0)
    arrive(gate, 0.0)
    call, wait = arrive(gate, 0.0)
    gate.exit(call, 0.0 + wait, 0.5, IGNORED)
    assert arrive(gate, 0.5)[1] == 0.5


def test_given_up_with_others_behind_it_leaves_them_their_instants():
    gate = start("1/s", wait=10.0)
    arrive(gate, 0.0)
    call, wait = arrive(gate, 0.0)
    _, behind = arrive(gate, 0.0)
    gate.exit(call, wait, 0.5, IGNORED)
    assert (wait, behind) == (1.0, 2.0)
    assert arrive(gate, 0.5)[1] == 2.5


@pytest.mark.parametrize("ended", [1.0, 1.5, 100.0])
def test_once_it_went_nothing_is_given_back(ended):
    gate = start("1/s", wait=10.0)
    arrive(gate, 0.0)
    call, wait = arrive(gate, 0.0)
    before = gate.cells.tats[None]
    gate.exit(call, wait, ended, SUCCESS)
    assert gate.cells.tats[None] == before


def test_given_back_is_the_cost_under_the_key():
    gate = start("1/s", burst=5, key="user", cost="tokens", wait=10.0)
    arrive(gate, 0.0, user="a", tokens=5)
    arrive(gate, 0.0, user="b", tokens=5)
    call, wait = arrive(gate, 0.0, user="a", tokens=3)
    gate.exit(call, wait, 0.0, IGNORED)
    assert arrive(gate, 0.0, user="a", tokens=3)[1] == 3.0
    assert arrive(gate, 0.0, user="b", tokens=3)[1] == 3.0


# Keys and costs.


@pytest.mark.parametrize("key", ["user", lambda call: call.request.user])
def test_each_key_has_its_own_limit(key):
    gate = start("1/s", key=key)
    assert arrive(gate, 0.0, user="a")[1] == 0
    assert arrive(gate, 0.0, user="b")[1] == 0
    assert refused(gate, 0.0, user="a").retry_after == 1.0
    assert arrive(gate, 0.0, user=None)[1] == 0  # those without a user share one limit
    refused(gate, 0.0, user=None)
    assert gate.snapshot(0.0) == {
        "rate": 1.0,
        "burst": 1.0,
        "refused": 2,
        "keys": 3,
        "max_keys": 100_000,
        "overflowed": 0,
    }
    assert refused(gate, 0.0, user="a").key == "a"
    assert refused(gate, 0.0, user=None).key is None
    assert "'b'" not in str(refused(gate, 0.0, user="b"))


@pytest.mark.parametrize("cost", ["tokens", lambda call: call.request.tokens])
def test_cost_by_the_request(cost):
    gate = start("10/s", cost=cost)
    assert arrive(gate, 0.0, tokens=7.5)[1] == 0
    assert arrive(gate, 0.0, tokens=0)[1] == 0  # free
    assert refused(gate, 0.0, tokens=5).retry_after == 0.25
    assert arrive(gate, 0.0, tokens=2.5)[1] == 0
    assert gate.snapshot(0.0)["remaining"] == 0


def test_cost_written_down():
    gate = start("10/s", cost=5)
    assert [arrive(gate, 0.0)[1], arrive(gate, 0.0)[1]] == [0, 0]
    refused(gate, 0.0)


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        ({"user": ["a"], "tokens": 1}, TypeError, "RateLimit: the key is a list, which has no hash"),
        ({"user": "a", "tokens": "1"}, TypeError, "RateLimit: the cost is a str: make it an int or a float"),
        ({"user": "a", "tokens": None}, TypeError, "RateLimit: the cost is a NoneType"),
        ({"user": "a", "tokens": True}, TypeError, "RateLimit: the cost is a bool"),
        ({"user": "a", "tokens": -1}, ValueError, "RateLimit: the cost is -1: make it finite, 0"),
        ({"user": "a", "tokens": NAN}, ValueError, "RateLimit: the cost is nan"),
        ({"user": "a", "tokens": INF}, ValueError, "RateLimit: the cost is inf"),
        ({"tokens": 1}, AttributeError, "user"),
    ],
)
def test_what_a_key_or_cost_function_does_wrong_is_seen_and_changes_nothing(request_, error, says):
    """It is raised from ``facts``, before anything is taken: neither swallowed, nor charged to somebody else."""
    gate = start("1/s", key="user", cost="tokens")
    arrive(gate, 0.0, user="b", tokens=1)
    before = dict(gate.cells.tats)
    with pytest.raises(error, match=says.replace("(", r"\(")):
        arrive(gate, 0.0, **request_)
    assert gate.cells.tats == before
    refused(gate, 0.0, user="b", tokens=1)


def test_user_code_runs_in_facts_only():
    """``enter`` runs under the one lock, where no user code belongs."""
    asked = []
    gate = start("10/s", key=lambda call: asked.append("key"), cost=lambda call: asked.append("cost") or 1)
    call = Call(DOOR, None, 0.0)
    call.facts = {gate: gate.facts(call)}
    assert asked == ["key", "cost"]
    gate.enter(call, 0.0)
    gate.enter(call, 0.0)
    assert asked == ["key", "cost"]


# Settling.


def end(gate, call, began, now, *, spent=None, verdict=SUCCESS):
    call.spent = spent
    gate.exit(call, began, now, verdict)


def test_settles_what_was_spent():
    gate = start("10/s", cost=5, settle=True)
    call, _ = arrive(gate, 0.0)
    end(gate, call, 0.0, 0.0, spent=1)
    assert gate.snapshot(0.0)["remaining"] == 9
    call, _ = arrive(gate, 0.0)
    assert not gate.idle()
    end(gate, call, 0.0, 0.0, spent=109)
    assert gate.idle()
    assert refused(gate, 0.0).retry_after == 10.5


def test_settles_under_the_key():
    gate = start("10/s", key="user", cost="tokens", settle=True)
    one, _ = arrive(gate, 0.0, user="a", tokens=10)
    other, _ = arrive(gate, 0.0, user="b", tokens=10)
    end(gate, one, 0.0, 0.0, spent=0)
    end(gate, other, 0.0, 0.0, spent=20)
    assert arrive(gate, 0.0, user="a", tokens=10)[1] == 0
    assert refused(gate, 0.0, user="b", tokens=1).retry_after == pytest.approx(1.1)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_whoever_knows_what_it_cost_is_believed_and_without_a_word_the_estimate_stands(verdict):
    gate = start("10/s", cost=5, settle=True)
    call, _ = arrive(gate, 0.0)
    end(gate, call, 0.0, 0.0, spent=2, verdict=verdict)
    assert gate.snapshot(0.0)["remaining"] == 8
    call, _ = arrive(gate, 0.0)
    end(gate, call, 0.0, 0.0, verdict=verdict)
    assert gate.snapshot(0.0)["remaining"] == 3


@pytest.mark.parametrize(
    "spent", [NAN, INF, -INF, -1, True, "7", b"7", [1], 10**400, 1e300, 1j], ids=lambda v: repr(v)[:9]
)
def test_spent_on_nonsense_the_estimate_stands(spent):
    gate = start("10/s", cost=5, settle=True)
    call, _ = arrive(gate, 0.0)
    end(gate, call, 0.0, 0.0, spent=spent)
    assert gate.snapshot(0.0)["remaining"] == 5


def test_what_the_attempt_before_spent_is_not_charged_again():
    gate = start("10/s", cost=5, settle=True)
    call, _ = arrive(gate, 0.0)
    end(gate, call, 0.0, 0.0, spent=1)
    gate.enter(call, 0.0)  # inside a retry: the same call
    gate.exit(call, 0.0, 0.0, Verdict.FAILURE)  # nobody says what this one cost
    assert gate.snapshot(0.0)["remaining"] == 4


def test_given_up_before_its_turn_nothing_was_spent():
    gate = start("1/s", wait=10.0, settle=True)
    arrive(gate, 0.0)
    call, wait = arrive(gate, 0.0)
    end(gate, call, wait, 0.5, spent=7, verdict=IGNORED)
    assert arrive(gate, 0.5)[1] == 0.5


def test_settle_is_a_yes_or_no():
    with pytest.raises(ConfigError, match="RateLimit: settle='yes': write True or False"):
        RateLimit("1/s", settle="yes")


# What fields say of it.


@pytest.mark.parametrize(
    ("rate", "burst", "q", "w"),
    [
        ("100/min", None, 100, 60),
        ("100/min", 10, 10, 6),
        ("100/s", 10, 100, 1),
        ("1/10s", None, 1, 10),
        ("5000/h", 10, 11, 8),
        ("2/s", 3, 4, 2),
        ("1/100ms", None, 10, 1),
        (0.3, None, 1, 4),
        (1e-9, None, 1, 10**9),
        (1e9, None, 10**9, 1),
        ("1000/day", None, 1000, 86400),
    ],
)
def test_the_policy_in_whole_seconds(rate, burst, q, w):
    spec = RateLimit(rate, burst=burst)
    assert spec.quota_policy == spec.start(Random(0)).quota_policy == (q, w)
    assert q >= spec.depth or spec.per_second * w < 1  # what is left is never more than what is allowed
    assert q <= max(1, spec.per_second * w * 1.001)


def test_quota_is_that_of_the_calls_key_and_reading_changes_nothing():
    gate = start("2/s", key="user")
    call, _ = arrive(gate, 0.0, user="a")
    before = dict(gate.cells.tats)
    assert gate.quota(call, 0.0) == (1.0, 0.5)
    other = Call(DOOR, SimpleNamespace(user="b"), 0.0)
    assert gate.quota(other, 0.0) is None  # it did not come so far as to be asked
    other.facts = {gate: ("b", 1)}
    assert gate.quota(other, 0.0) == (2.0, 0.5)
    assert gate.cells.tats == before
    assert start("2/s").quota(other, 0.0) == (2.0, 0.5)
