"""How does a listener that blocks harm nobody? It has a thread of its own, and a queue that may run over.

Events are put into the queue by whoever made the call, in order; what finds it full is dropped and counted. The thread
lasts until the listening is stopped, or as long as the process; a child process after a fork has one of its own.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

__all__ = ["MOST", "Post"]

MOST = 10_000
"""Events that wait for a listener; those after them are dropped."""
PATIENCE = 1.0
"""Seconds for which who stops a listener, and a process that ends, wait for what is in its queue."""


class Post:
    """Delivers events to one listener. ``lost(error, listener)`` is told what it raises; ``None``: an event dropped.

    The queue is one of C, which may be put into from a signal handler or the collector, wherever these strike.
    """

    def __init__(self, listener: Callable[[Any], None], lost: Callable[[BaseException | None, Any], None]) -> None:
        self._listener = listener
        self._lost = lost
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.RLock()
        posts.add(self)

    def __call__(self, event: Any) -> None:
        """Put an event into the queue. Never waits."""
        if self._queue.qsize() >= MOST:
            self._lost(None, self._listener)
            return
        if self._thread is None:
            self._start()
        self._queue.put(event)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="meshkit-listener", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            event = self._queue.get()
            if event is END:
                return
            if event.__class__ is threading.Event:
                event.set()
                continue
            try:
                self._listener(event)
            except BaseException as error:  # whatever it is, it is this listener's, and it hears the next
                self._lost(error, self._listener)
            event = None

    def flush(self, seconds: float = PATIENCE) -> bool:
        """Wait until what is in the queue now has been delivered; false if that took too long."""
        if self._thread is None or threading.current_thread() is self._thread:
            return True
        mark = threading.Event()
        self._queue.put(mark)
        return mark.wait(seconds)

    def close(self) -> None:
        """Deliver what is in the queue, as far as there is time, and end the thread. Once."""
        if self in posts:
            posts.discard(self)
            self.flush()
            self._queue.put(END)

    def anew(self) -> None:
        """In a child process: the thread was left behind, and what was in the queue is the parent's to deliver."""
        self._queue = SimpleQueue()
        self._thread = None
        self._starting = threading.RLock()


END = object()
posts: weakref.WeakSet[Post] = weakref.WeakSet()


def _flush_all() -> None:
    until = time.monotonic() + PATIENCE
    for post in [*posts]:
        post.flush(max(0.0, until - time.monotonic()))


def _after_fork() -> None:
    for post in [*posts]:
        post.anew()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
