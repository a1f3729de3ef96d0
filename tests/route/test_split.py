"""Weighted splits: who gets what share, which sessions move and which do not, and what a branch's own actions do.

Each statistic states its false-alarm rate: how often correct code would fail it with a fresh seed.
"""

from __future__ import annotations

import gc
from collections import Counter
from random import Random
from statistics import NormalDist

import anyio
import attrs
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import Cluster, ConfigError, Constant, Hedge, NoEndpoint, Pipeline, Retry, Shared, StateChanged
from meshkit.asgi import MeshMiddleware
from meshkit.call import Call
from meshkit.engine import fork
from meshkit.fact import check as names_known
from meshkit.httpx import MeshTransport
from meshkit.route.answer import Redirect, Respond
from meshkit.route.branch import Branch
from meshkit.route.cookie import Cookie
from meshkit.route.edit import RequestHeaders, ResponseHeaders
from meshkit.route.lot import Lot, Lots, Shares, octets
from meshkit.route.match import Match
from meshkit.route.plan import Decision
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Split
from meshkit.section import within
from meshkit.testing import check

CLUSTERS = [Cluster(name, [f"http://{name}"]) for name in ("a", "b", "c", "d")]
A, B, C, D = CLUSTERS


class Door:
    """Knows the facts of a request, which is a dict of them."""

    def fact(self, call, name):
        return call.request.get(name)


def started(spec, seed=1):
    """The state, its branches folded into their own names."""
    state = spec.start(Random(seed))
    titles = iter(state.titles)
    state.fold(lambda states: next(titles))
    return state


def called(state, call=None, **request):
    """A call that was picked a branch for."""
    call = call or Call(Door(), {name.replace("_", ":", 1): value for name, value in request.items()}, 0.0)
    call.facts = call.facts or {state: state.facts(call)}
    return call, state.pick(call, 0.0)


def went(state, **request):
    return called(state, **request)[1]


def as_shares(counts, shares, false_alarm=1e-6):
    """Every count within the two-sided normal bound, the false alarms split among the cells."""
    n = sum(counts.values())
    bound = NormalDist().inv_cdf(1 - false_alarm / len(shares) / 2)
    for name, share in shares.items():
        assert abs(counts[name] - n * share) <= bound * (n * share * (1 - share)) ** 0.5 + 1e-9, (name, counts)


SHARES = {"a": 0.5, "b": 0.3, "c": 0.2, "d": 0.0}


@pytest.mark.parametrize("options", [{}, {"sticky": "header:x-user"}, {"cookie": "variant"}], ids=str)
def test_each_gets_its_share(options):
    state = started(Split(Branch(A, 5), Branch(B, 3), Branch(C, 2), Branch(D, 0), **options))
    counts = Counter(went(state, **{"header_x-user": f"user {k}"}) for k in range(8_000))
    as_shares(counts, SHARES)  # false alarm 1e-6
    assert {name: each["calls"] for name, each in state.snapshot(0.0).items()} == {**counts, "d": 0}
    assert state.snapshot(0.0)["b"] == {"weight": 3, "share": 0.3, "calls": counts["b"]}


@pytest.mark.parametrize(
    ("weights", "point", "place"),
    [
        ((9, 1), 0.0, 0),
        ((9, 1), 0.8999, 0),
        ((9, 1), 0.9, 1),
        ((9, 1), 1 - 2**-53, 1),
        ((0, 1, 0), 0.0, 1),
        ((0, 1, 0), 1 - 2**-53, 1),
        ((0.1, 0.2, 0.0), 1 - 2**-53, 1),  # where a sum of floats may be less than what is drawn
        ((1e-300, 1.0), 0.0, 0),
        ((1e-300, 1.0), 1e-16, 1),
    ],
)
def test_where_a_point_lies(weights, point, place):
    assert Shares(weights).of(Lot(point)) == place


def test_a_share_is_a_part_of_the_sum_and_all_zero_is_nobody():
    state = started(Split(Branch(A, 0), Branch(B, 0.25)))
    assert {went(state) for _ in range(50)} == {"b"}
    for options in ({}, {"sticky": "header:x-user"}):
        state = started(Split(Branch(A, 0), Branch(B, 0), name="blue-green", **options))
        with pytest.raises(NoEndpoint, match="blue-green: every branch has a weight of 0"):
            went(state, **{"header_x-user": "anna"})
        assert state.snapshot(0.0)["a"] == {"weight": 0, "share": 0.0, "calls": 0}
    pipeline = Pipeline(Split(Branch(A, 0), name="none"))
    with pytest.raises(NoEndpoint):
        pipeline.call(lambda: None)
    pipeline.control("none").weigh({"a": 1})
    assert pipeline.call(lambda: "there") == "there"


SESSIONS = [f"session {k}".encode() for k in range(400)]
LOTS = Lots("Split", "header:x-user", None, ["a", "b", "c", "d"], Random(0))
SCORES = [LOTS.scores(session) for session in SESSIONS]


def dealt(weights):
    shares = Shares(weights)
    return [shares.of(Lot(0.0, scores)) for scores in SCORES]


weight = st.sampled_from([0, 1, 2, 3, 10, 0.5, 1_000_000])


@settings(max_examples=40)
@given(weights=st.lists(weight, min_size=4, max_size=4).filter(any), which=st.integers(0, 3), other=weight)
def test_only_those_sessions_move_that_must(weights, which, other):
    """A branch that grows takes from all, one that shrinks gives to all, and nobody moves between two others."""
    changed = [*weights]
    changed[which] = other
    if not any(changed):
        return
    for before, after in zip(dealt(weights), dealt(changed), strict=True):
        if before != after:
            assert which == (after if other > weights[which] else before)
        assert changed[after]


def test_how_many_move():
    """Growing from 10 % to 20 % moves 1 in 9 of the others: those whose least score is beaten. False alarm 1e-6."""
    lots = [Lot(0.0, LOTS.scores(b"%d" % k)) for k in range(9000)]
    small, large = Shares((90, 10, 0, 0)), Shares((80, 20, 0, 0))
    counts = Counter((small.of(lot), large.of(lot)) for lot in lots)
    assert counts[1, 0] == 0
    as_shares(Counter(stay=counts[0, 0] + counts[1, 1], move=counts[0, 1]), {"stay": 0.9, "move": 0.1})


def test_the_order_of_branches_and_new_ones_move_nobody_else():
    three = started(Split(Branch(A), Branch(B), Branch(C), sticky="header:x-user"))
    turned = started(Split(Branch(C), Branch(A), Branch(B), sticky="header:x-user"))
    more = started(Split(Branch(A), Branch(B), Branch(C), Branch(D), sticky="header:x-user"))
    for k in range(100):
        user = {"header_x-user": f"user {k}"}
        assert went(three, **user) == went(turned, **user)
        assert went(more, **user) in ("d", went(three, **user))


def test_two_splits_with_names_of_their_own_have_other_guinea_pigs():
    """Of those in the tenth of the one, a tenth is in that of the other. False alarm 1e-6."""
    one, other = (started(Split(Branch(A, 9), Branch(B, 1), sticky="header:x-user", name=name)) for name in "xy")
    users = [{"header_x-user": f"user {k}"} for k in range(8_000)]
    chosen = [user for user in users if went(one, **user) == "b"]
    as_shares(Counter(went(other, **user) for user in chosen), {"a": 0.9, "b": 0.1})


def test_a_function_names_the_session_and_who_has_none_draws():
    state = started(Split(Branch(A), Branch(B), sticky=lambda call: call.request.get("user")))
    assert len({went(state, user="anna") for _ in range(20)}) == 1
    for nobody in (None, "", b""):
        assert {went(state, user=nobody) for _ in range(50)} == {"a", "b"}  # false alarm 2 ** -49


def test_what_a_session_may_be():
    assert octets("Split", "é\ud800") == "é\ud800".encode("utf-8", "surrogatepass")
    assert octets("Split", b"\xff") == b"\xff"
    assert LOTS.scores(b"x" * 9000) == LOTS.scores(b"x" * 9000) != LOTS.scores(b"x" * 9001)
    assert len({octets("Split", each) for each in (1, 1.5, ("a", 1), ("a", "1"), "1")}) == 4  # 1 is "1"
    with pytest.raises(TypeError, match="Split: the session is a object: make it a string"):
        octets("Split", object())
    with pytest.raises(TypeError, match="Split: the key is a list, which has no hash"):
        octets("Split", [])


def test_a_cookie_makes_a_session():
    state = started(Split(Branch(A), Branch(B), cookie=Cookie("variant", path="/shop", max_age=60.5)))
    seen = set()
    for _ in range(20):
        call, branch = called(state)
        seen.add(branch)
        [(name, token, attributes)] = call.cookies
        assert (name, attributes) == ("variant", "Path=/shop; Max-Age=61; HttpOnly; SameSite=Lax")
        for _ in range(3):
            again, same = called(state, cookie_variant=token)
            assert (same, again.cookies) == (branch, None)
    assert seen == {"a", "b"}  # false alarm 2 ** -19


@pytest.mark.parametrize(
    "forged", ["", "a", "0" * 15, "0" * 17, "G" * 16, "ABCDEF0123456789", "0" * 16 + "\n", "é" * 16]
)
def test_a_forged_cookie_is_no_session(forged):
    state = started(Split(Branch(A), Branch(B), cookie="variant"))
    call, branch = called(state, cookie_variant=forged)
    [(_, token, _)] = call.cookies
    assert went(state, cookie_variant=token) == branch


def test_a_cookie_takes_the_place_of_its_own_only():
    state = started(Split(Branch(A), cookie="variant"))
    call = Call(Door(), {}, 0.0)
    call.cookies = [("basket", "7", ""), ("variant", "old", "")]
    called(state, call)
    assert [(name, value == "old") for name, value, _ in call.cookies] == [("basket", False), ("variant", False)]


def test_further_attempts_go_where_the_first_one_went():
    pipeline = Pipeline(
        Retry(on=ConnectionError, attempts=4, backoff=Constant(0.0), budget=None), Split(Branch(A), Branch(B)), seed=1
    )
    pipeline_control = pipeline.control("Split")
    for k in range(20):
        asked = []

        def fn(endpoint, asked=asked):
            asked.append(endpoint.host)
            pipeline_control.weigh({"a": 0, "b": 1} if endpoint.host == "a" else {"a": 1, "b": 0})
            raise ConnectionError

        pipeline_control.weigh({"a": 1, "b": 1})
        with pytest.raises(ConnectionError):
            pipeline.call(fn)
        assert len(asked) == 4, k
        assert len(set(asked)) == 1


def test_attempts_side_by_side_go_one_way():
    """They are forks of one call, and the split may be reached by one after the other."""
    inner = started(Split(Branch(A), Branch(B)))
    for facts in (None, {"other": 1}):
        for _ in range(20):
            call = Call(Door(), {}, 0.0)
            call.facts = facts and {**facts}
            ways = set()
            for _ in range(3):
                twin = fork(fork(call))
                twin.facts = {**(twin.facts or {}), inner: inner.facts(twin)}
                ways.add(inner.pick(twin, 0.0))
            assert len(ways) == 1


async def test_a_hedge_goes_where_the_first_attempt_went():
    pipeline = Pipeline(Hedge(0.001, budget=None), Split(Branch(A), Branch(B)), seed=1)
    seen = []

    @pipeline
    async def ask(endpoint=None):
        seen.append(endpoint.host)
        if len(seen) % 2:
            await anyio.sleep_forever()

    for _ in range(8):
        seen.clear()
        await ask()
        assert len(seen) == 2
        assert len(set(seen)) == 1


def test_other_weights_while_it_runs():
    pipeline = Pipeline(Split(Branch(A, 90), Branch(B, 10), name="orders"), seed=1)
    told = []
    pipeline.listen(lambda event: told.append(event) if isinstance(event, StateChanged) else None, direct=True)
    control = pipeline.control("orders")
    control.weigh({"b": 30})
    assert (pipeline.snapshot()["orders"]["b"]["weight"], control.snapshot()["b"]["share"]) == (30, 0.25)
    assert [(each.policy, each.before, each.after) for each in told] == [("orders", "a 90, b 10", "a 90, b 30")]
    for wrong in ({"a": 1, "c": 1}, {"a": 1, "b": -1}, {"a": 1, "b": float("nan")}, {"a": True}, {"b": 1_000_001}):
        with pytest.raises(ConfigError, match="orders: weigh="):
            control.weigh(wrong)
    assert control.snapshot()["a"]["weight"] == 90  # all of it, or nothing
    with pytest.raises(ConfigError, match="only a split and a canary have weights"):
        pipeline.control("a").weigh({"a": 1})


def servers(request):
    version = request.headers.get("x-version", "none")
    return httpx.Response(200, json=[request.url.host, request.headers["host"], version, request.url.path])


def ask(pipeline, url="http://shop/orders", count=30):
    """The answers, each once."""
    with httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(servers))) as client:
        answers = [client.get(url) for _ in range(count)]
    return {(*answer.json(), answer.headers.get("x-served", "none")) for answer in answers}


def edited(version, **more):
    return [RequestHeaders(set={"x-version": version}), ResponseHeaders(set={"x-served": version}), *more.values()]


def test_the_actions_of_a_branch_come_after_those_of_its_route():
    split = Split(Branch(A), Branch(B, actions=edited("b", host=Rewrite(host="b.internal"))))
    plain = Route(Match(prefix="/orders"), split, actions=edited("route"))
    shared = Shared(Split(Branch(C, actions=edited("c"))))
    other = Route(Match(prefix="/c"), shared, actions=[Rewrite(prefix="/x")])
    stack = Pipeline(Router([plain, other, Route(Match(prefix="/d"), shared)]), seed=1)
    assert ask(stack) == {
        ("a", "shop", "route", "/orders", "route"),
        ("b", "b.internal", "b", "/orders", "b"),
    }
    assert ask(stack, "http://shop/c/1", 2) == {("c", "shop", "c", "/x/1", "c")}
    assert ask(stack, "http://shop/d/1", 2) == {("c", "shop", "c", "/d/1", "c")}
    assert stack.idle()


def test_actions_without_a_router_and_of_a_split_within_a_split():
    inner = Split(Branch(B, actions=[RequestHeaders(add={"x-version": "inner"})]), Branch(C), name="inner")
    outer = Split(Branch(A), Branch(inner, 3, actions=[RequestHeaders(set={"x-version": "outer"})], name="new"))
    expected = {
        ("a", "shop", "none", "/orders", "none"),
        ("b", "shop", "outer, inner", "/orders", "none"),
        ("c", "shop", "outer", "/orders", "none"),
    }
    assert ask(Pipeline(outer, seed=1), count=40) == expected
    retried = Pipeline(
        Retry(on="5xx", attempts=3, backoff=Constant(0.0), budget=None), Router([Route(to=outer)]), seed=1
    )
    tries = Counter()

    def failing(request):
        tries[request.url.host, request.headers.get("x-version", "none")] += 1
        return httpx.Response(503)

    with httpx.Client(transport=MeshTransport(retried, httpx.MockTransport(failing))) as client:
        for _ in range(20):
            client.get("http://shop/orders")
    assert set(tries) == {(host, version) for host, _, version, _, _ in expected}  # once for each attempt, not thrice


async def test_behind_a_server_door_a_cookie_and_the_actions_reach_client_and_app():
    async def app(scope, receive, send):
        stage = dict(scope["headers"]).get(b"x-version", b"old")
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept", "headers": [(b"x-version", stage)]})
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": stage})

    new = Branch(None, actions=edited("new"), name="new")
    stack = Pipeline(Router([Route(to=Split(new, Branch(Respond(200, "old")), cookie="variant"))]), seed=1)
    guarded = MeshMiddleware(app, stack)
    seen = set()
    for _ in range(12):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://shop") as client:
            first, second = await client.get("/"), await client.get("/")
            assert (first.text, first.headers.get("x-served")) == (second.text, second.headers.get("x-served"))
            assert [len(each.headers.get_list("set-cookie")) for each in (first, second)] == [1, 0]
            assert "variant" in client.cookies
            seen.add((first.text, first.headers.get("x-served")))
    assert seen == {("old", None), ("new", "new")}

    accepted = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        accepted.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "scheme": "ws"}
    while not accepted or accepted[0]["type"] != "websocket.accept":  # those who get a Respond are not let in
        accepted.clear()
        await guarded(dict(scope), receive, send)
    names = [name for name, _ in accepted[0]["headers"]]
    assert names == [b"x-version", b"x-served", b"set-cookie"]


def test_plans_are_made_once():
    router = Router([Route(to=Split(Branch(A, actions=[RequestHeaders(set={"x-version": "1"})])))])
    stack = Pipeline(router)
    plans = set()
    with httpx.Client(transport=MeshTransport(stack, httpx.MockTransport(servers))) as client:
        split = stack.states[0].branches[0][0]
        for _ in range(3):
            client.get("http://shop/")
            plans |= {*split._branches[0]._plans.values()}
    assert len(plans) == 1


def test_plans_are_remembered_no_longer_than_there_is_a_route_with_them():
    split = started(Split(Branch(A, actions=[RequestHeaders(set={"x-version": "1"})])))
    for version in range(3):
        call = Call(Door(), {}, 0.0)
        router = Router([Route(to=A, name=str(version))]).start(Random(1))
        call.route = Decision(router.rules[0], "/", None, True)
        assert called(split, call)[1] == "a"
        assert call.route.plan.request.come == ((b"x-version", b"1"),)
    del call, router
    gc.collect()
    assert not split._branches[0]._plans


def test_where_a_branch_leads():
    def here(request):
        return httpx.Response(200, json=["here", "", "", ""])

    split = Split(Branch(None), Branch(here), Branch(Respond(204)), Branch([Retry(on="5xx", budget=None), A]))
    assert [str(branch) for branch in split.branches] == ["onwards", "here", "Respond", "a"]
    state = split.start(Random(1))
    state.fold(lambda states: [*states])
    assert state.sections() == state.branches
    assert {*within([state])} >= {each for states in state.branches for each in states}
    assert names_of(Branch(A), Branch(A), Branch(Shared(A)), Branch(A, name="x")) == ["a", "a 2", "a 3", "x"]
    assert Branch(Pipeline(Retry(on="5xx", budget=None), A)).specs[-1] is A
    assert split.inner[0].fn is here


def names_of(*branches):
    return Split(*branches).start(Random(1)).titles


def test_a_split_can_be_written_in_several_ways_and_copied():
    split = Split(Branch(A), Branch(B, 2), cookie="variant")
    assert split == Split(branches=[Branch(A), Branch(B, 2)], cookie=Cookie("variant"))
    assert attrs.evolve(split, name="other") == Split(Branch(A), Branch(B, 2), cookie="variant", name="other")


class FunctionDoor(Door):
    def knows(self, name):
        if name != "user":
            raise ConfigError.of("door", "argument", name, "it has user only")


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (Split, r"Split: branches=\(\): give branches"),
        (lambda: Split(A), "Split: branches=.*: give branches"),
        (lambda: Split(Branch(A, name="x"), Branch(B, name="x")), "Split: branches='x': the name stands twice"),
        (lambda: Branch(A, -1), "Branch: weight=-1: give a number from 0 to 1e\\+06"),
        (lambda: Branch(A, float("nan")), "Branch: weight=nan"),
        (lambda: Branch(A, True), "Branch: weight=True"),
        (lambda: Branch(A, 1_000_001), "Branch: weight=1000001"),
        (lambda: Branch("orders"), "Branch: to='orders': give a cluster"),
        (lambda: Branch(Cluster), "Branch: to=<class .*>: give a cluster"),
        (lambda: Branch(Redirect(path="/x")), "Branch: to=.*: a redirect to another host or path is a route's"),
        (lambda: Branch(A, actions=[Retry(on="5xx")]), "Branch: actions=.*: give actions"),
        (lambda: Branch(A, actions=Rewrite(prefix="/x")), "Branch: actions=.*: a branch rewrites the host only"),
        (lambda: Split(Branch(A), sticky="x", cookie="y"), "Split: cookie=.*: sticky names the session already"),
        (lambda: Split(Branch(A), sticky=7), "Split: sticky=7: give the name of an attribute"),
        (lambda: Split(Branch(A), cookie=7), "Split: cookie=7: give a name, or Cookie"),
        (lambda: Split(Branch(A), cookie="a b"), "Cookie: name='a b': give a name of letters"),
        (lambda: Cookie("x", path="/;"), "Cookie: path='/;'"),
        (lambda: Cookie("__Host-x"), "Cookie: name='__Host-x': browsers take such a cookie with secure=True only"),
        (lambda: Cookie("x", same_site="none"), "Cookie: same_site='none': browsers take"),
        (lambda: Cookie("__Host-x", path="/a", secure=True), "Cookie: path='/a': browsers take"),
        (lambda: Split(Branch(A), name=" "), "Split: name=' ': give a name"),
        (lambda: Pipeline(Split(Branch(A)), A), "Split: a stands behind it, but a choice ends a pipeline"),
        (lambda: Split(Branch(A))(print), "Split is a policy, no decorator"),
        (
            lambda: names_known(FunctionDoor(), [Split(Branch(A), sticky="usr")]),
            "Split: sticky='usr': it has user only",
        ),
        (lambda: names_known(FunctionDoor(), [Split(Branch(A), cookie="x")]), "Split: session='cookie:x': it has user"),
        (
            lambda: names_known(FunctionDoor(), [Split(Branch(A, actions=[Rewrite(host="x")]))]),
            "Split: door='FunctionDoor': it is about requests",
        ),
    ],
)
def test_what_cannot_be(split, said):
    with pytest.raises(ConfigError, match=said):
        split()


def test_names_that_are_known_and_what_is_below():
    names_known(FunctionDoor(), [Split(Branch(Split(Branch(A), sticky="user")), sticky="user")])
    with pytest.raises(ConfigError, match="Split: sticky='usr'"):
        names_known(FunctionDoor(), [Split(Branch(Split(Branch(A), sticky="usr")))])


def test_the_laws():
    check(lambda: Split(Branch(A, 2), Branch(B)), examples=10)
    check(lambda: Split(Branch(A, 2), Branch(B), cookie="user"), examples=10)
