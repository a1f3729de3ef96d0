"""A status below 500 that a retry or a fallback names is a failure: it would be asked for in vain."""

from __future__ import annotations

import httpx
import pytest

from meshkit import CircuitBreaker, Cluster, Constant, Fallback, Pipeline, Retry
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Branch, Split


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


# Of routes.


async def around(call, call_next):
    return await call_next()


def by_routes(*routes, outside=()):
    """Two routes, with a breaker each that a single failure opens: the first one asks for a 409 again."""
    breaker = CircuitBreaker(failures=1)
    listed = [
        Route(Match(host=name), policies=[breaker, *policies], name=name)
        for name, policies in zip(("first", "second"), routes, strict=True)
    ]
    return Pipeline(*outside, Router(listed))


@pytest.mark.parametrize(
    ("outside", "first", "second", "states"),
    [
        ([], [asking(409, attempts=2)], [], ["open", "closed"]),
        ([], [asking(409, attempts=2)], [asking("5xx")], ["open", "closed"]),
        ([], [around, asking(409, attempts=2)], [], ["open", "closed"]),
        ([around], [asking(409, attempts=2)], [], ["open", "closed"]),
        ([asking(409, attempts=1)], [], [], ["open", "open"]),
        (
            [],
            [Fallback(Cluster("spare", ["http://a"], pipeline=[asking(409, attempts=1)]), on=500)],
            [],
            ["open", "closed"],
        ),
    ],
    ids=[
        "one route",
        "another has one too",
        "behind a middleware",
        "all behind one",
        "for all",
        "of what stands instead",
    ],
)
async def test_it_is_a_failure_on_the_route_that_names_it_only(outside, first, second, states):
    pipeline = by_routes(first, second, outside=outside)
    transport = AsyncMeshTransport(pipeline, httpx.MockTransport(Answers(409)))
    async with httpx.AsyncClient(transport=transport) as client:
        for name in ("first", "second"):
            assert (await client.get(f"http://{name}/")).status_code == 409
    routes = pipeline.snapshot()["Router"]
    assert [routes[name]["CircuitBreaker"]["state"] for name in ("first", "second")] == states


@pytest.mark.parametrize(("weights", "state"), [((1, 0), "open"), ((0, 1), "closed")])
def test_so_it_is_with_the_branches_of_a_split(weights, state):
    named = Branch(Pipeline(asking(409, attempts=1), Cluster("one", ["http://a"])), weights[0])
    split = Split(named, Branch(Cluster("two", ["http://b"]), weights[1]))
    pipeline = Pipeline(CircuitBreaker(failures=1), Router([Route(Match(host="shop"), split)]))
    with httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(Answers(409)))) as client:
        assert client.get("http://shop/").status_code == 409
    assert pipeline.snapshot()["CircuitBreaker"]["state"] == state
