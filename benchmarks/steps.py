"""Where does a call through six policies go? The interpreter's own steps (bytecodes), counted by function.

    python -m benchmarks.steps

Unlike time, the count does not depend on the machine or on what else it does. What C code takes (the lock, the clock,
making objects) is not in it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from types import FrameType
from typing import Any

from meshkit import CircuitBreaker, Cluster, ConcurrencyLimit, Pipeline, RateLimit, Retry, Timeout

CALLS = 200
SERVERS = [f"http://127.0.0.1:{port}" for port in (1, 2, 3)]

PIPELINE = Pipeline(
    Timeout(2.0),
    Retry((ConnectionError, TimeoutError)),
    RateLimit("1000000/s"),
    ConcurrencyLimit(100),
    CircuitBreaker(),
    Cluster("upstream", SERVERS),
    seed=1,
)


@PIPELINE
async def nothing() -> None:
    """What is guarded."""


async def counted() -> Counter[str]:
    steps: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = True
        if event == "opcode":
            steps[f"{frame.f_globals['__name__']}.{frame.f_code.co_name}"] += 1
        return trace

    for _ in range(10):
        await nothing()
    sys.settrace(trace)
    for _ in range(CALLS):
        await nothing()
    sys.settrace(None)
    return steps


if __name__ == "__main__":
    found = asyncio.run(counted())
    print(f"{'all':<45}{sum(found.values()) / CALLS:6.0f}")
    for name, steps in found.most_common():
        if steps >= CALLS:
            print(f"{name:<45}{steps / CALLS:6.0f}")
