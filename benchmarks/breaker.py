"""What does a circuit breaker cost? Around a function that succeeds, around one that fails, and when it is open.

It never opens in the first two: the threshold is out of reach. Opened, it stays so: the cooldown is a day.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

from .floors import work
from .measure import Trial
from .rows import AWAITS, CALLS, Row, Subject

__all__ = ["ROWS"]

NEVER = 2**31
DAY = 86_400

Function: TypeAlias = Callable[[], Any]
Around: TypeAlias = Callable[[int, Function], tuple[Function, type[Exception]]]
"""From a threshold of failures in a row and a function: the guarded function, and what it raises when open."""


async def failure() -> None:
    raise ConnectionError


def sync_work() -> None:
    pass


def sync_failure() -> None:
    raise ConnectionError


def meshkit(threshold: int, fn: Function) -> tuple[Function, type[Exception]]:
    from meshkit import CircuitBreaker, CircuitOpen, Pipeline

    return Pipeline(CircuitBreaker(failures=threshold, cooldown=DAY))(fn), CircuitOpen


def purgatory(threshold: int, fn: Function) -> tuple[Function, type[Exception]]:
    from purgatory import AsyncCircuitBreakerFactory
    from purgatory.domain.model import OpenedState

    return AsyncCircuitBreakerFactory(default_threshold=threshold, default_ttl=DAY)("work")(fn), OpenedState


def circuitbreaker(threshold: int, fn: Function) -> tuple[Function, type[Exception]]:
    from circuitbreaker import CircuitBreaker, CircuitBreakerError

    return CircuitBreaker(failure_threshold=threshold, recovery_timeout=DAY)(fn), CircuitBreakerError


def aiobreaker(threshold: int, fn: Function) -> tuple[Function, type[Exception]]:
    from aiobreaker import CircuitBreaker, CircuitBreakerError

    return CircuitBreaker(fail_max=threshold, timeout_duration=timedelta(seconds=DAY))(fn), CircuitBreakerError


def hyx(threshold: int, fn: Function) -> tuple[Function, type[Exception]]:
    from hyx.circuitbreaker import consecutive_breaker
    from hyx.circuitbreaker.exceptions import BreakerFailing

    return consecutive_breaker(failure_threshold=threshold, recovery_time_secs=DAY)(fn), BreakerFailing


def pybreaker(threshold: int, fn: Function) -> tuple[Function, type[Exception]]:
    from pybreaker import CircuitBreaker, CircuitBreakerError

    return CircuitBreaker(fail_max=threshold, reset_timeout=DAY)(fn), CircuitBreakerError


def succeeding(name: str, around: Around, fn: Function) -> Subject:
    return Subject(name, lambda: around(NEVER, fn)[0])


def failing(name: str, around: Around, fn: Function) -> Subject:
    return Subject(name, lambda: Trial(around(NEVER, fn)[0], raises=ConnectionError))


def opened(name: str, around: Around, fn: Function) -> Subject:
    async def make() -> Trial:
        guarded, refused = around(1, fn)
        with contextlib.suppress(ConnectionError, refused):
            tripped = guarded()
            if inspect.isawaitable(tripped):
                await tripped
        return Trial(guarded, raises=refused)

    return Subject(name, make)


ASYNC: dict[str, Around] = {
    "purgatory": purgatory,
    "circuitbreaker": circuitbreaker,
    "aiobreaker": aiobreaker,
    "hyx": hyx,
}
SYNC: dict[str, Around] = {"circuitbreaker": circuitbreaker, "pybreaker": pybreaker}
ONE_EXCEPTION = (
    "purgatory raises one and the same exception each time it is open, with an ever longer traceback: left out."
)
TORNADO = "pybreaker guards coroutines of tornado only: see the synchronous rows."
HELD = "pybreaker holds its lock while the function runs."


def rows(
    path: str, state: Callable[[str, Around, Function], Subject], target: float, fns: tuple[Function, Function]
) -> tuple[Row, Row]:
    """The awaited row, and the synchronous one, which has no target."""
    awaited, called = fns
    peers = {name: around for name, around in ASYNC.items() if state is not opened or name != "purgatory"}
    return (
        Row(
            group="breaker",
            path=f"breaker around an async function, {path}",
            unit=AWAITS,
            target=target,
            ours=state("meshkit", meshkit, awaited),
            peers=tuple(state(name, around, awaited) for name, around in peers.items()),
            usual="aiobreaker",
            notes=(ONE_EXCEPTION,) if state is opened else (TORNADO,),
        ),
        Row(
            group="breaker",
            path=f"breaker around a function, {path}",
            unit=CALLS,
            ours=state("meshkit", meshkit, called),
            peers=tuple(state(name, around, called) for name, around in SYNC.items()),
            usual="pybreaker",
            notes=(HELD,),
        ),
    )


TABLE = (
    *rows("success", succeeding, 15, (work, sync_work)),
    *rows("failure", failing, 25, (failure, sync_failure)),
    *rows("open", opened, 25, (failure, sync_failure)),
)
ROWS = (*TABLE[0::2], *TABLE[1::2])
