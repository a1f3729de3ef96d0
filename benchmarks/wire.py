"""How many requests does a client get answered in a second, and what does each cost? 1, 32 and 100 in flight.

A small file of a static nginx over the loopback interface, read to its end, on uvloop and on asyncio's own loop. Client
and nginx have a core each. Ratios are of processor time: at 32 in flight the client's core is never idle, and then they
are the ratios of requests per second that a machine would show which does nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import attrs

from .measure import Effort, Figure
from .nginx import NoServer
from .rows import Line
from .wire_child import Order
from .wire_subjects import (
    AIOHTTP,
    CEILING,
    CEILING_WITH_IO,
    HTTPX,
    HTTPX2,
    OURS,
    OVER_AIOHTTP,
    POLICIES,
    POOL,
    UNDER_HTTPX2,
    WITHOUT_SNIFFIO,
)
from .wire_turns import LOOPS, Child, Round, cores, figures, one_round, rounds, seconds, serving

__all__ = ["ROWS", "cpu", "failures", "unserved"]

IN_FLIGHT = (1, 32, 100)
BUSY = 32
WHO = (
    CEILING,
    CEILING_WITH_IO,
    OURS,
    POLICIES,
    UNDER_HTTPX2,
    POOL,
    HTTPX,
    HTTPX2,
    OVER_AIOHTTP,
    AIOHTTP,
    WITHOUT_SNIFFIO,
)
VARIANTS = (CEILING, CEILING_WITH_IO, POLICIES, UNDER_HTTPX2, POOL)
ONE_CORE = "There is only one core to run on: the client shares it with nginx."
Told = dict[tuple[str, int], list[Round]]
"""By loop and how many are in flight."""


def cpu(one: Round, name: str) -> float:
    """Seconds of the processor for one exchange."""
    return one[name].cpu / one[name].count


def per_second(one: Round, name: str) -> float:
    return one[name].count / one[name].wall


def as_fast_as(other: str, unit: float = 1.0) -> Callable[[Round, str], float]:
    """How many exchanges for each of the other's, from the same time of the processor."""
    return lambda one, name: unit * cpu(one, other) / cpu(one, name)


def failures(children: list[Child]) -> dict[str, str]:
    return {child.name: child.failed for child in children if child.failed}


def unserved(group: str, path: str, why: NoServer) -> Line:
    """What is left of a row where there is nobody to ask."""
    return Line(group, path, "requests/s", None, OURS, HTTPX, {}, {"nginx": str(why)})


def targets(told: list[Round], loop: str, missing: dict[str, str]) -> list[Line]:
    """What was asked of 32 in flight."""
    lines = []

    def line(ours: str, other: str, least: float, unit: str, factor: float = 1.0) -> None:
        found = figures(told, as_fast_as(other, factor))
        shown = (ours, CEILING_WITH_IO, HTTPX, AIOHTTP) if other == CEILING else (ours,)
        kept = {name: found[name] for name in shown if name in found}
        why = {name: reason for name, reason in missing.items() if name in (ours, other)}
        path = f"GET, {ours}, {BUSY} in flight, {loop}"
        lines.append(Line("client", path, unit, least, ours, HTTPX, kept, why, more=True, beside=VARIANTS))

    line(OURS, CEILING, 80, "% of ceiling", 100)
    line(OURS, HTTPX, 7.5, "x httpx")
    line(POLICIES, CEILING, 70, "% of ceiling", 100)
    line(POLICIES, HTTPX, 7, "x httpx")
    line(POLICIES, HTTPX2, 3, "x httpx2")
    line(POLICIES, OVER_AIOHTTP, 1.5, "x httpx-aiohttp")
    line(POOL, AIOHTTP, 2, "x aiohttp")
    return lines


def dearest(told: Told, loop: str, missing: dict[str, str]) -> Line:
    """How much more a request costs at the worst of 1, 32 and 100 in flight than at the best, in percent."""
    merged: list[Round] = []
    for turn in zip(*(told[loop, count] for count in IN_FLIGHT), strict=True):
        names = [name for name in turn[0] if all(name in each for each in turn)]
        costs = {name: [cpu(each, name) for each in turn] for name in names}
        merged.append({name: attrs.evolve(turn[0][name], count=1, cpu=max(c) / min(c)) for name, c in costs.items()})
    found = figures(merged, lambda one, name: 100 * one[name].cpu)
    return Line(
        group="client",
        path=f"GET, the dearest of {', '.join(map(str, IN_FLIGHT))} in flight, {loop}",
        unit="% of cheapest",
        target=130,
        ours=OURS,
        usual=HTTPX,
        figures={name: attrs.evolve(figure, nanoseconds=0.0) for name, figure in found.items()},
        missing={name: why for name, why in missing.items() if name == OURS},
        beside=VARIANTS,
    )


def summary(told: Told, failed: dict[str, dict[str, str]]) -> list[Line]:
    lines = []
    for loop in LOOPS:
        missing = failed.get(loop, {})
        for count in IN_FLIGHT:
            path = f"GET, {count} in flight, {loop}"
            each = figures(told[loop, count], per_second)
            notes = () if cores()[0] is not None else (ONE_CORE,)
            why = missing if count == 1 else {}
            lines.append(
                Line("client", path, "requests/s", None, OURS, HTTPX, each, why, notes, more=True, beside=VARIANTS)
            )
            costs = figures(told[loop, count], lambda one, name: cpu(one, name) * 1e6)
            lines.append(Line("client", path, "µs of CPU", None, OURS, HTTPX, costs, {}, beside=VARIANTS))
        lines.append(dearest(told, loop, missing))
        lines += targets(told[loop, BUSY], loop, missing)
        blind = figures(told[loop, BUSY], lambda one, name: 100 * cpu(one, name) / cpu(one, HTTPX))
        kept: dict[str, Figure] = {name: blind[name] for name in (HTTPX, WITHOUT_SNIFFIO) if name in blind}
        path = f"GET, httpx without sniffio, {BUSY} in flight, {loop}"
        lines.append(Line("client", path, "% of CPU", None, WITHOUT_SNIFFIO, HTTPX, kept, {}))
    return lines


@attrs.frozen
class Requests:
    group = "client"

    async def measure(self, effort: Effort) -> list[Line]:
        return self.measured(effort)  # there is nothing to await: the work is done elsewhere

    def measured(self, effort: Effort) -> list[Line]:
        told: Told = {(loop, count): [] for loop in LOOPS for count in IN_FLIGHT}
        try:
            with contextlib.ExitStack() as stack:
                servers = stack.enter_context(serving())
                children = {
                    loop: [stack.enter_context(Child.of(name, loop, servers)) for name in WHO] for loop in LOOPS
                }
                for _ in range(rounds(effort)):
                    for (loop, count), found in told.items():
                        order = Order("get", count, seconds(effort))
                        found.append(
                            one_round(
                                (child, order)
                                for child in children[loop]
                                if child.subject != WITHOUT_SNIFFIO or count == BUSY
                            )
                        )
                return summary(told, {loop: failures(children[loop]) for loop in LOOPS})
        except NoServer as why:
            return [unserved(self.group, "GET", why)]


ROWS = (Requests(),)
