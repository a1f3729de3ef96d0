"""A router in a pipeline: what is asked once, what is refused and how, and what cannot be built."""

from __future__ import annotations

import attrs
import httpx
import pytest

from meshkit import (
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    Hedge,
    NoRoute,
    Pipeline,
    RateLimit,
    Retry,
    Shared,
    Timeout,
)
from meshkit.asgi import MeshMiddleware
from meshkit.call import Call
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.route.answer import Respond
from meshkit.route.edit import RequestHeaders
from meshkit.route.local import App
from meshkit.route.match import Match
from meshkit.route.path import Paths
from meshkit.route.route import Route
from meshkit.route.router import ORDERS, Router
from meshkit.simulate import SimulatedDoor
from meshkit.testing import ManualClock, check

from .asking import Door, Request, chosen, decided, sent


def client(pipeline, answer=lambda request: httpx.Response(200)):
    return httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(answer)))


def test_a_route_is_decided_on_once_for_a_call():
    asked, tries = [], []

    def when(call):
        asked.append(call)
        return len(asked) == 1

    def fails_once(request):
        tries.append(request.headers.get("x-route"))
        return httpx.Response(503 if len(tries) == 1 else 200)

    first = Route(Match(when=when), actions=[RequestHeaders(set={"x-route": "first"})])
    pipeline = Pipeline(Retry("5xx", backoff=Constant(0.0)), Router([first, Route()]), clock=ManualClock())
    with client(pipeline, fails_once) as mesh:
        assert mesh.get("http://x/").status_code == 200
    assert tries == ["first", "first"]
    assert len(asked) == 1


async def test_a_hedge_keeps_the_route_of_its_call():
    seen = []

    async def inner(request):
        seen.append(request.headers["x-route"])
        return httpx.Response(200)

    router = Router([Route(actions=[RequestHeaders(set={"x-route": "it"})])])
    transport = AsyncMeshTransport(Pipeline(Hedge(0.001), router), httpx.MockTransport(inner))
    async with httpx.AsyncClient(transport=transport) as mesh:
        assert (await mesh.get("http://x/")).status_code == 200
    assert set(seen) == {"it"}


def test_what_a_function_raises_is_the_callers_to_see():
    class Oops(Exception):
        pass

    def when(call):
        raise Oops("not today")

    pipeline = Pipeline(RateLimit("10/s"), Router([Route(Match(prefix="/a", when=when)), Route()]), clock=ManualClock())
    with client(pipeline) as mesh:
        with pytest.raises(Oops, match="not today"):
            mesh.get("http://x/a")
        assert mesh.get("http://x/b").status_code == 200
    assert pipeline.idle()


@pytest.mark.parametrize(
    ("url", "status", "said"),
    [
        ("http://x/other", 404, "Router: no route for GET x/other"),
        ("http://x/a/../../b", 400, "Router: the path is refused: a dot segment above the root"),
        ("http://x/a%2Fb", 400, "Router: the path is refused: an encoded slash"),
        ("http://x/a%00", 400, "Router: the path is refused: an encoded control character"),
        ("http://x/" + "a" * 9000, 414, "Router: the path is refused: too long"),
        ("http://user@x y/a", 400, "Router: the host is refused: a character that no host has"),
    ],
)
def test_what_is_refused(url, status, said):
    router = Router([Route(Match(prefix="/a"), name="a")])
    state = router.start(None)
    call = Call(Door(), Request(url), 0.0)
    call.facts = {state: state.facts(call)}
    with pytest.raises(NoRoute) as raised:
        state.pick(call, 0.0)
    assert (raised.value.status, str(raised.value)) == (status, said)
    assert "secret" not in str(raised.value)


async def test_a_refusal_behind_a_server_has_that_status():
    async def app(scope, receive, send):
        raise AssertionError("it was asked")

    transport = httpx.ASGITransport(MeshMiddleware(app, Pipeline(Router([Route(Match(prefix="/a"))]))))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as mesh:
        for path, status in (("/b", 404), ("/a%2f", 400), ("/" + "a" * 9000, 414)):
            response = await mesh.get(path)
            assert response.status_code == status
            assert response.headers["content-type"] == "application/problem+json"


def test_a_refusal_is_the_caller_s_library_s_as_well():
    with (
        client(Pipeline(Router([], name="edge"))) as mesh,
        pytest.raises(httpx.TransportError, match="edge: no route for"),
    ):
        mesh.get("http://x/")


def test_the_default_is_for_whatever_is_left():
    router = Router([Route(Match(path="/a"), name="a")], default=Route(name="default"))
    assert chosen(router, "http://x/a") == "a"
    assert chosen(router, "http://x/b") == "default"
    assert decided(router, "http://x/%00") == 400, "but for what is no request"


def test_policies_of_a_route_are_its_own_and_what_is_shared_is_one():
    once = RateLimit("1/min")
    pipeline = Pipeline(
        Router([Route(Match(prefix="/a"), policies=[once]), Route(Match(prefix="/b"), policies=[once])]),
        clock=ManualClock(),
    )
    with client(pipeline) as mesh:
        assert [mesh.get(f"http://x/{name}").status_code for name in "ab"] == [200, 200]
        with pytest.raises(httpx.TransportError, match="RateLimit"):
            mesh.get("http://x/a")
    both = Shared(once)
    shared = Router([Route(Match(prefix="/a"), policies=[both]), Route(Match(prefix="/b"), policies=[both])])
    with client(Pipeline(shared, clock=ManualClock())) as mesh:
        assert mesh.get("http://x/a").status_code == 200
        with pytest.raises(httpx.TransportError, match="RateLimit"):
            mesh.get("http://x/b")


def test_two_pipelines_of_one_router_have_states_of_their_own():
    router = Router([Route(policies=[RateLimit("1/min")])])
    for _ in range(2):
        with client(Pipeline(router, clock=ManualClock())) as mesh:
            assert mesh.get("http://x/").status_code == 200


def test_a_cluster_behind_many_routes_is_one():
    clusters = [Shared(Cluster(f"c{number}", ["10.0.0.1:80"])) for number in range(10)]
    routes = [Route(Match(host=f"h{number}"), clusters[number % 10]) for number in range(1000)]
    pipeline = Pipeline(Router(routes))
    [router] = pipeline.states
    assert len({id(states[-1]) for states in router.branches}) == 10
    assert len(pipeline.choices) == 11
    assert len(router.sections()) == 1000
    assert pipeline.idle()


def test_names_of_routes():
    named = {
        "orders": Route(Match(host="a"), name="orders"),
        "*/*": Route(),
        "a/x": Route(Match(host=["a", "b"], path="/x")),
        "*/x/*": Route([Match(prefix="/x/"), Match(path="/y")]),
        "*/p/*": Route(Match(path_separated_prefix="/p")),
        "*/x*": Route(Match(starts="/x")),
        "*/x.+": Route(Match(regex="/x.+")),
        "*/a.B/*": Route(Match(grpc="a.B")),
        "*/a.B/C": Route(Match(grpc="a.B/C")),
    }
    assert [str(route) for route in named.values()] == [*named]
    assert Router([Route(), Route()]).start(None).titles == ["*/*", "*/* 2"]


@pytest.mark.parametrize("order", ORDERS)
def test_the_laws(order):
    routes = [
        Route(Match(host="a", prefix="/a"), Cluster("c", ["10.0.0.1:80"]), policies=[ConcurrencyLimit(1)]),
        Route(Match(host="a", path="/b"), Cluster("d", ["10.0.0.2:80"]), policies=[RateLimit("2/s", burst=1)]),
    ]
    bad = [{"host": "a", "path": "/%00"}, {"host": "a b"}, {"host": "nowhere"}]
    requests = [{"host": "a", "path": "/a/x"}, {"host": "a", "path": "/b"}, *bad]
    check(lambda: Router(routes, order=order), requests=requests, examples=20)


def test_a_simulated_request_is_a_mapping():
    router = Router([Route(Match(host="orders", prefix="/a", headers={"x": "1"}), Respond(200), name="it")])
    state = router.start(None)
    call = Call(SimulatedDoor(), {"host": "orders", "path": "/a/b", "header:x": "1"}, 0.0)
    assert state.facts(call).rule.route.name == "it"
    assert state.facts(Call(SimulatedDoor(), {"host": "orders", "path": "/a/b"}, 0.0)) is None
    assert state.facts(Call(SimulatedDoor(), None, 0.0)) is None


def nested():
    return Router([Route(to=Pipeline(Timeout(1.0), Router([])))])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Router([7]), "Router: routes=(7,): give a list of Route(...)"),
        (lambda: Router("a"), "Router: routes='a': give a list of Route(...)"),
        (lambda: Router([], default=Match()), "Router: default=Match("),
        (lambda: Router([], paths="merge"), "Router: paths='merge': give Paths(...)"),
        (lambda: Router([])(print), "Router is a policy, no decorator"),
        (
            nested,
            "Router: routes='Router': a router stands below it, and a request has one route: put the routes of both",
        ),
        (lambda: Pipeline(Router([]), Timeout(1.0)), "Router: Timeout stands behind it, but a choice ends a pipeline"),
        (
            lambda: Pipeline(Router([Route(to=[Cluster("c", ["a:1"]), Timeout(1.0)])])),
            "c: Timeout stands behind it, but a choice ends a pipeline",
        ),
        (
            lambda: Pipeline(Router([]))(lambda: None),
            "Router: routes='FunctionDoor': it is about requests with a method, a host and a path: put it behind",
        ),
        (
            lambda: client(Pipeline(Router([Route(Match(source="10.0.0.0/8"))]))),
            "Match: source='client': what comes through HttpxDoor has no such thing: name one of scheme, host",
        ),
        (lambda: client(Pipeline(Router([Route(Match(sni="a"))]))), "Match: sni='sni': what comes through HttpxDoor"),
        (
            lambda: client(
                Pipeline(Router([Route(to=Cluster("c", ["a:1"]), policies=[RateLimit("1/s", key="users")])]))
            ),
            "RateLimit: key='users': name one of scheme",
        ),
        (
            lambda: Router([Route(Match(path="/a%2Fb"))]),
            "Match: path='/a%2Fb': no request has such a path: an encoded slash",
        ),
        (
            lambda: Router([Route(Match(prefix="/a;b"))], paths=Paths(parameters="reject")),
            "Match: prefix='/a;b': no request has such a path: parameters",
        ),
        (lambda: Router([], default=Route(Match(host="a"))), "Router: default=(Match(host=('a',)"),
        (lambda: Router([], default=Route([Match(), Match(host="a")])), "Router: default=(Match(host=(), "),
        (lambda: Route(7), "Route: match=7: give a Match, or several of which one must hold"),
        (lambda: Route([]), "Route: match=(): give a Match, or several"),
        (lambda: Route(to="orders"), "Route: to='orders': give a cluster, a pipeline, a Split, a Redirect, a Respond"),
        (lambda: Route(to=Cluster), "Route: to=<class 'meshkit.cluster.cluster.Cluster'>: give a cluster"),
        (lambda: Route(to=Route()), "Route: to=Route("),
        (lambda: Route(policies=[RequestHeaders()]), "Route: policies=RequestHeaders("),
        (lambda: Route(policies=[RateLimit]), "Route: policies=<class"),
        (lambda: Route(actions=[Timeout(1.0)]), "Route: actions=Timeout("),
        (lambda: Route(actions=[RequestHeaders]), "Route: actions=<class"),
        (lambda: Route(priority=None), "Route: priority=None: give a whole number"),
    ],
)
def test_what_cannot_be(make, said):
    with pytest.raises(ConfigError) as raised:
        make()
    assert str(raised.value).startswith(said)


def test_paths_of_ones_own():
    router = Router([Route(Match(path="/a%2Fb"), name="it")], paths=Paths(encoded_slash="keep"))
    assert chosen(router, "http://x/a%2fb") == "it"
    assert router.start(None).normal("/a//b") == "/a/b"


def test_what_a_client_may_not_do_a_server_may():
    app = App(print)
    router = Router([Route(Match(source="10.0.0.0/8", sni="a", certificate=True), app)])
    assert MeshMiddleware(print, Pipeline(router)).pipeline.specs == (router,)
    assert attrs.asdict(router, recurse=False)["routes"][0].to is app


def test_a_route_without_a_destination_goes_where_it_was_going():
    request, response = sent([Route(Match(host="other")), Route(Match(host="x"))], "http://x/a//b?c#d")
    assert str(request.url) == "http://x/a/b?c#d"
    assert response.status_code == 200
