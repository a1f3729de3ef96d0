"""How does a lock of a listener hang nobody? It is reentrant, and free in a forked child.

====================================================  =================================================================
who finds it held                                     then
====================================================  =================================================================
another thread                                        waits, as for any lock
whoever strikes between two instructions of the       goes on: it must not wait for itself. So what is guarded may be
thread that holds it: a signal handler, a             half changed there, and is to be written for that
``__del__``, a ``__str__`` of somebody else's
a child, forked while another thread held it          goes on: that thread was left behind
a child, forked by the very thread that holds it      goes on, and gives it back where it was taken
====================================================  =================================================================

Unlike the lock of the engine (`meshkit.runtime.lock`) none of these is taken before a fork: there are many, in no
order, and what is done under them may take a while.
"""

from __future__ import annotations

import os
import threading
import weakref

__all__ = ["guard"]


def guard() -> threading.RLock:
    """A new one. It may be shared, and is no slower than any ``RLock``: it is one."""
    lock = threading.RLock()
    guards.add(lock)
    return lock


guards: weakref.WeakSet[threading.RLock] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in [*guards]:
        # As threading.Condition and logging ask for these.
        if not lock._is_owned():  # type: ignore[attr-defined]
            lock._at_fork_reinit()  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
