"""What goes through a WebSocket, how does it end, and who waits for whom? An upstream and a client in a test's hand."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from websockets.frames import Opcode

from meshkit.gateway import socket, wire
from meshkit.route import WebSocket

from ..upstream.calls import pooled
from ..upstream.peer import Gone
from ..upstream.rogue import until
from ..upstream.stepping import LOOPS, turns
from .far import Far, frame, opened, playing, relaying, shut

pytestmark = LOOPS
TEXT, BINARY, CONT, PING, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG
LEFT = {"code": 1000, "reason": ""}


async def echoes(far: Far) -> None:
    while True:
        name, data = await far.frame()
        await far.say(frame(Opcode[name], data))
        if name == "CLOSE":
            return


async def test_there_and_back() -> None:
    async with relaying(echoes) as (client, _):
        sent = ["a", "", "ä€😀", b"", b"\xff\x00", "b" * 70_000, b"c" * 300_000]
        client.says(*sent)
        await until(lambda: client.heard == sent)
        client.leaves(**LEFT)
    assert client.sent[0] == {"type": "websocket.accept", "headers": []}
    assert client.closed is None


async def test_an_upstream_that_speaks_first() -> None:
    async def play(far: Far) -> None:
        await far.say("hello", shut(1000, "bye"))
        assert await far.goodbye() == (1000, "bye")

    async with relaying(play) as (client, task):
        await task
    assert (client.heard, client.closed) == (["hello"], (1000, "bye"))


async def test_in_pieces() -> None:
    async def play(far: Far) -> None:
        await far.say(frame(TEXT, b"a", False), frame(PING, b"here?"), frame(CONT, b"b", False), frame(CONT, b"c"))
        assert await far.frame() == ("PONG", b"here?")
        for each in frame(BINARY, b"slow"):
            await far.say(bytes([each]))
            await turns()
        await far.frame()

    async with relaying(play) as (client, _):
        await until(lambda: client.heard == ["abc", b"slow"])
        client.leaves(**LEFT)


# Ends.


@pytest.mark.parametrize(
    ("said", "closed"),
    [
        (shut(1000), (1000, "")),
        (shut(1001, "later"), (1001, "later")),
        (shut(4999, "ä" * 61), (4999, "ä" * 61)),
        (frame(Opcode.CLOSE), (1000, "")),
        (b"", (1014, "the upstream has gone")),
        (frame(TEXT, b"half a message")[:-1], (1014, "the upstream has gone")),
        (b"\xff\xff", (1014, "the upstream does not keep to the protocol")),
        (frame(TEXT, b"\xff"), (1014, "the upstream's text is not UTF-8")),
        (frame(TEXT, b"a" * 1001), (1009, "the upstream's message is too big")),
        (frame(TEXT, b"a", False) + frame(CONT, b"a" * 1000), (1009, "the upstream's message is too big")),
    ],
)
async def test_the_upstream_ends(said: bytes, closed: tuple[int, str]) -> None:
    """What it has said before is heard."""

    async def play(far: Far) -> None:
        await far.say("first", said)

    async with relaying(play, WebSocket(max_message=1000)) as (client, _):
        pass
    assert (client.heard, client.closed) == (["first"], closed)


async def test_the_upstream_is_reset() -> None:
    async def play(far: Far) -> None:
        await far.frame()
        far.peer.reset()

    async with relaying(play) as (client, _):
        client.says("a")
    assert client.closed == (1014, "the upstream has gone")


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ({"code": 1000, "reason": ""}, (1000, "")),
        ({"code": 1001, "reason": "tab closed"}, (1001, "tab closed")),
        ({"code": 4000, "reason": None}, (4000, "")),
        ({"code": 4000, "reason": "ä" * 100}, (4000, "ä" * 61)),
        ({"code": 1012}, (1012, "")),
        ({"code": 1005, "reason": ""}, (None, "")),
        ({"code": 1005}, (1001, "")),
        ({}, (1001, "")),
        ({"code": 1006, "reason": "lost"}, (1001, "")),
        ({"code": 1015}, (1001, "")),
    ],
)
async def test_the_client_leaves(said: dict[str, Any], heard: tuple[int | None, str]) -> None:
    goodbyes = []

    async def play(far: Far) -> None:
        assert await far.frame() == ("TEXT", b"last")
        goodbyes.append(await far.goodbye())
        await far.say(shut(1000), "too late")

    async with relaying(play) as (client, _):
        client.says("last")
        client.leaves(**said)
    assert goodbyes == [heard]
    assert [message["type"] for message in client.sent] == ["websocket.accept"]


async def test_the_client_has_gone_while_it_is_sent_something() -> None:
    goodbyes = []

    async def play(far: Far) -> None:
        await far.frame()
        await far.say("a")
        goodbyes.append(await far.goodbye())

    async with relaying(play) as (client, _):
        await until(lambda: client.sent)
        client.gone = True
        client.says("go on")
    assert goodbyes == [(1001, "")]


async def test_the_client_has_gone_before_it_was_let_in() -> None:
    goodbyes = []

    async def play(far: Far) -> None:
        goodbyes.append(await far.goodbye())

    async with relaying(play) as (client, _):
        client.gone = True
    assert (goodbyes, client.sent) == ([(1001, "")], [])


@pytest.mark.parametrize("message", ["a" * 1001, "ä" * 501, b"a" * 1001])
async def test_the_client_says_too_much(message: str | bytes) -> None:
    goodbyes = []

    async def play(far: Far) -> None:
        assert await far.frame() == ("TEXT", "ä".encode() * 500)
        goodbyes.append(await far.goodbye())

    async with relaying(play, WebSocket(max_message=1000)) as (client, _):
        client.says("ä" * 500, message, "more")
    assert goodbyes == [(1001, "the message is too big")]
    assert client.closed == (1009, "the message is too big")


@pytest.mark.parametrize(
    ("limits", "code", "reason"),
    [
        (WebSocket(idle=0.02), 1001, "idle for 0.02 s"),
        (WebSocket(lifetime=0.02), 1001, "open for 0.02 s"),
        (WebSocket(ping=0.01), 1014, "the upstream was silent for 0.02 s"),
    ],
)
async def test_limits(limits: WebSocket, code: int, reason: str) -> None:
    goodbyes = []

    async def play(far: Far) -> None:
        goodbyes.append(await far.goodbye())

    async with relaying(play, limits) as (client, _):
        pass
    assert client.closed == (code, reason)
    assert goodbyes == [(1001, reason)]


async def test_an_upstream_that_answers_pings_lives() -> None:
    async def play(far: Far) -> None:
        for _ in range(3):
            assert await far.frame() == ("PING", b"")
            await far.say(frame(PONG))
        await far.say(shut(1000))

    async with relaying(play, WebSocket(ping=0.02)) as (client, _):
        pass
    assert client.closed == (1000, "")


async def test_an_upstream_that_does_not_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is gone after a while, and nobody waits for that."""
    monkeypatch.setattr(wire, "LINGER", 0.02)

    async def play(far: Far) -> None:
        await far.goodbye()
        with pytest.raises(Gone):
            await far.frame()

    async with relaying(play) as (client, task):
        client.leaves(**LEFT)
        await task


async def test_a_client_that_takes_no_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "PATIENCE", 0.02)

    go = asyncio.Event()

    async def play(far: Far) -> None:
        await far.say("a")
        await go.wait()
        await far.say(shut(1000))

    async with relaying(play) as (client, _):
        await until(lambda: client.heard)
        client.takes.clear()
        go.set()
    assert (client.refused, client.closed) == (1, None)


async def test_a_receive_that_fails() -> None:
    """It is told, and the upstream hears a goodbye."""
    goodbyes = []

    async def play(far: Far) -> None:
        goodbyes.append(await far.goodbye())

    async def relayed() -> None:
        async with relaying(play) as (client, task):
            client.arriving.put_nowait({"type": "websocket.receive"})  # neither a text nor bytes
            await asyncio.wait([task])
            await until(lambda: goodbyes)

    with pytest.raises(KeyError):
        await relayed()
    assert goodbyes == [(1001, "")]


# Who waits for whom.


async def test_a_client_that_reads_slowly() -> None:
    """The upstream waits, what it has said is kept within bounds, and nothing is lost."""
    size, number = 10_000, 3000
    peers = []

    async def play(far: Far) -> None:
        peers.append(far.peer)
        for at in range(number):
            await far.say(frame(BINARY, struct.pack("!I", at) * (size // 4)))
        await far.say(shut(1000))

    async with relaying(play) as (client, _):
        await until(lambda: client.heard)
        client.takes.clear()
        await until(lambda: peers[0].stuck)
        before = len(client.heard)
        assert before < number
        client.takes.set()
        await until(lambda: client.closed == (1000, ""))
    assert [struct.unpack("!I", each[:4])[0] for each in client.heard] == [*range(number)]  # type: ignore[arg-type]
    assert all(len(each) == size for each in client.heard)


async def test_a_client_that_reads_nothing_is_idle() -> None:
    """However much there is to say to it."""

    async def play(far: Far) -> None:
        await far.say(*[frame(BINARY, b"a" * 60_000)] * 1000)

    async with relaying(play, WebSocket(idle=0.05)) as (client, _):
        await until(lambda: client.heard)
        client.takes.clear()
        await until(lambda: client.refused)
        client.takes.set()
    assert client.closed == (1001, "idle for 0.05 s")
    assert len(client.heard) < 1000


async def test_an_upstream_that_reads_slowly() -> None:
    """The client is not asked for more, and nothing is lost."""
    number = 400
    go, count = asyncio.Event(), []

    async def play(far: Far) -> None:
        await go.wait()
        while True:
            name, data = await far.frame()
            if name == "CLOSE":
                return
            count.append(len(data))

    async with relaying(play) as (client, _):
        client.says(*[b"a" * 100_000] * number)
        left = number
        while client.arriving.qsize() < left or left == number:
            left = client.arriving.qsize()
            await turns(20)
        assert 0 < left < number
        go.set()
        await until(lambda: len(count) == number)
        client.leaves(**LEFT)
    assert count == [100_000] * number


async def test_an_upstream_that_pings_and_reads_nothing() -> None:
    """It gets the last answer, and nothing is kept of the others."""
    go = asyncio.Event()
    heard = []

    async def play(far: Far) -> None:
        await far.frame()
        for at in range(20_000):
            await far.say(frame(PING, b"%06d" % at))
        await far.say("done")
        await go.wait()
        while True:
            name, data = await far.frame()
            if name == "CLOSE":
                return
            heard.append((name, data))

    async with relaying(play) as (client, _):
        client.says(*[b"a" * 1_000_000] * 10)
        await until(lambda: client.heard == ["done"])
        go.set()
        await until(lambda: ("PONG", b"019999") in heard and sum(name == "BINARY" for name, _ in heard) == 9)
        client.leaves(**LEFT)
    assert sum(name == "PONG" for name, _ in heard) < 10_000


async def test_others_have_their_turn_while_tiny_frames_come() -> None:
    async def play(far: Far) -> None:
        await far.goodbye()

    async with pooled(playing(play)) as (server, pool):
        upstream = await opened(pool, server)
        upstream.data_received(frame(PONG) * 50_000 + frame(TEXT, b"done"))
        waiting = asyncio.create_task(upstream.messages())
        count = 0
        while not waiting.done():
            await turns(1)
            count += 1
        assert waiting.result() == ["done"]
        assert count > 10
        upstream.leave()
        await server.quiet()


async def test_an_empty_message_is_a_message() -> None:
    """Many of them are as good as long ones: they are not kept without bounds."""

    async def play(far: Far) -> None:
        await far.say(frame(TEXT) * 20_000, shut(1000))

    async with relaying(play) as (client, _):
        client.takes.clear()
        await turns(10)
        client.takes.set()
    assert client.heard == [""] * 20_000
