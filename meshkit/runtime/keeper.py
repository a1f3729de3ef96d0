"""Who does what no call waits for? One thread for the process, with an event loop of its own.

Following a source of endpoints, checking their health, probing their load: that goes on between calls, whatever loop or
thread these come from, and must stop nobody's loop. What there is to be done says `chores`. It is done from when the
first pipeline with a state is bound to something that can be called, until the state is collected. A chore that fails
is begun again, after a second, and after twice as long each further time, up to a minute.

After a fork the child's keeper begins anew: threads do not survive one. A fork waits until the parent's is between two
of its steps: a module that it imports in one of them would be half a module in the child, for good.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any

from ..engine import survive
from .lock import LOCK

__all__ = ["Keep", "begin"]

FIRST, LONGEST = 1.0, 60.0
"""Seconds before a chore that failed is begun again."""
STEADY = 60.0
"""Seconds after which a chore that failed counts as one that had worked."""
PATIENCE = 2.0
"""Seconds that a fork waits for a step to end: it may be somebody's source that is stuck."""


Chores = tuple[Callable[..., Coroutine[Any, Any, None]], ...]


class Keep:
    """What a chore is given: the pipeline's clock, and ways to wait."""

    __slots__ = ("now",)
    lock = LOCK

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Keeper:
    """The thread and its loop, which last as long as the process."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.kept: weakref.WeakSet[Any] = weakref.WeakSet()
        self.tasks: dict[int, list[asyncio.Task[None]]] = {}
        """Of each state that is kept, by a number of its own."""
        self.numbers = itertools.count()
        self.thread = threading.Thread(target=self._run, name="meshkit", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def add(self, state: Any, chores: Chores, clock: Callable[[], float]) -> None:
        if state not in self.kept:
            self.kept.add(state)
            number = next(self.numbers)
            # In a context of its own: a caller's deadline is not the keeper's, nor is the library its loop is of.
            start = partial(self._begin, number, weakref.ref(state), chores, Keep(clock))
            self.loop.call_soon_threadsafe(start, context=Context())
            weakref.finalize(state, self.loop.call_soon_threadsafe, self._end, number).atexit = False

    def _begin(self, number: int, state: weakref.ref[Any], chores: Chores, keep: Keep) -> None:
        self.tasks[number] = [self.loop.create_task(_do(chore, state, keep)) for chore in chores]

    def halt(self) -> threading.Event:
        """Have it wait between two steps, until what this returns is set."""
        there, go = threading.Event(), threading.Event()

        def wait() -> None:
            there.set()
            go.wait(PATIENCE)

        self.loop.call_soon_threadsafe(wait)
        there.wait(PATIENCE)
        return go

    def _end(self, number: int) -> None:
        for task in self.tasks.pop(number):
            task.cancel()


async def _do(chore: Any, state: weakref.ref[Any], keep: Keep) -> None:
    """A chore, begun again whenever it fails, as long as its state is there."""
    pause = FIRST
    while state() is not None:
        began = keep.now()
        try:
            await chore(state, keep)
            return
        except Exception as error:
            survive(error.with_traceback(None))
        except (KeyboardInterrupt, SystemExit) as error:  # of somebody's source: it is not the process's to end
            survive(RuntimeError(f"{chore} ended with {error!r}"))
        if keep.now() - began > STEADY:
            pause = FIRST
        await keep.sleep(pause)
        pause = min(2 * pause, LONGEST)


_keeper: Keeper | None = None
_kept: weakref.WeakKeyDictionary[Any, tuple[Chores, Callable[[], float]]] = weakref.WeakKeyDictionary()
"""The states with chores, each with its clock, for a child process."""


def begin(state: Any, chores: Chores, clock: Callable[[], float]) -> None:
    """Have the chores of a state done, from now on; if they are already, nothing changes."""
    global _keeper  # noqa: PLW0603  # one for the process
    with LOCK:
        if _keeper is None or not _keeper.thread.is_alive():
            _keeper = Keeper()
        _kept[state] = (chores, clock)
        _keeper.add(state, chores, clock)


_halted = threading.local()


def _before_fork() -> None:
    keeper = _keeper
    if keeper is not None and keeper.thread.is_alive() and keeper.thread is not threading.current_thread():
        _halted.go = keeper.halt()


def _forked() -> None:
    go = getattr(_halted, "go", None)
    if go is not None:
        _halted.go = None
        go.set()


def _after_fork() -> None:
    global _keeper  # noqa: PLW0603  # as above
    _halted.go = None
    if _keeper is not None:
        _keeper = None
        for state, (chores, clock) in list(_kept.items()):
            begin(state, chores, clock)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_forked, after_in_child=_after_fork)
