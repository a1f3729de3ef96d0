"""What the upstream is told: how much time is left, which attempt it is, and nothing else is changed."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from meshkit import Call, Cluster, ConfigError, Constant, Pipeline, Retry, Timeout, TooLate
from meshkit.deadline import detached, ledger, opened
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.httpx.aim import told
from meshkit.httpx.outgoing import Fields

from .stand_ins import Clock, Inner, streaming

URL = "http://a/"
DEADLINE, ATTEMPT = "x-request-deadline-ms", "x-envoy-attempt-count"
COLOURS = pytest.mark.parametrize("colour", ["async", "sync"])


async def get(
    lib: ModuleType, colour: str, inner: Inner, *policies: Any, clock: Any, headers: Any = None, **options: Any
) -> Any:
    """A request through either transport."""
    pipeline = Pipeline(*policies, clock=clock)
    if colour == "sync":
        with lib.Client(transport=MeshTransport(pipeline, inner, **options)) as client:
            return client.get(URL, headers=headers)
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, inner, **options)) as client:
        return await client.get(URL, headers=headers)


def ok(lib: ModuleType) -> Inner:
    return Inner(lambda request: lib.Response(200))


@COLOURS
@pytest.mark.parametrize(
    "case",
    [
        (2.0, {}, DEADLINE, "2000"),
        (0.8, {}, DEADLINE, "800"),
        (2.0, {"deadline": "grpc-timeout"}, "grpc-timeout", "2000000u"),
        (2.0, {"deadline": "gRPC-Timeout"}, "grpc-timeout", "2000000u"),
        (2.0, {"deadline": "x-envoy-expected-rq-timeout-ms"}, "x-envoy-expected-rq-timeout-ms", "2000"),
        (2.0, {"deadline": None}, DEADLINE, None),
        (None, {}, DEADLINE, None),
    ],
    ids=str,
)
async def test_what_remains(lib: ModuleType, colour: str, case: Any) -> None:
    seconds, options, field, value = case
    clock = Clock()
    clock.now = 0.0
    policies = [] if seconds is None else [Timeout(seconds)]
    await get(lib, colour, inner := ok(lib), *policies, clock=clock, **options)
    assert inner.requests[0].headers.get(field) == value


@pytest.mark.parametrize(("seconds", "value"), [(0.0015, b"1"), (0.0005, b"0"), (-1.0, b"0")])
def test_never_more_than_there_is(lib: ModuleType, seconds: float, value: bytes) -> None:
    """Without a transport around it: on trio the wall clock would run beside ours."""
    clock = Clock()
    clock.now = 0.0
    call = Call(None, lib.Request("GET", URL), 0.0)
    call.deadline = seconds
    fields = Fields("test", Pipeline(clock=clock), DEADLINE, ATTEMPT, awaits=True)
    assert fields.of(call) == [(DEADLINE.encode(), value)]


@COLOURS
async def test_each_attempt_is_told_what_is_left_then_and_its_number(lib: ModuleType, colour: str) -> None:
    clock = Clock()

    def answer(request: Any) -> Any:
        clock.now += 0.25
        return lib.Response(503)

    again = Retry("5xx", attempts=3, backoff=Constant(0.5), budget=None)
    await get(lib, colour, inner := Inner(answer), Timeout(4.0), again, clock=clock)
    told = [(request.headers.get(DEADLINE), request.headers.get(ATTEMPT)) for request in inner.requests]
    assert told == [("4000", None), ("3250", "2"), ("2500", "3")]


@COLOURS
async def test_without_a_deadline_further_attempts_say_their_number(lib: ModuleType, colour: str) -> None:
    again = Retry("5xx", attempts=2, backoff=Constant(0.0), budget=None)
    inner = Inner(lambda request: lib.Response(503))
    await get(lib, colour, inner, again, clock=Clock(), attempt="X-Attempt")
    assert [request.headers.get("x-attempt") for request in inner.requests] == [None, "2"]
    await get(lib, colour, inner, again, clock=Clock(), attempt=None)
    assert [request.headers.get(ATTEMPT) for request in inner.requests] == [None] * 4


@COLOURS
async def test_the_timeout_of_an_attempt_is_what_it_is_told(lib: ModuleType, colour: str) -> None:
    again = Retry("5xx", attempts=2, backoff=Constant(0.0), budget=None)
    inner = ok(lib)
    await get(lib, colour, inner, Timeout(4.0), again, Timeout(1.5), clock=Clock())
    assert inner.requests[0].headers[DEADLINE] == "1500"


@COLOURS
async def test_a_field_of_the_users_own_of_that_name_is_replaced(lib: ModuleType, colour: str) -> None:
    """Once, however it is written; where there is nothing to say it stays."""
    headers = [
        ("X-Request-Deadline-Ms", "99999"),
        ("x-request-deadline-ms", "1"),
        ("x-other", "kept"),
        ("x-other", "too"),
    ]
    inner = ok(lib)
    await get(lib, colour, inner, Timeout(2.0), clock=Clock(), headers=headers)
    await get(lib, colour, inner, clock=Clock(), headers=headers[:1])
    first, second = inner.requests
    assert first.headers.get_list(DEADLINE) == ["2000"]
    assert first.headers.get_list("x-other") == ["kept", "too"]
    assert [name.lower() for name, _ in first.headers.raw].count(DEADLINE.encode()) == 1
    assert second.headers[DEADLINE] == "99999"


def test_the_callers_request_is_left_as_it_is(lib: ModuleType) -> None:
    inner = Inner(lambda request: lib.Response(503))
    again = Retry("5xx", attempts=2, backoff=Constant(0.0), budget=None)
    pipeline = Pipeline(Timeout(2.0), again, Cluster("c", ["10.0.0.1:80"]), clock=Clock())
    request = lib.Request("PUT", URL, headers={"x-mine": "1"}, content=b"body")
    before = list(request.headers.raw)
    MeshTransport(pipeline, inner).handle_request(request)
    assert request.headers.raw == before
    assert str(request.url) == URL
    assert "timeout" not in request.extensions
    assert len(inner.requests) == 2
    assert all(each is not request and each.headers["x-mine"] == "1" for each in inner.requests)
    assert all(each.stream is request.stream for each in inner.requests)


def test_headers_of_another_version_are_copied_in_the_usual_way(lib: ModuleType) -> None:
    request = lib.Request("GET", URL, headers=[("X-Mine", "1"), ("x-a", "0"), ("X-A", "00")])
    expected = told(request, [(b"x-a", b"2"), (b"x-b", b"3")])

    assert dict(expected.headers) == {**dict(request.headers), "x-a": "2", "x-b": "3"}
    other = lib.Request("GET", URL)

    class Plain(dict[str, str]):
        def copy(self) -> Plain:
            return Plain(self)

    other.headers = Plain({"x-a": "0"})
    changed = told(other, [(b"x-a", b"2"), (b"x-b", b"3")])
    assert changed.headers == {"x-a": "2", "x-b": "3"}
    assert other.headers == {"x-a": "0"}


@pytest.mark.parametrize("name", ["", " ", "x y", "x:y", "x\r\ny", "ä", 3, b"x", True])
@pytest.mark.parametrize("option", ["deadline", "attempt"])
def test_what_is_no_name_of_a_field(lib: ModuleType, option: str, name: Any) -> None:
    for transport in (MeshTransport, AsyncMeshTransport):
        with pytest.raises(ConfigError, match=f"{transport.__name__}: {option}="):
            transport(Pipeline(), ok(lib), **{option: name})


# Inherited.


@COLOURS
async def test_a_deadline_from_outside_is_sent_on(lib: ModuleType, colour: str) -> None:
    clock = Clock()
    inner = ok(lib)
    with opened(3.0, clock=clock):
        clock.now += 1.0
        await get(lib, colour, inner, clock=clock)
        await get(lib, colour, inner, Timeout(0.5), clock=clock)
        with detached():
            await get(lib, colour, inner, clock=clock)
    assert [request.headers.get(DEADLINE) for request in inner.requests] == ["2000", "500", None]


@COLOURS
async def test_when_it_has_passed_nothing_is_sent(lib: ModuleType, colour: str) -> None:
    clock = Clock()
    inner = ok(lib)
    with opened(1.0, clock=clock):
        clock.now += 1.0
        with pytest.raises(TooLate) as caught:
            await get(lib, colour, inner, Retry("5xx"), clock=clock)
    assert inner.requests == []
    assert isinstance(caught.value, lib.TransportError)
    assert str(caught.value.request.url) == URL  # type: ignore[attr-defined]


@COLOURS
@pytest.mark.parametrize("seconds", [3.6e11, 1e17, 1e300])
async def test_as_long_as_one_likes(lib: ModuleType, colour: str, seconds: float) -> None:
    with opened(seconds):
        inner = ok(lib)
        clock = Clock()
        assert (await get(lib, colour, inner, clock=clock)).status_code == 200
    assert int(inner.requests[0].headers[DEADLINE]) <= 10**14


@pytest.mark.parametrize("seconds", [3.6e11, 1e17, 1e300])
def test_no_timeout_of_a_socket_is_longer_than_it_can_be(lib: ModuleType, seconds: float) -> None:
    inner = ok(lib)
    with opened(seconds), lib.Client(transport=MeshTransport(Pipeline(), inner), timeout=None) as client:
        client.get(URL)
    assert all(step <= 1e9 for step in inner.requests[0].extensions["timeout"].values())


# The ledger.


@COLOURS
async def test_a_host_stands_in_the_ledger_until_its_body_has_ended(lib: ModuleType, colour: str) -> None:
    clock = Clock()
    stream = streaming(lib, [b"a", b"b"])
    inner = Inner(lambda request: lib.Response(200, stream=stream))
    pipeline = Pipeline(clock=clock)
    with opened(9.0, clock=clock):
        clock.now += 1.0
        if colour == "sync":
            with lib.Client(transport=MeshTransport(pipeline, inner)) as client, client.stream("GET", URL) as response:
                clock.now += 2.0
                assert ledger() == ()
                response.read()
        else:
            transport = AsyncMeshTransport(pipeline, inner)
            async with lib.AsyncClient(transport=transport) as client, client.stream("GET", URL) as response:
                clock.now += 2.0
                assert ledger() == ()
                await response.aread()
        (line,) = ledger()
    assert (line.who, line.at, line.seconds, line.attempts, line.verdict) == ("a", 1.0, 2.0, 1, "success")


@COLOURS
async def test_attempts_and_failures_in_the_ledger(lib: ModuleType, colour: str) -> None:
    clock = Clock()
    again = Retry("5xx", attempts=3, backoff=Constant(0.5), budget=None)

    def breaks(request: Any) -> Any:
        raise lib.ConnectError("nobody")

    with opened(9.0, clock=clock):
        await get(lib, colour, Inner(lambda request: lib.Response(503)), again, clock=clock)
        with pytest.raises(lib.ConnectError):
            await get(lib, colour, Inner(breaks), clock=clock)
        lines = [(line.attempts, line.seconds, line.verdict) for line in ledger()]
    assert lines == [(3, 1.0, "failure"), (1, 0.0, "failure")]
