"""What is different in another version, in words; and what is the same, and so the very same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from meshkit import Cluster, Fallback, RateLimit, Shared, Timeout
from meshkit.config.spec import Listener, MeshSpec, Node
from meshkit.config.versions import Version, changes, settled
from meshkit.route.match import Match
from meshkit.route.route import Route


def orders(*hosts: str) -> Cluster:
    return Cluster("orders", [f"http://{host}" for host in hosts or ("a",)])


def shop(**changed: Any) -> MeshSpec:
    parts: dict[str, Any] = {
        "clusters": [orders(), Cluster("stock", ["http://s"])],
        "routes": [
            Route(Match(host="orders", prefix="/v2"), orders(), policies=[Timeout(2.0)], name="v2"),
            Route(Match(host="orders"), orders(), name="all"),
            Route(Match(host="shop.example")),
            Route(Match(host="shop.example")),
        ],
        "listeners": [Listener("public", hosts=["*.example"])],
        "nodes": [Node("web", calls=["orders"])],
        "name": "shop",
    }
    return MeshSpec(**{**parts, **changed})


def test_what_says_the_same_is_the_very_same() -> None:
    before = shop()
    assert settled(before, before) is before
    assert settled(before, shop()) is before
    after = settled(before, shop(clusters=[orders("b"), Cluster("stock", ["http://s"])]))
    assert after.clusters[0] is not before.clusters[0]
    assert after.clusters[1] is before.clusters[1]
    assert after.listeners == before.listeners
    assert all(one is other for one, other in zip(after.routes, before.routes, strict=True))


def test_what_equals_but_is_another_value_is_another() -> None:
    before = shop(routes=[Route(policies=[Fallback(value=1)], name="a")])
    after = settled(before, shop(routes=[Route(policies=[Fallback(value=True)], name="a")]))
    assert after is not before
    assert changes(before, after) == ("route a: policies",)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "store"}, ("the mesh is called store",)),
        ({"egress": "any"}, ("egress is any",)),
        ({"clusters": [orders("b"), Cluster("stock", ["http://s"])]}, ("cluster orders: endpoints",)),
        ({"clusters": [orders()]}, ("cluster stock removed",)),
        ({"clusters": [Shared(orders()), Cluster("stock", ["http://s"])]}, ()),
        (
            {"listeners": [Listener("public", port=81, scheme="https"), Listener("more")]},
            (
                "listener public: hosts",
                "listener public: port, scheme (after a restart)",
                "listener more added (after a restart)",
            ),
        ),
        ({"nodes": [Node("web b")]}, ("node 'web b' added", "node web removed")),
        ({"routes": shop().routes[1:]}, ("route v2 removed",)),
        ({"routes": shop().routes[:3]}, ("route shop.example/* (2) removed",)),
        ({"routes": (*shop().routes[1::-1], *shop().routes[2:])}, ("the order of routes",)),
        (
            {"routes": [Route(Match(host="x"), policies=[RateLimit("1/s")], name="v2"), *shop().routes[1:]]},
            ("route v2: match, to, policies",),
        ),
        (
            {"routes": [Route(Match(host="orders", prefix="/v2"), orders("b"), policies=[Timeout(2.0)], name="v2"),
                        *shop().routes[1:]]},
            (),
        ),
        (
            {"routes": [Route(name=f"r{n}") for n in range(30)]},
            (*(f"route r{n} added" for n in range(20)), "and 14 more"),
        ),
    ],
)  # fmt: skip
def test_what_is_different_in_words(changed: dict[str, Any], words: tuple[str, ...]) -> None:
    before = shop()
    assert changes(before, settled(before, shop(**changed))) == words


def test_a_name_that_would_steer_a_terminal_is_escaped() -> None:
    before = shop()
    after = settled(before, shop(routes=[*shop().routes, Route(name="a\x1b[2J\n")]))
    [word] = changes(before, after)
    assert word.isprintable()


def test_a_version_in_one_line() -> None:
    at = datetime(2026, 7, 1, tzinfo=UTC)
    assert str(Version(1, at)) == "version 1"
    assert str(Version(3, at, ("route a added", "egress is any"))) == "version 3: route a added; egress is any"
