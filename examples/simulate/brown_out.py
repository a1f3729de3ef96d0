"""What do retries make of a brown-out? A third of the servers' speed is gone for a while, and comes back.

10 servers of 4 workers, 50 ms a call, at 70 % of what they can do; from second 20 to second 30 that is 105 %. They
serve first come, first served, and go on for callers that have gone. 10 clients; an attempt is given 0.5 s, a call 4
attempts.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from meshkit import Cluster, Retry, RetryBudget, Timeout
from meshkit.balance import LeastRequest
from meshkit.simulate import Server, Simulation, exponential, slow

from ..demo.plot import Figure, Series
from .chart import Across, chart, plain
from .contenders import percent, row

NAME = "brown-out"
SERVERS, WORKERS, WORK, LOAD, CLIENTS, ATTEMPT = 10, 4, 0.05, 0.7, 10, 0.5
BEGIN, END, SECONDS = 20.0, 30.0, 60.0
SLOWER = 1.5
RATE = LOAD * SERVERS * WORKERS / WORK
WAYS: dict[str, tuple[Any, ...]] = {
    "no retry": (),
    "without a budget": (Retry(TimeoutError, attempts=4, budget=None),),
    "budget 20%": (Retry(TimeoutError, attempts=4, budget=RetryBudget(ratio=0.2, floor=1.0)),),
    "budget 10%": (Retry(TimeoutError, attempts=4, budget=RetryBudget(ratio=0.1, floor=1.0)),),
}


class Browned(NamedTuple):
    way: str
    during: float
    after: float
    sent: float
    """Attempts for each call, from the beginning of the brown-out on."""
    by_second: list[int]
    """Calls answered, by the second in which they began."""


def browned(way: str) -> Browned:
    simulation = Simulation(seed=31)
    for _ in range(SERVERS):
        slow(
            simulation.timeline, simulation.server(exponential(WORK), kind=Server, workers=WORKERS), SLOWER, BEGIN, END
        )
    simulation.clients(
        CLIENTS, *WAYS[way], Timeout(ATTEMPT), Cluster("shop", simulation.endpoints, balancer=LeastRequest())
    )
    simulation.load(RATE, SECONDS)
    simulation.run(BEGIN)
    before = simulation.sent
    tally = simulation.run(SECONDS + 10.0)
    answered = Counter(int(at) for at in tally.began)
    by_second = [answered[second] for second in range(int(SECONDS))]
    during = sum(by_second[int(BEGIN) : int(END)]) / (RATE * (END - BEGIN))
    after = sum(by_second[int(END) :]) / (RATE * (SECONDS - END))
    return Browned(way, during, after, (simulation.sent - before) / (RATE * (SECONDS - BEGIN)), by_second)


def play() -> list[Browned]:
    return [browned(way) for way in WAYS]


def table(found: list[Browned]) -> list[str]:
    return [
        row("way", "answered during", "after", "sent for each call"),
        "|---|---:|---:|---:|",
        *(line(each) for each in found),
    ]


def line(each: Browned) -> str:
    return row(each.way, percent(min(1.0, each.during)), percent(min(1.0, each.after)), f"{each.sent:.2f}")


def figure(found: list[Browned]) -> Figure:
    across = Across(0, SECONDS, [10 * k for k in range(7)], lambda at: f"{at:g} s")
    marks = dict(zip(WAYS, ("mesh", "plain", "slow", "healthy"), strict=True))
    series = [Series(each.way, marks[each.way], [(k + 0.5, n) for k, n in enumerate(each.by_second)]) for each in found]
    offered = Series("calls a second", "offered", [(0, RATE), (SECONDS, RATE)])
    return chart("Calls answered, by when they began", series, across, plain(0, 800, 200, "{:g}".format), [offered])
