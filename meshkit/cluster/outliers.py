"""Which endpoint does worse than its neighbours, judged by the calls it is given anyway?

An endpoint is ejected at once after so many failures in a row (what a failure is, `standing` tells); and at the end of
each interval, if its success rate is below ``mean - success_rate_stdev * standard deviation`` of all endpoints with
enough requests, or its failure ratio at ``failure_ratio`` or above. How long it stays out, and how many may be out, is
told in `ejection`.

Envoy's outlier detection (``source/common/upstream/outlier_detection_impl.cc``): its options, its defaults.
"""

from __future__ import annotations

from random import Random

import attrs

from ..errors import ConfigError
from ..options import count, flag, no_decorator, number, optional, ratio, seconds
from .ejection import Detector

__all__ = ["OutlierDetection"]


@attrs.frozen(kw_only=True)
class OutlierDetection:
    """Leave out endpoints that fail more than others, for a while. Raises `ConfigError`.

    Durations are seconds, shares are 0..1. ``enforcing_*`` is the share of the detections that eject; the others are
    only counted: 0 watches and does nothing.
    """

    consecutive_5xx: int | None = attrs.field(default=5, validator=optional(count()))
    """Server errors in a row; ``None``: off, as in the next two."""

    consecutive_gateway: int | None = attrs.field(default=5, validator=optional(count()))
    """Gateway errors in a row."""

    consecutive_local: int | None = attrs.field(default=5, validator=optional(count()))
    """Local errors in a row, if ``split``."""

    split: bool = attrs.field(default=False, validator=flag())
    """Local errors are counted by themselves, and are not server errors as well."""

    enforcing_5xx: float = attrs.field(default=1.0, validator=ratio(zero=True))
    enforcing_gateway: float = attrs.field(default=0.0, validator=ratio(zero=True))
    enforcing_local: float = attrs.field(default=1.0, validator=ratio(zero=True))

    success_rate_hosts: int = attrs.field(default=5, validator=count(0))
    """Success rates are compared only where so many endpoints have enough requests."""

    success_rate_requests: int = attrs.field(default=100, validator=count(0))
    """Enough: so many in an interval."""

    success_rate_stdev: float = attrs.field(default=1.9, validator=number(0.0, 1000.0))
    """How many standard deviations (of the population) below the mean is too far."""

    enforcing_success_rate: float = attrs.field(default=1.0, validator=ratio(zero=True))
    enforcing_local_success_rate: float = attrs.field(default=1.0, validator=ratio(zero=True))

    failure_ratio: float = attrs.field(default=0.85, validator=ratio(zero=True))
    """An endpoint at which this share of an interval's requests fails is ejected, whatever the others do."""

    failure_ratio_hosts: int = attrs.field(default=5, validator=count(0))
    failure_ratio_requests: int = attrs.field(default=50, validator=count(0))
    enforcing_failure_ratio: float = attrs.field(default=0.0, validator=ratio(zero=True))
    enforcing_local_failure_ratio: float = attrs.field(default=0.0, validator=ratio(zero=True))

    interval: float = attrs.field(default=10.0, validator=seconds())
    """How often rates are judged, and how long an endpoint must do well for its next ejection to be shorter again."""

    base_ejection_time: float = attrs.field(default=30.0, validator=seconds())
    """How long the first ejection lasts; the nth in a row n times as long."""

    max_ejection_time: float = attrs.field(validator=seconds())
    """No ejection is longer, but for the jitter. Default 300, or ``base_ejection_time`` where that is more."""

    max_ejection_jitter: float = attrs.field(default=0.0, validator=seconds(zero=True))
    """Up to so much is added to an ejection, at random: not all come back at once."""

    max_ejected: float = attrs.field(default=0.1, validator=ratio(zero=True))
    """The share of the endpoints that may be out at the same time."""

    always_eject_one: bool = attrs.field(default=True, validator=flag())
    """One may be out whatever ``max_ejected`` says: a tenth of three endpoints is none."""

    uneject_on_check: bool = attrs.field(default=True, validator=flag())
    """An active check that finds an ejected endpoint well brings it back."""

    __call__ = no_decorator

    @max_ejection_time.default
    def _longest(self) -> float:
        return max(300.0, self.base_ejection_time)

    def __attrs_post_init__(self) -> None:
        if self.max_ejection_time < self.base_ejection_time:
            fix = f"give at least base_ejection_time, {self.base_ejection_time:g}"
            raise ConfigError.of("OutlierDetection", "max_ejection_time", self.max_ejection_time, fix)

    def start(self, rng: Random, /) -> Detector:
        return Detector(self, rng)
