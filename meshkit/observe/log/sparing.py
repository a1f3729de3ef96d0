"""How often is the same thing worth a line? Some lines at once, then one now and then, and the truth in the end.

::

    tokens = min(burst, tokens + (at - before) / every)      a line takes one; without one it is kept back, and counted

for each key, on the instants of the events. What has states (a circuit, an endpoint) is told of a state; one that was
kept back is due as soon as there is a token and still differs from the state that was said last: so a thing that
flaps, and then stays where it is, is not remembered for the state it was in before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from ..events import StateChanged

__all__ = ["Sparing"]

MOST = 10_000
"""Keys that are remembered; the one not asked for longest is forgotten."""

Key = tuple[Any, ...]
"""Whose it is (a pipeline's identity), then what the line is about."""


class Sparing:
    """Token buckets, one for each key. Used by any number of threads."""

    __slots__ = ("_burst", "_every", "_lines", "_lock", "_unsaid", "kept_back")

    def __init__(self, every: float, burst: int) -> None:
        self._every = every
        self._burst = float(burst)
        self._lock = threading.Lock()
        self._lines: OrderedDict[Key, _Line] = OrderedDict()
        self._unsaid: dict[Any, dict[Key, StateChanged]] = {}
        """By whose it is, what has come to a state that was not said; the first is due first."""
        self.kept_back = 0

    def allowed(self, key: Key, event: Any) -> int | None:
        """How many lines like it were kept back before, and it may be written; ``None``: it is kept back as well, or no
        news: a half-open circuit that opens again is still open.
        """
        after = event.after if event.__class__ is StateChanged else None
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = _Line(self._burst, event.at)
                if len(self._lines) > MOST:
                    self._forget(self._lines.popitem(last=False)[0])
            else:
                self._lines.move_to_end(key)
            told = after is not None and after == line.said
            if told and event.before == "half-open":
                return None
            if line.ready(event.at, self._every, self._burst):
                self._forget(key)
                return line.take(after)
            line.hidden += 1
            self.kept_back += 1
            if told:
                self._forget(key)
            elif after is not None:
                self._unsaid.setdefault(key[0], {})[key] = event
            return None

    def due(self, owner: Any, at: float) -> tuple[StateChanged, int] | None:
        """A state of one of ``owner``'s things that was kept back and is to be said now, and how many lines were kept
        back besides.
        """
        if owner not in self._unsaid:
            return None
        with self._lock:
            for key, event in self._unsaid.get(owner, {}).items():
                line = self._lines[key]
                if not line.ready(at, self._every, self._burst):
                    break
                self._forget(key)
                return event, line.take(event.after) - 1
        return None

    def _forget(self, key: Key) -> None:
        waiting = self._unsaid.get(key[0])
        if waiting is not None and waiting.pop(key, None) is not None and not waiting:
            del self._unsaid[key[0]]


class _Line:
    """A bucket, how much it has kept back, and the state that was said last."""

    __slots__ = ("at", "hidden", "said", "tokens")

    def __init__(self, burst: float, at: float) -> None:
        self.tokens = burst
        self.at = at
        self.hidden = 0
        self.said: str | None = None

    def take(self, said: str | None) -> int:
        self.tokens -= 1
        hidden, self.hidden, self.said = self.hidden, 0, said
        return hidden

    def ready(self, at: float, every: float, burst: float) -> bool:
        passed = at - self.at
        if passed > 0:
            self.tokens = min(burst, self.tokens + passed / every)
            self.at = at
        elif passed < -every * burst:  # no neighbour in a race, but another clock
            self.at = at
        return self.tokens >= 1 - 1e-9
