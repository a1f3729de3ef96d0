"""What does it cost to be watched? The same pipeline with and without somebody who listens, in one race.

The pipeline that nobody listens to lies below the others and is taken off: the target is what comes on top of it, in
microseconds. A function behind three policies (timeout, retry, breaker), and behind six, one of them a cluster; and a
GET of an httpx client's transport behind the six, whose upstream is a coroutine that answers at once. What every policy
tells is paid for: so the more policies, the more a record in full costs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .floors import work
from .rows import AWAITS, MICROSECONDS, OnTop, Row, Subject
from .stack import six_policies

__all__ = ["ROWS"]

UNWATCHED = "nobody listens"


def three_policies() -> Any:
    from meshkit import CircuitBreaker, Pipeline, Retry, Timeout

    return Pipeline(Timeout(2.0), Retry(on=ConnectionError), CircuitBreaker(), seed=1)


def nobody(pipeline: Any) -> None:
    """Listens."""


def getting(attach: Callable[[Any], object]) -> Callable[[], Any]:
    import httpx

    from meshkit.httpx import AsyncMeshTransport

    class Upstream(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200)

    pipeline = six_policies()
    attach(pipeline)
    request = httpx.Request("GET", "http://shop.example/orders/7")
    send = AsyncMeshTransport(pipeline, Upstream()).handle_async_request

    async def get() -> None:
        await send(request)

    return get


def with_metrics(pipeline: Any) -> None:
    """What a scrape by Prometheus reads."""
    from meshkit.observe import Metrics

    Metrics().watch(pipeline, "shop")


def with_status(pipeline: Any) -> None:
    """Beside that, what the status page counts."""
    from meshkit.gateway.status.traffic import Traffic

    with_metrics(pipeline)
    Traffic().watch(pipeline)


def with_records(**options: Any) -> Callable[[Any], None]:
    def attach(pipeline: Any) -> None:
        from meshkit.observe import Recorder

        pipeline.listen(Recorder(**options))

    return attach


def with_spans(pipeline: Any) -> None:
    """OpenTelemetry's API without its SDK: the tracer does nothing."""
    from opentelemetry.trace import NoOpTracerProvider

    from meshkit.observe import Tracing

    pipeline.listen(Tracing(tracer_provider=NoOpTracerProvider()))


def calling(policies: Callable[[], Any], attach: Callable[[Any], object]) -> Callable[[], Any]:
    pipeline = policies()
    attach(pipeline)
    return pipeline(work)  # type: ignore[no-any-return]


MADE: dict[str, Callable[[Callable[[Any], object]], Callable[[], Any]]] = {
    "three policies": partial(calling, three_policies),
    "six policies": partial(calling, six_policies),
    "six, httpx door": getting,
}


def on_top(
    path: str,
    attach: Callable[[Any], object],
    target: float | None,
    where: str,
    below: tuple[str, Callable[[Any], object]] = (UNWATCHED, nobody),
) -> OnTop:
    make = MADE[where]
    row = Row(
        group="observe",
        path=f"{path}, {where}",
        unit=AWAITS,
        ours=Subject("meshkit", partial(make, attach)),
        peers=(Subject(below[0], partial(make, below[1])),),
    )
    return OnTop(row=row, below=below[0], word="on top", unit=MICROSECONDS, target=target)


SAMPLED = with_records(sample=0.01, errors=False, asked=False, seed=1)
ERRORS = with_records()
ALWAYS = with_records(always=True)

ROWS = (
    *(
        on_top(path, attach, target, where)
        for path, attach, target in (
            ("Prometheus", with_metrics, 5.0),
            ("records of 1 % of the calls", SAMPLED, 1.0),
            ("records of failures", ERRORS, None),
            ("records of all calls", ALWAYS, 25.0),
            ("a tracer that does nothing", with_spans, 3.0),
        )
        for where in MADE
    ),
    *(on_top("the status page", with_status, 6.0, where, ("Prometheus", with_metrics)) for where in MADE),
)
