"""Does a request cost more where there is more to choose from? 10 and 10,000 routes, 3 and 1,000 endpoints.

Two gateways of the same kind, asked in turns. The thousand endpoints are a thousand
addresses of the loopback network, all of the same nginx: a thousand connections are more to keep for the system, too.
What it makes of them is told by the pool alone, which takes its endpoints in turns.
"""

from __future__ import annotations

import contextlib

import attrs

from .gateway import BESIDE, FILES, Started, Told, cpu, seconds, turns, unserved
from .gateway_child import Child
from .gateway_plan import Plan
from .gateway_subjects import ENVOY, OURS, POOL
from .gateway_wrk import Turn, Wrk
from .measure import Effort
from .nginx import ORIGINS, Nginx, NoServer
from .rows import Line
from .wire_turns import cores, figures

__all__ = ["ROWS"]

FEW, MANY = "few", "many"
ROUTES = (10, 10_000)


def compared(told: Told, path: str, unit: str, missing: dict[str, str]) -> Line:
    """How many times what it costs with few."""
    found = figures(told, lambda one, name: cpu(one, name) / cpu(one, f"{name.rpartition(', ')[0]}, {FEW}"))
    kept = {name.rpartition(", ")[0]: figure for name, figure in found.items() if name.endswith(MANY)}
    return Line("gateway", path, unit, 1.2, OURS, None, kept, missing, beside=BESIDE, full=True)


@attrs.frozen
class Scale:
    group = "gateway"

    async def measure(self, effort: Effort) -> list[Line]:
        return self.measured(effort)

    def measured(self, effort: Effort) -> list[Line]:
        theirs, ours = cores()
        try:
            with contextlib.ExitStack() as stack:
                wrk = stack.enter_context(Wrk.found(theirs))
                nginx = stack.enter_context(Nginx(theirs, ORIGINS, FILES))
                endpoints = [url.removeprefix("http://") for url in nginx.endpoints]
                origins = [url.removeprefix("http://") for url in nginx.origins]
                few, many = ROUTES
                each = {
                    f"{few} and {many:,} routes, CPU": (
                        (OURS, ENVOY),
                        Plan(endpoints, few),
                        Plan(endpoints, many),
                        f"x {few} routes",
                    ),
                    f"3 and {ORIGINS:,} endpoints, CPU": (
                        (OURS, POOL, ENVOY),
                        Plan(endpoints),
                        Plan(origins),
                        "x 3 endpoints",
                    ),
                }
                return [
                    self.one(wrk, path, who, (fewer, more), unit=unit, effort=effort, core=ours)
                    for path, (who, fewer, more, unit) in each.items()
                ]
        except NoServer as why:
            return [unserved("few and many", why)]

    def one(
        self,
        wrk: Wrk,
        path: str,
        who: tuple[str, ...],
        plans: tuple[Plan, Plan],
        *,
        unit: str,
        effort: Effort,
        core: int | None,
    ) -> Line:
        """Subject by subject, few and many in turns: an idle connection is kept for five seconds only."""
        pairs = dict(zip((FEW, MANY), plans, strict=True))
        told: Told = [{} for _ in range(turns(effort) // 2 + 1)]
        missing: dict[str, str] = {}
        for name in who:
            with Started.of([(f"{name}, {word}", name, plan) for word, plan in pairs.items()], core) as taking:

                def ask(child: Child) -> Turn:
                    return wrk.turn(child, pairs[child.name.rpartition(", ")[2]].asked(), seconds(effort))

                taking.one_round(ask)  # connections are made, code warms up
                for found in told:
                    found.update(taking.one_round(ask))
                missing |= taking.missing
        return compared(told, path, unit, missing)


ROWS = (Scale(),)
