"""Whatever becomes of a good mesh file: it is a mesh that starts, or all that is wrong has a place in the file."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import ConfigError
from meshkit.config import FileErrors, Mesh, MeshSpec, loads, parse
from meshkit.config.located import plain
from meshkit.config.mistakes import lines_of

GOOD = """\
mesh: shop
egress: listed
order: gateway-api
paths: {dots: reject, longest: 4096}
policies:
  careful:
  - timeout: 2s
  - retry: {on: [5xx, ConnectionError], attempts: 3, backoff: {exponential: {base: 50ms, cap: 1s}}}
  limited: [careful, rate_limit: {rate: 100/s, burst: 20, key: "header:x-user"}]
clusters:
  orders:
    endpoints: &servers
    - 10.0.0.7:8080
    - {address: "http://10.0.0.8:8080", weight: 3, locality: eu/a, tags: {stage: prod}}
    balancer: {least_request: {choices: 2}}
    pipeline: [circuit_breaker: {failure_rate: 50%, window_seconds: 30s}]
    outliers: outlier_detection
    checks: [http_check: {path: /up, interval: 10s, expect: [200-299, 304]}]
    slow_start: 30s
    panic: 10%
  orders-v2: {endpoints: [dns: {host: orders-v2, port: 8080}], patience: 0s}
  spare: {endpoints: *servers}
routes:
- name: api
  match:
  - {host: orders, prefix: /api, method: [GET, POST], headers: {x-user: anna, x-beta: true}}
  - {host: "*.shop.example", prefix: /v1, query: {page: {least: 1, below: 9}}, source: 10.0.0.0/8}
  policies: [limited, hedge: 200ms, fallback: {value: null}]
  actions:
  - rewrite: {prefix: /}
  - request_headers: {set: {x-env: canary}, remove: [x-debug]}
  - mirror: {to: orders-v2, share: 5%, max_bytes: 64KiB}
  - cors: {origins: ["https://shop.example"], credentials: true, max_age: 10m}
  - pages: {404: not found, 5xx: sorry}
  to: {split: {orders: 90, orders-v2: 10}}
- match: {host: old, regex: "/items/([0-9]+)"}
  to: {redirect: {scheme: https, host: shop.example, to: /item/$1, status: 308}}
- match: {path: /health}
  to: {respond: {status: 200, body: OK, headers: {x-a: b}}}
- match: {host: new}
  to: {rollout: {main: orders, canary: {to: orders-v2, weight: 2}, steps: [1%, 50%, 100%], every: 1m}}
- match: {host: test, cookies: {a: {regex: "[a-z]+", invert: true}}}
  priority: 5
  to: {canary: {main: orders, canary: orders-v2, header: x-canary, weight: 10}}
- match: {grpc: shop.Orders/Get}
  to: billing/payments
- to: passthrough
listeners:
  public: {port: 8443, address: 0.0.0.0, scheme: https, hosts: ["*.shop.example"], routes: [api], policies: [careful]}
nodes:
  web: {calls: [orders], policies: [timeout: 5s], serves: [concurrency_limit: 100], listeners: [public]}
namespaces:
  billing:
    clusters: {payments: {endpoints: ["https://payments"]}}
    routes: [{match: {host: pay}, to: payments}]
    grants: {default: [payments]}
"""
DATA = plain(parse(GOOD, "mesh.yaml").root)
WORDS = [*{*GOOD.replace(",", " ").replace("{", " ").replace("}", " ").replace("[", " ").replace("]", " ").split()}]
ODD = [
    *("&a ", "*a", "<<: ", "!x ", "\t", "- ", "? ", ": ", "\0", "\u2028", "\r", '"', "'"),
    *("{", "[", "}", "|", "%", "é", "#", "---\n"),
]


def sound(text: str, name: str) -> None:
    """What must hold of any text."""
    try:
        spec = loads(text, name)
    except FileErrors as error:
        lines = lines_of(text)
        for mistake in error.mistakes:
            assert 1 <= mistake.line <= len(lines), str(mistake)
            assert 1 <= mistake.column <= len(lines[mistake.line - 1]) + 1, str(mistake)
            assert str(mistake).isprintable()
            assert len(mistake.text) <= 300 >= len(mistake.suggestion)
        return
    assert isinstance(spec, MeshSpec)
    starts(spec)


def starts(spec: MeshSpec) -> None:
    """What was read without a mistake has none."""
    mesh = Mesh(spec, node=spec.nodes[0].name if spec.nodes else None)
    assert mesh.pipeline is mesh.pipeline
    for listener in spec.listeners:
        mesh.serving(listener.name)


def test_the_good_file_is_good() -> None:
    sound(GOOD, "mesh.yaml")
    loads(GOOD, "mesh.yaml")
    loads(json.dumps(DATA), "mesh.json")


LINES = GOOD.splitlines(keepends=True)


@st.composite
def edited(draw: Any) -> str:
    """The good file with a few lines, words and characters changed."""
    lines = [*LINES]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["drop", "double", "swap", "indent", "word", "odd", "cut"]))
        line = lines[at]
        if kind == "drop":
            del lines[at]
        elif kind == "double":
            lines.insert(at, line)
        elif kind == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], line
        elif kind == "indent":
            lines[at] = " " * draw(st.integers(0, 6)) + line.lstrip()
        elif kind == "word":
            words = [word for word in line.split() if word]
            if words:
                lines[at] = line.replace(draw(st.sampled_from(words)), draw(st.sampled_from(WORDS)), 1)
        else:
            place = draw(st.integers(0, len(line)))
            rest = line[place:] if kind == "odd" else ""
            lines[at] = line[:place] + draw(st.sampled_from(ODD)) + rest
    return "".join(lines)


@settings(max_examples=40, deadline=None)
@given(edited())
def test_an_edited_file_is_a_mesh_or_has_mistakes_with_places(text: str) -> None:
    sound(text, "mesh.yaml")


VALUES: list[Any] = [
    None, True, False, 0, -1, 3, 70000, 10**30, 0.5, 1e308, "", "orders", "passthrough", "2s", "0s", "5xx", "/", "/a",
    "a/b", "*", "*.a", "10%", "100/s", "64KiB", "retry", "timeout", "split", "none", "os:getcwd", "header:x", "a\r\nb",
    "\0", "x" * 300, "é", "(a+)+$", "$1", "https://a:b@c", [], [[]], [None], {}, {"": 1}, {"<<": 1}, {"a": {}},
    {"to": "orders"}, {"retry": "5xx"}, {"split": {}}, {"import": "os:getcwd"}, {"name": "a"},
    {"timeout": "1s", "retry": "5xx"}, ["careful"], ["orders", "orders"], "envoy", "ingress-nginx", {"slashes": "keep"},
]  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, each in inner for place in _places(each, (*path, name)))]


PLACES = _places(DATA)


@st.composite
def replaced(draw: Any) -> Any:
    """The data of the good file with a few values, keys or items changed."""
    data = json.loads(json.dumps(DATA))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PLACES))
        if not path:
            continue
        try:
            holder = data
            for step in path[:-1]:
                holder = holder[step]
            old = holder[path[-1]]
            kind = draw(st.sampled_from(["value", "value", "other", "drop", "key", "wrap"]))
            if kind == "value":
                holder[path[-1]] = draw(st.sampled_from(VALUES))
            elif kind == "other":
                other: Any = DATA
                for step in draw(st.sampled_from(PLACES)):
                    other = other[step]
                holder[path[-1]] = other
            elif kind == "drop":
                del holder[path[-1]]
            elif kind == "key" and isinstance(holder, dict):
                holder[draw(st.sampled_from(WORDS)).rstrip(":")] = holder.pop(path[-1])
            else:
                holder[path[-1]] = [old] if draw(st.booleans()) else {draw(st.sampled_from(WORDS)): old}
        except (KeyError, IndexError, TypeError):
            continue  # it is there no more
    return data


@settings(max_examples=60, deadline=None)
@given(replaced())
def test_replaced_data_is_a_mesh_or_has_mistakes_with_places(data: Any) -> None:
    sound(json.dumps(data, indent=1), "mesh.json")


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["mesh.yaml", "mesh.toml", "mesh.json"]))
def test_whatever_the_bytes_are_they_are_no_mesh_or_one(data: bytes, name: str) -> None:
    said = ""
    try:
        loads(data, name)
    except ConfigError as error:
        said = str(error)
    assert not said or said.startswith(name)
