"""Which pipelines are made of a mesh, and how do they all come by another version of it at once?

Each is made when somebody first asks for it, by a function of the mesh, the node and what is kept (`assembly`). Whoever
listens to all of them listens to those as well that come later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ..errors import ConfigError
from ..pipeline import Pipeline
from ..runtime.guard import guard
from ..successor import Successor, take_over
from .kept import Kept
from .spec import MeshSpec, Node

__all__ = ["Parts"]

Part = Callable[[MeshSpec, Node | None, Kept], tuple[Any, ...]]
Join = Callable[[Pipeline], Callable[[], None]]


class Parts:
    """Those of one mesh. ``node``: which of its nodes they are for, by name. Raises `ConfigError`."""

    def __init__(self, spec: MeshSpec, node: str | None) -> None:
        self.turn = guard()
        """One after the other: who makes a pipeline, or another version."""
        self.spec = spec
        self.node = _own(spec, node)
        self._asked = node if self.node is None else self.node.name
        """Which node this is: it stays that one, also where others are added."""
        self._kept = Kept()
        self._all: dict[str, tuple[Part, Pipeline]] = {}
        self._ears: list[_Ear] = []
        self._becoming = 0
        """The thread that makes a version, which a forked child may not have."""

    @property
    def pipelines(self) -> dict[str, Pipeline]:
        """Those that there are, by name."""
        return {name: pipeline for name, (_, pipeline) in [*self._all.items()]}

    def pipeline(self, name: str, part: Part, label: str) -> Pipeline:
        """The one of that name; ``label``: what records and metrics call it. Raises `ConfigError`."""
        known = self._all.get(name)
        if known is None:
            with self.turn:
                known = self._all.get(name)
                if known is None:
                    pipeline = Pipeline(*part(self.spec, self.node, self._kept), name=label)
                    for ear in self._ears:
                        ear.hear(pipeline)
                    known = self._all[name] = part, pipeline
        return known[1]

    def hear(self, join: Join) -> Callable[[], None]:
        """Have ``join`` called with each that there is, and with each that comes later; answers how to stop what it
        answers how to stop.
        """
        with self.turn:
            ear = _Ear(join)
            try:
                for _, pipeline in self._all.values():
                    ear.hear(pipeline)
            except BaseException:
                ear.stop()
                raise
            self._ears.append(ear)

        def stop() -> None:
            with self.turn:
                if ear in self._ears:
                    self._ears.remove(ear)
            ear.stop()

        return stop

    def become(self, spec: MeshSpec, then: Callable[[], None]) -> None:
        """Have all pipelines come by another version, and call ``then`` as they do, under the lock. What raises
        `ConfigError` has changed nothing.
        """
        me = threading.get_ident()
        if self._becoming == me:
            fix = "it is becoming one just now, further out: have a thread do it, and no signal handler"
            raise ConfigError.of("Mesh", "version", spec.name, fix)
        self._becoming = me
        try:
            node = _own(spec, self._asked)
            kept = Kept(self._kept)
            pipelines = [pipeline for _, pipeline in self._all.values()]
            heirs = [Successor(pipeline, part(spec, node, kept), pipelines) for part, pipeline in self._all.values()]
            for heir in heirs:
                heir.ready()
            with kept.moved():
                take_over(heirs, partial(self._put, spec, node, kept, then))
        finally:
            self._becoming = 0
        kept.settle()
        for heir in heirs:
            heir.settle()

    def _put(self, spec: MeshSpec, node: Node | None, kept: Kept, then: Callable[[], None]) -> None:
        self.spec, self.node, self._kept = spec, node, kept
        then()


def _own(spec: MeshSpec, name: str | None) -> Node | None:
    """The node that a process is. Of several it is one: what it may call must not be left open."""
    if name is None and len(spec.nodes) > 1:
        known = ", ".join(node.name for node in spec.nodes)
        fix = f"say which of its nodes this process is, {known}: node=..., or the environment variable MESHKIT_NODE"
        raise ConfigError.of("Mesh", "node", None, fix)
    return spec.node(name)


class _Ear:
    """Somebody who listens to all of them."""

    def __init__(self, join: Join) -> None:
        self._join = join
        self._stops: list[Callable[[], None]] = []

    def hear(self, pipeline: Pipeline) -> None:
        self._stops.append(self._join(pipeline))

    def stop(self) -> None:
        while self._stops:
            with suppress(Exception):  # the others are to be stopped all the same
                self._stops.pop()()
