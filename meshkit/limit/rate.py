"""May this call go now, by the rate of calls? A gate in front of the cells of `gcra`.

Over-admission is bounded: in any window of ``t`` seconds at most ``burst + rate * t`` of cost goes, for each key. The
name and the string form of the rate follow Envoy, nginx (``10r/s``) and the limits package (``10/minute``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from random import Random
from typing import Any

import attrs

from .. import fact, options
from ..call import Call, Verdict
from ..errors import ConfigError, RateLimited
from .gcra import NEVER, Cells

__all__ = ["RateLimit", "RateLimitState"]

SUCCESS = Verdict.SUCCESS
SECONDS = {
    **dict.fromkeys(("ms",), 0.001),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
WRITTEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*/\s*([0-9]+(?:\.[0-9]+)?)?\s*([a-z]+)\s*", re.ASCII)
SLOWEST, FASTEST = 1e-9, 1e9
"""Tokens per second between which a double counts them exactly, over years of uptime."""
ALMOST = 1e-12
"""The share by which a quotient of doubles may miss a whole number."""


def parsed(rate: Any, policy: str = "RateLimit") -> tuple[float, float]:
    """The count and the period in seconds of a rate such as ``"100/s"``, ``"1/10s"`` or 2.5 (per second)."""
    fix = 'write a count and a time, such as "100/s", "10/min", "1/10s", or a number per second, from 1e-9 to 1e9'
    count, period = math.nan, 1.0
    if isinstance(rate, str):
        match = WRITTEN.fullmatch(rate)
        if match is not None and match[3] not in SECONDS:
            fix = f"there is no unit {match[3]!r}: write one of {', '.join(SECONDS)}"
        elif match is not None:
            count, period = float(match[1]), float(match[2] or 1) * SECONDS[match[3]]
    elif isinstance(rate, int | float) and not isinstance(rate, bool):
        count = float(rate) if abs(rate) <= FASTEST else math.inf
    if not (period > 0 and count < math.inf and SLOWEST <= count / period <= FASTEST):
        raise ConfigError.of(policy, "rate", rate, fix)
    return count, period


def written(rate: str | float) -> str:
    """A rate as errors say it."""
    return rate if isinstance(rate, str) else f"{rate:g}/s"


def _rate(spec: Any, attribute: Any, value: Any) -> None:
    parsed(value)


def _cost(spec: RateLimit, attribute: Any, value: Any) -> None:
    fact.cost(spec, attribute, value, spec.depth, "burst")


def whole_seconds(per_second: float, period: float) -> tuple[int, int]:
    """A count and a window of at least one whole second, at a rate that is no larger."""
    window = max(1, math.ceil(period * (1 - ALMOST)))
    return max(1, math.floor(per_second * window * (1 + ALMOST))), window


@attrs.frozen
class RateLimit:
    """So many calls in a time, with bursts up to ``burst``; more are refused with `RateLimited`.

    ``rate``: ``"100/s"``, ``"10/min"``, ``"5000/h"``, ``"1/10s"`` (units: ms, s, sec, second, min, minute, h, hour, d,
    day, and the plurals of the words), or a number per second. ``burst``: what may go at once after a rest; ``None``:
    the count written in the rate, at least 1. In any window of ``t`` seconds at most ``burst + rate * t`` goes.

    ``key``: a limit for each value of it: the name of an attribute of the request, or a function of the call; ``None``:
    one limit for all, which is also what requests share whose key is ``None``. ``cost``: how much a call counts: a
    number, a name or a function of the call. A cost above the burst can never go: refused at once, with ``retry_after``
    ``None``. A key without a hash or a cost that is no number raises `TypeError`, a negative or infinite cost
    `ValueError`.

    ``wait``: the longest time in seconds a call may be made to wait for its turn, in the order of arrival, never past
    its deadline; 0: refuse at once. What has a turn keeps it whatever comes later, so a large cost within ``wait`` does
    not starve. ``max_keys``: how many keys are remembered, about 100 bytes each besides the key itself; only keys that
    owe nothing are forgotten, and when all owe something newcomers share one limit.

    ``settle``: when a call ends that says what it cost (``call.spent``: tokens, bytes), that takes the place of what it
    was charged. More than the burst is a debt, which later calls wait off. Without a word the estimate stands.
    """

    rate: str | float = attrs.field(validator=_rate)
    burst: int | None = attrs.field(default=None, validator=options.optional(options.count()), kw_only=True)
    key: fact.Key = attrs.field(default=None, validator=fact.key, kw_only=True)
    cost: fact.Cost = attrs.field(default=1, validator=_cost, kw_only=True)
    wait: float = attrs.field(default=0.0, validator=options.seconds(zero=True), kw_only=True)
    max_keys: int = attrs.field(default=100_000, validator=options.count(), kw_only=True)
    settle: bool = attrs.field(default=False, validator=options.flag(), kw_only=True)
    name: str = attrs.field(default="RateLimit", validator=fact.text, kw_only=True)

    @property
    def per_second(self) -> float:
        count, period = parsed(self.rate)
        return count / period

    @property
    def depth(self) -> int:
        """The burst in force: the one given, or the count written in the rate."""
        return max(1, int(parsed(self.rate)[0])) if self.burst is None else self.burst

    @property
    def quota_policy(self) -> tuple[int, int]:
        """The ``q`` and ``w`` of a ``RateLimit-Policy`` field: so much in each so many whole seconds.

        ``w`` is the time in which the burst is made up for, ``q`` what the rate lets go in it: never more than the
        rate, never less than the burst, and for ``"100/min"`` just that.
        """
        return whole_seconds(self.per_second, self.depth / self.per_second)

    def cells(self) -> Cells:
        """An independent table of what each key has taken."""
        return Cells(self.per_second, float(self.depth), self.max_keys)

    def refusal(self, answer: float, key: Hashable = None) -> RateLimited:
        """The error for a refusal of `Cells.take`."""
        again = None if answer == NEVER else -answer
        error = RateLimited("limit of %s reached", written(self.rate), policy=self.name, retry_after=again)
        if key is not None:
            error.key = key
        return error

    asks = ("key", "cost")
    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> RateLimitState:
        return RateLimitState(self)


class RateLimitState:
    """A `Gate`. With ``wait`` an entry may answer seconds; a call that ends before them gives its reservation back."""

    __slots__ = (
        "_cost",
        "_fixed",
        "_key",
        "_marks",
        "_one",
        "_spec",
        "_take",
        "_wait",
        "cells",
        "enter",
        "exit",
        "facts",
        "name",
        "quota_policy",
        "refused",
        "unsettled",
    )

    def __init__(self, spec: RateLimit) -> None:
        self.name = spec.name
        self.cells = spec.cells()
        self.refused = 0
        self.unsettled = 0
        """Calls that succeeded, and of which nobody said what they cost."""
        self.quota_policy = spec.quota_policy
        asks = spec.key is not None or not isinstance(spec.cost, int | float)
        constant = isinstance(spec.cost, int | float)
        self.facts = (self._whose if constant else self._facts) if asks else None
        self._fixed: Any = None if asks else (None, spec.cost)
        self._one: Any = spec.cost
        self._key = fact.asking(spec.key)
        self._cost = fact.asking(spec.cost)
        self._spec = spec
        self._take = self.cells.take
        self._wait = float(spec.wait)
        self._marks: dict[Call, float] = {}
        """With ``settle``, of each call under way: the TAT that its charge led to."""
        self.enter = self._ask if asks or spec.wait else self._enter
        self.exit = self._exit if spec.wait else None
        if spec.settle:
            self.enter, self.exit = self._estimate, self._settle

    def _whose(self, call: Call, /) -> tuple[Any, float]:
        """With one cost."""
        return fact.hashable(self.name, self._key(call)), self._one

    def _facts(self, call: Call, /) -> tuple[Any, float]:
        return fact.hashable(self.name, self._key(call)), fact.whole_cost(self.name, self._cost(call))

    def _enter(self, call: Call, now: float, /) -> float:
        """With one key, one cost and no waiting."""
        answer = self._take(None, self._one, now)
        if answer < 0.0:
            self.refused += 1
            raise self._spec.refusal(answer)
        return answer

    def _ask(self, call: Call, now: float, /) -> float:
        key, cost = self._fixed or call.facts[self]  # type: ignore[index]  # gathered: there are facts
        patience = self._wait
        if patience and call.deadline is not None and call.deadline - now < patience:
            patience = call.deadline - now
        answer = self._take(key, cost, now, patience)
        if answer < 0.0:
            self.refused += 1
            raise self._spec.refusal(answer, key)
        return answer

    def _exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        if now < began:
            key, cost = self._fixed or call.facts[self]  # type: ignore[index]
            self.cells.give_back(key, cost, began)

    def _estimate(self, call: Call, now: float, /) -> float:
        """As `_ask`, for a call that will say what it cost."""
        answer = self._ask(call, now)
        key, _ = self._fixed or call.facts[self]  # type: ignore[index]
        self._marks[call] = self.cells.mark(key)
        if call.spent is not None:
            call.spent = None  # that of the attempt before
        return answer

    def _settle(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        mark = self._marks.pop(call)
        if now < began:
            self._exit(call, began, now, verdict)
            return
        spent = fact.told(call.spent)
        if spent is not None:
            key, charged = self._fixed or call.facts[self]  # type: ignore[index]
            self.cells.settle(key, charged, spent, now, mark)
        elif verdict is SUCCESS:
            self.unsettled += 1

    def quota(self, call: Call, now: float, /) -> tuple[float, float] | None:
        """What remains of this call's limit, and the seconds until there is a whole one more; ``None``: whose it would
        be was not asked, since the call did not come that far. Changes nothing.
        """
        if self._fixed is not None:
            return self.cells.quota(None, now)
        asked = None if call.facts is None else call.facts.get(self)
        return None if asked is None else self.cells.quota(asked[0], now)

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """Of the limit that is this call's: the tokens that remain, the burst, tokens per second, what the call costs,
        and the seconds until the burst is whole again.
        """
        key, cost = self._fixed or call.facts[self]  # type: ignore[index]
        cells = self.cells
        owed = max(0.0, cells.mark(key) - now * cells.rate)
        left = max(0.0, cells.burst - owed)
        full_in = owed / cells.rate
        return {"remaining": left, "burst": cells.burst, "rate": cells.rate, "cost": cost, "full_in": full_in}

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """Tokens per second, the burst, how many calls were refused, and what remains: in the one cell, or the number
        of keys in the table. With ``settle``, how many calls succeeded without a word of what they cost.
        """
        cells = self.cells
        shown: dict[str, Any] = {"rate": cells.rate, "burst": cells.burst, "refused": self.refused}
        if self._spec.settle:
            shown["unsettled"] = self.unsettled
        if self._spec.key is None:
            return {**shown, "remaining": cells.remaining(None, now)}
        return {**shown, "keys": len(cells.ring), "max_keys": cells.max_keys, "overflowed": cells.overflowed}

    def idle(self) -> bool:
        """A rate limit holds nothing for a call: what was let go is gone. One that settles knows those under way."""
        return not self._marks
