"""Slow start: Envoy's formula at the instants of its own tests, and what must hold of any ramp."""

from math import inf, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.cluster.slow_start import SlowStart
from meshkit.errors import ConfigError

specs = st.builds(
    SlowStart,
    st.floats(0.01, 1e5),
    aggression=st.floats(0.1, 10),
    least=st.floats(0.001, 1),
)

# envoyproxy/envoy test/extensions/load_balancing_policies/round_robin/round_robin_lb_test.cc
# @0d2acde2e8d72f305977c5638cd3c707aa8dad6f: the comments beside what the tests named in the last column expect.
ENVOY = [
    (SlowStart(60), 12, 0.2, "SlowStartNoWait"),
    (SlowStart(60), 20, 1 / 3, "SlowStartNoWait"),
    (SlowStart(60), 65, 1, "SlowStartNoWait"),
    (SlowStart(10), 6, 0.6, "SlowStartWithActiveHC"),
    (SlowStart(10), 5, 0.5, "SlowStartWithRuntimeAggression"),
    (SlowStart(10, aggression=1.5), 9, 0.9 ** (1 / 1.5), "SlowStartWithRuntimeAggression"),
    (SlowStart(10, aggression=1.5), 0, 0.1, "SlowStartWithRuntimeAggression"),
    (SlowStart(60, aggression=2), 0, 0.1, "SlowStartNoWaitNonLinearAggression"),
    (SlowStart(60, aggression=2), 5, (5 / 60) ** 0.5, "SlowStartNoWaitNonLinearAggression"),
    (SlowStart(60, aggression=2), 6, 0.1**0.5, "SlowStartNoWaitNonLinearAggression"),
    (SlowStart(60, aggression=2), 26, (26 / 60) ** 0.5, "SlowStartNoWaitNonLinearAggression"),
    (SlowStart(60, least=0.35), 12, 0.35, "SlowStartNoWaitMinWeightPercent35"),
]


@pytest.mark.parametrize(("spec", "age", "factor", "test"), ENVOY)
def test_the_factors_of_envoys_tests(spec, age, factor, test):
    assert isclose(spec.factor(1000.0 + age, 1000.0)[0], factor), test


def test_the_least_age_is_a_millisecond():
    assert SlowStart(10, least=1e-9).factor(5.0, 5.0)[0] == 0.001 / 10
    assert SlowStart(10, least=1e-9).factor(4.0, 5.0)[0] == 0.001 / 10  # another thread read the clock later


def test_who_was_there_from_the_beginning_is_warm():
    assert SlowStart(30).factor(0.0, None) == (1.0, inf)


@pytest.mark.parametrize(("now", "again"), [(100.0, 100.3), (110.0, 110.3), (129.8, 130.0), (130.0, inf), (500.0, inf)])
def test_it_is_read_again_a_hundred_times_and_at_the_end(now, again):
    assert SlowStart(30).factor(now, 100.0)[1] == pytest.approx(again)


@given(specs, st.floats(0, 1e6), st.lists(st.floats(0, 1.5), min_size=2, max_size=6))
def test_a_ramp_never_falls_and_ends_at_one(spec, since, ages):
    factors = [spec.factor(since + age * spec.window, since)[0] for age in sorted(ages)]
    assert factors == sorted(factors)
    assert all(spec.least <= factor <= 1 for factor in factors)
    assert spec.factor(since + spec.window, since) == (1.0, inf)


@given(specs, st.floats(0, 1e6))
def test_following_its_own_instants_comes_to_an_end(spec, since):
    now, asked = since, 0
    while now < inf:
        factor, again = spec.factor(now, since)
        assert again > now
        now, asked = again, asked + 1
    assert factor == 1
    assert asked <= 102


@pytest.mark.parametrize(
    "options",
    [
        {"window": 0},
        {"window": -1},
        {"window": 5, "least": 0},
        {"window": 5, "least": 1.1},
        {"window": 5, "aggression": 0},
    ],
)
def test_what_is_refused(options):
    with pytest.raises(ConfigError, match="SlowStart"):
        SlowStart(**options)
