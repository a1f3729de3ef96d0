"""What of one version of a mesh is there in the next: places, clusters by name, routes that are the very same."""

from __future__ import annotations

from random import Random
from typing import Any

import attrs
import pytest

from meshkit import Cluster, ConcurrencyLimit, Fallback, Pipeline, RateLimit, RoundRobin, Shared, Timeout
from meshkit.config.assembly import host_of, narrowed
from meshkit.config.kept import Kept
from meshkit.discover import Static
from meshkit.route.match import Match
from meshkit.route.mirror import Mirror
from meshkit.route.route import Route
from meshkit.route.split import Branch, Split
from meshkit.shared import bare

PART = ("outgoing",)


def orders(*hosts: str, name: str = "orders", **options: Any) -> Cluster:
    return Cluster(name, [f"http://{host}" for host in hosts or ("a",)], **options)


def alone(cluster: Any) -> Route:
    return Route(Match(host=host_of(cluster)), cluster, name=host_of(cluster))


def made(kept: Kept, *routes: Route, hosts: tuple[str, ...] | None = None, clusters: Any = ()) -> list[Route]:
    kept.clusters(clusters, alone)
    return [*kept.routes(PART, routes, hosts, narrowed)]


def state(shared: Any) -> Any:
    return shared.start(Random(1))


def after(kept: Kept) -> Kept:
    kept.settle()
    return Kept(kept)


# Policies, by their places.


def test_a_policy_is_known_by_its_place_its_kind_and_its_number_there() -> None:
    first = Kept()
    slow, fast, limit = first.policies(("node", "web"), [RateLimit("1/s"), RateLimit("9/s"), Timeout(2.0)])
    other = first.policies(("node", "job"), [RateLimit("1/s")])[0]
    assert len({id(each) for each in (slow, fast, limit, other)}) == 4
    next_one = after(first)
    again = next_one.policies(("node", "web"), [Timeout(2.0), RateLimit("1/s"), RateLimit("5/s")])
    assert again[0] is limit
    assert again[1] is slow
    assert again[2] is not fast
    assert state(again[1]) is state(slow)


def test_a_policy_that_has_changed_begins_anew_and_stays_so() -> None:
    first = Kept()
    [before] = first.policies(PART, [RateLimit("1/s")])
    second = after(first)
    [changed] = second.policies(PART, [RateLimit("2/s")])
    [back] = after(second).policies(PART, [RateLimit("1/s")])
    assert before is not changed is not back is not before


def test_a_shared_policy_stays_the_users_own() -> None:
    own = Shared(RateLimit("1/s"))
    first = Kept()
    assert first.policies(PART, [own]) == (own,)
    assert after(first).policies(PART, [own]) == (own,)


def test_a_middleware_has_no_state_of_ours() -> None:
    async def middleware(call: Any, call_next: Any) -> Any:
        return await call_next()

    assert Kept().policies(PART, [middleware]) == (middleware,)


# Clusters, by their names.


def test_a_cluster_is_one_however_many_routes_lead_to_it() -> None:
    kept = Kept()
    one, other, split = made(
        kept,
        Route(to=orders(), name="a"),
        Route(to=orders(), name="b"),
        Route(to=Split(Branch(orders()), Branch(orders(name="more"))), name="c"),
    )
    assert one.to is other.to
    assert split.to.spec.branches[0].to is one.to
    assert split.to.spec.branches[1].to is not one.to


def test_a_cluster_goes_on_with_other_endpoints_and_is_told_of_them() -> None:
    first = Kept()
    [route] = made(first, Route(to=orders("a", "b"), name="a"))
    before = state(route.to)
    second = after(first)
    [again] = made(second, Route(to=orders("b", "c"), name="a"))
    assert again.to is route.to
    assert [member.endpoint.host for member in before.members] == ["a", "b"]
    [staying] = [member for member in before.members if member.endpoint.host == "b"]
    with second.moved():
        assert [member.endpoint.host for member in before.members] == ["b", "c"]
        assert before.members[0] is staying
    second.settle()
    assert second.changes == []
    [still] = made(Kept(second), Route(to=orders("b", "c"), name="a"))
    assert still.to is route.to


def test_what_is_raised_meanwhile_leaves_the_endpoints_where_they_were() -> None:
    first = Kept()
    routes = made(first, Route(to=orders("a"), name="a"), Route(to=orders("x", name="more"), name="b"))
    states = [state(route.to) for route in routes]
    second = after(first)
    made(second, Route(to=orders("b"), name="a"), Route(to=orders("y", name="more"), name="b"))
    with pytest.raises(ZeroDivisionError), second.moved():
        raise ZeroDivisionError
    assert [member.endpoint.host for each in states for member in each.members] == ["a", "x"]
    assert [route.to.spec.endpoints[0].host for route in routes] == ["a", "x"]


@pytest.mark.parametrize(
    "other",
    [
        orders(balancer=RoundRobin()),
        orders(pipeline=[Timeout(1.0)]),
        Cluster("orders", [Static(["http://a"])]),
        Cluster("orders", [Static(["http://b"])]),
    ],
    ids=str,
)
def test_a_cluster_that_is_otherwise_another_begins_anew(other: Cluster) -> None:
    first = Kept()
    [route] = made(first, Route(to=orders(), name="a"))
    second = after(first)
    [again] = made(second, Route(to=other, name="a"))
    assert again.to is not route.to
    assert second.changes == []


def test_the_clusters_of_the_mesh_are_those_of_their_names() -> None:
    kept = Kept()
    [route] = made(kept, Route(to=orders("old"), name="a"), clusters=[orders("new")])
    assert route.to.spec.endpoints[0].host == "new"


def test_a_cluster_as_a_route_of_its_own_is_the_same_one_as_long_as_its_spec_is() -> None:
    spec = orders()
    first = Kept()
    [own] = first.clusters([spec], alone)
    assert first.clusters([spec], alone) == [own]
    second = after(first)
    assert second.clusters([spec], alone)[0] is own
    assert after(second).clusters([orders()], alone)[0] is not own


def test_the_cluster_of_a_mirror_and_that_behind_policies_are_the_one_of_the_name() -> None:
    kept = Kept()
    plain, mirrored, behind = made(
        kept,
        Route(to=orders(), name="a"),
        Route(to=orders(), actions=[Mirror(orders())], name="b"),
        Route(to=Pipeline(ConcurrencyLimit(5), orders()), name="c"),
    )
    assert mirrored.actions[0].to is plain.to
    limit, end = behind.to
    assert end is plain.to
    assert state(limit).limit == 5
    [again] = made(after(kept), Route(Match(host="x"), to=Pipeline(ConcurrencyLimit(5), orders()), name="c"))
    assert again.to == (limit, end)


# Routes.


def test_a_route_that_is_the_very_same_is_made_once() -> None:
    route = Route(Match(host="a"), orders(), policies=[RateLimit("1/s")], name="a")
    first = Kept()
    [before] = made(first, route)
    second = after(first)
    assert made(second, route)[0] is before
    third = after(second)
    [alike] = made(third, attrs.evolve(route))
    assert alike is not before
    assert alike == before
    assert third.changes == []


def test_it_is_made_anew_where_its_place_or_its_cluster_is_another() -> None:
    route = Route(to=orders(), policies=[RateLimit("1/s")], name="a")
    first = Kept()
    [before] = made(first, route, clusters=[orders()])
    second = after(first)
    _, second_of_its_name = made(second, Route(to=orders(), name="a"), route, clusters=[orders()])
    assert second_of_its_name.policies != before.policies
    third = after(second)
    [elsewhere] = made(third, route, clusters=[orders(balancer=RoundRobin())])
    assert elsewhere.to is not before.to
    assert elsewhere.policies != before.policies


def test_the_same_route_twice_has_two_states() -> None:
    route = Route(to=orders(), policies=[RateLimit("1/s")], name="a")
    first = Kept()
    one, other = made(first, route, route)
    assert one.policies != other.policies
    again = made(after(first), route, route)
    assert [each.policies for each in again] == [one.policies, other.policies]


def test_routes_are_narrowed_once_for_the_same_hosts() -> None:
    routes = [Route(Match(host=host), orders(), name=host) for host in ("a.x", "b.y")]
    first = Kept()
    [before] = made(first, *routes, hosts=("*.x",))
    assert before.match[0].host == ("a.x",)
    second = after(first)
    assert made(second, *routes, hosts=("*.x",))[0] is before
    third = after(second)
    both = made(third, *routes, hosts=("*.x", "*.y"))
    assert [each.name for each in both] == ["a.x", "b.y"]
    assert both[0].to is before.to
    assert made(after(third), *routes)[1].match[0].host == ("b.y",)


def test_a_split_goes_on_with_its_clusters_and_begins_anew_with_another() -> None:
    def route(*hosts: str, **options: Any) -> Route:
        return Route(to=Split(Branch(orders(*hosts)), Branch(orders(name="more", **options))), name="a")

    first = Kept()
    [before] = made(first, route("a"))
    second = after(first)
    [moved] = made(second, route("b"))
    assert moved.to is before.to
    second.settle()
    [another] = made(after(second), route("b", balancer=RoundRobin()))
    assert another.to is not before.to


def test_nothing_of_the_versions_before_is_held() -> None:
    first = Kept()
    made(first, Route(to=orders(), name="a"))
    second = after(first)
    made(second, Route(name="b"))
    second.settle()
    [route] = made(Kept(second), Route(to=orders(), name="a"))
    assert route.to is not None
    assert all(first is not held for held in (getattr(second, name) for name in Kept.__slots__))


def test_the_cluster_of_a_fallback_is_the_one_of_the_name() -> None:
    spare, timeout = orders(name="spare"), Timeout(1.0)

    def route() -> Route:
        policies = [Fallback(spare), Fallback([timeout, spare], on="5xx"), Fallback(value=7)]
        return Route(Match(host="a"), orders(), policies=policies)

    first = Kept()
    [one] = made(first, route(), clusters=[spare])
    own, several, _ = (bare(each).instead for each in one.policies)
    assert isinstance(own, Shared)
    assert own is several[1]
    assert several[0] is timeout
    second = after(first)
    [other] = made(second, route(), clusters=[spare])
    assert [*map(id, other.policies)] == [*map(id, one.policies)]
