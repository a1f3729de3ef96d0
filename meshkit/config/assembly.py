"""Which policies does a mesh put in front of a call, seen from one of its nodes, or from one of its listeners?

::

    outgoing     the node's policies -> a router over the routes with the hosts that it may call
    incoming     the listener's policies -> a router over the routes with the listener's hosts
    served       the node's ``serves``

Where hosts are narrowed, a route stays for what its own have in common with them (the Gateway API's hostname
intersection), and is left out if that is nothing. What is shared by name has one state: a cluster however many routes
lead to it, and all of it from one version of the mesh to the next (`kept`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from ..route.hosts import intersection
from ..route.match import Match
from ..route.route import Route
from ..route.router import Router
from ..shared import bare
from .kept import Kept
from .spec import Listener, MeshSpec, Node

__all__ = ["LAST", "host_of", "incoming", "narrowed", "outgoing", "served"]

LAST = -(2**31)
"""The priority of what is only there where nothing else is."""
EGRESS = Route(name="egress")
"""For calls to hosts that are not in the mesh."""


def outgoing(spec: MeshSpec, node: Node | None, kept: Kept) -> tuple[Any, ...]:
    """The specs in front of a node's calls."""
    own = kept.clusters(spec.clusters, _alone)
    default = EGRESS if spec.egress == "any" else None
    policies = () if node is None else kept.policies(("node", node.name), node.policies)
    hosts = None if node is None else node.calls
    routes = kept.routes(("outgoing",), [*spec.routes, *own], hosts, narrowed)
    return (*policies, Router((*routes,), default=default, order=spec.order, paths=spec.paths, name=spec.name))


def incoming(spec: MeshSpec, listener: Listener, kept: Kept) -> tuple[Any, ...]:
    """The specs in front of what comes to a listener."""
    kept.clusters(spec.clusters, _alone)
    names = frozenset(listener.routes)
    chosen = [route for route in spec.routes if not names or route.name in names]
    policies = kept.policies(("listener", listener.name), listener.policies)
    routes = kept.routes(("listener", listener.name), chosen, listener.hosts or None, narrowed)
    return (*policies, Router((*routes,), order=spec.order, paths=spec.paths, name=listener.name))


def served(node: Node, kept: Kept) -> tuple[Any, ...]:
    """The specs in front of what a node answers itself."""
    return kept.policies(("serves", node.name), node.serves)


def host_of(cluster: Any) -> str:
    """The host that a cluster is by its own name: its name in another namespace ``shop/orders`` is ``orders.shop``."""
    name: str = bare(cluster).name
    space, slash, own = name.partition("/")
    return f"{own}.{space}" if slash else name


def _alone(cluster: Any) -> Route:
    return Route(Match(host=host_of(cluster)), cluster, name=f"cluster {bare(cluster).name}", priority=LAST)


def narrowed(route: Route, hosts: tuple[str, ...]) -> Route | None:
    """The route for what its hosts and these have in common; ``None``: that is nothing."""
    matches = []
    for match in route.match:
        hosts_left = tuple(dict.fromkeys(_both(match.host or (None,), hosts)))
        if hosts_left:
            matches.append(attrs.evolve(match, host=hosts_left))
    return attrs.evolve(route, match=tuple(matches)) if matches else None


def _both(own: Iterable[str | None], hosts: Iterable[str]) -> Iterator[str]:
    for one in own:
        for other in hosts:
            both = intersection(one, other)
            if both:
                yield both
