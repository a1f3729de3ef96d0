"""What becomes of a request in a mesh: from where it is seen, through which policies, at what cost, to whom."""

from __future__ import annotations

import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConfigError,
    FaultInjection,
    Hedge,
    RateLimit,
    Retry,
    SingleFlight,
    StaleIfError,
    Timeout,
)
from meshkit.config.cost import costs
from meshkit.config.document import parse
from meshkit.config.explained import explained
from meshkit.config.file import MeshFile
from meshkit.config.request import Request

MESH = """
policies:
  careful: [timeout: 2s, retry: 5xx]
clusters:
  orders:
    endpoints: ["10.0.0.1:80", dns: {host: orders, port: 80}]
    pipeline: [circuit_breaker]
    balancer: round_robin
  v2: {endpoints: ["10.0.0.3:80"]}
routes:
- {match: {host: other}, to: v2}
- {name: shop, match: {host: shop, prefix: /o}, policies: careful, to: {split: {orders: 9, v2: 1}}}
listeners:
  public: {hosts: [shop], policies: [rate_limit: 10/s]}
nodes:
  web: {calls: [shop, orders], policies: [timeout: 9s]}
  back: {calls: [v2]}
"""


def asked(url, text=MESH, **options):
    file = MeshFile()
    spec = file.spec(parse(text, "mesh.yaml"))
    return explained(file, spec, Request("GET", url), **options)


def test_all_of_it():
    found = asked("http://shop/o", node="web")
    assert (found.seen, found.number, found.found.name, found.routes) == ("calls of node web", 1, "shop", 2)
    assert [(each.said, each.owner, each.does) for each in found.steps] == [
        ({"timeout": "9s"}, "node web", "the deadline of the whole call, its attempts and waits"),
        ({"timeout": "2s"}, "route", "the deadline of the whole call, its attempts and waits"),
        ({"retry": "5xx"}, "route", "all below is done again for each attempt"),
    ]
    assert all(each.seconds is not None and each.seconds < 0.01 for each in found.steps)
    assert 0 < found.seconds < 0.01
    assert 0 < found.match < 0.01
    orders, v2 = found.clusters
    assert (orders.spec.name, orders.balancer, v2.balancer) == ("orders", "round_robin", "peak_ewma")
    assert orders.endpoints[1] == {"dns": {"host": "orders", "port": 80}}
    assert [(each.said, each.owner, each.does) for each in orders.steps] == [
        ("circuit_breaker", "cluster orders", "judges every attempt")
    ]
    assert v2.steps == ()


def test_from_where_it_is_seen():
    assert asked("http://shop/o", listener="public").steps[0].said == {"rate_limit": "10/s"}
    assert asked("http://shop/o").seen == "calls of whoever has the file"
    assert asked("http://v2/", node="back").number is None  # the cluster's own name
    assert asked("http://shop/o", node="back").found.status == 404
    alone = MESH[: MESH.index("nodes:")]
    assert asked("http://shop/o", alone).seen == "listener public"
    one = MESH[: MESH.index("  back:")]
    assert asked("http://shop/o", one).seen == "calls of node web"
    for options, said in (
        ({"node": "web", "listener": "public"}, "one way"),
        ({"node": "wbe"}, "there is none of that name; there are 'web', 'back'"),
        ({"listener": "inner"}, "there are 'public'"),
    ):
        with pytest.raises(ConfigError, match=said):
            asked("http://shop/o", **options)


def test_a_function_that_wants_more_than_there_is():
    text = f"{MESH.replace('host: shop, prefix: /o', 'when: tests.config.test_explained:wants_more')}"
    file = MeshFile(imports=True)
    spec = file.spec(parse(text, "mesh.yaml"))
    with pytest.raises(ConfigError, match="a function that the file names raises AttributeError"):
        explained(file, spec, Request("GET", "http://shop/o"))


def wants_more(call):
    return call.request.scope


def test_which_of_the_files_routes_the_others_are():
    found = asked("http://shop/o", listener="public", text=MESH.replace("hosts: [shop]", "hosts: [shop, other]"))
    assert [found.numbers[id(each.route)] for each in found.found.missed] == [0]
    assert found.number == 1


def test_what_a_node_may_not_call_is_said_to_be_so():
    found = asked("http://v2/", node="web").found
    assert (found.route, found.status) == (None, 404)
    assert found.reason == "cluster v2 has it, but node web may not call v2: add it to its calls"
    assert asked("http://nobody/", node="web").found.reason == "no route for GET nobody/"


def test_the_own_host_of_a_cluster_is_told_as_that():
    text = MESH.replace("match: {host: other}", "match: {host: v2, prefix: /new}")
    found = asked("http://v2/new", text, node="back").found
    assert [(str(each.route), each.why) for each in found.missed if each.matches] == [
        ("cluster v2", "it matches, but is the cluster's own host, for what no other route takes")
    ]
    assert asked("http://v2/", text, node="back").found.name == "cluster v2"


def test_what_else_is_done_on_a_route():
    actions = "actions: [mirror: v2, request_headers: {set: {x-a: b}}, compress]"
    text = MESH.replace("host: other}, to: v2}", f"host: v2}}, to: v2, {actions}}}")
    found = asked("http://v2/", text, node="back")
    assert found.actions == ({"mirror": "v2"}, "compress")


def test_what_policies_cost():
    request = Request("GET", "http://a/", headers={"x-user": "anna"})
    policies = [
        Timeout(1.0),
        Retry(on=ConnectionError),
        RateLimit("1/s", key="header:x-user"),
        CircuitBreaker(),
        Hedge(0.5),
        Cluster("a", ["10.0.0.1:80", "10.0.0.2:80"]),
    ]
    each, whole = costs(policies, request)
    assert all(seconds is not None and 0 <= seconds < 0.01 for seconds in each)
    assert whole is not None
    assert 0 < whole < 0.05


def test_what_has_no_price():
    request = Request("GET", "http://a/")
    fault = FaultInjection(share=1.0, abort=503, expires=60.0)
    assert costs([SingleFlight(), StaleIfError(60.0), fault], request) == ([None, None, None], None)
    assert costs([], request) == ([], None)
    [none, some], whole = costs([SingleFlight(), RateLimit("1/min")], request)
    assert none is None
    assert some is not None
    assert whole is not None
