"""What does it cost to find the endpoint of a key, among ten and among ten thousand, and to make the table?

A pick is what happens under the lock: the key's hash is at hand by then. What that costs is a row of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from random import Random
from typing import Any

import attrs

from .measure import Effort
from .rows import CALLS, MICROSECONDS, Line, Row, Subject

__all__ = ["ROWS", "Asked", "Microseconds", "Picks"]

KEYS = [f"user-{n}" for n in range(1000)]


@attrs.define
class Asked:
    """As much of a call as a key is asked of."""

    request: str


def members(balancer: Any, endpoints: int, weighted: bool = False) -> list[Any]:
    from meshkit import Endpoint
    from meshkit.balance import Member

    made = []
    for n in range(endpoints):
        weight = 1 + n * 7919 % 100 if weighted else 1
        made.append(Member(Endpoint(f"10.0.{n // 250}.{n % 250}:80", weight=weight), balancer.load(weight)))
    return made


@attrs.frozen(kw_only=True)
class Picks:
    """Picks by a table. The calls are made when it is measured: each has been asked for its key."""

    path: str
    table: str
    options: dict[str, Any]
    endpoints: int
    target: float
    bound: float | None = None
    peer: bool = False

    group = "hashing"

    async def measure(self, effort: Effort) -> list[Line]:
        return await self.row().measure(effort)

    def row(self) -> Row:
        from meshkit import balance
        from meshkit.balance import Hashed
        from meshkit.call import Call

        table = getattr(balance, self.table)(**self.options)
        balancer = Hashed(attrgetter("request"), table, bound=self.bound).start(Random(1))
        *_, arranged = balancer.arrange(members(balancer, self.endpoints), None)
        calls = [Call(None, key, 0.0) for key in KEYS]
        for call in calls:
            call.facts = {balancer: balancer.facts(call)}
        return Row(
            group=self.group,
            path=f"{self.path}, {self.endpoints} endpoints",
            unit=CALLS,
            target=self.target,
            least=len(KEYS),
            ours=Subject("meshkit", lambda: picking(arranged.pick, self.bound is not None)),
            peers=(Subject("uhashring", lambda: uhashring(self.endpoints)),) if self.peer else (),
            usual="uhashring" if self.peer else None,
            arguments=calls,
        )


def picking(pick: Callable[[Any, float], Any], reports: bool) -> Callable[[Any], Any]:
    from meshkit.call import Verdict

    success = Verdict.SUCCESS

    def one(call: Any) -> None:
        pick(call, 0.0)

    def one_with_load(call: Any) -> None:
        load = pick(call, 0.0).load
        load.enter(call, 0.0)
        load.exit(call, 0.0, 0.0, success)

    return one_with_load if reports else one


def uhashring(endpoints: int) -> Callable[[Any], Any]:
    from uhashring import HashRing

    find = HashRing([f"10.0.{n // 250}.{n % 250}:80" for n in range(endpoints)]).get_node
    return lambda call: find(call.request)


def key() -> Callable[[Any], Any]:
    """What the asker does, once a key is told."""
    from meshkit.balance import Hashed

    return Hashed(attrgetter("request")).start(Random(1)).facts  # type: ignore[no-any-return]


def build(weighted: bool) -> Callable[[], Any]:
    from meshkit.balance import Hashed

    balancer = Hashed("path").start(Random(1))
    some = members(balancer, 1000, weighted)

    def one() -> Any:
        *_, arranged = balancer.arrange(some, None)
        return arranged

    return one


@attrs.frozen(kw_only=True)
class Microseconds:
    """A row, told in microseconds."""

    row: Row
    target: float

    @property
    def group(self) -> str:
        return self.row.group

    async def measure(self, effort: Effort) -> list[Line]:
        [line] = await self.row.measure(effort)
        figures = {
            name: attrs.evolve(figure, ratio=figure.nanoseconds / 1000)
            for name, figure in line.figures.items()
            if name != "floor"
        }
        return [attrs.evolve(line, unit=MICROSECONDS, target=self.target, figures=figures)]


SIZES = (10, 1_000, 10_000)

ROWS = (
    *(
        Picks(
            path="Maglev pick and report",
            table="Maglev",
            options={"size": 1_000_003 if endpoints > 1000 else 65537},
            endpoints=endpoints,
            target=10,
        )
        for endpoints in SIZES
    ),
    *(
        Picks(
            path="ring of 160 points each, pick and report",
            table="Ring",
            options={"least": 160 * endpoints},
            endpoints=endpoints,
            target=32,  # a quarter of what uhashring costs
            peer=endpoints <= 1000,
        )
        for endpoints in SIZES
    ),
    Picks(
        path="Maglev with bounded load, pick and report",
        table="Maglev",
        options={},
        endpoints=1_000,
        target=40,
        bound=1.25,
    ),
    Picks(path="rendezvous pick and report", table="Rendezvous", options={}, endpoints=10, target=200),
    Row(
        group="hashing",
        path="hashing a call's key",
        unit=CALLS,
        ours=Subject("meshkit", key),
        arguments=[Asked(each) for each in KEYS],
    ),
    Microseconds(
        row=Row(
            group="hashing",
            path="a Maglev table of 65537 for 1000 weighted endpoints",
            unit=CALLS,
            ours=Subject("meshkit", lambda: build(True)),
        ),
        target=100_000,
    ),
)
