"""Policies that take the place of others while calls are under way: at once, or not at all."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import anyio
import httpx
import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Hedge,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    Shared,
    Timeout,
)
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.observe import Recorder
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.runtime.lock import owned
from meshkit.successor import Successor, take_over


def become(pipeline: Pipeline, *specs: Any) -> None:
    heir = Successor(pipeline, specs)
    heir.ready()
    heir.take_over()


def asks(pipeline: Pipeline, answer: Any = lambda request: httpx.Response(200)) -> httpx.Client:
    return httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(answer)))


async def test_a_call_goes_on_as_it_began_and_gives_back_what_it_holds() -> None:
    pipeline = Pipeline(ConcurrencyLimit(1))
    limit = pipeline.states[0]
    inside, go = anyio.Event(), anyio.Event()

    @pipeline
    async def call(wait: bool = False) -> str:
        if wait:
            inside.set()
            await go.wait()
        return "done"

    async with anyio.create_task_group() as group:
        group.start_soon(call, True)
        await inside.wait()
        become(pipeline, RateLimit("1/h"))
        assert limit.in_flight == 1
        assert await call() == "done"
        with pytest.raises(RateLimited):
            await call()
        go.set()
    assert limit.in_flight == 0
    assert limit.idle()


def test_a_call_that_is_repeated_goes_by_the_retry_it_began_with() -> None:
    pipeline = Pipeline(Retry(on=KeyError, attempts=3))
    attempts = []

    @pipeline
    def call() -> str:
        attempts.append(len(pipeline.states))
        become(pipeline)
        if len(attempts) < 3:
            raise KeyError
        return "done"

    assert call() == "done"
    assert attempts == [1, 0, 0]


def test_what_cannot_be_changes_nothing() -> None:
    pipeline = Pipeline(RateLimit("1/h"))
    client = asks(pipeline)
    assert client.get("http://a/").status_code == 200
    before = pipeline.states, pipeline.specs, pipeline.root
    twice = Shared(Timeout(1.0))
    with pytest.raises(ConfigError, match="twice on one path"):
        become(pipeline, twice, Retry(on="5xx"), twice)
    with pytest.raises(ConfigError, match="key"):
        become(pipeline, RateLimit("1/h", key="no such thing"))
    with pytest.raises(ConfigError, match="hedge"):
        become(pipeline, Hedge(1.0))
    assert (pipeline.states, pipeline.specs, pipeline.root) == before
    with pytest.raises(RateLimited):
        client.get("http://a/")


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize("spec", [Retry(on="5xx"), Cluster("a", ["http://b"])], ids=str)
def test_a_middleware_takes_only_what_it_would_have_been_made_with(spec: Any) -> None:
    pipeline = Pipeline(RateLimit("1/h"))
    middleware = MeshMiddleware(app, pipeline)
    with pytest.raises(ConfigError, match="MeshMiddleware"):
        become(pipeline, spec)
    become(pipeline, RateLimit("2/h"))
    del middleware
    gc.collect()
    become(pipeline, spec)


def test_a_limit_whose_name_no_field_can_carry_is_refused_before() -> None:
    pipeline = Pipeline(RateLimit("1/h"))
    middleware = MeshMiddleware(app, pipeline)
    with pytest.raises(ConfigError):
        become(pipeline, RateLimit("2/h", name="é\n"))
    assert pipeline.specs[0].name != "é\n"
    assert middleware.pipeline is pipeline


def test_several_at_once_and_nobody_sees_the_half_of_it() -> None:
    pipelines = [Pipeline(Timeout(1.0)) for _ in range(3)]
    heirs = [Successor(pipeline, [Retry(on="5xx")], pipelines) for pipeline in pipelines]
    seen = []

    def then() -> None:
        assert owned()
        seen.extend(type(pipeline.specs[0]) for pipeline in pipelines)

    take_over(heirs, then)
    assert seen == [Retry] * 3
    assert not owned()


@pytest.mark.parametrize("first", [True, False])
def test_somebody_begins_to_listen_while_it_is_made_ready(first: bool) -> None:
    pipeline = Pipeline(Router([Route(Match(host="a"), Cluster("a", ["http://b"]), policies=[CircuitBreaker()])]))
    client = asks(pipeline)
    stop = None if first else pipeline.listen(Recorder())
    heir = Successor(pipeline, [Router([Route(Match(host="a"), Cluster("c", ["http://d"]), name="new")])])
    heir.ready()
    recorder = Recorder(always=True)
    pipeline.listen(recorder)
    if stop is not None:
        stop()
    assert not heir.fits
    heir.take_over()
    client.get("http://a/")
    assert recorder.last is not None
    assert recorder.last.route == "new"
    assert any("d:80" in str(step) for step in recorder.last.data()["steps"])


def test_who_comes_and_goes_all_the_time_is_waited_for() -> None:
    """A thread begins to listen and ceases to; the successor is folded anew until it fits."""
    pipeline = Pipeline(Router([Route(Match(host="a"), Cluster("a", ["http://b"]))]))
    client = asks(pipeline)
    over = threading.Event()

    def restless() -> None:
        while not over.is_set():
            pipeline.listen(Recorder(), direct=True)()

    thread = threading.Thread(target=restless)
    thread.start()
    try:
        for number in range(50):
            become(pipeline, Router([Route(Match(host="a"), Cluster("a", ["http://b"]), name=f"r{number}")]))
            assert client.get("http://a/").status_code == 200
    finally:
        over.set()
        thread.join()
    assert pipeline.watched is None


def test_what_is_gone_is_collected_with_the_last_call_that_knows_it() -> None:
    def answer(request: Any) -> httpx.Response:
        if before() is not None and not seen:
            become(pipeline, Router([Route(Match(host="a"), Cluster("new", ["http://b"]))]))
            gc.collect()
            seen.append(before() is not None)
        return httpx.Response(200)

    seen: list[bool] = []
    pipeline = Pipeline(Router([Route(Match(host="a"), Cluster("old", ["http://b"]))]))
    before = weakref.ref(pipeline.states[0].branches[0][0])
    client = asks(pipeline, answer)
    assert client.get("http://a/").status_code == 200
    gc.collect()
    assert seen == [True]
    assert before() is None


async def test_a_door_that_is_made_meanwhile_knows_what_is_in_force() -> None:
    """In another thread, while policies come and go: whichever a door has seen, in the end it knows the last ones."""
    pipeline = Pipeline(Timeout(1.0))
    over = threading.Event()

    def restless() -> None:
        while not over.is_set():
            become(pipeline, Retry(on=404))
            become(pipeline, Timeout(1.0))

    thread = threading.Thread(target=restless)
    thread.start()
    try:
        doors = [
            AsyncMeshTransport(pipeline, httpx.MockTransport(lambda request: httpx.Response(404))) for _ in range(50)
        ]
    finally:
        over.set()
        thread.join()
    become(pipeline, Retry(on=404, attempts=2))
    assert len(pipeline.doors) >= len(doors)
    assert all(404 in door._named for door in pipeline.doors)
