"""What becomes of a request in a mesh, from the first policy to the endpoints? All of it, as data.

    found = explained(file, spec, Request("GET", "http://orders/stock/7"), node="web")

`meshkit explain` prints it. Which route is taken, and why no other one, is `Lookup`'s answer; what stands on the way is
told in the words of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from ..cluster import Cluster, Endpoint
from ..errors import ConfigError
from ..explain import reason
from ..order import ways
from ..retry import Retry
from ..route.edit import RequestHeaders, ResponseHeaders
from ..route.hosts import normal
from ..route.rewrite import Rewrite
from ..route.route import Route
from ..route.router import Router
from ..shared import bare
from .assembly import incoming, narrowed, outgoing
from .cost import costs
from .file import MeshFile
from .kept import Kept
from .lookup import Found, Lookup
from .mistakes import shown
from .request import Request
from .spec import Listener, MeshSpec, Node

__all__ = ["Explained", "Step", "Told", "explained"]


@attrs.frozen(kw_only=True)
class Step:
    """A policy on the way."""

    spec: Any
    said: Any
    """What a file says for it, as plain data."""
    owner: str
    """Whose it is: ``node web``, ``route``, ``cluster orders``."""
    does: str
    seconds: float | None
    """What it costs a call here, by itself; ``None``: that cannot be measured."""


@attrs.frozen(kw_only=True)
class Told:
    """A cluster that the request may go to."""

    spec: Cluster
    balancer: Any
    """As a file says it."""
    endpoints: tuple[Any, ...]
    """Each an `Endpoint`, or what a file says of whoever knows where they are."""
    steps: tuple[Step, ...]
    """Its own policies, for each attempt."""


@attrs.frozen(kw_only=True)
class Explained:
    """What becomes of a request."""

    request: Request
    seen: str
    """By whom: ``calls of node web``, ``listener public``."""
    found: Found
    number: int | None
    """Which of the file's routes it is; ``None``: none of them."""
    numbers: dict[int, int]
    """By the identity of a route that was looked at, which of the file's it is."""
    steps: tuple[Step, ...]
    seconds: float | None
    """All of those together, so far as they can be measured; less than their sum, since much is paid only once."""
    actions: tuple[Any, ...]
    """What else is done on the route, as a file says it: all but what is seen in the request that is sent."""
    match: float
    """Seconds that finding the route takes."""
    routes: int
    """Among how many."""
    clusters: tuple[Told, ...]


def explained(
    file: MeshFile,
    spec: MeshSpec,
    request: Request,
    *,
    node: str | None = None,
    listener: str | None = None,
    most: int | None = 10,
) -> Explained:
    """What becomes of it: as a call of that node, or as it comes to that listener. Without either: as a call of the
    only node there is; where there is none, as it comes to the only listener; else as a call of whoever has the file.
    ``most``: other routes that are told. Raises `ConfigError`.
    """
    door, seen = _door(spec, node, listener)
    specs, numbers = _specs(spec, door)
    router: Router = specs[-1]
    lookup = Lookup(router, served=isinstance(door, Listener))
    try:
        found = lookup.find(request, reasons=True, most=most)
    except ConfigError:
        raise
    except Exception as error:  # a function of the user's, which may want more of a request than there is on paper
        text = f"a function that the file names raises {type(error).__name__}: {error}"
        raise ConfigError(
            f"explain: {shown(text, 200)}: only the line and the fields of a request are known"
        ) from error
    if found.route is None and isinstance(door, Node) and door.calls is not None:
        found = _not_called(spec, door, request, found)
    by_route = {id(route): number for route, number in zip(router.routes, numbers, strict=False)}
    number = None if found.route is None else by_route.get(id(found.route))
    owner = seen.removeprefix("calls of ")
    stack = [(each, owner) for each in specs[:-1]]
    route = None if found.preflight else found.route
    if route is not None:
        stack += [(each, "route") for each in route.policies]
    steps, seconds = _steps(file, stack, request, repeated=False)
    repeated = any(isinstance(bare(each), Retry) for each, _ in stack)
    ends = () if route is None else tuple({id(each): each for each in _clusters(route.to)}.values())
    return Explained(
        request=request,
        seen=seen,
        found=found,
        number=number,
        numbers=by_route,
        steps=steps,
        seconds=seconds,
        actions=() if found.route is None else tuple(_actions(file, found.route)),
        match=lookup.seconds(request),
        routes=len(router.routes),
        clusters=tuple(_cluster(file, each, request, repeated) for each in ends),
    )


def _door(spec: MeshSpec, node: str | None, listener: str | None) -> tuple[Node | Listener | None, str]:
    if node is not None and listener is not None:
        raise ConfigError("explain: a node and a listener: a request comes one way, name one of them")
    if listener is None and node is None and not spec.nodes and len(spec.listeners) == 1:
        listener = spec.listeners[0].name
    if listener is not None:
        return spec.listener(listener), f"listener {listener}"
    found = spec.node(node)
    return found, "calls of whoever has the file" if found is None else f"calls of node {found.name}"


def _specs(spec: MeshSpec, door: Node | Listener | None) -> tuple[tuple[Any, ...], list[int]]:
    """What stands there, and which of the file's routes the router has."""
    if isinstance(door, Listener):
        hosts = door.hosts or None
        chosen = [(n, each) for n, each in enumerate(spec.routes) if not door.routes or each.name in door.routes]
        specs = incoming(spec, door, Kept())
    else:
        hosts = None if door is None else door.calls
        chosen = [*enumerate(spec.routes)]
        specs = outgoing(spec, door, Kept())
    return specs, [n for n, each in chosen if hosts is None or narrowed(each, hosts) is not None]


def _not_called(spec: MeshSpec, node: Node, request: Request, found: Found) -> Found:
    """What was not found, with the node's calls as the reason if they are it."""
    everything: Router = outgoing(spec, attrs.evolve(node, calls=None), Kept())[-1]
    other = Lookup(everything).find(request)
    if other.route is None or other.route is everything.default:
        return found
    text = f"{other.name} has it, but node {node.name} may not call {normal(request.head()[2])}: add it to its calls"
    return attrs.evolve(found, reason=text)


def _steps(
    file: MeshFile, stack: Iterable[tuple[Any, str]], request: Request, *, repeated: bool
) -> tuple[tuple[Step, ...], float | None]:
    listed = [*stack]
    each, whole = costs([spec for spec, _ in listed], request) if listed else ([], None)
    steps = []
    for (spec, owner), seconds in zip(listed, each, strict=True):
        does = reason(spec, repeated=repeated)
        steps.append(Step(spec=bare(spec), said=_said(file, "policy", spec), owner=owner, does=does, seconds=seconds))
        repeated = repeated or isinstance(bare(spec), Retry)
    return tuple(steps), whole


def _said(file: MeshFile, group: str, spec: Any) -> Any:
    try:
        return file.kinds.one_of(group).write(bare(spec))
    except ConfigError:  # what no file can say: it came from Python
        return repr(bare(spec))


def _actions(file: MeshFile, route: Route) -> Iterator[Any]:
    for each in route.actions:
        if not isinstance(each, RequestHeaders | ResponseHeaders | Rewrite):
            yield _said(file, "action", each)


def _clusters(to: Any) -> Iterator[Cluster]:
    """All that may be asked."""
    spec = bare(to)
    if isinstance(spec, Cluster):
        yield spec
    for way in ways(spec):
        for each in way.specs:
            yield from _clusters(each)


def _cluster(file: MeshFile, cluster: Cluster, request: Request, repeated: bool) -> Told:
    stack = [(each, f"cluster {cluster.name}") for each in cluster.pipeline]
    steps, _ = _steps(file, stack, request, repeated=repeated)
    endpoints = [each if isinstance(each, Endpoint) else _said(file, "source", each) for each in cluster.endpoints]
    balancer = _said(file, "balancer", cluster.balancer)
    return Told(spec=cluster, balancer=balancer, endpoints=tuple(endpoints), steps=steps)
