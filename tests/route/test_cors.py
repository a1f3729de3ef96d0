"""Which origin may read an answer, and what is a browser told? By the Fetch standard, and the Gateway API."""

from __future__ import annotations

from typing import Any

import pytest

from meshkit import ConfigError
from meshkit.route.cors import Cors, CorsState, preflight
from meshkit.route.plan import Plan

SHOP = "https://shop.example"


def state(*origins: str, **options: Any) -> CorsState:
    plan = Plan([Cors(origins, **options)])
    assert plan.outgoing
    assert plan.gates == (plan.cors,)
    found: CorsState = plan.cors
    return found


def fields(cors: CorsState, origin: str | None = SHOP, method: str = "GET", **asked: str) -> dict[str, str]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in asked.items()]
    pairs += [] if origin is None else [(b"origin", origin.encode("latin-1"))]
    return {name.decode(): value.decode("latin-1") for name, value in cors.edited([], pairs, method)}


@pytest.mark.parametrize(
    ("listed", "origin", "allowed"),
    [
        ("https://a.example", "https://a.example", True),
        ("https://A.example/", "https://a.example", True),  # what is listed may be written as people do
        ("https://a.example:443", "https://a.example", True),
        ("http://a.example:80", "http://a.example", True),
        ("https://a.example:80", "https://a.example:80", True),
        ("https://a.example", "https://a.example:443", False),  # browsers leave it out
        ("https://a.example", "https://A.example", False),  # and write lower case
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://a.example.evil", False),
        ("https://a.example", "https://a.example/", False),
        ("https://a.example", "null", False),
        ("https://*.b.example", "https://x.b.example", True),
        ("https://*.b.example", "https://x.y.b.example", True),  # Gateway API: any number of labels
        ("https://*.b.example", "https://b.example", False),
        ("https://*.b.example", "https://.b.example", False),
        ("https://*.b.example", "https://evilb.example", False),
        ("https://*.b.example", "https://x.b.example:8443", False),
        ("https://*.b.example:8443", "https://x.b.example:8443", True),
        ("https://*.b.example", "https://evil/.b.example", False),
        ("https://*.b.example", "https://evil#.b.example", False),
        ("https://*.b.example", "https://evil@x.b.example", False),
        ("https://*.b.example", "https://x.b.example, https://evil", False),
        ("https://*", "https://anything.at.all", True),
        ("https://*", "https://[2001:db8::1]", True),
        ("https://*", "https://a:8443", False),
        ("https://*", "http://a", False),
        ("https://*", "null", False),
        ("http://[::1]:3000", "http://[::1]:3000", True),
        ("app://id", "app://id", True),
        ("*", "null", True),
        ("*", "whatever", True),
    ],
)
def test_an_origin_is_compared(listed: str, origin: str, allowed: bool) -> None:
    assert state("https://other.example", listed).allows(origin) is allowed


def test_an_endless_origin_is_none() -> None:
    assert not state("https://*.b.example").allows("https://" + "x" * 600 + ".b.example")


def test_an_answer_says_who_may_read_it() -> None:
    cors = state(SHOP, expose=["x-total", "etag"])
    assert fields(cors) == {
        "vary": "origin",
        "access-control-allow-origin": SHOP,
        "access-control-expose-headers": "x-total, etag",
    }
    assert fields(cors, "https://evil.example") == {"vary": "origin"}
    assert fields(cors, None) == {"vary": "origin"}
    assert fields(cors, "https://shop.example\xff") == {"vary": "origin"}


def test_everybody_is_told_the_same() -> None:
    cors = state("*", expose="*")
    told = {"access-control-allow-origin": "*", "access-control-expose-headers": "*"}
    assert fields(cors) == told
    assert fields(cors, "null") == told
    assert fields(cors, None) == {}


def test_never_everybody_with_credentials() -> None:
    cors = state("https://*", credentials=True, methods="*", headers="*")
    assert fields(cors) == {
        "vary": "origin",
        "access-control-allow-origin": SHOP,
        "access-control-allow-credentials": "true",
    }
    told = fields(
        cors,
        method="OPTIONS",
        access_control_request_method="DELETE",
        access_control_request_headers="x-a,x-b",
    )
    assert told["access-control-allow-methods"] == "DELETE"
    assert told["access-control-allow-headers"] == "x-a,x-b"
    told = fields(cors, method="OPTIONS", access_control_request_method="GET")
    assert told["access-control-allow-methods"] == "GET"
    assert "access-control-allow-headers" not in told
    assert "*" not in told.values()


def test_a_preflight_is_told_what_may_be_asked() -> None:
    cors = state(SHOP, methods=("GET", "PUT"), headers=("x-token",), expose=("etag",), max_age=86400)
    told = fields(cors, method="OPTIONS", access_control_request_method="PUT")
    assert told == {
        "vary": "origin, access-control-request-method, access-control-request-headers",
        "access-control-allow-origin": SHOP,
        "access-control-allow-methods": "GET, PUT",
        "access-control-allow-headers": "x-token",
        "access-control-max-age": "86400",
    }
    evil = fields(cors, "https://evil.example", method="OPTIONS", access_control_request_method="PUT")
    assert evil == {"vary": "origin, access-control-request-method, access-control-request-headers"}
    # Without a question it is an OPTIONS like any other request.
    assert fields(cors, method="OPTIONS")["access-control-expose-headers"] == "etag"


class Door:
    def __init__(self, server: bool, **facts: str) -> None:
        if server:
            self.take = None
        self.facts = {name.replace("_", "-"): value for name, value in facts.items()}

    def fact(self, call: Any, name: str) -> str | None:
        return self.facts.get(name.removeprefix("header:"))


class Asking:
    def __init__(self, door: Door) -> None:
        self.door = door
        self.facts: dict[Any, Any] = {}


ASKED = {"origin": SHOP, "access_control_request_method": "PUT"}


@pytest.mark.parametrize(
    ("server", "facts", "is_one"),
    [
        (True, {"method": "OPTIONS", **ASKED}, True),
        (False, {"method": "OPTIONS", **ASKED}, False),  # a client's own question
        (True, {"method": "GET", **ASKED}, False),
        (True, {"method": "OPTIONS", "origin": SHOP}, False),
        (True, {"method": "OPTIONS", "access_control_request_method": "PUT"}, False),
    ],
)
def test_what_is_a_preflight(server: bool, facts: dict[str, str], is_one: bool) -> None:
    cors = state(SHOP)
    call: Any = Asking(Door(server, **facts))
    call.facts[cors] = cors.facts(call)
    assert call.facts[cors] is is_one
    assert (cors.enter(call, 0.0) is not None) is is_one
    if facts["method"] == "OPTIONS":
        assert preflight(call) == ("PUT" if is_one else None)


def test_the_last_one_counts() -> None:
    plan = Plan([Cors(SHOP), Cors("https://b.example")])
    assert plan.gates == (plan.cors,)
    assert plan.cors.allows("https://b.example")
    assert not plan.cors.allows(SHOP)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"origins": ()}, "give origins, such as"),
        ({"origins": "shop.example"}, "give origins, such as"),
        ({"origins": "https://shop.example/path"}, "without a path"),
        ({"origins": "https://a*.example"}, "give origins, such as"),
        ({"origins": "https://*.*.example"}, "give origins, such as"),
        ({"origins": "null"}, "give origins, such as"),
        ({"origins": "https://a.example\r\nx: y"}, "give origins, such as"),
        ({"origins": "*", "credentials": True}, "any site could act for its visitors"),
        ({"origins": SHOP, "expose": "*", "credentials": True}, "with credentials * means nothing"),
        ({"origins": SHOP, "methods": ("GET", "*")}, 'give methods, or "*" alone'),
        ({"origins": SHOP, "methods": "GET POST"}, 'give methods, or "*" alone'),
        ({"origins": SHOP, "headers": "x y"}, 'give names of header fields, or "*" alone'),
        ({"origins": SHOP, "max_age": -1}, "give a duration in seconds"),
        ({"origins": SHOP, "credentials": "yes"}, "write True or False"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Cors(**options)
    assert said in str(raised.value)
    assert raised.value.policy == "Cors"
