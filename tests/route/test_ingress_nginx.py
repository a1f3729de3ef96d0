"""ingress-nginx' order of routes, row by row.

Sources: ingress-nginx, docs/user-guide/ingress-path-matching.md (its examples and its warning), annotations.md
(``use-regex``, ``rewrite-target``), controller/location.go, controller/template/template.go; nginx, ``location``; the
Kubernetes documentation of Ingress (path types, wildcards of hosts).
"""

from __future__ import annotations

import pytest

from meshkit import Cluster, ConfigError
from meshkit.route.answer import Redirect
from meshkit.route.match import Match
from meshkit.route.mirror import Mirror
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import Router

from .asking import chosen, decided


def ingress(*matches):
    return Router([Route(each, name=str(number)) for number, each in enumerate(matches)], order="ingress-nginx")


EXACT, PREFIX, SPECIFIC = "path", "prefix", "starts"

KUBERNETES = [
    # The table of path types in the documentation of Ingress.
    (PREFIX, ["/"], "/anything", "0"),
    (EXACT, ["/foo"], "/foo", "0"),
    (EXACT, ["/foo"], "/bar", 404),
    (EXACT, ["/foo"], "/foo/", 404),
    (EXACT, ["/foo/"], "/foo", 404),
    (PREFIX, ["/foo"], "/foo", "0"),
    (PREFIX, ["/foo"], "/foo/", "0"),
    (PREFIX, ["/foo/"], "/foo", "0"),
    (PREFIX, ["/foo/"], "/foo/", "0"),
    (PREFIX, ["/aaa/bb"], "/aaa/bbb", 404),
    (PREFIX, ["/aaa/bbb"], "/aaa/bbb", "0"),
    (PREFIX, ["/aaa/bbb/"], "/aaa/bbb", "0"),
    (PREFIX, ["/aaa/bbb"], "/aaa/bbb/", "0"),
    (PREFIX, ["/aaa/bbb"], "/aaa/bbb/ccc", "0"),
    (PREFIX, ["/aaa/bbb"], "/aaa/bbbxyz", 404),
    (PREFIX, ["/", "/aaa"], "/aaa/ccc", "1"),
    (PREFIX, ["/", "/aaa"], "/ccc", "0"),
    (PREFIX, ["/", "/aaa", "/aaa/bbb"], "/aaa/bbb", "2"),
    (PREFIX, ["/aaa"], "/ccc", 404),
    (SPECIFIC, ["/foo"], "/foobar", "0"),
]


@pytest.mark.parametrize(("kind", "paths", "path", "expected"), KUBERNETES)
def test_path_types(kind, paths, path, expected):
    assert chosen(ingress(*(Match(**{kind: each}) for each in paths)), f"http://x{path}") == expected


ROWS = {
    "Exact before Prefix": ([Match(prefix="/foo"), Match(path="/foo")], "x/foo", "1"),
    "Exact before what is longer": ([Match(starts="/foo/"), Match(path="/foo")], "x/foo", "1"),
    "the longest": ([Match(starts="/foo"), Match(starts="/foo/bar"), Match(starts="/foo/b")], "x/foo/bar/1", "1"),
    "a Prefix is longer than ImplementationSpecific by its slash": (
        [Match(starts="/foo"), Match(prefix="/foo")],
        "x/foo/1",
        "1",
    ),
    "which is shorter than one more character": ([Match(prefix="/foo"), Match(starts="/foo/b")], "x/foo/bar", "1"),
    "the same path twice: the first": ([Match(prefix="/foo"), Match(prefix="/foo")], "x/foo", "0"),
    "no longer one but the first with what it asks for": (
        [Match(prefix="/foo", headers={"no": True}), Match(prefix="/foo"), Match(prefix="/foo", method="GET")],
        "x/foo",
        "1",
    ),
    "the host": ([Match(), Match(host="*.foo.com"), Match(host="www.foo.com")], "www.foo.com/", "2"),
    "a wildcard": ([Match(), Match(host="*.foo.com")], "www.foo.com/", "1"),
    "which has one label": ([Match(), Match(host="*.foo.com")], "a.b.foo.com/", "0"),
    "of one server only": (
        [Match(), Match(host="*.foo.com"), Match(host="www.foo.com", path="/a")],
        "www.foo.com/b",
        404,
    ),
    "case counts": ([Match(prefix="/foo")], "x/FOO", 404),
}


@pytest.mark.parametrize("name", ROWS)
def test_without_expressions(name):
    matches, url, expected = ROWS[name]
    assert chosen(ingress(*matches), f"http://{url}") == expected


def test_the_documented_example():
    """Two Ingresses for one host, of which one has a ``rewrite-target``: all three paths are expressions."""
    router = Router(
        [
            Route(Match(host="test.com", starts="/foo/bar"), name="service1"),
            Route(Match(host="test.com", starts="/foo/bar/"), name="service2"),
            Route(Match(host="test.com", regex="/foo/bar/(.+)"), actions=[Rewrite(to="/$1")], name="service3"),
        ],
        order="ingress-nginx",
    )
    assert chosen(router, "http://test.com/foo/bar/1") == "service3"
    assert decided(router, "http://test.com/foo/bar/1").path == "/1"
    assert chosen(router, "http://test.com/foo/bar/") == "service2"
    assert chosen(router, "http://test.com/foo/bar") == "service1"
    assert chosen(router, "http://test.com/FOO/barn") == "service1"


def test_the_documented_warning():
    """An expression that is longer comes before the very path."""
    router = ingress(Match(path="/foo/bar/bar"), Match(regex="/foo/bar/[A-Z0-9]{3}"))
    assert chosen(router, "http://x/foo/bar/bar") == "1"
    assert chosen(router, "http://x/foo/bar/BARS") == "1"
    assert chosen(router, "http://x/foo/bar/b-r") == 404


def test_rewrite_target_as_documented():
    """docs/examples/rewrite: ``/something(/|$)(.*)`` to ``/$2``."""
    router = Router([Route(Match(regex="/something(/|$)(.*)"), actions=[Rewrite(to="/$2")])], order="ingress-nginx")
    rewritten = {
        path: decided(router, f"http://x{path}").path for path in ("/something", "/something/", "/something/new")
    }
    assert rewritten == {"/something": "/", "/something/": "/", "/something/new": "/new"}
    assert decided(router, "http://x/somethingelse") == 404


EXPRESSIONS = {
    "one expression makes all paths of its host some": (
        [Match(host="a", regex="/r/.*"), Match(host="a", path="/foo")],
        {"a/foo": "1", "a/FOO": "1", "a/foobar": "1", "a/xfoo": 404},
    ),
    "and those of no other host": (
        [Match(host="a", regex="/r/.*"), Match(host="b", path="/foo")],
        {"b/foo": "1", "b/FOO": 404, "b/foobar": 404},
    ),
    "a route for both is another thing on each": (
        [Match(host="a", regex="/r/.*"), Match(host=["a", "b"], path="/foo")],
        {"a/foobar": "1", "b/foobar": 404, "b/foo": "1"},
    ),
    "a dot is any character there": ([Match(regex="/r"), Match(path="/v1.0")], {"x/v1.0": "1", "x/v1x0": "1"}),
    "a prefix is of characters there": ([Match(regex="/r"), Match(prefix="/foo")], {"x/foobar": "1", "x/foo/bar": "1"}),
    "the longer text first": ([Match(regex="/ab.*"), Match(prefix="/abc")], {"x/abc": "0", "x/ab": "0"}),
    "though another one is more to the point": ([Match(regex="/.{1,9}"), Match(prefix="/abc")], {"x/abc": "0"}),
    "of two as long the later in the alphabet": ([Match(regex="/a[bc]"), Match(regex="/a[cb]")], {"x/ab": "1"}),
    "of two that are the same the first": ([Match(regex="/a"), Match(regex="/a", method="GET")], {"x/a": "0"}),
    "what else it asks for must hold": ([Match(regex="/aa", method="PUT"), Match(regex="/a")], {"x/aa": "1"}),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions(name):
    matches, rows = EXPRESSIONS[name]
    router = ingress(*matches)
    assert {url: chosen(router, f"http://{url}") for url in rows} == rows


@pytest.mark.parametrize(
    ("action", "to", "tight"),
    [
        (Rewrite(path="/there"), None, True),
        (Rewrite(prefix="/there"), None, False),
        (Rewrite(host="there"), None, False),
        (Mirror(Cluster("copies", ["10.0.0.7:80"])), None, False),
        (None, Redirect(path="/there"), True),
        (None, Redirect(scheme="https"), False),
    ],
)
def test_what_is_a_rewrite_target(action, to, tight):
    other = Route(Match(prefix="/other"), to, actions=[action] if action else [])
    router = Router([other, Route(Match(path="/foo"), name="foo")], order="ingress-nginx")
    assert chosen(router, "http://x/FOOBAR") == ("foo" if tight else 404)


def test_priorities_are_ours_and_see_the_same_expressions():
    high = Route(Match(prefix="/f"), priority=1, name="high")
    router = Router([high, Route(Match(regex="/foo/.*"), name="low")], order="ingress-nginx")
    assert chosen(router, "http://x/foo/1") == "high"


def test_what_an_ingress_cannot_have_is_refused():
    with pytest.raises(ConfigError, match="an Ingress has no such wildcard"):
        ingress(Match(host="shop.*")).start(None)
    with pytest.raises(ConfigError, match="this is no regular expression"):
        ingress(Match(regex="/r"), Match(path="/a(b")).start(None)
    prefix = Route(Match(prefix="/a"), actions=[Rewrite(prefix="/")])
    with pytest.raises(ConfigError, match="give each match of the route a prefix"):
        Router([Route(Match(regex="/r")), prefix], order="ingress-nginx").start(None)
