"""How much memory does a limiter take for each key, and how long does an import take? Each in a process of its own.

Memory: what ``tracemalloc`` counts for a limiter that has seen 100 000 keys twice, besides the keys, which were there
before it. The limit is one call an hour, so no key may be forgotten: all are let go once, and then none.

Import: the processor time of the statement in a fresh interpreter, whose own start is not counted, bytecode compiled,
with `attrs`, meshkit and peers taking turns; the median of the turns' ratios to `attrs`.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from .measure import Effort, Figure, spread
from .rows import Line

__all__ = ["ROWS"]

KEYS = 100_000
HOUR = 3600


def meshkit() -> Callable[[str], Any]:
    from meshkit import Limiter, RateLimit

    return Limiter(RateLimit("1/h", max_keys=KEYS)).allow


def token_bucket() -> Callable[[str], Any]:
    from token_bucket import Limiter, MemoryStorage

    return Limiter(1 / HOUR, 1, MemoryStorage()).consume


def limits() -> Callable[[str], Any]:
    from limits import RateLimitItemPerHour
    from limits.storage import MemoryStorage
    from limits.strategies import FixedWindowRateLimiter

    hit, once = FixedWindowRateLimiter(MemoryStorage()).hit, RateLimitItemPerHour(1)
    return lambda key: hit(once, key)


def aiolimiter() -> Callable[[str], Any]:
    """It has no keys: a limiter for each, in a dict, as its users do."""
    from aiolimiter import AsyncLimiter

    limiters: dict[str, AsyncLimiter] = {}

    async def take(key: str) -> bool:
        limiter = limiters.get(key)
        if limiter is None:
            limiter = limiters[key] = AsyncLimiter(1, HOUR)
        if not limiter.has_capacity():
            return False
        await limiter.acquire()
        return True

    return take


SUBJECTS = {
    "meshkit": meshkit,
    "token-bucket": token_bucket,
    "limits": limits,
    "aiolimiter": aiolimiter,
}


async def bytes_per_key(make: Callable[[], Callable[[str], Any]]) -> float:
    """Run in a process that does nothing else."""
    keys = [f"user-{n}" for n in range(KEYS)]

    async def allowed() -> int:
        count = 0
        for key in keys:
            answer = take(key)
            count += await answer if asyncio.iscoroutine(answer) else answer
        return count

    take = make()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    first, second = await allowed(), await allowed()
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    if (first, second) != (KEYS, 0):
        raise RuntimeError(f"a limit of one an hour allowed {first} and then {second} calls of {KEYS} keys")
    return taken / KEYS


def python(*arguments: str) -> str:
    """What a fresh interpreter prints; its last words as an error if it fails."""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or "failed").splitlines()[-1])
    return done.stdout.strip()


@attrs.frozen
class Memory:
    group = "memory"

    async def measure(self, effort: Effort) -> list[Line]:
        figures, missing = {}, {}
        for name in SUBJECTS:
            try:
                figures[name] = Figure(float(python("-m", "benchmarks.footprint", name)), 0.0, 0.0)
            except RuntimeError as error:
                missing[name] = str(error)
        return [
            Line(
                group=self.group,
                path="memory per limiter key, besides the key, 100 000 keys",
                unit="bytes",
                target=150,
                ours="meshkit",
                usual="limits",
                figures=figures,
                missing=missing,
                notes=("aiolimiter: one limiter for each key, in a dict.",),
            )
        ]


TIMED = "from time import process_time as t; b = t(); import {}; print(t() - b)"
LOADED = "import sys, meshkit; print(*({'anyio', 'httpx', 'asyncio'} & set(sys.modules)))"


@attrs.frozen
class Import:
    group = "import"

    async def measure(self, effort: Effort) -> list[Line]:
        modules = ["attrs", "meshkit", "pyresilience", "tenacity", "limits", "stamina"]
        missing: dict[str, str] = {}
        for module in tuple(modules):
            try:
                python("-c", TIMED.format(module))  # compiles what was not
            except RuntimeError as error:
                modules.remove(module)
                missing[module] = str(error)
        turns = [
            {module: float(python("-c", TIMED.format(module))) for module in modules} for _ in range(2 * effort.rounds)
        ]
        figures = {module: _figure(turns, module) for module in modules}
        lines = [
            Line(
                group=self.group,
                path="import",
                unit="import attrs",
                target=1.6,
                ours="meshkit",
                usual="tenacity",
                figures={"floor": figures.pop("attrs"), **figures},
                missing=missing,
            )
        ]
        if "meshkit" in modules:
            loaded = python("-c", LOADED).split()
            found = [module for module in ("anyio", "httpx") if module in loaded]
            lines.append(
                Line(
                    group=self.group,
                    path="import meshkit loads, of anyio and httpx",
                    unit="modules",
                    target=0,
                    ours="meshkit",
                    usual=None,
                    figures={"meshkit": Figure(len(found), 0.0, 0.0)},
                    missing={},
                    notes=(f"asyncio is {'' if 'asyncio' in loaded else 'not '}loaded.",),
                )
            )
        return lines


def _figure(turns: list[dict[str, float]], module: str) -> Figure:
    ratios = [turn[module] / turn["attrs"] for turn in turns]
    return Figure(statistics.median(ratios), spread(ratios), statistics.median(turn[module] for turn in turns) * 1e9)


ROWS = (Memory(), Import())

if __name__ == "__main__":
    print(asyncio.run(bytes_per_key(SUBJECTS[sys.argv[1]])))
