"""Until when must what is done on behalf of a call be over? A deadline that travels, and the ledger of who spent it.

A door that lets work in (ASGI, a function) leaves its call in a context variable; every call that begins below takes
the smaller of that deadline and its own, whichever clock its pipeline reads. The variable goes wherever Python's
context goes: into tasks, into threads that are started in a copied context (``asyncio.to_thread``, anyio, Starlette),
through ``BaseHTTPMiddleware``. A plain ``threading.Thread`` begins without one.

The idea and its rules are gRPC's: what is passed on is the time that remains, never an instant of the wall clock, and
the smaller one wins.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import attrs

from .errors import ConfigError
from .options import LARGEST

__all__ = [
    "CURRENT",
    "Outer",
    "Scope",
    "Spent",
    "beyond",
    "detached",
    "impatient",
    "ledger",
    "opened",
    "original",
    "remaining",
    "spend",
    "until",
]

EARLY = 0.002
"""Seconds by which a timer of the operating system may be early."""
MOST = 100
"""Lines of a ledger; what comes later is added up in the last one."""


@attrs.frozen
class Spent:
    """A line of the ledger: a call below took so many ``seconds`` in so many ``attempts``, and ended with ``verdict``.

    ``who`` names what was called: a host, a function. ``depth`` is 0 for a call made by the one that opened the
    deadline, 1 for a call made by such a call. ``at`` is when it began, in seconds after the deadline was opened.
    """

    who: str
    at: float
    seconds: float
    attempts: int
    verdict: str
    depth: int = 0


class Outer(Protocol):
    """What a call begins in: a `Call` that opened its deadline to those below, or a `Scope`."""

    began_at: float
    clock: Callable[[], float]
    deadline: float | None
    lines: list[Spent] | None
    marks: Any
    reserve: float
    scope: Any


class Scope:
    """A deadline that came from outside: by a header, or by hand. ``deadline`` is an instant on ``clock``. One that a
    ``stranger`` has set is obeyed, and teaches nobody anything.
    """

    __slots__ = ("began_at", "clock", "deadline", "lines", "scope", "stranger")

    marks = None
    reserve = 0.0

    def __init__(self, deadline: float | None, clock: Callable[[], float], *, stranger: bool = False) -> None:
        self.began_at = clock()
        self.stranger = stranger
        self.clock = clock
        self.deadline = deadline
        self.lines: list[Spent] | None = None
        self.scope = CURRENT.get()


CURRENT: ContextVar[Any] = ContextVar("meshkit.deadline", default=None)
"""The `Outer` that what runs here is within, or ``None``."""


def until(outer: Outer, clock: Callable[[], float], now: float) -> float | None:
    """The deadline left to those below, as an instant on the given clock, which reads ``now``; ``None``: there is none.

    Whoever's answer is complete has lifted it, by putting it at infinity. Whose call came to nothing has put it at
    minus infinity: a function it left behind in a thread is to stop, while a task that lives on is nobody's any more.
    """
    deadline = outer.deadline
    if deadline is None or deadline == math.inf:
        return None
    if deadline == -math.inf:
        return None if _awaited() else now
    deadline -= outer.reserve
    return deadline if outer.clock is clock else now + (deadline - outer.clock())


def impatient(call: Any) -> bool:
    """Whether the deadline that a stranger has set for a call has passed, as the call sees it; or one of ours has, of
    which a stranger has taken the time: a door's ``excuses(call)`` tells.

    Whoever calls us with too little time would else open our breakers for everybody: what ends then is no failure.
    """
    if _excused(call):
        return True
    outer, withheld = call.scope, EARLY
    while outer is not None:
        withheld += outer.reserve
        deadline = outer.deadline
        passed = deadline is not None and abs(deadline) != math.inf and outer.clock() >= deadline - withheld
        if passed and (outer.stranger if outer.__class__ is Scope else _excused(outer)):
            return True
        outer = outer.scope
    return False


def _excused(call: Any) -> bool:
    excuses = getattr(call.door, "excuses", None)
    return excuses is not None and excuses(call)


def _awaited() -> bool:
    """Whether an event loop runs in this thread."""
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return True
    return trio is not None and trio.lowlevel.in_trio_run()


def beyond(outer: Any) -> Any:
    """What is still to be known, of all that a call was made within, once it is over: the deadline that a stranger has
    set, if there is one. A job that begins the next one within itself would otherwise keep all that came before it.
    """
    while outer is not None and not (outer.__class__ is Scope and outer.stranger):
        outer = outer.scope
    return outer


def original(outer: Any) -> Any:
    """The call itself, where that is a fork of one."""
    while getattr(outer, "origin", None) is not None:
        outer = outer.origin
    return outer


def spend(outer: Outer, who: str, seconds: float, attempts: int, verdict: str) -> None:
    """Write a line into the ledger of the outermost: a call below has ended just now."""
    depth = 0
    outer = original(outer)
    while outer.scope is not None:
        outer, depth = original(outer.scope), depth + 1
    line = Spent(who, max(0.0, outer.clock() - outer.began_at - seconds), seconds, attempts, verdict, depth)
    lines = outer.lines
    if lines is None:
        outer.lines = [line]
    elif len(lines) < MOST:
        lines.append(line)
    else:
        last = lines[-1]
        lines[-1] = Spent("others", last.at, last.seconds + seconds, last.attempts + attempts, verdict)


def remaining() -> float | None:
    """Seconds until the deadline of whoever asked for this work, not below 0; ``None``: there is none."""
    outer = CURRENT.get()
    if outer is None:
        return None
    now = outer.clock()
    at = until(outer, outer.clock, now)
    return None if at is None else max(0.0, at - now)


def ledger() -> tuple[Spent, ...]:
    """Who has spent how much of the deadline so far: a line for each call that has ended, at most 100.

    Of calls one within the other, both are there: ``depth`` tells them apart.
    """
    outer = original(CURRENT.get())
    while outer is not None and outer.scope is not None:
        outer = original(outer.scope)
    return () if outer is None else tuple(outer.lines or ())


@contextmanager
def opened(seconds: float | None, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Open a deadline for all that is done within: what a door does, for work that comes by another way.

    ``seconds`` from now, of which none may be left; ``None``: only a ledger. Raises `ConfigError` for what is no finite
    number.
    """
    given: object = seconds
    if given is not None and not (isinstance(given, int | float) and abs(given) <= LARGEST):
        raise ConfigError.of("opened", "seconds", seconds, "give the seconds that are left, or None for no deadline")
    outer = CURRENT.get()
    now = clock()
    inherited = None if outer is None else until(outer, clock, now)
    own = None if seconds is None else now + seconds
    token = CURRENT.set(Scope(min((at for at in (own, inherited) if at is not None), default=None), clock))
    try:
        yield
    finally:
        CURRENT.reset(token)


@contextmanager
def detached() -> Iterator[None]:
    """Leave the deadline behind for all that is done within: for work that must be finished whoever still waits."""
    token = CURRENT.set(None)
    try:
        yield
    finally:
        CURRENT.reset(token)
