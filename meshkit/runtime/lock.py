"""One short lock for the process, around every walk of the engine.

It makes one pipeline, and one `Shared` state, safe for any number of threads and event loops at once. It is never held
around user code, key functions, judges, listeners or I/O.

It is reentrant for those who strike between any two instructions of a thread that holds it: a signal handler or a
``__del__`` that comes through a pipeline must not wait for itself. What the garbage collector closes is left for later
instead (`settle.abandon`). A process forks while the lock is held by whoever forks it, and so is free in the child;
permits of the parent's other threads stay taken there.
"""

from __future__ import annotations

import os
import threading

__all__ = ["LOCK", "owned"]

LOCK = threading.RLock()
owned = LOCK._is_owned  # type: ignore[attr-defined]  # as threading.Condition asks it
"""Whether this very thread holds it."""

if hasattr(os, "register_at_fork"):
    # Nobody is in the midst of a change when a process forks: half of one would be the child's for good.
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)
