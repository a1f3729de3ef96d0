"""How much is still free there? Turns in proportion to the free share of each resource that matters.

    weight = sum of coefficient x (1 - reported / limit), over the resources; from the limit on nothing

F5's dynamic ratio: there a monitor asks each server's SNMP or WMI agent, here the load is what comes with the answers.
Coefficients and limits are those of its UC Davis SNMP monitor: processor 1.5 up to 80 %, memory 1.0 up to 70 %; the
disk has no counterpart in a report unless the application names one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Any

import attrs

from ...errors import ConfigError
from ...options import no_decorator, seconds
from .rated import Rated, as_known
from .reported import Reported

__all__ = ["DynamicRatio", "free"]

Resource = tuple[str, float, float]
LARGEST = 1e9
NOTHING = 1e-9
"""What an endpoint counts as that has nothing free: 0 would mean that nothing is known of it."""


def _resources(value: Any) -> Any:
    if isinstance(value, Mapping):
        value = [(name, *(pair if isinstance(pair, tuple | list) else (pair, 1.0))) for name, pair in value.items()]
    return tuple(tuple(each) for each in value)


def _positive(part: object) -> bool:
    return isinstance(part, int | float) and not isinstance(part, bool) and 0 < part <= LARGEST


def _check(spec: Any, attribute: Any, value: Any) -> None:
    for each in value:
        if len(each) != 3 or not isinstance(each[0], str) or not all(map(_positive, each[1:])):
            fix = 'map each resource to (coefficient, limit), both above 0, as in {"cpu_utilization": (1.5, 0.8)}'
            raise ConfigError.of("DynamicRatio", attribute.name, value, fix)
    if not value:
        raise ConfigError.of("DynamicRatio", attribute.name, value, "name at least one resource")


@attrs.frozen(kw_only=True)
class DynamicRatio:
    """Picks the endpoints in turn, in proportion to what they report as free.

    ``resources`` maps the name of a number in the report to its coefficient and its limit (or to a coefficient: the
    limit is 1). A report counts for ``expiration`` seconds; weights are worked out every ``period`` seconds.
    """

    resources: tuple[Resource, ...] = attrs.field(
        default=(("cpu_utilization", 1.5, 0.8), ("mem_utilization", 1.0, 0.7)), converter=_resources, validator=_check
    )
    expiration: float = attrs.field(default=180.0, validator=seconds())
    period: float = attrs.field(default=1.0, validator=seconds())

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Rated:
        value = partial(free, resources=self.resources)
        return Rated(partial(Reported, value=value, expiration=self.expiration), as_known, self.period, rng)


def free(report: Mapping[str, float], resources: tuple[Resource, ...]) -> float:
    """The sum over the resources that are reported; 0: none is."""
    told = [each for each in resources if each[0] in report]
    if not told:
        return 0.0
    return max(NOTHING, sum(part * max(0.0, 1.0 - report[name] / limit) for name, part, limit in told))
