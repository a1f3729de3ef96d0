"""Shall a second attempt run beside the first, before that has failed?

::

    begin the first attempt
    after ``delay``, while no answer is good:
        fewer than ``attempts`` under way, time left, budget willing:  begin one more, and wait ``delay`` again
    the first good answer is the call's; the others are given up
    all have ended, none of them good:                                 the first one's answer is the call's

``delay`` is ``after`` seconds, or the live percentile of how long good answers took: with 0.95, one call in twenty is
sent twice, and the tail beyond that percentile is cut (Dean and Barroso, "The Tail at Scale", CACM 2013; gRPC proposal
A6 calls the fixed delay ``hedgingDelay``). An attempt that is given up counts with the time it was out: it would have
taken at least as long, and leaving it out would make the percentile follow its own hedges down.

A failure is not hedged: that is the business of a retry. Where the budget is used up the attempts under way go on.
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from .. import options
from ..call import Call, Verdict
from ..errors import ConfigError
from ..sketch import Sketch
from .budget import Budget, ConcurrentBudget, RetryBudget

__all__ = ["Hedge"]

SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED
ENOUGH = 20
"""Latencies seen before a percentile of them is believed."""
AFRESH = 16
"""A percentile is worked out anew after so many latencies."""


def _budget(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and (isinstance(value, type) or not callable(getattr(value, "start", None))):
        raise ConfigError.of("Hedge", attribute.name, value, "give a budget, such as RetryBudget(ratio=0.05), or None")


@attrs.frozen
class Hedge:
    """Send the same call a second time where the first is slow, and take the first good answer.

    ``after``: seconds until a further attempt begins. ``percentile``: instead, wait as long as this share of the good
    answers of the last minute took; until 20 of them have been seen, ``after`` counts, and without it nothing is
    hedged. ``attempts``: at most so many in all. ``budget``: of the calls of the last 10 s at most 10 %, and one per
    second, may be hedged; ``None``: no limit.

    Only what the door calls idempotent and can send twice is hedged; with ``non_idempotent=True`` whatever can be sent
    twice. For async functions and clients: on a thread nothing can be given up.
    """

    after: float | None = attrs.field(default=None, validator=options.optional(options.seconds()))
    percentile: float | None = attrs.field(
        default=None, validator=options.optional(options.number(0.5, 0.9999)), kw_only=True
    )
    attempts: int = attrs.field(default=2, validator=options.count(2, 16), kw_only=True)
    budget: Budget | None = attrs.field(default=RetryBudget(ratio=0.1, floor=1.0), validator=_budget, kw_only=True)
    non_idempotent: bool = attrs.field(default=False, validator=options.flag(), kw_only=True)
    name: str = attrs.field(default="Hedge", kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.after is None and self.percentile is None:
            raise ConfigError.of("Hedge", "after", None, "say when: after=0.2 (seconds), or percentile=0.95")
        if isinstance(self.budget, ConcurrentBudget) and self.attempts > 2:
            fix = "it counts one further attempt for each call: leave attempts at 2, or give a RetryBudget"
            raise ConfigError.of("Hedge", "budget", self.budget, fix)

    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> HedgeState:
        return HedgeState(self)


class HedgeState:
    """A `Race`; with a budget also a `Gate`, whose ``enter`` and ``exit`` are the budget's own."""

    __slots__ = (
        "_after",
        "_attempts",
        "_budget",
        "_learned",
        "_percentile",
        "_sketch",
        "_withdraw",
        "delay",
        "enter",
        "exit",
        "hedged",
        "learn",
        "name",
        "non_idempotent",
        "won",
    )

    def __init__(self, spec: Hedge) -> None:
        self.name = spec.name
        self.non_idempotent = spec.non_idempotent
        self.delay = spec.after
        """Seconds until a further attempt; ``None``: there is none for now."""
        self.hedged = 0
        self.won = 0
        """How many of those begun were quicker than the first; counted by the shell."""
        self._after = spec.after
        self._attempts = spec.attempts
        self._percentile = spec.percentile
        self._sketch: Any = Sketch() if spec.percentile is not None else None
        self.learn = self._learn if spec.percentile is not None else None
        """What is told of every attempt; ``None``: nothing can be learned."""
        self._learned = 0
        budget = self._budget = spec.budget.start() if spec.budget is not None else None
        self._withdraw = budget.withdraw if budget is not None else None
        self.enter = budget.enter if budget is not None else None
        self.exit = budget.exit if budget is not None else None

    def another(self, call: Call, now: float, under_way: int, /) -> bool:
        """Whether a further attempt begins now, beside those ``under_way``."""
        if under_way >= self._attempts or (call.deadline is not None and now >= call.deadline):
            return False
        if self._withdraw is not None and not self._withdraw(call, now):
            return False
        self.hedged += 1
        return True

    def _learn(self, seconds: float, now: float, verdict: Verdict, /) -> None:
        """An attempt took so long, or, IGNORED, was given up after so long."""
        if verdict is IGNORED:
            if self.delay is None or seconds < self.delay:  # it might have been quick
                return
        elif verdict is not SUCCESS:
            return
        self._sketch.add(seconds, now)
        self._learned += 1
        if self._learned % AFRESH == 0 or self._learned == ENOUGH or self.delay is None:
            known = self._sketch.count() >= ENOUGH
            self.delay = self._sketch.quantile(self._percentile or 1.0) if known else self._after

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """Seconds until a further attempt, unless there is none for now; how many attempts there may be, and what the
        budget shows.
        """
        shown: dict[str, float] = {"attempts": self._attempts}
        if self.delay is not None:
            shown["delay"] = self.delay
        return shown if self._budget is None else {**shown, **self._budget.snapshot(now)}

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """Seconds until a further attempt, how many there were, how many of them were quicker; and the budget."""
        shown = {"delay": self.delay, "hedged": self.hedged, "won": self.won}
        return shown if self._budget is None else {**shown, **self._budget.snapshot(now)}

    def idle(self) -> bool:
        return self._budget is None or self._budget.idle()
