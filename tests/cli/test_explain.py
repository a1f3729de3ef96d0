"""``meshkit explain``: what it says of a request, for people and for programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .running import run

MESH = """\
policies:
  careful: [timeout: 5s, retry: {on: 5xx, attempts: 4}, single_flight]
clusters:
  orders:
    endpoints:
    - {address: "10.0.0.1:80", weight: 3, locality: eu/a}
    - {address: "10.0.0.2:80", weight: 0}
    - {address: "10.0.0.3:80", priority: 1, name: spare}
    - dns: {host: orders.internal, port: 80}
    pipeline: [circuit_breaker]
    outliers: {outlier_detection: {}}
  v2: {endpoints: ["10.0.0.4:80"]}
routes:
- name: shop
  match: {host: "*.example", prefix: /o}
  policies: careful
  actions:
  - rewrite: {prefix: /, host: inner}
  - request_headers: {set: {x-from: shop}, add: {x-trace: "1"}, remove: cookie}
  - response_headers: {remove: server}
  to: {split: {orders: 90, v2: 10}}
- {name: all, match: {host: a.example}, to: orders}
- {match: {host: a.example, path: /old}, to: {redirect: {path: /new, status: 301}}}
- {match: {host: a.example, path: /secret}, actions: [request_headers: {set: {authorization: Bearer x}}], to: v2}
- match: {host: c}
  to: {canary: {main: orders, canary: {to: v2, actions: [request_headers: {set: {x-v: "2"}}]}, header: x-c}}
listeners:
  public: {hosts: ["*.example"], policies: [rate_limit: {rate: 10/s, key: client}]}
nodes:
  web: {policies: [timeout: 9s]}
"""
MICROSECONDS = re.compile(r"(<0\.1|[0-9.]+) µs")


@pytest.fixture
def mesh(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MESHKIT_NODE", raising=False)
    Path("mesh.yaml").write_text(MESH, "utf-8")
    return "mesh.yaml"


def said(*arguments, status=0):
    """With all times replaced."""
    text = run("explain", *arguments, status=status).stdout
    return re.sub(r" +T", " T", MICROSECONDS.sub("T", text))


def test_all_of_it(mesh):
    assert (
        said(mesh, "get", "http://b.example/o/7?x=1")
        == """\
GET http://b.example/o/7?x=1  calls of node web

route     shop  mesh.yaml:14
leads to  split
sent as   GET http://inner/7?x=1
          request without cookie
          request with x-from: shop
          request also with x-trace: 1
          answer without server

policies, outermost first
  of the node web
    timeout: 9s T  the deadline of the whole call, its attempts and waits
  of the route
    timeout: 5s T  the deadline of the whole call, its attempts and waits
    retry: {on: 5xx, attempts: 4} T  all below is done again for each attempt
    single_flight                           identical attempts at once share one
  all together but single_flight: T a call, above each by itself; measured just now, without the wire

it is split
     90%  orders
     10%  v2

cluster orders
  balancer peak_ewma
  10.0.0.1:80  weight 3  in eu/a
  10.0.0.2:80  drained
  10.0.0.3:80  name spare  priority 1
  dns: {host: orders.internal, port: 80}
  with outlier detection
  of the cluster orders
    circuit_breaker T  judges every attempt

cluster v2
  balancer peak_ewma
  10.0.0.4:80
  no checks, no outlier detection

other routes
  all (line 22): host is b.example, not a.example
  c/* (line 25): host is b.example, not c, path is /o/7, not below /
  cluster orders: host is b.example, not orders
  cluster v2: host is b.example, not v2
  a.example/old (line 23): host is b.example, not a.example, path is /o/7, not /old
  a.example/secret (line 24): host is b.example, not a.example, path is /o/7, not /secret
  found among 7 routes in T
""".replace(", path is /o/7, not below /\n", "\n")
    )


def test_who_comes_first(mesh):
    text = said(mesh, "GET", "http://a.example/o", "--most", "1")
    assert "route     all  mesh.yaml:22" in text
    assert "  shop (line 14): it matches, but comes later: its host *.example is wider than a.example\n" in text
    assert "  and 5 more\n" in text


def test_answers_that_are_made_here(mesh):
    assert "answer    301 http://a.example/new\n" in said(mesh, "GET", "http://a.example/old")


def test_what_no_route_is_for(mesh):
    text = said(mesh, "GET", "http://b.example/x", status=1)
    assert "no route: 404: no route for GET b.example/x\n" in text
    assert "\nroutes\n  shop (line 14): path is /x, not below /o\n" in text
    assert "no route: 400: the path is refused: a dot segment above the root\n" in said(
        mesh, "GET", "http://b.example/../..", status=1
    )


def test_as_it_comes_to_a_listener(mesh):
    text = said(mesh, "GET", "a.example/o", "--listener", "public", "--client", "192.0.2.1")
    assert text.startswith("GET http://a.example/o  listener public\n")
    assert "  of the listener public\n    rate_limit: {rate: 10/s, key: client} T  counts calls, not attempts\n" in text
    assert "found among 4 routes" in text  # neither c nor the clusters' own names


def test_header_fields(mesh):
    text = said(mesh, "GET", "http://c/", "-H", "X-C: always")
    assert "    100%  orders\n      0%  v2  this request goes here\n            request with x-v: 2\n" in text
    assert "          request with x-v: 2\n" in text
    text = said(mesh, "GET", "http://x/", "--header", "host: a.example", "-H", "cookie: a=1", "-H", "cookie: b=2")
    assert "route     all" in text


def test_nothing_that_looks_like_a_secret_is_shown(mesh):
    text = said(mesh, "GET", "http://a.example/secret")
    assert "request with authorization: ***\n" in text
    data = json.loads(run("explain", mesh, "GET", "http://a.example/secret", "-H", "authorization: y", "--json").stdout)
    assert data["request"]["headers"] == {"authorization": "***"}
    assert data["sent"]["request"]["with"] == [["authorization", "***"]]


def test_for_programs(mesh):
    data = json.loads(run("explain", mesh, "GET", "http://b.example/o/7?x=1", "--json", "--most", "2").stdout)
    assert data["request"]["url"] == "http://b.example/o/7?x=1"
    assert data["route"] == {"name": "shop", "number": 0, "file": "mesh.yaml", "line": 14}
    assert (data["seen"], data["to"], data["routes"], data["more"]) == ("calls of node web", "split", 7, 4)
    assert data["sent"]["url"] == "http://inner/7?x=1"
    assert data["sent"]["answer"] == {"without": ["server"], "with": []}
    assert [each["policy"] for each in data["policies"]] == [
        {"timeout": "9s"},
        {"timeout": "5s"},
        {"retry": {"on": "5xx", "attempts": 4}},
        "single_flight",
    ]
    assert data["policies"][3]["us"] is None
    assert data["policies_us"] > 0
    assert [(each["name"], each["share"]) for each in data["shares"]] == [("orders", 0.9), ("v2", 0.1)]
    assert data["clusters"][0]["endpoints"][2:] == [
        {"address": "10.0.0.3:80", "name": "spare", "weight": 1, "priority": 1, "locality": None},
        {"source": {"dns": {"host": "orders.internal", "port": 80}}},
    ]
    assert data["others"][0] == {
        "name": "all",
        "line": 22,
        "matches": False,
        "why": "host is b.example, not a.example",
    }
    data = json.loads(run("explain", mesh, "GET", "http://nowhere/", "--json", status=1).stdout)
    assert (data["route"], data["sent"], data["status"]) == (None, None, 404)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("GET", "http://a:b/"), "give a whole URL"),
        (("G T", "http://a/"), "give a method"),
        (("GET", "http://a/", "--node", "wbe"), "there are 'web'"),
        (("GET", "http://a/", "--listener", "inner"), "there are 'public'"),
        (("GET", "http://a/", "--node", "web", "--listener", "public"), "one way"),
        (("GET", "http://a/", "-H", "x-a"), "write it as 'name: value'"),
        (("GET", "http://a/", "-H", ": x"), "write it as 'name: value'"),
        (("GET",), "url"),
    ],
)
def test_what_cannot_be_understood(mesh, arguments, said):
    done = run("explain", mesh, *arguments, status=2)
    assert said in done.stderr
    assert done.stdout == ""


def test_a_file_with_mistakes(mesh):
    Path(mesh).write_text(MESH.replace("5s", "5"), "utf-8")
    assert "give it a unit" in run("explain", mesh, "GET", "http://a/", status=1).stderr
