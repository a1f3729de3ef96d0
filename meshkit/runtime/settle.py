"""When does a call end that outlives its answer? When its stream is closed, broken or forgotten.

A stream that nobody closed is found by the garbage collector, which may strike between any two instructions: also
while this very thread holds the lock, or within a lock of some listener's. So there the lock is only tried for, nobody
is told, and what is left of that is done by the next call (`collect`).
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ..call import Call, Verdict
from ..engine import release
from .lock import LOCK, owned
from .outcome import told

__all__ = ["LEFT", "abandon", "collect", "settle"]

LEFT: deque[tuple[Any, Call, Verdict]] = deque()
"""Calls left behind, each with its pipeline and its verdict."""


def settle(tree: Any, call: Call, now: float, verdict: Verdict) -> None:
    """Give back all that the call holds, and tell of it."""
    if call.held is not None:
        with LOCK:
            release(call, None, now, verdict)
    if call.events is not None:
        told(tree, call)


def abandon(tree: Any, call: Call, verdict: Verdict, base: Any = None) -> None:
    """The same from within the garbage collector: at once if the lock is free."""
    now = tree.clock()
    if not owned() and LOCK.acquire(blocking=False):
        try:
            release(call, base, now, verdict)
        finally:
            LOCK.release()
        if call.events is None:
            return
    LEFT.append((tree, call, verdict))


def collect() -> None:
    """Finish what `abandon` had to leave."""
    while LEFT:
        try:
            tree, call, verdict = LEFT.popleft()
        except IndexError:  # another thread was quicker
            return
        settle(tree, call, tree.clock(), verdict)
