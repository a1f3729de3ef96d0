"""Who comes by a route? The nodes that may call one of its hosts, and the listeners that serve one.

A node without ``calls`` may call all hosts of the mesh. It counts where nobody else has named the route's hosts: one
that is written for a listener is not meant for a process that says nothing of whom it calls. In a mesh with neither
nodes nor listeners whoever has the file may call everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..route.hosts import ANY, intersection, prefixes, suffixes
from ..route.route import Route
from ..shared import bare
from .spec import MeshSpec

__all__ = ["Part", "Reach"]


class Part(NamedTuple):
    """One way in."""

    name: str
    """As in "calls of node web"."""
    outgoing: bool
    """Whether it is a node's calls, through an HTTP client."""
    policies: tuple[Any, ...]
    """In front of all that comes this way, none of them shared."""
    hosts: tuple[str, ...] | None
    """``None``: any."""
    routes: tuple[str, ...] = ()
    """The names of those that it has; empty: all."""


class Reach:
    """The ways in of a mesh. ``parts``: all of them."""

    def __init__(self, spec: MeshSpec) -> None:
        self.parts = [
            Part(f"calls of node {node.name}", True, tuple(map(bare, node.policies)), node.calls) for node in spec.nodes
        ]
        for each in spec.listeners:
            policies = tuple(map(bare, each.policies))
            self.parts.append(Part(f"listener {each.name}", False, policies, each.hosts or (ANY,), each.routes))
        if not self.parts:
            self.parts.append(Part("", True, (), (ANY,)))
        self._unsaid = [part for part in self.parts if part.hosts is None]
        self._by_host: dict[str, list[int]] = {}
        for number, part in enumerate(self.parts):
            for host in part.hosts or ():
                self._by_host.setdefault(host, []).append(number)
        self._known: dict[tuple[str, ...], list[Part]] = {}

    def of(self, route: Route) -> list[Part]:
        """Those that come by a route; none: nobody does."""
        hosts = tuple({host: None for match in route.match for host in match.host or (ANY,)})
        found = self._of(hosts)
        if any(part.routes for part in found):
            found = [part for part in found if not part.routes or route.name in part.routes]
        return found or self._unsaid

    def naming(self, host: str) -> list[Part]:
        """Those that say that they call a host, such as a cluster's own name."""
        return [part for part in self._of((host,)) if part.outgoing and part.hosts != (ANY,)]

    def calling(self, host: str) -> list[Part]:
        """Those that may call it."""
        found = [part for part in self._of((host,)) if part.outgoing]
        return found or self._unsaid

    def _of(self, hosts: tuple[str, ...]) -> list[Part]:
        found = self._known.get(hosts)
        if found is None:
            numbers = {number for host in hosts for number in self._numbers(host)}
            found = self._known[hosts] = [self.parts[number] for number in sorted(numbers)]
        return found

    def _numbers(self, host: str) -> Iterable[int]:
        if ANY in host:
            return [each for other, those in self._by_host.items() if intersection(host, other) for each in those]
        wider = [*(f"*.{each}" for each in suffixes(host)), *(f"{each}.*" for each in prefixes(host)), ANY]
        return [each for name in (host, *wider) for each in self._by_host.get(name, ())]
