"""What a pipeline's calls come to in the counts, in the records of failures, and in what is held of them: nothing."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from meshkit import (
    CircuitBreaker,
    CircuitOpen,
    Cluster,
    ConfigError,
    Constant,
    Endpoint,
    Match,
    NoEndpoint,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    RoundRobin,
    Route,
    Router,
)
from meshkit.gateway.status.tap import RECORDS
from meshkit.gateway.status.traffic import OTHER, End, Traffic, Way
from meshkit.httpx import MeshTransport
from meshkit.testing import ManualClock

AT = 1000.0
Answer = Callable[[httpx.Request], httpx.Response]


class Shop:
    """A pipeline named shop with two routes, its clock, and who asks."""

    def __init__(self, answer: Answer, traffic: Traffic | None = None) -> None:
        self.clock = ManualClock(AT)
        self.orders = Cluster("orders", ["10.0.0.1:80", "10.0.0.2:80"], balancer=RoundRobin())
        routes = [
            Route(Match(prefix="/buy"), self.orders, name="buy", policies=[Retry("503", backoff=Constant(0.0))]),
            Route(Match(prefix="/"), self.orders, name="rest"),
        ]
        self.pipeline = Pipeline(Router(routes, name="router"), name="shop", clock=self.clock, seed=1)
        self.traffic = Traffic() if traffic is None else traffic
        self.stop = self.traffic.watch(self.pipeline)
        self.client = httpx.Client(transport=MeshTransport(self.pipeline, httpx.MockTransport(answer)))


def shop(answer: Answer, traffic: Traffic | None = None) -> Shop:
    return Shop(answer, traffic)


def well(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200)


def by_way(traffic: Traffic) -> dict[Any, Any]:
    return traffic.sums(lambda way: way)


def test_calls_are_counted_by_their_way_and_attempts_by_their_end() -> None:
    town = shop(well)
    for path in ("/buy/1", "/buy/2", "/other"):
        assert town.client.get(f"http://shop.example{path}").status_code == 200
    ways = by_way(town.traffic)
    assert {way: total.calls for way, total in ways.items()} == {
        Way("shop", "buy", "", "orders"): 2,
        Way("shop", "rest", "", "orders"): 1,
    }
    ends = town.traffic.ends()
    assert {*ends} == {End("orders", "10.0.0.1:80"), End("orders", "10.0.0.2:80")}
    assert sorted(total.calls for total in ends.values()) == [1, 2]
    assert town.traffic.whole().calls == 3
    assert (town.traffic.under_way(), town.traffic.failures.total, town.traffic.failures.shown()) == (0, 0, [])
    assert town.traffic.seen("shop")
    assert not town.traffic.seen("other")


def test_a_retry_that_helps_is_no_failure_and_is_counted_where_it_was() -> None:
    answers = iter([503, 200])
    town = shop(lambda request: httpx.Response(next(answers)))
    assert town.client.get("http://shop.example/buy").status_code == 200
    [total] = by_way(town.traffic).values()
    assert (total.calls, total.errors, total.retries) == (1, 0, 1)
    assert sorted(total.errors for total in town.traffic.ends().values()) == [0, 1]
    assert town.traffic.failures.total == 0


def test_a_failure_has_a_story_with_its_attempts() -> None:
    town = shop(lambda request: httpx.Response(503))
    assert town.client.get("http://shop.example/buy/7?token=canary").status_code == 503
    [told] = town.traffic.failures.shown()
    assert told["route"] == "buy"
    assert told["outcome"] == "failure"
    assert told["times"] == 1
    assert "10.0.0.1:80 and 10.0.0.2:80" in told["reason"] or "10.0.0.1:80" in told["reason"]
    assert "status 503" in told["reason"]
    assert any("attempt goes" in line for line in told["story"])
    assert "canary" not in str(told)
    [total] = by_way(town.traffic).values()
    assert (total.calls, total.errors, total.rejected) == (1, 1, 0)


def test_failures_of_one_kind_are_one_with_a_number_on_it() -> None:
    town = shop(lambda request: httpx.Response(500))
    for _ in range(300):
        town.client.get("http://shop.example/other")
    town.client.get("http://shop.example/buy")
    first, second = town.traffic.failures.shown()
    assert (first["route"], first["times"]) == ("buy", 1)
    assert (second["route"], second["times"]) == ("rest", 300)
    assert town.traffic.failures.total == 301


def test_whose_client_has_gone_is_no_failure_but_has_a_story() -> None:
    pipeline = Pipeline(name="shop", clock=ManualClock(AT))
    traffic = Traffic()
    traffic.watch(pipeline)

    def left() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.call(left)
    shown = traffic.whole().shown()
    assert (shown["calls"], shown["error_share"], shown["rejected_share"]) == (1, 0, 0)
    assert traffic.failures.total == 0
    assert traffic.failures.shown()[0]["outcome"] == "cancelled"


def test_refusals_are_told_apart_from_errors() -> None:
    clock = ManualClock(AT)

    def fails() -> None:
        raise ConnectionError("to somebody's secret host")

    pipeline = Pipeline(CircuitBreaker(failures=1, cooldown=60.0), name="shop", clock=clock)
    traffic = Traffic()
    traffic.watch(pipeline)
    for _ in range(3):
        with pytest.raises((ConnectionError, CircuitOpen)):
            pipeline.call(fails)
    assert traffic.whole().shown()["error_share"] == pytest.approx(1 / 3, abs=1e-4)
    assert traffic.whole().shown()["rejected_share"] == pytest.approx(2 / 3, abs=1e-4)
    refused, failed = traffic.failures.shown()
    assert (refused["outcome"], refused["times"]) == ("rejected", 2)
    assert "circuit breaker refused" in refused["reason"]
    assert failed["what"].startswith("ConnectionError")
    assert "secret" not in str(traffic.failures.shown())
    [change] = traffic.changes
    assert (change["policy"], change["before"], change["after"], change["by_hand"]) == (
        "CircuitBreaker",
        "closed",
        "open",
        False,
    )
    pipeline.control("CircuitBreaker").reset()
    assert traffic.changes[-1]["by_hand"]


def test_what_is_refused_on_the_way_never_came_to_the_cluster() -> None:
    town = shop(well)
    limited = Route(Match(prefix="/"), town.orders, name="limited", policies=[RateLimit("1/min")])
    pipeline = Pipeline(Router([limited], name="router"), name="limited", clock=town.clock)
    town.traffic.watch(pipeline)
    with httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(well))) as client:
        client.get("http://shop.example/")
        with pytest.raises(RateLimited):
            client.get("http://shop.example/")
    ways = by_way(town.traffic)
    assert ways[Way("limited", "limited", "", "orders")].rejected == 0
    assert ways[Way("limited", "limited", "", "")].rejected == 1


def test_where_nobody_is_left_it_was_the_cluster_that_refused() -> None:
    away = Cluster("away", [Endpoint("10.0.0.1:80", weight=0)], balancer=RoundRobin())
    pipeline = Pipeline(Router([Route(Match(prefix="/"), away, name="all")]), name="shop", clock=ManualClock(AT))
    traffic = Traffic()
    traffic.watch(pipeline)
    with (
        httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(well))) as client,
        pytest.raises(NoEndpoint),
    ):
        client.get("http://shop.example/")
    assert by_way(traffic)[Way("shop", "all", "", "away")].rejected == 1


def test_records_are_bounded_by_the_second() -> None:
    town = shop(lambda request: httpx.Response(500))
    [tap] = town.traffic._listening()
    for _ in range(RECORDS + 20):
        town.client.get("http://shop.example/other")
    assert tap.left < 0
    assert town.traffic.failures.shown()[0]["times"] == RECORDS + 20
    town.clock.advance(1.0)
    assert tap.spare(town.clock())


def test_nothing_of_a_call_is_kept() -> None:
    class Secret(Exception):
        pass

    held: list[weakref.ref[Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        error = Secret("of somebody's")
        held.extend([weakref.ref(error), weakref.ref(request)])
        raise error

    town = shop(answer)
    with pytest.raises(Secret):
        town.client.get("http://shop.example/buy")
    assert town.traffic.failures.total == 1
    gc.collect()
    assert [each() for each in held] == [None, None]
    assert "somebody's" not in str(town.traffic.failures.shown())


def test_what_is_under_way_is_told_while_it_is() -> None:
    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        town.clock.advance(4.0)
        seen.extend([town.traffic.under_way(), town.traffic.longest()])
        return httpx.Response(200)

    town = shop(answer)
    town.client.get("http://shop.example/export/aBcDeFgHiJkLmNoPqRsTuVwXyZ012345")
    assert seen == [1, [{"seconds": 4.0, "who": "GET //shop.example/export/*"}]]
    assert (town.traffic.under_way(), town.traffic.longest()) == (0, [])


def test_ways_and_ends_are_bounded() -> None:
    clock = ManualClock(AT)
    many = Cluster("many", [f"10.0.0.{k}:80" for k in range(1, 41)], balancer=RoundRobin())
    pipeline = Pipeline(many, name="shop", clock=clock)
    traffic = Traffic(ways=4, ends=10)
    traffic.watch(pipeline)
    for _ in range(40):
        pipeline.call(lambda: None)
    ends = traffic.ends()
    assert len(ends) <= 11
    assert ends[End("many", OTHER)].calls == 30
    clock.advance(200.0)
    for _ in range(5):
        pipeline.call(lambda: None)
    assert len({end.endpoint for end in traffic.ends()} - {OTHER}) == 5  # the silent ones made room


def test_threads_lose_no_call() -> None:
    pipeline = Pipeline(Cluster("orders", ["10.0.0.1:80"], balancer=RoundRobin()), name="shop", clock=ManualClock(AT))
    traffic = Traffic()
    traffic.watch(pipeline)

    def work() -> None:
        for _ in range(500):
            pipeline.call(lambda: None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert traffic.whole().calls == traffic.ends()[End("orders", "10.0.0.1:80")].calls == 2000
    assert traffic.under_way() == 0


def test_it_keeps_no_pipeline_alive_and_can_be_stopped() -> None:
    town = shop(well)
    with pytest.raises(ConfigError, match="watched already"):
        town.traffic.watch(town.pipeline)
    town.stop()
    town.client.get("http://shop.example/")
    assert town.traffic.whole().calls == 0
    traffic = Traffic()
    pipeline = Pipeline(name="gone")
    traffic.watch(pipeline)
    gone = weakref.ref(pipeline)
    del pipeline
    gc.collect()
    assert gone() is None
    assert traffic.under_way() == 0
    assert traffic._taps == {}


def test_no_failures_are_remembered_where_none_are_wanted() -> None:
    town = shop(lambda request: httpx.Response(500), Traffic(0))
    town.client.get("http://shop.example/")
    assert (town.traffic.failures.total, town.traffic.failures.shown()) == (1, [])
