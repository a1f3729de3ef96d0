"""What goes wrong? Each balancer among servers of which one or more are not as they should be.

20 servers of 2 cores, 50 ms a call (lognormal), all calls at once; 10 clients; at 60 % of what they could do if all
were well; a call is given 2 s. One trouble at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from meshkit import Cluster, Timeout
from meshkit.simulate import ProcessorSharing, Simulation, antagonists, cold, fail, flap, lognormal, pareto, slow

from .contenders import ALL, LOCAL, TOLD, percent, row, shown

NAME = "troubles"
SERVERS, WORKERS, MEAN, CLIENTS, LOAD = 20, 2, 0.05, 10, 0.6
MEDIAN, SIGMA = 0.0441, 0.5
SECONDS, WARM = 60.0, 12.0
RATE = LOAD * SERVERS * WORKERS / MEAN
Befall = Callable[[Simulation], None]


def _sizes(simulation: Simulation) -> None:
    """Every fourth is half as fast, every fourth half again as fast; nobody was told."""
    for k, server in enumerate(simulation.servers):
        server.speed = (0.5, 1.0, 1.0, 1.5)[k % 4]


def _neighbours(simulation: Simulation) -> None:
    antagonists(
        simulation.timeline, simulation.servers, simulation.rng("neighbours"), shares=(1.2, 1.0, 0.5), mean=10.0
    )


def _tail(simulation: Simulation) -> None:
    for k, server in enumerate(simulation.servers):
        server.service = pareto(MEAN, 1.5, 20)(simulation.rng(f"tail {k}"))


TROUBLES: dict[str, Befall] = {
    "none": lambda simulation: None,
    "one 10 times slower": lambda s: slow(s.timeline, s.servers[3], 10.0, 20.0, 50.0),
    "one begins cold": lambda s: cold(s.timeline, s.servers[3], 30.0, begin=20.0),
    "unequal, unknown": _sizes,
    "neighbours": _neighbours,
    "heavy tail": _tail,
    "one fails at once": lambda s: fail(s.timeline, s.servers[3], begin=20.0, end=50.0),
    "one flaps": lambda s: flap(s.timeline, s.servers[3], up=5.0, down=5.0, until=SECONDS),
}


class Fared(NamedTuple):
    name: str
    trouble: str
    tail: float
    failed: float


def fared(name: str, balancer: Any, trouble: str, seconds: float = SECONDS) -> Fared:
    simulation = Simulation(seed=5, since=WARM)
    for _ in range(SERVERS):
        simulation.server(lognormal(MEDIAN, SIGMA), kind=ProcessorSharing, workers=WORKERS, planned=WORKERS)
    TROUBLES[trouble](simulation)
    simulation.distance = 0.0005
    simulation.clients(CLIENTS, Timeout(2.0), Cluster("shop", simulation.endpoints, balancer=balancer))
    simulation.load(RATE, seconds)
    tally = simulation.run(seconds + 2.0)
    return Fared(name, trouble, tally.quantiles(0.99)[0], tally.failed)


def play() -> list[Fared]:
    return [fared(name, balancer, trouble) for trouble in TROUBLES for name, balancer in ALL.items()]


def table(found: list[Fared]) -> list[str]:
    return [
        row("p99 (failed)", *LOCAL, *TOLD),
        "|---|" + "---:|" * len((*LOCAL, *TOLD)),
        *(row(trouble, *(_cell(each) for each in found if each.trouble == trouble)) for trouble in TROUBLES),
    ]


def _cell(each: Fared) -> str:
    return shown(each.tail) + (f" ({percent(each.failed)})" if each.failed >= 0.0005 else "")
