"""Canaries as ingress-nginx has them: every row of its annotations, and their order.

Semantics: kubernetes/ingress-nginx, rootfs/etc/nginx/lua/balancer.lua (``route_to_alternative_balancer``), and
docs/user-guide/nginx-configuration/annotations.md, "Canary".
"""

from __future__ import annotations

from collections import Counter
from random import Random
from statistics import NormalDist

import httpx
import pytest

from meshkit import Cluster, ConfigError, Pipeline, StateChanged
from meshkit.call import Call
from meshkit.httpx import MeshTransport
from meshkit.route.branch import Branch
from meshkit.route.canary import Canary
from meshkit.route.edit import RequestHeaders
from meshkit.testing import check

MAIN, NEW = Cluster("main", ["http://main"]), Cluster("new", ["http://new"])
NEVER, ALWAYS = {"weight": 0}, {"weight": 100}
"""Where no other rule answers."""
HEADER = {"header": "X-Canary"}
VALUE = {**HEADER, "header_value": "beta"}
PATTERN = {**HEADER, "header_pattern": "be(ta|eta)[0-9]"}
BOTH = {**PATTERN, "header_value": "beta"}
COOKIE = {"cookie": "canary"}
AFFINITY = {"affinity": "INGRESSCOOKIE"}
LEGACY = {**AFFINITY, "affinity_behavior": "legacy"}


class Door:
    def fact(self, call, name):
        return call.request.get(name)


def went(spec, request, seed=1):
    state = spec.start(Random(seed))
    state.fold(lambda states: states[-1].name)
    call = Call(Door(), request, 0.0)
    call.facts = {state: state.facts(call)}
    return state.pick(call, 0.0), call.cookies


def h(value):
    return {"header:x-canary": value}


def c(value):
    return {"cookie:canary": value}


def s(value):
    return {"cookie:INGRESSCOOKIE": value}


ROWS = [
    # canary-by-header
    (HEADER | NEVER, h("always"), "new"),
    (HEADER | ALWAYS, h("never"), "main"),
    (HEADER | NEVER, h("Always"), "main"),  # any other value: the next rule
    (HEADER | ALWAYS, h("true"), "new"),
    (HEADER | ALWAYS, h(""), "new"),
    (HEADER | ALWAYS, {}, "new"),
    (HEADER | NEVER, {}, "main"),
    # canary-by-header-value
    (VALUE | NEVER, h("beta"), "new"),
    (VALUE | NEVER, h("Beta"), "main"),
    (VALUE | NEVER, h("always"), "main"),  # a word like any other
    (VALUE | ALWAYS, h("never"), "new"),
    (VALUE | NEVER, {}, "main"),
    # canary-by-header-pattern
    (PATTERN | NEVER, h("beta7"), "new"),
    (PATTERN | NEVER, h("a beeta7 b"), "new"),  # somewhere in it
    (PATTERN | NEVER, h("beta"), "main"),
    (PATTERN | NEVER, h("always"), "main"),
    (PATTERN | ALWAYS, h("never"), "new"),
    (BOTH | NEVER, h("beta7"), "main"),  # the pattern is not asked where there is a value
    (BOTH | NEVER, h("beta"), "new"),
    # canary-by-cookie
    (COOKIE | NEVER, c("always"), "new"),
    (COOKIE | ALWAYS, c("never"), "main"),
    (COOKIE | ALWAYS, c("yes"), "new"),
    (COOKIE | NEVER, {}, "main"),
    # precedence: header, cookie, weight
    (HEADER | COOKIE | NEVER, h("always") | c("never"), "new"),
    (HEADER | COOKIE | ALWAYS, h("never") | c("always"), "main"),
    (HEADER | COOKIE | ALWAYS, h("else") | c("never"), "main"),
    (VALUE | COOKIE | NEVER, h("never") | c("always"), "new"),
    # affinity before all, unless legacy
    (AFFINITY | HEADER | ALWAYS, s("main") | h("always"), "main"),
    (AFFINITY | HEADER | NEVER, s("canary") | h("never"), "new"),
    (AFFINITY | COOKIE | NEVER, s("canary") | c("never"), "new"),
    (AFFINITY | HEADER | NEVER, s("forged") | h("always"), "new"),
    (AFFINITY | NEVER, s("forged"), "main"),
    (LEGACY | HEADER | ALWAYS, s("main") | h("always"), "new"),
    (LEGACY | NEVER, s("canary"), "main"),
]


@pytest.mark.parametrize(("options", "request_", "branch"), ROWS)
def test_a_row(options, request_, branch):
    assert went(Canary(MAIN, NEW, **options), request_)[0] == branch


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({}, 0.0),
        ({"weight": 30}, 0.3),
        ({"weight": 100}, 1.0),
        ({"weight": 30, "weight_total": 1000}, 0.03),
        ({"weight": 1000, "weight_total": 1000}, 1.0),
        ({"weight": 30, "weight_total": 50}, 0.3),  # a total below 100 is 100
    ],
)
def test_a_share_by_weight(options, share):
    state = Canary(MAIN, NEW, **options).start(Random(1))
    state.fold(lambda states: states[-1].name)
    counts = Counter()
    n = 5000
    for _ in range(n):
        call = Call(Door(), {}, 0.0)
        call.facts = {state: state.facts(call)}
        counts[state.pick(call, 0.0)] += 1
    bound = NormalDist().inv_cdf(1 - 1e-6 / 2) * (n * share * (1 - share)) ** 0.5
    assert abs(counts["new"] - n * share) <= bound  # false alarm 1e-6
    assert state.snapshot(0.0)["new"]["calls"] == counts["new"]


class Draws:
    """A generator that draws what it is told."""

    def __init__(self, *numbers):
        self.random = iter(numbers).__next__


def test_a_draw_from_one_to_the_total():
    state = Canary(MAIN, NEW, weight=10).start(Draws(0.0, 0.0999, 0.1, 0.9999))
    state.fold(lambda states: states[-1].name)
    drawn = []
    for _ in range(4):
        call = Call(Door(), {}, 0.0)
        call.facts = {state: state.facts(call)}
        drawn.append((call.facts[state].point, state.pick(call, 0.0)))
    assert drawn == [(1, "new"), (10, "new"), (11, "main"), (100, "main")]


def test_affinity_is_told_once():
    for options, request, told in (
        (AFFINITY | ALWAYS, {}, "canary"),
        (AFFINITY | NEVER, {}, "main"),
        (AFFINITY | NEVER | HEADER, h("always"), "canary"),
        (AFFINITY | NEVER, s("nonsense"), "main"),
    ):
        _, cookies = went(Canary(MAIN, NEW, **options), request)
        assert cookies == [("INGRESSCOOKIE", told, "Path=/; HttpOnly; SameSite=Lax")]
        assert went(Canary(MAIN, NEW, **options), s(told))[1] is None
    assert went(Canary(MAIN, NEW, **LEGACY, **ALWAYS), {})[1] is None


def test_through_a_client():
    branch = Branch(NEW, actions=[RequestHeaders(set={"x-stage": "canary"})])
    pipeline = Pipeline(Canary(MAIN, branch, header="x-canary", affinity="stage", name="shop"), seed=1)

    def servers(request):
        return httpx.Response(200, json=[request.url.host, request.headers.get("x-stage", "")])

    told = []
    pipeline.listen(lambda event: told.append(event) if isinstance(event, StateChanged) else None, direct=True)
    with httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(servers))) as client:
        assert client.get("http://shop/", headers={"x-canary": "always"}).json() == ["new", "canary"]
        assert client.get("http://shop/").json() == ["new", "canary"]  # it has the cookie now
        client.cookies.clear()
        assert client.get("http://shop/").json() == ["main", ""]
        client.cookies.clear()
        pipeline.control("shop").weigh({"new": 100})
        assert client.get("http://shop/").json() == ["new", "canary"]
    assert [(each.policy, each.before, each.after) for each in told] == [("shop", "new 0 of 100", "new 100 of 100")]
    shown = pipeline.snapshot()["shop"]
    assert (shown["main"]["calls"], shown["new"]["calls"], shown["new"]["weight"]) == (1, 3, 100)
    for wrong in ({"new": 5, "main": 95}, {"new": 5, "other": 1}, {"new": 101}, {"new": 1.5}, {"new": True}):
        with pytest.raises(ConfigError, match="shop: weigh="):
            pipeline.control("shop").weigh(wrong)
    assert pipeline.snapshot()["shop"]["new"]["weight"] == 100


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"header": "x canary"}, "header='x canary': give the name of a header field"),
        ({"header_value": "beta"}, "header_value='beta': say with header= of which header field"),
        ({"header_pattern": "beta"}, "header_pattern='beta': say with header="),
        ({**HEADER, "header_value": ""}, "header_value='': give a text"),
        ({**HEADER, "header_pattern": "("}, r"header_pattern='\(': this is no regular expression"),
        ({"cookie": "a b"}, "cookie='a b': give a name of letters"),
        ({"weight": 101}, "weight=101: give a weight up to weight_total, 100"),
        ({"weight": -1}, "weight=-1: give a whole number"),
        ({"weight": 1.5}, "weight=1.5: give a whole number"),
        ({"weight_total": 0}, "weight_total=0: give a whole number"),
        ({"affinity": 7}, "affinity=7: give a name, or Cookie"),
        ({"affinity_behavior": "none"}, "affinity_behavior='none': write one of 'sticky', 'legacy'"),
    ],
)
def test_what_cannot_be(options, said):
    with pytest.raises(ConfigError, match=said):
        Canary(MAIN, NEW, **options)


def test_what_a_branch_may_be():
    with pytest.raises(ConfigError, match="Branch: to='new'"):
        Canary(MAIN, "new")
    with pytest.raises(ConfigError, match="the name stands twice"):
        Canary(Branch(MAIN, name="x"), Branch(NEW, name="x"))
    assert Canary(MAIN, MAIN).start(Random(1)).titles == ["main", "main 2"]


def test_the_laws():
    check(
        lambda: Canary(MAIN, NEW, header="x-canary", weight=30),
        requests=[h("always"), h("never"), h(None)],
        examples=10,
    )
