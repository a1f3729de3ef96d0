"""Is a request sent, and its answer given, as just the way has it that it takes in the end?

Each host below answers who it is; what a request is dressed in on its way stands in ``x-...`` fields.
"""

from __future__ import annotations

import anyio
import anyio.lowlevel
import httpx
import pytest

from meshkit import Cluster, ConcurrencyLimit, Constant, Fallback, Hedge, Pipeline, RateLimit, Retry
from meshkit.call import Call
from meshkit.engine import fork, learn
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.route.branch import Branch
from meshkit.route.edit import RequestHeaders, ResponseHeaders
from meshkit.route.match import Match
from meshkit.route.rewrite import Rewrite
from meshkit.route.rollout import Rollout
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Split
from meshkit.section import within
from meshkit.shared import Shared

A, B, V1, V2 = (Cluster(name, [f"{name}.example:80"]) for name in ("a", "b", "v1", "v2"))
DRESSED = [Rewrite(prefix="/v2", host="inside"), RequestHeaders(set={"x-key": "a"}), ResponseHeaders(set={"x-by": "a"})]
ONCE = RateLimit("1/h", burst=1)
AGAIN = Retry(on="5xx", attempts=2, backoff=Constant(0.0))


def dress(name):
    return [RequestHeaders(set={f"x-{name}": "1"}), ResponseHeaders(set={f"x-{name}": "1"})]


def worn(headers):
    return {name for name in headers if name.startswith("x-") and name != "x-envoy-attempt-count"}


class Hosts:
    """Notes what each was sent; ``answers``: a status, or a function that makes one, by host."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def __call__(self, request):
        name = request.url.host.removesuffix(".example")
        self.asked.append((name, request.url.path, request.headers["host"], worn(request.headers)))
        status = self.answers.get(name, 200)
        return httpx.Response(status() if callable(status) else status, headers={"server": name})

    def get(self, *policies, count=1):
        pipeline = Pipeline(*policies)
        with httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(self))) as client:
            for _ in range(count):
                response = client.get("http://shop/api/x")
        assert pipeline.idle()
        return response.headers["server"], worn(response.headers)


AS_IT_CAME = ("b", "/api/x", "shop", set())


@pytest.mark.parametrize(
    "policies",
    [
        [Fallback(B, on="5xx"), Router([Route(Match(prefix="/api"), A, actions=DRESSED)])],
        [Fallback(B, on="5xx"), AGAIN, Router([Route(Match(prefix="/api"), A, actions=DRESSED)])],
        [Router([Route(to=[Fallback(B, on="5xx"), Split(Branch(A, actions=[*DRESSED[1:], Rewrite(host="inside")]))])])],
        [Fallback(B, on="5xx"), Split(Branch(A, actions=DRESSED[1:]))],
        [Fallback(B, on="5xx"), Hedge(60.0), Split(Branch(A, actions=DRESSED[1:]))],
    ],
    ids=["a router", "behind a retry", "a split within a route", "a split alone", "behind a hedge"],
)
def test_what_stands_instead_is_sent_the_request_as_it_came(policies):
    hosts = Hosts(a=503)
    if any(isinstance(policy, Hedge) for policy in policies):
        asked = anyio.run(over_asyncio, hosts, policies)
    else:
        asked = hosts.get(*policies)
    assert asked == ("b", set())
    assert {name for name, *_ in hosts.asked} == {"a", "b"}
    assert hosts.asked[0][3] == {"x-key"}
    assert hosts.asked[-1] == AS_IT_CAME


async def over_asyncio(hosts, policies):
    transport = AsyncMeshTransport(Pipeline(*policies), httpx.MockTransport(hosts))
    async with httpx.AsyncClient(transport=transport) as client:
        response = await client.get("http://shop/api/x")
    return response.headers["server"], worn(response.headers)


def test_also_where_it_was_refused():
    hosts = Hosts()
    router = Router([Route(Match(prefix="/api"), Pipeline(ONCE, A), actions=DRESSED)])
    assert hosts.get(Fallback(B), router, count=2) == ("b", set())
    assert hosts.asked == [("a", "/v2/x", "inside", {"x-key"}), AS_IT_CAME]


def test_a_branch_that_refused_leaves_nothing_behind_where_its_choice_has_no_actions():
    hosts = Hosts()
    canary = Split(Branch(Pipeline(ONCE, V2), actions=[*DRESSED[1:], Rewrite(host="inside")]), name="inner")
    rollout = Rollout(Branch(V1, name="main"), Branch(canary, name="canary"), steps=(1.0,))
    assert hosts.get(Router([Route(to=rollout)]), count=2) == ("v1", set())
    assert hosts.asked == [("v2", "/api/x", "inside", {"x-key"}), ("v1", "/api/x", "shop", set())]


def test_a_choice_below_two_branches_adds_to_what_each_of_them_has():
    hosts = Hosts(a=iter((500, 200)).__next__)
    shared = Shared(Split(Branch(A, actions=dress("inner")), name="inner"))
    outer = Rollout(
        Branch(shared, name="main", actions=dress("main")),
        Branch(Pipeline(ONCE, shared), name="canary", actions=dress("canary")),
        steps=(1.0,),
    )
    assert hosts.get(AGAIN, Router([Route(to=outer)])) == ("a", {"x-inner", "x-main"})
    assert [dressed for *_, dressed in hosts.asked] == [{"x-inner", "x-canary"}, {"x-inner", "x-main"}]


def test_where_a_further_attempt_is_refused_the_answer_is_that_of_the_one_before():
    """And has the fields of its own route: the limit is met on the way to it."""
    hosts = Hosts(a=500)
    assert hosts.get(AGAIN, ONCE, Router([Route(to=A, actions=dress("a"))])) == ("a", {"x-a"})
    assert len(hosts.asked) == 1


async def test_attempts_side_by_side_do_not_change_each_others_route():
    """The second waits in a branch for its place, while the first is answered within a further one."""
    arrived = []

    class Waits(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            arrived.append(worn(request.headers))
            with anyio.fail_after(5):
                while not limit.snapshot(0.0)["queued"]:
                    await anyio.lowlevel.checkpoint()
            return httpx.Response(200, headers={"server": "v2"})

    inner = Split(Branch(V2, actions=dress("inner")), name="inner")
    outer = Split(Branch([ConcurrencyLimit(1, queue=5), inner], actions=dress("outer")), name="outer")
    pipeline = Pipeline(Hedge(1e-6), Router([Route(to=outer)]))
    limit = next(state for state in within(pipeline.states) if state.name == "ConcurrencyLimit")
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, Waits())) as client:
        response = await client.get("http://shop/")
    assert arrived[0] == {"x-inner", "x-outer"}
    assert worn(response.headers) == {"x-inner", "x-outer"}


async def test_a_middleware_that_calls_again_begins_where_it_stands():
    hosts = Hosts(a=503)

    async def twice(call, call_next):
        await call_next()
        return await call_next()

    split = Split(Branch(A, actions=dress("a")))
    assert await over_asyncio(hosts, [twice, split]) == ("a", {"x-a"})
    assert [dressed for *_, dressed in hosts.asked] == [{"x-a"}, {"x-a"}]


def test_a_fork_has_the_route_of_where_it_begins():
    call = Call(None, "request", 1.0)
    call.route = "of an earlier walk"
    assert fork(call).route == "of an earlier walk"
    call.marks = (None, None, None, None, "of the place")
    twin = fork(call)
    assert twin.route == "of the place"
    twin.route = None
    learn(call, twin)
    assert call.route is None
