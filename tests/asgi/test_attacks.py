"""What can one client do to all the others? Nothing it does slowly, too often, too early or in too many words."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from meshkit import (
    AdaptiveConcurrency,
    CircuitBreaker,
    ConfigError,
    DeadlineExceeded,
    FaultInjection,
    LoadShed,
    Pipeline,
    RateLimit,
    Timeout,
    Verdict,
)
from meshkit.asgi import MeshMiddleware
from meshkit.asgi.client import Clients
from meshkit.call import Call
from meshkit.deadline import CURRENT, remaining
from meshkit.engine import survived
from meshkit.fact import hashable
from meshkit.testing import run, virtual_clock

from .stand_ins import GONE, LAST, MORE, START, Client, Clock, Probe, answering, ask, http, websocket

WORK = 0.5
"""Seconds that an app's own work takes."""
PART = {"type": "http.request", "body": b"a", "more_body": True}
REST = {"type": "http.request", "body": b"a", "more_body": False}


class Slow(Client):
    """A client that takes its time, by the virtual clock: so long for each part it gives, so long for each it takes."""

    def __init__(self, *script: dict[str, Any], gives: float = 0.0, takes: float = 0.0) -> None:
        super().__init__(*script)
        self.gives = gives
        self.takes = takes

    async def receive(self) -> dict[str, Any]:
        await anyio.sleep(self.gives)
        return await super().receive()

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await anyio.sleep(self.takes)
        await super().send(message)


async def shop(scope: Any, receive: Any, send: Any) -> None:
    """Reads the request, works for as long as the path says, answers in three parts with half as long in between."""
    work = float(scope["path"][1:])
    while (await receive()).get("more_body"):
        pass
    await anyio.sleep(work)
    await send(START)
    await send(MORE)
    await anyio.sleep(work / 2)
    await send(MORE)
    await send(LAST)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("parts", "takes", "work", "verdict"),
    [
        ([0.3] * 99, 0.0, 0.1, "ignored"),  # still at it when the deadline strikes
        ([0.3] * 3, 0.0, 0.2, "ignored"),  # just done with it
        ([2.0], 0.0, 0.0, "ignored"),  # a single part
        ([0.0], 0.6, 0.1, "ignored"),  # takes the answer slowly
        ([0.0], 0.3, 0.5, "ignored"),  # it is the app's turn just then
        ([0.0], 0.0, 3.0, "failure"),  # the app's own slowness
        ([0.09], 0.0, 3.0, "failure"),
        ([0.0], 0.0, 0.9, "failure"),  # within the answer
        ([0.2], 0.0, 0.1, "success"),
    ],
)
def test_whose_slowness_it_was(backend: str, parts: list[float], takes: float, work: float, verdict: str) -> None:
    async def main() -> list[str]:
        pipeline = Pipeline(Timeout(1.0), probe := Probe(), clock=virtual_clock)
        slow = Slow(*[PART] * (len(parts) - 1), REST, gives=parts[0], takes=takes)
        try:
            await MeshMiddleware(shop, pipeline)(http(f"/{work}"), slow.receive, slow.send)
        except DeadlineExceeded:
            assert slow.types[:1] == ["http.response.start"]
        assert pipeline.idle()
        return probe.verdicts

    assert run(main, backend=backend) == [verdict]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_slow_clients_open_no_breaker(backend: str) -> None:
    """Nor one further out, or further in; nor where a middleware stands between."""

    async def middleware(call: Any, call_next: Any) -> Any:
        return await call_next()

    async def main() -> None:
        outer = Pipeline(CircuitBreaker(failures=1), clock=virtual_clock)
        inner = Pipeline(CircuitBreaker(failures=1), Timeout(1.0), middleware, probe := Probe(), clock=virtual_clock)
        database = Pipeline(CircuitBreaker(failures=1), Timeout(60.0), clock=virtual_clock)

        async def asks(scope: Any, receive: Any, send: Any) -> None:
            while (await receive()).get("more_body"):
                pass
            try:
                await database.call(anyio.sleep, WORK)
            except TimeoutError:
                if scope["path"] == "/answers":
                    await answering(500)(scope, receive, send)
                    return
                raise
            await answering()(scope, receive, send)

        app = MeshMiddleware(asks, inner, translate=True, reserve=0.1)
        for path, guarded in (("/", MeshMiddleware(app, outer)), ("/answers", app)):
            for parts in (2, 9):
                client = Slow(*[PART] * (parts - 1), REST, gives=0.3)
                await guarded(http(path), client.receive, client.send)
                assert client.status == (500 if path == "/answers" and parts == 2 else 504)
            assert (await ask(guarded)).status == 200
        assert probe.verdicts == ["ignored", "ignored", "success"] * 2

    run(main, backend=backend)


def test_a_slow_reader_opens_no_breaker_further_out() -> None:
    """It sees no more of the deadline than an error that passes."""

    async def main() -> list[str]:
        outer = Pipeline(probe := Probe(), clock=virtual_clock)
        app = MeshMiddleware(MeshMiddleware(shop, Pipeline(Timeout(1.0), clock=virtual_clock)), outer)
        client = Slow(takes=0.3)
        with pytest.raises(DeadlineExceeded):
            await app(http(f"/{WORK}"), client.receive, client.send)
        return probe.verdicts

    assert run(main) == ["ignored"]


@pytest.mark.parametrize("rest", [REST, GONE])
def test_who_listens_for_the_clients_leave_does_not_wait_for_it(rest: dict[str, Any]) -> None:
    """Nothing more can come of the request: the time is the app's."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()
        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await anyio.sleep(WORK)
            await send({**START, "status": 200})
            await anyio.sleep_forever()

    async def main() -> tuple[list[str], list[float]]:
        pipeline = Pipeline(Timeout(1.0), probe := Probe(), clock=virtual_clock)
        client = Client(PART, rest)
        with pytest.raises(DeadlineExceeded):
            await MeshMiddleware(app, pipeline)(http(), client.receive, client.send)
        return probe.verdicts, probe.latencies

    assert run(main) == (["failure" if rest is REST else "ignored"], [pytest.approx(WORK)])


@pytest.mark.parametrize("fails", [False, True])
def test_the_time_it_takes_to_upload_is_no_latency(fails: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(WORK)
        if fails:
            while (await receive()).get("more_body"):
                pass
            raise LookupError
        await shop(scope, receive, send)

    async def middleware(call: Any, call_next: Any) -> Any:
        return await call_next()

    async def main() -> list[float]:
        first, second = Probe(), Probe()
        pipeline = Pipeline(first, middleware, second, clock=virtual_clock)
        client = Slow(PART, PART, REST, gives=3.0, takes=5.0)
        try:
            await MeshMiddleware(app, pipeline)(http("/0.25"), client.receive, client.send)
        except LookupError:
            assert fails
        return [*first.latencies, *second.latencies]

    assert run(main) == pytest.approx([WORK if fails else WORK + 0.25] * 2)


def test_what_an_app_gave_up_reading_is_the_clients_time_no_longer() -> None:
    """It asks in passing whether the client is still there, as Starlette's ``is_disconnected`` does."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with anyio.CancelScope() as scope_:
            scope_.cancel()
            await receive()
        await anyio.sleep_forever()

    async def main() -> list[str]:
        pipeline = Pipeline(Timeout(1.0), probe := Probe(), clock=virtual_clock)
        client = Slow(gives=60.0)
        await MeshMiddleware(app, pipeline)(http(), client.receive, client.send)
        return probe.verdicts

    assert run(main) == ["failure"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_reader_in_a_task_that_nothing_interrupts(anyio_backend: str) -> None:
    """As Django's: the deadline strikes in another task than the one that waits for the client."""
    behind: list[asyncio.Task[Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        behind.append(asyncio.ensure_future(receive() if scope["path"] == "/reads" else writes(send)))
        await asyncio.wait(behind)

    async def writes(send: Any) -> None:
        await send(START)

    async def never(message: Any = None) -> Any:
        await anyio.sleep_forever()

    pipeline = Pipeline(Timeout(0.01), probe := Probe())
    client = Client()
    await MeshMiddleware(app, pipeline)(http("/reads"), never, client.send)
    assert client.status == 504
    with pytest.raises(DeadlineExceeded):
        await MeshMiddleware(app, pipeline)(http("/writes"), client.receive, never)
    for task in behind:
        task.cancel()
    await asyncio.wait(behind)
    assert probe.verdicts == ["ignored"] * 2


def test_a_handshake_that_is_not_taken() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    async def never(message: Any = None) -> Any:
        await anyio.sleep_forever()

    async def main() -> list[str]:
        pipeline = Pipeline(Timeout(1.0), probe := Probe(), clock=virtual_clock)
        with pytest.raises(DeadlineExceeded):
            await MeshMiddleware(app, pipeline)(websocket(), never, never)
        return probe.verdicts

    assert run(main) == ["ignored"]


async def test_one_clients_limit_is_no_overload_for_the_others() -> None:
    outer = Pipeline(AdaptiveConcurrency(), CircuitBreaker(failures=3), probe := Probe())
    app = MeshMiddleware(MeshMiddleware(answering(), Pipeline(RateLimit("1/h", key="client"))), outer)
    for _ in range(5):
        client = await ask(app, http(client=("6.6.6.6", 1)))
    assert client.status == 429
    assert (await ask(app, http(client=("7.7.7.7", 1)))).status == 200
    assert probe.verdicts == ["success"] + ["ignored"] * 4 + ["success"]


# What a request leaves behind.


class Worker:
    """Begun by the first request, lives on: reads the deadline it inherited, and makes a call."""

    def __init__(self) -> None:
        self.calls = Pipeline(Timeout(60.0))
        self.go = asyncio.Event()
        self.task: asyncio.Task[Any] | None = None

    async def work(self) -> float | None:
        await self.go.wait()
        await self.calls.call(anyio.lowlevel.checkpoint)
        return remaining()

    def start(self) -> None:
        if self.task is None:
            self.task = asyncio.ensure_future(self.work())


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("path", ["/raises", "/hangs", "/answers"])
async def test_a_worker_does_not_inherit_a_deadline_for_ever(path: str, between: bool, anyio_backend: str) -> None:
    worker = Worker()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        worker.start()
        await anyio.lowlevel.checkpoint()
        if path == "/hangs":
            await anyio.sleep_forever()
        if path == "/raises":
            raise LookupError
        await answering()(scope, receive, send)

    async def middleware(call: Any, call_next: Any) -> Any:
        try:
            return await call_next()
        except LookupError:
            return await call_next()

    pipeline = Pipeline(Timeout(0.02), *([middleware] if between else []))
    try:
        await ask(MeshMiddleware(app, pipeline), http(headers=[("x-request-deadline-ms", "15")]))
    except LookupError:
        assert path == "/raises"
    until = anyio.current_time() + 0.03
    while anyio.current_time() < until:
        await anyio.lowlevel.checkpoint()
    worker.go.set()
    assert worker.task is not None
    assert await worker.task is None


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_a_worker_learns_later_is_learned(anyio_backend: str) -> None:
    """The stranger's deadline, under which its time-outs would be no failures, is over as well."""
    calls = Pipeline(breaker := CircuitBreaker(failures=1, name="database"), Timeout(0.01))
    go, behind = asyncio.Event(), []

    async def work() -> None:
        await go.wait()
        with pytest.raises(DeadlineExceeded):
            await calls.call(anyio.sleep_forever)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        behind.append(asyncio.ensure_future(work()))
        await anyio.sleep_forever()

    client = await ask(MeshMiddleware(app, Pipeline()), http(headers=[("x-request-deadline-ms", "5")]))
    assert client.status == 504
    go.set()
    await behind[0]
    assert calls.snapshot()[breaker.name]["state"] == "open"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_function_left_in_a_thread_is_to_stop(anyio_backend: str) -> None:
    """Nobody waits for it any more, and no cancellation reaches it."""
    ended, seen, done = threading.Event(), [], threading.Event()

    def works() -> None:
        ended.wait(10)
        seen.append(remaining())
        done.set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        worker = asyncio.ensure_future(asyncio.to_thread(works))
        await anyio.lowlevel.checkpoint()
        behind.append(worker)
        raise LookupError

    behind: list[asyncio.Future[Any]] = []
    with pytest.raises(LookupError):
        await ask(MeshMiddleware(app, Pipeline(Timeout(60.0))))
    ended.set()
    await behind[0]
    assert done.is_set()
    assert seen == [0.0]


def test_the_collector_may_close_a_request_anywhere() -> None:
    """In another context than the one it began in: no error is heard of, and nothing stays taken."""
    pipeline = Pipeline(Timeout(60.0), probe := Probe())

    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> asyncio.Task[Any]:
        scope = http(headers=[("x-request-deadline-ms", "9000")])
        client = Client()
        task = asyncio.ensure_future(MeshMiddleware(hangs, pipeline)(scope, client.receive, client.send))
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task

    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(main())
    loop.close()
    from meshkit.runtime import alarm

    alarm._loops.pop(loop, None)
    del task, loop
    gc.collect()
    assert probe.verdicts == ["ignored"]
    assert pipeline.idle()
    assert CURRENT.get() is None


# Judges.


def raises(exchange: Any, error: Any) -> Verdict:
    raise KeyError("what a judge looked for")


def nonsense(exchange: Any, error: Any) -> Any:
    return "yes"


@pytest.mark.parametrize("judge", [raises, nonsense])
async def test_no_answer_is_lost_to_a_judge(judge: Any) -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/raises":
            raise LookupError
        await answering(int(scope["path"][1:]))(scope, receive, send)

    guarded = MeshMiddleware(app, pipeline, judge=judge)
    before = survived[0]
    assert (await ask(guarded, http("/200"))).status == 200
    assert (await ask(guarded, http("/500"))).status == 500
    with pytest.raises(LookupError):
        await ask(guarded, http("/raises"))
    assert probe.verdicts == ["success", "failure", "failure"]
    assert survived[0] == before + 3
    assert isinstance(survived[1], KeyError if judge is raises else TypeError)


# Small things.


async def test_the_headers_of_a_denial_may_be_read_once_only() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        fields = (pair for pair in [(b"retry-after", b"1")])
        await send({"type": "websocket.http.response.start", "status": 503, "headers": fields})
        await send({"type": "websocket.http.response.body"})

    pipeline = Pipeline(probe := Probe())
    client = await ask(MeshMiddleware(app, pipeline), websocket())
    assert client.headers == {"retry-after": "1"}
    assert probe.verdicts == ["overloaded"]


def test_one_pipeline_once_around_an_app() -> None:
    pipeline = Pipeline(RateLimit("1/h"))
    once = MeshMiddleware(answering(), pipeline)
    twice = MeshMiddleware(once, Pipeline(RateLimit("1/h")))
    for app in (once, twice):
        with pytest.raises(ConfigError, match="each request would count twice"):
            MeshMiddleware(app, pipeline)


def test_a_state_that_is_none() -> None:
    door = MeshMiddleware(answering(), Pipeline())._door
    request = type("Request", (), {"scope": http(state=None)})()
    assert door.fact(Call(door, request, 0.0), "state:tenant") is None


PEER = "10.0.0.9"


@pytest.mark.parametrize(
    ("field", "value", "client"),
    [
        ("x-forwarded-for", "192.0.2.1" + ",10.0.0.1" * 99, "192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1" + ",10.0.0.1" * 100, PEER),
        ("x-forwarded-for", "192.0.2.1" + "," * 99, "192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1" + "," * 100, PEER),
        ("x-forwarded-for", "192.0.2.1" + "," * 60_000 + "192.0.2.2", "192.0.2.2"),
        ("x-forwarded-for", " " * 60_000, PEER),
        ("forwarded", "for=192.0.2.1" + ",for=10.0.0.1" * 99, "192.0.2.1"),
        ("forwarded", "for=192.0.2.1" + ",for=10.0.0.1" * 100, PEER),
        ("forwarded", "for=192.0.2.1" + ",for=10.0.0.1" * 5000 + ",for=192.0.2.2", "192.0.2.2"),
    ],
)
def test_the_longest_list_that_is_read(field: str, value: str, client: str) -> None:
    clients = Clients(["10.0.0.0/8"], field)
    assert clients.of({"client": (PEER, 1), "headers": [(field.encode(), value.encode())]}) == client


# Keys.


async def awaited(*arguments: Any) -> int:
    return 1


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (RateLimit, {"rate": "1/s", "key": awaited}),
        (RateLimit, {"rate": "1/s", "cost": awaited}),
        (LoadShed, {"limit": 10, "priority": awaited}),
        (LoadShed, {"signal": awaited}),
        (AdaptiveConcurrency, {"signal": awaited}),
        (FaultInjection, {"abort": 503, "expires": 60.0, "when": awaited}),
        (Pipeline(), {"judge": awaited}),
    ],
)
def test_what_nothing_awaits_is_refused(make: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a plain def"):
        make(**options)


async def test_a_key_that_is_new_for_each_call_is_refused() -> None:
    app = MeshMiddleware(answering(), Pipeline(RateLimit("1/h", key=lambda call: float("nan"))))
    with pytest.raises(ValueError, match="RateLimit: the key is nan, which equals nothing"):
        await ask(app)


def test_keys_are_bounded_in_size() -> None:
    short, long = "a" * 256, "a" * 257
    assert hashable("RateLimit", short) is short
    for value in (long, long.encode(), "\udcff" * 60_000, b"\xff" * 60_000):
        key = hashable("RateLimit", value)
        assert type(key) is type(value)
        assert len(key) < 100  # type: ignore[arg-type]
        assert hashable("RateLimit", value) == key
        assert hashable("RateLimit", value + value) != key  # type: ignore[operator]
    assert hashable("RateLimit", ("/", 7, None, long)) == ("/", 7, None, hashable("RateLimit", long))
    with pytest.raises(ValueError, match="equals nothing"):
        hashable("RateLimit", ("/", float("nan")))
    with pytest.raises(TypeError, match="the key is a list, which has no hash"):
        hashable("RateLimit", ("/", ["7"]))


async def test_the_disconnect_ends_the_request() -> None:
    """Whatever it was to bring yet: what the app waits for afterwards is not the client's doing."""
    pipeline = Pipeline(probe := Probe(), clock=(clock := Clock()))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == PART
        assert await receive() == GONE
        clock.now += 1.0
        await send(START)
        await send(LAST)

    await ask(MeshMiddleware(app, pipeline), http(), PART, GONE)
    assert probe.verdicts == ["success"]
    assert probe.latencies == [1.0]
