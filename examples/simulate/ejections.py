"""Who is ejected, and rightly? Outlier detection where one server fails more than the others, and where all do.

20 servers of 4 workers, 50 ms a call (exponential), 4 clients, each with its own detection, 2 minutes. *One is bad*:
half of its answers are errors, of the others' one in 100. *All overloaded*: more is asked than all can do, their queues
are short, and what does not fit is refused with 503; nobody is worse than the others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from meshkit import Cluster
from meshkit.balance import LeastRequest
from meshkit.cluster import OutlierDetection
from meshkit.simulate import UNAVAILABLE, Server, Simulation, exponential, fail

from .contenders import percent, row

NAME = "ejections"
SERVERS, WORKERS, WORK, CLIENTS, QUEUE = 20, 4, 0.05, 4, 4
BAD = 3
SECONDS = 120.0
WAYS: dict[str, Any] = {
    "without": None,
    "defaults": OutlierDetection(),
    "2 errors in a row": OutlierDetection(consecutive_5xx=2),
    "2 in a row, up to half": OutlierDetection(consecutive_5xx=2, max_ejected=0.5),
    "success rate only": OutlierDetection(consecutive_5xx=None),
}


class Ejected(NamedTuple):
    way: str
    scene: str
    right: int
    wrong: int
    failed: float


def ejected(way: str, scene: str, seconds: float = SECONDS) -> Ejected:
    simulation = Simulation(seed=41, since=10.0)
    for _ in range(SERVERS):
        simulation.server(exponential(WORK), kind=Server, workers=WORKERS, queue=QUEUE)
    one = scene == "one is bad"
    if one:
        for k, server in enumerate(simulation.servers):
            fail(simulation.timeline, server, UNAVAILABLE, share=0.5 if k == BAD else 0.01, after=0.01)
    cluster = Cluster("shop", simulation.endpoints, balancer=LeastRequest(), outliers=WAYS[way])
    members = [member for shell in simulation.clients(CLIENTS, cluster) for member in shell.tree.states[0].members]
    known, out = [False] * len(members), []

    def look(_: None) -> None:
        """An ejection lasts for half a minute: nobody is overlooked."""
        for k, member in enumerate(members):
            if member.ejected and not known[k]:
                out.append(k % SERVERS)
            known[k] = member.ejected
        simulation.timeline.after(1.0, look)

    look(None)
    simulation.load((0.5 if one else 1.1) * SERVERS * WORKERS / WORK, seconds)
    tally = simulation.run(seconds + 5.0)
    right = sum(one and k == BAD for k in out)
    return Ejected(way, scene, right, len(out) - right, tally.failed)


def play() -> list[Ejected]:
    return [ejected(way, scene) for scene in ("one is bad", "all overloaded") for way in WAYS]


def table(found: list[Ejected]) -> list[str]:
    return [
        row("", "outlier detection", "the bad one ejected", "others ejected", "calls that fail"),
        "|---|---|---:|---:|---:|",
        *(row(each.scene, each.way, each.right, each.wrong, percent(each.failed, 2)) for each in found),
    ]
