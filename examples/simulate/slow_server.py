"""What is one slow server worth? "Beyond Round Robin" (Buoyant, 2016), as it is described there.

11 servers that take 167 ms +- 5 ms however many calls they have. One client, 1,000 calls a second, a minute. From
second 15 to second 45 one server takes 2 s. What would fail if the caller waited for 1 s?
"""

from __future__ import annotations

from typing import Any, NamedTuple

from meshkit import Cluster
from meshkit.simulate import ProcessorSharing, Simulation, constant, normal, quantile

from ..demo.plot import Figure, Series
from .chart import chart, milliseconds, nines, style
from .contenders import ALL, LOCAL, percent, row, shown

NAME = "slow-server"
SERVERS, RATE, SECONDS = 11, 1000.0, 60.0
PATIENCE = 1.0
CLAIMED = {"round robin": "95%", "least request": "99%", "peak EWMA": "99.9%"}
"""What the experiment found, read off its plot."""
ENOUGH = 10**6
"""Workers: nobody waits for one."""


class Slowed(NamedTuple):
    name: str
    in_time: float
    ordered: list[float]
    at_slow: int
    """Calls that went to the slow server while it was slow."""


def slowed(name: str, balancer: Any) -> Slowed:
    simulation = Simulation(seed=11)
    for _ in range(SERVERS):
        simulation.server(normal(0.167, 0.005), kind=ProcessorSharing, workers=ENOUGH)
    slow, taken = simulation.servers[3], [0]
    usual = slow.service

    def change(service: Any) -> None:
        slow.service = service
        taken.append(slow.taken)

    simulation.timeline.at(15.0, change, constant(2.0)(simulation.rng("slow")))
    simulation.timeline.at(45.0, change, usual)
    simulation.clients(1, Cluster("shop", simulation.endpoints, balancer=balancer))
    simulation.load(RATE, SECONDS)
    tally = simulation.run()
    return Slowed(name, tally.within(PATIENCE), sorted(tally.latencies), taken[2] - taken[1])


def play() -> list[Slowed]:
    known = ALL
    return [slowed(name, known[name]) for name in (*LOCAL, "Prequal")]


def table(found: list[Slowed]) -> list[str]:
    return [
        row("balancer", f"answered within {PATIENCE:g} s", "Buoyant's", "p95", "p99", "p99.9", "calls to the slow one"),
        "|---|---:|---:|---:|---:|---:|---:|",
        *(line(each) for each in found),
    ]


def line(each: Slowed) -> str:
    tail = [shown(quantile(each.ordered, share)) for share in (0.95, 0.99, 0.999)]
    return row(each.name, percent(each.in_time, 2), CLAIMED.get(each.name, ""), *tail, f"{each.at_slow:,}")


def figure(found: list[Slowed]) -> Figure:
    across = nines(0.9999)
    marks = [1 / (1 - share) for share in _shares()]
    series = [
        Series(
            each.name,
            style(each.name),
            [(x, quantile(each.ordered, 1 - 1 / x)) for x in marks],
        )
        for each in found
        if each.name != "random"
    ]
    return chart("One of 11 servers takes 2 s for half of the time", series, across, milliseconds(0.1, 5.0))


def _shares() -> list[float]:
    """From p50 to p99.99, evenly on the axis of nines."""
    return [1 - 2 ** -(1 + k * 12.29 / 60) for k in range(61)]
