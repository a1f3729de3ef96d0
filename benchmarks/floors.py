"""What do the pieces of the language cost that any such library is made of? Context for the other rows; no targets."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio

from .rows import AWAITS, CALLS, Row, Subject

__all__ = ["ROWS"]


@Subject.of("time.monotonic")
def monotonic() -> Callable[[], Any]:
    return time.monotonic


@Subject.of("random.random")
def random_number() -> Callable[[], Any]:
    return random.random


@Subject.of("threading.Lock, with")
def lock_pair() -> Callable[[], Any]:
    lock = threading.Lock()

    def pair() -> None:
        with lock:
            pass

    return pair


@Subject.of("raise and catch")
def fresh_exception() -> Callable[[], Any]:
    def caught() -> None:
        try:
            raise ConnectionError
        except ConnectionError:
            pass

    return caught


async def work() -> None:
    """What is protected, in every awaited row: nothing at all."""


@Subject.of("one more coroutine")
def coroutine_level() -> Callable[[], Any]:
    async def level() -> None:
        await work()

    return level


@Subject.of("asyncio.timeout")
def asyncio_timeout() -> Callable[[], Any]:
    async def bounded() -> None:
        async with asyncio.timeout(2.0):
            await work()

    return bounded


@Subject.of("anyio.fail_after")
def anyio_fail_after() -> Callable[[], Any]:
    async def bounded() -> None:
        with anyio.fail_after(2.0):
            await work()

    return bounded


@Subject.of("call_at and cancel")
def call_at_and_cancel() -> Callable[[], Any]:
    loop = asyncio.get_running_loop()

    async def armed() -> None:
        loop.call_at(loop.time() + 2.0, work).cancel()
        await work()

    return armed


ROWS = (
    Row(
        group="floor",
        path="pieces of synchronous code",
        unit=CALLS,
        peers=(monotonic, random_number, lock_pair, fresh_exception),
    ),
    Row(
        group="floor",
        path="pieces of asynchronous code",
        unit=AWAITS,
        peers=(coroutine_level, call_at_and_cancel, asyncio_timeout, anyio_fail_after),
    ),
)
