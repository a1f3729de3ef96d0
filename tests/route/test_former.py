"""What a router takes over from the one before: all of a route that is the very same, and nothing of another."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import Cluster, ConfigError, Pipeline, RateLimit, Retry, Shared
from meshkit.route.edit import RequestHeaders
from meshkit.route.match import Match
from meshkit.route.path import Paths
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import Router, RouterState
from meshkit.section import Folding, fold
from meshkit.successor import Successor

from .asking import chosen

RNG = Random(1)


def route(name: str, host: str = "x", **options: Any) -> Route:
    match = Match(host=host, prefix=f"/{name}")
    return Route(match, policies=[RateLimit("1/s")], name=name, **options)


def succeeded(before: RouterState, *routes: Route, **options: Any) -> RouterState:
    return Router(routes, **options).succeed((before,), RNG)


def rules(state: RouterState) -> dict[str, Any]:
    return {rule.title: rule for rule in state.rules}


def test_a_route_that_is_the_same_object_has_its_rules_states_and_plan() -> None:
    a, b, c = (route(name, actions=[RequestHeaders(set={"x": name})]) for name in "abc")
    before = Router([a, b]).start(RNG)
    after = succeeded(before, c, b, route("a"))
    assert rules(after)["b"] is rules(before)["b"]
    assert after.branches[1] is before.branches[1]
    assert rules(after)["a"] is not rules(before)["a"]
    assert after.branches[2][0] is not before.branches[0][0]
    assert [rule.number for rule in after.rules] == [0, 1, 2]


def test_without_a_router_before_it_is_as_any_other() -> None:
    assert len(Router([route("a")]).succeed((), RNG).rules) == 1


def test_the_tables_of_a_host_are_kept_where_its_rules_are_the_same() -> None:
    routes = [route("a"), route("b"), route("c", "y"), route("d", "*.z")]
    before = Router(routes).start(RNG)
    after = succeeded(before, routes[2], *routes[:2], route("d", "*.z"))
    [table], [former] = after._tables.values(), before._tables.values()
    assert table._hosts.exact["x"] is former._hosts.exact["x"]
    assert table._hosts.exact["y"] is former._hosts.exact["y"]
    assert table._hosts.suffixes["z"] is not former._hosts.suffixes["z"]
    swapped = succeeded(after, routes[1], routes[0])
    [table] = swapped._tables.values()
    assert table._hosts.exact["x"] is not former._hosts.exact["x"]


@pytest.mark.parametrize("order", ["envoy", "ingress-nginx"])
def test_other_orders_make_their_rules_anew_and_keep_the_states(order: str) -> None:
    a, b = route("a", actions=[Rewrite(prefix="/n")]), route("b")
    before = Router([a, b], order=order).start(RNG)
    before.fold(fold)
    after = succeeded(before, b, a, order=order)
    assert rules(after)["a"] is not rules(before)["a"]
    assert rules(after)["a"].states is rules(before)["a"].states
    assert rules(after)["a"].section is rules(before)["a"].section
    assert rules(after)["a"].rewriter("/a/1") == "/n/1"
    assert [rule.number for rule in before.rules] == [0, 1]


def test_another_order_or_other_paths() -> None:
    a = route("a")
    before = Router([a]).start(RNG)
    after = succeeded(before, a, order="envoy")
    assert after.rules[0] is not before.rules[0]
    assert after.branches[0] is before.branches[0]
    assert succeeded(before, a, paths=Paths(slashes="keep")).branches[0] is not before.branches[0]


def test_a_route_that_stands_twice_has_its_own_states_each_time() -> None:
    a = route("a")
    before = Router([a]).start(RNG)
    twice = succeeded(before, a, a)
    assert twice.titles == ["a", "a 2"]
    assert twice.branches[0] is before.branches[0]
    assert twice.branches[1][0] is not before.branches[0][0]
    once = succeeded(twice, a)
    assert all(once.branches[0] is not each for each in twice.branches)


def test_a_name_that_has_become_the_second_one() -> None:
    a = Route(Match(host="x"))
    before = Router([a]).start(RNG)
    after = succeeded(before, Route(Match(host="x")), a)
    assert after.titles == ["x/*", "x/* 2"]
    assert [rule.title for rule in after.rules] == after.titles
    assert before.rules[0].title == "x/*"


def test_the_default_goes_on_too() -> None:
    default = Route(policies=[RateLimit("1/s")], name="egress")
    before = Router([route("a")], default=default).start(RNG)
    after = succeeded(before, default=default)
    assert after.branches[-1] is before.branches[-1]
    assert chosen(after, "http://nowhere/") == "egress"


def test_sections_are_folded_once_for_each_who_watches() -> None:
    a, b = route("a"), route("b")
    before = Router([a]).start(RNG)
    made: list[Any] = []

    class Watching(Folding):
        def __call__(self, branch: Any, /) -> Any:
            made.append(branch)
            return super().__call__(branch)

    def watch(kind: str, state: Any, ask: Any, exit: Any) -> tuple[Any, Any]:
        return ask, exit

    for how in (None, None, watch, watch, None):
        before.fold(Watching(how, frozenset(), None, {}))
    assert len(made) == 2
    after = succeeded(before, a, b)
    after.fold(Watching(watch, frozenset(), None, {}))
    assert len(made) == 3
    assert after.rules[0].section is before.rules[0].section
    before.fold(fold)
    assert after.rules[0].section is before.rules[0].section
    before.fold(lambda branch: fold(branch))  # noqa: PLW0108  # another way, of which nothing is known
    assert len(made) == 3


def test_what_stands_in_front_must_not_stand_in_a_route_that_is_kept() -> None:
    limit = Shared(RateLimit("1/s"))
    a = Route(Match(host="x"), Cluster("a", ["http://a"]), policies=[limit], name="a")
    pipeline = Pipeline(Router([a]))
    with pytest.raises(ConfigError, match="twice on one path"):
        Successor(pipeline, [limit, Router([a, route("b")])])
    Successor(pipeline, [Retry(on="5xx"), Router([a, route("b")])]).take_over()
    assert len(pipeline.states) == 2


POOL = [route(f"{name}/{n}", host) for host in ("x", "y", "*.z") for name in "ab" for n in range(2)]


@settings(max_examples=25)
@given(st.lists(st.lists(st.sampled_from(POOL), unique_by=id, max_size=8), min_size=2, max_size=4))
def test_a_successor_finds_what_a_router_finds_that_is_made_anew(versions: list[list[Route]]) -> None:
    state = Router(versions[0]).start(RNG)
    for routes in versions[1:]:
        state = succeeded(state, *routes)
        fresh = Router(routes).start(RNG)
        for host in ("x", "y", "a.z", "q"):
            for path in ("/a/0", "/a/1/c", "/b", "/b/1", "/a"):
                assert chosen(state, f"http://{host}{path}") == chosen(fresh, f"http://{host}{path}")
