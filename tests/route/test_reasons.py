"""What is said of a route that does not have a request agrees with what the router decides."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.call import Call
from meshkit.config.request import PAPER, Request
from meshkit.route.hosts import normal
from meshkit.route.match import Match
from meshkit.route.plan import Decision
from meshkit.route.reasons import comes_first, misses, standing
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import ORDERS, Router
from meshkit.route.value import Value

from .test_oracle import scene


def asked(router, order, request):
    """The rule that is taken, and those that match, in the order in which they stand."""
    call = Call(PAPER, request, 0.0)
    head = request.head()
    host, path = normal(head[2]), router.normal(head[4])
    found = [rule for rule in router.rules if not misses(rule, call, head, path, order)]
    found.sort(key=lambda rule: standing(rule, host, order, default=rule.route.name == "default"))
    decision = router.facts(call)
    return decision.rule if isinstance(decision, Decision) else None, found


@settings(max_examples=100)
@given(st.integers(0, 2**32))
def test_it_agrees_with_the_router(seed):
    draw = Random(seed)
    order = draw.choice([*ORDERS])
    several, requests = scene(draw)
    if order == "ingress-nginx":  # which has no such wildcard
        several = [each for each in several if not any("a.*" in match.host for match in each[0])]
    routes = [
        Route(those, actions=[Rewrite(path="/r")] if rewrites else [], priority=priority, name=str(number))
        for number, (those, priority, rewrites) in enumerate(several)
    ]
    default = Route(name="default") if draw.randrange(2) else None
    router = Router(routes, default=default, order=order).start(Random(1))
    for each in requests:
        port = f":{each['port']}" if each["port"] else ""
        query = "&".join(f"{name}={value}" for name, value in each["query"].items())
        fields = {**each["headers"], "cookie": "; ".join(f"{name}={value}" for name, value in each["cookies"].items())}
        request = Request(each["method"], f"http://{each['host']}{port}{each['path']}?{query}", headers=fields)
        rule, found = asked(router, order, request)
        if order == "gateway-api" or rule is not None:
            # Elsewhere only the nearest host is asked, and so perhaps none of those that match.
            assert (found[0] if found else None) is rule or (order != "gateway-api" and rule in found)
        for other in found:
            if rule is not None and other.route is not rule.route:
                assert comes_first(rule, other, each["host"], order, default=other.route is default)


@pytest.mark.parametrize(
    ("first", "other", "said"),
    [
        (Match(host="a.b"), Match(host="*.b"), "its host *.b is wider than a.b"),
        (Match(host="*.a.b"), Match(host=["*.b", "c"]), "its host *.b is wider than *.a.b"),
        (Match(host="*.b"), Match(), "its host * is wider than *.b"),
        (Match(path="/x"), Match(prefix="/x"), "/x is that very path"),
        (Match(prefix="/x/y"), Match(prefix="/x"), "/x is shorter than /x/y"),
        (Match(prefix="/x"), Match(regex="/x.*"), "a prefix comes before it"),
        (Match(method="GET"), Match(), "the other asks for a method"),
        (
            Match(headers={"x-a": "1"}, cookies={"b": True}),
            Match(headers={"x-a": "1"}),
            "it asks for fewer header fields and cookies, 1 to 2",
        ),
        (Match(query={"c": "1"}), Match(), "it asks for fewer query parameters, 0 to 1"),
        (Match(scheme="http"), Match(), "it asks for fewer other conditions, 0 to 1"),
        (Match(prefix="/x"), Match(prefix="/x"), "it stands further down"),
    ],
)
def test_why_another_one_comes_first(first, other, said):
    router = Router([Route(first, name="first"), Route(other, name="other")]).start(Random(1))
    fields = {"x-a": "1", "cookie": "b=2"}
    rule, found = asked(router, "gateway-api", Request("GET", "http://c.a.b/x/y?c=1", headers=fields))
    if rule is None or len(found) < 2:
        rule, found = asked(router, "gateway-api", Request("GET", "http://a.b/x?c=1", headers=fields))
    assert [each.route.name for each in found] == ["first", "other"]
    assert rule is found[0]
    assert comes_first(*found, "a.b" if "a.b" in first.host else "c.a.b") == said


def test_priorities_and_the_default():
    routes = [Route(Match(path="/"), name="exact"), Route(name="first", priority=3)]
    default = Route(name="default")
    router = Router(routes, default=default).start(Random(1))
    _, (first, exact, last) = asked(router, "gateway-api", Request("GET", "http://a/"))
    assert comes_first(first, exact, "a") == "the other's priority is 3, its own 0"
    assert comes_first(first, last, "a", default=True) == "it is for what no route matches"


def test_other_orders():
    routes = [Route(Match(host="a.b", prefix="/x"), name="one"), Route(Match(host="*.b", path="/x"), name="two")]
    for order in ("envoy", "ingress-nginx"):
        rule, found = asked(Router(routes, order=order).start(Random(1)), order, Request("GET", "http://a.b/x"))
        assert rule is found[0]
        assert comes_first(*found, "a.b", order) == "its host *.b is wider than a.b, and only the nearest is asked"
    routes = [Route(Match(prefix="/x"), name="one"), Route(Match(path="/x"), name="two")]
    _, found = asked(Router(routes, order="envoy").start(Random(1)), "envoy", Request("GET", "http://a/x"))
    assert [each.route.name for each in found] == ["one", "two"]
    assert comes_first(*found, "a", "envoy") == "it stands further down"
    routes = [Route(Match(regex=text), name=text) for text in ("/a[b]", "/a[c]", "/a..")]
    router = Router(routes, order="ingress-nginx").start(Random(1))
    _, found = asked(router, "ingress-nginx", Request("GET", "http://a/abc"))
    assert [each.text for each in found] == ["/a[b]", "/a.."]
    assert comes_first(*found, "a", "ingress-nginx") == "/a.. is shorter than /a[b]"


@pytest.mark.parametrize(
    ("match", "said"),
    [
        (Match(host="b"), ["host is a, not b"]),
        (Match(host=["b", "c", "d", "e", "f"]), ["host is a, not b or c or d or 2 more"]),
        (Match(path="/y"), ["path is /x, not /y"]),
        (Match(prefix="/y"), ["path is /x, not below /y"]),
        (Match(starts="/y"), ["path is /x, which does not begin with /y"]),
        (Match(regex="/[yz]"), ["path /x does not match /[yz]"]),
        (
            Match(grpc="a.B/C"),
            ["path is /x, not gRPC's /a.B/C", "method is GET, not POST", "header content-type is absent"],
        ),
        (Match(method=["PUT", "POST"]), ["method is GET, not POST or PUT"]),
        (Match(scheme="https"), ["scheme is http, not https"]),
        (Match(port=81), ["port is 80, not 81"]),
        (Match(headers={"x-a": "1"}), ["header x-a is '2', which is not what it asks for"]),
        (Match(headers={"x-b": "1"}), ["header x-b is absent"]),
        (Match(query={"q": "1"}), ["query q is absent"]),
        (Match(cookies={"c": Value(prefix="x")}), ["cookie c is absent"]),
        (Match(source="10.0.0.0/8"), ["client is '192.0.2.1', which is not what it asks for"]),
        (Match(when=lambda call: False), ["test_what_does_not_hold.<locals>.<lambda> says no"]),
        (Match(when=lambda call: call.request.scope), ["<lambda> raises AttributeError"]),
        (Match(host="b", path="/y"), ["host is a, not b", "path is /x, not /y"]),
        (Match(host="a", path="/x", method="GET"), []),
    ],
)
def test_what_does_not_hold(match, said):
    [rule] = Router([Route(match)]).start(Random(1)).rules
    request = Request("GET", "http://a/x", headers={"x-a": "2"}, client="192.0.2.1")
    found = misses(rule, Call(PAPER, request, 0.0), request.head(), "/x")
    assert [text.replace("test_what_does_not_hold.<locals>.", "") for text in found] == [
        text.replace("test_what_does_not_hold.<locals>.", "") for text in said
    ]
