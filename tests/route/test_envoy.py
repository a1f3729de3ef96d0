"""Envoy's order of routes, row by row.

Sources: envoy.config.route.v3, route_components.proto: ``VirtualHost.domains`` (the search order), its ``routes`` (the
first that matches), ``RouteMatch.prefix``, ``path_separated_prefix``, ``safe_regex``; config_impl.cc,
``findVirtualHost`` and ``getRouteFromEntries``, config_impl_test.cc, TestRoutesWithWildcardAndDefaultOnly.
"""

from __future__ import annotations

import pytest

from meshkit import ConfigError
from meshkit.route.match import Match
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import Router

from .asking import chosen, decided


def envoy(*matches, **options):
    return Router([Route(each, name=str(number)) for number, each in enumerate(matches)], order="envoy", **options)


ROWS = {
    "domains: the exact one": (
        [Match(host="*"), Match(host="*.foo.com"), Match(host="www.foo.com")],
        "www.foo.com/",
        "2",
    ),
    "then the longest suffix": (
        [Match(host="*"), Match(host="*.com"), Match(host="*.foo.com")],
        "a.b.foo.com/",
        "2",
    ),
    "then the longest prefix": (
        [Match(host="*"), Match(host="www.*"), Match(host="www.foo.*"), Match(host="*.org")],
        "www.foo.com/",
        "2",
    ),
    "a suffix before a prefix": ([Match(host="www.foo.*"), Match(host="*.com")], "www.foo.com/", "1"),
    "then any": ([Match(host="*.foo.com"), Match(host="*")], "bar.com/", "1"),
    "a wildcard is not for the empty string": ([Match(host="*.solo.io"), Match()], "solo.io/", "1"),
    "nor is one at the end": ([Match(host="solo.*"), Match()], "solo/", "1"),
    "case does not count in domains": ([Match(host="LYFT.com"), Match()], "lyft.COM/", "0"),
    "the first that matches, not the longest": (
        [Match(host="a", prefix="/"), Match(host="a", path="/x"), Match(host="a", prefix="/x/y")],
        "a/x/y",
        "0",
    ),
    "nor the one with more fields": (
        [Match(host="a", prefix="/x"), Match(host="a", prefix="/x", query={"q": "1"})],
        "a/x?q=1",
        "0",
    ),
    "in the order written, whatever kind they are": (
        [
            Match(host="a", regex="/x/[0-9]+", method="POST"),
            Match(host="a", path="/x/1", headers={"no": True}),
            Match(host="a", path_separated_prefix="/x"),
            Match(host="a", path="/x/1"),
        ],
        "a/x/1",
        "2",
    ),
    "of one virtual host only": (
        [Match(host="www.foo.com", path="/b"), Match(host="*.foo.com", path="/a"), Match()],
        "www.foo.com/a",
        404,
    ),
    "one route may be in several": (
        [Match(host=["a", "b"], path="/x"), Match(host="b", prefix="/")],
        "b/y",
        "1",
    ),
    "a prefix is of characters": ([Match(prefix="/foo")], "a/foobar", "0"),
    "and of no more than there are": ([Match(prefix="/foo/")], "a/foo", 404),
    "path_separated_prefix: /api/dev": ([Match(path_separated_prefix="/api/dev")], "a/api/dev", "0"),
    "path_separated_prefix: /api/dev/": ([Match(path_separated_prefix="/api/dev")], "a/api/dev/", "0"),
    "path_separated_prefix: /api/dev/v1": ([Match(path_separated_prefix="/api/dev")], "a/api/dev/v1", "0"),
    "path_separated_prefix: /api/dev?param=true": (
        [Match(path_separated_prefix="/api/dev")],
        "a/api/dev?param=true",
        "0",
    ),
    "path_separated_prefix: /api/developer": ([Match(path_separated_prefix="/api/dev")], "a/api/developer", 404),
    "an expression is of the whole path, without the query": ([Match(regex="/b[io]t")], "a/bit?x=y", "0"),
    "and of no part of it": ([Match(regex="/b[io]t")], "a/bite", 404),
    "a path is that path": ([Match(path="/foo")], "a/foo/", 404),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name):
    matches, url, expected = ROWS[name]
    assert chosen(envoy(*matches), f"http://{url}") == expected


def test_a_priority_and_a_default_are_ours():
    high = Route(Match(host="*", path="/a"), priority=1, name="high")
    router = Router([Route(Match(host="a"), name="low"), high], default=Route(name="default"), order="envoy")
    assert chosen(router, "http://a/a") == "high"
    assert chosen(router, "http://a/b") == "low"
    assert chosen(router, "http://b/b") == "default"


def test_a_prefix_is_replaced_as_it_stands():
    """``prefix_rewrite``, and the trap that its documentation warns of: what is left has a slash too many."""
    router = Router([Route(Match(prefix="/prefix"), actions=[Rewrite(prefix="/")])], order="envoy")
    assert decided(router, "http://a/prefix/one").path == "/one"
    assert decided(router, "http://a/prefixed").path == "/ed"
    assert decided(router, "http://a/prefix").path == "/"


@pytest.mark.parametrize("order", ["gateway-api", "envoy", "ingress-nginx"])
def test_two_words_mean_the_same_in_every_order(order):
    router = Router(
        [Route(Match(starts="/a"), name="s"), Route(Match(path_separated_prefix="/b"), name="p")], order=order
    )
    assert [chosen(router, f"http://x{path}") for path in ("/a", "/ab", "/b", "/b/c", "/bc")] == [
        "s",
        "s",
        "p",
        "p",
        404,
    ]


def test_an_unknown_order_is_refused():
    with pytest.raises(
        ConfigError, match="Router: order='nginx': write one of 'envoy', 'gateway-api', 'ingress-nginx'"
    ):
        Router([], order="nginx")
