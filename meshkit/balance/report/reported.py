"""How loaded does an endpoint say it is? Costs and ratings from the load reports that come with its answers.

    cost = reported x (in flight + 1) / weight        whoever has reported nothing lately: the average to be expected

A report says what this client cannot see: the work that all other clients bring. It is as old as the last answer, so
what has been sent there since counts as well (in flight), or all would run after whoever last looked idle.

``call.report`` is what the door found in the answer (ORCA, see ``meshkit.fields.orca``). An answer without one, or one
in which the wanted number is missing or 0, teaches nothing; no more does one that was IGNORED.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

import attrs

from ...call import Call, Verdict
from ...errors import ConfigError
from ...options import count, no_decorator, number, seconds
from ..load.choices import Choices

__all__ = ["UTILIZATION", "LeastReported", "Reported", "names", "reported"]

UTILIZATION = ("application_utilization", "cpu_utilization")
"""What is asked for, the first that is there and above 0: gRPC's order."""


def names(spec: Any, attribute: Any, value: Any) -> None:
    """Of numbers in a report, at least one."""
    if not value or not all(isinstance(name, str) and name.strip() for name in value):
        fix = 'name what the endpoints report, such as ("cpu_utilization", "named_metrics.queue")'
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)


def as_names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value)


def reported(report: Mapping[str, float], wanted: tuple[str, ...]) -> float:
    """The first of these numbers that is above 0; 0: none is."""
    for name in wanted:
        value = report.get(name, 0.0)
        if value > 0:
            return value
    return 0.0


@attrs.frozen(kw_only=True)
class LeastReported:
    """Picks the endpoint that reports the least load, of ``choices`` random ones.

    ``metrics`` name the number, the first that a report has. After ``expiration`` seconds without it an endpoint counts
    as ``unknown``, as it does before its first report.
    """

    metrics: tuple[str, ...] = attrs.field(default=UTILIZATION, converter=as_names, validator=names)
    choices: int = attrs.field(default=2, validator=count(1, 64))
    expiration: float = attrs.field(default=180.0, validator=seconds())
    unknown: float = attrs.field(default=0.5, validator=number(0.0, 1e9))

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Choices:
        value = partial(reported, wanted=self.metrics)
        measure = partial(Reported, value=value, expiration=self.expiration, unknown=self.unknown)
        return Choices(measure, self.choices, rng)


class Reported:
    """What one endpoint last reported, and how many attempts are under way there.

    ``value`` makes a number of a report; 0: it says nothing. It counts ``blackout`` seconds after the first of a series
    of reports, and until ``expiration`` seconds after the last.
    """

    __slots__ = (
        "at",
        "blackout",
        "expiration",
        "in_flight",
        "last",
        "rating",
        "series_at",
        "unknown",
        "value",
        "weight",
    )

    reads_report = True

    def __init__(
        self,
        weight: float = 1.0,
        *,
        value: Callable[[Mapping[str, float]], float],
        expiration: float = 180.0,
        blackout: float = 0.0,
        unknown: float = 0.5,
    ) -> None:
        self.weight = weight
        self.value = value
        self.expiration = expiration
        self.blackout = blackout
        self.unknown = unknown
        self.in_flight = 0
        self.last = 0.0
        """What the last report came to; 0: there was none."""
        self.at = 0.0
        self.series_at = 0.0
        """When the reports began that have come ever since."""
        self.rating = 0.0
        """The weight by which it has its turns, as of the last time that was looked at; see `Rated`."""

    def cost(self, now: float, /) -> float:
        return (self.known(now) or self.unknown) * (self.in_flight + 1) / self.weight

    def known(self, now: float, since: float | None = None, /) -> float:
        """What it last reported, or 0: nothing, nothing lately, or not for long enough.

        ``since``: when it came back into service, if it did; what was reported before counts no more.
        """
        if not self.last or now - self.at >= self.expiration:
            return 0.0
        begin = self.series_at
        if since is not None and since > begin:
            if since > self.at:
                return 0.0
            begin = since
        return 0.0 if now - begin < self.blackout else self.last

    def enter(self, call: Call, now: float, /) -> None:
        self.in_flight += 1
        call.report = None  # that of an earlier attempt is another endpoint's

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.in_flight -= 1
        report = call.report
        if not report or verdict is Verdict.IGNORED:
            return
        value = self.value(report)
        if value > 0:
            if not self.last or now - self.at >= self.expiration:
                self.series_at = now
            self.last = value
            self.at = max(self.at, now)

    def idle(self) -> bool:
        return self.in_flight == 0

    def snapshot(self, now: float, /) -> dict[str, Any]:
        known = self.known(now)
        return {"in_flight": self.in_flight, "reported": known or None, "rating": self.rating}
