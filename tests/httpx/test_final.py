"""Upstreams that ask not to be asked again: their answer is the call's."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from meshkit import CircuitBreaker, Constant, Fallback, Pipeline, Retry
from meshkit.httpx import AsyncMeshTransport, MeshTransport

from .stand_ins import Inner

URL = "http://a/"


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({}, 3),
        ({"x-should-retry": "false"}, 1),
        ({"X-Should-Retry": " FALSE "}, 1),
        ({"x-should-retry": "true"}, 3),
        ({"x-should-retry": ""}, 3),
        ({"x-should-retry": "0"}, 3),
        ({"x-envoy-overloaded": "true"}, 1),
        ({"x-envoy-overloaded": ""}, 1),
        ({"x-envoy-ratelimited": "true"}, 1),
        ({"grpc-retry-pushback-ms": "-1"}, 1),
        ({"grpc-retry-pushback-ms": "100"}, 3),
        ({"grpc-retry-pushback-ms": "0"}, 3),
        ({"grpc-retry-pushback-ms": "soon"}, 1),  # gRPC A6: what cannot be read asks as well not to be asked again
        ({"grpc-retry-pushback-ms": ""}, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [503, 429, 500])
async def test_signals(lib: ModuleType, headers: dict[str, str], sent: int, status: int) -> None:
    again = Retry(("5xx", 429), attempts=3, backoff=Constant(0.0), budget=None)
    sync, tasks = (Inner(lambda request: lib.Response(status, headers=headers)) for _ in range(2))
    with lib.Client(transport=MeshTransport(Pipeline(again), sync)) as client:
        assert client.get(URL).status_code == status
    async with lib.AsyncClient(transport=AsyncMeshTransport(Pipeline(again), tasks)) as async_client:
        assert (await async_client.get(URL)).status_code == status
    assert (len(sync.requests), len(tasks.requests)) == (sent, sent)


def test_it_is_a_failure_all_the_same(lib: ModuleType) -> None:
    """To a breaker, and to a fallback, which asks somebody else."""
    inner = Inner(lambda request: lib.Response(503, headers={"x-should-retry": "false"}))
    pipeline = Pipeline(
        Fallback(lambda request: lib.Response(200, text="stale")), Retry("5xx"), CircuitBreaker(failures=1)
    )
    with lib.Client(transport=MeshTransport(pipeline, inner)) as client:
        assert client.get(URL).text == "stale"
    assert pipeline.snapshot()["CircuitBreaker"]["state"] == "open"
    assert len(inner.requests) == 1


def test_on_a_good_answer_it_means_nothing(lib: ModuleType) -> None:
    inner = Inner(lambda request: lib.Response(200, headers={"x-should-retry": "false"}))
    with lib.Client(transport=MeshTransport(Pipeline(Retry("5xx")), inner)) as client:
        assert client.get(URL).status_code == 200


def test_a_judge_does_not_overrule_it(lib: ModuleType) -> None:
    from meshkit import Verdict

    def judge(response: Any, error: Any) -> Any:
        return Verdict.FAILURE if response.status_code == 404 else None

    inner = Inner(lambda request: lib.Response(404, headers={"x-should-retry": "false"}))
    pipeline = Pipeline(Retry(404, backoff=Constant(0.0)))
    with lib.Client(transport=MeshTransport(pipeline, inner, judge=judge)) as client:
        client.get(URL)
    assert len(inner.requests) == 1
