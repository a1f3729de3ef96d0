"""A source that is told, by any thread."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from meshkit import CircuitBreaker, Cluster, NoEndpoint, Pipeline
from meshkit.cluster.endpoint import Endpoint
from meshkit.discover import Pushed
from meshkit.errors import ConfigError
from meshkit.testing import run, virtual_clock

A, B = "10.0.0.7:80", "10.0.0.8:80"


async def collect(source: Pushed, found: list[list[str]], last: list[str]) -> None:
    async with aclosing(source.watch()) as sets:
        async for endpoints in sets:
            found.append([str(each) for each in endpoints])
            if found[-1] == last:
                break


async def until(condition: Any) -> None:
    while not condition():  # nothing rings
        await anyio.lowlevel.checkpoint()


async def test_each_push_is_the_whole_set() -> None:
    source, found = Pushed(), []
    assert source.first() is None
    async with anyio.create_task_group() as group:
        group.start_soon(collect, source, found, [])
        for number, some in enumerate([[A], [A, B], [B]], start=1):
            await until(lambda: source._bells)
            source.push(some)
            await until(lambda number=number: len(found) == number)
        source.push([Endpoint(B)])  # no change
        await until(lambda: source._bells)
        source.push([])
    assert found == [[A], [A, B], [B], []]
    assert source.first() == ()
    assert not source._bells


async def test_whoever_comes_later_is_told_the_present() -> None:
    source = Pushed([A])
    source.push([B])
    for _ in range(2):
        async with aclosing(source.watch()) as sets:
            assert await anext(sets) == (Endpoint(B),)


async def test_of_many_pushes_the_last_is_told() -> None:
    source, found = Pushed([A]), []
    async with aclosing(source.watch()) as sets:
        await anext(sets)
        for port in range(1, 100):
            source.push([f"10.0.0.7:{port}"])
        found = await anext(sets)
    assert [str(each) for each in found] == ["10.0.0.7:99"]


async def test_from_other_threads() -> None:
    """Several push at once, several watch; each watcher ends with the last set and sees no older one after a newer."""
    source = Pushed()
    watched: list[list[list[str]]] = [[], [], []]
    count = 300

    def push(first: int) -> None:
        for number in range(first, first + count):
            source.push([f"10.0.0.7:{number}"])

    def push_all() -> None:
        threads = [threading.Thread(target=push, args=(first,)) for first in (1, 10_001)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        source.push([B])

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for found in watched:
                group.start_soon(collect, source, found, [B])
            await anyio.to_thread.run_sync(push_all)
    for found in watched:
        ports = [int(each[0].rpartition(":")[2]) for each in found[:-1]]
        for of_one in ([port for port in ports if port < 10_000], [port for port in ports if port > 10_000]):
            assert of_one == sorted(set(of_one))
        assert found[-1] == [B]
    assert not source._bells


async def test_cancelled() -> None:
    source = Pushed()
    async with anyio.create_task_group() as group:
        group.start_soon(collect, source, [], [])
        await until(lambda: source._bells)
        group.cancel_scope.cancel()
    assert not source._bells
    source.push([A])


def test_a_loop_that_is_gone_hinders_nobody() -> None:
    source = Pushed()
    loop = asyncio.new_event_loop()
    sets = source.watch()
    waiting = sets.__anext__()
    loop.call_soon(loop.stop)
    task = loop.create_task(waiting)  # type: ignore[arg-type]
    loop.run_forever()
    assert len(source._bells) == 1
    loop.close()
    thread = threading.Thread(target=source.push, args=([A],))
    thread.start()
    thread.join()
    assert source.first() == (Endpoint(A),)
    task._log_destroy_pending = False  # it is destroyed on purpose


def test_what_cannot_be_changes_nothing() -> None:
    source = Pushed([A])
    for wrong in ("10.0.0.7:80", ["10.0.0.7"], [A, A], None):
        with pytest.raises(ConfigError):
            source.push(wrong)  # type: ignore[arg-type]
    assert source.first() == (Endpoint(A),)
    assert repr(source) == "Pushed(['10.0.0.7:80'])"
    assert repr(Pushed()) == "Pushed(None)"
    assert Pushed() != Pushed()


def behind(source: Pushed, clock: Any = time.monotonic, **options: Any) -> tuple[Pipeline, Any]:
    pipeline = Pipeline(Cluster("orders", source, **options), clock=clock)

    @pipeline
    async def host(endpoint: Any = None) -> str:
        return str(endpoint)

    return pipeline, host


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cluster_goes_by_it_before_push_returns(backend: str) -> None:
    async def main() -> None:
        source = Pushed([A])
        pipeline, host = behind(source, virtual_clock)
        for some in ([B], [A, B], [A], []):
            source.push(some)
            assert list(pipeline.snapshot()["orders"]) == some
        with pytest.raises(NoEndpoint):
            await host()
        source.push([B])
        assert await host() == B

    run(main, backend=backend)


def test_a_call_that_waits_for_the_first_set_is_let_in() -> None:
    async def main() -> None:
        source = Pushed()
        _, host = behind(source, virtual_clock)
        asyncio.get_running_loop().call_later(3.0, source.push, [A])
        assert await host() == A
        assert virtual_clock() == 3.0

    run(main)


def test_what_is_pushed_before_anything_is_bound_is_not_lost() -> None:
    source = Pushed([A])
    pipeline = Pipeline(Cluster("orders", source))
    source.push([B])
    assert pipeline.call(lambda endpoint: endpoint.host) == "10.0.0.8"


def test_of_several_threads_the_last_set_counts() -> None:
    source = Pushed([A])
    pipelines = [behind(source)[0] for _ in range(3)]

    def push(first: int) -> None:
        for number in range(first, first + 100):
            source.push([f"10.0.0.7:{number}", B])

    threads = [threading.Thread(target=push, args=(first,)) for first in (1, 10_001, 20_001)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    last = [str(each) for each in source.first() or ()]
    assert [list(each.snapshot()["orders"]) for each in pipelines] == [last] * 3


def test_clusters_that_are_gone_are_forgotten() -> None:
    source = Pushed([A])
    pipeline, host = behind(source)
    assert len(source._followers) == 1
    del pipeline, host
    gc.collect()
    assert len(source._followers) == 0
    source.push([B])


class Refuses:
    """A policy of which only so many can be started."""

    def __init__(self, left: int) -> None:
        self.left = left

    def start(self, rng: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise OSError(24, "too many")
        return CircuitBreaker().start(rng)


def test_a_cluster_that_cannot_follow_keeps_none_from_it() -> None:
    source = Pushed([A])
    failing = Pipeline(Cluster("failing", source, pipeline=[Refuses(1)]))
    well = Pipeline(Cluster("well", source))
    asked = [each(lambda endpoint=None: str(endpoint)) for each in (failing, well)]
    with pytest.raises(OSError, match="too many"):
        source.push([B])
    assert asked[1]() == B
    failing.specs[0].pipeline[0].left = 1
    source.push([B])
    assert [each() for each in asked] == [B, B]


def test_whoever_pushes_the_same_waits_until_all_go_by_it() -> None:
    endpoints = [f"10.1.{n // 250}.{n % 250}:80" for n in range(2000)]
    source = Pushed([A])
    pipeline = Pipeline(Cluster("orders", source))
    ask = pipeline(lambda endpoint=None: str(endpoint))
    ask()
    seen: list[bool] = []

    def push() -> None:
        source.push(endpoints)
        seen.append(A in {str(member.endpoint) for member in pipeline.states[0].members})

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [False] * 4
