"""Deadlines on asyncio against ``asyncio.timeout``: who cancelled whom, and is the task left as it was found?

The same body runs under both, for each a table of who else cancels and when. All in virtual time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio
import pytest

from meshkit import (
    Pipeline,
    TimedOut,
    Timeout,
)
from meshkit.testing import run, virtual_clock

pause = anyio.sleep
SECOND = 1.0


def timed(seconds, *more):
    return Pipeline(Timeout(seconds), *more, clock=virtual_clock)


async def hang(seconds=1e6):
    await pause(seconds)
    return "done"


def cancelling():
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


# The reference: the same body under asyncio.timeout and under a pipeline's, told apart by the error's type only.


async def under_pipeline(seconds, body):
    return await timed(seconds).call(body)


async def under_asyncio(seconds, body):
    async with asyncio.timeout(seconds):
        return await body()


async def ends_at_once():
    return "done"


async def raises():
    raise KeyError("its own")


async def swallows():
    try:
        await hang()
    except asyncio.CancelledError:
        return "swallowed"


async def swallows_and_goes_on():
    with suppress(asyncio.CancelledError):
        await hang()
    await pause(5.0)
    return "went on"


async def turns_it_into_an_error():
    try:
        await hang()
    except asyncio.CancelledError:
        raise KeyError("in its place") from None


async def ends_in_the_tick_of_the_ring():
    await pause(SECOND)
    return "done"


async def is_answered_in_the_tick_of_the_ring():
    answer = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_at(1.0, answer.set_result, "answer")
    return await answer


async def goes_on_after_an_answer_in_the_tick_of_the_ring():
    await is_answered_in_the_tick_of_the_ring()
    await pause(SECOND)
    return "done"


async def works_past_the_ring_without_an_await():
    await pause(SECOND / 2)
    asyncio.get_running_loop()._jumping.now += 5.0
    return "late"


async def cancels_itself():
    asyncio.current_task().cancel()
    await hang()


async def waits_for_a_cancelled_task():
    other = asyncio.ensure_future(hang())
    asyncio.get_running_loop().call_later(0.5, other.cancel)
    await other


async def group_fails_in_the_tick_of_the_ring():
    async def child():
        await pause(1.0)
        raise KeyError("child")

    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        await hang()


async def group_fails_before():
    async def child():
        await pause(0.5)
        raise KeyError("child")

    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        await hang()


async def inner_timeout_first():
    async with asyncio.timeout(0.5):
        await hang()


async def inner_timeout_in_the_same_tick():
    async with asyncio.timeout(1.0):
        await hang()


async def inner_scope():
    with anyio.move_on_after(0.5):
        await hang()
    return cancelling()


async def inner_scope_in_the_same_tick():
    with anyio.move_on_after(1.0):
        await hang()
    await hang()


async def raises_what_is_no_exception():
    try:
        await hang()
    except asyncio.CancelledError:
        raise SystemExit("in its place") from None


BODIES = [
    *(ends_in_the_tick_of_the_ring, is_answered_in_the_tick_of_the_ring),
    *(goes_on_after_an_answer_in_the_tick_of_the_ring, works_past_the_ring_without_an_await),
    *(ends_at_once, raises, hang, swallows, swallows_and_goes_on, turns_it_into_an_error, cancels_itself),
    *(waits_for_a_cancelled_task, group_fails_in_the_tick_of_the_ring, group_fails_before, inner_timeout_first),
    *(inner_timeout_in_the_same_tick, inner_scope, inner_scope_in_the_same_tick, raises_what_is_no_exception),
]


def outcome(around, body, *, cancel_at=None, cancel_first=False):
    """What a task sees that runs ``body`` for up to a second: result or error, when, and its cancellations after it."""

    async def main():
        seen = []

        async def scenario():
            try:
                seen.append(await around(1.0, body))
            except TimedOut:
                seen.append("TimeoutError")
            except BaseExceptionGroup as group:
                seen.append([repr(error) for error in group.exceptions])
            except BaseException as error:
                seen.append(type(error).__name__)
            seen.append((round(virtual_clock(), 3), cancelling()))

        loop = asyncio.get_running_loop()
        task = asyncio.create_task(scenario())
        if cancel_first:  # its timer is set before the alarm's
            loop.call_at(cancel_at, task.cancel)
        await asyncio.sleep(0)
        if cancel_at is not None and not cancel_first:
            loop.call_at(cancel_at, task.cancel)
        await asyncio.wait([task])
        if task.cancelled():
            seen.append("cancelled")
        return seen

    return run(main)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_as_asyncio_timeout_does(body):
    assert outcome(under_pipeline, body) == outcome(under_asyncio, body)


@pytest.mark.parametrize("cancel_first", [True, False])
@pytest.mark.parametrize("at", [0.25, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_as_asyncio_timeout_does_when_somebody_cancels_as_well(body, at, cancel_first):
    """Before, after, and in the very tick of the alarm, in both orders."""
    assert outcome(under_pipeline, body, cancel_at=at, cancel_first=cancel_first) == outcome(
        under_asyncio, body, cancel_at=at, cancel_first=cancel_first
    )


def test_the_comparison_can_fail():
    """A wait that forgets the bookkeeping differs somewhere in the table."""

    async def careless(seconds, body):
        task = asyncio.current_task()
        handle = asyncio.get_running_loop().call_later(seconds, task.cancel)
        try:
            return await body()
        except asyncio.CancelledError:
            raise TimeoutError from None
        finally:
            handle.cancel()

    assert any(outcome(careless, body) != outcome(under_asyncio, body) for body in BODIES)
