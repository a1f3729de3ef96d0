"""Shall there be another attempt, and after what delay?

Asked of a failed attempt, in this order; the first no stands and is noted in ``call.stopped``:

==================  ===========================================================================================
not noted           it is no kind named by ``on``, or cannot or must not be sent again (see `Retry`)
``"attempts"``      ``attempts`` tries have been made
``"retry-after"``   the upstream asks for a longer wait than ``retry_after_cap``
``"deadline"``      ``now + delay >= deadline``: the wait would not leave any time
``"budget"``        the budget refuses
==================  ===========================================================================================

``delay = backoff + retry_after``: at least what the upstream asks for, and spread, so that those it told the same do
not come back at the same instant (Envoy spreads it too). A ``retry_after`` of 0 means at once, as in gRPC A6; so does a
connection that had gone stale. A negative one or NaN is ignored.
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from .. import options
from ..call import Call, Failure, Verdict
from ..condition import Condition, On
from ..errors import ConfigError
from .backoff import Backoff, Exponential
from .budget import Budget, RetryBudget

__all__ = ["Retry"]


def _on(spec: Any, _: Any, value: Any) -> None:
    Condition(type(spec).__name__, value)


def _frozen(on: On) -> On:
    return tuple(on) if isinstance(on, list) else on


def _backoff(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, type) or not callable(getattr(value, "delay", None)):
        fix = "give a backoff, such as Exponential()"
        if isinstance(value, int | float) and not isinstance(value, bool):
            fix += f", or Constant({value!r}) for that many seconds each time"
        raise ConfigError.of("Retry", attribute.name, value, fix)


def _budget(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, type) or not callable(getattr(value, "start", None)):
        raise ConfigError.of("Retry", attribute.name, value, "give a budget, such as RetryBudget(), or None")


@attrs.frozen
class Retry:
    """Ask again, up to ``attempts`` tries in all, when an attempt fails in a way that ``on`` names (see `condition`).

    At most one delivery unless declared safe: what certainly was not sent may always be repeated, what was sent only if
    the door calls it idempotent, or with ``non_idempotent=True``. A request that cannot be sent twice (a consumed
    stream) never is, nor one whose answer asks not to be asked again (``x-should-retry: false``, and its like). Only an
    ``Exception`` is repeated: not cancellation, ``KeyboardInterrupt``, ``SystemExit``.

    A kept-alive connection found closed before any byte of a response is asked again at once, whatever ``on`` says: for
    idempotent requests, for others with ``stale_non_idempotent=True``. It counts as an attempt.

    ``budget`` is on by default (20 % of the calls and 10 per second, over 10 s); ``None`` leaves only ``attempts``. It
    belongs to the started state: `Shared` shares it. ``retry_after_cap``, in seconds, is the longest wait an upstream
    may ask for; when it asks for more there is no further attempt, rather than one too early.
    """

    on: On = attrs.field(converter=_frozen, validator=_on)
    attempts: int = attrs.field(default=3, validator=options.count(), kw_only=True)
    backoff: Backoff = attrs.field(default=Exponential(), validator=_backoff, kw_only=True)
    budget: Budget | None = attrs.field(default=RetryBudget(), validator=options.optional(_budget), kw_only=True)
    retry_after_cap: float = attrs.field(default=60.0, validator=options.seconds(zero=True), kw_only=True)
    non_idempotent: bool = attrs.field(default=False, validator=options.flag(), kw_only=True)
    stale_non_idempotent: bool = attrs.field(default=False, validator=options.flag(), kw_only=True)
    name: str = attrs.field(default="Retry", kw_only=True)

    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> RetryState:
        return RetryState(self, rng)


class RetryState:
    """A `Repeat`; with a budget also a `Gate`, whose ``enter`` and ``exit`` are the budget's own."""

    __slots__ = (
        "_attempts",
        "_budget",
        "_condition",
        "_delay",
        "_retry_after_cap",
        "_rng",
        "_safe",
        "_stale_safe",
        "_withdraw",
        "enter",
        "exit",
        "name",
        "statuses",
    )

    def __init__(self, spec: Retry, rng: Random) -> None:
        self.name = spec.name
        self._attempts = spec.attempts
        self._condition = Condition("Retry", spec.on)
        self.statuses = self._condition.statuses
        self._delay = spec.backoff.delay
        self._retry_after_cap = spec.retry_after_cap
        self._safe = spec.non_idempotent
        self._stale_safe = spec.non_idempotent or spec.stale_non_idempotent
        self._rng = rng
        budget = self._budget = spec.budget.start() if spec.budget is not None else None
        self._withdraw = budget.withdraw if budget is not None else None
        self.enter = budget.enter if budget is not None else None
        self.exit = budget.exit if budget is not None else None

    def matches(self, failure: Failure, /) -> bool:
        error = failure.error
        if not failure.replayable or failure.final or (error is not None and not isinstance(error, Exception)):
            return False
        if failure.stale and (failure.idempotent or self._stale_safe):
            return True
        if failure.sent and not (failure.idempotent or self._safe):
            return False
        return self._condition(failure)

    def again(self, call: Call, now: float, verdict: Verdict, /) -> float | None:
        attempt = call.attempt
        if attempt >= self._attempts:
            call.stopped = "attempts"
            return None
        delay = self._delay(attempt, call.delay, self._rng)
        failure = call.failure
        if failure is not None:
            asked = failure.retry_after
            if asked == 0 or failure.stale:
                delay = 0.0
            elif asked is not None and asked > 0:
                if asked > self._retry_after_cap:
                    call.stopped = "retry-after"
                    return None
                delay += asked
        if call.deadline is not None and now + delay >= call.deadline:
            call.stopped = "deadline"
            return None
        if self._withdraw is not None and not self._withdraw(call, now):
            call.stopped = "budget"
            return None
        call.stopped = None
        return delay

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """The attempt, of how many; the seconds left to the deadline, the longest wait an upstream may ask for where
        that is what stopped it, and what the budget shows.
        """
        shown: dict[str, float] = {"attempt": call.attempt, "attempts": self._attempts}
        if call.deadline is not None:
            shown["left"] = max(0.0, call.deadline - now)
        if call.stopped == "retry-after":
            shown["retry_after_cap"] = self._retry_after_cap
        return shown if self._budget is None else {**shown, **self._budget.snapshot(now)}

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {} if self._budget is None else self._budget.snapshot(now)

    def idle(self) -> bool:
        return self._budget is None or self._budget.idle()
