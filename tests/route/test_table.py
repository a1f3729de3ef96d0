"""How few routes a request is asked about, and in which order."""

from __future__ import annotations

import pytest

from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.rule import CHARACTERS, ELEMENTS, EXACT, REGEX, Rule, read
from meshkit.route.table import Hosts, Paths, stems

from .asking import chosen


def rules(*matches):
    return [Rule(None, match, read(match), number) for number, match in enumerate(matches)]


@pytest.mark.parametrize(
    ("match", "kind", "text"),
    [
        (Match(), ELEMENTS, "/"),
        (Match(path="/a"), EXACT, "/a"),
        (Match(prefix="/a/"), ELEMENTS, "/a/"),
        (Match(path_separated_prefix="/a"), ELEMENTS, "/a"),
        (Match(starts="/a"), CHARACTERS, "/a"),
        (Match(regex="/a.*"), REGEX, "/a.*"),
        (Match(grpc="a.B"), ELEMENTS, "/a.B"),
        (Match(grpc="a.B/C"), EXACT, "/a.B/C"),
    ],
)
def test_what_a_match_asks_of_the_path(match, kind, text):
    assert read(match)[:2] == (kind, text)


def test_a_rule_without_conditions_is_not_asked_for_any():
    asked = [Match(method="GET"), Match(scheme="http"), Match(port=80), Match(headers={"x": "1"}), Match(when=bool)]
    assert not any(rule.always for rule in rules(*asked, Match(grpc="a.B"), Match(source="::/0")))
    assert all(rule.always for rule in rules(Match(), Match(host="a", path="/"), Match(regex="/")))


def test_hosts_the_nearest_first():
    patterns = ["a.b.c", "*.b.c", "*.c", "a.b.*", "a.*", "*"]
    hosts = Hosts(rules(*(Match(host=each) for each in patterns[::-1])), lambda those: those[0].match.host[0])
    assert [*hosts.of("a.b.c")] == patterns
    assert [*hosts.of("x.c")] == ["*.c", "*"]
    assert [*hosts.of("c")] == ["*"]
    assert [*hosts.of("")] == ["*"]


def test_paths_that_may_be_a_prefix():
    assert [*stems("/a/b/c", 100)] == ["/a/b/c", "/a/b", "/a", ""]
    assert [*stems("/a/b/c", 3)] == ["/a", ""]
    assert [*stems("/a/b/c", 4)] == ["/a/b", "/a", ""]
    assert [*stems("/a/b/", 100)] == ["/a/b/", "/a/b", "/a", ""]
    assert [*stems("/abc", 2)] == [""]
    assert [*stems("/", 0)] == [*stems("*", 5)][1:] == [""]
    assert len([*stems("/a" * 4096, 20)]) == 11, "as many as the longest prefix has elements, not the path"


def test_candidates_the_longest_first():
    matches = [
        Match(prefix="/"),
        Match(starts="/a/b"),
        Match(regex="/a/b/.*"),
        Match(prefix="/a/b"),
        Match(path="/a/b/c"),
    ]
    paths = Paths(rules(*matches), rank=lambda rule: rule.number)
    assert [rule.number for rule in paths.all("/a/b/c")] == [4, 2, 3, 1, 0]
    assert [rule.number for rule in paths.all("/a/bc")] == [1, 0]
    assert [rule.number for rule in paths.all("*")] == [0]


@pytest.mark.parametrize("order", ["gateway-api", "envoy", "ingress-nginx"])
def test_of_a_thousand_routes_those_are_asked_that_may_be_meant(order):
    asked = []

    def when(call):
        asked.append(call)
        return False

    routes = [
        Route(Match(host=f"h{number % 10}.example", path_separated_prefix=f"/p{number}", when=when))
        for number in range(1000)
    ]
    router = Router([*routes, Route(Match(host="h7.example"), name="last")], order=order)
    assert chosen(router, "http://h7.example/p77/a") == "last"
    assert len(asked) == 1
