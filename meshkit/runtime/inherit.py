"""What does a call take from the one it is made for, and what does it leave to those made for it? See `deadline`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..call import Call
from ..deadline import Outer, until
from ..errors import TooLate
from ..observe.events import RejectedCall
from ..section import REPEAT

__all__ = ["inherit", "warned"]

MOMENT = 0.001
"""Seconds ago that are not worth a number."""


def inherit(call: Call, outer: Outer, clock: Callable[[], float], now: float) -> None:
    """Take the deadline of what a call begins in. Raises `TooLate` where that has passed: nothing is started."""
    call.scope = outer
    call.over = False
    deadline = until(outer, clock, now)
    if deadline is not None:
        if deadline <= now:
            late = now - deadline
            if late < MOMENT:
                rejection = TooLate("the deadline it came with has passed", policy="deadline")
            else:
                rejection = TooLate("the deadline it came with passed %.3g s ago", late, policy="deadline")
            if call.events is not None:
                call.events.claim(rejection)
                call.events.append(RejectedCall(now, "deadline", None, rejection))
            try:
                raise rejection
            finally:
                del rejection  # no cycle of error, traceback and frame
        call.deadline = deadline


def warned(tree: Any, call: Call) -> None:
    """Say once for each pipeline that its retry works within another one's: the attempts multiply."""
    outer = call.scope
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
        outer = outer.scope
