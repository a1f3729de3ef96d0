"""What does a retry cost? When nothing fails, and when the first of two attempts does and nobody waits between them.

opnieuw has no such thing as not to wait: it is in the first rows only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .breaker import sync_work
from .floors import work
from .rows import AWAITS, CALLS, Row, Subject

__all__ = ["ROWS"]

Function: TypeAlias = Callable[[], Any]


def flaky() -> Function:
    """Fails, succeeds, fails, succeeds."""
    sound = True

    async def work() -> None:
        nonlocal sound
        sound = not sound
        if not sound:
            raise ConnectionError

    return work


def sync_flaky() -> Function:
    sound = True

    def work() -> None:
        nonlocal sound
        sound = not sound
        if not sound:
            raise ConnectionError

    return work


def meshkit(fn: Function) -> Function:
    from meshkit import Constant, Pipeline, Retry

    # The budget would refuse one call in two: it is in the rows of six policies.
    return Pipeline(Retry(on=ConnectionError, backoff=Constant(0), budget=None, non_idempotent=True))(fn)


def hyx(fn: Function) -> Function:
    from hyx.retry import retry

    return retry(on=ConnectionError, attempts=3, backoff=0.0)(fn)


def tenacity(fn: Function) -> Function:
    from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_none

    return retry(retry=retry_if_exception_type(ConnectionError), stop=stop_after_attempt(3), wait=wait_none())(fn)


def stamina(fn: Function) -> Function:
    import stamina

    stamina.instrumentation.set_on_retry_hooks([])  # or each retry is a line in the log
    return stamina.retry(on=ConnectionError, attempts=3, wait_initial=0, wait_max=0, wait_jitter=0)(fn)


def opnieuw(fn: Function) -> Function:
    from opnieuw import retry

    return retry(retry_on_exceptions=ConnectionError, max_calls_total=3, retry_window_after_first_call_in_seconds=0)(fn)


def subjects(fn: Callable[[], Function], *arounds: Callable[[Function], Function]) -> tuple[Subject, ...]:
    return tuple(Subject(around.__name__, lambda around=around: around(fn())) for around in arounds)


def row(path: str, unit: str, target: float | None, meshkit: Subject, *peers: Subject) -> Row:
    return Row(group="retry", path=path, unit=unit, target=target, ours=meshkit, peers=peers, usual="tenacity")


ROWS = (
    row(
        "retry around an async function, no failure",
        AWAITS,
        13,
        *subjects(lambda: work, meshkit, hyx, tenacity, stamina, opnieuw),
    ),
    row(
        "retry around an async function, one failure",
        AWAITS,
        40,
        *subjects(flaky, meshkit, hyx, tenacity, stamina),
    ),
    row(
        "retry around a function, no failure",
        CALLS,
        None,
        *subjects(lambda: sync_work, meshkit, opnieuw, tenacity, stamina),
    ),
    row(
        "retry around a function, one failure",
        CALLS,
        None,
        *subjects(sync_flaky, meshkit, tenacity, stamina),
    ),
)
