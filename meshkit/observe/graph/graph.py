"""Who calls whom, how often, how quickly and how well, just now? A graph of what the pipelines of a process see.

::

    callers ──► route ──► cluster ──► endpoint
                  ├─────► host
    service ──────┴─────► function ──► ...

Each call is on one edge into what it was for: from the request or the function within which it was made, or from the
service itself. So what comes into a node adds up. Each attempt is on an edge from its cluster to its endpoint.

An edge shows rate, errors and duration, as the service graphs of meshes do (Kiali for Istio; the service graph
connector of OpenTelemetry), with no trace stored anywhere: the process that calls knows both ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from threading import RLock
from typing import TYPE_CHECKING, Any

import attrs

from ...errors import ConfigError
from ...options import count, seconds
from ...section import named, within
from ..redact import text
from ..trace.conventions import known_methods
from .drawing import dot, mermaid
from .edge import Edge, Node, node
from .followed import CURRENT, OTHER, Asked, Followed, Within

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline

__all__ = ["Graph"]

KINDS = ("callers", "service", "route", "function", "cluster", "host", "endpoint")
QUIET = 10
"""Windows of silence after which an edge is forgotten."""


def _text(spec: Any, attribute: Any, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError.of("Graph", attribute.name, value, "give a short text, the name of this service")


@attrs.define(eq=False, repr=False)
class Graph:
    """A live picture of who calls whom. ``service`` names this process; numbers are of the last ``window`` seconds.

    No more than ``edges`` are told apart, and no more than ``endpoints`` of a cluster by one pipeline; what comes later
    goes by the name of ``_OTHER``. An edge that is silent for ten windows is forgotten. Safe for any number of threads.
    Raises `ConfigError`.
    """

    service: str = attrs.field(default="shop", validator=_text)
    window: float = attrs.field(default=60.0, kw_only=True, validator=seconds())
    edges: int = attrs.field(default=1000, kw_only=True, validator=count(1, 1_000_000))
    endpoints: int = attrs.field(default=100, kw_only=True, validator=count(1, 1_000_000))
    _watches: tuple[_Watch, ...] = attrs.field(default=(), init=False)
    _lock: Any = attrs.field(factory=RLock, init=False)

    def watch(self, pipeline: Pipeline, name: str | None = None) -> Callable[[], None]:
        """Draw a pipeline's calls from now on, under its own name or another; answers how to stop that, which takes its
        edges out. Of any kind, and by its own clock. Raises `ConfigError` for what is no pipeline, or is drawn already.
        """
        if not hasattr(pipeline, "listen"):
            raise ConfigError.of("Graph", "pipeline", pipeline, "give a Pipeline")
        watch = _Watch(self, self._lock, pipeline, pipeline.name if name is None else name)
        with self._lock:
            if any(each.pipeline is pipeline for each in self._watches):
                raise ConfigError.of("Graph", "pipeline", watch.name, "it is watched already: once is enough")
            self._watches += (watch,)
        stop_listening = pipeline.listen(watch)

        def stop() -> None:
            stop_listening()
            with self._lock:
                self._watches = tuple(each for each in self._watches if each is not watch)

        return stop

    def snapshot(self, now: float | None = None) -> dict[str, Any]:
        """The graph as plain data, fit for JSON. ``now`` is an instant on the clock of the pipelines, each one's own
        where it is left out. Reading changes nothing.
        """
        nodes = {node("service", self.service)}
        edges = []
        for watch in self._watches:
            at = watch.pipeline.clock() if now is None else now
            with self._lock:
                known = [*watch.edges.values()]
            for edge in known:
                with self._lock:  # for each anew: whoever calls does not wait for all of them
                    edge.settle()
                    if at >= edge.last_at + QUIET * self.window:
                        continue
                    shown = edge.shown(at, watch.since)
                nodes |= {edge.source, edge.target}
                edges.append({"from": edge.source.id, "to": edge.target.id, "pipeline": watch.name, **shown})
        order = sorted(nodes, key=lambda each: (KINDS.index(each.kind), each.within, each.name))
        return {
            "service": self.service,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "window": self.window,
            "nodes": [{"id": each.id, "kind": each.kind, "name": each.name, "within": each.within} for each in order],
            "edges": sorted(edges, key=lambda edge: (edge["from"], edge["to"], edge["pipeline"])),
        }

    def mermaid(self, now: float | None = None) -> str:
        """A flowchart for Mermaid, which GitHub and MkDocs draw where it stands in Markdown."""
        return mermaid(self.snapshot(now))

    def dot(self, now: float | None = None) -> str:
        """A digraph for Graphviz."""
        return dot(self.snapshot(now))

    def held(self) -> int:
        """How many edges are told apart now."""
        return sum(len(watch.edges) for watch in self._watches)

    def __repr__(self) -> str:
        return f"Graph({self.service!r})"


class _Watch:
    """One pipeline, with its edges."""

    __slots__ = (
        "_endpoints",
        "_swept_at",
        "_whole",
        "cluster",
        "edges",
        "graph",
        "lock",
        "methods",
        "name",
        "pipeline",
        "service",
        "since",
    )

    def __init__(self, graph: Graph, lock: Any, pipeline: Pipeline, name: str) -> None:
        self.graph = graph
        self.lock = lock
        self.pipeline = pipeline
        self.name = name
        self.since = pipeline.clock()
        names = [named(state) for state in within(pipeline.states) if hasattr(state, "members")]
        self.cluster = names[0] if names else ""
        """Whom calls are for that have come to no endpoint."""
        self._whole = node("cluster", self.cluster)
        self.service = node("service", graph.service)
        self.methods = known_methods()
        self.edges: dict[tuple[str, str], Edge] = {}
        """By the ids of source and target; those to endpoints by the names of cluster and endpoint."""
        self._endpoints: Counter[str] = Counter()
        """How many of each cluster are told apart."""
        self._swept_at = -inf

    def follow(self, pipeline: Pipeline, call: Call) -> Followed:
        outer = CURRENT.get()
        while outer is not None and outer.watch.graph is not self.graph:
            outer = outer.outer
        if self.cluster:
            return Followed(self, call.began_at, outer, self._whole)
        about = call.door.about(call)
        if about["kind"] == "client":
            host, port = about["host"], about["port"]
            where = f"[{host}]" if ":" in host else host
            where = where if port is None else f"{where}:{port}"
            return Followed(self, call.began_at, outer, node("host", text(where)))
        if about["kind"] == "function":
            return Within(self, call.began_at, outer, node("function", text(about["name"])), None)
        return Within(self, call.began_at, outer, None, Asked(call))

    def towards(self, source: Node, target: Node, at: float) -> Edge:
        """The edge of a call. Under the lock."""
        edge = self.edges.get((source.id, target.id))
        if edge is None:
            if self._full(at):
                source, target = _other(source), _other(target)
                edge = self.edges.get((source.id, target.id))
            if edge is None:
                edge = self.edges[source.id, target.id] = Edge(source, target, self.graph.window, self.lock)
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
                edge = Edge(node("cluster", cluster), node("endpoint", endpoint, cluster), self.graph.window, self.lock)
                self.edges[cluster, endpoint] = edge
                self._endpoints[cluster] += 1
        return edge

    def _crowded(self, cluster: str, at: float) -> bool:
        if self._endpoints[cluster] < self.graph.endpoints:
            return False
        self._sweep(at)
        return self._endpoints[cluster] >= self.graph.endpoints

    def _full(self, at: float) -> bool:
        if self.graph.held() < self.graph.edges:
            return False
        self._sweep(at)
        return self.graph.held() >= self.graph.edges

    def _sweep(self, at: float) -> None:
        """Forget what is silent. Once a window, for all there is has to be looked at."""
        window = self.graph.window
        if at >= self._swept_at + window:
            self._swept_at = at
            for edge in self.edges.values():
                edge.settle()
            self.edges = {key: edge for key, edge in self.edges.items() if at < edge.last_at + QUIET * window}
            ends = (edge.target for edge in self.edges.values())
            self._endpoints = Counter(end.within for end in ends if end.kind == "endpoint")


def _other(one: Node) -> Node:
    return one if one.kind in {"callers", "service"} else node(one.kind, OTHER)
