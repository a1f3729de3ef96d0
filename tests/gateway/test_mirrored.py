"""Does a copy go, whole or not at all, and does the call never notice? Through a gateway, to a server that writes down.

What is a mirror's own business (which requests, how many) is tested with `meshkit.route.mirror` and the httpx door.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import attrs
import pytest

from meshkit import Cluster, ConfigError, Constant, Retry, Timeout
from meshkit.config import Mesh, MeshSpec
from meshkit.gateway import Gateway
from meshkit.route.answer import Respond
from meshkit.route.edit import RequestHeaders
from meshkit.route.local import App
from meshkit.route.match import Match
from meshkit.route.mirror import Mirror
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import Router

from ..upstream.rogue import until

LENGTH = "content-length"
SOON = 10.0


@pytest.fixture
def anyio_backend() -> str:
    """The pool is for asyncio."""
    return "asyncio"


@attrs.define
class Seen:
    """A request, as an upstream has it."""

    line: str
    fields: dict[str, str]
    body: bytes


class Upstream:
    """Answers ``status`` while ``open`` is set."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.status = [200]
        """In turns; the last one stays."""
        self.open = asyncio.Event()
        self.open.set()
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                fields = dict(line.split(": ", 1) for line in head[1:-2])
                seen = Seen(head[0], fields, b"")
                self.seen.append(seen)
                if "expect" in fields:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                if "transfer-encoding" in fields:
                    await reader.readuntil(b"0\r\n\r\n")
                seen.body = await reader.readexactly(int(fields.get("content-length", 0)))
                await self.open.wait()
                status = self.status.pop(0) if len(self.status) > 1 else self.status[0]
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 3\r\n\r\nyes" % status)
        writer.close()


class Front:
    """A gateway with one route, which leads to ``shop``; whatever is mirrored leads to ``beta``."""

    def __init__(self, shop: Upstream, beta: Upstream, ports: list[int]) -> None:
        self.shop, self.beta = shop, beta
        self.to_shop = Cluster("shop", [f"127.0.0.1:{ports[0]}"])
        self.to_beta = Cluster("beta", [f"127.0.0.1:{ports[1]}"])
        self.gateway: Gateway

    def mirror(self, *policies: Any, **options: Any) -> Mirror:
        return Mirror([*policies, self.to_beta], **options)

    def mesh(self, *actions: Any, policies: Iterable[Any] = ()) -> Mesh:
        clusters = [self.to_shop, self.to_beta]
        route = Route(Match(prefix="/"), self.to_shop, policies=policies, actions=actions)
        return Mesh(MeshSpec(clusters=clusters, routes=[route]))

    def serve(self, *actions: Any, policies: Iterable[Any] = (), **options: Any) -> None:
        self.gateway = Gateway(self.mesh(*actions, policies=policies), **options)

    async def ask(self, method: str = "GET", target: str = "/x", *fields: tuple[str, str], **more: Any) -> int:
        """The status."""
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in (("host", "shop.example:8080"), *fields)],
            "client": ("192.0.2.1", 7),
            "server": ("127.0.0.1", 8080),
        }
        parts = [*more.get("parts", ())]
        then: Callable[[], Any] = more.get("then", asyncio.get_running_loop().create_future)
        told: list[Any] = []

        async def receive() -> Any:
            if parts:
                part = parts.pop(0)
                return {"type": "http.request", "body": part, "more_body": bool(parts) or "then" in more}
            return await then()

        async def send(message: Any) -> None:
            told.append(message)

        await self.gateway(scope, receive, send)
        return told[0]["status"] if told else 0

    @property
    def said(self) -> dict[str, int]:
        """The counts of the route's mirror that are not 0."""
        [shown] = self.gateway.snapshot()["listeners"].values()
        routes = next(each for each in shown.values() if "*/*" in each)
        return {what: count for what, count in routes["*/*"]["Mirror"].items() if count}

    async def over(self) -> None:
        """All copies have ended."""
        await until(self.gateway.idle, SOON)


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    shop, beta = Upstream(), Upstream()
    servers = [await asyncio.start_server(each.serve, "127.0.0.1", 0) for each in (shop, beta)]
    front = Front(shop, beta, [server.sockets[0].getsockname()[1] for server in servers])
    yield front
    await front.gateway.aclose()
    for server in servers:
        server.close()


# What is sent.


async def test_the_copy_is_what_the_route_makes_of_the_request(front: Front) -> None:
    edits = (Rewrite(prefix="/v2"), RequestHeaders(set={"x-from": "web"}, remove=["x-secret"]))
    front.serve(*edits, front.mirror(methods=["POST"]))
    fields = {LENGTH: "4", "x-secret": "s", "connection": "x-hop", "x-hop": "1", "x-user": "root", "te": "trailers"}
    assert await front.ask("POST", "/a?b=c", *fields.items(), ("expect", "100-continue"), parts=[b"body"]) == 200
    await front.over()
    [call], [copy] = front.shop.seen, front.beta.seen
    assert copy.line == call.line == "POST /v2/a?b=c HTTP/1.1"
    assert copy.body == call.body == b"body"
    assert call.fields.pop("expect") == "100-continue"
    assert copy.fields.pop("x-meshkit-mirror") == "1"
    assert 0 < int(copy.fields.pop("x-request-deadline-ms")) <= 10_000
    assert copy.fields == call.fields
    assert call.fields.keys().isdisjoint(["x-secret", "x-hop", "x-user"])
    assert (call.fields["x-from"], call.fields["host"]) == ("web", "shop.example:8080")


async def test_a_copy_may_go_under_another_host_and_without_a_mark(front: Front) -> None:
    front.serve(front.mirror(host="*-shadow", header=None), front.mirror(host="beta.example", header="x-copy"))
    assert await front.ask() == 200
    await front.over()
    hosts = {copy.fields.get("x-copy"): copy.fields["host"] for copy in front.beta.seen}
    assert hosts == {None: "shop.example-shadow:8080", "1": "beta.example:8080"}
    assert "x-meshkit-mirror" not in front.beta.seen[0].fields


@pytest.mark.parametrize("replay", [0, 65_536])
@pytest.mark.parametrize("size", [1, 16_384, 16_385, 40_000])
async def test_a_body_is_read_once_and_sent_twice(front: Front, size: int, replay: int) -> None:
    front.serve(front.mirror(methods=["PUT"]), replay=replay)
    body = bytes(range(256)) * (size // 256 + 1)
    parts = [body[at : min(at + 999, size)] for at in range(0, size, 999)]
    assert await front.ask("PUT", "/x", (LENGTH, str(size)), parts=parts) == 200
    await front.over()
    [call], [copy] = front.shop.seen, front.beta.seen
    assert copy.body == call.body == body[:size]
    assert front.said == {"sent": 1}


async def test_no_copy_begins_before_the_body_is_there(front: Front) -> None:
    front.serve(front.mirror(methods=["PUT"]))
    last: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    fields = (LENGTH, "20000")
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(front.ask("PUT", "/x", fields, parts=[b"a" * 15_000], then=lambda: last))
        await until(lambda: front.shop.seen, SOON)
        assert front.said == {}
        last.set_result({"type": "http.request", "body": b"b" * 5_000, "more_body": False})
        assert await asked == 200
    await front.over()
    assert front.beta.seen[0].body == b"a" * 15_000 + b"b" * 5_000


async def test_of_half_a_body_there_is_no_copy(front: Front) -> None:
    front.serve(front.mirror(methods=["PUT"]))
    gone: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    gone.set_result({"type": "http.disconnect"})
    await front.ask("PUT", "/x", (LENGTH, "20000"), parts=[b"a" * 15_000], then=lambda: gone)
    await front.over()
    assert front.said == {}
    assert front.beta.connections == 0


@pytest.mark.parametrize(
    ("method", "fields", "body", "said"),
    [
        ("GET", [], b"", {"sent": 1}),
        ("POST", [], b"", {}),
        ("PUT", [(LENGTH, "4")], b"four", {"sent": 1}),
        ("PUT", [(LENGTH, "5")], b"five5", {"skipped": 1}),
        ("PUT", [(LENGTH, "0")], b"", {"sent": 1}),
    ],
)
async def test_which_requests(front: Front, method: str, fields: Any, body: bytes, said: dict[str, int]) -> None:
    front.serve(front.mirror(methods=["GET", "PUT"], max_bytes=4))
    assert await front.ask(method, "/x", *fields, parts=[body]) == 200
    await front.over()
    assert front.said == said
    assert [copy.body for copy in front.beta.seen] == [body] * said.get("sent", 0)


async def test_a_body_of_unknown_length_is_not_copied(front: Front) -> None:
    front.serve(front.mirror(methods=["PUT"]))
    front.shop.open.clear()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(front.ask("PUT", "/x", ("transfer-encoding", "chunked"), parts=[b"four"]))
        await until(lambda: front.shop.seen, SOON)
        front.shop.open.set()
        assert await asked == 200
    assert front.said == {"skipped": 1}


async def test_once_for_a_call_however_many_attempts(front: Front) -> None:
    front.serve(front.mirror(), policies=[Retry("5xx", backoff=Constant(0.0), budget=None)])
    front.shop.status = [503, 503, 200]
    assert await front.ask() == 200
    await front.over()
    assert (len(front.shop.seen), len(front.beta.seen)) == (3, 1)
    assert "x-envoy-attempt-count" not in front.beta.seen[0].fields


async def test_a_pipeline_of_its_own_with_routes_and_a_mirror(front: Front) -> None:
    """A copy walks it as a request does; a copy of it is one, too, and so is one that an app answers."""
    again = front.mirror(header="x-again", methods=["PUT"])
    inner = Router([Route(Match(host="beta.example"), front.to_beta, actions=[Rewrite(prefix="/copies"), again])])
    answered: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answered.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"thrown away"})

    front.serve(
        Mirror([Timeout(5.0), inner], host="beta.example", methods=["PUT"]),
        Mirror(App(app), methods=["PUT"], name="app"),
    )
    assert await front.ask("PUT", "/x", (LENGTH, "4"), parts=[b"body"]) == 200
    await front.over()
    assert sorted((copy.line, copy.body, "x-again" in copy.fields) for copy in front.beta.seen) == [
        ("PUT /copies/x HTTP/1.1", b"body", False),
        ("PUT /copies/x HTTP/1.1", b"body", True),
    ]
    assert answered == [b"body"]


# What becomes of it is nothing to the call.


async def test_copies_that_hang_hold_nobody_up_and_are_bounded(front: Front) -> None:
    front.serve(front.mirror(limit=2))
    front.beta.open.clear()
    for _ in range(3):
        assert await front.ask() == 200
    assert front.said == {"under_way": 2, "sent": 2, "dropped": 1}
    assert not front.gateway.idle()
    assert front.gateway.pool.idle()
    await front.gateway.aclose()
    assert front.said == {"sent": 2, "dropped": 1, "failed": 2}
    assert front.gateway.idle()


async def test_a_copy_has_the_seconds_of_its_mirror(front: Front) -> None:
    front.serve(front.mirror(timeout=0.01))
    front.beta.open.clear()
    assert await front.ask() == 200
    await front.over()
    assert front.said == {"sent": 1, "failed": 1}


async def test_copies_that_fail_are_counted(front: Front) -> None:
    nobody = Cluster("nobody", ["127.0.0.1:1"])
    front.serve(Mirror(nobody))
    assert await front.ask() == 200
    await front.over()
    assert front.said == {"sent": 1, "failed": 1}


async def test_answers_are_read_and_connections_kept(front: Front) -> None:
    front.serve(front.mirror())
    for _ in range(3):
        assert await front.ask() == 200
        await front.over()
    assert (front.shop.connections, front.beta.connections) == (1, 1)
    assert len(front.gateway.pool.snapshot()["origins"]) == 1, "copies have connections of their own"


# What can be.


async def test_a_mirror_that_comes_with_another_version(front: Front) -> None:
    front.serve()
    assert await front.ask() == 200
    front.gateway.mesh.become(front.mesh(front.mirror()).spec)
    assert await front.ask() == 200
    await front.over()
    assert front.said == {"sent": 1}
    with pytest.raises(ConfigError, match="end it in a cluster"):
        front.gateway.mesh.become(front.mesh(Mirror(Timeout(1.0), host="beta.example")).spec)
    assert await front.ask() == 200
    await front.over()
    assert front.said == {"sent": 2}


async def test_what_cannot_be_copied_is_refused(front: Front) -> None:
    front.serve()
    with pytest.raises(ConfigError, match="end it in a cluster"):
        Gateway(front.mesh(Mirror(Timeout(1.0), host="beta.example")))
    route = Route(Match(prefix="/"), Respond(200), actions=[front.mirror()])
    with pytest.raises(ConfigError, match="leave the mirror out"):
        Gateway(Mesh(MeshSpec(clusters=[front.to_beta], routes=[route])))
