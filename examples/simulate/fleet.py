"""How many clients are there? The same calls to the same servers, by one client, or by a thousand.

Each client sees only its own calls. Turns taken by many, who know nothing of each other, are luck for each server; and
of the calls in flight a client sees the fewer, the more clients there are. 50 servers of one core that work on all
their calls at once, 50 ms on average (exponentially distributed), at 80 % of what they can do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from meshkit import Cluster
from meshkit.simulate import ProcessorSharing, Simulation, exponential

from ..demo.plot import Figure, Series
from .chart import Across, chart, milliseconds, style
from .contenders import ALL, row, shown

NAME = "fleet"
SERVERS, WORK, LOAD = 50, 0.05, 0.8
CLIENTS = (1, 10, 100, 1000)
NAMES = ("random", "round robin", "least request", "peak EWMA", "Prequal")


class Seen(NamedTuple):
    name: str
    clients: int
    median: float
    tail: float


def seen(name: str, balancer: Any, clients: int, seconds: float = 60.0) -> Seen:
    simulation = Simulation(seed=23, since=10.0)
    for _ in range(SERVERS):
        simulation.server(exponential(WORK), kind=ProcessorSharing)
    simulation.distance = 0.0005
    simulation.clients(clients, Cluster("shop", simulation.endpoints, balancer=balancer))
    simulation.load(LOAD * SERVERS / WORK, seconds)
    tally = simulation.run()
    return Seen(name, clients, *tally.quantiles(0.5, 0.99))


def play() -> list[Seen]:
    known = ALL
    return [seen(name, known[name], clients) for name in NAMES for clients in CLIENTS]


def table(found: list[Seen]) -> list[str]:
    return [
        row("p99 with", *(f"{n:,} client{'s' * (n > 1)}" for n in CLIENTS)),
        "|---|" + "---:|" * len(CLIENTS),
        *(row(name, *(shown(each.tail) for each in found if each.name == name)) for name in NAMES),
    ]


def figure(found: list[Seen]) -> Figure:
    across = Across(1, 1000, CLIENTS, lambda n: f"{n:,.0f}", log=True)
    series = [
        Series(name, style(name), [(each.clients, each.tail) for each in found if each.name == name]) for name in NAMES
    ]
    return chart("p99, by how many clients share the servers", series, across, milliseconds(0.4, 2.0))
