"""Does the door read what a response says is left, where a policy asks, and only there?"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from meshkit import Cluster, Constant, Fallback, Hedge, Pipeline, RateLimited, Retry, RoundRobin, Shadow
from meshkit.call import Call
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.httpx.notes import give, note_quota, notes_for
from meshkit.limit.pace import Pace
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Branch, Split
from meshkit.share import SingleFlight

from .stand_ins import Inner


def call(request: Any) -> Call:
    return Call(None, request, 0.0)


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        ([], None),
        ([("RateLimit", '"default";r=50;t=30')], (50, 30)),
        ([("RateLimit", '"a";r=50;t=30'), ("RateLimit", '"b";r=3;t=60')], (3, 60)),  # a list may be split over lines
        ([("X-RateLimit-Remaining", "7"), ("X-RateLimit-Reset", "30")], (7, 30)),
        ([("RateLimit", "garbage"), ("RateLimit-Policy", '"')], None),
    ],
)
def test_note_quota(lib: ModuleType, headers: list[tuple[str, str]], quota: Any) -> None:
    noted = call(lib.Request("GET", "http://a"))
    note_quota(noted, lib.Response(200, headers=headers))
    assert noted.quota == quota


@pytest.mark.parametrize(
    ("status", "retry_after", "quota"),
    [
        (429, {"Retry-After": "7"}, (0, 7)),
        (503, {"Retry-After": "7"}, (0, 7)),
        (429, {"retry-after-ms": "1500", "Retry-After": "2"}, (0, 1.5)),
        (429, {"Retry-After": "soon"}, (50, 30)),
        (429, {}, (50, 30)),
        (301, {"Retry-After": "7"}, (50, 30)),
    ],
)
def test_a_refusals_retry_after_takes_precedence(lib: ModuleType, status: int, retry_after: Any, quota: Any) -> None:
    noted = call(lib.Request("GET", "http://a"))
    note_quota(noted, lib.Response(status, headers={"RateLimit": '"default";r=50;t=30', **retry_after}))
    assert noted.quota == quota


def test_only_where_a_policy_asks() -> None:
    def wants_quota(*policies: Any) -> bool:
        return note_quota in notes_for(Pipeline(*policies).states)

    assert not wants_quota(Retry(on=ConnectionError))
    assert wants_quota(Retry(on=ConnectionError), Pace())
    cluster = ["10.0.0.1:80", "10.0.0.2:80"]
    assert wants_quota(Cluster("c", cluster, balancer=RoundRobin(), pipeline=[Pace()]))
    assert not wants_quota(Cluster("c", cluster, balancer=RoundRobin(), pipeline=[]))
    assert wants_quota(Shadow(Pace()))
    assert wants_quota(Fallback((Pace(), lambda request: None)))


@pytest.fixture
def answers(lib: ModuleType) -> Iterator[Any]:
    return iter(
        [
            lib.Response(200, headers={"RateLimit": '"default";r=1;t=30'}),
            lib.Response(200, headers={"RateLimit": '"default";r=0;t=30'}),
        ]
    )


async def test_paced_by_its_fields(lib: ModuleType, answers: Iterator[Any]) -> None:
    transport = AsyncMeshTransport(Pipeline(Pace()), lib.MockTransport(lambda request: next(answers)))
    async with lib.AsyncClient(transport=transport) as client:
        assert (await client.get("http://a")).status_code == 200
        assert (await client.get("http://a")).status_code == 200
        with pytest.raises(RateLimited) as caught:
            await client.get("http://a")
        assert caught.value.retry_after == pytest.approx(30, abs=5)
    assert transport.pipeline.idle()


def test_paced_by_its_fields_sync(lib: ModuleType, answers: Iterator[Any]) -> None:
    transport = MeshTransport(Pipeline(Pace()), lib.MockTransport(lambda request: next(answers)))
    with lib.Client(transport=transport) as client:
        assert [client.get("http://a").status_code for _ in range(2)] == [200, 200]
        with pytest.raises(RateLimited):
            client.get("http://a")


def test_paced_by_a_retry_after(lib: ModuleType) -> None:
    refusal = lib.MockTransport(lambda request: lib.Response(429, headers={"Retry-After": "7"}))
    with lib.Client(transport=MeshTransport(Pipeline(Pace()), refusal)) as client:
        assert client.get("http://a").status_code == 429
        with pytest.raises(RateLimited, match="the upstream asked to wait") as caught:
            client.get("http://a")
        assert caught.value.retry_after == pytest.approx(7, abs=5)


def test_cookies_stand_beside_the_upstreams(lib: ModuleType) -> None:
    made = call(lib.Request("GET", "http://a"))
    made.cookies = [("mesh", "1", "Path=/"), ("other", "x", ""), ("mesh", "2", "Path=/; HttpOnly")]
    response = lib.Response(200, headers=[("Set-Cookie", "own=3"), ("ETag", "e")], request=made.request)
    give(made, response)
    assert response.headers.get_list("set-cookie") == ["own=3", "mesh=2; Path=/; HttpOnly", "other=x"]
    assert dict(response.cookies) == {"own": "3", "mesh": "2", "other": "x"}
    assert response.headers["etag"] == "e"


async def passing(call: Call, call_next: Any) -> Any:
    return await call_next()


@pytest.mark.parametrize("outside", [[], [Hedge(60.0)], [passing], [passing, SingleFlight(), Hedge(60.0)]])
@pytest.mark.parametrize("retried", [False, True])
async def test_a_cookie_is_given_once(lib: ModuleType, outside: list[Any], retried: bool) -> None:
    answers = iter([500, 200] if retried else [200])
    inner = Inner(lambda request: lib.Response(next(answers)))
    split = Split(Branch(None, name="a"), Branch(None, name="b"), cookie="variant")
    repeat = [Retry(on="5xx", backoff=Constant(0.0))] if retried else []
    stack = Pipeline(*outside, *repeat, Router([Route(Match(), split)]))
    async with lib.AsyncClient(transport=AsyncMeshTransport(stack, inner)) as client:
        response = await client.get("http://a/")
    [cookie] = response.headers.get_list("set-cookie")
    assert cookie.startswith("variant=")
