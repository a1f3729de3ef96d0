"""The one form of hosts, and the patterns they are compared with."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import ConfigError
from meshkit.route.hosts import BadHost, bracketed, checked, normal, prefixes, suffixes
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router

from .asking import chosen


@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("", ""),
        ("orders", "orders"),
        ("Shop.Example", "shop.example"),
        ("shop.example.", "shop.example"),
        ("a_b.c-d", "a_b.c-d"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("10.0.0.7", "10.0.0.7"),
        ("[2001:DB8:0::7]", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[::ffff:10.0.0.7]", "::ffff:10.0.0.7"),
    ],
)
def test_the_form_of_a_host(host, same):
    assert normal(host) == same
    assert normal(same) == same


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("user@shop.example", "a character that no host has"),
        ("shop.example/..", "a character that no host has"),
        ("shop example", "a character that no host has"),
        ("a, b", "a character that no host has"),
        ("shop.example\r\nx", "a character that no host has"),
        ("shop\0", "a character that no host has"),
        ("b\xfccher.example", "a character that no host has"),
        ("%73hop.example", "a character that no host has"),
        ("*.example", "a character that no host has"),
        ("\\\\evil", "a character that no host has"),
        ("a..b", "no name"),
        (".example", "no name"),
        ("shop..", "no name"),
        (".", "no name"),
        ("a" * 254, "no name"),
        ("shop:http", "no IPv6 address"),
        ("[::1", "no IPv6 address"),
        ("[fe80::1%25eth0]", "an IPv6 address with a zone"),
        ("[::1]x", "no IPv6 address"),
    ],
)
def test_what_is_no_host(host, reason):
    with pytest.raises(BadHost, match=reason):
        normal(host)
    assert chosen(Router([Route(name="any")]), f"http://{host}/") == 400 or "/" in host


@settings(max_examples=100)
@given(st.text(max_size=20))
def test_a_form_stays_and_has_nothing_that_ends_a_field_or_a_host(host):
    try:
        same = normal(host)
    except BadHost:
        return
    assert normal(same) == same
    assert same.isascii()
    assert not set(same) & set(" \t\r\n\0/\\@?#%,;[]")


@pytest.mark.parametrize(
    ("pattern", "same"),
    [
        ("Orders", "orders"),
        ("*.Shop.Example.", "*.shop.example"),
        ("shop.*", "shop.*"),
        ("*", "*"),
        ("[2001:DB8::0007]", "2001:db8::7"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.example", "_dmarc.example"),
    ],
)
def test_patterns(pattern, same):
    assert checked("Match", "host", pattern) == same
    assert Match(host=pattern).host == (same,)


@pytest.mark.parametrize(
    ("pattern", "fix"),
    [
        *(
            (bad, "give a name such as")
            for bad in ("", "http://a", "a:80", "a/b", "a b", "*a", "a.*.b", "*.*", "-a", "a-")
        ),
        *(
            (bad, "give a name such as")
            for bad in ("a..b", "." * 3, "a" * 64, ".".join(["a" * 60] * 5), "a\n", 7, None)
        ),
        ("straße.example", 'write it in its ASCII form, which begins with "xn--"'),
        ("a\ud800", 'write it in its ASCII form, which begins with "xn--"'),
        ("[::1%eth0]", "it is an IPv6 address with a zone"),
        ("[x]", "it is a character that no host has"),
    ],
)
def test_what_is_no_pattern(pattern, fix):
    with pytest.raises(ConfigError) as raised:
        checked("Match", "host", pattern)
    assert fix in str(raised.value)
    assert (raised.value.policy, raised.value.option) == ("Match", "host")


def test_what_wildcards_may_end_and_begin_with():
    assert suffixes("a.b.c") == ["b.c", "c"]
    assert prefixes("a.b.c") == ["a.b", "a"]
    assert suffixes("a") == prefixes("a") == suffixes("") == []


def test_addresses_are_compared_as_addresses_and_written_in_brackets():
    router = Router([Route(Match(host="[2001:db8::7]"), name="six"), Route(Match(host="10.0.0.7"), name="four")])
    assert chosen(router, "http://[2001:0DB8::0:7]:8080/") == "six"
    assert chosen(router, "http://10.0.0.7/") == "four"
    assert bracketed("2001:db8::7") == "[2001:db8::7]"
    assert bracketed("shop.example") == "shop.example"
