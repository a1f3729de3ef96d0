"""Who shares the machines? A testbed in the manner of Prequal's: promised cores, and neighbours that take the others.

40 servers are promised 2 cores each, and may use what their machine has left: some 2 to 6 cores, as the neighbours come
and go, every 10 s or so. A call takes 80 ms of one core on average, with a standard deviation as large. The load is
told as a share of what was promised; beyond 100 % the spare cores are needed, and they are where the neighbours are
not. Balancing by CPU sends each server the same: also those that have nothing left. 100 clients, each with a balancer
of its own; a call is given 2 s.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from meshkit import Cluster, Timeout
from meshkit.simulate import ProcessorSharing, Simulation, antagonists, normal, quantile

from ..demo.plot import Figure, Series
from .chart import Across, chart, milliseconds, plain, style
from .contenders import ALL, LOCAL, TOLD, percent, row, shown

NAME = "testbed"
SERVERS, CLIENTS, PROMISED, WORK = 40, 100, 2.0, 0.08
LOADS = (0.6, 0.75, 0.9, 1.05, 1.2, 1.35)
SHARES = (1.0, 1.5, 2.0, 3.0)
TIMEOUT = 2.0
WARM, SECONDS = 20.0, 80.0
MEAN = WORK * 1.0833
"""Of a normal distribution whose negative part counts as 0."""


class Tried(NamedTuple):
    name: str
    load: float
    tail: tuple[float, float, float]
    failed: float
    in_flight: float
    """The 99th percentile of the calls in flight at a server, looked at ten times a second."""


def tried(name: str, balancer: Any, load: float, seconds: float = SECONDS) -> Tried:
    simulation = Simulation(seed=17, since=WARM)
    for _ in range(SERVERS):
        simulation.server(normal(WORK, WORK), kind=ProcessorSharing, workers=PROMISED, planned=PROMISED)
    antagonists(
        simulation.timeline, simulation.servers, simulation.rng("neighbours"), shares=SHARES, mean=10.0, of="workers"
    )
    simulation.distance = 0.0005
    simulation.clients(CLIENTS, Timeout(TIMEOUT), Cluster("shop", simulation.endpoints, balancer=balancer))
    simulation.load(load * SERVERS * PROMISED / MEAN, seconds)
    seen: list[int] = []

    def look(_: None) -> None:
        seen.extend(server.in_flight for server in simulation.servers)
        simulation.timeline.after(0.1, look)

    simulation.timeline.at(WARM, look)
    tally = simulation.run(seconds + TIMEOUT)
    tail = tuple(tally.quantiles(0.5, 0.99, 0.999))
    return Tried(name, load, tail, tally.failed, quantile(sorted(seen), 0.99))  # type: ignore[arg-type]


def play() -> list[Tried]:
    return [tried(name, balancer, load) for load in LOADS for name, balancer in ALL.items()]


def table(found: list[Tried]) -> list[str]:
    return [
        row("load", "balancer", "p50", "p99", "p99.9", "out of time", "in flight, p99"),
        "|---|---|---:|---:|---:|---:|---:|",
        *(line(each) for each in found if each.load in {0.75, 1.05, 1.35}),
    ]


def line(each: Tried) -> str:
    return row(f"{each.load:.0%}", each.name, *map(shown, each.tail), percent(each.failed, 2), f"{each.in_flight:.0f}")


def figures(found: list[Tried]) -> list[Figure]:
    across = Across(LOADS[0], LOADS[-1], LOADS, lambda load: f"{load:.0%}")
    names = [name for name in (*LOCAL, *TOLD) if name != "random"]  # it is worse than round robin, and hides it

    def series(value: Any) -> list[Series]:
        return [
            Series(name, style(name), [(each.load, value(each)) for each in found if each.name == name])
            for name in names
        ]

    return [
        chart("p99 by load, of what was promised", series(lambda each: each.tail[1]), across, milliseconds(0.2, 2.0)),
        chart("Calls out of time", series(lambda each: each.failed), across, plain(0, 0.3, 0.1, "{:.0%}".format)),
    ]
