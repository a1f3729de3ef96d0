"""What is sent as the body of a request, by the first attempt, by a further one, and by two at once?"""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import pytest

from meshkit import ConcurrencyLimit, Constant, Hedge, Retry
from meshkit.route.local import App

from ..upstream.peer import Peer
from ..upstream.rogue import OK, RESET, answers, until
from .visiting import ASYNCIO, Visitor, begin, echoing, gate, part, told, visit

pytestmark = ASYNCIO
AGAIN = Retry("5xx", attempts=3, budget=None, backoff=Constant(0.001))
CHUNKED = ("transfer-encoding", "chunked")
FAILS = b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"
LARGE = 40_000
"""Bytes of a body that is not read ahead of the upstream."""


def sized(length: int) -> tuple[str, str]:
    return ("content-length", str(length))


async def test_each_part_goes_as_it_comes() -> None:
    came: list[bytes] = []

    async def upstream(peer: Peer) -> None:
        await peer.head()
        while not peer.rest.endswith(b"0\r\n\r\n"):
            came.append(peer.rest)
            await peer.more()
        await peer.send(OK)

    async with gate(upstream) as (gateway, server):
        visitor = Visitor(part(b"one"))
        task = begin(gateway, visitor, "/a", CHUNKED, method="POST")
        await until(lambda: server.peers and server.peers[0].rest == b"3\r\none\r\n")
        visitor.give(part(b"", more=True), part(b"two"))
        await until(lambda: server.peers[0].rest.endswith(b"3\r\ntwo\r\n"))
        visitor.give(part(b"", more=False))
        await task
        assert visitor.status == 200


async def test_a_small_one_goes_in_one_piece_with_the_head() -> None:
    pieces: list[bytes] = []

    async def upstream(peer: Peer) -> None:
        pieces.append(await peer.receive())
        await peer.send(OK)

    async with gate(upstream) as (gateway, _):
        visitor = Visitor(part(b"a"), part(b"bc", more=False))
        await visit(gateway, "/a", sized(3), visitor=visitor, method="POST")
    assert pieces[0].endswith(b"\r\n\r\nabc")


async def test_a_large_one_is_no_more_in_memory_than_a_few_parts() -> None:
    """100 MB, to an upstream that takes them by and by."""
    count, piece = 1600, bytes(65_536)
    took = 0

    async def upstream(peer: Peer) -> None:
        nonlocal took
        await peer.head()
        while (took := took + len(peer.rest)) < count * len(piece):
            peer.rest = b""
            await peer.more()
        await peer.send(OK)

    class Endless(Visitor):
        async def receive(self) -> Any:
            self.asked += 1
            if self.asked > count:
                await asyncio.Event().wait()
            return part(piece, more=self.asked < count)

    async with gate(upstream) as (gateway, _):
        visitor = Endless()
        tracemalloc.start()
        try:
            await visit(gateway, "/a", sized(count * len(piece)), visitor=visitor, method="PUT")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert visitor.status == 200
    assert took == count * len(piece)
    assert peak < 4_000_000


async def test_the_client_is_not_asked_for_more_than_the_upstream_takes() -> None:
    held = asyncio.Event()

    async def upstream(peer: Peer) -> None:
        await peer.head()
        await held.wait()
        await peer.gone()

    class Endless(Visitor):
        async def receive(self) -> Any:
            self.asked += 1
            return part(bytes(1_000_000))

    async with gate(upstream) as (gateway, server):
        visitor = Endless()
        task = begin(gateway, visitor, "/a", sized(10**9), method="PUT")
        before = -1
        while before != visitor.asked:  # until it stands still
            before = visitor.asked
            for _ in range(50):
                await asyncio.sleep(0)
        assert 1 < before < 40
        held.set()
        await until(lambda: visitor.asked > before)
        task.cancel()
        await asyncio.wait([task])
        await server.quiet()


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("framing", [sized(LARGE), CHUNKED], ids=["length", "chunked"])
async def test_a_retry_sends_all_of_it_again(method: str, framing: tuple[str, str]) -> None:
    script = echoing(FAILS, OK)
    async with gate(script, policies=[AGAIN]) as (gateway, _):
        visitor = Visitor(part(b"a" * 20_000), part(b"b" * 20_000, more=False))
        await visit(gateway, "/a", framing, visitor=visitor, method=method)
        assert visitor.status == 200
    first, second = script.bodies
    assert [each.count(b"a") for each in (first, second)] == [20_000, 20_000]
    assert [each.count(b"b") for each in (first, second)] == [20_000, 20_000]
    assert script.field("x-envoy-attempt-count") == "2"


async def test_one_that_breaks_in_the_middle_goes_on_where_the_client_is() -> None:
    """What was read is kept, and what was not comes from the client still."""
    script = echoing()

    async def breaks(peer: Peer) -> None:
        await peer.head()
        while len(peer.rest) < 20_000:
            await peer.more()
        peer.reset()

    async with gate(breaks, script, policies=[AGAIN]) as (gateway, server):
        visitor = Visitor(part(b"a" * 20_000))
        task = begin(gateway, visitor, "/a", sized(LARGE), method="PUT")
        await until(lambda: len(server.peers) == 2)
        visitor.give(part(b"b" * 20_000, more=False))
        await task
        assert visitor.status == 200
    assert script.bodies == [b"a" * 20_000 + b"b" * 20_000]


async def test_one_that_was_not_kept_is_not_sent_again() -> None:
    async with gate(answers(FAILS), policies=[AGAIN], replay=1000) as (gateway, server):
        visitor = Visitor(part(b"a" * LARGE, more=False))
        await visit(gateway, "/a", sized(LARGE), visitor=visitor, method="PUT")
        assert visitor.status == 500
        assert len(server.peers) == 1


async def test_what_is_not_idempotent_is_not_sent_again_but_where_the_client_says_so() -> None:
    for fields, status in (([], 500), ([("idempotency-key", "7")], 200)):
        async with gate(answers(FAILS, OK), policies=[AGAIN]) as (gateway, _):
            visitor = Visitor(part(b"abc", more=False))
            await visit(gateway, "/a", sized(3), *fields, visitor=visitor, method="POST")
            assert visitor.status == status


async def test_what_a_stale_connection_has_swallowed_is_sent_on_another_where_the_policy_says_so() -> None:
    """A connection that the upstream had closed already, and never looked at the request."""

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        peer.reset()

    policy = Retry(on="reset", attempts=3, budget=None, stale_non_idempotent=True)
    async with gate(once, policies=[policy]) as (gateway, server):
        await visit(gateway)
        visitor = Visitor(part(b"abc", more=False))
        await visit(gateway, "/a", sized(3), visitor=visitor, method="POST")
        assert visitor.status == 200
        assert len(server.peers) == 2


@pytest.mark.parametrize("framing", [sized(LARGE), CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("sent", ["whole", "half", "none"])
async def test_two_attempts_at_once_send_the_same(framing: tuple[str, str], sent: str) -> None:
    """However much of it had come when the second one began."""
    bodies: list[bytes] = []
    second = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await peer.request()
        bodies.append(peer.body)
        await peer.gone()

    async def quick(peer: Peer) -> None:
        await peer.head()
        second.set()
        if framing is CHUNKED:
            while not peer.rest.endswith(b"0\r\n\r\n"):
                await peer.more()
        else:
            while len(peer.rest) < LARGE:
                await peer.more()
        bodies.append(peer.rest)
        await peer.send(OK)

    halves = [part(b"a" * 20_000), part(b"b" * 20_000, more=False)]
    async with gate(slow, quick, policies=[Hedge(after=0.01, budget=None)]) as (gateway, _):
        now = {"whole": 2, "half": 1, "none": 0}[sent]
        visitor = Visitor(part(b""), *halves[:now])
        task = begin(gateway, visitor, "/a", framing, method="PUT")
        await second.wait()
        visitor.give(*halves[now:])
        await task
        assert visitor.status == 200
    expected = b"a" * 20_000 + b"b" * 20_000
    if framing is CHUNKED:
        assert all(each.count(b"a") == each.count(b"b") >= 20_000 for each in bodies)
    else:
        assert set(bodies) == {expected}


@pytest.mark.parametrize("where", ["outside", "policies"])
@pytest.mark.parametrize("to", ["upstream", "app"])
@pytest.mark.parametrize("length", [3, LARGE])
async def test_a_body_waits_for_its_turn(where: str, to: str, length: int) -> None:
    """For longer than the gateway waits before it asks whether the client is still there."""
    script, held = echoing(), asyncio.Event()
    bodies = script.bodies

    async def first(peer: Peer) -> None:
        await peer.request()
        await held.wait()
        await peer.send(OK)
        await script(peer)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        if scope["path"] == "/first":
            await held.wait()
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            body += message["body"]
            more = message.get("more_body")
        if scope["path"] != "/first":
            bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    options: dict[str, Any] = {where: [ConcurrencyLimit(1, queue=5)]}
    if to == "app":
        options["to"] = lambda _: App(app)
    async with gate(first, **options) as (gateway, _):
        before = begin(gateway, Visitor(), "/first")
        visitor = Visitor(part(b"a" * (length - 1)), part(b"b", more=False))
        quiet = Visitor()
        tasks = [begin(gateway, visitor, "/a", sized(length), method="POST"), begin(gateway, quiet, "/b")]
        await until(lambda: quiet.asked > 0)  # it is asked whether it is still there
        assert visitor.asked == 0
        held.set()
        await asyncio.gather(before, *tasks)
        assert (visitor.status, quiet.status) == (200, 200)
    assert b"a" * (length - 1) + b"b" in bodies


async def test_a_client_that_leaves_while_it_sends() -> None:
    async def upstream(peer: Peer) -> None:
        await peer.head()
        await peer.gone()

    async with gate(upstream) as (gateway, server):
        visitor = Visitor(part(b"a" * 20_000))
        task = begin(gateway, visitor, "/a", sized(LARGE), method="PUT")
        await until(lambda: server.peers and server.peers[0].pulled > 20_000)
        visitor.leave()
        await task
        await server.quiet()
        assert visitor.sent == []


async def test_an_answer_that_comes_before_the_body_ends_it() -> None:
    """A refusal: what the client would still send is wanted by nobody."""

    async def upstream(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n")
        await peer.gone()

    async with gate(upstream) as (gateway, _):
        visitor = Visitor(part(b"a" * 20_000))
        await visit(gateway, "/a", sized(LARGE), visitor=visitor, method="PUT")
        assert (visitor.status, visitor.field("proxy-status")) == (413, None)


async def test_a_client_is_asked_for_its_body_when_the_upstream_is() -> None:
    asked = asyncio.Event()

    async def upstream(peer: Peer) -> None:
        head = await peer.head()
        assert b"\r\nexpect: 100-continue\r\n" in head
        await asked.wait()
        await peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        while len(peer.rest) < 3:
            await peer.more()
        await peer.send(OK)

    async with gate(upstream) as (gateway, server):
        visitor = Visitor(part(b"abc", more=False))
        task = begin(gateway, visitor, "/a", sized(3), ("expect", "100-Continue"), method="PUT")
        await until(lambda: server.peers and server.peers[0].requests)
        assert visitor.asked == 0
        asked.set()
        await task
        assert visitor.status == 200


async def test_a_body_that_nobody_wants_is_not_asked_for() -> None:
    async def upstream(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 417 X\r\nContent-Length: 0\r\n\r\n")
        await peer.gone()

    async with gate(upstream) as (gateway, _):
        visitor = Visitor(part(b"abc", more=False))
        await visit(gateway, "/a", sized(3), ("expect", "100-continue"), visitor=visitor, method="PUT")
        assert (visitor.status, visitor.asked) == (417, 0)


async def test_an_upstream_that_resets_while_it_is_sent() -> None:
    async with gate(answers(RESET)) as (gateway, _):
        visitor = Visitor(part(b"abc", more=False))
        await visit(gateway, "/a", sized(3), visitor=visitor, method="POST")
        assert told(visitor) == (502, "connection_terminated")
