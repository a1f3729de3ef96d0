"""A table of requests and what becomes of them: it holds, or says which line does not, and why."""

from __future__ import annotations

import pytest

from meshkit import Cluster, ConfigError
from meshkit.config import Mesh
from meshkit.config.file import loads
from meshkit.testing import routes

MESH = """
clusters:
  orders: {endpoints: ["10.0.0.1:80"]}
  v2: {endpoints: ["10.0.0.2:80"]}
routes:
- {match: {host: shop.example, prefix: /api, headers: {x-canary: "1"}}, to: v2, name: canary}
- {match: {host: shop.example, prefix: /api}, to: orders, actions: [rewrite: {prefix: /}]}
- {match: {host: shop.example, path: /old}, to: {redirect: {scheme: https, path: /new, status: 301}}}
- {match: {host: shop.example, path: /gone}, to: {respond: 410}}
- {match: {host: moved.example}, to: orders, actions: [rewrite: {host: inner.example}]}
- {match: {host: split.example}, to: {split: {orders: 75, v2: 25}}}
- {match: {host: asked.example}, to: {canary: {main: orders, canary: v2, header: x-canary, weight: 1}}}
listeners:
  public: {hosts: ["*.example"]}
nodes:
  web: {calls: [orders]}
"""


@pytest.fixture(scope="module")
def shop():
    return routes(loads(MESH), listener="public")


def test_a_table_that_holds(shop):
    shop.check("""
        # method  url                       fields        wanted
        GET http://shop.example/api/7?a=b                 -> orders /7?a=b  # the query stays
        GET http://shop.example/api/7       x-canary=1    -> v2 canary /api/7
        POST http://shop.example/old                      -> 301 https://shop.example/new

        GET http://shop.example/gone                      -> 410
        GET http://shop.example/nothing                   -> 404
        GET http://moved.example/a                        -> http://inner.example/a orders
        GET http://split.example/                         -> orders v2 split
        GET http://split.example/                         -> orders=75% v2=25%
        GET http://asked.example/                         -> orders=99% v2=1% orders v2
        GET http://asked.example/           x-canary=always  -> v2
        GET http://asked.example/           x-canary=never   -> orders
    """)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "GET http://shop.example/api/7 -> v2",
            """\
1 of 1 routes are others:
  line 1: GET http://shop.example/api/7
    wanted v2
    found  cluster orders /7, by shop.example/api/*
    canary: header x-canary is absent""",
        ),
        ("GET http://shop.example/api/7 -> orders /8", "wanted /8\n    found  cluster orders /7"),
        ("GET http://shop.example/old -> 302", "found  301 https://shop.example/new, by shop.example/old"),
        ("GET http://shop.example/gone -> 404", "found  410, a direct answer /gone, by shop.example/gone"),
        (
            "GET http://shop.example/nothing -> orders",
            "found  404: no route for GET shop.example/nothing\n    shop.example/api/*: path is /nothing, not below",
        ),
        ("GET http://shop.example/nothing -> 403", "path is /nothing, not"),
        ("GET http://split.example/ -> orders=80%", "found  split orders=75% v2=25% /"),
        ("GET http://split.example/ -> v3=25%", "wanted v3=25%"),
        ("GET http://asked.example/ x-canary=always -> orders", "found  canary v2=1% /"),
        ("GET http://shop.example/../.. -> 404", "found  400: the path is refused"),
    ],
)
def test_a_line_that_does_not(shop, line, said):
    with pytest.raises(AssertionError) as error:
        shop.check(line)
    assert said in str(error.value)


def test_all_lines_are_told(shop):
    with pytest.raises(AssertionError, match=r"^2 of 3 routes are others:\n  line 1: .*(\n.*)*  line 3: "):
        shop.check("GET http://a/ -> 1\nGET http://a/ -> 404\nGET http://a/ -> 2")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("get http://a/ -> b", "line 1="),
        ("GET http://a/", "line 1="),
        ("\nGET http://a/ x -> b", "line 2="),
        ("GET /a -> b", "give a whole URL"),
        ("", "give at least one line"),
        ("# nothing", "give at least one line"),
    ],
)
def test_what_is_no_table(shop, table, said):
    with pytest.raises(ConfigError, match=said):
        shop.check(table)


def test_row_by_row(shop):
    first, second = shop.rows("GET http://shop.example/api x-canary=1 -> canary\nGET http://a/ -> orders")
    assert (str(first), first.line, first.wanted) == ("GET http://shop.example/api", 1, ("canary",))
    shop.check_row(first)
    with pytest.raises(AssertionError, match="found  404"):
        shop.check_row(second)


def test_one_by_one(shop):
    found = shop.find("GET", "http://shop.example/api", {"x-canary": "1"})
    assert (found.to, found.name) == ("cluster v2", "canary")
    assert shop.find("GET", "http://a/", client="192.0.2.1").status == 404


def test_a_route_and_a_cluster_of_one_name():
    clusters = "clusters: {a: {endpoints: ['10.0.0.1:80']}, b: {endpoints: ['10.0.0.2:80']}}\n"
    table = routes(loads(f"{clusters}routes: [{{match: {{host: x}}, to: a, name: b}}]"))
    table.check("GET http://x/ -> b a route:b cluster:a\nGET http://b/ -> cluster:b")
    for word in ("cluster:b", "route:a"):
        with pytest.raises(AssertionError, match=f"wanted {word}"):
            table.check(f"GET http://x/ -> {word}")


def test_preflights_of_a_listener():
    cors = "actions: [cors: {origins: http://q, methods: PUT}]"
    route = f"- {{match: {{host: put.example, method: PUT}}, to: v2, {cors}}}"
    table = routes(loads(MESH.replace("listeners:", f"{route}\nlisteners:")), listener="public")
    table.check("""
        OPTIONS http://put.example/ origin=http://q access-control-request-method=PUT -> 204
        OPTIONS http://put.example/ origin=http://q access-control-request-method=GET -> 404
        PUT     http://put.example/ origin=http://q                                   -> v2
    """)


def test_what_is_found_is_told_shortly(shop):
    found = shop.find("GET", "http://shop.example/api/7")
    assert repr(found).startswith("Found(route='shop.example/api/*', ")
    assert len(repr(found)) < 300


def test_where_the_routes_are_from(tmp_path, monkeypatch):
    monkeypatch.delenv("MESHKIT_NODE", raising=False)
    file = tmp_path / "mesh.yaml"
    file.write_text(MESH)
    routes(file).check("GET http://orders/ -> orders\nGET http://v2/ -> 404")
    routes(str(file), node="web").check("GET http://orders/ -> orders")
    mesh = Mesh.from_file(file)
    routes(mesh).check("GET http://orders/ -> orders")
    routes(mesh.spec, listener="public").check("GET http://orders/ -> 404")
    routes(Mesh(clusters=[Cluster("a", ["10.0.0.1:80"])])).check("GET http://a/ -> a")
    with pytest.raises(ConfigError, match="there are 'public'"):
        routes(mesh, listener="inner")
    file.write_text("routes: []\nroutez: []")
    with pytest.raises(ConfigError, match="routez"):
        routes(file)
