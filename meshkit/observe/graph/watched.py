"""What does a graph hold of one pipeline? Its edges. And which of all there are is forgotten, when there is no room?

Who finds no room looks at a few edges, those first that were not looked at for longest, and forgets the silent ones,
whosever they are: each by the clock of its own pipeline. So no call looks at all there is, and what comes and goes in
one pipeline takes no room from another for long.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from ...engine.back import survive
from ...section import named, within
from ..redact import text
from ..trace.conventions import known_methods
from .edge import Edge, Node, node
from .followed import CURRENT, OTHER, Asked, Followed, Within

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline

__all__ = ["QUIET", "Round", "Watched"]

QUIET = 10
"""Windows of silence after which an edge is forgotten."""
FEW = 8
"""Edges that are looked at by whoever finds no room."""
NEVER = -inf

Key = tuple[str, str]
Round = OrderedDict[Edge, tuple["Watched", Key]]
"""Edges with whose they are, in the order in which they are looked at."""


class Watched:
    """One pipeline, which it does not keep alive, with its edges."""

    __slots__ = (
        "_crowds",
        "_over",
        "_states",
        "_whole",
        "cluster",
        "clusters",
        "edges",
        "graph",
        "lock",
        "methods",
        "name",
        "pipeline",
        "service",
        "since",
    )

    in_full = False

    def __init__(self, graph: Any, pipeline: Pipeline, name: str, gone: Callable[[Any], None]) -> None:
        self.graph = graph
        self.lock = graph.lock
        self.pipeline = weakref.ref(pipeline, gone)
        self.name = name
        self.since = pipeline.clock()
        self.cluster = ""
        """Whom calls are for that have come to no endpoint; empty: there is no cluster, or routes lead to several."""
        self.clusters: frozenset[str] = frozenset()
        self._states: Any = None
        self._whole = node("cluster", "")
        self._look(pipeline.states)
        self.service = node("service", graph.service)
        self.methods = known_methods()
        self.edges: dict[Key, Edge] = {}
        """By the ids of source and target; those to endpoints by the names of cluster and endpoint."""
        self._crowds: dict[str, Round] = {}
        """Those to the endpoints of each cluster."""
        self._over = False

    def _look(self, states: Any) -> None:
        """The pipeline is new, or has come by other policies."""
        every = [*within(states)]
        names = [named(state) for state in every if hasattr(state, "members")]
        self.clusters = frozenset(names)
        self.cluster = names[0] if names and not any(hasattr(state, "titles") for state in every) else ""
        self._whole = node("cluster", self.cluster)
        self._states = states

    def follow(self, pipeline: Pipeline, call: Call) -> Followed:
        outer = CURRENT.get().get(self.graph)
        if pipeline.states is not self._states:
            self._look(pipeline.states)
        if self.cluster:
            return Followed(self, call.began_at, outer, self._whole)
        about = call.door.about(call)
        if about["kind"] == "client":
            host, port = about["host"], about["port"]
            where = f"[{host}]" if ":" in host else host
            where = where if port is None else f"{where}:{port}"
            return Followed(self, call.began_at, outer, node("host", text(where)))
        if about["kind"] == "function":
            kind = Followed if self.clusters else Within
            return kind(self, call.began_at, outer, node("function", text(about["name"])))
        return Within(self, call.began_at, outer, request=Asked(call))

    def towards(self, source: Node, target: Node, at: float) -> Edge:
        """The edge of a call. Under the lock."""
        edge = self.edges.get((source.id, target.id))
        if edge is None:
            if self._full(at):
                source, target = _other(source), _other(target)
                edge = self.edges.get((source.id, target.id))
            if edge is None:
                edge = self._new((source.id, target.id), source, target, at)
        return edge

    def beneath(self, cluster: str, endpoint: str, at: float) -> Edge:
        """The edge of an attempt. Under the lock."""
        edge = self.edges.get((cluster, endpoint))
        if edge is None:
            if self._full(at):
                cluster = endpoint = OTHER
            elif self._crowded(cluster, at):
                endpoint = OTHER
            edge = self.edges.get((cluster, endpoint))
            if edge is None:
                ends = node("cluster", cluster), node("endpoint", endpoint, cluster)
                edge = self._new((cluster, endpoint), *ends, at)
        return edge

    def _new(self, key: Key, source: Node, target: Node, at: float) -> Edge:
        edge = Edge(source, target, self.graph.window, self.lock)
        edge.last_at = at
        if not self._over:
            self.edges[key] = edge
            self.graph.round[edge] = self, key
            if target.kind == "endpoint":
                self._crowds.setdefault(target.within, OrderedDict())[edge] = self, key
        return edge

    def _full(self, at: float) -> bool:
        graph = self.graph
        return len(graph.round) >= graph.edges and not self._makes_room(graph.round, graph.edges, at)

    def _crowded(self, cluster: str, at: float) -> bool:
        crowd, most = self._crowds.get(cluster), self.graph.endpoints
        return crowd is not None and len(crowd) >= most and not self._makes_room(crowd, most, at)

    def _makes_room(self, among: Round, most: int, at: float) -> bool:
        """Forget what is silent among the next few of them. Whether there are less than ``most`` of them then."""
        quiet = QUIET * self.graph.window
        for _ in range(min(FEW, len(among))):
            edge = next(iter(among))
            owner, key = among[edge]
            among.move_to_end(edge)
            if edge.latest() + quiet <= (at if owner is self else owner.now()):
                owner.forget(key, edge)
        return len(among) < most

    def now(self) -> float:
        """By its pipeline's clock: without end where that is gone, and never where nobody can tell."""
        pipeline = self.pipeline()
        if pipeline is None:
            return inf
        try:
            return pipeline.clock()
        except Exception as error:  # an event loop's, outside of it
            survive(error)
            return NEVER

    def forget(self, key: Key, edge: Edge) -> None:
        """Under the lock."""
        self.edges.pop(key, None)
        self.graph.round.pop(edge, None)
        crowd = self._crowds.get(edge.target.within)
        if crowd is not None:
            crowd.pop(edge, None)

    def end(self) -> None:
        """Forget all. Under the lock."""
        self._over = True
        for key, edge in [*self.edges.items()]:
            self.forget(key, edge)


def _other(one: Node) -> Node:
    return one if one.kind in {"callers", "service"} else node(one.kind, OTHER)
