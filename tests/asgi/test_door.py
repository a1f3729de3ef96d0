"""What a limit may ask of a request, and what cannot be built."""

from __future__ import annotations

from typing import Any

import pytest

from meshkit import (
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Pipeline,
    RateLimit,
    Retry,
    Shared,
    Timeout,
)
from meshkit.asgi import MeshMiddleware
from meshkit.call import Call
from meshkit.retry.hedge import Hedge
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router

from .stand_ins import answering, ask, http, websocket


def facts(scope: dict[str, Any], *names: str, **options: Any) -> list[Any]:
    door = MeshMiddleware(answering(), Pipeline(), **options)._door
    request = type("Request", (), {"scope": scope})()
    return [door.fact(Call(door, request, 0.0), name) for name in names]


def test_the_facts_of_a_request() -> None:
    scope = http(
        "/items/caf\xe9",
        headers=[("host", "Shop.Example:8080"), ("x-tag", "a"), ("x-tag", "b"), ("x-name", "caf\xe9")],
        method="POST",
        scheme="https",
        state={"tenant": "t1"},
        user="ann",
    )
    names = ["client", "client-network", "path", "method", "host", "scheme", "user"]
    assert facts(scope, *names) == [
        "192.0.2.7",
        "192.0.2.7/32",
        "/items/caf\xe9",
        "POST",
        "shop.example:8080",
        "https",
        "ann",
    ]
    assert facts(scope, "header:X-Tag", "header:x-name", "header:x-none") == ["a, b", "caf\xe9", None]
    assert facts(scope, "state:tenant", "state:other") == ["t1", None]


def test_the_uri_the_query_and_the_cookies_of_a_request() -> None:
    scope = http("/a b/caf\xe9", headers=[("cookie", "a=1; sid=x"), ("cookie", 'q="y z"')])
    scope["query_string"] = b"q=1&q=2&n=a+%C3%A9&flag"
    scope.pop("raw_path", None)
    assert facts(scope, "uri") == ["/a%20b/caf%C3%A9?q=1&q=2&n=a+%C3%A9&flag"]
    scope["raw_path"] = b"/a%20b/caf%c3%a9"
    assert facts(scope, "uri") == ["/a%20b/caf%c3%a9?q=1&q=2&n=a+%C3%A9&flag"]  # as sent
    scope["raw_path"] = b"/a%20b?q=1"  # a server that puts the query there too
    scope["query_string"] = b"q=1"
    assert facts(scope, "uri", "query:q", "query:n") == ["/a%20b?q=1", "1", None]
    assert facts(scope, "cookie:sid", "cookie:q", "cookie:a", "cookie:none") == ["x", "y z", "1", None]
    bare = http("/")
    del bare["query_string"]
    assert facts(bare, "uri", "query:q", "cookie:sid") == ["/", None, None]


def test_where_there_is_nothing_there_is_none() -> None:
    scope = websocket(client=None)
    assert facts(scope, "client", "client-network", "host", "user", "state:tenant") == [None] * 5
    assert facts(scope, "method", "scheme") == ["GET", "ws"]
    del scope["client"], scope["scheme"]
    assert facts(scope, "client", "scheme") == [None, "http"]


def test_a_subscriber_has_a_network() -> None:
    scope = http(client=("2001:db8:0:1:a:b:c:d", 1))
    assert facts(scope, "client", "client-network") == ["2001:db8:0:1:a:b:c:d", "2001:db8:0:1::/64"]
    assert facts(http(client=("testclient", 1)), "client-network") == ["testclient"]
    scope = http(headers=[("x-forwarded-for", "2001:db8:0:1::9")], client=("10.0.0.1", 1))
    assert facts(scope, "client-network", trusted=["10.0.0.0/8"]) == ["2001:db8:0:1::/64"]
    scope = http(headers=[("forwarded", "for=203.0.113.9")], client=("10.0.0.1", 1))
    assert facts(scope, "client", trusted=["10.0.0.0/8"], forwarded="forwarded") == ["203.0.113.9"]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *((name, True) for name in ("client", "client-network", "path", "method", "host", "scheme", "uri", "user")),
        *((name, True) for name in ("header:X-Tag", "state:tenant", "query:q", "cookie:sid")),
        *((name, False) for name in ("ip", "header:", "state:", "query:", "cookie:", "headers", "query", "")),
    ],
)
def test_what_it_knows_is_what_it_tells(name: str, known: bool) -> None:
    door = MeshMiddleware(answering(), Pipeline())._door
    call = Call(door, type("Request", (), {"scope": http()})(), 0.0)
    for asked in (lambda: door.knows(name), lambda: door.fact(call, name)):
        if known:
            asked()
        else:
            with pytest.raises(ConfigError, match=r"name one of certificate, client, client-network, .* header:<name>"):
                asked()


class User:
    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    @property
    def identity(self) -> str:
        if "_identity" not in self.__dict__:
            raise NotImplementedError  # as Starlette's SimpleUser
        return self.__dict__["_identity"]  # type: ignore[no-any-return]


def test_who_the_user_is() -> None:
    def user(value: Any) -> Any:
        return facts(http(user=value), "user")[0]

    assert user(User(is_authenticated=True, _identity="ann", display_name="Ann")) == "ann"
    assert user(User(is_authenticated=True, display_name="Ann")) == "Ann"
    assert user(User(is_authenticated=True, pk=7, display_name="Ann")) == 7
    assert user(User(is_authenticated=False, display_name="")) is None
    assert user(User(is_authenticated=True, username="ann")) == "ann"
    assert user(User(id=7, display_name="Ann")) == 7  # no interface of Starlette's
    assert user(User(is_authenticated=True, pk=object(), id=None, username="", display_name="Ann")) == "Ann"
    assert user(7) == 7
    assert user(None) is None
    for stranger in (User(is_authenticated=True), object(), {"id": 7}, User(pk=["7"])):
        with pytest.raises(TypeError, match="give a function of the call"):
            user(stranger)


@pytest.mark.parametrize("name", ["ip", "header:", "state:", "headers", "extension:tenant", "query"])
@pytest.mark.parametrize("option", ["key", "cost"])
def test_a_limit_that_asks_for_what_is_no_fact_is_not_built(name: str, option: str) -> None:
    said = f"RateLimit: {option}={name!r}: name one of certificate, client, client-network"
    with pytest.raises(ConfigError, match=said):
        MeshMiddleware(answering(), Pipeline(Timeout(1.0), Shared(RateLimit("1/s", **{option: name}))))


async def test_a_limit_per_client_is_one_for_each() -> None:
    app = MeshMiddleware(answering(), Pipeline(RateLimit("1/h", key="client")), trusted=["10.0.0.0/8"])
    for client in ("203.0.113.9", "203.0.113.10"):
        scope = http(headers=[("x-forwarded-for", client)], client=("10.0.0.1", 1))
        assert [(await ask(app, dict(scope))).status for _ in range(2)] == [200, 429]


async def fallback(call: Any, call_next: Any) -> Any:
    return await call_next()


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ([Retry("5xx")], "Retry.*put the retry into the client's pipeline"),
        ([Timeout(1.0), Shared(Retry("5xx")), Timeout(0.5)], "put the retry into the client's pipeline"),
        ([ConcurrencyLimit(1), fallback, Retry("5xx")], "put the retry into the client's pipeline"),
        ([Hedge(after=0.1)], "put the hedge into the client's pipeline"),
        ([Cluster("shop", ["10.0.0.7:8080"])], "put the cluster into the client's pipeline"),
        ([Router([Route(Match(host="a"), Cluster("b", ["c:80"]), name="shop")])], "='b': the route shop: .*to=None"),
    ],
)
def test_what_has_no_meaning_behind_this_door(policies: list[Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MeshMiddleware(answering(), Pipeline(*policies))


async def awaited(exchange: Any, error: Any) -> None: ...


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pipeline": Timeout(1.0)}, "give a Pipeline"),
        ({"pipeline": None}, "give a Pipeline"),
        ({"app": None}, "give an ASGI app"),
        ({"app": dict}, "give an ASGI app"),
        ({"judge": 3}, "give a function of"),
        ({"judge": awaited}, "a plain def"),
        ({"trusted": ["*"]}, "whoever connects"),
        ({"trusted": "10.0.0.1"}, "give a list"),
        ({"forwarded": "x-real-ip"}, "write one of"),
        ({"deadline": "grpc-timeout"}, "give a list"),
        ({"deadline": [""]}, "give a list"),
        ({"deadline": [b"grpc-timeout"]}, "give a list"),
        ({"most": 0}, "give seconds"),
        ({"most": float("nan")}, "give seconds"),
        ({"most": True}, "give seconds"),
        ({"most": float("inf")}, "give seconds"),
        ({"most": 10**400}, "give seconds"),
        ({"reserve": -0.1}, "give seconds"),
        ({"reserve": "1"}, "give seconds"),
        ({"rate_limit": "draft-12"}, "write one of"),
        ({"via": "caf\xe9"}, "printable ASCII"),
    ],
)
def test_what_cannot_be_built(options: dict[str, Any], said: str) -> None:
    given = {"app": answering(), "pipeline": Pipeline(), **options}
    with pytest.raises(ConfigError, match=said) as raised:
        MeshMiddleware(**given)
    assert str(raised.value).startswith("MeshMiddleware: ")


def test_its_repr_says_what_it_is() -> None:
    app, pipeline = answering(), Pipeline(Timeout(1.0))
    assert repr(MeshMiddleware(app, pipeline)) == f"MeshMiddleware({app!r}, {pipeline!r})"
