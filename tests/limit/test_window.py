"""FixedWindow and SlidingWindow: what may be written, and the gates in front of the counts."""

from random import Random
from types import SimpleNamespace

import pytest

from meshkit.call import Call, Verdict
from meshkit.errors import ConfigError, RateLimited
from meshkit.limit.window import FixedWindow, SlidingWindow
from meshkit.policy import Gate

SUCCESS = Verdict.SUCCESS
NAN, INF = float("nan"), float("inf")
DOOR = SimpleNamespace(fact=lambda call, name: getattr(call.request, name))
BOTH = pytest.mark.parametrize("spec", [FixedWindow, SlidingWindow])


def start(spec, *args, **options):
    return spec(*args, **options).start(Random(0))


def arrive(gate, now, **request):
    call = Call(DOOR, SimpleNamespace(**request), now)
    if gate.facts is not None:
        call.facts = {gate: gate.facts(call)}
    return call, gate.enter(call, now)


def refused(gate, now, **request):
    with pytest.raises(RateLimited) as caught:
        arrive(gate, now, **request)
    return caught.value


@BOTH
@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        *(
            ("rate", value, 'write a count and a time, such as "100/s"')
            for value in ("100", "0/s", "-1/s", 0, NAN, None)
        ),
        *(("cost", value, "give a number above 0, the name of") for value in (0, -1, NAN, INF, "", None, True)),
        ("cost", 11, "no call could ever go: give a cost up to the count of 10, or a larger count"),
        *(("key", value, "give the name of an attribute of the request") for value in ("", 3, True)),
        *(("max_keys", value, "give a whole number from 1 to") for value in (0, 1.5, True)),
        *(("settle", value, "write True or False") for value in (1, None, "yes")),
        *(("name", value, "give a name in a string") for value in ("", None)),
    ],
)
def test_not_an_option(spec, option, value, fix):
    with pytest.raises(ConfigError) as caught:
        spec(**{"rate": "10/s", option: value})
    for part in (f"{spec.__name__}: {option}=", repr(value), fix):
        assert part in str(caught.value)


@BOTH
def test_a_spec_is_a_value_and_its_states_are_independent(spec):
    assert spec("1/s") == spec("1/s")
    assert hash(spec("1/s")) == hash(spec("1/s"))
    assert isinstance(start(spec, "1/s"), Gate)
    one, other = start(spec, "1/s"), start(spec, "1/s")
    assert (arrive(one, 0.0)[1], arrive(other, 0.0)[1]) == (0, 0)
    refused(one, 0.0)


def test_windows_stand_on_the_clocks_zero():
    gate = start(FixedWindow, "2/min")
    assert (gate.exit, gate.facts, gate.idle()) == (None, None, True)
    assert [arrive(gate, now)[1] for now in (59.0, 59.0, 60.0, 60.0)] == [0, 0, 0, 0]  # four within a second
    error = refused(gate, 60.0)
    assert (error.policy, error.retry_after) == ("FixedWindow", 60.0)
    assert str(error) == "FixedWindow: limit of 2/min reached; try again in 60 s"


def test_a_window_that_slides_remembers_the_one_before():
    gate = start(SlidingWindow, "2/min", name="per user")
    assert [arrive(gate, 59.0)[1] for _ in range(2)] == [0, 0]
    assert str(refused(gate, 60.0)) == "per user: limit of 2/min reached; try again in 30 s"
    assert arrive(gate, 90.0)[1] == 0


@BOTH
def test_a_number_is_a_count_per_second(spec):
    gate = start(spec, 2.5)
    assert [arrive(gate, 0.0)[1], arrive(gate, 0.0)[1]] == [0, 0]
    refused(gate, 0.0)
    assert gate.snapshot(0.0) == {"limit": 2.5, "period": 1.0, "refused": 1, "remaining": 0.5}


@BOTH
def test_keys_and_costs(spec):
    gate = start(spec, "10/s", key="user", cost="tokens")
    assert arrive(gate, 0.0, user="a", tokens=10)[1] == 0
    assert arrive(gate, 0.0, user="b", tokens=7.5)[1] == 0
    assert arrive(gate, 0.0, user="a", tokens=0)[1] == 0  # free
    refused(gate, 0.0, user="a", tokens=1)
    assert refused(gate, 0.0, user="c", tokens=10.5).retry_after is None  # it can never go
    shown = {"limit": 10.0, "period": 1.0, "refused": 2, "keys": 2, "max_keys": 100_000, "overflowed": 0}
    assert gate.snapshot(0.0) == shown
    assert refused(gate, 0.0, user="a", tokens=1).key == "a"
    with pytest.raises(TypeError, match="the key is a list, which has no hash"):
        arrive(gate, 0.0, user=[], tokens=1)
    with pytest.raises(ValueError, match="the cost is nan"):
        arrive(gate, 0.0, user="a", tokens=NAN)


@BOTH
def test_settles_what_was_spent(spec):
    gate = start(spec, "10/s", cost=5, settle=True)
    call, _ = arrive(gate, 0.0)
    call.spent = 1
    gate.exit(call, 0.0, 0.0, SUCCESS)
    assert gate.snapshot(0.0)["remaining"] == 9
    gate.enter(call, 0.0)  # inside a retry: what the attempt before spent is not charged again
    gate.exit(call, 0.0, 0.0, SUCCESS)
    assert gate.snapshot(0.0)["remaining"] == 4
    call, _ = arrive(start(spec, "10/s"), 0.0)
    assert gate.idle()


@BOTH
@pytest.mark.parametrize("spent", [NAN, INF, -1, True, "7", 10**400, None], ids=lambda value: repr(value)[:9])
def test_spent_on_nonsense_the_estimate_stands(spec, spent):
    gate = start(spec, "10/s", cost=5, settle=True)
    call, _ = arrive(gate, 0.0)
    call.spent = spent
    gate.exit(call, 0.0, 0.0, SUCCESS)
    assert gate.snapshot(0.0)["remaining"] == 5


@BOTH
def test_quota_and_policy(spec):
    assert spec("100/min").quota_policy == (100, 60)
    assert spec("1/100ms").quota_policy == (10, 1)
    assert spec("3/1.5s").quota_policy == (4, 2)
    gate = start(spec, "3/min", key="user")
    call, _ = arrive(gate, 15.0, user="a")
    assert gate.quota_policy == (3, 60)
    assert gate.quota(call, 15.0) == pytest.approx((2.0, 65.0 if spec is SlidingWindow else 45.0))
    assert gate.quota(Call(DOOR, None, 0.0), 15.0) is None
    assert gate.quota(call, 75.0) == ((2.25, 45.0) if spec is SlidingWindow else (3.0, 45.0))
    unused = start(spec, "3/min").quota(Call(DOOR, None, 0.0), 15.0)
    assert unused == pytest.approx((3.0, 65.0 if spec is SlidingWindow else 45.0))
