"""What goes on from one version of a mesh to the next? The state of each policy and cluster, by its name.

==========================================  =====================================================
in the next version                         its state
==========================================  =====================================================
a cluster of that name, written the same    goes on: health, breakers, loads, what is under way
with other endpoints only                   goes on; endpoints that left are forgotten, new ones come
a policy at that place, written the same    goes on
a route that is the very same object        is the very same again, with all that a router has of it
anything else                               begins anew
==========================================  =====================================================

A place is the name of what a policy stands in front of (a route, a node, a listener), the kind of policy, and which of
that kind it is there. Where a route leads through policies to a cluster, they are at a place of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import attrs

from ..cluster import Cluster, Endpoint
from ..fallback import Fallback
from ..route.route import Route
from ..runtime.lock import LOCK
from ..shared import Lasting, Shared, bare
from .alike import Alike
from .garbage import let_go

__all__ = ["Kept"]

Place = tuple[Any, ...]
Narrow = Callable[[Route, tuple[str, ...]], Route | None]
ROUTE = "meshkit.route."


class Known(NamedTuple):
    """A route, and what it was made into."""

    route: Route
    """Which lives as long, so that nothing else has its identity."""
    number: int
    """Which of its name it is."""
    made: Route | None
    """``None``: there is no host left that it is for."""
    places: tuple[tuple[Place, Shared], ...]
    """The states that are in it."""


class Kept:
    """The shared specs of one version, made out of those of the one before."""

    __slots__ = ("_alike", "_before", "_clusters", "_now", "_routes", "_used", "changes")

    def __init__(self, before: Kept | None = None) -> None:
        self._alike = Alike()
        self._before = before
        self._now: dict[Place, Shared] = {}
        self._routes: dict[Place, tuple[Any, dict[int, Known]]] = {}
        """Of each part: what its hosts are narrowed to, and its routes by identity."""
        self._clusters: dict[int, tuple[Any, Route]] = {}
        """The route that each cluster is by itself, by the identity of its spec."""
        self._used: dict[Place, Shared] = {}
        """The states of what is being made."""
        self.changes: list[tuple[Shared, Cluster]] = []
        """Clusters whose endpoints are others, each with its new spec."""

    def clusters(self, specs: Sequence[Any], alone: Callable[[Any], Route]) -> list[Route]:
        """The clusters of this version, each as a route: ``alone`` makes one. Whatever else may be called so, these are
        the clusters of their names.
        """
        before = {} if self._before is None else self._before._clusters
        for spec in specs:
            if id(spec) not in self._clusters:
                self._clusters[id(spec)] = before.get(id(spec)) or (spec, alone(spec))
                self._within(spec)
        return [self._clusters[id(spec)][1] for spec in specs]

    def policies(self, place: Place, specs: Iterable[Any]) -> tuple[Any, ...]:
        """The policies that stand at a place, each with the state it had."""
        count: dict[type, int] = {}
        found = []
        for spec in specs:
            kind = type(bare(spec))
            number = count[kind] = count.get(kind, 0) + 1
            one = self._within(spec) if kind is Cluster or kind is Fallback else spec
            found.append(one if kind is Cluster else self._shared((*place, kind, number), one))
        return tuple(found)

    def routes(
        self, part: Place, routes: Iterable[Route], hosts: tuple[str, ...] | None, narrow: Narrow
    ) -> Iterator[Route]:
        """The routes of a part, with the states they had. ``hosts``: what they are narrowed to, with ``narrow``."""
        were, before = (None, {}) if self._before is None else self._before._routes.get(part, (None, {}))
        if were != hosts:
            before = {}
        now: dict[int, Known] = {}
        self._routes[part] = hosts, now
        count: dict[str, int] = {}
        for route in routes:
            name = str(route)
            number = count[name] = count.get(name, 0) + 1
            known = before.get(id(route))
            if known is None or known.number != number or not self._goes_on(known):
                narrowed = route if hosts is None else narrow(route, hosts)
                self._used = {}
                made = None if narrowed is None else self._route((*part, "route", name, number), narrowed)
                known = Known(route, number, made, (*self._used.items(),))
            now[id(route)] = known
            if known.made is not None:
                yield known.made

    @contextmanager
    def moved(self) -> Iterator[None]:
        """Tell the clusters where their endpoints are now; and where they were, if anything is raised then."""
        done: list[tuple[Shared, Cluster]] = []
        try:
            for shared, cluster in self.changes:
                done.append((shared, shared.spec))
                _move(shared, cluster)
            yield
        except BaseException:
            for shared, cluster in reversed(done):
                with suppress(Exception):
                    _move(shared, cluster)
            raise

    def settle(self) -> None:
        """It is in force: the one before is forgotten."""
        before, self._before = self._before, None
        self.changes = []
        if before is not None:
            let_go(before._now, *(routes for _, routes in before._routes.values()))

    def _goes_on(self, known: Known) -> bool:
        """Whether all states in it are those of this version as well."""
        now, before = self._now, self._before._now  # type: ignore[union-attr]  # it is of the version before
        for place, shared in known.places:
            there = now.get(place)
            if there is not shared and (there is not None or before.get(place) is not shared):
                return False
        now.update(known.places)
        return True

    def _route(self, place: Place, route: Route) -> Route:
        if isinstance(route.to, tuple):
            to: Any = self.policies((*place, "to"), route.to)
        else:
            to = self._within(route.to)
            if hasattr(to, "start") and not isinstance(to, Shared):
                to = self._shared((*place, "to", type(to)), to)
        actions = tuple(map(self._within, route.actions))
        return attrs.evolve(route, policies=self.policies(place, route.policies), actions=actions, to=to)

    def _within(self, spec: Any) -> Any:
        """A destination, an action or a fallback, in which each cluster is the one of its name."""
        found = bare(spec)
        if isinstance(found, Cluster):
            return self._shared(("cluster", found.name), spec)
        if isinstance(spec, tuple):
            several = tuple(map(self._within, spec))
            return several if any(one is not other for one, other in zip(several, spec, strict=True)) else spec
        kind = type(spec)
        if kind is Fallback or (kind.__module__.startswith(ROUTE) and attrs.has(kind)):
            fields = {field.alias: getattr(spec, field.name) for field in attrs.fields(kind) if field.init}
            changed = {name: self._within(value) for name, value in fields.items()}
            if any(changed[name] is not value for name, value in fields.items()):
                return attrs.evolve(spec, **changed)
        return spec

    def _shared(self, place: Place, spec: Any) -> Any:
        """The shared spec of a place: the one there was, where it says the same."""
        if not hasattr(spec, "start") or hasattr(spec, "install"):
            return spec  # a middleware has no state of ours, a redirect is installed in the plan of its route
        shared = self._now.get(place)
        if shared is None:
            shared = self._now[place] = self._chosen(
                None if self._before is None else self._before._now.get(place), spec
            )
        self._used[place] = shared
        return shared

    def _chosen(self, before: Shared | None, spec: Any) -> Shared:
        found = bare(spec)
        if before is not None and (before is spec or self._alike(before.spec, found)):
            return before
        # What a user shares is the user's own, perhaps another mesh's as well: it is not moved.
        if isinstance(before, Lasting) and isinstance(found, Cluster) and self._elsewhere(before.spec, found):
            self.changes.append((before, found))
            return before
        return spec if isinstance(spec, Shared) else Lasting(spec)

    def _elsewhere(self, one: Cluster, other: Cluster) -> bool:
        """Whether they differ in their endpoints only, all of them written down."""
        fixed = all(isinstance(each, Endpoint) for cluster in (one, other) for each in cluster.endpoints)
        return fixed and self._alike(attrs.evolve(one, endpoints=other.endpoints), other)


def _move(shared: Shared, cluster: Cluster) -> None:
    shared.spec = cluster
    if shared._state is None:
        return  # it will begin there
    slices = shared._state.moved(cluster.endpoints)
    while True:
        with LOCK:
            if next(slices, slices) is slices:
                break
