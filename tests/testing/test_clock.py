"""A clock that moves when it is told to, in both colours."""

import math

import anyio
import anyio.lowlevel
import pytest

from meshkit import Constant, Pipeline, RateLimit, Retry
from meshkit.testing import ManualClock


def test_it_stands_still_until_told():
    clock = ManualClock(5.0)
    assert [clock(), clock()] == [5.0, 5.0]
    clock.advance(2.5)
    assert clock() == clock.now == 7.5
    assert repr(clock) == "ManualClock(7.5)"


@pytest.mark.parametrize("seconds", [-0.1, -math.inf, math.nan])
def test_time_does_not_go_back(seconds):
    clock = ManualClock()
    with pytest.raises(ValueError, match="time does not go back"):
        clock.advance(seconds)
    assert clock() == 0.0


def test_threads_sleep_by_it():
    clock, seen = ManualClock(), []

    @Pipeline(
        Retry(on=ConnectionError, backoff=Constant(30.0), budget=None), RateLimit("1/min", wait=100.0), clock=clock
    )
    def fetch():
        seen.append(clock())
        if len(seen) < 3:
            raise ConnectionError

    fetch()
    assert seen == [0.0, 60.0, 120.0]


async def test_tasks_sleep_by_it():
    clock, seen = ManualClock(), []

    @Pipeline(
        Retry(on=ConnectionError, backoff=Constant(30.0), budget=None), RateLimit("1/min", wait=100.0), clock=clock
    )
    async def fetch():
        seen.append(clock())
        if len(seen) < 3:
            raise ConnectionError

    await fetch()
    assert seen == [0.0, 60.0, 120.0]


async def test_a_sleeper_lets_others_run():
    clock, seen = ManualClock(), []

    async def sleeper():
        await clock.asleep(1.0)
        seen.append("slept")

    async with anyio.create_task_group() as group:
        group.start_soon(sleeper)
        await anyio.lowlevel.checkpoint()
        seen.append("ran")
    assert sorted(seen) == ["ran", "slept"]
    assert clock() == 1.0
