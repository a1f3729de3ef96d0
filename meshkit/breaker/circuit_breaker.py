"""When should we stop asking an upstream that fails, and when ask again?

A `CircuitBreaker` says how many failures are too many, how long to leave the upstream alone, and how carefully to come
back. The transition table is in ``states``, the counting in ``windows``.

Three thresholds, each off unless given, and each enough to open the circuit:

- ``failures``: so many in a row (the default, 5, as long as no failure rate is given);
- ``failure_rate``: failures / calls in the window >= rate;
- ``slow_rate``: calls that took longer than ``slow_after`` / calls in the window >= rate.

After Nygard, *Release It!* (2007); failure and slow-call rates as resilience4j has them.
"""

from __future__ import annotations

from random import Random
from typing import Any, NoReturn

import attrs

from ..errors import ConfigError
from ..options import among, count, no_decorator, optional, ratio, seconds
from .states import Breaker

__all__ = ["CircuitBreaker"]


def _name(spec: CircuitBreaker, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError.of("CircuitBreaker", attribute.name, value, "give a name, such as 'payments'")


@attrs.frozen(kw_only=True)
class CircuitBreaker:
    """Stop calling what keeps failing, and come back with a few probes.

    Refused calls raise `CircuitOpen`, with ``retry_after`` the seconds until a probe may go. All durations are seconds.
    Options that are invalid or contradict each other raise `ConfigError`.
    """

    name: str = attrs.field(default="CircuitBreaker", validator=_name)
    """What errors and events call it."""

    failure_rate: float | None = attrs.field(default=None, validator=optional(ratio()))
    """Open when this share of the calls in the window failed."""

    failures: int | None = attrs.field(validator=optional(count()))
    """Open after so many failures in a row. Default 5; ``None`` (off) where a failure rate is given, because at 50 %
    tolerated failures five in a row are an everyday event."""

    slow_rate: float | None = attrs.field(default=None, validator=optional(ratio()))
    """Open when this share of the calls in the window was slow. While half-open, a slow probe then counts as failed."""

    slow_after: float | None = attrs.field(default=None, validator=optional(seconds()))
    """A call is slow when its answer began later than this after the call was let go. Failures may be slow as well."""

    window_calls: int | None = attrs.field(default=None, validator=optional(count(1, 100_000)))
    """Judge rates over the last so many calls (a byte each)."""

    window_seconds: float | None = attrs.field(validator=optional(seconds()))
    """Judge rates over the last so many seconds. Default 30 where a rate is given without ``window_calls``."""

    minimum: int | None = attrs.field(validator=optional(count()))
    """No rate is judged on fewer calls. Default 20, or ``window_calls`` if that is less."""

    cooldown: float = attrs.field(default=10.0, validator=seconds())
    """How long to stay open before the first probe; also how long a probe may keep its permit from others."""

    max_cooldown: float | None = attrs.field(default=None, validator=optional(seconds()))
    """Double the cooldown with each failed probe, up to this; closing starts over. ``None``: always the same."""

    probes: int = attrs.field(default=1, validator=count())
    """At most so many calls under way while half-open."""

    successes: int = attrs.field(validator=count())
    """Close after so many probes succeeded. Default: as many as ``probes``. One failed probe opens again."""

    overloaded: str = attrs.field(default="failure", validator=among("failure", "ignored"))
    """What "not now" (429, 503 with Retry-After) means. Default ``"failure"``: an upstream that turns calls away is
    helped by being left alone, and a probe turned away shows that it has not recovered. ``"ignored"`` where one key's
    quota says nothing about the upstream's health."""

    @failures.default
    def _five_unless_rate(self) -> int | None:
        return 5 if self.failure_rate is None else None

    @window_seconds.default
    def _thirty_if_rate(self) -> float | None:
        return 30.0 if self._rated and self.window_calls is None else None

    @minimum.default
    def _twenty_if_rate(self) -> int | None:
        if not self._rated:
            return None
        few = self.window_calls
        return few if isinstance(few, int) and few < 20 else 20

    @successes.default
    def _as_many_as_probes(self) -> int:
        return self.probes

    @property
    def _rated(self) -> bool:
        return self.failure_rate is not None or self.slow_rate is not None

    def __attrs_post_init__(self) -> None:
        if not self._rated:
            if self.failures is None:
                self._refuse("failures", "nothing could open the circuit: give failures, failure_rate or slow_rate")
            for option in ("window_calls", "window_seconds", "minimum"):
                if getattr(self, option) is not None:
                    self._refuse(option, "only rates have a window: add failure_rate or slow_rate, or leave this out")
        if self.slow_rate is not None and self.slow_after is None:
            self._refuse("slow_rate", "say what is slow: add slow_after=2.0 (seconds)")
        if self.slow_after is not None and self.slow_rate is None:
            self._refuse("slow_after", "say how many slow calls are too many: add slow_rate=0.5")
        if self.window_calls is not None:
            if self.window_seconds is not None:
                self._refuse("window_seconds", "a window is counted in calls or in seconds: drop this or window_calls")
            if self.minimum is not None and self.minimum > self.window_calls:
                self._refuse("minimum", f"the window never holds so many calls: give at most {self.window_calls}")
        if self.max_cooldown is not None and self.max_cooldown < self.cooldown:
            self._refuse("max_cooldown", f"less than cooldown={self.cooldown!r}: give as much or more, or leave it out")
        if self.probes > self.successes:
            self._refuse("probes", f"more than successes={self.successes} asks for: give no more probes than successes")

    def _refuse(self, option: str, fix: str) -> NoReturn:
        raise ConfigError.of("CircuitBreaker", option, getattr(self, option), fix)

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Breaker:
        """A new, closed circuit. The generator is not used: a breaker has nothing to draw."""
        return Breaker(self)
