"""Hosts, paths, methods, networks and addresses: what is taken, and what is said of what is not."""

from __future__ import annotations

from typing import Any

import pytest

from meshkit.config import FileErrors, parse, standard, structure
from meshkit.config.kinds.kind import Kind
from meshkit.config.kinds.requests import Address, Host, Method, Network, Path, Values
from meshkit.config.kinds.texts import Text
from meshkit.config.located import plain
from meshkit.config.servers import Server

KINDS = standard()
SUCH = "such as orders, *.shop.example or [2001:db8::7]: without scheme, port and path"
FORM = "paths are compared in their normal form"


def read(text: str, kind: Kind) -> Any:
    return structure(parse(text, "a.yaml"), kind, KINDS)


def said(text: str, kind: Kind) -> str:
    with pytest.raises(FileErrors) as caught:
        read(text, kind)
    (mistake,) = caught.value.mistakes
    return str(mistake).removeprefix("a.yaml:1:1: ")


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Host(), ["orders", "'*.shop.example'", "shop.*", "'*'", "'[::1]'", "bücher.example", "Orders", "a.b."]),
        (Path(), ["/", "/orders/17", "/a/", "/v1:read", "/a*b", "/(a)", "/~ann"]),
        (Path(prefix=True, empty=True), ["''", "/v1", "/"]),
        (Method(), ["GET", "PURGE", "M-SEARCH", "get-it"]),
        (Network(), ["10.0.0.0/8", "10.0.0.7", "2001:db8::/32", "'::1'"]),
        (Address(), ["0.0.0.0", "'::1'", "localhost", "127.0.0.1"]),
        (Values(Text()), ["{x-user: anna}", "{}"]),
    ],
    ids=["host", "path", "prefix", "method", "network", "address", "values"],
)
def test_what_is_taken(kind: Kind, texts: list[str]) -> None:
    for text in texts:
        assert read(text, kind) == plain(parse(text, "a.yaml").root)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("http://orders", "'http://orders' is no host; write orders"),
        (
            "https://orders:8443/v1",
            "'https://orders:8443/v1' is no host; write orders, and port: 8443, prefix: /v1 beside it",
        ),
        ("orders:8080", "'orders:8080' is no host; write orders, and port: 8080 beside it"),
        ("orders/v1", "'orders/v1' is no host; write orders, and prefix: /v1 beside it"),
        ("'*orders'", "'*orders' is no host; write *.orders"),
        ("'*.*'", f"'*.*' is no host; {SUCH}"),
        ("a b", f"'a b' is no host; {SUCH}"),
        ("'::1'", "'::1' is no host; write [::1]"),
        ("'[::1'", f"'[::1' is no host; {SUCH}"),
        ("orders:http", f"'orders:http' is no host; {SUCH}"),
        ("\u017fhop", "'\u017fhop' is no host; write it in its ASCII form, which begins with \"xn--\""),
        ("5", 'expected a host such as orders or *.shop.example, not the number 5; put it in quotes, "5"'),
        ('"a\\r\\nb"', "there is a line break in it; write one line"),
    ],
)
def test_what_is_said_of_what_is_no_host(text: str, mistake: str) -> None:
    assert said(text, Host(beside=True)) == mistake


def test_where_no_port_may_stand_beside_a_host_none_is_offered() -> None:
    assert said("http://orders:8080/v1", Host()) == "'http://orders:8080/v1' is no host; write orders"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("orders", "'orders' does not begin with a slash; write /orders"),
        ("http://orders/a", "'http://orders/a' does not begin with a slash; write its path alone"),
        ("/v1/*", "a * is no wildcard in a path; write prefix: /v1"),
        ("/*", "a * is no wildcard in a path; write prefix: /"),
        ("/orders/{id}", f"{FORM}; for any text in a place of it write regex: /orders/[^/]+"),
        ("/orders/<id>/x", f"{FORM}; for any text in a place of it write regex: /orders/[^/]+/x"),
        ("/orders/[0-9]+", f"{FORM}; write an expression as regex:"),
        ("/a/../b", f"{FORM}; write /b"),
        ("/a?b=c", "no request has the path '/a?b=c': a query; write /a, and query: {b: c} beside it"),
        ("/a?b", "no request has the path '/a?b': a query; write /a, and query: {b: true} beside it"),
        ("/a b", "no request has the path '/a b': a blank; write /a%20b"),
        ("/é", "no request has the path '/é': a character that is not ASCII; write /%C3%A9"),
        ("/a%2fb", "no request has the path '/a%2fb': an encoded slash"),
        ("{type: PathPrefix, value: /v1}", "expected a path such as /orders, not a mapping; write prefix: /v1"),
        ("{value: /v1}", "expected a path such as /orders, not a mapping; write path: /v1"),
        ("7", "expected a path such as /orders, not the number 7"),
    ],
)
def test_what_is_said_of_what_is_no_path(text: str, mistake: str) -> None:
    assert said(text, Path()) == mistake


def test_a_prefix_with_a_wildcard_is_one_without() -> None:
    assert said("/v1/**", Path(prefix=True)) == "a * is no wildcard in a path; write /v1"


@pytest.mark.parametrize(
    ("kind", "text", "mistake"),
    [
        (Method(), "get", "methods are written in capitals; write GET"),
        (Method(), "GET,post", "'GET,post' is not one method; write [GET, POST]"),
        (Method(), "5", "expected a method such as GET, not the number 5"),
        (Network(), "10.0.0.1/8", "'10.0.0.1/8' is no network; write 10.0.0.0/8, or 10.0.0.1 for that one address"),
        (Network(), "localhost", "'localhost' is no network; such as 10.0.0.0/8, 10.0.0.7 or 2001:db8::/32"),
        (Address(), "0.0.0.0:80", "'0.0.0.0:80' is no address to listen on; write address: 0.0.0.0 and port: 80"),
        (Address(), "a/b", "'a/b' is no address to listen on; such as 0.0.0.0, ::1 or localhost"),
        (
            Values(Text()),
            "[{name: x-user, value: anna}]",
            "expected values by name, such as {x-user: anna}, not a list; write {x-user: anna}",
        ),
        (Values(Text()), "[x-user]", "expected values by name, such as {x-user: anna}, not a list"),
    ],
)
def test_what_is_said_of_methods_networks_addresses_and_values(kind: Kind, text: str, mistake: str) -> None:
    assert said(text, kind) == mistake


# Servers.


@pytest.fixture(scope="module")
def server() -> Server:
    from meshkit import Cluster
    from meshkit.config.file import MeshFile

    kind: Any = MeshFile().kinds.option_of(Cluster, "endpoints")
    assert isinstance(kind.inner, Server)
    return kind.inner


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("10.0.0.7:80 weight=3", "'10.0.0.7:80 weight=3' is no endpoint; write {address: 10.0.0.7:80, weight: 3}"),
        ("a:1, b:2", "'a:1, b:2' is no endpoint; write a list, [a:1, b:2]"),
        ("dns://orders", "'dns://orders' is no endpoint; write dns: {host: orders, port: 80}"),
        ("circuit_breaker", "'circuit_breaker' is no endpoint; that is a policy: write it under pipeline:"),
        ("{timeout: 2s}", "timeout: timeout is a policy, and no endpoint; write it under pipeline:"),
        ("{host: a, port: 80}", "an endpoint has its host and port in one; write a:80"),
        ("80", "expected an endpoint such as 10.0.0.7:8080, not the number 80; write each with a host and a port"),
        ("[a:1]", "expected an endpoint such as 10.0.0.7:8080, not a list"),
    ],
)
def test_what_is_said_of_what_is_no_endpoint(server: Server, text: str, mistake: str) -> None:
    assert said(text, server).removeprefix("a.yaml:1:2: ") == mistake
