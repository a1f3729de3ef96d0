"""Under pressure, whom do we turn away first? Those whose calls matter least.

Pressure is the larger of two shares of what can be borne::

    pressure = max(in_flight / limit, signal() / threshold)

Each level of priority has a pressure from which on it is shed. The levels are those of Google, the shares our defaults:

=====  ====================  ==============  =====================================================================
level  word                  shed from       meant for
=====  ====================  ==============  =====================================================================
0      ``critical_plus``     1.0             what must not fail: nobody else is served any more
1      ``critical``          0.9             what a user waits for; also what does not say what it is
2      ``sheddable_plus``    0.8             what is tried again later anyway: a batch job, a prefetch
3      ``sheddable``         0.6             what may fail in part or for a while: telemetry, a crawler
=====  ====================  ==============  =====================================================================

There is no state between shed and not shed, and no clock: the same pressure gives the same answer. With a limit of n,
at most ``ceil(share * n)`` calls are in flight when a level's next call goes, so at most n in all; something goes
whenever nothing is in flight and the signal is quiet.

The four levels are from *Site Reliability Engineering* (Google, 2016), chapter 21, where a task under load rejects the
lower ones at lower thresholds. That the last 20 % are kept for critical calls is Stripe's number ("Scaling your API
with rate limiters", 2017); shedding prefetched before user-initiated calls within one service is Netflix's ("Enhancing
Netflix Reliability with Service-Level Prioritized Load Shedding", 2024). Envoy's overload manager scales what it does
between two thresholds of one pressure; four steps do that here, and nobody draws lots.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import attrs

from .. import fact, options
from ..call import Call, Verdict
from ..errors import ConfigError, Overloaded
from ..policy import awaits

__all__ = ["LoadShed", "LoadShedState"]

LEVELS = ("critical_plus", "critical", "sheddable_plus", "sheddable")
WORDS = {**{word: level for level, word in enumerate(LEVELS)}, **{str(level): level for level in range(len(LEVELS))}}
LONGEST = 32
"""Characters of a priority that are looked at: no level has a longer name."""

Priority = str | Callable[[Call], Any] | None
Signal = Callable[[], Any]


def level_of(value: Any, otherwise: int) -> int:
    """The level a request claims: 0 to 3, or the word, in any case and with ``-`` for ``_``. Else ``otherwise``."""
    if isinstance(value, str):
        return WORDS.get(value[:LONGEST].strip().lower().replace("-", "_"), otherwise)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(LEVELS):
        return int(value)
    return otherwise


def _priority(spec: Any, attribute: Any, value: Any) -> None:
    if awaits(value):
        raise ConfigError.of("LoadShed", attribute.name, value, fact.PLAIN)
    if not (value is None or options.is_function(value) or (isinstance(value, str) and value.strip())):
        fix = "give the name of an attribute of the request, a function of the call, or None: all calls are alike"
        raise ConfigError.of("LoadShed", attribute.name, value, fix)


def _signal(spec: LoadShed, attribute: Any, value: Any) -> None:
    if value is None and spec.limit is None:
        raise ConfigError.of("LoadShed", attribute.name, value, "nothing tells the pressure: give a limit or a signal")
    if awaits(value):
        raise ConfigError.of("LoadShed", attribute.name, value, fact.PLAIN)
    if value is not None and not options.is_function(value):
        fix = "give a function without arguments that answers a number, such as meshkit.loop_lag"
        raise ConfigError.of("LoadShed", attribute.name, value, fix)


def _threshold(spec: LoadShed, attribute: Any, value: Any) -> None:
    options.number(options.SHORTEST, options.LARGEST)(spec, attribute, value)
    if value != 1.0 and spec.signal is None:
        raise ConfigError.of("LoadShed", attribute.name, value, "a threshold is a signal's: add one, or leave this out")


def _shed_from(spec: Any, attribute: Any, value: Any) -> None:
    fix = f"give {len(LEVELS)} shares above 0 and up to 1, the largest first, such as (1.0, 0.9, 0.8, 0.6)"
    if not isinstance(value, tuple) or len(value) != len(LEVELS):
        raise ConfigError.of("LoadShed", attribute.name, value, fix)
    last = 1.0
    for share in value:
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= last:
            raise ConfigError.of("LoadShed", attribute.name, value, fix)
        last = share


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _default(spec: Any, attribute: Any, value: Any) -> None:
    if level_of(value, -1) < 0:
        fix = "give a level from 0 to 3, or one of " + ", ".join(map(repr, LEVELS))
        raise ConfigError.of("LoadShed", attribute.name, value, fix)


@attrs.frozen
class LoadShed:
    """Sheds the least important calls first, with `Overloaded`, as pressure rises.

    ``limit``: the calls in flight that can be borne. ``signal``: a function that answers a number, asked once per call
    outside the lock (`meshkit.loop_lag`, the share of memory in use); ``threshold``: the value of the signal that is as
    bad as ``limit`` calls in flight. One of the two is needed. A signal that raises or answers no number sheds nobody.

    ``priority``: the level of a call, 0 (shed last) to 3 or its word: the name of an attribute of the request, or a
    function of the call. What is no level, or raises, counts as ``default``. Without a priority all calls are of level
    0, and the limit is simply a limit. ``shed_from``: the pressure from which on each level is shed. ``retry_after``:
    what those shed are told, in seconds.
    """

    limit: int | None = attrs.field(default=None, validator=options.optional(options.count()))
    signal: Signal | None = attrs.field(default=None, validator=_signal, kw_only=True)
    threshold: float = attrs.field(default=1.0, validator=_threshold, kw_only=True)
    priority: Priority = attrs.field(default=None, validator=_priority, kw_only=True)
    default: int | str = attrs.field(default="critical", validator=_default, kw_only=True)
    shed_from: tuple[float, ...] = attrs.field(
        default=(1.0, 0.9, 0.8, 0.6), converter=_as_tuple, validator=_shed_from, kw_only=True
    )
    retry_after: float | None = attrs.field(
        default=None, validator=options.optional(options.seconds(zero=True)), kw_only=True
    )
    name: str = attrs.field(default="LoadShed", validator=fact.text, kw_only=True)

    asks = ("priority",)
    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> LoadShedState:
        return LoadShedState(self)


def places(limit: int, share: float) -> int:
    """The least number in flight that is ``share`` of the limit or more: exact where ``share * limit`` is not."""
    least = math.ceil(share * limit)
    while least > 1 and (least - 1) / limit >= share:
        least -= 1
    while least / limit < share:
        least += 1
    return least


class LoadShedState:
    """A `Gate`. Counts who is in flight by level, and who was shed."""

    __slots__ = ("_ask", "_default", "_places", "_spec", "blind", "enter", "exit", "facts", "levels", "name", "shed")

    def __init__(self, spec: LoadShed) -> None:
        self.name = spec.name
        self.levels = [0] * len(LEVELS)
        """In flight, by level."""
        self.shed = [0] * len(LEVELS)
        self.blind = 0
        """Calls for which the signal failed."""
        asks = spec.priority is not None or spec.signal is not None
        self.facts = self._facts if asks else None
        self.enter = self._enter if asks else self._enter_alike
        self.exit = self._exit if asks else self._exit_alike
        self._ask = None if spec.priority is None else fact.asking(spec.priority)
        self._default = level_of(spec.default, 0)
        self._spec = spec
        limit = spec.limit
        self._places = [math.inf if limit is None else places(limit, share) for share in spec.shed_from]

    def _facts(self, call: Call, /) -> tuple[int, float]:
        """The call's level, and what the signal says as a share of its threshold, NaN where it says nothing."""
        spec, level = self._spec, 0
        pressure: Any = 0.0
        if self._ask is not None:
            try:
                level = level_of(self._ask(call), self._default)
            except ConfigError:
                raise  # requests have no attribute of that name
            except Exception:
                level = self._default
        if spec.signal is not None:
            try:
                pressure = spec.signal()
                pressure = pressure / spec.threshold
            except OverflowError:  # a whole number beyond every float
                pressure = math.inf if pressure > 0 else 0.0
            except Exception:
                pressure = math.nan
            if not isinstance(pressure, float):
                pressure = math.nan
        return level, pressure

    def _enter_alike(self, call: Call, now: float, /) -> None:
        """With neither priority nor signal."""
        in_flight = self.levels[0]
        if in_flight >= self._places[0]:
            raise self._refusal(0, 0.0, in_flight)
        self.levels[0] = in_flight + 1

    def _exit_alike(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.levels[0] -= 1

    def _enter(self, call: Call, now: float, /) -> None:
        level, pressure = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        if math.isnan(pressure):
            self.blind += 1
        levels = self.levels
        in_flight = levels[0] + levels[1] + levels[2] + levels[3]
        if in_flight >= self._places[level] or pressure >= self._spec.shed_from[level]:
            raise self._refusal(level, pressure, in_flight)
        levels[level] += 1

    def _exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.levels[call.facts[self][0]] -= 1  # type: ignore[index]

    def _refusal(self, level: int, pressure: float, in_flight: int) -> Overloaded:
        self.shed[level] += 1
        spec = self._spec
        if pressure >= spec.shed_from[level]:
            reason: tuple[Any, ...] = ("%s calls are shed: the signal is at %.3g of its threshold", pressure)
        else:
            reason = ("%s calls are shed: %d in flight of %d", in_flight, spec.limit)
        template, *values = reason
        return Overloaded(template, LEVELS[level], *values, policy=self.name, retry_after=spec.retry_after)

    def numbers(self, call: Call, now: float, /) -> dict[str, float | str]:
        """The pressure, and from which on this call's level is shed; what the pressure comes from: the calls in flight,
        this one among them if it goes, of how many, and the signal as a share of its threshold, unless it failed.
        """
        spec = self._spec
        level, signal = (0, 0.0) if self.facts is None else call.facts[self]  # type: ignore[index]
        in_flight = sum(self.levels)
        pressure = 0.0 if spec.limit is None else in_flight / spec.limit
        shown: dict[str, float | str] = {"level": LEVELS[level], "shed_from": spec.shed_from[level]}
        if spec.limit is not None:
            shown["limit"] = spec.limit
        if spec.signal is not None and not math.isnan(signal):
            shown["signal"] = signal
            pressure = max(pressure, signal)
        return {"pressure": pressure, "in_flight": in_flight, **shown}

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """In flight and shed since the start; with a priority, both for each level as well."""
        spec = self._spec
        shown: dict[str, Any] = {"in_flight": sum(self.levels), "shed": sum(self.shed)}
        if spec.limit is not None:
            shown["limit"] = spec.limit
        if spec.signal is not None:
            shown["blind"] = self.blind
        if spec.priority is not None:
            for level, word in enumerate(LEVELS):
                shown[word] = self.levels[level]
                shown[f"{word}_shed"] = self.shed[level]
        return shown

    def idle(self) -> bool:
        return not any(self.levels)
