"""Does the scene that weighs transports count right, say what it measured, and leave nothing behind?"""

from __future__ import annotations

import asyncio
import math
import re
import socket
from typing import Any, cast

import httpx
import pytest

from examples.demo.cost import Program, Round, in_turns, played
from examples.demo.lean import ANSWER, Lean
from examples.demo.load import Wire
from examples.demo.scenes.one_argument import MADE, TURNS, WIDTH, OneArgument, gain
from meshkit.httpx import PoolTransport

SECONDS = 60
"""For anything here, on a machine that has other things to do."""


def refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def port_of(scene: OneArgument) -> int:
    [port] = set(re.findall(r"http://127\.0\.0\.1:(\d+)", scene.stack))
    return int(port)


def test_the_scene_says_what_it_measured_and_the_pool_takes_less_than_half() -> None:
    scene = OneArgument(1.0, 60.0)
    assert (scene.progress, scene.rows()) == (0.0, [])
    asyncio.run(asyncio.wait_for(scene.play(), SECONDS))
    assert refused(port_of(scene))
    assert scene.progress == 1.0

    plain, pool, policies, both = scene.programs
    assert [each.name for each in scene.programs] == [name for name, _, _ in MADE]
    assert all(len(each.rounds) == TURNS and each.requests >= TURNS * WIDTH for each in scene.programs)
    assert max(pool.cost, both.cost) < plain.cost / 2
    assert pool.cost < policies.cost / 2

    rows = {name: cells for name, *cells in scene.rows()}
    assert rows["requests"] == [str(each.requests) for each in scene.programs]
    assert rows["requests a second"] == [f"{each.rate:.0f}" for each in scene.programs]
    assert rows["CPU per request"] == [f"{each.cost * 1e6:.0f} µs" for each in scene.programs]
    assert rows["CPU, to plain"][:2] == ["1.00 x", f"{pool.cost / plain.cost:.2f} x"]
    assert rows["saved per request"][1] == f"{round(plain.cost * 1e6) - round(pool.cost * 1e6):+d} µs"
    assert scene.stack.startswith(gain(plain.cost, pool.cost, policies.cost, both.cost))
    costs = [each.cpu / each.requests * 1e6 for each in plain.rounds]
    assert f"a request took {min(costs):.0f} to {max(costs):.0f} µs over httpx's own transport" in scene.stack
    assert f"pool {pool.cost * 1e6:.0f} µs" in scene.pulse()
    assert [figure.svg.count('class="point') for figure in scene.figures()] == [0, 0, TURNS * len(MADE)]


class Noticed(OneArgument):
    """Tells that its first round is over."""

    def __init__(self) -> None:
        super().__init__(300.0, 60.0)
        self.under_way = asyncio.Event()

    def clock(self) -> float:
        if self.progress:
            self.under_way.set()
        return super().clock()


def test_stopped_in_a_round_it_leaves_nothing_behind() -> None:
    async def main() -> None:
        playing = asyncio.create_task(scene.play())
        await asyncio.wait_for(scene.under_way.wait(), SECONDS)
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing

    scene = Noticed()
    asyncio.run(main())
    assert 0 < scene.progress < 1
    assert refused(port_of(scene))


def test_the_gain_is_told_as_it_is_also_where_there_is_none() -> None:
    said = gain(0.0025, 0.0004, 0.0026, 0.00045)
    assert "400 µs of CPU per request, where plain httpx takes 2500: 6.2 times less" in said
    assert "450 µs, 5.6 times less; the policies add +50 µs" in said
    assert "2600 µs; there they add +100 µs" in said
    assert (
        "Of the 2050 µs that meshkit saves on a request, the pool's share is +2100 µs, that of the policies -50 µs"
        in said
    )
    assert "0.5 times less; the policies add -100 µs" in gain(0.001, 0.0021, 0.001, 0.002)


# What is counted.


def test_so_many_are_in_flight_and_all_that_end_count() -> None:
    clock, flying, most, asked = 0.0, 0, 0, 0

    async def ask() -> None:
        nonlocal clock, flying, most, asked
        asked += 1
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0)
        clock += 0.25
        flying -= 1

    found = asyncio.run(played(ask, 4, 2.0, lambda: clock))
    assert (most, flying) == (4, 0)
    assert (found.at, found.requests, found.seconds) == (0.0, asked, asked * 0.25)
    assert found.seconds >= 2.0
    assert found.cpu >= 0.0


def test_a_failed_request_ends_the_round() -> None:
    async def ask() -> None:
        raise httpx.ConnectError("refused")

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(played(ask, 2, 1.0, lambda: 0.0))
    assert raised.group_contains(httpx.ConnectError)


def test_each_has_as_many_rounds_and_goes_first_by_turns() -> None:
    now, order = 0.0, []

    def program(name: str) -> Program:
        async def ask() -> None:
            nonlocal now
            now += 1.0
            order.append(name)

        return Program(name, "", ask)

    three = [program(name) for name in "abc"]
    asyncio.run(in_turns(three, 4, 1, 1.0, lambda: now))
    assert "".join(order) == "abc" + "abc" + "bca" + "cab" + "abc"  # the first is not counted
    assert [each.requests for each in three] == [4, 4, 4]


def test_figures_are_those_of_all_rounds() -> None:
    program = Program("a", "", cast("Any", None))
    assert all(map(math.isnan, (program.rate, program.cost, program.busy)))
    program.rounds += [Round(0.0, 10, 1.0, 0.5), Round(5.0, 30, 3.0, 0.5)]
    assert (program.requests, program.rate, program.cost, program.busy) == (40, 10.0, 0.025, 0.25)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_the_lean_server_answers_each_request_once(size: int) -> None:
    written: list[bytes] = []

    class Out(asyncio.Transport):
        def write(self, data: Any) -> None:
            written.append(bytes(data))

    server = Lean()
    server.connection_made(Out())
    sent = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 3
    for k in range(0, len(sent), size):
        server.data_received(sent[k : k + size])
    assert b"".join(written) == ANSWER * 3


@pytest.mark.parametrize("transport", [httpx.AsyncHTTPTransport, PoolTransport])
def test_a_wire_has_a_transport_send_and_notes_it(transport: Any) -> None:
    async def main() -> Wire:
        server = await asyncio.get_running_loop().create_server(Lean, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            wire = Wire(lambda: 2.5, transport, connections=3)
            async with httpx.AsyncClient(transport=wire) as client:
                assert (await client.get(f"http://127.0.0.1:{port}/")).text == "ok\n"
        assert isinstance(wire.inner, transport)
        assert (wire.attempts, wire.open) == ([(2.5, port)], 0)
        return wire

    wire = asyncio.run(main())
    if isinstance(wire.inner, PoolTransport):
        assert wire.inner.limits.connections == 3
