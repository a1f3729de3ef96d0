"""Where requests are sent in other words, and what no rewriting can make."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import ConfigError
from meshkit.call import Call
from meshkit.route.answer import Redirect
from meshkit.route.match import Match
from meshkit.route.path import BadPath, Paths, normal
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import Router

from .asking import decided


def path_of(url, match, rewrite, **options):
    found = decided(Router([Route(match, actions=[rewrite])], **options), url)
    return found if isinstance(found, int) else found.path


@pytest.mark.parametrize(
    ("rewrite", "match", "path", "becomes"),
    [
        (Rewrite(path="/health"), Match(), "/a/b", "/health"),
        (Rewrite(prefix="/v2"), Match(prefix="/v1"), "/v1/a", "/v2/a"),
        (Rewrite(prefix="/v2"), Match(), "/a", "/v2/a"),
        (Rewrite(regex="^/(\\w+)/old", to="/$1/new"), Match(), "/a/old/b", "/a/new/b"),
        (Rewrite(regex="/(?P<name>x+)", to="/${name}y"), Match(), "/a/xx/x", "/a/xxy/x"),
        (Rewrite(regex="nothing", to="/$0"), Match(), "/a", "/a"),
        (Rewrite(to="/$1"), Match(regex="/a/(.*)"), "/a/b/c", "/b/c"),
        (Rewrite(to="/$2/$1"), Match(regex="/(a)/(b)?"), "/a/", "/a"),
        (Rewrite(to="/x$$1"), Match(regex="/(a)"), "/a", "/x$1"),
        (Rewrite(host="b"), Match(), "/a//b", "/a/b"),
        (Rewrite(prefix="/y"), Match(starts="/x"), "/xa", "/ya"),
        (Rewrite(prefix="/y/"), Match(starts="/x"), "/x/a", "/y/a"),
        (Rewrite(prefix="/%20"), Match(prefix="/a"), "/a/b", "/%20/b"),
    ],
)
def test_a_row(rewrite, match, path, becomes):
    assert path_of(f"http://x{path}?q=1", match, rewrite) == becomes


def test_a_service_of_grpc_is_a_prefix():
    router = Router([Route(Match(grpc="a.B"), actions=[Rewrite(prefix="/c.D")])])
    assert decided(router, "http://x/a.B/Get", "POST", {"content-type": "application/grpc"}).path == "/c.D/Get"


@pytest.mark.parametrize(
    ("match", "rewrite", "path", "becomes"),
    [
        (Match(regex="/a(.*)"), Rewrite(to="$1"), "/a/evil.example", "/evil.example"),
        (Match(regex="/a(.*)"), Rewrite(to="/$1"), "/a/evil.example", "/evil.example"),  # never "//evil.example"
        (Match(regex="/a/(.*)"), Rewrite(to="/b/$1"), "/a/..%2e", "/b/..."),
        (Match(regex="/a/(.*)"), Rewrite(to="/b/%2e%2e/$1"), "/a/c", 400),
        (Match(regex="/a/(.*)"), Rewrite(to="/$1/../.."), "/a/c", 400),
        (Match(regex="/a/(.*)"), Rewrite(to="$1"), "/a/c", 400),
        (Match(regex="/a/(.*)"), Rewrite(to="/$1?x=1"), "/a/c", 400),
        (Match(regex="/a/(.*)"), Rewrite(to="/$1#x"), "/a/c", 400),
        (Match(regex="/a/(.*)"), Rewrite(to="/%$1"), "/a/00", 400),
        (Match(regex="/a/(.*)"), Rewrite(to="/%$1"), "/a/0d%0A", 400),
        (Match(regex="/a/(.*)"), Rewrite(to="/x y/$1"), "/a/c", 400),
        (Match(), Rewrite(regex="/a", to="/" + "a" * 900), "/a" * 4000, 414),
    ],
)
def test_what_comes_of_it_is_a_path_or_refused(match, rewrite, path, becomes):
    assert path_of(f"http://x{path}", match, rewrite) == becomes


@pytest.mark.parametrize(
    "paths", [Paths(), Paths(dots="clamp"), Paths(slashes="keep", encoded_slash="decode")], ids=["", "clamp", "keep"]
)
@pytest.mark.parametrize(
    ("match", "rewriting", "order"),
    [
        (Match(starts="/a"), {"prefix": "/public/"}, "gateway-api"),
        (Match(prefix="/a"), {"prefix": "/public/"}, "envoy"),
        (Match(regex="/a(.*)"), {"to": "/public/$1"}, "gateway-api"),
        (Match(starts="/a"), {"regex": "^/a", "to": "/public/"}, "gateway-api"),
    ],
)
def test_what_is_left_over_does_not_climb_out_of_where_the_route_leads(match, rewriting, order, paths):
    for route in (Route(match, actions=[Rewrite(**rewriting)]), Route(match, Redirect(**rewriting))):
        state = Router([route], order=order, paths=paths).start(Random(1))
        for tail in ("../admin/secret", "..", "../", "./x", "%2e%2e/admin", "..%2fadmin"):
            assert isinstance(state.facts(Call(Paper(f"/a{tail}"), None, 0.0)), BadPath), tail
        assert state.facts(Call(Paper("/a..b/c"), None, 0.0)).path == "/public/..b/c"


class Paper:
    """A door for nothing but a path."""

    def __init__(self, path):
        self.path = path

    def head(self, call):
        return "GET", "http", "x", None, self.path, None


def test_where_slashes_stay_no_authority_is_made():
    keep = Paths(slashes="keep")
    assert path_of("http://x/a//evil.example", Match(prefix="/a"), Rewrite(prefix="/"), paths=keep) == 400
    assert path_of("http://x/a//b", Match(prefix="/a"), Rewrite(prefix="/c"), paths=keep) == "/c//b"


def test_a_longer_prefix_makes_no_path_that_is_too_long():
    rewrite = Rewrite(prefix="/" + "b" * 100)
    assert path_of("http://x/a/" + "c" * 90, Match(prefix="/a"), rewrite, paths=Paths(longest=200)) != 414
    assert path_of("http://x/a/" + "c" * 150, Match(prefix="/a"), rewrite, paths=Paths(longest=200)) == 414


def test_a_request_for_no_path_stays_one():
    """``OPTIONS *`` (RFC 9112, 3.2.4)."""

    class Door:
        def head(self, call):
            return "OPTIONS", "http", "x", None, "*", None

    for rewrite in (Rewrite(prefix="/b"), Rewrite(path="/b")):
        state = Router([Route(actions=[rewrite])]).start(Random(1))
        assert state.facts(Call(Door(), None, 0.0)).path == "*"


chars = st.text(st.sampled_from("ab/.%2f5c\\;"), max_size=12)


@settings(max_examples=150)
@given(chars, st.sampled_from(["/$1", "/x/$1", "$1/y", "/a$1b"]), st.sampled_from(["", "/", "/b", "/b/"]))
def test_what_is_sent_is_in_its_normal_form(tail, to, prefix):
    for match, rewrite in (
        (Match(regex="/(.*)"), Rewrite(to=to)),
        (Match(prefix="/a"), Rewrite(prefix=prefix)),
        (Match(starts="/a"), Rewrite(prefix=prefix)),
    ):
        path = path_of(f"http://x/a{tail}", match, rewrite)
        if isinstance(path, str):
            assert normal(path) == path
            assert path.startswith("/")
            assert not path.startswith("//")
        else:
            assert path in (400, 404)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Rewrite: nothing given: give host, path, prefix or to"),
        ({"path": "/a", "prefix": "/b"}, "Rewrite: path and prefix: give one of them"),
        ({"prefix": "/a", "to": "/b"}, "Rewrite: prefix and to: give one of them"),
        ({"regex": "a"}, "Rewrite: regex='a': say with to= what takes its place"),
        ({"regex": "(a", "to": "b"}, "Rewrite: regex='(a': this is no regular expression"),
        ({"regex": "a", "to": "$1"}, "Rewrite: to='$1': $1 is none of the 0 groups"),
        ({"regex": "a", "to": "/\r\n"}, "Rewrite: to='/\\r\\n': line ends and NUL have no place in it"),
        ({"path": "a"}, "Rewrite: path='a': give a path that begins with \"/\""),
        ({"path": "/a?b"}, "Rewrite: path='/a?b': no request has such a path: a query"),
        ({"prefix": "b"}, "Rewrite: prefix='b': give a path"),
        ({"prefix": "/a/../b"}, "Rewrite: prefix='/a/../b': paths are compared in their normal form: write '/b'"),
        ({"host": "*.a"}, "Rewrite: host='*.a': give the one host to ask"),
        ({"host": "a:80"}, "Rewrite: host='a:80': give a name such as"),
    ],
)
def test_what_is_refused(options, said):
    with pytest.raises(ConfigError) as raised:
        Rewrite(**options)
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    ("match", "rewrite", "paths", "said"),
    [
        (Match(path="/a"), Rewrite(prefix="/b"), Paths(), "Rewrite: prefix='/b': it takes the place of the prefix"),
        (Match(regex="/a"), Rewrite(prefix=""), Paths(), "Rewrite: prefix='': it takes the place of the prefix"),
        (Match(prefix="/a"), Rewrite(to="/$1"), Paths(), "Rewrite: to='/$1': it is made of what the route's match"),
        (Match(regex="/a"), Rewrite(to="/$1"), Paths(), "Rewrite: to='/$1': $1 is none of the 0 groups"),
        (Match(), Rewrite(path="/a;b"), Paths(parameters="reject"), "Rewrite: path='/a;b': no request has such a path"),
        (Match(), Rewrite(prefix="/a//b"), Paths(), "Rewrite: prefix='/a//b': paths are compared in their normal form"),
    ],
)
def test_what_a_router_refuses(match, rewrite, paths, said):
    with pytest.raises(ConfigError) as raised:
        Router([Route(match, actions=[rewrite])], paths=paths).start(None)
    assert str(raised.value).startswith(said)


def test_a_bad_path_says_nothing_of_the_path():
    with pytest.raises(BadPath) as raised:
        normal("/secret\0")
    assert "secret" not in str(raised.value)
