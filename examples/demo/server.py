"""What does one upstream do? An ASGI app with a temper, served by uvicorn in a process of its own.

=========  =============================================================================================
healthy    answers after about 5 ms
slow       after 80 ms at the least, with a Pareto tail: one in a hundred takes 0.5 s or more
failing    after about 5 ms, but 503 at once for `BURST` seconds out of every `PERIOD`
dying      after about 5 ms; its process is killed and started again from outside
quota      after about 5 ms, but 429 at once above `QUOTA` requests per second, with bursts of `QUOTA_BURST`
broken     503 after about 5 ms
leaking    after about 5 ms, but 503 after `LEAK` requests: it takes something for each, and never gives it back
=========  =============================================================================================

It ends when its standard input does, so it cannot outlive the program that started it.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import uvicorn

__all__ = ["BURST", "LEAK", "PERIOD", "QUOTA", "QUOTA_BURST", "app", "bursting", "serve", "temper"]

BURST, PERIOD = 1.5, 5.0
QUOTA, QUOTA_BURST = 100.0, 20.0
LEAK = 60

Temper = Callable[[float], tuple[float, int]]
"""Seconds since the epoch of this run, to the delay in seconds and the status of the answer."""


def brisk(dice: random.Random) -> float:
    return 0.004 + dice.expovariate(1000)


def bursting(elapsed: float) -> bool:
    """Whether the failing upstream fails at this instant."""
    return elapsed % PERIOD < BURST


def temper(kind: str) -> Temper:
    dice = random.Random(kind)
    allowance, asked = QUOTA_BURST, 0.0
    left = LEAK

    def slow(elapsed: float) -> tuple[float, int]:
        return min(1.5, 0.08 * dice.paretovariate(2.5)), 200

    def failing(elapsed: float) -> tuple[float, int]:
        return (0.001, 503) if bursting(elapsed) else (brisk(dice), 200)

    def quota(elapsed: float) -> tuple[float, int]:
        nonlocal allowance, asked
        allowance = min(QUOTA_BURST, allowance + (elapsed - asked) * QUOTA)
        asked = elapsed
        if allowance < 1:
            return 0.001, 429
        allowance -= 1
        return brisk(dice), 200

    def broken(elapsed: float) -> tuple[float, int]:
        return brisk(dice), 503

    def leaking(elapsed: float) -> tuple[float, int]:
        nonlocal left
        left -= 1
        return brisk(dice), 200 if left >= 0 else 503

    tempers: dict[str, Temper] = {
        "broken": broken,
        "failing": failing,
        "leaking": leaking,
        "quota": quota,
        "slow": slow,
    }
    return tempers.get(kind, lambda elapsed: (brisk(dice), 200))


def app(kind: str, epoch: float) -> Any:
    """Its answers say of which kind it is, in ``x-kind``."""
    behave, said = temper(kind), (b"x-kind", kind.encode())

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        delay, status = behave(time.time() - epoch)
        await asyncio.sleep(delay)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"3"), said]})
        await send({"type": "http.response.body", "body": b"ok\n" if status == 200 else b"no\n"})

    return answer


def end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def serve(answer: Any, port: int) -> None:
    """Until standard input ends, so that it cannot outlive the program that started it."""
    threading.Thread(target=end_with_input, daemon=True).start()
    # Kept-alive connections outlast any pause in the traffic: what fails here fails by temper, not by accident.
    uvicorn.run(
        answer,
        host="127.0.0.1",
        port=port,
        lifespan="off",
        log_level="critical",
        access_log=False,
        timeout_keep_alive=60,
    )


def main() -> None:
    kind, port, epoch = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    serve(app(kind, epoch), port)


if __name__ == "__main__":
    main()
