"""Which failed call below has made this one fail? Of two records of a journal, whether one is within the other.

============================  ====================================================================================
``within`` of the one         is the ``id`` of the other: certain, also where calls run side by side
the same ``trace_id``         and its time lies in that of the other: of another process, say
============================  ====================================================================================

Of several the one with the same error counts, or else the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from .phrases import flag, number, part, text

__all__ = ["below"]

ALIKE = ("error", "says", "policy")
"""What two failures have in common that are one."""
SLACK = 0.002
"""Seconds: the wall clock of a record is read to the millisecond."""


def below(data: Mapping[str, Any], failed: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """That one of the failed calls, in the order in which they ended; ``None``: there is none."""
    found: list[dict[str, Any]] = [each for each in failed if each is not data and _is_within(each, data)]
    if not found:
        return None
    given = part(data, "failure")
    if flag(given, "own", False):
        alike = [each for each in found if all(part(each, "failure").get(name) == given.get(name) for name in ALIKE)]
        return (alike or found)[-1]
    return found[-1]


def _is_within(each: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    if text(each, "within"):
        if text(each, "within") == text(data, "id"):
            return True
        if _process(each) == _process(data):
            return False  # it is within another call
    trace = text(part(data, "trace"), "trace_id")
    if not trace or text(part(each, "trace"), "trace_id") != trace:
        return False
    outer, inner = _span(data), _span(each)
    if outer is None or inner is None:
        return False
    return outer[0] - SLACK <= inner[0] and inner[1] <= outer[1] + SLACK and inner[1] - inner[0] < outer[1] - outer[0]


def _process(data: Mapping[str, Any]) -> str:
    return text(data, "id").rpartition("-")[0]


def _span(data: Mapping[str, Any]) -> tuple[float, float] | None:
    """When it began and ended, in seconds by the wall clock."""
    took = number(data, "duration")
    try:
        began = datetime.fromisoformat(text(data, "at")).timestamp()
        return None if took is None else (began, began + took)
    except (ValueError, OverflowError, OSError):  # OverflowError: also of a whole number that no float can be
        return None
