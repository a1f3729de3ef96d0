"""Who falls for a server that fails at once? It is never busy, so it looks like the best of all.

10 servers of 4 workers, 50 ms a call (exponential), 4 clients, at half of what they can do. From second 5 on one of
them answers every attempt with an error, after a millisecond.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from meshkit import CircuitBreaker, Cluster, Constant, Retry
from meshkit.balance import LeastRequest, PeakEwma, RoundRobin
from meshkit.cluster import OutlierDetection
from meshkit.simulate import Server, Simulation, exponential, fail

from ..demo.plot import Figure
from .chart import bars, plain
from .contenders import percent, row

NAME = "black-hole"
SERVERS, WORKERS, WORK, CLIENTS, LOAD = 10, 4, 0.05, 4, 0.5
FROM, SECONDS = 5.0, 25.0
BALANCERS: dict[str, Any] = {
    "round robin": RoundRobin(),
    "least request": LeastRequest(),
    "least request, all": LeastRequest(choices="all"),
    "peak EWMA": PeakEwma(),
}
WAYS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "alone": ((), {}),
    "a circuit breaker": ((), {"pipeline": [CircuitBreaker()]}),
    "outlier detection": ((), {"outliers": OutlierDetection()}),
    "a retry": ((Retry(ConnectionError, backoff=Constant(0.0)),), {}),
}


class Fallen(NamedTuple):
    name: str
    way: str
    share: float
    """Of the attempts, at the black hole."""
    failed: float


def fallen(name: str, way: str, seconds: float = SECONDS) -> Fallen:
    policies, options = WAYS[way]
    simulation = Simulation(seed=3, since=FROM)
    for _ in range(SERVERS):
        simulation.server(exponential(WORK), kind=Server, workers=WORKERS)
    fail(simulation.timeline, simulation.servers[3], begin=FROM, after=0.001)
    simulation.clients(CLIENTS, *policies, Cluster("shop", simulation.endpoints, balancer=BALANCERS[name], **options))
    simulation.load(LOAD * SERVERS * WORKERS / WORK, seconds)
    simulation.run(FROM)
    before = simulation.sent, simulation.servers[3].taken
    tally = simulation.run()
    share = (simulation.servers[3].taken - before[1]) / (simulation.sent - before[0])
    return Fallen(name, way, share, tally.failed)


def play() -> list[Fallen]:
    return [fallen(name, way) for way in WAYS for name in BALANCERS]


def table(found: list[Fallen]) -> list[str]:
    return [
        row("calls that fail, with", *BALANCERS),
        "|---|" + "---:|" * len(BALANCERS),
        *(row(way, *(percent(each.failed, 2) for each in found if each.way == way)) for way in WAYS),
    ]


def figure(found: list[Fallen]) -> Figure:
    groups = [(way, [(each.name, each.share) for each in found if each.way == way]) for way in WAYS]
    return bars("One of 10 fails at once: its share of the attempts", groups, plain(0, 0.3, 0.1, _share))


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 or not share else "<1%"
