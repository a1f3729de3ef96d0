"""What does a name in a mesh file stand for? A cluster, a stack of policies; of this namespace, or of another one.

::

    orders             the cluster of that name in this namespace
    billing/payments   that of another namespace, if it has granted it: ``grants: {shop: [payments]}``

What stands at the top of a file is in the namespace ``default``. What is named is read when it is first asked for, so
the order in a file does not matter; a stack that is within itself is a mistake. To refer to what is wrong is no further
mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..route.path import Paths
from .located import BROKEN, WRONG, Located
from .meant import advice
from .mistakes import Mistakes, quoted, shown

__all__ = ["ALL", "DEFAULT", "Names", "Space"]

DEFAULT = "default"
ALL = "*"
READING = object()

Read = Callable[[str, Located], Any]


class Space:
    """A namespace: what is named in it, by sort, as the file has it."""

    __slots__ = ("found", "granting", "grants", "misnamed", "name", "nodes", "unread")

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: dict[str, dict[str, Located]] = {"cluster": {}, "policies": {}}
        self.found: dict[tuple[str, str], Any] = {}
        self.misnamed: set[str] = set()
        """Names that cannot be names: to refer to one is no further mistake."""
        self.unread: set[str] = set()
        """Sorts of which nobody knows what there is: to refer to one is no further mistake."""
        self.granting = True
        """Whether all its grants could be read."""
        self.grants: dict[str, tuple[str, ...]] = {}
        """By namespace, the names that it may refer to."""

    def may_have(self, name: str) -> bool:
        """Whether something in it has that name, as far as is known."""
        return bool(self.unread) or name in self.misnamed or any(name in named for named in self.nodes.values())

    def qualified(self, name: str) -> str:
        """The name as the whole mesh knows it."""
        return name if self.name == DEFAULT else f"{self.name}/{name}"


class Names:
    """All that is named in a file. ``space`` is the namespace that is being read."""

    def __init__(self, readers: dict[str, Read]) -> None:
        self.spaces: dict[str, Space] = {}
        self.space = Space(DEFAULT)
        self.used: set[tuple[str, str, str]] = set()
        """What was referred to: its namespace, its sort, its name."""
        self.places: dict[int, Located] = {}
        """Where each policy stands, by its identity: a stack has the same ones wherever it is referred to."""
        self.paths = Paths()
        """The normal form of the file's paths,"""
        self.order = "gateway-api"
        """and whose rules say which of its routes comes first."""
        self.lost: set[str] = set()
        """Namespaces of which nobody knows what there is; `ALL`: nor which of them there are."""
        self._readers = readers
        self._reading: list[str] = []
        """What is being read, each within the one before."""

    def cluster(self, node: Located, mistakes: Mistakes, key: str | None = None) -> Any:
        """The cluster of the name that stands there, or is a ``key`` there; or `WRONG`."""
        return self._of("cluster", node.value if key is None else key, node, mistakes, key)

    def policies(self, node: Located, mistakes: Mistakes) -> Any:
        """The policies of that name, or `WRONG`."""
        return self._of("policies", node.value, node, mistakes, None)

    def all(self, sort: str, space: Space, mistakes: Mistakes) -> Iterator[Any]:
        """All of a sort in a namespace."""
        for name, node in space.nodes[sort].items():
            yield self._read(sort, space, name, node, mistakes)

    def is_lost(self, name: str) -> bool:
        """Whether to refer to such a namespace, which is not there, is no further mistake."""
        return name in self.lost or ALL in self.lost

    def has(self, sort: str, name: str) -> bool:
        """Whether that can be referred to from here."""
        where, slash, own = name.rpartition("/")
        space = self.spaces.get(where) if slash else self.space
        if space is None or own not in space.nodes[sort]:
            return False
        return space is self.space or self._granted(space, own)

    def known(self, sort: str) -> list[str]:
        """The names that can be referred to from here."""
        own = [*self.space.nodes[sort]]
        others = [
            f"{space.name}/{name}"
            for space in self.spaces.values()
            if space is not self.space
            for name in space.nodes[sort]
            if self._granted(space, name)
        ]
        return own + others

    def _of(self, sort: str, name: str, node: Located, mistakes: Mistakes, key: str | None) -> Any:
        where, slash, own = name.rpartition("/")
        space = self.spaces.get(where) if slash else self.space
        if self.is_lost(where) if space is None else own in space.misnamed or sort in space.unread:
            return WRONG
        if space is None or own not in space.nodes[sort]:
            if not mistakes.full:
                what = "cluster" if sort == "cluster" else "stack of policies"
                mistakes.note(
                    node,
                    f"there is no {what} {quoted(name)}",
                    partial(self._meant, sort, where, own, self.space),
                    key=key,
                )
            return WRONG
        if space is not self.space and not self._granted(space, own):
            if space.granting:
                fix = f"let the namespace {space.name} grant it: grants: {{{self.space.name}: [{own}]}}"
                mistakes.note(node, f"{shown(name)} is not granted to the namespace {self.space.name}", fix, key=key)
            return WRONG
        self.used.add((space.name, sort, own))
        return self._read(sort, space, own, node, mistakes)

    def _meant(self, sort: str, where: str, own: str, space: Space) -> str:
        """What to write in place of a name that there is not; ``space``: where that stands."""
        if where and where not in self.spaces:
            return f"there is no namespace {quoted(where)}"
        elsewhere = [] if where else [space.name for space in self.spaces.values() if own in space.nodes[sort]]
        if elsewhere:
            return f"that of another namespace is {elsewhere[0]}/{shown(own)}"
        if where:
            there = [f"{where}/{each}" for each in self.spaces[where].nodes[sort]]
            return advice(f"{where}/{own}", there) if there else f"the namespace {where} has none"
        before, self.space = self.space, space
        known = self.known(sort)
        self.space = before
        return advice(own, known) if known else f"add it under {_section(sort)}:"

    def _granted(self, space: Space, name: str) -> bool:
        granted = space.grants.get(self.space.name, ())
        return name in granted or ALL in granted

    def _read(self, sort: str, space: Space, name: str, node: Located, mistakes: Mistakes) -> Any:
        key = sort, name
        found = space.found.get(key)
        if found is READING:
            ring = [*self._reading[self._reading.index(name) :], name] if name in self._reading else [name, name]
            text = f"{shown(name)} is within itself: {shown(', '.join(ring), 200)}"
            mistakes.note(node, text, "take one out of another")
            return WRONG
        if found is None:
            space.found[key] = READING
            before, self.space = self.space, space
            self._reading.append(name)
            inner = space.nodes[sort][name]
            try:
                found = WRONG if inner.value is BROKEN else self._readers[sort](name, inner)
            finally:
                self.space = before
                self._reading.pop()
            space.found[key] = found
        return found


def _section(sort: str) -> str:
    return "clusters" if sort == "cluster" else sort
