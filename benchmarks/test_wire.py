"""Are clients asked, measured and compared as told? The pieces, on one loop, with little to do."""

from __future__ import annotations

import asyncio
import http.client
import pstats
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import pytest

from benchmarks import wire, wire_bodies, wire_idle, wire_turns
from benchmarks.measure import Effort
from benchmarks.nginx import LARGE, SMALL, Nginx, NoServer
from benchmarks.report import everybody, text
from benchmarks.rows import Line
from benchmarks.sink import Sink
from benchmarks.wire_child import JOBS, Measured, Order, Took
from benchmarks.wire_profile import functions, libraries, library
from benchmarks.wire_subjects import AIOHTTP, CEILING, HTTPX, NO_CLIENT, OURS, POLICIES, POOL, SUBJECTS
from benchmarks.wire_through import Servers
from benchmarks.wire_turns import Child, Round, figures, one_round

BRIEF = Effort(lap=0.0001, laps=1, rounds=2)


@pytest.fixture(scope="module")
def nginx() -> Iterator[Nginx]:
    try:
        with Nginx(origins=3) as running:
            yield running
    except NoServer as why:
        pytest.skip(str(why))


def took(cpu: float, count: int = 10, wall: float = 1.0) -> Took:
    return Took(count, wall, cpu)


# What comes of the rounds.


def test_a_figure_is_the_median_of_the_ratios_within_rounds() -> None:
    told: list[Round] = [{HTTPX: took(8 * slow), OURS: took(slow)} for slow in (1, 2, 5)]
    told[2][OURS] = took(1)
    found = figures(told, wire.as_fast_as(HTTPX))
    assert found[OURS].ratio == 8
    assert found[HTTPX].ratio == 1
    assert found[OURS].nanoseconds == pytest.approx(1e8)


def test_who_failed_in_a_round_has_no_figure_and_nobody_is_compared_with_it() -> None:
    told: list[Round] = [{HTTPX: took(8), OURS: took(1)}, {OURS: took(1)}]
    assert set(figures(told, wire.cpu)) == {OURS}
    assert figures(told, wire.as_fast_as(HTTPX)) == {}
    assert figures([], wire.cpu) == {}


def told_by_all(ours: float = 1.25) -> wire.Told:
    costs = dict.fromkeys(wire.WHO, 10.0) | {CEILING: 1.0, OURS: ours, POLICIES: 1.4, POOL: 0.4, AIOHTTP: 0.8}
    return {
        (loop, count): [{name: took(cost) for name, cost in costs.items()}] * 2
        for loop in wire_turns.LOOPS
        for count in wire.IN_FLIGHT
    }


def test_every_target_is_judged_on_both_loops() -> None:
    lines = wire.summary(told_by_all(), {})
    assert [line.reached for line in lines if line.target is not None] == [True] * 16
    lines = wire.summary(told_by_all(ours=1.26), {})
    missed = [(line.ours, line.unit) for line in lines if line.reached is False]
    assert missed == [(OURS, "% of ceiling")] * 2


def test_the_dearest_number_in_flight_is_told_in_percent_of_the_cheapest() -> None:
    told = told_by_all()
    told["uvloop", 100] = [
        {name: attrs.evolve(each, cpu=each.cpu * 1.5) for name, each in told["uvloop", 1][0].items()}
    ] * 2
    assert [wire.dearest(told, loop, {}).reached for loop in wire_turns.LOOPS] == [False, True]
    assert wire.dearest(told, "uvloop", {}).figures[OURS].ratio == pytest.approx(150)


def test_bodies_and_idle_connections_have_targets_too() -> None:
    jobs = {(loop, job): [{OURS: took(1), HTTPX: took(4)}] * 2 for loop in wire_turns.LOOPS for job in wire_bodies.TOLD}
    assert [line.reached for line in wire_bodies.summary(jobs, {}) if line.target] == [True] * 8
    rounds = [{wire_idle.WITHOUT: took(1), wire_idle.WITH: attrs.evolve(took(1.06), kept=3000)}] * 2
    rate, ratio, memory = wire_idle.summary({OURS: rounds}, "uvloop", {})
    assert (rate.figures[OURS].ratio, ratio.reached, memory.figures[OURS].ratio) == (10, False, 3)


def test_where_more_is_better_the_best_peer_has_the_most_and_the_target_is_a_least() -> None:
    found = figures(
        [{name: took(1, count) for name, count in ((OURS, 5), (HTTPX, 1), (AIOHTTP, 9), (POOL, 99))}] * 2,
        wire.per_second,
    )
    line = Line("client", "GET", "requests/s", 6, OURS, HTTPX, found, {}, more=True, beside=(POOL,))
    assert (line.best_peer, line.reached) == (AIOHTTP, False)
    assert "at least 6" in text(line)
    assert everybody(line).startswith(POOL)


# The servers.


def fetched(url: str) -> tuple[int, int]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, len(answer.read())
    finally:
        connection.close()


def test_nginx_answers_at_each_of_its_addresses_and_leaves_nothing_behind() -> None:
    try:
        with Nginx(origins=2) as nginx:
            folder = Path(nginx._folder.name)
            for origin in (*nginx.endpoints, *nginx.origins):
                assert fetched(f"{origin}/small") == (200, SMALL)
            assert fetched(f"{origin}/large") == (200, LARGE)
            assert folder.exists()
    except NoServer as why:
        pytest.skip(str(why))
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        fetched(nginx.endpoints[0])


def test_nginx_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmarks.nginx.CONFIGURATION", "nonsense {user}{group}{affinity}{files}{folder}{connections}{listens}"
    )
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/bin/false")
    with pytest.raises(NoServer, match="did not start"), Nginx():
        pass


def test_without_nginx_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    for room in (wire, wire_bodies, wire_idle):
        [line] = asyncio.run(room.ROWS[0].measure(BRIEF))
        assert "nginx: nginx is not installed" in text(line)


class Written:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
LONG = HEAD + b"Content-Length: 9\r\n\r\nxxxxxxxxx"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nxxxx\r\n5\r\nxxxxx\r\n0\r\n\r\n"
EMPTY = HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@pytest.mark.parametrize("request_", [LONG, CHUNKED, EMPTY], ids=["long", "chunked", "empty"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_sink_answers_when_it_has_all_and_not_before(request_: bytes, size: int) -> None:
    sink, written = Sink(), Written()
    sink.transport = written  # type: ignore[assignment]
    for turn in range(2):
        for start in range(0, len(request_), size):
            assert written.data.count(b"200 OK") == turn
            part = request_[start : start + size]
            sink.get_buffer(-1)[: len(part)] = part
            sink.buffer_updated(len(part))
    assert written.data.count(b"200 OK") == 2


# The clients.


def served(nginx: Nginx, sink: str = "") -> Servers:
    return Servers(nginx.endpoints, nginx.origins, sink)


async def missing_bytes(name: str, jobs: Iterable[str], nginx: Nginx) -> dict[str, int]:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    async with server:
        servers = served(nginx, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        client = SUBJECTS[name](servers, False)
        try:
            found = {}
            for job in jobs:
                exchange, expected = JOBS[job](client, servers)
                found[job] = await exchange() - expected
            return found
        finally:
            await client.aclose()


@pytest.mark.parametrize("name", [HTTPX, OURS, POOL])
def test_each_way_to_ask_moves_all_the_bytes(name: str, nginx: Nginx) -> None:
    assert asyncio.run(missing_bytes(name, JOBS, nginx)) == dict.fromkeys(JOBS, 0)


def test_with_policies_one_of_the_endpoints_is_asked(nginx: Nginx) -> None:
    assert asyncio.run(missing_bytes(POLICIES, ["get"], nginx)) == {"get": 0}


def test_plain_sockets_move_all_the_bytes(nginx: Nginx) -> None:
    with wire_turns.module("sink") as sink:
        assert sink.stdout is not None
        servers = served(nginx, f"http://127.0.0.1:{int(sink.stdout.readline())}/")

        async def moved() -> None:
            client = SUBJECTS[NO_CLIENT](servers, False)
            for job in JOBS:
                exchange, expected = JOBS[job](client, servers)
                assert await exchange() == expected
            await client.aclose()

        asyncio.run(moved())


def test_the_ceiling_hands_out_what_nginx_sends(nginx: Nginx) -> None:
    async def headers(name: str) -> list[tuple[bytes, bytes]]:
        client = SUBJECTS[name](served(nginx), False)
        response = await client.client.get(nginx.endpoints[0] + "/small")  # type: ignore[attr-defined]
        await client.aclose()
        assert response.content == b"x" * SMALL
        return [field for field in response.headers.raw if field[0] != b"Date"]

    assert asyncio.run(headers(CEILING)) == asyncio.run(headers(HTTPX))


def test_an_order_is_carried_out_by_so_many_and_connections_stay(nginx: Nginx) -> None:
    async def obeyed() -> tuple[Took, Took]:
        measured = Measured(HTTPX, served(nginx))
        once = await measured.obey(Order("get", 3, 0.0))
        assert measured.lasting is None
        beside = await measured.obey(Order("get", 3, 0.001, 2))
        assert measured.lasting is not None
        await measured.aclose()
        return once, beside

    once, beside = asyncio.run(obeyed())
    assert once.count == 3
    assert beside.count % 3 == 0
    assert beside.count >= 6
    assert beside.cpu > 0


def test_a_child_says_what_fails_and_takes_no_more_orders(nginx: Nginx) -> None:
    with Child.of("nobody", "asyncio", served(nginx)) as lost:
        order = Order("get", 1, 0.0)
        assert one_round([(lost, order)]) == {}
        assert lost.failed == "its process ended"
        assert lost.took(order) is None


# The profile.


def test_a_profile_is_told_by_library_and_by_function(tmp_path: Path) -> None:
    packages = "/somewhere/lib/python3.11/site-packages"
    stats = pstats.Stats()
    stats.stats = {  # type: ignore[attr-defined]
        (f"{packages}/httpx/_models.py", 1, "a"): (2, 2, 0.5, 0.9, {}),
        (f"{packages}/httpx/_client.py", 1, "b"): (1, 1, 0.25, 0.9, {}),
        ("~", 0, "<method 'send' of '_socket.socket' objects>"): (1, 1, 1.0, 1.0, {}),
    }
    assert libraries(stats) == {"httpx": 0.75, "built in, _socket": 1.0}
    assert functions(stats)[1] == (0.5, 2, "httpx/_models.py:1 a")


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (("~", 0, "<method 'run_until_complete' of 'uvloop.loop.Loop' objects>"), "the loop"),
        (("~", 0, "<method 'poll' of 'select.epoll' objects>"), "the loop"),
        (("~", 0, "<built-in method time.monotonic>"), "built in, time"),
        (("~", 0, "<method 'append' of 'list' objects>"), "built in"),
        ((str(Path(wire.__file__).parents[1] / "meshkit" / "upstream" / "pool.py"), 1, "send"), "meshkit.upstream"),
        ((wire.__file__, 1, "x"), "the benchmark"),
        (("/lib/python3.11/asyncio/events.py", 1, "_run"), "asyncio"),
        (("/lib/python3.11/heapq.py", 1, "x"), "heapq"),
        (("<attrs generated init>", 1, "__init__"), "generated"),
    ],
)
def test_each_function_belongs_somewhere(where: tuple[str, int, str], told: str) -> None:
    assert library(where) == told
