"""What does the door make of an outcome? The table of verdicts, the kinds of failure, the facts of a request."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from types import ModuleType
from typing import Any

import pytest

from meshkit import (
    AttemptTimedOut,
    Call,
    CircuitBreaker,
    CircuitOpen,
    ConfigError,
    Constant,
    Pipeline,
    RateLimit,
    Retry,
    Verdict,
)
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.httpx.door import HttpxDoor

from .stand_ins import Inner, Probe

KEPT = {"hold": None, "discard": None, "address": None, "enforces_deadline": False}


def door(judge: Any = None) -> HttpxDoor:
    return HttpxDoor(judge=judge, pipeline=Pipeline(), **KEPT)  # type: ignore[arg-type]


def call(request: Any) -> Call:
    return Call(None, request, 0.0)


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (101, {}, "success"),
        (200, {}, "success"),
        (200, {"retry-after": "1"}, "success"),
        (302, {}, "success"),
        (404, {}, "success"),
        (408, {}, "success"),
        (429, {}, "overloaded"),
        (500, {}, "failure"),
        (501, {}, "failure"),
        (502, {"retry-after": "1"}, "failure"),
        (503, {}, "failure"),
        (503, {"Retry-After": "1"}, "overloaded"),
        (504, {}, "failure"),
        (599, {}, "failure"),
    ],
)
def test_verdict_of_a_status(lib: ModuleType, status: int, headers: dict[str, str], verdict: str) -> None:
    response = lib.Response(status, headers=headers)
    assert door().judge(call(lib.Request("GET", "http://a")), response, None).value == verdict


@pytest.mark.parametrize(
    ("error", "verdict", "sent"),
    [
        ("ConnectError", "failure", False),
        ("ConnectTimeout", "failure", False),
        ("PoolTimeout", "failure", False),
        ("ProxyError", "failure", False),
        ("ReadTimeout", "failure", True),
        ("ReadError", "failure", True),
        ("WriteTimeout", "failure", True),
        ("WriteError", "failure", True),
        ("RemoteProtocolError", "failure", True),
        ("CloseError", "failure", True),
        ("LocalProtocolError", "ignored", True),
        ("UnsupportedProtocol", "ignored", True),
        ("InvalidURL", "ignored", True),
    ],
)
def test_verdict_of_an_error(lib: ModuleType, error: str, verdict: str, sent: bool) -> None:
    raised = getattr(lib, error)("no")
    asked = call(lib.Request("GET", "http://a"))
    assert door().judge(asked, None, raised).value == verdict
    failure = door().failure(asked, None, raised)
    assert (failure.error, failure.sent, failure.status, failure.stale) == (raised, sent, None, False)


def test_verdict_of_errors_that_are_not_the_librarys(lib: ModuleType) -> None:
    asked = call(lib.Request("GET", "http://a"))
    for error, verdict in [
        (lib.StreamConsumed(), Verdict.IGNORED),
        (CircuitOpen("open"), Verdict.IGNORED),
        (AttemptTimedOut("late"), Verdict.FAILURE),
        (ZeroDivisionError(), Verdict.FAILURE),
        (OSError(), Verdict.FAILURE),
    ]:
        assert door().judge(asked, None, error) is verdict


def test_the_users_judge_has_the_first_word(lib: ModuleType) -> None:
    def missing_is_failure(response: Any, error: BaseException | None) -> Verdict | None:
        assert (response is None) != (error is None)
        return Verdict.FAILURE if response is not None and response.status_code == 404 else None

    asked = call(lib.Request("GET", "http://a"))
    judge = door(missing_is_failure).judge
    assert judge(asked, lib.Response(404), None) is Verdict.FAILURE
    assert judge(asked, lib.Response(200), None) is Verdict.SUCCESS
    assert judge(asked, lib.Response(429), None) is Verdict.OVERLOADED
    assert judge(asked, None, lib.ReadError("no")) is Verdict.FAILURE


async def test_the_users_judge_reaches_the_policies(lib: ModuleType) -> None:
    pipeline = Pipeline(Retry(404, backoff=Constant(0.001, jitter=0.0)), probe := Probe())
    answers = [404, 404, 200]
    transport = AsyncMeshTransport(
        pipeline,
        inner := Inner(lambda request: lib.Response(answers.pop(0))),
        judge=lambda response, error: Verdict.FAILURE if response and response.status_code == 404 else None,
    )
    async with lib.AsyncClient(transport=transport) as client:
        assert (await client.get("http://a")).status_code == 200
    assert len(inner.requests) == 3
    assert probe.verdicts == ["failure", "failure", "success"]


@pytest.mark.parametrize(
    ("method", "headers", "idempotent"),
    [
        *((method, {}, True) for method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "get")),
        *((method, {}, False) for method in ("POST", "PATCH", "CONNECT", "MKCOL")),
        ("POST", {"Idempotency-Key": '"1"'}, True),
    ],
)
def test_idempotent_methods(lib: ModuleType, method: str, headers: dict[str, str], idempotent: bool) -> None:
    failure = door().failure(call(lib.Request(method, "http://a", headers=headers)), lib.Response(503), None)
    assert failure.idempotent is idempotent


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": formatdate(0, usegmt=True)}, 0.0),
        ({"Retry-After-Ms": "250", "Retry-After": "1"}, 0.25),
        ({"Retry-After-Ms": "junk", "Retry-After": "1"}, 1.0),
    ],
)
def test_retry_after(lib: ModuleType, headers: dict[str, str], seconds: float | None) -> None:
    failure = door().failure(call(lib.Request("GET", "http://a")), lib.Response(503, headers=headers), None)
    assert (failure.status, failure.retry_after) == (503, seconds)


def test_a_date_in_retry_after_is_counted_from_the_time_of_day(
    lib: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 784111777.0)  # the date that RFC 9110 uses throughout
    response = lib.Response(503, headers={"Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT"})
    assert door().failure(call(lib.Request("GET", "http://a")), response, None).retry_after == 10.0


class Pipe(io.RawIOBase):
    """A file that cannot be wound back."""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return b""


def parts() -> Iterator[bytes]:
    yield b"x"


async def aparts() -> AsyncIterator[bytes]:
    yield b"x"


@pytest.mark.parametrize(
    ("body", "replayable"),
    [
        ({}, True),
        ({"content": b"x"}, True),
        ({"json": {"a": 1}}, True),
        ({"data": {"a": "1"}}, True),
        ({"data": {"a": "1"}, "files": {"f": b"x"}}, True),
        ({"files": {"f": io.BytesIO(b"x")}}, True),
        ({"files": {"f": Pipe()}}, False),
        ({"content": parts()}, True),  # not yet
        ({"content": aparts()}, True),
    ],
)
def test_what_can_be_sent_twice(lib: ModuleType, body: Any, replayable: bool) -> None:
    request = lib.Request("POST", "http://a", **body)
    failure = door().failure(call(request), None, lib.ConnectError("no"))
    assert failure.replayable is replayable


def test_a_consumed_body_cannot_be_sent_twice(lib: ModuleType) -> None:
    request = lib.Request("POST", "http://a", content=parts())
    b"".join(request.stream)
    assert not door().failure(call(request), None, lib.ReadError("no")).replayable
    request = lib.Request("POST", "http://a", content=parts())
    request.read()  # as a transport that keeps it in memory does: then it is bytes
    assert door().failure(call(request), None, lib.ReadError("no")).replayable

    class Own(lib.SyncByteStream):  # type: ignore[name-defined, misc]
        """Of which nothing is known."""

    request = lib.Request("POST", "http://a", stream=Own())
    assert not door().failure(call(request), None, lib.ConnectError("no")).replayable


def test_a_consumed_body_is_not_sent_twice(lib: ModuleType) -> None:
    def answer(request: Any) -> Any:
        b"".join(request.stream)
        raise lib.ReadError("no")

    pipeline = Pipeline(Retry("reset", non_idempotent=True, backoff=Constant(0.001)))
    with lib.Client(transport=MeshTransport(pipeline, inner := Inner(answer))) as client:
        with pytest.raises(lib.ReadError):
            client.post("http://a", content=parts())
        assert len(inner.requests) == 1
        with pytest.raises(lib.ReadError):
            client.post("http://a", content=b"x")
        assert len(inner.requests) == 1 + 3


FACTS = [
    ("scheme", "https"),
    ("host", "shop.example"),
    ("origin", "https://shop.example:8443"),
    ("method", "POST"),
    ("path", "/a b"),
    ("uri", "/a%20b?q=1&q=2&n=a+%C3%A9"),
    ("query:q", "1"),
    ("query:n", "a é"),
    ("query:none", None),
    ("cookie:sid", "s=1"),
    ("cookie:SID", None),
    ("header:x-api-key", "k1"),
    ("header:X-API-Key", "k1"),
    ("header:x-none", None),
    ("extension:tenant", 7),
    ("extension:none", None),
]


@pytest.mark.parametrize(("name", "value"), FACTS)
def test_facts(lib: ModuleType, name: str, value: Any) -> None:
    request = lib.Request(
        "POST",
        "https://user:pass@Shop.example:8443/a%20b?q=1&q=2&n=a+%C3%A9",
        headers=[("X-API-Key", "k1"), ("Cookie", "a=1"), ("Cookie", 'b="2"; sid=s=1')],
        extensions={"tenant": 7},
    )
    assert door().fact(call(request), name) == value


@pytest.mark.parametrize("name", ["hots", "header:", "header", "query:", "query", "cookie:", "uri:x", ""])
def test_an_unknown_fact_says_which_there_are(lib: ModuleType, name: str) -> None:
    with pytest.raises(ConfigError, match="header:<name>"):
        door().fact(call(lib.Request("GET", "http://a")), name)


async def test_a_limit_for_each_key(lib: ModuleType) -> None:
    pipeline = Pipeline(RateLimit("1/h", key="header:x-api-key"))
    async with lib.AsyncClient(
        transport=AsyncMeshTransport(pipeline, Inner(lambda request: lib.Response(200)))
    ) as client:
        for key in ("a", "b"):
            assert (await client.get("http://a", headers={"X-Api-Key": key})).status_code == 200
        with pytest.raises(lib.TransportError):
            await client.get("http://a", headers={"X-Api-Key": "a"})
    assert pipeline.idle()


def test_a_key_function_is_given_the_request(lib: ModuleType) -> None:
    pipeline = Pipeline(probe := Probe(lambda call: call.request.headers["x-tenant"]))
    with lib.Client(transport=MeshTransport(pipeline, Inner(lambda request: lib.Response(200)))) as client:
        client.get("http://a", headers={"X-Tenant": "t1"})
        with pytest.raises(KeyError):
            client.get("http://a")
    assert probe.told == ["t1"]
    assert pipeline.idle()


async def test_the_callers_mistakes_open_no_breaker(lib: ModuleType) -> None:
    def answer(request: Any) -> Any:
        raise lib.LocalProtocolError("illegal header")

    pipeline = Pipeline(CircuitBreaker(failures=1))
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, Inner(answer))) as client:
        for _ in range(3):
            with pytest.raises(lib.LocalProtocolError):
                await client.get("http://a")
