"""What a route makes of an exchange: another path, another host, other fields, in a scope of its own."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from meshkit import Cluster, ConfigError, Pipeline, Route, Router
from meshkit.asgi import MeshMiddleware
from meshkit.asgi.door import AsgiDoor
from meshkit.asgi.facts import fact, known
from meshkit.asgi.routed import head_of, routed
from meshkit.route.edit import RequestHeaders, ResponseHeaders
from meshkit.route.match import Match
from meshkit.route.mirror import Mirror
from meshkit.route.plan import Decision, Plan
from meshkit.route.rewrite import Rewrite
from meshkit.route.value import Value

from .routes import behind, body, start
from .stand_ins import ask, http, websocket


class Rule:
    def __init__(self, *actions: Any) -> None:
        self.plan = Plan(actions)


def decision(path: str, *actions: Any, same: bool = False) -> Decision:
    return Decision(Rule(*actions), path, None, same)


def scope(path: str = "/a", **more: Any) -> dict[str, Any]:
    fields = [(b"host", b"x"), (b"k", b"v"), (b"k", b"w")]
    return {"type": "http", "path": path, "raw_path": path.encode(), "root_path": "", "headers": fields, **more}


def test_where_nothing_changes_it_is_the_scope_itself() -> None:
    given = scope()
    assert routed(given, decision("/a", same=True)) is given
    assert routed(given, decision("/a", RequestHeaders(), ResponseHeaders(set={"x": "1"}), same=True)) is given


def test_the_servers_scope_is_left_alone() -> None:
    given = scope(root_path="/mounted", state={"a": 1})
    before = {**given, "headers": [*given["headers"]]}
    sent = routed(given, decision("/b%20c", Rewrite(host="y"), RequestHeaders(set={"k": "1"}, add={"l": "2"})))
    assert given == before
    assert (sent["path"], sent["raw_path"], sent["root_path"]) == ("/b c", b"/b%20c", "/mounted")
    assert sent["headers"] == [(b"host", b"y"), (b"k", b"1"), (b"l", b"2")]
    assert sent["state"] is given["state"]
    six = routed(given, decision("/a", Rewrite(host="[2001:db8::7]"), same=True))
    assert six["headers"][0] == (b"host", b"[2001:db8::7]")
    assert six["path"] == "/a"


@pytest.mark.parametrize(
    ("fields", "more", "head"),
    [
        ([(b"host", b"Shop.Example:8080")], {}, ("GET", "http", "shop.example", 8080, "/a", None)),
        ([(b"host", b"shop")], {"query_string": b"q=1", "method": "PUT"}, ("PUT", "http", "shop", None, "/a", "q=1")),
        ([], {"scheme": "https"}, ("GET", "https", "", None, "/a", None)),
        ([(b"host", b"[::1]:80")], {}, ("GET", "http", "[::1]", 80, "/a", None)),
        ([(b"host", b"[::1]")], {}, ("GET", "http", "[::1]", None, "/a", None)),
        ([(b"host", b"shop:")], {}, ("GET", "http", "shop", None, "/a", None)),
        ([(b"host", b"shop:99999")], {}, ("GET", "http", "shop:99999", None, "/a", None)),
        ([(b"host", b"shop:http")], {}, ("GET", "http", "shop:http", None, "/a", None)),
        ([(b"host", b"u@shop:80")], {}, ("GET", "http", "u@shop", 80, "/a", None)),
        ([(b"host", b"a"), (b"host", b"b")], {}, ("GET", "http", "a, b", None, "/a", None)),
        ([(b"host", b"\xff")], {}, ("GET", "http", "\xff", None, "/a", None)),
        ([(b"host", b"x")], {"raw_path": b"/a%2F?q", "path": "/a/"}, ("GET", "http", "x", None, "/a%2F", None)),
        ([(b"host", b"x")], {"raw_path": None, "path": "/a b\xe9"}, ("GET", "http", "x", None, "/a%20b%C3%A9", None)),
        ([(b"host", b"x")], {"raw_path": b"", "path": ""}, ("GET", "http", "x", None, "/", None)),
    ],
)
def test_the_head_of_a_request(fields: Any, more: dict[str, Any], head: Any) -> None:
    assert head_of(scope(**{"headers": fields, **more})) == head


@pytest.mark.parametrize(
    ("raw", "path", "matched", "status"),
    [
        (b"/api/admin", "/admin", "/admin", 200),
        (b"/api/a%2Fb", "/a b", "/a%20b", 404),
        (b"/a%2Fb", "/a/b", "/a%2Fb", 400),
        (b"/%E9", "/\ufffd", "/%E9", 400),
    ],
)
async def test_what_is_matched_is_what_the_app_obeys(raw: bytes, path: str, matched: str, status: int) -> None:
    """Somebody in front may have changed the decoded path alone."""
    given = scope(path, raw_path=raw)
    assert head_of(given)[4] == matched
    seen: list[Any] = []

    async def app(given: Any, receive: Any, send: Any) -> None:
        seen.append(given["path"])
        await send(start(200))
        await send(body())

    mesh = behind(app, match=Match(path="/admin"))
    assert (await ask(mesh, http(path, raw_path=raw))).status == status
    assert seen == ["/admin"] * (path == "/admin")


def test_no_host_of_any_length_is_remembered() -> None:
    hosts = [b"A%d" % k + b"x" * 4096 for k in range(1000)]
    tracemalloc.start()
    try:
        for host in hosts:
            head_of(scope(headers=[(b"host", host)]))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000


async def test_through_the_door() -> None:
    seen: list[Any] = []

    async def app(given: Any, receive: Any, send: Any) -> None:
        seen.append(given)
        await send(start(200, y="0", z="3", w="4"))
        await send(body(b"there"))

    actions = Rewrite(prefix="/b"), RequestHeaders(set={"x": "1"}), ResponseHeaders(set={"y": "2"}, remove=["z"])
    mesh = behind(app, *actions, match=Match(prefix="/a"))
    answer = await ask(mesh, http("/a/c"))
    assert answer.headers == {"w": "4", "y": "2"}
    assert (seen[0]["path"], dict(seen[0]["headers"])[b"x"]) == ("/b/c", b"1")
    assert (await ask(mesh, http("/other"))).status == 404
    assert len(seen) == 1


async def test_a_websocket_has_a_route_as_well() -> None:
    seen: list[Any] = []

    async def app(given: Any, receive: Any, send: Any) -> None:
        seen.append(given["path"])
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    mesh = behind(app, Rewrite(prefix="/b"), match=Match(prefix="/a", scheme="ws", method="GET"))
    await ask(mesh, websocket("/a/c"))
    assert seen == ["/b/c"]


def tls(**extension: Any) -> dict[str, Any]:
    return scope(extensions={"tls": extension})


@pytest.mark.parametrize(
    ("given", "certificate", "sni"),
    [
        (scope(), None, None),
        (scope(extensions=None), None, None),
        (tls(client_cert_name=None, client_cert_error=None), None, None),
        (tls(client_cert_name="CN=orders,O=Shop"), "CN=orders,O=Shop", None),
        (tls(client_cert_name="CN=orders", client_cert_error=None, sni="Shop.Example."), "CN=orders", "shop.example"),
        (tls(client_cert_name="CN=evil", client_cert_error="expired"), None, None),
        (tls(client_cert_name="", sni=""), None, None),
        (tls(client_cert_name=7, sni=b"a"), None, None),
    ],
)
def test_what_is_known_of_the_handshake(given: Any, certificate: Any, sni: Any) -> None:
    assert fact(given, "certificate", lambda _: None) == certificate
    assert fact(given, "sni", lambda _: None) == sni
    known("certificate")
    known("sni")


@pytest.mark.parametrize(
    ("extension", "status"),
    [
        ({"client_cert_name": "CN=web,O=Shop", "sni": "shop.example"}, 200),
        ({"client_cert_name": "CN=web,O=Shop"}, 404),
        ({"client_cert_name": "CN=web,O=Other", "sni": "shop.example"}, 404),
        ({"client_cert_name": "CN=web,O=Shop", "client_cert_error": "revoked", "sni": "shop.example"}, 404),
    ],
)
async def test_routes_by_certificate_and_by_the_name_asked_for(extension: Any, status: int) -> None:
    async def app(given: Any, receive: Any, send: Any) -> None:
        await send(start(200))
        await send(body())

    mesh = behind(app, match=Match(certificate=Value(suffix="O=Shop"), sni="shop.example", source="192.0.2.0/24"))
    assert (await ask(mesh, http("/", extensions={"tls": extension}))).status == status


def test_the_door_answers_by_the_same_words() -> None:
    request = type("Request", (), {"scope": tls(client_cert_name="CN=a")})()
    call = type("Call", (), {"request": request})()
    door: Any = type("Door", (), {"client": None})()
    assert AsgiDoor.fact(door, call, "certificate") == "CN=a"


def test_nothing_is_mirrored_in_front_of_an_app() -> None:
    router = Router([Route(actions=[Mirror(Cluster("copies", ["10.0.0.9:80"]), name="copies")])])
    with pytest.raises(ConfigError, match=r"pipeline='copies'.*mirror the calls of a client"):
        MeshMiddleware(lambda scope, receive, send: None, Pipeline(router))  # type: ignore[arg-type, return-value]
