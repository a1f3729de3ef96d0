"""What does it cost to pick an endpoint and to learn from its answer, among ten and among ten thousand?"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from .rows import CALLS, Row, Subject

__all__ = ["ROWS", "pick_and_report"]


def pick_and_report(endpoints: int) -> Callable[[], Any]:
    """Peak EWMA, power of two choices: a pick, the entry there, and an answer 10 ms later."""
    from meshkit import Endpoint
    from meshkit.balance import Member, PeakEwma
    from meshkit.call import Call, Verdict

    success = Verdict.SUCCESS
    balancer = PeakEwma().start(Random(1))
    members = [Member(Endpoint(f"10.0.{n // 250}.{n % 250}:80"), balancer.load(1)) for n in range(endpoints)]
    *_, arranged = balancer.arrange(members, None)
    pick = arranged.pick
    now = 0.0
    call = Call(None, None, now)

    def one() -> None:
        nonlocal now
        load = pick(call, now).load
        load.enter(call, now)
        now += 0.01
        load.exit(call, now - 0.01, now, success)

    for _ in range(3 * endpoints):  # a cold endpoint costs less: nothing is known of it yet
        one()
    return one


ROWS = tuple(
    Row(
        group="cluster",
        path=f"p2c peak-EWMA pick and report, {endpoints} endpoints",
        unit=CALLS,
        target=40,
        least=20_000,
        ours=Subject("meshkit", lambda endpoints=endpoints: pick_and_report(endpoints)),
    )
    for endpoints in (10, 1_000, 10_000)
)
