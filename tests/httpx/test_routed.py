"""What a route makes of a client's request and of its answer, and what it leaves alone."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from meshkit import Cluster, Constant, Endpoint, Pipeline, Retry
from meshkit.errors import NoRoute
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.httpx.aim import aimed, told
from meshkit.httpx.routed import edited, routed, under
from meshkit.route.answer import Respond
from meshkit.route.edit import Edit, RequestHeaders, ResponseHeaders
from meshkit.route.match import Match
from meshkit.route.plan import Decision, Plan
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import Router

from .stand_ins import Inner


class Rule:
    def __init__(self, *actions: Any) -> None:
        self.plan = Plan(actions)


def decision(path: str, *actions: Any, query: str | None = None, same: bool = False) -> Decision:
    return Decision(Rule(*actions), path, query, same)


def test_where_nothing_changes_it_is_the_request_itself(lib: ModuleType) -> None:
    request = lib.Request("GET", "http://x/a")
    assert routed(request, decision("/a", same=True)) is request
    assert routed(request, None) is request
    assert routed(request, decision("/a", RequestHeaders(), same=True)) is request
    assert routed(request, decision("/b", same=False)) is not request


def test_the_callers_request_is_left_alone(lib: ModuleType) -> None:
    request = lib.Request("POST", "http://u:p@x:81/a?q#f", content=b"z", headers={"K": "v"}, extensions={"e": 1})
    before = (str(request.url), request.headers.raw, dict(request.extensions), request.stream)
    actions = Rewrite(host="y"), RequestHeaders(set={"k": "w"}, add={"n": "m"})
    sent = routed(request, decision("/b", *actions, query="q"))
    assert (str(request.url), request.headers.raw, dict(request.extensions), request.stream) == before
    assert type(sent) is lib.Request
    assert sent.url == request.url.copy_with(host="y", path="/b")
    assert sent.headers["host"] == "y:81"
    assert (sent.headers["k"], sent.headers["n"], sent.method) == ("w", "m", "POST")
    assert sent.stream is request.stream
    assert sent.read() == b"z"


def test_a_host_comes_first_and_once(lib: ModuleType) -> None:
    request = lib.Request("GET", "http://x/", headers=[("a", "b"), ("Host", "c")])
    sent = routed(request, decision("/", Rewrite(host="[2001:db8::7]"), same=True))
    assert sent.headers.raw == [(b"host", b"[2001:db8::7]"), (b"a", b"b")]
    assert sent.url.host == "2001:db8::7"


@pytest.mark.parametrize("address", ["http://10.0.0.7:8080", "https://10.0.0.7", "https://up.example", "10.0.0.7:443"])
def test_an_endpoint_and_a_route_make_one_copy_as_two_would(lib: ModuleType, address: str) -> None:
    request = lib.Request("GET", "https://x:81/a?q=1", headers={"k": "v"})
    endpoint = Endpoint(address)
    for actions in ([], [Rewrite(host="y")], [RequestHeaders(remove=["k"]), Rewrite(host="y")]):
        made = decision("/b%20c", *actions, query="q=1")
        once = routed(request, made, endpoint=endpoint)
        twice = aimed(routed(request, made), endpoint)
        assert str(once.url) == str(twice.url)
        assert once.url == twice.url
        assert once.headers.raw == twice.headers.raw
        assert once.extensions == twice.extensions


def test_another_way_of_parsing(lib: ModuleType) -> None:
    class Url:
        """A URL of which only what is public is known."""

        scheme, host = "https", "a.example"

        def __init__(self, **parts: Any) -> None:
            self.parts = parts

        def copy_with(self, **parts: Any) -> Any:
            return type(self)(**self.parts, **parts)

        netloc = b"y"

    request = lib.Request("GET", "https://a.example/x")
    request.url = Url()
    made = decision("/b", Rewrite(host="y"), query="q")
    assert routed(request, made).url.parts == {"host": "y", "raw_path": b"/b?q"}
    assert routed(request, decision("/b")).url.parts == {"raw_path": b"/b"}
    endpoint = Endpoint("http://10.0.0.7:8080")
    sent = routed(request, decision("/b"), endpoint=endpoint)
    assert sent.url.parts == {"raw_path": b"/b", "scheme": "http", "host": "10.0.0.7", "port": 8080}


def test_another_way_to_keep_fields() -> None:
    class Headers:
        def __init__(self, raw: Any) -> None:
            self.raw = raw

    edit = Edit.of(RequestHeaders(set={"a": "1"}))
    fields = [(b"A", b"0"), (b"b", b"2")]
    assert edited(Headers(fields), edit).raw == [(b"b", b"2"), (b"a", b"1")]
    assert under(Headers(fields), b"x").raw == [(b"host", b"x"), (b"A", b"0"), (b"b", b"2")]


def route(*actions: Any) -> Router:
    return Router([Route(Match(prefix="/a"), Cluster("c", ["http://10.0.0.7"]), actions=actions)])


ACTIONS = (
    Rewrite(prefix="/b"),
    RequestHeaders(set={"x": "1"}, remove=["k"]),
    ResponseHeaders(set={"y": "2"}, remove="z"),
)


def test_through_the_door(lib: ModuleType) -> None:
    seen: list[Any] = []

    def inner(request: Any) -> Any:
        seen.append(request)
        status = 503 if len(seen) == 1 else 200
        return lib.Response(status, headers=[("Y", "0"), ("Z", "3"), ("w", "4")])

    pipeline = Pipeline(Retry("5xx", backoff=Constant(0.0)), route(*ACTIONS))
    with lib.Client(transport=MeshTransport(pipeline, lib.MockTransport(inner))) as client:
        response = client.get("http://orders/a/c?d", headers={"K": "v"})
    assert [str(each.url) for each in seen] == ["http://10.0.0.7/b/c?d"] * 2
    for each in seen:
        assert each.headers["host"] == "orders"
        assert each.headers["x"] == "1"
        assert "k" not in each.headers
    assert response.headers.raw == [(b"w", b"4"), (b"y", b"2")]
    assert response.request.url == "http://orders/a/c?d"


async def test_through_the_async_door(lib: ModuleType) -> None:
    seen: list[Any] = []

    async def inner(request: Any) -> Any:
        seen.append(request)
        return lib.Response(200, headers={"z": "3"}, text="there")

    transport = AsyncMeshTransport(Pipeline(route(*ACTIONS)), lib.MockTransport(inner))
    async with lib.AsyncClient(transport=transport) as client:
        response = await client.get("http://orders/a")
        assert response.text == "there"
        assert response.headers["y"] == "2"
        with pytest.raises(lib.TransportError, match="no route for GET orders/other"):
            await client.get("http://orders/other")
    assert [str(each.url) for each in seen] == ["http://10.0.0.7/b"]


async def test_a_stream_is_the_callers_as_before(lib: ModuleType) -> None:
    async def inner(request: Any) -> Any:
        async def chunks() -> Any:
            yield b"one "
            yield b"two"

        return lib.Response(200, content=chunks())

    pipeline = Pipeline(route(*ACTIONS))
    async with (
        lib.AsyncClient(transport=AsyncMeshTransport(pipeline, lib.MockTransport(inner))) as client,
        client.stream("GET", "http://orders/a") as response,
    ):
        assert response.headers["y"] == "2"
        assert not pipeline.idle()
        assert await response.aread() == b"one two"
    assert pipeline.idle()


async def test_an_async_function_is_a_destination(lib: ModuleType) -> None:
    async def fn(request: Any) -> Any:
        return lib.Response(200, text=request.url.path)

    transport = AsyncMeshTransport(
        Pipeline(Router([Route(to=fn, actions=[Rewrite(prefix="/b")])])), lib.MockTransport(None)
    )
    async with lib.AsyncClient(transport=transport) as client:
        assert (await client.get("http://x/a")).text == "/b/a"


def test_what_comes_may_be_in_another_encoding(lib: ModuleType) -> None:
    """The library remembers in which encoding it has read the fields: those before the edit."""
    request = lib.Request("GET", "http://x/", headers={"k": "v"})
    assert request.headers["k"] == "v"
    for changed in (
        edited(request.headers, Edit.of(RequestHeaders(set={"x-name": "caf\xe9"}))),
        told(request, [(b"x-name", b"caf\xe9")]).headers,
    ):
        assert (changed["x-name"], changed["k"]) == ("caf\xe9", "v")
        assert dict(changed.items())["x-name"] == "caf\xe9"


@pytest.mark.parametrize(
    ("target", "status", "sent"),
    [
        (b"/admin/secret", 403, None),
        ("/admin/other", 403, None),
        (b"/public/../admin/secret", 403, None),
        (b"/public/y?q=2", 200, b"/v1/y?q=2"),
        (b"/same/y?q=2", 200, b"/same/y?q=2"),
        (b"/same/y", 200, b"/same/y"),
        (b"http://other.example/public", None, None),
        (b"other.example:443", None, None),
    ],
)
@pytest.mark.parametrize("cluster", [None, Cluster("up", ["127.0.0.1:8080"])])
async def test_a_target_of_the_callers_own_is_what_is_routed(
    lib: ModuleType, target: Any, status: int | None, sent: bytes | None, cluster: Any
) -> None:
    """It is sent in the place of the URL's path and query."""
    inner = Inner(lambda request: lib.Response(200))
    router = Router(
        [
            Route(Match(prefix="/admin"), Respond(403)),
            Route(Match(prefix="/public"), cluster, actions=[Rewrite(prefix="/v1")]),
            Route(Match(prefix="/same"), cluster),
        ]
    )
    options = {"extensions": {"target": target}}
    async with lib.AsyncClient(transport=AsyncMeshTransport(Pipeline(router), inner)) as client:
        if status is None:
            with pytest.raises(NoRoute, match="no slash at the beginning"):
                await client.get("http://shop/public/x?q=1", **options)
        else:
            assert (await client.get("http://shop/public/x?q=1", **options)).status_code == status
    assert [request.extensions["target"] for request in inner.requests] == [sent] * (sent is not None)
    assert [request.url.raw_path for request in inner.requests] == [sent] * (sent is not None)


def test_a_target_that_is_no_path_stays_what_it_is(lib: ModuleType) -> None:
    inner = Inner(lambda request: lib.Response(200))
    router = Router([Route(Match(), actions=[RequestHeaders(set={"x": "1"})])])
    with lib.Client(transport=MeshTransport(Pipeline(router), inner)) as client:
        client.request("OPTIONS", "http://shop", extensions={"target": b"*"})
    [request] = inner.requests
    assert (request.extensions["target"], str(request.url), request.headers["x"]) == (b"*", "http://shop", "1")
