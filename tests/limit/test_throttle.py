"""Throttle: the book's rows, the window against a list, the statistics of the draw, an outage and the way back."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import ConfigError, Overloaded
from meshkit.call import Call, Verdict
from meshkit.limit.throttle import Throttle, refusing
from meshkit.policy import Gate
from meshkit.testing import check

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
NAN, INF = math.nan, math.inf


def start(seed=0, **options):
    return Throttle(**options).start(Random(seed))


def call():
    return Call(None, None, 0.0)


def end(gate, now, verdict, times=1):
    for _ in range(times):
        gate.exit(call(), now, now, verdict)


def goes(gate, now):
    try:
        gate.enter(call(), now)
    except Overloaded:
        return False
    return True


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        *(("k", value, "give a number from 1 to 1000") for value in (0.9, 0, -2, NAN, INF, "2", True, None)),
        *(("window", value, "give a duration in seconds, above 0") for value in (0, -1, NAN, INF, "120s", True)),
        *(("minimum", value, "give a whole number from 1 to") for value in (0, -1, 1.5, NAN, "5", True)),
        *(("ceiling", value, "give a ratio above 0 and up to 1") for value in (0, 1.1, -0.5, NAN, "1", True)),
        *(("failures", value, "write one of 'accepted', 'refused'") for value in ("ignored", None, True)),
        *(("name", value, "give a name in a string") for value in ("", None)),
    ],
)
def test_not_an_option(option, value, fix):
    with pytest.raises(ConfigError) as caught:
        Throttle(**{option: value})
    for part in (f"Throttle: {option}=", repr(value), fix):
        assert part in str(caught.value)


def test_a_spec_is_a_value_and_its_states_are_independent():
    spec = Throttle(minimum=1)
    assert Throttle() == Throttle(2.0, window=120.0)
    one, other = spec.start(Random(0)), spec.start(Random(0))
    assert isinstance(one, Gate)
    end(one, 0.0, OVERLOADED, 9)
    assert [one.snapshot(0.0)["requests"], other.snapshot(0.0)["requests"]] == [9, 0]


# Google SRE book, chapter 21: max(0, (requests - K * accepts) / (requests + 1)), K = 2.
ROWS = [
    (0, 0, 0.0),
    (100, 100, 0.0),
    (100, 50, 0.0),
    (100, 40, 20 / 101),
    (100, 0, 100 / 101),
    (1000, 250, 500 / 1001),
]


@pytest.mark.parametrize(("requests", "accepts", "share"), ROWS)
def test_the_rows_of_the_book(requests, accepts, share):
    assert refusing(requests, accepts, 2.0) == share
    gate = start(ceiling=1.0, minimum=1)
    end(gate, 5.0, SUCCESS, accepts)
    end(gate, 5.0, OVERLOADED, requests - accepts)
    shown = gate.snapshot(5.0)
    assert shown == {"requests": requests, "accepts": accepts, "refusing": share, "refused": 0}


# envoyproxy/envoy: ((total - success / threshold) / (total + 1)) ** (1 / aggression); so k is 1 / threshold.
@pytest.mark.parametrize("threshold", [0.95, 0.5, 1.0])
@pytest.mark.parametrize(("total", "success"), [(100, 90), (100, 40), (1000, 0), (10, 10)])
def test_envoys_admission_control_of_aggression_one(threshold, total, success):
    assert refusing(total, success, 1 / threshold) == pytest.approx(
        max(0.0, (total - success / threshold) / (total + 1))
    )


# What counts.


@pytest.mark.parametrize(
    ("failures", "verdict", "counts"),
    [
        ("accepted", SUCCESS, (1, 1)),
        ("accepted", FAILURE, (1, 1)),
        ("accepted", OVERLOADED, (1, 0)),
        ("accepted", IGNORED, (0, 0)),
        ("refused", SUCCESS, (1, 1)),
        ("refused", FAILURE, (1, 0)),
        ("refused", OVERLOADED, (1, 0)),
        ("refused", IGNORED, (0, 0)),
    ],
)
def test_what_a_verdict_counts_as(failures, verdict, counts):
    gate = start(failures=failures)
    assert goes(gate, 1.0)
    assert gate.snapshot(1.0)["requests"] == 0  # under way is neither
    end(gate, 1.0, verdict)
    shown = gate.snapshot(1.0)
    assert (shown["requests"], shown["accepts"]) == counts


def test_what_is_refused_here_is_a_request_and_no_accept():
    gate = start(minimum=1)
    end(gate, 0.0, OVERLOADED, 1000)
    refused = sum(not goes(gate, 0.0) for _ in range(100))
    assert 0 < refused < 100
    assert gate.snapshot(0.0) == {"requests": 1000 + refused, "accepts": 0, "refusing": 0.9, "refused": refused}


def test_below_the_minimum_nothing_is_refused():
    gate = start(minimum=20, ceiling=1.0)
    end(gate, 0.0, OVERLOADED, 19)
    assert all(goes(gate, 0.0) for _ in range(1000))
    end(gate, 0.0, OVERLOADED)
    assert gate.snapshot(0.0)["refusing"] == 20 / 21
    assert not all(goes(gate, 0.0) for _ in range(1000))


def test_many_slow_calls_under_way_are_no_refusal():
    gate = start(minimum=1)
    assert all(goes(gate, 0.0) for _ in range(10_000))
    end(gate, 60.0, SUCCESS, 10_000)
    assert gate.snapshot(60.0)["refusing"] == 0.0


def test_nothing_is_drawn_while_nothing_is_refused():
    rng = Random(1)
    before = rng.getstate()
    gate = Throttle(minimum=1).start(rng)
    end(gate, 0.0, SUCCESS, 50)
    end(gate, 0.0, OVERLOADED, 50)
    assert goes(gate, 0.0)
    assert rng.getstate() == before


def test_the_refusal_says_what_was_counted():
    gate = start(minimum=1, name="search")
    end(gate, 0.0, SUCCESS, 40)
    end(gate, 0.0, OVERLOADED, 60)
    one = call()
    one.endpoint = "10.0.0.7:443"
    gate._draw = lambda: 0.0
    with pytest.raises(Overloaded) as caught:
        gate.enter(one, 0.0)
    assert str(caught.value) == "search/10.0.0.7:443: 40 of the last 100 calls were accepted, refusing 19.8 %"
    assert caught.value.retry_after is None


# The window.


@pytest.mark.parametrize(
    ("at", "now", "counts"),
    [
        (5.0, 5.0, 1),
        (5.0, 99.9, 1),
        (5.0, 100.0, 0),
        (9.9, 99.9, 1),
        (10.0, 109.9, 1),
        (10.0, 110.0, 0),
        (5.0, 1e12, 0),
    ],
)
def test_the_window_in_slots_of_a_tenth(at, now, counts):
    gate = start(window=100.0)
    end(gate, at, OVERLOADED)
    assert gate.snapshot(now)["requests"] == counts
    end(gate, now, IGNORED)
    assert gate.snapshot(now)["requests"] == counts


events = st.lists(
    st.tuples(st.sampled_from("ccesof"), st.sampled_from([0.0, 0.0, 0.05, 0.125, 0.5, 1.0, 3.0])), max_size=120
)


@settings(max_examples=150)
@given(events, st.floats(0, 100), st.sampled_from([1.0, 1.25, 2.0]), st.integers(0, 9))
def test_against_a_list(events, now, k, seed):
    """Counts, share and each single draw, against a list of what happened and a generator of the same seed."""
    gate = start(seed, k=k, window=2.5, minimum=3)
    luck = Random(seed)
    happened = []

    def counted():
        slot = now // 0.25
        seen = [accepted for at, accepted in happened if slot - at // 0.25 < 10]
        return len(seen), sum(seen)

    for kind, passed in events:
        now += passed
        requests, accepts = counted()
        share = 0.0 if requests < 3 else min(0.9, max(0.0, (requests - k * accepts) / (requests + 1)))
        shown = gate.snapshot(now)
        assert (shown["requests"], shown["accepts"], shown["refusing"]) == (requests, accepts, share)
        if kind in "ce":
            refused = share > 0.0 and luck.random() < share
            assert goes(gate, now) is not refused
            if refused:
                happened.append((now, False))
        else:
            end(gate, now, {"s": SUCCESS, "o": OVERLOADED, "f": FAILURE}[kind])
            happened.append((now, kind in "sf"))


# Statistics, seeded. Four standard deviations of a binomial: a false alarm in 16 000 seeds, and these three are fixed.


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("accepts", [0, 100, 300, 400])
def test_the_share_that_is_refused(seed, accepts):
    n = 4000
    share = min(0.9, refusing(1000, accepts, 2.0))
    refused = 0
    spec, rng = Throttle(), Random(seed)
    for _ in range(n):  # each draw at the same counts
        gate = spec.start(rng)
        gate._requests, gate._accepts = 1000, accepts
        refused += not goes(gate, 0.0)
    assert abs(refused - n * share) <= 4 * math.sqrt(n * share * (1 - share))


def play(gate, rng, seconds, rate, capacity):
    """An upstream that accepts so many calls in each second and turns away the rest: (asked, sent, accepted)."""
    asked = sent = accepted = 0
    for second in seconds:
        left = capacity
        now = float(second)
        while (now := now + rng.expovariate(rate)) < second + 1:
            asked += 1
            if goes(gate, now):
                sent += 1
                accepted += left > 0
                end(gate, now, SUCCESS if left > 0 else OVERLOADED)
                left -= 1
    return asked, sent, accepted


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rate", "capacity"), [(100, 20), (100, 45), (50, 10)])
def test_an_overloaded_upstream_is_sent_k_times_what_it_accepts(seed, rate, capacity):
    gate, rng = start(seed, window=20.0), Random(seed)
    play(gate, rng, range(60), rate, capacity)
    _, sent, accepted = play(gate, rng, range(60, 180), rate, capacity)
    assert 1.85 < sent / accepted < 2.15
    assert accepted > 0.9 * 120 * capacity  # and what it can do is used


def test_nothing_is_refused_while_half_is_accepted():
    gate, rng = start(0, window=20.0), Random(0)
    asked, sent, _ = play(gate, rng, range(120), 100, 60)
    assert sent > 0.999 * asked


def back_in(seed, rate, **options):
    """An upstream that accepts all, then for ten minutes nothing, then all: the share sent during the outage, and for
    how long after it more than a hundredth was still refused, in steps of half a minute.
    """
    gate, rng = start(seed, **options), Random(seed)
    play(gate, rng, range(120), rate, INF)
    play(gate, rng, range(120, 240), rate, 0)
    asked, sent, _ = play(gate, rng, range(240, 720), rate, 0)
    share = sent / asked
    for begin in range(720, 1920, 30):
        asked, sent, _ = play(gate, rng, range(begin, begin + 30), rate, INF)
        if sent > 0.99 * asked:
            return share, begin - 720
    return share, INF


@pytest.mark.parametrize("seed", range(3))
def test_an_outage_and_the_way_back(seed):
    share, seconds = back_in(seed, 20)
    assert 0.08 < share < 0.12
    assert 180 <= seconds <= 270


def test_without_the_ceiling_the_way_back_depends_on_the_rate():
    """The formula alone: the more is asked, the longer one call in a window is all there is."""
    assert back_in(0, 5, ceiling=1.0)[1] < back_in(0, 50, ceiling=1.0)[1]
    assert back_in(0, 50, ceiling=1.0)[1] > 480
    assert abs(back_in(0, 5)[1] - back_in(0, 50)[1]) <= 60


@pytest.mark.parametrize(
    "spec",
    [Throttle(minimum=1), Throttle(1.1, window=2.0, minimum=2, failures="refused")],
    ids=["defaults", "failures"],
)
def test_the_laws(spec):
    """A refusal is counted, on purpose."""
    check(lambda: spec, counts_rejections=True, examples=30)
