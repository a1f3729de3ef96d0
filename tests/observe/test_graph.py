"""The graph of who calls whom: its numbers against a count by hand, its window, its bounds, its words."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import threading
import tracemalloc
import weakref
from collections.abc import Mapping
from contextlib import suppress
from types import SimpleNamespace

import pytest

from meshkit import (
    CircuitBreaker,
    CircuitOpen,
    Cluster,
    ConfigError,
    Constant,
    Endpoint,
    Fallback,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    RoundRobin,
    Timeout,
    Verdict,
)
from meshkit.asgi import MeshMiddleware
from meshkit.observe.events import AttemptBegan, AttemptEnded, CallEnded, Retried
from meshkit.observe.graph.edge import Edge, node
from meshkit.observe.graph.followed import CURRENT
from meshkit.observe.graph.graph import Graph
from meshkit.runtime.guard import guards
from meshkit.testing import ManualClock

from ..scripted import Gate

KEYS = {
    "from",
    "to",
    "pipeline",
    "calls_per_second",
    "attempts_per_second",
    "error_share",
    "rejected_share",
    "retries_per_call",
    "latency",
    "last_error",
}
REFUSED = ConnectionRefusedError(111, "Connection refused: secret")


def edges(picture):
    return {(edge["from"], edge["to"]): edge for edge in picture["edges"]}


def clustered(name, clock, *around, endpoints=("10.0.0.7:80", "10.0.0.8:80"), **options):
    servers = Cluster(name, list(endpoints), balancer=RoundRobin(), **options)
    return Pipeline(*around, servers, name=name, clock=clock, seed=1)


def asked(clock, *, seconds=0.1, failing=(), error=REFUSED):
    """A function that takes its time, and fails at some endpoints."""

    def ask(endpoint=None):
        clock.advance(seconds)
        if str(endpoint) in failing:
            raise type(error)(*error.args)

    return ask


@pytest.fixture
def clock():
    return ManualClock(1000.0)


def test_a_shop_with_two_clusters_counted_by_hand(clock):
    graph = Graph("shop", window=60.0)
    stock = clustered("stock", clock, Retry(ConnectionError, backoff=Constant(0.0)))
    payments = clustered("payments", clock, endpoints=["10.0.1.1:80"])
    graph.watch(stock)
    graph.watch(payments)
    for _ in range(10):  # each second call is tried at .7, where all goes well; the others at .8 first
        stock.call(asked(clock, failing={"10.0.0.8:80"}))
    for number in range(4):
        with suppress(ConnectionError):
            payments.call(asked(clock, seconds=0.25, failing={"10.0.1.1:80"} if number else ()))
    clock.advance(1020.0 - clock())  # twenty seconds after it began
    picture = graph.snapshot()
    found = edges(picture)

    assert picture["service"] == "shop"
    assert [(node["id"], node["kind"], node["within"]) for node in picture["nodes"]] == [
        ("service:shop", "service", ""),
        ("cluster:payments", "cluster", ""),
        ("cluster:stock", "cluster", ""),
        ("endpoint:payments/10.0.1.1:80", "endpoint", "payments"),
        ("endpoint:stock/10.0.0.7:80", "endpoint", "stock"),
        ("endpoint:stock/10.0.0.8:80", "endpoint", "stock"),
    ]
    assert [set(edge) for edge in picture["edges"]] == [KEYS] * 5

    whole = found["service:shop", "cluster:stock"]
    well = found["cluster:stock", "endpoint:stock/10.0.0.7:80"]
    ill = found["cluster:stock", "endpoint:stock/10.0.0.8:80"]
    first_at_ill = round(ill["attempts_per_second"] * 20)
    assert 4 <= first_at_ill <= 10
    assert whole["calls_per_second"] == pytest.approx(10 / 20)
    assert whole["attempts_per_second"] == pytest.approx((10 + first_at_ill) / 20)
    assert whole["retries_per_call"] == pytest.approx(first_at_ill / 10)
    assert (whole["error_share"], whole["rejected_share"], whole["last_error"]) == (0.0, 0.0, None)
    assert whole["latency"]["p99"] == pytest.approx(0.2, rel=0.06)
    assert well["calls_per_second"] == well["attempts_per_second"] == pytest.approx(10 / 20)
    assert well["retries_per_call"] == pytest.approx(first_at_ill / 10)
    assert well["error_share"] == 0.0
    assert (ill["error_share"], ill["retries_per_call"]) == (1.0, 0.0)
    assert ill["latency"]["p50"] == pytest.approx(0.1, rel=0.06)
    assert ill["last_error"]["says"] == "ConnectionRefusedError: connection refused"

    paid = found["service:shop", "cluster:payments"]
    assert paid["calls_per_second"] == pytest.approx(4 / 20)
    assert paid["error_share"] == pytest.approx(3 / 4)
    assert paid["latency"] == {name: pytest.approx(0.25, rel=0.06) for name in ("p50", "p95", "p99")}
    assert json.loads(json.dumps(picture, allow_nan=False)) == picture


def test_one_that_does_well_is_counted_as_one_that_is_told_in_full(clock):
    """Sixty-four and more stand in a line before they are counted: nothing of that is to be seen."""
    graph = Graph()
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80"])
    graph.watch(stock)
    for number in range(1, 200):
        stock.call(asked(clock, seconds=0.01))
        found = edges(graph.snapshot(1010.0))
        assert round(found["service:shop", "cluster:stock"]["calls_per_second"] * 10) == number
        assert round(found["cluster:stock", "endpoint:stock/10.0.0.7:80"]["attempts_per_second"] * 10) == number


def test_the_window_slides(clock):
    graph = Graph(window=10.0)
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80"])
    graph.watch(stock)

    def rate():
        edge = edges(graph.snapshot())["service:shop", "cluster:stock"]
        return round(edge["calls_per_second"], 6), edge["latency"] is not None

    for _ in range(20):
        stock.call(asked(clock, seconds=0.0))
    assert rate() == (20.0, True)  # a second at least
    clock.advance(5.0)
    assert rate() == (4.0, True)  # twenty in five seconds
    clock.advance(4.0)
    stock.call(asked(clock, seconds=0.0))
    clock.advance(1.0)
    assert rate() == (2.1, True)  # now they are the half before, and of it all is within the window
    clock.advance(5.0)
    assert rate() == (1.05, True)  # half of it
    stock.call(asked(clock, seconds=0.0))
    assert rate() == (1.15, True)
    clock.advance(5.0)
    assert rate() == (0.1, True)
    clock.advance(5.0)
    assert rate() == (0.05, True)
    for _ in range(3):
        clock.advance(5.0)
        assert rate() == (0.0, False)


def test_those_in_the_line_stay_in_their_half(clock):
    graph = Graph(window=10.0)
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80"])
    graph.watch(stock)
    for _ in range(3):
        stock.call(asked(clock, seconds=0.0))
    clock.advance(12.0)
    with suppress(ConnectionError):
        stock.call(asked(clock, seconds=0.0, failing={"10.0.0.7:80"}))
    clock.advance(3.0)
    for edge in graph.snapshot()["edges"]:
        assert edge["attempts_per_second"] == pytest.approx((3 / 2 + 1) / 10)


def test_an_endpoint_that_is_asked_again_is_asked_by_one_call(clock):
    graph = Graph()
    stock = clustered("stock", clock, Retry(ConnectionError, backoff=Constant(0.0)), endpoints=["10.0.0.7:80"])
    graph.watch(stock)
    with suppress(ConnectionError):
        stock.call(asked(clock, failing={"10.0.0.7:80"}))
    edge = edges(graph.snapshot(1010.0))["cluster:stock", "endpoint:stock/10.0.0.7:80"]
    assert edge["calls_per_second"] == pytest.approx(0.1)
    assert edge["attempts_per_second"] == pytest.approx(0.3)
    assert edge["retries_per_call"] == 2.0


def test_a_retry_counts_also_where_only_one_attempt_was_sent(clock):
    graph = Graph()
    stock = clustered("stock", clock)
    graph.watch(stock)
    told(graph, stock, clock, "a")
    told(graph, stock, clock, "a", before=[Retried(clock(), "Retry", 1, 0.0, None, {})])
    assert edges(graph.snapshot(1010.0))["service:shop", "cluster:stock"]["retries_per_call"] == 0.5


def test_of_many_refusals_alike_one_is_put_into_words(clock):
    spoken = []

    class Loud(RateLimited):
        def __str__(self):
            spoken.append(clock())
            return super().__str__()

    graph = Graph()
    stock = clustered("stock", clock, Gate(does=[Loud("full") for _ in range(100)]))
    graph.watch(stock)
    for _ in range(100):
        with suppress(Loud):
            stock.call(asked(clock))
        clock.advance(0.03)
    assert len(spoken) == 3
    assert edges(graph.snapshot())["service:shop", "cluster:stock"]["last_error"] == {
        "says": "Loud: full",
        "ago": pytest.approx(0.03),
    }


def test_a_refusal_without_and_with_an_endpoint(clock):
    graph = Graph()
    breaker = Pipeline(CircuitBreaker(failures=1, cooldown=60.0))
    stock = clustered("stock", clock, RateLimit("2/h"), endpoints=["10.0.0.7:80"], pipeline=breaker)
    graph.watch(stock)
    for kind in (ConnectionError, CircuitOpen, RateLimited, RateLimited):
        with pytest.raises(kind):
            stock.call(asked(clock, failing={"10.0.0.7:80"}))
    clock.advance(1010.0 - clock())
    found = edges(graph.snapshot())
    whole, one = found["service:shop", "cluster:stock"], found["cluster:stock", "endpoint:stock/10.0.0.7:80"]
    assert whole["calls_per_second"] == pytest.approx(0.4)
    assert whole["attempts_per_second"] == pytest.approx(0.1)
    assert (whole["error_share"], whole["rejected_share"]) == (0.25, 0.75)
    assert whole["last_error"]["says"].startswith("RateLimited: RateLimit: ")
    assert (one["error_share"], one["rejected_share"]) == (1.0, 0.5)  # one attempt, and one that was refused
    assert one["attempts_per_second"] == pytest.approx(0.1)
    assert one["last_error"]["says"].startswith("CircuitOpen: CircuitBreaker/10.0.0.7:80: open after 1 failure")
    assert one["last_error"]["ago"] == pytest.approx(9.9)


def test_what_a_fallback_takes_the_place_of_is_an_error_there(clock):
    graph = Graph()
    stock = clustered("stock", clock, Fallback(value="none", on=ConnectionError), endpoints=["10.0.0.7:80"])
    graph.watch(stock)
    assert stock.call(asked(clock, failing={"10.0.0.7:80"})) == "none"
    assert stock.call(asked(clock)) is None
    found = edges(graph.snapshot(1010.0))
    assert found["service:shop", "cluster:stock"]["error_share"] == 0.5
    assert found["service:shop", "cluster:stock"]["calls_per_second"] == pytest.approx(0.2)


def test_what_a_fallback_goes_to_is_called_as_well(clock):
    graph = Graph()
    spare = Pipeline(Cluster("spare", ["10.0.9.9:80"], balancer=RoundRobin()))
    stock = clustered("stock", clock, Fallback(spare, on=ConnectionError), endpoints=["10.0.0.7:80"])
    graph.watch(stock)
    stock.call(asked(clock, failing={"10.0.0.7:80"}))
    found = edges(graph.snapshot(1010.0))
    assert found["service:shop", "cluster:stock"]["error_share"] == 1.0
    assert found["service:shop", "cluster:spare"]["error_share"] == 0.0
    assert found["service:shop", "cluster:spare"]["calls_per_second"] == pytest.approx(0.1)
    assert ("cluster:spare", "endpoint:spare/10.0.9.9:80") in found


def request(path="/orders/7", *, method="GET", route="/orders/{id}"):
    """An ASGI request that a framework has found a route for."""
    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", "scheme": "http"}
    return {**scope, "found": route and SimpleNamespace(path=route)}


async def served(app, scope):
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            scope["status"] = message["status"]

    with suppress(ZeroDivisionError):
        await app(scope, receive, send)
    return scope["status"]


def shop(clock, *pipelines, graph, status=200, then=None):
    """An app that calls its pipelines, behind one of its own."""
    left = []

    async def app(scope, receive, send):
        if scope["found"] is not None:
            scope["route"] = scope["found"]
        for pipeline in pipelines:
            await asyncio.to_thread(pipeline.call, asked(clock))
        if then is not None:
            left.append(asyncio.create_task(then()))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    incoming = Pipeline(Timeout(50.0), name="in", clock=clock)
    graph.watch(incoming)
    return MeshMiddleware(app, incoming), left


def test_an_outgoing_call_is_its_routes(clock):
    graph = Graph()
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80"])
    graph.watch(stock)

    async def main():
        app, _ = shop(clock, stock, graph=graph)
        assert [await served(app, request(f"/orders/{number}")) for number in range(3)] == [200] * 3
        await served(app, request("/robots.txt", route=None))
        await served(app, request("/robots.txt", method="BREW", route=None))

    asyncio.run(main())
    stock.call(asked(clock))
    picture = graph.snapshot(1010.0)
    found = edges(picture)
    calls = {ends: round(edge["calls_per_second"] * 10) for ends, edge in found.items()}
    assert calls == {
        ("callers:callers", "route:GET /orders/{id}"): 3,
        ("callers:callers", "route:GET"): 1,
        ("callers:callers", "route:_OTHER"): 1,
        ("route:GET /orders/{id}", "cluster:stock"): 3,
        ("route:GET", "cluster:stock"): 1,
        ("route:_OTHER", "cluster:stock"): 1,
        ("service:shop", "cluster:stock"): 1,
        ("cluster:stock", "endpoint:stock/10.0.0.7:80"): 6,
    }
    assert "/orders/1" not in json.dumps(picture)
    assert "robots" not in json.dumps(picture)


def test_an_answer_that_is_an_error_and_a_task_that_goes_on_without_its_request(clock):
    graph = Graph()
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80"])
    graph.watch(stock)
    gone_on = asyncio.Event

    async def main():
        over = gone_on()

        async def later():
            await over.wait()
            assert CURRENT.get()[graph].request is None
            stock.call(asked(clock))

        app, left = shop(clock, graph=graph, status=500, then=later)
        assert await served(app, request()) == 500
        over.set()
        await asyncio.gather(*left)

    asyncio.run(main())
    found = edges(graph.snapshot(1010.0))
    assert found["callers:callers", "route:GET /orders/{id}"]["error_share"] == 1.0
    assert found["callers:callers", "route:GET /orders/{id}"]["last_error"]["says"] == "status 500"
    assert ("route:GET /orders/{id}", "cluster:stock") in found


def broken(clock):
    """A pipeline that refuses all: its breaker is open."""
    payments = Pipeline(CircuitBreaker(failures=1, cooldown=600.0), name="payments", clock=clock)
    with suppress(ConnectionError):
        payments.call(asked(clock, failing={"None"}))
    return payments


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("translate", [False, True])
def test_a_request_that_a_call_further_in_was_refused_for_has_failed(clock, translate, watched):
    graph = Graph()
    payments = broken(clock)
    if watched:
        graph.watch(payments)

    async def app(scope, receive, send):
        scope["route"] = scope["found"]
        await payments.call(asyncio.sleep, 0)

    front = Pipeline(RateLimit("1/h", burst=2), Timeout(50.0), name="in", clock=clock)
    graph.watch(front)
    middle = MeshMiddleware(app, front, translate=translate)

    async def main():
        for _ in range(3):
            with suppress(CircuitOpen):
                await served(middle, request())

    asyncio.run(main())
    edge = edges(graph.snapshot(1010.0))["callers:callers", "route:GET /orders/{id}"]
    assert (edge["error_share"], edge["rejected_share"]) == (1.0, 0.0)
    assert edge["last_error"]["says"].startswith("CircuitOpen")
    refused = edges(graph.snapshot(1010.0))["callers:callers", "route:GET"]  # nobody has looked for its route
    assert (refused["error_share"], refused["rejected_share"]) == (0.0, 1.0)


@pytest.mark.parametrize("own", [False, True])
def test_a_fallback_from_a_refusal_further_in_is_one_from_an_error(clock, own):
    graph = Graph()
    payments = broken(clock)
    limits = [RateLimit("1/h", burst=1)] if own else []
    jobs = Pipeline(Fallback(value=None), *limits, name="jobs", clock=clock)
    graph.watch(jobs)

    @jobs
    def job():
        if not own:
            payments.call(asked(clock))

    job()
    job()
    name = "function:test_a_fallback_from_a_refusal_further_in_is_one_from_an_error.job"
    edge = edges(graph.snapshot(1010.0))["service:shop", name]
    assert (edge["error_share"], edge["rejected_share"]) == ((0.0, 0.5) if own else (1.0, 0.0))


def test_a_function_is_called_and_calls(clock):
    graph = Graph()
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80"])
    jobs = Pipeline(name="jobs", clock=clock)
    graph.watch(stock)
    graph.watch(jobs)

    @jobs
    def restock():
        stock.call(asked(clock))

    restock()
    stock.call(asked(clock))
    name = "function:test_a_function_is_called_and_calls.restock"
    calls = {ends: round(edge["calls_per_second"] * 10) for ends, edge in edges(graph.snapshot(1010.0)).items()}
    assert calls == {
        ("service:shop", name): 1,
        (name, "cluster:stock"): 1,
        ("service:shop", "cluster:stock"): 1,
        ("cluster:stock", "endpoint:stock/10.0.0.7:80"): 2,
    }


def test_a_client_without_a_cluster_calls_its_host(clock):
    import httpx

    from meshkit.httpx import MeshTransport

    graph = Graph()
    api = Pipeline(Timeout(1.0), name="api", clock=clock)
    graph.watch(api)
    answers = httpx.MockTransport(lambda request: httpx.Response(503 if request.url.path == "/ill" else 200))
    with httpx.Client(transport=MeshTransport(api, answers)) as client:
        client.get("https://api.example.com/secret-path?token=1")
        client.get("http://api.example.com:8080/ill")
        client.get("http://[::1]:8080/")
    picture = graph.snapshot()
    assert {node["id"] for node in picture["nodes"]} == {
        "service:shop",
        "host:api.example.com",
        "host:api.example.com:8080",
        "host:[::1]:8080",
    }
    assert edges(picture)["service:shop", "host:api.example.com:8080"]["last_error"]["says"] == "status 503"
    assert not re.search("secret|token|ill", json.dumps(picture).replace("milli", ""))


def test_two_graphs_see_the_same_and_do_not_mix(clock):
    one, other = Graph("one"), Graph("other")
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80"])
    jobs = Pipeline(name="jobs", clock=clock)
    for graph in (one, other):
        graph.watch(stock)
    one.watch(jobs)
    jobs.call(lambda: stock.call(asked(clock)))
    assert [ends for ends in edges(other.snapshot()) if ends[1] == "cluster:stock"] == [
        ("service:other", "cluster:stock")
    ]
    (source,) = (ends[0] for ends in edges(one.snapshot()) if ends[1] == "cluster:stock")
    assert source.startswith("function:")


def test_each_pipeline_by_its_own_clock():
    early, late = ManualClock(5.0), ManualClock(1e9)
    graph = Graph(window=10.0)
    one, other = clustered("one", early), clustered("other", late)
    graph.watch(one)
    graph.watch(other, "mine")
    one.call(asked(early, seconds=0.0))
    other.call(asked(late, seconds=0.0))
    early.advance(5.0)
    late.advance(10.0)
    found = edges(graph.snapshot())
    assert found["service:shop", "cluster:one"]["calls_per_second"] == pytest.approx(1 / 5)
    assert found["service:shop", "cluster:other"]["calls_per_second"] == pytest.approx(1 / 10)
    assert (found["service:shop", "cluster:one"]["pipeline"], found["service:shop", "cluster:other"]["pipeline"]) == (
        "one",
        "mine",
    )


def told(graph, pipeline, clock, *endpoints, cluster="stock", before=()):
    """What the pipeline would tell of calls to these endpoints."""
    (watch,) = pipeline.follows
    for each in endpoints:
        follower = watch.follow(pipeline, SimpleNamespace(began_at=clock()))
        for event in before:
            follower(event)
        follower(AttemptBegan(clock(), 1, 1, each, cluster))
        follower(AttemptEnded(clock(), 1, each, Verdict.SUCCESS, 0.1, 0.1, None, 1, cluster))
        follower(CallEnded(clock(), clock(), Verdict.SUCCESS, 1, None))


def test_ten_thousand_endpoints_are_a_hundred_and_one(clock):
    graph = Graph()
    stock = clustered("stock", clock)
    graph.watch(stock)
    told(graph, stock, clock, *(Endpoint(f"10.1.{number // 256}.{number % 256}:80") for number in range(10_000)))
    picture = graph.snapshot(1010.0)
    found = edges(picture)
    assert len(found) == 102
    assert found["cluster:stock", "endpoint:stock/_OTHER"]["attempts_per_second"] == pytest.approx(9900 / 10)
    assert sum(each["attempts_per_second"] for ends, each in found.items() if "endpoint" in ends[1]) == 1000.0
    assert found["service:shop", "cluster:stock"]["calls_per_second"] == pytest.approx(1000.0)


def test_an_edge_takes_eight_kilobytes_at_most():
    ends = node("cluster", "stock"), node("endpoint", "10.0.0.7:80", "stock")
    Edge(*ends, 60.0, None)
    tracemalloc.start()
    try:
        made = [Edge(*ends, 60.0, None) for _ in range(50)]
        for edge in made:
            for second in range(130):
                edge.add(float(second), 1, 1, 0, 0.1)
        assert tracemalloc.get_traced_memory()[0] < 50 * 8192
    finally:
        tracemalloc.stop()


def test_no_more_edges_than_there_may_be(clock):
    graph = Graph(edges=20)
    hosts = Pipeline(name="out", clock=clock)
    graph.watch(hosts)
    for number in range(50):

        def ask():
            pass

        ask.__qualname__ = ask.__name__ = f"ask_{number}"
        hosts.call(ask)
    found = edges(graph.snapshot(1010.0))
    assert len(found) == 21
    assert found["service:shop", "function:_OTHER"]["calls_per_second"] == pytest.approx(3.0)


def test_what_is_silent_is_forgotten_and_makes_room(clock):
    graph = Graph(window=1.0, endpoints=2)
    stock = clustered("stock", clock)
    graph.watch(stock)
    told(graph, stock, clock, "a", "b", "c")
    ends = "endpoint:stock/"
    assert {end for _, end in edges(graph.snapshot()) if ends in end} == {f"{ends}a", f"{ends}b", f"{ends}_OTHER"}
    clock.advance(9.0)
    assert edges(graph.snapshot())["cluster:stock", f"{ends}a"]["attempts_per_second"] == 0.0
    told(graph, stock, clock, "b")
    clock.advance(1.5)
    assert {end for _, end in edges(graph.snapshot()) if ends in end} == {f"{ends}b"}
    told(graph, stock, clock, "d")
    assert {end for _, end in edges(graph.snapshot()) if ends in end} == {f"{ends}b", f"{ends}d"}


def test_threads_lose_nothing():
    graph = Graph(window=3600.0)
    stock = Pipeline(
        Retry(ConnectionError, backoff=Constant(0.0), budget=None),
        Cluster("stock", ["10.0.0.7:80", "10.0.0.8:80"], balancer=RoundRobin()),
        name="stock",
        seed=1,
    )
    graph.watch(stock)
    reading = threading.Event()

    def ask(endpoint=None):
        if str(endpoint) == "10.0.0.8:80":
            raise ConnectionError

    def many():
        for _ in range(300):
            with suppress(ConnectionError):
                stock.call(ask)

    def read():
        while not reading.is_set():
            graph.snapshot()

    callers = [threading.Thread(target=many) for _ in range(4)]
    reader = threading.Thread(target=read)
    for thread in (*callers, reader):
        thread.start()
    for thread in callers:
        thread.join()
    reading.set()
    reader.join()
    (watch,) = stock.follows
    at = watch.since + 100.0  # a hundred seconds after it began: rates times a hundred are counts
    found = edges(graph.snapshot(at))
    whole = found["service:shop", "cluster:stock"]
    assert round(whole["calls_per_second"] * 100) == 1200
    tried = sum(each["attempts_per_second"] for (_, end), each in found.items() if "endpoint" in end)
    assert round(whole["attempts_per_second"] * 100) == round(tried * 100) > 1200


def test_nothing_of_a_call_is_kept(clock):
    class Argument:
        pass

    class Broken(ConnectionError):
        pass

    graph = Graph()
    stock = clustered("stock", clock)
    graph.watch(stock)
    seen = []

    def fails(argument, endpoint=None):
        error = Broken()
        seen.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    gc.disable()
    try:
        argument = Argument()
        seen.append(weakref.ref(argument))
        with suppress(Broken):
            stock.call(fails, argument)
        del argument
        assert [each() for each in seen] == [None, None]
    finally:
        gc.enable()


def test_words_of_others_are_not_repeated(clock):
    graph = Graph()
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80"])
    graph.watch(stock)
    for error in (KeyError("password"), ValueError("card 4111")):
        with suppress(Exception):
            stock.call(asked(clock, seconds=5.0, failing={"10.0.0.7:80"}, error=error))
    assert edges(graph.snapshot())["service:shop", "cluster:stock"]["last_error"] == {"says": "ValueError", "ago": 0.0}


def test_drawn_for_mermaid_and_graphviz(clock):
    graph = Graph('a "shop"')
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80", "10.0.0.8:80"])
    graph.watch(stock)
    for _ in range(4):
        with suppress(ConnectionError):
            stock.call(asked(clock, seconds=0.25, failing={"10.0.0.8:80"}))
    assert graph.mermaid(1010.0) == (
        "flowchart LR\n"
        '    n0[["a #34;shop#34;"]]\n'
        '    n1[("stock")]\n'
        '    n2["10.0.0.7:80"]\n'
        '    n3["10.0.0.8:80"]\n'
        '    n1 -->|"0.2/s, p95 241 ms"| n2\n'
        '    n1 -->|"0.2/s, 100% errors, p95 241 ms"| n3\n'
        '    n0 -->|"0.4/s, 50% errors, p95 241 ms"| n1\n'
        "    linkStyle 1,2 stroke:red\n"
    )
    assert graph.dot(1010.0).splitlines()[:4] == [
        'digraph "a \\"shop\\"" {',
        "    rankdir=LR",
        "    node [shape=box]",
        '    "service:a \\"shop\\"" [label="a \\"shop\\""]',
    ]
    assert (
        '    "cluster:stock" -> "endpoint:stock/10.0.0.8:80" [label="0.2/s, 100% errors, p95 241 ms", color=red]'
        in (graph.dot(1010.0).splitlines())
    )


def test_a_name_cannot_write_into_the_drawing(clock):
    graph = Graph('x"]\n click n0 href "javascript:alert(1)"')
    stock = clustered("stock", clock)
    graph.watch(stock)
    told(graph, stock, clock, '"] --> <b>&#59;')
    for line in graph.mermaid().splitlines()[1:]:
        assert re.fullmatch(r'    (linkStyle .*|n\d+[\[(]*"[\w /.,:{}()*%#;-]*"[\])]*|n\d+ -->\|"[^"]*"\| n\d+)', line)


def test_no_name_begins_a_directive_or_a_comment(clock):
    graph = Graph("100% %%{wrap}%% %%%c")
    stock = clustered("stock", clock)
    graph.watch(stock)
    told(graph, stock, clock, "%%{init: {}}%%")
    drawn = graph.mermaid()
    assert "%%" not in drawn
    assert 'n0[["100% #37;#37;{wrap}#37;#37; #37;#37;#37;c"]]' in drawn


def test_a_child_process_waits_for_no_thread_that_was_left_behind(clock):
    graph = Graph()
    stock = clustered("stock", clock)
    graph.watch(stock)
    told(graph, stock, clock, "a")
    assert {graph.lock, *(edge._lock for edge in graph.round)} <= {*guards}


def test_a_job_that_arms_itself_again_keeps_no_past():
    graph = Graph()
    jobs = Pipeline(name="jobs")
    graph.watch(jobs)
    another = Graph()
    another.watch(jobs)
    chains = []

    def held(within):
        """How many others the current ones hold."""
        found, left = set(), [within]
        while left:
            one = left.pop()
            found.add(one)
            before = one.token.old_value if one.token is not None else {}
            left += {one.outer, *(before if isinstance(before, Mapping) else {}).values()} - found - {None}
        return len(found) - 1

    async def main():
        done = asyncio.Event()

        @jobs
        async def poll():
            chains.append(held(CURRENT.get()[graph]))
            if len(chains) < 20:
                asyncio.get_running_loop().call_soon(lambda: tasks.append(asyncio.create_task(poll())))
            else:
                done.set()

        tasks = []
        await poll()
        await done.wait()

    asyncio.run(main())
    assert max(chains) <= 3


def test_what_a_call_leaves_behind_is_still_on_behalf_of_it_by_each_graph(clock):
    """Also where it was itself made on behalf of another."""
    graphs = Graph("one"), Graph("two")
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80"])
    inner, outer = Pipeline(name="inner", clock=clock), Pipeline(name="outer", clock=clock)
    for graph in graphs:
        graph.watch(stock)
    graphs[0].watch(outer)
    graphs[1].watch(inner)

    async def main():
        over = asyncio.Event()
        left = []

        async def later():
            await over.wait()
            stock.call(asked(clock))

        @inner
        async def leaves():
            left.append(asyncio.create_task(later()))

        @outer
        async def calls():
            await leaves()

        await calls()
        over.set()
        await asyncio.gather(*left)

    asyncio.run(main())
    for graph, who in zip(graphs, ("calls", "leaves"), strict=True):
        name = f"function:{main.__qualname__}.<locals>.{who}".replace(".<locals>", "")
        assert (name, "cluster:stock") in {(edge["from"], edge["to"]) for edge in graph.snapshot()["edges"]}


def test_a_graph_keeps_no_pipeline_alive(clock):
    graph = Graph()
    gone = []
    for _ in range(3):
        pipeline = Pipeline(name="short", clock=clock)
        graph.watch(pipeline)
        pipeline.call(asked(clock))
        gone.append(weakref.ref(pipeline))
        del pipeline
    gc.collect()
    assert [each() for each in gone] == [None] * 3
    assert graph.snapshot()["edges"] == []
    assert (graph.held(), graph._watched) == (0, {})


def test_the_silent_edges_of_one_pipeline_take_no_room_from_another(clock):
    graph = Graph(window=10.0, edges=20)
    crowd, stock = clustered("crowd", clock), clustered("stock", clock)
    graph.watch(crowd)
    graph.watch(stock)
    told(graph, crowd, clock, *(f"10.1.0.{number}:80" for number in range(30)))
    told(graph, stock, clock, "10.0.0.7:80")
    assert edges(graph.snapshot())["cluster:_OTHER", "endpoint:_OTHER/_OTHER"]
    clock.advance(1000.0)
    told(graph, stock, clock, "10.0.0.7:80", "10.0.0.7:80")
    found = edges(graph.snapshot())
    assert found.keys() == {("service:shop", "cluster:stock"), ("cluster:stock", "endpoint:stock/10.0.0.7:80")}
    assert graph.held() < 20


def test_who_finds_no_room_looks_at_a_few_edges_and_asks_no_pipeline(clock, monkeypatch):
    graph = Graph(edges=500, endpoints=400)
    pipelines = [clustered(f"stock-{number}", clock) for number in range(100)]
    for pipeline in pipelines:
        graph.watch(pipeline)
        told(graph, pipeline, clock, *(f"10.0.0.{number}:80" for number in range(10)), cluster=pipeline.name)
    assert graph.held() >= 500
    looked = []
    monkeypatch.setattr(Edge, "latest", lambda self: looked.append(self) or clock())
    told(graph, pipelines[0], clock, "10.0.9.9:80", cluster="stock-0")
    assert len(looked) == 8
    told(graph, pipelines[0], clock, "10.0.9.9:80", cluster="stock-0")
    assert len({*looked}) == 16  # others


def test_a_clock_that_cannot_tell_forgets_nothing(clock):
    told_by = [clock]
    graph = Graph(edges=2)

    def tells():
        return told_by[0]()

    odd = clustered("odd", tells)
    graph.watch(odd)
    told(graph, odd, clock, "a")
    told_by[0] = lambda: {}[1]
    stock = clustered("stock", clock)
    graph.watch(stock)
    clock.advance(10_000.0)
    told(graph, stock, clock, "b")
    told_by[0] = lambda: 1000.0
    assert ("cluster:stock", "endpoint:stock/a") in edges(graph.snapshot(1000.0))


def test_stopped_twice_the_next_watch_goes_on_and_a_call_under_way_holds_nothing(clock):
    graph = Graph()
    stock = clustered("stock", clock, endpoints=["10.0.0.7:80"])
    stop = graph.watch(stock)

    def stops(endpoint=None):
        stop()

    stock.call(stops)
    assert graph.held() == 0
    graph.watch(stock)
    stop()
    stock.call(asked(clock))
    assert len(graph.snapshot()["edges"]) == graph.held() == 2


def test_watched_once_and_no_more(clock):
    graph = Graph()
    stock = clustered("stock", clock)
    stop = graph.watch(stock)
    with pytest.raises(ConfigError, match="watched already"):
        graph.watch(stock)
    stock.call(asked(clock))
    assert len(graph.snapshot()["edges"]) == 2
    stop()
    assert graph.snapshot()["edges"] == []
    assert stock.follows == ()
    stock.call(asked(clock))
    graph.watch(stock)
    assert graph.snapshot()["edges"] == []


@pytest.mark.parametrize("options", [{"window": 0.0}, {"edges": 0}, {"endpoints": 1.5}, {"window": float("nan")}])
def test_what_it_cannot_be_made_of(options):
    with pytest.raises(ConfigError, match=f"Graph: {next(iter(options))}="):
        Graph(**options)


def test_a_service_has_a_name_and_watches_pipelines():
    with pytest.raises(ConfigError, match="Graph: pipeline=7: give a Pipeline"):
        Graph().watch(7)
    with pytest.raises(ConfigError, match="Graph: service=''"):
        Graph("")
