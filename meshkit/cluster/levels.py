"""Which priority gets how much? As much of the traffic as its healthy endpoints can carry; the next one gets the rest.

In whole percent, ``//`` being division without the remainder::

    available(i) = hosts(i) - excluded(i)
    health(i)    = min(100, overprovision * healthy(i)  // available(i))     overprovision = 140
    lame(i)      = min(100, overprovision * degraded(i) // available(i))
    total        = min(100, the sum of all health and lame)

    load(i)      = min(what is left of 100, health(i) * 100 // total)        level by level, to healthy endpoints
                   the same with lame(i), for what the healthy ones of all levels have left, to degraded ones
                   what the divisions leave over: to the first level with some health, else the first lame one

    panic(i)     = total < 100  and  100 * (healthy(i) + degraded(i)) < threshold * available(i)
                   whoever is sent to that level may be sent to any of its endpoints, well or not

With the factor of 1.4 a level carries everything until less than 72 % of it is healthy. If all levels panic, load is
shared by the number of endpoints, whatever their health, and what is left over goes to the first level that has any. A
threshold of 0 knows no panic: where nobody is well, the load stands on level 0 in name only.

Envoy's ``LoadBalancerBase`` (``recalculatePerPriorityState``, ``recalculatePerPriorityPanic``,
``recalculateLoadInTotalPanic``, ``choosePriority``), as its code has it; some rows of its documentation differ. Two
things are our own: panic is decided in whole numbers, and where so few are healthy that every level's health rounds to
0 and nobody panics, the first level that has any healthy endpoint gets all, not the first level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Level", "Spread", "Weights", "choose", "spread"]


class Weights(NamedTuple):
    """The weights of a level's endpoints, where these and not their number say what it can carry."""

    total: float
    """Of all but the excluded."""
    healthy: float
    degraded: float = 0


class Level(NamedTuple):
    """The endpoints of one priority, counted."""

    hosts: int
    """All of them."""
    healthy: int
    """Those that may be picked, and are well."""
    degraded: int = 0
    """Those that may be picked if the healthy ones do not suffice; none of them is counted as healthy."""
    excluded: int = 0
    """Those that do not count: just added and not checked yet."""
    weights: Weights | None = None
    """Health by weight; ``None``: by number. Panic is by number in any case."""


class Spread:
    """How traffic is spread over levels. ``healthy`` and ``degraded`` are percent for each level, 100 in all."""

    __slots__ = ("degraded", "healthy", "panic", "table", "total")

    def __init__(self, healthy: list[int], degraded: list[int], panic: list[bool], total: int) -> None:
        self.healthy = healthy
        self.degraded = degraded
        self.panic = panic
        """For each level: whether it may use all its endpoints, well or not."""
        self.total = total
        """The availability of all levels together, in percent: 100 is enough."""
        self.table = tuple(
            slot
            for loads, lame in ((healthy, False), (degraded, True))
            for level, load in enumerate(loads)
            for slot in ((level, lame),) * load
        )
        """A hundred places, each ``(level, whether its degraded endpoints are meant)``."""

    @property
    def total_panic(self) -> bool:
        """Whether every level is in panic."""
        return all(self.panic)


def choose(spread: Spread, r: int, /) -> tuple[int, bool]:
    """The level for a hash or random number, and whether its degraded endpoints are meant; see ``spread.panic``."""
    return spread.table[r % 100]


def spread(levels: Sequence[Level], /, *, overprovision: int = 140, panic: int = 50) -> Spread:
    """Spread traffic over levels, the most preferred first. They are at least one.

    ``overprovision``: the factor in percent, from 100 on. ``panic``: the threshold in percent; 0: no panic.
    """
    health = [_carries(level, overprovision, lame=False) for level in levels]
    lame = [_carries(level, overprovision, lame=True) for level in levels]
    total = min(100, sum(health) + sum(lame))
    panics = [total < 100 and _panics(level, panic) for level in levels]
    if all(panics):
        return Spread(_by_number([level.hosts for level in levels]), [0] * len(levels), panics, total)
    if not total:
        health = [level.healthy for level in levels]
        lame = [level.degraded for level in levels]
        return Spread(*_all_to_the_first(health, lame), panics, total)
    healthy, left = _distribute(health, 100, total)
    degraded, left = _distribute(lame, left, total)
    loads, able = (healthy, health) if any(health) else (degraded, lame)
    loads[_first(able)] += left
    return Spread(healthy, degraded, panics, total)


def _carries(level: Level, overprovision: int, *, lame: bool) -> int:
    """The share of all traffic, in percent, that this level could take."""
    available = level.hosts - level.excluded
    part: float = level.degraded if lame else level.healthy
    whole: float = available
    if level.weights is not None:
        part = level.weights.degraded if lame else level.weights.healthy
        whole = level.weights.total
    if available <= 0 or whole <= 0:
        return 0
    return min(100, int(overprovision * part // whole))


def _panics(level: Level, threshold: int) -> bool:
    available = level.hosts - level.excluded
    return 100 * (level.healthy + level.degraded) < threshold * available if available > 0 else threshold > 0


def _distribute(able: Sequence[int], left: int, total: int) -> tuple[list[int], int]:
    """What each level takes of ``left``, and what remains of it."""
    loads = []
    for each in able:
        load = min(left, each * 100 // total)
        loads.append(load)
        left -= load
    return loads, left


def _by_number(hosts: Sequence[int]) -> list[int]:
    every = sum(hosts)
    loads = [100 * count // every if every else 0 for count in hosts]
    loads[_first(hosts)] += 100 - sum(loads)
    return loads


def _all_to_the_first(healthy: Sequence[int], degraded: Sequence[int]) -> tuple[list[int], list[int]]:
    """So few are well that all rounds to nothing, or nobody is."""
    loads = ([0] * len(healthy), [0] * len(healthy))
    lame = not any(healthy) and any(degraded)
    loads[lame][_first(degraded if lame else healthy)] = 100
    return loads


def _first(counts: Sequence[int]) -> int:
    """The first level that has any; 0 if none has."""
    return next((level for level, count in enumerate(counts) if count), 0)
