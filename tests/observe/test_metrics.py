"""What is counted, of real calls: each metric, how many label sets there may be; and that threads lose no call."""

from __future__ import annotations

import gc
import math
import threading
import weakref
from contextlib import suppress
from types import SimpleNamespace

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Fallback,
    FaultInjection,
    Hedge,
    Pipeline,
    RateLimit,
    RateLimited,
    Rejected,
    RoundRobin,
    Shadow,
    Timeout,
    Verdict,
)
from meshkit.asgi import MeshMiddleware
from meshkit.call import Failure
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.observe.events import AttemptEnded, CallEnded, RejectedCall
from meshkit.observe.metrics import series
from meshkit.observe.metrics.exchanges import Exchanges
from meshkit.observe.metrics.metrics import CLIENT, FAMILIES, SERVER, Metrics
from meshkit.observe.metrics.series import OTHER, Family, Table
from meshkit.runtime.guard import guards
from meshkit.testing import ManualClock, run, virtual_clock

from ..asgi.stand_ins import LAST, START, ask, http, websocket
from ..scripted import retry

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED


def samples(metrics, name):
    return metrics.snapshot()[name]["samples"]


def counted(metrics, name, *labels):
    """The values of these labels to what was counted under them."""
    found = {}
    for sample in samples(metrics, name):
        key = tuple(sample["labels"][label] for label in labels)
        found[key if len(key) > 1 else key[0]] = sample["value"] if "value" in sample else sample["count"]
    return found


def watched(*policies, name="shop", **options):
    pipeline = Pipeline(*policies, name=name, seed=1, **options)
    metrics = Metrics()
    metrics.watch(pipeline)
    return pipeline, metrics


def attempt(verdict=SUCCESS, failure=None, number=1, **others):
    given = {"at": 1.0, "attempt": 1, "endpoint": None, "latency": 0.01, "duration": 0.02, "cluster": ""}
    return AttemptEnded(**{**given, "verdict": verdict, "failure": failure, "number": number, **others})


# Calls and attempts.


def test_calls_by_outcome_and_how_long_they_took():
    clock = ManualClock()
    pipeline, metrics = watched(clock=clock)

    @pipeline
    def takes(seconds, error=None):
        clock.advance(seconds)
        if error is not None:
            raise error

    for seconds in (0.25, 0.0625, 20.0):
        takes(seconds)
    with suppress(ValueError):
        takes(1.0, ValueError())
    with suppress(KeyboardInterrupt):
        takes(1.0, KeyboardInterrupt())

    assert counted(metrics, "meshkit_call_duration_seconds", "pipeline", "outcome") == {
        ("shop", "success"): 3,
        ("shop", "failure"): 1,
        ("shop", "cancelled"): 1,
    }
    shown = samples(metrics, "meshkit_call_duration_seconds")[0]
    assert shown["sum"] == 20.3125
    assert shown["buckets"] == {
        **dict.fromkeys((0.005, 0.01, 0.025, 0.05), 0),
        **dict.fromkeys((0.075, 0.1), 1),
        **dict.fromkeys((0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0), 2),
        math.inf: 3,
    }
    assert "exemplars" not in shown


def test_attempts_by_endpoint():
    pipeline, metrics = watched(retry(), cluster("10.0.0.7:80", "10.0.0.8:80"))

    @pipeline
    def ask(endpoint=None):
        if endpoint.port == 80 and str(endpoint).startswith("10.0.0.7"):
            raise ConnectionError
        return str(endpoint)

    assert {ask() for _ in range(4)} == {"10.0.0.8:80"}
    assert counted(metrics, "meshkit_attempts_total", "cluster", "endpoint", "verdict") == {
        ("stock", "10.0.0.7:80", "failure"): 4,
        ("stock", "10.0.0.8:80", "success"): 4,
    }
    assert counted(metrics, "meshkit_retries_total", "pipeline", "policy") == {("shop", "Retry"): 4}


def cluster(*endpoints, **options):
    return Cluster("stock", endpoints, balancer=RoundRobin(), pipeline=(), outliers=None, **options)


def failing():
    raise ConnectionError


def called(pipeline, fn=failing, times=1):
    for _ in range(times):
        with suppress(ConnectionError, Rejected):
            pipeline.call(fn)


def test_refusals_by_policy_and_error():
    pipeline, metrics = watched(CircuitBreaker(name="payments", failures=1))
    called(pipeline, times=3)
    assert counted(metrics, "meshkit_rejections_total", "policy", "error") == {("payments", "CircuitOpen"): 2}
    assert counted(metrics, "meshkit_state_changes_total", "policy", "before", "after") == {
        ("payments", "closed", "open"): 1
    }
    assert counted(metrics, "meshkit_call_duration_seconds", "outcome") == {"failure": 1, "rejected": 2}


def test_a_state_that_is_changed_by_hand_is_counted():
    pipeline, metrics = watched(CircuitBreaker(name="payments"))
    pipeline.control("payments").isolate()
    assert counted(metrics, "meshkit_state_changes_total", "before", "after") == {("closed", "isolated"): 1}


def test_why_a_retry_stopped():
    pipeline, metrics = watched(retry(attempts=2))
    called(pipeline)
    assert counted(metrics, "meshkit_retries_stopped_total", "policy", "reason") == {("Retry", "attempts"): 1}
    assert counted(metrics, "meshkit_retries_total", "policy") == {"Retry": 1}


def test_fallbacks_faults_and_trials():
    pipeline, metrics = watched(
        Fallback(value="something else", name="else"),
        Shadow(RateLimit("1/hour", burst=1, name="trial")),
        FaultInjection(expires=60.0, abort=ConnectionError, name="chaos"),
    )
    for _ in range(3):
        assert pipeline.call(lambda: "never") == "something else"
    assert counted(metrics, "meshkit_fallbacks_total", "policy") == {"else": 3}
    assert counted(metrics, "meshkit_faults_injected_total", "policy") == {"chaos": 3}
    assert counted(metrics, "meshkit_would_reject_total", "policy") == {"trial": 2}


def test_hedges():
    pipeline, metrics = watched(Hedge(0.1, budget=None), clock=virtual_clock)
    slow = [5.0, 0.2]

    @pipeline
    async def ask():
        await anyio.sleep(slow.pop(0))

    run(ask)
    assert counted(metrics, "meshkit_hedges_total", "policy") == {"Hedge": 1}
    assert counted(metrics, "meshkit_attempts_total", "verdict") == {"success": 1, "ignored": 1}
    assert counted(metrics, "meshkit_call_duration_seconds", "outcome") == {"success": 1}


# Exchanges.

HTTP = ("http_request_method", "http_response_status_code", "error_type")


def answers(*statuses):
    left = [*statuses]

    def answer(request):
        status = left.pop(0)
        if isinstance(status, int):
            return httpx.Response(status, text="body")
        raise status

    return httpx.MockTransport(answer)


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        ([200], {("GET", "200", ""): 1}),
        ([301], {("GET", "301", ""): 1}),
        ([404], {("GET", "404", "404"): 1}),
        ([503, 429, 200], {("GET", "503", "503"): 1, ("GET", "429", "429"): 1, ("GET", "200", ""): 1}),
        ([503, 503, 503], {("GET", "503", "503"): 3}),
        (
            [httpx.ConnectError("name.internal: no route"), httpx.ReadTimeout("late"), 200],
            {("GET", "", "ConnectError"): 1, ("GET", "", "ReadTimeout"): 1, ("GET", "200", ""): 1},
        ),
        ([httpx.LocalProtocolError("mistake")], {("GET", "", "LocalProtocolError"): 1}),
    ],
)
def test_each_attempt_of_a_client(statuses, found):
    pipeline, metrics = watched(retry(on=(429, 503, httpx.ConnectError, httpx.ReadTimeout)), Timeout(5.0))
    with httpx.Client(transport=MeshTransport(pipeline, answers(*statuses))) as client, suppress(httpx.HTTPError):
        client.get("https://shop.example/orders/17?token=secret")
    assert counted(metrics, CLIENT, *HTTP) == found
    [first, *_] = samples(metrics, CLIENT)
    assert {name: first["labels"][name] for name in ("server_address", "server_port", "url_scheme")} == {
        "server_address": "shop.example",
        "server_port": "443",
        "url_scheme": "https",
    }
    assert "secret" not in repr(metrics.snapshot())


async def test_an_async_client(anyio_backend):
    pipeline, metrics = watched()
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, answers(200, 500))) as client:
        await client.post("http://127.0.0.1:8080/")
        await client.request("BREW", "http://127.0.0.1:8080/")
    assert counted(metrics, CLIENT, *HTTP, "server_port") == {
        ("POST", "200", "", "8080"): 1,
        (OTHER, "500", "500", "8080"): 1,
    }


async def test_each_attempt_has_the_status_it_was_answered_with(anyio_backend):
    """Also where a middleware asks twice, and nothing of it is a failure."""

    async def asks_again(call, call_next):
        response = await call_next()
        if response.status_code == 401:
            await response.aclose()
            response = await call_next()
        return response

    pipeline, metrics = watched(asks_again)
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, answers(401, 200))) as client:
        assert (await client.get("http://shop.example/")).status_code == 200
    assert counted(metrics, CLIENT, *HTTP) == {("GET", "401", "401"): 1, ("GET", "200", ""): 1}


async def test_a_call_that_is_given_up_is_cancelled(anyio_backend):
    class Never(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            await anyio.sleep_forever()

    pipeline, metrics = watched()
    transport = AsyncMeshTransport(pipeline, Never())
    async with httpx.AsyncClient(transport=transport) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.get, "http://shop.example/")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert counted(metrics, CLIENT, *HTTP) == {("GET", "", "cancelled"): 1}


def test_a_body_that_breaks_off():
    class Broken(httpx.SyncByteStream):
        def __iter__(self):
            yield b"half"
            raise httpx.ReadError("reset")

    pipeline, metrics = watched()
    inner = httpx.MockTransport(lambda request: httpx.Response(200, stream=Broken()))
    with httpx.Client(transport=MeshTransport(pipeline, inner)) as client, suppress(httpx.ReadError):
        client.get("http://shop.example/")
    assert counted(metrics, CLIENT, *HTTP) == {("GET", "200", "ReadError"): 1}


async def test_a_client_whose_hedge_wins():
    metrics = Metrics()
    sent = Exchanges(*tables(metrics), metrics_note(metrics)).follow(None, call_of("client"))
    for event in (
        attempt(IGNORED, number=1),
        attempt(SUCCESS, number=2, status=200),
        CallEnded(2.0, 0.0, SUCCESS, 2, None),
    ):
        sent(event)
    assert counted(metrics, CLIENT, *HTTP) == {("GET", "200", ""): 1, ("GET", "", "cancelled"): 1}


@pytest.mark.parametrize(
    ("failure", "found"),
    [
        (Failure(httpx.InvalidURL("no such thing")), ("GET", "", "InvalidURL")),
        (Failure(status=418), ("GET", "418", "418")),
        (Failure(anyio.BrokenResourceError()), ("GET", "", "BrokenResourceError")),
        (Failure(KeyboardInterrupt()), ("GET", "", "cancelled")),
        (None, ("GET", "418", "418")),
    ],
)
def test_an_attempt_of_which_nothing_is_learnt(failure, found):
    metrics = Metrics()
    sent = Exchanges(*tables(metrics), metrics_note(metrics)).follow(None, call_of("client"))
    sent(attempt(IGNORED, status=418 if failure is None or failure.error is None else None))
    sent(CallEnded(2.0, 0.0, IGNORED, 1, failure))
    assert counted(metrics, CLIENT, *HTTP) == {found: 1}


def tables(metrics):
    return metrics._tally.tables[CLIENT], metrics._tally.tables[SERVER]


def metrics_note(metrics):
    return lambda table, key, seconds: metrics._tally.pending.append((table, key, seconds, None))


def call_of(kind):
    request = httpx.Request("GET", "http://shop.example/")
    return SimpleNamespace(door=SimpleNamespace(about=lambda call: {"kind": kind}), request=request)


SERVED = ("http_route", "http_response_status_code", "error_type")


def app(*, status=200, route=None, raises=None, half=False):
    async def answer(scope, receive, send):
        if route is not None:
            scope["route"] = SimpleNamespace(path=route)
        if half:
            await send({**START, "status": status})
        if raises is not None:
            raise raises
        if status is not None:
            await send({**START, "status": status})
            await send(LAST)

    return answer


@pytest.mark.parametrize(
    ("served", "found"),
    [
        ({"route": "/orders/{id}"}, ("/orders/{id}", "200", "")),
        ({"status": 404}, ("", "404", "")),
        ({"status": 503}, ("", "503", "503")),
        ({"raises": ValueError("of somebody")}, ("", "500", "ValueError")),
        ({"raises": RateLimited("further in")}, ("", "500", "RateLimited")),
        ({"raises": ValueError("of somebody"), "status": None}, ("", "500", "ValueError")),
        ({"status": None}, ("", "500", "500")),
        ({"raises": ValueError("half of it"), "half": True}, ("", "200", "ValueError")),
    ],
)
async def test_each_request_to_an_app(served, found, anyio_backend):
    pipeline, metrics = watched()
    middle = MeshMiddleware(app(**served), pipeline)
    with suppress(ValueError, RateLimited):
        await ask(middle, http("/orders/17"))
    gc.collect()  # on trio the exception lasts a little longer
    assert counted(metrics, SERVER, *SERVED) == {found: 1}
    [sample] = samples(metrics, SERVER)
    assert sample["labels"]["http_request_method"] == "GET"
    assert sample["labels"]["url_scheme"] == "http"


async def test_the_route_of_an_app_that_is_mounted(anyio_backend):
    pipeline, metrics = watched()
    shop = Starlette(routes=[Route("/orders/{id}", lambda request: Response())])
    app = Starlette(routes=[Mount("/shop/{tenant}", app=shop)])
    served = await ask(MeshMiddleware(app, pipeline), http("/shop/acme/orders/17"))
    assert served.status == 200
    assert counted(metrics, SERVER, *SERVED) == {("/shop/{tenant}/orders/{id}", "200", ""): 1}


async def test_a_request_that_is_refused(anyio_backend):
    pipeline, metrics = watched(RateLimit("1/hour", burst=1))
    middle = MeshMiddleware(app(), pipeline)
    assert [(await ask(middle)).status for _ in range(3)] == [200, 429, 429]
    assert counted(metrics, SERVER, *SERVED) == {("", "200", ""): 1, ("", "429", ""): 2}


async def test_an_error_of_ours_that_is_translated(anyio_backend):
    pipeline, metrics = watched()
    middle = MeshMiddleware(app(raises=RateLimited("further in")), pipeline, translate=True)
    status = (await ask(middle)).status
    assert counted(metrics, SERVER, *SERVED) == {("", str(status), str(status)): 1}


@pytest.mark.parametrize("raises", [None, ValueError("of somebody"), KeyboardInterrupt()])
async def test_nobody_is_answered_who_has_gone_nor_who_is_interrupted(raises, anyio_backend):
    async def notices(scope, receive, send):
        if not isinstance(raises, KeyboardInterrupt):
            await receive()
        if raises is not None:
            raise raises

    pipeline, metrics = watched()
    with suppress(ValueError, KeyboardInterrupt):
        await ask(MeshMiddleware(notices, pipeline), http(), {"type": "http.disconnect"})
    error = "ValueError" if isinstance(raises, ValueError) else "cancelled"
    assert counted(metrics, SERVER, *SERVED) == {("", "", error): 1}


@pytest.mark.parametrize("translate", [False, True])
async def test_an_error_from_further_in_is_counted_when_its_request_is_left(translate, anyio_backend):
    """And not when the collector comes across it: somebody may keep the call."""
    kept = []
    pipeline, metrics = watched()
    pipeline.listen(SimpleNamespace(follow=lambda pipeline, call: kept.append(call)))
    middle = MeshMiddleware(app(raises=RateLimited("further in")), pipeline, translate=translate)
    with suppress(RateLimited):
        await ask(middle)
    assert len(kept) == 1
    assert counted(metrics, SERVER, *SERVED) == {("", "503", "503") if translate else ("", "500", "RateLimited"): 1}


async def test_a_websocket_is_no_request(anyio_backend):
    async def accepts(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    pipeline, metrics = watched()
    await ask(MeshMiddleware(accepts, pipeline), websocket(), {"type": "websocket.connect"})
    assert counted(metrics, SERVER, *SERVED) == {}
    assert counted(metrics, "meshkit_call_duration_seconds", "outcome") == {"success": 1}


# Bounds.


def test_ten_thousand_endpoints_have_a_hundred_label_sets():
    metrics = Metrics(endpoints=100)
    listener, _ = listening(metrics)
    for number in range(10_000):
        listener(attempt(endpoint=f"10.0.{number // 250}.{number % 250}:80", cluster="stock"))
    found = counted(metrics, "meshkit_attempts_total", "endpoint")
    assert len(found) == 101
    assert found[OTHER] == 9_900
    listener(attempt(endpoint="10.0.0.0:80", cluster="stock"))
    listener(attempt(endpoint="10.0.0.0:80", cluster="another"))
    found = counted(metrics, "meshkit_attempts_total", "cluster", "endpoint")
    assert found["stock", "10.0.0.0:80"] == 2
    assert found["another", "10.0.0.0:80"] == 1
    assert all(len(table._seen) <= 2000 for table in metrics._tally.tables.values())


def listening(metrics):
    """What is told of each event of a pipeline that is watched, and who follows its calls."""
    pipeline = Pipeline(name="shop")
    metrics.watch(pipeline)
    return *pipeline.listeners, *pipeline.follows


def test_a_million_keys_have_one_label_set():
    metrics = Metrics()
    listener, _ = listening(metrics)
    for number in range(10_000):  # a hundredth of them: what is kept does not depend on it
        error = RateLimited("0 left", policy="tenants")
        error.key = f"tenant-{number}"
        listener(RejectedCall(1.0, "tenants", None, error))
    assert counted(metrics, "meshkit_rejections_total", "policy") == {"tenants": 10_000}
    assert len(metrics._tally.pending) < series.MANY


def test_hosts_and_routes_are_bounded():
    metrics = Metrics(endpoints=10, series=50)
    _, exchanges = listening(metrics)
    for number in range(1000):
        call = call_of("client")
        call.request = httpx.Request("GET", f"http://host-{number}.example/")
        exchanges.follow(None, call)(attempt(FAILURE, Failure(status=503)))
        exchanges.note(metrics._tally.tables[SERVER], ("GET", f"/route-{number}", 200, None, "http"), 0.1)
    hosts, routes = counted(metrics, CLIENT, "server_address"), counted(metrics, SERVER, "http_route")
    assert (len(hosts), hosts[OTHER]) == (11, 990)
    assert (len(routes), routes[OTHER]) == (46, 955)


texts = st.integers(0, 30).map(str)
labels = st.tuples(st.integers(0, 5).map(str), texts, st.integers(0, 3).map(str))


@given(st.lists(labels, max_size=300), st.integers(1, 8), st.integers(10, 40))
def test_there_are_never_more_label_sets_and_nothing_is_lost(keys, endpoints, most):
    family = Family("counter", "", ("pipeline", "endpoint", "verdict"), ("endpoint",), few=True)
    table = Table(family, endpoints=endpoints, series=most)
    for key in keys:
        table.row(key)[0] += 1
    assert len(table.rows) <= most
    assert sum(row[0] for row in table.rows.values()) == len(keys)
    named = {}
    for pipeline, endpoint, _ in table.rows:
        named.setdefault(pipeline, set()).add(endpoint)
    assert all(len(found - {OTHER}) <= endpoints for found in named.values())
    for key, row in table.rows.items():
        if OTHER not in key:
            assert row[0] <= keys.count(key)
    naive = {}
    for key in keys:
        naive[key] = naive.get(key, 0) + 1
    if len(naive) < most * 0.7 and all(len({e for p, e, _ in naive if p == each}) <= endpoints for each in "012345"):
        assert {key: row[0] for key, row in table.rows.items()} == naive


# Threads, and what strikes in between.


def test_eight_threads_lose_no_call():
    pipeline, metrics = watched(ConcurrencyLimit(100))
    together = threading.Barrier(8)

    @pipeline
    def nothing():
        return None

    def calls():
        together.wait()
        for _ in range(1500):
            nothing()

    threads = [threading.Thread(target=calls) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.snapshot()  # a scrape in the midst of it
        threads[0].join(0.001)
    for thread in threads:
        thread.join()
    assert counted(metrics, "meshkit_attempts_total", "verdict") == {"success": 12_000}
    [calls_seen] = samples(metrics, "meshkit_call_duration_seconds")
    assert calls_seen["count"] == calls_seen["buckets"][math.inf] == 12_000


def test_a_call_that_strikes_while_others_are_counted():
    metrics = Metrics()
    listener, _ = listening(metrics)
    tally = metrics._tally
    struck = []

    class Strikes:
        """A label that makes a call, as a ``__del__`` might."""

        def __hash__(self):
            if not struck:
                struck.append(True)
                listener(attempt())
                tally.settle()
            return 1

    table = tally.tables["meshkit_retries_total"]
    for _ in range(3):
        tally.pending.append((table, ("shop", Strikes()), None, None))
    metrics.snapshot()
    assert struck
    assert counted(metrics, "meshkit_attempts_total", "verdict") == {"success": 1}
    assert sum(counted(metrics, "meshkit_retries_total", "policy").values()) == 3


def test_a_child_process_waits_for_no_thread_that_was_left_behind():
    metrics = Metrics()
    assert {metrics._tally.lock, metrics._readings._lock} <= {*guards}


def test_a_scrape_holds_the_lock_for_one_label_set_at_a_time():
    """Who calls meanwhile waits for that one at most."""
    metrics = Metrics()
    tally = metrics._tally
    tables = tally.tables
    for number in range(50):
        tally.pending.append((tables[SERVER], ("GET", f"/route-{number}", 200, None, "http"), 0.1, None))
    tally.settle()
    copied = []

    class Row(series.Durations):
        __slots__ = ()

        def copy(self):
            copied.append(lock.taken)
            return super().copy()

    class Counting:
        taken = 0

        def __enter__(self):
            self.taken += 1

        def __exit__(self, *error):
            pass

    lock = tally.lock = Counting()
    tables[SERVER].rows.update({texts: Row() for texts in tables[SERVER].rows})
    metrics.snapshot()
    assert copied == [*range(copied[0], copied[0] + 50)]


def test_what_strikes_within_a_scrape_may_count_and_watch():
    metrics = Metrics()
    tally = metrics._tally
    listener, _ = listening(metrics)
    others = []

    class Strikes(series.Durations):
        """As a signal would, that comes while its label set is read."""

        __slots__ = ()

        def copy(self):
            listener(attempt(endpoint=f"10.0.0.{len(others)}:80", cluster="stock"))
            listener(CallEnded(2.0, 0.0, FAILURE, 1, None))
            tally.settle()
            others.append(Pipeline(name=f"pipeline-{len(others)}"))
            metrics.watch(others[-1])
            return super().copy()

    table = tally.tables["meshkit_call_duration_seconds"]
    for outcome in ("success", "timeout"):
        table.rows["shop", outcome] = Strikes()
    found = metrics.snapshot()["meshkit_call_duration_seconds"]["samples"]
    assert [sample["labels"]["outcome"] for sample in found] == ["success", "timeout"]
    assert counted(metrics, "meshkit_attempts_total", "endpoint")["10.0.0.1:80"] == 1


def test_labels_that_come_to_one_text_are_one_label_set():
    metrics = Metrics()
    pipelines = [Pipeline(CircuitBreaker(name="breaker"), name=name) for name in ("a\ud800", "a\ud801", "a?")]
    for pipeline in pipelines:
        metrics.watch(pipeline)
        called(pipeline, lambda: None)
    for name, found in metrics.snapshot().items():
        keys = [tuple(sample["labels"].values()) for sample in found["samples"]]
        assert len(keys) == len({*keys}), name
    assert counted(metrics, "meshkit_call_duration_seconds", "pipeline") == {"a?": 3}
    assert counted(metrics, "meshkit_breaker_state", "state")["closed"] == 3


def test_a_label_whose_text_cannot_be_had_is_counted_with_the_rest():
    metrics = Metrics()
    listener, _ = listening(metrics)
    for name in (Nameless(), [], "limit"):
        listener(RejectedCall(1.0, name, None, RateLimited("0 left")))
    assert counted(metrics, "meshkit_rejections_total", "policy") == {OTHER: 2, "limit": 1}
    assert not metrics._tally.pending


# Exemplars.


def exemplified(answer):
    clock = ManualClock()
    metrics = Metrics(exemplar=answer)
    pipeline = Pipeline(clock=clock)
    metrics.watch(pipeline)

    @pipeline
    def takes(seconds):
        clock.advance(seconds)

    return pipeline, metrics, takes


def test_the_last_exemplar_of_each_bucket():
    traces = iter(({"trace_id": "a"}, {"trace_id": "b"}, None, {"trace_id": "c"}))
    _, metrics, takes = exemplified(lambda: next(traces))
    for seconds in (0.25, 0.125, 0.1875, 40.0):
        takes(seconds)
    [sample] = samples(metrics, "meshkit_call_duration_seconds")
    found = {bound: (each["labels"], each["value"]) for bound, each in sample["exemplars"].items()}
    assert found == {0.25: ({"trace_id": "b"}, 0.125), math.inf: ({"trace_id": "c"}, 40.0)}
    assert all(each["at"] > 1e9 for each in sample["exemplars"].values())


@pytest.mark.parametrize("labels", [{"trace_id": "x" * 121}, {"trace-id": "a"}, {"": "a"}, {}])
def test_an_exemplar_that_cannot_be_written_is_left_out(labels):
    _, metrics, takes = exemplified(lambda: labels)
    takes(0.25)
    [sample] = samples(metrics, "meshkit_call_duration_seconds")
    assert sample["count"] == 1
    assert "exemplars" not in sample


def test_a_call_counts_also_where_its_exemplar_cannot_be_had():
    def fails():
        raise LookupError

    pipeline, metrics, takes = exemplified(fails)
    takes(0.25)
    assert counted(metrics, "meshkit_call_duration_seconds", "outcome") == {"success": 1}
    assert pipeline.failed_listeners == 1
    assert counted(metrics, "meshkit_listener_failures_total", "pipeline") == {"": 1}


class Nameless:
    def __str__(self):
        raise LookupError


@pytest.mark.parametrize("wrong", ["trace-1", 7, ["a"], {"trace_id": Nameless()}, {1: 2}], ids=range(5))
def test_a_wrong_exemplar_harms_no_scrape_and_nothing_piles_up(wrong):
    pipeline, metrics, takes = exemplified(lambda: wrong)
    for _ in range(3 * series.MANY):
        takes(0.25)
        assert len(metrics._tally.pending) <= 2 * series.MANY
    [sample] = samples(metrics, "meshkit_call_duration_seconds")
    assert sample["count"] == 3 * series.MANY
    assert "exemplars" not in sample
    assert pipeline.failed_listeners == (0 if wrong == {1: 2} else 3 * series.MANY)


# Watching.


def test_what_is_stopped_is_counted_no_more_and_what_was_stays():
    pipeline, metrics = watched()
    called(pipeline, lambda: None)
    stop = metrics.watch(Pipeline(name="another"))
    stop()
    stop()
    again = Metrics()
    stop = again.watch(pipeline, "renamed")
    called(pipeline, lambda: None)
    stop()
    called(pipeline, lambda: None)
    assert counted(metrics, "meshkit_call_duration_seconds", "pipeline") == {"shop": 3}
    assert counted(again, "meshkit_call_duration_seconds", "pipeline") == {"renamed": 1}
    assert len(pipeline.listeners) == len(pipeline.follows) == 1


def test_what_stops_it_stops_that_watch_only():
    pipeline, metrics = Pipeline(name="shop"), Metrics()
    stop = metrics.watch(pipeline)
    stop()
    metrics.watch(pipeline)
    stop()
    with pytest.raises(ConfigError, match="watched already"):
        metrics.watch(pipeline)
    called(pipeline, lambda: None)
    assert counted(metrics, "meshkit_call_duration_seconds", "pipeline") == {"shop": 1}


def test_a_pipeline_is_watched_once():
    pipeline, metrics = watched()
    with pytest.raises(ConfigError) as refused:
        metrics.watch(pipeline)
    said = "it is watched already, and each call would count twice: once is enough"
    assert str(refused.value) == f"Metrics: pipeline='shop': {said}"
    metrics = Metrics()
    metrics.watch(pipeline)()
    metrics.watch(pipeline)


def test_metrics_keep_no_pipeline_alive():
    pipeline, metrics = watched(RateLimit("10/s"))
    gone = weakref.ref(pipeline)
    del pipeline
    gc.collect()
    assert gone() is None
    assert counted(metrics, "meshkit_listener_failures_total", "pipeline") == {}


@pytest.mark.parametrize(
    "options",
    [{"endpoints": 0}, {"series": 9}, {"series": 1.5}, {"exemplar": 7}, {"exemplar": dict.fromkeys(())}],
)
def test_what_metrics_refuse(options):
    with pytest.raises(ConfigError, match="Metrics: "):
        Metrics(**options)


def test_what_cannot_be_watched():
    async def exemplar():
        return {}

    with pytest.raises(ConfigError, match="plain function"):
        Metrics(exemplar=exemplar)
    with pytest.raises(ConfigError, match="give a Pipeline"):
        Metrics().watch(RateLimit("10/s"))
    with pytest.raises(ConfigError, match="give a string"):
        Metrics().watch(Pipeline(), 7)


def test_every_family_says_what_it_is():
    for name, family in FAMILIES.items():
        assert family.help.endswith(".")
        assert set(family.unlisted) <= set(family.labels)
        assert name.endswith({"counter": "_total", "histogram": "_seconds"}[family.kind])


def test_a_pipeline_that_cannot_be_listened_to_is_not_watched() -> None:
    metrics, pipeline = Metrics(), Pipeline(name="shop")
    listen, calls = pipeline.listen, []

    def once_only(listener, **options):
        calls.append(listener)
        if len(calls) == 2:
            raise ZeroDivisionError
        return listen(listener, **options)

    pipeline.listen = once_only
    with pytest.raises(ZeroDivisionError):
        metrics.watch(pipeline)
    assert pipeline.follows == pipeline.listeners == ()
    metrics.watch(pipeline)()
