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

from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from ...errors import ConfigError
from ...options import count, seconds
from ...runtime.guard import guard
from .drawing import dot, mermaid
from .edge import node
from .watched import QUIET, Round, Watched

if TYPE_CHECKING:
    from ...pipeline import Pipeline

__all__ = ["Graph"]

KINDS = ("callers", "service", "route", "function", "cluster", "host", "endpoint")


def _text(spec: Any, attribute: Any, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError.of("Graph", attribute.name, value, "give a short text, the name of this service")


@attrs.define(eq=False, repr=False)
class Graph:
    """A live picture of who calls whom. ``service`` names this process; numbers are of the last ``window`` seconds.

    No more than ``edges`` are told apart, and no more than ``endpoints`` of a cluster by one pipeline; what comes later
    goes by the name of ``_OTHER``. An edge that is silent for ten windows is not shown, and makes room for others. It
    keeps no pipeline alive. Safe for any number of threads. Raises `ConfigError`.
    """

    service: str = attrs.field(default="shop", validator=_text)
    window: float = attrs.field(default=60.0, kw_only=True, validator=seconds())
    edges: int = attrs.field(default=1000, kw_only=True, validator=count(1, 1_000_000))
    endpoints: int = attrs.field(default=100, kw_only=True, validator=count(1, 1_000_000))
    lock: Any = attrs.field(factory=guard, init=False)
    round: Round = attrs.field(factory=OrderedDict, init=False)
    """All edges that are told apart."""
    _watched: dict[Any, Watched] = attrs.field(factory=dict, init=False)
    """By a weak reference to the pipeline."""
    _gone: deque[Any] = attrs.field(factory=deque, init=False)
    """Such references to pipelines that are no more. Whoever collects garbage appends here, and takes no lock."""

    def watch(self, pipeline: Pipeline, name: str | None = None) -> Callable[[], None]:
        """Draw a pipeline's calls from now on, under its own name or another; answers how to stop that, which takes its
        edges out, as does the end of the pipeline. Of any kind, and by its own clock. Raises `ConfigError` for what is
        no pipeline, or is drawn already.
        """
        if not hasattr(pipeline, "listen"):
            raise ConfigError.of("Graph", "pipeline", pipeline, "give a Pipeline")
        watched = Watched(self, pipeline, pipeline.name if name is None else name, self._gone.append)
        key = watched.pipeline
        with self.lock:
            self._bury()
            if key in self._watched:
                raise ConfigError.of("Graph", "pipeline", watched.name, "it is watched already: once is enough")
            self._watched[key] = watched

        def end() -> None:
            with self.lock:
                if self._watched.get(key) is watched:
                    del self._watched[key]
                watched.end()

        try:
            stop_listening = pipeline.listen(watched)
        except BaseException:
            end()
            raise

        def stop() -> None:
            stop_listening()
            end()

        return stop

    def snapshot(self, now: float | None = None) -> dict[str, Any]:
        """The graph as plain data, fit for JSON. ``now`` is an instant on the clock of the pipelines, each one's own
        where it is left out. Reading changes nothing.
        """
        nodes = {node("service", self.service)}
        edges = []
        with self.lock:
            self._bury()
            watching = [*self._watched.values()]
        for watched in watching:
            pipeline = watched.pipeline()
            if pipeline is None:
                continue
            at = pipeline.clock() if now is None else now
            with self.lock:
                known = [*watched.edges.values()]
            for edge in known:
                with self.lock:  # for each anew: whoever calls does not wait for all of them
                    edge.settle()
                    if at >= edge.last_at + QUIET * self.window:
                        continue
                    shown = edge.shown(at, watched.since)
                nodes |= {edge.source, edge.target}
                edges.append({"from": edge.source.id, "to": edge.target.id, "pipeline": watched.name, **shown})
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
        return len(self.round)

    def _bury(self) -> None:
        """Forget what has been of pipelines that are gone. Under the lock."""
        while self._gone:
            with suppress(IndexError):  # what strikes here was sooner
                watched = self._watched.pop(self._gone.popleft(), None)
                if watched is not None:
                    watched.end()

    def __repr__(self) -> str:
        return f"Graph({self.service!r})"
