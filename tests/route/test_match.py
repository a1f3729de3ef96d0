"""What a match asks for, one condition at a time, and what it refuses to be."""

from __future__ import annotations

import pytest

from meshkit import ConfigError
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.value import Value

from .asking import chosen

GRPC = {"content-type": "application/grpc+proto"}

ROWS = [
    (Match(), {("http://x/",): True, ("http://x/a",): True}),
    (
        Match(path="/a"),
        {("http://x/a",): True, ("http://x/a?b",): True, ("http://x/a/",): False, ("http://x/A",): False},
    ),
    (Match(prefix="/a"), {("http://x/a",): True, ("http://x/a/b",): True, ("http://x/ab",): False}),
    (Match(prefix="/"), {("http://x/",): True, ("http://x/ab",): True}),
    (Match(starts="/a"), {("http://x/a",): True, ("http://x/ab",): True, ("http://x/b",): False}),
    (Match(regex="/a|/b"), {("http://x/a",): True, ("http://x/b",): True, ("http://x/ab",): False}),
    (Match(regex="(?i)/a"), {("http://x/A",): True, ("http://x/a?q",): True}),
    (Match(method="GET"), {("http://x/",): True, ("http://x/", "HEAD"): False, ("http://x/", "get"): False}),
    (Match(method=["GET", "PUT"]), {("http://x/", "PUT"): True, ("http://x/", "POST"): False}),
    (Match(scheme="https"), {("https://x/",): True, ("http://x/",): False}),
    (
        Match(port=443),
        {("https://x/",): True, ("https://x:443/",): True, ("http://x/",): False, ("http://x:443/",): True},
    ),
    (Match(port=80), {("http://x/",): True, ("ws://x/",): True, ("http://x:8080/",): False}),
    (
        Match(headers={"x": "1"}),
        {("http://x/", "GET", (("X", "1"),)): True, ("http://x/", "GET", (("X", "2"),)): False},
    ),
    (Match(headers={"x": "1, 2"}), {("http://x/", "GET", (("x", "1"), ("x", "2"))): True}),  # RFC 9110, 5.2
    (Match(headers={"x": "1"}), {("http://x/", "GET", (("x", "1"), ("x", "1"))): False}),
    (
        Match(query={"q": "a b"}),
        {("http://x/?q=a%20b",): True, ("http://x/?q=a+b",): True, ("http://x/?Q=a+b",): False},
    ),
    (Match(query={"q": True}), {("http://x/?q",): True, ("http://x/?q=",): True, ("http://x/?r=q",): False}),
    (Match(cookies={"c": "1"}), {("http://x/", "GET", (("cookie", "a=2; c=1"),)): True, ("http://x/",): False}),
    (Match(cookies={"C": "1"}), {("http://x/", "GET", (("cookie", "c=1"),)): False}),
    (
        Match(grpc="shop.Orders"),
        {
            ("http://x/shop.Orders/Get", "POST", tuple(GRPC.items())): True,
            ("http://x/shop.Orders/Get", "POST", (("content-type", "application/grpc"),)): True,
            ("http://x/shop.Orders/Get", "POST", (("content-type", "application/grpc; a=b"),)): True,
            ("http://x/shop.Orders/Get", "POST", (("content-type", "application/grpc-web"),)): False,
            ("http://x/shop.Orders/Get", "POST"): False,
            ("http://x/shop.Orders/Get", "GET", tuple(GRPC.items())): False,
            ("http://x/shop.OrdersOld/Get", "POST", tuple(GRPC.items())): False,
        },
    ),
    (
        Match(grpc="shop.Orders/Get"),
        {
            ("http://x/shop.Orders/Get", "POST", tuple(GRPC.items())): True,
            ("http://x/shop.Orders/Get2", "POST", tuple(GRPC.items())): False,
        },
    ),
]


@pytest.mark.parametrize(("match", "rows"), ROWS)
def test_a_row(match, rows):
    router = Router([Route(match, name="it")])
    assert {request: chosen(router, *request) == "it" for request in rows} == rows


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        (None, False),
        ("/run/app.sock", False),
    ],
)
def test_source_networks(address, inside):
    router = Router([Route(Match(source=["10.0.0.0/8", "2001:db8::/32"]), name="it")])
    assert (chosen(router, "http://x/", client=address) == "it") == inside


def test_what_only_servers_know():
    router = Router([Route(Match(sni="shop.example", certificate=Value(suffix="O=Shop")), name="it")])
    assert chosen(router, "https://x/", sni="shop.example", certificate="CN=web,O=Shop") == "it"
    assert chosen(router, "https://x/", sni="shop.example") == 404
    anybody = Router([Route(Match(certificate=False), name="nobody"), Route(Match(certificate=True), name="somebody")])
    assert chosen(anybody, "https://x/") == "nobody"
    assert chosen(anybody, "https://x/", certificate="CN=a") == "somebody"


def test_a_function_is_asked_last_and_of_nobody_else():
    asked = []

    def when(call):
        asked.append(call.door.fact(call, "header:x"))
        return "yes"

    router = Router([Route(Match(method="PUT", headers={"x": True}, when=when), name="it"), Route(name="else")])
    assert chosen(router, "http://x/", "PUT", {"x": "1"}) == "it"
    assert chosen(router, "http://x/", "GET", {"x": "1"}) == "else"
    assert chosen(router, "http://x/", "PUT") == "else"
    assert asked == ["1"]


def test_what_it_needs_to_know():
    match = Match(headers={"X-A": "1"}, cookies={"C": "1"}, query={"q": "1"}, grpc="a.B", source="::/0", sni="x")
    assert match.asked == {
        "header:x-a": "headers",
        "cookie:C": "cookies",
        "query:q": "query",
        "header:content-type": "grpc",
        "client": "source",
        "sni": "sni",
    }
    assert [name for name, _ in match.facts()] == [*match.asked]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": 7}, "Match: host=7: give a host"),
        ({"host": "http://a"}, "Match: host='http://a': give a name such as"),
        ({"path": "a"}, "Match: path='a': give a path that begins with \"/\""),
        ({"path": 7}, "Match: path=7: give a path"),
        ({"path": "/a b"}, "Match: path='/a b': no request has such a path: a blank"),
        ({"path": "/a?b"}, "Match: path='/a?b': no request has such a path: a query"),
        ({"prefix": "/a/../b"}, "Match: prefix='/a/../b': paths are compared in their normal form: write '/b'"),
        ({"prefix": "/%61"}, "Match: prefix='/%61': paths are compared in their normal form: write '/a'"),
        ({"starts": "/ä"}, "Match: starts='/ä': no request has such a path: a character that is not ASCII"),
        ({"path_separated_prefix": ""}, "Match: path_separated_prefix='': give a path"),
        ({"regex": "(a"}, "Match: regex='(a': this is no regular expression"),
        ({"regex": 7}, "Match: regex=7: give a regular expression as text"),
        ({"path": "/a", "prefix": "/b"}, "Match: path and prefix: a request has one path"),
        ({"starts": "/a", "regex": "/b", "grpc": "a"}, "Match: starts and regex and grpc: a request has one path"),
        ({"method": "G T"}, "Match: method=('G T',): give a method"),
        ({"method": 7}, "Match: method=7: give a method"),
        ({"scheme": "ftp"}, "Match: scheme='ftp': write one of 'http', 'https', 'ws', 'wss'"),
        ({"port": 0}, "Match: port=0: give a whole number from 1 to 65535"),
        ({"port": "80"}, "Match: port='80': give a whole number"),
        ({"headers": ["x"]}, "Match: headers=['x']: give values by name"),
        ({"headers": {"x": 1}}, "Match: headers={'x': 1}: give values by name"),
        ({"headers": {"x y": "1"}}, "Match: headers='x y': give a name"),
        ({"headers": {"X": "1", "x": "2"}}, "Match: headers='x': it stands there as 'X' already"),
        ({"cookies": {"": "1"}}, "Match: cookies='': give a name"),
        ({"query": {"": "1"}}, "Match: query='': give a name"),
        ({"query": {"a": "\n"}}, "Value: exact='\\n': give printable text"),
        ({"source": "10.0.0.1/8"}, "Match: source=('10.0.0.1/8',): give addresses or networks"),
        ({"source": 7}, "Match: source=7: give addresses or networks"),
        ({"sni": 7}, "Match: sni=7: give text, a boolean or a Value"),
        ({"grpc": "shop.Orders/"}, "Match: grpc='shop.Orders/': give a service"),
        ({"grpc": "/shop.Orders/Get"}, "Match: grpc='/shop.Orders/Get': give a service"),
        ({"when": "yes"}, "Match: when='yes': give a plain function of the call"),
    ],
)
def test_what_is_none(options, said):
    with pytest.raises(ConfigError) as raised:
        Match(**options)
    assert str(raised.value).startswith(said)


def test_a_function_that_awaits_is_none():
    async def when(call):
        return True

    with pytest.raises(ConfigError, match=r"Match: when=.* give a plain function"):
        Match(when=when)
