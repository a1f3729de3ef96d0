"""What a mesh file says: its sections, names, namespaces and grants, whatever their order."""

from __future__ import annotations

from typing import Any

import pytest

from meshkit import Cluster, Endpoint, Fallback, Match, RateLimit, Retry, Route, Timeout
from meshkit.config import FileErrors, Listener, MeshSpec, Node, loads, parse
from meshkit.config.file import MeshFile
from meshkit.discover import Dns
from meshkit.route.answer import Redirect, Respond
from meshkit.route.pages import Pages
from meshkit.route.path import Paths
from meshkit.route.split import Branch, Split
from meshkit.testing import routes

ORDERS = "clusters: {orders: [10.0.0.7:80], v2: [10.0.0.8:80]}\n"
orders, v2 = Cluster("orders", ["10.0.0.7:80"]), Cluster("v2", ["10.0.0.8:80"])


def route(text: str, above: str = ORDERS) -> Route:
    """The only one."""
    (found,) = loads(f"{above}routes:\n- {text}\n").routes
    return found


def said(text: str) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        loads(text, "a.yaml")
    return [str(each).removeprefix("a.yaml:") for each in caught.value.mistakes]


def test_sections_stand_in_any_order_and_none_must_be_there() -> None:
    text = """\
nodes: {web: {calls: [orders], policies: [careful], listeners: public}}
listeners: {public: {port: 0, routes: api, hosts: [a, b]}}
routes: [{name: api, match: {host: orders}, policies: [careful, rate_limit: 10/s], to: orders}]
policies: {careful: [quick, retry: 5xx], quick: {timeout: 2s}}
clusters: {orders: {endpoints: 10.0.0.7:80}}
$schema: mesh.schema.json
egress: any
mesh: shop
"""
    careful = (Timeout(2.0), Retry("5xx"))
    cluster = Cluster("orders", ["10.0.0.7:80"])
    expected = MeshSpec(
        name="shop",
        egress="any",
        clusters=[cluster],
        routes=[Route(Match(host="orders"), cluster, policies=[*careful, RateLimit("10/s")], name="api")],
        listeners=[Listener("public", port=0, routes=["api"], hosts=["a", "b"])],
        nodes=[Node("web", calls=["orders"], policies=careful, listeners=["public"])],
    )
    assert loads(text) == expected
    lines = text.splitlines(keepends=True)
    assert loads("".join(reversed(lines))) == expected
    assert loads("mesh: shop") == loads('{"mesh": "shop"}', "a.json") == MeshSpec(name="shop")
    assert loads("routes:\nclusters:\nnodes:\n") == MeshSpec()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to: orders", orders),
        ("to: passthrough", None),
        ("to: {split: {orders: 90, v2: 0.5}}", Split(Branch(orders, 90), Branch(v2, 0.5))),
        ("to: {split: [orders, {to: v2, weight: 0}]}", Split(Branch(orders), Branch(v2, 0))),
        ("to: {redirect: {path: /new}}", Redirect(path="/new")),
        ("to: {respond: 404}", Respond(404)),
        ("to: {respond: {body: OK}}", Respond(body="OK")),
    ],
)
def test_where_a_route_leads(text: str, expected: Any) -> None:
    assert route(text).to == expected


def test_a_destination_may_be_a_cluster_that_is_called_like_one() -> None:
    above = "clusters: {redirect: [10.0.0.7:80]}\n"
    assert route("to: redirect", above).to == Cluster("redirect", ["10.0.0.7:80"])


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("v2", v2),
        ("{instead: v2}", v2),
        ("{instead: [timeout: 1s, v2]}", (Timeout(1.0), v2)),
        ("{instead: {cluster: {name: x, endpoints: 'a:1'}}}", Cluster("x", ["a:1"])),
    ],
)
def test_a_fallback_may_be_a_cluster_by_its_name(text: str, instead: Any) -> None:
    [policy] = route(f"{{match: {{host: a}}, to: orders, policies: [fallback: {text}]}}").policies
    assert policy == Fallback(instead)


def test_pages_stand_by_their_status() -> None:
    text = 'actions: [pages: {404: "<h1>gone\\n</h1>", 5xx: sorry}]\n  to: orders'
    assert route(text).actions == (Pages({"404": "<h1>gone\n</h1>", "5xx": "sorry"}),)
    assert route("actions: [pages: {pages: {404: gone}, status: 200}]\n  to: orders").actions == (
        Pages({"404": "gone"}, status=200),
    )


def test_endpoints() -> None:
    text = """\
clusters:
  one: 10.0.0.7:80
  list: [10.0.0.7:80, "https://b"]
  more: {endpoints: [{address: 10.0.0.7:80, weight: 2}, dns: {host: b, port: 80}]}
  source: {endpoints: {dns: {host: b, port: 80}}}
"""
    assert [cluster.endpoints for cluster in loads(text).clusters] == [
        (Endpoint("10.0.0.7:80"),),
        (Endpoint("10.0.0.7:80"), Endpoint("https://b")),
        (Endpoint("10.0.0.7:80", weight=2), Dns("b", 80)),
        (Dns("b", 80),),
    ]


NAMESPACES = """\
namespaces:
  billing:
    clusters: {payments: [10.0.0.7:80], ledger: [10.0.0.8:80]}
    policies: {strict: [timeout: 1s], lax: [timeout: 9s]}
    routes:
    - {name: pay, match: {host: pay}, policies: [strict], to: payments}
    - {match: {host: old}, policies: [default/usual], to: default/orders}
    grants: {default: [payments, strict], audit: "*"}
  audit:
    routes: [{name: pay, match: {host: books}, policies: [billing/lax], to: billing/ledger}]
clusters: {orders: [10.0.0.9:80]}
policies: {usual: [timeout: 2s]}
grants: {billing: [orders, usual]}
routes: [{name: pay, match: {host: a}, policies: [billing/strict], to: billing/payments}]
listeners: {public: {routes: [pay, billing/pay]}}
nodes: {web: {calls: [payments.billing, orders]}}
"""


def test_namespaces_and_grants() -> None:
    spec = loads(NAMESPACES)
    assert [cluster.name for cluster in spec.clusters] == ["orders", "billing/payments", "billing/ledger"]
    told = [(str(each), each.to.name, each.policies[0].seconds) for each in spec.routes]
    assert told == [
        ("pay", "billing/payments", 1.0),
        ("billing/pay", "billing/payments", 1.0),
        ("old/*", "orders", 2.0),
        ("audit/pay", "billing/ledger", 9.0),
    ]


def test_a_cluster_is_one_object_wherever_it_is_named() -> None:
    spec = loads(NAMESPACES)
    assert spec.routes[0].to is spec.routes[1].to is spec.clusters[1]
    split = route("to: {split: {branches: [{to: orders, weight: 1}, {to: orders, name: b}]}}").to
    assert split.branches[0].to is split.branches[1].to


def test_a_grant_that_is_missing_is_missed() -> None:
    for granted in ("[payments]", "[strict]"):
        text = NAMESPACES.replace("[payments, strict]", granted)
        (mistake,) = said(text)
        assert "is not granted to the namespace default; let the namespace billing grant it" in mistake
    (mistake,) = said(NAMESPACES.replace('"*"', "[ledger]"))
    assert "billing/lax is not granted to the namespace audit" in mistake


def test_where_things_stand_can_be_asked() -> None:
    file = MeshFile()
    spec = file.spec(parse(NAMESPACES, "a.yaml"))
    assert {name: node.line for name, node in file.places.items()} == {"pay": 14, "billing/pay": 6, "audit/pay": 10}
    assert [node.line for node in file.routes] == [14, 6, 7, 10]
    assert [space.name for space, _ in file.spaces] == ["default", "billing", "audit"]
    assert ("billing", "policies", "lax") in file.names.used
    assert file.names.places[id(spec.routes[1].policies[0])].line == 4
    assert file.top["routes"].line == 14


def test_routes_that_are_elsewhere_may_be_mentioned() -> None:
    text = "listeners: {public: {routes: [api]}}\nnodes: {web: {calls: [shop]}}\n"
    assert len(said(text)) == 2
    for others in ([Route(Match(host="shop"), name="api")], None):
        file = MeshFile()
        file.others = others
        assert file.spec(parse(text, "a.yaml")).nodes[0].calls == ("shop",)


def test_calls_are_of_hosts_that_somebody_has() -> None:
    for served in (
        "clusters: {shop: [10.0.0.7:80]}",
        "routes: [{match: {host: '*.b'}, to: passthrough}]",
        "routes: [to: passthrough]",
    ):
        for wanted in ("shop", "a.b", "*.b"):
            text = f"{served}\nnodes: {{web: {{calls: [{wanted!r}]}}}}\n"
            if served.endswith("[to: passthrough]") or (wanted == "shop") == served.startswith("clusters"):
                assert loads(text).nodes[0].calls == (wanted,)
            else:
                assert len(said(text)) == 1


# What the parts of a route need of each other.


@pytest.mark.parametrize(
    "text",
    [
        "match: {prefix: /v1}\n  actions: [rewrite: {prefix: /}]\n  to: orders",
        "match: [{prefix: /v1}, {starts: /v2}]\n  actions: [rewrite: {prefix: ''}]\n  to: orders",
        'match: {regex: "/(.*)"}\n  actions: [rewrite: {to: /b/$1}]\n  to: orders',
        "match: {path: /v1}\n  actions: {rewrite: {path: /}}\n  to: orders",
        "match: {prefix: /v1}\n  to: {redirect: {prefix: /v2}}",
        "actions: [rewrite: {host: b}, request_headers: {set: {a: b}}]\n  to: orders",
    ],
)
def test_a_rewriting_that_suits_its_route(text: str) -> None:
    assert isinstance(route(text), Route)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("match: {path: /v1}\n  actions: [compress, rewrite: {prefix: /}]\n  to: orders", "4:41: "),
        ("match: [{prefix: /v1}, {path: /}]\n  actions: {rewrite: {prefix: /}}\n  to: orders", "4:31: "),
        ('match: {regex: "/(.*)"}\n  actions: [rewrite: {to: /b/$2}]\n  to: orders', "4:27: "),
        ("actions: [rewrite: {to: /b/$1}]\n  to: orders", "3:27: "),
        ("match: {path: /v1}\n  to: {redirect: {prefix: /v2}}", "4:27: "),
        ('match: {regex: "/(.*)"}\n  to: {redirect: {to: /$9}}', "4:23: "),
        ("match: {prefix: /v1}\n  actions: [rewrite: {prefix: /}]\n  to: {redirect: {scheme: https}}", "4:22: "),
    ],
)
def test_a_rewriting_that_does_not_suit_its_route(text: str, mistake: str) -> None:
    (told,) = said(f"{ORDERS}routes:\n- {text}\n")
    assert told.startswith(mistake)


def test_a_route_without_a_destination_is_told_once() -> None:
    fix = "add to: and the name of a cluster, a destination such as redirect, or passthrough"
    assert said("routes: [{}]") == [f"1:10: routes[0]: the route leads nowhere; {fix}"]
    (mistake,) = said("routes: [{redirect: {scheme: https}}]")
    assert mistake.endswith("route has no option redirect; write to: {redirect: ...}")


def test_whose_rules_say_which_route_comes_first_and_the_form_of_paths():
    text = """
order: envoy
paths: {slashes: keep}
clusters: {a: {endpoints: [one:1]}, b: {endpoints: [two:1]}}
routes:
- match: {host: h, prefix: /a}
  to: a
- match: {host: h, prefix: /a/b}
  to: b
"""
    spec = loads(text)
    assert (spec.order, spec.paths) == ("envoy", Paths(slashes="keep"))
    routes(spec).check("GET http://h/a/b -> a\nGET http://h/abc//d -> a /abc//d")
    spec = loads(text.replace("envoy", "gateway-api").replace("keep", "merge"))
    routes(spec).check("GET http://h/a/b -> b\nGET http://h/abc -> 404\nGET http://h/a//b -> b /a/b")
