"""What is a second attempt worth, and what does it cost? "The Tail at Scale": send again what is slow.

100 servers of 4 workers that take 10 ms (lognormal); 3 in 1,000 calls meet a hiccup, of 300 ms on average, at whatever
server. 5 clients; a hedge goes out when the first attempt has taken longer than 95 % of the calls do.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from meshkit import Cluster, Hedge
from meshkit.balance import LeastRequest
from meshkit.simulate import Server, Simulation, lognormal

from ..demo.plot import Figure, Series
from .chart import Across, chart, milliseconds
from .contenders import percent, row, shown

NAME = "hedging"
SERVERS, WORKERS, CLIENTS = 100, 4, 5
MEDIAN, SIGMA, HICCUP, HICCUPS = 0.01, 0.3, 0.3, 0.003
MEAN = MEDIAN * 1.046 + HICCUP * HICCUPS
LOADS = (0.2, 0.4, 0.6, 0.8, 0.9)
WAYS: dict[str, tuple[Any, ...]] = {
    "no hedge": (),
    "p95, at most 10%": (Hedge(percentile=0.95),),
    "p99, at most 10%": (Hedge(percentile=0.99),),
    "after 5 ms, no budget": (Hedge(0.005, budget=None),),
}


def service(rng: Random) -> Callable[[], float]:
    usual, random = lognormal(MEDIAN, SIGMA)(rng), rng.random
    return lambda: usual() if random() >= HICCUPS else usual() + rng.expovariate(1 / HICCUP)


class Hedged(NamedTuple):
    way: str
    load: float
    tail: tuple[float, float, float, float]
    more: float
    """Attempts beyond the first, of each call."""


def hedged(way: str, load: float, calls: int = 60_000) -> Hedged:
    rate = load * SERVERS * WORKERS / MEAN
    simulation = Simulation(seed=29, since=0.2 * calls / rate)
    for _ in range(SERVERS):
        simulation.server(service, kind=Server, workers=WORKERS)
    simulation.clients(CLIENTS, *WAYS[way], Cluster("shop", simulation.endpoints, balancer=LeastRequest()))
    simulation.load(rate, calls / rate)
    tally = simulation.run(calls / rate + 5.0)
    tail = tuple(tally.quantiles(0.5, 0.95, 0.99, 0.999))
    begun = sum(shell.tree.snapshot()["Hedge"]["hedged"] for shell in simulation.shells) if WAYS[way] else 0
    return Hedged(way, load, tail, begun / (simulation.sent - begun))  # type: ignore[arg-type]


def play() -> list[Hedged]:
    return [hedged(way, load) for way in WAYS for load in LOADS]


def table(found: list[Hedged]) -> list[str]:
    return [
        row("load", "hedge", "p50", "p95", "p99", "p99.9", "more attempts"),
        "|---|---|---:|---:|---:|---:|---:|",
        *(line(each) for load in (0.2, 0.6, 0.9) for each in found if each.load == load),
    ]


def line(each: Hedged) -> str:
    return row(f"{each.load:.0%}", each.way, *map(shown, each.tail), percent(each.more))


def figure(found: list[Hedged]) -> Figure:
    across = Across(LOADS[0], LOADS[-1], LOADS, lambda load: f"{load:.0%}")
    marks = dict(zip(WAYS, ("plain", "healthy", "mesh", "failing"), strict=True))
    series = [Series(way, marks[way], [(each.load, each.tail[3]) for each in found if each.way == way]) for way in WAYS]
    return chart("p99.9 by load", series, across, milliseconds(0.02, 5.0))
