"""Is the simulator right? Where a formula is known, it must come out.

Two classics. n balls into n bins: the fullest bin holds about ``ln n / ln ln n`` with one choice, and
``ln ln n / ln d`` and a constant with d (Azar, Broder, Karlin, Upfal, 1994). The supermarket: Poisson arrivals at a
share ``load`` of what n servers with exponential service times can do, each joining the shortest of d queues; the mean
time in the system is, for large n::

    d = 1:   1 / (1 - load)
    d > 1:   sum over i >= 1 of   load ** ((d ** i - d) / (d - 1))

times the mean service time (Mitzenmacher, 2001).
"""

from __future__ import annotations

from math import log
from typing import NamedTuple

from meshkit import Cluster
from meshkit.balance import LeastRequest
from meshkit.simulate import Simulation, constant, exponential

from ..demo.plot import Figure, Series
from .chart import Across, chart, plain, style
from .contenders import row

NAME = "supermarket"
LOADS = (0.5, 0.7, 0.8, 0.9, 0.95)
CHOICES = (1, 2, 3)
SERVERS = 500


class Waits(NamedTuple):
    load: float
    choices: int
    simulated: float
    formula: float
    calls: int


class Bins(NamedTuple):
    balls: int
    choices: int
    fullest: float
    formula: float


def formula(load: float, choices: int) -> float:
    """The mean time in the system, in service times."""
    if choices == 1:
        return 1 / (1 - load)
    total, i = 0.0, 1
    while (power := (choices**i - choices) / (choices - 1)) < 2000:
        total += load**power
        i += 1
    return total


def waits(load: float, choices: int, servers: int = SERVERS, seconds: float | None = None) -> Waits:
    """The longer the queues, the longer until they are as long as they will be."""
    slow = choices == 1 and load > 0.8
    warm = 250.0 if slow else 60.0
    seconds = seconds or (750.0 if slow else 260.0)
    simulation = Simulation(seed=7, since=warm)
    for _ in range(servers):
        simulation.server(exponential(1.0))
    simulation.clients(1, Cluster("market", simulation.endpoints, balancer=LeastRequest(choices=choices)))
    simulation.load(load * servers, seconds)
    tally = simulation.run()
    return Waits(load, choices, tally.mean, formula(load, choices), simulation.sent)


def bins(balls: int, choices: int, throws: int = 10) -> Bins:
    """Calls that do not end, as many as servers."""
    fullest = 0
    for throw in range(throws):
        simulation = Simulation(seed=throw)
        for _ in range(balls):
            simulation.server(constant(1.0))
        (shell,) = simulation.clients(
            1, Cluster("bins", simulation.endpoints, balancer=LeastRequest(choices=choices), ceilings=None)
        )
        for _ in range(balls):
            shell.start(None, simulation.tally.count)
        fullest += max(server.in_flight for server in simulation.servers)
    expected = log(balls) / log(log(balls)) if choices == 1 else log(log(balls)) / log(choices)
    return Bins(balls, choices, fullest / throws, expected)


def play() -> tuple[list[Waits], list[Bins]]:
    found = [waits(load, d) for load in LOADS for d in CHOICES if load < 0.95 or d > 1]
    return found, [bins(n, d) for n in (100, 1000, 10_000) for d in CHOICES]


def table(found: tuple[list[Waits], list[Bins]]) -> list[str]:
    times, full = found
    return [
        row("load", *(f"{d} choice{'s' * (d > 1)}: simulated" + " | formula" for d in CHOICES)),
        "|---|" + "---:|" * (2 * len(CHOICES)),
        *(_waits_row(load, times) for load in LOADS),
        "",
        row("balls, bins", *(f"{d} choice{'s' * (d > 1)}: fullest | leading term" for d in CHOICES)),
        "|---|" + "---:|" * (2 * len(CHOICES)),
        *(
            row(f"{n:,}", *(f"{each.fullest:.1f} | {each.formula:.2f}" for each in full if each.balls == n))
            for n in sorted({each.balls for each in full})
        ),
    ]


def _waits_row(load: float, times: list[Waits]) -> str:
    cells = []
    for d in CHOICES:
        known = [each for each in times if (each.load, each.choices) == (load, d)]
        cells.append(f"{known[0].simulated:.2f}" if known else "-")
        cells.append(f"{formula(load, d):.2f}")
    return row(f"{load:.0%}", *cells)


def figure(found: tuple[list[Waits], list[Bins]]) -> Figure:
    names = {1: "random", 2: "least request", 3: "peak EWMA"}
    series = [
        Series(
            f"{d} choice{'s' * (d > 1)}",
            style(names[d]),
            [(each.load, each.simulated) for each in found[0] if each.choices == d],
        )
        for d in CHOICES
    ]
    fine = [0.5 + 0.005 * k for k in range(91)]
    bounds = [
        Series("formulas", "offered", [(at, formula(at, d)) for at in fine if d > 1 or at <= 0.9]) for d in CHOICES
    ]
    across = Across(0.5, 0.95, LOADS, lambda load: f"{load:.0%}")
    axis = plain(0, 10, 2, "{:g}".format)
    return chart("Mean time for a call, in service times, by load", series, across, axis, bounds, dots=True)
