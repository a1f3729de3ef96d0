"""What if the upstream were slow, or failed? Faults on purpose, for a share of the calls, and for a while.

========================================  ===========================================================================
a call comes                              then
========================================  ===========================================================================
``expires`` seconds after the first one   it goes: the gate is inert for good
``when`` does not hold                    it goes
the draw is ``share`` or more             it goes
``delay``                                 it goes after ``delay`` seconds, or at its deadline if that is earlier
``abort``                                 it never goes: it ends with the status or the exception, as an attempt does
========================================  ===========================================================================

The fault stands where the policy stands: innermost, it is the upstream's, and all that is outside deals with it. So a
delay does not look at the deadline to refuse, as a limit does. It goes on until the deadline, and the call times out
there as it would behind a slow upstream; a status is judged like a real one, an exception like one that was raised.

Nobody means to leave a fault on: ``expires`` has no default and ends within a day. The share, the two kinds and the
match by a header are those of Envoy's fault filter, and so is the range of the status, 200 to 599; the expiry is
ours. The practice is that of *Chaos Engineering* (Basiri et al., IEEE Software 2016): small, and over soon.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import attrs

from . import fact, options
from .call import Call
from .errors import ConfigError
from .section import LEAF, Section

__all__ = ["FaultInjection", "FaultInjectionState"]

DAY = 86400.0

Abort = int | Callable[..., Exception] | None


@options.of_kind(options.Kind("seconds", zero=False))
def _expires(spec: Any, attribute: Any, value: Any) -> None:
    options.seconds()(spec, attribute, value)
    if value > DAY:
        raise ConfigError.of("FaultInjection", attribute.name, value, "give a day at most, 86400.0 seconds")


def _abort(spec: FaultInjection, attribute: Any, value: Any) -> None:
    if (value is None) == (spec.delay is None):
        fix = "give one of delay and abort; for both, two policies"
        raise ConfigError.of("FaultInjection", attribute.name, value, fix)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 200 <= value <= 599:
            raise ConfigError.of("FaultInjection", attribute.name, value, "give a status from 200 to 599")
    elif value is not None:
        stray = isinstance(value, type) and not issubclass(value, Exception)
        if stray or not options.is_function(value):
            fix = "give a status such as 503, an exception class, or a function that makes an exception"
            raise ConfigError.of("FaultInjection", attribute.name, value, fix)


@attrs.frozen(kw_only=True)
class FaultInjection:
    """Delays or aborts a ``share`` of the calls, until ``expires`` seconds after the first one that it saw.

    ``delay``: seconds. ``abort``: a status, which the door answers as the upstream would have (around a function, which
    has none, it is a `ConnectionError`); an exception class, which is given a text; or a function without arguments
    that makes an exception. One of the two. ``when``: strikes only where this is true: the name of an attribute of the
    request (``"header:x-chaos"``), or a function of the call; one that raises strikes nobody.
    """

    expires: float = attrs.field(validator=_expires)
    share: float = attrs.field(default=1.0, validator=options.ratio(zero=True))
    delay: float | None = attrs.field(default=None, validator=options.optional(options.seconds()))
    abort: Abort = attrs.field(default=None, validator=_abort)
    when: fact.Key = attrs.field(default=None, validator=fact.key)
    name: str = attrs.field(default="FaultInjection", validator=fact.text)

    asks = ("when",)
    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> FaultInjectionState:
        return FaultInjectionState(self, rng)


class FaultInjectionState:
    """A `Gate` with nothing to settle."""

    __slots__ = ("_draw", "_spec", "_when", "ends_at", "exit", "facts", "injected", "name")

    def __init__(self, spec: FaultInjection, rng: Random) -> None:
        self.name = spec.name
        self.exit = None
        self.facts = None if spec.when is None else self._facts
        self.ends_at: float | None = None
        """When the gate becomes inert; ``None``: no call has come yet."""
        self.injected = 0
        self._spec = spec
        self._when = fact.asking(spec.when)
        self._draw = rng.random

    def _facts(self, call: Call, /) -> bool:
        try:
            return bool(self._when(call))
        except ConfigError:
            raise  # requests have no attribute of that name
        except Exception:
            return False

    def enter(self, call: Call, now: float, /) -> float | Section | None:
        spec = self._spec
        if self.ends_at is None:
            self.ends_at = now + spec.expires
        if now >= self.ends_at:
            return None
        if self.facts is not None and not call.facts[self]:  # type: ignore[index]  # gathered: there are facts
            return None
        if spec.share < 1.0 and self._draw() >= spec.share:
            return None
        self.injected += 1
        if spec.delay is None:
            return Section(LEAF, self._abort)
        if call.deadline is None or call.deadline - now > spec.delay:
            return spec.delay
        return max(0.0, call.deadline - now)

    def _abort(self, call: Call) -> Any:
        """Stands where the upstream was to be called."""
        abort = self._spec.abort
        if isinstance(abort, int):
            return call.door.respond(call, abort)
        error = abort(f"injected by {self.name}") if isinstance(abort, type) else abort()  # type: ignore[misc]
        if not isinstance(error, Exception):
            raise TypeError(f"{self.name}: abort made a {type(error).__name__}: it must make an exception")
        raise error

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """The share that is struck, seconds until the gate is inert, and whether ``when`` holds for this call."""
        left = self._spec.expires if self.ends_at is None else max(0.0, self.ends_at - now)
        shown: dict[str, float] = {"share": self._spec.share, "left": left}
        return shown if self.facts is None else {**shown, "matches": call.facts[self]}  # type: ignore[index]

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """``left``: seconds until it is inert."""
        ends_at = now + self._spec.expires if self.ends_at is None else self.ends_at
        return {"injected": self.injected, "left": max(0.0, ends_at - now), "active": now < ends_at}

    def idle(self) -> bool:
        return True
