"""What goes on from one version of a mesh to the next? The state of each policy and cluster, by its name.

==========================================  =====================================================
in the next version                         its state
==========================================  =====================================================
a cluster of that name, written the same    goes on: health, breakers, loads, connections
with other endpoints only                   goes on; endpoints that left are forgotten, new ones come
a policy at that place, written the same    goes on
anything else                               begins anew
==========================================  =====================================================

A place is the name of what a policy stands in front of (a route, a node, a listener), the kind of policy, and which of
that kind it is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import attrs

from ..cluster import Cluster, Endpoint
from ..route.route import Route
from ..runtime.lock import LOCK
from ..shared import Shared, bare

__all__ = ["Kept"]

Place = tuple[Any, ...]
ROUTE = "meshkit.route."
ANY = Random(0)  # noqa: S311  # what is started already draws nothing from it


class Kept:
    """The shared specs of one version, made out of those of the one before."""

    __slots__ = ("_before", "_now", "_routes", "changes")

    def __init__(self, before: Kept | None = None) -> None:
        self._before: dict[Place, Shared] = {} if before is None else before._now
        self._now: dict[Place, Shared] = {}
        self._routes: dict[Place, int] = {}
        self.changes: list[tuple[Shared, Cluster]] = []
        """Clusters whose endpoints are others, each with its new spec: to be told once this version is in force."""

    def policies(self, place: Place, specs: Iterable[Any]) -> tuple[Any, ...]:
        """The policies that stand at a place, each with the state it had."""
        count: dict[type, int] = {}
        found = []
        for spec in specs:
            kind = type(bare(spec))
            number = count[kind] = count.get(kind, 0) + 1
            found.append(self._shared((*place, kind, number), spec))
        return tuple(found)

    def route(self, part: Place, route: Route) -> Route:
        """A route of a part whose policies and destinations have the states they had."""
        place = (*part, "route", str(route))
        number = self._routes[place] = self._routes.get(place, 0) + 1
        place = (*place, number)
        to = self._within(route.to)
        # A redirect is installed in the plan of its route, which looks at the spec itself.
        if hasattr(to, "start") and not isinstance(to, Shared) and not hasattr(to, "install"):
            to = self._shared((*place, "to", type(to)), to)
        return attrs.evolve(route, policies=self.policies(place, route.policies), to=to)

    def settle(self) -> None:
        """It is in force: tell the clusters where their endpoints are now."""
        for shared, cluster in self.changes:
            slices = shared.start(ANY).moved(cluster.endpoints)
            shared.spec = cluster
            while True:
                with LOCK:
                    if next(slices, slices) is slices:
                        break

    def _within(self, spec: Any) -> Any:
        """A destination in which each cluster is the one of its name."""
        found = bare(spec)
        if isinstance(found, Cluster):
            return self._shared(("cluster", found.name), spec)
        if isinstance(spec, tuple):
            return tuple(map(self._within, spec))
        if type(spec).__module__.startswith(ROUTE) and attrs.has(type(spec)):
            fields = {field.name: getattr(spec, field.name) for field in attrs.fields(type(spec)) if field.init}
            changed = {name: self._within(value) for name, value in fields.items()}
            if any(changed[name] is not value for name, value in fields.items() if not isinstance(value, tuple)) or any(
                one is not other
                for name, value in fields.items()
                if isinstance(value, tuple)
                for one, other in zip(value, changed[name], strict=True)
            ):
                return attrs.evolve(spec, **{name.lstrip("_"): value for name, value in changed.items()})
        return spec

    def _shared(self, place: Place, spec: Any) -> Any:
        """The shared spec of a place: the one there was, where it says the same."""
        known = self._now.get(place)
        if known is not None:
            return known
        if not hasattr(spec, "start"):
            return spec  # a middleware has no state of ours
        found = bare(spec)
        before = self._before.get(place)
        if before is not None and before.spec == found:
            shared = before
        elif before is not None and isinstance(found, Cluster) and _elsewhere(before.spec, found):
            shared = before
            self.changes.append((shared, found))
        else:
            shared = spec if isinstance(spec, Shared) else Shared(spec)
        self._now[place] = shared
        return shared


def _elsewhere(one: Cluster, other: Cluster) -> bool:
    """Whether they differ in their endpoints only, all of them written down."""
    fixed = all(isinstance(each, Endpoint) for cluster in (one, other) for each in cluster.endpoints)
    return fixed and attrs.evolve(one, endpoints=other.endpoints) == other
