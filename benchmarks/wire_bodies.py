"""How many bytes does a client move with a second of its processor? 10 MB down from nginx, and up to a sink.

As they come and go in pieces, and as a whole; one exchange after the other. What is told is megabytes (10 to the 6th)
per second of the client's processor time.
"""

from __future__ import annotations

import contextlib

import attrs

from .measure import Effort
from .nginx import LARGE, NoServer
from .rows import Line
from .wire import as_fast_as, cpu, failures, unserved
from .wire_child import JOBS, Order
from .wire_subjects import AIOHTTP, HTTPX, HTTPX2, NO_CLIENT, OURS, OVER_AIOHTTP, POOL
from .wire_turns import LOOPS, Child, Round, figures, one_round, rounds, seconds, serving

__all__ = ["ROWS"]

WHO = (OURS, HTTPX, HTTPX2, OVER_AIOHTTP, AIOHTTP, POOL, NO_CLIENT)
BESIDE = (POOL, NO_CLIENT)
TOLD = {
    "streamed down": "10 MB down, in pieces",
    "whole down": "10 MB down, as a whole",
    "whole up": "10 MB up, from bytes",
    "streamed up": "10 MB up, from an async generator",
}


def summary(told: dict[tuple[str, str], list[Round]], failed: dict[str, dict[str, str]]) -> list[Line]:
    lines = []
    for (loop, job), turns in told.items():
        missing = failed.get(loop, {}) if job == "streamed down" else {}
        path = f"{TOLD[job]}, {loop}"
        speed = figures(turns, lambda one, name: LARGE / 1e6 / cpu(one, name))
        lines.append(Line("client", path, "MB per CPU s", None, OURS, HTTPX, speed, missing, more=True, beside=BESIDE))
        ratio = figures(turns, as_fast_as(HTTPX))
        ratio.pop(HTTPX, None)
        lines.append(Line("client", path, "x httpx", 3, OURS, None, ratio, {}, more=True, beside=BESIDE))
    return lines


@attrs.frozen
class Bodies:
    group = "client"

    async def measure(self, effort: Effort) -> list[Line]:
        return self.measured(effort)

    def measured(self, effort: Effort) -> list[Line]:
        jobs = [job for job in JOBS if job in TOLD]
        told: dict[tuple[str, str], list[Round]] = {(loop, job): [] for loop in LOOPS for job in jobs}
        try:
            with contextlib.ExitStack() as stack:
                servers = stack.enter_context(serving())
                children = {
                    loop: [stack.enter_context(Child.of(name, loop, servers)) for name in WHO] for loop in LOOPS
                }
                for _ in range(rounds(effort)):
                    for (loop, job), found in told.items():
                        order = Order(job, 1, seconds(effort) / 2)
                        found.append(one_round((child, order) for child in children[loop]))
                return summary(told, {loop: failures(children[loop]) for loop in LOOPS})
        except NoServer as why:
            return [unserved(self.group, "10 MB bodies", why)]


ROWS = (Bodies(),)
