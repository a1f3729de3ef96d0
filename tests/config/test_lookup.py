"""What becomes of a request is told without sending it, and as it would be."""

from __future__ import annotations

import pytest

from meshkit import Cluster, ConfigError
from meshkit.config.lookup import Lookup, Request
from meshkit.route.answer import Redirect, Respond
from meshkit.route.branch import Branch
from meshkit.route.canary import Canary
from meshkit.route.cors import Cors
from meshkit.route.edit import RequestHeaders
from meshkit.route.match import Match
from meshkit.route.rewrite import Rewrite
from meshkit.route.rollout import Rollout
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Split
from meshkit.shared import Shared

ORDERS, V2 = Cluster("orders", ["10.0.0.1:80"]), Cluster("v2", ["10.0.0.2:80"])


def lookup(*routes, **options):
    return Lookup(Router(routes, **options))


def find(url, *routes, method="GET", **options):
    return lookup(*routes).find(Request(method, url, **options), reasons=True)


@pytest.mark.parametrize(
    ("route", "url", "told"),
    [
        (Route(to=ORDERS), "http://a/b?c=d", ("cluster orders", "a", "/b?c=d", None, None)),
        (Route(to=Shared(ORDERS)), "http://a", ("cluster orders", "a", "/", None, None)),
        (Route(to=[ORDERS]), "http://A./b%41", ("cluster orders", "a", "/bA", None, None)),
        (Route(), "http://a/b", ("where it was going", "a", "/b", None, None)),
        (Route(to=len), "http://a/b", ("function", "a", "/b", None, None)),
        (Route(to=Respond(410)), "http://a/b", ("a direct answer", "a", "/b", 410, None)),
        (Route(to=Redirect(scheme="https")), "http://a/b?c", ("a redirect", "a", "/b?c", 302, "https://a/b?c")),
        (Route(to=Redirect(path="/x")), "http://a:81/b", ("a redirect", "a", "/x", 302, "http://a:81/x")),
        (
            Route(Match(prefix="/b"), Redirect(prefix="/x", host="y")),
            "http://a/b/c",
            ("a redirect", "y", "/x/c", 302, "http://y/x/c"),
        ),
        (Route(to=Shared(Respond(404))), "http://a/b", ("a direct answer", "a", "/b", 404, None)),
        (
            Route(Match(prefix="/b"), ORDERS, actions=[Rewrite(prefix="/x", host="inner")]),
            "http://a/b/c?d",
            ("cluster orders", "inner", "/x/c?d", None, None),
        ),
        (Route(to=ORDERS), "http://[::1]:80/b", ("cluster orders", "::1", "/b", None, None)),
    ],
)
def test_where_it_goes(route, url, told):
    found = find(url, route)
    assert (found.to, found.host, found.path, found.status, found.location) == told
    assert found.route is route


@pytest.mark.parametrize(
    ("url", "status", "reason"),
    [
        ("http://a/b", 404, "no route for GET a/b"),
        ("http://x/../..", 400, "the path is refused: a dot segment above the root"),
        ("http://x/%00", 400, "the path is refused: an encoded control character"),
        ("http://x/" + "a" * 9000, 414, "the path is refused: too long"),
        ("http://x_y~/", 400, "the host is refused: a character that no host has"),
    ],
)
def test_nobody_has_it(url, status, reason):
    found = find(url, Route(Match(host="x"), ORDERS))
    assert (found.route, found.status, found.reason, found.name) == (None, status, reason, "")
    assert [each.why for each in found.missed] == (["host is a, not x"] if status == 404 else [])


def test_why_the_others_do_not_have_it_the_nearest_first():
    routes = [
        Route(Match(host="b", path="/q", method="PUT"), name="far"),
        Route(Match(host="a"), ORDERS, name="wide"),
        Route(Match(host="a", prefix="/x/y"), ORDERS, name="it"),
        Route(Match(host="a", prefix="/x/z"), ORDERS, name="near"),
        Route([Match(host="a", path="/q"), Match(host="a", prefix="/x/y", method="GET")], ORDERS, name="either"),
        Route(Match(host="a", prefix="/x"), ORDERS, name="shorter"),
    ]
    found = find("http://a/x/y/1", *routes, method="POST")
    assert found.name == "it"
    assert [(str(each.route), each.why, each.matches) for each in found.missed] == [
        ("shorter", "it matches, but comes later: /x is shorter than /x/y", True),
        ("wide", "it matches, but comes later: / is shorter than /x/y", True),
        ("either", "method is POST, not GET", False),
        ("near", "path is /x/y/1, not below /x/z", False),
        ("far", "host is a, not b, path is /x/y/1, not /q, method is POST, not PUT", False),
    ]
    few = lookup(*routes).find(Request("POST", "http://a/x/y/1"), reasons=True, most=2)
    assert (len(few.missed), few.others) == (2, 3)
    assert lookup(*routes).find(Request("POST", "http://a/x/y/1")).missed == ()


def test_the_default_is_for_the_rest():
    found = lookup(Route(Match(host="b"), ORDERS), default=Route(to=V2, name="rest")).find(Request("GET", "http://a/"))
    assert found.name == "rest"


@pytest.mark.parametrize("order", ["envoy", "ingress-nginx"])
def test_other_orders(order):
    routes = Route(Match(host="a.b"), ORDERS, name="near"), Route(Match(host="*.b", path="/"), V2, name="wide")
    found = lookup(*routes, order=order).find(Request("GET", "http://a.b/"), reasons=True)
    assert found.name == "near"
    assert found.missed[0].why.endswith("its host *.b is wider than a.b, and only the nearest is asked")


def test_a_preflight_is_answered_by_the_route_that_it_asks_about():
    cors = Route(Match(host="a", method="PUT"), ORDERS, actions=[Cors("http://q")], name="put")
    router = Router([cors, Route(Match(host="a", method="GET"), V2, name="get")])
    asked = {"origin": "http://q", "access-control-request-method": "PUT"}
    request = Request("OPTIONS", "http://a/x", headers=asked)
    found = Lookup(router, served=True).find(request, reasons=True)
    assert (found.name, found.status, found.preflight) == ("put", 204, True)
    assert [each.why for each in found.missed] == ["method is PUT, not GET"]
    assert Lookup(router).find(request).status == 404  # a client's calls are not answered here
    plain = Request("OPTIONS", "http://a/x", headers={"origin": "http://q"})
    assert Lookup(router, served=True).find(plain).status == 404


# What is asked of a request.


@pytest.mark.parametrize(
    ("match", "request_", "holds"),
    [
        (Match(host="b"), Request("GET", "http://a/", headers={"Host": "b:8080"}), True),
        (Match(port=8080), Request("GET", "http://a/", headers={"Host": "b:8080"}), True),
        (Match(host="b"), Request("GET", "http://a/", headers={"Host": "b:x"}), False),
        (Match(host="[::1]"), Request("GET", "http://a/", headers={"Host": "[::1]:80"}), True),
        (Match(headers={"X-A": "1"}), Request("GET", "http://a/", headers={"x-a": "1"}), True),
        (Match(cookies={"a": "1"}), Request("GET", "http://a/", headers={"cookie": "b=2; a=1"}), True),
        (Match(query={"a": "ö"}), Request("GET", "http://a/?a=%C3%B6"), True),
        (Match(query={"a": "ö"}), Request("GET", "http://a/?a=ö"), True),
        (Match(path="/%C3%B6%20x"), Request("GET", "http://a/ö x"), True),
        (Match(source="10.0.0.0/8"), Request("GET", "http://a/", client="10.1.2.3"), True),
        (Match(source="10.0.0.0/8"), Request("GET", "http://a/", client="::ffff:10.1.2.3"), True),
        (Match(source="10.0.0.0/8"), Request("GET", "http://a/"), False),
        (Match(sni="shop"), Request("GET", "http://a/", facts={"sni": "shop"}), True),
        (Match(sni="shop"), Request("GET", "http://a/"), False),
        (Match(grpc="a.B/C"), Request("POST", "http://a/a.B/C", headers={"content-type": "application/grpc"}), True),
        (Match(when=lambda call: call.request.method == "GET"), Request("GET", "http://a/"), True),
        (Match(scheme="https", port=443), Request("GET", "https://a/"), True),
    ],
)
def test_what_is_asked_of_a_request(match, request_, holds):
    assert (lookup(Route(match, ORDERS)).find(request_).route is not None) == holds


def test_a_request_is_one():
    for options in (
        {"url": "orders/stock"},
        {"url": "://orders"},
        {"url": "http://a:b/"},
        {"url": "http://a:99999/"},
        {"url": "http://[::1/"},
        {"url": 7},
        {"method": "G T"},
        {"method": ""},
    ):
        with pytest.raises(ConfigError, match=r"Request: (url|method)="):
            Request(**{"method": "GET", "url": "http://a/", **options})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "GET"),
        ("scheme", "http"),
        ("host", "a"),
        ("origin", "http://a:81"),
        ("path", "/b"),
        ("uri", "/b?c=d"),
        ("client", "192.0.2.1"),
        ("client-network", "192.0.2.1/32"),
        ("query:c", "d"),
        ("state:x", None),
        ("user", None),
    ],
)
def test_what_is_known_of_it_by_name(name, value):
    match = Match(when=lambda call: call.door.fact(call, name) == value)
    assert lookup(Route(match)).find(Request("GET", "http://a:81/b?c=d", client="192.0.2.1")).route is not None


# What is split.


def shares(found):
    return {each.name: (round(each.share, 4), each.sure) for each in found.shares}


def test_shares():
    split = Split(Branch(ORDERS, 90), Branch(V2, 10), Branch(None, 0, name="off"))
    found = find("http://a/", Route(to=split))
    assert found.to == "split"
    assert shares(found) == {"orders": (0.9, False), "v2": (0.1, False), "off": (0, False)}
    assert [each.to for each in found.shares] == ["cluster orders", "cluster v2", "where it was going"]
    assert shares(find("http://a/", Route(to=Rollout(ORDERS, V2)))) == {"orders": (0.99, False), "v2": (0.01, False)}
    assert shares(find("http://a/", Route(to=Split(Branch(ORDERS, 0), Branch(V2, 0))))) == {
        "orders": (0, False),
        "v2": (0, False),
    }


def test_a_request_that_says_where_it_goes():
    canary = Route(to=Canary(ORDERS, Branch(V2, actions=[Rewrite(host="two")]), header="x-canary", weight=5))
    assert shares(find("http://a/", canary)) == {"orders": (0.95, False), "v2": (0.05, False)}
    found = find("http://a/", canary, headers={"x-canary": "always"})
    assert shares(found) == {"orders": (0.95, False), "v2": (0.05, True)}
    assert found.host == "two"
    assert shares(find("http://a/", canary, headers={"x-canary": "never"})) == {
        "orders": (0.95, True),
        "v2": (0.05, False),
    }
    by_cookie = Route(to=Canary(ORDERS, V2, cookie="beta", affinity="where"))
    assert shares(find("http://a/", by_cookie, headers={"cookie": "beta=always"}))["v2"] == (0, True)
    assert shares(find("http://a/", by_cookie, headers={"cookie": "where=canary"}))["v2"] == (0, True)


def test_a_session_goes_one_way():
    split = Route(to=Split(Branch(ORDERS, 50), Branch(V2, 50), sticky="header:x-user"))
    went = {
        name: next(each.name for each in find("http://a/", split, headers={"x-user": name}).shares if each.sure)
        for name in map(str, range(20))
    }
    assert {*went.values()} == {"orders", "v2"}
    assert not any(each.sure for each in find("http://a/", split).shares)
    made = Route(to=Split(Branch(ORDERS, 50), Branch(V2, 50), cookie="variant"))
    assert not any(each.sure for each in find("http://a/", made).shares)


def test_splits_within_splits():
    inner = Canary(Respond(200), Redirect(scheme="https"), header="x-canary")
    route = Route(to=Split(Branch(inner, 1, name="inner"), Branch(V2, 3), sticky="header:x-user"))
    found = find("http://a/b", route)
    assert [(each.name, each.share, len(each.ways)) for each in found.shares] == [("inner", 0.25, 2), ("v2", 0.75, 0)]
    assert found.status is None
    users = [{"x-user": str(each), "x-canary": "always"} for each in range(30)]
    ended = {(each.status, each.location) for each in (find("http://a/b", route, headers=user) for user in users)}
    assert ended == {(302, "https://a/b"), (None, None)}


def test_what_a_branch_does_is_told():
    branch = Branch(V2, actions=[RequestHeaders(set={"x-version": "2"})])
    [_, share] = find("http://a/", Route(to=Split(Branch(ORDERS), branch))).shares
    assert share.plan.request.come == ((b"x-version", b"2"),)


def test_finding_a_route_takes_a_time():
    assert 0 < lookup(Route(to=ORDERS)).seconds(Request("GET", "http://a/")) < 1
