"""Are gateways told the same, and is what they make of it told as it was? Each peer that is here, for a moment."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import gateway, gateway_bodies, gateway_parts, gateway_scale, gateway_sockets
from benchmarks.gateway_child import PATH, Child, tree
from benchmarks.gateway_paced import paced
from benchmarks.gateway_plan import CHAT_HOST, SINK_HOST, Plan, mesh
from benchmarks.gateway_subjects import ECHO, ENVOY, GRANIAN, HAPROXY, HTTPX, NGINX, OURS, POOL, running
from benchmarks.gateway_wrk import Turn, Wrk
from benchmarks.measure import QUICK
from benchmarks.nginx import Nginx, NoServer, free_ports
from benchmarks.wire_child import Took
from meshkit.config import loads

PEERS = [
    name
    for name, program in ((NGINX, "nginx"), (HAPROXY, "haproxy"), (ENVOY, "envoy"))
    if shutil.which(program, path=PATH)
]


@pytest.fixture(scope="module")
def nginx() -> Iterator[Nginx]:
    try:
        with Nginx(files=gateway.FILES) as found:
            yield found
    except NoServer as why:
        pytest.skip(str(why))


def endpoints(nginx: Nginx) -> list[str]:
    return [url.removeprefix("http://") for url in nginx.endpoints]


# What they are told.


def test_as_many_routes_as_were_asked_for_and_ten_of_them_are_used() -> None:
    for count in (10, 100, 10_000):
        plan = Plan(["127.0.0.1:1"], count)
        routes = {f"{at}{prefix}" for at, prefixes in plan.hosts.items() for prefix in prefixes}
        assert len(routes) == count
        assert len({at + path for at, path in plan.asked()}) == 10
        assert {f"{at}{path.removesuffix('small')}" for at, path in plan.asked()} <= routes


def test_the_mesh_has_them_all() -> None:
    plan = Plan(["127.0.0.1:1", "127.0.0.1:2"], 20, sink="127.0.0.1:3", chat="127.0.0.1:4")
    spec = loads(json.dumps(mesh(plan, 80)), "mesh.json")
    assert len(spec.routes) == 22
    assert {cluster.name for cluster in spec.clusters} == {"static", "sink", "chat"}
    assert set(plan.others) == {SINK_HOST, CHAT_HOST}


@pytest.mark.parametrize("name", [*PEERS, POOL])
def test_a_subject_serves_every_route_that_is_asked_for(name: str, nginx: Nginx) -> None:
    with running(name, Plan(endpoints(nginx)), None) as child:  # asks all of them before it is said to run
        assert child.cpu() > 0
        assert child.memory() > 1 << 20
        assert child.memory("VmHWM") >= child.memory()


@pytest.mark.parametrize("name", [*PEERS, OURS])
def test_a_gateway_tries_another_endpoint_where_one_is_dead(name: str, nginx: Nginx) -> None:
    dead = f"127.0.0.1:{free_ports(1)[0]}"
    plan = Plan([dead, *endpoints(nginx)])
    with running(name, plan, None) as child:
        [(host, path), *_] = plan.asked()
        assert {child.get(host, path)[0] for _ in range(20)} == {200}


COUNTS = {
    NGINX: ("/metrics", "server accepts handled requests"),
    HAPROXY: ("/metrics", 'haproxy_backend_http_responses_total{proxy="static",code="2xx"} 10'),
    ENVOY: ("/stats?filter=http_local_rate_limit.ok", "limit.http_local_rate_limit.ok: 10"),
}


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_counts(name: str, nginx: Nginx) -> None:
    path, said = COUNTS[name]
    with running(name, Plan(endpoints(nginx)), None) as child:
        connection = http.client.HTTPConnection("127.0.0.1", child.told, timeout=10)
        connection.request("GET", path)
        assert said in connection.getresponse().read().decode()
        connection.close()


# Who asks.


def test_an_answer_that_is_late_makes_those_after_it_late(nginx: Nginx) -> None:
    took = paced(nginx.ports[0], 500.0, 0.2, [at + path for at, path in Plan(endpoints(nginx)).asked()])
    assert 50 < len(took) < 200
    assert min(took) > 0


def test_a_wrong_answer_ends_it(nginx: Nginx) -> None:
    with pytest.raises(ConnectionError, match="404"):
        paced(nginx.ports[0], 500.0, 0.1, ["service-0.example/none"])


SAYS = '{"count": 100, "wall": 0.5, "bad": %d, "broken": 0, "late": 0, "p50": 0.001, "p99": 0.004}'


def child(nginx: Nginx) -> Child:
    return Child("nginx", nginx.process, nginx.ports[0], 0, tree(nginx.process.pid))


def wrk(folder: Path, said: str) -> Wrk:
    program = folder / "wrk"
    program.write_text(f"#!/bin/sh\necho chatter\necho '{said}'\n")
    program.chmod(0o755)
    return Wrk(str(program), folder / "turns.lua", None)


def test_a_turn_is_what_wrk_says_and_what_the_processes_took(nginx: Nginx, tmp_path: Path) -> None:
    turn = wrk(tmp_path, SAYS % 0).turn(child(nginx), [], 1)
    assert (turn.count, turn.wall, turn.p50, turn.p99) == (100, 0.5, 0.001, 0.004)
    assert 0 <= turn.cpu < 1


def test_a_turn_with_a_bad_answer_is_worth_nothing(nginx: Nginx, tmp_path: Path) -> None:
    with pytest.raises(NoServer, match="of 100 answers: 3 bad, 0 broken, 0 late"):
        wrk(tmp_path, SAYS % 3).turn(child(nginx), [], 1)


def test_without_wrk_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    [line] = gateway.ROWS[0].measured(QUICK)
    assert line.missing == {"the benchmark": "wrk is not installed"}


def test_a_body_that_is_not_there_is_told(nginx: Nginx) -> None:
    with pytest.raises(NoServer, match="404"):
        gateway_bodies.moved(child(nginx), "down", Plan(endpoints(nginx)), None)


def test_a_socket_is_opened_and_has_echoed(nginx: Nginx) -> None:
    with running(ECHO, Plan(endpoints(nginx)), None) as echo:
        held = gateway_sockets.opened(echo.port, 3)
        assert len(held) == 3
        for each in held:
            each.close()


# What is told.


def turn(rate: float, us: float, p99: float = 0.01) -> Turn:
    return Turn(round(rate), 1.0, rate * us / 1e6, 0.0, p99 / 2, p99)


def lines(ours: Turn, granian: Turn) -> list[bool | None]:
    told = [{OURS: ours, GRANIAN: granian, ENVOY: turn(10_000, 90), HTTPX: turn(400, 2210), POOL: turn(11_000, 80)}] * 2
    return [line.reached for line in gateway.summary(told, {}) if line.target is not None]


def test_targets_are_reached_or_missed() -> None:
    assert lines(turn(8000, 110), turn(11_000, 81)) == [True] * 4
    assert lines(turn(7900, 113), turn(10_900, 82)) == [False] * 4


def test_who_is_missing_is_compared_with_nobody() -> None:
    told = [{OURS: turn(8000, 100)}] * 2
    assert [line.reached for line in gateway.summary(told, {}) if line.target is not None] == [None] * 4


def test_late_answers_are_compared_with_envoys() -> None:
    for p99, reached in ((0.02, True), (0.021, False)):
        told = [{OURS: turn(4000, 100, p99), ENVOY: turn(4000, 90, 0.01)}] * 2
        assert gateway.late(told, 4000, {})[-1].reached is reached


def test_many_are_compared_with_few_of_the_same() -> None:
    for us, reached in ((120, True), (121, False)):
        told = [{f"{OURS}, few": turn(1000, 100), f"{OURS}, many": turn(1000, us)}] * 2
        assert gateway_scale.compared(told, "path", "x", {}).reached is reached


def test_bodies_are_told_by_the_second_and_by_what_is_kept() -> None:
    told = {way: [{OURS: Took(10**8, 1.0, 0.1, 9 * 2**20)}] * 2 for way in gateway_bodies.WAYS}
    speed, kept, *_ = gateway_bodies.summary(told, {})
    assert (speed.figures[OURS].ratio, kept.figures[OURS].ratio, kept.reached) == (1000, 9, False)


def test_sockets_are_told_beyond_the_servers_own() -> None:
    _, beyond = gateway_sockets.summary("path", {OURS: 40.0, ECHO: 19.0}, {})
    assert (beyond.figures[OURS].ratio, beyond.reached) == (21, False)
    _, beyond = gateway_sockets.summary("path", {OURS: 40.0}, {})
    assert beyond.reached is None


def test_the_gateways_own_code_answers_as_it_would_behind_a_server() -> None:
    async def each() -> None:
        for make in (gateway_parts.made, *gateway_parts.PARTS.values()):
            await gateway_parts.asking(make())()  # raises unless it is answered with 200

    asyncio.run(each())


def test_a_part_is_what_is_less_without_it() -> None:
    found = gateway_parts.parts({gateway_parts.WHOLE: 60e-6, gateway_parts.BARE: 2e-6, "timeout": 45e-6})
    told = {name: figure.ratio for name, figure in found.items()}
    assert told == pytest.approx({gateway_parts.WHOLE: 58, "timeout": 15})
