"""OpenTelemetry's metrics: their names, units and attributes, and that they say what `Metrics` says."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from meshkit import CircuitBreaker, Cluster, ConfigError, Constant, Pipeline, RateLimit, Retry, RoundRobin, Timeout
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import MeshTransport
from meshkit.observe.metrics.gauges import GAUGES
from meshkit.observe.metrics.meters import ATTRIBUTES, HISTOGRAMS, NAMES, Meters
from meshkit.observe.metrics.metrics import FAMILIES, Metrics
from meshkit.observe.metrics.series import BOUNDS
from meshkit.runtime.guard import guards
from meshkit.testing import ManualClock


class Told:
    """Meters with what an exporter is given of them."""

    def __init__(self, **options):
        self.metrics = Metrics(**options)
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.meters = Meters(self.metrics, meter_provider=self.provider)

    def read(self):
        data = self._reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                assert scope.scope.name == "meshkit"
                found |= {metric.name: metric for metric in scope.metrics}
        return found

    def values(self, name):
        """By attributes: a value, or of a histogram how many and their sum."""
        metric = self.read().get(name)
        points = metric.data.data_points if metric else ()
        return {
            tuple(sorted(point.attributes.items())): (point.count, point.sum)
            if hasattr(point, "count")
            else point.value
            for point in points
        }


@pytest.fixture
def told():
    made = Told()
    yield made
    made.provider.shutdown()


@pytest.fixture
def clock():
    return ManualClock(100.0)


def stack(clock):
    """What there is to count: a limit, a retry with a budget, a breaker for each of two endpoints, one of them ill."""
    breaker = Pipeline(CircuitBreaker(failures=3, cooldown=60.0, name="breaker"))
    servers = Cluster("stock", ["10.0.0.7:80", "10.0.0.8:80"], balancer=RoundRobin(), pipeline=breaker)
    retry = Retry(ConnectionError, backoff=Constant(0.0))
    return Pipeline(RateLimit(9.0, burst=9, name="limit"), retry, servers, name="stock", clock=clock, seed=1)


def busy(pipeline, clock, calls=12):
    def ask(endpoint=None):
        clock.advance(0.03)
        if str(endpoint) == "10.0.0.8:80":
            raise ConnectionError

    for _ in range(calls):
        with suppress(Exception):
            pipeline.call(ask)


def test_all_that_is_counted_agrees_with_metrics(told, clock):
    pipeline = stack(clock)
    told.meters.watch(pipeline, "shop/stock")
    busy(pipeline, clock)
    known, found = told.metrics.snapshot(), told.read()
    seen = set()
    for name, family in known.items():
        new = HISTOGRAMS.get(name) or NAMES[name][0]
        samples = {
            tuple(sorted((renamed(label), value) for label, value in sample["labels"].items() if value)): sample
            for sample in family["samples"]
        }
        points = found[new].data.data_points if new in found else ()
        given = {tuple(sorted((key, str(value)) for key, value in point.attributes.items())): point for point in points}
        assert given.keys() == samples.keys(), name
        for labels, sample in samples.items():
            seen.add(name)
            point = given[labels]
            if family["type"] == "histogram":
                assert (point.count, point.sum) == (sample["count"], pytest.approx(sample["sum"]))
                assert [*accumulated(point.bucket_counts)] == [*sample["buckets"].values()]
            else:
                assert point.value == sample["value"]
    assert {
        "meshkit_call_duration_seconds",
        "meshkit_attempts_total",
        "meshkit_rejections_total",
        "meshkit_retries_total",
        "meshkit_state_changes_total",
        "meshkit_breaker_state",
        "meshkit_cluster_endpoints",
    } <= seen


def renamed(label):
    return ATTRIBUTES.get(label, f"meshkit.{label}")


def accumulated(counts):
    total = 0
    for count in counts:
        total += count
        yield total


def test_counted_by_hand(told, clock):
    pipeline = Pipeline(Retry(ConnectionError, backoff=Constant(0.0)), RateLimit("2/h", name="limit"), clock=clock)
    told.meters.watch(pipeline, "jobs")
    failures = iter([True, False, True])

    def job():
        clock.advance(0.25)
        if next(failures):
            raise ConnectionError

    pipeline.call(job)
    with suppress(Exception):
        pipeline.call(job)
    jobs = ("meshkit.pipeline", "jobs")
    assert told.values("meshkit.call.duration") == {
        (("meshkit.outcome", "success"), jobs): (1, 0.5),
        (("meshkit.outcome", "rejected"), jobs): (1, 0.0),
    }
    assert told.values("meshkit.attempts") == {
        (jobs, ("meshkit.verdict", "failure")): 1,
        (jobs, ("meshkit.verdict", "success")): 1,
    }
    assert told.values("meshkit.rejections") == {(("error.type", "RateLimited"), jobs, ("meshkit.policy", "limit")): 1}
    assert told.values("meshkit.retries") == {(jobs, ("meshkit.policy", "Retry")): 1}


def test_names_units_and_kinds(told, clock):
    pipeline = stack(clock)
    told.meters.watch(pipeline)
    busy(pipeline, clock)
    found = told.read()
    kinds = {name: (metric.unit, type(metric.data).__name__) for name, metric in found.items()}
    assert kinds["meshkit.call.duration"] == ("s", "Histogram")
    assert kinds["meshkit.attempts"] == ("{attempt}", "Sum")
    assert kinds["meshkit.breaker.state"] == ("{breaker}", "Sum")
    assert kinds["meshkit.retry_budget.balance"] == ("{attempt}", "Gauge")
    assert kinds["meshkit.cluster.endpoints"] == ("{endpoint}", "Sum")
    assert found["meshkit.attempts"].data.is_monotonic
    assert not found["meshkit.cluster.endpoints"].data.is_monotonic
    assert found["meshkit.call.duration"].data.data_points[0].explicit_bounds == BOUNDS
    assert all(metric.description for metric in found.values())


def test_every_metric_has_a_name_here():
    assert {*NAMES, *HISTOGRAMS} == {*FAMILIES, *GAUGES}


@pytest.mark.parametrize("name", [*NAMES, *HISTOGRAMS])
def test_an_exporter_for_prometheus_makes_the_names_we_have(name):
    """OpenTelemetry, "Prometheus and OpenMetrics Compatibility": a unit in braces is left out."""
    new, unit, kind = NAMES[name] if name in NAMES else (HISTOGRAMS[name], "s", "histogram")
    assert re.fullmatch(r"s|\{[a-z]+\}", unit)
    behind = {"counter": "_total", "histogram": "_seconds"}.get(kind, "")
    assert new.replace(".", "_") + behind == name


def test_an_attempt_of_a_client(told, clock):
    pipeline = Pipeline(Retry(503, backoff=Constant(0.0)), Timeout(5.0), clock=clock)
    told.meters.watch(pipeline, "api")
    statuses = iter([503, 200, 404])

    def answer(request):
        clock.advance(0.5)
        return httpx.Response(next(statuses))

    with httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(answer))) as client:
        client.get("https://user:password@api.example.com/orders/7?token=1")
        client.request("BREW", "http://api.example.com:8080/")
    host = ("server.address", "api.example.com")
    https = (host, ("server.port", 443), ("url.scheme", "https"))
    assert told.values("http.client.request.duration") == {
        (
            ("error.type", "503"),
            ("http.request.method", "GET"),
            ("http.response.status_code", 503),
            *https,
        ): (1, 0.5),
        (("http.request.method", "GET"), ("http.response.status_code", 200), *https): (1, 0.5),
        (
            ("error.type", "404"),
            ("http.request.method", "_OTHER"),
            ("http.response.status_code", 404),
            host,
            ("server.port", 8080),
            ("url.scheme", "http"),
        ): (1, 0.5),
    }


def test_a_request_to_a_server(told, clock):
    async def app(scope, receive, send):
        clock.advance(0.25)
        scope["route"] = SimpleNamespace(path="/orders/{id}")
        await send(
            {"type": "http.response.start", "status": 500 if scope["path"] == "/orders/8" else 200, "headers": []}
        )
        await send({"type": "http.response.body", "body": b""})

    pipeline = Pipeline(RateLimit("2/h"), clock=clock)
    told.meters.watch(pipeline, "in")
    served = MeshMiddleware(app, pipeline)

    async def main():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://shop") as client:
            return [(await client.get(f"/orders/{number}")).status_code for number in (7, 8, 9)]

    assert asyncio.run(main()) == [200, 500, 429]
    get, http = ("http.request.method", "GET"), ("url.scheme", "http")
    route = ("http.route", "/orders/{id}")
    assert told.values("http.server.request.duration") == {
        (get, ("http.response.status_code", 200), route, http): (1, 0.25),
        (("error.type", "500"), get, ("http.response.status_code", 500), route, http): (1, 0.25),
        (get, ("http.response.status_code", 429), http): (1, 0.0),
    }


def test_no_more_attribute_sets_than_label_sets(clock):
    told = Told(endpoints=3, series=20)
    pipeline = Pipeline(clock=clock)
    told.meters.watch(pipeline)
    answers = httpx.MockTransport(lambda request: httpx.Response(200))
    with httpx.Client(transport=MeshTransport(pipeline, answers)) as client:
        for number in range(50):
            client.get(f"http://host-{number}.example.com/")
    found = told.values("http.client.request.duration")
    assert len(found) == 4
    rest = dict(next(key for key in found if ("server.address", "_OTHER") in key))
    assert found[tuple(sorted(rest.items()))][0] == 47
    assert rest["http.response.status_code"] == 200
    (known,) = (
        sample["count"]
        for sample in told.metrics.snapshot()["http_client_request_duration_seconds"]["samples"]
        if sample["labels"]["server_address"] == "_OTHER"
    )
    assert known == 47
    for number in range(50):
        told.meters._calls.add((f"pipeline {number}", "success"), 0.1)
    found = told.values("meshkit.call.duration")
    assert len(found) == len(told.meters._calls._known) + 1 == 20  # nor are the keys of the others remembered
    assert sum(many for many, _ in found.values()) == 100
    told.provider.shutdown()


def test_each_collection_reads_anew_and_only_once(told, clock, monkeypatch):
    pipeline = Pipeline(clock=clock)
    told.meters.watch(pipeline, "jobs")
    taken = []
    before = Metrics.snapshot
    monkeypatch.setattr(Metrics, "snapshot", lambda self: taken.append(1) or before(self))
    for number in (1, 2, 3):
        pipeline.call(lambda: None)
        ((_, value),) = told.values("meshkit.attempts").items()
        assert value == number
        assert len(taken) == number


def test_an_exemplar_is_the_trace_around_the_call(told, clock):
    pipeline = Pipeline(clock=clock)
    told.meters.watch(pipeline)
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with tracer.start_as_current_span("order") as span:
        pipeline.call(lambda: None)
    (point,) = told.read()["meshkit.call.duration"].data.data_points
    assert [each.trace_id for each in point.exemplars] == [span.get_span_context().trace_id]


def test_watched_once_here_whether_metrics_did_or_not(told, clock):
    one, other = Pipeline(clock=clock), Pipeline(clock=clock)
    told.metrics.watch(one, "one")
    told.meters.watch(one, "one")
    stop = told.meters.watch(other, "other")
    for pipeline in (one, other):
        pipeline.call(lambda: None)
        with pytest.raises(ConfigError, match="watched already"):
            told.meters.watch(pipeline)
    stop()
    other.call(lambda: None)
    assert {dict(key)["meshkit.pipeline"]: value for key, value in told.values("meshkit.attempts").items()} == {
        "one": 1,
        "other": 1,
    }
    assert {dict(key)["meshkit.pipeline"]: many for key, (many, _) in told.values("meshkit.call.duration").items()} == {
        "one": 1,
        "other": 1,
    }
    told.meters.watch(other, "other")


def test_an_app_that_raises_is_a_500_and_watched_twice_is_said_shortly(told, clock):
    async def app(scope, receive, send):
        raise ValueError("of somebody")

    pipeline = Pipeline(RateLimit("2/h"), clock=clock, name="in")
    told.meters.watch(pipeline)
    with pytest.raises(ConfigError, match=r"^Meters: pipeline='in': it is watched already"):
        told.meters.watch(pipeline)

    async def main():
        transport = httpx.ASGITransport(MeshMiddleware(app, pipeline), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            return (await client.get("/")).status_code

    assert asyncio.run(main()) == 500
    [attributes] = told.values("http.server.request.duration")
    assert dict(attributes)["http.response.status_code"] == 500
    assert dict(attributes)["error.type"] == "ValueError"


def test_what_stops_it_stops_that_watch_only(told, clock):
    pipeline = Pipeline(clock=clock)
    stop = told.meters.watch(pipeline)
    stop()
    told.meters.watch(pipeline)
    stop()
    with pytest.raises(ConfigError, match="watched already"):
        told.meters.watch(pipeline)
    pipeline.call(lambda: None)
    assert [many for many, _ in told.values("meshkit.call.duration").values()] == [1]


def test_a_child_process_waits_for_no_thread_that_was_left_behind(told):
    assert {told.meters._lock, told.meters._reading, told.meters._calls._lock} <= {*guards}


def test_what_it_cannot_be_made_of(told):
    with pytest.raises(ConfigError, match="metrics=7: give a Metrics"):
        Meters(7)
    with pytest.raises(ConfigError, match="meter_provider=7"):
        Meters(Metrics(), meter_provider=7)
    with pytest.raises(ConfigError, match="give a Pipeline"):
        told.meters.watch(7)
    with pytest.raises(ConfigError, match="name=7"):
        told.meters.watch(Pipeline(), 7)


def test_without_a_provider_it_harms_nothing(clock):
    pipeline = Pipeline(clock=clock)
    Meters(Metrics()).watch(pipeline)
    assert pipeline.call(lambda: 7) == 7
    assert pipeline.failed_listeners == 0


def test_where_opentelemetry_is_missing_its_extra_is_named():
    code = "import sys; sys.modules['opentelemetry'] = None\nimport meshkit.observe.metrics.meters"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert "ConfigError: Meters: OpenTelemetry's API is missing: pip install meshkit[otel]" in done.stderr
