"""What a refused client is told: the status, when to come back, what is left, and nothing about the inside."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit import (
    AttemptTimedOut,
    CircuitBreaker,
    CircuitOpen,
    ConcurrencyLimit,
    ConfigError,
    DeadlineExceeded,
    NoEndpoint,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    Rejected,
)
from meshkit.asgi import MeshMiddleware, refusal
from meshkit.asgi.refusal import Refusals
from meshkit.errors import TooLate

from .stand_ins import Client, Clock, answering, ask, http


@pytest.mark.parametrize(
    ("error", "status", "proxy_status", "kind"),
    [
        (RateLimited("x"), 429, "http_request_denied", "quota-exceeded"),
        (Overloaded("x"), 503, "connection_limit_reached", "about:blank"),
        (CircuitOpen("x"), 503, "destination_unavailable", "about:blank"),
        (NoEndpoint("x"), 503, "destination_unavailable", "about:blank"),
        (Rejected("x"), 503, "destination_unavailable", "about:blank"),
        (TooLate("x"), 504, "http_response_timeout", "about:blank"),
        (DeadlineExceeded("x"), 504, "http_response_timeout", "about:blank"),
        (AttemptTimedOut("x"), 504, "http_response_timeout", "about:blank"),
    ],
)
def test_the_table(error: Any, status: int, proxy_status: str, kind: str) -> None:
    error.policy, error.endpoint = "limits", "10.0.0.7:443"
    answer, headers, body = Refusals("shop").of(error)
    fields = dict(headers)
    said = json.loads(body)
    assert answer == said["status"] == status
    assert fields[b"proxy-status"] == f"shop; error={proxy_status}".encode()
    assert fields[b"content-type"] == b"application/problem+json"
    assert int(fields[b"content-length"]) == len(body)
    assert fields.get(b"retry-after") == (b"1" if isinstance(error, Overloaded) else None)
    assert kind in said["type"]
    assert b"10.0.0.7" not in body
    assert said.get("violated-policies") == (["limits"] if status == 429 else None)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, b"1"),
        (-3.0, b"1"),
        (0.2, b"1"),
        (1.0, b"1"),
        (1.01, b"2"),
        (59.5, b"60"),
        (60.0, b"60"),
        (1e300, b"1000000000"),
    ],
)
def test_come_back_in_whole_seconds_not_too_early(seconds: float, written: bytes) -> None:
    _, headers, _ = Refusals(None).of(Overloaded("full", retry_after=seconds))
    assert dict(headers)[b"retry-after"] == written


@given(st.floats(0, 1e6))
def test_who_comes_back_then_does_not_come_too_early(seconds: float) -> None:
    _, headers, _ = Refusals(None).of(Overloaded("full", retry_after=seconds))
    assert seconds <= int(dict(headers)[b"retry-after"]) < max(seconds, 0) + 1.0 + 1e-9 or seconds < 1


def test_a_limit_further_in_is_not_the_clients() -> None:
    status, headers, body = Refusals("shop").of(RateLimited("x", policy="payments", retry_after=3.0), ours=False)
    assert (status, dict(headers)[b"retry-after"]) == (503, b"3")
    assert b"payments" not in body


@pytest.mark.parametrize(
    ("error", "status", "again"),
    [
        (RateLimited("x", policy="each", retry_after=2.5), 429, "3"),
        (CircuitOpen("x", retry_after=9.0), 503, "9"),
        (Overloaded("x"), 503, "1"),
        (TooLate("x"), 504, None),
        (DeadlineExceeded("x"), 504, None),
    ],
)
def test_for_a_handler_of_ones_own_it_is_the_same(error: Any, status: int, again: str | None) -> None:
    """In strings, as frameworks take the fields; they count the body themselves."""
    told, headers, body = refusal(error)
    same, fields, same_body = Refusals("meshkit").of(error)
    assert (told, body) == (same, same_body) == (status, body)
    assert headers == {name.decode(): value.decode() for name, value in fields if name != b"content-length"}
    assert headers.get("retry-after") == again
    headers["x-own"] = "1"
    assert "x-own" not in refusal(error)[1]


def test_a_handler_says_whose_limit_it_is_and_who_it_is() -> None:
    status, headers, body = refusal(RateLimited("x", policy="payments", retry_after=3.0), ours=False, via="shop")
    assert (status, headers["retry-after"]) == (503, "3")
    assert headers["proxy-status"] == "shop; error=destination_unavailable"
    assert b"payments" not in body
    assert "proxy-status" not in refusal(Overloaded("x"), via=None)[1]
    with pytest.raises(ConfigError, match="printable ASCII"):
        refusal(Overloaded("x"), via="caf\xe9")


def test_a_handler_of_everything_is_told() -> None:
    with pytest.raises(TypeError, match="a KeyError is no refusal: register the handler for Rejected"):
        refusal(KeyError("x"))


def test_one_refusal_does_not_change_the_next() -> None:
    refusals = Refusals("shop")
    for error in (Overloaded("full"), DeadlineExceeded("slow")):
        _, first, _ = refusals.of(error)
        first.append((b"ratelimit", b"x"))
        _, second, _ = refusals.of(error)
        assert b"ratelimit" not in dict(second)
        assert len(second) == len(first) - 1


def test_any_number_of_names_takes_bounded_memory() -> None:
    refusals = Refusals("shop")
    for k in range(3000):
        assert json.loads(refusals.of(RateLimited("x", policy=f"limit {k}"))[2])["violated-policies"] == [f"limit {k}"]
    assert len(refusals._made) == 1000


@pytest.mark.parametrize(
    ("via", "written"),
    [("shop-eu.1", b"shop-eu.1; error="), ("the shop", b'"the shop"; error='), ('a"b\\c', rb'"a\"b\\c"; error=')],
)
def test_who_says_so(via: str, written: bytes) -> None:
    _, headers, _ = Refusals(via).of(Overloaded("full"))
    assert dict(headers)[b"proxy-status"].startswith(written)


@pytest.mark.parametrize("via", ["", "caf\xe9", "a\r\nb", 3])
def test_who_cannot_say_so(via: Any) -> None:
    with pytest.raises(ConfigError, match="printable ASCII"):
        Refusals(via)


async def test_a_rate_limit_through_the_door() -> None:
    pipeline = Pipeline(RateLimit("2/min", key="client", name="per client"), clock=(clock := Clock()))
    app = MeshMiddleware(answering(), pipeline)
    policy = '"per client";q=2;w=60'
    client = await ask(app)
    assert (client.status, client.headers["ratelimit-policy"]) == (200, policy)
    assert client.headers["ratelimit"].startswith('"per client";r=1;t=')
    await ask(app)
    client = await ask(app)
    assert client.status == 429
    assert client.headers["retry-after"] == "30"
    assert client.headers["ratelimit-policy"] == policy
    assert client.headers["ratelimit"] == '"per client";r=0;t=30'
    assert client.headers["proxy-status"] == "meshkit; error=http_request_denied"
    assert json.loads(client.body)["violated-policies"] == ["per client"]
    assert (await ask(app, http(client=("192.0.2.8", 1)))).status == 200
    clock.now += 30
    assert (await ask(app)).status == 200


@pytest.mark.parametrize("key", [None, "client", lambda call: call.request.scope["path"]])
async def test_every_answer_has_the_fields(key: Any) -> None:
    """Also a refusal further in, and one of the limit itself, before the app was asked."""
    pipeline = Pipeline(RateLimit("3/min", key=key), CircuitBreaker(failures=1), clock=Clock())
    app = MeshMiddleware(answering(500, [(b"x-own", b"1")]), pipeline)
    clients = [await ask(app) for _ in range(4)]
    assert [client.status for client in clients] == [500, 503, 503, 429]
    assert clients[0].headers["x-own"] == "1"
    left = [client.headers["ratelimit"] for client in clients]
    assert [field.split(";")[1] for field in left] == ["r=2", "r=1", "r=0", "r=0"]


@pytest.mark.parametrize(
    ("profile", "names"),
    [
        ("draft-11", {"ratelimit-policy", "ratelimit"}),
        ("draft-03", {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}),
        ("x-ratelimit", {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}),
        (None, set()),
    ],
)
async def test_profiles(profile: str | None, names: set[str]) -> None:
    app = MeshMiddleware(answering(), Pipeline(RateLimit("3/min")), rate_limit=profile)
    assert set((await ask(app)).headers) == names


async def test_head_has_no_body() -> None:
    app = MeshMiddleware(answering(), Pipeline(RateLimit("1/h")))
    await ask(app)
    client = await ask(app, http(method="HEAD"))
    assert client.status == 429
    assert client.body == b""
    assert int(client.headers["content-length"]) > 100  # what a GET would have


async def test_full_is_503() -> None:
    inner: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        inner.append(await ask(guarded))
        await answering()(scope, receive, send)

    guarded = MeshMiddleware(app, Pipeline(ConcurrencyLimit(1)))
    assert (await ask(guarded)).status == 200
    [refused] = inner
    assert refused.status == 503
    assert refused.headers == {
        "content-type": "application/problem+json",
        "content-length": str(len(refused.body)),
        "proxy-status": "meshkit; error=connection_limit_reached",
        "retry-after": "1",
    }
    assert json.loads(refused.body) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "As much as can be served at once is being served.",
    }


async def test_who_does_not_wait_for_a_refusal_is_no_error() -> None:
    app = MeshMiddleware(answering(), Pipeline(RateLimit("1/h")))
    await ask(app)
    client = Client(broken=0)
    await app(http(), client.receive, client.send)
    assert client.sent == []


async def test_a_key_that_raises_is_the_owners_to_see() -> None:
    def key(call: Any) -> Any:
        raise LookupError("no tenant")

    with pytest.raises(LookupError):
        await ask(MeshMiddleware(answering(), Pipeline(RateLimit("1/h", key=key))))
