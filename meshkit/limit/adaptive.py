"""May this call go now, by a limit that finds itself? A concurrency limit that moves with what the calls tell.

=========================================  ===================================================
a call that ended                          tells
=========================================  ===================================================
SUCCESS                                    its latency
OVERLOADED                                 a drop
FAILURE by a timeout or past its deadline  a drop
FAILURE otherwise                          nothing: a fast failure must not look like low load
IGNORED: cancelled, refused further in     nothing
any other, with ``signal`` above ``lag``   a drop
=========================================  ===================================================

Whatever it tells, it has kept its permit until its end. What they tell is gathered in windows: one ends with the first
call to end after ``window`` seconds (twice the mean latency, if that is longer: what a change of the limit did must
have come home) that has 10 samples, or as many as the limit. Then the algorithm is asked once::

    limit = sample(mean latency, most in flight, whether more than 1% were drops, now)

The windows, and what counts as a drop, follow WindowedLimit and the listeners of Netflix/concurrency-limits; there,
one drop makes a dropped window, which at a thousand calls a window lets background noise set the limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

import attrs

from .. import fact, options
from ..call import Call, Failure, Verdict
from ..errors import ConfigError
from ..policy import awaits
from .gradient import Gradient2
from .permits import ORDERS, Permits, patience

__all__ = ["AdaptiveConcurrency", "AdaptiveConcurrencyState"]

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
NEVER = -math.inf
"""Before the first window."""
SAMPLES = 10
DROPS = 0.01
"""The share of a window's samples above which it counts as dropped."""


class Moving(Protocol):
    """The state of an algorithm: ``limit`` is where it stands, ``sample`` moves it. Pure.

    Optional, ``probing``: whether the limit is held down for now, to measure the latency without a queue.
    """

    limit: float

    def sample(self, rtt: float | None, in_flight: int, dropped: bool, now: float, /) -> float:
        """A window has ended: its mean latency (``None``: nothing but drops), the most calls in flight at once, and
        whether it counts as dropped. Answers the new limit.
        """

    def snapshot(self) -> dict[str, Any]: ...


class Algorithm(Protocol):
    """The spec of one: `AIMD`, `Vegas`, `Gradient2`, or yours."""

    def start(self, rng: Random, /) -> Moving: ...


def _algorithm(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, type) or not callable(getattr(value, "start", None)):
        raise ConfigError.of(type(spec).__name__, attribute.name, value, "give AIMD(), Vegas() or Gradient2()")


def _signal(spec: Any, attribute: Any, value: Any) -> None:
    if awaits(value):
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fact.PLAIN)
    if value is not None and not options.is_function(value):
        fix = "give a function that answers seconds, or leave it out"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)


@attrs.frozen
class AdaptiveConcurrency:
    """A `ConcurrencyLimit` that moves by ``algorithm``; what it refuses is `Overloaded`.

    ``queue``, ``order``, ``wait``: as there. ``window``: the seconds after which what the calls told is taken together
    and the limit moves; longer where they take longer. ``signal``: a function that answers seconds, asked once for each
    call outside the lock: the lag of the event loop, say. Above ``lag`` the call's sample counts as a drop, whatever
    became of it. A signal that raises, or answers no number, says nothing, and is counted.
    """

    algorithm: Algorithm = attrs.field(factory=Gradient2, validator=_algorithm)
    queue: int = attrs.field(default=0, validator=options.count(0), kw_only=True)
    order: str = attrs.field(default="fifo", validator=options.among(*ORDERS), kw_only=True)
    wait: float | None = attrs.field(default=None, validator=patience, kw_only=True)
    window: float = attrs.field(default=0.1, validator=options.seconds(), kw_only=True)
    signal: Callable[[], float] | None = attrs.field(default=None, validator=_signal, kw_only=True)
    lag: float = attrs.field(default=0.05, validator=options.seconds(), kw_only=True)
    name: str = attrs.field(default="AdaptiveConcurrency", validator=fact.text, kw_only=True)

    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> AdaptiveConcurrencyState:
        return AdaptiveConcurrencyState(self, rng)


class AdaptiveConcurrencyState:
    """A `Queue`: permits, the window of samples, and the algorithm that makes a limit of it."""

    __slots__ = (
        "_drops",
        "_lag",
        "_peak",
        "_samples",
        "_signal",
        "_sum",
        "_until",
        "_window",
        "algorithm",
        "deaf",
        "enter",
        "facts",
        "latency",
        "leave",
        "name",
        "permits",
    )

    reads_failure = True

    def __init__(self, spec: AdaptiveConcurrency, rng: Random) -> None:
        self.name = spec.name
        self.algorithm = spec.algorithm.start(rng)
        self.permits = Permits(spec.name, int(self.algorithm.limit), spec.queue, spec.order, spec.wait)
        self.enter = self.permits.enter
        self.leave = self.permits.leave
        self.latency = 0.0
        """The mean of the last window that had one."""
        self.deaf = 0
        """How often the signal said nothing."""
        self._signal = spec.signal
        self._lag = spec.lag
        self.facts = None if spec.signal is None else self._heard
        self._window = spec.window
        self._until = NEVER
        """When the window may end."""
        self._sum = 0.0
        self._samples = self._drops = self._peak = 0

    def _heard(self, call: Call, /) -> float:
        try:
            late = float(self._signal())  # type: ignore[misc]  # asked only where there is one
        except Exception:
            late = math.nan
        if math.isnan(late):
            self.deaf += 1
            return 0.0
        return late

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        permits = self.permits
        in_flight = permits.in_flight
        permits.in_flight = in_flight - 1
        if permits.places:
            permits.hand_over(now)
        if verdict is SUCCESS and (self.facts is None or call.facts[self] <= self._lag):  # type: ignore[index]
            answered = call.answered_at
            self._sum += (now if answered is None or answered < began else answered) - began
            self._samples += 1
        elif self._dropped(call, now, verdict):
            self._drops += 1
        else:
            return
        if in_flight > self._peak:
            self._peak = in_flight
        if now >= self._until:
            self._end(now)

    def _dropped(self, call: Call, now: float, verdict: Verdict) -> bool:
        """Asked only where there is no success, or a late one."""
        if verdict is IGNORED:
            return False
        if verdict is not FAILURE or (self.facts is not None and call.facts[self] > self._lag):  # type: ignore[index]
            return True
        return (call.deadline is not None and now >= call.deadline) or timed_out(call.failure)

    def _end(self, now: float) -> None:
        """The time of a window is over: move, if it has samples enough."""
        samples, told, peak = self._samples, self._samples + self._drops, self._peak
        permits = self.permits
        if self._until == NEVER:  # the first sample of all
            self._until = now + self._window
            return
        if told < SAMPLES and told < permits.limit:
            return
        rtt = None
        if samples:
            rtt = self.latency = self._sum / samples
        self._until = now + max(self._window, 2 * self.latency)
        dropped = self._drops > told * DROPS
        self._sum = 0.0
        self._samples = self._drops = self._peak = 0
        permits.resize(max(1, int(self.algorithm.sample(rtt, peak, dropped, now))), now)

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """As those of `Permits`; the mean latency of the last window, what the algorithm shows, whether it is
        ``probing``, and what the signal said.
        """
        algorithm = self.algorithm
        shown = {**self.permits.numbers(call, now), "latency": self.latency, **algorithm.snapshot()}
        probing = getattr(algorithm, "probing", None)
        if probing is not None:
            shown["probing"] = probing
        return shown if self.facts is None else {**shown, "signal": call.facts[self]}  # type: ignore[index]

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """The permits, the mean latency of the last window, what the algorithm shows, and how often a signal failed."""
        shown = {**self.permits.snapshot(now), "latency": self.latency, **self.algorithm.snapshot()}
        return shown if self.facts is None else {**shown, "signal_errors": self.deaf}

    def idle(self) -> bool:
        return self.permits.idle()


def timed_out(failure: Failure | None) -> bool:
    """Whether a failure says that it took too long."""
    if failure is None:
        return False
    return isinstance(failure.error, TimeoutError) or (
        failure.kind is not None and issubclass(failure.kind, TimeoutError)
    )
