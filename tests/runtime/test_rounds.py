"""Is everybody asked when it is time, and nobody too often? In virtual time, with a probe that does as it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest

from meshkit.balance import Member
from meshkit.cluster import Endpoint
from meshkit.cluster.checks import HttpCheck, TcpCheck
from meshkit.runtime.rounds import watch_health
from meshkit.testing import VirtualLoop

pytestmark = pytest.mark.parametrize("anyio_backend", [("asyncio", {"loop_factory": VirtualLoop})], ids=["virtual"])
EVEN = HttpCheck(interval=10.0, jitter=0.0)


class Held:
    """A lock that knows whether it is held."""

    def __init__(self) -> None:
        self.held = False

    def __enter__(self) -> None:
        assert not self.held
        self.held = True

    def __exit__(self, *_: object) -> None:
        self.held = False


class Kept:
    """What the loop is given."""

    def __init__(self) -> None:
        self.lock = Held()
        self.rng = Random(1)
        self.changes: list[float] = []
        self.well: list[tuple[Member, float]] = []
        self.bell = asyncio.Event()
        self.naps: list[float] = []

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.bell.wait(), seconds)
        self.bell.clear()

    def changed(self) -> None:
        assert self.lock.held
        self.changes.append(self.now())

    def passed(self, member: Member, now: float) -> None:
        assert self.lock.held
        self.well.append((member, now))


class Asked:
    """A probe: ``says`` answers what is wrong, after ``takes`` seconds."""

    def __init__(self) -> None:
        self.when: dict[str, list[float]] = {}
        self.under_way = self.most = 0
        self.takes = 0.0
        self.says: Callable[[str, int], str] = lambda endpoint, times: ""

    async def __call__(self, check: Any, endpoint: Endpoint) -> str:
        when = self.when.setdefault(str(endpoint), [])
        when.append(asyncio.get_running_loop().time())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.takes)
            return self.says(str(endpoint), len(when))
        finally:
            self.under_way -= 1


def some(*names: str) -> tuple[Member, ...]:
    members = tuple(Member(Endpoint(f"{name}:80", name=name)) for name in names)
    for member in members:
        member.checked = None
    return members


async def later(seconds: float) -> None:
    """Virtual ones."""
    await asyncio.sleep(seconds)


@contextlib.asynccontextmanager
async def watching(
    members: Any, *checks: Any, probe: Any = None, **more: Any
) -> AsyncIterator[tuple[Kept, Asked, asyncio.Task[None]]]:
    """When it is over, nothing is under way."""
    keep, asked = Kept(), Asked()
    before = asyncio.all_tasks()
    answer = members if callable(members) else lambda: members
    task = asyncio.create_task(watch_health(checks or (EVEN,), answer, keep, probe=probe or asked, **more))
    yield keep, asked, task
    ended_at = keep.now()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert keep.now() == ended_at
    assert asked.under_way == 0
    assert asyncio.all_tasks() == before


async def test_asked_at_once_and_then_each_interval() -> None:
    members = some("a", "b")
    async with watching(members) as (keep, asked, _):
        await later(35.0)
        assert asked.when == {"a": [0.0, 10.0, 20.0, 30.0], "b": [0.0, 10.0, 20.0, 30.0]}
        assert [member.checked for member in members] == [True, True]
        assert keep.changes == [0.0, 0.0]


async def test_ill_and_well_again() -> None:
    (member,) = some("a")
    async with watching((member,)) as (keep, asked, _):
        asked.says = lambda _, times: "status 503" if 3 <= times <= 6 else ""
        await later(39.0)
        assert member.checked is True
        await later(2.0)
        assert member.checked is False
        await later(40.0)
        assert member.checked is True
        assert keep.changes == [0.0, 40.0, 70.0]


async def test_a_pause_begins_when_the_answer_has_come() -> None:
    async with watching(some("a"), HttpCheck(interval=10.0, interval_unhealthy=3.0, jitter=0.0)) as (_, asked, _):
        asked.takes = 1.5
        asked.says = lambda _, times: "ill" if times == 2 else ""
        await later(30.0)
        assert asked.when["a"] == [0.0, 11.5, 16.0, 27.5]


async def test_a_probe_that_raises_is_a_bad_answer() -> None:
    (member,) = some("a")

    async def probe(check: Any, endpoint: Any) -> str:
        raise LookupError("what?")

    async with watching((member,), probe=probe) as (keep, _, _):
        await later(5.0)
        assert member.checked is False
        assert keep.changes == [0.0]


async def test_so_many_at_once_and_no_more() -> None:
    """Sixty of them, four at a time, two seconds each: the last begins after 28."""
    async with watching(some(*(f"m{k}" for k in range(60))), concurrency=4) as (_, asked, _):
        asked.takes = 2.0
        await later(29.0)
        assert asked.most == 4
        assert len(asked.when) == 60
        assert max(when[0] for when in asked.when.values()) == 28.0
        assert all(len(when) <= 2 for when in asked.when.values())


async def test_who_comes_and_who_goes() -> None:
    members = some("a", "b", "c")
    now_there = members[:2]
    async with watching(lambda: now_there) as (keep, asked, _):
        await later(12.0)
        now_there = members[1:]
        await later(8.5)  # without a word: within a second
        assert asked.when == {"a": [0.0, 10.0], "b": [0.0, 10.0, 20.0], "c": [12.0]}
        now_there = members
        keep.bell.set()  # told: at once
        await later(0.5)
        assert asked.when["a"] == [0.0, 10.0, 20.5]
        await later(20.0)
        assert [len(asked.when[name]) for name in "abc"] == [5, 5, 3]
        assert asked.when["c"] == [12.0, 22.0, 32.0]


async def test_an_answer_for_whoever_is_gone_is_forgotten() -> None:
    members = some("a", "b")
    there = members
    async with watching(lambda: there) as (keep, asked, _):
        asked.takes = 5.0
        await later(1.0)
        there = members[:1]
        keep.bell.set()
        await later(29.0)
        assert [member.checked for member in members] == [True, None]
        assert len(asked.when["b"]) == 1


async def test_nobody_there() -> None:
    there: tuple[Member, ...] = ()
    async with watching(lambda: there) as (keep, asked, _):
        await later(100.0)
        assert asked.when == {}
        assert len(keep.naps) <= 101
        there = some("a")
        await later(10.0)
        assert len(asked.when["a"]) == 1


async def test_seldom_while_there_is_no_traffic() -> None:
    (member,) = some("a")
    async with watching((member,), HttpCheck(interval=10.0, interval_no_traffic=60.0, jitter=0.0)) as (_, asked, _):
        await later(125.0)
        assert asked.when["a"] == [0.0, 60.0, 120.0]
        member.picks = 1
        await later(80.0)
        assert asked.when["a"] == [0.0, 60.0, 120.0, 180.0, 190.0, 200.0]
        member.picks = 0  # once is enough
        await later(10.0)
        assert asked.when["a"][-1] == 210.0


async def test_each_check_in_its_own_time() -> None:
    (member,) = some("a")
    kinds: Counter[str] = Counter()

    async def probe(check: Any, endpoint: Any) -> str:
        kinds[check.protocol] += 1
        return "" if check.protocol == "http" else "refused"

    checks = HttpCheck(interval=10.0, jitter=0.0), TcpCheck(interval=2.0, jitter=0.0)
    async with watching((member,), *checks, probe=probe):
        await later(41.0)
        assert kinds == {"http": 5, "tcp": 21}
        assert member.checked is False


async def test_an_ejected_one_that_is_well() -> None:
    (member,) = some("a")
    member.ejected = True
    async with watching((member,)) as (keep, _, _):
        await later(1.0)
        assert keep.well == [(member, 0.0)]


async def test_a_thousand_are_spread_and_the_loop_wakes_seldom() -> None:
    async with watching(some(*(f"m{k}" for k in range(1000))), HttpCheck(interval=10.0)) as (keep, asked, _):
        await later(31.0)
        first = sorted(when[0] for when in asked.when.values())
        assert len(first) == 1000
        assert first[-1] < 1.2
        assert first[500] > 0.4
        assert all(3 <= len(when) <= 4 for when in asked.when.values())
        assert len(keep.naps) <= 350


async def test_what_the_keeper_raises_ends_the_loop() -> None:
    keep = Kept()

    def broken() -> None:
        raise RuntimeError("the cluster is broken")

    keep.changed = broken  # type: ignore[method-assign]
    members = some("a")
    with pytest.raises(RuntimeError, match="broken"):
        await watch_health((EVEN,), lambda: members, keep, probe=Asked())


async def test_cancelled_at_any_time() -> None:
    """`watching` looks whether anything is left."""
    for k in range(40):
        async with watching(some("a", "b", "c"), concurrency=2) as (_, asked, _):
            asked.takes = 0.7
            await later(0.1 * k)
