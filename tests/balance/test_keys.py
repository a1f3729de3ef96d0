"""What is the key of a call?"""

import pytest

from meshkit.balance.hashing.hashed import Hashed
from meshkit.balance.hashing.hashes import xxh64
from meshkit.balance.hashing.keys import Combined, Domain, FirstOf, Hash, Key, Network, RdpCookie, Uri, reading, text
from meshkit.call import Call
from meshkit.errors import ConfigError
from meshkit.fact import check

M64 = 2**64 - 1


class Door:
    """Knows what is in the request, a dict."""

    def fact(self, call, name):
        return call.request.get(name)

    def knows(self, name):
        if name == "unheard":
            raise ConfigError.of("Door", "key", name, "name one of what there is")


def told(source, **facts):
    return reading(source)(Call(Door(), facts, 0.0))


@pytest.mark.parametrize(
    ("options", "uri", "key"),
    [
        ({}, "/a/b?c=/d", "/a/b"),
        ({"whole": True}, "/a/b?c=/d", "/a/b?c=/d"),
        ({"length": 3}, "/a/b?c", "/a/"),
        ({"length": 6, "whole": True}, "/a/b?c=d", "/a/b?c"),
        ({"depth": 1}, "/a/b/c", "/a"),
        ({"depth": 2}, "/a/b/c/d", "/a/b"),
        ({"depth": 2}, "/a", "/a"),
        ({"depth": 9}, "/a/b/", "/a/b/"),
        ({"depth": 2, "whole": True}, "/a?b=/c/d", "/a?b=/c"),
        ({"depth": 2, "length": 4}, "/abcd/e", "/abc"),
        ({}, "http://h/a?b", "http://h/a"),
        ({"path_only": True}, "http://h:80/a?b", "/a"),
        ({"path_only": True, "depth": 1}, "https://h/a/b", "/a"),
        ({"path_only": True}, "/a://b", "/a://b"),
        ({}, b"/a?b", "/a"),
        ({}, None, None),
    ],
)
def test_uri(options, uri, key):
    """haproxy/haproxy src/backend.c, get_server_uh @00464ab8f432fb5f6b3939809f781b8163946dc2; by hand."""
    assert told(Uri(**options), uri=uri) == key


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("www.example.com", "example"),
        ("example.com:8080", "example"),
        ("a.b.example.com", "example"),
        ("haproxy.1wt.eu", "1wt"),  # the documentation's
        ("example.com", "example"),
        ("localhost", "localhost"),
        ("example.com.", "com"),
        (".com", ".com"),
        ("a..com", "a."),
        ("", None),
        (None, None),
    ],
)
def test_domain(host, key):
    """get_server_hh in the same file, traced by hand."""
    assert told(Domain(), host=host) == key


@pytest.mark.parametrize(
    ("options", "address", "key"),
    [
        ({}, "192.0.2.77", "192.0.2.0/24"),
        ({"v4": 32}, "192.0.2.77", "192.0.2.77/32"),
        ({"v4": 0}, "192.0.2.77", "0.0.0.0/0"),
        ({}, "2001:db8:0:1:a:b:c:d", "2001:db8:0:1::/64"),
        ({"v6": 32}, "2001:db8:0:1:a:b:c:d", "2001:db8::/32"),
        ({}, "::ffff:192.0.2.77", "192.0.2.0/24"),
        ({}, "fe80::1%eth0", "fe80::/64"),
        ({}, "[2001:db8::1]", "2001:db8::/64"),
        ({}, b"192.0.2.77", "192.0.2.0/24"),
        ({}, "unix:", "unix:"),
        ({}, None, None),
    ],
)
def test_network(options, address, key):
    assert told(Network(**options), client=address) == key


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"Cookie: mstshash=ann\r\n", b"ann"),
        (bytes.fromhex("0300002b26e00000000000") + b"Cookie: mstshash=eltons\r\n\1\0\x08\0", b"eltons"),
        ("cookie:MSTSHASH=ann\r\nmore", b"ann"),
        (b"Cookie: msts=1\r\n", None),
        (b"Cookie: mstshash=ann", None),
        (b"xCookie: mstshash=ann\r\n", None),
        (b"", None),
        (None, None),
    ],
)
def test_rdp_cookie(data, key):
    """The second is the connection request of [MS-RDPBCGR] 4.1.1, cut short."""
    assert told(RdpCookie(lambda call: data)) == key


def test_the_first_that_says_anything():
    source = FirstOf("header:x-user", "client")
    assert told(source, **{"header:x-user": "ann", "client": "c"}) == "ann"
    assert told(source, **{"header:x-user": "", "client": "c"}) == "c"
    assert told(source, client="c") == "c"
    assert told(source) is None


def test_combined_is_envoys():
    """envoyproxy/envoy source/common/http/hash_policy.cc @02a06681fbe0e039b1c7a9215257a7537eddb518."""

    def turned(h):
        return (h << 1 | h >> 63) & M64

    a, b = xxh64("a"), xxh64("b")
    both = Combined("x", "y")
    assert told(both, x="a", y="b") == turned(a) ^ b
    assert told(both, x="a", y="a") == turned(a) ^ a  # and not 0
    assert told(both, y="b") == told(both, x="", y="b") == b
    assert told(both, x="a") == a
    assert told(both) is None
    ended = Combined(Key("x", terminal=True), "y")
    assert told(ended, x="a", y="b") == a
    assert told(ended, y="b") == b
    late = Combined("x", Key("y", terminal=True), "z")
    assert told(late, x="a", z="c") == a  # terminal, and there is a hash by then
    assert told(Combined(lambda call: Hash(5), "y"), y="b") == 10 ^ b
    assert told(Combined(Uri(), FirstOf("x", "y")), uri="/p?q", y="b") == turned(xxh64("/p")) ^ b


class Stranger:
    pass


class Named:
    def __str__(self):
        return "ann"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("a", "a"), (b"\xffb", b"\xffb"), (7, "7"), (1.5, "1.5"), (True, "True"), (("a", 1, b"b"), "a\x1f1\x1fb"),
        (Named(), "ann"), (Hash(9), Hash(9)), (None, None), ("", ""),
    ],
)  # fmt: skip
def test_what_is_hashed(value, key):
    assert text(value) == key
    assert type(text(value)) is type(key)


def test_what_is_another_key_for_each_call_is_refused():
    with pytest.raises(TypeError, match="Hashed: the key is a Stranger, another one for each call"):
        text(Stranger())


async def awaited(call): ...


@pytest.mark.parametrize("value", ["", "  ", 7, None, Key, Hashed("path"), awaited])
@pytest.mark.parametrize("kind", [Hashed, Key, Uri, Network, RdpCookie])
def test_what_is_no_source(kind, value):
    with pytest.raises(ConfigError, match=f"{kind.__name__}: (key|source)="):
        kind(value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (FirstOf, "FirstOf: sources"),
        (Combined, "Combined: sources"),
        (lambda: Combined(7), "source"),
        (lambda: Key("x", terminal=1), "terminal"),
        (lambda: Uri(depth=-1), "depth"),
        (lambda: Uri(whole=1), "whole"),
        (lambda: Network(v4=33), "v4"),
        (lambda: Network(v6=129), "v6"),
        (lambda: RdpCookie("x", name="a=b"), "name"),
        (lambda: RdpCookie("x", name=b"a"), "name=b'a'"),
    ],
)
def test_what_cannot_be_built(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


@pytest.mark.parametrize(
    "source",
    [
        "unheard",
        Key("unheard"),
        Uri("unheard"),
        Network(Key("unheard")),
        FirstOf("path", "unheard"),
        Combined("path", Domain("unheard")),
    ],
)
def test_a_name_the_door_does_not_know_is_found_when_the_door_is_made(source):
    with pytest.raises(ConfigError, match="'unheard'"):
        check(Door(), [Hashed(source)])
    check(Door(), [Hashed(Combined("path", FirstOf("host", Uri())))])


def test_specs_are_values():
    assert Combined("a", Key("b", terminal=True)) == Combined(Key("a"), Key("b", terminal=True))
    assert hash(FirstOf("a")) == hash(FirstOf("a"))
    assert Uri(depth=2) != Uri()
