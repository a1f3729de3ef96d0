"""May this call go now, by the number of calls in a window of time? Gates in front of the counts of `turns`.

A `RateLimit` is the better limit where nobody prescribes the windows: it has no edge at which everybody comes. Windows
are for a quota that is sold, or imposed, by the minute or the day. The names are those of the limits package.
"""

from __future__ import annotations

from collections.abc import Hashable
from random import Random
from typing import Any

import attrs

from .. import fact, options
from ..call import Call, Verdict
from ..errors import RateLimited
from .gcra import NEVER
from .rate import parsed, whole_seconds, written
from .turns import Turns

__all__ = ["FixedWindow", "SlidingWindow", "WindowState"]


SUCCESS = Verdict.SUCCESS


def _rate(spec: Any, attribute: Any, value: Any) -> None:
    parsed(value, type(spec).__name__)


def _cost(spec: Any, attribute: Any, value: Any) -> None:
    fact.cost(spec, attribute, value, parsed(spec.rate)[0], "count")


@attrs.frozen
class FixedWindow:
    """So many calls in each window of time; more are refused with `RateLimited` until it ends.

    ``rate``: ``"100/min"``: the count and the length of a window. Windows stand one behind the other from
    the zero of the pipeline's clock on, which is no particular hour, and are the same for all keys. Around the edge of
    two windows up to twice the count goes within one period; never more.

    ``key``, ``cost``, ``max_keys``, ``settle``: as those of `RateLimit`. A debt above the count is carried on into the
    windows that follow.
    """

    rate: str | float = attrs.field(validator=_rate)
    key: fact.Key = attrs.field(default=None, validator=fact.key, kw_only=True)
    cost: fact.Cost = attrs.field(default=1, validator=_cost, kw_only=True)
    max_keys: int = attrs.field(default=100_000, validator=options.count(), kw_only=True)
    settle: bool = attrs.field(default=False, validator=options.flag(), kw_only=True)
    name: str = attrs.field(default="FixedWindow", validator=fact.text, kw_only=True)

    @property
    def quota_policy(self) -> tuple[int, int]:
        """The ``q`` and ``w`` of a ``RateLimit-Policy`` field, in whole seconds."""
        count, period = parsed(self.rate)
        return whole_seconds(count / period, period)

    asks = ("key", "cost")
    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> WindowState:
        return WindowState(self, slides=False)


@attrs.frozen
class SlidingWindow:
    """So many calls in any window of time, by an estimate; more are refused with `RateLimited`.

    The window that slides is weighed together from the two it overlaps: what went in the one before counts by the share
    of it that is still in sight. For calls that come evenly that is exact; whoever saves all his calls for the last
    instant of a window can have up to twice the count within one period, spread over it, as with a token bucket.

    ``rate``, ``key``, ``cost``, ``max_keys``, ``settle``: as those of `FixedWindow`.
    """

    rate: str | float = attrs.field(validator=_rate)
    key: fact.Key = attrs.field(default=None, validator=fact.key, kw_only=True)
    cost: fact.Cost = attrs.field(default=1, validator=_cost, kw_only=True)
    max_keys: int = attrs.field(default=100_000, validator=options.count(), kw_only=True)
    settle: bool = attrs.field(default=False, validator=options.flag(), kw_only=True)
    name: str = attrs.field(default="SlidingWindow", validator=fact.text, kw_only=True)

    @property
    def quota_policy(self) -> tuple[int, int]:
        """The ``q`` and ``w`` of a ``RateLimit-Policy`` field, in whole seconds."""
        count, period = parsed(self.rate)
        return whole_seconds(count / period, period)

    asks = ("key", "cost")
    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> WindowState:
        return WindowState(self, slides=True)


class WindowState:
    """A `Gate`, fixed or sliding."""

    __slots__ = (
        "_cost",
        "_fixed",
        "_key",
        "_keyed",
        "_rate",
        "_take",
        "enter",
        "exit",
        "facts",
        "name",
        "quota_policy",
        "refused",
        "turns",
        "unsettled",
    )

    def __init__(self, spec: FixedWindow | SlidingWindow, *, slides: bool) -> None:
        count, period = parsed(spec.rate)
        self.name = spec.name
        self.quota_policy = spec.quota_policy
        self.refused = 0
        self.unsettled = 0
        """Calls that succeeded, and of which nobody said what they cost."""
        self.turns = Turns(count, period, spec.max_keys, slides=slides)
        asks = spec.key is not None or not isinstance(spec.cost, int | float)
        self.facts = self._facts if asks else None
        self._fixed: Any = None if asks else (None, spec.cost)
        self._key = fact.asking(spec.key)
        self._keyed = spec.key is not None
        self._cost = fact.asking(spec.cost)
        self._rate = spec.rate
        self._take = self.turns.take
        self.enter = self._estimate if spec.settle else self._enter
        self.exit = self._settle if spec.settle else None

    def _facts(self, call: Call, /) -> tuple[Any, float]:
        return fact.hashable(self.name, self._key(call)), fact.whole_cost(self.name, self._cost(call))

    def _enter(self, call: Call, now: float, /) -> float:
        key, cost = self._fixed or call.facts[self]  # type: ignore[index]  # gathered: there are facts
        answer = self._take(key, cost, now)
        if answer < 0.0:
            self.refused += 1
            raise self._refusal(key, answer)
        return answer

    def _refusal(self, key: Hashable, answer: float) -> RateLimited:
        again = None if answer == NEVER else -answer
        error = RateLimited("limit of %s reached", written(self._rate), policy=self.name, retry_after=again)
        if key is not None:
            error.key = key
        return error

    def _estimate(self, call: Call, now: float, /) -> float:
        """For a call that will say what it cost."""
        answer = self._enter(call, now)
        if call.spent is not None:
            call.spent = None  # that of the attempt before
        return answer

    def _settle(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        spent = fact.told(call.spent)
        if spent is not None:
            key, charged = self._fixed or call.facts[self]  # type: ignore[index]
            self.turns.settle(key, charged, spent, began, now)
        elif verdict is SUCCESS:
            self.unsettled += 1

    def quota(self, call: Call, now: float, /) -> tuple[float, float] | None:
        """As `RateLimitState.quota`: what remains, and the seconds until there is more."""
        if self._fixed is not None:
            return self.turns.quota(None, now)
        asked = None if call.facts is None else call.facts.get(self)
        return None if asked is None else self.turns.quota(asked[0], now)

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """Of the count that is this call's: what remains, the limit and the length of a window, what the call costs,
        and the seconds until there is a whole one more than what remains.
        """
        key, cost = self._fixed or call.facts[self]  # type: ignore[index]
        turns = self.turns
        left, more_in = turns.quota(key, now)
        return {"remaining": left, "limit": turns.limit, "period": turns.period, "cost": cost, "more_in": more_in}

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """The count and the length of a window, how many calls were refused, and what remains, or the number of keys
        in the table. With ``settle``, how many calls succeeded without a word of what they cost.
        """
        turns = self.turns
        shown: dict[str, Any] = {"limit": turns.limit, "period": turns.period, "refused": self.refused}
        if self.exit is not None:
            shown["unsettled"] = self.unsettled
        if not self._keyed:
            return {**shown, "remaining": turns.quota(None, now)[0]}
        return {**shown, "keys": len(turns.ring), "max_keys": turns.max_keys, "overflowed": turns.overflowed}

    def idle(self) -> bool:
        """A window holds nothing for a call: what was let go is gone."""
        return True
