"""What does this process do in the mesh? Whom it may call, by which names, and what it serves.

    mesh = Mesh.from_file("mesh.yaml", node="web")
    stop = mesh.follow()
    async with httpx.AsyncClient(transport=mesh.transport()) as client:
        await client.get("http://orders/stock/7")

A mesh in use: what was written down (`MeshSpec`), and the pipelines that are made of it. Another version takes the
place of one while calls are under way: each call goes on as it began, and the next one goes by the new version.
"""

from __future__ import annotations

import copy
import logging
import os
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..pipeline import Pipeline
from .assembly import incoming, outgoing, served
from .garbage import let_go, paused
from .kept import Kept
from .parts import Parts
from .spec import Listener, MeshSpec, Node
from .versions import Version, changes, settled

if TYPE_CHECKING:
    from os import PathLike

    from ..asgi import MeshMiddleware
    from ..httpx import AsyncMeshTransport, MeshTransport
    from .following import Follower
    from .rereading import MeshSource

__all__ = ["Mesh"]

NODE = "MESHKIT_NODE"
"""The environment variable that says which node this process is."""
BACK = 10
"""Versions that can be gone back to."""
TOLD = 100
"""Versions that are told."""
MANY = 100
"""Complaints that are remembered."""
LOG = logging.getLogger("meshkit")


class Mesh:
    """A mesh, seen from one of its nodes: ``Mesh(clusters=[...], routes=[...])``, or of a file: `from_file`.

    The keywords are those of `MeshSpec`. ``node``: which of its nodes this process is, by name; by default the one that
    the environment variable ``MESHKIT_NODE`` names, or the only one there is. Where there are none, it may call every
    host of the mesh. Raises `ConfigError`. Safe for any number of threads and event loops, and in a forked child.
    """

    def __init__(self, spec: MeshSpec | None = None, *, node: str | None = None, **parts: Any) -> None:
        if spec is not None and (parts or not isinstance(spec, MeshSpec)):
            raise ConfigError.of("Mesh", "spec", spec, "give a MeshSpec, or its parts as keywords")
        asked = os.environ.get(NODE) or None if node is None else node
        self._parts = Parts(MeshSpec(**parts) if spec is None else spec, asked)
        self.trouble: Exception | None = None
        """Why what the file says is not in force; ``None``: it is, or there is no file."""
        self._before: list[tuple[int, MeshSpec]] = []
        self._versions = deque([Version(1, datetime.now(UTC))], TOLD)
        self._source: MeshSource | None = None
        self._taken = self.spec
        """What the file said when it was last taken over."""
        self._complained: set[str] = set()
        """What the log says of the present trouble."""
        self._follower: Follower | None = None

    @classmethod
    def from_file(cls, path: str | PathLike[str], *, node: str | None = None, imports: bool = True) -> Mesh:
        """The mesh of a file: YAML, TOML or JSON, by its name. Raises `ConfigError` with all mistakes that are in it.

        ``imports``: whether it may name Python objects (``module:attribute``), which are then imported.
        """
        from .rereading import MeshSource

        source = MeshSource(path, imports=imports)
        mesh = cls(source.read(), node=node)
        mesh._source = source
        return mesh

    @property
    def spec(self) -> MeshSpec:
        """What was written down, in the version that is in force."""
        return self._parts.spec

    @property
    def node(self) -> Node | None:
        """Which node this process is; ``None``: none in particular."""
        return self._parts.node

    # Pipelines, and the doors to them.

    @property
    def pipeline(self) -> Pipeline:
        """The policies and routes in front of this node's calls."""
        return self._parts.pipeline("outgoing", outgoing, self.spec.name)

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

    def serving(self, listener: str | Listener | None = None) -> Pipeline:
        """The pipeline in front of what this node serves, or of what comes to a listener, the mesh's or not."""
        called = listener.name if isinstance(listener, Listener) else listener
        name = "serves" if called is None else f"listener {called}"
        part = _served if listener is None else partial(_incoming, listener)
        return self._parts.pipeline(name, part, f"{self.spec.name} {called or name}")

    # All of them.

    def idle(self) -> bool:
        """Whether nothing is held, in any of its pipelines; see `Pipeline.idle`."""
        return all(pipeline.idle() for pipeline in self._parts.pipelines.values())

    def snapshot(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The state of each policy of each pipeline: ``outgoing``, ``serves``, ``listener public``; those that somebody
        has asked for. See `Pipeline.snapshot`.
        """
        return {name: pipeline.snapshot() for name, pipeline in self._parts.pipelines.items()}

    def listen(self, listener: Any, *, direct: bool = False) -> Callable[[], None]:
        """Have each event of each call delivered, of all pipelines there are and will be; answers how to stop that. See
        `Pipeline.listen`.
        """
        _ = self.pipeline  # by which it shows whether it can listen at all
        return self._parts.hear(lambda pipeline: pipeline.listen(listener, direct=direct))

    def watch(self, watcher: Any) -> Callable[[], None]:
        """Have a `Metrics`, a `Graph` or any other object with a ``watch`` watch all pipelines there are and will be;
        answers how to stop that.
        """
        if not callable(getattr(watcher, "watch", None)):
            raise ConfigError.of("Mesh", "watcher", watcher, "give what has a watch(pipeline), or use listen")
        _ = self.pipeline  # as above
        return self._parts.hear(watcher.watch)

    # Versions.

    @property
    def version(self) -> int:
        """The number of the one in force: 1, and one more with each one that took its place."""
        return self._versions[-1].number

    @property
    def versions(self) -> tuple[Version, ...]:
        """Those it has had, the newest last: the number of each, since when, and what is different in it, in words."""
        return (*self._versions,)

    def become(self, spec: MeshSpec) -> int:
        """Have another version take the place of this one, at once and as a whole. Answers its number; where nothing is
        different it stays what it is. Raises `ConfigError`, and is then what it was.
        """
        if not isinstance(spec, MeshSpec):
            raise ConfigError.of("Mesh", "spec", spec, "give a MeshSpec")
        with self._parts.turn:
            self._become(spec)
            return self.version

    def rollback(self) -> int:
        """Go back to the version before this one; it is then the newest. Answers its number. Raises `ConfigError` if
        there is none. The file of a mesh is taken over again when it says something else, or with `reload`.
        """
        with self._parts.turn:
            if not self._before:
                raise ConfigError.of("Mesh", "rollback", self.version, "there is no version before it")
            number, before = self._before[-1]
            self._become(before, f"back to version {number}", back=True)
            return self.version

    def reload(self) -> int:
        """Read its file again, and become what it says now, at once and as a whole. Answers the number of the version;
        of a file that says the same, that it has. Raises `ConfigError` with all mistakes in the file, and is then what
        it was.
        """
        with self._parts.turn:
            if self._source is None:
                raise ConfigError.of("Mesh", "reload", self, "it is of no file: give become() a MeshSpec")
            try:
                return self._take(None)
            except Exception as error:
                self.trouble = _bare(error)
                raise

    def follow(self, interval: float = 1.0, *, signals: bool = True) -> Callable[[], None]:
        """Read its file again whenever it has changed, from now on, in a thread of its own; answers how to stop that.

        It is looked at every ``interval`` seconds, and read when it has not changed for as long. Where it is wrong, the
        version there is stays in force, ``trouble`` says why, and the log of ``meshkit`` does, once. With ``signals`` a
        SIGHUP has it read at once: if this is called in the main thread; a function that was there for the signal is
        called as well, and is put back when nobody follows any more. Raises `ConfigError`.
        """
        given: object = interval
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0.01 <= given <= 86400:
            raise ConfigError.of("Mesh", "interval", interval, "give seconds from 0.01 to 86400, such as 1.0")
        from .following import Follower

        with self._parts.turn:
            if self._source is None:
                raise ConfigError.of("Mesh", "follow", self, "it is of no file: make it with Mesh.from_file(path)")
            if self._follower is not None and not self._follower.over:
                raise ConfigError.of("Mesh", "follow", self, "it is followed already: stop that first")
            self._follower = Follower(self, self._source, interval, signals=signals)
            return self._follower.stop

    def heed(self, follower: Follower, read: Callable[[], bytes | None] | None) -> None:
        """Become what the file says, as ``read`` answers it; ``None``: it has to be read in any case. What goes wrong
        is ``trouble``. For who follows it.
        """
        with self._parts.turn:
            if follower.over:
                return
            try:
                data = None if read is None else read()
                if read is None or data is not None:
                    self._take(data, again=read is None)
            except Exception as error:
                self._troubled(error)

    def _take(self, data: bytes | None, *, again: bool = True) -> int:
        """What the file says; where it says what it did, only ``again``."""
        before, trouble = self.version, self.trouble
        with paused():
            spec = self._source.read(data)  # type: ignore[union-attr]  # there is one
            if spec is not self._taken or (again and self.spec is not spec):
                self._become(spec)
                self._taken = self.spec
                self._source.adopt(self.spec)  # type: ignore[union-attr]  # as above
        self.trouble, self._complained = None, set()
        if self.version != before:
            LOG.info("mesh %s: %s", self.spec.name, self._versions[-1])
        elif trouble is not None:
            LOG.info("mesh %s: its file is right again, and says what version %d does", self.spec.name, before)
        return self.version

    def _become(self, spec: MeshSpec, *words: str, back: bool = False) -> None:
        was = self.spec
        spec = settled(was, spec)
        if spec is was and not words:
            return
        version = Version(self.version + 1, datetime.now(UTC), (*words, *changes(was, spec)))
        before = self._before[:-1] if back else [*self._before, (self.version, was)]

        def then() -> None:
            self._before = before[-BACK:]
            self._versions.append(version)

        self._parts.become(spec, then)
        let_go([route for _, each in before[:-BACK] for route in each.routes])

    def _troubled(self, error: Exception) -> None:
        self.trouble = _bare(error)
        text = f"{type(error).__name__}: {error}"
        if text not in self._complained:
            self._complained = {text, *[*self._complained][:MANY]}
            LOG.error("mesh %s stays at version %d: %s", self.spec.name, self.version, error)

    def __repr__(self) -> str:
        node = "" if self.node is None else f", node={self.node.name!r}"
        return f"Mesh({self.spec.name!r}, version={self.version}{node})"


def _bare(error: Exception) -> Exception:
    """Without its traceback, which holds all that was being read."""
    try:
        return copy.copy(error)
    except Exception:  # somebody's own that cannot be copied
        return ConfigError(str(error))


def _incoming(listener: str | Listener, spec: MeshSpec, node: Node | None, kept: Kept) -> tuple[Any, ...]:
    return incoming(spec, spec.listener(listener) if isinstance(listener, str) else listener, kept)


def _served(spec: MeshSpec, node: Node | None, kept: Kept) -> tuple[Any, ...]:
    return () if node is None else served(node, kept)
