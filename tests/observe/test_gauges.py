"""What is read of the watched pipelines when somebody asks, and that asking costs little."""

from __future__ import annotations

import gc
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest

from meshkit import (
    AdaptiveConcurrency,
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    Endpoint,
    Fallback,
    Hedge,
    LoadShed,
    Pace,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    RetryBudget,
    RoundRobin,
    Shadow,
    Shared,
)
from meshkit.cluster import Ceilings, OutlierDetection
from meshkit.httpx import AsyncMeshTransport, PoolTransport
from meshkit.observe.graph.graph import Graph
from meshkit.observe.metrics.gauges import GAUGES
from meshkit.observe.metrics.metrics import Metrics
from meshkit.runtime.lock import LOCK
from meshkit.testing import ManualClock
from meshkit.upstream import Pool


def watched(*policies, name="shop"):
    pipeline = Pipeline(*policies, name=name, seed=1, clock=ManualClock())
    metrics = Metrics()
    metrics.watch(pipeline)
    return pipeline, metrics


def read(metrics, name, *labels):
    found = {}
    for sample in metrics.snapshot()[name]["samples"]:
        key = tuple(sample["labels"][label] for label in labels)
        found[key if len(key) > 1 else key[0]] = sample["value"]
    return found


def fails():
    raise ConnectionError


def called(pipeline, fn=fails, times=1):
    for _ in range(times):
        with suppress(ConnectionError, Rejected):
            pipeline.call(fn)


def states(metrics, name="payments"):
    found = read(metrics, "meshkit_breaker_state", "policy", "state")
    return {state: count for (policy, state), count in found.items() if policy == name and count}


def test_the_state_of_a_breaker():
    pipeline, metrics = watched(CircuitBreaker(name="payments", failures=1))
    assert read(metrics, "meshkit_breaker_state", "pipeline", "policy", "state") == {
        ("shop", "payments", "closed"): 1,
        ("shop", "payments", "open"): 0,
        ("shop", "payments", "half-open"): 0,
        ("shop", "payments", "isolated"): 0,
    }
    called(pipeline)
    assert states(metrics) == {"open": 1}
    pipeline.control("payments").isolate()
    assert states(metrics) == {"isolated": 1}


def test_the_breakers_of_endpoints_and_of_what_stands_instead():
    cluster = Cluster(
        "stock",
        [f"10.0.0.{number}:80" for number in range(5)],
        balancer=RoundRobin(),
        pipeline=[CircuitBreaker(name="endpoint", failures=1)],
        outliers=None,
    )
    spare = Pipeline(CircuitBreaker(name="spare"))
    pipeline, metrics = watched(Fallback(spare), Shadow(CircuitBreaker(name="trial")), cluster)
    called(pipeline, times=2)
    assert states(metrics, "endpoint") == {"closed": 3, "open": 2}
    assert states(metrics, "spare") == states(metrics, "trial") == {"closed": 1}


@pytest.mark.parametrize(
    ("policy", "limit"),
    [(ConcurrencyLimit(2, queue=3, name="limit"), 2), (AdaptiveConcurrency(name="limit"), 20)],
)
def test_a_limit_and_what_is_in_flight(policy, limit):
    pipeline, metrics = watched(policy)
    seen = []
    pipeline.call(lambda: seen.append(read(metrics, "meshkit_in_flight", "pipeline", "policy")))
    assert seen == [{("shop", "limit"): 1}]
    assert read(metrics, "meshkit_in_flight", "policy") == {"limit": 0}
    assert read(metrics, "meshkit_limit", "policy") == {"limit": limit}
    assert read(metrics, "meshkit_queue_waiting", "policy") == {"limit": 0}


def test_who_waits():
    pipeline, metrics = watched(ConcurrencyLimit(1, queue=5, name="limit"))
    inside, go = threading.Event(), threading.Event()

    def waits():
        inside.set()
        go.wait(10)

    threads = [threading.Thread(target=pipeline.call, args=(waits,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    while read(metrics, "meshkit_queue_waiting", "policy")["limit"] < 2:
        threads[0].join(0.001)
    assert read(metrics, "meshkit_in_flight", "policy") == {"limit": 1}
    go.set()
    for thread in threads:
        thread.join()
    assert read(metrics, "meshkit_queue_waiting", "policy") == {"limit": 0}


def test_limits_with_a_key_load_shedding_and_what_is_no_such_limit():
    pipeline, metrics = watched(
        ConcurrencyLimit(2, key=lambda call: "everybody", name="keyed"),
        LoadShed(10, name="shed"),
        RateLimit("10/s", name="rate"),
        Pace(name="pace"),
    )
    seen = []
    pipeline.call(lambda: seen.append(metrics.snapshot()))
    [shown] = seen
    assert {each["labels"]["policy"]: each["value"] for each in shown["meshkit_in_flight"]["samples"]} == {
        "keyed": 1,
        "shed": 1,
    }
    assert {each["labels"]["policy"]: each["value"] for each in shown["meshkit_limit"]["samples"]} == {"shed": 10}


def test_the_balance_of_budgets():
    pipeline, metrics = watched(retrying(RetryBudget(ratio=0.0, floor=0.5, ttl=10.0)))
    assert read(metrics, "meshkit_retry_budget_balance", "policy") == {"Retry": 5}
    called(pipeline, times=2)
    assert read(metrics, "meshkit_retry_budget_balance", "policy") == {"Retry": 3}
    _, metrics = watched(Hedge(0.1))
    assert read(metrics, "meshkit_retry_budget_balance", "policy") == {"Hedge": 10}
    _, metrics = watched(retrying(None))
    assert read(metrics, "meshkit_retry_budget_balance", "policy") == {}


def retrying(budget):
    return Retry(on=ConnectionError, attempts=2, backoff=Constant(0.0), budget=budget)


def test_the_endpoints_of_a_cluster():
    endpoints = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"]
    cluster = Cluster(
        "stock",
        endpoints,
        balancer=RoundRobin(),
        outliers=OutlierDetection(consecutive_5xx=1, max_ejected=0.5),
        ceilings=Ceilings(requests=7),
    )
    pipeline, metrics = watched(cluster)
    assert read(metrics, "meshkit_cluster_endpoints", "pipeline", "cluster", "state") == {
        ("shop", "stock", "up"): 4,
        ("shop", "stock", "down"): 0,
        ("shop", "stock", "ejected"): 0,
    }
    called(pipeline)
    assert read(metrics, "meshkit_cluster_endpoints", "state") == {"up": 3, "down": 0, "ejected": 1}
    assert read(metrics, "meshkit_limit", "policy")["stock"] == 7
    assert read(metrics, "meshkit_in_flight", "policy")["stock"] == 0
    assert read(metrics, "meshkit_queue_waiting", "policy")["stock"] == 0


def test_a_drained_endpoint_is_down():
    _, metrics = watched(Cluster("stock", [Endpoint("10.0.0.1:80", weight=0), "10.0.0.2:80"], balancer=RoundRobin()))
    assert read(metrics, "meshkit_cluster_endpoints", "state") == {"up": 1, "down": 1, "ejected": 0}


def test_what_listeners_have_lost_does_not_fall():
    pipeline = Pipeline(name="shop")
    metrics = Metrics()
    stop = metrics.watch(pipeline)

    def broken(event):
        raise RuntimeError

    pipeline.listen(broken, direct=True)
    called(pipeline, lambda: None)
    pipeline.dropped_events = 3

    def lost():
        names = "meshkit_listener_failures_total", "meshkit_events_dropped_total"
        return [read(metrics, name, "pipeline") for name in names]

    before = [{"shop": pipeline.failed_listeners}, {"shop": 3}]
    assert before[0]["shop"] > 0
    assert lost() == before
    stop()
    assert lost() == before
    another = Pipeline(name="shop")  # its counts are added to those of the first
    metrics.watch(another)
    another.dropped_events = 1
    assert lost() == [before[0], {"shop": 4}]
    del another
    gc.collect()
    assert lost() == [before[0], {"shop": 4}]


def test_a_state_that_is_shared_is_read_once():
    limit = Shared(ConcurrencyLimit(5, name="all of it"))
    endpoints = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]
    _, metrics = watched(Cluster("stock", endpoints, balancer=RoundRobin(), pipeline=[limit]))
    assert read(metrics, "meshkit_limit", "policy")["all of it"] == 5


def test_reading_takes_no_lock_for_thousands_of_endpoints():
    """Each state is looked at once, and the lock is free all the while."""
    endpoints = [f"10.{number >> 8}.{number & 255}.1:80" for number in range(2000)]
    cluster = Cluster("stock", endpoints, balancer=RoundRobin(), pipeline=[CircuitBreaker(name="endpoint")])
    _, metrics = watched(cluster)
    held, done = threading.Event(), threading.Event()

    def holds():
        with LOCK:
            held.set()
            done.wait(10)

    thread = threading.Thread(target=holds)
    thread.start()
    held.wait(10)
    assert states(metrics, "endpoint") == {"closed": 2000}
    done.set()
    thread.join()


def test_a_policy_that_cannot_be_read_harms_no_scrape():
    class Odd:
        name = "odd"
        exit = None
        levels = ()

        def start(self, rng):
            return self

        def enter(self, call, now):
            return None

        def snapshot(self, now):
            raise LookupError

    _, metrics = watched(Odd(), ConcurrencyLimit(3, name="limit"))
    assert read(metrics, "meshkit_limit", "policy") == {"limit": 3}


def gate(**words):
    """A policy of somebody's, with these attributes."""
    words = {"name": "odd", "enter": lambda self, call, now: None, "exit": None, **words}
    made = type("Odd", (), {**words, "start": lambda self, rng: self})
    return made()


def raises(self, *args):
    raise LookupError


@pytest.mark.parametrize(
    "odd",
    [
        gate(permits=5),
        gate(in_flight=None, places=None),
        gate(in_flight=1, places=(), limit="many"),
        gate(levels=(), snapshot=lambda self, now: {"balance": "plenty"}),
        gate(levels=(), snapshot=lambda self, now: 7),
        gate(isolate=raises, state=[]),
        gate(isolate=raises, state=property(raises)),
        gate(permits=property(raises)),
    ],
    ids=range(8),
)
def test_whatever_a_state_looks_like_the_rest_can_be_read(odd):
    _, metrics = watched(odd, ConcurrencyLimit(3, name="limit"), CircuitBreaker(name="payments"))
    shown = metrics.snapshot()
    assert [each["labels"]["policy"] for each in shown["meshkit_limit"]["samples"]] == ["limit"]
    assert [each["labels"]["policy"] for each in shown["meshkit_in_flight"]["samples"]] == ["limit"]
    assert states(metrics) == {"closed": 1}


def test_pipelines_of_one_name_are_added_up_and_what_they_share_is_read_once():
    limit = Shared(ConcurrencyLimit(5, name="shared"))
    metrics = Metrics()
    pipelines = [Pipeline(limit, CircuitBreaker(name="payments"), name="shop") for _ in range(3)]
    for pipeline in pipelines:
        metrics.watch(pipeline)
    pipelines[0].control("payments").isolate()
    assert states(metrics) == {"closed": 2, "isolated": 1}
    assert read(metrics, "meshkit_limit", "policy") == {"shared": 5}
    other = Pipeline(limit, name="front")
    metrics.watch(other)
    assert read(metrics, "meshkit_limit", "pipeline") == {"shop": 5, "front": 5}


def test_what_was_lost_does_not_fall_where_there_are_many_pipelines():
    metrics = Metrics(series=10)
    pipelines = [Pipeline(name=f"pipeline-{number}") for number in range(15)]
    stops = [metrics.watch(pipeline) for pipeline in pipelines]
    for pipeline in pipelines:
        pipeline.dropped_events += 1
    before = read(metrics, "meshkit_events_dropped_total", "pipeline")
    assert before == {**{f"pipeline-{number}": 1 for number in range(9)}, "_OTHER": 6}
    for stop in stops:
        stop()
        assert read(metrics, "meshkit_events_dropped_total", "pipeline") == before
    metrics.watch(pipelines[0])  # what it had lost is counted already
    assert read(metrics, "meshkit_events_dropped_total", "pipeline") == before


def test_to_watch_looks_at_no_other_pipeline_and_what_is_gone_leaves_nothing():
    metrics = Metrics()
    for number in range(100):
        metrics.watch(Pipeline(name=f"pipeline-{number}"))
    gc.collect()
    kept = Pipeline(name="kept")
    metrics.watch(kept)  # without a scrape in between
    assert len(metrics._readings._watched) == len(metrics._readings._lost) == 1


def test_what_strikes_while_pipelines_are_read_may_watch_another():
    metrics = Metrics()
    others = []

    class Strikes(Pipeline):
        """As a signal would, that comes while this one is read."""

        @property
        def failed_listeners(self):
            if metrics._readings._watched:
                others.append(Pipeline(name=f"pipeline-{len(others)}"))
                metrics.watch(others[-1])
            return 0

        @failed_listeners.setter
        def failed_listeners(self, value):
            pass

    pipelines = [Strikes(name="one"), Pipeline(name="two")]
    for pipeline in pipelines:
        metrics.watch(pipeline)
    metrics.snapshot()
    assert len(others) == 1
    assert read(metrics, "meshkit_listener_failures_total", "pipeline").keys() >= {"one", "two", "pipeline-0"}


def test_gauges_are_bounded():
    metrics = Metrics(series=10)
    pipelines = [Pipeline(ConcurrencyLimit(1), name=f"pipeline-{number}") for number in range(30)]
    for pipeline in pipelines:
        metrics.watch(pipeline)
    shown = metrics.snapshot()
    assert all(len(shown[name]["samples"]) <= 10 for name in GAUGES)
    assert sum(sample["value"] for sample in shown["meshkit_limit"]["samples"]) == 30


# Pools.


def test_pools():
    metrics = Metrics()
    pool = SimpleNamespace(snapshot=lambda: {"busy": 3, "idle": 2, "dialing": 1, "waiting": 0})
    stop = metrics.watch_pool(pool, "stock")
    assert read(metrics, "http_client_open_connections", "meshkit_pool", "http_connection_state") == {
        ("stock", "active"): 3,
        ("stock", "idle"): 2,
    }
    with pytest.raises(ConfigError, match="another pool of that name"):
        metrics.watch_pool(SimpleNamespace(snapshot=pool.snapshot), "stock")
    stop()
    stop()
    assert read(metrics, "http_client_open_connections", "meshkit_pool") == {}


@pytest.mark.parametrize("make", [Pool, PoolTransport, lambda: AsyncMeshTransport(Pipeline())])
def test_what_has_a_pool(make):
    metrics = Metrics()
    metrics.watch_pool(make(), "stock")
    assert read(metrics, "http_client_open_connections", "http_connection_state") == {"active": 0, "idle": 0}


def test_what_stops_one_pool_leaves_the_next():
    metrics = Metrics()
    stop = metrics.watch_pool(Pool(), "stock")
    stop()
    metrics.watch_pool(Pool(), "stock")
    stop()
    assert read(metrics, "http_client_open_connections", "meshkit_pool") == {"stock": 0}


def test_a_pool_that_cannot_tell_harms_no_scrape():
    shown = {"busy": 3, "idle": 2}
    metrics = Metrics()
    metrics.watch_pool(SimpleNamespace(snapshot=lambda: {**shown}), "odd")
    metrics.watch_pool(Pool(), "stock")
    for wrong in ("many", None, []):
        shown["busy"] = wrong
        assert read(metrics, "http_client_open_connections", "meshkit_pool") == {"stock": 0}
    shown.clear()
    assert read(metrics, "http_client_open_connections", "meshkit_pool") == {"stock": 0}


@pytest.mark.parametrize(
    "pool", [None, Pipeline(), object(), Graph("shop"), Metrics(), Pool, SimpleNamespace(snapshot=7)]
)
def test_what_has_none(pool):
    with pytest.raises(ConfigError, match="give a Pool"):
        Metrics().watch_pool(pool, "stock")


def test_a_pool_has_a_name():
    with pytest.raises(ConfigError, match="give a string"):
        Metrics().watch_pool(Pool(), 7)
