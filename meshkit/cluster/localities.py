"""Which locality serves this call? The one nearby, or all by what they can carry.

====================  ==================================================================================
mode                  shares
====================  ==================================================================================
`LocalityWeights`     locality weight x min(1, overprovision x available / total), of their sum
`ZoneAware`           the own zone first, as far as no endpoint anywhere gets more than another one
`ZoneFirst`           the own zone alone, while it has somebody; then the own region; then all
`ZoneStrict`          the own zone alone; endpoints of others do not count at all
====================  ==================================================================================

`ZoneAware` compares the callers' share in each zone with the endpoints', in hundredths of a percent::

    caller(z)   = 10000 * callers in z // callers         upstream(z) = 10000 * available in z // available
    direct      if upstream(own) >= caller(own): everything stays in the own zone
    otherwise   upstream(own) * 10000 // caller(own), of 10000, stays there, and the rest goes to the other zones,
                each by its residue, max(0, upstream(z) - caller(z))

A locality is written ``region/zone/sub-zone``, or is a zone alone. The priority is picked before the locality, and the
endpoint after it. All here is arithmetic: draw ``r`` from [0, 1) and ask `Split.choose`.

Envoy's ``ZoneAwareLoadBalancerBase`` and ``LocalityWrr::effectiveLocalityWeight``; zonal isolation is what AWS's load
balancers do with cross-zone off; `ZoneFirst` is ``trafficDistribution: PreferSameZone`` of Kubernetes (once
``PreferClose``). Where rounding leaves no residue anywhere, Envoy draws any locality, even one without endpoints; here
those with available endpoints share by what is available.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import accumulate
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import attrs

from ..errors import ConfigError
from ..options import count, no_decorator, optional, ratio

__all__ = ["Locality", "LocalityWeights", "Part", "Split", "ZoneAware", "ZoneFirst", "ZoneStrict", "zone_of"]

Locality: TypeAlias = str | None
WHOLE = 10_000
"""Hundredths of a percent."""
MOST = 1e9
"""The largest weight or number of callers."""


class Part(NamedTuple):
    """What one locality has, of one priority."""

    total: float
    """Its endpoints (or their weights), less those that do not count."""
    available: float
    """Those of them that may be picked (or their weights)."""
    hosts: int
    """The number of those that may be picked."""


class Split:
    """The shares of the localities that get any. They sum to 1; there are none where nobody may be asked."""

    __slots__ = ("_bounds", "_places", "shares")

    def __init__(self, parts: Mapping[Locality, float]) -> None:
        every = sum(parts.values())
        self.shares: dict[Locality, float] = {place: part / every for place, part in parts.items() if part > 0}
        self._places = tuple(self.shares)
        self._bounds = tuple(accumulate(self.shares.values()))[:-1]

    def choose(self, r: float, /) -> Locality:
        """The locality for a number from [0, 1), if there is one."""
        return self._places[bisect_right(self._bounds, r)]


def zone_of(locality: Locality) -> str | None:
    """``"eu/eu-1/a"`` and ``"eu-1"`` stand in the zone ``"eu-1"``."""
    if locality is None:
        return None
    parts = locality.split("/")
    return (parts[1] if len(parts) > 1 else locality) or None


def _region(locality: Locality) -> str | None:
    return locality.partition("/")[0] or None if locality is not None and "/" in locality else None


def _by_available(parts: Mapping[Locality, Part], places: Iterable[Locality]) -> Split:
    return Split({place: parts[place].available for place in places})


def _zones(parts: Mapping[Any, Any]) -> dict[str | None, list[Any]]:
    zones: dict[str | None, list[Any]] = {}
    for place in parts:
        zones.setdefault(zone_of(place), []).append(place)
    return zones


def _zone(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or zone_of(value.strip()) is None:
        raise ConfigError.of(type(spec).__name__, attribute.name, value, 'name a zone, such as "eu-west-1a"')


def _frozen(value: Any) -> Any:
    return MappingProxyType(dict(value)) if isinstance(value, Mapping) else value


def _amounts(spec: Any, attribute: Any, value: Any) -> None:
    """Numbers by place, not all of them 0."""
    fix = f"give a dict of numbers by {'zone' if attribute.name == 'callers' else 'locality'}"
    if not isinstance(value, Mapping):
        raise ConfigError.of(type(spec).__name__, attribute.name, value, f'{fix}, such as {{"eu-west-1a": 3}}')
    for place, amount in value.items():
        if not isinstance(place, str) or isinstance(amount, bool) or not isinstance(amount, int | float):
            raise ConfigError.of(type(spec).__name__, attribute.name, {place: amount}, fix)
        if not 0 <= amount <= MOST:
            raise ConfigError.of(type(spec).__name__, attribute.name, {place: amount}, f"{fix}, from 0 to {MOST:g}")
    if not any(value.values()):
        raise ConfigError.of(type(spec).__name__, attribute.name, dict(value), f"{fix}, one of them above 0")


def _shown(value: Any) -> str:
    return repr(dict(value))


@attrs.frozen
class LocalityWeights:
    """Shares by weights for localities, or for whole zones. A locality that has none gets nothing."""

    weights: Mapping[str, float] = attrs.field(converter=_frozen, validator=_amounts, hash=False, repr=_shown)

    __call__ = no_decorator

    def start(self, rng: Random, /) -> LocalityWeights:
        return self

    def admits(self, locality: Locality, /) -> bool:
        return True

    def split(self, parts: Mapping[Locality, Part], /, *, overprovision: int = 140) -> Split | None:
        """``None``: no locality that has a weight has anybody to ask, so all are asked as one."""
        owners: dict[str, list[Locality]] = {}
        for place in parts:
            owner = place if place in self.weights else zone_of(place)
            if owner is not None and owner in self.weights:
                owners.setdefault(owner, []).append(place)
        shares: dict[Locality, float] = {}
        for owner, places in owners.items():
            total = sum(parts[place].total for place in places)
            available = sum(parts[place].available for place in places)
            if total > 0 and available > 0:
                effective = self.weights[owner] * min(1.0, overprovision / 100 * available / total)
                for place in places:
                    shares[place] = effective * parts[place].available / available
        return Split(shares) if any(shares.values()) else None


@attrs.frozen
class ZoneAware:
    """As much as possible stays in ``zone``, and every endpoint everywhere gets the same.

    ``callers``: how many callers like this one there are, or how much they call, by zone. ``min_cluster_size``: with
    fewer endpoints available, zones are left out of account. ``routing_enabled``: the share of calls that keep to
    this. ``force``: with so many available endpoints in the own zone, everything stays there; ``None``: never.
    """

    zone: str = attrs.field(validator=_zone)
    callers: Mapping[str, float] = attrs.field(converter=_frozen, validator=_amounts, hash=False, repr=_shown)
    min_cluster_size: int = attrs.field(default=6, validator=count(0), kw_only=True)
    routing_enabled: float = attrs.field(default=1.0, validator=ratio(zero=True), kw_only=True)
    force: int | None = attrs.field(default=None, validator=optional(count(1)), kw_only=True)

    __call__ = no_decorator

    def start(self, rng: Random, /) -> ZoneAware:
        return self

    def admits(self, locality: Locality, /) -> bool:
        return True

    def split(self, parts: Mapping[Locality, Part], /, *, overprovision: int = 140) -> Split | None:
        """``None``: zones are left out of account, and all are asked as one."""
        own = zone_of(self.zone)
        zones = _zones(parts)
        hosts = sum(part.hosts for part in parts.values())
        every = sum(part.available for part in parts.values())
        callers = {zone: sum(self.callers[place] for place in places) for zone, places in _zones(self.callers).items()}
        few = len(zones) < 2 or (len(callers) < 2 and self.force is None)  # nowhere else to go, or nobody to share with
        if few or hosts < self.min_cluster_size or not callers.get(own) or every <= 0:
            return None
        amounts = {zone: sum(parts[place].available for place in places) for zone, places in zones.items()}
        forced = self.force is not None and sum(parts[place].hosts for place in zones.get(own, ())) >= self.force
        shares = {own: 1.0} if forced else _shares(own, callers, amounts)
        off = 1.0 - self.routing_enabled
        return Split(
            {
                place: (self.routing_enabled * shares.get(zone, 0.0) / amounts[zone] + off / every)
                * parts[place].available
                for zone, places in zones.items()
                if amounts[zone]
                for place in places
            }
        )


def _shares(
    own: str | None, callers: Mapping[str | None, float], amounts: Mapping[str | None, float]
) -> Mapping[str | None, float]:
    """What each zone gets of the calls that are made in the own one."""
    called, every = sum(callers.values()), sum(amounts.values())
    caller = {zone: int(WHOLE * callers.get(zone, 0) // called) for zone in amounts}
    upstream = {zone: int(WHOLE * amount // every) for zone, amount in amounts.items()}
    here, there = caller.get(own, 0), upstream.get(own, 0)
    if there and there >= here:
        return {own: 1.0}
    stays = there * WHOLE // here / WHOLE if here else 0.0
    residue = {zone: max(0, upstream[zone] - caller[zone]) for zone in amounts if zone != own}
    left = sum(residue.values())
    if not left:
        return {zone: amount / every for zone, amount in amounts.items()}
    return {own: stays, **{zone: (1.0 - stays) * part / left for zone, part in residue.items()}}


@attrs.frozen
class ZoneFirst:
    """Everything goes to ``zone`` while it has ``least`` available endpoints, or else to all.

    A zone that is written with its region, ``"eu-west-1/eu-west-1a"``, is followed by that region, and then by all.
    """

    zone: str = attrs.field(validator=_zone)
    least: int = attrs.field(default=1, validator=count(1), kw_only=True)

    __call__ = no_decorator

    def start(self, rng: Random, /) -> ZoneFirst:
        return self

    def admits(self, locality: Locality, /) -> bool:
        return True

    def split(self, parts: Mapping[Locality, Part], /, *, overprovision: int = 140) -> Split | None:
        """``None``: nobody is near enough, so all are asked as one."""
        zone, region = zone_of(self.zone), _region(self.zone)
        for near in (
            [place for place in parts if zone_of(place) == zone],
            [place for place in parts if region is not None and _region(place) == region],
        ):
            if sum(parts[place].hosts for place in near) >= self.least:
                return _by_available(parts, near)
        return None


@attrs.frozen
class ZoneStrict:
    """Nothing leaves ``zone``. Priorities, health and panic are those of its endpoints alone."""

    zone: str = attrs.field(validator=_zone)

    __call__ = no_decorator

    def start(self, rng: Random, /) -> ZoneStrict:
        return self

    def admits(self, locality: Locality, /) -> bool:
        """Whether endpoints there are endpoints at all; to be asked before anything is counted."""
        return zone_of(locality) == zone_of(self.zone)

    def split(self, parts: Mapping[Locality, Part], /, *, overprovision: int = 140) -> Split | None:
        """Never ``None``; without shares where nobody in the zone may be asked: then there is no endpoint."""
        return _by_available(parts, filter(self.admits, parts))
