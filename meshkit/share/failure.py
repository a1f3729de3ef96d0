"""Whose failure is it, and how is one exception raised for several callers? As a copy for each of them.

A copy has the same class, arguments, attributes and cause, and a traceback that ends where the failure happened.

Raised again and again, one object would collect the frames of all its callers in its traceback, the notes of all their
retries, and whatever each of them does to it. asyncio raises the same object from a future for every awaiter and only
sets the traceback back.

A copy is made without ``__init__``, which may want other arguments than those it has passed on to ``Exception``: that
is also why ``copy.copy`` will not do. What C classes keep outside of ``__dict__`` (``OSError.errno``,
``ImportError.name``), and what stands in slots, is copied by its descriptors. Where a class cannot be made that way,
the object itself is raised, its traceback set back.
"""

from __future__ import annotations

from contextlib import suppress
from types import GetSetDescriptorType, MemberDescriptorType, TracebackType
from typing import Any

from ..call import Call

__all__ = ["SLACK", "Failed", "spent"]

SLACK = 0.002
"""Seconds by which a timer of the operating system may be early."""

UNSET = object()
OWN = ("args", "__cause__", "__context__", "__suppress_context__")
"""What every exception has. A cause suppresses the context: that comes after it."""


def spent(call: Call) -> bool:
    """Whether the call's own time is over: then what failed is its own failure, and time for nothing is left.

    On asyncio a deadline cancels the call from outside, and no failure is seen here. On trio it may strike further in
    first, and so may a queue that refuses for want of time.
    """
    return call.deadline is not None and call.clock() >= call.deadline - SLACK


class Failed:
    """A failure as it was when a call ended with it, whatever becomes of the exception afterwards."""

    __slots__ = ("_error", "_trace")

    def __init__(self, error: BaseException) -> None:
        self._trace = error.__traceback__
        self._error = copied(error, self._trace)

    def error(self) -> BaseException:
        """One more of it, to be raised; its traceback says where the failure happened."""
        return copied(self._error, self._trace)


def copied(error: BaseException, trace: TracebackType | None) -> BaseException:
    """A copy with that traceback or, whatever the class has against being copied, the object itself."""
    try:
        twin = _twin(error)
    except Exception:
        twin = error
    return twin.with_traceback(trace)


def _twin(error: BaseException) -> BaseException:
    kind = type(error)
    twin = kind.__new__(kind, *error.args)
    twin.__dict__.update(error.__dict__)
    if "__notes__" in twin.__dict__:
        twin.__dict__["__notes__"] = list(twin.__dict__["__notes__"])
    for ancestor in kind.__mro__:
        if ancestor is not BaseException:
            for place in vars(ancestor).values():
                if isinstance(place, MemberDescriptorType | GetSetDescriptorType):
                    _set(place, twin, error)
    for name in OWN:
        _set(vars(BaseException)[name], twin, error)
    return twin


def _set(place: Any, twin: BaseException, error: BaseException) -> None:
    """By the descriptor: a frozen class forbids it to everybody else. What is the same already may be unset in both."""
    value = _get(place, error)
    if value is not UNSET and value is not _get(place, twin):
        with suppress(AttributeError, TypeError):  # read only
            place.__set__(twin, value)


def _get(place: Any, error: BaseException) -> Any:
    try:
        return place.__get__(error, type(error))
    except AttributeError:
        return UNSET
