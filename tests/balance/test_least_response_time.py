"""Mean latency x in flight: Citrix's and Traefik's own numbers, and what a new or a failing endpoint counts as."""

from random import Random

import pytest

from meshkit.balance.load.least_response_time import LeastResponseTime, ResponseTime
from meshkit.call import Call, Verdict
from meshkit.errors import ConfigError

from .arranging import First, arranged
from .test_least import CALL, begin, end, members_of


def test_the_example_of_citrix():
    """Three, seven and no transactions under way, 2, 1 and 2 s to the first byte: requests go to 3, 3, 3, 1, 3, 2.

    docs.netscaler.com, "Least response time method".
    """
    balancer = LeastResponseTime(ahead=False).start(First())
    members = members_of(balancer, [1, 1, 1])
    for member, active, latency in zip(members, (3, 7, 0), (2.0, 1.0, 2.0), strict=True):
        begin(member)
        end(member, latency)
        for _ in range(active):
            begin(member)
    pick = arranged(balancer, members)
    picked = []
    for _ in range(6):
        member = pick.pick(CALL, 0.0)
        begin(member)
        picked.append(members.index(member) + 1)
    assert picked == [3, 3, 3, 1, 3, 2]


@pytest.mark.parametrize(
    ("answers", "in_flight", "weight", "cost"),
    [  # Traefik's score: (mean * (1 + in flight)) / weight; leasttime.go @1343cf73141e
        ([0.1], 0, 1, 0.1),
        ([0.1, 0.3], 1, 1, 0.4),
        ([0.1, 0.3], 3, 2, 0.4),
        ([0.5, 0.1, 0.2, 0.3], 0, 1, 0.2),  # the last three
        ([], 0, 1, 0.0),
    ],
)
def test_the_score_of_traefik(answers, in_flight, weight, cost):
    load = ResponseTime(weight, samples=3)
    for latency in answers:
        load.enter(CALL, 0.0)
        load.exit(CALL, 0.0, latency, Verdict.SUCCESS)
    for _ in range(in_flight):
        load.enter(CALL, 0.0)
    assert load.cost(0.0) == pytest.approx(cost)


def test_the_mean_is_that_of_the_last_samples_after_any_number():
    load, rng, latencies = ResponseTime(samples=7), Random(4), []
    for _ in range(500):
        latencies.append(rng.random() * 10 ** rng.randint(-6, 3))
        load.enter(CALL, 0.0)
        load.exit(CALL, 0.0, latencies[-1], Verdict.SUCCESS)
        assert load.snapshot(0.0)["latency"] == pytest.approx(sum(latencies[-7:]) / len(latencies[-7:]), rel=1e-6)


def test_a_new_one_is_asked_once_a_failure_is_slow_and_what_was_given_up_teaches_nothing():
    load, call = ResponseTime(penalty=2.0), Call(None, None, 0.0)
    load.enter(call, 0.0)
    assert load.cost(0.0) > 1e8
    load.exit(call, 0.0, 0.001, Verdict.IGNORED)
    assert load.cost(0.0) == 0.0
    load.enter(call, 0.0)
    load.exit(call, 0.0, 0.001, Verdict.FAILURE)
    assert load.cost(0.0) == 2.0
    call.answered_at = 3.0
    load.enter(call, 1.0)
    load.exit(call, 1.0, 60.0, Verdict.SUCCESS)
    assert load.snapshot(60.0)["latency"] == 2.0  # of 2.0 and 3.0 - 1.0


@pytest.mark.parametrize(
    ("options", "fix"),
    [({"samples": 0}, "samples=0"), ({"penalty": 0}, "penalty=0"), ({"ahead": 1}, "ahead=1: write True or False")],
)
def test_options_are_checked(options, fix):
    with pytest.raises(ConfigError, match=f"LeastResponseTime: {fix}"):
        LeastResponseTime(**options)
