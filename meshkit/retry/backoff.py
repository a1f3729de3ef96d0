"""How long to wait before asking again?

With n the number of the attempt that failed (1, 2, ...), all in seconds:

================  ==================================================================================
`Exponential`     ``d = min(cap, base * factor ** (n - 1))``, then jitter:
                  ``"full"`` U(0, d) · ``"equal"`` d/2 + U(0, d/2) · ``"none"`` d · a ratio j: d * U(1 - j, 1 + j)
`Decorrelated`    ``min(cap, U(base, 3 * previous))``, where ``previous`` starts at ``base``
`Constant`        ``delay * U(1 - jitter, 1 + jitter)``
================  ==================================================================================

Full, equal and decorrelated jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015. The
default is full, which needs the least work in total, and is Envoy's. A ratio is the form of gRPC (proposal A6: 0.2) and
of Traefik (0.5): the wait may then exceed ``cap`` by that share.
"""

from __future__ import annotations

from random import Random
from typing import Any, Protocol

import attrs

from .. import options
from ..errors import ConfigError

__all__ = ["Backoff", "Constant", "Decorrelated", "Exponential"]


class Backoff(Protocol):
    """A pure function of the attempt that failed (from 1), the delay that came before it, and a generator."""

    def delay(self, attempt: int, previous: float, rng: Random, /) -> float: ...


def _jitter(spec: Any, attribute: Any, value: Any) -> None:
    if value in ("full", "equal", "none"):
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        fix = "write 'full', 'equal' or 'none', or give a ratio from 0 to 1, such as 0.2"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)


def _spread(delay: float, ratio: float, rng: Random) -> float:
    return delay * (1.0 + ratio * (2.0 * rng.random() - 1.0)) if ratio else delay


@options.of_kind(options.Kind("seconds", zero=False))
def _cap(spec: Any, attribute: Any, value: Any) -> None:
    options.seconds()(spec, attribute, value)
    if value < spec.base:
        raise ConfigError.of(type(spec).__name__, attribute.name, value, f"give at least base, which is {spec.base!r}")


@attrs.frozen(kw_only=True)
class Exponential:
    """Waits that grow by ``factor`` from ``base`` to ``cap`` seconds, spread by ``jitter``."""

    base: float = attrs.field(default=0.05, validator=options.seconds())
    factor: float = attrs.field(default=2.0, validator=options.number(1, 1000))
    cap: float = attrs.field(default=2.0, validator=_cap)
    jitter: str | float = attrs.field(default="full", validator=_jitter)

    def delay(self, attempt: int, previous: float, rng: Random, /) -> float:
        try:
            delay = min(float(self.cap), self.base * float(self.factor) ** (attempt - 1))
        except OverflowError:
            delay = float(self.cap)
        jitter = self.jitter
        if jitter == "full":
            return delay * rng.random()
        if jitter == "equal":
            return delay * (0.5 + 0.5 * rng.random())
        return delay if isinstance(jitter, str) else _spread(delay, jitter, rng)


@attrs.frozen(kw_only=True)
class Decorrelated:
    """Waits between ``base`` and three times the one before, at most ``cap`` seconds."""

    base: float = attrs.field(default=0.05, validator=options.seconds())
    cap: float = attrs.field(default=2.0, validator=_cap)

    def delay(self, attempt: int, previous: float, rng: Random, /) -> float:
        base = float(self.base)
        return min(float(self.cap), base + (3.0 * max(base, previous) - base) * rng.random())


@attrs.frozen
class Constant:
    """The same wait each time, in seconds; 0 asks again at once. ``jitter=0.5`` spreads it by half both ways."""

    seconds: float = attrs.field(validator=options.seconds(zero=True))
    jitter: float = attrs.field(default=0.0, validator=options.ratio(zero=True), kw_only=True)

    def delay(self, attempt: int, previous: float, rng: Random, /) -> float:
        return _spread(float(self.seconds), self.jitter, rng)
