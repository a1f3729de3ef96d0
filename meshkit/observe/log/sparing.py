"""How often is the same thing worth a line? Some lines at once, then one now and then, and the truth in the end.

::

    tokens = min(burst, tokens + (at - before) / every)      a line takes one; without one it is kept back, and counted

for each key of each pipeline, on the instants of the events. What has states (a circuit, an endpoint) is told of a
state; one that was kept back is due as soon as there is a token and still differs from the state that was said last: so
a thing that flaps, and then stays where it is, is not remembered for the state it was in before.

Of one pipeline 10,000 keys of calls are remembered, and as many of states. When there are that many, a new one takes
the place of the one not asked for longest, if that one has all its tokens again and nothing unsaid; else it shares one
bucket with all newcomers of its kind: of the same outcome, or that have come to the same state. So there is a limit
whatever comes; of these, a state that was kept back is not due later. A pipeline that is gone is forgotten, and whoever
has its address afterwards is another.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from ...runtime.guard import guard
from ..events import StateChanged

__all__ = ["Sparing"]

MOST = 10_000

Key = tuple[Any, ...]
"""What the line is about; first the outcome, or that it is a state."""


class Sparing:
    """Token buckets, one for each key of each pipeline. Used by any number of threads.

    Whoever strikes within the lock, such as a signal handler that makes a call, may come here as well. So nothing that
    was looked up is relied upon to be there still; at worst that is one line more.
    """

    __slots__ = ("_burst", "_every", "_lock", "_owners", "kept_back")

    def __init__(self, every: float, burst: int) -> None:
        self._every = every
        self._burst = float(burst)
        self._lock = guard()
        self._owners: WeakKeyDictionary[Any, _Owner] = WeakKeyDictionary()
        self.kept_back = 0

    def allowed(self, pipeline: Any, key: Key, event: Any) -> int | None:
        """How many lines like it were kept back before, and it may be written; ``None``: it is kept back as well, or no
        news: a half-open circuit that opens again is still open.
        """
        at = event.at
        after = event.after if event.__class__ is StateChanged else None
        with self._lock:
            owner = self._owners.get(pipeline)
            if owner is None:
                owner = self._owners.setdefault(pipeline, _Owner())
            line = owner.line(key, at, self._every, self._burst, owner.calls if after is None else owner.states)
            if line is None:
                line = owner.others.setdefault(after or key[0], _Line(self._burst, at))
                after = None  # of which of them, nobody will know
            if after is not None:
                line.last = event
                if after == line.said and event.before == "half-open":
                    return None
            hidden = None
            if line.ready(at, self._every, self._burst):
                hidden = line.take(after)
            else:
                line.hidden += 1
                self.kept_back += 1
            if after is not None:
                owner.settle(key, line)
            return hidden

    def due(self, pipeline: Any, at: float) -> tuple[StateChanged, int] | None:
        """A state of one of the pipeline's things that was kept back and is to be said now, and how many lines were
        kept back besides.
        """
        owner = self._owners.get(pipeline)
        if owner is None or not owner.unsaid:
            return None
        with self._lock:
            key = first(owner.unsaid)
            line = owner.states.get(key)
            if line is None:
                owner.unsaid.pop(key, None)  # who struck has forgotten it
                return None
            if not line.ready(at, self._every, self._burst):
                return None
            event = line.last
            hidden = line.take(event.after) - 1 if event.after != line.said else None
            owner.settle(key, line)
            return None if hidden is None else (event, hidden)


class _Owner:
    """The buckets of one pipeline, and the keys of its things that have come to a state that was not said, or that may
    have; the first is due first.
    """

    __slots__ = ("calls", "others", "states", "unsaid")

    def __init__(self) -> None:
        self.calls: OrderedDict[Key, _Line] = OrderedDict()
        self.states: OrderedDict[Key, _Line] = OrderedDict()
        self.others: dict[Any, _Line] = {}
        self.unsaid: OrderedDict[Key, None] = OrderedDict()

    def line(self, key: Key, at: float, every: float, burst: float, lines: OrderedDict[Key, _Line]) -> _Line | None:
        """The bucket of that key; ``None``: there is no room for one."""
        line = lines.get(key)
        if line is not None:
            with suppress(KeyError):
                lines.move_to_end(key)
            return line
        if len(lines) >= MOST:
            oldest = first(lines)
            line = lines.get(oldest)
            if line is None or oldest in self.unsaid or not line.full(at, every, burst):
                return None
            lines.pop(oldest, None)
        return lines.setdefault(key, _Line(burst, at))

    def settle(self, key: Key, line: _Line) -> None:
        """Whether its state is to be said, or one to which somebody has brought it meanwhile."""
        self.unsaid.pop(key, None)
        if line.last.after != line.said:
            self.unsaid[key] = None


class _Line:
    """A bucket, how much it has kept back, and of what has states the last event, and the state that was said last."""

    __slots__ = ("at", "hidden", "last", "said", "tokens")

    def __init__(self, burst: float, at: float) -> None:
        self.tokens = burst
        self.at = at
        self.hidden = 0
        self.last: Any = None
        self.said: str | None = None

    def take(self, said: str | None) -> int:
        self.tokens -= 1
        hidden, self.hidden, self.said = self.hidden, 0, said
        return hidden

    def full(self, at: float, every: float, burst: float) -> bool:
        return self.ready(at, every, burst) and self.tokens >= burst - 1e-9

    def ready(self, at: float, every: float, burst: float) -> bool:
        passed = at - self.at
        if passed > 0:
            self.tokens = min(burst, self.tokens + passed / every)
            self.at = at
        elif passed < -every * burst:  # no neighbour in a race, but another clock
            self.at = at
        return self.tokens >= 1 - 1e-9


def first(those: OrderedDict[Key, Any]) -> Key:
    """The key of the first; ``()``, which is nobody's, where there is none, or somebody has struck in between."""
    try:
        return next(iter(those), ())
    except RuntimeError:
        return ()
