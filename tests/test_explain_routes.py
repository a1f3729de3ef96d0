"""`explain` prints routes and branches; warnings say on which of them something is odd; what cannot be is refused."""

from __future__ import annotations

import httpx
import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConfigError,
    Endpoint,
    Fallback,
    Hedge,
    Pipeline,
    Retry,
    Shared,
    SingleFlight,
    Timeout,
)
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.order import MOST, check_sync, warnings
from meshkit.route.answer import Redirect, Respond
from meshkit.route.canary import Canary
from meshkit.route.edit import RequestHeaders
from meshkit.route.local import App
from meshkit.route.match import Match
from meshkit.route.rollout import Rollout
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Branch, Split
from meshkit.shared import Lasting

RETRY = Retry(on=(ConnectionError, TimeoutError))
ORDERS = Shared(Cluster("orders", ["a:80"], pipeline=[CircuitBreaker()]))


# What is printed.


def test_what_only_lasts_is_told_as_shared_where_several_places_name_it():
    orders, spare = Lasting(Cluster("orders", ["a:80"])), Lasting(Cluster("spare", ["b:80"]))
    routes = [Route(Match(host=host), orders, policies=[Lasting(Timeout(1.0))]) for host in ("a", "b")]
    routes[0] = Route(Match(host="a"), orders, policies=[Lasting(Timeout(1.0)), Lasting(Fallback(spare))])
    printed = Pipeline(Router(routes)).explain()
    assert "Shared(" not in printed
    assert [line.strip().partition("(")[0] for line in printed.splitlines() if ", shared" in line] == ["Cluster"] * 2
    assert Pipeline(Shared(Timeout(1.0))).explain().startswith("Shared(Timeout(1.0))  ")


def test_each_route_is_told_with_what_it_matches_what_is_done_and_what_stands_on_it():
    routes = [
        Route(
            Match(host="orders", prefix="/v2"),
            Split(Branch(ORDERS, 90), Branch(Cluster("canary", ["c:80"]), 10)),
            policies=[RETRY],
            actions=[RequestHeaders(remove="x-debug")],
            name="v2",
        ),
        Route([Match(host="orders"), Match(host="old")], ORDERS, priority=2),
        Route(Match(host="gone"), Redirect(scheme="https"), name="gone"),
        Route(Match(host="here"), print, name="here"),
    ]
    default = Route(policies=[CircuitBreaker()], name="onwards")
    printed = Pipeline(Timeout(2.0), Router(routes, default=default)).explain().splitlines()
    column = printed[0].index("the deadline")
    assert [f"{line[:column].strip()} | {line[column:]}" for line in printed] == [
        "Timeout(2.0) | the deadline of the whole call, its attempts and waits",
        "Router([5]) | picks the route",
        "route v2 | Match(host=['orders'], prefix='/v2')",
        "RequestHeaders(remove=['x-debug']) | what is done there",
        "Retry([ConnectionError, TimeoutError]) | all below is done again for each attempt",
        "Split([2]) | picks the branch, the same for each attempt",
        "branch orders | weight 90",
        "Shared(Cluster('orders', ['a:80'])) | picks an endpoint for each attempt, shared",
        "CircuitBreaker() | judges every attempt",
        "branch canary | weight 10",
        "Cluster('canary', ['c:80']) | picks an endpoint for each attempt",
        "route orders/* | Match(host=['orders']) or Match(host=['old']), priority 2",
        "Shared(Cluster('orders', ['a:80'])) | picks the endpoint, shared: see above",
        "route gone | Match(host=['gone'])",
        "Redirect(scheme='https') | answers by itself",
        "route here | Match(host=['here'])",
        "Function(print) | answers within this process",
        "route onwards | Match()",
        "CircuitBreaker() | judges whole calls",
        "onwards | where the request was going",
    ]


@pytest.mark.parametrize("kind", [Canary, Rollout])
def test_what_is_like_a_split_has_branches_too(kind):
    printed = Pipeline(kind(ORDERS, Branch(Cluster("orders-v2", ["c:80"]), name="next"))).explain()
    assert [line.split("  ")[0] or line.strip().split("  ")[0] for line in printed.splitlines()[:2]] == [
        f"{kind.__name__}()",
        "branch orders",
    ]
    assert "branch next" in printed
    assert "see above" not in printed


def test_of_ten_thousand_routes_a_few_are_told():
    several = [Route(Match(host=f"h{n}"), ORDERS) for n in range(1000)]
    printed = Pipeline(Timeout(1.0), Router(several)).explain().splitlines()
    assert printed[-1].strip() == "and 950 more"
    assert len(printed) == 2 + 2 * 50 + 1 + 1


def test_there_are_a_thousand_lines_at_most():
    deep = Router(
        [Route(Match(host=f"h{n}"), Split(*[Branch(None, name=f"b{m}") for m in range(40)])) for n in range(50)]
    )
    printed = Pipeline(Timeout(1.0), deep).explain().splitlines()
    assert len(printed) == 1001
    assert printed[-1] == "and more"


# What is odd.


def test_an_odd_thing_is_said_once_and_where():
    routes = [
        Route(Match(host="a"), ORDERS, policies=[RETRY], name="a"),
        Route(Match(host="b"), ORDERS, policies=[CircuitBreaker(), RETRY], name="b"),
        Route(Match(host="c"), ORDERS, policies=[RETRY], name="c"),
        Route(Match(host="d"), Redirect(scheme="https"), policies=[RETRY, RETRY]),
    ]
    assert warnings((Timeout(1.0), Router(routes))) == [
        "a circuit breaker outside a retry sees only the last attempt of a call: put it inside (route b)"
    ]
    assert warnings((RETRY, Router(routes))) == [
        "two retries on one path multiply: up to 9 attempts for one call (route a, and 2 more)",
        "a retry without a timeout: an attempt that hangs is never repeated",
        "a circuit breaker outside a retry sees only the last attempt of a call: put it inside (route b)",
    ]


@pytest.mark.parametrize(
    ("outside", "route", "to", "said"),
    [
        ([Timeout(1.0)], [Timeout(2.0)], ORDERS, "a timeout of 2 s within one of 1 s never strikes (route x)"),
        ([Timeout(1.0)], [], Cluster("c", ["c:80"], pipeline=[Timeout(1.0)]), "a timeout of 1 s within one of 1 s"),
        ([], [], ORDERS, "no timeout: a call that hangs is never given up (route x)"),
        ([], [], None, "no timeout: a call that hangs is never given up (route x)"),
        ([], [Retry(on=OSError)], ORDERS, "a retry without a timeout: an attempt that hangs is never"),
        ([Timeout(1.0)], [Retry(on=OSError, budget=None)], ORDERS, "a retry without a budget multiplies"),
        ([Timeout(1.0)], [], Split(Branch(ORDERS), Branch(Pipeline(Timeout(3.0), ORDERS), name="next")),
         "a timeout of 3 s within one of 1 s never strikes (route x, branch next)"),
        ([Timeout(1.0), CircuitBreaker()], [RETRY], ORDERS, "a circuit breaker outside a retry"),
        ([Timeout(1.0)], [], Cluster("c", ["c:80", Endpoint("d:80", priority=1)]), "priorities without outliers"),
        ([Timeout(1.0)], [RETRY], ORDERS, None),
        ([], [Timeout(1.0)], ORDERS, None),
        ([], [], Respond(404), None),
    ],
)  # fmt: skip
def test_what_is_odd_on_a_way(outside, route, to, said):
    found = warnings((*outside, Router([Route(Match(host="x"), to, policies=route, name="x")])))
    assert len(found) == (said is not None)
    assert all(said in each for each in found)


def test_warnings_are_bounded_in_number():
    routes = [Route(Match(host=f"h{n}"), ORDERS, policies=[Timeout(n)]) for n in range(2, 500)]
    found = warnings((Timeout(1.0), Router(routes)))
    assert len(found) == MOST + 1
    assert found[-1] == f"and {498 - MOST} more"


# What cannot be.


async def middleware(call, call_next):
    return await call_next()


@pytest.mark.parametrize(
    ("policies", "to", "said"),
    [
        ([middleware], ORDERS, "a middleware is async"),
        ([Hedge(0.1)], ORDERS, "on a thread nothing can be given up"),
        ([SingleFlight()], ORDERS, "it shares answers among those who await"),
        ([], App(middleware), "App: it is awaited"),
        ([], middleware, "Function: it is awaited"),
        ([], Split(Branch(ORDERS), Branch(middleware, name="next")), "to='next': Function: it is awaited"),
        ([], Cluster("c", ["c:80"], pipeline=[Hedge(0.1)]), "on a thread nothing can be given up"),
    ],
)
def test_what_is_awaited_is_found_on_a_route(policies, to, said):
    pipeline = Pipeline(Router([Route(Match(host="x"), to, policies=policies, name="x")]))
    with pytest.raises(ConfigError, match=said):
        MeshTransport(pipeline, httpx.MockTransport(print))
    AsyncMeshTransport(pipeline, httpx.MockTransport(print))


def test_a_timeout_on_a_route_is_inside_the_retry_that_is_in_front_of_the_router():
    specs = (RETRY, Router([Route(Match(host="x"), ORDERS, policies=[Timeout(1.0)])]))
    with pytest.raises(ConfigError, match="a sync function cannot be cancelled"):
        check_sync(specs)
    check_sync(specs, bounds_attempts=True)


def test_a_server_has_no_answer_for_two_on_a_route_either():
    pipeline = Pipeline(Router([Route(Match(host="x"), policies=[SingleFlight()])]))
    with pytest.raises(ConfigError, match="an answer that is sent as it comes cannot be given to another"):
        MeshMiddleware(middleware, pipeline)
