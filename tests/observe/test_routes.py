"""Which route a call took is told: as an event, in its record, in lines, in metrics, on spans and in the graph."""

from __future__ import annotations

import gc
import json
import logging
import weakref

import anyio
import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from meshkit import (
    CircuitBreaker,
    Cluster,
    Constant,
    Fallback,
    Hedge,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    RoundRobin,
    Shared,
    Timeout,
)
from meshkit.asgi import MeshMiddleware
from meshkit.errors import NoRoute
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.observe.events import CallEnded, RejectedCall, Routed, StateChanged
from meshkit.observe.graph.graph import Graph
from meshkit.observe.log.access_log import AccessLog
from meshkit.observe.log.log import Log
from meshkit.observe.metrics.metrics import Metrics
from meshkit.observe.record.recorder import Recorder
from meshkit.observe.record.story import tell
from meshkit.observe.redact import cause
from meshkit.observe.trace.tracing import Tracing
from meshkit.route.answer import Redirect, Respond
from meshkit.route.match import Match
from meshkit.route.rollout import Rollout
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Branch, Split
from meshkit.successor import Successor
from meshkit.testing import ManualClock

from ..asgi.stand_ins import answering, ask, http

AGAIN = Retry(on="5xx", attempts=2, backoff=Constant(0.1), budget=None)


def shop(*outside, name="shop", clock=None, answer=None):
    """A pipeline with routes of all kinds, and a client that asks through it. ``/bad`` is answered with 500."""
    orders = Shared(Cluster("orders", ["http://a", "http://b"], balancer=RoundRobin(), pipeline=[CircuitBreaker()]))
    canary = Cluster("canary", ["http://c"])
    routes = [
        Route(
            Match(host="orders", prefix="/v2"), Split(Branch(orders, 0), Branch(canary)), policies=[AGAIN], name="v2"
        ),
        Route(Match(host="orders"), orders, policies=[Timeout(0.5)], name="orders"),
        Route(Match(host="limited"), orders, policies=[RateLimit("1/hour")], name="limited"),
        Route(Match(host="old"), Redirect(scheme="https"), name="old"),
        Route(Match(host="down"), Respond(503), name="down"),
        Route(Match(host="here"), lambda request: httpx.Response(201), policies=[AGAIN], name="here"),
        Route(Match(host="onwards"), name="onwards"),
    ]
    pipeline = Pipeline(*outside, Router(routes), name=name, clock=clock or ManualClock(), seed=1)
    answer = answer or (lambda request: httpx.Response(500 if request.url.path.endswith("/bad") else 200))
    return pipeline, httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(answer)))


def told(events, *kinds):
    return [event for event in events if isinstance(event, kinds)]


def refused(client, url):
    with pytest.raises(Rejected) as caught:
        client.get(url)
    return caught.value


# Events.


@pytest.mark.parametrize(
    ("url", "ways", "taken"),
    [
        ("http://orders/", [Routed(0.0, "Router", "orders", "route", "orders")], ("orders", "")),
        (
            "http://orders/v2/x",
            [Routed(0.0, "Router", "v2", "route", "Split"), Routed(0.0, "Split", "canary", "branch", "canary")],
            ("v2", "canary"),
        ),
        ("http://old/", [Routed(0.0, "Router", "old", "route", "Redirect", True)], ("old", "")),
        ("http://here/", [Routed(0.0, "Router", "here", "route", "Function", True)], ("here", "")),
        ("http://onwards/", [Routed(0.0, "Router", "onwards")], ("onwards", "")),
    ],
)
def test_the_route_is_told_and_the_end_of_the_call_says_it_too(url, ways, taken):
    pipeline, client = shop()
    events = []
    pipeline.listen(events.append, direct=True)
    client.get(url)
    assert told(events, Routed) == ways
    [ended] = told(events, CallEnded)
    assert (ended.route, ended.branch) == taken


def test_it_is_told_once_however_often_it_is_taken():
    pipeline, client = shop(AGAIN)
    events = []
    pipeline.listen(events.append, direct=True)
    assert client.get("http://orders/v2/bad").status_code == 500
    assert [event.attempts for event in told(events, CallEnded)] == [4]
    assert [event.route for event in told(events, Routed)] == ["v2", "canary"]


async def test_so_it_is_where_attempts_race():
    split = Split(Branch(Cluster("orders", ["http://a", "http://b"], balancer=RoundRobin()), name="canary"))
    pipeline = Pipeline(Hedge(0.001, budget=None), Router([Route(Match(host="orders"), split, name="v2")]))
    asked = []

    async def answer(request):
        asked.append(request)
        if len(asked) == 1:
            await anyio.sleep_forever()
        return httpx.Response(200)

    events = []
    pipeline.listen(events.append, direct=True)
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, httpx.MockTransport(answer))) as client:
        assert (await client.get("http://orders/")).status_code == 200
    assert len(asked) == 2
    assert [event.route for event in told(events, Routed)] == ["v2", "canary"]
    assert [(event.route, event.branch) for event in told(events, CallEnded)] == [("v2", "canary")]


def test_nothing_is_taken_where_no_route_is_for_it():
    pipeline, client = shop()
    events = []
    pipeline.listen(events.append, direct=True)
    refused(client, "http://nowhere/")
    assert [(event.policy, type(event.reason).__name__) for event in told(events, RejectedCall)] == [
        ("Router", "NoRoute")
    ]
    assert [(event.route, event.branch, event.outcome) for event in told(events, CallEnded)] == [("", "", "rejected")]


def test_a_choice_of_somebodys_own_that_cannot_say_it_harms_no_call():
    class Own:
        name, kind, titles, branches = "own", "route", ["one"], [[]]

        def start(self, rng):
            return self

        def fold(self, fold):
            self.section = fold([])

        def pick(self, call, now):
            return self.section

        def taken(self, call):
            raise KeyError("who knows")

    pipeline = Pipeline(Own())
    events = []
    pipeline.listen(events.append, direct=True)
    assert pipeline.call(lambda: "well") == "well"
    assert told(events, Routed) == []


def test_a_function_within_the_process_is_an_attempt_and_a_written_answer_is_none():
    pipeline, client = shop()
    events = []
    pipeline.listen(events.append, direct=True)
    for host, status in (("here", 201), ("old", 302), ("down", 503)):
        assert client.get(f"http://{host}/").status_code == status
    assert [(event.attempts, event.outcome) for event in told(events, CallEnded)] == [
        (1, "success"),
        (0, "success"),
        (0, "failure"),
    ]


def test_a_rollout_tells_of_its_steps_and_that_it_was_taken_back(caplog):
    main, canary = Cluster("main", ["http://a"]), Cluster("next", ["http://b"])
    rollout = Rollout(main, canary, steps=(0.5, 1.0), every=1.0, calls=2, minimum=2, max_error_rate=0.1)
    clock = ManualClock()
    pipeline = Pipeline(Router([Route(Match(host="x"), rollout, name="x")]), name="shop", clock=clock, seed=1)
    events = []
    pipeline.listen(events.append, direct=True)
    pipeline.listen(Log())
    answer = httpx.MockTransport(lambda request: httpx.Response(500 if request.url.host == "b" else 200))
    with httpx.Client(transport=MeshTransport(pipeline, answer)) as client, caplog.at_level(logging.INFO, "meshkit"):
        for _ in range(40):
            client.get("http://x/")
    changes = [(event.policy, event.endpoint, event.before, event.after) for event in told(events, StateChanged)]
    assert changes == [("Rollout", None, "step 1 (50%)", "rolled-back")]
    lines = [record for record in caplog.records if record.meshkit_event == "canary rolled back"]
    assert [(line.levelname, line.getMessage()) for line in lines] == [("WARNING", "shop, Rollout: canary rolled back")]


# Records.


def recorded(*outside, **options):
    recorder = Recorder(always=True)
    pipeline, client = shop(*outside, **options)
    pipeline.listen(recorder)
    return recorder, client


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://orders/x", "GET http://orders/x by route orders succeeded after 0 s on a:80."),
        ("http://orders/v2/x", "GET http://orders/v2/x by route v2, branch canary succeeded after 0 s on c:80."),
        ("http://old/x", "GET http://old/x by route old was answered by Redirect, within this process, after 0 s."),
        ("http://here/x", "GET http://here/x by route here was answered by Function, within this process, after 0 s."),
        ("http://onwards/x", "GET http://onwards/x by route onwards succeeded after 0 s."),
        (
            "http://down/x",
            "GET http://down/x by route down failed after 0 s: it was answered with status 503 by Respond, within this",
        ),
    ],
)
def test_a_record_says_by_which_route_it_went(url, says):
    recorder, client = recorded()
    client.get(url)
    assert recorder.last.text.splitlines()[0].startswith(says)
    assert tell(json.loads(recorder.last.json())) == recorder.last.text


def test_its_steps_say_what_was_taken_and_where_that_leads():
    recorder, client = recorded()
    client.get("http://orders/v2/x")
    client.get("http://old/")
    first, second = recorder.records
    data = first.data()
    assert (data["route"], data["branch"]) == ("v2", "canary")
    assert [step for step in data["steps"] if step["what"] == "routed"] == [
        {"at": 0.0, "what": "routed", "policy": "Router", "kind": "route", "route": "v2", "to": "Split"},
        {"at": 0.0, "what": "routed", "policy": "Split", "kind": "branch", "route": "canary", "to": "canary"},
    ]
    assert "Router takes route v2, to Split" in first.text
    assert "Split takes branch canary, to canary" in first.text
    assert "Router takes route old, where Redirect answers" in second.text
    assert "branch" not in second.data()


def test_a_record_is_as_before_where_there_is_no_router():
    recorder = Recorder(always=True)
    pipeline = Pipeline()
    pipeline.listen(recorder)
    pipeline.call(str)
    assert not {"route", "branch"} & recorder.last.data().keys()


def test_what_a_record_says_of_bounds_and_retries_is_of_its_own_route():
    recorder, client = recorded(Timeout(2.0))
    client.get("http://orders/bad")
    data = recorder.last.data()
    assert (data["deadline"]["seconds"], data["retries"]) == (0.5, False)
    assert "no retry was for this failure" not in recorder.last.text
    client.get("http://orders/v2/bad")
    data = recorder.last.data()
    assert (data["deadline"]["seconds"], data["retries"]) == (2.0, True)
    assert "The retry made no third: 2 attempts are all it makes." in recorder.last.text


def test_a_refusal_on_a_route_says_so():
    recorder, client = recorded()
    client.get("http://limited/")
    refused(client, "http://limited/")
    assert recorder.last.text.splitlines()[0].startswith(
        "GET http://limited/ by route limited was rejected after 0 s, and nothing was sent: the limit of its rate"
    )


def test_why_there_is_no_route_is_said_without_what_is_nobodys_business():
    recorder, client = recorded()
    assert "bob@example.com" in str(refused(client, "http://nowhere/reset/bob@example.com?token=hunter2"))
    line = recorder.last.text.splitlines()[0]
    assert line == (
        "GET http://nowhere/reset/* was rejected after 0 s, and nothing was sent: no route was for it "
        "(Router: no route for GET nowhere/reset/*)."
    )
    assert "bob" not in recorder.last.json()
    refused(client, "http://orders/%2e%2e/%2e%2e")
    assert "no route was for it (Router: the path is refused: a dot segment above the root)." in recorder.last.text


@pytest.mark.parametrize("host", ["evil\nforged: line", "a b", "x" * 200])
def test_a_host_that_is_none_is_not_repeated(host):
    error = NoRoute("no route for %s %s%s", "GET", host, "/a", policy="Router")
    assert cause(error)["says"] == "Router: no route for GET */a"


def test_a_fallback_to_another_way_says_the_last_one():
    spare = Split(Branch(Cluster("spare", ["http://c"]), name="only"), name="spares")
    recorder, client = recorded(Fallback([spare], on="5xx"), answer=lambda request: httpx.Response(
        200 if request.url.host == "c" else 500))  # fmt: skip
    assert client.get("http://orders/").status_code == 200
    assert (recorder.last.route, recorder.last.branch) == ("orders", "only")
    assert "spares takes branch only, to spare" in recorder.last.text


# Lines.


def test_a_line_of_the_log_says_it_and_has_it_as_fields(caplog):
    pipeline, client = shop()
    pipeline.listen(Log())
    with caplog.at_level(logging.INFO, "meshkit"):
        client.get("http://orders/v2/bad")
        client.get("http://orders/bad")
        refused(client, "http://nowhere/")
    first, second, third = caplog.records
    assert first.getMessage() == (
        "shop: GET http://orders/v2/bad by route v2, branch canary failed after 2 attempts in 0.1 s: status 500"
    )
    assert (first.meshkit_route, first.meshkit_branch) == ("v2", "canary")
    assert (second.meshkit_route, hasattr(second, "meshkit_branch")) == ("orders", False)
    assert (third.meshkit_policy, hasattr(third, "meshkit_route")) == ("Router", False)


def test_a_route_that_fails_does_not_silence_another(caplog):
    pipeline, client = shop()
    pipeline.listen(Log(burst=1, every=1000.0))
    with caplog.at_level(logging.INFO, "meshkit"):
        for path in ("/bad", "/bad", "/v2/bad", "/v2/bad"):
            client.get(f"http://orders{path}")
    assert [record.meshkit_route for record in caplog.records] == ["orders", "v2"]


def test_a_line_for_each_request_that_is_sent_has_it():
    lines = []
    pipeline, client = shop()
    pipeline.listen(AccessLog(lines.append, format="json"))
    pipeline.listen(AccessLog(lines.append, format="common"))
    client.get("http://orders/v2/x")
    refused(client, "http://nowhere/")
    first, common, second, _ = lines
    assert {name: value for name, value in json.loads(first).items() if name.startswith("meshkit_")} == {
        "meshkit_route": "v2",
        "meshkit_branch": "canary",
    }
    assert "canary" not in common
    assert not [name for name in json.loads(second) if name.startswith("meshkit_")]


async def test_so_has_one_for_each_that_is_served_beside_the_frameworks_own():
    lines = []
    pipeline = Pipeline(Router([Route(Match(prefix="/v2"), name="v2")], default=Route(name="onwards")))
    pipeline.listen(AccessLog(lines.append, format="json"))
    app = MeshMiddleware(answering(), pipeline)
    await ask(app, http("/v2/x"))
    await ask(app, http("/x"))
    known = [json.loads(line) for line in lines]
    assert [(line["meshkit_route"], line["route"]) for line in known] == [("v2", None), ("onwards", None)]


# Metrics.


def rows(metrics, name):
    return [tuple(sample["labels"].values()) for sample in metrics.snapshot()[name]["samples"]]


def test_how_long_calls_take_by_route_and_branch():
    metrics = Metrics()
    pipeline, client = shop()
    metrics.watch(pipeline)
    for url in ("http://orders/v2/x", "http://orders/v2/x", "http://orders/v2/bad", "http://orders/", "http://old/"):
        client.get(url)
    refused(client, "http://nowhere/")
    found = metrics.snapshot()["meshkit_route_duration_seconds"]["samples"]
    assert {tuple(sample["labels"].values()): sample["count"] for sample in found} == {
        ("shop", "v2", "canary", "success"): 2,
        ("shop", "v2", "canary", "failure"): 1,
        ("shop", "orders", "", "success"): 1,
        ("shop", "old", "", "success"): 1,
    }
    assert sum(sample["count"] for sample in metrics.snapshot()["meshkit_call_duration_seconds"]["samples"]) == 6
    assert rows(metrics, "meshkit_rejections_total") == [("shop", "Router", "NoRoute")]


def test_series_are_as_before_where_there_is_no_router():
    metrics = Metrics()
    pipeline = Pipeline(Cluster("c", ["a:1"]), name="plain")
    metrics.watch(pipeline)
    pipeline.call(lambda endpoint=None: 1)
    assert rows(metrics, "meshkit_route_duration_seconds") == []
    assert rows(metrics, "meshkit_call_duration_seconds") == [("plain", "success")]
    assert rows(metrics, "meshkit_attempts_total") == [("plain", "c", "a:1", "success")]


def test_ten_thousand_routes_are_no_more_series_than_there_is_room_for():
    metrics = Metrics(series=50)
    pipeline = Pipeline(Router([Route(Match(host=f"h{n}"), Respond(200)) for n in range(200)]), name="shop")
    metrics.watch(pipeline)
    with httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(lambda request: None))) as client:
        for n in range(200):
            client.get(f"http://h{n}/")
    found = metrics.snapshot()["meshkit_route_duration_seconds"]["samples"]
    assert len(found) <= 50
    assert sum(sample["count"] for sample in found) == 200
    assert {"pipeline": "shop", "route": "_OTHER", "branch": "_OTHER", "outcome": "success"} in [
        sample["labels"] for sample in found
    ]


def test_gauges_read_what_is_below_routers_once():
    metrics = Metrics()
    pipeline, client = shop()
    metrics.watch(pipeline)
    client.get("http://orders/")
    endpoints = metrics.snapshot()["meshkit_cluster_endpoints"]["samples"]
    up = {sample["labels"]["cluster"]: sample["value"] for sample in endpoints if sample["labels"]["state"] == "up"}
    assert up == {"orders": 2, "canary": 1}
    breakers = metrics.snapshot()["meshkit_breaker_state"]["samples"]
    assert {sample["labels"]["state"]: sample["value"] for sample in breakers}["closed"] == 2


# Spans.


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def test_the_span_of_an_attempt_has_route_and_branch(spans):
    provider, exporter = spans
    pipeline, client = shop()
    pipeline.listen(Tracing(tracer_provider=provider))
    client.get("http://orders/v2/x")
    client.get("http://onwards/")
    first, second = exporter.get_finished_spans()
    assert (first.attributes["meshkit.route"], first.attributes["meshkit.branch"]) == ("v2", "canary")
    assert first.attributes["meshkit.cluster"] == "canary"
    assert (second.attributes["meshkit.route"], "meshkit.branch" in second.attributes) == ("onwards", False)
    assert not {"http.route", "url.template"} & first.attributes.keys()


async def test_the_span_of_a_request_has_it(spans):
    provider, exporter = spans
    pipeline = Pipeline(
        Router([Route(Match(prefix="/v2"), name="v2"), Route(Match(path="/no"), Respond(404), name="no")])
    )
    pipeline.listen(Tracing(tracer_provider=provider))
    app = MeshMiddleware(answering(), pipeline)
    for path in ("/v2/x", "/no", "/nowhere"):
        await ask(app, http(path))
    first, second, third = exporter.get_finished_spans()
    assert [each.attributes.get("meshkit.route") for each in (first, second, third)] == ["v2", "no", None]
    assert third.attributes["http.response.status_code"] == 404
    assert [event.name for event in third.events] == ["meshkit.rejected"]
    assert "http.route" not in first.attributes


# Who calls whom.


def edges(graph):
    return {(edge["from"], edge["to"]) for edge in graph.snapshot()["edges"]}


def test_the_graph_sees_clusters_below_routers():
    graph = Graph("web")
    pipeline, client = shop()
    graph.watch(pipeline)
    for url in ("http://orders/", "http://orders/v2/x", "http://old/", "http://onwards/"):
        client.get(url)
    assert edges(graph) == {
        ("service:web", "cluster:orders"),
        ("cluster:orders", "endpoint:orders/a:80"),
        ("service:web", "cluster:canary"),
        ("cluster:canary", "endpoint:canary/c:80"),
        ("service:web", "host:old"),
        ("service:web", "host:onwards"),
    }


def test_a_call_that_was_refused_on_its_route_is_for_the_cluster_it_leads_to():
    graph = Graph("web")
    pipeline, client = shop()
    graph.watch(pipeline)
    client.get("http://limited/")
    refused(client, "http://limited/")
    refused(client, "http://nowhere/")
    picture = graph.snapshot()["edges"]
    shares = {(edge["from"], edge["to"]): edge["rejected_share"] for edge in picture}
    assert shares["service:web", "cluster:orders"] == 0.5
    assert shares["service:web", "host:nowhere"] == 1.0


async def test_a_split_in_front_of_a_function_leads_to_its_clusters():
    split = Split(Branch(Cluster("one", ["http://a"])), Branch(Cluster("two", ["http://b"]), 0))
    graph, pipeline = Graph("web"), Pipeline(split)
    graph.watch(pipeline)
    pipeline.call(lambda endpoint=None: 1)
    assert edges(graph) == {("service:web", "cluster:one"), ("cluster:one", "endpoint:one/a:80")}


def test_the_graph_sees_that_a_pipeline_has_come_by_other_routes():
    graph, clock = Graph("web"), ManualClock()
    pipeline = Pipeline(Cluster("before", ["http://a"]), clock=clock)
    graph.watch(pipeline)
    client = httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(lambda request: httpx.Response(200))))
    client.get("http://x/")
    successor = Successor(pipeline, [Router([Route(Match(host="x"), Cluster("after", ["http://b"]), name="x")])])
    successor.ready()
    successor.take_over()
    client.get("http://x/")
    client.get("http://x/")
    assert ("service:web", "cluster:after") in edges(graph)
    refused(client, "http://nowhere/")
    assert ("service:web", "host:nowhere") in edges(graph)


def test_a_record_keeps_no_policies_that_have_made_room_for_others():
    """A cluster that is kept goes on asking its endpoints whether they are well."""
    recorder = Recorder(always=True)
    pipeline = Pipeline(Router([Route(Match(host="x"), Cluster("before", ["http://a"]), name="x")]), name="shop")
    pipeline.listen(recorder)
    client = httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(lambda request: httpx.Response(500))))
    client.get("http://x/")
    before = weakref.ref(pipeline.states[0].branches[0][0])
    successor = Successor(pipeline, [Retry(on="5xx")])
    successor.take_over()
    del successor
    gc.collect()
    assert before() is None
    assert recorder.last.text.startswith("GET http://x/ by route x failed")
    del pipeline, client
    gc.collect()
    assert recorder.last.data()["retries"] is False
