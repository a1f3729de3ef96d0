"""How even is a table, and what moves when an endpoint leaves? And what does it cost when some keys are favourites?

Tables: 1,000 endpoints as in Maglev's paper. The fullest one's share, against the average, is what everybody must be
provisioned for; and of the slots of those that stay, some change hands when others leave.

Keys: 20 servers, 1,000 keys asked for by Zipf's law, so that the first is in every eighth call. Whoever sends a key to
the same server each time finds its cache warm, and its favourites overloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from meshkit import Cluster
from meshkit.balance import Hashed, LeastRequest, Maglev, Member, Ring
from meshkit.cluster import Endpoint
from meshkit.simulate import Server, Simulation, exponential, imbalance, zipf

from ..demo.plot import Figure, Series
from .chart import Across, chart, plain
from .contenders import percent, row, shown

NAME, KEYS_NAME = "hashing", "keys"
ENDPOINTS = 1000
SIZES = (10_007, 65_537, 655_373)
LEAVING = (1, 10, 20, 50)


class Table(NamedTuple):
    name: str
    size: int
    above: float
    """What the fullest endpoint has more than the average, as a share of that."""
    moved: tuple[float, ...]
    """By how many leave: the share of the slots of those that stay that changes hands."""


def tables(size: int, ring: bool) -> Table:
    members = [Member(Endpoint(f"10.0.{k >> 8}.{k & 255}:80")) for k in range(ENDPOINTS)]
    spec: Any = Ring(least=size, most=max(size, 8_388_608)) if ring else Maglev(size)
    counts = dict.fromkeys(map(id, members), 0)
    for owner in _owners(spec, members, size, min(10 * size, 2_000_000) if ring else size):
        counts[id(owner)] += 1
    places = 200_000 if ring else size
    before = _owners(spec, members, size, places)
    moved = []
    for number in LEAVING:
        gone = set(map(id, Random(number).sample(members, number)))
        after = _owners(spec, [member for member in members if id(member) not in gone], size, places)
        kept = [(old, new) for old, new in zip(before, after, strict=True) if id(old) not in gone]
        moved.append(sum(old is not new for old, new in kept) / len(kept))
    return Table("ring" if ring else "Maglev", size, imbalance(list(counts.values())) - 1, tuple(moved))


def _owners(spec: Any, members: list[Member], size: int, places: int) -> list[Member]:
    """Who has each slot; of a ring, each of as many places evenly apart."""
    table = _built(spec.build(members, None))
    step = 1 if isinstance(spec, Maglev) else 2**64 // places
    first: Callable[[int], Member] = table.first
    return [first(k * step) for k in range(places)]


def _built(work: Any) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


class Asked(NamedTuple):
    name: str
    warm: float
    """The share of the calls that go where their key always goes."""
    tail: tuple[float, float]
    imbalance: float


SERVERS, WORKERS, WORK, LOAD, KEYS = 20, 4, 0.05, 0.7, 1000
WAYS: dict[str, Any] = {
    "by key": Hashed("key", Maglev()),
    "by key, bound 2": Hashed("key", Maglev(), bound=2.0),
    "by key, bound 1.25": Hashed("key", Maglev(), bound=1.25),
    "least request": LeastRequest(),
}


def asked(name: str, seconds: float = 40.0) -> Asked:
    simulation = Simulation(seed=37, since=10.0)
    for _ in range(SERVERS):
        simulation.server(exponential(WORK), kind=Server, workers=WORKERS)
    (shell,) = simulation.clients(1, Cluster("shop", simulation.endpoints, balancer=WAYS[name]))
    homes: dict[str, Any] = {}
    (probing,) = simulation.clients(1, Cluster("shop", simulation.endpoints, balancer=WAYS["by key"]))
    simulation.shells = [shell]
    where: list[bool] = []
    keys = [f"key-{k}" for k in range(KEYS)]
    draw = zipf(keys, simulation.rng("keys"), 0.9)

    def ended(walk: Any, result: Any, error: Any) -> None:
        simulation.tally.count(walk, result, error)
        where.append(walk.call.endpoint is homes.get(walk.call.request))

    def home(walk: Any, result: Any, error: Any) -> None:
        homes[walk.call.request] = walk.call.endpoint

    for key in keys:
        probing.start(key, home)
    simulation.run()
    taken = [server.taken for server in simulation.servers]
    simulation.load(LOAD * SERVERS * WORKERS / WORK, seconds, request=draw, begin=simulation.timeline.now, then=ended)
    simulation.run(simulation.timeline.now + seconds)
    loads = [server.taken - before for server, before in zip(simulation.servers, taken, strict=True)]
    median, tail = simulation.tally.quantiles(0.5, 0.99)
    return Asked(name, sum(where) / len(where), (median, tail), imbalance(loads))


def play() -> tuple[list[Table], list[Asked]]:
    found = [tables(size, ring) for ring in (False, True) for size in SIZES]
    return found, [asked(name) for name in WAYS]


def table(found: tuple[list[Table], list[Asked]]) -> list[str]:
    plural = [f"moved besides, {n} leave{'s' * (n == 1)}" for n in LEAVING]
    return [
        row("table", "slots, or points", "fullest above average", *plural),
        "|---|---:|---:|" + "---:|" * len(LEAVING),
        *(
            row(each.name, f"{each.size:,}", percent(each.above), *(percent(share, 2) for share in each.moved))
            for each in found[0]
        ),
    ]


def keys_table(found: tuple[list[Table], list[Asked]]) -> list[str]:
    return [
        row("balancer", "calls that find their key's server", "p50", "p99", "busiest server, of the average"),
        "|---|---:|---:|---:|---:|",
        *(row(each.name, percent(each.warm), *map(shown, each.tail), f"{each.imbalance:.2f}") for each in found[1]),
    ]


def figure(found: tuple[list[Table], list[Asked]]) -> Figure:
    across = Across(SIZES[0], SIZES[-1], SIZES, lambda size: f"{size:,.0f}", log=True)
    series = [
        Series(name, mark, [(each.size, each.above) for each in found[0] if each.name == name])
        for name, mark in (("Maglev", "healthy"), ("ring", "plain"))
    ]
    title = "The fullest of 1,000, above the average, by slots or points"
    return chart(title, series, across, plain(0, 1.5, 0.5, "{:.0%}".format))
