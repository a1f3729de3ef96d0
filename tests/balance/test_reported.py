"""What endpoints report, what they show: costs, ratings, and the turns that come of them."""

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.balance import Member
from meshkit.balance.report.dynamic_ratio import DynamicRatio, free
from meshkit.balance.report.observed import Observed, Predictive
from meshkit.balance.report.rated import Rated, WeightedByReports, capacity
from meshkit.balance.report.reported import LeastReported, Reported, reported
from meshkit.call import Call, Verdict
from meshkit.errors import ConfigError

from .arranging import First, Weighted, arranged

ROWS = json.loads(Path(__file__).with_name("turns.json").read_text("utf-8"))["grpc_static_stride"]


def answered(report):
    call = Call(None, None, 0.0)
    call.report = report
    return call


def answer(load, now, report, verdict=Verdict.SUCCESS):
    call = answered({"x": 9.0})  # of an earlier attempt, at another endpoint
    load.enter(call, now)
    call.report = report
    load.exit(call, now, now, verdict)


@pytest.mark.parametrize("row", ROWS["weight_examples"], ids=str)
def test_the_weight_is_that_of_grpc(row):
    """Of gRFC A58; see the source in turns.json."""
    report = {"rps_fractional": row["qps"], "cpu_utilization": row["utilization"], "eps": row.get("eps", 0)}
    weight = capacity(report, penalty=row.get("penalty", 1.0))
    assert weight == (0.0 if row["weight"] == "ignored" else pytest.approx(row["weight"]))


@pytest.mark.parametrize(
    ("report", "weight"),
    [
        ({"rps_fractional": 10, "application_utilization": 0.5, "cpu_utilization": 0.1}, 20.0),
        ({"rps_fractional": 10, "application_utilization": 0, "cpu_utilization": 0.1}, 100.0),
        ({"rps_fractional": 10, "cpu_utilization": 0}, 0.0),
        ({"cpu_utilization": 0.5}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_application_says_more_than_the_processor(report, weight):
    assert capacity(report) == pytest.approx(weight)


def named_load():
    return Reported(value=lambda report: report.get("x", 0.0), expiration=180.0, blackout=10.0)


# (reports as (instant, value), (now, back in service since), what counts)
PERIODS = [
    ([], (5.0, None), 0.0),
    ([(1.0, 4.0)], (10.9, None), 0.0),  # blackout
    ([(1.0, 4.0)], (11.0, None), 4.0),
    ([(1.0, 4.0), (12.0, 5.0)], (12.0, None), 5.0),
    ([(1.0, 4.0)], (180.9, None), 4.0),
    ([(1.0, 4.0)], (181.0, None), 0.0),  # expired
    ([(1.0, 4.0), (200.0, 6.0)], (205.0, None), 0.0),  # blackout begins anew after expiry
    ([(1.0, 4.0), (200.0, 6.0)], (210.0, None), 6.0),
    ([(1.0, 4.0), (5.0, 0.0)], (11.0, None), 4.0),  # a report that says nothing is none
    ([(1.0, 4.0)], (50.0, 30.0), 0.0),  # from before it was away
    ([(1.0, 4.0), (31.0, 7.0)], (39.9, 30.0), 0.0),
    ([(1.0, 4.0), (31.0, 7.0)], (40.0, 30.0), 7.0),
]


@pytest.mark.parametrize(("reports", "asked", "expected"), PERIODS)
def test_blackout_and_expiration(reports, asked, expected):
    load = named_load()
    for now, value in reports:
        answer(load, now, {"x": value})
    assert load.known(*asked) == expected
    assert load.known(*asked) == expected  # reading changes nothing
    assert load.idle()


@pytest.mark.parametrize("call", [answered(None), answered({}), answered({"y": 1.0})])
def test_an_answer_without_a_report_teaches_nothing(call):
    load = named_load()
    answer(load, 0.0, {"x": 3.0})
    load.enter(call, 50.0)
    load.exit(call, 50.0, 51.0, Verdict.SUCCESS)
    answer(load, 52.0, {"x": 9.0}, Verdict.IGNORED)
    assert load.known(60.0) == 3.0
    answer(load, 61.0, {"x": 9.0}, Verdict.FAILURE)  # a failure's report is a report
    assert load.known(62.0) == 9.0


def rated(spec, weights=(1, 1, 1), rng=None):
    balancer = spec.start(rng or First())
    assert isinstance(balancer, Rated)
    return balancer, [Member(Weighted(weight), balancer.load(weight)) for weight in weights]


def picks(pick, members, count):
    call = Call(None, None, 0.0)
    return [members.index(pick.pick(call, 0.0)) for _ in range(count)]


def test_turns_follow_the_reports():
    balancer, members = rated(WeightedByReports(blackout=0.0))
    assert balancer.tend(members, 0.0) == (1.0, False)
    pick = arranged(balancer, members)
    assert picks(pick, members, 3) == [0, 1, 2]
    for member, share in zip(members, (1.0, 0.5, 1 / 3), strict=True):
        answer(member.load, 0.5, {"rps_fractional": 100.0, "cpu_utilization": share})
    assert balancer.tend(members, 1.0) == (2.0, True)
    expected = ROWS["rows"][0]["first_24_picks_seq_from_0"]  # weights 1, 2, 3
    pick = arranged(balancer, members)
    assert picks(pick, members, 24) == expected
    assert balancer.tend(members, 2.0) == (3.0, False)
    assert balancer.tend(members, 200.0)[1]  # all have expired: alike again
    assert sorted(picks(arranged(balancer, members, pick), members, 3)) == [0, 1, 2]


def test_who_has_reported_nothing_counts_as_the_average():
    balancer, members = rated(WeightedByReports(blackout=0.0))
    for member, share in zip(members[1:], (0.75, 0.25), strict=True):
        answer(member.load, 0.0, {"rps_fractional": 75.0, "cpu_utilization": share})  # 100 and 300
    balancer.tend(members, 0.0)
    counts = Counter(picks(arranged(balancer, members), members, 6000))
    assert [counts[k] / 6000 for k in range(3)] == pytest.approx([2 / 6, 1 / 6, 3 / 6], abs=0.001)


def test_who_warms_up_has_the_part_of_its_turns_that_it_has_of_its_weight():
    balancer, members = rated(WeightedByReports(blackout=0.0), (2, 2, 2))
    for member in members:
        answer(member.load, 0.0, {"rps_fractional": 75.0, "cpu_utilization": 0.5})
    members[0].weight = 1.0
    balancer.tend(members, 0.0)
    counts = Counter(picks(arranged(balancer, members), members, 5000))
    assert [counts[k] / 5000 for k in range(3)] == pytest.approx([0.2, 0.4, 0.4], abs=0.001)


def test_reports_are_looked_at_ten_times_a_second_at_most():
    balancer, members = rated(WeightedByReports(period=0.001))
    assert balancer.tend(members, 5.0)[0] == pytest.approx(5.1)


@pytest.mark.parametrize(
    ("report", "weight"),
    [
        ({"cpu_utilization": 0.4}, 1.5 * 0.5),
        ({"cpu_utilization": 0.4, "mem_utilization": 0.35}, 1.5 * 0.5 + 0.5),
        ({"cpu_utilization": 0.9, "mem_utilization": 0.35}, 0.5),
        ({"cpu_utilization": 0.9}, 1e-9),  # nothing free, and known to be so
        ({"eps": 1.0}, 0.0),
    ],
)
def test_what_is_free(report, weight):
    assert free(report, DynamicRatio().resources) == pytest.approx(weight)


def test_dynamic_ratio_gives_turns_to_who_has_room():
    balancer, members = rated(DynamicRatio(resources={"cpu_utilization": 1.0}))
    for member, used in zip(members, (0.0, 0.5, 1.0), strict=True):
        answer(member.load, 0.0, {"cpu_utilization": used})
    assert balancer.tend(members, 0.0)[1]
    counts = Counter(picks(arranged(balancer, members), members, 3000))
    assert [counts[k] / 3000 for k in range(3)] == pytest.approx([2 / 3, 1 / 3, 0.0], abs=0.01)
    assert counts[2] > 0  # a hundredth of the average: or it would never report anything else


def load_with(members, counts):
    call = Call(None, None, 0.0)
    for member, count in zip(members, counts, strict=True):
        while member.load.in_flight < count:
            member.load.enter(call, 0.0)
        while member.load.in_flight > count:
            member.load.exit(call, 0.0, 0.0, Verdict.SUCCESS)


def test_observed_gives_three_turns_below_the_average_and_two_above():
    balancer, members = rated(Observed())
    load_with(members, (0, 3, 9))
    assert balancer.tend(members, 0.0) == (1.0, True)
    assert [member.load.rating for member in members] == [3.0, 3.0, 2.0]
    counts = Counter(picks(arranged(balancer, members), members, 8000))
    assert [counts[k] / 8000 for k in range(3)] == pytest.approx([3 / 8, 3 / 8, 2 / 8], abs=0.001)
    assert balancer.tend(members, 1.0) == (2.0, False)


def test_predictive_follows_the_trend_within_one_to_four():
    balancer, members = rated(Predictive())
    ratings = []
    for counts in [(0, 0, 0), (1, 0, 5), (2, 0, 4), (3, 0, 3), (4, 0, 2)]:
        load_with(members, counts)
        balancer.tend(members, 0.0)
        ratings.append([member.load.rating for member in members])
    assert ratings == [[2, 2, 2], [1, 2, 1], [1, 2, 2], [1, 2, 3], [1, 2, 4]]


def test_the_least_reported_counts_what_is_under_way():
    balancer = LeastReported(unknown=0.5).start(Random(1))
    idle, busy, _ = members = [Member(Weighted(), balancer.load(1)) for _ in range(3)]
    answer(idle.load, 0.0, {"cpu_utilization": 0.2})
    answer(busy.load, 0.0, {"cpu_utilization": 0.9})
    assert [member.load.cost(1.0) for member in members] == pytest.approx([0.2, 0.9, 0.5])
    pick = arranged(balancer, [idle, busy])
    call = Call(None, None, 1.0)
    for _ in range(4):
        picked = pick.pick(call, 1.0)
        assert picked is idle
        picked.load.enter(call, 1.0)
    assert pick.pick(call, 1.0) is busy  # 0.2 x 5 is more than 0.9
    assert [member.load.cost(180.0) for member in members] == pytest.approx([2.5, 0.5, 0.5])  # expired


@given(st.dictionaries(st.sampled_from("abc"), st.floats(-5.0, 5.0)), st.lists(st.sampled_from("abcd"), min_size=1))
def test_the_first_that_is_above_zero(report, wanted):
    expected = next((report[name] for name in wanted if report.get(name, 0.0) > 0), 0.0)
    assert reported(report, tuple(wanted)) == expected


@pytest.mark.parametrize(
    ("make", "fix"),
    [
        (lambda: WeightedByReports(utilization=()), "utilization=.*name what the endpoints report"),
        (lambda: WeightedByReports(penalty=-1.0), "penalty=-1.0"),
        (lambda: WeightedByReports(period=0), "period=0"),
        (lambda: DynamicRatio(resources={}), "name at least one resource"),
        (lambda: DynamicRatio(resources={"cpu_utilization": 0}), "coefficient, limit"),
        (lambda: DynamicRatio(resources={"cpu_utilization": (1, 2, 3)}), "map each resource"),
        (lambda: LeastReported(choices="all"), "choices='all'"),
        (lambda: LeastReported(unknown=-1), "unknown=-1"),
        (lambda: Observed(more=0), "more=0"),
    ],
)
def test_options_are_checked(make, fix):
    with pytest.raises(ConfigError, match=fix):
        make()


def test_one_name_stands_for_a_list_of_it():
    assert WeightedByReports(utilization="named_metrics.queue").utilization == ("named_metrics.queue",)
    assert hash(DynamicRatio()) == hash(DynamicRatio())
