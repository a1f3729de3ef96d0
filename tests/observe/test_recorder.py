"""Which calls get a record, and where it goes."""

from __future__ import annotations

import gc
import threading
import traceback
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest

from meshkit import CircuitBreaker, CircuitOpen, Cluster, ConfigError, Pipeline, Retry, RoundRobin, Timeout, Verdict
from meshkit.asgi import MeshMiddleware
from meshkit.call import Call, Failure
from meshkit.deadline import Spent, opened
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.observe.events import AttemptBegan, AttemptEnded, CallEnded
from meshkit.observe.passing import PASSING
from meshkit.observe.record.record import Record
from meshkit.observe.record.recorder import ASKED, LAST, Recorder, explaining, last_call, server_timing
from meshkit.testing import ManualClock

CANARY = "hunter2-canary"
SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED


class Door:
    """What a recorder asks of a door."""

    def __init__(self, kind: str = "client") -> None:
        self.kind = kind
        self.asked = 0

    def about(self, call: Call) -> dict[str, Any]:
        self.asked += 1
        return {"kind": self.kind, "method": "GET", "path": "/stock"}


def tell(
    recorder: Recorder, failure: Failure | None = None, verdict: Verdict | None = None, seconds: float = 0.1
) -> Record | None:
    """One call, by hand; answers its record, kept or not."""
    verdict = verdict or (SUCCESS if failure is None else FAILURE)
    call = Call(Door(), None, 0.0)
    following = recorder.follow(Pipeline(name="orders", clock=ManualClock(seconds)), call)
    if following is None:
        return None
    following(AttemptBegan(0.0, 1, 1, None, ""))
    following(AttemptEnded(seconds, 1, None, verdict, seconds, seconds, failure, 1))
    following(CallEnded(seconds, 0.0, verdict, 1, failure))
    following.left()
    return following.record


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Each test begins in a context without a last call."""
    token = LAST.set(None)
    yield
    LAST.reset(token)


# Which.


def test_errors_and_nothing_else_by_default() -> None:
    recorder = Recorder()
    tell(recorder)
    assert (recorder.records, recorder.last) == ((), None)
    bad = tell(recorder, Failure(status=503))
    cancelled = tell(recorder, Failure(KeyboardInterrupt()), IGNORED)
    ignored = tell(recorder, None, IGNORED)
    assert recorder.records == (bad, cancelled, ignored)
    assert recorder.last is ignored
    assert {record.because for record in recorder.records} == {"error"}
    assert not bad.detailed  # type: ignore[union-attr]


def test_slow_ones() -> None:
    recorder = Recorder(errors=False, slow=0.5)
    tell(recorder, Failure(status=503))
    tell(recorder, seconds=0.49)
    record = tell(recorder, seconds=0.5)
    assert recorder.records == (record,)
    assert recorder.records[0].because == "slow"
    assert tell(Recorder(slow=0.5), Failure(status=503), seconds=0.6).because == "error"  # type: ignore[union-attr]


def test_all_of_them() -> None:
    recorder = Recorder(always=True)
    record = tell(recorder)
    assert recorder.records == (record,)
    assert (recorder.records[0].because, recorder.records[0].detailed) == ("always", True)


def test_those_asked_for() -> None:
    recorder = Recorder(errors=False)
    assert tell(recorder) is None
    with explaining():
        record = tell(recorder)
        assert tell(Recorder(errors=False, asked=False)) is None
    assert tell(recorder) is None
    assert not ASKED.get()
    assert recorder.records == (record,)
    assert (recorder.records[0].because, recorder.records[0].detailed) == ("asked", True)


def test_a_sample_by_a_seed() -> None:
    recorder = Recorder(sample=0.1, errors=False, seed=7, keep=1000)
    drawn = [tell(recorder) is not None for _ in range(1000)]
    again = Recorder(sample=0.1, errors=False, seed=7, keep=1000)
    assert drawn == [tell(again) is not None for _ in range(1000)]
    assert len(recorder.records) == sum(drawn)
    assert 60 <= sum(drawn) <= 140  # four standard deviations
    assert {(record.because, record.detailed) for record in recorder.records} == {("sampled", True)}


def test_the_others_are_not_looked_at() -> None:
    """What a call costs that is not drawn: a look at two options, and a draw."""
    door = Door()
    recorder = Recorder(sample=1e-12, errors=False, seed=1)
    assert recorder.follow(Pipeline(), Call(door, None, 0.0)) is None
    assert Recorder(errors=False, asked=False).follow(Pipeline(), Call(door, None, 0.0)) is None
    assert door.asked == 0


# Where to.


def test_the_last_few_stay() -> None:
    recorder = Recorder(always=True, keep=2)
    told = [tell(recorder) for _ in range(5)]
    assert recorder.records == tuple(told[-2:])
    none = Recorder(always=True, keep=0)
    tell(none)
    assert (none.records, none.last) == ((), None)


def test_they_are_handed_on() -> None:
    given: list[Record] = []
    recorder = Recorder(always=True, to=given.append)
    record = tell(recorder)
    tell(Recorder(to=given.append))  # a success, of which nothing is kept
    assert given == [record]
    assert given[0].complete
    assert recorder.failed == 0


def test_whoever_cannot_take_them_harms_no_call() -> None:
    def full(record: Record) -> None:
        raise OSError("no space")

    recorder = Recorder(always=True, to=full)
    assert [tell(recorder), tell(recorder)] == [*recorder.records]
    assert recorder.failed == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"sample": 1.5},
        {"sample": True},
        {"errors": 1},
        {"slow": -1.0},
        {"keep": -1},
        {"keep": 1.5},
        {"to": "stdout"},
        {"note": None},
        {"server_timing": 1},
        {"asked": "yes"},
        {"always": 1},
        {"seed": "a"},
        {"trace": {"trace_id": "1"}},
    ],
    ids=str,
)
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"Recorder: {next(iter(wrong))}"):
        Recorder(**wrong)


def test_options_are_checked_also_when_changed() -> None:
    async def later(record: Record) -> None: ...

    with pytest.raises(ConfigError, match="plain function"):
        Recorder(to=later)  # type: ignore[arg-type]
    recorder = Recorder()
    with pytest.raises(ConfigError, match="sample"):
        recorder.sample = 2.0
    recorder.sample = 1.0
    assert tell(recorder) is recorder.last


# Notes.


def refusing(error: Exception, recorder: Recorder) -> Callable[[], None]:
    pipeline = Pipeline(name="orders", clock=ManualClock())
    pipeline.listen(recorder)

    @pipeline
    def charge() -> None:
        raise error

    return charge


def ours(error: BaseException) -> list[str]:
    return [note for note in getattr(error, "__notes__", ()) if note.startswith("meshkit: ")]


def test_the_exception_says_why() -> None:
    error = ConnectionRefusedError(111, CANARY)
    charge = refusing(error, Recorder())
    for _ in range(3):  # the very object, raised again
        with pytest.raises(ConnectionRefusedError) as caught:
            charge()
        assert caught.value is error
    (note,) = ours(error)
    assert "charge" in note
    assert CANARY not in note
    assert note in "".join(traceback.format_exception(error))


def test_no_note_where_none_is_wanted() -> None:
    for recorder in (Recorder(note=False), Recorder(errors=False, slow=9.0)):
        error = ConnectionError()
        with pytest.raises(ConnectionError):
            refusing(error, recorder)()
        assert ours(error) == []


def test_no_note_on_what_is_no_error() -> None:
    stop = KeyboardInterrupt()
    record = tell(recorder := Recorder(), Failure(stop), IGNORED)
    assert recorder.last is record
    assert ours(stop) == []


class Stubborn(Exception):
    def add_note(self, note: str, /) -> None:
        raise TypeError("no notes")


def test_who_takes_no_notes_is_recorded_all_the_same() -> None:
    recorder = Recorder()
    with pytest.raises(Stubborn):
        refusing(Stubborn(), recorder)()
    assert len(recorder.records) == 1


# The last call.


def test_the_last_call_of_a_thread() -> None:
    assert last_call() is None
    pipeline = Pipeline(name="orders")
    pipeline.listen(recorder := Recorder(always=True))
    seen: dict[int, Any] = {}

    def work(number: int) -> None:
        before = last_call()
        pipeline.call(lambda: number)
        seen[number] = before, last_call()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert last_call() is None
    assert {before for before, _ in seen.values()} == {None}
    assert {id(after) for _, after in seen.values()} == {id(record) for record in recorder.records}
    pipeline.call(lambda: 1)
    assert last_call() is recorder.last is not None


async def test_the_last_call_of_a_task() -> None:
    pipeline = Pipeline(Timeout(5.0), name="orders")
    pipeline.listen(recorder := Recorder(always=True))
    after: list[Any] = []

    @pipeline
    async def charge() -> None:
        await anyio.lowlevel.checkpoint()

    async def work() -> None:
        await charge()
        after.append(last_call())

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(work)
    assert {id(record) for record in after} == {id(record) for record in recorder.records}
    assert len(recorder.records) == 3
    assert last_call() is None
    await charge()
    assert last_call() is recorder.last


async def test_the_last_call_that_failed() -> None:
    pipeline = Pipeline(CircuitBreaker(failures=1), name="orders")
    pipeline.listen(Recorder())

    @pipeline
    async def charge() -> None:
        raise ConnectionError(CANARY)

    with pytest.raises(ConnectionError):
        await charge()
    failed = last_call()
    assert failed is not None
    assert failed.outcome == "failure"
    with pytest.raises(CircuitOpen):
        await charge()
    refused = last_call()
    assert refused is not None
    assert (refused.outcome, refused.attempts) == ("rejected", 0)
    assert CANARY not in failed.json() + refused.json()


def test_records_are_read_while_others_are_made() -> None:
    recorder = Recorder(always=True, keep=50)
    ready, done = threading.Barrier(3), threading.Event()

    def work() -> None:
        ready.wait()
        for _ in range(200):
            tell(recorder)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait()
    while any(thread.is_alive() for thread in threads):
        assert all(record.complete for record in recorder.records)
        done.wait(0.0)
    assert len(recorder.records) == 50


# Through httpx.


def clients(pipeline: Pipeline, *statuses: int) -> Any:
    answers = iter(statuses)
    inner = httpx.MockTransport(lambda request: httpx.Response(next(answers), text="ok"))
    return httpx.Client(transport=MeshTransport(pipeline, inner))


def test_a_response_has_its_record() -> None:
    pipeline = Pipeline(Retry(on=(503,), attempts=2), name="orders", seed=1, clock=ManualClock())
    pipeline.listen(recorder := Recorder())
    with clients(pipeline, 200, 503, 503, 503, 200, 404) as client:
        assert "meshkit" not in client.get("http://orders/").extensions
        bad = client.get(f"http://orders/reset/bob@example.com?token={CANARY}")
        record = bad.extensions["meshkit"]
        assert record is last_call() is recorder.last
        assert (record.outcome, record.attempts, record.because) == ("failure", 2, "error")
        assert record.data()["call"]["path"] == "/reset/*"
        assert record.data()["failure"]["status"] == 503
        assert CANARY not in record.json() + record.text
        assert "meshkit" not in client.get("http://orders/").extensions  # repeated, and well
        with explaining():
            assert client.get("http://orders/").extensions["meshkit"].because == "asked"


def test_a_429_that_is_a_failure_has_one() -> None:
    pipeline = Pipeline(Retry(on=("5xx", 429), attempts=2), name="orders", seed=1, clock=ManualClock())
    pipeline.listen(recorder := Recorder())
    with clients(pipeline, 429, 429) as client:
        assert client.get("http://orders/").extensions["meshkit"] is recorder.last


@pytest.mark.parametrize("policies", [[], [Retry(on=503, attempts=2)]], ids=["none", "retry"])
def test_a_5xx_that_is_judged_a_success_has_none(policies: list[Any]) -> None:
    """What was answered counts, and not its status."""
    pipeline = Pipeline(*policies, name="orders", seed=1, clock=ManualClock())
    pipeline.listen(recorder := Recorder())
    answers = iter([503, 501] if policies else [501])
    inner = httpx.MockTransport(lambda request: httpx.Response(next(answers), content=iter([b"not yet"])))

    def judge(response: Any, error: Any) -> Verdict | None:
        return SUCCESS if response is not None and response.status_code == 501 else None

    with httpx.Client(transport=MeshTransport(pipeline, inner, judge=judge)) as client:
        response = client.get("http://orders/")
    assert response.status_code == 501
    assert "meshkit" not in response.extensions
    assert (recorder.records, last_call()) == ((), None)


async def test_a_5xx_of_an_app_that_is_judged_a_success_has_none() -> None:
    pipeline = Pipeline(name="front", clock=ManualClock())
    pipeline.listen(recorder := Recorder())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 501, "headers": []})
        await send({"type": "http.response.body", "body": b"not yet"})

    judged = MeshMiddleware(app, pipeline, judge=lambda exchange, error: SUCCESS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(judged), base_url="http://shop") as client:
        assert (await client.get("/")).status_code == 501
    assert (recorder.records, last_call()) == ((), None)
    assert (await served(pipeline, app)).status_code == 501
    assert [record.because for record in recorder.records] == ["error"]


@pytest.mark.parametrize("slow", [None, 0.5])
def test_a_success_that_fails_in_the_end_has_failed(slow: float | None) -> None:
    """It was slow when it was answered; then its body broke off."""
    clock = ManualClock()
    pipeline = Pipeline(name="orders", clock=clock)
    pipeline.listen(recorder := Recorder(slow=slow))

    def body() -> Iterator[bytes]:
        yield b"a"
        raise httpx.ReadError(CANARY)

    def answer(request: httpx.Request) -> httpx.Response:
        clock.advance(0.7)
        return httpx.Response(200, content=body())

    client = httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(answer)))
    with client, pytest.raises(httpx.ReadError):
        client.get("http://orders/")
    assert recorder.last is not None
    assert (recorder.last.outcome, recorder.last.because) == ("failure", "error")


async def test_a_stream_has_a_live_record() -> None:
    clock = ManualClock()
    pipeline = Pipeline(Cluster("orders", ["10.0.0.7:80"], balancer=RoundRobin()), name="orders", clock=clock)
    pipeline.listen(recorder := Recorder(always=True))

    async def body() -> AsyncIterator[bytes]:
        clock.advance(0.5)
        yield b"a"
        clock.advance(0.5)
        yield b"b"

    inner = httpx.MockTransport(lambda request: httpx.Response(200, content=body()))
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, inner)) as client:
        async with client.stream("GET", "http://orders/") as response:
            record = response.extensions["meshkit"]
            assert record is last_call()
            assert (record.complete, record.outcome, record.attempts) == (False, None, 1)
            data = record.data()
            assert "attempt-began" in [step["what"] for step in data["steps"]]
            assert "attempt-ended" not in [step["what"] for step in data["steps"]]
            assert recorder.records == ()
            assert "GET" in record.text
            assert await response.aread() == b"ab"
        assert (record.complete, record.outcome, record.duration) == (True, "success", 1.0)
        assert recorder.records == (record,)


async def test_a_slow_body_is_slow() -> None:
    clock = ManualClock()
    pipeline = Pipeline(name="orders", clock=clock)
    pipeline.listen(recorder := Recorder(slow=1.0))

    async def body() -> AsyncIterator[bytes]:
        clock.advance(1.5)
        yield b"a"

    inner = httpx.MockTransport(lambda request: httpx.Response(200, content=body()))
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, inner)) as client:
        async with client.stream("GET", "http://orders/") as response:
            assert "meshkit" not in response.extensions  # nobody knows it yet
            await response.aread()
        assert recorder.last is last_call()
        assert recorder.records[0].because == "slow"


# Through ASGI.


async def served(pipeline: Pipeline, app: Any, path: str = "/orders/17", **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(MeshMiddleware(app, pipeline), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return await client.get(path, **options)


def answering(status: int = 200) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Route", (), {"path": "/orders/{id}"})
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


async def test_a_server() -> None:
    pipeline = Pipeline(name="shop")
    pipeline.listen(recorder := Recorder())
    assert (await served(pipeline, answering())).status_code == 200
    assert recorder.records == ()
    bad = await served(pipeline, answering(500), "/orders/bob@example.com")
    assert "server-timing" not in bad.headers
    (record,) = recorder.records
    assert record.data()["call"] == {
        "kind": "server",
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/orders/*",
        "route": "/orders/{id}",
        "status": 500,
    }
    assert record.data()["ledger"] == []


async def test_the_ledger_and_the_times_of_a_server() -> None:
    clock = ManualClock()
    pipeline, below = Pipeline(Timeout(2.0), name="shop", clock=clock), Pipeline(Timeout(1.0), clock=clock)
    pipeline.listen(recorder := Recorder(always=True, server_timing=True))

    @below
    async def query() -> None:
        clock.advance(0.25)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await query()
        clock.advance(0.5)
        await answering()(scope, receive, send)
        await query()

    answer = await served(pipeline, app)
    name = "test_the_ledger_and_the_times_of_a_serve"
    assert answer.headers["server-timing"] == f"meshkit;dur=750.0, {name};dur=250.0"
    (record,) = recorder.records
    lines = record.data()["ledger"]
    first = {"at": 0.0, "seconds": 0.25, "attempts": 1, "verdict": "success", "depth": 0}
    assert {**lines[0], "who": ""} == {**first, "who": ""}
    assert len(lines) == 1  # the other was made when the answer was complete, and the call over
    assert record.data()["deadline"]["seconds"] == 2.0


async def test_times_are_told_though_nothing_is_recorded() -> None:
    clock = ManualClock()
    pipeline = Pipeline(name="shop", clock=clock)
    pipeline.listen(recorder := Recorder(errors=False, server_timing=True))
    assert (await served(pipeline, answering())).headers["server-timing"] == "meshkit;dur=0.0"
    assert recorder.records == ()


async def test_a_request_is_not_below_itself() -> None:
    """Neither with a deadline that came with it, nor within another call."""
    clock = ManualClock()
    pipeline, other = Pipeline(name="shop", clock=clock), Pipeline(clock=clock)
    pipeline.listen(recorder := Recorder(always=True, server_timing=True))

    async def query() -> None: ...

    async def asking(scope: Any, receive: Any, send: Any) -> None:
        await other(query)()
        await answering()(scope, receive, send)

    for app, below in ((answering(), 0), (asking, 1)):
        with opened(9.0, clock):
            answer = await served(pipeline, app, headers={"x-request-deadline-ms": "500"})
        assert answer.headers["server-timing"].count("dur=") == 1 + below
        assert recorder.last is not None
        assert [line["depth"] for line in recorder.last.data()["ledger"]] == [0] * below


# Which trace, and within what.


def test_the_trace_that_is_asked_for() -> None:
    answers: list[Any] = [{"trace_id": "a", "span\n": "b" * 300, "x": {}}, None, {"trace_id": "late"}, {}, None]
    recorder = Recorder(always=True, trace=lambda: answers.pop(0))
    traces = []
    for _ in range(3):
        record = tell(recorder)
        assert record is not None
        traces.append(record.data()["trace"])
    assert traces == [{"trace_id": "a", "span\\n": "b" * 197 + "...", "x": None}, {"trace_id": "late"}, None]
    tell(recorder)  # there is no answer left: it raises
    assert recorder.failed == 2
    assert len(recorder.records) == 4


def test_a_trace_that_passes_through() -> None:
    token = PASSING.set(((b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),))
    try:
        record = tell(Recorder(always=True))
    finally:
        PASSING.reset(token)
    assert record is not None
    assert record.data()["trace"] == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"}
    assert ", trace 4bf92f3577b34da6a3ce929d0e0e4736, " in record.text


@pytest.mark.parametrize("several", [False, True])
def test_a_call_knows_within_which_it_was_made(several: bool) -> None:
    clock = ManualClock()
    outer, inner, apart = (Pipeline(name=name, clock=clock) for name in ("outer", "inner", "apart"))
    one, two = Recorder(always=True), Recorder(always=True)
    for pipeline in (outer, inner):
        pipeline.listen(one)
        if several:
            pipeline.listen(two)

    @outer
    def buy() -> None:
        apart(inner(lambda: None))()  # one that nobody follows is between the two

    buy()
    for recorder in (one, two) if several else (one,):
        below, above = (record.data() for record in recorder.records)
        assert (below["pipeline"], above["pipeline"]) == ("inner", "outer")
        assert below["within"] == above["id"] != below["id"]
        assert above["within"] is None


def line(who: str, seconds: float = 0.0091, attempts: int = 1, verdict: str = "success") -> Spent:
    return Spent(who, 0.0, seconds, attempts, verdict)


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([], "meshkit;dur=12.3"),
        ([line("orders", attempts=2)], 'meshkit;dur=12.3, orders;dur=9.1;desc="2 attempts"'),
        ([line("orders", verdict="failure")], 'meshkit;dur=12.3, orders;dur=9.1;desc="failure"'),
        ([line("a b,c;d=\"e\"\r\nx: y")], "meshkit;dur=12.3, a_b_c_d_e_r_nx_y;dur=9.1"),
        ([line("GET /reset/bob@example.com")], "meshkit;dur=12.3, GET_reset_*;dur=9.1"),
        ([line("\u00fc")], "meshkit;dur=12.3, _;dur=9.1"),
        ([line("")], "meshkit;dur=12.3, _;dur=9.1"),
        ([line("x" * 99)], f"meshkit;dur=12.3, {'x' * 40};dur=9.1"),
        ([line("orders", verdict='\\"\r\n\u00fc')], 'meshkit;dur=12.3, orders;dur=9.1;desc="\\\\\\""'),
    ],
)  # fmt: skip
def test_the_field(lines: list[Spent], field: str) -> None:
    assert server_timing(0.0123, lines).decode("ascii") == field


def test_the_field_names_the_longest() -> None:
    lines = [line(f"c{k}", seconds=k / 1000) for k in range(20)]
    entries = server_timing(0.02, lines).decode().split(", ")
    assert [entry.partition(";")[0] for entry in entries] == ["meshkit", *(f"c{k}" for k in range(11, 20))]


# Whom it keeps.


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector: what is gone here was in no cycle."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Error(Exception):
    """One that can be seen to be gone."""


class Thing:
    """An argument that can be seen to be gone."""


def test_a_call_leaves_nothing_behind() -> None:
    pipeline = Pipeline(Retry(on=Error, attempts=2), name="orders", clock=ManualClock(), seed=1)
    pipeline.listen(recorder := Recorder(always=True))

    @pipeline
    def charge(thing: Thing) -> None:
        raise Error(CANARY)

    def failing() -> tuple[weakref.ref[Any], weakref.ref[Any]]:
        thing = Thing()
        try:
            charge(thing)
        except Error as error:
            return weakref.ref(thing), weakref.ref(error)
        raise AssertionError

    failing()
    with uncollected():
        thing, error = failing()
        assert thing() is None
        assert error() is None
        assert len(recorder.records) == 2


async def test_a_forgotten_answer_is_gone() -> None:
    """Its body, never read, ends the call as it is dropped."""
    pipeline = Pipeline(name="orders")
    pipeline.listen(recorder := Recorder(always=True))
    transport = AsyncMeshTransport(pipeline, httpx.MockTransport(lambda request: httpx.Response(200, stream=Body())))
    request = httpx.Request("GET", "http://orders/")
    with uncollected():
        answer = await transport.handle_async_request(request)
        record, gone = answer.extensions["meshkit"], weakref.ref(answer)
        assert not record.complete
        del answer
        assert gone() is None
        assert pipeline.idle()  # it has settled what was dropped
        assert record.complete
        assert recorder.records == (record,)


class Body(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"never asked for"
