"""What does a gateway make of one core? 100 routes, all policies, three endpoints; nginx, haproxy and Envoy beside it.

Each subject is a process, all of them on one core, asked in turns of a second by wrk, which shares the other core with
the nginx behind them. What is compared is compared within a round. See `gateway_plan` for what each is told to do.

Then the same at half of the requests that ours can do: how long do answers take, for the slowest of a hundred? Here all
are asked for as many (`gateway_paced`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import attrs

from .gateway_child import Child, tree
from .gateway_paced import paced_turn
from .gateway_plan import Plan
from .gateway_subjects import (
    AIOHTTP,
    ALONE,
    ENVOY,
    GRANIAN,
    HAPROXY,
    HTTPX,
    NGINX,
    OURS,
    POOL,
    PROXY_LIB,
    running,
)
from .gateway_wrk import Turn, Wrk
from .measure import Effort, Figure
from .nginx import SMALL, Nginx, NoServer
from .rows import Line
from .wire_turns import cores, figures

__all__ = ["BESIDE", "FILES", "ROWS", "Started", "seconds", "turns", "unserved"]

DIRECT = "no gateway"
WHO = (OURS, GRANIAN, POOL, ALONE, ENVOY, NGINX, HAPROXY, AIOHTTP, HTTPX, PROXY_LIB)
BESIDE = (GRANIAN, POOL, ALONE, DIRECT)
PACED = (OURS, GRANIAN, ENVOY, NGINX)
FILES = {f"v{n}/small": SMALL for n in range(10)}
"""What the endpoints have for the routes."""
NOTES = (
    "Ratios are of the same round, and of processor time where nothing else is said.",
    "A core for all of the subjects, in turns; wrk shares the other with nginx.",
    "fastapi-proxy-lib knows one endpoint, and httpx and aiohttp take them in turns: no policies, no routes.",
)
Worth = Callable[[dict[str, Turn], str], float]
Told = list[dict[str, Turn]]
"""By subject, for each round; who failed in one is missing there."""


def turns(effort: Effort) -> int:
    return max(2, effort.rounds * 2 // 5)


def seconds(effort: Effort) -> int:
    """Of a turn: wrk counts in whole ones."""
    return max(1, round(effort.lap * 500))


def per_second(one: dict[str, Turn], name: str) -> float:
    return one[name].count / one[name].wall


def cpu(one: dict[str, Turn], name: str) -> float:
    """Microseconds of the processor for an answer."""
    return one[name].cpu / one[name].count * 1e6


def cpu_share(one: dict[str, Turn], name: str) -> float:
    """How many answers come of a second of the processor. The core of those who are asked is never idle: so many a
    machine would show that does nothing else.
    """
    return one[name].count / one[name].cpu


def unserved(path: str, why: NoServer) -> Line:
    """What is left of a row where there is nobody to ask, or nothing to ask with."""
    return Line("gateway", path, "requests/s", None, OURS, HTTPX, {}, {"the benchmark": str(why)})


@attrs.define
class Started:
    """Those who take part, and why others do not."""

    children: list[Child]
    missing: dict[str, str]

    @classmethod
    @contextlib.contextmanager
    def of(cls, who: Sequence[tuple[str, str, Plan]], core: int | None) -> Iterator[Started]:
        """Start each: the name it gets here, its name in `gateway_subjects`, and its plan."""
        with contextlib.ExitStack() as stack:
            found = cls([], {})
            for name, subject, plan in who:
                try:
                    child = stack.enter_context(running(subject, plan, core))
                    child.name = name
                    found.children.append(child)
                except NoServer as why:
                    found.missing[name] = str(why)
            yield found

    def one_round(self, ask: Callable[[Child], Turn]) -> dict[str, Turn]:
        """Ask each once; who does not answer well is not asked again."""
        took = {}
        for child in self.children:
            if child.name not in self.missing:
                try:
                    took[child.name] = ask(child)
                except NoServer as why:
                    self.missing[child.name] = str(why)
        return took


def compared(told: Told, missing: dict[str, str]) -> list[Line]:
    """What was asked of it."""
    lines = []

    def line(ours: str, other: str, least: float | None, unit: str, worth: Worth = cpu_share) -> None:
        found = figures(told, lambda one, name: worth(one, name) / worth(one, other))
        kept = {name: figure for name, figure in found.items() if name in (ours, other, POOL, ALONE)}
        why = {name: reason for name, reason in missing.items() if name in (ours, other)}
        path = f"all policies, {ours}, requests/s{'' if worth is cpu_share else ' by the clock'}"
        beside = tuple(name for name in (OURS, GRANIAN, POOL, ALONE) if name != ours)
        lines.append(Line("gateway", path, unit, least, ours, other, kept, why, more=True, beside=beside))

    line(OURS, ENVOY, 0.8, "x Envoy")
    line(OURS, ENVOY, None, "x Envoy", per_second)
    line(OURS, HTTPX, 20, "x uvicorn + httpx")
    line(GRANIAN, ENVOY, 1.1, "x Envoy")
    line(GRANIAN, ENVOY, None, "x Envoy", per_second)
    two = [{name: one[name] for name in (OURS, POOL) if name in one} for one in told]
    added = figures(two, lambda one, name: cpu(one, name) - (cpu(one, POOL) if name != POOL else 0.0))
    kept = {OURS: added[OURS]} if set(added) == {OURS, POOL} else {}
    why = {name: reason for name, reason in missing.items() if name in (OURS, POOL)}
    lines.append(Line("gateway", "all policies, on top of the pool alone", "µs of CPU", 30, OURS, None, kept, why))
    return lines


def summary(told: Told, missing: dict[str, str]) -> list[Line]:
    path = "100 routes, all policies, 3 endpoints"
    rates, costs = figures(told, per_second), figures(told, cpu)
    half = figures(told, lambda one, name: one[name].p50 * 1e3)
    return [
        Line(
            "gateway", path, "requests/s", None, OURS, HTTPX, rates, missing, NOTES, more=True, beside=BESIDE, full=True
        ),
        Line("gateway", path, "µs of CPU", None, OURS, HTTPX, costs, {}, beside=BESIDE, full=True),
        Line("gateway", f"{path}, median", "ms", None, OURS, HTTPX, half, {}, beside=BESIDE, full=True),
        *compared(told, missing),
    ]


def at_rest(children: Sequence[Child]) -> Line:
    """Before anybody has asked for more than a request or two."""
    kept = {child.name: Figure(child.memory() / 2**20, 0.0, 0.0) for child in children}
    return Line("gateway", "memory at rest", "MiB", None, OURS, HTTPX, kept, {}, beside=BESIDE, full=True)


def late(told: Told, rate: float, missing: dict[str, str]) -> list[Line]:
    """Of answers to so many requests a second."""
    path = f"answers at {rate:,.0f} requests/s"
    note = ("Half of what ours can do; nginx, haproxy and Envoy are asked for as many.",)
    lines = []
    for word, worth in (
        ("median", lambda one, name: one[name].p50 * 1e3),
        ("99th of 100", lambda one, name: one[name].p99 * 1e3),
    ):
        found = figures(told, worth)
        lines.append(
            Line("gateway", f"{path}, {word}", "ms", None, OURS, ENVOY, found, {}, note, beside=BESIDE, full=True)
        )
    ratio = figures(told, lambda one, name: one[name].p99 / one[ENVOY].p99)
    why = {name: reason for name, reason in missing.items() if name in (OURS, ENVOY)}
    lines.append(Line("gateway", f"{path}, 99th", "x Envoy", 2, OURS, ENVOY, ratio, why, note, beside=BESIDE))
    return lines


def itself(nginx: Nginx) -> Child:
    """The endpoints, asked by themselves."""
    return Child(DIRECT, nginx.process, nginx.ports[0], 0, tree(nginx.process.pid))


@attrs.frozen
class Requests:
    group = "gateway"

    async def measure(self, effort: Effort) -> list[Line]:
        return self.measured(effort)  # there is nothing to await: the work is done elsewhere

    def measured(self, effort: Effort, who: Sequence[str] = WHO) -> list[Line]:
        theirs, ours = cores()
        try:
            with contextlib.ExitStack() as stack:
                wrk = stack.enter_context(Wrk.found(theirs))
                nginx = stack.enter_context(Nginx(theirs, files=FILES))
                plan = Plan([url.removeprefix("http://") for url in nginx.endpoints])
                taking = stack.enter_context(Started.of([(name, name, plan) for name in who], ours))
                rest = at_rest(taking.children)
                taking.children.append(itself(nginx))
                asked, lasting = plan.asked(), seconds(effort)
                taking.one_round(lambda child: wrk.turn(child, asked, 1))  # connections are made, code warms up
                told = [taking.one_round(lambda child: wrk.turn(child, asked, lasting)) for _ in range(turns(effort))]
                lines = [*summary(told, taking.missing), rest]
                rates = figures(told, per_second)
                if OURS not in rates:
                    return lines
                rate = rates[OURS].ratio / 2
                taking.children = [child for child in taking.children if child.name in PACED]
                paced = [
                    taking.one_round(lambda child: paced_turn(child, rate, 2.0 * lasting, asked, theirs))
                    for _ in range(turns(effort) * 2 // 3 + 1)
                ]
                return lines + late(paced, rate, taking.missing)
        except NoServer as why:
            return [unserved("100 routes, all policies, 3 endpoints", why)]


ROWS = (Requests(),)
