"""How fast may a body go? So many bytes a second, of each body by itself, or of all that take the route together.

A token bucket, counted by the instant at which it is full again; a part of ``n`` bytes at the instant ``now``::

    full' = max(full, now) + n / rate                        when it is full again
    wait    max(0, full' - now - burst / rate) seconds       before the part goes

So in any ``t`` seconds no more than ``burst + rate * t`` bytes go, and a part that is longer than the burst waits until
it is paid for. A door sends long parts in pieces of a twentieth of a second. Who waits has reserved what it waits for;
who goes away meanwhile leaves one piece unused at most.

nginx's ``limit_rate`` and ``limit_rate_after`` are the rate and the burst of each answer, but that here the burst comes
back while an app pauses. Envoy's bandwidth limit is one for a route and a direction: ``shared``.
"""

from __future__ import annotations

import re
from typing import Any

import attrs

from .. import options
from ..errors import ConfigError

__all__ = ["Bandwidth", "Bucket", "bytes_per_second"]

WRITTEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kMG]?i?B)\s*/\s*s(?:ec|econd)?\s*", re.ASCII)
UNITS = {"k": 1, "M": 2, "G": 3}
SLOWEST, FASTEST = 1.0, 1e12
PIECE = 0.05
"""Seconds that a piece of a body takes,"""
SMALLEST = 256
"""and the bytes it has at least: less is more head than body."""
NEVER = float("-inf")


def bytes_per_second(rate: Any) -> float:
    """Of a rate such as ``"1MB/s"``, ``"64KiB/s"``, or a number of bytes. Raises `ConfigError`."""
    value = rate
    if isinstance(rate, str):
        found = WRITTEN.fullmatch(rate.replace("K", "k", 1))
        if found is not None:
            factor, unit = (1024 if "i" in found[2] else 1000), found[2][0]
            value = float(found[1]) * factor ** UNITS.get(unit, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not SLOWEST <= value <= FASTEST:
        fix = 'write bytes a second, such as "1MB/s" or "64KiB/s", from 1 to 1e12'
        raise ConfigError.of("Bandwidth", "rate", rate, fix)
    return float(value)


def _rate(spec: Any, attribute: Any, value: Any) -> None:
    bytes_per_second(value)


@attrs.frozen
class Bandwidth:
    """Slows bodies down to a rate. Raises `ConfigError`.

    ``rate``: ``"1MB/s"`` (units: B, kB, MB, GB, and KiB, MiB, GiB), or a number of bytes a second. ``burst``:
    bytes that go at once after a rest; ``None``: what goes in a twentieth of a second. ``direction``: which bodies.
    ``shared``: one rate for all that take this route, in each direction; otherwise each body has one of its own.
    Several of these hold together.
    """

    rate: str | float = attrs.field(validator=_rate)
    burst: int | None = attrs.field(default=None, validator=options.optional(options.size()), kw_only=True)
    direction: str = attrs.field(
        default="response", validator=options.among("response", "request", "both"), kw_only=True
    )
    shared: bool = attrs.field(default=False, validator=options.flag(), kw_only=True)

    @property
    def bucket(self) -> Bucket:
        """A new one."""
        return Bucket(bytes_per_second(self.rate), self.burst)

    def install(self, plan: Any, /) -> None:
        plan.paces = (*plan.paces, BandwidthState(self))
        plan.incoming = plan.incoming or self.direction != "response"
        plan.outgoing = plan.outgoing or self.direction != "request"


class BandwidthState:
    """What `Bandwidth` comes to: the buckets of a route, if they are shared."""

    __slots__ = ("_answers", "_requests", "_spec")

    def __init__(self, spec: Bandwidth) -> None:
        self._spec = spec
        self._requests = spec.bucket
        self._answers = spec.bucket

    def request(self) -> Bucket | None:
        """The bucket for the body of a request; ``None``: it may go as fast as it can."""
        return self._of("response", self._requests)

    def answer(self) -> Bucket | None:
        """The same of an answer."""
        return self._of("request", self._answers)

    def _of(self, other: str, bucket: Bucket) -> Bucket | None:
        if self._spec.direction == other:
            return None
        return bucket if self._spec.shared else self._spec.bucket


class Bucket:
    """Says when the next bytes may go. The lock, the clock and the waiting are the caller's."""

    __slots__ = ("_burst", "_full_at", "_rate", "piece")

    def __init__(self, rate: float, burst: int | None) -> None:
        self.piece = max(SMALLEST, int(rate * PIECE))
        """Bytes to ask for at once, at most."""
        self._rate = rate
        self._burst = (self.piece if burst is None else burst) / rate
        self._full_at = NEVER

    def take(self, size: int, now: float) -> float:
        """Seconds to wait before so many bytes go. They are taken."""
        full_at = self._full_at = (self._full_at if self._full_at > now else now) + size / self._rate
        wait = full_at - now - self._burst
        return wait if wait > 0.0 else 0.0
