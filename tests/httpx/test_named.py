"""A status below 500 that a retry or a fallback names is a failure: it would be asked for in vain."""

from __future__ import annotations

import httpx
import pytest

from meshkit import CircuitBreaker, Cluster, Constant, Fallback, Pipeline, Retry
from meshkit.httpx import AsyncMeshTransport, MeshTransport


class Answers:
    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.asked = 0

    def __call__(self, request):
        self.asked += 1
        return httpx.Response(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])


def asking(on, **options):
    return Retry(on, backoff=Constant(0.0), budget=None, **options)


@pytest.mark.parametrize("on", [408, [409, 408], "retriable-4xx", "4xx", "408", range(400, 500)], ids=repr)
async def test_it_is_asked_again(on):
    status = 409 if on == "retriable-4xx" else 408
    answers = Answers(status, status, 200)
    transport = AsyncMeshTransport(Pipeline(asking(on)), httpx.MockTransport(answers))
    async with httpx.AsyncClient(transport=transport) as client:
        assert (await client.get("http://shop/")).status_code == 200
    assert answers.asked == 3


def test_also_behind_a_cluster_and_without_tasks():
    answers = Answers(408, 200)
    cluster = Cluster("c", ["http://a:1", "http://b:1"], pipeline=[asking(408)])
    with httpx.Client(transport=MeshTransport(Pipeline(cluster), httpx.MockTransport(answers))) as client:
        assert client.get("http://shop/").status_code == 200
    assert answers.asked == 2


async def test_a_fallback_takes_it():
    pipeline = Pipeline(Fallback(lambda request: httpx.Response(200, text="nobody"), on=404))
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, httpx.MockTransport(Answers(404)))) as client:
        assert (await client.get("http://shop/")).text == "nobody"


@pytest.mark.parametrize(("policies", "state"), [([], "closed"), ([asking(404, attempts=2)], "open")])
async def test_what_nobody_names_is_a_success(policies, state):
    pipeline = Pipeline(*policies, CircuitBreaker(failures=2))
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, httpx.MockTransport(Answers(404)))) as client:
        for _ in range(2):
            assert (await client.get("http://shop/")).status_code == 404
            if state == "open":
                break
    assert pipeline.snapshot()["CircuitBreaker"]["state"] == state
