"""Of several addresses, which is tried when, and what becomes of those that are not needed? (RFC 8305, 4, 5 and 8)"""

from __future__ import annotations

import asyncio
import socket
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from meshkit.upstream import dial as room
from meshkit.upstream.dial import HEAD_START, Dial, in_turns
from meshkit.upstream.errors import ConnectFailed
from meshkit.upstream.origin import Origin
from meshkit.upstream.places import Limits, Places

from .stepping import turns

WHILE = 0.3
"""Virtual seconds: beyond the head start."""

V6, V4 = socket.AF_INET6, socket.AF_INET


def address(family: int, name: str) -> Any:
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (name, 80)


SIX_A, SIX_B, FOUR_A, FOUR_B = address(V6, "6a"), address(V6, "6b"), address(V4, "4a"), address(V4, "4b")
FOUR = [SIX_A, SIX_B, FOUR_A, FOUR_B]


class Scripted:
    """Addresses that answer or fail after a time; how long it takes, and when they were tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[Any] = []
        self.after: dict[Any, tuple[float, OSError | None]] = {}
        self.tried: list[tuple[str, float]] = []
        self.opened: list[socket.socket] = []
        self.ended: list[str] = []
        self.gate = asyncio.Event()
        """What those wait for who take -1 seconds."""
        script = self

        async def resolved(host: str, port: int) -> list[Any]:
            return script.addresses

        async def opening(self: Dial, where: Any) -> socket.socket:
            return await script.open(where)

        monkeypatch.setattr(room, "resolved", resolved)
        monkeypatch.setattr(Dial, "_open", opening)

    def play(self, *addresses: Any, **after: Any) -> Any:
        """Seconds until it answers, or a pair of seconds and the error then; without any, it never does."""
        self.addresses = [*addresses]
        for name, what in after.items():
            self.after[name[1:]] = what if isinstance(what, tuple) else (what, None)
        self.start = asyncio.get_running_loop().time()
        return Dial()._first(Origin("example", 80))

    async def open(self, where: Any) -> socket.socket:
        name = where[4][0]
        self.tried.append((name, self.now()))
        try:
            if name not in self.after:
                await asyncio.get_running_loop().create_future()
            seconds, error = self.after[name]
            await (asyncio.sleep(seconds) if seconds >= 0 else self.gate.wait())
        except asyncio.CancelledError:
            self.ended.append(name)
            raise
        if error is not None:
            raise error
        self.opened.append(socket.socket())
        return self.opened[-1]

    def now(self) -> float:
        return round(asyncio.get_running_loop().time() - self.start, 6)

    def open_now(self) -> list[socket.socket]:
        return [sock for sock in self.opened if sock.fileno() >= 0]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch)


@pytest.mark.virtual_time
async def test_each_after_a_head_start_in_turns(scripted: Scripted) -> None:
    sock = await scripted.play(*FOUR, _4b=0.01)
    assert scripted.tried == [("6a", 0.0), ("4a", HEAD_START), ("6b", 2 * HEAD_START), ("4b", 3 * HEAD_START)]
    assert sorted(scripted.ended) == ["4a", "6a", "6b"]
    assert scripted.open_now() == [sock]
    sock.close()


@pytest.mark.virtual_time
async def test_who_answers_in_time_is_alone(scripted: Scripted) -> None:
    sock = await scripted.play(*FOUR, _6a=0.24)
    assert scripted.tried == [("6a", 0.0)]
    assert scripted.now() == 0.24
    sock.close()


@pytest.mark.virtual_time
async def test_a_failure_is_the_start_of_the_next(scripted: Scripted) -> None:
    refused = OSError("refused")
    sock = await scripted.play(*FOUR, _6a=(0.1, refused), _4a=(0.0, refused), _6b=0.05)
    assert scripted.tried == [("6a", 0.0), ("4a", 0.1), ("6b", 0.1)]
    assert scripted.now() == 0.15
    sock.close()


@pytest.mark.virtual_time
async def test_the_first_to_answer_wins(scripted: Scripted) -> None:
    """Whichever was tried first."""
    sock = await scripted.play(*FOUR, _6a=0.4, _4a=0.1)
    assert scripted.now() == pytest.approx(HEAD_START + 0.1)
    assert scripted.ended == ["6a"]
    assert scripted.open_now() == [sock]
    sock.close()


@pytest.mark.virtual_time
async def test_of_two_at_the_same_instant_one_is_kept(scripted: Scripted) -> None:
    dialling = asyncio.create_task(scripted.play(SIX_A, FOUR_A, _6a=-1, _4a=-1))
    await asyncio.sleep(WHILE)
    scripted.gate.set()
    sock = await dialling
    assert len(scripted.opened) == 2
    assert scripted.open_now() == [sock]
    sock.close()


@pytest.mark.virtual_time
async def test_the_last_is_waited_for(scripted: Scripted) -> None:
    sock = await scripted.play(SIX_A, FOUR_A, _6a=(0.3, OSError("refused")), _4a=60.0)
    assert scripted.now() == pytest.approx(60.0 + HEAD_START)
    sock.close()


@pytest.mark.virtual_time
async def test_all_fail(scripted: Scripted) -> None:
    """One error, that names each: what all of them say is said once."""
    dialling = scripted.play(
        *FOUR,
        _6a=(0.0, OSError(113, "no route to 6a")),
        _4a=(0.3, OSError(111, "refused by 4a")),
        _6b=(0.0, OSError(113, "no route to 6b")),
        _4b=(0.0, OSError(113, "no route to 6b")),
    )
    with pytest.raises(OSError, match=r"6a.*6b.*4a") as caught:
        await dialling
    assert str(caught.value).count("no route to 6b") == 1


@pytest.mark.virtual_time
async def test_no_address_at_all(scripted: Scripted) -> None:
    scripted.play().close()
    places = Places(asyncio.get_running_loop(), Limits())
    connection: Any = type("Unused", (), {"origin": Origin("example", 80), "places": places})()
    with pytest.raises(ConnectFailed, match="All connection attempts failed"):
        await Dial()(connection, None, None, None)


@pytest.mark.virtual_time
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("when", [0.0, 0.1, 0.3, 0.6, 5.0])
async def test_cancelled(scripted: Scripted, when: float, times: int) -> None:
    """Once, or impatiently."""
    dialling = asyncio.create_task(scripted.play(*FOUR))
    await asyncio.sleep(when)
    for _ in range(times):
        dialling.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await dialling
    assert sorted(scripted.ended) == sorted(name for name, _ in scripted.tried)
    assert scripted.open_now() == []


@pytest.mark.virtual_time
@pytest.mark.parametrize("after", range(8))
@pytest.mark.parametrize("times", [1, 2])
async def test_cancelled_as_it_is_won(scripted: Scripted, after: int, times: int) -> None:
    """In each turn of the loop between the answer and the end: a socket that nobody gets is closed."""
    dialling = asyncio.create_task(scripted.play(SIX_A, FOUR_A, _6a=-1, _4a=-1))
    await asyncio.sleep(WHILE)
    scripted.gate.set()
    await turns(after)
    for _ in range(times):
        dialling.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([dialling])
    await turns()
    kept = [] if dialling.cancelled() else [dialling.result()]
    assert scripted.open_now() == kept
    for sock in kept:
        sock.close()


@given(st.lists(st.sampled_from([V6, V4]), max_size=12))
def test_in_turns(families: list[int]) -> None:
    listed = [address(family, str(number)) for number, family in enumerate(families)]
    turned = [*in_turns(listed)]
    assert sorted(turned) == sorted(listed)
    for family in (V6, V4):
        assert [each for each in turned if each[0] == family] == [each for each in listed if each[0] == family]
    fewer = min(families.count(V6), families.count(V4))
    assert all(one[0] != two[0] for one, two in pairwise(turned[: 2 * fewer]))
    assert turned[:1] == listed[:1]
