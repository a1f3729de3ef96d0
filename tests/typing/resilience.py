"""The public signatures of what guards servers and clients further: checked by mypy in `make lint`, never run."""

from __future__ import annotations

from typing import Any, assert_type

import httpx

from meshkit import (
    AIMD,
    AdaptiveConcurrency,
    Cluster,
    Fallback,
    FaultInjection,
    FixedWindow,
    Gradient2,
    Hedge,
    LoadShed,
    Pace,
    Pipeline,
    RateLimit,
    Retry,
    RetryBudget,
    Shadow,
    SingleFlight,
    SlidingWindow,
    StaleIfError,
    Throttle,
    Timeout,
    TooLate,
    Vegas,
    loop_lag,
    presets,
)
from meshkit.asgi import MeshMiddleware
from meshkit.deadline import Spent, detached, ledger, opened, remaining
from meshkit.httpx import AsyncMeshTransport, MeshTransport

# Specs.

AdaptiveConcurrency()
AdaptiveConcurrency(Vegas(), queue=10, order="adaptive", signal=loop_lag, lag=0.05)
AdaptiveConcurrency(AIMD(initial=10))
AdaptiveConcurrency(Gradient2(), 10)  # type: ignore[call-arg]
LoadShed(200, signal=loop_lag, threshold=0.1, priority="header:x-priority")
Throttle(k=1.5)
FixedWindow("100/min", key="user")
SlidingWindow("100/min", cost=lambda call: 2.0, settle=True)
RateLimit("90000/min", cost=1000, settle=True)
Pace(wait=10.0, spread=True)
Hedge(0.2)
Hedge(percentile=0.95, budget=RetryBudget(ratio=0.05))
Hedge(after="soon")  # type: ignore[arg-type]
Fallback(lambda request: httpx.Response(200))
Fallback(Cluster("spare", ["10.0.0.9:80"]), on="5xx")
Fallback(value=None, refused=False)
SingleFlight(key="path")
StaleIfError(60.0)
StaleIfError()  # type: ignore[call-arg]
Shadow(RateLimit("10/s"))
FaultInjection(abort=503, share=0.1, expires=60.0)
FaultInjection(delay=1.0)  # type: ignore[call-arg]
assert_type(loop_lag(), float)
assert_type(TooLate().retry_after, float | None)

# Doors.


async def app(scope: Any, receive: Any, send: Any) -> None: ...


MeshMiddleware(app, Pipeline(Timeout(1.0)), trusted=["10.0.0.0/8"], reserve=0.05)
MeshMiddleware(app)  # type: ignore[call-arg]
AsyncMeshTransport(Pipeline(Retry("5xx")), spent="bytes", deadline="grpc-timeout", attempt=None)
MeshTransport(Pipeline(Retry("5xx")), spent=lambda response: float(response.headers["x-tokens"]))


def ask(words: str) -> str:
    return words


assert_type(Pipeline(RateLimit("1/s", settle=True))(spent=len)(ask)("words"), str)

# Deadlines.

assert_type(remaining(), float | None)
assert_type(ledger(), tuple[Spent, ...])
with opened(2.0), detached():
    pass

# Presets.

assert_type(presets.standard(["10.0.0.7:443"]), Pipeline)
assert_type(presets.hedged(["10.0.0.7:443", "10.0.0.8:443"]), Pipeline)
assert_type(presets.llm(), Pipeline)
assert_type(presets.server(), Pipeline)
