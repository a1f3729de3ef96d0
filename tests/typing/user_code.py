"""What a type checker must say of a user's code: checked by mypy in `make lint`, never run.

Each `assert_type` pins a public signature; each ``type: ignore`` a mistake that must be found, since an ignore that is
not needed is an error as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, assert_type

from meshkit import (
    AttemptEnded,
    AttemptTimedOut,
    Call,
    CircuitBreaker,
    CircuitOpen,
    Cluster,
    ConcurrencyLimit,
    ConcurrentBudget,
    ConfigError,
    Constant,
    DeadlineExceeded,
    Decorrelated,
    Endpoint,
    Exponential,
    Failure,
    LeastRequest,
    Limiter,
    MeshError,
    NoEndpoint,
    Overloaded,
    PeakEwma,
    Pipeline,
    RateLimit,
    RateLimited,
    Rejected,
    RejectedCall,
    Retry,
    RetryBudget,
    RoundRobin,
    Shared,
    StateChanged,
    TimedOut,
    Timeout,
    Verdict,
)
from meshkit.observe import (
    AccessLog,
    Graph,
    Journal,
    Log,
    Meters,
    Metrics,
    Record,
    Recorder,
    Tracing,
    explaining,
    last_call,
)
from meshkit.policy import CallNext, Middleware, Waiter
from meshkit.testing import ManualClock, VirtualLoop, check, run, virtual_clock

# Specs: what they take, what they are.

Timeout(2.0)
Timeout(seconds=2, name="whole call")
Timeout()  # type: ignore[call-arg]
Retry(on=ConnectionError)
Retry(on=(ConnectionError, 503, "5xx", range(500, 600)), attempts=5, budget=None)
Retry(on=lambda failure: failure.status == 409, backoff=Exponential(base=0.1, jitter="equal"))
Retry(ConnectionError, backoff=Constant(0.5), budget=RetryBudget(ratio=0.1))
Retry(ConnectionError, backoff=Decorrelated(cap=5.0), budget=ConcurrentBudget(floor=1))
Retry(on=3.5)  # type: ignore[arg-type]
Retry()  # type: ignore[call-arg]
RateLimit("100/s")
RateLimit(2.5, burst=5, key="user", cost=lambda call: 2.0, wait=1.0)
RateLimit("100/s", 5)  # type: ignore[call-arg]
ConcurrencyLimit(10, queue=5, wait=1.0, order="lifo", key=lambda call: call.request)
CircuitBreaker(failures=5, cooldown=10.0)
CircuitBreaker(failure_rate=0.5, window_calls=100, name="payments")
Cluster("payments", ["10.0.0.7:443", Endpoint("https://10.0.0.8", weight=2)], balancer=PeakEwma(decay=5.0))
Cluster("payments", ["10.0.0.7:443"], balancer=RoundRobin(), pipeline=Pipeline(CircuitBreaker()))
Cluster("payments", ["10.0.0.7:443"], balancer=LeastRequest(choices=3), pipeline=[CircuitBreaker()])
assert_type(Timeout(2.0).seconds, float)
assert_type(RateLimit("1/s").per_second, float)
assert_type(Endpoint("a:1").port, int)
assert_type(Endpoint("a:1").scheme, str | None)
Timeout(2.0).seconds = 3.0  # type: ignore[misc]

# A pipeline keeps the signature of what it decorates, in both colours.

pipeline = Pipeline(Timeout(2.0), Retry(on=ConnectionError), CircuitBreaker(), seed=7, clock=ManualClock())


@pipeline
async def charge(order: str, *, cents: int = 100) -> bytes:
    return order.encode() * cents


@pipeline
def charge_sync(order: str, *, cents: int = 100) -> bytes:
    return order.encode() * cents


def judge(result: Any, error: BaseException | None) -> Verdict:
    return Verdict.SUCCESS if error is None else Verdict.FAILURE


@pipeline(judge=judge)
async def judged(order: str) -> int:
    return len(order)


@pipeline(judge=lambda result, error: Verdict.OVERLOADED)
def judged_sync(order: str) -> int:
    return len(order)


@pipeline(judge=lambda result: Verdict.SUCCESS)  # type: ignore[misc, arg-type]
def misjudged(order: str) -> int:
    return len(order)


async def user() -> None:
    assert_type(await charge("an order", cents=5), bytes)
    assert_type(charge_sync("an order", cents=5), bytes)
    assert_type(await judged("an order"), int)
    assert_type(judged_sync("an order"), int)
    await charge(5)  # type: ignore[arg-type]
    charge_sync("an order", 5)  # type: ignore[call-arg]
    await judged()  # type: ignore[call-arg]


async def once() -> None:
    async def fetch(url: str, tries: int = 1) -> list[int]:
        return [len(url)] * tries

    def count(text: str) -> int:
        return len(text)

    assert_type(await pipeline.call(fetch, "url"), list[int])
    assert_type(await pipeline.call(fetch, "url", tries=2), list[int])
    assert_type(pipeline.call(count, "text"), int)
    assert_type(pipeline.call(lambda: "text"), str)
    pipeline.call(count, 5)  # type: ignore[arg-type]


# What else it can do.

assert_type(pipeline.idle(), bool)
assert_type(pipeline.explain(), str)
assert_type(pipeline.snapshot(), dict[str, dict[str, Any]])
assert_type(pipeline.failed_listeners, int)
pipeline.control("CircuitBreaker").isolate()
pipeline.control("CircuitBreaker").reset()
assert_type(pipeline.control("CircuitBreaker").snapshot(), dict[str, Any])


def listener(event: Any) -> None:
    match event:
        case AttemptEnded(at=at, attempt=attempt, verdict=verdict, latency=latency):
            assert_type(at, float)
            assert_type(attempt, int)
            assert_type(verdict, Verdict)
            assert_type(latency, float)
        case RejectedCall(policy=policy, reason=reason):
            assert_type(policy, str)
            assert_type(reason, Exception)
        case StateChanged(before=before, after=after):
            assert_type(before, str)
            assert_type(after, str)


stop = pipeline.listen(listener)
assert_type(stop, Callable[[], None])
pipeline.listen(lambda: None)  # type: ignore[misc, arg-type]
assert_type(pipeline.listen(listener, direct=True), Callable[[], None])
assert_type(pipeline.dropped_events, int)
assert_type(Pipeline(name="shop").name, str)


# Whatever listens.

recorder = Recorder(sample=0.01, slow=1.0, to=Journal("calls.jsonl").write)
assert_type(pipeline.listen(recorder), Callable[[], None])
assert_type(recorder.last, Record | None)
assert_type(last_call(), Record | None)
record = recorder.records[-1]
assert_type(record.text, str)
assert_type(record.summary, str)
assert_type(record.data(), dict[str, Any])
with explaining():
    pass
metrics = Metrics(endpoints=10)
assert_type(metrics.watch(pipeline, "shop"), Callable[[], None])
assert_type(Graph("shop").watch(pipeline), Callable[[], None])
assert_type(Meters(metrics).watch(pipeline), Callable[[], None])
pipeline.listen(Tracing())
pipeline.listen(Log(calls="all"))
pipeline.listen(AccessLog(print, format="json"))

# Middleware, and policies of one's own.


async def timing(call: Call, call_next: CallNext) -> Any:
    assert_type(call.attempt, int)
    assert_type(call.deadline, float | None)
    assert_type(call.failure, Failure | None)
    assert_type(call_next(), Awaitable[Any])
    return await call_next()


as_middleware: Middleware = timing
Pipeline(timing, Shared(RateLimit("100/s")))


class Doorman:
    """A gate that lets nobody in."""

    def enter(self, call: Call, now: float, /) -> None:
        raise Overloaded("closed", policy="doorman", retry_after=now + 1.0)

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        return None


class Line:
    """A gate with a queue."""

    exit = None

    def enter(self, call: Call, now: float, /) -> Waiter:
        return Waiter(call, until=now + 1.0)

    def leave(self, waiter: Waiter, /) -> None:
        assert_type(waiter.granted, bool)


class Spec:
    def start(self, rng: Random, /) -> Doorman:
        return Doorman()


Pipeline(Spec())
check(Spec, requests=[{"user": "ada"}], counts_rejections=True, examples=10)

# Errors: the tree, and what each tells.


def errors(error: BaseException) -> None:
    match error:
        case RateLimited() | CircuitOpen() | Overloaded() | NoEndpoint():
            assert_type(error.policy, str)
            assert_type(error.endpoint, object)
            assert_type(error.retry_after, float | None)
        case AttemptTimedOut() | DeadlineExceeded():
            assert_type(error.endpoint, object)
            assert_type(error.policy, str)
            as_timeout: TimeoutError = error
            as_timed_out: TimedOut = error
            print(as_timeout, as_timed_out)  # noqa: T201
        case ConfigError():
            as_value_error: ValueError = error
            as_mesh_error: MeshError = error
            print(as_value_error, as_mesh_error)  # noqa: T201


rejections: list[type[Rejected]] = [RateLimited, CircuitOpen, Overloaded, NoEndpoint]
not_a_rejection: type[Rejected] = TimedOut  # type: ignore[assignment]

# A limit by itself, and what tests need.


async def limited() -> None:
    limiter = Limiter(RateLimit("10/s"), clock=ManualClock(5.0))
    assert_type(limiter.allow("key", 2.0), bool)
    assert_type(limiter.remaining(), float)
    assert_type(await limiter.acquire(), None)
    assert_type(limiter.acquire_sync("key"), None)


async def main(text: str) -> int:
    return len(text)


assert_type(run(main, "text"), int)
assert_type(run(main, "text", backend="trio"), int)
assert_type(virtual_clock(), float)
assert_type(VirtualLoop().time(), float)
assert_type(ManualClock()(), float)
