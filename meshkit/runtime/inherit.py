"""What does a call take from the one it is made for, and what does it leave to those made for it? See `deadline`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import Token
from typing import Any

from ..call import Call
from ..deadline import CURRENT, Scope
from ..errors import TooLate
from ..section import REPEAT

__all__ = ["close_scope", "inherit", "open_scope", "warned"]


def inherit(call: Call, scope: Scope, clock: Callable[[], float], now: float) -> None:
    """Take the deadline of the scope a call begins in. Raises `TooLate` where that has passed: nothing is started."""
    call.scope = scope
    until = scope.until(clock, now)
    if until is not None:
        if until <= now:
            raise TooLate("the deadline it came with passed %.3g s ago", now - until)
        call.deadline = until


def open_scope(call: Call, clock: Callable[[], float], door: Any) -> Token[Scope | None]:
    """Leave the call's deadline to the calls made within it, less what the door reserves for its own work."""
    until = call.deadline
    if until is not None and door.reserve:
        until -= door.reserve
    return CURRENT.set(Scope.of(until, clock, call))


def close_scope(token: Token[Scope | None]) -> None:
    with suppress(ValueError):  # the garbage collector closes a coroutine in a context that is not its own
        CURRENT.reset(token)


def warned(tree: Any, call: Call) -> None:
    """Say once for each pipeline that its retry works within another one's: the attempts multiply."""
    outer = call.scope.call
    while outer is not None:
        mark = outer.marks
        while mark is not None and mark[1].kind is not REPEAT:
            mark = mark[0]
        if mark is not None:
            import logging

            tree.warned = True
            logging.getLogger("meshkit").warning(
                "a retry within a retry: %s is repeated within a call that is repeated itself; attempts multiply, "
                "so leave the retry to one of the two",
                call.door.who(call),
            )
            return
        outer = outer.scope and outer.scope.call
