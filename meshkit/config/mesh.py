"""What does this process do in the mesh? Whom it may call, by which names, and what it serves.

    mesh = Mesh.from_file("mesh.yaml", node="web")
    async with httpx.AsyncClient(transport=mesh.transport()) as client:
        await client.get("http://orders/stock/7")

A mesh in use: what was written down (`MeshSpec`), and the pipelines that are made of it. Another version takes the
place of one while calls are under way: each call goes on as it began, and the next one goes by the new version.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..pipeline import Pipeline
from ..successor import Successor
from .assembly import incoming, outgoing, served
from .kept import Kept
from .spec import MeshSpec, Node

if TYPE_CHECKING:
    from os import PathLike

    from ..asgi import MeshMiddleware
    from ..httpx import AsyncMeshTransport, MeshTransport

__all__ = ["Mesh"]

NODE = "MESHKIT_NODE"
"""The environment variable that says which node this process is."""
VERSIONS = 10
"""Versions that can be gone back to."""

Part = Callable[[MeshSpec, Node | None, Kept], tuple[Any, ...]]


class Mesh:
    """A mesh, seen from one of its nodes: ``Mesh(clusters=[...], routes=[...])``, or of a file: `from_file`.

    The keywords are those of `MeshSpec`. ``node``: which of its nodes this process is, by name; by default the one that
    the environment variable ``MESHKIT_NODE`` names, or the only one there is; without any it may call every host of the
    mesh. Raises `ConfigError`.
    """

    def __init__(self, spec: MeshSpec | None = None, *, node: str | None = None, **parts: Any) -> None:
        if spec is not None and (parts or not isinstance(spec, MeshSpec)):
            raise ConfigError.of("Mesh", "spec", spec, "give a MeshSpec, or its parts as keywords")
        self._asked = os.environ.get(NODE) or None if node is None else node
        self._lock = threading.Lock()
        self._parts: dict[tuple[str, ...], tuple[Part, Pipeline]] = {}
        self.version = 1
        """Of what was written down: 1, and one more with each one that took its place."""
        self.spec = MeshSpec(**parts) if spec is None else spec
        self.node = self.spec.node(self._asked)
        """Which node this process is; ``None``: none in particular."""
        self._kept = Kept()
        self._before: list[tuple[int, MeshSpec]] = []

    @classmethod
    def from_file(cls, path: str | PathLike[str], *, node: str | None = None, imports: bool = True) -> Mesh:
        """The mesh of a file: YAML, TOML or JSON, by its name. Raises `ConfigError` with all mistakes that are in it.

        ``imports``: whether it may name Python objects (``module:attribute``), which are then imported.
        """
        from .file import load

        return cls(load(path, imports=imports), node=node)

    @property
    def pipeline(self) -> Pipeline:
        """The policies and routes in front of this node's calls."""
        return self._part(("outgoing",), outgoing)

    def transport(self, inner: Any = None, **options: Any) -> AsyncMeshTransport:
        """For ``httpx.AsyncClient``: the hosts of the mesh, for this node. ``options``: `AsyncMeshTransport`'s."""
        from ..httpx import AsyncMeshTransport

        return AsyncMeshTransport(self.pipeline, inner, **options)

    def sync_transport(self, inner: Any = None, **options: Any) -> MeshTransport:
        """The same for ``httpx.Client``."""
        from ..httpx import MeshTransport

        return MeshTransport(self.pipeline, inner, **options)

    def middleware(self, app: Any, listener: str | None = None, **options: Any) -> MeshMiddleware:
        """An ASGI app around an ASGI app: what the node has in ``serves``, or, with ``listener``, that one's policies
        and routes. ``options``: `MeshMiddleware`'s.
        """
        from ..asgi import MeshMiddleware

        return MeshMiddleware(app, self.serving(listener), **options)

    def serving(self, listener: str | None = None) -> Pipeline:
        """The pipeline in front of what this node serves, or of what comes to a listener."""
        if listener is None:
            return self._part(("serves",), _served)
        self.spec.listener(listener)
        return self._part(("listener", listener), partial(_incoming, listener))

    def become(self, spec: MeshSpec) -> int:
        """Have another version take the place of this one, at once and as a whole. Answers its number. Raises
        `ConfigError`, and is then what it was.
        """
        with self._lock:
            self._become(spec)
            return self.version

    def rollback(self) -> int:
        """Go back to the version before this one; it is then the newest. Answers its number. Raises `ConfigError` if
        there is none.
        """
        with self._lock:
            if not self._before:
                raise ConfigError.of("Mesh", "rollback", self.version, "there is no version before it")
            before = self._before[-1][1]
            self._become(before)
            del self._before[-2:]
            return self.version

    def _become(self, spec: MeshSpec) -> None:
        node = spec.node(self._asked)
        kept = Kept(self._kept)
        pipelines = [pipeline for _, pipeline in self._parts.values()]
        heirs = [Successor(pipeline, part(spec, node, kept), pipelines) for part, pipeline in self._parts.values()]
        for heir in heirs:
            heir.ready()
        for heir in heirs:
            heir.take_over()
        kept.settle()
        self._before = [*self._before, (self.version, self.spec)][-VERSIONS:]
        self.spec, self.node, self._kept = spec, node, kept
        self.version += 1

    def _part(self, key: tuple[str, ...], part: Part) -> Pipeline:
        with self._lock:
            known = self._parts.get(key)
            if known is None:
                pipeline = Pipeline(*part(self.spec, self.node, self._kept), name=self.spec.name)
                known = self._parts[key] = part, pipeline
            return known[1]

    def __repr__(self) -> str:
        node = "" if self.node is None else f", node={self.node.name!r}"
        return f"Mesh({self.spec.name!r}, version={self.version}{node})"


def _incoming(listener: str, spec: MeshSpec, node: Node | None, kept: Kept) -> tuple[Any, ...]:
    return incoming(spec, spec.listener(listener), kept)


def _served(spec: MeshSpec, node: Node | None, kept: Kept) -> tuple[Any, ...]:
    return () if node is None else served(node, kept)
