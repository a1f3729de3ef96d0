"""What hedges are tried on: an upstream whose attempts take so long, and how a call to it ends. In virtual time."""

from __future__ import annotations

import math

import anyio
import pytest

from meshkit import (
    Pipeline,
    Verdict,
)
from meshkit.testing import run, virtual_clock

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
pause = anyio.sleep
NAN, INF = math.nan, math.inf


class Upstream:
    """Attempts that each take so long and then answer or fail; how each of them ended, and at which instant."""

    def __init__(self, *plan, swallows=0.0):
        self.plan = list(plan)
        self.swallows = swallows
        self.log = []
        self.began_at = []
        self.under_way = 0

    async def __call__(self, *args, **kwargs):
        number = len(self.began_at)
        seconds, outcome = self.plan[min(number, len(self.plan) - 1)]
        self.began_at.append(round(virtual_clock(), 6))
        self.under_way += 1
        try:
            await pause(seconds)
        except BaseException:
            if self.swallows:
                with anyio.CancelScope(shield=True):
                    await pause(self.swallows)
            self.log.append((number, "cancelled", round(virtual_clock(), 6)))
            raise
        finally:
            self.under_way -= 1
        self.log.append((number, "ended", round(virtual_clock(), 6)))
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def hedged(*policies, **options):
    return Pipeline(*policies, clock=virtual_clock, seed=1, **options)


def ends(upstream, *policies, backend="asyncio"):
    """How a call through ``policies`` ends, after how long, and that nothing is left."""

    async def main():
        began = virtual_clock()
        upstream.log.clear()
        stack = hedged(*policies)
        try:
            result = await stack.call(upstream)
        except Exception as error:
            result = error
        assert upstream.under_way == 0
        assert stack.idle(), stack.snapshot()
        for shown in stack.snapshot().values():
            if "hedged" in shown:
                return result, round(virtual_clock() - began, 6), (shown["hedged"], shown["won"])
        raise AssertionError(stack)

    return run(main, backend=backend)
