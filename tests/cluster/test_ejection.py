"""Who goes out, for how long, and who may? Rows of Envoy's own tests, and a naive machine beside ours.

Envoy: ``test/common/upstream/outlier_detection_impl_test.cc``, envoyproxy/envoy
@00bd11e3a4c246a3d7d57f34d36c48af53e26e10;
the room as in ``source/common/upstream/outlier_detection_impl.cc`` @00c7146d95ff67fc55c78f036d6236689b66e72f.
"""

from __future__ import annotations

from math import inf, isclose
from random import Random
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.balance import Member
from meshkit.cluster import Endpoint
from meshkit.cluster.ejection import threshold
from meshkit.cluster.outliers import OutlierDetection

from .traffic import CONNECT_FAILED, Traffic

TEN = OutlierDetection(base_ejection_time=10.0)
RATES = OutlierDetection(enforcing_5xx=0.0)
RATIO = OutlierDetection(enforcing_5xx=0.0, enforcing_success_rate=0.0, enforcing_failure_ratio=1.0)


def fail(traffic: Traffic, now: float, k: int = 0) -> None:
    assert k not in traffic.out
    traffic.load(k, 5, 500, now)
    assert k in traffic.out


# How long.


def test_longer_each_time_and_shorter_after_doing_well() -> None:
    """EjectTimeBackoff: (ejected at, seen out until, back at), with the intervals between."""
    traffic = Traffic(TEN, 1)
    traffic.tend(0.0)
    for ejected_at, out, back_at in [
        (0.0, [], 10.0),
        (10.0, [20.0], 30.0),
        (30.0, [40.0, 50.0], 60.0),
    ]:
        fail(traffic, ejected_at)
        for now in out:
            traffic.tend(now)
            assert traffic.out == [0]
        traffic.tend(back_at)
        assert traffic.out == []
    traffic.tend(70.0)
    traffic.tend(80.0)
    fail(traffic, 80.0)
    traffic.tend(90.0)
    assert traffic.out == [0]
    traffic.tend(100.0)
    assert traffic.out == []
    for k in range(1, 51):
        traffic.tend(100.0 + 10.0 * k)
    fail(traffic, 610.0)
    traffic.tend(620.0)
    assert traffic.out == []


@pytest.mark.parametrize("asked", [[60.1, 70.2, 80.3], [80.0], [61.0, 85.0]])
def test_doing_well_is_told_by_the_time_and_not_by_how_often_somebody_asks(asked: list[float]) -> None:
    traffic = Traffic(TEN, 1)
    for now in (0.0, 10.0, 30.0):
        traffic.tend(now)
        fail(traffic, now)
    traffic.tend(60.0)
    for now in asked:
        traffic.tend(now)
    fail(traffic, 85.0)
    assert traffic.gates[0].returns_at == 85.0 + 20.0


@pytest.mark.parametrize(("longest", "times"), [(300.0, 30), (305.0, 31)])
def test_never_longer_than_the_longest(longest: float, times: int) -> None:
    """MaxEjectTime, MaxEjectTimeNotAlligned: and at its instant, where Envoy comes to it at the end of an interval."""
    traffic = Traffic(OutlierDetection(base_ejection_time=10.0, max_ejection_time=longest), 1)
    now = 0.0
    for k in [*range(1, times + 1), *[times] * 9]:
        traffic.tend(now)
        fail(traffic, now)
        stays = min(10.0 * k, longest)
        traffic.tend(now + stays - 0.5)
        assert traffic.out == [0]
        now += stays
        traffic.tend(now)
        assert traffic.out == []


def test_doing_well_is_counted_in_whole_intervals_and_what_is_left_of_one_is_kept() -> None:
    traffic = Traffic(TEN, 1)
    for now in (0.0, 10.0, 30.0):
        traffic.tend(now)
        fail(traffic, now)
    for now in (60.0, 75.0, 90.0):
        traffic.tend(now)
    fail(traffic, 90.0)
    assert traffic.gates[0].returns_at == 90.0 + 10.0


def test_who_has_come_to_the_longest_has_farther_to_go_back() -> None:
    """``ejectTimeBackoff * base < max + base``: one more than it takes to come to the longest."""
    traffic = Traffic(OutlierDetection(base_ejection_time=10.0, max_ejection_time=15.0), 1)
    now = 0.0
    for times in (1, 2, 3, 3):
        traffic.tend(now)
        fail(traffic, now)
        assert traffic.gates[0].multiplier == times
        now += 15.0


def test_jitter() -> None:
    traffic = Traffic(OutlierDetection(max_ejection_jitter=10.0), 40)
    traffic.detector.size = 1000
    jitters = []
    for k in range(40):
        traffic.load(k, 5, 500, 5.0)
        jitters.append(traffic.gates[k].returns_at - 35.0)
    assert all(0 <= jitter < 10 for jitter in jitters)
    assert len(set(jitters)) == 40
    assert max(jitters) - min(jitters) > 5


def test_the_next_instant() -> None:
    """Whichever is first: the end of the interval, or a return; also when an ejection brings it nearer."""
    traffic = Traffic(OutlierDetection(base_ejection_time=4.0), 1)
    assert traffic.detector.due_at == -inf
    assert traffic.tend(100.0) == 110.0
    fail(traffic, 101.0)
    assert traffic.detector.due_at == 105.0
    assert traffic.tend(104.9) == 105.0
    assert traffic.tend(105.0) == 110.0
    assert traffic.out == []
    assert traffic.tend(112.0) == 122.0  # nobody asked in between


# Who may.


@pytest.mark.parametrize(
    ("share", "one", "number", "most"),
    [
        (0.01, True, 2, 1),  # Overflow
        (0.1, True, 9, 1), (0.1, False, 9, 0), (0.1, False, 10, 1), (0.1, True, 19, 1), (0.1, True, 20, 2),
        (0.29, False, 100, 29), (0.07, False, 100, 7), (1.0, False, 3, 3), (0.0, True, 5, 1), (0.0, False, 5, 0),
        (0.5, False, 3, 1), (0.34, False, 3, 1), (0.33, False, 3, 0),
    ],
)  # fmt: skip
def test_room(share: float, one: bool, number: int, most: int) -> None:
    traffic = Traffic(OutlierDetection(max_ejected=share, always_eject_one=one), number)
    for k in range(number):
        traffic.load(k, 5, 500)
    assert len(traffic.out) == most
    assert traffic.detector.overflows == number - most


def test_room_is_made_by_who_returns() -> None:
    traffic = Traffic(OutlierDetection(), 5)
    traffic.tend(0.0)
    fail(traffic, 0.0, 1)
    traffic.load(2, 5, 500, 20.0)
    assert traffic.out == [1]
    traffic.tend(30.0)
    fail(traffic, 30.0, 2)


def test_who_is_gone() -> None:
    """RemoveWhileEjected, CrossThreadRemoveRace: it takes no room, and is ejected no more."""
    traffic = Traffic(OutlierDetection(), 3)
    traffic.tend(0.0)
    fail(traffic, 0.0)
    gone, gate = traffic.members.pop(0), traffic.gates.pop(0)
    traffic.detector.forget(gone)
    assert traffic.out == []
    assert (gone.ejected, gate.state) == (False, "in")
    fail(traffic, 1.0, 0)
    traffic.tend(31.0)
    gate.detector.eject(gate, "consecutive_5xx", 1.0, 2.0)
    assert not gone.ejected
    traffic.detector.forget(gone)  # twice is once


def test_who_is_gone_without_a_word_and_comes_back() -> None:
    """The end of an interval shows who is there."""
    traffic = Traffic(OutlierDetection(), 3)
    traffic.tend(0.0)
    fail(traffic, 0.0)
    gone, gate = traffic.members.pop(0), traffic.gates.pop(0)
    traffic.tend(10.0)
    assert len(traffic.detector.standings) == 2
    assert not gone.ejected
    assert traffic.out == []
    traffic.members.insert(0, gone)
    traffic.gates.insert(0, gate)
    traffic.tend(20.0)
    fail(traffic, 20.0)


def test_a_member_without_a_gate_is_none_of_ours() -> None:
    traffic = Traffic(OutlierDetection(), 1)
    stranger = Member(Endpoint("10.9.9.9:80"))
    traffic.detector.tend([*traffic.members, stranger], 0.0)
    traffic.detector.tend([*traffic.members, stranger], 10.0)
    traffic.detector.forget(stranger)
    traffic.detector.passed(stranger, 11.0)
    assert not stranger.ejected


@pytest.mark.parametrize("obeys", [True, False])
def test_an_active_check_brings_it_back(obeys: bool) -> None:
    """BasicFlow5xxViaHttpCodesWithActiveHC, and ...WithoutActiveHCUnejecting."""
    traffic = Traffic(OutlierDetection(uneject_on_check=obeys), 2)
    traffic.tend(0.0)
    traffic.detector.passed(traffic.members[0], 0.0)  # not even ejected
    assert traffic.changes == 0
    fail(traffic, 0.0)
    traffic.detector.passed(traffic.members[0], 5.0)
    assert traffic.out == ([] if obeys else [0])
    assert traffic.changes == (2 if obeys else 1)


# Rates.


def test_the_threshold_of_a_worked_example() -> None:
    """The comment in ``successRateEjectionThreshold``: 50 and four 100 have mean 90, deviation 20, threshold 52."""
    mean, low = threshold([0.5, 1.0, 1.0, 1.0, 1.0], 1.9)
    assert isclose(mean, 0.9)
    assert isclose(low, 0.52)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=20), st.floats(0, 5))
def test_the_threshold_is_that_of_the_population(percents: list[int], factor: float) -> None:
    rates = [percent / 100 for percent in percents]
    mean, low = threshold(rates, factor)
    assert isclose(mean, fmean(rates), abs_tol=1e-12)
    if len(set(rates)) == 1:
        assert low == -inf
    else:
        assert isclose(low, fmean(rates) - factor * pstdev(rates), abs_tol=1e-9)


def test_success_rate() -> None:
    """BasicFlowSuccessRateExternalOrigin."""
    traffic = Traffic(RATES, 5)
    traffic.tend(0.0)
    traffic.load_all(200, 200)
    traffic.load(4, 200, 503)
    assert traffic.detector.detected["consecutive_5xx"] == 40
    assert traffic.out == []
    traffic.tend(10.0)
    assert traffic.out == [4]
    assert traffic.changes == 1
    assert traffic.detector.moves == [(traffic.members[4], "in", "ejected")]
    assert traffic.gates[4].snapshot(10.0)["success_rate"] == 0.5
    picture = traffic.detector.snapshot(10.0)
    assert isclose(picture["external_success_rate"], 0.9)
    assert isclose(picture["external_threshold"], 0.52)
    assert "local_threshold" not in picture
    traffic.tend(19.999)
    assert traffic.out == [4]
    traffic.tend(50.001)
    assert traffic.out == []
    assert traffic.detector.moves == [(traffic.members[4], "ejected", "in")]
    traffic.load_all(25, 200, 55.0)
    traffic.load(4, 25, 503, 55.0)
    traffic.tend(60.001)
    assert traffic.out == []
    assert traffic.gates[4].success_rate == 0.5  # 50 requests are enough for the other rule
    assert traffic.gates[0].success_rate is None
    assert traffic.detector.average == {}


def test_success_rate_of_errors_of_ours() -> None:
    """BasicFlowSuccessRateLocalOrigin."""
    traffic = Traffic(OutlierDetection(split=True, enforcing_local=0.0), 5)
    traffic.tend(0.0)
    traffic.load_all(200, 200)
    traffic.load(4, 200, CONNECT_FAILED)
    traffic.tend(10.0)
    assert traffic.out == [4]
    assert traffic.detector.ejected == {"local_success_rate": 1}
    mean, low = traffic.detector.average["local"]
    assert isclose(mean, 0.9)
    assert isclose(low, 0.52)
    assert traffic.detector.average["external"] == (1.0, -inf)


def test_failure_ratio() -> None:
    """BasicFlowFailurePercentageExternalOrigin: 250 of 300 is below 85 %, 300 of 350 above."""
    traffic = Traffic(RATIO, 5)
    traffic.tend(0.0)
    traffic.load_all(50, 200)
    traffic.load(3, 250, 503)
    traffic.load(4, 300, 503)
    traffic.tend(10.0)
    assert traffic.detector.detected["consecutive_5xx"] == 110
    assert traffic.out == [4]
    assert isclose(traffic.gates[3].success_rate, 50 / 300)
    assert isclose(traffic.gates[4].success_rate, 50 / 350)
    assert traffic.detector.ejected == {"failure_ratio": 1}
    traffic.tend(50.0)
    traffic.load_all(24, 200, 55.0)
    traffic.load(4, 25, 503, 55.0)
    traffic.tend(60.0)
    assert traffic.out == []


def test_failure_ratio_of_errors_of_ours() -> None:
    """BasicFlowFailurePercentageLocalOrigin."""
    spec = OutlierDetection(
        split=True, enforcing_local=0.0, enforcing_local_success_rate=0.0, enforcing_local_failure_ratio=1.0,
        failure_ratio=0.4,
    )  # fmt: skip
    traffic = Traffic(spec, 5)
    traffic.tend(0.0)
    traffic.load_all(200, 200)
    traffic.load(4, 200, CONNECT_FAILED)
    traffic.tend(10.0)
    assert traffic.out == [4]
    assert traffic.detector.detected == {"consecutive_local": 40, "local_success_rate": 1, "local_failure_ratio": 1}
    assert traffic.detector.ejected == {"local_failure_ratio": 1}


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_ratio_that_is_just_reached(percent: int) -> None:
    """Whatever the two do in rounding."""
    spec = OutlierDetection(
        enforcing_5xx=0.0, success_rate_hosts=9, enforcing_failure_ratio=1.0, failure_ratio=percent / 100,
        failure_ratio_hosts=1,
    )  # fmt: skip
    traffic = Traffic(spec, 1)
    traffic.tend(0.0)
    traffic.load(0, percent - 1, 500)
    traffic.load(0, 101 - percent, 200)
    traffic.tend(10.0)
    assert traffic.out == []
    traffic.load(0, percent, 500)
    traffic.load(0, 100 - percent, 200)
    traffic.tend(20.0)
    assert traffic.out == [0]


def test_no_traffic_and_nobody_there() -> None:
    """EmptySuccessRate."""
    spec = OutlierDetection(success_rate_hosts=0, failure_ratio_hosts=0, success_rate_requests=0)
    traffic = Traffic(spec, 0)
    traffic.tend(0.0)
    assert traffic.tend(10.0) == 20.0
    traffic = Traffic(spec, 3)
    traffic.tend(0.0)
    traffic.tend(10.0)
    assert traffic.out == []


def test_too_few_to_compare() -> None:
    traffic = Traffic(RATES, 4)
    traffic.tend(0.0)
    traffic.load_all(200, 200)
    traffic.load(3, 200, 503)
    traffic.tend(10.0)
    assert traffic.out == []
    assert traffic.gates[3].success_rate is None


def test_the_worst_goes_first() -> None:
    traffic = Traffic(OutlierDetection(enforcing_5xx=0.0, success_rate_stdev=0.5), 8)
    traffic.tend(0.0)
    traffic.load_all(100, 200)
    traffic.load(3, 50, 503)
    traffic.load(5, 90, 503)
    traffic.load(6, 60, 503)
    traffic.tend(10.0)
    assert traffic.out == [5]
    assert traffic.detector.overflows == 2


# A naive machine.


class Naive:
    """One endpoint of one, by consecutive failures, as a list of what has happened."""

    def __init__(self) -> None:
        self.row = self.times = 0
        self.out_until: float | None = None
        self.back_at = 0.0

    def told(self, ok: bool, now: float) -> None:
        self.row = 0 if ok else self.row + 1
        if self.row == 3 and self.out_until is None:
            self.times = min(self.times + 1, 6)
            self.out_until = now + min(4.0 * self.times, 20.0)
        if self.row == 3:
            self.row = 0

    def asked(self, now: float, ends: bool) -> None:
        if self.out_until is not None and self.out_until <= now:
            self.out_until, self.row, self.back_at = None, 0, now
        if ends and self.out_until is None:
            while self.times and now - self.back_at >= 10.0:
                self.times -= 1
                self.back_at += 10.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("gbbba"), st.integers(0, 7)), max_size=120))
def test_against_a_naive_machine(script: list[tuple[str, int]]) -> None:
    spec = OutlierDetection(
        consecutive_5xx=3, consecutive_gateway=None, base_ejection_time=4.0, max_ejection_time=20.0, interval=10.0
    )
    traffic, naive = Traffic(spec, 1), Naive()
    now = 0.0
    end = 10.0
    traffic.tend(now)
    for what, pause in script:
        now += pause
        if what == "a":
            due = traffic.tend(now)
            naive.asked(now, now >= end)
            if now >= end:
                end = now + 10.0
            assert due == min(end, naive.out_until or inf)
        else:
            traffic.load(0, 1, 200 if what == "g" else 500, now)
            naive.told(what == "g", now)
        assert traffic.out == ([0] if naive.out_until is not None else [])
        if naive.out_until is not None:
            assert traffic.gates[0].returns_at == naive.out_until


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.5, 1.0, 1.9]),
    st.sampled_from([0.1, 0.4, 1.0]),
)
def test_rates_against_the_definition(counts: list[tuple[int, int]], factor: float, share: float) -> None:
    spec = OutlierDetection(
        consecutive_5xx=None, consecutive_gateway=None, success_rate_hosts=3, success_rate_requests=20,
        success_rate_stdev=factor, max_ejected=share, always_eject_one=False,
    )  # fmt: skip
    traffic = Traffic(spec, len(counts))
    traffic.tend(0.0)
    for k, (good, bad) in enumerate(counts):
        traffic.load(k, good, 200)
        traffic.load(k, bad, 500)
    traffic.tend(10.0)
    rates = {k: good / (good + bad) for k, (good, bad) in enumerate(counts) if good + bad >= 20}
    worst: list[int] = []
    if len(rates) >= 3 and len(set(rates.values())) > 1:
        low = fmean(rates.values()) - factor * pstdev(rates.values())
        worst = sorted((k for k in rates if rates[k] < low - 1e-9), key=lambda k: rates[k])
    room = max(n for n in range(len(counts) + 1) if n / len(counts) <= share)
    assert traffic.out == sorted(worst[:room])


def test_ten_thousand_members_cost_little(benchmark: Any) -> None:
    """The end of an interval in which all were asked; the time is the benchmark's, that it works is this test's."""
    traffic = Traffic(OutlierDetection(), 10_000)
    now = 0.0

    def refill() -> tuple[tuple[float], dict[str, float]]:
        nonlocal now
        for gate in traffic.gates:
            gate.good, gate.bad = 200, 2
        now += 10.0
        return (now,), {}

    traffic.tend(0.0)
    benchmark.pedantic(traffic.tend, setup=refill, rounds=3)
    assert traffic.gates[0].success_rate == 200 / 202


def test_the_same_seed_decides_the_same() -> None:
    def played(seed: int) -> list[Any]:
        traffic = Traffic(OutlierDetection(max_ejection_jitter=5.0, enforcing_5xx=0.5, max_ejected=0.5), 20, seed)
        luck = Random(3)
        seen = []
        for now in range(200):
            traffic.load(luck.randrange(20), 5, 500, float(now))
            seen.append((traffic.tend(float(now)), traffic.out))
        return seen

    assert played(1) == played(1)
    assert played(1) != played(2)
