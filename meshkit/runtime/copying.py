"""Who sends the copies of calls, while nobody waits for them?

===========  ===========================================================================================
on asyncio   a task of the loop that the call runs on; it ends with the loop, at the latest
on trio      a system task, which ends with the main task, at the latest
in threads   one of a few daemon threads for each mirror, from a queue; they end with the process
===========  ===========================================================================================

A copy is sent in a context of its own: neither the deadline nor the ledger nor the record of the call it is a copy of
are its business, and whoever cancels the one does not mean the other. Only the trace that the request belongs to goes
on. It has the seconds of its mirror, as an `opened` deadline, and whatever it raises is counted and no more.

How many there may be decides the mirror (`meshkit.route.mirror`), which also keeps those under way: so a loop, which
knows its tasks by weak references, loses none.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

from ..deadline import CURRENT, Scope
from ..observe.passing import PASSING
from .lock import LOCK

__all__ = ["Copy", "Crew", "Tasks", "cancel"]

THREADS = 8
"""Of one mirror."""
IDLE = 5.0
"""Seconds without a copy to send, after which a thread ends."""

_forks = 0
"""How often this process is a fork of another one: what that had under way will never end here."""


class Copy:
    """A copy, from when it is decided on until it has ended. ``by``: who sends it."""

    __slots__ = ("_born", "_clock", "_deadline", "_passing", "by", "home", "mirror", "over", "task")

    def __init__(self, mirror: Any, by: Any, clock: Callable[[], float]) -> None:
        self.mirror = mirror
        self.by = by
        self.home: Any = None
        """The event loop that it runs on; on trio, the token of the run."""
        self.task: Any = None
        """On asyncio its task, on trio its cancel scope."""
        self.over: Any = None
        """On trio: an event, set at its end."""
        self._born = _forks
        self._clock = clock
        self._deadline = clock() + mirror.timeout
        self._passing = PASSING.get()

    @property
    def gone(self) -> bool:
        """Whether nobody will ever tell of its end: its loop was closed over it, or left behind by a fork."""
        return self._born != _forks or (self.over is None and self.home is not None and self.home.is_closed())

    def open(self) -> None:
        """In the context of its own, before anything else."""
        CURRENT.set(Scope(self._deadline, self._clock))
        if self._passing:
            PASSING.set(self._passing)

    def end(self, *, failed: bool) -> None:
        with LOCK:
            self.mirror.end(self, failed=failed)


class Tasks:
    """Sends the copies of one mirror behind an async transport."""

    __slots__ = ("_asyncio",)

    def __init__(self) -> None:
        import asyncio  # loaded by those who await

        self._asyncio = asyncio

    def begin(self, copy: Copy, ask: Callable[[], Awaitable[None]]) -> None:
        """Have a copy sent, from the next turn of the loop on."""
        context = Context()
        try:
            loop = self._asyncio.get_running_loop()
        except RuntimeError:
            import trio

            copy.home, copy.over = trio.lowlevel.current_trio_token(), trio.Event()
            copy.task = trio.CancelScope()
            trio.lowlevel.spawn_system_task(_on_trio, copy, ask, name="meshkit-mirror", context=context)
        else:
            copy.home = loop
            # Not the loop's own way to make one, which may be eager: the call goes first.
            asked = _on_asyncio(copy, ask)
            task = copy.task = self._asyncio.Task(asked, loop=loop, name="meshkit-mirror", context=context)
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # as asyncio's own: its loop may be closed
            task.add_done_callback(partial(_ended, copy), context=context)


async def cancel(copies: Iterable[Copy]) -> None:
    """Cancel those that run on this loop, and wait until they have ended."""
    import asyncio

    try:
        home: Any = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        home = trio.lowlevel.current_trio_token()
    ours = [copy for copy in copies if copy.home is home and copy.task is not None]
    if ours and ours[0].over is None:
        from .race import given_up

        await given_up([copy.task for copy in ours])
    else:
        for copy in ours:
            copy.task.cancel()
        for copy in ours:
            await copy.over.wait()


async def _on_asyncio(copy: Copy, ask: Callable[[], Awaitable[None]]) -> bool:
    """Whether it has failed."""
    copy.open()
    try:
        await ask()
    except (Exception, SystemExit):  # somebody's transport may raise this, too: it is not the process's to end
        return True
    return False


def _ended(copy: Copy, task: Any) -> None:
    """Called when its task is done, also where that was cancelled before it began."""
    copy.task = None
    copy.end(failed=task.cancelled() or task.exception() is not None or task.result())


async def _on_trio(copy: Copy, ask: Callable[[], Awaitable[None]]) -> None:
    import trio

    failed = True
    try:
        with copy.task:
            failed = await _on_asyncio(copy, ask)
    except (GeneratorExit, trio.Cancelled):
        raise
    except BaseException:  # noqa: S110  # a system task that raises would end the run; Ctrl-C strikes the main task
        pass
    finally:
        copy.end(failed=failed)
        copy.task = None
        copy.over.set()


class Crew:
    """Sends the copies of one mirror behind one transport that blocks: a few threads, and a queue which the mirror's
    own limit bounds.
    """

    def __init__(self, limit: int) -> None:
        self._most = min(limit, THREADS)
        self.anew()
        _crews.add(self)

    def anew(self) -> None:
        """Also in a child process: threads, and who holds the lock, are left behind."""
        self._ready = threading.Condition()
        self._waiting: deque[tuple[Copy, Callable[[], None]]] = deque()
        self._idle = 0
        self._threads = 0
        self._closed = False

    def begin(self, copy: Copy, ask: Callable[[], None]) -> None:
        """Have a copy sent by the next thread that is free."""
        with self._ready:
            self._waiting.append((copy, ask))
            if self._idle >= len(self._waiting):
                self._ready.notify()
                return
            if self._threads >= self._most:
                return
            self._threads += 1
        try:
            threading.Thread(target=self._work, name="meshkit-mirror", daemon=True).start()
        except BaseException:
            with self._ready:
                self._threads -= 1
                with suppress(ValueError):  # another thread has it
                    self._waiting.remove((copy, ask))
            raise

    def close(self) -> None:
        """Forget those that wait, and let idle threads go. What a thread is at goes on."""
        with self._ready:
            left = [copy for copy, _ in self._waiting]
            self._waiting.clear()
            self._closed = True
            self._ready.notify_all()
        for copy in left:
            copy.end(failed=True)

    def _work(self) -> None:
        while True:
            with self._ready:
                self._idle += 1
                self._ready.wait_for(lambda: self._waiting or self._closed, IDLE)
                self._idle -= 1
                if not self._waiting:
                    self._threads -= 1
                    return
                copy, ask = self._waiting.popleft()
            failed = True
            try:
                Context().run(_asked, copy, ask)
                failed = False
            except BaseException:  # noqa: S110  # Ctrl-C strikes the main thread only: it is the copy's own
                pass
            copy.end(failed=failed)
            copy = ask = None  # type: ignore[assignment]  # nothing is kept while it waits


def _asked(copy: Copy, ask: Callable[[], None]) -> None:
    copy.open()
    ask()


_crews: weakref.WeakSet[Crew] = weakref.WeakSet()


def forked() -> None:
    global _forks  # noqa: PLW0603  # one process
    _forks += 1
    for crew in [*_crews]:
        crew.anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forked)
