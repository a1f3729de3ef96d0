"""Which listener is asked, what does the gateway say of itself, and how does it come and go?"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import attrs
import pytest

from meshkit import ConcurrencyLimit, ConfigError, Timeout
from meshkit.config import Listener, Mesh, MeshSpec, Node
from meshkit.gateway import Gateway
from meshkit.route.answer import Respond
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.upstream import Limits, Pool

from ..upstream.peer import Peer
from ..upstream.rogue import OK, Rogue, answers, sane, until
from .visiting import Visitor, begin, echoing, gate, shop, told, visit

HELLO = Route(to=Respond(200, "hello"))


@pytest.fixture
def anyio_backend() -> str:
    """The pool knows no other."""
    return "asyncio"


# Which listener.


def two() -> dict[str, Any]:
    routes = [
        Route(Match(host="shop.example"), Respond(200, "public"), name="public"),
        Route(Match(host="admin.example"), Respond(200, "admin"), name="admin"),
    ]
    listeners = [Listener("public", port=8080, routes=["public"]), Listener("admin", port=8081, routes=["admin"])]
    return {"routes": routes, "listeners": listeners}


async def test_by_its_port() -> None:
    gateway = Gateway(Mesh(**two()))
    assert [*gateway.listening] == ["public", "admin"]
    for port, host, status in (
        (8080, "shop.example", 200),
        (8080, "admin.example", 404),
        (8081, "admin.example", 200),
        (8081, "shop.example", 404),
    ):
        visitor = await visit(gateway, "/a", ("host", host), server=("127.0.0.1", port))
        assert visitor.status == status


@pytest.mark.parametrize("server", [("127.0.0.1", 9), None, ("/run/other.sock", None)])
async def test_none_is_guessed(server: Any) -> None:
    gateway = Gateway(Mesh(**two()))
    with pytest.raises(ConfigError, match="say which one is served, of public, admin: listener="):
        await visit(gateway, server=server)
    assert gateway.idle()


async def test_whoever_opens_others_says_so() -> None:
    gateway = Gateway(Mesh(**two()))
    gateway.ports["/run/shop.sock"] = gateway.listening["public"]
    assert (await visit(gateway, server=("/run/shop.sock", None))).body == b"public"


async def test_by_its_name() -> None:
    gateway = Gateway(Mesh(**two()), "admin")
    assert (await visit(gateway, "/a", ("host", "admin.example"), server=None)).body == b"admin"
    assert repr(gateway).endswith(", admin)")
    with pytest.raises(ConfigError, match="listener"):
        Gateway(Mesh(**two()), "none")


async def test_those_of_its_node() -> None:
    gateway = Gateway(Mesh(**two(), nodes=[Node("edge", listeners=["admin"])], node="edge"))
    assert [*gateway.listening] == ["admin"]


async def test_where_there_is_none_all_routes_are_served() -> None:
    gateway = Gateway(Mesh(routes=[HELLO]))
    assert (await visit(gateway, server=None)).body == b"hello"


# Its options.


@pytest.mark.parametrize(
    "options",
    [
        {"connect": 0},
        {"idle": -1},
        {"replay": -1},
        {"whole": 131_073},
        {"finish": 1},
        {"most": 0},
        {"deadline": "x-deadline"},
        {"rate_limit": "draft-1"},
        {"via": "a\nb"},
        {"explain": ""},
    ],
    ids=str,
)
async def test_options_that_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))}=|deadline="):
        Gateway(Mesh(routes=[HELLO]), **options)


async def test_what_is_no_mesh() -> None:
    with pytest.raises(ConfigError, match="give a Mesh"):
        Gateway("mesh.yaml")  # type: ignore[arg-type]  # that is what it says


async def test_without_a_name_of_its_own() -> None:
    script = echoing()
    async with gate(script, via=None, rate_limit=None, outside=[ConcurrencyLimit(5)]) as (gateway, _):
        await visit(gateway)
        assert (await visit(gateway, "/a", ("host", "a b"))).field("proxy-status") is None
    assert script.field("via") is None


async def test_no_endless_deadline_is_believed() -> None:
    script = echoing()
    async with gate(script, most=2.0) as (gateway, _):
        await visit(gateway, "/a", ("x-request-deadline-ms", "999999"))
        assert 1000 < int(script.field("x-request-deadline-ms") or 0) <= 2000


# What it says of itself.


async def test_its_health_and_whether_it_is_ready() -> None:
    async with gate(to=lambda _: Respond(404)) as (gateway, _):
        for path in ("/healthz", "/readyz"):
            visitor = await visit(gateway, path, ("host", "10.0.0.1:8080"))
            assert (visitor.status, visitor.body, visitor.field("cache-control")) == (200, b"ok\n", "no-store")
            assert (await visit(gateway, path, method="HEAD")).body == b""
        gateway.drain()
        assert gateway.draining
        assert ((await visit(gateway, "/healthz")).status, (await visit(gateway, "/readyz")).status) == (200, 503)
        assert (await visit(gateway)).status == 404  # what comes is served yet


async def test_elsewhere_or_nowhere() -> None:
    async with gate(to=lambda _: Respond(299), health="/live", ready=None) as (gateway, _):
        assert [(await visit(gateway, path)).status for path in ("/live", "/healthz", "/readyz")] == [200, 299, 299]


async def test_a_lifespan() -> None:
    async with gate(answers(OK)) as (gateway, server):
        visitor = Visitor({"type": "lifespan.startup"})
        life = asyncio.create_task(gateway({"type": "lifespan"}, visitor.receive, visitor.send))
        await until(lambda: visitor.sent)
        assert (await visit(gateway)).status == 200
        assert len(server.open) == 1
        visitor.give({"type": "lifespan.shutdown"})
        await life
        assert [each["type"] for each in visitor.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        await server.quiet()


async def test_what_it_does_not_serve() -> None:
    with pytest.raises(ValueError, match="not smtp"):
        await Gateway(Mesh(routes=[HELLO]))({"type": "smtp"}, None, None)


async def test_it_waits_until_nothing_is_under_way() -> None:
    released = asyncio.Event()
    async with gate(answers((released, OK))) as (gateway, server):
        task = begin(gateway, visitor := Visitor())
        await until(lambda: server.peers and server.peers[0].requests)
        assert (gateway.under_way, gateway.idle()) == (1, False)
        gateway.drain()
        assert await gateway.drained(0.001) == 1
        waits = asyncio.create_task(gateway.drained(20.0))
        released.set()
        assert await waits == 0
        await task
        assert visitor.status == 200
        assert gateway.idle()


async def test_a_picture_of_it() -> None:
    async with gate(answers(OK), policies=[ConcurrencyLimit(3)]) as (gateway, server):
        await visit(gateway)
        picture = gateway.snapshot()
        assert (picture["under_way"], picture["draining"]) == (0, False)
        assert picture["pool"]["origins"] == {f"http://127.0.0.1:{server.port}": 1}
        assert picture["listeners"]["public"]["public"]["only"]["ConcurrencyLimit"]["limit"] == 3


async def test_what_is_under_way_fails_when_it_is_closed() -> None:
    async def stands(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with gate(stands) as (gateway, server):
        task = begin(gateway, visitor := Visitor())
        await until(lambda: server.peers and server.peers[0].requests)
        await gateway.aclose()
        await task
        assert told(visitor) == (502, "connection_terminated")


# Another version of the mesh.


async def test_each_call_goes_on_as_it_began() -> None:
    released = asyncio.Event()
    async with gate(answers((released, OK), OK), policies=[Timeout(9.0)]) as (gateway, server):
        task = begin(gateway, visitor := Visitor())
        await until(lambda: server.peers and server.peers[0].requests)
        spec = gateway.mesh.spec
        gateway.mesh.become(attrs.evolve(spec, routes=[HELLO]))
        assert (await visit(gateway)).body == b"hello"
        released.set()
        await task
        assert visitor.body == b"ok"
        gateway.mesh.become(spec)
        assert (await visit(gateway)).body == b"ok"


async def test_one_that_it_could_not_serve_is_refused() -> None:
    from meshkit import SingleFlight

    gateway = Gateway(Mesh(routes=[HELLO], listeners=[Listener("public")]))
    with pytest.raises(ConfigError, match="SingleFlight"):
        gateway.mesh.become(
            MeshSpec(routes=[Route(to=Respond(299), policies=[SingleFlight()])], listeners=[Listener("public")])
        )
    assert (await visit(gateway)).body == b"hello"


# Several loops.


def test_in_two_threads_at_once() -> None:
    """Each with a loop, connections and a watch of its own."""
    ready, over = threading.Barrier(3, timeout=30.0), threading.Barrier(2, timeout=30.0)
    asked: list[list[int]] = []
    gateways: list[Gateway] = []

    async def upstream() -> None:
        async with Rogue(sane, sane, sane, sane) as server:
            mesh = Mesh(routes=[Route(to=shop(server), policies=[ConcurrencyLimit(1, queue=99)])])
            gateways.append(Gateway(mesh, pool=Pool(Limits(connections=None))))
            await asyncio.to_thread(ready.wait)
            await asyncio.to_thread(done.wait, 30.0)

    async def client() -> None:
        [gateway] = gateways
        visitors = await asyncio.gather(*(visit(gateway) for _ in range(20)))
        asked.append([visitor.status for visitor in visitors])
        await asyncio.to_thread(over.wait)  # it closes the other's connections, too
        await gateway.aclose()

    def serve() -> None:
        ready.wait()
        asyncio.run(client())

    done = threading.Event()
    threads = [threading.Thread(target=serve) for _ in range(2)]
    first = threading.Thread(target=lambda: asyncio.run(upstream()))
    for thread in (first, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    first.join()
    assert asked == [[200] * 20] * 2
    [gateway] = gateways
    assert gateway.idle()


def test_loop_after_loop() -> None:
    """Of one that has ended nothing is left."""
    gateway = Gateway(Mesh(routes=[HELLO]))
    for _ in range(3):
        assert asyncio.run(visit(gateway)).body == b"hello"
    assert len(gateway._vigils) == 1


# What cannot be.


@pytest.mark.parametrize(
    "options",
    [
        {"pool": "x"},
        {"health": "healthz"},
        {"ready": 1},
        {"request_id": "a b"},
        {"deadline": ["x y\r\n"]},
        {"whole": 10**9},
        {"idle": 0},
        {"finish": 1},
    ],
)
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Gateway(Mesh(routes=[HELLO]), **options)


def test_two_listeners_on_one_port() -> None:
    mesh = Mesh(routes=[HELLO], listeners=[Listener("a"), Listener("b")])
    with pytest.raises(ConfigError, match="told apart by their ports"):
        Gateway(mesh)
    assert [*Gateway(mesh, "b").listening] == ["b"]


async def test_below_another_app() -> None:
    gateway = Gateway(Mesh(routes=[HELLO]))
    visitor = await visit(gateway, "/gw/readyz", root_path="/gw")
    assert (visitor.status, visitor.body) == (200, b"ok\n")


# Whom it believes.


async def test_a_version_that_believes_nobody_any_more() -> None:
    trusting = {"trusted": ["192.0.2.0/24"]}
    script = echoing()
    async with gate(script, listener=trusting) as (gateway, _):
        fields = [("x-user", "anna"), ("x-forwarded-for", "198.51.100.1")]
        await visit(gateway, "/a", *fields)
        assert (script.field("x-user"), script.field("x-forwarded-for")) == ("anna", "198.51.100.1, 192.0.2.7")
        mesh = gateway.mesh
        mesh.become(attrs.evolve(mesh.spec, listeners=[attrs.evolve(mesh.spec.listeners[0], trusted=())]))
        await visit(gateway, "/a", *fields)
        assert (script.field("x-user"), script.field("x-forwarded-for")) == (None, "192.0.2.7")


@pytest.mark.parametrize(
    "field", [("x-user", "admin"), ("x_user", "admin"), ("x-forwarded-proto", "https"), ("connection", "x-plain")]
)
@pytest.mark.parametrize("trusted", [True, False])
async def test_routes_see_what_upstreams_do(field: tuple[str, str], trusted: bool) -> None:
    name = field[0]
    asked = ("x-plain", "1") if name == "connection" else field
    script = echoing()
    listener = {"trusted": ["192.0.2.0/24"]} if trusted else {}
    async with gate(script, match=Match(headers=dict([asked])), listener=listener) as (gateway, _):
        visitor = await visit(gateway, "/a", *dict.fromkeys((asked, field)))
        believed = trusted and name in {"x-user", "x-forwarded-proto"}
        assert visitor.status == (200 if believed else 404)


async def test_a_request_that_comes_by_again_and_again() -> None:
    script = echoing()
    async with gate(script) as (gateway, _):
        assert (await visit(gateway, "/a", ("via", ", ".join(["1.1 meshkit"] * 15)))).status == 200
        visitor = await visit(gateway, "/a", ("via", ", ".join(["1.1 meshkit"] * 16)))
        assert (visitor.status, visitor.field("proxy-status")) == (502, "meshkit; error=proxy_loop_detected")
