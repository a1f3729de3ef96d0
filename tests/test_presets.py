"""Do the presets do what they are for, with the numbers they promise, and is every part of them to be had otherwise?"""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
from typing import Any

import attrs
import httpx
import pytest

from meshkit import (
    Call,
    CircuitBreaker,
    CircuitOpen,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Endpoint,
    Hedge,
    LoadShed,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    RoundRobin,
    Shared,
    TimedOut,
    Timeout,
    presets,
)
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.limit.adaptive import AdaptiveConcurrency
from meshkit.limit.pace import Pace
from meshkit.testing import ManualClock, Upstream, after, answer, assert_attempts, hang, run, virtual_clock

both = pytest.mark.virtual_time("asyncio", "trio")
PRESETS = [presets.standard, presets.hedged, presets.llm, presets.server]
TWO = ["10.0.0.7:80", "10.0.0.8:80"]


def told(policies: tuple[Any, ...]) -> list[str]:
    """Policies by name and the numbers that matter, a cluster's own behind it."""
    found = []
    for each in policies:
        match each:
            case Timeout(seconds=seconds):
                found.append(f"timeout {seconds:g}")
            case ConcurrencyLimit(limit=limit, queue=queue, wait=wait):
                found.append(f"concurrency {limit}+{queue} {wait}")
            case Retry(attempts=attempts):
                found.append(f"retry {attempts}")
            case CircuitBreaker(name=name):
                found.append(f"breaker of {name}")
            case RateLimit(rate=rate, name=name):
                found.append(f"{name} {rate}")
            case Cluster(name=name):
                found += [f"cluster {name}", *(f"  {line}" for line in told(each.pipeline))]
            case _:
                found.append(type(each).__name__)
    return found


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        (
            presets.standard(),
            ["concurrency 100+900 5.0", "timeout 30", "retry 4", "breaker of upstream", "timeout 10"],
        ),
        (
            presets.standard(TWO, name="shop", rate_limit=RateLimit("50/s")),
            [
                "RateLimit 50/s",
                "concurrency 100+900 5.0",
                "timeout 30",
                "retry 4",
                "cluster shop",
                "  breaker of shop",
                "  timeout 10",
            ],
        ),
        (
            presets.hedged(TWO),
            [
                "timeout 30",
                "Hedge",
                "retry 2",
                "cluster upstream",
                "  concurrency 100+0 None",
                "  breaker of upstream",
                "  timeout 10",
            ],
        ),
        (
            presets.hedged(),
            ["timeout 30", "Hedge", "retry 2", "concurrency 100+0 None", "breaker of upstream", "timeout 10"],
        ),
        (
            presets.llm(requests="500/min", tokens="30000/min"),
            [
                "timeout 600",
                "concurrency 100+900 None",
                "retry 3",
                "breaker of upstream",
                "requests 500/min",
                "tokens 30000/min",
                "Pace",
            ],
        ),
        (
            presets.llm(TWO, name="model"),
            ["timeout 600", "concurrency 100+900 None", "retry 3", "cluster model", "  breaker of model", "  Pace"],
        ),
        (presets.server(), ["timeout 30", "RateLimit 100/s", "LoadShed", "AdaptiveConcurrency"]),
    ],
)
def test_what_stands_where(pipeline: Pipeline, expected: list[str]) -> None:
    assert told(pipeline.specs) == expected
    assert "warning" not in pipeline.explain()
    assert pipeline.idle()


def test_the_breaker_is_that_of_the_standard_handler_and_opens_on_five_in_a_row() -> None:
    breaker = presets.standard().specs[3]
    assert breaker == CircuitBreaker(
        name="upstream", failure_rate=0.1, window_seconds=30.0, minimum=100, failures=5, cooldown=5.0
    )
    assert presets.llm().specs[3] == attrs.evolve(breaker, overloaded="ignored")
    assert presets.hedged().specs[1] == Hedge(2.0, percentile=0.95)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_part_can_be_left_out_or_be_another(preset: Any) -> None:
    parts = [name for name in inspect.signature(preset).parameters if name not in {"endpoints", "name", "cost"}]
    nothing = dict.fromkeys(parts)
    assert preset(**nothing).specs == ()
    for part in parts:
        for policy in (Timeout(7.0), Shared(RateLimit("1/s", name="mine"))):
            assert preset(**{**nothing, part: policy}).specs == (policy,)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("value", [2.0, "2 s", True, Timeout, [Timeout(2.0)]])
def test_what_is_no_policy(preset: Any, value: object) -> None:
    with pytest.raises(ConfigError) as failure:
        preset(timeout=value)
    fix = "give Timeout(2.0)" if value == 2.0 else "give a policy, such as Timeout(2.0)"
    fix += ", or None to leave it out"
    assert str(failure.value) == f"{preset.__name__}: timeout={value!r}: {fix}"


@pytest.mark.parametrize(
    ("preset", "options", "said"),
    [
        (presets.standard, {"endpoints": "10.0.0.7:80"}, "give a list of endpoints"),
        (presets.standard, {"endpoints": []}, "at least one endpoint"),
        (presets.standard, {"endpoints": ["nonsense"]}, "add the port"),
        (presets.standard, {"name": ""}, "give a name"),
        (presets.hedged, {"name": "", "endpoints": TWO}, "give a name"),
        (presets.llm, {"cost": 10}, "say of which limit"),
        (presets.llm, {"cost": 10, "tokens": RateLimit("9/s")}, "say of which limit"),
        (presets.llm, {"tokens": "500/min"}, "cost=1000: no call could ever go"),
        (presets.llm, {"tokens": "many"}, "write a count and a time"),
        (presets.llm, {"requests": True}, "give a policy"),
        (presets.llm, {"requests": 500}, "llm: requests=500: a bare number would be per second: write '500/min'"),
        (presets.llm, {"tokens": 30_000}, "write '30000/min'"),
        (presets.llm, {"tokens": 30_000, "cost": 10}, "write '30000/min'"),
        (presets.standard, {"rate_limit": "5/s"}, r"standard: rate_limit='5/s': give RateLimit\('5/s'\), or None"),
        (presets.server, {"rate_limit": 5}, r"server: rate_limit=5: give RateLimit\(5\), or None"),
        (presets.standard, {"concurrency": 7}, r"give ConcurrencyLimit\(7\), or None"),
        (presets.standard, {"attempt_timeout": True}, "give a policy"),
    ],
)
def test_what_cannot_be_built(preset: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        preset(**options)


def test_each_has_a_state_of_its_own() -> None:
    one, two = presets.standard(rate_limit=RateLimit("1/h")), presets.standard(rate_limit=RateLimit("1/h"))
    for pipeline in (one, two):
        assert Pipeline(pipeline.specs[0]).call(int, "7") == 7
    assert one.states[1] is not two.states[1]


def test_a_cluster_keeps_what_it_has() -> None:
    cluster = Cluster(
        "orders", [Endpoint("10.0.0.7:80", weight=3)], balancer=RoundRobin(), pipeline=[ConcurrencyLimit(5)]
    )
    [*_, ends] = presets.standard(cluster).specs
    assert (ends.name, ends.endpoints, ends.balancer) == (cluster.name, cluster.endpoints, cluster.balancer)
    assert told(ends.pipeline) == ["breaker of orders", "timeout 10", "concurrency 5+0 None"]
    [*_, ends] = presets.standard(cluster, name="bills").specs
    assert told((ends,))[:2] == ["cluster bills", "  breaker of bills"]


def test_which_door_they_are_for() -> None:
    def fetch() -> int:
        return 7

    transport = Upstream().transport()
    assert presets.standard(attempt_timeout=None)(fetch)() == 7
    assert presets.llm(tokens="9000/min")(fetch)() == 7  # there is no timeout within the retry
    with pytest.raises(ConfigError, match="a sync function cannot be cancelled"):
        presets.standard()(fetch)
    assert MeshTransport(presets.standard(), transport)
    for door in (lambda: presets.hedged()(fetch), lambda: MeshTransport(presets.hedged(), transport)):
        with pytest.raises(ConfigError, match="leave the hedge out"):
            door()
    assert presets.hedged(hedge=None, attempt_timeout=None)(fetch)() == 7
    assert MeshMiddleware(Upstream().app, presets.server())
    with pytest.raises(ConfigError, match="put the retry into the client's pipeline"):
        MeshMiddleware(Upstream().app, presets.standard())


def test_they_are_loaded_when_asked_for() -> None:
    code = "import sys, meshkit; assert 'meshkit.presets' not in sys.modules; from meshkit import presets"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


# standard


def client_of(pipeline: Pipeline, upstream: Upstream, **options: Any) -> httpx.AsyncClient:
    transport = AsyncMeshTransport(Pipeline(pipeline, clock=virtual_clock, seed=1), upstream.transport(), **options)
    return httpx.AsyncClient(transport=transport, base_url="http://shop", timeout=None)


@both
@pytest.mark.parametrize("failure", [503, 500, 408, 429, httpx.ConnectError, httpx.ReadError])
async def test_three_retries_at_once(upstream: Upstream, failure: Any) -> None:
    upstream.play(failure, failure, failure, 200)
    async with client_of(presets.standard(), upstream) as client:
        assert (await client.get("/")).status_code == 200
    assert_attempts(upstream, 4, within=0.35)  # 50, 100 and 200 ms at most


@both
@pytest.mark.parametrize("status", [400, 401, 404, 409])
async def test_what_is_not_repeated(upstream: Upstream, status: int) -> None:
    upstream.play(status)
    async with client_of(presets.standard(), upstream) as client:
        assert (await client.get("/")).status_code == status
        assert (await client.post("/")).status_code == status
    upstream.play(503)
    async with client_of(presets.standard(), upstream) as client:
        assert (await client.post("/")).status_code == 503
    assert len(upstream.attempts) == 3


@both
async def test_ten_seconds_an_attempt_and_thirty_in_all(upstream: Upstream) -> None:
    upstream.play(hang())
    async with client_of(presets.standard(), upstream) as client:
        with pytest.raises(TimedOut) as failure:  # whose it was is a question of the last bit of a float
            await client.get("/")
    assert failure.value.__notes__ == ["3 attempts in 30 s, stopped: deadline"]
    assert_attempts(upstream, 3, gaps=[(10.0, 10.05), (10.0, 10.1)], within=30.0)
    upstream.play(hang())
    async with client_of(presets.standard(retry=None), upstream) as client:
        with pytest.raises(TimedOut):
            await client.get("/")
    assert upstream.attempts[3].ended_at == pytest.approx(upstream.attempts[3].at + 10.0)


@both
async def test_five_failures_in_a_row_open_it_for_five_seconds(upstream: Upstream) -> None:
    upstream.play(500, 500, 500, 500, 500, 200)
    pipeline = Pipeline(presets.standard(name="shop"), clock=virtual_clock)
    transport = AsyncMeshTransport(pipeline, upstream.transport())
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        assert (await client.get("/")).status_code == 500
        assert (await client.get("/")).status_code == 500
        with pytest.raises(CircuitOpen, match="shop: open after 5 failures") as refusal:
            await client.get("/")
    assert len(upstream.attempts) == 5
    assert refusal.value.retry_after is not None
    assert 4.9 < refusal.value.retry_after <= 5.0
    assert pipeline.idle()


@both
async def test_an_endpoint_that_is_down_is_not_felt(virtual_backend: str) -> None:
    asked: dict[str, int] = {}

    def serve(request: httpx.Request) -> httpx.Response:
        host = request.url.host
        asked[host] = asked.get(host, 0) + 1
        return httpx.Response(200 if host == "10.0.0.8" else 503)

    pipeline = Pipeline(presets.standard(TWO, name="shop"), clock=virtual_clock, seed=1)
    transport = AsyncMeshTransport(pipeline, httpx.MockTransport(serve))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        for _ in range(200):
            assert (await client.get("/")).status_code == 200
    assert asked["10.0.0.8"] == 200
    assert asked["10.0.0.7"] <= 5


def test_a_hundred_in_flight_nine_hundred_in_the_queue_for_five_seconds() -> None:
    async def main() -> None:
        upstream = Upstream(after(8.0, 200))
        async with client_of(presets.standard(), upstream) as client:
            calls = [asyncio.ensure_future(client.get("/")) for _ in range(1001)]
            ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [each.status_code for each in ended[:100] if isinstance(each, httpx.Response)] == [200] * 100
        assert all(isinstance(each, Overloaded) for each in ended[100:])
        assert len(upstream.attempts) == 100
        assert virtual_clock() == 8.0

    run(main)


def test_threads_are_bounded_by_the_transport() -> None:
    clock = ManualClock()
    upstream = Upstream(503, 200, clock=clock)
    pipeline = Pipeline(presets.standard(TWO), clock=clock, seed=1)
    with httpx.Client(transport=MeshTransport(pipeline, upstream.transport()), timeout=None) as client:
        assert client.get("http://shop/").status_code == 200
    assert [attempt.request.extensions["timeout"]["read"] for attempt in upstream.attempts] == [10.0, 10.0]
    assert pipeline.idle()


# hedged


@both
async def test_a_slow_answer_is_asked_for_elsewhere(upstream: Upstream, virtual_clock: Any) -> None:
    upstream.play(after(9.0, 200), 200, after(9.0, 200))
    pipeline = Pipeline(presets.hedged(TWO), clock=virtual_clock, seed=1)
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream.transport()), timeout=None) as client:
        assert (await client.get("http://shop/")).status_code == 200
        assert virtual_clock() == pytest.approx(2.0)
        assert_attempts(upstream, 2, gaps=[2.0])
        assert len({attempt.request.url.host for attempt in upstream.attempts}) == 2
        assert upstream.attempts[0].cancelled
        await client.post("http://shop/")  # not idempotent, not hedged
        assert virtual_clock() == pytest.approx(11.0)
        assert len(upstream.attempts) == 3
    assert pipeline.idle()


@both
async def test_what_failed_is_tried_elsewhere_at_once(upstream: Upstream, virtual_clock: Any) -> None:
    upstream.play(503, 200)
    pipeline = Pipeline(presets.hedged(TWO), clock=virtual_clock, seed=1)
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream.transport())) as client:
        assert (await client.get("http://shop/")).status_code == 200
    assert_attempts(upstream, 2, within=0.05)
    assert len({attempt.request.url.host for attempt in upstream.attempts}) == 2


# llm


def completion(tokens: int) -> Any:
    return answer(200, json.dumps({"usage": {"total_tokens": tokens}}))


async def reading(call: Call, call_next: Any) -> Any:
    response = await call_next()
    await response.aread()
    if response.is_success:
        call.spent = response.json()["usage"]["total_tokens"]
    return response


@both
@pytest.mark.parametrize("status", [408, 409, 429, 500, 529])
async def test_a_completion_is_asked_for_again(upstream: Upstream, status: int) -> None:
    upstream.play(status, status, completion(1))
    async with client_of(presets.llm(), upstream) as client:
        assert (await client.post("/v1")).status_code == 200
    assert_attempts(upstream, 3, within=1.5)  # 0.5 s and 1 s at most


@both
async def test_retry_after_and_do_not_retry(upstream: Upstream, virtual_clock: Any) -> None:
    upstream.play(answer(429, retry_after=20), completion(1))
    async with client_of(presets.llm(), upstream) as client:
        assert (await client.post("/v1")).status_code == 200
        assert 20.0 <= virtual_clock() <= 20.5
        upstream.play(answer(429, headers={"x-should-retry": "false"}), completion(1))
        assert (await client.post("/v1")).status_code == 429
        upstream.play(answer(429, retry_after=61), completion(1))
        assert (await client.post("/v1")).status_code == 429
    assert len(upstream.attempts) == 4


@both
async def test_what_the_upstream_asked_for_holds_for_all(upstream: Upstream, virtual_clock: Any) -> None:
    upstream.play(answer(200, headers={"RateLimit": '"requests";r=0;t=7'}), completion(1))
    async with client_of(presets.llm(), upstream) as client:
        for _ in range(2):
            assert (await client.post("/v1")).status_code == 200
    assert_attempts(upstream, 2, gaps=[(7.0, 7.0)])


@both
async def test_tokens_are_settled_by_what_was_spent(upstream: Upstream, virtual_clock: Any) -> None:
    """Charged 1000 of 6000 at first; then what the answer says. More than there is, is waited for."""
    upstream.play(completion(400), completion(6200), completion(100))
    pipeline = Pipeline(presets.llm(tokens="6000/min"), reading, clock=virtual_clock)
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream.transport())) as client:
        await client.post("http://model/v1")
        assert pipeline.snapshot()["tokens"]["remaining"] == pytest.approx(5600)
        await client.post("http://model/v1")
        await client.post("http://model/v1")  # owes 600, and is charged 1000: at 100 a second
    assert_attempts(upstream, 3, gaps=[(0.0, 0.0), (16.0, 16.0)])
    assert pipeline.idle()


@both
async def test_the_decorator_says_what_was_spent(virtual_clock: Any) -> None:
    pipeline = Pipeline(presets.llm(tokens="6000/min", cost=50), clock=virtual_clock)

    @pipeline(spent=lambda reply: reply["tokens"])
    async def complete(prompt: str) -> dict[str, int]:
        return {"tokens": 10 * len(prompt)}

    await complete("hello, you")
    assert pipeline.snapshot()["tokens"]["remaining"] == pytest.approx(5900)


@both
async def test_requests_wait_for_a_minute_and_no_longer(upstream: Upstream, virtual_clock: Any) -> None:
    upstream.play(completion(1))
    async with client_of(presets.llm(requests="1/min"), upstream) as client:
        for _ in range(2):
            await client.post("/v1")
        assert virtual_clock() == pytest.approx(60.0)
    async with client_of(presets.llm(requests="1/2min"), upstream) as client:
        await client.post("/v1")
        with pytest.raises(RateLimited, match="requests"):
            await client.post("/v1")


@both
async def test_a_quota_used_up_opens_no_breaker_and_a_refusal_costs_no_tokens(
    upstream: Upstream, virtual_clock: Any
) -> None:
    pipeline = Pipeline(presets.llm(tokens="60000/min", retry=None, pace=None), clock=virtual_clock)
    call = pipeline(upstream)
    upstream.play(ConnectionError)
    for _ in range(5):
        with pytest.raises(ConnectionError):
            await call()
    before = pipeline.snapshot()["tokens"]["remaining"]
    for _ in range(20):
        with pytest.raises(CircuitOpen):
            await call()
    assert pipeline.snapshot()["tokens"]["remaining"] == before
    upstream.play(429)
    async with client_of(presets.llm(retry=None, pace=None), upstream) as client:
        for _ in range(20):
            assert (await client.post("/v1")).status_code == 429


# server


@both
async def test_each_client_has_a_limit_of_its_own(upstream: Upstream, virtual_clock: Any) -> None:
    pipeline = Pipeline(presets.server(rate_limit=RateLimit("2/min", key="client-network")), clock=virtual_clock)
    app = MeshMiddleware(upstream.app, pipeline)
    statuses = []
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8::3"):
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            statuses.append((await client.get("/")).status_code)
    assert statuses == [200, 200, 429, 200, 200, 200, 429]
    assert pipeline.idle()


@both
async def test_a_server_under_pressure_says_so(upstream: Upstream, virtual_clock: Any) -> None:
    lag = 0.0
    shed = presets.server().specs[2]
    assert shed == LoadShed(signal=presets.loop_lag, threshold=0.5, retry_after=1.0)
    pipeline = Pipeline(presets.server(shed=attrs.evolve(shed, signal=lambda: lag)), clock=virtual_clock)
    app = MeshMiddleware(upstream.app, pipeline)
    answers = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
        for lag in (0.0, 0.49, 0.5, 0.0):  # noqa: B007  # the signal reads it
            got = await client.get("/")
            answers.append((got.status_code, got.headers.get("retry-after")))
    assert answers == [(200, None), (200, None), (503, "1"), (200, None)]


def test_twenty_in_flight_at_first_and_a_hundred_in_the_queue() -> None:
    async def main() -> None:
        upstream = Upstream(after(1.0, 200))
        pipeline = Pipeline(presets.server(rate_limit=None, shed=None), clock=virtual_clock)
        app = MeshMiddleware(upstream.app, pipeline)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            calls = [asyncio.ensure_future(client.get("/")) for _ in range(121)]
            statuses = [each.status_code for each in await asyncio.gather(*calls)]
        assert statuses == [200] * 20 + [503] * 101  # the one beyond the queue at once, the others after 0.1 s
        assert pipeline.idle()

    run(main)


def test_the_parts_of_a_server() -> None:
    [timeout, rate_limit, _, concurrency] = presets.server().specs
    assert timeout == Timeout(30.0)
    assert rate_limit == RateLimit("100/s", key="client-network")
    assert concurrency == AdaptiveConcurrency(queue=100, order="adaptive")
    assert presets.llm().specs[-1] == Pace(wait=60.0)


def test_in_front_of_a_def_the_option_to_leave_out_is_named() -> None:
    with pytest.raises(ConfigError, match="attempt_timeout=None"):
        presets.standard()(lambda: None)
    presets.standard(attempt_timeout=None)(lambda: None)
