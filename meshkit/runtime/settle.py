"""When does a call end that outlives its answer? When its stream is closed, broken or forgotten.

A stream that nobody closed is found by the garbage collector, which may strike between any two instructions: also
while this very thread holds the lock, or within a lock of some listener's. So there the lock is only tried for, nobody
is told, and what is left of that is done by the next call (`collect`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any

from ..call import Call, Verdict
from ..deadline import beyond
from ..engine import adopt, learn, release
from .lock import LOCK, owned
from .telling import told

__all__ = ["LEFT", "abandon", "collect", "settle", "settle_walks"]

LEFT: deque[tuple[Any, Call, Verdict, Any]] = deque()
"""Calls left behind, each with its pipeline, its verdict and what it began with."""


def settle(
    tree: Any, call: Call, now: float, verdict: Verdict, *, base: Any = None, error: BaseException | None = None
) -> None:
    """Give back all that the call holds above ``base``, and tell of it."""
    if call.held is not base:
        with LOCK:
            release(call, base, now, verdict)
    if call.origin is None and (call.events is not None or call.scope is not None):
        told(tree, call, now, verdict, error)


def settle_walks(call: Call, base: Any, walks: Iterable[Call], kept: Call | None, clock: Callable[[], float]) -> None:
    """Forks of a call that held ``base`` have ended: one is adopted, the others give back what is theirs."""
    _settled(call, base, walks, kept, clock)
    for twin in walks:
        twin.failure = None  # no cycle of fork, error and traceback
        twin.scope = beyond(twin.scope)


def _settled(call: Call, base: Any, walks: Iterable[Call], kept: Call | None, clock: Callable[[], float]) -> None:
    for twin in walks:
        if twin.held is not base:
            break
    else:  # nothing to give back
        if kept is not None:
            learn(call, kept)
        return
    now = clock()
    with LOCK:
        for twin in walks:
            if twin is not kept:
                release(twin, base, now, twin.verdict)
        if kept is not None:
            adopt(call, base, kept, now)


def abandon(tree: Any, call: Call, verdict: Verdict, base: Any = None) -> None:
    """The same from within the garbage collector: at once if the lock is free."""
    if call.events is not None:
        call.events.abandoned = True
    now = tree.clock()
    if not owned() and LOCK.acquire(blocking=False):
        try:
            release(call, base, now, verdict)
        finally:
            LOCK.release()
        if call.origin is not None or (call.events is None and call.scope is None):
            return
    LEFT.append((tree, call, verdict, base))


def collect() -> None:
    """Finish what `abandon` had to leave."""
    while LEFT:
        try:
            tree, call, verdict, base = LEFT.popleft()
        except IndexError:  # another thread was quicker
            return
        # In a context of its own: what listeners note there is not about whoever comes along here.
        copy_context().run(settle, tree, call, tree.clock(), verdict, base=base)
