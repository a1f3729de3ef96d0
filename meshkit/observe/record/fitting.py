"""How long may a record be? 32 KiB in JSON: what is longer loses steps from its middle, and says how many.

The first steps say how it began and the last ones how it ended; what came in between is mostly more of the same.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["LARGEST", "dumped", "fitting"]

LARGEST = 32 * 1024
"""Bytes of a record in JSON."""
ROOM = 64
"""Bytes that are left free for the count of what was dropped."""


def dumped(data: Any) -> str:
    """In one line of JSON."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def fitting(data: dict[str, Any]) -> dict[str, Any]:
    """Without steps from the middle, and then without the last lines of the ledger, where it would be too large."""
    over = _size(data) - LARGEST + ROOM
    steps, lines = data["steps"], data.get("ledger", ())
    while over > ROOM and steps:
        over -= _size(steps.pop(len(steps) // 2)) + 1
        data["dropped"] += 1
    while over > ROOM and lines:
        over -= _size(lines.pop()) + 1
    return data


def _size(data: Any) -> int:
    return len(dumped(data).encode())
