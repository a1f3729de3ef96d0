"""Where does a request's time go? One subject at 32 in flight under cProfile: by library, then by function.

    python -m benchmarks.wire_profile [--subject meshkit] [--loop uvloop] [--workers 32] [--count 10000]

The profiler makes a call of a Python function dearer and leaves what C code does as it is: read the order of the lines
and the number of calls, not the microseconds. "the loop" is what an event loop written in C does, the system's calls in
it, and all that it waits.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import re
from collections import Counter
from pathlib import Path

from .wire_child import JOBS, batch, loop_factory
from .wire_subjects import OURS, SUBJECTS
from .wire_through import Servers
from .wire_turns import LOOPS, cores, serving

__all__ = ["functions", "libraries"]

Where = tuple[str, int, str]
"""File, line and name; a built-in one has no file and says in its name what it belongs to."""

ROOT = str(Path(__file__).parent.parent) + "/"
SHOWN = 30


def library(where: Where) -> str:
    """To what a function belongs: a room of meshkit, a package, a part of the standard library."""
    file, _, name = where
    if file == "~":
        if "run_until_complete" in name or "select.epoll" in name:
            return "the loop"
        owner = re.search(r"method '\w+' of '?(uvloop|_socket|httptools)|built-in method (\w+)\.", name)
        return f"built in, {owner[1] or owner[2]}" if owner else "built in"
    parts = Path(file.removeprefix(ROOT)).with_suffix("").parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    if parts[0] == "meshkit":
        return ".".join(parts[:2])
    if parts[0] == "benchmarks":
        return "the benchmark"
    if len(parts) < 2:  # made as a string, by attrs and the like
        return "generated"
    return parts[-1] if re.fullmatch(r"python3\.\d+", parts[-2]) else parts[-2]


def libraries(profile: pstats.Stats) -> Counter[str]:
    """Seconds in each, without what it calls elsewhere."""
    found: Counter[str] = Counter()
    for where, (_, _, own, *_) in profile.stats.items():  # type: ignore[attr-defined]
        found[library(where)] += own
    return found


def functions(profile: pstats.Stats) -> list[tuple[float, int, str]]:
    """Seconds without what it calls, calls, and the function; the dearest first."""
    found = []
    for (file, line, name), (_, calls, own, *_) in profile.stats.items():  # type: ignore[attr-defined]
        short = re.sub(r".*/site-packages/|.*/lib/python3\.\d+/", "", file.removeprefix(ROOT))
        found.append((own, calls, name if file == "~" else f"{short}:{line} {name}"))
    return sorted(found, reverse=True)


async def profiled(subject: str, servers: Servers, workers: int, each: int) -> tuple[pstats.Stats, int]:
    client = SUBJECTS[subject](servers, False)
    try:
        exchange, expected = JOBS["get"](client, servers)
        await batch(exchange, expected, workers, 20)
        profile = cProfile.Profile()
        with profile:
            took = await batch(exchange, expected, workers, each)
        return pstats.Stats(profile), took.count
    finally:
        await client.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire_profile", description="Where the time goes.")
    parser.add_argument("--subject", choices=SUBJECTS, default=OURS)
    parser.add_argument("--loop", choices=LOOPS, default=LOOPS[0])
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--count", type=int, default=10_000, help="requests, about so many")
    given = parser.parse_args()
    core = cores()[1]
    with serving() as servers, asyncio.Runner(loop_factory=loop_factory(given.loop)) as runner:
        if core is not None:
            os.sched_setaffinity(0, {core})
        each = max(1, given.count // given.workers)
        profile, count = runner.run(profiled(given.subject, servers, given.workers, each))
    everything = sum(libraries(profile).values())
    print(f"{given.subject}, {given.workers} in flight, {given.loop}: µs a request, under the profiler\n")
    for name, seconds in libraries(profile).most_common():
        if seconds > everything / 200:
            print(f"{seconds / count * 1e6:8.1f}  {seconds / everything:4.0%}  {name}")
    print(f"{everything / count * 1e6:8.1f}  100%  all\n")
    print("      µs  calls  function")
    for seconds, calls, name in functions(profile)[:SHOWN]:
        print(f"{seconds / count * 1e6:8.1f}  {calls / count:5.1f}  {name}")


if __name__ == "__main__":
    main()
