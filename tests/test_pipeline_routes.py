"""A pipeline sees below its routers: snapshots, control, what is held, and what is to be done between calls."""

from __future__ import annotations

import threading

import httpx
import pytest

from meshkit import (
    CircuitBreaker,
    CircuitOpen,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Fallback,
    HttpCheck,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    RoundRobin,
    Shared,
    Timeout,
)
from meshkit.discover import Pushed
from meshkit.httpx import MeshTransport
from meshkit.observe.events import StateChanged
from meshkit.route.answer import Redirect, Respond
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Branch, Split
from meshkit.runtime import keeper
from meshkit.testing import ManualClock


def shop(answer=lambda request: httpx.Response(200), **options):
    """A pipeline with routes of all kinds, and a client that asks through it."""
    orders = Shared(Cluster("orders", ["http://a", "http://b"], balancer=RoundRobin(), pipeline=[CircuitBreaker()]))
    canary = Cluster("canary", ["http://c"], pipeline=[CircuitBreaker(failures=1)])
    routes = [
        Route(Match(host="orders", prefix="/v2"), Split(Branch(orders, 0), Branch(canary)), name="v2"),
        Route(Match(host="orders"), orders, policies=[ConcurrencyLimit(5), CircuitBreaker()], name="orders"),
        Route(Match(host="stock"), orders, policies=[Fallback(Respond(404)), CircuitBreaker(failures=1)], name="stock"),
        Route(Match(host="old"), Redirect(scheme="https"), name="old"),
    ]
    pipeline = Pipeline(
        Timeout(2.0), Router(routes, default=Route(name="onwards")), **{"clock": ManualClock(), **options}
    )
    return pipeline, httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(answer)))


# Snapshots.


def test_a_snapshot_has_routes_by_name_and_what_they_share_once():
    pipeline, client = shop()
    assert client.get("http://orders/").status_code == 200
    picture = pipeline.snapshot()
    assert [*picture] == ["Router", "Split", "orders", "orders as a whole", "canary", "canary as a whole"]
    router = picture["Router"]
    assert [*router] == ["v2", "orders", "stock", "old", "onwards"]
    assert router["v2"] == {"to": "Split"}
    assert [*router["orders"]] == ["ConcurrencyLimit", "CircuitBreaker", "to"]
    assert router["orders"]["to"] == router["stock"]["to"] == "orders"
    assert router["stock"]["Fallback"] == {"taken": 0, "to": "Respond"}
    assert router["old"] == {"to": "Redirect"}
    assert router["onwards"] == {"to": None}
    assert picture["Split"]["canary"] == {"weight": 1, "share": 1.0, "calls": 0, "to": "canary"}
    assert sum(each["picks"] for each in picture["orders"].values()) == 1


def test_clusters_of_one_name_are_numbered_and_so_are_routes():
    one, other = Cluster("orders", ["http://a"]), Cluster("orders", ["http://b"])
    pipeline = Pipeline(Router([Route(Match(host="x"), one), Route(Match(host="x", method="GET"), other)]))
    picture = pipeline.snapshot()
    assert picture["Router"] == {"x/*": {"to": "orders"}, "x/* 2": {"to": "orders 2"}}
    assert ([*picture["orders"]], [*picture["orders 2"]]) == (["a:80"], ["b:80"])


def test_a_router_behind_a_fallback_is_shown_in_it():
    spare = Router([Route(Match(), Cluster("spare", ["http://s"]), name="all")], name="spares")
    outer = Router([Route(Match(host="x"), Cluster("a", ["http://a"]), name="x")])
    picture = Pipeline(Fallback([spare]), outer).snapshot()
    assert [*picture] == ["Fallback", "Router", "a", "a as a whole"]
    assert picture["Router"]["x"] == {"to": "a"}
    assert picture["Fallback"]["spares"] == {"all": {"to": "spare"}}
    assert "s:80" in picture["Fallback"]["spare"]


# By hand.


def test_a_policy_is_steered_by_its_route():
    pipeline, client = shop()
    events = []
    pipeline.listen(events.append, direct=True)
    pipeline.control("CircuitBreaker", route="orders").isolate()
    with pytest.raises(CircuitOpen):
        client.get("http://orders/")
    assert client.get("http://orders/v2").status_code == 200
    pipeline.control("CircuitBreaker", route="orders").reset()
    assert client.get("http://orders/").status_code == 200
    told = [(event.policy, event.before, event.after) for event in events if isinstance(event, StateChanged)]
    assert told == [("CircuitBreaker", "closed", "isolated"), ("CircuitBreaker", "isolated", "closed")]


def test_so_is_one_of_an_endpoint_below_a_router_whoever_shares_it():
    pipeline, client = shop()
    for endpoint in ("a:80", "b:80"):
        pipeline.control("CircuitBreaker", endpoint).isolate()
    with pytest.raises(CircuitOpen):
        client.get("http://orders/")
    assert client.get("http://orders/v2").status_code == 200
    assert pipeline.control("CircuitBreaker", "c:80", route="v2").snapshot()["state"] == "closed"
    pipeline.control("Split").weigh({"orders": 1, "canary": 0})
    with pytest.raises(CircuitOpen):
        client.get("http://orders/v2")


def test_a_name_that_is_not_there_is_answered_with_those_that_are():
    pipeline, _ = shop()
    with pytest.raises(ConfigError, match=r"name one of \['Timeout', 'Router', 'Split', 'orders', 'canary'\]"):
        pipeline.control("breaker")
    with pytest.raises(ConfigError, match=r"route='v3': name one of \['v2', 'orders', 'stock', 'old', 'onwards'"):
        pipeline.control("CircuitBreaker", route="v3")
    with pytest.raises(ConfigError, match=r"endpoint='a:80': name one of \['c:80'\]"):
        pipeline.control("CircuitBreaker", "a:80", route="canary")


def test_of_two_routes_of_a_name_the_router_tells_which():
    routers = [Router([Route(policies=[CircuitBreaker()], name="all")], name=name) for name in ("spare", "usual")]
    pipeline = Pipeline(Fallback([routers[0]]), routers[1])
    with pytest.raises(ConfigError, match=r"name one of \['usual/all', 'spare/all'\]"):
        pipeline.control("CircuitBreaker", route="all")
    pipeline.control("CircuitBreaker", route="usual/all").isolate()
    picture = pipeline.snapshot()
    assert picture["usual"]["all"]["CircuitBreaker"]["state"] == "isolated"
    assert picture["Fallback"]["spare"]["all"]["CircuitBreaker"]["state"] == "closed"


def test_of_ten_thousand_names_an_error_lists_a_few():
    pipeline = Pipeline(Router([Route(Match(host=f"h{n}"), name=f"r{n}") for n in range(1000)]))
    with pytest.raises(ConfigError) as caught:
        pipeline.control("Retry", route="r1000")
    assert str(caught.value).endswith("'r19'] and 980 more")


# What is held.


def test_a_pipeline_is_idle_when_nothing_below_its_routers_is_held():
    under_way, go_on = threading.Event(), threading.Event()

    def answer(request):
        under_way.set()
        assert go_on.wait(5.0)
        return httpx.Response(200)

    pipeline, client = shop(answer)
    assert pipeline.idle()
    thread = threading.Thread(target=client.get, args=("http://orders/",))
    thread.start()
    assert under_way.wait(5.0)
    assert not pipeline.idle()
    assert pipeline.snapshot()["Router"]["orders"]["ConcurrencyLimit"]["in_flight"] == 1
    go_on.set()
    thread.join()
    assert pipeline.idle()


class Asked:
    """A spec, and its state, that counts how often it is asked."""

    exit = None
    name = "asked"

    def __init__(self):
        self.shown = self.idled = 0

    def start(self, rng):
        return self

    def enter(self, call, now):
        pass

    def pick(self, call, now):
        raise NotImplementedError

    def fold(self, fold):
        pass

    def idle(self):
        self.idled += 1
        return True

    def snapshot(self, now):
        self.shown += 1
        return {}


def test_what_a_thousand_routes_share_is_asked_once():
    shared = Asked()
    splits = [Split(Branch(shared), Branch(Shared(Cluster("c", ["http://c"])))) for _ in range(300)]
    pipeline = Pipeline(Router([Route(Match(host=f"h{n}"), split) for n, split in enumerate(splits)]))
    assert pipeline.idle()
    assert pipeline.snapshot()["asked"] == {}
    assert (shared.shown, shared.idled) == (1, 1)


# What is to be done between calls.


def test_the_sources_of_clusters_below_routers_are_followed():
    source = Pushed()
    cluster = Cluster("orders", source, patience=1.0)
    pipeline = Pipeline(Router([Route(Match(host="orders"), Split(Branch(cluster, name="only")), name="all")]))
    with httpx.Client(
        transport=MeshTransport(pipeline, httpx.MockTransport(lambda request: httpx.Response(200)))
    ) as client:
        source.push(["http://a"])
        assert client.get("http://orders/").status_code == 200
        source.push(["http://b"])
        assert client.get("http://orders/").status_code == 200
    assert [*pipeline.snapshot()["orders"]] == ["b:80"]


def test_so_are_the_checks_of_their_endpoints_once_for_all_routes(monkeypatch):
    began = {}  # each keeps a state once, however often it is told to
    monkeypatch.setattr(
        keeper, "begin", lambda state, chores, clock: began.update({id(state): (state.name, len(chores))})
    )
    orders = Shared(Cluster("orders", ["http://a"], checks=HttpCheck()))
    spare = Cluster("spare", ["http://b"], checks=HttpCheck())
    routes = [Route(Match(host=f"h{n}"), Split(Branch(orders), Branch(spare))) for n in range(3)]
    MeshTransport(Pipeline(Router(routes)), httpx.MockTransport(lambda request: httpx.Response(200)))
    assert sorted(began.values()) == [("orders", 1), *[("spare", 1)] * 3]


# Where a refusal is from.


def test_what_stands_on_a_route_refuses_for_no_endpoint_also_after_one_was_asked():
    """The retry is around the router: the second attempt is refused in front of the cluster."""
    cluster = Cluster("orders", ["http://a"])
    router = Router([Route(Match(host="orders"), cluster, policies=[RateLimit("1/hour")], name="orders")])
    pipeline = Pipeline(Retry(on="5xx", attempts=2), router, clock=ManualClock())
    events = []
    pipeline.listen(events.append, direct=True)
    with httpx.Client(
        transport=MeshTransport(pipeline, httpx.MockTransport(lambda request: httpx.Response(500)))
    ) as client:
        assert client.get("http://orders/").status_code == 500
        with pytest.raises(RateLimited) as caught:
            client.get("http://orders/")
    assert caught.value.endpoint is None
    refused = [event for event in events if type(event).__name__ == "RejectedCall"]
    assert [(event.policy, event.endpoint, event.reason.endpoint) for event in refused] == [
        ("RateLimit", None, None)
    ] * 2


def test_what_is_in_front_of_a_router_must_not_be_behind_it_also_where_others_listen():
    """The cluster was folded for another pipeline that is listened to, and is left as it is."""
    limit = Shared(ConcurrencyLimit(5))
    orders = Shared(Cluster("orders", ["http://a"], pipeline=[limit]))
    Pipeline(orders).listen(lambda event: None)
    twice = "ConcurrencyLimit: the same state stands twice on one path"
    with pytest.raises(ConfigError, match=twice):
        Pipeline(limit, Router([Route(to=orders)]))
    with pytest.raises(ConfigError, match=twice):
        Pipeline(Router([Route(policies=[limit], to=orders)]))
    Pipeline(Router([Route(Match(host="a"), policies=[limit]), Route(Match(host="b"), orders)]))
