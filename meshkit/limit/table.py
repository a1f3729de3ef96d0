"""Which key may be forgotten? Only one that owes nothing, and only when the table is full.

So that forgetting never refills a limit. A hand goes round the keys, a few steps for each newcomer to a full table, as
in the clock algorithm of paging (Corbató 1968): a newcomer costs the same in a table of any size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["FORGETS", "LOOKS", "OVERFLOW", "sweep"]

LOOKS, FORGETS = 8, 2
"""Cells looked at, and forgotten at most, for each newcomer to a full table."""

OVERFLOW = object()
"""The key of the one cell that newcomers share while there is no room."""


def sweep(ring: deque[Hashable], cells: dict[Hashable, Any], owes: Callable[[Any], bool]) -> int:
    """Look at a few cells where the hand stands. Answers how many were forgotten."""
    forgotten = 0
    for _ in range(min(LOOKS, len(ring))):
        key = ring.popleft()
        if owes(cells[key]):
            ring.append(key)
        else:
            del cells[key]
            forgotten += 1
            if forgotten == FORGETS:
                break
    return forgotten
