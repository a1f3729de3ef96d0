"""What does it cost to share an answer? Where nobody else asks, where a hundred do at once; and to keep the last one.

By hand: a dict of futures by the argument, without a deadline, a bound or a way on when the first caller goes away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from .floors import work
from .rows import AWAITS, Row, Subject

__all__ = ["ROWS"]

MANY = 100


async def answer(key: int) -> int:
    return key


async def later(key: int) -> int:
    await asyncio.sleep(0)
    return key


def by_futures(fn: Callable[[int], Awaitable[int]]) -> Callable[[int], Awaitable[int]]:
    under_way: dict[int, asyncio.Future[int]] = {}

    async def shared(key: int) -> int:
        future = under_way.get(key)
        if future is not None:
            return await future
        future = under_way[key] = asyncio.get_running_loop().create_future()
        try:
            result = await fn(key)
        except BaseException as error:
            future.set_exception(error)
            raise
        finally:
            del under_way[key]
        future.set_result(result)
        return result

    return shared


def at_once(call: Callable[[int], Awaitable[int]]) -> Callable[[], Any]:
    async def all_of_them() -> None:
        await asyncio.gather(*[call(1) for _ in range(MANY)])

    return all_of_them


@Subject.of("meshkit")
def alone() -> Callable[..., Any]:
    from meshkit import Pipeline
    from meshkit.share import SingleFlight

    return partial(Pipeline(SingleFlight())(answer), 1)


@Subject.of("futures by hand")
def alone_by_hand() -> Callable[..., Any]:
    return partial(by_futures(answer), 1)


@Subject.of("meshkit")
def together() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.share import SingleFlight

    return at_once(Pipeline(SingleFlight())(later))


@Subject.of("futures by hand")
def together_by_hand() -> Callable[[], Any]:
    return at_once(by_futures(later))


@Subject.of("nothing shared")
def together_unshared() -> Callable[[], Any]:
    return at_once(later)


@Subject.of("meshkit")
def kept() -> Callable[..., Any]:
    from meshkit import Pipeline
    from meshkit.share import StaleIfError

    return partial(Pipeline(StaleIfError(60.0))(answer), 1)


@Subject.of("meshkit")
async def stale() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.share import StaleIfError

    well = True

    async def fails() -> None:
        await work()
        if not well:
            raise ConnectionError

    call = Pipeline(StaleIfError(3600.0))(fails)
    await call()
    well = False
    return call


ROWS = (
    Row(
        group="share",
        path="single flight, nobody else asks",
        unit=AWAITS,
        ours=alone,
        peers=(alone_by_hand,),
    ),
    Row(
        group="share",
        path=f"single flight, {MANY} calls at once (all of them)",
        unit=AWAITS,
        ours=together,
        peers=(together_by_hand, together_unshared),
    ),
    Row(group="share", path="stale if error, a good answer", unit=AWAITS, ours=kept),
    Row(group="share", path="stale if error, a failure, an old answer", unit=AWAITS, ours=stale),
)
