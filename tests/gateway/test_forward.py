"""What is sent to an endpoint, how does it answer, and what comes next? The way there, and how it fails."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any
from urllib.parse import unquote

import pytest

from meshkit import Cluster, Constant, Hedge, Retry, Timeout
from meshkit.config import Mesh
from meshkit.gateway import Gateway
from meshkit.route.edit import RequestHeaders
from meshkit.route.local import App, Function
from meshkit.route.match import Match
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.upstream import Dial, Limits, Pool
from meshkit.upstream.errors import ConnectTimedOut

from ..asgi.stand_ins import Probe
from ..upstream.calls import closed_port
from ..upstream.peer import Peer
from ..upstream.rogue import CLOSE, OK, RESET, Rogue, answers, sane, until
from ..upstream.ways import AUTHORITY, trusting
from .visiting import ASYNCIO, Visitor, answer, begin, echoing, gate, said, shop, told, visit

pytestmark = ASYNCIO
FAILS = answer(b"", status=500)


def again(on: Any = "5xx", **more: Any) -> Retry:
    return Retry(on, attempts=3, budget=None, backoff=Constant(0.001), **more)


# The way there.


@pytest.mark.parametrize(
    ("path", "query", "line"),
    [
        ("/a", b"", "GET /a HTTP/1.1"),
        ("/a/b%20c", b"q=1&r=%2F", "GET /a/b%20c?q=1&r=%2F HTTP/1.1"),
        ("/%61/../b//c", b"", "GET /b/c HTTP/1.1"),
        ("/a;p=1", b"?", "GET /a;p=1?? HTTP/1.1"),
        ("/caf%c3%a9", b"", "GET /caf%C3%A9 HTTP/1.1"),
    ],
)
async def test_what_is_asked_for_is_what_was_routed(path: str, query: bytes, line: str) -> None:
    script = echoing()
    form = line.split()[1].partition("?")[0]
    async with gate(script, match=Match(path=form)) as (gateway, _):
        scope: Any = {"raw_path": path.encode(), "query_string": query}
        assert (await visit(gateway, unquote(path), **scope)).status == 200
    assert script.line == line


@pytest.mark.parametrize("path", ["/../etc", "/a%00b", "/a%2fb", "/a%5cb", "/\xff"])
async def test_a_path_that_could_be_read_in_two_ways_is_refused(path: str) -> None:
    async with gate() as (gateway, server):
        visitor = await visit(gateway, path, raw_path=path.encode("latin-1"))
        assert told(visitor) == (400, "http_request_error")
        assert server.peers == []


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PROPFIND"])
async def test_any_method(method: str) -> None:
    script = echoing()
    async with gate(script) as (gateway, _):
        assert (await visit(gateway, method=method)).status == 200
    assert script.line == f"{method} /a HTTP/1.1"


async def test_what_the_route_edits() -> None:
    script = echoing()
    actions = [Rewrite(path="/inner"), RequestHeaders(set={"x-a": "1", "via": "none"}, remove=["x-b", "x-request-id"])]
    async with gate(script, actions=actions) as (gateway, _):
        await visit(gateway, "/a", ("x-a", "0"), ("x-b", "0"), query_string=b"q=1")
    assert script.line == "GET /inner?q=1 HTTP/1.1"
    assert (script.field("x-a"), script.field("x-b"), script.field("via")) == ("1", None, "none")
    assert script.field("x-request-id") is None


async def test_to_an_address_over_tls_the_host_is_whose_certificate_is_asked_for() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("shop.example").configure_cert(context)
    names: list[Any] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    async with asyncio.timeout(20), Rogue(sane, sane, tls=context) as server:
        mesh = Mesh(routes=[Route(to=Cluster("shop", [f"https://127.0.0.1:{server.port}"]))])
        gateway = Gateway(mesh, pool=Pool(Limits(connections=None), tls=trusting))
        assert (await visit(gateway)).status == 200
        other = await visit(gateway, "/a", ("host", "other.example"))
        assert told(other) == (502, "tls_certificate_error")
        assert names == ["shop.example", "other.example"]
        await gateway.aclose()


# How it fails.


async def stands(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


async def silent(peer: Peer) -> None:
    await peer.gone()


@pytest.mark.parametrize(
    ("script", "status", "word"),
    [
        (answers(RESET), 502, "connection_terminated"),
        (answers(CLOSE), 502, "http_protocol_error"),
        (answers((b"HTTP/1.1 200", CLOSE)), 502, "http_protocol_error"),
        (answers((b"HTTP/1.1 200 OK\r\nA: b\r\n", RESET)), 502, "connection_terminated"),
        (answers(b"SSH-2.0-OpenSSH_9.9\r\n"), 502, "http_protocol_error"),
        (answers(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), 502, "http_protocol_error"),
        (answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 502, "http_protocol_error"),
        (answers(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), 502, "http_protocol_error"),
    ],
    ids=["reset", "closed", "half a line", "half a head", "ssh", "no length", "two lengths", "101"],
)
async def test_an_upstream_that_fails_is_told_apart(script: Any, status: int, word: str) -> None:
    probe = Probe()
    async with gate(script, policies=[probe]) as (gateway, _):
        visitor = await visit(gateway)
        assert told(visitor) == (status, word)
        assert visitor.field("content-type") == "application/problem+json"
        assert b"127.0.0.1" not in visitor.body
        assert probe.verdicts == ["failure"]


async def test_refused() -> None:
    async with gate(to=lambda _: shop(closed_port())) as (gateway, _):
        assert told(await visit(gateway)) == (502, "connection_refused")


async def test_no_such_name() -> None:
    async with gate(to=lambda _: Cluster("shop", ["name.invalid:80"])) as (gateway, _):
        status, word = told(await visit(gateway))
        assert (status, word) == (502, "dns_error")


async def test_too_slow_to_connect() -> None:
    seconds: list[Any] = []

    async def dial(connection: Any, tls: Any, timeout: Any, trace: Any, until: Any) -> Any:
        seconds.append(timeout)
        raise ConnectTimedOut("timed out")

    pool = Pool(Limits(connections=None), dial=dial)  # type: ignore[arg-type]  # it has what is needed
    async with gate(pool=pool, connect=1.5) as (gateway, _):
        assert told(await visit(gateway)) == (504, "connection_timeout")
    assert seconds == [1.5]
    assert isinstance(Pool()._dial, Dial)


async def test_too_slow_to_answer() -> None:
    async with gate(stands, idle=0.05) as (gateway, server):
        assert told(await visit(gateway)) == (504, "connection_read_timeout")
        await server.quiet()


@pytest.mark.parametrize("policies", [[Timeout(0.05)], []], ids=["Timeout", "the client's"])
async def test_a_deadline(policies: list[Any]) -> None:
    probe = Probe()
    async with gate(stands, policies=[*policies, probe]) as (gateway, server):
        visitor = await visit(gateway, "/a", *([] if policies else [("x-request-deadline-ms", "50")]))
        assert told(visitor) == (504, "http_response_timeout")
        assert visitor.field("x-should-retry") == (None if policies else "false")
        assert probe.verdicts == ["failure" if policies else "ignored"]
        await server.quiet()


@pytest.mark.parametrize("to", [App, Function])
async def test_a_deadline_strikes_what_answers_in_this_process_too(to: Any) -> None:
    ended = []

    async def hangs(*_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with gate(to=lambda _: to(hangs), policies=[Timeout(0.05)]) as (gateway, _):
        visitor = await visit(gateway)
        assert told(visitor) == (504, "http_response_timeout")
        assert ended == [True]


async def test_one_that_has_passed_asks_nobody() -> None:
    async with gate() as (gateway, server):
        visitor = await visit(gateway, "/a", ("x-request-deadline-ms", "0"))
        assert told(visitor) == (504, "http_response_timeout")
        assert server.peers == []


async def test_what_is_left_of_it_is_less_with_each_attempt() -> None:
    script = echoing(FAILS, FAILS, OK)
    policies = [Timeout(5.0), Retry("5xx", attempts=3, budget=None, backoff=Constant(0.01))]
    async with gate(script, policies=policies) as (gateway, _):
        assert (await visit(gateway, "/a", ("x-request-deadline-ms", "60000"))).status == 200
    left = [int(dict(said(head))["x-request-deadline-ms"]) for head in script.heads]
    assert 5000 >= left[0] > left[1] > left[2] > 1000


# Once more.


@pytest.mark.parametrize("failure", [FAILS, RESET, CLOSE, (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", RESET)])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_is_idempotent_is_sent_again(failure: Any, method: str) -> None:
    async with gate(answers(failure, OK), policies=[again(["5xx", "reset"])]) as (gateway, server):
        visitor = await visit(gateway, method=method)
        assert (visitor.status == 200) == (method == "GET")
        assert len(server.peers) == (2 if method == "GET" and failure is not FAILS else 1)


async def test_what_was_never_sent_is_sent_elsewhere_whatever_it_is() -> None:
    async with gate(to=lambda server: shop(closed_port(), server), policies=[again("connect-failure")]) as (
        gateway,
        _,
    ):
        for _ in range(4):
            assert (await visit(gateway, method="POST")).status == 200


async def test_an_attempt_says_which_it_is() -> None:
    script = echoing(FAILS, FAILS, OK)
    async with gate(script, policies=[again()]) as (gateway, _):
        assert (await visit(gateway, "/a", ("x-envoy-attempt-count", "9"))).status == 200
    counts = [dict(said(head)).get("x-envoy-attempt-count") for head in script.heads]
    assert counts == [None, "2", "3"]
    assert len({dict(said(head))["x-request-id"] for head in script.heads}) == 1


async def test_an_answer_that_is_not_taken_is_let_go() -> None:
    """Its connection is not kept waiting for a reader."""
    large = b"HTTP/1.1 500 X\r\nContent-Length: 99999\r\n\r\nab"
    async with gate(answers(large), policies=[again()]) as (gateway, server):
        assert (await visit(gateway)).status == 200
        await server.quiet(1)
        assert server.peers[0].left


async def test_one_that_has_begun_is_not_repeated() -> None:
    cut = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", CLOSE)
    async with gate(answers(cut), policies=[again(["5xx", "reset"])]) as (gateway, _):
        visitor = Visitor()
        task = begin(gateway, visitor)
        await asyncio.wait([task])
        assert task.exception() is not None or visitor.status == 502
        assert not visitor.body.endswith(b"ok")


async def test_a_hedge_that_wins() -> None:
    async with gate(stands, policies=[Hedge(after=0.01, budget=None)]) as (gateway, server):
        visitor = await visit(gateway)
        assert visitor.body == b"ok"
        await server.quiet(1)
        assert server.peers[0].left  # the one that lost is broken off


async def test_a_hedge_that_loses() -> None:
    released = asyncio.Event()
    script = answers((released, answer(b"first")))
    async with gate(script, stands, policies=[Hedge(after=0.01, budget=None)]) as (gateway, server):
        task = begin(gateway, visitor := Visitor())
        await until(lambda: len(server.peers) == 2 and server.peers[1].requests)
        released.set()
        await task
        assert visitor.body == b"first"
        await server.quiet(1)
        assert server.peers[1].left


async def test_no_hedge_for_what_must_not_be_done_twice() -> None:
    released = asyncio.Event()
    async with gate(answers((released, OK)), policies=[Hedge(after=0.001, budget=None)]) as (gateway, server):
        task = begin(gateway, visitor := Visitor(), method="POST")
        await until(lambda: server.peers and server.peers[0].requests)
        for _ in range(50):
            await asyncio.sleep(0)
        released.set()
        await task
        assert visitor.status == 200
        assert len(server.peers) == 1


# All of it, or part by part.


@pytest.mark.parametrize(
    ("options", "head", "whole"),
    [
        ({}, b"Content-Length: 4", True),
        ({"whole": 4}, b"Content-Length: 4", True),
        ({"whole": 3}, b"Content-Length: 4", False),
        ({"whole": 0}, b"Content-Length: 4", False),
        ({}, b"Content-Length: 4\r\nContent-Type: text/event-stream", False),
    ],
)
async def test_a_short_one_is_there_when_all_of_it_is(options: Any, head: bytes, whole: bool) -> None:
    released = asyncio.Event()
    script = answers((b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nab", released, b"cd"))
    async with gate(script, **options) as (gateway, server):
        task = begin(gateway, visitor := Visitor())
        await until(lambda: server.peers and server.peers[0].requests)
        if whole:
            for _ in range(30):
                await asyncio.sleep(0)
            assert not visitor.started
        else:
            await until(lambda: visitor.body == b"ab")
        released.set()
        await task
        assert visitor.body == b"abcd"
        assert len(visitor.sent) == (2 if whole else 4)
