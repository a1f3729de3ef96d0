"""An address means one thing, and what could mean two is refused."""

import copy
import pickle

import attrs
import pytest

from meshkit.cluster import Endpoint
from meshkit.errors import ConfigError

# What is given; then its address, scheme, host and port; its url; what it prints as.
ACCEPTED = [
    ("https://10.0.0.7", ("https://10.0.0.7", "https", "10.0.0.7", 443), "https://10.0.0.7", "10.0.0.7:443"),
    ("http://a.example", ("http://a.example", "http", "a.example", 80), "http://a.example", "a.example:80"),
    ("HTTPS://A.Example:443/", ("https://a.example", "https", "a.example", 443), "https://a.example", "a.example:443"),
    ("http://a:8080", ("http://a:8080", "http", "a", 8080), "http://a:8080", "a:8080"),
    ("10.0.0.7:443", ("10.0.0.7:443", None, "10.0.0.7", 443), "http://10.0.0.7:443", "10.0.0.7:443"),
    ("localhost:80", ("localhost:80", None, "localhost", 80), "http://localhost", "localhost:80"),
    ("my_db-1:05432", ("my_db-1:5432", None, "my_db-1", 5432), "http://my_db-1:5432", "my_db-1:5432"),
    ("[0:0::1]:8080", ("[::1]:8080", None, "::1", 8080), "http://[::1]:8080", "[::1]:8080"),
    (
        "https://[2001:DB8::7]",
        ("https://[2001:db8::7]", "https", "2001:db8::7", 443),
        "https://[2001:db8::7]",
        "[2001:db8::7]:443",
    ),
    (
        "xn--bcher-kva.de:81",
        ("xn--bcher-kva.de:81", None, "xn--bcher-kva.de", 81),
        "http://xn--bcher-kva.de:81",
        "xn--bcher-kva.de:81",
    ),
]


@pytest.mark.parametrize(("given", "parts", "url", "text"), ACCEPTED)
def test_normalised(given, parts, url, text):
    endpoint = Endpoint(given)
    assert (endpoint.address, endpoint.scheme, endpoint.host, endpoint.port) == parts
    assert endpoint.url == url
    assert str(endpoint) == text
    assert Endpoint(endpoint.address) == endpoint
    assert hash(Endpoint(endpoint.address)) == hash(endpoint)


REFUSED = [
    ("", "host name"),
    ("10.0.0.7", "add the port"),
    ("a.example", "add the port"),
    ("ftp://a.example", "begin it with http"),
    ("unix:///run/x.sock", "begin it with http"),
    ("https://", "host name"),
    ("//a.example:80", "begin it with http"),
    ("https://a.example/v1", "leave out the path"),
    ("a.example:80/v1", "leave out the path"),
    ("https://a.example?x=1", "leave out the path"),
    ("https://a.example#x", "leave out the path"),
    ("a:0", "port from 1"),
    ("a:65536", "port from 1"),
    ("a:999999", "port from 1"),
    ("a:-1", "port from 1"),
    ("a:", "port from 1"),
    ("a:http", "port from 1"),
    ("a:\u0661", "leave out blanks"),
    ("::1:8080", "brackets"),
    ("https://::1", "brackets"),
    ("[fe80::1%eth0]:80", "zone"),
    ("[::g]:80", "whole IP address"),
    ("[::1:80", "whole IP address"),
    ("[12345::1]:80", "whole IP address"),
    ("[1.2.3.4]:80", "whole IP address"),
    ("10.0.0.300:80", "whole IP address"),
    ("10.1:80", "whole IP address"),
    ("010.0.0.1:80", "whole IP address"),
    ("0x7f000001:80", "whole IP address"),
    ("2130706433:80", "whole IP address"),
    ("a.example.:80", "without a dot at its end"),
    ("a..example:80", "host name"),
    (".a:80", "host name"),
    ("-a:80", "host name"),
    ("a-.example:80", "host name"),
    ("x" * 64 + ":80", "host name"),
    (".".join(["x" * 63] * 4) + ":80", "host name"),
    (" a:80", "leave out blanks"),
    ("a:80\n", "leave out blanks"),
    ("a\x00:80", "leave out blanks"),
    ("a\\b:80", "leave out blanks"),
    ("b\u00fccher.example:80", "punycode"),
    ("a,b:80", "port|host name"),
    (80, "give a string"),
    (None, "give a string"),
    (b"a:80", "give a string"),
    (("a", 80), "give a string"),
]


@pytest.mark.parametrize(("given", "fix"), REFUSED)
def test_refused_with_the_fix(given, fix):
    with pytest.raises(ConfigError, match=f"^Endpoint: address=.*({fix})"):
        Endpoint(given)


def test_userinfo_is_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="leave out user and password") as caught:
        Endpoint("https://root:hunter2@a.example")
    assert "hunter2" not in str(caught.value)
    assert "root" not in str(caught.value)
    assert "a.example" in str(caught.value)


@pytest.mark.parametrize("weight", [-1, 1.5, True, "2", float("nan"), 10**7])
def test_weight_is_a_whole_number(weight):
    with pytest.raises(ConfigError, match="Endpoint: weight="):
        Endpoint("a:80", weight=weight)


def test_name_is_what_it_is_called():
    assert str(Endpoint("10.0.0.7:443", name="blue")) == "blue"
    for name in ("", " ", "a\nb", 7):
        with pytest.raises(ConfigError, match="Endpoint: name="):
            Endpoint("10.0.0.7:443", name=name)


def test_frozen_comparable_printable():
    endpoint = Endpoint("HTTP://A:80", weight=2)
    assert repr(endpoint) == "Endpoint('http://a', weight=2)"
    assert endpoint != Endpoint("http://a")
    assert attrs.evolve(endpoint, weight=1) == Endpoint("http://a")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        endpoint.weight = 3


WHOLE = Endpoint(
    "a:80", weight=0, name="orders-a", priority=1, locality="eu/a", tags={"stage": "canary", "v": 1}, hash_key="k"
)


def test_where_it_stands_and_what_it_is():
    assert (WHOLE.weight, WHOLE.priority, WHOLE.locality, WHOLE.hash_key) == (0, 1, "eu/a", "k")
    assert WHOLE.tags == {"stage": "canary", "v": 1}
    assert Endpoint("[::1]:80").hash_key == "[::1]:80"
    assert attrs.evolve(Endpoint("a:80"), address="b:80").hash_key == "b:80"
    assert repr(WHOLE) == (
        "Endpoint('a:80', weight=0, name='orders-a', priority=1, locality='eu/a',"
        " tags={'stage': 'canary', 'v': 1}, hash_key='k')"
    )
    with pytest.raises(TypeError):
        WHOLE.tags["stage"] = "prod"


@pytest.mark.parametrize("again", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_are_equal(again):
    assert again(WHOLE) == WHOLE
    assert hash(again(WHOLE)) == hash(WHOLE)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("priority", -1),
        ("priority", 200),
        ("locality", ""),
        ("locality", 3),
        ("hash_key", " "),
        ("tags", ["a"]),
        ("tags", {1: "a"}),
        ("tags", {"a": None}),
        ("tags", {"a": float("nan")}),
    ],
)
def test_what_else_makes_no_endpoint(option, value):
    with pytest.raises(ConfigError, match="Endpoint: "):
        Endpoint("a:80", **{option: value})
