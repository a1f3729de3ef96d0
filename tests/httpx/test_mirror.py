"""Does a copy go, and does the call never notice? Copies that hang, fail, are refused, are late, are too many.

Nothing here waits for a while: an upstream answers when a test lets it, and a test waits for what has happened.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from meshkit import (
    CallEnded,
    CircuitBreaker,
    Cluster,
    ConfigError,
    Constant,
    Hedge,
    Pipeline,
    RateLimit,
    RateLimited,
    RejectedCall,
    Retry,
    Shared,
    Timeout,
    last_call,
)
from meshkit.deadline import ledger, opened, remaining
from meshkit.httpx import AsyncMeshTransport, MeshTransport, PoolTransport
from meshkit.observe import Recorder
from meshkit.observe.passing import PASSING
from meshkit.route.edit import RequestHeaders
from meshkit.route.match import Match
from meshkit.route.mirror import Mirror
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Branch, Split
from meshkit.runtime import copying
from meshkit.share import SingleFlight
from meshkit.successor import Successor

from .stand_ins import OK, Clock, Server

URL = "http://shop/x"
ROOT = Path(__file__).parents[2]
SOON = 5.0
"""Seconds after which something that should happen has not."""


class Upstream:
    """A transport of both colours. Requests to ``beta`` are copies: ``act`` answers them, once ``open`` is set."""

    def __init__(self, lib: ModuleType, act: Callable[[Any], Any] | None = None, *, hangs: bool = False) -> None:
        self.lib = lib
        self.act = act or (lambda request: lib.Response(200))
        self.answer: Callable[[Any], Any] = lambda request: lib.Response(200, content=b"yes")
        self.calls: list[Any] = []
        self.copies: list[Any] = []
        self.came = threading.Semaphore(0)
        """Released by each copy that a thread sends."""
        self.opened = threading.Event()
        self.open: Any = anyio.Event()
        self.hangs = hangs
        self.closed = 0

    def handle_request(self, request: Any) -> Any:
        if request.url.host != "beta":
            self.calls.append(request)
            return self.answer(request)
        self.copies.append(request)
        self.came.release()
        if self.hangs:
            assert self.opened.wait(SOON)
        return self.act(request)

    async def handle_async_request(self, request: Any) -> Any:
        if request.url.host != "beta":
            self.calls.append(request)
            await anyio.lowlevel.checkpoint()
            return self.answer(request)
        self.copies.append(request)
        if self.hangs:
            await self.open.wait()
        return self.act(request)

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self.close()


def beta(*policies: Any, **options: Any) -> Mirror:
    return Mirror([*policies, Cluster("beta", ["beta:80"])], **options)


def mirrored(*actions: Any, policies: Any = (), to: Any = None, seed: int = 1, clock: Any = monotonic) -> Pipeline:
    route = Route(Match(host="shop"), to or Cluster("shop", ["shop-1:80"]), policies=policies, actions=actions)
    return Pipeline(Router([route]), seed=seed, clock=clock)


def said(pipeline: Pipeline, name: str = "Mirror") -> dict[str, int]:
    """The counts of the one route's mirror that are not 0."""
    shown = pipeline.snapshot()["Router"]["shop/*"][name]
    return {what: count for what, count in shown.items() if count}


async def over(pipeline: Pipeline) -> None:
    """All copies have ended."""
    with anyio.fail_after(SOON):
        while not pipeline.idle():
            await anyio.lowlevel.checkpoint()


def all_over(transport: MeshTransport) -> None:
    """All copies that threads are at have ended."""
    transport.close()
    for thread in threading.enumerate():
        if thread.name == "meshkit-mirror":
            thread.join(SOON)
            assert not thread.is_alive()


# What is sent.


async def test_the_copy_is_what_the_route_makes_of_the_request(lib: ModuleType) -> None:
    upstream = Upstream(lib)
    edits = (Rewrite(prefix="/v2"), RequestHeaders(set={"x-from": "web"}, remove="x-secret"))
    route = Route(Match(prefix="/a"), Cluster("shop", ["shop-1:80"]), actions=[*edits, beta(methods="POST")])
    pipeline = Pipeline(Router([route]))
    told: list[str] = []

    async def trace(name: str, info: Any) -> None:
        told.append(name)

    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        answer = await client.post(
            "http://shop/a/b?c=d",
            content=b"body",
            headers={"x-secret": "s", "connection": "x-hop", "x-hop": "1"},
            extensions={"trace": trace, "sni_hostname": "shop.example"},
        )
        await over(pipeline)
    [call], [copy] = upstream.calls, upstream.copies
    assert answer.content == b"yes"
    assert (call.url.host, copy.url.host) == ("shop-1", "beta")
    assert copy.url.raw_path == call.url.raw_path == b"/v2/b?c=d"
    assert copy.stream is call.stream
    assert copy.headers["x-meshkit-mirror"] == "1"
    assert int(copy.headers["x-request-deadline-ms"]) <= 10_000
    ours = ("x-meshkit-mirror", "x-request-deadline-ms")
    assert [field for field in copy.headers.items() if field[0] not in ours] == [*call.headers.items()]
    assert copy.headers["host"] == "shop"
    assert (copy.headers["connection"], copy.headers["x-hop"], copy.headers["x-from"]) == ("x-hop", "1", "web")
    assert set(call.extensions) - set(copy.extensions) == {"trace"}


async def test_a_copy_may_go_under_another_host_and_without_a_mark(lib: ModuleType) -> None:
    upstream = Upstream(lib)
    pipeline = mirrored(beta(host="*-shadow", header=None), beta(host="beta.example", header="x-copy"))
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        await client.get(URL)
        await over(pipeline)
    [call] = upstream.calls
    first, second = sorted(upstream.copies, key=lambda copy: "x-copy" in copy.headers)
    assert call.headers["host"] == "shop"
    assert first.headers["host"] == "shop-shadow"
    assert "x-meshkit-mirror" not in first.headers
    assert (second.headers["host"], second.headers["x-copy"]) == ("beta.example", "1")
    assert said(pipeline) == said(pipeline, "Mirror 2") == {"sent": 1}


async def test_without_a_cluster_the_host_says_where(lib: ModuleType) -> None:
    upstream = Upstream(lib)
    pipeline = mirrored(Mirror(Timeout(1.0), host="beta"))
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        await client.get(URL)
        await over(pipeline)
    assert upstream.copies[0].headers["host"] == "beta"


async def test_what_the_caller_changes_later_is_not_in_the_copy(lib: ModuleType) -> None:
    upstream = Upstream(lib)

    async def at_once(request: Any) -> Any:
        if request.url.host == "beta":
            upstream.copies.append(request)
        return lib.Response(200)

    upstream.handle_async_request = at_once  # type: ignore[method-assign]  # of this one
    pipeline = mirrored(beta(header=None))
    transport = AsyncMeshTransport(pipeline, upstream)
    request = lib.Request("GET", URL, headers={"x-try": "1"})
    await transport.handle_async_request(request)
    assert upstream.copies == []
    request.headers["x-try"] = "2"
    await over(pipeline)
    assert upstream.copies[0].headers["x-try"] == "1"


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_which_requests(lib: ModuleType, asynchronous: bool) -> None:
    """Unsafe methods only where they are listed; bodies only that are there as a whole; no upgrade."""
    upstream = Upstream(lib)
    only_safe = Route(Match(path="/safe"), Cluster("a", ["shop-1:80"]), actions=[beta()])
    posted = Route(Match(path="/posted"), Cluster("b", ["shop-1:80"]), actions=[beta(methods="POST", max_bytes=4)])
    pipeline = Pipeline(Router([only_safe, posted, Route(to=Cluster("c", ["shop-1:80"]))]))

    async def several() -> Any:
        yield b"a"

    requests = [
        ("GET", "/safe", {}),
        ("OPTIONS", "/safe", {}),
        ("POST", "/safe", {}),
        ("DELETE", "/safe", {}),
        ("GET", "/safe", {"headers": {"connection": "upgrade", "upgrade": "websocket"}}),  # skipped
        ("GET", "/elsewhere", {}),
        ("POST", "/posted", {"content": b"four"}),
        ("POST", "/posted", {"content": b"five5"}),  # skipped
        ("POST", "/posted", {"content": several() if asynchronous else iter([b"a"])}),  # skipped
        ("POST", "/posted", {"files": {"f": b"a"}}),  # skipped: its files are read once more, at the same time
        ("GET", "/posted", {}),
    ]
    if asynchronous:
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
            for method, path, options in requests:
                await client.request(method, f"http://shop{path}", **options)
            await over(pipeline)
    else:
        transport = MeshTransport(pipeline, upstream)
        client = lib.Client(transport=transport)
        for method, path, options in requests:
            client.request(method, f"http://shop{path}", **options)
        assert all(upstream.came.acquire(timeout=SOON) for _ in range(3))
        client.close()
        all_over(transport)
    sent = [(copy.method, copy.url.path, b"".join(copy.stream)) for copy in upstream.copies]
    assert sorted(sent) == [("GET", "/safe", b""), ("OPTIONS", "/safe", b""), ("POST", "/posted", b"four")]
    assert len(upstream.calls) == len(requests)
    shown = pipeline.snapshot()["Router"]
    assert {name: shown[name]["Mirror"]["skipped"] for name in ("*/safe", "*/posted")} == {"*/safe": 1, "*/posted": 3}


async def test_once_for_a_call_however_many_attempts(lib: ModuleType) -> None:
    upstream = Upstream(lib)
    upstream.answer = lambda request: lib.Response(503 if len(upstream.calls) < 3 else 200)
    pipeline = mirrored(beta(), policies=[Retry("5xx", backoff=Constant(0.0), budget=None)])
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        assert (await client.get(URL)).status_code == 200
        await over(pipeline)
        assert (len(upstream.calls), len(upstream.copies)) == (3, 1)
        assert "x-envoy-attempt-count" not in upstream.copies[0].headers
        await client.get(URL)  # a call of its own
        await over(pipeline)
    assert (len(upstream.calls), len(upstream.copies)) == (4, 2)


@pytest.mark.parametrize("around", [True, False])
async def test_once_for_attempts_that_run_at_once(lib: ModuleType, around: bool) -> None:
    upstream = Upstream(lib)
    both = anyio.Event()

    async def racing(request: Any) -> Any:
        if request.url.host == "beta":
            return await Upstream.handle_async_request(upstream, request)
        upstream.calls.append(request)
        if len(upstream.calls) == 1:
            await both.wait()
        both.set()
        return lib.Response(200)

    upstream.handle_async_request = racing  # type: ignore[method-assign]  # of this one
    cluster = Cluster("shop", ["shop-1:80", "shop-2:80"])
    hedge = Hedge(0.001, budget=None)
    inside = Route(to=cluster, policies=() if around else [hedge], actions=[beta()])
    pipeline = Pipeline(*([hedge] if around else []), Router([inside]))
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        with anyio.fail_after(SOON):
            await client.get(URL)
        await over(pipeline)
    assert (len(upstream.calls), len(upstream.copies)) == (2, 1)


async def test_what_is_not_sent_is_not_copied(lib: ModuleType) -> None:
    """A policy refuses it; a middleware answers by itself; another call's answer is taken."""
    upstream = Upstream(lib)

    async def closed(call: Any, call_next: Any) -> Any:
        return lib.Response(401)

    routes = [
        Route(Match(path="/limited"), Cluster("a", ["shop-1:80"]), policies=[RateLimit("1/h")], actions=[beta()]),
        Route(Match(path="/closed"), Cluster("b", ["shop-1:80"]), policies=[closed], actions=[beta()]),
        Route(Match(path="/shared"), Cluster("c", ["shop-1:80"]), policies=[SingleFlight()], actions=[beta()]),
    ]
    pipeline = Pipeline(Router(routes))
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        await client.get("http://shop/limited")
        with pytest.raises(RateLimited):
            await client.get("http://shop/limited")
        assert (await client.get("http://shop/closed")).status_code == 401
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(client.get, "http://shop/shared")
        await over(pipeline)
    assert sorted(copy.url.path for copy in upstream.copies) == ["/limited", "/shared"]


async def test_a_branch_has_mirrors_of_its_own(lib: ModuleType) -> None:
    upstream = Upstream(lib)
    shop = Cluster("shop", ["shop-1:80"])
    split = Split(Branch(shop, name="old", actions=[beta()]), Branch(shop, name="new"))
    pipeline = mirrored(beta(header="x-route"), to=split)
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        for _ in range(40):
            await client.get(URL)
        await over(pipeline)
    given = pipeline.snapshot()["Split"]
    assert 0 < given["old"]["calls"] < 40
    assert given["old"]["Mirror"]["sent"] == given["old"]["calls"]
    assert len([copy for copy in upstream.copies if "x-route" in copy.headers]) == 40


async def test_the_share_is_seeded(lib: ModuleType) -> None:
    async def copied(seed: int) -> list[str]:
        upstream = Upstream(lib)
        pipeline = mirrored(beta(share=0.5), seed=seed)
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
            for number in range(32):
                await client.get(f"http://shop/{number}")
            await over(pipeline)
        return sorted(copy.url.path for copy in upstream.copies)

    first = await copied(1)
    assert 4 < len(first) < 28
    assert first == await copied(1)
    assert first != await copied(2)


# What becomes of it is nothing to the call.


async def test_a_copy_that_hangs_holds_nobody_up(lib: ModuleType) -> None:
    upstream = Upstream(lib, hangs=True)
    pipeline = mirrored(beta(limit=2))
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        for _ in range(5):
            assert (await client.get(URL)).content == b"yes"
        assert said(pipeline) == {"under_way": 2, "sent": 2, "dropped": 3}
        assert not pipeline.idle()
        upstream.open.set()
        await over(pipeline)
        await client.get(URL)
        await over(pipeline)
    assert said(pipeline) == {"sent": 3, "dropped": 3}
    assert len(upstream.calls) == 6


def test_a_copy_that_hangs_holds_no_thread_up(lib: ModuleType) -> None:
    """8 threads send copies; the others wait in the queue, which the limit bounds."""
    upstream = Upstream(lib, hangs=True)
    pipeline = mirrored(beta(limit=20))
    transport = MeshTransport(pipeline, upstream)
    client = lib.Client(transport=transport)
    for _ in range(25):
        assert client.get(URL).content == b"yes"
    assert all(upstream.came.acquire(timeout=SOON) for _ in range(copying.THREADS))
    assert len(upstream.copies) == copying.THREADS
    assert said(pipeline) == {"under_way": 20, "sent": 20, "dropped": 5}
    assert not pipeline.idle()
    upstream.opened.set()
    assert all(upstream.came.acquire(timeout=SOON) for _ in range(20 - copying.THREADS))
    client.close()
    all_over(transport)
    assert said(pipeline) == {"sent": 20, "dropped": 5}
    assert pipeline.idle()


def outcomes(lib: ModuleType) -> list[tuple[Any, int]]:
    """What a copy comes to, and whether that has failed."""

    def raises(error: BaseException) -> Callable[[Any], Any]:
        def act(request: Any) -> Any:
            raise error

        return act

    class Broken(lib.SyncByteStream, lib.AsyncByteStream):  # type: ignore[name-defined, misc]
        def __iter__(self) -> Any:
            yield b"a"
            raise lib.ReadError("gone")

        async def __aiter__(self) -> Any:
            yield b"a"
            raise lib.ReadError("gone")

    return [
        (raises(lib.ConnectError("refused")), 1),
        (raises(ZeroDivisionError()), 1),
        (raises(SystemExit(3)), 1),
        (lambda request: lib.Response(200, stream=Broken()), 1),
        (lambda request: None, 1),
        (lambda request: lib.Response(500), 0),
        (lambda request: lib.Response(302, headers={"location": "/"}), 0),
    ]


@pytest.mark.parametrize("outcome", range(7))
async def test_whatever_becomes_of_it(lib: ModuleType, outcome: int) -> None:
    act, failed = outcomes(lib)[outcome]
    upstream = Upstream(lib, act)
    pipeline = mirrored(beta())
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        assert (await client.get(URL)).content == b"yes"
        await over(pipeline)
    expected = {"sent": 1, **({"failed": 1} if failed else {})}
    assert said(pipeline) == expected

    upstream = Upstream(lib, act)
    pipeline = mirrored(beta())
    transport = MeshTransport(pipeline, upstream)
    assert lib.Client(transport=transport).get(URL).content == b"yes"
    assert upstream.came.acquire(timeout=SOON)
    all_over(transport)
    assert said(pipeline) == expected


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_not_even_that_ends_a_run(lib: ModuleType, anyio_backend: str) -> None:
    def act(request: Any) -> Any:
        raise KeyboardInterrupt  # a system task is never struck by Ctrl-C itself

    upstream = Upstream(lib, act)
    pipeline = mirrored(beta())
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        await client.get(URL)
        await over(pipeline)
    assert said(pipeline) == {"sent": 1, "failed": 1}


async def test_the_mirrors_own_policies_decide_of_copies_only(lib: ModuleType) -> None:
    upstream = Upstream(lib, lambda request: lib.Response(500))
    target = Pipeline(Retry("5xx", attempts=2, backoff=Constant(0.0), budget=None), CircuitBreaker(failures=3),
                      Cluster("beta", ["beta:80"]), name="to beta")  # fmt: skip
    pipeline = mirrored(Mirror(target))
    told: list[Any] = []
    ended: list[Any] = []
    target.listen(told.append, direct=True)
    pipeline.listen(lambda event: ended.append(event) if isinstance(event, CallEnded) else None, direct=True)
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        for _ in range(4):
            assert (await client.get(URL)).status_code == 200
            await over(pipeline)
    assert len(upstream.copies) == 3  # the breaker is open
    assert target.snapshot()["CircuitBreaker"]["state"] == "open"
    assert said(pipeline)["sent"] == 4
    assert sum(isinstance(event, CallEnded) for event in told) == 4
    assert len(ended) == 4
    assert target.idle()


async def test_a_cluster_may_be_shared_with_the_calls(lib: ModuleType) -> None:
    upstream = Upstream(lib)
    shared = Shared(Cluster("beta", ["beta:80"]))
    pipeline = mirrored(Mirror(shared), to=shared)
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        await client.get(URL)
        await over(pipeline)
    assert len(upstream.copies) == 2  # to that cluster: the call, and its copy
    assert pipeline.snapshot()["beta"]["beta:80"]["picks"] == 2


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_it_has_its_own_time(lib: ModuleType, asynchronous: bool) -> None:
    """Its end is a failure that the mirror's own breaker learns of."""
    clock: Any = monotonic if asynchronous else Clock()
    target = Pipeline(CircuitBreaker(failures=1), Cluster("beta", ["beta:80"]), clock=clock)
    pipeline = mirrored(Mirror(target, timeout=0.01), clock=clock)
    upstream = Upstream(lib, hangs=True)
    if asynchronous:
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
            await client.get(URL)
            await over(pipeline)
    else:

        def starved(request: Any) -> Any:
            timeout = request.extensions["timeout"]["read"]
            assert timeout <= 0.01
            clock.sleep(timeout)
            raise lib.ReadTimeout("nothing came")

        upstream = Upstream(lib, starved)
        transport = MeshTransport(pipeline, upstream)
        lib.Client(transport=transport).get(URL)
        assert upstream.came.acquire(timeout=SOON)
        all_over(transport)
    assert said(pipeline) == {"sent": 1, "failed": 1}
    assert target.snapshot()["CircuitBreaker"]["state"] == "open"
    assert target.idle()


def test_who_waits_for_a_thread_too_long_is_not_sent(lib: ModuleType) -> None:
    clock = Clock()
    pipeline = mirrored(beta(timeout=2.0), clock=clock)
    upstream = Upstream(lib, hangs=True)
    transport = MeshTransport(pipeline, upstream)
    client = lib.Client(transport=transport)
    for _ in range(copying.THREADS):
        client.get(URL)
    clock.now += 1.0
    for _ in range(3):
        client.get(URL)
    assert all(upstream.came.acquire(timeout=SOON) for _ in range(copying.THREADS))
    clock.now += 2.0
    upstream.opened.set()
    while said(pipeline).get("under_way"):
        threading.Event().wait(0.001)
    client.close()
    all_over(transport)
    assert len(upstream.copies) == copying.THREADS
    assert said(pipeline) == {"sent": copying.THREADS + 3, "failed": 3}


async def test_whoever_cancels_the_call_does_not_mean_the_copy(lib: ModuleType) -> None:
    upstream = Upstream(lib, hangs=True)
    stuck = anyio.Event()

    async def handle(request: Any) -> Any:
        if request.url.host != "beta":
            stuck.set()
            await anyio.sleep_forever()
        return await Upstream.handle_async_request(upstream, request)

    upstream.handle_async_request = handle  # type: ignore[method-assign]  # of this one
    pipeline = mirrored(beta())
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, URL)
            await stuck.wait()
            group.cancel_scope.cancel()
        assert not pipeline.idle()
        upstream.open.set()
        await over(pipeline)
    assert said(pipeline) == {"sent": 1}


async def test_cancelled_after_each_step(lib: ModuleType) -> None:
    for steps in range(30):
        upstream = Upstream(lib)
        pipeline = mirrored(beta())
        finished = False

        async def get(client: Any) -> None:
            nonlocal finished
            await client.get(URL)
            finished = True

        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(get, client)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
            await over(pipeline)
        assert said(pipeline).get("failed") is None
        assert len(upstream.copies) == said(pipeline).get("sent", 0)
        if finished:
            break
    else:
        pytest.fail("it takes more steps than that")
    assert len(upstream.copies) == 1


async def test_it_is_no_part_of_what_the_call_is_made_for(lib: ModuleType) -> None:
    """Neither the deadline of the work, nor its ledger, nor its record: but its trace."""
    seen: list[Any] = []

    def look(request: Any) -> Any:
        seen.append((remaining(), len(ledger()), last_call(), request.headers.get("traceparent")))
        return lib.Response(200)

    target = Pipeline(Cluster("beta", ["beta:80"]), name="copies")
    target.listen(Recorder())
    pipeline = mirrored(Mirror(target, timeout=60.0))
    pipeline.listen(Recorder())
    upstream = Upstream(lib, look)
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        token = PASSING.set(((b"traceparent", trace),))
        with opened(0.5):
            await client.get(URL)
            mine = last_call()
            await over(pipeline)
            assert last_call() is mine
            assert len(ledger()) == 1
        PASSING.reset(token)
    [(left, spent, record, traceparent)] = seen
    assert 1.0 < left <= 60.0
    assert (spent, record, traceparent) == (0, None, trace.decode())
    assert upstream.calls[0].headers["traceparent"] == trace.decode()


async def test_other_routes_bring_other_mirrors(lib: ModuleType) -> None:
    """A version that cannot be is none; a copy of the version before ends as it began."""
    upstream = Upstream(lib, hangs=True)
    shop = Cluster("shop", ["shop-1:80"])
    pipeline = Pipeline(Router([Route(to=shop)]))

    def becomes(*mirrors: Any) -> None:
        heir = Successor(pipeline, [Router([Route(Match(host="shop"), shop, actions=mirrors)])])
        heir.ready()
        heir.take_over()

    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        await client.get(URL)
        becomes(beta())
        await client.get(URL)
        assert said(pipeline) == {"under_way": 1, "sent": 1}
        with pytest.raises(ConfigError, match="copies would go where the request goes"):
            becomes(Mirror(Timeout(1.0)))
        await client.get(URL)
        assert said(pipeline) == {"under_way": 2, "sent": 2}
        becomes(beta(header="x-copy"))
        assert pipeline.idle()
        await client.get(URL)
        upstream.open.set()
        await over(pipeline)
        becomes()
        await client.get(URL)
        assert pipeline.snapshot()["Router"] == {"shop/*": {"to": "shop"}}
    assert len(upstream.calls) == 5
    assert sorted("x-copy" in copy.headers for copy in upstream.copies) == [False, False, True]


# Where its mirrors end.


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_closing_ends_what_is_under_way(lib: ModuleType, asynchronous: bool) -> None:
    calls, copies = Upstream(lib), Upstream(lib, hangs=True)
    pipeline = mirrored(beta())
    if asynchronous:
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, calls, mirrors=copies)) as client:
            await client.get(URL)
            with anyio.fail_after(SOON):
                while not copies.copies:
                    await anyio.lowlevel.checkpoint()
        assert pipeline.idle()
        assert said(pipeline) == {"sent": 1, "failed": 1}
    else:
        transport = MeshTransport(pipeline, calls, mirrors=copies)
        with lib.Client(transport=transport) as client:
            for _ in range(copying.THREADS + 2):
                client.get(URL)
            assert all(copies.came.acquire(timeout=SOON) for _ in range(copying.THREADS))
        assert said(pipeline) == {"under_way": copying.THREADS, "sent": copying.THREADS + 2, "failed": 2}
        copies.opened.set()
        all_over(transport)
        assert pipeline.idle()
    assert calls.copies == []
    assert copies.calls == []
    assert copies.closed >= 1
    assert calls.closed >= 1


async def test_copies_take_no_connection_from_the_calls(lib: ModuleType) -> None:
    """One connection for calls: a copy that has it would hold them up."""
    hung = threading.Event()
    with Server([OK, OK, OK]) as main, Server([(hung, OK)]) as mirror:
        route = Route(
            to=Cluster("shop", [f"127.0.0.1:{main.port}"]),
            actions=[Mirror(Cluster("beta", [f"127.0.0.1:{mirror.port}"]))],
        )
        pipeline = Pipeline(Router([route]))
        inner = PoolTransport(limits=lib.Limits(max_connections=1))
        async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, inner), timeout=SOON) as client:
            for _ in range(3):
                assert (await client.get(URL)).content == b"ok"
            assert not pipeline.idle()
            hung.set()
        assert pipeline.idle()
        assert main.connections == 1


def test_a_storm_of_threads(lib: ModuleType) -> None:
    upstream = Upstream(lib)
    pipeline = mirrored(beta(limit=50, share=0.8))
    transport = MeshTransport(pipeline, upstream)
    client = lib.Client(transport=transport)
    wrong: list[Any] = []

    def calls() -> None:
        try:
            for _ in range(50):
                assert client.get(URL).content == b"yes"
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=calls) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while said(pipeline).get("under_way"):
        threading.Event().wait(0.001)
    all_over(transport)
    assert wrong == []
    assert len(upstream.calls) == 400
    counts = said(pipeline)
    assert counts["sent"] == len(upstream.copies)
    assert 200 < counts["sent"] + counts.get("dropped", 0) < 400
    assert pipeline.idle()


END = """
import asyncio, sys, threading
import httpx, trio
from meshkit import Cluster, Pipeline
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.route.mirror import Mirror
from meshkit.route.route import Route
from meshkit.route.router import Router

class Hangs(httpx.AsyncBaseTransport, httpx.BaseTransport):
    def handle_request(self, request):
        if request.url.host == "beta":
            threading.Event().wait()
        return httpx.Response(200)
    async def handle_async_request(self, request):
        if request.url.host == "beta":
            await (trio.sleep_forever() if trio.lowlevel.in_trio_run() else asyncio.Event().wait())
        return httpx.Response(200)

def made():
    return Pipeline(Router([Route(to=Cluster("shop", ["shop:80"]), actions=[Mirror(Cluster("beta", ["beta:80"]))])]))

async def twice(pipeline, pause):
    transport = AsyncMeshTransport(pipeline, Hangs())
    await transport.handle_async_request(httpx.Request("GET", "http://a/"))
    await pause(0)
    await pause(0)
    await transport.handle_async_request(httpx.Request("GET", "http://a/"))  # whose copy has not begun

def shown(pipeline):
    mirror = pipeline.snapshot()["Router"]["*/*"]["Mirror"]
    return pipeline.idle(), mirror["sent"], mirror["failed"], mirror["under_way"]

asyncio.run(twice(pipeline := made(), asyncio.sleep))
print(shown(pipeline))
trio.run(twice, pipeline := made(), trio.sleep)
print(shown(pipeline))
loop = asyncio.new_event_loop()
loop.run_until_complete(twice(pipeline := made(), asyncio.sleep))
loop.close()
print(shown(pipeline))
del loop, pipeline
loop = asyncio.new_event_loop()
loop.run_until_complete(twice(left := made(), asyncio.sleep))
MeshTransport(made(), Hangs()).handle_request(httpx.Request("GET", "http://a/"))
loop.close()
"""


def test_neither_a_loop_nor_the_interpreter_waits_or_complains_at_its_end() -> None:
    """With a copy that hangs and one that has not begun: on a loop that cancels what it leaves, on one that does not,
    and in a thread.
    """
    command = [sys.executable, "-W", "error", "-c", END]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["(True, 2, 2, 0)", "(True, 2, 2, 0)", "(True, 2, 0, 0)"]


def test_where_no_thread_can_be_started(lib: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    upstream = Upstream(lib)
    pipeline = mirrored(beta())
    transport = MeshTransport(pipeline, upstream)
    client = lib.Client(transport=transport)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert client.get(URL).content == b"yes"
    assert said(pipeline) == {"sent": 1, "failed": 1}
    client.get(URL)
    assert upstream.came.acquire(timeout=SOON)
    client.close()
    all_over(transport)
    assert said(pipeline) == {"sent": 2, "failed": 1}
    assert len(upstream.copies) == 1


def test_a_child_process_begins_anew(lib: ModuleType) -> None:
    """What is done in the child after a fork, done here: what hangs is the parent's."""
    upstream = Upstream(lib, hangs=True)
    pipeline = mirrored(beta(limit=1))
    client = lib.Client(transport=MeshTransport(pipeline, upstream))
    client.get(URL)
    assert upstream.came.acquire(timeout=SOON)
    assert not pipeline.idle()
    copying.forked()
    assert pipeline.idle()
    client.get(URL)
    assert upstream.came.acquire(timeout=SOON)
    assert said(pipeline) == {"under_way": 1, "sent": 2}
    upstream.opened.set()
    client.close()
    for thread in threading.enumerate():
        if thread.name == "meshkit-mirror":
            thread.join(SOON)
    assert pipeline.idle()


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ([Route(actions=[Mirror(Timeout(1.0))])], "copies would go where the request goes"),
        ([Route(to=print, actions=[beta()])], "cannot be copied"),
        ([Route(actions=[Mirror([Retry("5xx"), RateLimit("1/s")])])], "copies would go"),
    ],
)
def test_what_cannot_be_mirrored(lib: ModuleType, routes: list[Route], said: str) -> None:
    for kind in (AsyncMeshTransport, MeshTransport):
        with pytest.raises(ConfigError, match=said):
            kind(Pipeline(Router(routes)), Upstream(lib))


def test_what_cannot_send_copies(lib: ModuleType) -> None:
    for kind in (AsyncMeshTransport, MeshTransport):
        with pytest.raises(ConfigError, match="mirrors=5: give a transport"):
            kind(mirrored(beta()), Upstream(lib), mirrors=5)
    with pytest.raises(ConfigError, match=r"mirrors=PoolTransport.*: give a transport"):
        MeshTransport(mirrored(beta()), Upstream(lib), mirrors=PoolTransport())


async def test_a_copy_that_is_refused_has_failed(lib: ModuleType) -> None:
    upstream = Upstream(lib)
    pipeline = mirrored(Mirror(target := Pipeline(Cluster("none", ["beta:80"], panic=0, pipeline=[RateLimit("1/h")]))))
    refused: list[Any] = []
    target.listen(lambda event: refused.append(event) if isinstance(event, RejectedCall) else None, direct=True)
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
        for _ in range(2):
            await client.get(URL)
            await over(pipeline)
    assert said(pipeline) == {"sent": 2, "failed": 1}
    assert [event.policy for event in refused] == ["RateLimit"]
