"""What does a pool promise? One connection for one exchange, kept for the next, and nothing when it is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshkit.errors import Overloaded
from meshkit.upstream import Limits, Origin, Pool
from meshkit.upstream.errors import ConnectFailed, Misused, PoolTimedOut, ReadFailed, ReadTimedOut, WireError

from .calls import HALF, HEADERS, ask, begun, get, half, here, pooled, read
from .peer import Peer
from .rogue import CLOSE, OK, RESET, Rogue, answers, sane, until
from .sources import Source, forever, heads, post, warm
from .stepping import LOOPS, turns
from .ways import nothing_left

pytestmark = LOOPS


# Kept, or not.


@pytest.mark.parametrize("times", [1, 5])
async def test_one_after_the_other_share_a_connection(times: int) -> None:
    async with pooled() as (server, pool):
        for _ in range(times):
            assert await get(pool, here(server)) == b"ok"
        assert len(server.peers) == 1
        assert pool.snapshot()["idle"] == 1


async def test_at_once_each_has_its_own() -> None:
    async with pooled() as (server, pool):
        assert await asyncio.gather(*(get(pool, here(server)) for _ in range(7))) == [b"ok"] * 7
        assert len(server.peers) == 7


async def test_the_last_one_used_is_the_next() -> None:
    async with pooled() as (server, pool):
        await asyncio.gather(*(get(pool, here(server)) for _ in range(5)))
        requests = sum(peer.requests for peer in server.peers)
        for _ in range(10):
            await get(pool, here(server))
        assert sorted(peer.requests for peer in server.peers) == [1, 1, 1, 1, requests - 5 + 11]


async def test_names_are_kept_apart() -> None:
    """Of one address, too: what a connection was opened for is what it is used for."""
    async with pooled() as (server, pool):
        await get(pool, here(server))
        await get(pool, Origin("localhost", server.port))
        await get(pool, here(server))
        assert [peer.requests for peer in server.peers] == [2, 1]


@pytest.mark.parametrize("close", [b"close", b"Close", b"x, close", b"close,x"])
async def test_a_request_that_closes(close: bytes) -> None:
    async with pooled() as (server, pool):
        for _ in range(2):
            answer = await pool.send(here(server), b"GET", b"/", [*HEADERS, (b"Connection", close)])
            assert await read(answer) == b"ok"
        assert len(server.peers) == 2
        await server.quiet()


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"1.1", b"1.0"),
    ],
    ids=["close", "1.0"],
)
async def test_an_answer_that_closes(answer: bytes) -> None:
    async with pooled(answers(answer), answers(answer)) as (server, pool):
        for _ in range(2):
            assert await get(pool, here(server)) == b"ok"
        assert len(server.peers) == 2
        await server.quiet()


async def test_no_more_are_kept_than_may_be() -> None:
    async with pooled(limits=Limits(idle=2)) as (server, pool):
        await asyncio.gather(*(get(pool, here(server)) for _ in range(5)))
        await server.quiet(2)
        assert pool.snapshot()["idle"] == 2


async def test_none_is_kept_longer_than_it_may_be() -> None:
    async with pooled(limits=Limits(idle_for=0.02)) as (server, pool):
        await get(pool, here(server))
        await server.quiet()
        assert pool.snapshot()["idle"] == 0


async def test_one_elsewhere_makes_room() -> None:
    async with pooled(limits=Limits(connections=1)) as (server, pool), Rogue() as other:
        for _ in range(2):
            await get(pool, here(server), times={"pool": 5.0})
            await get(pool, here(other), times={"pool": 5.0})
        assert (len(server.peers), len(other.peers)) == (2, 2)
        await pool.aclose()
        await other.quiet()


# The queue.


async def test_who_waits_is_served_in_order() -> None:
    order = []

    async def asks(number: int) -> None:
        assert await get(pool, here(server)) == b"ok"
        order.append(number)

    async with pooled(limits=Limits(connections=1)) as (server, pool):
        await asyncio.gather(*(asks(number) for number in range(20)))
        assert order == [*range(20)]
        assert len(server.peers) == 1


async def test_who_waits_for_a_connection_that_fails_is_not_forgotten() -> None:
    async with pooled(answers(CLOSE), answers(RESET), limits=Limits(connections=1)) as (server, pool):
        asked = [ask(pool, here(server), times={"total": 10.0}) for _ in range(4)]
        errors = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(error, WireError) for error in errors] == [True, True, False, False]


@pytest.mark.parametrize("times", [{"pool": 0.02}, {"total": 0.02}])
async def test_who_waits_too_long(times: dict[str, float]) -> None:
    async with pooled(half, limits=Limits(connections=1)) as (server, pool):
        answer, _ = await begun(pool, server)
        with pytest.raises(PoolTimedOut) as caught:
            await get(pool, here(server), times=times)
        assert not caught.value.sent
        answer.close()
        assert await get(pool, here(server)) == b"ok"


async def test_too_many_wait() -> None:
    async with pooled(half, limits=Limits(connections=1, pending=0)) as (server, pool):
        answer, _ = await begun(pool, server)
        with pytest.raises(Overloaded):
            await get(pool, here(server))
        answer.close()
        assert await get(pool, here(server)) == b"ok"


# What an error says.


async def test_was_anything_sent() -> None:
    """And was it the fault of a connection that had been used before?"""

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        peer.reset()

    async with pooled(once, answers(RESET), answers((HALF, RESET))) as (server, pool):
        await get(pool, here(server))
        said = []
        for _ in range(3):
            with pytest.raises(WireError) as caught:
                await get(pool, here(server))
            said.append((caught.value.sent, caught.value.stale))
        assert said == [(True, True), (True, False), (True, False)]
        with pytest.raises(Misused) as refused:
            await pool.send(here(server), b"GET", b"/", [])
        assert not refused.value.sent


@pytest.mark.parametrize("times", [{"read": 0.02}, {"total": 0.02}, {"read": 5.0, "total": 0.02}])
async def test_late(times: dict[str, float]) -> None:
    async with pooled(warm) as (server, pool):
        await get(pool, here(server))
        with pytest.raises(ReadTimedOut) as caught:
            await get(pool, here(server), times=times)
        assert caught.value.sent
        assert pool.idle()


@pytest.mark.parametrize("total", [0.0, -1.0])
async def test_no_time_at_all(total: float) -> None:
    """On a connection that is there already, too."""
    async with pooled() as (server, pool):
        with pytest.raises(TimeoutError):
            await get(pool, here(server), times={"total": total})
        await get(pool, here(server))
        with pytest.raises(TimeoutError):
            await get(pool, here(server), times={"total": total})
        assert pool.idle()


async def test_a_connection_that_breaks_as_it_is_granted() -> None:
    """Whoever was to have it gets another."""
    async with pooled(limits=Limits(connections=1)) as (server, pool):
        await get(pool, here(server))
        places: Any = pool._places
        held = places.take(here(server))
        waiting = asyncio.create_task(get(pool, here(server), times={"pool": 10.0}))
        await turns()
        places.freed(held)
        held.eof_received()
        assert await waiting == b"ok"
        assert len(server.peers) == 2
        await server.quiet(1)


# Closed.


async def test_closed_while_calls_are_under_way() -> None:
    async with pooled(half, heads, heads, limits=Limits(connections=3)) as (server, pool):
        answer, _ = await begun(pool, server)
        reading = asyncio.create_task(read(answer))
        unread = asyncio.create_task(get(pool, here(server)))
        await until(lambda: len(server.peers) == 2 and server.peers[1].requests)
        sending = asyncio.create_task(post(pool, here(server), Source(b"a", forever)))
        await until(lambda: len(server.peers) == 3 and server.peers[2].requests)
        waiting = asyncio.create_task(get(pool, here(server)))
        await turns(5)
        await pool.aclose()
        calls = [reading, unread, sending, waiting]
        await asyncio.wait(calls)
        assert [type(call.exception()) for call in calls] == [ReadFailed, ReadFailed, ReadFailed, ConnectFailed]
        assert pool.idle()


@pytest.mark.parametrize("after", range(6))
async def test_closed_while_it_is_dialled(after: int) -> None:
    async with pooled() as (server, pool):
        asking = asyncio.create_task(get(pool, here(server)))
        await turns(after)
        await pool.aclose()
        await asyncio.wait([asking])
        assert asking.exception() is None or isinstance(asking.exception(), WireError)
        assert pool.snapshot() == {"busy": 0, "idle": 0, "dialing": 0, "waiting": 0, "origins": {}} or after == 0
        assert pool.idle()


async def test_closed_twice_and_used_again() -> None:
    async with pooled() as (server, pool):
        await pool.aclose()
        await get(pool, here(server))
        await pool.aclose()
        await pool.aclose()
        await server.quiet()
        assert await get(pool, here(server)) == b"ok"
        await asyncio.gather(pool.aclose(), pool.aclose())
        await server.quiet()


async def test_closed_by_two_at_once_and_cancelled() -> None:
    async with pooled() as (server, pool):
        await asyncio.gather(*(get(pool, here(server)) for _ in range(3)))
        one, two = asyncio.create_task(pool.aclose()), asyncio.create_task(pool.aclose())
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.wait([one, two])
        await server.quiet()


async def test_never_used() -> None:
    async with nothing_left():
        pool = Pool()
        assert pool.idle()
        await pool.aclose()


async def test_what_it_shows() -> None:
    async with pooled(half, sane, limits=Limits(connections=2)) as (server, pool):
        answer, _ = await begun(pool, server)
        await get(pool, here(server))
        assert repr(pool) == "<Pool: 1 busy, 1 idle, 0 waiting>"
        assert pool.snapshot()["origins"] == {str(here(server)): 2}
        answer.close()
