"""Do simulated servers take the time that the arithmetic says? In tables of instants, and by the formulas of queues."""

from __future__ import annotations

from random import Random

import pytest

from meshkit import Call, Cluster, Verdict
from meshkit.simulate import (
    FULL,
    GOOD,
    RESET,
    Attempt,
    ProcessorSharing,
    Server,
    Simulation,
    Timeline,
    antagonists,
    cold,
    constant,
    exponential,
    fail,
    flap,
    lognormal,
    normal,
    pareto,
    slow,
)
from meshkit.simulate.door import SimulatedDoor


class Asked:
    """Attempts at a server: who came when, and what came of it."""

    def __init__(self, make, *works, **options):
        self.timeline = Timeline()
        self.works = list(works)
        self.server = make(self.timeline, lambda rng: lambda: self.works.pop(0), Random(1), **options)
        self.ended = []
        self.attempts = {}

    def at(self, instant, name):
        self.timeline.at(instant, self.ask, name)

    def ask(self, name):
        attempt = self.attempts[name] = Attempt(Call(SimulatedDoor(), name, self.timeline.now), self)
        self.server.take(attempt)

    def answer(self, result, error):
        self.ended.append((round(self.timeline.now, 6), result))

    def run(self):
        self.timeline.run()
        return self.ended


def test_jobs_wait_in_the_order_in_which_they_came():
    asked = Asked(Server, 1.0, 2.0, 1.0)
    for instant, name in ((0.0, "a"), (0.5, "b"), (0.6, "c")):
        asked.at(instant, name)
    assert asked.run() == [(1.0, GOOD), (3.0, GOOD), (4.0, GOOD)]
    assert asked.server.served == 3


def test_several_workers_serve_at_once():
    asked = Asked(Server, 1.0, 1.0, 1.0, workers=2)
    for name in "abc":
        asked.at(0.0, name)
    assert asked.run() == [(1.0, GOOD), (1.0, GOOD), (2.0, GOOD)]


@pytest.mark.parametrize(
    ("make", "options"), [(Server, {"queue": 1}), (ProcessorSharing, {"most": 2})], ids=["queue", "most"]
)
def test_what_does_not_fit_is_refused_at_once(make, options):
    asked = Asked(make, 1.0, 1.0, 1.0, **options)
    for name in "abc":
        asked.at(0.0, name)
    assert asked.run()[0] == (0.0, FULL)
    assert len(asked.ended) == 3


@pytest.mark.parametrize(("notices", "served"), [(False, 3), (True, 2)])
def test_jobs_of_those_who_have_gone(notices, served):
    asked = Asked(Server, 1.0, 1.0, 1.0, notices=notices)
    for name in "abc":
        asked.at(0.0, name)
    asked.timeline.at(0.5, lambda _: setattr(asked.attempts["b"], "over", True))
    asked.run()
    assert asked.server.served == served
    assert asked.ended[-1] == (served, GOOD)


def test_shared_cores_are_shared_evenly():
    """One core: a alone for 1 s, then with b at half the speed each, b ends, a alone again."""
    asked = Asked(ProcessorSharing, 3.0, 1.0)
    asked.at(0.0, "a")
    asked.at(1.0, "b")
    assert asked.run() == [(3.0, GOOD), (4.0, GOOD)]


def test_as_many_jobs_as_cores_do_not_notice_each_other():
    asked = Asked(ProcessorSharing, 3.0, 1.0, workers=2)
    asked.at(0.0, "a")
    asked.at(1.0, "b")
    assert asked.run() == [(2.0, GOOD), (3.0, GOOD)]


@pytest.mark.parametrize("what", ["speed", "workers"])
def test_a_job_under_way_notices_a_change(what):
    asked = Asked(ProcessorSharing, 2.0, 2.0, workers=2)
    asked.at(0.0, "a")
    asked.at(0.0, "b")
    asked.timeline.at(1.0, lambda _: setattr(asked.server, what, getattr(asked.server, what) / 2))
    assert asked.run() == [(3.0, GOOD), (3.0, GOOD)]


def test_what_befalls_a_server():
    timeline = Timeline()
    server = Server(timeline, constant(1.0), Random(1))
    seen = []
    slow(timeline, server, 4.0, 1.0, 2.0)
    cold(timeline, server, 20.0, factor=5.0, begin=10.0)
    fail(timeline, server, RESET, begin=40.0, end=41.0)
    flap(timeline, server, up=50.0, down=2.0, until=110.0)
    for at in (0.5, 1.5, 2.5, 10.0, 20.0, 30.0, 40.5, 45.0, 51.0, 53.0, 103.0, 105.0):
        timeline.at(at, lambda _: seen.append((server.speed, server.fault)))
    timeline.run()
    assert [round(speed, 3) for speed, _ in seen] == [1, 0.25, 1, 0.2, 0.6, 1, 1, 1, 1, 1, 1, 1]
    assert [fault is RESET for _, fault in seen] == [*[False] * 6, True, False, True, False, True, False]


def test_neighbours_come_and_go():
    timeline = Timeline()
    servers = [Server(timeline, constant(1.0), Random(1), workers=4) for _ in range(50)]
    antagonists(timeline, servers, Random(3), shares=(1.0, 0.5), mean=1.0, of="workers")
    halves = []
    for at in range(1, 101):
        timeline.at(float(at), lambda _: halves.append(sum(server.workers == 2 for server in servers)))
    timeline.run(101.0)
    assert {server.workers for server in servers} == {2, 4}
    assert 23 < sum(halves) / len(halves) < 27  # 25 +- 0.5: five thousand looks, each second one independent


@pytest.mark.parametrize(
    ("service", "mean"),
    [
        (constant(2.0), 2.0),
        (exponential(2.0), 2.0),
        (normal(2.0, 0.1), 2.0),
        (normal(2.0, 2.0), 2.0 * 1.0833),
        (lognormal(2.0, 0.5), 2.0 * 1.1331),
        (pareto(2.0, 3.0), 2.0),
    ],
    ids=["constant", "exponential", "normal", "cut normal", "lognormal", "pareto"],
)
def test_the_means_of_service_times(service, mean):
    draw = service(Random(7))
    drawn = [draw() for _ in range(20_000)]
    assert min(drawn) >= 0
    assert sum(drawn) / len(drawn) == pytest.approx(mean, rel=0.03)  # the largest spread is 1.4 times the mean: 3 sigma


def test_a_heavy_tail_has_an_end():
    draw = pareto(1.0, 1.2, cap=10.0)(Random(7))
    assert max(draw() for _ in range(20_000)) == 10.0


@pytest.mark.parametrize(("kind", "load"), [(Server, 0.5), (ProcessorSharing, 0.5), (ProcessorSharing, 0.7)])
def test_one_server_is_as_slow_as_the_formula_says(kind, load):
    """Of M/M/1 and of M/M/1 with processor sharing: 1 / (1 - load) service times."""
    simulation = Simulation(seed=2, since=200.0)
    simulation.server(exponential(1.0), kind=kind)
    simulation.clients(1, Cluster("one", simulation.endpoints))
    simulation.load(load, 40_000.0)
    assert simulation.run().mean == pytest.approx(1 / (1 - load), rel=0.07)  # about 3 sigma


def test_a_shared_server_reports_its_load():
    """Half of its 2 cores, for 10 jobs of 1 s each in 10 s."""
    simulation = Simulation(seed=1)
    server = simulation.server(constant(1.0), kind=ProcessorSharing, workers=2, planned=2.0)
    (shell,) = simulation.clients(1, Cluster("one", simulation.endpoints))
    reports = []
    for k in range(20):
        simulation.timeline.at(
            float(k), lambda _: shell.start(None, lambda walk, result, error: reports.append(walk.call.report))
        )
    simulation.run()
    assert reports[0] is None
    assert reports[-1] == {"cpu_utilization": pytest.approx(0.5), "rps_fractional": pytest.approx(1.0), "eps": 0.0}
    assert server.latency() == 1.0


def test_a_fault_costs_no_work():
    simulation = Simulation(seed=1)
    server = simulation.server(constant(1.0))
    fail(simulation.timeline, server, after=0.25)
    (shell,) = simulation.clients(1, Cluster("one", simulation.endpoints))
    simulation.timeline.at(1.0, lambda _: shell.start(None, simulation.tally.count))
    tally = simulation.run()
    assert (simulation.timeline.now, server.served, tally.errors) == (1.25, 0, {"ConnectionResetError": 1})
    assert tally.failed == 1.0
    assert RESET.verdict is Verdict.FAILURE
