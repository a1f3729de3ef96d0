"""Requests that are alike share an answer: which are, what is copied, and what is left as it came."""

from __future__ import annotations

import gzip
from functools import partial

import pytest

from meshkit import ConcurrencyLimit, Constant, DeadlineExceeded, Pipeline, Retry, Shared, Timeout
from meshkit.httpx import AsyncMeshTransport
from meshkit.route.buffer import Buffer
from meshkit.route.edit import ResponseHeaders
from meshkit.route.match import Match
from meshkit.route.pages import Pages
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Branch, Split
from meshkit.share import SingleFlight
from meshkit.testing import run, virtual_clock

from ..httpx.stand_ins import Server, async_wire
from .naming import shown
from .wires import Wire, at, pause

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
URL = "http://a.example/prices?of=tea"


@BACKENDS
def test_one_is_sent_and_each_has_a_response_of_its_own(lib, backend):
    packed = gzip.compress(b"twelve pence")
    headers = {"content-encoding": "gzip", "set-cookie": "a=1", "x-of": "tea"}
    wire = Wire(lib, {"headers": headers, "chunks": [packed[:5], packed[5:]]})

    async def main():
        client = wire.client(SingleFlight(), ConcurrencyLimit(1))
        (_, first), (_, second), (_, third) = ends = await at(*[(k / 2, partial(client.get, URL)) for k in range(3)])
        assert [when for when, _ in ends] == pytest.approx([1.2] * 3)
        for response in (first, second, third):
            assert (response.status_code, response.text) == (200, "twelve pence")
            assert dict(response.headers) == headers
            assert response.extensions["http_version"] == b"HTTP/1.1"
            assert response.is_closed
        assert len({id(response.request) for response in (first, second, third)}) == 3
        assert "network_stream" not in second.extensions
        second.headers["x-of"] = "coffee"
        assert third.headers["x-of"] == "tea"
        second.extensions["mine"] = True
        assert "mine" not in third.extensions
        assert client.stack.idle()

    run(main, backend=backend)
    assert len(wire.requests) == 1
    assert not wire.open


def get(client, **options):
    return client.request(options.pop("method", "GET"), options.pop("url", URL), **options)


@pytest.mark.parametrize(
    ("first", "second", "sent"),
    [
        ({}, {}, 1),
        ({"url": URL + "&more"}, {}, 2),
        ({"url": "http://b.example/prices?of=tea"}, {}, 2),
        ({"headers": {"authorization": "Bearer a"}}, {"headers": {"authorization": "Bearer b"}}, 2),
        ({"headers": {"authorization": "Bearer a"}}, {"headers": {"Authorization": "Bearer a"}}, 1),
        ({"headers": {"cookie": "a=1"}}, {}, 2),
        ({"headers": {"x-api-key": "a"}}, {"headers": {"x-api-key": "b"}}, 2),
        ({"headers": {"accept": "text/html"}}, {"headers": {"accept": "text/plain"}}, 2),
        ({"headers": {"range": "bytes=0-9"}}, {"headers": {"range": "bytes=10-19"}}, 2),
        ({"headers": {"traceparent": "00-1"}}, {"headers": {"traceparent": "00-2", "x-request-id": "2"}}, 1),
        ({"headers": {"cache-control": "no-cache"}}, {"headers": {"cache-control": "no-cache"}}, 2),
        ({"headers": {"cache-control": "max-age=0, No-Store"}}, {"headers": {"cache-control": "no-store"}}, 2),
        ({"headers": {"cache-control": "max-age=0"}}, {"headers": {"cache-control": "max-age=0"}}, 1),
        ({"method": "HEAD"}, {"method": "HEAD"}, 1),
        ({"method": "HEAD"}, {}, 2),
        ({"method": "POST"}, {"method": "POST"}, 2),
        ({"method": "PUT"}, {"method": "PUT"}, 2),
        ({"method": "DELETE"}, {"method": "DELETE"}, 2),
        ({"content": b"query"}, {"content": b"query"}, 2),
        ({"extensions": {"target": b"/a"}}, {"extensions": {"target": b"/b"}}, 2),
        ({"extensions": {"timeout": {"read": 1.0}}}, {}, 1),
    ],
    ids=shown,
)
def test_which_requests_are_alike(lib, first, second, sent):
    wire = Wire(lib)

    async def main():
        client = wire.client(SingleFlight())
        await at((0.0, partial(get, client, **first)), (0.5, partial(get, client, **second)))

    run(main)
    assert len(wire.requests) == sent


@pytest.mark.parametrize(
    ("key", "first", "second", "sent"),
    [
        ("path", {"url": URL + "&more"}, {}, 1),
        ("path", {"headers": {"accept": "text/html"}}, {}, 1),
        ("path", {"method": "HEAD"}, {}, 2),
        ("path", {"method": "POST"}, {"method": "POST"}, 2),
        ("header:x-user", {"headers": {"x-user": "ann"}}, {"headers": {"x-user": "bob"}}, 2),
        ("header:x-user", {}, {}, 2),
        (lambda call: "all", {"url": "http://b.example/"}, {}, 1),
        (lambda call: "all", {"method": "POST"}, {"method": "POST"}, 2),
        (lambda call: None, {}, {}, 2),
    ],
    ids=shown,
)
def test_which_are_by_a_key(lib, key, first, second, sent):
    wire = Wire(lib)

    async def main():
        client = wire.client(SingleFlight(key=key))
        await at((0.0, partial(get, client, **first)), (0.5, partial(get, client, **second)))

    run(main)
    assert len(wire.requests) == sent


def test_two_transports_share_nothing(lib):
    async def main():
        same = Shared(SingleFlight())
        one, other = wires[0].client(same), wires[1].client(same)
        await at((0.0, partial(get, one)), (0.5, partial(get, other)))

    wires = Wire(lib), Wire(lib)
    run(main)
    assert [len(wire.requests) for wire in wires] == [1, 1]


async def chunks(client, when):
    """Reads a body in pieces, and says when each of them was there."""
    async with client.stream("GET", URL) as response:
        async for chunk in response.aiter_bytes():
            when.append((round(virtual_clock(), 6), chunk))


@BACKENDS
def test_where_nobody_waits_nothing_is_read_ahead(lib, backend):
    wire, when = Wire(lib, {"gap": 0.5}), []

    async def main():
        client = wire.client(SingleFlight())
        await at((0.0, partial(chunks, client, when)), (1.2, partial(get, client)))

    run(main, backend=backend)
    assert when == [(1.5, b"o"), (2.0, b"k")]
    assert len(wire.requests) == 2, "who comes while the first one reads its body, asks itself"


@BACKENDS
@pytest.mark.parametrize(
    ("headers", "body", "read"),
    [
        ({"content-length": "4"}, [b"long"], []),
        ({}, [b"lo", b"ng", b"er"], [b"lo", b"ng"]),
        ({"content-length": "9" * 40}, [b"x"], []),
        ({"content-type": "text/event-stream; charset=utf-8"}, [b"a", b"b"], []),
        ({"content-type": "Multipart/X-Mixed-Replace"}, [b"a", b"b"], []),
    ],
    ids=shown,
)
def test_what_is_too_long_is_left_as_it_came_and_nobody_shares_it(lib, backend, headers, body, read):
    wire, when = Wire(lib, {"headers": headers, "chunks": body, "gap": 0.5}), []

    async def main():
        client = wire.client(SingleFlight(max_bytes=3), ConcurrencyLimit(9))
        return await at((0.0, partial(chunks, client, when)), (0.5, partial(get, client)), (0.5, partial(get, client)))

    _, (late, other), _ = run(main, backend=backend)
    ahead = 1.0 + 0.5 * len(read)
    assert when == [(max(ahead, 1.5 + 0.5 * k), chunk) for k, chunk in enumerate(body)]
    assert other.content == b"".join(body)
    assert late == pytest.approx(ahead + 1.0 + 0.5 * len(body))
    assert len(wire.requests) == 3
    assert not wire.open


def test_a_head_has_no_body_whatever_it_announces(lib):
    wire = Wire(lib, {"headers": {"content-length": "999"}, "chunks": []})

    async def main():
        client = wire.client(SingleFlight(max_bytes=3))
        head = partial(client.head, URL)
        return await at((0.0, head), (0.5, head))

    assert [end.headers["content-length"] for _, end in run(main)] == ["999"] * 2
    assert len(wire.requests) == 1


@BACKENDS
def test_a_body_that_breaks_off_is_everybodys_failure(lib, backend):
    wire = Wire(lib, {"chunks": [b"o", lib.ReadError("reset")]}, {})

    async def main():
        client = wire.client(SingleFlight(), ConcurrencyLimit(1))
        ends = await at((0.0, partial(get, client)), (0.5, partial(get, client, headers={"x-request-id": "mine"})))
        assert client.stack.idle()
        return ends

    (_, first), (_, second) = run(main, backend=backend)
    assert isinstance(first, lib.ReadError)
    assert isinstance(second, lib.ReadError)
    assert second is not first
    assert "x-request-id" in second.request.headers, "each has its own request"
    assert "x-request-id" not in first.request.headers
    assert not wire.open


@BACKENDS
def test_out_of_time_while_the_body_is_read_the_next_one_asks(lib, backend):
    wire = Wire(lib, {"gap": 9.0}, {"head": 0.5})

    async def main():
        client = wire.client(Timeout(2.0), SingleFlight())
        return await at((0.0, partial(get, client)), (0.9, partial(get, client)), (1.9, partial(get, client)))

    (first, failure), (second, asked), (third, shared) = run(main, backend=backend)
    assert isinstance(failure, DeadlineExceeded)
    assert (first, second, third) == pytest.approx((2.0, 2.7, 2.7))
    assert (asked.text, shared.text) == ("ok", "ok")
    assert not wire.open


@BACKENDS
def test_a_failure_of_the_transport_is_everybodys(lib, backend):
    wire = Wire(lib, lib.ConnectError("refused"), lib.ConnectError("refused"), {})

    async def main():
        retry = Retry(on=ConnectionError, attempts=2, backoff=Constant(0.1), budget=None)
        client = wire.client(SingleFlight(), retry)
        return await at(*[(0.0, partial(get, client))] * 2)

    for _, error in run(main, backend=backend):
        assert isinstance(error, lib.ConnectError)
        assert error.__notes__[0].startswith("2 attempts in 2.1 s")
    assert len(wire.requests) == 2


def test_a_response_that_the_transport_has_read_is_copied_with_its_content(lib):
    wire = Wire(lib, lambda request: lib.Response(200, json={"price": 12}, extensions={"network_stream": 1, "a": 2}))

    async def main():
        client = wire.client(SingleFlight())
        return await at((0.0, partial(get, client)), (0.5, partial(get, client, headers={"x-request-id": "mine"})))

    (_, first), (_, second) = run(main)
    for response in (first, second):
        assert response.json() == {"price": 12}
        assert response.headers["content-type"] == "application/json"
    assert second is not first
    assert second.extensions == {"a": 2}
    assert second.request.headers["x-request-id"] == "mine"
    second.headers["content-type"] = "text/plain"
    assert first.headers["content-type"] == "application/json"
    assert len(wire.requests) == 1


@pytest.mark.parametrize("close", [False, True])
def test_a_response_that_nobody_can_read_any_more_is_not_shared(lib, close):
    """Closed without having been read; or too long, though it is there."""

    async def main():
        async def hand(request):
            response = lib.Response(200, content=b"long")
            if close:
                response = lib.Response(200, stream=lib.ByteStream(b""))
                await response.aclose()
            return response

        class Odd(Wire):
            async def handle_async_request(self, request):
                self.requests.append(request)
                await pause(1.0)
                return await hand(request)

        wire = Odd(lib)
        client = wire.client(SingleFlight(max_bytes=3))
        await at((0.0, partial(get, client)), (0.5, partial(get, client)))
        return len(wire.requests)

    assert run(main) == 2


async def test_over_a_socket(lib, anyio_backend):
    """As it comes over a wire: compressed, and its connection free for the next one."""
    packed = gzip.compress(b"twelve pence" * 50)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with Server([head + packed, head + packed]) as server:
        stack = Pipeline(SingleFlight())
        async with lib.AsyncClient(transport=AsyncMeshTransport(stack, async_wire(lib))) as client:
            ends = await at_once(*[partial(client.get, server.url) for _ in range(5)])
            assert [response.text for response in ends] == ["twelve pence" * 50] * 5
            assert (await client.get(server.url)).text == "twelve pence" * 50
        assert server.connections == 1
        assert len(server.requests) == 2
        assert stack.snapshot()["SingleFlight"]["shared"] == 4


async def at_once(*calls):
    import anyio

    ends = [None] * len(calls)

    async def one(k, call):
        ends[k] = await call()

    async with anyio.create_task_group() as tasks:
        for k, call in enumerate(calls):
            tasks.start_soon(one, k, call)
    return ends


ACTIONS = [
    ResponseHeaders(set={"x-frame-options": "DENY"}, remove=["server"]),
    Pages({"5xx": "sorry"}),
    Buffer(max_response=100),
]


def split(*actions):
    return Split(Branch(None, actions=actions, name="a"))


@BACKENDS
@pytest.mark.parametrize(
    "policies",
    [
        [SingleFlight(), Router([Route(Match(), actions=ACTIONS)])],
        [Router([Route(Match(), policies=[SingleFlight()], actions=ACTIONS)])],
        [Router([Route(Match(), split(*ACTIONS), policies=[SingleFlight()])])],
        [SingleFlight(), split(*ACTIONS)],
    ],
    ids=["outside", "inside", "in front of a branch", "no router"],
)
@pytest.mark.parametrize("read", [False, True])
def test_what_a_route_does_to_an_answer_it_does_for_all_who_share_it(lib, backend, policies, read):
    """As it came the answer is shared, and each has it once as the route makes it."""
    headers = {"server": "secret", "x-frame-options": "SAMEORIGIN"}
    whole = partial(lib.Response, 500, headers=headers, content=b"a stack trace")
    wire = Wire(lib, (lambda request: whole()) if read else {"status": 500, "headers": headers})

    async def main():
        client = wire.client(*policies)
        ends = await at(*[(k / 4, partial(client.get, URL)) for k in range(3)])
        assert client.stack.idle()
        return [response for _, response in ends]

    for response in run(main, backend=backend):
        assert (response.status_code, response.content) == (500, b"sorry")
        assert response.headers.get_list("x-frame-options") == ["DENY"]
        assert "server" not in response.headers
    assert len(wire.requests) == 1
    assert not wire.open


@BACKENDS
def test_a_cookie_is_his_for_whom_it_was_made(lib, backend):
    wire = Wire(lib)

    async def main():
        client = wire.client(SingleFlight(), Split(Branch(None), Branch(None), cookie="variant"))
        ends = await at(*[(k / 4, partial(client.get, URL)) for k in range(2)])
        return [len(response.headers.get_list("set-cookie")) for _, response in ends]

    assert run(main, backend=backend) == [1, 0]
