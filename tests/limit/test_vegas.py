"""Vegas: a queue of a few is what it holds."""

from random import Random

import pytest

from meshkit.errors import ConfigError
from meshkit.limit.vegas import Vegas


def start(limit=10, rtt=0.010, **options):
    """With a baseline of 10 ms known."""
    state = Vegas(initial=limit, **options).start(Random(0))
    if rtt is not None:
        state.sample(rtt, 1, False, 0.0)  # one call at a time: no reason to move
    assert state.limit == limit
    return state


TABLE = [
    # limit, latency, in flight, dropped -> limit, with a baseline of 10 ms; the queue is limit * (1 - 10 / latency)
    (10, 0.010, 10, False, 16),  # 0 queue: + 6
    (10, 0.011, 10, False, 16),  # 0.9, which counts as 1
    (10, 0.012, 10, False, 11),  # 1.7: + 1
    (10, 0.014, 10, False, 10),  # 2.9, which counts as 3: stays
    (10, 0.0249, 10, False, 10),  # 5.98, which counts as 6
    (10, 0.026, 10, False, 9),  # 6.2: - 1
    (10, 0.050, 10, False, 9),
    (10, 3600.0, 10, False, 9),
    (10, 0.010, 4, False, 10),  # not in use
    (10, 0.050, 4, False, 10),
    (10, 0.050, 5, False, 9),
    (10, None, 1, True, 9),  # dropped: a tenth
    (10, 0.010, 1, True, 9),
    (200, 0.010, 200, False, 212),  # the steps are twice as long from 100 on
    (200, 0.0102, 200, False, 202),
    (200, 0.0105, 200, False, 200),
    (200, 0.011, 200, False, 198),
    (3, None, 3, True, 3),  # the floor
    (998, 0.010, 998, False, 1000),  # the ceiling
    (10, 0.005, 10, False, 16),  # a new lowest: nobody queues
]


@pytest.mark.parametrize(("limit", "rtt", "in_flight", "dropped", "expected"), TABLE)
def test_table(limit, rtt, in_flight, dropped, expected):
    state = start(limit)
    assert state.sample(rtt, in_flight, dropped, 1.0) == state.limit == expected


def test_the_baseline_is_the_lowest_of_a_moving_mean():
    state = start()
    for rtt, lowest in [(0.005, 9.0), (0.014, 9.0), (0.002, 8.4), (0.1, 8.4), (0.01, 8.4)]:
        state.sample(rtt, 10, False, 1.0)
        assert state.snapshot()["baseline"] * 1000 == pytest.approx(lowest)


@pytest.mark.parametrize("rtt", [0.0, 1e-300, 1e300])
def test_a_latency_that_divides_badly(rtt):
    state = start(rtt=rtt)
    assert 3 <= state.sample(rtt, 10, False, 1.0) <= 1000
    assert 3 <= state.sample(0.0, 10, False, 2.0) <= 1000


def test_at_an_upstream_that_became_slower_for_good_it_comes_back():
    """Ten times slower, and nothing to do with our load: the limit falls by half, then a probe tells."""
    state = start(100)
    limits = [state.sample(0.1, int(state.limit), False, 1.0 + n / 10) for n in range(200)]
    assert min(limits) < 50
    assert limits[-1] > 100
    assert state.snapshot() == {"baseline": 0.1}


@pytest.mark.parametrize(
    ("option", "value"), [("initial", 0), ("floor", 21), ("ceiling", 19), ("probe", 0), ("probe", float("nan"))]
)
def test_not_an_option(option, value):
    with pytest.raises(ConfigError, match=f"Vegas: {option}={value!r}: "):
        Vegas(**{option: value})
