"""The form of a mesh file, as editors have it: what is read is valid, and what no file may say is not."""

from __future__ import annotations

import jsonschema
import pytest

from meshkit.config.document import parse
from meshkit.config.drawn import form
from meshkit.config.file import SPACE, TOP, MeshFile
from meshkit.config.located import plain
from meshkit.config.mistakes import FileErrors

from .large import large

FORM = form()
VALIDATOR = jsonschema.Draft202012Validator(FORM)

WHOLE = """
$schema: mesh.schema.json
mesh: shop
egress: any
policies:
  careful: [timeout: 2s, retry: {on: [5xx, ConnectionError], budget: none}]
  one: {timeout: 1s}
  word: circuit_breaker
clusters:
  orders: ["10.0.0.1:80"]
  v2: {endpoints: "10.0.0.2:80", pipeline: careful, balancer: {least_request: {choices: all}}, localities: none}
routes:
- {match: {host: orders}, to: orders}
- name: shop
  match: [{host: "*.shop", prefix: /a, headers: {x-a: "1", x-b: true, x-c: {least: 1}}}, {regex: /b, method: [GET]}]
  priority: -1
  policies: [careful, rate_limit: 10/s]
  actions: [rewrite: {host: inner}, mirror: v2, {request_headers: {set: {a: b}}}, compress]
  to: {split: {orders: 90, v2: 10}}
- {to: {canary: {main: orders, canary: {to: v2, weight: 3}, header: x-canary}}}
- {to: {redirect: {scheme: https}}}
- {to: {respond: 404}}
- {to: passthrough}
- {to: billing/payments, policies: }
listeners:
  public: {port: 8080, hosts: ["*.shop"], policies: careful}
  bare:
nodes:
  web: {calls: none}
  back: {calls: [orders], serves: [rate_limit: 5/s], identity: spiffe://shop/back}
namespaces:
  billing:
    grants: {default: [payments], other: "*"}
    clusters: {payments: {endpoints: ["10.0.0.3:80"]}}
  other: {policies: {}, routes: []}
grants:
"""


def errors(text):
    return [each.json_path for each in VALIDATOR.iter_errors(plain(parse(text, "mesh.yaml").root))]


def read(text):
    return MeshFile(imports=True).spec(parse(text, "mesh.yaml"))


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(FORM)
    assert FORM["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_it_has_each_section_and_says_what_it_is_for():
    assert {*FORM["properties"]} == {*TOP}
    inner = FORM["properties"]["namespaces"]["additionalProperties"]
    assert {*inner["properties"]} == {*SPACE}
    assert all(each["description"] for each in [*FORM["properties"].values(), *inner["properties"].values()])
    assert {*MeshFile().sections} == {*TOP} - {"namespaces"}


def test_a_whole_mesh():
    text = WHOLE.replace("policies: }", "policies: []}")
    assert errors(text) == []
    read(text)


def test_a_large_one():
    assert errors(large(20)) == []


@pytest.mark.parametrize(
    "text",
    [
        "mesh: 7",
        "egress: all",
        "routez: []",
        "routes: {}",
        "routes: [{}]",
        "routes: [{match: {host: a}}]",
        "routes: [[{host: a}]]",
        "routes: [orders]",
        "routes: [{to: {redirect: {}, respond: 404}}]",
        "routes: [{to: {split: {}}}]",
        "routes: [{to: {split: {a: lots}}}]",
        "routes: [{to: passthrough, match: {hosts: a}}]",
        "routes: [{to: passthrough, match: {method: 7}}]",
        "routes: [{to: passthrough, actions: [{rewite: {host: a}}]}]",
        "routes: [{to: passthrough, policies: [{timeout: 2}]}]",
        "routes: [{to: passthrough, policies: [{timeout: 2s, retry: 5xx}]}]",
        "routes: [{to: passthrough, priority: first}]",
        "clusters: [orders]",
        "clusters: {Orders: {endpoints: ['10.0.0.1:80']}}",
        "clusters: {'a b': {endpoints: ['10.0.0.1:80']}}",
        "clusters: {'*': {endpoints: ['10.0.0.1:80']}}",
        "clusters: {a/b: {endpoints: ['10.0.0.1:80']}}",
        "clusters: {orders: {endpoint: ['10.0.0.1:80']}}",
        "clusters: {orders: {endpoints: ['10.0.0.1:80'], name: orders}}",
        "policies: [timeout: 2s]",
        "listeners: {public: {port: high}}",
        "listeners: {public: {scheme: ftp}}",
        "nodes: {web: {call: [a]}}",
        "nodes: [web]",
        "namespaces: [shop]",
        "namespaces: {shop: {listeners: {}}}",
        "namespaces: {shop: {namespaces: {}}}",
        "$schema: 7",
    ],
)
def test_what_is_no_mesh_file(text):
    assert errors(text)
    with pytest.raises(FileErrors):
        read(text)


def test_what_is_wrong_in_a_section_is_told_and_not_that_it_is_none_of_two_forms():
    [error] = VALIDATOR.iter_errors({"policies": {"Careful": []}})
    assert "does not match" in error.message
    [error] = VALIDATOR.iter_errors({"nodes": {"web": {"calls": ["a"]}, "b": 7}, "egress": None})
    assert [*error.absolute_path] == ["nodes", "b"]


def test_descriptions_are_those_of_their_options():
    match = FORM["$defs"]["match"]["properties"]
    assert match["port"]["description"] == "the one the request was sent to"
    assert match["query"]["description"] == match["cookies"]["description"]
    assert "description" not in match["regex"]
    assert "Raises" not in str(FORM)
