"""Does the breaker do behind real doors, on real tasks and threads, what its tables say?"""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from meshkit import CircuitBreaker, CircuitOpen, Pipeline, StateChanged


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(**options: Any) -> tuple[Pipeline, Clock]:
    """A pipeline whose breaker has been open for exactly its cooldown."""
    clock = Clock()
    pipeline = Pipeline(CircuitBreaker(failures=1, cooldown=10.0, **options), clock=clock)

    def fail() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        pipeline.call(fail)
    with pytest.raises(CircuitOpen):
        pipeline.call(fail)
    clock.now = 10.0
    return pipeline, clock


def picture(pipeline: Pipeline) -> dict[str, Any]:
    return pipeline.snapshot()["CircuitBreaker"]


@pytest.mark.parametrize("probes", [1, 3])
async def test_fifty_tasks_at_once_and_only_the_probes_go(probes: int) -> None:
    pipeline, _ = opened(probes=probes)
    arrived, refused = [], []
    go_on = anyio.Event()

    @pipeline
    async def ask(k: int) -> None:
        arrived.append(k)
        await go_on.wait()

    async def caller(k: int) -> None:
        try:
            await ask(k)
        except CircuitOpen:
            refused.append(k)
            if len(refused) == 50 - probes:
                go_on.set()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for k in range(50):
                tasks.start_soon(caller, k)
    assert len(arrived) == probes
    assert picture(pipeline)["state"] == "closed"
    assert pipeline.idle()


async def test_a_cancelled_probe_makes_room_for_the_next() -> None:
    pipeline, _ = opened()
    under_way = anyio.Event()

    @pipeline
    async def hang() -> None:
        under_way.set()
        await anyio.sleep_forever()

    @pipeline
    async def answer() -> str:
        return "yes"

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hang)
            await under_way.wait()
            with pytest.raises(CircuitOpen):
                await answer()
            tasks.cancel_scope.cancel()
        assert picture(pipeline) == {"state": "half-open", "streak": 0, "probing": 0, "refused": 2}
        assert pipeline.idle()
        assert await answer() == "yes"
    assert picture(pipeline)["state"] == "closed"


def test_fifty_threads_at_once_and_only_the_probes_go() -> None:
    pipeline, _ = opened(probes=3)
    together = threading.Barrier(50)
    refusals_in = threading.Event()
    arrived, refused = [], []

    @pipeline
    def ask(k: int) -> None:
        arrived.append(k)
        assert refusals_in.wait(10)

    def caller(k: int) -> None:
        together.wait(10)
        try:
            ask(k)
        except CircuitOpen:
            refused.append(k)
            if len(refused) >= 47:
                refusals_in.set()

    threads = [threading.Thread(target=caller, args=(k,), daemon=True) for k in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(arrived), len(refused)) == (3, 47)
    assert picture(pipeline)["state"] == "closed"


def test_each_change_is_told() -> None:
    clock = Clock()
    pipeline = Pipeline(CircuitBreaker(name="payments", failures=1, cooldown=10.0), clock=clock)
    told: list[tuple[float, str, str, str]] = []

    def listener(event: Any) -> None:
        if isinstance(event, StateChanged):
            told.append((event.at, event.policy, event.before, event.after))

    pipeline.listen(listener, direct=True)

    @pipeline
    def divide(by: int) -> float:
        return 1 / by

    with pytest.raises(ZeroDivisionError):
        divide(0)
    clock.now = 10.0
    divide(1)
    pipeline.control("payments").isolate()
    pipeline.control("payments").reset()
    assert told == [
        (0.0, "payments", "closed", "open"),
        (10.0, "payments", "open", "half-open"),
        (10.0, "payments", "half-open", "closed"),
        (10.0, "payments", "closed", "isolated"),
        (10.0, "payments", "isolated", "closed"),
    ]
