"""What Prometheus is given: by its own tool, by its own parsers, and over ASGI."""

from __future__ import annotations

import asyncio
import gzip
import math
import shutil
import subprocess
import sys
from contextlib import suppress

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    Endpoint,
    Fallback,
    FaultInjection,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    RoundRobin,
    Shadow,
    Verdict,
)
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import MeshTransport
from meshkit.observe.events import CallEnded, Hedged
from meshkit.observe.graph.graph import Graph
from meshkit.observe.metrics.gauges import GAUGES
from meshkit.observe.metrics.metrics import FAMILIES, Metrics
from meshkit.observe.prometheus import MetricsApp, MetricsMiddleware, collector, exposition
from meshkit.testing import ManualClock
from meshkit.upstream import Pool

from ..asgi.stand_ins import answering, ask, http, websocket
from ..scripted import retry

PROMTOOL = shutil.which("promtool")
ALL = {**FAMILIES, **GAUGES}
NASTY = 'a "quoted" \\ name\nof two lines, with ü and \ud800'


@pytest.fixture
def metrics():
    """With samples in each family."""
    metrics = Metrics(exemplar=lambda: {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"})
    metrics.watch_pool(Pool(), "stock")
    cluster = Cluster("stock", [Endpoint("10.0.0.1:80", name="ünder"), "10.0.0.2:80"], balancer=RoundRobin())
    client = Pipeline(retry(), CircuitBreaker(failures=1), ConcurrencyLimit(5, queue=3), cluster, clock=ManualClock())
    metrics.watch(client, NASTY)
    answers = iter([httpx.ConnectError("no"), 503, 200])

    def answer(request):
        found = next(answers)
        if isinstance(found, int):
            return httpx.Response(found)
        raise found

    with httpx.Client(transport=MeshTransport(client, httpx.MockTransport(answer))) as asking:
        for _ in range(3):
            with suppress(Rejected, httpx.HTTPError):
                asking.get("http://stock/")
    around = Pipeline(
        Fallback(value=1),
        Shadow(RateLimit("1/hour", burst=1)),
        FaultInjection(expires=60.0, abort=ConnectionError),
        name="around",
    )
    metrics.watch(around)
    for _ in range(2):
        around.call(lambda: 1)
    again = Pipeline(Retry(on=ConnectionError, attempts=2, backoff=Constant(0.0)), name="again")
    metrics.watch(again)
    with suppress(ConnectionError):
        again.call(refused)
    again.tell(Hedged(1.0, "Hedge", 2))
    again.tell(CallEnded(1.0, 0.5, Verdict.SUCCESS, 1, None, route="orders-v2", branch="canary"))
    server = Pipeline(name="server")
    metrics.watch(server)
    asyncio.run(ask(MeshMiddleware(answering(503), server)))
    yield metrics
    del client, again, around, server  # there was something to read of them until now


def refused():
    raise ConnectionError


def families(metrics, openmetrics=False):
    parse = openmetrics_families if openmetrics else text_string_to_metric_families
    return {family.name: family for family in parse(exposition(metrics, openmetrics=openmetrics)[1].decode())}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (the package prometheus has it)")
def test_promtool_has_no_complaint(metrics):
    missing = [name for name, shown in metrics.snapshot().items() if not shown["samples"]]
    assert missing == []
    _, body = exposition(metrics)
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=body, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")


@pytest.mark.parametrize("openmetrics", [False, True])
def test_both_forms_can_be_read_again(metrics, openmetrics):
    content_type, body = exposition(metrics, openmetrics=openmetrics)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain")
    assert body.endswith(b"# EOF\n") is openmetrics
    found = families(metrics, openmetrics)
    assert {name.removesuffix("_total") for name in ALL} == {name.removesuffix("_total") for name in found}
    for name, shown in metrics.snapshot().items():
        family = found[name.removesuffix("_total")]
        assert family.type == shown["type"]
        assert family.documentation == shown["help"]
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert labels == {frozenset(ALL[name].labels)}
        told = [sample for sample in family.samples if not sample.name.endswith(("_bucket", "_sum"))]
        assert [sample.value for sample in told] == [each.get("value", each.get("count")) for each in shown["samples"]]


def test_exemplars_are_in_openmetrics_only(metrics):
    assert b"trace_id" not in exposition(metrics)[1]
    shown = families(metrics, openmetrics=True)["http_server_request_duration_seconds"]
    [exemplar] = [sample.exemplar for sample in shown.samples if sample.exemplar]
    assert exemplar.labels == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}


@settings(max_examples=25)
@given(st.lists(st.floats(0.0, 40.0) | st.sampled_from([0.005, 0.25, 7.5, 10.0])))
def test_a_histogram_against_a_naive_one(durations):
    clock = ManualClock()
    pipeline = Pipeline(clock=clock)
    metrics = Metrics()
    metrics.watch(pipeline)
    spent = []

    @pipeline
    def takes(seconds):
        began = clock()
        clock.advance(seconds)
        spent.append(clock() - began)

    for seconds in durations:
        takes(seconds)
    family = families(metrics)["meshkit_call_duration_seconds"]
    buckets = [
        (float(sample.labels["le"]), sample.value) for sample in family.samples if sample.name.endswith("_bucket")
    ]
    if not durations:
        assert buckets == []
        return
    assert buckets == [(bound, sum(each <= bound for each in spent)) for bound, _ in buckets]
    assert buckets[-1] == (math.inf, len(durations))
    [count] = [sample.value for sample in family.samples if sample.name.endswith("_count")]
    [total] = [sample.value for sample in family.samples if sample.name.endswith("_sum")]
    assert (count, total) == (len(durations), pytest.approx(sum(spent)))


def test_a_registry_has_it_beside_others():
    metrics = Metrics()
    pipeline = Pipeline(name="orders")
    metrics.watch(pipeline)
    pipeline.call(lambda: None)
    registry = CollectorRegistry()
    registry.register(collector(metrics))
    assert b'meshkit_attempts_total{cluster="",endpoint="",pipeline="orders"' in generate_latest(registry)
    restricted = registry.restricted_registry(["meshkit_attempts_total"])
    assert b"meshkit_call_duration" not in generate_latest(restricted)
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(collector(Metrics()))


# Over ASGI.

ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
"""As Prometheus 2.42 asks."""


async def test_the_app(metrics, anyio_backend):
    app = MetricsApp(metrics)
    plain = await ask(app, http("/metrics"))
    assert plain.status == 200
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert int(plain.headers["content-length"]) == len(plain.body)
    assert b"# HELP meshkit_attempts_total Attempts that were sent and have ended.\n" in plain.body
    open_form = await ask(app, http("/metrics", headers=[("accept", ACCEPT), ("accept-encoding", "gzip")]))
    assert open_form.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_form.headers["content-encoding"] == "gzip"
    assert gzip.decompress(open_form.body).endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("accepts", "packs"),
    [
        ("gzip", True),
        ("br;q=1, GZIP ; q=0.5", True),
        ("gzip;q=0", False),
        ("deflate, gzip ; q=0.000", False),
        ("gzip;q=0.001", True),
        ("identity", False),
        ("x-gzip;q=0, gzip", True),
        ("", False),
    ],
)
def test_who_wants_no_gzip_gets_none(accepts, packs):
    answer = asyncio.run(ask(MetricsApp(Metrics()), http("/metrics", headers=[("accept-encoding", accepts)])))
    assert (answer.headers.get("content-encoding") == "gzip") is packs
    assert (gzip.decompress(answer.body) if packs else answer.body).startswith(b"# HELP ")


async def test_what_else_is_asked_of_the_app(anyio_backend):
    app = MetricsApp(Metrics())
    head = await ask(app, http("/metrics", method="HEAD"))
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    post = await ask(app, http("/metrics", method="POST"))
    assert (post.status, post.headers["allow"]) == (405, "GET, HEAD")
    with pytest.raises(ValueError, match="not websocket"):
        await ask(app, websocket("/metrics"))
    with pytest.raises(ConfigError, match="give a Metrics"):
        MetricsApp(Pipeline())


def frameworks():
    fastapi = pytest.importorskip("fastapi")
    return [Starlette, lambda **options: fastapi.FastAPI(openapi_url=None, **options)]


@pytest.mark.parametrize("which", [0, 1], ids=["Starlette", "FastAPI"])
async def test_as_a_route_it_answers_at_once(which, anyio_backend):
    pipeline, metrics = Pipeline(name="front"), Metrics()
    metrics.watch(pipeline)
    app = frameworks()[which]()
    app.router.routes.append(Route("/metrics", MetricsApp(metrics)))
    app.add_middleware(MeshMiddleware, pipeline=pipeline)
    scraped = await ask(app, http("/metrics", headers=[("accept", ACCEPT)]))
    assert (scraped.status, scraped.body[-6:]) == (200, b"# EOF\n")
    assert (await ask(app, http("/metrics", method="HEAD"))).status == 200
    assert (await ask(app, http("/metrics", method="POST"))).status == 405
    assert sum(each["count"] for each in metrics.snapshot()["meshkit_call_duration_seconds"]["samples"]) == 3


def test_fastapi_has_a_method_for_such_a_route():
    app = pytest.importorskip("fastapi").FastAPI()
    app.add_route("/metrics", MetricsApp(Metrics()))
    assert asyncio.run(ask(app, http("/metrics"))).status == 200
    assert "/metrics" not in app.openapi()["paths"]


@pytest.mark.parametrize("root", ["", "/shop"])
@pytest.mark.parametrize("which", [0, 1], ids=["Starlette", "FastAPI"])
async def test_around_the_pipeline_a_scrape_is_no_request(which, root, anyio_backend):
    pipeline, metrics, graph = Pipeline(RateLimit("1/h", burst=1), name="front"), Metrics(), Graph()
    metrics.watch(pipeline)
    graph.watch(pipeline)
    app = frameworks()[which]()
    app.router.routes.append(Route("/orders", lambda request: Response()))
    app.add_middleware(MeshMiddleware, pipeline=pipeline)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    for _ in range(3):
        scraped = await ask(app, {**http(f"{root}/metrics"), "root_path": root})
        assert (scraped.status, scraped.body[:7]) == (200, b"# HELP ")
    assert graph.snapshot()["edges"] == metrics.snapshot()["meshkit_call_duration_seconds"]["samples"] == []
    assert (await ask(app, {**http(f"{root}/orders"), "root_path": root})).status == 200
    assert (await ask(app, {**http(f"{root}/metrics/"), "root_path": root})).status == 429


async def test_all_else_goes_to_the_app(anyio_backend):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    around = MetricsMiddleware(app, Metrics(), "/stats")
    for scope in (http("/metrics"), websocket("/stats"), {"type": "lifespan"}):
        await ask(around, scope)
    assert seen == ["http", "websocket", "lifespan"]
    assert (await ask(around, http("/stats"))).status == 200
    with pytest.raises(ConfigError, match="path='stats': give a path"):
        MetricsMiddleware(app, Metrics(), "stats")
    with pytest.raises(ConfigError, match="give a Metrics"):
        MetricsMiddleware(app, Pipeline())


def test_without_prometheus_client_it_says_what_to_install():
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import meshkit.observe.metrics.metrics\n"
        "try:\n    import meshkit.observe.prometheus\n"
        "except meshkit.ConfigError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert "pip install meshkit[prometheus]" in done.stdout


def test_metrics_alone_load_no_prometheus_client():
    code = (
        "import sys, meshkit.observe.metrics.metrics\n"
        "print([name for name in ('prometheus_client', 'asyncio', 'httpx', 'opentelemetry') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
