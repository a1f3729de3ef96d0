"""LoadShed: who goes at which pressure, what garbage counts as, and that nothing is left over."""

from __future__ import annotations

import enum
import math
from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit import ConfigError, Overloaded, Pipeline
from meshkit.call import Call, Verdict
from meshkit.limit.shed import LEVELS, LoadShed, level_of, places
from meshkit.policy import Gate
from meshkit.testing import check

IGNORED, SUCCESS = Verdict.IGNORED, Verdict.SUCCESS
DOOR = SimpleNamespace(fact=lambda call, name: getattr(call.request, name))
SHARES = (1.0, 0.9, 0.8, 0.6)
NAN, INF = math.nan, math.inf


def start(*args, **options):
    return LoadShed(*args, **options).start(Random(0))


def arrive(gate, now=0.0, **request):
    call = Call(DOOR, SimpleNamespace(**request), now)
    if gate.facts is not None:
        call.facts = {gate: gate.facts(call)}
    assert gate.enter(call, now) is None
    return call


def goes(gate, **request):
    try:
        arrive(gate, **request)
    except Overloaded:
        return False
    return True


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        *(("limit", value, "give a whole number from 1 to") for value in (0, -1, 1.5, NAN, "5", True)),
        *(("signal", value, "give a function without arguments") for value in (0.5, "loop_lag", True)),
        *(("threshold", value, "give a number from 1e-09 to") for value in (0, -1, NAN, INF, "1s", True, None)),
        *(("priority", value, "give the name of an attribute of the request") for value in ("", " ", 3, ["host"])),
        *(("default", value, "give a level from 0 to 3, or one of") for value in (-1, 4, 1.0, "vital", None, True)),
        *(
            ("shed_from", value, "give 4 shares above 0 and up to 1, the largest first")
            for value in (
                0.9,
                (1.0, 0.9, 0.8),
                (1.0, 0.9, 0.8, 0.6, 0.5),
                (1.1, 0.9, 0.8, 0.6),
                (1.0, 0.8, 0.9, 0.6),
                (1.0, 0.9, 0.8, 0.0),
                (1.0, 0.9, NAN, 0.6),
                (1.0, 0.9, 0.8, True),
                (1.0, 0.9, 0.8, "0.6"),
                "1111",
            )
        ),
        *(("retry_after", value, "give a duration in seconds, 0 or more") for value in (-1, NAN, INF, "1", True)),
        *(("name", value, "give a name in a string") for value in ("", None, 3)),
    ],
)
def test_not_an_option(option, value, fix):
    with pytest.raises(ConfigError) as caught:
        LoadShed(**{"limit": 5, "signal": float, option: value})
    for part in (f"LoadShed: {option}=", repr(value), fix):
        assert part in str(caught.value)


def test_options_that_say_nothing():
    with pytest.raises(ConfigError, match="signal=None: nothing tells the pressure: give a limit or a signal"):
        LoadShed()
    with pytest.raises(ConfigError, match=r"threshold=0\.1: a threshold is a signal's: add one"):
        LoadShed(10, threshold=0.1)


def test_a_spec_is_a_value_and_its_states_are_independent():
    spec = LoadShed(1, shed_from=[1, 0.9, 0.8, 0.6])
    assert spec == LoadShed(1)
    assert hash(spec) == hash(LoadShed(1))
    one, other = spec.start(Random(0)), spec.start(Random(0))
    assert isinstance(one, Gate)
    assert goes(one)
    assert goes(other)


# The table: with so many in flight of ten, which levels go?


@pytest.mark.parametrize(
    ("in_flight", "levels"),
    [(0, 4), (5, 4), (6, 3), (7, 3), (8, 2), (9, 1), (10, 0), (11, 0)],
)
def test_levels_by_what_is_in_flight(in_flight, levels):
    for level in range(4):
        gate = start(10, priority="level")
        gate.levels[0] = in_flight
        assert goes(gate, level=level) is (level < levels)


@pytest.mark.parametrize(
    ("lag", "levels"),
    [(0.0, 4), (0.299, 4), (0.3, 3), (0.399, 3), (0.4, 2), (0.45, 1), (0.499, 1), (0.5, 0), (9.0, 0), (INF, 0)],
)
def test_levels_by_the_signal(lag, levels):
    gate = start(signal=lambda: lag, threshold=0.5, priority="level")
    assert [goes(gate, level=level) for level in range(4)] == [level < levels for level in range(4)]


def test_the_larger_of_the_two_pressures_counts():
    quiet, loud = start(10, signal=lambda: 0.0, priority="level"), start(10, signal=lambda: 0.85, priority="level")
    assert [goes(quiet, level=2), goes(loud, level=2)] == [True, False]
    for gate in (quiet, loud):
        gate.levels[0] = 9
        assert not goes(gate, level=1)
    quiet.levels[2] = 0
    assert [goes(quiet, level=0), goes(loud, level=0)] == [True, True]


def test_without_a_priority_it_is_a_limit():
    gate = start(3)
    calls = [arrive(gate) for _ in range(3)]
    assert not goes(gate)
    gate.exit(calls[0], 0.0, 1.0, IGNORED)
    assert goes(gate)
    assert gate.snapshot(1.0) == {"in_flight": 3, "shed": 1, "limit": 3}


def test_without_a_limit_only_the_signal_sheds():
    gate = start(signal=lambda: 0.0)
    assert all(goes(gate) for _ in range(10_000))


def test_something_goes_when_nothing_is_in_flight():
    gate = start(1, priority="level", shed_from=(0.1, 0.1, 0.1, 0.1))
    assert goes(gate, level=3)
    assert not goes(gate, level=0)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 49, 100, 1499])
def test_places_are_the_formula_itself(limit):
    """The least n with n / limit >= share, or 1: at each share k / limit, and one float to either side."""
    for k in range(1, limit + 1):
        for share in (k / limit, math.nextafter(k / limit, 0.0), min(1.0, math.nextafter(k / limit, 2.0))):
            n = places(limit, share)
            assert n == 1 or (n / limit >= share > (n - 1) / limit)
            assert 1 <= n <= limit


# What a request may claim.


class Rank(enum.IntEnum):
    LOW = 3


class Word(enum.StrEnum):
    HIGH = "critical_plus"


class Hostile:
    def __eq__(self, other):
        raise RuntimeError

    __hash__ = None


CLAIMS = [
    *enumerate(range(4)),
    *((word, level) for level, word in enumerate(LEVELS)),
    *((str(level), level) for level in range(4)),
    *(("CRITICAL_PLUS", 0), ("sheddable-plus", 2), (" Sheddable ", 3), (Rank.LOW, 3), (Word.HIGH, 0)),
    *((garbage, 1) for garbage in (None, "", "vital", -1, 4, 10**400, 2.0, NAN, True, False, b"sheddable", [], ())),
    *((garbage, 1) for garbage in ("x" * 10**7, "\0", "critical" + " " * 100 + "plus", Hostile(), "³", "-0")),
]


@pytest.mark.parametrize("row", range(len(CLAIMS)))
def test_what_a_priority_counts_as(row):
    claimed, level = CLAIMS[row]
    assert level_of(claimed, 1) == level
    gate = start(10, priority="level")
    arrive(gate, level=claimed)
    assert gate.levels.index(1) == level


@given(st.text() | st.integers() | st.binary() | st.floats() | st.none() | st.lists(st.integers()))
def test_no_priority_raises(claimed):
    gate = start(10, priority=lambda call: claimed, default=3)
    arrive(gate)
    assert sum(gate.levels) == 1


def test_a_priority_that_raises_is_the_default():
    gate = start(10, priority="no_such_attribute", default="sheddable")
    call = arrive(gate)
    assert gate.levels == [0, 0, 0, 1]
    gate.exit(call, 0.0, 1.0, SUCCESS)
    assert gate.idle()


def test_a_name_that_the_door_does_not_know_is_an_error():
    def served(user):
        return user

    stack = Pipeline(LoadShed(10, priority="header:x-priority"))
    with pytest.raises(ConfigError, match=r"LoadShed: priority='header:x-priority': .* one of \['user'\]"):
        stack(served)


def test_priority_through_a_pipeline():
    pipeline = Pipeline(LoadShed(2, priority="rank", name="front"))

    @pipeline
    def served(rank, inner=None):
        return served(inner) if inner is not None else rank

    assert served("sheddable") == "sheddable"
    with pytest.raises(Overloaded, match="front: critical calls are shed: 2 in flight of 2"):
        pipeline.call(lambda rank: served("critical", "critical"), rank="critical_plus")
    assert pipeline.idle()


# What a signal may answer.


@pytest.mark.parametrize("answer", [NAN, None, "0.9", 1j, object(), b"", []])
def test_a_signal_that_says_nothing_sheds_nobody_and_is_counted(answer):
    gate = start(5, signal=lambda: answer)
    arrive(gate)
    assert gate.snapshot(0.0) == {"in_flight": 1, "shed": 0, "limit": 5, "blind": 1}


def test_a_signal_that_raises_sheds_nobody_and_is_counted():
    gate = start(1, signal=lambda: 1 / 0)
    arrive(gate)
    assert not goes(gate)  # the limit still holds
    assert gate.blind == 2


@pytest.mark.parametrize(
    ("answer", "shed"), [(True, True), (False, False), (10**400, True), (-(10**400), False), (-3, False), (2, True)]
)
def test_what_is_a_number(answer, shed):
    assert goes(start(signal=lambda: answer)) is not shed


# What those are told who are shed.


def test_the_refusal_says_which_level_and_why():
    gate = start(5, priority="level", retry_after=2.0, name="api")
    gate.levels[0] = 3
    with pytest.raises(Overloaded) as caught:
        arrive(gate, level=3)
    assert str(caught.value) == "api: sheddable calls are shed: 3 in flight of 5; try again in 2 s"
    assert (caught.value.policy, caught.value.retry_after) == ("api", 2.0)
    gate = start(signal=lambda: 0.25, threshold=0.1, name="api")
    with pytest.raises(Overloaded) as caught:
        arrive(gate)
    assert str(caught.value) == "api: critical_plus calls are shed: the signal is at 2.5 of its threshold"
    assert caught.value.retry_after is None


def test_the_snapshot_is_flat():
    gate = start(4, priority="level", signal=lambda: 0.7)
    arrive(gate, level=0)
    assert not goes(gate, level=3)
    assert gate.snapshot(0.0) == {
        "in_flight": 1,
        "shed": 1,
        "limit": 4,
        "blind": 0,
        "critical_plus": 1,
        "critical_plus_shed": 0,
        "critical": 0,
        "critical_shed": 0,
        "sheddable_plus": 0,
        "sheddable_plus_shed": 0,
        "sheddable": 0,
        "sheddable_shed": 1,
    }


# The whole against an oracle that keeps a list.

steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 3), st.floats(0, 1.2)), st.tuples(st.just("end"), st.integers(0, 99))
    ),
    max_size=80,
)


@given(steps, st.integers(1, 12))
def test_against_a_list(steps, limit):
    said = [0.0]
    gate = start(limit, signal=lambda: said[0], priority="level")
    under_way = []
    for verb, number, *signal in steps:
        if verb == "call":
            said[0] = signal[0]
            may = (len(under_way) / limit < SHARES[number] or not under_way) and signal[0] < SHARES[number]
            try:
                under_way.append(arrive(gate, level=number))
                assert may
            except Overloaded:
                assert not may
        elif under_way:
            gate.exit(under_way.pop(number % len(under_way)), 0.0, 1.0, IGNORED)
        assert gate.snapshot(0.0)["in_flight"] == len(under_way) <= limit
    for call in under_way:
        gate.exit(call, 0.0, 1.0, SUCCESS)
    assert gate.idle()


@pytest.mark.parametrize(
    "spec",
    [
        LoadShed(2),
        LoadShed(3, priority="user", retry_after=1.0),
        LoadShed(signal=lambda: 0.5, threshold=0.6, priority="user"),
    ],
    ids=["limit", "priority", "signal"],
)
def test_the_laws(spec):
    """Who was shed is counted: that much of a trace a refusal leaves."""
    check(lambda: spec, counts_rejections=True, examples=30)
