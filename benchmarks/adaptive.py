"""What does a limit cost that finds itself, over a pipeline of nothing? By its three algorithms, and with a signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .floors import work
from .rows import AWAITS, OnTop, Row, Subject

__all__ = ["ROWS"]


@Subject.of("meshkit")
def gradient2() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.limit import AdaptiveConcurrency

    return Pipeline(AdaptiveConcurrency())(work)


@Subject.of("Pipeline()")
def nothing() -> Callable[[], Any]:
    from meshkit import Pipeline

    return Pipeline()(work)


@Subject.of("with AIMD")
def aimd() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.limit import AIMD, AdaptiveConcurrency

    return Pipeline(AdaptiveConcurrency(AIMD()))(work)


@Subject.of("with Vegas")
def vegas() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.limit import AdaptiveConcurrency, Vegas

    return Pipeline(AdaptiveConcurrency(Vegas()))(work)


@Subject.of("with a signal")
def signalled() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.limit import AdaptiveConcurrency

    return Pipeline(AdaptiveConcurrency(signal=lambda: 0.0))(work)


@Subject.of("aioresilience")
def aioresilience() -> Callable[[], Any]:
    from aioresilience import AdaptiveConcurrencyConfig, AdaptiveConcurrencyLimiter

    limiter = AdaptiveConcurrencyLimiter(config=AdaptiveConcurrencyConfig(initial_limit=100))

    async def limited() -> None:
        if not await limiter.acquire():
            raise RuntimeError("refused")
        try:
            await work()
        finally:
            await limiter.release(True)

    return limited


@Subject.of("ConcurrencyLimit")
def fixed() -> Callable[[], Any]:
    from meshkit import ConcurrencyLimit, Pipeline

    return Pipeline(ConcurrencyLimit(100))(work)


ROWS = (
    OnTop(
        row=Row(
            group="adaptive",
            path="adaptive limit around an async function",
            unit=AWAITS,
            ours=gradient2,
            peers=(nothing, fixed, aimd, vegas, signalled, aioresilience),
            usual="Pipeline()",
        ),
        below="Pipeline()",
        word="over an empty pipeline",
        target=8,
    ),
)
