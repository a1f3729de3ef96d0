"""Has the file of a mesh changed, and is it whole? It is looked at now and then, in a thread of its own.

=====================================  ===========================================================================
seen                                   then
=====================================  ===========================================================================
what was read                          nothing
a change since the last look           wait: somebody may be writing
changed, but not since the last look   read it, unless it changes meanwhile
changed ten times in a row             each time a new file: read it; the same one, rewritten: trouble
gone, or no file, for two looks        trouble
a SIGHUP                               read it at once, whatever is seen
=====================================  ===========================================================================

A look is one ``stat`` that goes after links: so a file renamed over it, the swapped ``..data`` of a Kubernetes
ConfigMap and one rewritten in place are all the same. The thread holds no reference to the mesh while it waits, and
ends with it; it keeps no process alive. Threads do not survive a fork: the child of a process gets one of its own. A
process that is to be forked, and has no threads for that reason, looks by itself (`looking`).
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from ..discover.stamp import Stamp
from . import hangup
from .document import contents
from .mistakes import Mistakes

if TYPE_CHECKING:
    from .mesh import Mesh
    from .rereading import MeshSource

__all__ = ["Follower", "looking"]

UNREST = 10
"""Changes in as many looks, after which one waits no longer."""
NEVER = object()
"""In place of the stamp of what has not been looked at."""
STOP, NOW = "stop", "now"


class Follower:
    """Follows the file of a mesh, every ``interval`` seconds, until it is stopped."""

    def __init__(self, mesh: Mesh, source: MeshSource, interval: float, *, signals: bool, threads: bool = True) -> None:
        self.over = False
        self._source = source
        self._interval = interval
        self._last: Any = NEVER
        self._unrest = 0
        self._asked: SimpleQueue[str]
        """What to do at once: a signal handler may write to it, and the collector, whatever they strike."""
        self._mesh = weakref.ref(mesh, partial(_gone, weakref.ref(self)))
        self._deafen = hangup.listen(self.wake) if signals else None
        if threads:
            _all.add(self)
            self.begin()

    def begin(self) -> None:
        """In a thread of its own."""
        self._asked = SimpleQueue()
        threading.Thread(target=self._run, name="meshkit follows", daemon=True).start()

    def wake(self) -> None:
        """Have it read at once."""
        self._asked.put(NOW)

    def stop(self) -> None:
        """Nobody waits for a reading that has begun: a version may still come of it, and none afterwards."""
        self.over = True
        self._asked.put(STOP)
        if self._deafen is not None:
            self._deafen()

    def _run(self) -> None:
        asked = self._asked
        while not self.over:
            try:
                word = asked.get(timeout=self._interval)
            except Empty:
                word = ""
            mesh = self._mesh()
            if mesh is None or word is STOP:
                break
            self.look(mesh, at_once=word is NOW)
            del mesh
        if not self.over:
            self.stop()

    def look(self, mesh: Mesh, *, at_once: bool = False) -> None:
        """Once. Raises nothing: what is wrong is the mesh's to tell."""
        source = self._source
        stamp = Stamp.at(source.path)
        last, self._last = self._last, stamp
        quiet = stamp == last if last is not NEVER else _aged(stamp, self._interval)
        self._unrest = 0 if quiet else self._unrest + 1
        impatient = self._unrest >= UNREST
        if at_once or (stamp != source.stamp and (quiet or impatient)):
            restless = impatient and stamp is not None and stamp.is_same_file(last)
            read = partial(self._read, stamp, quiet=quiet, restless=restless)
            mesh.heed(self, None if at_once else read)

    def _read(self, stamp: Stamp | None, *, quiet: bool, restless: bool) -> bytes | None:
        """What is there; ``None``: it has changed meanwhile, and may be half a file."""
        source = self._source
        if restless:
            mistakes = Mistakes(source.path)
            fix = "write a new file, and rename it over this one"
            mistakes.at(0, "it is rewritten in place again and again", fix)
            raise mistakes.error()
        source.stamp = stamp
        data = contents(source.path)
        after = Stamp.at(source.path)
        if after != stamp:
            source.stamp = NEVER
            if quiet or after is None or after.is_same_file(stamp):
                return None
        return data


def looking(mesh: Mesh, interval: float) -> Callable[..., None] | None:
    """Answers what is to be called every ``interval`` seconds, to follow the file of a mesh without a thread; with
    ``at_once=True`` it is read in any case. ``None``: it is of no file.
    """
    source = mesh._source
    if source is None:
        return None
    return partial(Follower(mesh, source, interval, signals=False, threads=False).look, mesh)


def _aged(stamp: Stamp | None, seconds: float) -> bool:
    return stamp is not None and time.time() - stamp.modified / 1e9 >= seconds


def _gone(follower: weakref.ref[Follower], mesh: object) -> None:
    found = follower()
    if found is not None:
        found._asked.put(STOP)


_all: weakref.WeakSet[Follower] = weakref.WeakSet()


def _after_fork() -> None:
    for follower in [*_all]:
        if not follower.over and follower._mesh() is not None:
            follower.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
