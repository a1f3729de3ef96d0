"""Is it seen that a client has gone, or stands still? With a timer that rings when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websockets.utils import accept_key

from meshkit import ConcurrencyLimit, Constant, Retry, Verdict
from meshkit.errors import Unread
from meshkit.gateway.body import Left
from meshkit.gateway.vigil import LOOKS, TICK, Vigil

from ..asgi.stand_ins import Probe
from ..upstream.peer import Peer
from ..upstream.rogue import answers, until
from .visiting import ASYNCIO, Visitor, answer, begin, gate, part, visit

pytestmark = ASYNCIO


class Loop:
    """Rings when it is told to, and makes tasks as the real one does."""

    def __init__(self) -> None:
        self.rings: Callable[[], None] | None = None

    def call_later(self, seconds: float, rings: Callable[[], None]) -> Any:
        assert seconds == TICK
        self.rings = rings
        return object()

    def create_task(self, work: Any) -> Any:
        return asyncio.get_running_loop().create_task(work)

    def ring(self, times: int = 1) -> None:
        for _ in range(times):
            rings, self.rings = self.rings, None
            assert rings is not None
            rings()


class Door:
    finishes = False


class Served:
    """What of an exchange is looked after."""

    def __init__(self, **more: Any) -> None:
        self.apart = self.over = self.writing = self.gone = False
        self.answer: Any = None
        self.moved = True
        self.reading: float | None = None
        self.quiet = 0
        self.fields: Any = []
        self.body: Any = None
        self.seen: Any = ()
        self.talks = False
        self.asking: Any = None
        self.why: Any = None
        self.door = Door()
        self.task = self
        self.asked = self.struck = 0
        self.leaves = asyncio.Event()
        for name, value in more.items():
            setattr(self, name, value)

    def cancel(self) -> None:
        self.struck += 1

    async def source(self) -> dict[str, Any]:
        self.asked += 1
        if self.asked > 1:
            await self.leaves.wait()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_quick_is_not_looked_at() -> None:
    vigil, exchange = Vigil(loop := Loop(), 5.0), Served()  # type: ignore[arg-type]  # it has what is needed
    vigil.begin(exchange)
    vigil.end(exchange)
    loop.ring()
    await turns()
    assert exchange.asked == 0
    assert loop.rings is None  # nothing is left to look at


async def test_one_timer_for_all() -> None:
    vigil, exchanges = Vigil(loop := Loop(), 5.0), [Served() for _ in range(3)]  # type: ignore[arg-type]
    vigil.begin(exchanges[0])
    rings = loop.rings
    for exchange in exchanges[1:]:
        vigil.begin(exchange)
    assert loop.rings is rings
    loop.ring(3)
    await turns()
    assert [exchange.asked for exchange in exchanges] == [2, 2, 2]
    for exchange in exchanges:
        vigil.end(exchange)
    loop.ring()
    assert loop.rings is None
    await turns()


async def test_a_client_that_goes_is_let_go() -> None:
    vigil, exchange = Vigil(loop := Loop(), 5.0), Served()  # type: ignore[arg-type]
    vigil.begin(exchange)
    loop.ring()
    await turns()
    assert (exchange.struck, exchange.gone) == (0, False)
    exchange.leaves.set()
    await turns()
    assert (exchange.struck, exchange.gone) == (1, True)
    assert isinstance(exchange.why, Left)
    vigil.end(exchange)


@pytest.mark.parametrize(
    "more", [{"apart": True}, {"reading": 1.0}, {"body": type("Body", (), {"over": False})}], ids=str
)
async def test_nobody_asks_where_another_reads(more: dict[str, Any]) -> None:
    vigil, exchange = Vigil(loop := Loop(), 5.0), Served(**more)  # type: ignore[arg-type]
    vigil.begin(exchange)
    loop.ring(3)
    await turns()
    assert exchange.asked == 0
    vigil.end(exchange)


@pytest.mark.parametrize(
    ("more", "error", "gone"), [({"reading": 1.0}, Unread, False), ({"writing": True}, Left, True)], ids=str
)
async def test_a_client_that_stands_still_is_broken_off(
    more: dict[str, Any], error: type[Exception], gone: bool
) -> None:
    seconds = 5
    vigil, exchange = Vigil(loop := Loop(), float(seconds)), Served(apart=True, **more)  # type: ignore[arg-type]
    vigil.begin(exchange)
    looks = round(1 / (TICK * LOOKS))
    assert looks == 1
    loop.ring(seconds * LOOKS)
    assert exchange.struck == 0  # the first look has seen it move
    loop.ring(LOOKS)
    assert exchange.struck == 1
    assert isinstance(exchange.why, error)
    assert exchange.gone == gone
    vigil.end(exchange)


@pytest.mark.parametrize("more", [{"reading": 1.0}, {"writing": True}], ids=str)
async def test_one_that_is_slow_is_not(more: dict[str, Any]) -> None:
    vigil, exchange = Vigil(loop := Loop(), 2.0), Served(apart=True, **more)  # type: ignore[arg-type]
    vigil.begin(exchange)
    for _ in range(20):
        loop.ring(LOOKS)
        exchange.moved = True
    assert exchange.struck == 0
    vigil.end(exchange)


async def test_a_slow_upstream_is_none_of_its_business() -> None:
    vigil, exchange = Vigil(loop := Loop(), 2.0), Served()  # type: ignore[arg-type]
    vigil.begin(exchange)
    loop.ring(20 * LOOKS)
    await turns()
    assert exchange.struck == 0
    vigil.end(exchange)
    await turns()


async def test_it_strikes_once() -> None:
    vigil, exchange = Vigil(loop := Loop(), 1.0), Served(apart=True, writing=True)  # type: ignore[arg-type]
    vigil.begin(exchange)
    loop.ring(9 * LOOKS)
    assert exchange.struck == 1
    vigil.end(exchange)


@pytest.mark.parametrize("more", [True, False])
async def test_a_client_that_goes_on_and_on_is_not_listened_to(more: bool) -> None:
    """A body that is none, as HTTP/2 has it with a GET; also of a server that always has something to say."""

    class Talking(Served):
        async def source(self) -> dict[str, Any]:
            self.asked += 1
            return {"type": "http.request", "body": b"a", "more_body": more}

    vigil, exchange = Vigil(loop := Loop(), 5.0), Talking()  # type: ignore[arg-type]
    vigil.begin(exchange)
    for _ in range(5):
        loop.ring()
        await turns()
    assert exchange.asked == len(exchange.seen) == (1 if more else 2)
    vigil.end(exchange)


# The same in a gateway.


def ticking(gateway: Any, idle: float = 300.0) -> Loop:
    """From now on its time passes as the test says."""
    loop = Loop()
    gateway._vigils[asyncio.get_running_loop()] = Vigil(loop, idle)  # type: ignore[arg-type]  # it has what is needed
    return loop


async def hangs(peer: Peer) -> None:
    await peer.head()
    await peer.gone()


@pytest.mark.parametrize("finish", [False, True])
async def test_while_the_head_is_waited_for(finish: bool) -> None:
    released = asyncio.Event()

    async def upstream(peer: Peer) -> None:
        await peer.head()
        if finish:
            await released.wait()
            await peer.send(answer())
        await peer.gone()

    probe = Probe()
    async with gate(upstream, policies=[probe], finish=finish) as (gateway, server):
        loop = ticking(gateway)
        task = begin(gateway, visitor := Visitor())
        await until(lambda: server.peers and server.peers[0].requests)
        loop.ring()
        await until(lambda: visitor.waiting)
        visitor.leave()
        if finish:
            await until(lambda: not visitor.waiting)
            assert not task.done()
            released.set()
        await task
        if not finish:
            assert visitor.sent == []
            await server.quiet()
        assert probe.verdicts == ["success" if finish else "ignored"]


@pytest.mark.parametrize("finish", [False, True])
@pytest.mark.parametrize("told", ["at once", "by the next part", "by send"])
async def test_in_the_body(finish: bool, told: str) -> None:
    """A server says so to whoever asks, or raises, or just swallows what is sent."""
    more = asyncio.Event()

    async def upstream(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await more.wait()
        await peer.send(b"1\r\nb\r\n0\r\n\r\n")
        await peer.gone()

    probe = Probe()
    async with gate(upstream, policies=[probe], finish=finish) as (gateway, server):
        loop = ticking(gateway)
        task = begin(gateway, visitor := Visitor())
        await until(lambda: visitor.body == b"a")
        if told == "by send":
            visitor.broken = len(visitor.sent)
        else:
            loop.ring()
            await until(lambda: visitor.waiting)
            visitor.leave()
        if finish or told != "at once":
            more.set()
        await task
        assert probe.verdicts == ["success" if finish else "ignored"]
        more.set()
        await server.quiet(int(finish or told != "at once"))  # what has come to its end is kept


async def test_in_a_queue() -> None:
    probe = Probe()
    async with gate(hangs, outside=[ConcurrencyLimit(1, queue=5), probe]) as (gateway, server):
        loop = ticking(gateway)
        first = begin(gateway, Visitor())
        await until(lambda: server.peers)
        task = begin(gateway, visitor := Visitor())
        await until(lambda: gateway.under_way == 2)
        loop.ring()
        await until(lambda: visitor.waiting)
        visitor.leave()
        await task
        assert visitor.sent == []
        assert len(server.peers) == 1
        first.cancel()
        await asyncio.wait([first])
        assert probe.verdicts == [Verdict.IGNORED.value]


async def test_before_the_next_attempt() -> None:
    policy = Retry("5xx", attempts=3, budget=None, backoff=Constant(600.0))
    async with gate(answers(answer(status=500)), policies=[policy]) as (gateway, server):
        loop = ticking(gateway)
        task = begin(gateway, visitor := Visitor())
        await until(lambda: server.peers and server.peers[0].requests == 1)
        loop.ring()
        await until(lambda: visitor.waiting)
        visitor.leave()
        await task
        assert visitor.sent == []


async def test_a_request_that_does_not_come_to_its_end() -> None:
    probe = Probe()
    async with gate(hangs, policies=[probe]) as (gateway, server):
        loop = ticking(gateway, idle=2.0)
        task = begin(gateway, visitor := Visitor(part(b"a" * 20_000)), "/a", ("content-length", "40000"), method="PUT")
        await until(lambda: server.peers and server.peers[0].pulled > 20_000)
        await until(lambda: visitor.waiting)
        loop.ring(LOOKS)
        visitor.give(part(b"a"))
        await until(lambda: visitor.asked == 3)
        loop.ring(2 * LOOKS)
        assert not task.done()
        loop.ring(LOOKS)
        await task
        assert (visitor.status, visitor.field("proxy-status")) == (408, "meshkit; error=http_request_error")
        assert probe.verdicts == ["ignored"]
        await server.quiet()


async def test_a_client_that_takes_nothing() -> None:
    async def upstream(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na")
        await peer.gone()

    probe = Probe()
    async with gate(upstream, policies=[probe], whole=0) as (gateway, server):
        loop = ticking(gateway, idle=2.0)
        task = begin(gateway, visitor := Visitor())
        await until(lambda: visitor.started)
        visitor.takes.clear()
        await until(lambda: server.peers[0].requests)
        await server.peers[0].send(b"b")
        while not task.done():
            loop.ring(LOOKS)
            await turns()
        await task
        assert not visitor.over
        assert probe.verdicts == ["ignored"]
        await server.quiet()


async def test_a_server_that_cancels_is_not_taken_for_a_client_that_goes() -> None:
    async with gate(hangs) as (gateway, server):
        ticking(gateway)
        task = begin(gateway, visitor := Visitor())
        await until(lambda: server.peers)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert visitor.sent == []


async def test_what_comes_after_is_served() -> None:
    """The timer goes on for another one, and no task is left of those before."""
    async with gate(hangs) as (gateway, server):
        loop = ticking(gateway)
        task = begin(gateway, visitor := Visitor())
        await until(lambda: server.peers)
        loop.ring()
        await until(lambda: visitor.waiting)
        visitor.leave()
        await task
        loop.ring()
        assert loop.rings is None
        assert (await visit(gateway)).status == 200


@pytest.mark.parametrize("when", ["partial", "expect"])
async def test_a_client_that_goes_after_its_upload_was_refused(when: str) -> None:
    """An answer without an end, to a request that is not read any further."""

    async def refuses(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n")

    async with gate(refuses) as (gateway, _):
        visitor = Visitor(part(b"a" * 10))
        fields = [("content-length", "100000"), *([("expect", "100-continue")] if when == "expect" else [])]
        task = begin(gateway, visitor, "/a", *fields, method="PUT")
        await until(lambda: visitor.body)
        visitor.give({"type": "http.disconnect"})
        async with asyncio.timeout(5):
            await task
        assert not visitor.over


async def test_a_client_that_goes_while_it_waits_to_be_let_in() -> None:
    async def waits(peer: Peer) -> None:
        await peer.head()

    async with gate(waits) as (gateway, _):
        visitor = Visitor({"type": "websocket.connect"})
        task = begin(gateway, visitor, "/a", type="websocket", scheme="ws", subprotocols=[])
        await until(lambda: visitor.waiting)
        visitor.give({"type": "websocket.disconnect", "code": 1006})
        async with asyncio.timeout(5):
            await task
        assert visitor.sent == []


async def test_a_websocket_that_was_let_in_is_looked_after_by_its_own_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is always being written to would else be taken for one that stands still."""
    looked_after: list[int] = []

    async def accepts(peer: Peer) -> None:
        head = await peer.head()
        [key] = [line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")]
        await peer.send(
            b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
            % accept_key(key.decode()).encode()
        )

    async def relayed(connection: Any, upstream: Any, limits: Any) -> None:
        vigil = connection.vigil
        looked_after.append(len(vigil._new) + len(vigil._old))
        upstream.close()

    monkeypatch.setattr("meshkit.gateway.socket.relay", relayed)
    async with gate(accepts) as (gateway, _):
        visitor = Visitor({"type": "websocket.connect"})
        await begin(gateway, visitor, "/a", type="websocket", scheme="ws", subprotocols=[])
    assert looked_after == [0]
