"""Until when must what is done on behalf of a call be over? A deadline that travels, and the ledger of who spent it.

A door that lets work in (ASGI, a function) opens a `Scope` in a context variable; every call that begins below takes
the smaller of that deadline and its own, whichever clock its pipeline reads. The variable goes wherever Python's
context goes: into tasks, into threads that are started in a copied context (``asyncio.to_thread``, anyio, Starlette),
through ``BaseHTTPMiddleware``. A plain ``threading.Thread`` begins without one.

The idea and its rules are gRPC's: what is passed on is the time that remains, never an instant of the wall clock, and
the smaller one wins.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

import attrs

if TYPE_CHECKING:
    from .call import Call

__all__ = ["CURRENT", "Scope", "Spent", "detached", "ledger", "opened", "remaining"]

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


class Scope(NamedTuple):
    """What the calls below inherit. Made by `Scope.of`."""

    at: float | None
    """The deadline, an instant on ``clock``; ``None``: there is none."""
    clock: Callable[[], float]
    call: Call | None
    """Whose it is; ``None``: it came from outside."""
    began_at: float
    """When the outermost scope was opened, by ``clock``."""
    depth: int
    lines: list[Spent]
    """The ledger, one for all scopes that stand within each other."""

    @classmethod
    def of(cls, at: float | None, clock: Callable[[], float], call: Call | None = None) -> Scope:
        """A scope within the one that runs here."""
        outer = CURRENT.get()
        if outer is None:
            return new(cls, (at, clock, call, clock() if call is None else call.began_at, 0, []))
        began_at = outer.began_at
        if outer.clock is not clock:
            began_at += clock() - outer.clock()
        return new(cls, (at, clock, call, began_at, outer.depth + 1, outer.lines))

    @property
    def lifted(self) -> bool:
        """Whether the answer it was for is complete: what still runs then has no deadline."""
        return self.call is not None and self.call.deadline == math.inf

    def until(self, clock: Callable[[], float], now: float) -> float | None:
        """The deadline as an instant on the given clock, which reads ``now``."""
        if self.at is None or self.lifted:
            return None
        if clock is self.clock:
            return self.at
        return now + (self.at - self.clock())

    def spend(self, who: str, seconds: float, attempts: int, verdict: str) -> None:
        """Write a line: a call below has ended just now."""
        at = max(0.0, self.clock() - self.began_at - seconds)
        line = Spent(who, at, seconds, attempts, verdict, self.depth)
        if len(self.lines) < MOST:
            self.lines.append(line)
        else:
            last = self.lines[-1]
            self.lines[-1] = Spent("others", last.at, last.seconds + seconds, last.attempts + attempts, verdict)


new = tuple.__new__  # a third of what the class itself takes: a scope is made for each call with a deadline

CURRENT: ContextVar[Scope | None] = ContextVar("meshkit.deadline", default=None)
"""The scope that what runs here is in."""


def remaining() -> float | None:
    """Seconds until the deadline of whoever asked for this work, not below 0; ``None``: there is none."""
    scope = CURRENT.get()
    if scope is None or scope.at is None or scope.lifted:
        return None
    return max(0.0, scope.at - scope.clock())


def ledger() -> tuple[Spent, ...]:
    """Who has spent how much of the deadline so far: a line for each call that has ended, at most 100.

    Of calls one within the other, both are there: ``depth`` tells them apart.
    """
    scope = CURRENT.get()
    return () if scope is None else tuple(scope.lines)


@contextmanager
def opened(seconds: float | None, clock: Callable[[], float] = time.monotonic) -> Iterator[Scope]:
    """Open a deadline for all that is done within: what a door does, for work that comes by another way."""
    outer = CURRENT.get()
    now = clock()
    inherited = None if outer is None else outer.until(clock, now)
    own = None if seconds is None else now + seconds
    at = min((each for each in (own, inherited) if each is not None), default=None)
    scope = Scope.of(at, clock)
    token = CURRENT.set(scope)
    try:
        yield scope
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
