"""What is left to say of what a call has come to? The note on its exception, and the failure it followed upon."""

from __future__ import annotations

from contextlib import suppress

from ..call import Call
from ..engine import MANY
from ..section import REPEAT

__all__ = ["follows", "noted", "repeats"]

DEEP = 64
"""Contexts of contexts that are looked through; a chain of more is not made longer."""


def repeats(call: Call) -> bool:
    """Whether the walk goes on within the retry that was asked last, and not to what stands instead."""
    mark = call.marks
    return mark is not None and mark[1].kind is REPEAT and mark[1].after is call.rest


def follows(error: BaseException, first: BaseException | None, call: Call) -> None:
    """What stood instead has failed as well: the failure it took the place of is the context of its own, unless that
    has one. ``first`` is that failure; ``None``: the refusal in ``call.failed``.
    """
    if first is None and (first := call.failed[0].error) is None:
        return
    each = first
    for _ in range(DEEP):
        if each is error:
            return  # raised before, and known to the other: no cycle
        if each.__context__ is None:
            break
        each = each.__context__
    else:
        return
    if error.__context__ is None:
        with suppress(Exception):  # some take no attributes
            error.__context__ = first


def noted(error: BaseException, call: Call, now: float) -> BaseException:
    """The upstream's own exception, with a note (PEP 678) where a retry stood behind it."""
    notes = getattr(error, "__notes__", ())
    if len(notes) < MANY and (call.stopped is not None or not notes):
        plural = "" if call.attempt == 1 else "s"
        why = "" if call.stopped is None else f", stopped: {call.stopped}"
        with suppress(Exception):  # some take no attributes
            error.add_note(f"{call.attempt} attempt{plural} in {now - call.began_at:.3g} s{why}")
        call.stopped = None  # it is said once, also where the error passes a middleware
    return error
