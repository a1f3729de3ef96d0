"""Which of the last good answers are still there? Those not too old, not too many, and not too large together.

=================================  ==================================================================================
event                              then
=================================  ==================================================================================
an answer of instant ``at``        it takes the place of one that is no younger; what is too old goes, and while there
                                   are more than ``max_keys``, or more than ``max_total`` bytes, the least lately used
asked at ``now``                   given if ``now - at <= seconds``, and used by that; otherwise it goes
=================================  ==================================================================================

Least lately used, and not oldest: what is asked for while its upstream is down must not make room for what is well.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

__all__ = ["Answers"]


class Answers:
    """A bounded table of answers by key. No lock of its own: whoever calls holds one."""

    __slots__ = ("_kept", "max_keys", "max_total", "seconds", "size")

    def __init__(self, seconds: float, max_keys: int, max_total: int) -> None:
        self.seconds = seconds
        self.max_keys = max_keys
        self.max_total = max_total
        self.size = 0
        """Bytes of all answers whose size is known."""
        self._kept: OrderedDict[Hashable, tuple[float, int, Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: Hashable, answer: Any, size: int, at: float) -> None:
        kept = self._kept
        before = kept.get(key)
        if before is not None:
            if before[0] > at:
                return
            self.forget(key)
        kept[key] = (at, size, answer)
        self.size += size
        while kept:
            oldest, (since, _, _) = next(iter(kept.items()))
            if at - since <= self.seconds and len(kept) <= self.max_keys and self.size <= self.max_total:
                break
            self.forget(oldest)

    def give(self, key: Hashable, now: float) -> tuple[float, Any] | None:
        """The age and the answer."""
        found = self._kept.get(key)
        if found is None:
            return None
        at, _, answer = found
        if now - at > self.seconds:
            self.forget(key)
            return None
        self._kept.move_to_end(key)
        return max(0.0, now - at), answer

    def age(self, key: Hashable, now: float) -> float | None:
        """Of the answer that would be given; ``None``: there is none. Changes nothing."""
        found = self._kept.get(key)
        return None if found is None or now - found[0] > self.seconds else max(0.0, now - found[0])

    def forget(self, key: Hashable) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self.size -= found[1]
