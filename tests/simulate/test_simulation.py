"""Is a simulation the same each time, does it count right, and does what the theory says come out?"""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

import pytest

from examples.simulate.supermarket import bins, formula, waits
from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Fallback,
    Hedge,
    Overloaded,
    Pipeline,
    Retry,
    StateChanged,
    Timeout,
)
from meshkit.balance import LeastRequest, Prequal, RoundRobin
from meshkit.simulate import (
    GOOD,
    RESET,
    ProcessorSharing,
    Server,
    Shell,
    Simulation,
    Tally,
    Timeline,
    constant,
    exponential,
    fail,
    imbalance,
    poisson,
    quantile,
    zipf,
)

from ..scripted import told_to


def played(seed, balancer=None, *, policies=(), n=8, rate=60.0, seconds=20.0, clients=3, **options):
    simulation = Simulation(seed, **options)
    for _ in range(n):
        simulation.server(exponential(0.1), kind=ProcessorSharing)
    simulation.clients(clients, *policies, Cluster("shop", simulation.endpoints, balancer=balancer or LeastRequest()))
    simulation.load(rate, seconds)
    return simulation, simulation.run()


def test_one_seed_decides_all():
    policies = (Timeout(2.0), Retry(TimeoutError), Hedge(percentile=0.95), Timeout(0.4))
    one, two, three = (played(seed, Prequal(), policies=policies, rate=30.0)[1] for seed in (1, 1, 2))
    assert len(one.latencies) > 500
    assert (one.latencies, one.began, one.errors) == (two.latencies, two.began, two.errors)
    assert one.latencies != three.latencies


def test_nothing_is_left():
    policies = (Timeout(2.0), Retry(TimeoutError), Hedge(0.05, budget=None), Timeout(0.2))
    simulation, tally = played(1, policies=policies)
    assert all(shell.tree.idle() for shell in simulation.shells)
    assert simulation.sent > tally.calls > 1000
    assert not any(server.in_flight for server in simulation.servers)


def test_what_came_before_is_not_counted():
    _, whole = played(1)
    _, later = played(1, since=10.0)
    assert min(later.began) >= 10.0
    assert list(later.began) == [at for at in whole.began if at >= 10.0]


def test_quantiles_and_shares():
    tally = Tally()
    assert math.isnan(tally.mean)
    tally.latencies.extend([0.4, 0.1, 0.3, 0.2])
    tally.errors["503"] = 1
    assert tally.quantiles(0.0, 0.25, 0.26, 0.5, 1.0) == [0.1, 0.1, 0.2, 0.2, 0.4]
    assert (tally.calls, tally.failed, tally.within(0.25)) == (5, 0.2, 0.4)
    assert math.isnan(quantile([], 0.5))
    assert imbalance([1, 2, 3]) == 1.5


def test_arrivals_come_at_the_rate():
    timeline, at = Timeline(), []
    poisson(timeline, 100.0, Random(1), lambda: at.append(timeline.now), begin=5.0, end=105.0)
    timeline.run()
    assert at[0] >= 5.0
    assert at[-1] < 105.0
    assert abs(len(at) - 10_000) < 300  # 3 sigma
    gaps = [after - before for before, after in pairwise(at)]
    mean = sum(gaps) / len(gaps)
    assert math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) == pytest.approx(mean, rel=0.04)


def test_a_rate_may_change():
    timeline, at = Timeline(), []
    poisson(timeline, lambda now: 10.0 if now < 50 else 40.0, Random(1), lambda: at.append(timeline.now), end=100.0)
    timeline.run()
    early = sum(instant < 50 for instant in at)
    assert abs(early - 500) < 70
    assert abs(len(at) - early - 2000) < 140


def test_favourites_are_asked_for_more_often():
    draw = zipf(["a", "b", "c", "d"], Random(1))
    counts = dict.fromkeys("abcd", 0)
    for _ in range(25_000):
        counts[draw()] += 1
    expected = [12_000, 6_000, 4_000, 3_000]  # 25 = 12 + 6 + 4 + 3, by 1, 1/2, 1/3, 1/4
    assert all(abs(count - want) < 250 for count, want in zip(counts.values(), expected, strict=True))


# What the theory says.


@pytest.mark.parametrize(("load", "choices"), [(0.5, 1), (0.7, 2), (0.7, 3)])
def test_the_supermarket_formula_comes_out(load, choices):
    found = waits(load, choices, servers=100, seconds=160.0)
    assert found.simulated == pytest.approx(formula(load, choices), rel=0.05)


def test_the_formula_itself():
    """Mitzenmacher's table for two choices."""
    assert formula(0.5, 2) == pytest.approx(1.2657, abs=1e-4)
    assert formula(0.9, 2) == pytest.approx(2.6141, abs=1e-4)
    assert formula(0.99, 2) == pytest.approx(5.4320, abs=1e-4)
    assert formula(0.9, 1) == pytest.approx(10.0)


def test_two_choices_and_one():
    """Of 1,000 balls: some 5.5 in the fullest bin with one choice, 3 with two."""
    one, two = bins(1000, 1, throws=3), bins(1000, 2, throws=3)
    assert 4.5 <= one.fullest <= 7
    assert 2.5 <= two.fullest <= 3.5


# What it asks of those who use it.


def test_another_clock_is_refused():
    with pytest.raises(ConfigError, match="clock=timeline"):
        Shell(Pipeline(Timeout(1.0)), Timeline(), print)


def test_middleware_is_refused():
    async def middleware(call, call_next):
        return await call_next()

    timeline = Timeline()
    shell = Shell(Pipeline(middleware, clock=timeline), timeline, print)
    with pytest.raises(ConfigError, match="real time"):
        shell.start(None, print)


def test_probes_need_servers_that_can_answer():
    simulation = Simulation()
    for _ in range(3):
        simulation.server(constant(1.0), kind=Server)
    (shell,) = simulation.clients(1, Cluster("shop", simulation.endpoints, balancer=Prequal()))
    shell.start(None, simulation.tally.count)
    with pytest.raises(ConfigError, match="ProcessorSharing"):
        simulation.run()


def test_probes_are_carried_out():
    simulation, tally = played(1, Prequal(), n=20, clients=1)
    assert simulation.probed == pytest.approx(3 * tally.calls, rel=0.01)
    assert simulation.sent == tally.calls
    assert all(shell.tree.idle() for shell in simulation.shells)


def test_listeners_hear_what_happens():
    simulation = Simulation(seed=1)
    for _ in range(3):
        simulation.server(constant(0.01))
    fail(simulation.timeline, simulation.servers[1])
    cluster = Cluster("shop", simulation.endpoints, balancer=RoundRobin(), pipeline=[CircuitBreaker(failures=3)])
    (shell,) = simulation.clients(1, cluster)
    heard = []
    shell.tree.listen(told_to(heard), direct=True)
    simulation.load(20.0, 5.0)
    simulation.run()
    changes = [(event.endpoint, event.after) for event in heard if isinstance(event, StateChanged)]
    assert [(str(endpoint), after) for endpoint, after in changes] == [("server-1", "open")]


def test_a_refusal_is_counted_by_its_kind():
    _, tally = played(1, policies=(ConcurrencyLimit(1),), clients=1)
    assert set(tally.errors) == {Overloaded.__name__}


def test_a_fallback_takes_over():
    """Two calls find out that the upstream is gone; the breaker then answers for the others, at once."""
    timeline = Timeline()
    policies = (Timeout(1.0), Fallback(value=GOOD), CircuitBreaker(failures=2))
    shell = Shell(
        Pipeline(*policies, clock=timeline, seed=1),
        timeline,
        lambda attempt: timeline.after(0.25, attempt.answer, RESET),
    )
    ended = []
    for k in range(4):
        timeline.at(float(k), lambda _: shell.start(None, lambda walk, *how: ended.append((timeline.now, *how))))
    timeline.run()
    assert ended == [(0.25, GOOD, None), (1.25, GOOD, None), (2.0, GOOD, None), (3.0, GOOD, None)]
    assert shell.tree.idle()
