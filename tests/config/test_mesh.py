"""A mesh in use: its pipelines and doors, who listens to all of them, its versions."""

from __future__ import annotations

import gc
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    NoRoute,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    Shared,
    Timeout,
)
from meshkit.config import FileErrors, Listener, Mesh, MeshSpec, Node
from meshkit.httpx.door import HttpxDoor
from meshkit.observe import Metrics, Recorder
from meshkit.route.match import Match
from meshkit.route.mirror import Mirror
from meshkit.route.route import Route

FILE = """\
mesh: shop
clusters:
  orders: {endpoints: [10.0.0.1:80]}
  stock: {endpoints: [10.0.0.2:80]}
routes:
- name: v2
  match: {host: orders, prefix: /v2}
  policies: [timeout: 2s]
  to: stock
listeners:
  public: {hosts: [orders], policies: [rate_limit: 1/h]}
nodes:
  web: {calls: [orders], serves: [rate_limit: 1/h]}
  job: {}
"""


def written(tmp_path: Path, text: str = FILE) -> Path:
    path = tmp_path / "mesh.yaml"
    path.write_text(text)
    return path


def orders(**options: Any) -> Cluster:
    return Cluster("orders", ["http://10.0.0.1"], **options)


def spec(**changed: Any) -> MeshSpec:
    return MeshSpec(**{"clusters": [orders()], "name": "shop", **changed})


class Seen:
    """What came to the transport inside."""

    def __init__(self, mesh: Mesh) -> None:
        self.hosts: list[str] = []
        self.client = httpx.Client(transport=mesh.sync_transport(httpx.MockTransport(self.answer)))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.hosts.append(request.url.host)
        return httpx.Response(200)

    def get(self, url: str) -> str:
        self.client.get(url)
        return self.hosts[-1]


# From what it is made, and for whom.


def test_of_a_file_for_a_node(tmp_path: Path) -> None:
    seen = Seen(Mesh.from_file(written(tmp_path), node="web"))
    assert seen.get("http://orders/") == "10.0.0.1"
    assert seen.get("http://orders/v2/1") == "10.0.0.2"
    with pytest.raises(NoRoute):
        seen.get("http://stock/")
    assert Seen(Mesh.from_file(str(written(tmp_path)), node="job")).get("http://stock/") == "10.0.0.2"


def test_which_node_it_is_the_environment_may_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    with pytest.raises(ConfigError, match="say which of its nodes this process is, web, job"):
        Mesh.from_file(path)
    monkeypatch.setenv("MESHKIT_NODE", "web")
    mesh = Mesh.from_file(path)
    assert mesh.node is not None
    assert mesh.node.name == "web"
    assert repr(mesh) == "Mesh('shop', version=1, node='web')"
    monkeypatch.setenv("MESHKIT_NODE", "")
    with pytest.raises(ConfigError, match="'web', 'job'"):
        Mesh.from_file(path, node="wep")
    assert Mesh(nodes=[Node("only")]).node == Node("only")
    assert repr(Mesh(name="shop")) == "Mesh('shop', version=1)"


def test_a_process_stays_the_node_it_is_where_others_are_added() -> None:
    web, jobs = Node("web", calls=["orders"]), Node("jobs")
    mesh = Mesh(clusters=[orders(), Cluster("stock", ["10.0.0.2:80"])], nodes=[web])
    seen = Seen(mesh)
    mesh.become(attrs.evolve(mesh.spec, nodes=(jobs, web)))
    assert mesh.node == web
    with pytest.raises(NoRoute):
        seen.get("http://stock/")
    with pytest.raises(ConfigError, match="there is none of that name"):
        mesh.become(attrs.evolve(mesh.spec, nodes=(jobs,)))
    assert mesh.node == web


def test_of_objects() -> None:
    assert Seen(Mesh(clusters=[orders()])).get("http://orders/") == "10.0.0.1"
    assert Mesh(spec()).spec == spec()
    for given in ({"spec": spec(), "name": "a"}, {"spec": "mesh.yaml"}):
        with pytest.raises(ConfigError, match="MeshSpec"):
            Mesh(**given)


def test_a_file_may_be_forbidden_to_import(tmp_path: Path) -> None:
    path = written(tmp_path, "clusters: {}\nroutes:\n- to: {function: 'os:getcwd'}\n")
    assert Mesh.from_file(path).spec.routes
    with pytest.raises(FileErrors, match="import"):
        Mesh.from_file(path, imports=False)


# Pipelines.


def test_each_pipeline_is_made_once_and_named(tmp_path: Path) -> None:
    mesh = Mesh.from_file(written(tmp_path), node="web")
    assert mesh.snapshot() == {}
    assert mesh.pipeline is mesh.pipeline
    assert mesh.transport(httpx.MockTransport(len)).pipeline is mesh.pipeline  # type: ignore[arg-type]
    assert mesh.serving("public") is mesh.serving("public") is not mesh.serving()
    assert [mesh.pipeline.name, mesh.serving("public").name, mesh.serving().name] == [
        "shop", "shop public", "shop serves",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="public"):
        mesh.serving("private")
    assert mesh.snapshot().keys() == {"outgoing", "listener public", "serves"}
    assert "RateLimit" in mesh.snapshot()["serves"]


async def test_what_a_node_serves_and_what_comes_to_a_listener(tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    for listener in (None, "public"):
        mesh = Mesh.from_file(written(tmp_path).rename(tmp_path / "a.yaml"), node="web")
        if listener is not None:
            mesh.become(
                spec(listeners=[Listener("public", policies=[RateLimit("1/h")])], nodes=[Node("web")], clusters=[])
            )
        transport = httpx.ASGITransport(app=mesh.middleware(app, listener))
        async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
            found = [(await client.get("/")).status_code for _ in range(2)]
        assert found == ([200, 429] if listener is None else [404, 429])


def test_whether_it_is_idle() -> None:
    mesh = Mesh(clusters=[orders()], nodes=[Node("web", policies=[ConcurrencyLimit(5)])])
    idle = []

    def answer(request: Any) -> httpx.Response:
        idle.append(mesh.idle())
        return httpx.Response(200)

    assert mesh.idle()
    with httpx.Client(transport=mesh.sync_transport(httpx.MockTransport(answer))) as client:
        client.get("http://orders/")
    assert idle == [False]
    assert mesh.idle()


def test_who_listens_is_told_by_all_pipelines_there_are_and_will_be() -> None:
    mesh = Mesh(spec(listeners=[Listener("public")]))
    recorder = Recorder(always=True)
    events: list[Any] = []
    stops = [mesh.listen(recorder), mesh.listen(events.append, direct=True)]
    seen = Seen(mesh)
    seen.get("http://orders/")
    assert len(recorder.records) == 1
    assert events
    public = mesh.serving("public")
    assert len(public.follows) == len(public.listeners) == 1
    mesh.become(spec(listeners=[Listener("public")], routes=[Route(Match(host="a"), orders(), name="more")]))
    seen.get("http://a/")
    assert recorder.last is not None
    assert recorder.last.route == "more"
    for stop in stops * 2:
        stop()
    seen.get("http://a/")
    assert len(recorder.records) == 2
    assert mesh.pipeline.follows == mesh.pipeline.listeners == public.follows == ()
    assert mesh.serving().listeners == ()


def test_who_watches_pipelines_watches_all_of_them() -> None:
    mesh = Mesh(spec(listeners=[Listener("public")]))
    public = mesh.serving("public")
    metrics = Metrics()
    stop = mesh.watch(metrics)
    with pytest.raises(ConfigError, match="already"):
        metrics.watch(public)
    with pytest.raises(ConfigError, match="already"):
        mesh.watch(metrics)
    with pytest.raises(ConfigError, match="already"):
        metrics.watch(mesh.pipeline)
    stop()
    metrics.watch(public)


def test_what_cannot_listen() -> None:
    mesh = Mesh(spec())
    with pytest.raises(ConfigError, match="listener"):
        mesh.listen(5)
    with pytest.raises(ConfigError, match="watch"):
        mesh.watch(5)
    assert mesh.pipeline.listeners == ()


# Versions.


def test_another_version_takes_its_place_and_is_told_of() -> None:
    mesh = Mesh(spec())
    seen = Seen(mesh)
    began = datetime.now(UTC)
    moved = Cluster("orders", ["http://10.0.0.9"])
    assert mesh.become(spec(clusters=[moved], routes=[Route(Match(host="a"), moved, name="a")])) == 2
    assert seen.get("http://orders/") == "10.0.0.9"
    assert seen.get("http://a/") == "10.0.0.9"
    first, second = mesh.versions
    assert (first.number, first.changes) == (1, ())
    assert (second.number, second.changes) == (2, ("cluster orders: endpoints", "route a added"))
    assert first.at <= began <= second.at <= datetime.now(UTC)
    assert mesh.version == 2


def test_what_says_the_same_is_no_version() -> None:
    mesh = Mesh(spec())
    before = mesh.pipeline.states
    assert mesh.become(spec()) == 1
    assert mesh.pipeline.states is before
    with pytest.raises(ConfigError, match="give a MeshSpec"):
        mesh.become("mesh.yaml")  # type: ignore[arg-type]


def test_back_to_the_version_before_and_to_the_one_before_that() -> None:
    mesh = Mesh(spec())
    with pytest.raises(ConfigError, match="no version before"):
        mesh.rollback()
    seen = Seen(mesh)
    for host in ("10.0.0.2", "10.0.0.3"):
        mesh.become(spec(clusters=[Cluster("orders", [f"http://{host}"])]))
    assert mesh.rollback() == 4
    assert seen.get("http://orders/") == "10.0.0.2"
    assert mesh.versions[-1].changes == ("back to version 2", "cluster orders: endpoints")
    assert mesh.rollback() == 5
    assert seen.get("http://orders/") == "10.0.0.1"
    assert mesh.versions[-1].changes[0] == "back to version 1"
    with pytest.raises(ConfigError, match="no version before"):
        mesh.rollback()
    assert mesh.spec == spec()


def test_so_many_versions_are_there_to_go_back_to() -> None:
    mesh = Mesh(spec())
    for number in range(120):
        mesh.become(spec(name=f"shop {number}"))
    assert [version.number for version in mesh.versions] == [*range(22, 122)]
    for _ in range(10):
        mesh.rollback()
    assert mesh.spec.name == "shop 109"
    with pytest.raises(ConfigError, match="no version before"):
        mesh.rollback()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"nodes": [Node("job")]}, "web"),
        ({"nodes": [Node("web")]}, "public"),
        ({"nodes": [Node("web", policies=[RateLimit("1/h", key="no")])], "listeners": [Listener("public")]}, "key"),
        ({"nodes": [Node("web", serves=[Retry(on="5xx")])], "listeners": [Listener("public")]}, "once"),
        (
            {"nodes": [Node("web")], "listeners": [Listener("public")],
             "routes": [Route(Match(host="orders", headers={"x": "1"}), policies=[RateLimit("1/h", key="no")])]},
            "key",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_leaves_all_as_it_was(changed: dict[str, Any], why: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    before = spec(nodes=[Node("web", policies=[RateLimit("1/h")])], listeners=[Listener("public")])
    mesh = Mesh(before, node="web")
    seen = Seen(mesh)
    seen.get("http://orders/")
    doors = mesh.middleware(app), mesh.serving("public")
    states = [pipeline.states for pipeline in (mesh.pipeline, mesh.serving(), mesh.serving("public"))]
    with pytest.raises(ConfigError, match=why):
        mesh.become(spec(clusters=[Cluster("orders", ["http://10.0.0.7"])], **changed))
    assert mesh.version == 1
    assert mesh.spec is before
    assert states == [pipeline.states for pipeline in (mesh.pipeline, mesh.serving(), mesh.serving("public"))]
    assert [str(member.endpoint) for member in mesh.pipeline.states[-1].branches[0][0].members] == ["10.0.0.1:80"]
    with pytest.raises(RateLimited):
        seen.get("http://orders/")
    assert doors


def test_one_version_at_a_time_whoever_strikes() -> None:
    """A signal handler that makes a version while one is being made: it is refused, and the one comes."""
    told: list[str] = []

    class Striking:
        name = "striking"

        def start(self, rng: Any) -> Any:
            if mesh.version == 1 and not told:
                try:
                    mesh.become(spec(name="other"))
                except ConfigError as error:
                    told.append(str(error))
            return self

        def enter(self, call: Any, now: float) -> None: ...

        exit = None

    mesh = Mesh(spec())
    assert mesh.pipeline
    mesh.become(spec(nodes=[Node("web", policies=[Striking()])]))
    assert len(told) == 1
    assert "just now" in told[0]
    assert mesh.version == 2
    assert mesh.become(spec(name="other")) == 3


def test_a_pipeline_that_is_made_later_is_of_the_version_in_force() -> None:
    mesh = Mesh(spec(nodes=[Node("web")]))
    assert mesh.pipeline
    mesh.become(spec(nodes=[Node("web", serves=[Timeout(1.0)])]))
    assert [type(each.spec) for each in mesh.serving().specs] == [Timeout]
    mesh.become(spec(nodes=[Node("web", serves=[Timeout(1.0), CircuitBreaker()])]))
    assert [type(each.spec) for each in mesh.serving().specs] == [Timeout, CircuitBreaker]


def test_nothing_of_it_is_held_when_it_is_gone() -> None:
    mesh = Mesh(spec())
    client = httpx.Client(transport=mesh.sync_transport(httpx.MockTransport(lambda request: httpx.Response(200))))
    client.get("http://orders/")
    mesh.become(spec(routes=[Route(Match(host="a"), orders(), name="a")]))
    gone = [weakref.ref(mesh), weakref.ref(mesh.pipeline.states[-1])]
    del mesh, client
    gc.collect()
    assert [each() for each in gone] == [None, None]


def test_what_a_user_shares_is_not_moved_for_another_mesh():
    shared = Shared(Cluster("o", ["one.example:80"]))
    one, other = Mesh(clusters=[shared]), Mesh(clusters=[shared])
    asked = [Seen(mesh) for mesh in (one, other)]
    assert [seen.get("http://o/") for seen in asked] == ["one.example", "one.example"]
    one.become(attrs.evolve(one.spec, clusters=(Cluster("o", ["two.example:80"]),)))
    assert [seen.get("http://o/") for seen in asked] == ["two.example", "one.example"]
    one.rollback()
    assert [seen.get("http://o/") for seen in asked] == ["one.example", "one.example"]
    assert shared.spec == Cluster("o", ["one.example:80"])


def test_a_door_that_is_made_while_a_version_comes_goes_by_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step: the version comes between the door's look at the policies and its end."""
    target = Cluster("copies", ["10.0.0.9:80"])
    route = Route(Match(host="shop"), orders(), name="shop")
    mesh = Mesh(routes=[route])
    renew, come = HttpxDoor.renew, []

    def renewing(door: HttpxDoor) -> None:
        renew(door)
        if not come:
            come.append(True)
            mirror = Mirror(Pipeline(Retry(on="5xx"), target))
            mesh.become(attrs.evolve(mesh.spec, routes=(attrs.evolve(route, actions=(mirror,)),)))

    monkeypatch.setattr(HttpxDoor, "renew", renewing)
    transport = mesh.sync_transport(httpx.MockTransport(lambda request: httpx.Response(200)))
    with httpx.Client(transport=transport) as client:
        client.get("http://shop/")
    [mirror] = [mirror for mirrors in mesh.pipeline.states[-1].beside for mirror in mirrors]
    assert mirror.sent == 1


@pytest.mark.parametrize("name", ["Orders Service", "shop/*.orders", "orders:80"])
def test_a_cluster_is_a_host_by_its_name(name: str) -> None:
    with pytest.raises(ConfigError, match=r"clusters=.*in a mesh a cluster's name is a host as well"):
        Mesh(clusters=[Cluster(name, ["10.0.0.1:80"])])
    assert Mesh(clusters=[Cluster("shop/Orders", ["10.0.0.1:80"])]).pipeline.idle()
