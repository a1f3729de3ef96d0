"""What goes on when a mesh is reloaded, and that a thousand reloads fail no call."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest

from meshkit import CircuitOpen, Cluster, ConfigError, Endpoint, RateLimited, Rejected
from meshkit.config import Mesh, MeshSpec, loads
from meshkit.httpx import PoolTransport
from meshkit.observe import Metrics, Recorder
from meshkit.route.match import Match
from meshkit.route.route import Route

SHOP = {
    "cluster": """\
      endpoints: [10.0.0.1:80, 10.0.0.2:80]
      balancer: round_robin
      pipeline: [circuit_breaker: {failures: 1}]
      outliers: {outlier_detection: {consecutive_5xx: 1}}
""",
    "routes": """\
- name: limited
  match: {host: limited}
  policies: [rate_limit: 2/h, concurrency_limit: 2]
  to: orders
- name: split
  match: {host: split}
  to: {rollout: {main: orders, canary: canary, steps: [0.5, 1], every: 1h}}
""",
    "more": "",
}
FILE = """\
mesh: shop
clusters:
  orders:
{cluster}
  canary: {{endpoints: [10.0.0.9:80]}}
routes:
{routes}
{more}
"""


class Shop:
    """A mesh of a file, a client, and what it is answered: by host and port, 200 where nothing is said."""

    def __init__(self, path: Path, **parts: str) -> None:
        self.path = path
        self.write(**parts)
        self.mesh = Mesh.from_file(path)
        self.answers: dict[str, int] = {}
        self.asked: list[str] = []
        self.meanwhile: Callable[[], Any] | None = None
        self.transport = self.mesh.sync_transport(httpx.MockTransport(self._answer))
        self.client = httpx.Client(transport=self.transport)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        self.asked.append(host)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return httpx.Response(self.answers.get(host, 200))

    def write(self, **parts: str) -> None:
        self.path.write_text(FILE.format(**{**SHOP, **parts}))

    def become(self, **parts: str) -> None:
        """Another version, of the file."""
        before = self.mesh.version
        self.write(**parts)
        assert self.mesh.reload() == before + 1

    def get(self, host: str = "orders") -> int:
        return self.client.get(f"http://{host}/").status_code

    def part(self, *names: str, **where: Any) -> Any:
        """Of the snapshot."""
        found: Any = self.mesh.pipeline.snapshot()
        for name in names:
            found = found[name]
        return found


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "mesh.yaml")


def replaced(section: str, one: str, other: str) -> dict[str, str]:
    assert one in SHOP[section]
    return {section: SHOP[section].replace(one, other)}


MORE = {"routes": SHOP["routes"] + "- {name: more, match: {host: more}, to: orders}\n"}


# State, by its name.


def test_a_limit_goes_on_with_the_tokens_it_has(shop: Shop) -> None:
    assert shop.get("limited") == 200
    shop.become(**MORE)
    assert shop.get("limited") == 200
    with pytest.raises(RateLimited):
        shop.get("limited")


def test_so_it_does_where_the_route_has_changed_otherwise(shop: Shop) -> None:
    for _ in range(2):
        shop.get("limited")
    shop.become(**replaced("routes", "{host: limited}", "{host: limited, prefix: /}"))
    with pytest.raises(RateLimited):
        shop.get("limited")
    shop.become(**replaced("routes", "concurrency_limit: 2", "concurrency_limit: 3"))
    with pytest.raises(RateLimited):
        shop.get("limited")


def test_one_that_has_changed_begins_anew(shop: Shop) -> None:
    for _ in range(2):
        shop.get("limited")
    shop.become(**replaced("routes", "2/h", "1/h"))
    assert shop.get("limited") == 200
    with pytest.raises(RateLimited):
        shop.get("limited")


def test_one_on_a_route_of_another_name_is_another_one(shop: Shop) -> None:
    for _ in range(2):
        shop.get("limited")
    shop.become(**replaced("routes", "name: limited", "name: renamed"))
    assert shop.get("limited") == 200


def test_permits_are_given_back_where_they_were_taken(shop: Shop) -> None:
    def meanwhile() -> None:
        assert shop.part("shop", "limited", "ConcurrencyLimit", "in_flight") == 1
        shop.become(**MORE)
        assert shop.part("shop", "limited", "ConcurrencyLimit", "in_flight") == 1
        shop.become(**replaced("routes", "concurrency_limit: 2", "concurrency_limit: 3"))
        assert shop.part("shop", "limited", "ConcurrencyLimit", "in_flight") == 0

    shop.meanwhile = meanwhile
    before = shop.mesh.pipeline.states[-1].branches[0][1]
    shop.get("limited")
    assert before.in_flight == 0
    assert shop.mesh.idle()
    assert shop.part("shop", "limited", "ConcurrencyLimit", "in_flight") == 0


def test_a_breaker_stays_open_and_an_endpoint_stays_ejected(shop: Shop) -> None:
    shop.answers["10.0.0.1"] = 500
    for _ in range(4):
        shop.get()
    before = shop.part("orders")
    assert before["10.0.0.1:80"]["CircuitBreaker"]["state"] == "open"
    assert not before["10.0.0.1:80"]["up"]
    shop.become(**MORE)
    shop.asked.clear()
    for _ in range(4):
        shop.get()
    assert set(shop.asked) == {"10.0.0.2"}
    assert shop.part("orders", "10.0.0.1:80", "CircuitBreaker", "state") == "open"


def test_only_endpoints_have_changed(shop: Shop) -> None:
    shop.answers["10.0.0.1"] = 500
    for _ in range(4):
        shop.get()
    shop.become(**replaced("cluster", "10.0.0.2:80", "10.0.0.3:80"))
    shop.asked.clear()
    for _ in range(4):
        shop.get()
    assert set(shop.asked) == {"10.0.0.3"}
    picture = shop.part("orders")
    assert picture.keys() == {"10.0.0.1:80", "10.0.0.3:80"}
    assert picture["10.0.0.1:80"]["CircuitBreaker"]["state"] == "open"
    assert shop.mesh.versions[-1].changes == ("cluster orders: endpoints",)


def test_what_is_known_of_an_endpoint_is_the_same_object(shop: Shop) -> None:
    """Its health, its load, the states of its policies."""

    def members() -> list[Any]:
        return [*shop.mesh.pipeline.states[-1].branches[-2][0].members]

    one, other = before = members()
    shop.become(**MORE)
    assert members() == before
    shop.become(**replaced("cluster", "10.0.0.1:80, 10.0.0.2:80", "10.0.0.3:80, 10.0.0.2:80"))
    assert members()[1] is other
    assert one not in members()


def test_an_endpoint_that_has_left_while_it_was_asked(shop: Shop) -> None:
    gone = [*shop.mesh.pipeline.states[-1].branches[-2][0].members]
    shop.meanwhile = lambda: shop.become(**replaced("cluster", "10.0.0.1:80, 10.0.0.2:80", "10.0.0.3:80"))
    assert shop.get() == 200
    assert shop.get() == 200
    assert shop.asked[-1] == "10.0.0.3"
    assert all(getattr(state, "in_flight", 0) == 0 for member in gone for state in member.states)
    assert shop.mesh.idle()


def test_a_cluster_with_other_policies_begins_anew(shop: Shop) -> None:
    shop.answers["10.0.0.1"] = shop.answers["10.0.0.2"] = 500
    for _ in range(2):
        shop.get()
    with pytest.raises(Rejected):
        shop.get()
    shop.answers.clear()
    shop.become(**replaced("cluster", "failures: 1", "failures: 2"))
    assert shop.get() == 200


def test_a_rollout_stays_at_its_step(shop: Shop) -> None:
    def share() -> float:
        found: float = shop.part("Rollout", "canary", "share")
        return found

    assert share() == 0.5
    shop.mesh.pipeline.control("Rollout").advance()
    shop.become(**MORE)
    assert share() == 1
    shop.become(**replaced("cluster", "10.0.0.2:80", "10.0.0.3:80"))
    assert share() == 1
    shop.become(**replaced("cluster", "failures: 1", "failures: 2"))
    assert share() == 0.5


def test_a_control_steers_the_policy_that_has_the_name(shop: Shop) -> None:
    control = shop.mesh.pipeline.control("CircuitBreaker", "10.0.0.1:80")
    shop.become(**MORE)
    control.isolate()
    for _ in range(4):
        shop.get()
    assert set(shop.asked) == {"10.0.0.2"}
    shop.become(**replaced("cluster", "failures: 1", "failures: 2"))
    assert control.snapshot()["state"] == "closed"
    control.isolate()
    assert shop.part("orders", "10.0.0.1:80", "CircuitBreaker", "state") != "closed"
    shop.become(**replaced("cluster", "10.0.0.1:80, ", ""))
    with pytest.raises(ConfigError, match="endpoint"):
        control.snapshot()


def test_what_is_in_namespaces_has_its_state_by_the_whole_name(shop: Shop) -> None:
    more = """\
namespaces:
  pay:
    clusters: {orders: {endpoints: [10.0.1.1:80], pipeline: [circuit_breaker: {failures: 1}]}}
    routes: [{name: limited, match: {host: pay}, policies: [rate_limit: 1/h], to: orders}]
"""
    shop.become(more=more)
    assert shop.get("pay") == 200
    assert shop.get("limited") == 200
    shop.become(**MORE, more=more)
    with pytest.raises(RateLimited):
        shop.get("pay")
    assert shop.get("limited") == 200
    shop.answers["10.0.1.1"] = 500
    shop.get("orders.pay")
    shop.become(more=more.replace("1/h", "2/h"))
    with pytest.raises(CircuitOpen):
        shop.get("orders.pay")
    assert shop.get() == 200


def test_who_listens_goes_on_listening(shop: Shop) -> None:
    recorder, metrics = Recorder(always=True), Metrics()
    shop.mesh.listen(recorder)
    shop.mesh.watch(metrics)
    shop.get()
    shop.meanwhile = lambda: shop.become(**MORE)
    shop.get()
    shop.get("more")
    shop.become(**replaced("cluster", "failures: 1", "failures: 2"))
    shop.get("limited")
    assert [record.route for record in recorder.records] == ["cluster orders", "cluster orders", "more", "limited"]
    assert all(record.outcome == "success" for record in recorder.records)
    assert shop.mesh.pipeline.failed_listeners == 0
    calls = metrics.snapshot()["meshkit_call_duration_seconds"]["samples"]
    assert sum(each["count"] for each in calls) == 4


def test_the_transports_and_what_they_send_with_are_the_same(shop: Shop) -> None:
    inner, pipeline = shop.transport.inner, shop.mesh.pipeline
    shop.become(**MORE)
    assert shop.mesh.pipeline is pipeline
    assert shop.transport.inner is inner
    assert shop.get("more") == 200


def test_what_is_gone_waits_for_no_collector(shop: Shop) -> None:
    """Which with ten thousand routes would stop everybody."""
    shop.become(more="egress: any")
    shop.get("limited")
    gc.collect()
    gc.disable()
    try:
        gone = weakref.ref(shop.mesh.pipeline.states[-1])
        shop.become(more="egress: any", **MORE)
        assert gone() is None
    finally:
        gc.enable()


class Source:
    """Of endpoints; it knows when nobody follows it any more."""

    def __init__(self) -> None:
        self.followed, self.over = threading.Event(), threading.Event()

    def first(self) -> tuple[Endpoint, ...]:
        return (Endpoint("10.0.0.1:80"),)

    async def watch(self) -> AsyncIterator[tuple[Endpoint, ...]]:
        try:
            yield self.first()
            self.followed.set()
            await anyio.sleep_forever()
        finally:
            self.over.set()


def test_a_cluster_that_is_gone_is_so_with_its_last_call() -> None:
    """And so is what is to be done for it between calls."""
    source = Source()
    before = MeshSpec(clusters=[Cluster("old", [source])], routes=[Route(Match(host="a"), Cluster("old", [source]))])
    mesh = Mesh(before)
    still: list[bool] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert source.followed.wait(10)
        mesh.become(MeshSpec(clusters=[Cluster("new", ["http://10.0.0.2"])]))
        gc.collect()
        still.append(gone() is not None)
        return httpx.Response(200)

    client = httpx.Client(transport=mesh.sync_transport(httpx.MockTransport(answer)))
    gone = weakref.ref(mesh.pipeline.states[-1].branches[0][0])
    assert client.get("http://a/").status_code == 200
    gc.collect()
    assert still == [True]
    assert gone() is None
    assert source.over.wait(10)
    assert mesh.idle()


# A thousand reloads.


def versions(addresses: Sequence[str]) -> list[MeshSpec]:
    """Of all that may change: endpoints, weights, policies, the order of routes, clusters."""
    found = []
    for number in range(6):
        one, other = addresses[number % 2], addresses[number % 3]
        text = f"""\
clusters:
  a: {{endpoints: ['{one}'], pipeline: [circuit_breaker: {{failures: {3 + number // 4}}}]}}
  b: {{endpoints: {[*dict.fromkeys((one, other))]}}}
  {"c" if number % 2 else "d"}: {{endpoints: ['10.0.0.9:80']}}
routes:
"""
        policies = f"[concurrency_limit: {1000 + number // 3}, timeout: {5 + number}s]"
        routes = [
            f"- {{name: split, match: {{host: shop, prefix: /split}}, to: {{split: {{a: {1 + number}, b: 3}}}}}}\n",
            f"- {{name: limited, match: {{host: shop, prefix: /limited}}, to: a, policies: {policies}}}\n",
            "- {name: rest, match: {host: shop}, to: b, policies: [retry: 5xx]}\n",
        ]
        found.append(loads(text + "".join(routes[:: -1 if number % 2 else 1])))
    return found


ADDRESSES = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]
PATHS = ("/split", "/limited", "/")


class Inner(httpx.AsyncBaseTransport):
    """Answers when others have had their turn, some of them several times."""

    def __init__(self) -> None:
        self.under_way = self.most = self.count = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.count += 1
        try:
            for _ in range(self.count % 4):
                await anyio.lowlevel.checkpoint()
        finally:
            self.under_way -= 1
        return httpx.Response(200)


async def test_a_thousand_reloads_fail_no_call() -> None:
    """While two hundred calls are under way all the time."""
    specs = versions(ADDRESSES)
    mesh, inner = Mesh(specs[0]), Inner()
    recorder = Recorder(errors=True)
    mesh.listen(recorder)
    over = False
    answered = 0

    async with httpx.AsyncClient(transport=mesh.transport(inner)) as client:

        async def calls(number: int) -> None:
            nonlocal answered
            while not over:
                response = await client.get(f"http://shop{PATHS[number % 3]}")
                assert response.status_code == 200
                answered += 1

        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(calls, number)
            for number in range(1, 1001):
                assert mesh.become(specs[number % 6]) == number + 1
                if number % 50 == 0:
                    await anyio.lowlevel.checkpoint()
            over = True
    assert inner.most > 100
    assert answered > 500
    assert recorder.records == ()
    assert mesh.idle()
    assert mesh.pipeline.failed_listeners == 0


async def served(stream: Any) -> None:
    """Answers one request after the other, as long as they come."""
    async with stream:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            seen = b""
            while True:
                seen += await stream.receive()
                while b"\r\n\r\n" in seen:
                    seen = seen.partition(b"\r\n\r\n")[2]
                    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


async def test_reloads_by_a_thread_fail_no_call_over_a_wire() -> None:
    listeners = [await anyio.create_tcp_listener(local_host="127.0.0.1") for _ in range(3)]
    ports = [each.extra(anyio.abc.SocketAttribute.local_port) for each in listeners]
    specs = versions([f"127.0.0.1:{port}" for port in ports])
    mesh, pool = Mesh(specs[0]), PoolTransport()
    over = False
    answered = 0

    async def calls(client: httpx.AsyncClient, number: int) -> None:
        nonlocal answered, over
        try:
            while not over:
                assert (await client.get(f"http://shop{PATHS[number % 3]}")).text == "ok"
                answered += 1
        finally:
            over = True

    def reload() -> None:
        while not over and (mesh.version < 100 or answered < 100):
            mesh.become(specs[mesh.version % 6])

    async with AsyncExitStack() as stack, anyio.create_task_group() as servers:
        for listener in listeners:
            await stack.enter_async_context(listener)
            servers.start_soon(listener.serve, served)
        async with httpx.AsyncClient(transport=mesh.transport(pool)) as client:
            async with anyio.create_task_group() as callers:
                for number in range(20):
                    callers.start_soon(calls, client, number)
                await anyio.to_thread.run_sync(reload)
                over = True
            assert mesh.idle()
        servers.cancel_scope.cancel()


def test_reloads_by_a_thread_fail_no_call_of_other_threads() -> None:
    specs = versions(ADDRESSES)
    mesh = Mesh(specs[0])
    over = threading.Event()
    failed: list[BaseException] = []
    answered = [0] * 4
    transport = mesh.sync_transport(httpx.MockTransport(lambda request: httpx.Response(200)))

    def calls(number: int) -> None:
        with httpx.Client(transport=transport) as client:
            while not over.is_set():
                try:
                    assert client.get(f"http://shop{PATHS[number % 3]}").status_code == 200
                except BaseException as error:
                    failed.append(error)
                    return
                answered[number] += 1

    threads = [threading.Thread(target=calls, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        while not failed and (mesh.version < 100 or min(answered) < 20):
            mesh.become(specs[mesh.version % 6])
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert mesh.idle()
