"""Odd orders are warned of, impossible ones refused, and `explain` prints the stack as its user would write it."""

from __future__ import annotations

import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Endpoint,
    Fallback,
    Hedge,
    HttpCheck,
    OutlierDetection,
    Pipeline,
    RateLimit,
    Retry,
    Shared,
    SingleFlight,
    StaleIfError,
    Timeout,
)
from meshkit.cluster import ZoneFirst
from meshkit.discover import Pushed
from meshkit.order import warnings

RETRY = Retry(on=(ConnectionError, TimeoutError))


async def middleware(call, call_next):
    return await call_next()


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        ([Timeout(1.0), RETRY, CircuitBreaker()], []),
        ([], []),
        ([Timeout(1.0), CircuitBreaker(), RETRY], ["a circuit breaker outside a retry"]),
        ([Timeout(1.0), Shared(CircuitBreaker()), RETRY], ["a circuit breaker outside a retry"]),
        ([Timeout(1.0), RETRY, Timeout(1.0)], ["a timeout of 1 s within one of 1 s never strikes"]),
        ([Timeout(1.0), RETRY, Timeout(0.4)], []),
        ([RETRY], ["a retry without a timeout"]),
        ([Timeout(2.0), Retry(on=ConnectionError), Timeout(1.0)], ["an attempt that times out is not repeated"]),
        ([Timeout(2.0), Retry(on=ConnectionError, attempts=1), Timeout(1.0)], []),
        ([Timeout(1.0), Retry(on=OSError, attempts=4), RETRY], ["up to 12 attempts for one call"]),
        ([Timeout(1.0), Retry(on=OSError, budget=None)], ["a retry without a budget"]),
        ([Timeout(1.0), Retry(on=OSError, attempts=1, budget=None)], []),
        ([Timeout(1.0), RETRY, Cluster("c", ["a:1"], pipeline=[Timeout(2.0)])], ["a timeout of 2 s within one of 1 s"]),
        ([Timeout(1.0), RETRY, Cluster("c", ["a:1"], pipeline=[RETRY])], ["two retries on one path multiply: up to 9"]),
    ],
)
def test_warnings(specs, said):
    found = warnings(tuple(specs))
    assert len(found) == len(said)
    for text, part in zip(found, said, strict=True):
        assert part in text


def test_explain_prints_each_policy_with_what_is_not_its_default():
    pipeline = Pipeline(
        Timeout(2.0),
        Retry(on=(ConnectionError, "5xx"), attempts=4),
        Shared(RateLimit("100/s", burst=7)),
        ConcurrencyLimit(10, queue=5),
        Cluster("orders", ["10.0.0.1:80", "10.0.0.2:80"], pipeline=[CircuitBreaker(failures=3)]),
    )
    lines = pipeline.explain().splitlines()
    assert [line.split("  ")[0] or line.split("  ")[1] for line in lines] == [
        "Timeout(2.0)",
        "Retry([ConnectionError, '5xx'], attempts=4)",
        "Shared(RateLimit('100/s', burst=7))",
        "ConcurrencyLimit(10, queue=5)",
        "Cluster('orders', ['10.0.0.1:80', '10.0.0.2:80'])",
        "CircuitBreaker(failures=3)",
    ]
    assert lines[2].endswith("counts every attempt, shared")
    assert lines[0].endswith("the deadline of the whole call, its attempts and waits")
    assert "warning" not in pipeline.explain()


def test_explain_of_nothing_and_of_a_middleware():
    assert Pipeline().explain() == "no policies: calls pass unchanged"
    assert Pipeline(middleware).explain().startswith("middleware  around the whole call")


@pytest.mark.parametrize("where", [[Timeout(0.1)], [Cluster("c", ["a:1"], pipeline=[Timeout(0.1)])]])
def test_a_sync_attempt_cannot_be_timed(where):
    with pytest.raises(ConfigError, match=r"Timeout: seconds=0\.1: a sync function cannot be cancelled"):
        Pipeline(Timeout(2.0), RETRY, *where)(lambda: None)


def test_a_sync_function_takes_a_timeout_outside_the_retry():
    assert Pipeline(Timeout(2.0), RETRY)(lambda: 7)() == 7


def test_a_sync_function_takes_no_middleware():
    with pytest.raises(ConfigError, match=r"middleware'?: a middleware is async"):
        Pipeline(middleware)(lambda: None)


@pytest.mark.parametrize(
    "instead",
    [
        Cluster("spare", ["a:1"], pipeline=[Hedge(0.1)]),
        Shared(Cluster("spare", ["a:1"], pipeline=[SingleFlight()])),
        [Fallback(Cluster("spare", ["a:1"], pipeline=[StaleIfError(1.0)])), Cluster("other", ["b:1"])],
    ],
    ids=["cluster", "shared", "nested"],
)
def test_what_cannot_be_without_tasks_is_found_where_a_fallback_goes(instead):
    with pytest.raises(ConfigError, match="make the function async"):
        Pipeline(Fallback(instead)).call(lambda: None)


PRIMARY, SPARE = ["a:80", "b:80"], Endpoint("c:80", priority=1)


@pytest.mark.parametrize(
    ("cluster", "warned"),
    [
        (Cluster("orders", PRIMARY), None),
        (Cluster("orders", [*PRIMARY, SPARE]), "priorities without outliers or checks"),
        (Cluster("orders", PRIMARY, localities=ZoneFirst("a")), "localities without outliers or checks"),
        (Cluster("orders", [*PRIMARY, SPARE], checks=HttpCheck()), None),
        (Cluster("orders", [*PRIMARY, SPARE], outliers=OutlierDetection()), "ejects 1 of 3 endpoints at most"),
        (Cluster("orders", [*PRIMARY, SPARE], outliers=OutlierDetection(max_ejected=0.7)), None),
        (Cluster("orders", ["a:80", SPARE], outliers=OutlierDetection()), None),
        (Cluster("orders", [*PRIMARY, SPARE], outliers=OutlierDetection(), checks=HttpCheck()), None),
    ],
)
def test_spare_endpoints_that_are_never_all_that_is_left(cluster, warned):
    text = Pipeline(cluster).explain()
    assert (warned in text) if warned else "warning" not in text


def test_a_cluster_is_explained_endpoint_by_endpoint_where_there_is_more_to_tell():
    endpoints = [Endpoint("http://a", weight=0), *(f"b{n}:80" for n in range(9))]
    lines = Pipeline(Cluster("orders", [Pushed(), *endpoints])).explain().splitlines()
    assert lines[0].startswith("Cluster('orders', [11])")
    assert [" ".join(line.split()) for line in lines[1:4]] == [
        "Pushed(None) says where they are",
        "Endpoint('http://a', weight=0) drained",
        "Endpoint('b0:80')",
    ]
    assert lines[-1].strip() == "and 3 more"
