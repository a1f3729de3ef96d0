"""No secret is shown: each kind of place in which one may stand has a canary in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meshkit import Cluster, Match, Route
from meshkit.config import Mesh, loads
from meshkit.config.spec import MeshSpec
from meshkit.gateway.status.loaded import HIDDEN, hidden, loaded, shown_line

MESH = """
mesh: shop
clusters:
  orders:
    endpoints:
    - 10.0.0.1:80
    - {address: "10.0.0.2:80", tags: {token: CANARY-a}}
    balancer: {sticky: {inner: round_robin, cookie: CANARY-b}}
    checks: [http_check: {path: "/health?key=CANARY-n", body: CANARY-o}]
  caches:
    endpoints: [10.0.0.3:6379]
    checks: [tcp_check: {send: "AUTH CANARY-p", receive: CANARY-q}]
routes:
- name: pay
  match:
  - prefix: /pay
    headers: {x-api-key: CANARY-c, x-plain: CANARY-d}
    query: {signature: CANARY-e}
    cookies: {s: CANARY-f}
  policies: [rate_limit: {rate: 5/s, key: "header:authorization"}]
  actions:
  - request_headers: {set: {authorization: Basic CANARY-g, x-any: CANARY-h}, add: {x-more: CANARY-i}, remove: [x-gone]}
  - response_headers: {set: {set-cookie: CANARY-j}}
  to: orders
- name: away
  match: {prefix: /away}
  to: {redirect: {host: other.example, path: "/enter/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.CANARYk"}}
- name: old
  match: {regex: "/old(/[a-z]+)?"}
  actions: [rewrite: {to: "/new?api=CANARY-r"}]
  to: {canary: {main: orders, canary: caches, header: x-canary, header_value: CANARY-s}}
- name: older
  match: {prefix: /older}
  to: {canary: {main: orders, canary: caches, header: x-canary, header_pattern: CANARY-t}}
- name: here
  match: {prefix: /here}
  to: {respond: {status: 200, body: "CANARY-l", headers: {x-secret: CANARY-m}}}
"""


def test_canaries() -> None:
    shown = json.dumps(loaded(Mesh(loads(MESH)).spec))
    assert "CANARY" not in shown
    for told in ("10.0.0.1:80", "/pay", "x-api-key", "authorization", "x-gone", "5/s", "other.example", "pay", HIDDEN):
        assert told in shown
    for told in ('"/health"', '"/new"', '"/old(/[a-z]+)?"', "x-canary"):
        assert told in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://orders/stock", "http://orders/stock"),
        ("https://user:CANARY@orders.example/x?key=CANARY", "https://orders.example/x"),
        ("redis://:CANARY@10.0.0.1:6379/0", "redis://10.0.0.1:6379/0"),
        ("version a-route-with-a-long-name-of-words and more", "version a-route-with-a-long-name-of-words and more"),
        ("0123456789abcdef0123456789abcdef", HIDDEN),
        ("see AKIAIOSFODNN7EXAMPLEwJalrXUtnFEMI now", f"see {HIDDEN} now"),
        ("^/api/v[0-9]+/(users|orders)/[a-z]+$", "^/api/v[0-9]+/(users|orders)/[a-z]+$"),
        ("10.0.0.7:8080", "10.0.0.7:8080"),
        ("a\nb", "a\\nb"),
    ],
)
def test_words_and_addresses(value: str, shown: str) -> None:
    assert shown_line(value) == shown


@pytest.mark.parametrize("name", ["password", "API_KEY", "auth-token", "client_secret", "cookie", "private", "body"])
def test_what_stands_under_such_a_name(name: str) -> None:
    assert hidden({name: "CANARY", "a": [{name: {"deep": "CANARY"}}]}) == {name: HIDDEN, "a": [{name: HIDDEN}]}


def test_numbers_stay_and_depth_ends() -> None:
    deep: Any = 1
    for _ in range(30):
        deep = {"a": deep}
    assert "..." in json.dumps(hidden(deep))
    assert hidden([1, 2.5, True, None]) == [1, 2.5, True, None]


def test_what_came_from_python_is_told_by_its_class_and_many_are_cut_off() -> None:
    routes = [Route(Match(prefix=f"/{k}"), Cluster("orders", ["10.0.0.1:80"]), name=f"r{k}") for k in range(501)]
    shown = loaded(MeshSpec(routes=routes))
    assert len(shown["routes"]) == 500
    assert shown["more_routes"] == 1
    odd = Route(Match(prefix="/", when=lambda request: True), Cluster("orders", ["10.0.0.1:80"]), name="odd")
    [part] = loaded(MeshSpec(routes=[odd]))["routes"]
    assert part["is"] == {"python": "Route"}
