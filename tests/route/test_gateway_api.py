"""The rules of the Gateway API's HTTPRoute, row by row.

Sources: gateway-api, apis/v1/httproute_types.go (precedence, ``ReplacePrefixMatch``, redirects, header modifiers),
gateway_types.go (hostnames); the conformance tests whose names stand above their rows, which are written anew here.
"""

from __future__ import annotations

import httpx
import pytest

from meshkit import Cluster, DeadlineExceeded, Endpoint, NoEndpoint, Pipeline, Timeout
from meshkit.httpx import MeshTransport
from meshkit.route.answer import Redirect
from meshkit.route.edit import RequestHeaders, ResponseHeaders
from meshkit.route.hosts import intersection
from meshkit.route.match import Match
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.value import Value
from meshkit.testing import ManualClock

from .asking import chosen, decided, sent


def routes(*matches):
    """A route for each match, or list of matches, named by its number."""
    return Router([Route(each, name=str(number)) for number, each in enumerate(matches)])


PRECEDENCE = {
    "an exact path beats a prefix of the same text": (
        [Match(prefix="/a/b"), Match(path="/a/b")],
        ("http://x/a/b",),
        1,
    ),
    "the longer prefix beats the order": ([Match(prefix="/a"), Match(prefix="/a/b")], ("http://x/a/b/c",), 1),
    "a longer prefix beats method and fields": (
        [Match(prefix="/a", method="GET", headers={"x": "1", "y": "2"}), Match(prefix="/a/b")],
        ("http://x/a/b", "GET", {"x": "1", "y": "2"}),
        1,
    ),
    "a method beats any number of fields": (
        [Match(prefix="/", headers={"x": "1", "y": "2", "z": "3"}), Match(prefix="/", method="GET")],
        ("http://x/", "GET", {"x": "1", "y": "2", "z": "3"}),
        1,
    ),
    "more fields win": (
        [Match(headers={"x": "1"}), Match(headers={"x": "1", "y": "2"})],
        ("http://x/", "GET", {"x": "1", "y": "2"}),
        1,
    ),
    "one field beats two parameters": (
        [Match(query={"a": "1", "b": "2"}), Match(headers={"x": "1"})],
        ("http://x/?a=1&b=2", "GET", {"x": "1"}),
        1,
    ),
    "more parameters win": (
        [Match(query={"a": "1"}), Match(query={"a": "1", "b": "2"})],
        ("http://x/?a=1&b=2",),
        1,
    ),
    "of equals the first": (
        [Match(headers={"x": "1"}), Match(headers={"y": "1"})],
        ("http://x/", "GET", {"x": "1", "y": "1"}),
        0,
    ),
    "an exact host beats a wildcard, whatever the path": (
        [Match(host="*.shop.example", path="/a"), Match(host="www.shop.example")],
        ("http://www.shop.example/a",),
        1,
    ),
    "the longer wildcard wins": (
        [Match(host="*.example"), Match(host="*.shop.example")],
        ("http://www.shop.example/",),
        1,
    ),
    "a wildcard beats any host": ([Match(path="/a"), Match(host="*.example")], ("http://www.example/a",), 1),
    "where the nearer host has no match, the wider one is asked": (
        [Match(host="www.shop.example", path="/b"), Match(host="*.example", path="/a"), Match()],
        ("http://www.shop.example/a",),
        1,
    ),
    "several matches are each as narrow as they are": (
        [[Match(prefix="/a"), Match(prefix="/a/b/c")], Match(prefix="/a/b")],
        ("http://x/a/b/c",),
        0,
    ),
    "and the others of that route not": (
        [[Match(prefix="/a"), Match(prefix="/a/b/c")], Match(prefix="/a/b")],
        ("http://x/a/b/d",),
        1,
    ),
    "cookies count as fields do": (
        [Match(headers={"x": "1"}), Match(cookies={"a": "1"}, headers={"x": "1"})],
        ("http://x/", "GET", {"x": "1", "cookie": "a=1"}),
        1,
    ),
    "what the API does not know comes after what it knows": (
        [Match(when=lambda call: True, scheme="http"), Match(query={"a": "1"})],
        ("http://x/?a=1",),
        1,
    ),
    "an expression stands by what it begins with": (
        [Match(prefix="/a"), Match(regex="/a/[0-9]+"), Match(prefix="/a/1/b")],
        ("http://x/a/1",),
        1,
    ),
    "a prefix comes before an expression that begins with as much": (
        [Match(regex="/a/.*"), Match(prefix="/a/b")],
        ("http://x/a/b/c",),
        1,
    ),
}


@pytest.mark.parametrize("name", PRECEDENCE)
def test_precedence(name):
    matches, request, number = PRECEDENCE[name]
    assert chosen(routes(*matches), *request) == str(number)


@pytest.mark.parametrize("name", PRECEDENCE)
def test_precedence_is_none_of_the_order_but_for_equals(name):
    matches, request, number = PRECEDENCE[name]
    if name != "of equals the first":
        assert chosen(routes(*reversed(matches)), *request) == str(len(matches) - 1 - number)


def test_a_priority_stands_above_all_of_it():
    high = Route(Match(host="*.example"), priority=1, name="high")
    assert chosen(Router([Route(Match(host="a.example", path="/x"), name="low"), high]), "http://a.example/x") == "high"
    last = Route(Match(host="a.example", path="/x"), priority=-1, name="last")
    assert chosen(Router([last, Route(name="first")]), "http://a.example/x") == "first"


@pytest.mark.parametrize(
    ("request_path", "prefix", "other", "path"),
    [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/foo/bar", "/", "/xyz", "/xyz/foo/bar"),
    ],
)
def test_replace_prefix_match(request_path, prefix, other, path):
    router = Router([Route(Match(prefix=prefix), actions=[Rewrite(prefix=other)])])
    assert decided(router, f"http://x{request_path}").path == path


@pytest.mark.parametrize(
    ("listener", "route", "both"),
    [
        ("*.example.com", "foo.example.com", "foo.example.com"),
        ("foo.example.com", "*.example.com", "foo.example.com"),
        ("*.example.com", "*.foo.example.com", "*.foo.example.com"),
        ("*.foo.example.com", "*.example.com", "*.foo.example.com"),
        ("*.example.com", "example.com", ""),
        ("example.com", "*.example.com", ""),
        ("foo.example.com", "bar.example.com", ""),
        (None, "foo.example.com", "foo.example.com"),
        ("foo.example.com", None, "foo.example.com"),
        ("*.example.com", "a.b.example.com", "a.b.example.com"),
        ("*.foo.com", "*.bar.com", ""),
        (None, None, "*"),
        ("*", "*.foo.com", "*.foo.com"),
        ("*.foo.com", "*.foo.com", "*.foo.com"),
        ("*.oo.com", "foo.com", ""),
        ("shop.*", "shop.example", "shop.example"),
        ("shop.*", "*.shop.example", ""),
        ("*.example", "shop.*", ""),
        ("www.*", "www.shop.*", "www.shop.*"),
    ],
)
def test_hostname_intersection(listener, route, both):
    assert intersection(listener, route) == both


@pytest.mark.parametrize(
    ("url", "options", "location"),
    [
        # httproute_types.go, HTTPRequestRedirectFilter.port, and HTTPRouteRedirectPortAndScheme
        ("http://example.org/a", {}, "http://example.org/a"),
        ("http://example.org:80/a", {}, "http://example.org/a"),
        ("http://example.org:8080/a", {}, "http://example.org:8080/a"),
        ("https://example.org:443/a", {}, "https://example.org/a"),
        ("http://example.org:8080/a", {"scheme": "https"}, "https://example.org/a"),
        ("http://example.org/a", {"scheme": "https", "port": 8443}, "https://example.org:8443/a"),
        ("https://example.org/a", {"scheme": "http"}, "http://example.org/a"),
        ("http://example.org/a", {"port": 80}, "http://example.org/a"),
        ("http://example.org/a", {"port": 8080}, "http://example.org:8080/a"),
        ("http://example.org/a", {"scheme": "https", "port": 443}, "https://example.org/a"),
        ("http://example.org:8080/a", {"port": 80}, "http://example.org/a"),
        ("https://example.org/a", {"port": 443}, "https://example.org/a"),
        ("https://example.org/a", {"port": 8443}, "https://example.org:8443/a"),
        ("https://example.org/a", {"scheme": "http", "port": 80}, "http://example.org/a"),
        ("https://example.org/a", {"scheme": "http", "port": 8080}, "http://example.org:8080/a"),
        # HTTPRouteRedirectHostAndStatus
        ("http://a/hostname-redirect", {"host": "example.org"}, "http://example.org/hostname-redirect"),
        # HTTPRouteRedirectPath
        ("http://a/original/lemon", {"prefix": "/replacement"}, "http://a/replacement/lemon"),
        ("http://a/original/lemon", {"path": "/full"}, "http://a/full"),
        ("http://a/original", {"prefix": "/r", "host": "example.org"}, "http://example.org/r"),
        ("http://a/original", {"path": "/r", "host": "example.org"}, "http://example.org/r"),
        ("http://a/original/?q=1&r=%20", {"scheme": "https"}, "https://a/original/?q=1&r=%20"),
    ],
)
def test_where_a_redirect_leads(url, options, location):
    router = Router([Route(Match(prefix="/original"), Redirect(**options)), Route(to=Redirect(**options))])
    _, response = sent(router, url)
    assert response.status_code == 302
    assert response.headers["location"] == location


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_status_of_a_redirect(status):
    """HTTPRouteRedirectHostAndStatus, HTTPRoute303Redirect, 307, 308."""
    assert sent([Route(to=Redirect(scheme="https", status=status))], "http://a/")[1].status_code == status


CONFORMANCE = {
    "HTTPRouteExactPathMatching": (
        [Match(path="/one"), Match(path="/two")],
        [
            (("http://x/one",), "0"),
            (("http://x/two",), "1"),
            (("http://x/",), 404),
            (("http://x/one/example",), 404),
            (("http://x/two/",), 404),
            (("http://x/Two",), 404),
        ],
    ),
    "HTTPRouteMatching": (
        [
            [Match(prefix="/"), Match(headers={"version": "one"})],
            [Match(prefix="/v2"), Match(headers={"version": "two"})],
        ],
        [
            (("http://x/",), "0"),
            (("http://x/example",), "0"),
            (("http://x/", "GET", {"Version": "one"}), "0"),
            (("http://x/v2",), "1"),
            (("http://x/v2/example",), "1"),
            (("http://x/", "GET", {"Version": "two"}), "1"),
            (("http://x/v2/",), "1"),
            (("http://x/v2example",), "0"),
            (("http://x/foo/v2/example",), "0"),
        ],
    ),
    "HTTPRouteMatchingAcrossRoutes": (
        [
            [
                Match(host=["example.com", "example.net"], prefix="/"),
                Match(host=["example.com", "example.net"], headers={"version": "one"}),
            ],
            [Match(host="example.com", prefix="/v2"), Match(host="example.com", headers={"version": "two"})],
        ],
        [
            (("http://example.com/",), "0"),
            (("http://example.com/example",), "0"),
            (("http://example.net/example",), "0"),
            (("http://example.com/example", "GET", {"Version": "one"}), "0"),
            (("http://example.com/v2",), "1"),
            (("http://example.net/v2",), "0"),
            (("http://example.com/v2/example",), "1"),
            (("http://example.com/", "GET", {"Version": "two"}), "1"),
        ],
    ),
    "HTTPRouteHeaderMatching": (
        [
            Match(headers={"version": "one"}),
            Match(headers={"version": "two"}),
            Match(headers={"version": "two", "color": "orange"}),
            [Match(headers={"color": "blue"}), Match(headers={"color": "green"})],
            [Match(headers={"color": "red"}), Match(headers={"color": "yellow"})],
        ],
        [
            (("http://x/", "GET", {"Version": "one"}), "0"),
            (("http://x/", "GET", {"Version": "two"}), "1"),
            (("http://x/", "GET", {"Version": "two", "Color": "orange"}), "2"),
            (("http://x/", "GET", {"Version": "two", "Color": "blue"}), "1"),
            (("http://x/", "GET", {"Color": "orange"}), 404),
            (("http://x/", "GET", {"Some-Other-Header": "one"}), 404),
            (("http://x/", "GET", {"Color": "blue"}), "3"),
            (("http://x/", "GET", {"Color": "green"}), "3"),
            (("http://x/", "GET", {"Color": "red"}), "4"),
            (("http://x/", "GET", {"Color": "yellow"}), "4"),
            (("http://x/", "GET", {"Color": "purple"}), 404),
        ],
    ),
    "HTTPRouteQueryParamMatching": (
        [
            Match(query={"animal": "whale"}),
            Match(query={"animal": "dolphin"}),
            Match(query={"animal": "dolphin", "color": "blue"}),
            Match(query={"ANIMAL": "Whale"}),
            Match(prefix="/path1", query={"animal": "whale"}),
            Match(headers={"version": "one"}, query={"animal": "whale"}),
            Match(prefix="/path2", headers={"version": "two"}, query={"animal": "whale"}),
            [
                Match(prefix="/path3", query={"animal": "shark"}),
                Match(prefix="/path4", headers={"version": "three"}, query={"animal": "kraken"}),
            ],
            [Match(prefix="/path5"), Match(headers={"version": "four"})],
            Match(query={"animal": "hydra"}),
        ],
        [
            (("http://x/?animal=whale",), "0"),
            (("http://x/?animal=dolphin",), "1"),
            (("http://x/?animal=dolphin&color=blue",), "2"),
            (("http://x/?ANIMAL=Whale",), "3"),
            (("http://x/?animal=whale&otherparam=irrelevant",), "0"),
            (("http://x/?animal=dolphin&color=yellow",), "1"),
            (("http://x/?color=blue",), 404),
            (("http://x/?animal=dog",), 404),
            (("http://x/?animal=whaledolphin",), 404),
            (("http://x/",), 404),
            (("http://x/path1?animal=whale",), "4"),
            (("http://x/?animal=whale", "GET", {"version": "one"}), "5"),
            (("http://x/path2?animal=whale", "GET", {"version": "two"}), "6"),
            (("http://x/path3?animal=shark",), "7"),
            (("http://x/path4?animal=kraken", "GET", {"version": "three"}), "7"),
            (("http://x/?animal=shark",), 404),
            (("http://x/path4?animal=kraken",), 404),
            (("http://x/path5?animal=hydra",), "8"),
            (("http://x/?animal=hydra", "GET", {"version": "four"}), "8"),
            (("http://x/?animal=hydra",), "9"),
        ],
    ),
    "HTTPRouteMethodMatching": (
        [
            Match(method="POST"),
            Match(method="GET"),
            Match(prefix="/path1", method="GET"),
            Match(headers={"version": "one"}, method="PUT"),
            Match(prefix="/path2", headers={"version": "two"}, method="POST"),
            [
                Match(prefix="/path3", method="PATCH"),
                Match(prefix="/path4", headers={"version": "three"}, method="DELETE"),
            ],
            Match(prefix="/path5"),
            Match(headers={"version": "four"}, method="PATCH"),
            Match(headers={"version": "four"}),
        ],
        [
            (("http://x/", "POST"), "0"),
            (("http://x/", "GET"), "1"),
            (("http://x/", "HEAD"), 404),
            (("http://x/path1", "GET"), "2"),
            (("http://x/", "PUT", {"version": "one"}), "3"),
            (("http://x/path2", "POST", {"version": "two"}), "4"),
            (("http://x/path3", "PATCH"), "5"),
            (("http://x/path4", "DELETE", {"version": "three"}), "5"),
            (("http://x/", "PUT"), 404),
            (("http://x/path4", "DELETE"), 404),
            (("http://x/path5", "PATCH"), "6"),
            (("http://x/", "PATCH", {"version": "four"}), "7"),
            (("http://x/", "DELETE", {"version": "four"}), "8"),
            (("http://x/", "get"), 404),
        ],
    ),
    "HTTPRouteListenerHostnameMatching": (
        [Match(host="bar.com"), Match(host="foo.bar.com"), Match(host=["*.bar.com", "*.foo.com"])],
        [
            (("http://bar.com/",), "0"),
            (("http://foo.bar.com/",), "1"),
            (("http://baz.bar.com/",), "2"),
            (("http://boo.bar.com/",), "2"),
            (("http://multiple.prefixes.bar.com/",), "2"),
            (("http://multiple.prefixes.foo.com/",), "2"),
            (("http://foo.com/",), 404),
            (("http://no.matching.host/",), 404),
        ],
    ),
}


@pytest.mark.parametrize("name", CONFORMANCE)
def test_conformance(name):
    matches, rows = CONFORMANCE[name]
    router = routes(*matches)
    assert [chosen(router, *request) for request, _ in rows] == [number for _, number in rows]


def test_hostname_intersection_of_listeners_and_routes():
    """HTTPRouteHostnameIntersection: a route is for what its own hosts have in common with a listener's."""
    listeners = ["very.specific.com", "*.wildcard.io", "*.anotherwildcard.io"]
    hosts = {
        "/s1": ["non.matching.com", "*.nonmatchingwildcard.io", "very.specific.com"],
        "/s2": ["non.matching.com", "wildcard.io", "foo.wildcard.io", "bar.wildcard.io", "foo.bar.wildcard.io"],
        "/s3": ["non.matching.com", "*.specific.com"],
        "/s4": ["*.anotherwildcard.io"],
        "/s5": ["specific.but.wrong.com", "wildcard.io"],
    }
    found = []
    for prefix, those in hosts.items():
        both = [intersection(listener, host) for listener in listeners for host in those]
        if any(both):
            found.append(Route(Match(host=[each for each in both if each], prefix=prefix), name=prefix))
    router = Router(found)
    served = {
        "/s1": ["very.specific.com", "very.specific.com:1234"],
        "/s2": ["foo.wildcard.io", "bar.wildcard.io", "foo.bar.wildcard.io"],
        "/s3": ["very.specific.com"],
        "/s4": ["foo.anotherwildcard.io", "bar.anotherwildcard.io", "foo.bar.anotherwildcard.io"],
        "/s5": [],
    }
    asked = {*listeners, *(host for those in (*hosts.values(), *served.values()) for host in those)} | {
        *("foo.nonmatchingwildcard.io", "foo.specific.com", "anotherwildcard.io")
    }
    for prefix, those in served.items():
        for host in sorted(host for host in asked if "*" not in host):
            expected = prefix if host in those or host.partition(":")[0] in those else 404
            assert chosen(router, f"http://{host}{prefix}") == expected, (host, prefix)
            assert chosen(router, f"http://{host}/non-matching-prefix") == 404


MODIFIERS = [
    RequestHeaders(
        set={"X-Header-Set": "set-overwrites-values"},
        add={"X-Header-Add": "header-val-1", "X-Header-Add-Append": "header-val-2"},
        remove=["X-Header-Remove"],
    )
]
REWRITES = Router(
    [
        Route(Match(prefix="/one"), actions=[Rewrite(host="one.example.org")]),
        Route(actions=[Rewrite(host="example.org")]),
        Route(Match(prefix="/modify"), actions=[Rewrite(host="test.example.org"), *MODIFIERS]),
        Route(Match(prefix="/prefix/one"), actions=[Rewrite(prefix="/one")]),
        Route(Match(prefix="/strip-prefix"), actions=[Rewrite(prefix="/")]),
        Route(Match(prefix="/full/one"), actions=[Rewrite(path="/one")]),
        Route(Match(prefix="/full/modify"), actions=[Rewrite(path="/test"), *MODIFIERS]),
        Route(Match(prefix="/prefix/modify"), actions=[Rewrite(prefix="/prefix"), *MODIFIERS]),
    ]
)
MODIFIED = {
    "x-header-add": "header-val-1",
    "x-header-add-append": "append-val-1, header-val-2",
    "x-header-set": "set-overwrites-values",
}


@pytest.mark.parametrize(
    ("url", "there", "fields"),
    [
        # HTTPRouteRewriteHost
        ("http://rewrite.example/one", "http://one.example.org/one", {}),
        ("http://rewrite.example/two", "http://example.org/two", {}),
        ("http://rewrite.example/modify", "http://test.example.org/modify", MODIFIED),
        # HTTPRouteRewritePath
        ("http://x/prefix/one/two", "http://x/one/two", {}),
        ("http://x/strip-prefix/three", "http://x/three", {}),
        ("http://x/full/one/two", "http://x/one", {}),
        ("http://x/full/modify/test", "http://x/test", MODIFIED),
        ("http://x/prefix/modify/one?q=1", "http://x/prefix/one?q=1", MODIFIED),
    ],
)
def test_rewriting(url, there, fields):
    headers = {"X-Header-Remove": "remove-val", "X-Header-Add-Append": "append-val-1", "X-Header-Set": "set-val"}
    request, _ = sent(REWRITES, url, headers=headers)
    assert str(request.url) == there
    assert request.headers["host"] == request.url.netloc.decode()
    for name, value in fields.items():
        assert request.headers[name] == value
    assert ("x-header-remove" in request.headers) == (not fields)


@pytest.mark.parametrize(
    ("edit", "given", "expected"),
    [
        # HTTPRouteRequestHeaderModifier, HTTPRouteResponseHeaderModifier
        ({"set": {"X-Header-Set": "new"}}, {"Other": "val"}, {"other": "val", "x-header-set": "new"}),
        (
            {"set": {"X-Header-Set": "new"}},
            {"Other": "val", "X-Header-Set": "old"},
            {"other": "val", "x-header-set": "new"},
        ),
        ({"add": {"X-Header-Add": "more"}}, {"Other": "val"}, {"other": "val", "x-header-add": "more"}),
        ({"add": {"X-Header-Add": "more"}}, {"X-Header-Add": "some"}, {"x-header-add": "some, more"}),
        ({"remove": ["X-Header-Remove"]}, {"X-Header-Remove": "val"}, {}),
        (
            {
                "set": {"X-Header-Set-1": "set-1", "X-Header-Set-2": "set-2"},
                "add": {"X-Header-Add-1": "add-1", "X-Header-Add-2": "add-2", "X-Header-Add-3": "add-3"},
                "remove": ["X-Header-Remove-1", "X-Header-Remove-2"],
            },
            {
                "X-Header-Set-2": "set-val-2",
                "X-Header-Add-2": "add-val-2",
                "X-Header-Remove-2": "remove-val-2",
                "Another-Header": "another",
            },
            {
                "another-header": "another",
                "x-header-set-1": "set-1",
                "x-header-set-2": "set-2",
                "x-header-add-1": "add-1",
                "x-header-add-2": "add-val-2, add-2",
                "x-header-add-3": "add-3",
            },
        ),
        (
            {"set": {"X-Header-Set": "set"}, "add": {"X-Header-Add": "add"}, "remove": ["X-Header-Remove"]},
            {"x-header-set": "old", "x-header-add": "old", "x-header-remove": "old", "another-header": "another"},
            {"x-header-set": "set", "x-header-add": "old, add", "another-header": "another"},
        ),
    ],
)
def test_header_modifiers(edit, given, expected):
    usual = {"accept", "accept-encoding", "connection", "host", "user-agent"}
    request, response = sent(
        [Route(actions=[RequestHeaders(**edit), ResponseHeaders(**edit)])], "http://x/", headers=given, answer=given
    )
    assert {name: value for name, value in request.headers.items() if name not in usual} == expected
    assert dict(response.headers) == expected


def test_statuses():
    """No route is for the host or the path: 404. Nobody can be asked: refused, nothing was sent. It takes too long."""
    assert chosen(Router([]), "http://x/") == 404
    assert chosen(Router([Route(Match(host="a"))]), "http://b/") == 404
    with pytest.raises(NoEndpoint):
        sent([Route(to=Cluster("drained", [Endpoint("10.0.0.1:80", weight=0)]))], "http://x/")
    clock = ManualClock()

    def slow(request):
        clock.advance(3.0)
        raise httpx.ReadTimeout("too late")

    pipeline = Pipeline(Router([Route(policies=[Timeout(2.0)])]), clock=clock)
    with pytest.raises(DeadlineExceeded):
        MeshTransport(pipeline, httpx.MockTransport(slow)).handle_request(httpx.Request("GET", "http://x/"))


FACTS = {
    "a prefix is of whole elements": (
        Match(prefix="/abc"),
        [("http://x/abc", True), ("http://x/abc/", True), ("http://x/abc/def", True), ("http://x/abcd", False)],
    ),
    "a slash at a prefix' end says nothing": (
        Match(prefix="/abc/"),
        [("http://x/abc", True), ("http://x/abc/", True), ("http://x/abc/def", True), ("http://x/abcd", False)],
    ),
    "case counts in paths": (Match(prefix="/abc"), [("http://x/Abc", False), ("http://x/ABC/def", False)]),
    "no match at all is a prefix of /": (Match(), [("http://x/", True), ("http://x/a?b=c", True)]),
    "the first of a parameter counts": (
        Match(query={"a": "1"}),
        [("http://x/?a=1&a=2", True), ("http://x/?a=2&a=1", False)],
    ),
    "case counts in the names of parameters": (Match(query={"a": "1"}), [("http://x/?A=1", False)]),
    "ports are no part of a host": (Match(host="x"), [("http://x:8080/", True)]),
    "nor is case, nor a dot at its end": (Match(host="Shop.Example."), [("http://SHOP.example./", True)]),
    "a wildcard is never for the bare domain": (
        Match(host="*.example"),
        [
            ("http://example/", False),
            ("http://a.example/", True),
            ("http://a.b.example/", True),
            ("http://aexample/", False),
        ],
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_facts(name):
    match, rows = FACTS[name]
    assert [(url, chosen(routes(match), url) == "0") for url, _ in rows] == rows


def test_names_of_fields_have_no_case_and_values_have():
    router = routes(Match(headers={"X-Version": "One"}))
    assert chosen(router, "http://x/", "GET", {"x-version": "One"}) == "0"
    assert chosen(router, "http://x/", "GET", {"X-VERSION": "one"}) == 404


def test_conditions_are_and_matches_are_or():
    router = routes([Match(prefix="/a", headers={"x": "1"}), Match(prefix="/b", query={"q": Value(present=True)})])
    assert chosen(router, "http://x/a", "GET", {"x": "1"}) == "0"
    assert chosen(router, "http://x/b?q=") == "0"
    assert chosen(router, "http://x/a?q=") == chosen(router, "http://x/b", "GET", {"x": "1"}) == 404
