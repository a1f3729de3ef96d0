"""What does one process of a server do, from its first connection to its last? It takes no part in how it is started.

::

    begin ── ready ── (serve) ── drain: not ready, answers close ── `grace` ── no new connections
          ── what is under way is finished, `drain` seconds at most ── the rest is cut off ── end

Told to end `now`, it goes to the last step from wherever it is.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from .addresses import Bound
from .lifespan import Lifespan
from .options import Serve
from .tls import context

__all__ = ["Orders", "work"]

LAST: Final = 2.0
"""Seconds for the status page, and for what the app does last."""


class Service(Protocol):
    """Serves an app, whichever server that is."""

    async def start(self) -> None: ...
    async def over(self) -> None: ...
    async def stop(self) -> int: ...
    async def finished(self) -> None: ...
    async def cut(self) -> int: ...


class Orders:
    """What a worker is told to do, from a signal or by its parent."""

    def __init__(self) -> None:
        self.drain = asyncio.Event()
        self.now = asyncio.Event()

    def again(self) -> None:
        """A signal: end, and at the second one at once."""
        if self.drain.is_set():
            self.now.set()
        self.drain.set()


async def work(
    gateway: Any,
    bound: Sequence[Bound],
    options: Serve,
    orders: Orders,
    *,
    ready: Callable[[], None],
    page: Any = None,
    status: Bound | None = None,
) -> int:
    """Serve until told to end. Answers how many requests and websockets were cut off. ``page``: an app besides, at the
    address ``status``. ``ready`` is called when connections are taken.
    """
    make = _service(options)
    tls = context(options) if any(each.tls for each in bound) else None
    lives = [Lifespan(gateway), *([] if page is None else [Lifespan(page)])]
    try:
        for life in lives:
            await life.begin()
        service = make(gateway, bound, options, tls, lives[0].state)
        await service.start()
        second = None
        if page is not None and status is not None:
            second = make(page, [status], options, None, lives[1].state)
            await second.start()
        gc.collect()
        gc.freeze()  # what is there now stays, and need not be searched for garbage
        ready()
        if not await _either(orders.drain.wait(), service.over()):
            raise RuntimeError(f"{options.server} has ended by itself")
        cut = await _ended(gateway, service, options, orders)
        if second is not None:
            page.close()
            await second.stop()
            if not await _within(second.finished(), LAST, orders):
                await second.cut()
        return cut
    finally:
        for life in lives:
            with suppress(TimeoutError):
                await asyncio.wait_for(life.end(), LAST)


async def _ended(gateway: Any, service: Service, options: Serve, orders: Orders) -> int:
    gateway.drain()
    if options.grace:
        await _within(orders.now.wait(), options.grace, orders)
    before = await service.stop()
    if await _within(service.finished(), options.drain, orders):
        return before
    left = int(gateway.under_way)
    return before + max(left, await service.cut())


async def _within(what: Coroutine[Any, Any, Any], seconds: float, orders: Orders) -> bool:
    """Whether it came to an end, before so many seconds had passed or the order was to end now."""
    return await _either(what, orders.now.wait(), seconds)


async def _either(
    what: Coroutine[Any, Any, Any], other: Coroutine[Any, Any, Any], seconds: float | None = None
) -> bool:
    """Whether the first of them came to an end before the other one."""
    both = asyncio.ensure_future(what), asyncio.ensure_future(other)
    await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    came = both[0].done()
    for each in both:
        each.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    return came


def _service(options: Serve) -> Any:
    if options.server == "granian":
        from .granian import GranianService

        return GranianService
    from .uvicorn import UvicornService

    return UvicornService
