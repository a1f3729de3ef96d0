"""What does a connection cost that nobody uses? 100 requests in flight beside 1,000 idle connections, and beside none.

Each of the 1,000 is to an origin of its own. With and without are two processes, asked in turn: what is kept for a
connection weighs on the memory and on the garbage collector of its own process only. Both have the limits raised.

httpcore looks at all of its connections at each request, in httpx for each of the idle ones again: beside 1,000 a
request takes httpx longer than anybody would wait for this row. The two stand beside 100, and are asked only once.
"""

from __future__ import annotations

import contextlib

import attrs

from .measure import Effort, Figure
from .nginx import ORIGINS, NoServer
from .rows import Line
from .wire import cpu, unserved
from .wire_child import Order
from .wire_subjects import AIOHTTP, HTTPX, HTTPX2, OURS, OVER_AIOHTTP, POOL
from .wire_through import Servers
from .wire_turns import LOOPS, Child, Round, figures, one_round, seconds, serving

__all__ = ["ROWS"]

BUSY = 100
FEWER = 100
USUAL = f"{HTTPX}, {FEWER} idle"
WHO = {
    OURS: (OURS, ORIGINS),
    USUAL: (HTTPX, FEWER),
    f"{HTTPX2}, {FEWER} idle": (HTTPX2, FEWER),
    OVER_AIOHTTP: (OVER_AIOHTTP, ORIGINS),
    AIOHTTP: (AIOHTTP, ORIGINS),
    POOL: (POOL, ORIGINS),
}
"""Who has how many idle connections."""
WITH, WITHOUT = "with", "without"


def of_subject(subject: str, idle: int, loop: str, servers: Servers, effort: Effort) -> tuple[list[Round], str | None]:
    """Rounds of one subject in two processes; and why there are none."""
    with (
        Child.of(subject, loop, servers, WITHOUT) as without,
        Child.of(subject, loop, servers, WITH) as beside,
    ):
        slow = idle < ORIGINS
        lasting = 0.0 if slow else seconds(effort) / 2
        orders = [(without, Order("get", BUSY, lasting, 0)), (beside, Order("get", BUSY, lasting, idle))]
        told = []
        for turn in range(1 if slow else effort.rounds):
            told.append(one_round(orders if turn % 2 else reversed(orders)))
            if without.failed or beside.failed:
                return [], without.failed or beside.failed
        return told, None


def summary(told: dict[str, list[Round]], loop: str, missing: dict[str, str]) -> list[Line]:
    costs: dict[str, Figure] = {}
    kept: dict[str, Figure] = {}
    rates: dict[str, Figure] = {}
    for name, turns in told.items():
        costs[name] = figures(turns, lambda one, which: 100 * cpu(one, which) / cpu(one, WITHOUT))[WITH]
        rates[name] = figures(turns, lambda one, which: one[which].count / one[which].wall)[WITH]
        kept[name] = Figure(turns[0][WITH].kept / 1000, 0.0, 0.0)
    path = f"GET, {BUSY} in flight beside {ORIGINS:,} idle connections, {loop}"
    memory = f"memory per idle connection, {loop}"
    beside = (POOL,)
    notes = (f"httpx and httpx2: beside {FEWER}, and once.",)
    return [
        Line("client", path, "requests/s", None, OURS, USUAL, rates, missing, notes, more=True, beside=beside),
        Line("client", path, "% of none", 105, OURS, USUAL, costs, {}, notes, beside=beside),
        Line("client", memory, "kB", None, OURS, USUAL, kept, {}, notes, beside=beside),
    ]


@attrs.frozen
class Idle:
    group = "client"

    async def measure(self, effort: Effort) -> list[Line]:
        return self.measured(effort)

    def measured(self, effort: Effort) -> list[Line]:
        lines = []
        try:
            with contextlib.ExitStack() as stack:
                servers = stack.enter_context(serving(ORIGINS))
                for loop in LOOPS[:1]:
                    told, missing = {}, {}
                    for name, (subject, idle) in WHO.items():
                        turns, why = of_subject(subject, idle, loop, servers, effort)
                        if why is None:
                            told[name] = turns
                        else:
                            missing[name] = why
                    lines += summary(told, loop, missing)
                return lines
        except NoServer as why:
            return [unserved(self.group, "idle connections", why)]


ROWS = (Idle(),)
