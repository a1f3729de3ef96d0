"""The client's address: only through trusted proxies, from the right, in one way of writing it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit import ConfigError
from meshkit.asgi.client import Clients, canonical, network_of

PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48"]


def client(
    *lines: str, peer: Any = ("10.0.0.1", 4000), trusted: list[str] = PROXIES, field: str = "x-forwarded-for"
) -> str | None:
    headers = [(field.encode(), line.encode("latin-1")) for line in lines]
    return Clients(trusted, field).of({"client": peer, "headers": headers})


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ([], "10.0.0.1"),
        (["203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (["203.0.113.9,10.0.0.2 ,\t10.0.0.3"], "203.0.113.9"),
        (["198.51.100.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),  # the left one is the client's invention
        (["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (["10.9.9.9, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),  # a private range, invented
        (["203.0.113.9", "10.0.0.2"], "203.0.113.9"),  # many lines are one list
        (["198.51.100.1", "203.0.113.9, 10.0.0.3", "10.0.0.2"], "203.0.113.9"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # all trusted: the leftmost
        (["192.168.1.5"], "192.168.1.5"),  # private, and not trusted: a client like any other
        (["203.0.113.9, , 10.0.0.2,"], "203.0.113.9"),  # empty elements are none
        ([""], "10.0.0.1"),
        ([","], "10.0.0.1"),
        (["203.0.113.9:4711"], "203.0.113.9"),  # some proxies add the port
        (["[2001:db8::1]:443"], "2001:db8::1"),
        (["[2001:db8::1]"], "2001:db8::1"),
        (["2001:DB8:0:0::1"], "2001:db8::1"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
        (["203.0.113.9, 2001:db8:ffff::7"], "203.0.113.9"),
        (["fe80::1%eth0"], "fe80::1"),
        # What is no address: nothing left of it can be believed.
        (["unknown"], "10.0.0.1"),
        (["203.0.113.9, garbage"], "10.0.0.1"),
        (["203.0.113.9, garbage, 10.0.0.2"], "10.0.0.1"),
        (["garbage, 203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 10.0.0.2:port"], "10.0.0.1"),
        (["203.0.113.9, [10.0.0.2]"], "10.0.0.1"),
        (["203.0.113.9, [2001:db8::1"], "10.0.0.1"),
        (["203.0.113.9, [2001:db8::1]x"], "10.0.0.1"),
        (["203.0.113.9, [2001:db8::1]443"], "10.0.0.1"),
        (["203.0.113.9, 010.0.0.2"], "10.0.0.1"),  # octal to some
        (["203.0.113.9, 10.0.0.2."], "10.0.0.1"),
        (["203.0.113.9, 256.1.1.1"], "10.0.0.1"),
        (["203.0.113.9, 10.0.0.0/8"], "10.0.0.1"),
        (["203.0.113.9, " + "1" * 70000], "10.0.0.1"),
        (["203.0.113.9, \xff\xfe"], "10.0.0.1"),
        (['203.0.113.9, "10.0.0.2"'], "10.0.0.1"),
    ],
)
def test_x_forwarded_for(lines: list[str], address: str) -> None:
    assert client(*lines) == address


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["for=203.0.113.9"], "203.0.113.9"),
        (["For=203.0.113.9;proto=http;by=203.0.113.43"], "203.0.113.9"),
        (['for="203.0.113.9:4711"'], "203.0.113.9"),
        (['for="[2001:db8:cafe::17]:4711"'], "2001:db8:cafe::17"),
        (['for="[2001:db8:cafe::17]"'], "2001:db8:cafe::17"),
        (["for=198.51.100.1, for=203.0.113.9, for=10.0.0.2"], "203.0.113.9"),
        (["for=203.0.113.9", "for=10.0.0.2"], "203.0.113.9"),
        (["proto=https;for=203.0.113.9 , by=10.0.0.1;for=10.0.0.2"], "203.0.113.9"),
        (['for=203.0.113.9;host="a,b;c", for=10.0.0.2'], "203.0.113.9"),  # the comma stands in quotes
        (['for="203.0.113\\.9"'], "203.0.113.9"),
        (["for=203.0.113.9;;proto=http"], "203.0.113.9"),
        (["for=10.0.0.3, for=10.0.0.2"], "10.0.0.3"),
        # RFC 7239, 6.2 and 6.3.
        (["for=unknown"], "10.0.0.1"),
        (["for=_hidden"], "10.0.0.1"),
        (['for="_SEVKISEK:_port"'], "10.0.0.1"),
        (["for=203.0.113.9, for=unknown, for=10.0.0.2"], "10.0.0.1"),
        (["proto=https"], "10.0.0.1"),
        (["for=203.0.113.9, proto=https"], "10.0.0.1"),
        # Malformed.
        (["for=203.0.113.9, for=[2001:db8::1]"], "10.0.0.1"),
        (['for="203.0.113.9'], "10.0.0.1"),
        (['for="198.51.100.1', "for=203.0.113.9"], "203.0.113.9"),  # a line of its own does no harm to the next
        (["for=203.0.113.9 10.0.0.2"], "10.0.0.1"),
        (["203.0.113.9"], "10.0.0.1"),
        (["for=203.0.113.9;for=198.51.100.1"], "10.0.0.1"),
        (["for"], "10.0.0.1"),
        ([""], "10.0.0.1"),
    ],
)
def test_forwarded(lines: list[str], address: str) -> None:
    assert client(*lines, field="forwarded") == address


def test_what_is_too_long_for_an_address_is_not_remembered() -> None:
    before = canonical.cache_info().currsize
    assert client("203.0.113.9, " + "2" * 70000) == "10.0.0.1"
    assert canonical.cache_info().currsize <= before + 1  # the peer's


def test_a_stranger_is_who_he_is_whatever_he_says() -> None:
    assert client("198.51.100.1", peer=("203.0.113.9", 4000)) == "203.0.113.9"
    assert client("for=198.51.100.1", peer=("203.0.113.9", 4000), field="forwarded") == "203.0.113.9"
    assert client("198.51.100.1", trusted=[]) == "10.0.0.1"


def test_one_field_counts_and_the_other_is_not_looked_at() -> None:
    headers = [(b"x-forwarded-for", b"203.0.113.9"), (b"forwarded", b"for=198.51.100.1")]
    scope = {"client": ("10.0.0.1", 4000), "headers": headers}
    assert Clients(PROXIES, "x-forwarded-for").of(scope) == "203.0.113.9"
    assert Clients(PROXIES, "forwarded").of(scope) == "198.51.100.1"


@pytest.mark.parametrize("peer", [None, ("", 0), ["", 0]])
def test_behind_a_unix_socket(peer: Any) -> None:
    assert client("203.0.113.9", peer=peer) is None
    assert client("203.0.113.9", peer=peer, trusted=["unix"]) == "203.0.113.9"
    assert client("203.0.113.9, 10.0.0.2", peer=peer, trusted=["unix", *PROXIES]) == "203.0.113.9"
    assert client("garbage", peer=peer, trusted=["unix"]) is None
    assert client(peer=peer, trusted=["unix"]) is None
    assert client(peer=peer, trusted=[]) is None


def test_a_unix_word_trusts_no_address() -> None:
    assert client("203.0.113.9", trusted=["unix"]) == "10.0.0.1"


def test_a_peer_that_is_no_address_is_not_trusted_and_keeps_its_name() -> None:
    assert client("203.0.113.9", peer=("testclient", 50000)) == "testclient"
    assert client(peer=("testclient", 50000), trusted=[]) == "testclient"


def test_what_uvicorn_has_made_out_already_stands() -> None:
    """It writes a port of 0. A client within the trusted networks is not asked for another one behind it."""
    assert client("198.51.100.1, 10.0.0.9", peer=("10.0.0.9", 0)) == "10.0.0.9"
    assert client("198.51.100.1, 203.0.113.9", peer=("203.0.113.9", 0)) == "203.0.113.9"


@pytest.mark.parametrize(
    ("trusted", "said"),
    [
        (["*"], "whoever connects could then write any address"),
        (["0.0.0.0/0"], "whoever connects"),
        (["::/0"], "whoever connects"),
        ("*", r"trusted='\*': whoever connects could then write any address: give the networks .*\[\"10.0.0.0/8\"\]"),
        ("0.0.0.0/0", "whoever connects"),
        ("10.0.0.0/8", r"give a list: \['10.0.0.0/8'\]"),
        ("unix", r"give a list: \['unix'\]"),
        ("proxy.internal", "give the networks of your proxies in a list"),
        (["proxy.internal"], "give the networks"),
        ([""], "give the networks"),
        ([10], "give the networks"),
    ],
)
def test_whom_nobody_should_trust(trusted: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Clients(trusted, "x-forwarded-for")


def test_there_are_two_fields() -> None:
    with pytest.raises(ConfigError, match="'x-forwarded-for', 'forwarded'"):
        Clients([], "x-real-ip")


def test_a_host_in_a_network_names_the_network() -> None:
    assert client("203.0.113.9, 10.0.0.2", trusted=["10.0.0.1/8"]) == "203.0.113.9"
    assert client("203.0.113.9, 10.0.0.2", trusted=["10.0.0.1"]) == "10.0.0.2"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1::", "2001:db8:0:1::/64"),
        ("testclient", None),
    ],
)
def test_the_network_of_a_subscriber(address: str, network: str | None) -> None:
    assert network_of(address) == network


@given(st.ip_addresses())
def test_there_is_one_way_to_write_an_address(address: Any) -> None:
    once = canonical(str(address))
    assert once is not None
    assert canonical(once) == once
    if address.version == 6:
        assert canonical(address.exploded) == canonical(f"[{address}]:1") == once
    else:
        assert canonical(f"::ffff:{address}") == canonical(f"{address}:65535") == once


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=40), max_size=4), st.booleans())
def test_no_header_raises_and_what_it_answers_is_an_address(lines: list[str], forwarded: bool) -> None:
    address = client(*lines, field="forwarded" if forwarded else "x-forwarded-for")
    assert address is not None
    assert canonical(address) == address


@given(st.lists(st.ip_addresses(), max_size=3), st.lists(st.sampled_from(["10.0.0.2", "10.1.2.3"]), max_size=3))
def test_what_a_client_invents_changes_nothing(invented: list[Any], proxies: list[str]) -> None:
    """An oracle too simple to be wrong: the proxies appended the client, then each other."""
    field = ", ".join([*map(str, invented), "203.0.113.9", *proxies])
    assert client(field) == "203.0.113.9"
